"""Cross-validated intervals, and searches that infer about their winner alone."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from cases import CONVERGED, sine_data
from joblib.externals.loky import get_reusable_executor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    check_cv,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sklearn_nnci
from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    cross_val_predict_interval,
    exceptions,
    make_scaled,
)
from sklearn_nnci.exceptions import InferenceWarning
from sklearn_nnci.metrics import neg_interval_scorer
from sklearn_nnci.model_selection import fit_search

NET = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)
# So few steps that its intervals are warned of.
HASTY = MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=3, random_state=0)
X, Y = sine_data(n=60, noise=0.3)
GROUPS = np.arange(60) // 7
W = np.arange(60) % 3 + 1.0
MODELS = {
    "network": (NET, "alpha"),
    "pipeline": (make_pipeline(StandardScaler(), NET), "mlpregressorci__alpha"),
    "target": (make_scaled(NET), "regressor__mlpregressorci__alpha"),
    "around": (
        make_pipeline(StandardScaler(), make_scaled(NET)),
        "transformedtargetregressorci__regressor__mlpregressorci__alpha",
    ),
}
WEIGHTS = {
    "network": "sample_weight",
    "pipeline": "mlpregressorci__sample_weight",
    "target": "mlpregressorci__sample_weight",
    "around": "transformedtargetregressorci__mlpregressorci__sample_weight",
}
every_model = pytest.mark.parametrize("name", MODELS)


def told(call, *given, **named):
    """What a call returns, and the warnings about intervals that it raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call(*given, **named)
    return found, [w for w in caught if issubclass(w.category, InferenceWarning)]


def by_loop(model, X, y, splits, **flags):
    """Intervals fold by fold, put back into the order of rows."""
    out = {}
    for a, b in splits:
        fitted = sklearn.clone(model).fit(X[a], y[a])
        out |= dict(zip(b, fitted.predict(X[b], **flags)[1], strict=True))
    return np.array([out[i] for i in range(len(y))])


@pytest.mark.parametrize(
    "cv",
    [None, 3, KFold(4, shuffle=True, random_state=3), GroupKFold(3),
     [(np.arange(20, 60), np.arange(20)), (np.arange(20), np.arange(20, 60))]],
    ids=["default", "3", "shuffled", "groups", "splits"],
)  # fmt: skip
def test_predictions_and_splits_are_those_of_cross_val_predict(cv):
    rows = np.random.default_rng(0).permutation(60)
    Z, u, groups = X[rows], Y[rows], GROUPS[rows]
    model = MODELS["target"][0]
    asked = dict(cv=cv) | (dict(groups=groups) if isinstance(cv, GroupKFold) else {})
    y_pred, pi = cross_val_predict_interval(model, Z, u, **asked)
    np.testing.assert_array_equal(y_pred, cross_val_predict(model, Z, u, **asked))
    splits = check_cv(cv).split(Z, u, asked.get("groups"))
    expected = by_loop(model, Z, u, splits, return_pi=True)
    np.testing.assert_allclose(pi, expected, rtol=1e-12)
    assert np.mean((pi[:, 0] < u) & (u < pi[:, 1])) > 0.7


@every_model
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("kind, flag", [("prediction", "pi"), ("confidence", "ci")])
@pytest.mark.parametrize("level", [0.8, [0.5, 0.9, 0.99]])
def test_kinds_levels_and_outputs(name, m, kind, flag, level):
    X, y = sine_data(n=40, m=m, noise=0.3)
    model = MODELS[name][0]
    y_pred, interval = cross_val_predict_interval(
        model, X, y, cv=2, kind=kind, confidence_level=level
    )
    assert interval.shape == (*y.shape, 2, *np.shape(level))
    np.testing.assert_array_equal(y_pred, cross_val_predict(model, X, y, cv=2))
    flags = {f"return_{flag}": True, "confidence_level": level}
    expected = by_loop(model, X, y, KFold(2).split(X), **flags)
    np.testing.assert_allclose(interval, expected, rtol=1e-12)


@every_model
@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_weights_groups_and_processes_pass(name, routed, n_jobs):
    model, cv = sklearn.clone(MODELS[name][0]), GroupKFold(2)
    weights, groups = {WEIGHTS[name]: W}, dict(groups=GROUPS)
    with sklearn.config_context(enable_metadata_routing=routed):
        asked = dict(params=weights, cv=cv, **groups)
        if routed:
            for one in (model, *model.get_params().values()):
                if isinstance(one, MLPRegressorCI):
                    one.set_fit_request(sample_weight=True)
                elif isinstance(one, StandardScaler):
                    one.set_fit_request(sample_weight=False)
            asked = dict(params={"sample_weight": W, **groups}, cv=cv)
        y_pred, pi = cross_val_predict_interval(model, X, Y, n_jobs=n_jobs, **asked)
        np.testing.assert_array_equal(y_pred, cross_val_predict(model, X, Y, **asked))
        unweighted = cross_val_predict_interval(
            model, X, Y, cv=list(cv.split(X, Y, GROUPS))
        )
    for (a, b), net in (
        (pair, sklearn.clone(model)) for pair in cv.split(X, Y, GROUPS)
    ):
        with sklearn.config_context(enable_metadata_routing=False):
            net.fit(X[a], Y[a], **{WEIGHTS[name]: W[a]})
            np.testing.assert_allclose(pi[b], net.predict(X[b], return_pi=True)[1])
    assert not np.allclose(unweighted[1], pi, rtol=1e-3)


def test_a_frame_keeps_its_index_and_its_columns():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"colour": rng.choice(["red", "green"], 80), "size": rng.normal(size=80)},
        index=[f"row {i}" for i in rng.permutation(80)],
    )
    y = np.sin(frame["size"]) + (frame["colour"] == "red") + rng.normal(0, 0.1, 80)
    encode = make_column_transformer(
        (OneHotEncoder(), ["colour"]), remainder=StandardScaler()
    )
    cv = KFold(3, shuffle=True, random_state=0)
    for model in (
        make_pipeline(encode, make_scaled(NET)),
        TransformedTargetRegressorCI(
            make_pipeline(encode, NET), transformer=StandardScaler()
        ),
    ):
        y_pred, pi = cross_val_predict_interval(model, frame, y, cv=cv)
        table = pd.DataFrame({"low": pi[:, 0], "high": pi[:, 1]}, index=frame.index)
        for a, b in cv.split(frame):
            fitted = sklearn.clone(model).fit(frame.iloc[a], y.iloc[a])
            own = sklearn_nnci.get_prediction(fitted, frame.iloc[b]).to_frame()
            np.testing.assert_allclose(
                table.loc[own.index], own[["obs_ci_lower", "obs_ci_upper"]], rtol=1e-12
            )
        covered = (table["low"] < y) & (y < table["high"])
        assert covered.mean() > 0.85
        np.testing.assert_array_equal(y_pred, cross_val_predict(model, frame, y, cv=cv))


def test_searches_committees_and_estimators_of_others_are_asked():
    search = GridSearchCV(NET, {"alpha": [0.1, 1.0]}, cv=2)
    inside = TransformedTargetRegressorCI(search, transformer=StandardScaler())
    committee = MLPEnsembleRegressorCI(
        architectures=((2,),), n_starts=2, random_state=0
    )
    stack = StackingRegressor([("ridge", Ridge())], final_estimator=NET)
    for model in (search, inside, committee, stack):
        y_pred, pi = cross_val_predict_interval(model, X, Y, cv=2)
        assert 0.8 < np.mean((pi[:, 0] < Y) & (Y < pi[:, 1])) <= 1.0
        np.testing.assert_array_equal(y_pred, cross_val_predict(model, X, Y, cv=2))


def test_the_estimator_given_stays_as_it_is():
    model = sklearn.clone(MODELS["target"][0])
    cross_val_predict_interval(model, X, Y, cv=2)
    assert not hasattr(model, "regressor_")


@pytest.mark.parametrize(
    "given, match",
    [
        (dict(kind="tolerance"), "'confidence'.*'tolerance'"),
        (dict(kind=None), "None"),
        (dict(confidence_level=95), "0.95, not 95"),
        (dict(cv=RepeatedKFold(n_splits=2, n_repeats=2)), "partitions"),
        (dict(cv=ShuffleSplit(2)), "partitions"),
    ],
)
def test_what_gives_no_interval_per_row_is_refused(given, match):
    with pytest.raises(ValueError, match=match):
        cross_val_predict_interval(NET, X, Y, **given)
    with pytest.raises(TypeError):
        cross_val_predict_interval(Ridge(), X, Y)


def search_of(model, key, kind=GridSearchCV, **asked):
    grid = {key: [0.1, 10.0]}
    return kind(model, grid, **dict(cv=2, error_score="raise") | asked)


def counted(monkeypatch):
    """A list that grows by each inference about a network."""
    calls, infer = [], MLPRegressorCI._infer

    def counting(self, *given):
        calls.append(self.alpha)
        return infer(self, *given)

    monkeypatch.setattr(MLPRegressorCI, "_infer", counting)
    return calls


@every_model
@pytest.mark.parametrize("kind", [GridSearchCV, HalvingGridSearchCV])
@pytest.mark.parametrize("scoring", [None, "r2", make_scorer(r2_score)], ids=str)
def test_the_winner_alone_has_its_inference(name, kind, scoring, monkeypatch):
    model, key = sklearn.clone(MODELS[name][0]), MODELS[name][1]
    own = dict(min_resources=20, random_state=0) if kind is HalvingGridSearchCV else {}
    plain = search_of(model, key, kind, scoring=scoring, **own).fit(X, Y)
    before, calls = repr(model.get_params()), counted(monkeypatch)
    search = search_of(model, key, kind, scoring=scoring, **own)
    assert fit_search(search, X, Y) is search
    assert calls == [search.best_params_[key]]
    assert repr(search.estimator.get_params()) == before
    assert search.best_params_ == plain.best_params_
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    found, expected = (
        sklearn_nnci.get_prediction(one, X).to_frame() for one in (search, plain)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    again = sklearn.clone(search.best_estimator_).fit(X, Y)  # has inference as well
    found = sklearn_nnci.get_prediction(again, X).to_frame()
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("scoring", ["r2", neg_interval_scorer])
def test_losing_candidates_do_not_warn(n_jobs, scoring, capfd):
    model = make_scaled(HASTY)
    key = "regressor__mlpregressorci__alpha"
    asked = dict(scoring=scoring, n_jobs=n_jobs)
    get_reusable_executor().shutdown()  # new processes write where this test reads
    search, warned = told(fit_search, search_of(model, key, **asked), X, Y)
    _, once = told(sklearn.clone(search.best_estimator_).fit, X, Y)
    assert len(warned) == len(once) > 0
    assert str(warned[0].message) == str(once[0].message)
    if n_jobs is None:
        _, before = told(search_of(model, key, **asked).fit, X, Y)
        assert len(before) > len(once)
    seen = capfd.readouterr().err
    assert not any(name in seen for name in exceptions.__all__)


def test_scorers_of_intervals_have_them_in_every_candidate(monkeypatch):
    calls = counted(monkeypatch)
    for scoring in (
        neg_interval_scorer,
        {"r2": "r2", "interval": neg_interval_scorer},
    ):
        calls.clear()
        refit = True if callable(scoring) else "interval"
        search = search_of(NET, "alpha", scoring=scoring, refit=refit)
        plain = search_of(NET, "alpha", scoring=scoring, refit=refit).fit(X, Y)
        assert len(calls) == 5
        fit_search(search, X, Y)
        assert len(calls) == 11  # again for the winner, which may warn
        assert search.best_params_ == plain.best_params_
    calls.clear()
    fit_search(
        search_of(NET, "alpha", scoring=["r2", "neg_max_error"], refit="r2"), X, Y
    )
    assert len(calls) == 1


@every_model
@pytest.mark.parametrize("routed", [False, True, "w"])
def test_the_winner_is_weighted(name, routed):
    model, key = sklearn.clone(MODELS[name][0]), MODELS[name][1]
    params = {WEIGHTS[name]: W}
    with sklearn.config_context(enable_metadata_routing=bool(routed)):
        if routed:
            params = {"sample_weight" if routed is True else routed: W}
            for one in (model, *model.get_params().values()):
                if isinstance(one, MLPRegressorCI):
                    one.set_fit_request(sample_weight=routed)
                elif isinstance(one, StandardScaler):
                    one.set_fit_request(sample_weight=False)
        scoring = make_scorer(r2_score)
        if routed:
            scoring.set_score_request(sample_weight=False)
        search = fit_search(search_of(model, key, scoring=scoring), X, Y, **params)
        plain = search_of(model, key, scoring=scoring).fit(X, Y, **params)
        bare = search_of(model, key, scoring=scoring).fit(X, Y)
        found, expected, without = (
            sklearn_nnci.get_prediction(one, X).se_obs for one in (search, plain, bare)
        )
    np.testing.assert_array_equal(found, expected)
    assert not np.allclose(found, without, rtol=1e-4)


def test_committees_and_searches_inside_have_it_too(monkeypatch):
    calls = counted(monkeypatch)
    committee = MLPEnsembleRegressorCI(n_starts=1, random_state=0)
    search = GridSearchCV(committee, {"architectures": [((2,),), ((4,),)]}, cv=2)
    fit_search(search, X, Y)
    assert len(calls) == 6  # one member: four folds, the winner, and what it warns of
    assert np.isfinite(sklearn_nnci.get_prediction(search, X).se_mean).all()
    for inner in (NET, make_pipeline(StandardScaler(), NET)):
        calls.clear()
        key = "alpha" if inner is NET else "mlpregressorci__alpha"
        model = TransformedTargetRegressorCI(
            search_of(inner, key), transformer=StandardScaler()
        )
        assert fit_search(model, X, Y) is model
        assert len(calls) == 1
        assert model.predict_interval(X)[1].shape == (60, 2)


def test_a_grid_of_regressors_is_left_alone():
    committee = MLPEnsembleRegressorCI(
        architectures=((3,),), n_starts=1, random_state=0
    )
    for best, other in ((committee, HASTY), (NET, HASTY)):
        model = make_scaled(NET)
        search = GridSearchCV(model, {"regressor": [other, best]}, cv=2)
        search = fit_search(search, X, Y)
        assert type(search.best_estimator_.regressor_) is type(best)
        plain = sklearn.clone(search.best_estimator_).fit(X, Y)
        np.testing.assert_array_equal(
            search.best_estimator_.predict_interval(X)[1], plain.predict_interval(X)[1]
        )


def test_a_grid_of_covariances_is_left_alone():
    search = GridSearchCV(NET, {"covariance": ["HC3", "bayesian"]}, cv=2)
    fit_search(search, X, Y)
    assert search.best_estimator_.inference_.method == "HC3"
    without = sklearn.clone(NET).set_params(covariance=None)
    search = fit_search(search_of(without, "alpha"), X, Y)
    with pytest.raises(sklearn.exceptions.NotFittedError, match="covariance=None"):
        search.best_estimator_.inference_  # noqa: B018


def test_what_fails_leaves_the_network_as_it_was():
    net = sklearn.clone(NET)
    with pytest.raises(ValueError, match="NaN"):
        fit_search(search_of(net, "alpha"), X * np.nan, Y)
    assert net.covariance == "auto"


@pytest.mark.parametrize(
    "search, error, match",
    [
        (search_of(NET, "alpha", refit=False), ValueError, "refit=False"),
        (NET, TypeError, "no search"),
        (search_of(Ridge(), "alpha"), TypeError, r"got Ridge\(\)"),
        (search_of(TransformedTargetRegressorCI(), "x"), TypeError, "got None"),
    ],
)
def test_what_has_no_winner_is_refused(search, error, match):
    with pytest.raises(error, match=match):
        fit_search(search, X, Y)
