"""What an index shows of the package: its version, its links, its README."""

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import sklearn_nnci

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
REPOSITORY = "https://github.com/sklearn-nnci/sklearn-nnci"
RELATIVE = [
    r"\]\((?!https?://|#|mailto:)[^)]*\)",
    r"^\[[^\]]+\]:\s+(?!https?://|#).*",
    r"(?:src|href)=[\"'](?!https?://|#|mailto:)[^\"']*",
]


def relative_links(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)  # code has no links
    return [link for one in RELATIVE for link in re.findall(one, text, re.M)]


def as_published(text):
    """Apply the substitutions of the build by hand."""
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for one in hook["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text, flags=re.M)
    return text.replace("$HFPR_VERSION", sklearn_nnci.__version__)


@pytest.fixture
def installed():
    try:
        return metadata.distribution("sklearn-nnci")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")


@pytest.fixture
def built(installed):
    """The distribution as it was built, not as it was when a link to it was made."""
    source = json.loads(installed.read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install; make wheel-test asks the wheel")
    return installed


def test_the_version_is_one(installed):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert installed.version == sklearn_nnci.__version__ == str(citation["version"])
    questions = (ROOT / "doc" / "guide" / "questions.md").read_text("utf-8")
    assert f"  version = {{{citation['version']}}},\n" in questions
    assert "version" not in PROJECT["project"]
    assert citation["license"] == PROJECT["project"]["license"]


def test_the_addresses_are_one():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    urls = PROJECT["project"]["urls"]
    assert citation["url"] == urls["Documentation"]
    assert citation["repository-code"] == urls["Source"] == REPOSITORY
    assert all(urls[name].startswith(REPOSITORY) for name in ("Issues", "Changelog"))


def test_relative_links_are_seen_and_replaced():
    samples = {
        "[a](doc/a.md)": f"[a]({REPOSITORY}/blob/v{sklearn_nnci.__version__}/doc/a.md)",
        "[b]: doc/b.md": f"[b]: {REPOSITORY}/blob/v{sklearn_nnci.__version__}/doc/b.md",
    }
    for given, expected in samples.items():
        assert relative_links(given)
        assert as_published(given) == expected
    for picture in ("![p](doc/p.png)", '<img src="doc/p.png" alt="p">'):
        assert relative_links(picture)
        published = as_published(picture)
        assert "https://raw.githubusercontent.com/sklearn-nnci/" in published
        assert "/doc/p.png" in published
        assert not relative_links(published)
    for kept in ("[c](https://a.b/c.png)", "[d](#here)", "[e](mailto:f@g.h)"):
        assert as_published(kept) == kept


def test_the_published_readme_has_no_relative_link():
    assert relative_links(README)
    assert not relative_links(as_published(README))


def test_the_built_readme_is_that(built):
    text = built.metadata.get_payload() or built.metadata["Description"]
    assert built.metadata["Description-Content-Type"] == "text/markdown"
    assert not relative_links(text)
    assert text.strip() == as_published(README).strip()


def test_an_index_renders_the_built_readme(built):
    """By what renders it there, which leaves out what it thinks unsafe."""
    markdown = pytest.importorskip("readme_renderer.markdown")
    page = markdown.render(built.metadata.get_payload())
    assert page.count("<img") == len(re.findall(r"^!\[|<img", README, re.M)) > 0
    assert page.count("<table") == len(re.findall(r"^\|[-:| ]+\|$", README, re.M)) > 0
    assert page.count("<pre") >= README.count("```python\n") > 0
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(links) >= len(re.findall(r"\]\(", README))
    assert all(re.match("https?://|#|mailto:", link) for link in links)


def test_the_built_metadata_has_addresses_and_versions(built):
    known = dict(one.split(", ") for one in built.metadata.get_all("Project-URL"))
    assert known == PROJECT["project"]["urls"]
    assert built.metadata["Requires-Python"] == ">=3.11"
    assert built.metadata["Metadata-Version"] == "2.4"
    assert any(path.name == "py.typed" for path in built.files)
    assert not any(path.parts[0] == "tests" for path in built.files)
    folder = Path(sklearn_nnci.__file__).resolve().parent
    assert folder == Path(built.locate_file("sklearn_nnci")).resolve()
    assert ROOT not in folder.parents or "site-packages" in folder.parts
