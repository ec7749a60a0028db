"""Each class of warnings has a page, whose data set raises it and whose cure works."""

import contextlib
import io
import re
import textwrap
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest

from sklearn_nnci import exceptions
from sklearn_nnci._docs import DOCUMENTATION, page_of
from sklearn_nnci._warn import warn

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "doc" / "warnings"
NAMES = [name for name in exceptions.__all__ if name != "InferenceWarning"]
# Seeds that no page was written with, and how many of these must bear it out.
OTHERS, ENOUGH = range(1, 6), 4
NUMBER = r"-?\d[\d,]*\.?\d*(?:e[+-]\d+)?"
SEEDED = ("default_rng({})", "random_state={}", "seed={}")


def text_of(name):
    return (FOLDER / f"{name}.md").read_text("utf-8")


def fenced(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(name), re.M | re.S)


class Ran:
    """A page that ran: by block, what it printed and the messages of its class."""

    def __init__(self, name, seed=0, kind=None):
        self.printed, self.told = [], []
        namespace = {"__name__": "page"}
        for code in fenced(name, "python"):
            for form in SEEDED:
                code = code.replace(form.format(0), form.format(seed))
            out = io.StringIO()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with contextlib.redirect_stdout(out):
                    exec(compile(code, f"{name}.md", "exec"), namespace)
            self.printed.append(out.getvalue())
            kind = kind or getattr(exceptions, name)
            self.told.append([str(w.message) for w in caught if w.category is kind])


@pytest.fixture
def little_memory(monkeypatch):
    """Memory for a matrix of 122 x 122, as the page says that the test has it."""
    from sklearn_nnci._linearized import route

    monkeypatch.setattr(route, "MAX_BYTES", 300_000)


@pytest.fixture
def memory(request):
    if "RowsLeftOutWarning" in request.node.name:
        request.getfixturevalue("little_memory")


def words_and_numbers(text):
    words = re.sub(NUMBER, "0", text).split()
    return words, [float(v.replace(",", "")) for v in re.findall(NUMBER, text)]


def assert_alike(one, two):
    """Words are the same; numbers to what another machine may make of a training."""
    (words, numbers), (others, expected) = map(words_and_numbers, (one, two))
    assert words == others
    np.testing.assert_allclose(numbers, expected, rtol=0.15, atol=0.03)


def test_every_class_has_a_page_and_every_page_a_class():
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert pages == set(NAMES) and len(NAMES) == 18
    index = (FOLDER / "index.md").read_text("utf-8")
    for name in NAMES:
        assert text_of(name).startswith(f"# {name}\n\n- **")
        assert f"[{name}]({name}.md)" in index or f"[`{name}`]({name}.md)" in index
        assert re.search(rf"^{name}$", index, re.M)  # its table of contents


@pytest.mark.parametrize("name", NAMES)
def test_the_page_raises_its_warning_and_its_cure_does_not(name, memory):
    ran = Ran(name)  # the page's own asserts say that the cure helps
    assert len(ran.told[0]) == 1 and ran.told[1] == []
    (shown,) = fenced(name, "none")
    address = f"See {page_of(name)}"
    assert_alike(f"{name}: {ran.told[0][0]}", f"{shown}{address}")
    assert ran.told[0][0].endswith(f"\n{address}")
    assert ran.printed[0] == ""
    for printed, text in zip(ran.printed[1:], fenced(name, "text"), strict=True):
        assert_alike(printed, text)


def test_the_index_runs():
    with warnings.catch_warnings():
        ran = Ran("index", kind=exceptions.NotAtMinimumWarning)
    assert len(ran.told[0]) == 1 and ran.told[1] == []  # the second ignores it
    assert_alike(ran.printed[0], fenced("index", "text")[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_cure_claims_something(name):
    assert re.search(r"^ *assert ", fenced(name, "python")[1], re.M)


@pytest.mark.parametrize("name", NAMES)
def test_the_cure_works_for_other_seeds(name, memory):
    held = 0
    for seed in OTHERS:
        with contextlib.suppress(AssertionError):
            ran = Ran(name, seed)
            held += len(ran.told[0]) == 1 and ran.told[1] == []
    assert held >= ENOUGH


@pytest.mark.parametrize("name", NAMES)
def test_pages_use_public_names_only(name):
    for code in fenced(name, "python"):
        assert not re.search(r"\b_\w|\._\w", code.replace("__version__", "version"))


@pytest.mark.parametrize("name", ["index", *NAMES])
def test_links_of_the_page_lead_somewhere(name):
    targets = re.findall(r"\]\(([^)#]+)(?:#([^)]*))?\)", text_of(name))
    for file, anchor in targets:
        if file.startswith("http"):
            continue
        path = FOLDER / file
        assert path.exists(), file
        titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.M)
        slugs = [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles]
        assert not anchor or anchor in slugs, anchor


def test_what_was_never_seen_is_covered_by_auto_about_as_often_as_the_page_says():
    """The sentence of OutsideSpanWarning.md, over 20 draws of the effects."""
    covered = []
    for seed in range(20):
        lines = Ran("OutsideSpanWarning", seed).printed[1].splitlines()
        covered += [
            float(line.split()[-1]) for line in lines if line.startswith("auto")
        ]
    (said,) = re.findall(r"draws of the effects it covered (\S+);", text_of(
        "OutsideSpanWarning"
    ))  # fmt: skip
    assert np.mean(covered) == pytest.approx(float(said), abs=0.05)
    assert 1 <= np.sum(np.array(covered) < 0.1) <= 3


# ------------------------------------------------------------------------- the address


def test_the_address_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"]["Documentation"] == DOCUMENTATION


def test_a_message_has_the_address_of_its_page_once():
    kind = exceptions.ExtrapolationWarning
    for message in ("Far.", f"2 of 3 members: Far.\nSee {page_of(kind.__name__)}"):
        with pytest.warns(kind) as caught:
            warn(message, kind)
        text = str(caught[0].message)
        assert text.startswith(message.partition("\n")[0])
        assert text.count(DOCUMENTATION) == 1 and text.endswith(
            f"/{kind.__name__}.html"
        )
    with pytest.warns(UserWarning) as caught:  # not one of ours
        warn("Other.", UserWarning)
    assert str(caught[0].message) == "Other."


def test_diagnostics_name_the_class_and_link_its_page():
    from cases import sine_data

    from sklearn_nnci import MLPRegressorCI

    parameters = dict(hidden_layer_sizes=(3,), activation="tanh", max_iter=50)
    found = MLPRegressorCI(**parameters, random_state=0).fit(*sine_data()).diagnostics()
    raised = [check.warning for check in found.raised]
    assert "NotAtMinimumWarning" in raised
    html = found._repr_html_()
    for name in NAMES:
        assert (name in str(found)) == (name in raised)
        link = f'<a href="{page_of(name)}">{name}</a>'
        assert html.count(link) == raised.count(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_names_the_page(name):
    kind = getattr(exceptions, name)
    assert page_of(name) in textwrap.dedent(kind.__doc__)
