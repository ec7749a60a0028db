"""Docstrings: complete, and of numpydoc's form."""

import inspect

import pytest
from numpydoc.validate import validate

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI


def test_the_class_names_every_covariance_and_noise_it_takes():
    for name, values in MLPRegressorCI._parameter_constraints.items():
        if name in ("covariance", "noise"):
            for value in values[0].options:
                assert f"'{value}'" in MLPRegressorCI.__doc__, value


def public_objects():
    for name in sklearn_nnci.__all__:
        if name in ("__version__", "exceptions"):
            continue
        cls = getattr(sklearn_nnci, name)
        if inspect.ismodule(cls):
            yield from (f"sklearn_nnci.{name}.{own}" for own in cls.__all__)
            continue
        yield f"sklearn_nnci.{name}"
        for method, value in inspect.getmembers(cls):
            own = any(
                method in vars(base)
                for base in cls.__mro__
                if base.__module__.startswith("sklearn_nnci")
            )
            if own and not method.startswith("_") and callable(value):
                yield f"sklearn_nnci.{name}.{method}"


@pytest.mark.parametrize("name", sorted(set(public_objects())))
def test_public_docstrings_are_numpydoc(name):
    """As scikit-learn validates its own, with the same exceptions."""
    ignored = {"RT02", "GL01", "GL02", "GL08"}
    if name.count(".") > 1:
        ignored |= {"ES01", "SA01", "EX01"}
    found = [
        f"{code}: {text}"
        for code, text in validate(name)["errors"]
        if code not in ignored and "set_" not in name
    ]
    assert not found, "\n".join(found)
