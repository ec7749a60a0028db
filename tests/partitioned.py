"""Rows in partitions, and what inference says of them; needs dask."""

import copy
import functools

import numpy as np
import pytest
from cases import sine_data

from sklearn_nnci import MLPRegressorCI

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")


N = 300
EVEN = (100, 100, 100)
QUERIES = np.random.default_rng(1).uniform(-2.5, 2.5, (40, 2))


@functools.cache
def _trained(activation, m, loss, units, n):
    X, y = sine_data(n=n, m=m)
    if loss == "poisson":
        y = np.random.default_rng(0).poisson(np.exp(y)).astype(float)
    net = MLPRegressorCI(
        loss=loss, hidden_layer_sizes=(units,), activation=activation, alpha=1e-2,
        solver="lbfgs", max_iter=300, random_state=0,
    )  # fmt: skip
    return net.fit(X, y), X, y


def trained(activation="tanh", m=1, loss="squared_error", units=4, n=N):
    """A network of one's own, its X and y."""
    return copy.deepcopy(_trained(activation, m, loss, units, n))


# What is asked of rows in one place only.
APART = ("misfit_statistic", "misfit_p_value")


def found(net):
    """Everything that inference says of rows wherever they lie, as {name: value}."""
    prediction = net.get_prediction(QUERIES)
    names = ("mean", "se_mean", "se_obs")
    numbers = {name: getattr(prediction, name) for name in names}
    report = net.inference_._asdict()
    own = {name: value for name, value in report.items() if name not in APART}
    checks = [c for c in net.diagnostics() if not c.name.startswith("misfit")]
    told = [text for text in net.inference_.warnings if not text.startswith("Misfit")]
    return {**numbers, **own, "checks": checks, "warnings": told}


def assert_same(net, expected):
    """`net` says what `expected` does, to 1e-10."""
    for name, value in found(net).items():
        if name in ("method", "noise", "route", "errors", "variance"):
            assert value == expected[name], name
        elif name == "checks":
            for check, other in zip(value, expected[name], strict=True):
                assert (check.name, check.verdict) == (other.name, other.verdict)
        elif name == "warnings":
            assert len(value) == len(expected[name])
        elif name != "reason":
            np.testing.assert_allclose(
                value, expected[name], rtol=1e-10, atol=1e-13, err_msg=name
            )


def split(a, lengths):
    """The array `a` in partitions of these lengths."""
    return da.from_array(a, chunks=(lengths, *a.shape[1:]))


def of_unknown_lengths(a, keep):
    """The rows `keep` of a dask array, which then does not know how many."""
    return a[da.from_array(keep, chunks=(a.chunks[0],))]
