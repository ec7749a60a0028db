"""Every code block of the documentation runs, in the order it is read."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "doc").glob("*.md"))]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def test_there_are_blocks():
    assert len(blocks(ROOT / "README.md")) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page):
    if re.search(r"^(import|from) dask", "\n".join(blocks(page)), re.M):
        pytest.importorskip("distributed")
    namespace = {"__name__": "documentation"}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
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
    assert "10-fold cross-validation: 9" in out
    assert str(tmp_path / "picture.png") in out


def test_the_cluster_example_finds_its_intervals_hold(capsys):
    import runpy

    pytest.importorskip("dask.array")
    demo = runpy.run_path(str(ROOT / "examples" / "cluster.py"))
    demo["main"](n_rows=20_000, n_test=10_000, partition=4_000, n_epochs=12)
    out = capsys.readouterr().out
    assert "41 parameters, 20,000 rows" in out
    share = float(re.search(r"([\d.]+)% of 10,000 unseen", out)[1])
    assert abs(share - 95) < 1.5
