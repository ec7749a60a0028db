"""Committees of tuned networks: the recommended model."""

import pickle

import numpy as np
import pytest
import skops.io
from cases import told
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
)
from sklearn_nnci.metrics import evidence_scorer

SMALL = dict(architectures=((3,), (6,)), n_starts=2, random_state=0)


def waves(n=150, seed=5):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 1))
    mean = np.sin(6 * np.pi * X[:, 0])
    return X, mean + 0.1 * rng.normal(size=n), mean


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    return X[:200], y[:200]


@pytest.fixture(scope="module")
def fitted(diabetes):
    return MLPEnsembleRegressorCI(**SMALL).fit(*diabetes)


def test_no_scaler_is_needed(fitted, diabetes):
    X, y = diabetes
    scaled = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), MLPEnsembleRegressorCI(**SMALL)),
        transformer=StandardScaler(),
    ).fit(X, y)
    for flag in ("return_ci", "return_pi", "return_std"):
        one, two = (m.predict(X, **{flag: True}) for m in (fitted, scaled))
        np.testing.assert_allclose(two[0], one[0], rtol=1e-6)
        np.testing.assert_allclose(two[1], one[1], rtol=1e-6)
    frame = scaled.get_prediction(X).to_frame()
    assert (frame["obs_ci_lower"] < frame["mean_ci_lower"]).all()


def test_weights_are_by_evidence_with_one_symmetry_for_an_architecture(fitted):
    Z = np.array([one.log_evidence_ for one in fitted.estimators_])
    S = np.array([one._symmetry for one in fitted.estimators_])
    for own in (slice(0, 2), slice(2, 4)):
        S[own] = S[own][np.argmax(Z[own])]
    odds = np.exp((Z + S - (Z + S).max()) / np.sqrt(200))
    np.testing.assert_allclose(fitted.weights_, odds / odds.sum(), rtol=1e-9)


def test_starts_alternate_between_two_first_penalties(fitted, diabetes):
    one = fitted.estimators_[1]
    alone = MLPRegressorCI(**one.get_params())
    second = alone._fit_start(*diabetes, start=1).coefs_[0]
    np.testing.assert_array_equal(second, one.coefs_[0])
    assert not np.allclose(alone.fit(*diabetes).coefs_[0], one.coefs_[0])


def test_a_curve_that_bends_much_is_not_taken_for_noise():
    X, y, mean = waves()
    model = MLPEnsembleRegressorCI(architectures=((20,),), random_state=0)
    assert told(model, X, y) == {}
    y_pred, ci = model.predict(X, return_ci=True)
    assert np.sqrt(np.mean((y_pred - mean) ** 2)) < 0.1
    assert np.mean((ci[:, 0] <= mean) & (mean <= ci[:, 1])) > 0.9


def test_sizes_on_both_sides_of_the_number_of_rows():
    X, y, _ = waves(n=40)
    model = MLPEnsembleRegressorCI(architectures=((2,), (40,)), random_state=0)
    model.fit(X, y)
    routes = {one.inference_.route for one in model.estimators_}
    assert routes == {"primal", "dual"}
    cov = model.predict(X, return_cov=True)[1]
    se = model.get_prediction(X).se_mean
    np.testing.assert_allclose(np.diag(cov), se**2, rtol=1e-9)
    assert np.isfinite(model.predict(X, return_pi=True)[1]).all()


@pytest.mark.parametrize("form", ["pickle", "skops"])
def test_copies_say_the_same(fitted, diabetes, form):
    if form == "pickle":
        twin = pickle.loads(pickle.dumps(fitted))
    else:
        data = skops.io.dumps(fitted)
        types = skops.io.get_untrusted_types(data=data)
        assert all(name.startswith("sklearn_nnci.") for name in types)
        twin = skops.io.loads(data, trusted=types)
    X = diabetes[0]
    np.testing.assert_array_equal(
        twin.predict(X, return_ci=True)[1], fitted.predict(X, return_ci=True)[1]
    )


def test_evidence_chooses_sizes_and_features():
    X, y, _ = waves()
    net = MLPRegressorCI(activation="tanh", regularization="evidence", n_restarts=3,
                         random_state=0)  # fmt: skip
    rows = np.arange(len(y))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), net),
        {"mlpregressorci__hidden_layer_sizes": [(1,), (12,)]},
        scoring=evidence_scorer, cv=[(rows, rows)],
    ).fit(X, y)  # fmt: skip
    assert search.best_params_["mlpregressorci__hidden_layer_sizes"] == (12,)
    best = search.best_estimator_[-1]
    assert search.best_score_ == pytest.approx(best.log_evidence_ + best._symmetry)
    assert evidence_scorer(search) == search.best_score_
    noise = np.random.default_rng(0).normal(size=(150, 4))
    alone, beside = (net.fit(Z, y).log_evidence_ for Z in (X, np.c_[X, noise]))
    assert alone > beside
    with pytest.raises(TypeError, match="regularization='evidence'"):
        evidence_scorer(StandardScaler())
    with pytest.raises(AttributeError, match="regularization='evidence'"):
        evidence_scorer(MLPRegressorCI(max_iter=2, random_state=0).fit(X, y))


def test_report_has_information_criteria(diabetes):
    X, y = diabetes
    net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", random_state=0)
    net.set_params(regularization="evidence").fit(X, y)
    report, e = net.inference_, y - net.predict(X)
    log_L = -100 * (np.log(2 * np.pi * np.mean(e**2)) + 1)
    assert report.log_likelihood == pytest.approx(log_L)
    assert report.aic == pytest.approx(2 * (report.edf + 1) - 2 * log_L)
    assert report.bic == pytest.approx(np.log(200) * (report.edf + 1) - 2 * log_L)
    assert report.log_evidence == net.log_evidence_
    plain = MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=20, random_state=0)
    assert np.isnan(plain.fit(X, y).inference_.log_evidence)
