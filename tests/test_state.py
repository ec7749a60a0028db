"""State belongs to the fit: what is set, or goes wrong, later does not half change it.

Networks of a few weights, fitted once and copied; each test changes one thing.
"""

import copy
import os
import pickle
import warnings

import numpy as np
import pytest
from cases import CONVERGED, sine_data
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import (
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    _regressor,
    exceptions,
)
from sklearn_nnci._network import perceptron
from sklearn_nnci._training import polish, restarts

SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)
ADAM = dict(hidden_layer_sizes=(4,), activation="tanh", alpha=0.1, random_state=0)
X, Y = sine_data(n=80, d=3, noise=0.3)
COUNTS = np.random.default_rng(0).poisson(np.exp(0.5 + 0.5 * X[:, 0])).astype(float)


def caught_by(action):
    """What an action warns of in our own name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [w for w in caught if issubclass(w.category, exceptions.InferenceWarning)]


def outcome(action, net):
    """What an action returns, or the kind of error: the parent's are ours."""
    try:
        return action(net)
    except (TypeError, ValueError, AttributeError) as error:
        return type(error).__name__


@pytest.fixture(scope="module")
def original():
    return MLPRegressorCI(**SMALL).fit(X, Y)


@pytest.fixture
def net(original):
    return copy.deepcopy(original)


# ----------------------------------------------- parameters of training, set afterwards

FITTED = {
    "lbfgs": (dict(SMALL), Y),
    "adam": (ADAM | {"batch_size": 8}, Y),
    "early": (ADAM | {"early_stopping": True}, Y),
    "poisson": (SMALL | {"loss": "poisson"}, COUNTS),
}
SET = [
    ("lbfgs", "loss", "poisson"),
    ("lbfgs", "activation", "relu"),
    ("lbfgs", "solver", "adam"),
    ("lbfgs", "alpha", 1000.0),
    ("lbfgs", "batch_size", 7),
    ("lbfgs", "early_stopping", True),
    ("adam", "solver", "lbfgs"),
    ("adam", "alpha", 0.001),
    ("adam", "batch_size", "auto"),
    ("adam", "early_stopping", True),
    ("early", "early_stopping", False),
    ("poisson", "loss", "squared_error"),
]
ASKED = {
    **{
        flag: lambda net, y, flag=flag: net.predict(X, **{flag: True})
        for flag in ("return_ci", "return_pi", "return_std", "return_cov")
    },
    "get_prediction": lambda net, y: net.get_prediction(X),
    "fit_inference": lambda net, y: net.fit_inference(X, y),
    "influence": lambda net, y: net.influence(X, y),
    "loo_score": lambda net, y: net.loo_score(X, y),
    "parameter_covariance": lambda net, y: net.parameter_covariance(),
    "from_estimator": lambda net, y: MLPRegressorCI.from_estimator(net, X, y),
}


@pytest.mark.parametrize("kind, name, value", SET)
def test_parameters_of_training_set_afterwards_are_refused_where_they_matter(
    kind, name, value
):
    parameters, y = FITTED[kind]
    net = MLPRegressorCI(**parameters).fit(X, y)
    then, before = getattr(net, name), pickle.dumps(net._inference)
    mine = net.set_params(**{name: value})
    for ask in ASKED.values():
        match = rf"{name}={value!r}, but the network was trained with .*{then!r}"
        with pytest.raises(ValueError, match=match):
            ask(mine, y)
    assert pickle.dumps(net._inference) == before
    mine.set_params(**{name: then})
    for ask in ASKED.values():
        ask(mine, y)


@pytest.mark.parametrize("kind, name, value", SET)
def test_parameters_set_afterwards_act_as_in_the_parent_without_flags(
    kind, name, value
):
    """predict, fit, warm_start and partial_fit obey what is set, bit for bit."""
    parameters, y = FITTED[kind]
    y = COUNTS if value == "poisson" else y
    pair = [cls(**parameters).fit(X, y) for cls in (MLPRegressor, MLPRegressorCI)]
    actions = [
        lambda net: net.predict(X),
        lambda net: net.partial_fit(X, y).predict(X),
        lambda net: clone(net).fit(X, y).predict(X),
        lambda net: net.set_params(warm_start=True, max_iter=5).fit(X, y).predict(X),
    ]
    for action in actions:
        parents, mine = (
            outcome(action, copy.deepcopy(net).set_params(**{name: value}))
            for net in pair
        )
        np.testing.assert_array_equal(mine, parents)


def test_parameters_set_afterwards_hold_after_a_refit_with_them(net):
    net.set_params(alpha=1.0, solver="adam").fit(X, Y)
    fresh = MLPRegressorCI(**SMALL | {"alpha": 1.0, "solver": "adam"}).fit(X, Y)
    for one in (net, fresh):
        assert one.fit_inference(X, Y) is one
    np.testing.assert_array_equal(
        *(one.predict(X, return_ci=True)[1] for one in (net, fresh))
    )


def test_parameters_of_training_are_those_of_the_last_partial_fit():
    net = MLPRegressorCI(**ADAM).fit(X, Y)
    net.set_params(alpha=1.0, covariance="bayesian").partial_fit(X, Y)
    assert net.fit_inference(X, Y).inference_.penalty == 1.0
    net.set_params(alpha=0.1)
    with pytest.raises(ValueError, match=r"alpha=0\.1.*alpha=1\.0"):
        net.fit_inference(X, Y)


def test_a_warm_start_keeps_the_link_of_the_first_fit_and_so_its_loss():
    """The parent then fits counts by another loss, and predicts as before."""
    net = MLPRegressorCI(**SMALL).fit(X, COUNTS)
    with pytest.warns(exceptions.InferenceUnavailableWarning, match="loss='poisson'"):
        net.set_params(loss="poisson", warm_start=True).fit(X, COUNTS)
    with pytest.raises(ValueError, match="loss='poisson'"):
        net.predict(X, return_ci=True)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_loss_and_early_stopping_tell_how_a_network_of_the_parent_was_trained(solver):
    stopped = MLPRegressor(
        **ADAM | {"solver": solver, "early_stopping": True}, learning_rate_init=0.01
    ).fit(X, Y)
    assert MLPRegressorCI.from_estimator(stopped, X, Y).inference_.n_samples == 72
    with pytest.raises(ValueError, match="early_stopping=False"):
        MLPRegressorCI.from_estimator(stopped.set_params(early_stopping=False), X, Y)
    plain = MLPRegressor(**ADAM | {"solver": solver}).fit(X, Y)
    with pytest.raises(ValueError, match="loss='poisson'"):
        MLPRegressorCI.from_estimator(plain.set_params(loss="poisson"), X, COUNTS)


# ------------------------------------------------- covariance and noise, set afterwards


@pytest.mark.parametrize(
    "name, value", [("covariance", "HC3"), ("covariance", None), ("noise", 0.5)]
)
def test_predict_serves_what_was_fitted_and_says_so_once_a_call(net, name, value):
    calls = {
        flag: (lambda flag=flag: net.predict(X, **{flag: True}))
        for flag in ("return_ci", "return_pi", "return_std", "return_cov")
    }
    before = {flag: call()[1] for flag, call in calls.items()}
    net.set_params(**{name: value})
    for flag, call in calls.items():
        (w,) = caught_by(call)
        assert w.category is exceptions.StaleParametersWarning
        assert w.filename == __file__
        assert f"{name}={value!r} (fitted: 'auto')" in str(w.message)
        assert "fit_inference" in str(w.message)
        np.testing.assert_array_equal(call()[1], before[flag])
    (w,) = caught_by(lambda: net.get_prediction(X).conf_int(simultaneous="sup-t"))
    assert w.category is exceptions.StaleParametersWarning
    assert caught_by(lambda: net.predict(X)) == []
    if value is not None:
        net.fit_inference(X, Y)
        assert caught_by(calls["return_ci"]) == []
        assert not np.array_equal(calls["return_ci"]()[1], before["return_ci"])
    net.set_params(covariance="auto", noise="auto").fit_inference(X, Y)
    np.testing.assert_array_equal(calls["return_ci"]()[1], before["return_ci"])


def test_a_prediction_belongs_to_its_inference_even_after_a_refit(net):
    found = net.get_prediction(X[:9])
    cov, band = found.covariance(), found.conf_int(simultaneous="sup-t")
    net.set_params(hidden_layer_sizes=(2,), loss="poisson").fit(X, COUNTS)
    np.testing.assert_array_equal(found.covariance(), cov)
    np.testing.assert_array_equal(found.conf_int(simultaneous="sup-t"), band)


# ------------------------------------------------------------------- rows of other data

OTHERS = {
    "X in other units": (10.0 * X, Y, None),
    "X shifted by a row": (np.roll(X, 1, axis=0), Y, None),
    "y in other units": (X, 10.0 * Y + 5.0, None),
    "y shuffled": (X, Y[::-1], None),
    "fewer": (X[:-1], Y[:-1], None),
    "more": (np.vstack([X, X[:1]]), np.r_[Y, Y[:1]], None),
    "weights": (X, Y, np.r_[2.0, np.ones(79)]),
    "weights of equal sum": (X, Y, np.r_[2.0, 0.0, np.ones(78)]),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("covariance", ["auto", "bayesian", "HC3"])
def test_influence_and_loo_score_refuse_rows_of_other_data(net, other, covariance):
    net.set_params(covariance=covariance).fit_inference(X, Y)
    for call in (net.influence, net.loo_score):
        with pytest.raises(ValueError, match=r"not the rows.*fit_inference"):
            call(*OTHERS[other])


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("hidden", [(3,), (60,)])
def test_influence_and_loo_score_accept_the_rows_in_any_order(m, hidden):
    y = np.column_stack([Y, Y**2])[:, :m].squeeze()
    w = np.arange(80) % 3 + 1.0
    net = MLPRegressorCI(**SMALL | {"hidden_layer_sizes": hidden, "max_iter": 50})
    net.fit(X, y, w)
    order = np.random.default_rng(0).permutation(80)
    score = net.loo_score(X, y, w)
    assert net.loo_score(X[order], y[order], w[order]) == pytest.approx(score, rel=1e-9)
    np.testing.assert_allclose(
        net.influence(X[order], y[order], w[order]).leverage,
        net.influence(X, y, w).leverage[order],
        rtol=1e-6,
    )
    with pytest.raises(ValueError, match="not the rows"):
        net.loo_score(X, y)


def test_rows_of_another_inference_are_the_rows_from_then_on(net):
    more = np.vstack([X, X + 0.01]), np.r_[Y, Y]
    with pytest.raises(ValueError, match="not the rows"):
        net.loo_score(*more)
    assert np.isfinite(net.fit_inference(*more).loo_score(*more))
    with pytest.raises(ValueError, match="not the rows"):
        net.loo_score(X, Y)


@pytest.mark.parametrize("m", [1, 2])
def test_fit_inference_refuses_no_rows_and_warns_of_a_forgotten_scaler(m):
    y = np.column_stack([Y, Y**2])[:, :m].squeeze()
    net = MLPRegressorCI(**SMALL).fit(X, y)
    for raw in (100.0 * y, y / 100.0, y + 50.0):
        caught = caught_by(lambda raw=raw: net.fit_inference(X, raw))
        mine = [w for w in caught if w.category is exceptions.UnscaledDataWarning]
        assert len(mine) == 1 and mine[0].filename == __file__
        assert "scaler" in str(mine[0].message)
        assert np.isfinite(net.predict(X, return_ci=True)[1]).all()
    fewer = [w.category for w in caught_by(lambda: net.fit_inference(X[:40], y[:40]))]
    assert exceptions.UnscaledDataWarning not in fewer


def test_data_in_units_other_than_those_of_training_do_not_pass_in_silence():
    """What the scalers around a network see is not what the network sees."""
    raw, target = 50.0 * X + 20.0, 300.0 * Y + 1000.0
    scaled, u = (raw - raw.mean(0)) / raw.std(0), (target - target.mean()) / 300.0
    net = MLPRegressorCI(**SMALL).fit(scaled, u)
    for call in (net.influence, net.loo_score):
        with pytest.raises(ValueError, match="scaled"):
            call(scaled, target)
    kinds = [w.category for w in caught_by(lambda: net.get_prediction(raw))]
    assert kinds == [exceptions.ExtrapolationWarning]
    kinds = [w.category for w in caught_by(lambda: net.fit_inference(scaled, target))]
    assert exceptions.UnscaledDataWarning in kinds


# -------------------------------------------------------------- fits that do not finish


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


PLACES = {
    "parent": (MLPRegressor, "fit"),
    "polish": (polish, "polish"),
    "restart": (restarts, "_trained_attributes"),
    "inference": (_regressor, "infer"),
}


def with_everything():
    common = {**SMALL, "max_iter": 200, "polish": True, "n_restarts": 2}
    return MLPRegressorCI(**common).fit(X, Y)


@pytest.mark.parametrize("place", PLACES)
def test_an_interrupted_fit_leaves_nothing_of_the_last_one(place, monkeypatch):
    net = with_everything()
    old = net.polish_
    with monkeypatch.context() as patch:
        patch.setattr(*PLACES[place], interrupt)
        with pytest.raises(KeyboardInterrupt):
            net.set_params(hidden_layer_sizes=(2,), random_state=1).fit(X, Y)
    for ask in (
        lambda: net.predict(X, return_ci=True),
        lambda: net.get_prediction(X),
        lambda: net.inference_,
        lambda: net.summary(),
        lambda: net.diagnostics(),
    ):
        with pytest.raises(NotFittedError, match=r"fit did not finish.*fit_inference"):
            ask()
    if place == "inference":  # there were new starts, and of the present shape
        assert net.between_start_std(X).shape == (80,)
        assert net._starts["parameters"].shape == (3, 11)
    else:
        for name in ("between_start_std", "start_objectives_"):
            with pytest.raises(AttributeError, match="n_restarts"):
                getattr(net, name)(X)
    if place in ("parent", "polish"):
        with pytest.raises(AttributeError, match="polish=True"):
            net.polish_  # noqa: B018
    else:
        assert net.polish_.objective_after != old.objective_after
    assert np.isfinite(net.predict(X)).all()
    ci = net.fit_inference(X, Y).predict(X, return_ci=True)[1]
    assert np.isfinite(ci).all()


def test_an_interrupted_fit_with_restarts_says_that_it_did_not_finish(monkeypatch):
    """Further starts are fitted without, which is not why there is none."""
    values = iter([2.0, 3.0, 1.0])
    monkeypatch.setattr(restarts, "objective", lambda *args: next(values))
    monkeypatch.setattr(_regressor, "infer", interrupt)
    net = MLPRegressorCI(**SMALL, n_restarts=2)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y)
    with pytest.raises(NotFittedError, match="did not finish"):
        net.predict(X, return_ci=True)


@pytest.mark.parametrize(
    "change, data, reason",
    [
        (dict(), (np.full_like(X, np.nan), Y), "NaN"),
        (dict(), (X, Y[:-1]), "inconsistent"),
        (dict(alpha=-1.0), (X, Y), "alpha"),
        (dict(n_jobs=0), (X, Y), "n_jobs"),
        (dict(hidden_layer_sizes=(0,)), (X, Y), "hidden_layer_sizes"),
        (dict(solver="adam", early_stopping=True), (X[:3], Y[:3]), "validation set"),
    ],
    ids=["nan", "lengths", "alpha", "n_jobs", "no units", "too few to stop early"],
)
def test_a_failing_fit_leaves_no_inference_and_says_why(change, data, reason):
    net = with_everything()
    with pytest.raises(ValueError, match=reason):
        net.set_params(**change).fit(*data)
    with pytest.raises(NotFittedError, match="last call of fit did not finish"):
        net.predict(X, return_ci=True)
    with pytest.raises(AttributeError, match="n_restarts"):
        net.between_start_std(X)
    with pytest.raises(AttributeError, match="polish=True"):
        net.polish_  # noqa: B018


def test_a_fit_that_fails_before_it_trains_leaves_what_is_known_of_the_training(net):
    expected = net.predict(X, return_ci=True)[1]
    with pytest.raises(ValueError, match="alpha"):
        net.set_params(alpha=-1.0).fit(X, Y)
    with pytest.raises(ValueError, match=r"alpha=1000.*alpha=0\.1"):
        net.set_params(alpha=1000.0).fit_inference(X, Y)
    net.set_params(alpha=0.1).fit_inference(X, Y)
    np.testing.assert_array_equal(net.predict(X, return_ci=True)[1], expected)


def test_a_fit_that_fails_midway_leaves_what_it_trained_with(net, monkeypatch):
    class Lost(Exception):
        pass

    def check(*args, **kwargs):
        raise Lost

    monkeypatch.setattr(MLPRegressorCI, "_fit_stochastic", check)
    with pytest.raises(Lost):
        net.set_params(alpha=1.0, solver="adam").fit(X, Y)
    assert np.isfinite(net.fit_inference(X, Y).predict(X, return_ci=True)[1]).all()


# ----------------------------------------------------------------------- further starts


class Deadly:
    """What ends the process that unpickles it."""

    def __call__(self, *args, **kwargs):
        raise AssertionError("a worker should have died")

    def __reduce__(self):
        return os._exit, (1,)


def test_where_a_worker_dies_the_first_start_is_kept_with_its_inference(monkeypatch):
    plain = MLPRegressorCI(**SMALL).fit(X, Y)
    monkeypatch.setattr(restarts, "_trained_attributes", Deadly())
    net = clone(plain).set_params(n_restarts=2, n_jobs=2)
    (w,) = caught_by(lambda: net.fit(X, Y))
    assert w.category is exceptions.RestartsFailedWarning
    assert "n_restarts=2" in str(w.message) and "n_jobs=1" in str(w.message)
    np.testing.assert_array_equal(
        *(one.predict(X, return_ci=True)[1] for one in (net, plain))
    )
    with pytest.raises(AttributeError, match="n_restarts"):
        net.start_objectives_  # noqa: B018


def test_a_start_that_fails_does_not_cost_the_intervals(monkeypatch):
    """Some starts of a learning rate that is nearly too large end in nan."""

    def diverge(*args):
        raise ValueError("Solver produced non-finite parameter weights.")

    monkeypatch.setattr(restarts, "_trained_attributes", diverge)
    net = MLPRegressorCI(**SMALL, n_restarts=2)
    (w,) = caught_by(lambda: net.fit(X, Y))
    assert w.category is exceptions.RestartsFailedWarning
    assert "non-finite" in str(w.message) and "random_state" in str(w.message)
    assert np.isfinite(net.predict(X, return_ci=True)[1]).all()


def test_a_start_whose_objective_is_not_a_number_is_not_the_best(monkeypatch):
    values = iter([2.0, np.nan, 1.0])
    monkeypatch.setattr(restarts, "objective", lambda *args: next(values))
    net = MLPRegressorCI(**SMALL, n_restarts=2).fit(X, Y)
    np.testing.assert_array_equal(
        perceptron.pack(net.coefs_, net.intercepts_),
        net._starts["parameters"][2],
    )


@pytest.mark.parametrize(
    "name, value",
    [("n_restarts", True), ("n_restarts", False), ("n_restarts", np.True_),
     ("n_restarts", 1.0), ("n_jobs", 0), ("n_jobs", True), ("n_jobs", 2.0)],
)  # fmt: skip
def test_numbers_of_starts_and_jobs_are_checked_before_training(
    name, value, net, monkeypatch
):
    fresh = MLPRegressorCI(**SMALL | {"n_restarts": 1, name: value})
    with pytest.raises(ValueError, match=rf"{name}.*{value}"):
        fresh.fit(X, Y)
    assert not hasattr(fresh, "coefs_")
    with pytest.raises(ValueError, match=name):
        net.set_params(**{name: value}).fit_inference(X, Y)


# ------------------------------------------------------------------------ polished fits


@pytest.mark.parametrize("n_restarts", [0, 2])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_convergence_is_warned_of_unless_polishing_reached_the_minimum(
    solver, n_restarts, monkeypatch
):
    short = SMALL | {"solver": solver, "max_iter": 20, "n_restarts": n_restarts}

    def told(**parameters):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = MLPRegressorCI(**short | parameters).fit(X, Y)
        return fitted, [w for w in caught if w.category is ConvergenceWarning]

    _, plain = told()
    assert plain
    net, polished = told(polish=True)
    assert net.polish_.reason == "gradient vanished" and polished == []
    monkeypatch.setitem(polish.MAX_ITERATIONS, "levenberg-marquardt", 1)
    net, cut = told(polish=True)
    assert net.polish_.reason == "iterations exhausted"
    assert [str(w.message) for w in cut] == [str(w.message) for w in plain]
    assert [w.filename for w in cut] == [w.filename for w in plain]
    _, refused = told(polish=True, hidden_layer_sizes=(60,))
    assert refused


# -------------------------------------------------------------- rows that were held out


HELD_OUT = {
    "seed": dict(random_state=0),
    "state": dict(random_state=np.random.RandomState(3)),
    "none": dict(random_state=None),
    "seed, warm": dict(random_state=0, warm_start=True),
    "state, warm": dict(random_state=np.random.RandomState(3), warm_start=True),
    "state, starts": dict(random_state=np.random.RandomState(3), n_restarts=2),
    "state, polished": dict(random_state=np.random.RandomState(3), polish=True),
}


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("name", HELD_OUT)
def test_rows_held_out_are_remembered_until_inference_is_asked_for(name, copied):
    parameters = ADAM | {"early_stopping": True, "learning_rate_init": 0.01}
    parameters |= copy.deepcopy(HELD_OUT[name])
    later = MLPRegressorCI(**parameters, covariance=None).fit(X, Y)
    later.set_params(covariance="auto", noise="validation")
    if copied:
        later = pickle.loads(pickle.dumps(later))
    caught = caught_by(lambda: later.fit_inference(X, Y))
    assert exceptions.HeldOutRowsWarning not in [w.category for w in caught]
    report = later.inference_
    assert (report.n_samples, report.dof) == (72, 8)
    if name != "none":
        parameters |= copy.deepcopy(HELD_OUT[name])
        now = MLPRegressorCI(**parameters, noise="validation").fit(X, Y)
        np.testing.assert_array_equal(
            *(one.predict(X, return_pi=True)[1] for one in (now, later))
        )


def test_other_rows_than_those_of_the_split_are_told():
    net = MLPRegressorCI(**ADAM, early_stopping=True).fit(X, Y)
    for rows in (slice(None, None, -1), slice(60)):
        with pytest.warns(exceptions.HeldOutRowsWarning, match="recovered"):
            net.fit_inference(X[rows], Y[rows])


# ----------------------------------------------------------------- what is checked when


def through_the_transformer(net):
    return TransformedTargetRegressorCI(net).fit(X, Y)


@pytest.mark.parametrize(
    "wrap", [lambda net: net, through_the_transformer], ids=["network", "transformer"]
)
@pytest.mark.parametrize(
    "flags", [{}, *({flag: True} for flag in list(ASKED)[:4])], ids=str
)
def test_levels_and_kinds_are_checked_whatever_is_asked_for(net, wrap, flags):
    model = wrap(net)
    with pytest.raises(ValueError, match="'nonsense'"):
        model.predict(X, **flags, simultaneous="nonsense")
    with pytest.raises(ValueError, match=r"0\.95, not 95"):
        model.predict(X, **flags, confidence_level=95)


# ------------------------------------------------------------------ weights set by hand


def changed(net, what):
    """Weights that are none."""
    coefs, intercepts = net.coefs_, net.intercepts_
    if what == "appended":
        coefs.append(np.ones((1, 1)))
    elif what == "layer appended":
        coefs.append(np.ones((1, 1)))
        intercepts.append(np.ones(1))
    elif what == "removed":
        del intercepts[1]
    else:
        values = dict(object=coefs[0].astype(object), nan=coefs[0] * np.nan,
                      inf=coefs[0] + np.inf, text=coefs[0].astype(str))  # fmt: skip
        coefs[0] = values[what]
    return net


@pytest.mark.parametrize(
    "what, match",
    [
        ("appended", "3 arrays and intercepts_ 2, expected 2"),
        ("layer appended", "3 arrays and intercepts_ 3, expected 2"),
        ("removed", "2 arrays and intercepts_ 1, expected 2"),
        ("object", r"coefs_\[0\] is of object"),
        ("nan", r"coefs_\[0\] is not finite"),
        ("inf", r"coefs_\[0\] is not finite"),
        ("text", r"coefs_\[0\] is of <U"),
    ],
    ids=["appended", "layer", "removed", "object", "nan", "inf", "text"],
)
@pytest.mark.parametrize("asked", [*ASKED, "jacobian", "parameter_names", "summary"])
def test_weights_that_are_none_are_refused_by_name(net, what, match, asked):
    ask = ASKED.get(
        asked,
        lambda net, y: getattr(net, asked)(*[X] * (asked == "jacobian")),
    )
    with pytest.raises(ValueError, match=match) as error:
        ask(changed(net, what), Y)
    assert "by hand" in str(error.value)


# ------------------------------------------------------------------- networks of others


class Doubled(MLPRegressor):
    def predict(self, X):
        return 2.0 * super().predict(X)


class Renamed(MLPRegressor):
    pass


def test_from_estimator_takes_whatever_predicts_as_the_parent_does(net):
    for cls in (MLPRegressor, Renamed, MLPRegressorCI):
        fitted = cls(**SMALL).fit(X, Y)
        found = MLPRegressorCI.from_estimator(fitted, X, Y)
        assert type(found) is MLPRegressorCI
        np.testing.assert_array_equal(
            found.predict(X, return_ci=True)[1], net.predict(X, return_ci=True)[1]
        )
    with pytest.raises(TypeError, match=r"Doubled has a predict of its own"):
        MLPRegressorCI.from_estimator(Doubled(**SMALL).fit(X, Y), X, Y)
    with pytest.raises(TypeError, match="Ridge"):
        MLPRegressorCI.from_estimator(Ridge().fit(X, Y), X, Y)


def test_from_estimator_of_one_with_intervals_is_a_copy_with_other_ones(net):
    before = pickle.dumps(net)
    found = MLPRegressorCI.from_estimator(net, X, Y, covariance="bayesian", noise="loo")
    assert (found.inference_.method, found.inference_.noise) == ("bayesian", "loo")
    assert pickle.dumps(net) == before
    assert net.inference_.method == "evidence"
