"""Compressed copies predict the same, from less."""

import copy
import io
import itertools
import pickle

import joblib
import numpy as np
import pytest
from cases import SMALL, sine_data
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    effects,
    make_scaled,
)
from sklearn_nnci._network import jacobian
from sklearn_nnci._wrapped import unwrap

NET = MLPRegressorCI(**SMALL)
WIDE = MLPRegressorCI(hidden_layer_sizes=(60,), max_iter=50, random_state=0)
TUNED = MLPRegressorCI(
    hidden_layer_sizes=(4,), regularization="evidence", activation="tanh",
    n_restarts=1, random_state=0,
)  # fmt: skip


def with_(net, **parameters):
    return copy.deepcopy(net).set_params(**parameters)


MODELS = {
    "primal": NET,
    "two panels": with_(NET, hidden_layer_sizes=(30,), alpha=1.0),
    "adam": MLPRegressorCI(hidden_layer_sizes=(20,), max_iter=50, random_state=0),
    "least_squares": with_(NET, activation="relu", covariance="least_squares"),
    "units off": with_(
        NET, activation="relu", hidden_layer_sizes=(20,), covariance="bayesian"
    ),
    "HC3": with_(NET, covariance="HC3"),
    "noise": with_(NET, errors="empirical", variance="auto"),
    "tuned": TUNED,
    "dual": WIDE,
    "dual, HC3": with_(WIDE, covariance="HC3"),
    "dual, tuned": with_(TUNED, hidden_layer_sizes=(60,), max_iter=5, n_restarts=0),
    "committee": MLPEnsembleRegressorCI(NET, architectures=(None,), random_state=0),
    "target": TransformedTargetRegressorCI(NET, transformer=PowerTransformer()),
    "scaled": make_scaled(NET),
    "search inside": TransformedTargetRegressorCI(
        GridSearchCV(make_pipeline(StandardScaler(), NET), {}, cv=2)
    ),
}


def size(model):
    return len(pickle.dumps(model))


@pytest.fixture(
    scope="module", params=[f"{name}-{m}" for name in MODELS for m in (1, 2)]
)
def fitted(request):
    name, m = request.param.rsplit("-", 1)
    if name == "target" and m == "2":
        pytest.skip("PowerTransformer is no line: one output will do.")
    n = 60 if "dual" in name else 200
    X, y = sine_data(n=n, d=3, m=int(m))
    model = copy.deepcopy(MODELS[name]).fit(X, y)
    route = getattr(unwrap(model)[0].inference_, "route", "primal")
    assert (route == "dual") == ("dual" in name)
    return model, model.compress(), X, y


def test_predictions_are_equal_and_standard_errors_close(fitted):
    model, small, X, _ = fitted
    X = np.vstack([X, 2.0 * X[:5]])
    assert type(small) is type(model) and small is not model
    np.testing.assert_array_equal(small.predict(X), model.predict(X))
    full, own = model.get_prediction(X), small.get_prediction(X)
    for name in ("se_mean", "se_obs"):
        np.testing.assert_allclose(getattr(own, name), getattr(full, name), rtol=1e-4)
    np.testing.assert_array_equal(own.extrapolates, full.extrapolates)
    for row in X[:3, None]:
        np.testing.assert_allclose(
            small.get_prediction(row).se_obs,
            model.get_prediction(row).se_obs,
            rtol=1e-4,
        )


def test_it_is_smaller_and_comes_back_from_a_file(fitted, tmp_path):
    model, small, X, _ = fitted
    primal = getattr(unwrap(model)[0].inference_, "route", "primal") == "primal"
    assert size(small) < size(model) or not primal  # few rows, of many units
    joblib.dump(small, tmp_path / "small.joblib")
    for again in (
        pickle.loads(pickle.dumps(small)),
        joblib.load(tmp_path / "small.joblib", mmap_mode="r"),
        copy.deepcopy(small),
        small.compress(),
    ):
        np.testing.assert_array_equal(
            again.get_prediction(X).conf_int(), small.get_prediction(X).conf_int()
        )


def test_reports_are_those_of_the_full_one(fitted):
    model, small, _, _ = fitted
    assert str(small.inference_) == str(model.inference_)
    assert str(small.diagnostics()) == str(model.diagnostics())


def test_the_inference_comes_back_in_full(fitted):
    model, small, X, y = fitted
    again = copy.deepcopy(small).fit_inference(X, y)
    expected = copy.deepcopy(model).fit_inference(X, y)
    for obs in (False, True):
        intervals = (
            one.get_prediction(X).conf_int(obs=obs) for one in (again, expected)
        )
        np.testing.assert_array_equal(*intervals)


@pytest.mark.parametrize(
    "n, route, largest", [(2000, "primal", 39e6 / 3), (1000, "dual", 8.3e6 / 2)]
)
def test_the_default_network_of_20_features(n, route, largest):
    """Primal 39 MB, whatever the rows are: the triangle of 2201 parameters."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 20))
    y = np.sin(X.sum(axis=1) / np.sqrt(20)) + 0.1 * rng.standard_normal(n)
    net = MLPRegressorCI(max_iter=3, random_state=0)
    if route == "primal":  # which takes less than the evidence
        net.set_params(covariance="bayesian", noise=0.01)
    net.fit(X, y)
    small = net.compress()
    assert net.inference_.route == route
    assert size(net) > (38e6 if route == "primal" else 8.2e6)
    assert size(small) < largest
    np.testing.assert_allclose(
        small.get_prediction(X).se_mean, net.get_prediction(X).se_mean, rtol=1e-4
    )


def test_no_prediction_linearises_the_training_rows(monkeypatch):
    X, y = sine_data(n=60, d=3)
    net = copy.deepcopy(WIDE).fit(X, y)
    small, linearised, factors = net.compress(), [], jacobian.factors

    def counted(network, X, *rest):
        linearised.append(X.shape[0])
        return factors(network, X, *rest)

    monkeypatch.setattr(jacobian, "factors", counted)
    for one, expected in ((net, 61), (small, 1)):
        linearised.clear()
        one.predict(X[:1], return_pi=True)
        assert sum(linearised) == expected


def test_what_is_nearly_singular_stays_in_double():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200))
    X, y = np.column_stack([a, a + 1e-4 * b]), a + 0.1 * rng.normal(size=200)
    net = with_(NET, alpha=1e-10, covariance="bayesian").fit(X, y)
    small = net.compress()
    assert small._inference["posterior"]["root"][0].dtype == np.float64
    np.testing.assert_allclose(
        small.get_prediction(X).se_mean, net.get_prediction(X).se_mean, rtol=1e-8
    )


def test_the_optimiser_goes_and_training_goes_on_from_the_weights():
    X, y = sine_data(n=200, d=3)
    net = MLPRegressorCI(hidden_layer_sizes=(5,), max_iter=30, random_state=0).fit(X, y)
    before, ci = pickle.dumps(net.coefs_), net.predict(X, return_ci=True)[1]
    small = net.compress()
    assert hasattr(net, "_optimizer") and not hasattr(small, "_optimizer")
    loss = net.loss_
    for _ in range(20):
        small.partial_fit(X, y)
    assert small.loss_ < loss
    with pytest.raises(NotFittedError, match=r"partial_fit.*fit_inference"):
        small.predict(X, return_ci=True)
    # The original has not moved
    assert pickle.dumps(net.coefs_) == before
    np.testing.assert_array_equal(net.predict(X, return_ci=True)[1], ci)
    np.testing.assert_array_equal(small.fit(X, y).predict(X, return_ci=True)[1], ci)
    assert hasattr(small, "_optimizer")


def test_training_rows_and_effects_are_asked_as_before():
    X, y = sine_data(n=150, d=3)
    net = with_(NET).fit(X, y)
    small = net.compress()
    for name in ("leverage", "cooks_distance"):
        np.testing.assert_array_equal(
            getattr(small.influence(X, y), name), getattr(net.influence(X, y), name)
        )
    assert small.loo_score(X, y) == net.loo_score(X, y)
    tables = [effects.slopes(one, X[:5]).to_frame() for one in (net, small)]
    np.testing.assert_allclose(*(table["std_error"] for table in tables), rtol=1e-4)
    V, W = (one.parameter_covariance() for one in (net, small))
    np.testing.assert_allclose(W, V, rtol=1e-4, atol=1e-6 * np.abs(V).max())


@pytest.mark.parametrize("wrap", [lambda net: net, make_scaled], ids=["net", "scaled"])
def test_without_inference_it_says_so(wrap):
    X, y = sine_data(n=60)
    with pytest.raises(NotFittedError):
        wrap(with_(NET)).compress()
    absent = wrap(with_(NET, covariance=None)).fit(X, y)
    with pytest.raises(NotFittedError, match="fit_inference"):
        absent.compress()


def test_what_has_no_inference_at_all_has_no_compressed_copy():
    from sklearn.linear_model import LinearRegression

    X, y = sine_data(n=60)
    with pytest.raises(AttributeError, match="has no inference"):
        TransformedTargetRegressorCI(LinearRegression()).fit(X, y).compress()


def test_unbounded_intervals_stay_so():
    X, y = sine_data(n=40)
    net = with_(WIDE, covariance="least_squares", noise="residual").fit(X, y)
    assert np.isinf(net.compress().predict(X, return_ci=True)[1]).all()
    buffer = io.BytesIO()
    pickle.dump(net.compress(), buffer)


@pytest.mark.parametrize("covariance", ["auto", "least_squares", "bayesian", "HC3"])
def test_hard_columns_keep_their_digits(covariance):
    """Alike, of very different scale: single precision is taken where it does."""
    rng, taken = np.random.default_rng(0), []
    for k, alpha in itertools.product(range(3), (1e-6, 1e-2)):
        X = rng.normal(size=(200, 4))
        X = (X, X @ (1.0 + 0.05 * rng.normal(size=(4, 4))), X * [1, 30, 0.01, 9] + 5)[k]
        y = np.sin(X[:, 0]) + 0.1 * rng.normal(size=200)
        net = with_(NET, hidden_layer_sizes=(8,), alpha=alpha, covariance=covariance)
        small = net.set_params(max_iter=100).fit(X, y).compress()
        taken.append(small._inference["posterior"]["root"][0].dtype)
        v, w = (one.get_prediction(X).leverage for one in (net, small))
        np.testing.assert_allclose(np.sqrt(w), np.sqrt(v), rtol=1e-4)
    assert np.float32 in taken
    assert covariance == "auto" or np.float64 in taken
