"""Any number of rows: memory that does not grow, progress that can be seen."""

import builtins
import gc
import tracemalloc

import numpy as np
import pytest
from cases import sine_data
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._numerics import chunks


@pytest.fixture(scope="module")
def trained():
    X, y = sine_data(n=300)
    return MLPRegressor(
        hidden_layer_sizes=(12,), activation="tanh", max_iter=30, random_state=0
    ).fit(X, y)


def on_disk(folder, n, dtype=np.float64):
    X = np.memmap(folder / f"X{n}", dtype=dtype, mode="w+", shape=(n, 2))
    y = np.memmap(folder / f"y{n}", dtype=np.float64, mode="w+", shape=(n,))
    rng = np.random.default_rng(0)
    X[:] = rng.uniform(-2.0, 2.0, (n, 2))
    y[:] = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(n)
    return X, y


def traced(action):
    """Peak of memory; the collector, which allocates when it runs, has to wait."""
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("covariance", ["auto", "least_squares", "HC3", "evidence"])
def test_memory_does_not_grow_with_the_rows(trained, tmp_path, covariance, monkeypatch):
    monkeypatch.setattr(chunks, "MOST_ROWS", 64)
    few, many = (on_disk(tmp_path, n) for n in (2_000, 60_000))

    def peak(data):
        """The least of three: what else allocates meanwhile only adds to it."""
        return min(
            traced(
                lambda: MLPRegressorCI.from_estimator(
                    trained, *data, covariance=covariance
                )
            )
            for _ in range(3)
        )

    # Flags of one byte per row are all that may come and go, 60_000 each; one number
    # per row would be 480_000.
    assert peak(many) <= 1.1 * peak(few) + 120_000


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("covariance", ["auto", "bayesian", "evidence"])
def test_memory_is_two_and_a_half_triangles(covariance, activation, monkeypatch):
    """Of 8 p^2 bytes, beside buffers, where some directions are not determined too."""
    monkeypatch.setattr(chunks, "MOST_ROWS", 64)
    X = np.random.default_rng(0).standard_normal((1200, 20))
    y = np.sin(X[:, 0])
    net = MLPRegressor(
        hidden_layer_sizes=(50,), activation=activation, max_iter=5, random_state=0
    ).fit(X, y)
    p = 20 * 50 + 50 + 50 + 1
    peak = traced(
        lambda: MLPRegressorCI.from_estimator(net, X, y, covariance=covariance)
    )
    assert peak < 2.5 * 8 * p**2 + 3 * 8 * p * 256


def test_float32_rows_on_disk_are_not_converted_as_a_whole(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(chunks, "MOST_ROWS", 64)
    # Rows enough for the 6 MB, whatever their number, of White's test.
    X, y = on_disk(tmp_path, 500_000, np.float32)
    net = MLPRegressorCI.from_estimator(trained, X[:100], y[:100])
    assert traced(lambda: net.fit_inference(X, y)) < 8 * X.size
    same = MLPRegressorCI.from_estimator(trained, np.float64(X), y)
    np.testing.assert_array_equal(
        net.get_prediction(X[:9]).se_mean,
        same.get_prediction(np.float64(X[:9])).se_mean,
    )


class Bar:
    """What tqdm would have shown."""

    shown: list = []  # noqa: RUF012 - emptied by each test

    def __init__(self, items, desc, total=None, **options):
        self.items = items
        self.shown.append((desc, len(items) if total is None else total))

    def __iter__(self):
        return iter(self.items)


@pytest.fixture
def bars(monkeypatch):
    tqdm_auto = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr(tqdm_auto, "tqdm", Bar)
    Bar.shown = []
    return Bar


def test_progress_is_shown_where_it_is_asked_for(bars, trained, monkeypatch):
    monkeypatch.setattr(chunks, "MOST_ROWS", 1000)
    X, y = sine_data(n=3000)
    MLPRegressorCI.from_estimator(trained, X, y)
    assert bars.shown == []
    net = MLPRegressorCI.from_estimator(trained, X, y)
    net.set_params(verbose=True).fit_inference(X, y)
    assert bars.shown == [
        ("first pass", 3), ("leverages", 3), ("leverages", 3), ("misfit", 2),
    ]  # fmt: skip
    bars.shown.clear()
    few = dict(hidden_layer_sizes=(2,), max_iter=3, n_restarts=2, random_state=0)
    MLPRegressorCI(**few, verbose=True).fit(X[:200], y[:200])
    assert ("starts", 2) in bars.shown


def test_progress_is_silent_without_tqdm(monkeypatch, capsys, trained):
    found = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    X, y = sine_data(n=100)
    net = MLPRegressorCI.from_estimator(trained, X, y)
    net.set_params(verbose=True).fit_inference(X, y)
    assert net.inference_.n_samples == 100
    assert capsys.readouterr() == ("", "")
