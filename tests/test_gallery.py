"""Pages of the gallery: short, of one form, and true: each asserts what it says."""

import ast
import importlib.util
import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest

plt = pytest.importorskip("matplotlib.pyplot")
limits = pytest.importorskip("threadpoolctl").threadpool_limits

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("plot_*.py"))
MOST_LINES = 70
# Where the thumbnail is a file, the page need not draw one.
WITHOUT_FIGURE = "sphinx_gallery_thumbnail_path"

each = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def imported(tree):
    """Return the names of modules, and the names taken from them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module, alias.name) for alias in node.names}
    return found


def private_names(tree):
    """Return what the package or scikit-learn keep to themselves."""
    names = {
        f"{module}.{name}"
        for module, name in imported(tree)
        if module.startswith("sklearn") and re.search(r"(^|\.)_", f"{module}.{name}")
    }
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return names | {node.attr for node in attributes if re.match("_[^_]", node.attr)}


def title(docstring):
    """Return the title of a docstring that begins with one, underlined."""
    found = re.match(r"\n?(\S.*)\n(=+)\n\n\S", docstring or "")
    return found[1] if found and len(found[1]) == len(found[2]) else None


def asserted(tree):
    """Return the asserts that are no tautology: they name something."""
    tests = (node.test for node in ast.walk(tree) if isinstance(node, ast.Assert))
    return [
        test for test in tests if any(isinstance(n, ast.Name) for n in ast.walk(test))
    ]


def ran(script, monkeypatch):
    """Run a script; return how many figures it drew, and its warnings.

    Warnings are not errors meanwhile: the package holds some back that later work
    settles, which it could not if they were raised.
    """
    monkeypatch.chdir(script.parent)
    monkeypatch.setattr(sys, "argv", [str(script)])
    plt.close("all")
    with warnings.catch_warnings(record=True) as caught, plt.rc_context(), limits(1):
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message=".*non-interactive.*")  # plt.show
        try:
            runpy.run_path(str(script), run_name="__main__")
            return len(plt.get_fignums()), [str(w.message) for w in caught]
        finally:
            plt.close("all")


@each
def test_a_page_is_short_has_a_title_and_asserts_by_public_names(script):
    text = script.read_text("utf-8")
    tree = ast.parse(text)
    assert title(ast.get_docstring(tree, clean=False))
    assert text.count("\n") <= MOST_LINES
    assert re.search("^# %%$", text, re.M)
    assert asserted(tree)
    assert not private_names(tree)


@each
def test_a_page_runs_and_what_it_says_is_so(script, monkeypatch, capsys):
    text = script.read_text("utf-8")
    for module, _ in imported(ast.parse(text)):
        if importlib.util.find_spec(module.split(".")[0]) is None:
            pytest.skip(f"{module} is not installed")
    drawn, told = ran(script, monkeypatch)
    assert drawn or WITHOUT_FIGURE in text
    assert not told


def test_titles_differ():
    titles = [title(ast.get_docstring(ast.parse(one.read_text("utf-8")), clean=False))
              for one in SCRIPTS]  # fmt: skip
    assert len(set(titles)) == len(titles) >= 12
    assert (EXAMPLES / "GALLERY_HEADER.rst").exists()


@pytest.mark.parametrize(
    "code, private",
    [
        ("from sklearn_nnci._wrapped import unwrap", {"sklearn_nnci._wrapped.unwrap"}),
        ("from sklearn_nnci import _style", {"sklearn_nnci._style"}),
        ("net._infer(X)", {"_infer"}),
        ("from sklearn_nnci import MLPRegressorCI\n_, ci = net.predict(X)", set()),
    ],
)
def test_private_names_are_found(code, private):
    assert private_names(ast.parse(code)) == private


def test_a_claim_that_fails_a_warning_and_a_missing_title_are_found(
    tmp_path, monkeypatch
):
    script = tmp_path / "plot_wrong.py"
    script.write_text("x = 1\nassert x > 2\n")
    with pytest.raises(AssertionError):
        ran(script, monkeypatch)
    script.write_text("import warnings\nwarnings.warn('so so')\n")
    assert ran(script, monkeypatch) == (0, ["so so"])
    assert not asserted(ast.parse("assert True"))
    assert title("Some words.\n") is None
