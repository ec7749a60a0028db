"""Counts: intervals of the mean under a log link."""

import numpy as np
import pytest
import statsmodels.api as sm
from cases import CONVERGED
from scipy import stats
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI


def counts(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    return X, rng.poisson(np.exp(0.5 + X[:, 0] - 0.7 * X[:, 1])).astype(float)


def glm_network(X, y, w=None, **parameters):
    """A network without hidden layer at the maximum of the Poisson likelihood."""
    result = sm.GLM(
        y, sm.add_constant(X), family=sm.families.Poisson(), freq_weights=w
    ).fit(scale="X2", tol=1e-14)
    network = MLPRegressor(
        loss="poisson", hidden_layer_sizes=(), alpha=0.0, **CONVERGED
    ).fit(X, y)
    network.coefs_ = [result.params[1:, None]]
    network.intercepts_ = [result.params[:1]]
    return result, MLPRegressorCI.from_estimator(network, X, y, w, **parameters)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_quasi_poisson_glm(weighted):
    X, y = counts()
    w = np.random.default_rng(1).integers(1, 4, len(y)) if weighted else None
    result, model = glm_network(X, y, w, covariance="least_squares")
    Xq = X[:9] * 1.5
    expected = result.get_prediction(sm.add_constant(Xq))
    found = model.get_prediction(Xq)
    np.testing.assert_allclose(found.mean, expected.predicted_mean, rtol=1e-9)
    np.testing.assert_allclose(found.se_mean, expected.se_mean, rtol=1e-8)
    # statsmodels takes normal quantiles, we Student's.
    dof = model.inference_.dof
    link = expected.linpred
    half = stats.t.isf(0.025, dof) * link.se_mean
    np.testing.assert_allclose(
        found.conf_int(),
        np.exp(np.c_[link.predicted_mean - half, link.predicted_mean + half]),
        rtol=1e-8,
    )
    assert model.inference_.noise_variance == pytest.approx(result.scale, rel=1e-9)
    assert (found.conf_int() > 0).all()
    J = model.jacobian(Xq)
    np.testing.assert_allclose(J, np.c_[Xq, np.ones(9)], rtol=1e-12)
    cov = model.predict(Xq, return_cov=True)[1]
    np.testing.assert_allclose(np.diag(cov), found.se_mean**2, rtol=1e-9)


def test_network_of_counts_has_a_positive_interval_and_no_evidence():
    X, y = counts()
    net = MLPRegressorCI(
        loss="poisson",
        hidden_layer_sizes=(4,),
        activation="tanh",
        alpha=0.1,
        polish=True,  # where L-BFGS by itself stops depends on the machine
        **CONVERGED,
    ).fit(X, y)
    report = net.inference_
    assert (report.method, report.noise) == ("bayesian", "loo")
    assert 0.7 < report.noise_variance < 1.4  # the dispersion of Poisson counts is 1
    assert report.relative_offset < 1e-3
    mean, ci = net.predict(X, return_ci=True)
    assert (0 < ci[:, 0]).all() and (ci[:, 0] < mean).all() and (mean < ci[:, 1]).all()
    truth = np.exp(0.5 + X[:, 0] - 0.7 * X[:, 1])
    assert np.mean((ci[:, 0] < truth) & (truth < ci[:, 1])) > 0.8
    for flag in ("return_pi", "return_std"):
        with pytest.raises(ValueError, match=r"poisson.*return_ci"):
            net.predict(X, **{flag: True})
    assert net.get_prediction(X[:3]).to_frame()["obs_ci_lower"].isna().all()


def test_negative_counts_train_but_have_no_inference():
    X, y = counts()
    y[0] = -1.0
    net = MLPRegressorCI(loss="poisson", hidden_layer_sizes=(2,), random_state=0)
    with pytest.warns(RuntimeWarning, match="least is -1"):
        net.fit(X, y)
    with pytest.raises(ValueError, match="least is -1"):
        net.predict(X, return_ci=True)


def test_early_stopping_recovers_its_rows():
    X, y = counts()
    net = MLPRegressorCI(
        loss="poisson", hidden_layer_sizes=(3,), early_stopping=True, random_state=0,
        noise="validation",
    ).fit(X, y)  # fmt: skip
    assert net.inference_.n_samples == 180
    assert net.inference_.dof == 20
