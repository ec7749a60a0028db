"""Continuous integration, pages for contributors, and what a release needs."""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from test_layers import ORDER

import sklearn_nnci

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]


def workflow(path):
    return yaml.safe_load(path.read_text("utf-8"))


JOBS = {
    f"{path.stem}: {name}": job
    for path in WORKFLOWS
    for name, job in workflow(path)["jobs"].items()
}


def combinations(job):
    """Values of the matrix, one dictionary for each."""
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    more, found = matrix.pop("include", []), [{}]
    for name, values in matrix.items():
        found = [one | {name: value} for one in found for value in values]
    return found + more


def test_there_are_workflows():
    names = {path.stem for path in WORKFLOWS}
    assert names == {"build", "doc", "release", "style", "tests"}


@pytest.mark.parametrize("job", list(JOBS.values()), ids=list(JOBS))
def test_every_command_is_a_make_target(job):
    """What continuous integration does, a contributor can do."""
    for step in job["steps"]:
        assert ("run" in step) != ("uses" in step)
        for one in combinations(job) if "run" in step else ():
            command = step["run"]
            for name, value in one.items():
                command = command.replace(f"${{{{ matrix.{name} }}}}", value)
            target = re.fullmatch(r"make ([a-z-]+)(?: TAG=.*)?", command)[1]
            assert re.search(rf"^{target}:.*##", MAKEFILE, re.M), target


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_no_rights_that_they_do_not_need(path):
    known = workflow(path)
    assert known["permissions"] == {"contents": "read"}
    assert "concurrency" in known
    for name, job in known["jobs"].items():
        publishes = (path.stem, name) == ("release", "publish")
        assert job.get("permissions") == ({"id-token": "write"} if publishes else None)
        assert job["timeout-minutes"] <= 90
    assert "secrets." not in path.read_text("utf-8")


def test_publishing_waits_for_what_was_tried():
    publish = workflow(GITHUB / "workflows" / "release.yml")["jobs"]["publish"]
    assert publish["needs"] == "build"
    assert publish["environment"] == "pypi"
    assert not any("run" in step for step in publish["steps"])


def test_actions_are_pinned_to_a_commit_and_its_version():
    pinned = {}
    for path in WORKFLOWS:
        for line in re.findall(r"uses: (.*)", path.read_text("utf-8")):
            name, commit, version = re.fullmatch(
                r"([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line
            ).groups()
            assert pinned.setdefault(name, (commit, version)) == (commit, version)
    assert "pypa/gh-action-pypi-publish" in pinned


def test_the_python_versions_are_those_of_the_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    prefix = "Programming Language :: Python :: 3."
    told = {one.removeprefix(prefix) for one in project["classifiers"] if prefix in one}
    suite = workflow(GITHUB / "workflows" / "tests.yml")["jobs"]["suite"]
    tried = {
        one["python"].removeprefix("3.")
        for one in combinations(suite)
        if one["target"] == "test"
    }
    assert tried == told
    assert project["requires-python"] == f">=3.{min(map(int, told))}"


@pytest.mark.parametrize("page", PAGES)
def test_links_of_pages_for_contributors_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_advice_on_security_runs(tmp_path, monkeypatch):
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(code, namespace)
    assert namespace["model"].predict(namespace["X"], return_ci=True)[1].shape[1] == 2
    assert namespace["unknown"]
    assert all(name.startswith("sklearn_nnci.") for name in namespace["unknown"])


def test_contributing_names_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+?)(?:\.py|/)`", text))
    rooms = {path.stem for path in Path(sklearn_nnci.__file__).parent.glob("[!_]*")}
    rooms = {room for room in rooms if room != "py"} | set().union(*ORDER)
    assert rooms - named <= {"__init__"}


# ------------------------------------------------------------------------- a release


@pytest.fixture
def released(tmp_path):
    """The files of a release, as they should be."""
    (tmp_path / "doc").mkdir()
    for name in ("README.md", "doc/index.md", "doc/start.md"):
        (tmp_path / name).write_text("pip install sklearn-nnci\n")
    for name in ("CHANGELOG.md", "CITATION.cff", "sklearn_nnci/_version.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    edit(
        tmp_path / "sklearn_nnci" / "_version.py",
        "^__version__ = .*$",
        '__version__ = "1.2.3"',
    )
    edit(tmp_path / "CITATION.cff", "^version: .*$", "version: 1.2.3")
    edit(tmp_path / "CITATION.cff", r"^(date-released: .*\n)?license", "license")
    edit(tmp_path / "CITATION.cff", "^license", "date-released: 2030-01-31\nlicense")
    edit(tmp_path / "CHANGELOG.md", "^## .*$", "## 1.2.3 (2030-01-31)")
    return tmp_path


def edit(path, pattern, replacement):
    text = path.read_text("utf-8")
    new, times = re.subn(pattern, replacement, text, count=1, flags=re.M)
    assert times == 1, pattern
    path.write_text(new, encoding="utf-8")


faults = runpy.run_path(str(GITHUB / "check_release.py"))["faults"]


def test_a_release_has_one_version_and_one_day(released):
    assert faults(released, "v1.2.3") == []


@pytest.mark.parametrize(
    "file, pattern, replacement, told",
    [
        ("sklearn_nnci/_version.py", "1.2.3", "1.2.4", "the version 1.2.4"),
        ("sklearn_nnci/_version.py", "1.2.3", "1.2.3.dev0", "of development"),
        ("CITATION.cff", "^version: .*", "version: 1.2.2", "CITATION.cff has version"),
        ("CITATION.cff", "2030-01-31", "2030-01-30", "date-released '2030-01-30'"),
        ("CITATION.cff", "^date.*\n", "", "date-released ''"),
        ("CHANGELOG.md", r"\(2030-01-31\)", "(unreleased)", "no heading"),
        ("README.md", "pip", "It is not on PyPI yet. pip", "not on PyPI"),
        ("doc/start.md", "pip", "It is not on PyPI yet. pip", "start.md says"),
    ],
)
def test_what_a_release_lacks_is_told(released, file, pattern, replacement, told):
    edit(released / file, pattern, replacement)
    assert told in "\n".join(faults(released, "v1.2.3"))


def test_another_tag_is_refused():
    script = GITHUB / "check_release.py"
    run = subprocess.run(
        [sys.executable, script, "v99.0"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "the tag is 'v99.0'" in run.stderr
