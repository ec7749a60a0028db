"""Scorers of intervals, in searches and on whatever estimators come as."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from cases import CONVERGED, sine_data
from scipy import stats
from sklearn.ensemble import StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    make_scaled,
    request_intervals,
)
from sklearn_nnci.metrics import (
    coverage_score,
    coverage_scorer,
    crps,
    interval_score,
    log_score,
    neg_crps_scorer,
    neg_interval_scorer,
    neg_log_scorer,
)

NET = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)
MODELS = {
    "network": (NET, "alpha"),
    "pipeline": (make_pipeline(StandardScaler(), NET), "mlpregressorci__alpha"),
    "target": (make_scaled(NET), "regressor__mlpregressorci__alpha"),
    "around": (
        make_pipeline(StandardScaler(), make_scaled(NET)),
        "transformedtargetregressorci__regressor__mlpregressorci__alpha",
    ),
}
SCORERS = {
    "interval": neg_interval_scorer,
    "crps": neg_crps_scorer,
    "coverage": coverage_scorer,
    "log": neg_log_scorer,
}
every_model = pytest.mark.parametrize("name", MODELS)
every_scorer = pytest.mark.parametrize("scorer", SCORERS)
routing = pytest.mark.parametrize("routed", [False, True])


def model_of(name, routed=False):
    model, key = MODELS[name]
    model = sklearn.clone(model)
    return (request_intervals(model) if routed else model), key


def by_hand(scorer, model, X, y, level=0.95, w=None):
    """The score from what `predict` returns."""
    if scorer in ("interval", "coverage"):
        pi = model.predict(X, return_pi=True, confidence_level=level)[1]
        if scorer == "coverage":
            return coverage_score(y, pi, sample_weight=w)
        return -interval_score(y, pi, confidence_level=level, sample_weight=w)
    f, pi = model.predict(X, return_pi=True, confidence_level=[0.5, 0.9])
    half = (pi[..., 1, :] - pi[..., 0, :]) / 2
    dof = len(X_TRAIN) - 1.0  # of the rule "auto"
    t = stats.t.isf([0.25, 0.05], dof)
    np.testing.assert_allclose(half / t, (half / t)[..., :1] * [1, 1], rtol=1e-9)
    metric = crps if scorer == "crps" else log_score
    return -metric(y, f, (half / t)[..., 0], dof=dof, sample_weight=w)


X_TRAIN, Y_TRAIN = sine_data(n=60, noise=0.3)
X_TEST, Y_TEST = sine_data(n=40, noise=0.3, seed=1)


@every_scorer
@every_model
@pytest.mark.parametrize("m", [1, 2])
def test_the_score_is_that_of_what_is_predicted(scorer, name, m):
    X, y = sine_data(n=60, m=m, noise=0.3)
    T, u = sine_data(n=40, m=m, noise=0.3, seed=1)
    model = model_of(name)[0].fit(X, 5.0 + 3.0 * y)
    w, u = np.arange(40) % 3, 5.0 + 3.0 * u
    score = SCORERS[scorer]
    assert score(model, T, u) == pytest.approx(by_hand(scorer, model, T, u), rel=1e-9)
    weighted = by_hand(scorer, model, T, u, w=w)
    assert score(model, T, u, w) == pytest.approx(weighted, rel=1e-9)
    framed = pd.DataFrame(u, index=np.arange(40) + 7)
    assert score(model, T, framed) == score(model, T, u)


@pytest.mark.parametrize(
    "scorer, name",
    [*[("interval", name) for name in MODELS], ("crps", "target"), ("log", "around"),
     ("coverage", "pipeline")],
)  # fmt: skip
@routing
def test_every_search_and_curve_takes_them(scorer, name, routed):
    X, y, score = X_TRAIN, Y_TRAIN, SCORERS[scorer]
    with sklearn.config_context(enable_metadata_routing=routed):
        model, key = model_of(name, routed)
        grid, asked = {key: [0.1, 1.0]}, dict(scoring=score, cv=2)
        rows = KFold(2).split(X)
        expected = [
            by_hand(scorer, sklearn.clone(model).fit(X[a], y[a]), X[b], y[b])
            for a, b in rows
            if scorer in ("interval", "coverage")
        ]
        found = cross_validate(model, X, y, **asked)["test_score"]
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected or found, rtol=1e-9)
        np.testing.assert_array_equal(cross_val_score(model, X, y, **asked), found)
        for search in (
            GridSearchCV(model, grid, **asked, error_score="raise"),
            RandomizedSearchCV(model, grid, n_iter=2, **asked, error_score="raise"),
            HalvingGridSearchCV(model, grid, min_resources=20, **asked,
                                error_score="raise"),
        ):  # fmt: skip
            search.fit(X, y)
            assert np.isfinite(search.cv_results_["mean_test_score"]).all()
            again = score(search, X_TEST, Y_TEST)
            assert again == score(search.best_estimator_, X_TEST, Y_TEST)
            # A search scores by its own scorer.
            assert search.score(X_TEST, Y_TEST) == again
        curve = learning_curve(model, X, y, train_sizes=[0.8, 1.0], **asked)
        np.testing.assert_array_equal(curve[2][1], found)
        curve = validation_curve(
            model, X, y, param_name=key, param_range=[0.1], **asked
        )
        np.testing.assert_array_equal(curve[1][0], found)


def test_several_scorers_and_levels_at_once():
    scoring = {
        name: partial(neg_interval_scorer, confidence_level=level)
        for name, level in {"one": 0.8, "wis": [0.5, 0.8]}.items()
    } | SCORERS
    found = cross_validate(NET, X_TRAIN, Y_TRAIN, cv=2, scoring=scoring)
    pairs = KFold(2).split(X_TRAIN)
    for fold, (a, b) in enumerate(pairs):
        net = sklearn.clone(NET).fit(X_TRAIN[a], Y_TRAIN[a])
        for name, level in {"one": 0.8, "wis": [0.5, 0.8], "interval": 0.95}.items():
            expected = by_hand("interval", net, X_TRAIN[b], Y_TRAIN[b], level)
            assert found[f"test_{name}"][fold] == pytest.approx(expected, rel=1e-12)


@every_scorer
def test_committees_are_scored_by_the_law_of_their_intervals(scorer):
    committee = MLPEnsembleRegressorCI(
        architectures=((2,), (4,)), n_starts=1, random_state=0
    ).fit(X_TRAIN, Y_TRAIN)
    score = SCORERS[scorer](committee, X_TEST, Y_TEST)
    if scorer in ("interval", "coverage"):
        expected = by_hand(scorer, committee, X_TEST, Y_TEST)
    else:
        p = committee.get_prediction(X_TEST)
        metric = crps if scorer == "crps" else log_score
        expected = -metric(Y_TEST, p.mean, p.se_obs, dof=p.dof)
    assert score == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("m", [1, 2])
def test_a_bent_inverse_has_a_crps_by_its_intervals_and_no_density(m):
    X, y = sine_data(n=60, m=m, noise=0.3)
    model = TransformedTargetRegressorCI(NET, func=np.log, inverse_func=np.exp)
    model.fit(X, np.exp(y))
    inner = model.regressor_.get_prediction(X)
    # By simulation of the law: E |Y - y| - E |Y - Y'| / 2.
    rng = np.random.default_rng(0)
    t = rng.standard_t(np.reshape(inner.dof, (-1,)), (40_000, 60, m))
    u = np.reshape(inner.mean, (60, m)) + np.reshape(inner.se_obs, (60, m)) * t
    draws, observed = np.exp(u), np.exp(y).reshape(60, m)
    apart = np.abs(draws[:20_000] - draws[20_000:]).mean(axis=0) / 2
    expected = (np.abs(draws - observed).mean(axis=0) - apart).mean()
    assert neg_crps_scorer(model, X, np.exp(y)) == pytest.approx(-expected, rel=0.01)
    with pytest.raises(ValueError, match=r"(?s)not a line.*interval score"):
        neg_log_scorer(model, X, np.exp(y))
    straight = TransformedTargetRegressorCI(
        NET, transformer=FunctionTransformer(lambda y: 2 * y, lambda u: u / 2)
    ).fit(X, y)
    assert np.isfinite(neg_log_scorer(straight, X, y))


@pytest.mark.parametrize("scorer", ["interval", "coverage"])
def test_any_estimator_whose_predict_takes_the_flags_is_scored(scorer):
    stack = StackingRegressor([("ridge", Ridge())], final_estimator=NET)
    stack.fit(X_TRAIN, Y_TRAIN)
    score = SCORERS[scorer](stack, X_TEST, Y_TEST)
    assert score == pytest.approx(by_hand(scorer, stack, X_TEST, Y_TEST), rel=1e-12)


@every_scorer
def test_what_has_no_intervals_of_observations_is_refused(scorer):
    score, rates = SCORERS[scorer], np.arange(60) % 5 + 0.5
    with pytest.raises(TypeError):
        score(Ridge().fit(X_TRAIN, Y_TRAIN), X_TEST, Y_TEST)
    bare = sklearn.clone(NET).set_params(covariance=None).fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="covariance=None"):
        score(bare, X_TEST, Y_TEST)
    poisson = sklearn.clone(NET).set_params(loss="poisson").fit(X_TRAIN, rates)
    with pytest.raises(ValueError, match="poisson"):
        score(poisson, X_TRAIN, rates)


def skewed(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.0, 1.0, (n, 2))
    return X, np.sin(2.0 * X[:, 0]) + np.exp(rng.standard_normal(n)) - np.exp(0.5)


def test_an_empirical_law_has_a_crps_and_a_density():
    X, y = skewed(300, 0)
    T, new = skewed(4000, 1)
    net = sklearn.clone(NET).fit(X, y)
    normal = [score(net, T, new) for score in (neg_crps_scorer, neg_log_scorer)]
    net.set_params(errors="empirical").fit_inference(X, y)
    found = [score(net, T, new) for score in (neg_crps_scorer, neg_log_scorer)]
    assert found[0] > normal[0] and found[1] > normal[1] + 0.1
    few, draws = net.get_prediction(T[:40]), 4000
    drawn = np.sort(few.sample(draws, 0, obs=True), axis=0)
    # E|Y - y| - E|Y - Y'|/2, of draws
    rank = 2.0 * np.arange(1, draws + 1) - draws - 1.0
    expected = np.abs(drawn - new[:40]).mean(axis=0) - rank @ drawn / draws**2
    by_hand = -neg_crps_scorer(net, T[:40], new[:40])
    assert by_hand == pytest.approx(expected.mean(), rel=0.02)
    u = (new - net.predict(T)) / net.get_prediction(T).se_obs
    density = net.get_prediction(T).law.log_density(u[None])[0]
    scale = net.get_prediction(T).se_obs
    assert found[1] == pytest.approx(np.mean(density - np.log(scale)))


def test_counts_have_a_crps():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (200, 2))
    y = rng.poisson(np.exp(2.0 + X[:, 0])).astype(float)
    net = sklearn.clone(NET).set_params(loss="poisson").fit(X, y)
    assert coverage_scorer(net, X, y) > 0.93
    exact = np.mean([
        sum((stats.poisson(mu).cdf(np.arange(60)) - (k <= np.arange(60))) ** 2)
        for mu, k in zip(net.predict(X), y, strict=True)
    ])  # fmt: skip
    assert -neg_crps_scorer(net, X, y) == pytest.approx(exact, rel=0.1)


def test_the_interval_score_does_not_choose_what_covers_everything():
    """A penalty that flattens the curve widens the intervals."""
    X, y = sine_data(n=120, noise=0.1)
    grid = {"alpha": [0.01, 300.0]}
    for score in (neg_interval_scorer, neg_crps_scorer, neg_log_scorer):
        search = GridSearchCV(NET, grid, scoring=score, cv=3).fit(X, y)
        assert search.best_params_ == {"alpha": 0.01}
