"""Advice is a claim: each is followed here, and helps."""

import numpy as np
import pytest
from cases import CONVERGED, sine_data, told
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_nnci import MLPRegressorCI, exceptions, make_scaled

TANH = dict(activation="tanh", random_state=0)


def raw_data(factor=1.0, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(400, 5))
    y = 1000 * Z[:, 0] + 2000 * np.sin(Z[:, 1]) + 5000 + 300 * rng.normal(size=400)
    return train_test_split(factor * Z, y, random_state=0)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("what", ["X", "y", "X and y"])
def test_a_forgotten_scaler_is_named_and_helps(what, solver):
    X, X_test, y, y_test = raw_data(1e4 if "X" in what else 1.0)
    if "y" not in what:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    net = MLPRegressorCI(solver=solver, alpha=1.0, random_state=0)
    found = told(clone(net), X, y)
    if what == "y" and solver == "lbfgs":  # finds its way all the same
        assert found == {}
    else:
        (kind, text), *more = found.items()
        assert not more
        # Both at once may leave a poor fit that is narrower than knowing nothing.
        both = what == "X and y" and kind is exceptions.NotAtMinimumWarning
        assert kind is exceptions.WideIntervalsWarning or both
        assert f"{what} {'are' if ' and ' in what else 'is'} not scaled" in text
        assert "Try make_scaled(network), which scales X and y." in text
    model = make_scaled(net)
    assert exceptions.WideIntervalsWarning not in told(model, X, y)
    assert model.score(X_test, y_test) > 0.85
    pi = model.predict(X_test, return_pi=True)[1]
    inside = np.mean((pi[:, 0] <= y_test) & (y_test <= pi[:, 1]))
    assert inside > 0.9 and np.median(np.diff(pi)) < 2.0 * np.std(y_test)


def test_a_raw_y_that_is_quiet_has_the_warning_of_scikit_learn():
    """As doc/guide/scaling.md says: intervals may be just below the threshold."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X, X_test, y, y_test = train_test_split(X, 1000.0 * y, random_state=0)
    net = MLPRegressorCI(max_iter=2000, random_state=0)
    with pytest.warns(ConvergenceWarning):
        net.fit(X, y)
    assert net.inference_.warnings == ()
    scaled = make_scaled(clone(net).set_params(alpha=30.0)).fit(X, y)
    assert scaled.score(X_test, y_test) > 0.3 > 0.15 > net.score(X_test, y_test)
    width = [np.diff(m.predict(X_test, return_pi=True)[1]) for m in (scaled, net)]
    assert np.median(width[0]) < 0.8 * np.median(width[1])


def test_counts_are_sent_to_a_scaler_of_x_alone_and_it_helps():
    rng = np.random.default_rng(0)
    X = 1e4 * rng.normal(size=(400, 3))
    y = rng.poisson(np.exp(1.0 + 0.5 * X[:, 0] / 1e4)).astype(float)
    net = MLPRegressorCI(
        hidden_layer_sizes=(5,), loss="poisson", solver="lbfgs", **TANH
    )
    text = " ".join(told(clone(net), X, y).values())
    assert "X is not scaled. Try make_pipeline(StandardScaler(), network)." in text
    assert "make_scaled" not in text
    assert told(make_pipeline(StandardScaler(), net), X, y) == {}


def test_wide_intervals_of_scaled_data_get_narrow_under_a_larger_alpha():
    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(scale(X), scale(y), random_state=0)
    net = MLPRegressorCI(solver="lbfgs", random_state=0)
    found = told(net, X, y)
    assert set(found) == {exceptions.WideIntervalsWarning}
    assert "Try a larger alpha" in found[exceptions.WideIntervalsWarning]
    assert net.score(X_test, y_test) < 0.0
    net.set_params(alpha=30.0)
    assert told(net, X, y) == {}
    assert net.score(X_test, y_test) > 0.3
    pi = net.predict(X_test, return_pi=True)[1]
    assert 0.9 < np.mean((pi[:, 0] <= y_test) & (y_test <= pi[:, 1])) < 0.99


def first_picture(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (200, 1))
    return X, scale(np.sin(1.5 * X[:, 0]) + 0.1 * rng.normal(size=200))


@pytest.mark.parametrize(
    "parameters, followed",
    [
        (dict(), ["solver='lbfgs'"]),
        (dict(), ["a larger max_iter"]),
        (dict(hidden_layer_sizes=(6,), **TANH), ["solver='lbfgs'"]),
        (dict(hidden_layer_sizes=(6,), **TANH), ["polish=True"]),
        (dict(hidden_layer_sizes=(6,), solver="lbfgs", max_iter=3, **TANH),
         ["polish=True"]),
        (dict(hidden_layer_sizes=(6,), solver="lbfgs", max_iter=3, **TANH),
         ["a larger max_iter"]),
        (dict(solver="lbfgs", max_iter=3), ["a larger max_iter"]),
    ],
)  # fmt: skip
def test_training_on_takes_the_step_away(parameters, followed):
    X, y = first_picture()
    net = MLPRegressorCI(**{"random_state": 0, **parameters})
    text = told(net, X, y)[exceptions.NotAtMinimumWarning]
    before = np.median(np.diff(net.predict(X, return_ci=True)[1]))
    cures = {
        "solver='lbfgs'": dict(solver="lbfgs"),
        "polish=True": dict(polish=True),
        "a larger max_iter": dict(max_iter=5000, tol=1e-6),
    }
    for cure in followed:
        assert cure in text
        assert ("a smaller tol" in text) == (net.solver != "lbfgs")
        assert told(net.set_params(**cures[cure]), X, y) == {}
    assert np.median(np.diff(net.predict(X, return_ci=True)[1])) < 0.5 * before


@pytest.mark.parametrize(
    "parameters, absent",
    [
        (dict(), "polish"),  # refused: more parameters than rows
        (dict(hidden_layer_sizes=(20,), max_iter=100), "polish"),  # kinks of relu
        (dict(solver="lbfgs", max_iter=3), "lbfgs"),
    ],
)
def test_advice_is_possible_where_it_is_given(parameters, absent):
    X, y = first_picture()
    found = told(MLPRegressorCI(random_state=0, **parameters), X, y)
    assert absent not in found[exceptions.NotAtMinimumWarning]


def test_polished_fits_are_not_sent_to_polish():
    X, y = sine_data(n=100, noise=0.3)
    for seed in range(8):
        net = MLPRegressorCI(
            hidden_layer_sizes=(6,), solver="lbfgs", polish=True, random_state=seed,
            covariance="bayesian",
        ).fit(X, y)  # fmt: skip
        advice = " ".join(check.advice for check in net.diagnostics())
        assert "polish=True" not in advice and "lbfgs" not in advice
        if net.inference_.relative_offset > 0.3:
            assert net.polish_.reason == "kink of relu" and "tanh" in advice


def test_too_large_an_alpha_is_told_from_unfinished_training():
    X, y = first_picture()
    net = MLPRegressorCI(hidden_layer_sizes=(6,), solver="lbfgs", alpha=30.0, **TANH)
    text = told(net, X, y)[exceptions.NotAtMinimumWarning]
    assert "Try a smaller alpha" in text and "max_iter" not in text
    before = np.median(np.diff(net.predict(X, return_ci=True)[1]))
    assert told(net.set_params(alpha=0.1), X, y) == {}
    assert np.median(np.diff(net.predict(X, return_ci=True)[1])) < 0.5 * before


@pytest.mark.parametrize("max_iter", [5, 20, 50])
@pytest.mark.parametrize("hidden", [(6,), (20,)])
def test_few_epochs_of_adam_are_not_blamed_on_alpha(hidden, max_iter):
    """A smaller alpha changes nothing there; training to the minimum does."""
    X, y = first_picture()
    parameters = dict(hidden_layer_sizes=hidden, max_iter=max_iter, alpha=1.0, **TANH)
    net = MLPRegressorCI(**parameters)
    told(net, X, y)
    texts = [check.advice for check in net.diagnostics() if check.verdict != "ok"]
    blamed = [text for text in texts if "alpha" in text]
    assert not any("Try a smaller alpha" in text for text in texts)
    assert any("solver='lbfgs'" in text for text in blamed)

    def width_and_error(**cure):
        other = clone(net).set_params(**cure).fit(X, y)
        y_pred, ci = other.predict(X, return_ci=True)
        return np.median(np.diff(ci)), np.mean((y_pred - y) ** 2)

    before = np.array(width_and_error())
    assert width_and_error(alpha=1e-3) == pytest.approx(before, rel=0.02)
    assert (width_and_error(polish=True) < 0.5 * before).all()
    if max_iter > 5:  # which lbfgs, too, has to have
        assert (width_and_error(solver="lbfgs") < 0.5 * before).all()


@pytest.mark.parametrize(
    "cure",
    [dict(alpha=0.3), dict(hidden_layer_sizes=(3,), n_restarts=4)],  # not a poor one
    ids=str,
)
def test_overfitted_networks_predict_better_after(cure):
    X, y = sine_data(n=60, noise=0.3)
    X_new, mean = sine_data(n=400, noise=0.0, seed=1)
    net = MLPRegressorCI(hidden_layer_sizes=(12,), activation="tanh", **CONVERGED)
    assert exceptions.OverfittedWarning in told(net, X, y)
    error = np.mean((net.predict(X_new) - mean) ** 2)
    assert exceptions.OverfittedWarning not in told(net.set_params(**cure), X, y)
    assert np.mean((net.predict(X_new) - mean) ** 2) < 0.5 * error


@pytest.mark.parametrize("seed", range(3))
def test_an_alpha_chosen_by_folds_takes_overfitting_away(seed):
    """Smooth networks are sent there, not to the leave-one-out score."""
    X, y = sine_data(n=60, noise=0.3, seed=seed)
    X_new, mean = sine_data(n=400, noise=0.0, seed=seed + 10)
    net = MLPRegressorCI(hidden_layer_sizes=(12,), **{**TANH, "solver": "lbfgs"})
    told(net.set_params(max_iter=1000), X, y)
    texts = [check.advice for check in net.diagnostics() if check.verdict == "notice"]
    assert any("chosen by cross-validation" in text for text in texts)
    assert not any("loo_score" in text for text in texts)
    plain = clone(net).set_params(covariance=None)
    search = GridSearchCV(plain, {"alpha": [1e-4, 0.01, 0.1, 1.0]}, cv=5).fit(X, y)
    before, after = (np.mean((m.predict(X_new) - mean) ** 2) for m in (net, search))
    assert after < 0.5 * before


def test_named_formulas_send_to_the_rule_that_knows_of_the_step():
    X, y = first_picture()
    grid = np.linspace(-1.9, 1.9, 200)[:, None]
    truth = np.sin(1.5 * grid[:, 0])
    net = MLPRegressorCI(hidden_layer_sizes=(6,), covariance="bayesian", **TANH)
    text = told(net, X, y)[exceptions.NotAtMinimumWarning]
    assert "too narrow" in text and "covariance='auto' with noise='auto'" in text
    unit = np.std(np.sin(1.5 * X[:, 0]) + 0.1), np.sin(1.5 * X[:, 0]).mean()
    covered = {}
    for name in ("bayesian", "auto"):
        ci = net.set_params(covariance=name).fit(X, y).predict(grid, return_ci=True)[1]
        target = (truth - unit[1]) / unit[0]
        covered[name] = np.mean((ci[:, 0] <= target) & (target <= ci[:, 1]))
    assert covered["bayesian"] < 0.8 < 0.95 <= covered["auto"]
