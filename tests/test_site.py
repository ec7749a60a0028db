"""The documentation site, as far as it can be judged without building it."""

import importlib
import re
from pathlib import Path

import pytest

import sklearn_nnci
from sklearn_nnci._docs import DOCUMENTATION

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "doc"
PACKAGE = Path(sklearn_nnci.__file__).parent
MODULES = sorted(
    {
        "sklearn_nnci",
        *(
            f"sklearn_nnci.{path.stem if path.is_file() else path.name}"
            for path in PACKAGE.iterdir()
            if not path.name.startswith("_")
            and (path.suffix == ".py" or (path / "__init__.py").exists())
        ),
    }
)


def public(module):
    """Return the classes and functions that a module promises, and its constants."""
    one = importlib.import_module(module)
    names = {name for name in one.__all__ if f"{module}.{name}" not in MODULES}
    constants = {name for name in names if not callable(getattr(one, name))}
    return names - constants, constants


def listed(page):
    """Return the names in the tables of a page of the reference."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"\.\. autosummary::\n   :toctree: generated\n\n([^`]*)", text)
    return [name for block in blocks for name in block.split()]


def test_the_package_has_the_modules_that_are_expected():
    assert {"sklearn_nnci", "sklearn_nnci.effects", "sklearn_nnci.exceptions"} < set(
        MODULES
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module):
    page = DOC / "api" / f"{module}.md"
    (names, constants), found = public(module), listed(page)
    assert len(found) == len(set(found))
    assert set(found) == names
    for name in constants:
        assert f"`{module}.{name}`" in page.read_text("utf-8"), name


def test_the_reference_leads_to_every_module():
    text = (DOC / "api" / "index.md").read_text("utf-8")
    for module in MODULES:
        assert f"({module}.md)" in text, module


@pytest.mark.parametrize(
    "name",
    ["MLPRegressorCI", "MLPEnsembleRegressorCI", "TransformedTargetRegressorCI"],
)
def test_diagrams_of_estimators_link_to_the_page_that_is_generated(name):
    page = getattr(sklearn_nnci, name)()._repr_html_()
    assert f"{DOCUMENTATION}api/generated/sklearn_nnci.{name}.html" in page
    assert name in listed(DOC / "api" / "sklearn_nnci.md")


PAGES = [
    *(
        path
        for path in sorted(DOC.glob("*.md"))
        if path.stem not in ("index", "counts")
    ),
    *sorted((DOC / "guide").glob("*.md")),
    DOC / "benchmarks" / "index.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_conclusion_comes_first_in_three_lines(page):
    """Of counts, whose page has two subjects, the first has it."""
    first = page.read_text("utf-8").split("\n\n")[1]
    assert re.match(r"- .*\S", first), first
    assert len(re.findall(r"^- ", first, re.M)) == 3


def test_the_questions_are_one_click_from_the_first_page():
    assert "guide/questions" in (DOC / "index.md").read_text("utf-8")
    text = (DOC / "guide" / "questions.md").read_text("utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)  # code apart
    answers = re.split(r"^## .*$", text, flags=re.M)[1:]
    assert len(answers) == 11
    for answer in answers:
        assert len(answer.split()) < 90, answer


def test_every_page_of_results_is_in_the_list():
    text = (DOC / "benchmarks" / "index.md").read_text("utf-8")
    for page in sorted((ROOT / "benchmarks" / "results").glob("*.md")):
        assert f"(../../benchmarks/results/{page.name})" in text, page.name
