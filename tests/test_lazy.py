"""Predictions of rows in partitions: lazy, and those of one machine."""

import numpy as np
import pytest
from cases import sine_data
from partitioned import EVEN, N, da, dask, of_unknown_lengths, split, trained

from sklearn_nnci import MLPRegressorCI

FLAGS = [
    {},
    {"return_ci": True},
    {"return_pi": True},
    {"return_std": True},
    {"return_ci": True, "confidence_level": [0.5, 0.9, 0.95]},
    {"return_pi": True, "confidence_level": [0.5]},
]


def predicted(net, X, flags):
    """What ``net.predict`` returns, as a tuple."""
    out = net.predict(X, **flags)
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("m", [1, 2])
def test_predictions_are_those_of_each_partition(m, flags):
    net, X, _ = trained(m=m)
    lengths = (7, 0, 250, 1, 42)
    lazy = predicted(net, split(X, lengths), flags)
    whole = predicted(net, X, flags)
    parts = [
        predicted(net, part, flags)
        for part in np.split(X, np.cumsum(lengths)[:-1])
        if len(part)
    ]
    assert len(lazy) == len(whole)
    for k, (a, b) in enumerate(zip(lazy, whole, strict=True)):
        assert isinstance(a, da.Array)
        assert (a.shape, a.dtype, a.chunks[0]) == (b.shape, b.dtype, lengths)
        computed = a.compute()
        assert type(computed) is np.ndarray and computed.dtype == b.dtype
        # To the bit each partition by itself; the whole to rounding only, since BLAS
        # sums in another order for another number of rows.
        np.testing.assert_array_equal(computed, np.concatenate([p[k] for p in parts]))
        np.testing.assert_allclose(computed, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("flags", FLAGS[:5], ids=str)
def test_predictions_of_unknown_lengths(flags):
    net, X, _ = trained(m=2)
    keep = np.r_[np.zeros(100, bool), X[100:, 0] > 0.0]
    lazy = predicted(net, of_unknown_lengths(split(X, EVEN), keep), flags)
    for a, b in zip(lazy, predicted(net, X[keep], flags), strict=True):
        assert np.isnan(a.shape[0]) and a.shape[1:] == b.shape[1:]
        assert a.compute().shape == b.shape
        np.testing.assert_allclose(a.compute(), b, rtol=1e-12, atol=1e-13)


def test_predictions_are_lazy_and_every_partition_is_predicted_once():
    net, X, _ = trained()
    seen = []

    def read(block):
        seen.append(len(block))
        return block

    D = split(X, EVEN).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    lazy = net.predict(D, return_ci=True)
    assert seen == []
    dask.compute(*lazy)
    assert seen == [100, 100, 100]


def test_predictions_of_chunks_of_columns_and_of_no_rows():
    net, X, _ = trained()
    y, ci = net.predict(da.from_array(X, chunks=(100, 1)), return_ci=True)
    assert y.chunks == (EVEN,) and ci.chunks == (EVEN, (2,))
    np.testing.assert_allclose(ci, net.predict(X, return_ci=True)[1], rtol=1e-12)
    assert net.predict(split(X[:0], (0,)), return_pi=True)[1].compute().shape == (0, 2)


@pytest.mark.parametrize("weights", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [np.float32, np.float64])
def test_predictions_keep_float32_where_the_network_does(weights, rows):
    X, y = sine_data(n=50)
    net = MLPRegressorCI(hidden_layer_sizes=(3,), random_state=0)
    net.fit(X.astype(weights), y.astype(weights))
    assert net.coefs_[0].dtype == weights
    X = X.astype(rows)
    for a, b in zip(
        net.predict(da.from_array(X, chunks=20), return_ci=True),
        net.predict(X, return_ci=True),
        strict=True,
    ):
        assert a.dtype == a.compute().dtype == b.dtype


def test_unbounded_predictions_are_infinite():
    net, X, y = trained(units=20, n=25)
    net.set_params(covariance="least_squares").fit_inference(split(X, (10, 15)), y)
    assert np.isinf(net.predict(split(X, (10, 15)), return_ci=True)[1]).all().compute()


@pytest.mark.parametrize(
    "flags, message", [
        ({"return_ci": True, "simultaneous": "bonferroni"}, "simultaneous and"),
        ({"return_cov": True}, "return_cov relate"),
        ({"return_ci": True, "return_pi": True}, "cannot be combined"),
        ({"return_ci": True, "confidence_level": 95}, "0.95, not 95"),
    ],
)  # fmt: skip
def test_flags_that_partitions_cannot_serve_are_refused(flags, message):
    net, X, _ = trained()
    with pytest.raises(ValueError, match=message):
        dask.compute(net.predict(split(X, EVEN), **flags))


def test_predictions_fail_before_anything_is_computed():
    net, X, y = trained()
    with pytest.raises(ValueError, match="1 features, but the network expects 2"):
        net.predict(split(X[:, :1], EVEN))
    with pytest.raises(ValueError, match="two-dimensional"):
        net.predict(split(X[:, 0], EVEN))
    net.set_params(covariance=None).fit(X, y)
    with pytest.raises(ValueError, match="fit_inference"):
        net.predict(split(X, EVEN), return_ci=True)
    assert net.predict(split(X, EVEN)).compute().shape == (N,)
