"""Imports go strictly down."""

import ast
from pathlib import Path

import pytest

import sklearn_nnci

FLOORS = [
    {
        "_network",
        "_chunks",
        "_linalg",
        "_evidence",
        "_losses",
        "_progress",
        "exceptions",
        "metrics",
        "_report",
        "_version",
        "_warn",
    },
    {"_jacobian", "_sums"},
    {"_rows"},
    {"_kriging", "_objective"},
    {"_dual"},
    {"_information"},
    {"_fits", "_advice"},
    {"_auto", "_diagnostics", "_training", "_influence", "_polish"},
    {"_covariance"},
    {"_intervals", "_moments", "_dask", "_trained"},
    {"_inference"},
    {"_prediction"},
    {"_starts"},
    {"_statistics"},
    {"_regressor"},
    {"_target"},
    {"__init__"},
]
FILES = sorted(Path(sklearn_nnci.__file__).parent.glob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            head, _, tail = node.module.partition(".")
            if head == "sklearn_nnci":
                yield from [tail] if tail else [alias.name for alias in node.names]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_go_down(path):
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    for room in imported(path):
        assert floor[room] < floor[path.stem], f"{path.stem} imports {room}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_private_name_of_scikit_learn_is_imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "sklearn."
        ):
            names = node.module.split(".") + [alias.name for alias in node.names]
            assert not any(name.startswith("_") for name in names)
