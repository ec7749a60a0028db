"""Rows in partitions: whatever one machine says of the same rows, to rounding."""

import copy
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from cases import sine_data
from partitioned import (
    EVEN,
    N,
    assert_same,
    da,
    found,
    of_unknown_lengths,
    split,
    trained,
)
from scipy import sparse

from sklearn_nnci import MLPRegressorCI, exceptions
from sklearn_nnci._linearized import partitions, route

COVARIANCES = ["auto", "least_squares", "frequentist", "HC0", "HC1", "HC2", "HC3",
               "evidence"]  # fmt: skip
PARTITIONS = {
    "one": (N,),
    "even": EVEN,
    "uneven": (7, 200, 93),
    "single rows": (1, 298, 1),
    "empty ones": (0, 150, 0, 0, 150, 0),
    "more than FAN_IN^2": (4,) * 72 + (12,),  # and one left over, twice
}


class Series:
    """All that is asked of a dask Series."""

    def __init__(self, array):
        self.array = array

    def to_dask_array(self):
        return self.array


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
def test_inference_does_not_depend_on_how_rows_are_partitioned(covariance, lengths):
    assert len(PARTITIONS["more than FAN_IN^2"]) > partitions.FAN_IN**2
    net, X, y = trained(m=2)
    w = np.random.default_rng(0).integers(0, 4, N)
    expected = found(net.set_params(covariance=covariance).fit_inference(X, y, w))
    assert expected["n_samples"] == w.sum() and (w == 0).any()
    net.fit_inference(split(X, lengths), split(y, lengths), split(w, lengths))
    assert_same(net, expected)


@pytest.mark.parametrize("covariance", ["auto", "least_squares", "HC3"])
def test_partitions_of_counts_give_what_one_machine_gives(covariance):
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
def test_y_and_weights_may_be_of_other_kinds_and_partitions_than_x(kind):
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


def test_chunks_of_columns_give_what_whole_rows_give():
    net, X, y = trained()
    assert_same(net.fit_inference(da.from_array(X, chunks=(100, 1)), y), found(net))


@pytest.mark.parametrize("weighted", [False, True])
def test_partitions_of_unknown_lengths_give_what_one_machine_gives(weighted):
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
def test_sparse_partitions_give_what_one_machine_gives(kind, n):
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


def test_partitions_of_float32_give_what_one_machine_gives():
    net, X, y = trained()
    X = X.astype(np.float32)
    assert_same(net.fit_inference(split(X, EVEN), y), found(net.fit_inference(X, y)))


def test_rows_held_out_of_training_cannot_be_told_among_partitions():
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
    "covariance, passes", [("bayesian", 2), ("frequentist", 3), ("HC3", 3),
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


@pytest.mark.parametrize("absent", [(), ("distributed",), ("tqdm.dask",)], ids=str)
def test_progress_without_a_cluster_needs_tqdm_only(monkeypatch, capsys, absent):
    net, X, y = trained()
    expected = found(net)
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    net.set_params(verbose=True).fit_inference(split(X, EVEN), y)
    out, err = capsys.readouterr()
    assert ("%" in err) == ("tqdm.dask" not in absent) and not out
    assert_same(net, expected)


def test_nothing_is_printed_unless_verbose(capsys):
    net, X, y = trained()
    net.fit_inference(split(X, EVEN), y)
    assert capsys.readouterr() == ("", "")


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


def test_frames_are_read_as_arrays_and_refused_as_frames():
    frames = pytest.importorskip("dask.dataframe")
    import pandas

    net, X, y = trained()
    frame = frames.from_pandas(pandas.DataFrame(X).assign(y=y), npartitions=3)
    rows = frame[[0, 1]].to_dask_array(lengths=True)
    assert_same(net.fit_inference(rows, frame["y"]), found(net))
    with pytest.raises(ValueError, match=r"to_dask_array\(lengths=True\)"):
        net.fit_inference(frame[[0, 1]], y)


def test_negative_counts_are_refused():
    net, X, y = trained(loss="poisson")
    with pytest.raises(ValueError, match="its least is -1"):
        net.fit_inference(split(X, EVEN), np.r_[y[1:], -1.0])


def test_a_process_that_has_not_imported_distributed_infers_too():
    """Without a cluster nothing has read distributed's defaults."""
    net, X, y = trained()
    code = (
        "import pickle, sys\n"
        "import dask.array as da\n"
        "net, X, y = pickle.load(sys.stdin.buffer)\n"
        "assert 'distributed' not in sys.modules\n"
        "rows = da.from_array(X, chunks=(50, -1)), da.from_array(y, chunks=50)\n"
        "net.fit_inference(*rows)\n"
        "print(repr(net.predict(X[:1], return_std=True)[1][0].item()))\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps((net, X, y)),
        capture_output=True, env=os.environ | {"PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    net.fit_inference(X, y)
    expected = net.predict(X[:1], return_std=True)[1][0]
    assert float(run.stdout) == pytest.approx(expected, rel=1e-8)
