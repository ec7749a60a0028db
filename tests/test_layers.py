"""Folders are stages: their order is the order of imports."""

import ast
from pathlib import Path

import pytest

import sklearn_nnci

ROOT = Path(sklearn_nnci.__file__).parent
ORDER = [
    {"_docs"},
    {"_version", "exceptions", "_frames", "_notebook"},
    {"_columns", "_warn"},
    {"_saved"},
    {"_numerics"},
    {"_network"},
    {"_linearized"},
    {"_training"},
    {"_inference"},
    {"_compress", "_critical", "_draws", "_lazy", "_mixture"},
    {"_prediction_rows"},
    {"_prediction"},
    {"_wrapped"},
    {"_report_methods", "_training_methods", "_inverse", "_committee"},
    {"_regressor"},
    {"_ensemble"},
    {"_target"},
    {"_scaled", "metrics"},
    {"effects", "model_selection", "onnx"},
    {"plotting"},
    {"__init__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
FILES = sorted(ROOT.rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported(path):
    """Names of modules of the package, dotted, below its root."""
    modules = {name_of(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            head, _, tail = node.module.partition(".")
            if head == "sklearn_nnci":
                inner = [f"{tail}.{alias.name}".strip(".") for alias in node.names]
                yield from [name if name in modules else tail for name in inner]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path):
    room, *inside = name_of(path).split(".")
    for name in filter(None, imported(path)):
        other = name.split(".")[0]
        same_folder = other == room and inside
        assert LEVEL[other] < LEVEL[room] or same_folder, f"{path} imports {name}"


def test_there_is_no_cycle():
    left = {name_of(path): set(imported(path)) for path in FILES}
    while left:
        leaves = {name for name, below in left.items() if not below & set(left)}
        assert leaves, f"a cycle among {sorted(left)}"
        left = {name: below for name, below in left.items() if name not in leaves}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_rooms_not_halls(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (750 if path.stem == "_regressor" else 350)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_private_name_of_scikit_learn_is_imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "sklearn."
        ):
            names = node.module.split(".") + [alias.name for alias in node.names]
            assert not any(name.startswith("_") for name in names)
