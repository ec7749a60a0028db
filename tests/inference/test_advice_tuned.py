"""Advice about tuned networks and about misfit, followed."""

import numpy as np
import pytest
from cases import CONVERGED, told

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, exceptions

TANH = dict(activation="tanh", random_state=0)
TUNED = dict(regularization="evidence", **TANH)


def error(model, X, mean):
    return np.sqrt(np.mean((model.predict(X) - mean) ** 2))


def covered(model, X, mean):
    ci = model.predict(X, return_ci=True)[1]
    return np.mean((ci[:, 0] <= mean) & (mean <= ci[:, 1]))


def wave(n=150, seed=5):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 1))
    mean = np.sin(6 * np.pi * X[:, 0])
    return X, mean + 0.1 * rng.normal(size=n), mean


def test_nothing_found_by_one_start_is_found_by_more():
    X, y, mean = wave()
    net = MLPRegressorCI(hidden_layer_sizes=(20,), **TUNED)
    text = told(net, X, y)[exceptions.WideIntervalsWarning]
    assert "Nothing was found" in text and "n_restarts=9" in text
    assert error(net, X, mean) > 0.5
    assert told(net.set_params(n_restarts=9), X, y) == {}
    assert error(net, X, mean) < 0.1 and covered(net, X, mean) > 0.9


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_handful_of_rows_is_sent_to_more_rows_alone_which_help(n):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (60, 1))
    y = np.sin(1.5 * X[:, 0]) + 0.05 * rng.normal(size=60)
    net = MLPRegressorCI(hidden_layer_sizes=(5,), **TUNED)
    for restarts in (0, 9):  # which find nothing either
        few = net.set_params(n_restarts=restarts)
        text = told(few, X[:n], y[:n])[exceptions.WideIntervalsWarning]
        assert "at all. Try more rows.\nSee" in text
    net.set_params(n_restarts=0)
    text = told(net, X[:11], rng.normal(size=11))[exceptions.WideIntervalsWarning]
    assert "n_restarts=9" in text and "other features" in text
    assert exceptions.WideIntervalsWarning not in told(net, X, y)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_in_noise_and_more_rows_or_features_help(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    net = MLPRegressorCI(hidden_layer_sizes=(10,), n_restarts=4, **TUNED)
    text = told(net, X, y)[exceptions.WideIntervalsWarning]
    assert "other features" in text and "n_restarts" not in text
    better = np.column_stack([X, y + 0.5 * rng.normal(size=60)])
    assert exceptions.WideIntervalsWarning not in told(net, better, y)
    weak = rng.normal(size=(1000, 5))
    target = 0.3 * weak[:, 0] + rng.normal(size=1000)
    assert "Nothing" not in str(told(net, weak, target))


def test_kinks_that_stop_tuning_are_told_and_tanh_helps():
    X, y, mean = wave()
    X, mean = X / 3, np.sin(2 * np.pi * X[:, 0])
    y = mean + (y - np.sin(6 * np.pi * 3 * X[:, 0]))
    net = MLPRegressorCI(regularization="evidence", random_state=0)
    text = told(net, X, y)[exceptions.NotAtMinimumWarning]
    assert "activation='tanh'" in text and "hidden_layer_sizes=(10,)" in text
    before = error(net, X, mean)
    net.set_params(activation="tanh", hidden_layer_sizes=(10,), n_restarts=4)
    assert told(net, X, y) == {}
    assert error(net, X, mean) < before and covered(net, X, mean) > 0.9


def curve(n=200, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    W = np.array([[1.5, -0.9, 0.3], [0.3, 1.2, -1.6]])
    mean = np.tanh(X @ W + [0.3, -0.6, 0.5]) @ [1.0, 0.8, -0.7]
    return X, mean + 0.1 * rng.normal(size=n), mean


@pytest.mark.parametrize(
    "cure, model",
    [
        ("more units", MLPRegressorCI(hidden_layer_sizes=(4,), polish=True,
                                      n_restarts=4, **TANH, solver="lbfgs",
                                      max_iter=2000)),
        ("regularization='evidence'", MLPRegressorCI(hidden_layer_sizes=(4,),
                                                     n_restarts=4, **TUNED)),
        ("MLPEnsembleRegressorCI", MLPEnsembleRegressorCI(architectures=((4,),),
                                                          random_state=0)),
    ],
    ids=["units", "evidence", "committee"],
)  # fmt: skip
def test_a_network_too_small_is_told_and_the_cure_helps(cure, model):
    X, y, mean = curve()
    net = MLPRegressorCI(hidden_layer_sizes=(2,), activation="tanh", polish=True,
                         n_restarts=4, **{**CONVERGED, "random_state": 0})  # fmt: skip
    text = told(net, X, y)[exceptions.MisfitWarning]
    assert cure in text and "p = " in text
    assert covered(net, X, mean) < 0.8
    assert exceptions.MisfitWarning not in told(model, X, y)
    assert covered(model, X, mean) > 0.88
    assert error(model, X, mean) < 0.7 * error(net, X, mean)


def test_restarts_leave_a_poor_minimum():
    """Misfit of a network that is large enough: a poor minimum."""
    X, y, mean = curve(seed=3)
    found = None
    for seed in range(40):
        net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", polish=True,
                             **{**CONVERGED, "random_state": seed})  # fmt: skip
        found = told(net, X, y).get(exceptions.MisfitWarning)
        if found:
            break
    assert found and "n_restarts" in found
    before = error(net, X, mean)
    assert exceptions.MisfitWarning not in told(net.set_params(n_restarts=9), X, y)
    assert error(net, X, mean) < before


def test_oversmoothing_is_named_and_a_smaller_alpha_helps():
    X, y, mean = curve()
    net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh", alpha=3.0,
                         n_restarts=4, **{**CONVERGED, "random_state": 0}
                         )  # fmt: skip
    told(net, X, y)
    misfit = next(c for c in net.diagnostics() if c.name.startswith("misfit"))
    assert misfit.value > misfit.threshold and "a smaller alpha" in misfit.advice
    told(net.set_params(alpha=1e-3), X, y)
    after = next(c for c in net.diagnostics() if c.name.startswith("misfit"))
    assert after.value < misfit.value and error(net, X, mean) < 0.1


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("cure", ["more rows", "fewer inputs"])
def test_a_tuned_network_that_interpolates_is_told_and_the_cure_helps(seed, cure):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 40))
    mean = X[:, 0] - X[:, 1] + 0.5 * X[:, 2]
    y = mean + 0.5 * rng.normal(size=300)
    few = slice(30)
    net = MLPRegressorCI(hidden_layer_sizes=(), **TUNED)
    text = told(net, X[few], y[few])[exceptions.OverfittedWarning]
    assert cure in text and covered(net, X[few], mean[few]) < 0.5
    if cure == "more rows":
        few = slice(300)
    else:
        X = X[:, :5]
    assert exceptions.OverfittedWarning not in told(net, X[few], y[few])
    assert covered(net, X[few], mean[few]) > 0.8
