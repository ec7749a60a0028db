"""Rows in partitions: whatever one machine says of the same rows, to rounding."""

import copy
import functools
import logging
import os
import pickle
import signal
import sys
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from cases import CONVERGED, sine_data
from scipy import sparse

from sklearn_nnci import MLPRegressorCI, exceptions
from sklearn_nnci._linearized import partitions, primal, route
from sklearn_nnci._linearized.sandwich import Robust
from sklearn_nnci._linearized.totals import Totals

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

# What distributed leaves behind when processes start, stop and are killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

N = 300
COVARIANCES = ["auto", "least_squares", "frequentist", "HC0", "HC1", "HC2", "HC3",
               "evidence"]  # fmt: skip
PARTITIONS = {
    "one": (N,),
    "even": (100, 100, 100),
    "uneven": (7, 200, 93),
    "single rows": (1, 298, 1),
    "empty ones": (0, 150, 0, 0, 150, 0),
    "more than FAN_IN^2": (4,) * 72 + (12,),  # and one left over, twice
}
EVEN = PARTITIONS["even"]
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


def found(net):
    """Everything that inference says, as {name: value}."""
    prediction = net.get_prediction(QUERIES)
    names = ("mean", "se_mean", "se_obs")
    numbers = {name: getattr(prediction, name) for name in names}
    return {**numbers, **net.inference_._asdict(), "checks": net.diagnostics()}


def assert_same(net, expected):
    """`net` says what `expected` does, to 1e-10."""
    for name, value in found(net).items():
        if name in ("method", "noise", "route"):
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


class Series:
    """All that is asked of a dask Series."""

    def __init__(self, array):
        self.array = array

    def to_dask_array(self):
        return self.array


# Inference.


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_partitions_give_what_one_machine_gives(activation, m, covariance):
    net, X, y = trained(activation, m)
    expected = found(net.set_params(covariance=covariance).fit_inference(X, y))
    lengths = (0, 100, 1, 59, 140)
    assert net.fit_inference(split(X, lengths), split(y, lengths)) is net
    assert_same(net, expected)


@pytest.mark.parametrize("lengths", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("covariance", ["auto", "HC3", "evidence"])
def test_whatever_the_partitions(covariance, lengths):
    assert len(PARTITIONS["more than FAN_IN^2"]) > partitions.FAN_IN**2
    net, X, y = trained(m=2)
    w = np.random.default_rng(0).integers(0, 4, N)
    expected = found(net.set_params(covariance=covariance).fit_inference(X, y, w))
    assert expected["n_samples"] == w.sum() and (w == 0).any()
    net.fit_inference(split(X, lengths), split(y, lengths), split(w, lengths))
    assert_same(net, expected)


@pytest.mark.parametrize("covariance", ["auto", "least_squares", "HC3"])
def test_poisson(covariance):
    net, X, y = trained(loss="poisson")
    expected = found(net.set_params(covariance=covariance).fit_inference(X, y))
    assert_same(net.fit_inference(split(X, (0, 120, 180)), y), expected)


def test_the_penalty_of_mini_batches_counts_rows_of_no_weight():
    X, y = sine_data(n=N)
    w = np.arange(N) % 3
    net = MLPRegressorCI(
        hidden_layer_sizes=(4,), random_state=0, max_iter=50, covariance="bayesian"
    )
    expected = found(net.fit(X, y, w))
    assert expected["penalty"] == pytest.approx(1e-4 * N / 200)
    assert_same(net.fit_inference(split(X, EVEN), y, split(w, EVEN)), expected)


def test_partitions_are_not_the_numbers_they_hold():
    net, X, y = trained()
    expected = found(net)
    net.fit_inference(split(X[:-1], (100, 100, 99)), y[:-1])
    with pytest.raises(AssertionError, match="se_mean"):
        assert_same(net, expected)


@pytest.mark.parametrize(
    "kind", ["array", "list", "column", "chunks", "columns", "series"]
)
def test_y_and_weights_may_lie_otherwise(kind):
    net, X, y = trained(m=2 if kind == "columns" else 1)
    w = np.random.default_rng(0).uniform(0.0, 2.0, N)
    expected = found(net.fit_inference(X, y, w))
    y, w = {
        "array": lambda: (y, w),
        "list": lambda: (y.tolist(), w.tolist()),
        "column": lambda: (split(y[:, None], EVEN), split(w, EVEN)),
        "chunks": lambda: (split(y, (250, 50)), split(w, (1, 299))),
        "columns": lambda: (da.from_array(y, chunks=(100, 1)), w),
        "series": lambda: (Series(split(y, EVEN)), Series(split(w, EVEN))),
    }[kind]()
    assert_same(net.fit_inference(split(X, EVEN), y, w), expected)


def test_a_number_weighs_all_rows():
    net, X, y = trained()
    expected = found(net.fit_inference(X, y, 2.0))
    assert expected["n_samples"] == 2 * N
    assert_same(net.fit_inference(split(X, EVEN), y, 2.0), expected)


def test_x_in_chunks_of_columns():
    net, X, y = trained()
    assert_same(net.fit_inference(da.from_array(X, chunks=(100, 1)), y), found(net))


@pytest.mark.parametrize("weighted", [False, True])
def test_unknown_lengths(weighted):
    net, X, y = trained()
    order = np.argsort(X[:, 0])  # so that the first partitions end up empty
    X, y, w = X[order], y[order], np.arange(float(N))
    keep = X[:, 0] > 0.0
    assert not keep[:100].any()
    weights = (w[keep],) if weighted else ()
    expected = found(net.fit_inference(X[keep], y[keep], *weights))
    X, y, w = (of_unknown_lengths(split(a, EVEN), keep) for a in (X, y, w))
    assert np.isnan(X.shape[0])
    assert_same(net.fit_inference(X, y, *((w,) if weighted else ())), expected)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("n", [N, 50])
def test_sparse_partitions(kind, n):
    net, X, y = trained(units=20 if n < N else 4, n=n)
    X = np.where(np.abs(X) < 1.0, 0.0, X)
    expected = found(net.fit_inference(X, y))
    assert expected["route"] == ("dual" if n < N else "primal")
    D = split(X, (0, 20, n - 20)).map_blocks(kind)
    assert_same(net.fit_inference(D, y), expected)
    np.testing.assert_allclose(net.predict(D).compute(), net.predict(X), rtol=1e-12)


@pytest.mark.parametrize("covariance", ["auto", "bayesian", "HC3", "least_squares"])
@pytest.mark.parametrize("m", [1, 2])
def test_few_rows_are_gathered(m, covariance):
    net, X, y = trained(units=20, m=m, n=25)
    w = np.random.default_rng(0).integers(0, 3, 25)
    net.set_params(covariance=covariance)
    expected = found(net.fit_inference(X, y, w))
    if covariance != "least_squares":  # of which there is only the primal
        assert expected["route"] == "dual"
    lengths = (0, 9, 1, 15)
    assert_same(net.fit_inference(split(X, lengths), y, w), expected)


@pytest.mark.parametrize("lengths", [EVEN, (0, 299, 1, 0), (4,) * 75])
def test_rows_left_out_are_those_of_one_machine(monkeypatch, lengths):
    monkeypatch.setattr(route, "MAX_BYTES", 8 * route.ARRAYS * 20**2)
    net, X, y = trained(units=10)
    w = np.random.default_rng(0).integers(0, 3, N)
    expected = found(net.fit_inference(X, y, w))
    assert expected["rows_used"] == pytest.approx(20 / (w > 0).sum())
    X = of_unknown_lengths(split(X, lengths), np.ones(N, bool))
    with pytest.warns(exceptions.RowsLeftOutWarning):
        net.fit_inference(X, split(y, lengths), split(w, lengths))
    assert_same(net, expected)


def test_float32():
    net, X, y = trained()
    X = X.astype(np.float32)
    assert_same(net.fit_inference(split(X, EVEN), y), found(net.fit_inference(X, y)))


def test_rows_held_out_are_not_known():
    X, y = sine_data(n=N)
    net = MLPRegressorCI(
        hidden_layer_sizes=(4,), early_stopping=True, random_state=0, noise="residual"
    ).fit(X, y)
    assert net.inference_.n_samples == 270
    with pytest.warns(exceptions.HeldOutRowsWarning):
        net.fit_inference(split(X, EVEN), y)
    assert net.inference_.n_samples == N
    forgetful = copy.deepcopy(net).set_params(random_state=None)
    forgetful._trained["held_out"] = None
    with pytest.warns(exceptions.HeldOutRowsWarning):
        assert_same(net, found(forgetful.fit_inference(X, y)))
    with pytest.raises(ValueError, match="noise='validation' needs"):
        net.set_params(noise="validation").fit_inference(split(X, EVEN), y)


@pytest.mark.parametrize(
    "covariance, passes", [("bayesian", 2), ("frequentist", 2), ("HC3", 3),
                           ("evidence", 2), ("auto", 3)],
)  # fmt: skip
def test_every_pass_reads_every_partition_once(covariance, passes):
    net, X, y = trained()
    seen = []

    def read(block):
        seen.append(len(block))
        return block

    X = split(X, EVEN).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    net.set_params(covariance=covariance).fit_inference(X, y)
    assert sum(seen) == passes * N


def test_graphs_grow_with_the_partitions_not_with_their_square():
    net, X, y = trained()
    X, y = (da.concatenate([split(a, (N,))] * 1600) for a in (X, y))
    rows = net._partitioned(X, y, None).rows
    start = time.process_time()
    assert len(rows._map(partitions.Rows.arrays, [()] * 1600)) == 1600
    assert time.process_time() - start < 3.0  # 0.3; quadratic it was 9


# Errors.


def test_errors_say_what_to_try_and_leave_the_estimator_alone():
    net, X, y = trained()
    D, ones = split(X, EVEN), np.ones(N)
    unknown = of_unknown_lengths(D, np.ones(N, bool))
    fewer = of_unknown_lengths(D, X[:, 0] > 0.0)
    before, state = net._inference, pickle.dumps(net)
    cases = [
        (D[:, :1], y, None, "1 features, but the network expects 2"),
        (D, np.c_[y, y], None, "2 outputs, but the network has 1"),
        (D, split(np.c_[y, y], EVEN), None, "2 outputs, but the network has 1"),
        (D, y[:-1], None, "300 rows and y 299"),
        (D, y, ones[:-1], "300 rows and sample_weight 299"),
        (D, split(y[:-1], (100, 199)), None, "300 rows and y 299"),
        (unknown, split(y, (N,)), None, "3 partitions and y 1.*compute_chunk_sizes"),
        (unknown, y, None, "3 partitions and y 1.*compute_chunk_sizes"),
        (unknown, split(y, EVEN), split(ones, (N,)), "3 .* and sample_weight 1"),
        (fewer, split(y, EVEN), None, r"differ in length.*compute_chunk_sizes"),
        (unknown, unknown[:, 0], fewer[:, 0] ** 2, "differ in length"),
        (D[:, 0], y, None, "two-dimensional dask array"),
        (D, y, 0 * ones, "No training row has a positive sample_weight"),
        (D, y, np.r_[ones[1:], -1.0], "cannot be negative, got -1"),
        (D, y, np.ones((N, 1)), "must be 1-d"),
        (D[:0], y[:0], None, "No training row"),
        (da.where(D > 1.9, np.nan, D), y, None, "NaN"),
    ]
    for X_bad, y_bad, w, message in cases:
        with pytest.raises(ValueError, match=message):
            net.fit_inference(X_bad, y_bad, w)
        assert net._inference is before
    assert pickle.dumps(net) == state


def test_other_collections_are_told_how_to_become_arrays():
    net, X, y = trained()
    bag = pytest.importorskip("dask.bag").from_sequence(X.tolist())
    for call in (lambda: net.fit_inference(bag, y), lambda: net.predict(bag)):
        with pytest.raises(ValueError, match=r"to_dask_array\(lengths=True\)"):
            call()


def test_data_frames():
    frames = pytest.importorskip("dask.dataframe")
    import pandas

    net, X, y = trained()
    frame = frames.from_pandas(pandas.DataFrame(X).assign(y=y), npartitions=3)
    rows = frame[[0, 1]].to_dask_array(lengths=True)
    assert_same(net.fit_inference(rows, frame["y"]), found(net))
    with pytest.raises(ValueError, match=r"to_dask_array\(lengths=True\)"):
        net.fit_inference(frame[[0, 1]], y)


def test_counts_that_are_none():
    net, X, y = trained(loss="poisson")
    with pytest.raises(ValueError, match="its least is -1"):
        net.fit_inference(split(X, EVEN), np.r_[y[1:], -1.0])


# Predictions.


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
def test_flags_that_partitions_cannot_serve(flags, message):
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


# Progress, without a cluster.


@pytest.mark.parametrize("absent", [(), ("distributed",), ("tqdm.dask",)], ids=str)
def test_progress_without_a_cluster(monkeypatch, capsys, absent):
    net, X, y = trained()
    expected = found(net)
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    net.set_params(verbose=True).fit_inference(split(X, EVEN), y)
    out, err = capsys.readouterr()
    assert ("%" in err) == ("tqdm.dask" not in absent) and not out
    assert_same(net, expected)


def test_silence(capsys):
    net, X, y = trained()
    net.fit_inference(split(X, EVEN), y)
    assert capsys.readouterr() == ("", "")


# A cluster of two processes.


@pytest.fixture(scope="module")
def cluster():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "60s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):  # fmt: skip
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.mark.parametrize("covariance", ["auto", "HC3", "evidence"])
def test_processes_give_what_one_machine_gives(client, covariance):
    net, X, y = trained(m=2)
    w = np.random.default_rng(0).integers(0, 4, N)
    expected = found(net.set_params(covariance=covariance).fit_inference(X, y, w))
    lengths = (0, 100, 150, 50)
    D = split(X, lengths)
    assert_same(net.fit_inference(D, split(y, lengths), w), expected)
    ci = net.predict(D, return_ci=True)[1]
    np.testing.assert_allclose(
        ci.compute(), net.predict(X, return_ci=True)[1], rtol=1e-12
    )


def test_errors_of_processes_arrive(client):
    net, X, y = trained()
    with pytest.raises(ValueError, match="cannot be negative, got -1"):
        net.fit_inference(split(X, EVEN), y, np.r_[np.ones(N - 1), -1.0])


def test_what_tasks_return_does_not_grow_with_the_rows(client):
    net, X, y = trained(m=2)
    network, root = net._network(), net._inference["posterior"]["root"]
    tasks = [
        (primal._first_pass, ()),
        (primal._second_pass, (root, 0.9, None)),
        (primal._meat_pass, (root, Robust(1.0, np.ones(2)))),
    ]
    most = 8 * (network.n_parameters + 1) ** 2 + 2000
    for task, args in tasks:
        sizes = []
        for times in (1, 10):
            D, t = (split(np.tile(a, (times, 1)), (150 * times,) * 2) for a in (X, y))
            parts, _ = partitions.partitions(network, D, t, None, net.loss, False)
            values = parts._map(task, [args] * 2)
            sizes.append([len(pickle.dumps(value)) for value in dask.compute(*values)])
        assert np.max(sizes) < most
        assert np.ptp(sizes) < 100


def test_large_networks_are_no_reason_to_warn(client):
    net, X, y = trained()
    root = np.ones((1300, 1300))  # p = 1300: 13 MB, part of the graph
    rows = net._partitioned(split(X, (150, 150)), y, None).rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        total = rows.reduce(lambda rows, root: Totals.none(rows.network), root)
    assert total.n_rows == 0


def test_progress_on_a_cluster(client, capsys):
    net, X, y = trained()
    expected = found(net)
    net.set_params(verbose=True).fit_inference(split(X, EVEN), y)
    assert "100% Completed" in capsys.readouterr().out
    assert_same(net, expected)


@pytest.mark.parametrize("verbose", [False, True])
def test_starts_on_a_cluster(client, verbose):
    X, y = sine_data(n=100, noise=0.3)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), activation="tanh", alpha=1e-2, n_restarts=3,
        **CONVERGED,
    )  # fmt: skip
    sequential = net.fit(X, y).start_objectives_
    net.set_params(verbose=verbose)

    def executed():
        counts = client.run(lambda dask_worker: dask_worker.state.executed_count)
        return sum(counts.values())

    before = executed()
    with joblib.parallel_config(backend="dask"):
        net.fit(X, y)
    assert executed() > before
    # Arrays arrive at addresses that are no multiple of 8, where products are rounded
    # otherwise: from there on, L-BFGS takes a slightly other path to the same minima.
    np.testing.assert_allclose(net.start_objectives_, sequential, rtol=1e-5)
    assert np.ptp(sequential) > 0.01 * sequential.min()


def test_a_worker_that_dies_costs_time_only(client):
    net, X, y = trained()
    expected = found(net.set_params(covariance="HC3").fit_inference(X, y))
    lengths = (15,) * 20

    def slowly(block):
        time.sleep(0.1)
        return block

    D = split(X, lengths).map_blocks(slowly, dtype=float, meta=np.empty((0, 0)))
    victim = next(iter(client.run(os.getpid).values()))
    errors = []

    def run():
        try:
            net.fit_inference(D, y)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    before = net._inference
    thread.start()
    while not any(client.processing().values()):
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(victim, signal.SIGKILL)
    assert net._inference is before  # not over yet
    thread.join(timeout=120)
    assert not thread.is_alive() and not errors
    assert net._inference is not before
    client.wait_for_workers(2, timeout=60)
    assert victim not in client.run(os.getpid).values()
    assert_same(net, expected)
