"""Polished weights and further starts, through the estimator."""

import pickle

import numpy as np
import pytest
from cases import sine_data
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI, exceptions
from sklearn_nnci._training import polish, restarts

SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=1e-2, max_iter=2000)


def objective(net, X, y, alpha):
    e = y.reshape(len(y), -1) - net.predict(X).reshape(len(y), -1)
    return 0.5 * (e**2).sum() + 0.5 * alpha * sum((W**2).sum() for W in net.coefs_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_polish_reaches_the_minimum_and_says_so(solver):
    X, y = sine_data(n=100)
    plain = MLPRegressor(solver=solver, random_state=0, **SMALL).fit(X, y)
    net = MLPRegressorCI(solver=solver, random_state=0, polish=True, **SMALL).fit(X, y)
    record = net.polish_
    assert record.objective_before == pytest.approx(objective(plain, X, y, 1e-2))
    assert record.objective_after == pytest.approx(objective(net, X, y, 1e-2))
    assert record.objective_after < record.objective_before
    assert record.relative_offset == net.inference_.relative_offset < 1e-3
    assert record.iterations > 0 and record.reason
    names = [check.name for check in net.diagnostics() if check.verdict == "warning"]
    assert "relative offset" not in names


def test_polished_weights_are_fresh_and_later_training_starts_afresh():
    X, y = sine_data(n=100)
    net = MLPRegressorCI(random_state=0, polish=True, **SMALL).fit(X, y)
    assert not hasattr(net, "_optimizer")
    assert all(W.base is None or W.flags.owndata for W in net.coefs_)
    before = [W.copy() for W in net.coefs_]
    net.partial_fit(X, y)
    assert all((a != b).any() for a, b in zip(before, net.coefs_, strict=True))
    with pytest.raises(AttributeError, match="polish=True"):
        net.polish_  # noqa: B018


def test_more_parameters_than_rows_are_left_alone():
    X, y = sine_data(n=40)
    parameters = dict(hidden_layer_sizes=(30,), random_state=0, max_iter=30)
    with pytest.warns(exceptions.PolishRefusedWarning, match="121 parameters.*40 rows"):
        net = MLPRegressorCI(polish=True, **parameters).fit(X, y)
    plain = MLPRegressor(**parameters).fit(X, y)
    np.testing.assert_array_equal(net.predict(X), plain.predict(X))
    assert not hasattr(net, "polish_")


def test_polish_uses_only_the_rows_that_trained():
    X, y = sine_data(n=200)
    net = MLPRegressorCI(random_state=0, polish=True, early_stopping=True, **SMALL)
    net.fit(X, y)
    assert net.inference_.n_samples == 180
    assert net.inference_.relative_offset < 1e-3


@pytest.mark.parametrize("random_state", [0, "state"])
def test_restarts_keep_the_lowest_objective_whatever_n_jobs(random_state):
    X, y = sine_data(n=100, noise=0.3)
    fits = []
    for n_jobs in (None, 2):
        state = np.random.RandomState(1) if random_state == "state" else 0
        net = MLPRegressorCI(
            solver="lbfgs", n_restarts=4, n_jobs=n_jobs, random_state=state, **SMALL
        ).fit(X, y)
        fits.append(net)
        objectives = net.start_objectives_
        assert objectives.shape == (5,)
        assert objective(net, X, y, 1e-2) == pytest.approx(objectives.min())
        spread = net.between_start_std(X)
        assert spread.shape == (100,) and (spread > 0).all()
    np.testing.assert_array_equal(fits[0].start_objectives_, fits[1].start_objectives_)
    np.testing.assert_array_equal(
        fits[0].predict(X, return_ci=True)[1], fits[1].predict(X, return_ci=True)[1]
    )
    assert (
        fits[0].predict(X).tolist()
        == pickle.loads(pickle.dumps(fits[0])).predict(X).tolist()
    )


def test_first_start_is_that_of_a_fit_without_restarts():
    X, y = sine_data(n=100, noise=0.3)
    one = MLPRegressorCI(solver="lbfgs", random_state=0, **SMALL).fit(X, y)
    many = clone(one).set_params(n_restarts=2).fit(X, y)
    assert many.start_objectives_[0] == pytest.approx(objective(one, X, y, 1e-2))
    with pytest.raises(AttributeError, match="n_restarts"):
        one.start_objectives_  # noqa: B018


def test_restarts_of_early_stopped_networks_recover_the_rows_of_the_winner():
    X, y = sine_data(n=150, noise=0.3)
    winners = set()
    for seed in range(4):
        net = MLPRegressorCI(
            random_state=seed, n_restarts=3, early_stopping=True, noise="validation",
            hidden_layer_sizes=(5,),
        ).fit(X, y)  # fmt: skip
        assert net.inference_.n_samples == 135
        assert not any("HeldOut" in text for text in net.inference_.warnings)
        winners.add(int(np.argmin(net.start_objectives_)))
    assert winners != {0}


def test_restarts_are_polished_and_the_lowest_is_kept():
    X, y = sine_data(n=100, noise=0.3)
    net = MLPRegressorCI(
        solver="lbfgs", n_restarts=3, polish=True, random_state=0, **SMALL
    ).fit(X, y)
    assert net.polish_.objective_after == pytest.approx(net.start_objectives_.min())
    assert net.inference_.relative_offset < 1e-3


BEST = dict(solver="lbfgs", polish=True, random_state=0, n_restarts=3) | SMALL


def gradient_of(net, theta, X, y):
    """Largest entry of the gradient of F by complex steps, one hidden tanh layer."""
    d, h = net.coefs_[0].shape

    def F(t):
        U, v, b, c = np.split(t, [d * h, d * h + h, d * h + 2 * h])
        e = y - np.tanh(X @ U.reshape(d, h) + b) @ v - c
        return 0.5 * (e @ e) + 0.5 * net.alpha * (U @ U + v @ v)

    steps = 1e-100j * np.eye(len(theta))
    return max(abs(F(theta + step).imag) for step in steps) / 1e-100


@pytest.mark.parametrize("n_units, alpha", [(3, 1e-2), (60, 1.0)])
def test_starts_polished_early_end_at_minima_too(n_units, alpha, monkeypatch):
    X, y = sine_data(n=300, noise=0.3)
    sizes = dict(hidden_layer_sizes=(n_units,), alpha=alpha, n_restarts=2)
    early = MLPRegressorCI(**BEST | sizes).fit(X, y)
    assert restarts.polishing_trains(early)
    for theta in early._starts["parameters"]:
        assert gradient_of(early, theta, X, y) < 1e-4
    monkeypatch.setattr(restarts, "polishing_trains", lambda fitted: False)
    full = clone(early).fit(X, y)
    found = [net.start_objectives_ for net in (early, full)]
    assert found[0][0] == found[1][0]
    assert found[0].min() == pytest.approx(found[1].min(), rel=0.02)


def test_start_whose_early_polish_finds_no_minimum_is_trained_to_the_end(monkeypatch):
    X, y = sine_data(n=100, noise=0.3)
    usual, calls = polish.METHODS["levenberg-marquardt"], []

    def lost(objective, point):
        calls.append(objective.value(point))
        end = usual(objective, point)
        return end if len(calls) != 2 else (end[0], end[1], "no further decrease")

    net = MLPRegressorCI(**BEST | dict(n_restarts=1))
    monkeypatch.setitem(polish.METHODS, "levenberg-marquardt", lost)
    objectives = net.fit(X, y).start_objectives_
    assert len(calls) == 3 and calls[2] < calls[1]
    monkeypatch.undo()
    monkeypatch.setattr(restarts, "polishing_trains", lambda fitted: False)
    np.testing.assert_array_equal(clone(net).fit(X, y).start_objectives_, objectives)


@pytest.mark.parametrize(
    "parameters, early",
    [
        ({}, True),
        (dict(activation="identity"), True),
        (dict(polish=False), False),
        (dict(solver="adam"), False),
        (dict(activation="relu"), False),
        (dict(hidden_layer_sizes=(3, 2)), False),
        (dict(hidden_layer_sizes=(40,)), False),  # polishing is refused
    ],
)
def test_polishing_trains_where_it_sees_the_hessian(parameters, early):
    X, y = sine_data(n=100, noise=0.3)
    net = MLPRegressorCI(**BEST | dict(n_restarts=0, covariance=None) | parameters)
    assert restarts.polishing_trains(net.fit(X, y)) is early


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_early_polish_is_not_told_as_training_that_failed():
    X, y = sine_data(n=100, noise=0.3)
    net = MLPRegressorCI(**BEST).fit(X, y)
    assert restarts.polishing_trains(net)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_training_that_polishing_ends_is_not_told_as_unfinished():
    X, y = sine_data(n=100, noise=0.3)
    net = MLPRegressorCI(**BEST | dict(n_restarts=0, max_iter=20))
    assert net.fit(X, y).polish_.reason == "gradient vanished"
    with pytest.raises(ConvergenceWarning):  # told once it is known, to any filter
        net.set_params(polish=False).fit(X, y)


@pytest.mark.parametrize(
    "name, value", [("polish", "yes"), ("n_restarts", -1), ("n_restarts", 1.5),
                    ("n_jobs", "all")],
)  # fmt: skip
def test_bad_parameters_are_refused_by_name(name, value):
    X, y = sine_data(n=20)
    with pytest.raises(ValueError, match=name):
        MLPRegressorCI(**{name: value}).fit(X, y)
