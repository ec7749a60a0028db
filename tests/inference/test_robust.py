"""HC0 .. HC3, against statsmodels and against the definition."""

import numpy as np
import pytest
import statsmodels.api as sm
from cases import CONVERGED, dense_inverse, sine_data
from least_squares import at_the_optimum, data, identity_network
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI, exceptions

POWERS = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}


@pytest.mark.parametrize("deficient", [False, True])
@pytest.mark.parametrize("name", POWERS)
def test_equals_statsmodels(name, deficient):
    X, y, rng = data()
    result = sm.OLS(y, sm.add_constant(X)).fit(cov_type=name, use_t=True)
    if deficient:
        network = identity_network(X, y, result.params, rng)
        model = MLPRegressorCI.from_estimator(network, X, y, covariance=name)
    else:
        model = at_the_optimum(X, y, covariance=name)
    Xq = rng.normal(size=(7, 3))
    expected = result.get_prediction(sm.add_constant(Xq))
    prediction = model.get_prediction(Xq)
    np.testing.assert_allclose(prediction.se_mean, expected.se_mean, rtol=1e-8)
    np.testing.assert_allclose(prediction.conf_int(), expected.conf_int(), rtol=1e-8)


@pytest.mark.parametrize("name", POWERS)
@pytest.mark.parametrize(
    "size, m", [("primal", 1), ("primal", 2), ("dual", 1), ("dual", 2)]
)
def test_equals_the_definition_with_weights(name, size, m):
    hidden, n, d, alpha = dict(
        primal=((3,), 60, 2, 0.1), dual=((12,), 25, 8, 0.5)
    )[size]  # fmt: skip
    X, y = sine_data(n=n, d=d, m=m, noise=0.5)
    k = np.random.default_rng(2).integers(1, 3, n)
    network = MLPRegressor(
        hidden_layer_sizes=hidden, activation="tanh", alpha=alpha, **CONVERGED
    ).fit(X, y)
    rng = np.random.default_rng(3)  # weights that the dense formulas can follow
    network.coefs_ = [rng.normal(size=W.shape) / 2 for W in network.coefs_]
    model = MLPRegressorCI.from_estimator(network, X, y, k, covariance=name)
    assert model.inference_.route == size
    J, Jq = (model.jacobian(Z).reshape(len(Z), m, -1) for Z in (X, X[:6] * 0.9))
    p = J.shape[2]
    Lambda = alpha * (np.arange(p) < p - sum(b.size for b in model.intercepts_))
    inverse = dense_inverse(J, k.astype(float), Lambda)
    E = y.reshape(n, m) - model.predict(X).reshape(n, m)
    H = np.einsum("nkp,pq,nlq->nkl", J, inverse, J)
    v = 0.0
    for i in range(n):
        h, V = np.linalg.eigh(H[i])
        e = V @ (V.T @ E[i] / (1 - h) ** (POWERS[name] / 2))
        if name == "HC1":
            e = E[i] * np.sqrt(k.sum() / (k.sum() - np.einsum("n,nkk->k", k, H)))
        v = v + k[i] * (Jq @ inverse @ (J[i].T @ e)) ** 2
    se = model.get_prediction(X[:6] * 0.9).se_mean.reshape(6, m)
    np.testing.assert_allclose(se, np.sqrt(v), rtol=1e-8)
    repeated = MLPRegressorCI.from_estimator(
        network, np.repeat(X, k, axis=0), np.repeat(y, k, axis=0), covariance=name
    ).get_prediction(X[:6] * 0.9)
    np.testing.assert_allclose(se, repeated.se_mean.reshape(6, m), rtol=1e-8)


@pytest.mark.parametrize("name", ["HC2", "HC3"])
def test_a_leverage_of_one_is_unbounded_and_told(name):
    X, y, _ = data()
    X = np.c_[X, np.arange(50) == 7]  # a column that only row 7 has
    with pytest.warns(exceptions.NoResidualDofWarning, match=f"{name}.*unbounded"):
        model = at_the_optimum(X, y, covariance=name)
    assert np.isinf(model.predict(X, return_ci=True)[1]).all()
    assert np.isfinite(
        at_the_optimum(X, y, covariance="HC0").predict(X, return_ci=True)[1]
    ).all()


@pytest.mark.parametrize("name", POWERS)
@pytest.mark.parametrize(
    "units, noise", [(14, 0.09), (60, 0.09), (60, "validation")]
)  # fmt: skip
def test_residuals_that_are_used_up_say_nothing_whatever_the_noise(name, units, noise):
    """HC sums squared residuals: those of a network that interpolates are no errors."""
    X, y = sine_data(n=40, noise=0.3)
    stopped = noise == "validation"
    net = MLPRegressorCI(
        hidden_layer_sizes=(units,), activation="tanh", alpha=1e-8, covariance=name,
        noise=noise, solver="adam" if stopped else "lbfgs", early_stopping=stopped,
        max_iter=3000, random_state=0,
    )  # fmt: skip
    with pytest.warns(exceptions.NoResidualDofWarning, match=f"{name}.*auto"):
        net.fit(X, y)
    assert net.inference_.edf > 0.95 * net.inference_.n_samples
    for flag in ("return_ci", "return_pi"):
        assert (net.predict(X, **{flag: True})[1] == [-np.inf, np.inf]).all()
    assert np.isinf(net.predict(X, return_std=True)[1]).all()
    assert np.isinf(np.diag(net.predict(X, return_cov=True)[1])).all()


@pytest.mark.parametrize("name", POWERS)
def test_one_row_is_no_certainty(name):
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), solver="lbfgs", covariance=name, noise=0.1,
        random_state=0,
    ).fit([[0.0, 1.0]], [1.0])  # fmt: skip
    assert np.isinf(net.predict([[0.0, 1.0]], return_ci=True)[1]).all()


@pytest.mark.parametrize("alpha", [1e-14, 1e-12, 1e-4])
@pytest.mark.parametrize(
    "name, loses", [("HC0", True), ("HC3", True), ("frequentist", True),
                    ("bayesian", False)],
)  # fmt: skip
def test_digits_that_a_constant_column_costs_are_told(name, loses, alpha):
    """Queries that leave it depend on what the penalty alone determines."""
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(60, 2)), np.full(60, 3.0)]
    y = X[:, 0] + 0.3 * rng.normal(size=60)
    net = MLPRegressorCI(
        hidden_layer_sizes=(), alpha=alpha, covariance=name, **CONVERGED
    ).fit(X, y)
    (check,) = (c for c in net.diagnostics() if c.name == "condition number")
    far = net.inference_.condition_number > 1e6
    assert far == (alpha < 1e-10)
    if loses:
        assert check.verdict == ("notice" if far else "ok")
        assert not far or "constant column" in check.advice
    else:
        assert check.verdict == "not applicable"
