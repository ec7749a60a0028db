"""Other minima in the variance of the mean: against their definition."""

import numpy as np
import pytest
from cases import CONVERGED
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._inference import near

NET = dict(hidden_layer_sizes=(5,), activation="tanh", polish=True, **CONVERGED)


def product_data(n=200, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    mean = np.sin(np.pi * X[:, 0] / 2) * X[:, 1] + X[:, 0] / 2
    return X, mean + 0.1 * rng.normal(size=n)


@pytest.fixture(scope="module")
def fitted():
    X, y = product_data()
    return MLPRegressorCI(**{**NET, "random_state": 0}, n_restarts=6).fit(X, y), X, y


def starts_of(net, X):
    """Predictions of every start, (K, n), by scikit-learn itself."""
    found = []
    for theta in net._starts["parameters"]:
        twin = MLPRegressor(hidden_layer_sizes=(5,), activation="tanh", max_iter=1)
        twin.fit(X[:9], X[:9, 0])
        start = 0
        for block in (*twin.coefs_, *twin.intercepts_):
            block[...] = theta[start : start + block.size].reshape(block.shape)
            start += block.size
        found.append(twin.predict(X))
    return np.array(found)


@pytest.mark.filterwarnings("ignore")
def test_variance_of_the_mean_contains_the_distance_to_near_starts(fitted):
    net, X, y = fitted
    F, s2 = net.start_objectives_, net.inference_.press
    w = np.exp(-(F - F.min()) / (4 * s2))
    w[w < 1e-3] = 0.0
    assert (w > 0).sum() > 2 and net._starts["leverages"].max() < 0.95
    f = starts_of(net, X)
    expected = w / w.sum() @ (f - net.predict(X)) ** 2
    alone = MLPRegressorCI.from_estimator(net, X, y)
    del alone._starts
    alone.fit_inference(X, y)
    moved = net.get_prediction(X).se_mean ** 2 - alone.get_prediction(X).se_mean ** 2
    np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-12)


def test_covariance_and_bands_have_it_too(fitted):
    net, X, _ = fitted
    prediction = net.get_prediction(X[:40])
    cov = net.predict(X[:40], return_cov=True)[1]
    np.testing.assert_allclose(np.diag(cov), prediction.se_mean**2, rtol=1e-12)
    assert np.linalg.eigvalsh(cov).min() > -1e-12
    one = prediction.conf_int()
    band = prediction.conf_int(simultaneous="sup-t")
    assert (np.diff(band) > np.diff(one)).all()


def test_other_rows_and_named_covariances_have_none(fitted):
    net, X, y = fitted
    se = net.get_prediction(X).se_mean
    assert net._inference["near"] is not None
    other = MLPRegressorCI.from_estimator(net, X[:150], y[:150])
    assert other._inference["near"] is None
    other.fit_inference(X, y)
    np.testing.assert_array_equal(other.get_prediction(X).se_mean, se)
    named = MLPRegressorCI.from_estimator(net, X, y, covariance="bayesian")
    assert named._inference["near"] is None


def test_a_start_that_rests_on_one_row_has_no_weight(fitted):
    net, X, _ = fitted
    parameters, F = net._starts["parameters"], net.start_objectives_
    leverages = net._starts["leverages"].copy()
    closest = np.argsort(F)[1]
    leverages[closest] = 0.99
    kept = near.near(parameters, F, leverages, net.inference_)
    gone = [np.array_equal(parameters[closest], theta) for theta in kept["parameters"]]
    assert not any(gone) and kept["weights"].sum() == pytest.approx(1.0)
    leverages[np.argmin(F)] = 0.99  # the best predicts, whatever it rests on
    best = near.near(parameters, F, leverages, net.inference_)["parameters"]
    assert any(np.array_equal(parameters[np.argmin(F)], theta) for theta in best)
    left = near.without_outliers(parameters, leverages)
    assert len(left) == len(parameters) - 2
    twin = MLPRegressorCI.from_estimator(net, *fitted[1:])
    twin._starts = {**net._starts, "leverages": leverages}
    assert not np.allclose(twin.between_start_std(X), net.between_start_std(X))


def test_starts_far_away_are_no_company():
    F = np.array([1.0, 1.0 + 100.0, np.nan])
    net = MLPRegressorCI(**{**NET, "random_state": 0}).fit(*product_data())
    report = net.inference_._replace(press=1.0)
    assert near.near(np.zeros((3, 2)), F, np.zeros(3), report) is None


def test_without_inference_at_fit_it_is_found_later():
    X, y = product_data(n=120)
    settings = {**NET, "random_state": 1, "n_restarts": 3}
    net = MLPRegressorCI(**settings).fit(X, y)
    late = MLPRegressorCI(**settings, covariance=None).fit(X, y)
    late.set_params(covariance="auto").fit_inference(X, y)
    np.testing.assert_array_equal(
        late.get_prediction(X).se_mean, net.get_prediction(X).se_mean
    )
