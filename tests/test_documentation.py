"""Every code block of the documentation runs, in the order it is read."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
# Not what `make doc` writes there
WRITTEN = (
    "_build",
    "auto_examples",
    "api/generated",
    "benchmarks/results",
    "repository",
)
PAGES = [
    ROOT / "README.md",
    *(
        page
        for page in sorted((ROOT / "doc").rglob("*.md"))
        if not page.relative_to(ROOT / "doc").as_posix().startswith(WRITTEN)
    ),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Pages may write files, but not here."""
    monkeypatch.chdir(tmp_path)


# Libraries that pages show, and not every environment has; imported where they are.
OPTIONAL = {
    "dask": "distributed", "fastapi": "fastapi", "mapie": "mapie",
    "marginaleffects": "marginaleffects", "mlflow": "mlflow",
    "onnxruntime": "onnxruntime", "skore": "skore", "skops": "skops",
}  # fmt: skip


# A number, in words or alone: a last digit may depend on the machine.
NUMBER = r"-?\d[\d,]*\.?\d*(?:e[+-]\d+)?"


def name(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    """Return each block of code, and the output shown right below it, or ""."""
    text, fence = page.read_text("utf-8"), r"^```{}\n(.*?)^```$"
    pattern = fence.format("python") + r"(?:\n+" + fence.format("text") + ")?"
    return re.findall(pattern, text, re.M | re.S)


def test_there_are_blocks():
    found = blocks(ROOT / "README.md")
    assert len(found) >= 3
    assert any("unseen patients" in shown for _, shown in found)


# scikit-learn 1.7 says so of the class of MAPIE 1.1 that is a page's.
@pytest.mark.filterwarnings("ignore:.*__sklearn_tags__:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # NumPy 1.24
# Pages of warnings are run, with what they warn of, by tests/test_warning_pages.py.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent.name != "warnings"], ids=name
)
def test_code_runs_and_prints_what_is_shown(page, capsys):
    found = blocks(page)
    code = "\n".join(code for code, _ in found)
    for library in re.findall(r"^(?:import|from) (\w+)", code, re.M):
        if library in OPTIONAL:
            pytest.importorskip(OPTIONAL[library])
    assert len(found) == page.read_text("utf-8").count("```python\n")
    namespace = {"__name__": "documentation"}
    for code, shown in found:
        capsys.readouterr()
        exec(compile(code, str(page), "exec"), namespace)
        if shown:
            assert_same_text(capsys.readouterr().out, shown)


def assert_same_text(printed, shown):
    """Compare line by line: words alike, numbers to one percent."""
    printed, shown = printed.strip().split("\n"), shown.strip().split("\n")
    assert len(printed) == len(shown)
    for one, two in zip(printed, shown, strict=True):
        words = (re.sub(NUMBER, "0", line).split() for line in (one, two))
        assert next(words) == next(words)
        values = [float(v.replace(",", "")) for v in re.findall(NUMBER, one)]
        expected = [float(v.replace(",", "")) for v in re.findall(NUMBER, two)]
        assert values == pytest.approx(expected, rel=0.01), one


def test_shown_output_is_compared():
    assert_same_text("mean 1.001, 3,000 of a\n", "mean 1.002,  3,001 of a")
    for other in ("mean 1.2", "main 1.0", "mean 1.0\n2", "mean", "mean -1.0"):
        with pytest.raises(AssertionError):
            assert_same_text("mean 1.0", other)


def test_the_readme_fits_nothing_on_test_rows():
    code = "\n".join(code for code, _ in blocks(ROOT / "README.md"))
    for call in re.findall(r"(?:fit\w*|CI\.from_estimator)\([^)]*\)", code):
        assert "test" not in call, call


@pytest.mark.parametrize("page", [*PAGES, ROOT / "benchmarks" / "README.md"], ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_commands_are_targets(page):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z-]+)", (ROOT / page).read_text("utf-8")):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_oldest_versions_tested_are_the_lower_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = (ROOT / "tests" / "oldest.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in pins if "==" in line)
    for requirement in map(Requirement, project["dependencies"]):
        (bound,) = requirement.specifier
        assert bound.operator == ">="
        assert Version(pins[requirement.name]) == Version(bound.version)


def test_the_demo_draws_its_picture(tmp_path, capsys):
    import runpy

    demo = runpy.run_path(str(ROOT / "examples" / "diabetes.py"))
    demo["main"](tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    out = capsys.readouterr().out
    share, width, spread = (
        float(re.search(pattern, out)[1])
        for pattern in (
            r"5-fold cross-validation: ([\d.]+)%",
            r"It is (\d+)",
            r"it would be (\d+)",
        )
    )
    # 442 patients: two standard errors are 2 %
    assert 93 < share < 97.5 and width < 0.8 * spread
    assert len(re.findall(r"^\d+ ", out, re.M)) == 8
    assert str(tmp_path / "picture.png") in out


def test_counts_draw_their_picture(tmp_path, capsys):
    import runpy

    demo = runpy.run_path(str(ROOT / "examples" / "counts.py"))
    demo["main"](tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    out = capsys.readouterr().out
    assert 93 < float(re.search(r"^(\d+)%", out)[1]) < 98
    assert str(tmp_path / "picture.png") in out


def test_the_committee_draws_its_picture(tmp_path, capsys):
    import runpy

    demo = runpy.run_path(str(ROOT / "examples" / "committee.py"))
    demo["main"](tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    out = capsys.readouterr().out
    assert "of the curve lies in its 95% confidence interval" in out
    assert float(re.search(r"^(\d+)%", out)[1]) > 85
    assert str(tmp_path / "picture.png") in out


def test_the_noise_example_draws_its_picture(tmp_path, capsys):
    import runpy

    demo = runpy.run_path(str(ROOT / "examples" / "noise.py"))
    demo["main"](tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 20_000
    out = capsys.readouterr().out
    before, after = (
        [[float(p) / 100 for p in re.findall(r"([\d.]+)%", line)] for line in half]
        for half in (out.split("\n")[1:4], out.split("\n")[5:8])
    )
    # Of 90 % intervals each third has a twentieth in either tail
    errors = [np.abs(np.array(half) - 0.05).mean() for half in (before, after)]
    assert errors[1] < 0.9 * errors[0]


def test_the_cluster_example_finds_its_intervals_hold(capsys):
    import runpy

    pytest.importorskip("dask.array")
    demo = runpy.run_path(str(ROOT / "examples" / "cluster.py"))
    demo["main"](n_rows=20_000, n_test=10_000, partition=4_000, n_epochs=12)
    out = capsys.readouterr().out
    assert "41 parameters, 20,000 rows" in out
    share = float(re.search(r"([\d.]+)% of 10,000 unseen", out)[1])
    assert abs(share - 95) < 1.5


def test_the_readme_has_each_warning_with_its_page():
    from sklearn_nnci import exceptions

    text = (ROOT / "README.md").read_text("utf-8")
    for name in set(exceptions.__all__) - {"InferenceWarning"}:
        assert f"[{name.removesuffix('Warning')}](doc/warnings/{name}.md)" in text, name


def test_the_readme_opens_with_a_picture_and_a_table():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 270
    parts = "![", "pip install", "```python", "```text", "## Which of the two"
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    code, shown = blocks(ROOT / "README.md")[0]
    assert len([line for line in code.splitlines() if line]) <= 8
    assert "obs_ci_upper" in shown


def test_the_readme_compares_by_the_figures_of_the_study():
    text = (ROOT / "README.md").read_text("utf-8")
    study = (ROOT / "benchmarks" / "results" / "rivals.md").read_text("utf-8")
    _, _, table = text.partition("## Compared with")
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) > 10
    assert set(lines) <= set(study.splitlines())


@pytest.mark.parametrize(
    "page", ["README.md", "doc/guide/questions.md", "doc/scale.md"]
)
def test_what_many_rows_cost_is_said_as_measured(page):
    rows = (ROOT / "benchmarks" / "results" / "rows.md").read_text("utf-8")
    text = (ROOT / page).read_text("utf-8")
    for network in ("30 units, p = 661", "100 units, p = 2201"):
        measured = rf"{network}, n = 500000: .+? \| (\d+\.?\d*) (?:s|MB) "
        costs = [round(float(cost)) for cost in re.findall(measured, rows)]
        assert len(costs) == 2
        assert all(re.search(rf"\b{cost}\b", text) for cost in costs), costs
