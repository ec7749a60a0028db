"""A cluster of two processes: what one machine says, and in time."""

import logging
import os
import pickle
import signal
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from cases import CONVERGED, sine_data
from partitioned import EVEN, N, assert_same, dask, distributed, found, split, trained

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._linearized import partitions, primal
from sklearn_nnci._linearized.left_out import HELD, Units
from sklearn_nnci._linearized.sandwich import Robust
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import present

# What distributed leaves behind when processes start, stop and are killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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


def test_errors_of_processes_reach_the_caller(client):
    net, X, y = trained()
    with pytest.raises(ValueError, match="cannot be negative, got -1"):
        net.fit_inference(split(X, EVEN), y, np.r_[np.ones(N - 1), -1.0])


def test_what_tasks_return_does_not_grow_with_the_rows(client):
    net, X, y = trained(m=2)
    network, root = net._network(), net._inference["posterior"]["root"]
    tasks = [
        (primal._first_pass, ()),
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


def test_residuals_that_tasks_return_are_at_most_so_many(client):
    net, X, y = trained(m=2)
    network, root = net._network(), net._inference["posterior"]["root"]
    n, whole = 10 * HELD, (np.tile(X, (300, 1)), np.tile(y, (300, 1)))
    D, t = (split(a[:n], (n,)) for a in whole)
    parts, _ = partitions.partitions(network, D, t, None, net.loss, False)
    rows = present(network, X, y, np.ones(N), net.loss)
    units = Units.of(primal.reduce(rows).totals)
    found = parts.reduce(primal._second_pass, root, units, 0.9, None)
    assert found.left_out.residuals.values.shape[1] <= HELD
    assert found.left_out.residuals.n == pytest.approx(n)


def test_large_networks_are_no_reason_to_warn(client):
    net, X, y = trained()
    root = np.ones((1300, 1300))  # p = 1300: 13 MB, part of the graph
    rows = net._partitioned(split(X, (150, 150)), y, None).rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        total = rows.reduce(lambda rows, root: Totals.none(rows.network), root)
    assert total.n_rows == 0


def test_progress_is_shown_on_a_cluster(client, capsys):
    net, X, y = trained()
    expected = found(net)
    net.set_params(verbose=True).fit_inference(split(X, EVEN), y)
    assert "100% Completed" in capsys.readouterr().out
    assert_same(net, expected)


@pytest.mark.parametrize("verbose", [False, True])
def test_restarts_run_on_a_cluster_and_find_the_same_minima(client, verbose):
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
