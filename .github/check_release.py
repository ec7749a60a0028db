"""Is this tag the release that the files tell of? ``make release-check TAG=v1.2.3``.

Version, changelog and citation have to name it, the latter two with the same day, and
the README and the first pages of the documentation have to install it.
"""

import re
import sys
from pathlib import Path

INSTALL = "README.md", "doc/index.md", "doc/start.md"


def found(pattern: str, path: Path) -> str:
    """Return what the pattern captures in a file, or ""."""
    match = re.search(pattern, path.read_text("utf-8"), re.M)
    return match[1] if match else ""


def faults(root: Path, tag: str) -> list[str]:
    """Return what is wrong with releasing `root` as `tag`."""
    version = found(r'^__version__ = "(.+)"', root / "sklearn_nnci" / "_version.py")
    changes, citation = root / "CHANGELOG.md", root / "CITATION.cff"
    cited = found(r"^version: (\S+)", citation)
    day = found(rf"^## {re.escape(version)} \((\d{{4}}-\d\d-\d\d)\)$", changes)
    cited_day = found(r"^date-released: '?([\d-]+)", citation)
    checks = {
        f"the tag is {tag!r}, but the version {version}": tag == f"v{version}",
        f"CITATION.cff has version {cited!r}, not {version}": cited == version,
        f"CHANGELOG.md has no heading '## {version} (year-month-day)'": bool(day),
        f"CITATION.cff has date-released {cited_day!r}, not {day!r}": cited_day == day,
        f"{version} is a version of development": "dev" not in version,
    }
    for page in INSTALL:
        told = found("(not on PyPI)", root / page)
        checks[f"{page} says that it is not on PyPI"] = not told
    return [fault for fault, fine in checks.items() if not fine]


if __name__ == "__main__":
    wrong = faults(Path(__file__).resolve().parents[1], sys.argv[1])
    sys.exit("\n".join(wrong))
