"""Docstrings: complete, and of numpydoc's form."""

import inspect

import pytest
from numpydoc.validate import validate

import sklearn_nnci.onnx
from sklearn_nnci import MLPRegressorCI


def test_the_class_names_every_covariance_and_noise_it_takes():
    for name, values in MLPRegressorCI._parameter_constraints.items():
        if name in ("covariance", "noise"):
            for value in values[0].options:
                assert f"'{value}'" in MLPRegressorCI.__doc__, value


def public_objects(module=sklearn_nnci):
    for name in module.__all__:
        if name in ("__version__", "TRUSTED_TYPES"):
            continue
        one, path = getattr(module, name), f"{module.__name__}.{name}"
        if inspect.ismodule(one):
            yield from public_objects(one)
            continue
        yield path
        for method, value in inspect.getmembers(one):
            own = inspect.isclass(one) and any(
                method in vars(base)
                for base in one.__mro__
                if base.__module__.startswith("sklearn_nnci")
            )
            if own and not method.startswith("_") and callable(value):
                yield f"{path}.{method}"


OBJECTS = sorted({*public_objects(), *public_objects(sklearn_nnci.onnx)})
WARNINGS = {name for name in OBJECTS if name.endswith("Warning")}
CLASSES = {name for name in OBJECTS if name.rsplit(".", 1)[-1][0].isupper()}


@pytest.mark.parametrize("name", OBJECTS)
def test_public_docstrings_are_numpydoc(name):
    """As scikit-learn validates its own, with the same exceptions."""
    ignored = {"RT02", "GL01", "GL02", "GL08"}
    if name not in CLASSES:
        ignored |= {"ES01", "SA01", "EX01"}
    if name in WARNINGS:  # examples are on their pages, and run
        ignored |= {"EX01"}
    found = [
        f"{code}: {text}"
        for code, text in validate(name)["errors"]
        if code not in ignored and "set_" not in name
    ]
    assert not found, "\n".join(found)
