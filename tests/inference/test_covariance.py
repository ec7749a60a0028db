"""Intervals against statsmodels, R, and the formulas written out densely."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from cases import CONVERGED, Case, dense_inverse, rows_with, sine_data
from least_squares import at_the_optimum, data, identity_network
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI


def assert_equals_statsmodels(model, result, Xq):
    frame = model.get_prediction(Xq).to_frame(0.9)
    expected = result.get_prediction(sm.add_constant(Xq)).summary_frame(alpha=0.1)
    own = ["leverage", "extrapolates"]
    assert list(frame.columns) == [*expected.columns, *own]
    np.testing.assert_allclose(frame.drop(columns=own), expected, rtol=1e-9)


def test_no_hidden_layer_is_ordinary_least_squares():
    X, y, rng = data()
    result = sm.OLS(y, sm.add_constant(X)).fit()
    model = at_the_optimum(X, y, covariance="least_squares")
    Xq = rng.normal(size=(7, 3))
    assert_equals_statsmodels(model, result, Xq)
    expected = result.get_prediction(sm.add_constant(Xq))
    ci = model.predict(Xq, return_ci=True)[1]
    pi = model.predict(Xq, return_pi=True)[1]
    np.testing.assert_allclose(ci, expected.conf_int(), rtol=1e-9)
    np.testing.assert_allclose(pi, expected.conf_int(obs=True), rtol=1e-9)
    np.testing.assert_allclose(
        model.get_prediction(Xq).se_mean, expected.se_mean, rtol=1e-9
    )
    report = model.inference_
    assert report.dof == pytest.approx(result.df_resid, rel=1e-12)
    assert report.noise_variance == pytest.approx(result.mse_resid, rel=1e-12)
    assert report.rank == 4
    order = [1, 2, 3, 0]
    np.testing.assert_allclose(
        model.parameter_covariance(),
        result.cov_params()[np.ix_(order, order)],
        rtol=1e-9, atol=1e-12,
    )  # fmt: skip


def test_unpenalised_formulas_coincide():
    X, y, rng = data()
    Xq = rng.normal(size=(4, 3))
    intervals = [
        at_the_optimum(X, y, covariance=name).predict(Xq, return_ci=True)[1]
        for name in ("least_squares", "bayesian", "frequentist")
    ]
    np.testing.assert_allclose(intervals[1], intervals[0], rtol=1e-10)
    np.testing.assert_allclose(intervals[2], intervals[0], rtol=1e-10)


def test_identity_network_counts_its_rank_not_its_parameters():
    """Sixteen parameters or more, four degrees of freedom, those of least squares."""
    X, y, rng = data()
    result = sm.OLS(y, sm.add_constant(X)).fit()
    network = identity_network(X, y, result.params, rng)
    model = MLPRegressorCI.from_estimator(network, X, y, covariance="least_squares")
    assert model.inference_.n_parameters == 21
    assert model.inference_.rank == 4
    assert_equals_statsmodels(model, result, rng.normal(size=(7, 3)))


def test_precision_weights_of_mean_one_are_weighted_least_squares():
    X, y, rng = data()
    w = rng.uniform(0.5, 2.0, len(y))
    w /= w.mean()
    result = sm.WLS(y, sm.add_constant(X), weights=w).fit()
    model = at_the_optimum(X, y, w, covariance="least_squares", noise="residual")
    assert_equals_statsmodels(model, result, rng.normal(size=(7, 3)))


@pytest.mark.parametrize("noise", ["residual", "loo", 0.7])
@pytest.mark.parametrize("covariance", ["least_squares", "bayesian", "frequentist"])
def test_two_outputs_without_hidden_layer_are_two_regressions(covariance, noise):
    X, Y, rng = data(m=2)
    parameters = dict(covariance=covariance, noise=noise)
    both = at_the_optimum(X, Y, **parameters).get_prediction(rng.normal(size=(6, 3)))
    rng = data(m=2)[2]
    Xq = rng.normal(size=(6, 3))
    for k in range(2):
        one = at_the_optimum(X, Y[:, k], **parameters).get_prediction(Xq)
        np.testing.assert_allclose(both.se_mean[:, k], one.se_mean, rtol=1e-9)
        np.testing.assert_allclose(both.se_obs[:, k], one.se_obs, rtol=1e-9)
        np.testing.assert_allclose(both.conf_int()[:, k], one.conf_int(), rtol=1e-9)


# --------------------------------------------------------------- weights count rows

NETWORKS = {
    "primal": dict(hidden_layer_sizes=(3,), n=60, d=2, alpha=0.1),
    "dual": dict(hidden_layer_sizes=(10,), n=25, d=8, alpha=2.0),
}


@pytest.mark.parametrize("noise", ["auto", "residual", "loo", 0.02])
@pytest.mark.parametrize(
    "covariance", ["auto", "least_squares", "bayesian", "frequentist", "evidence"]
)
@pytest.mark.parametrize("size", NETWORKS)
@pytest.mark.parametrize("m", [1, 2])
def test_weight_k_is_k_equal_rows(size, covariance, noise, m):
    hidden, n, d, alpha = NETWORKS[size].values()
    X, y = sine_data(n=n, d=d, m=m, noise=2.0)
    k = np.random.default_rng(1).integers(0, 4, n)
    network = MLPRegressor(
        hidden_layer_sizes=hidden, activation="tanh", alpha=alpha, **CONVERGED
    )  # fmt: skip
    network.set_params(max_iter=300).fit(X, y)
    parameters = dict(covariance=covariance, noise=noise)
    weighted = MLPRegressorCI.from_estimator(network, X, y, k, **parameters)
    assert weighted.inference_.route == size or covariance == "least_squares"
    repeated = MLPRegressorCI.from_estimator(
        network, np.repeat(X, k, axis=0), np.repeat(y, k, axis=0), **parameters
    )
    one, two = weighted.get_prediction(X[:9]), repeated.get_prediction(X[:9])
    # At the end of its range lambda is 1e-8 of the Gram matrix, and eight digits gone.
    verdict = {check.name: check.verdict for check in weighted.diagnostics()}
    rtol = 1e-6 if verdict["evidence out of range"] == "notice" else 1e-9
    np.testing.assert_allclose(one.se_mean, two.se_mean, rtol=rtol)
    np.testing.assert_allclose(one.se_obs, two.se_obs, rtol=rtol)
    np.testing.assert_allclose(one.dof, two.dof, rtol=1e-9)
    assert weighted.inference_.n_samples == k.sum()


# ------------------------------------------------------ formulas, written out densely


def dense_reference(model, X, Y, Xq, covariance, noise):
    """(se_mean, se_obs, dof) of DESIGN's formulas, (n_q, m), by dense algebra."""
    m = model.n_outputs_
    J, Jq = (model.jacobian(Z).reshape(len(Z), m, -1) for Z in (X, Xq))
    n, _, p = J.shape
    E = Y.reshape(n, m) - model.predict(X).reshape(n, m)
    n_free = sum(b.size for b in model.intercepts_)
    penalised = np.arange(p) < p - n_free
    Lambda = np.where(
        penalised, 0.0 if covariance == "least_squares" else model.alpha, 0
    )
    inverse = dense_inverse(J, np.ones(n), Lambda)
    H = np.einsum("nkp,pq,nlq->nkl", J, inverse, J)
    dof = n - np.einsum("nkk->k", H)
    if noise == "loo":
        capped = [(V * np.minimum(h, 0.9)) @ V.T for h, V in map(np.linalg.eigh, H)]
        L = np.stack(
            [np.linalg.solve(np.eye(m) - C, e) for C, e in zip(capped, E, strict=True)]
        )
        Sigma = L.T @ L / n
    else:
        Sigma = E.T @ E / np.sqrt(np.outer(dof, dof))
    meat = np.einsum("nkp,kl,nlq->pq", J, Sigma, J)
    if covariance == "bayesian":
        meat += np.trace(Sigma) / m * np.diag(Lambda)
    v = np.einsum("nkp,pq,nkq->nk", Jq, inverse @ meat @ inverse, Jq)
    return np.sqrt(v), np.sqrt(v + np.diag(Sigma)), dof


# Least squares of more parameters than rows has no residual degrees of freedom.
DENSE = [
    (size, m, covariance)
    for size, m in [("primal", 1), ("primal", 2), ("dual", 3)]
    for covariance in ("least_squares", "bayesian", "frequentist")
    if (size, covariance) != ("dual", "least_squares")
]


@pytest.mark.parametrize("noise", ["residual", "loo"])
@pytest.mark.parametrize("size, m, covariance", DENSE)
def test_equals_the_dense_formulas(size, m, covariance, noise):
    hidden, n, d, alpha = NETWORKS[size].values()
    X, Y = sine_data(n=n, d=d, m=m, noise=0.3)
    model = MLPRegressorCI(
        hidden_layer_sizes=hidden, activation="tanh", alpha=alpha, solver="lbfgs",
        max_iter=400, random_state=0, covariance=covariance, noise=noise,
    ).fit(X, Y)  # fmt: skip
    assert model.inference_.route == size
    Xq = X[:8] * 0.9
    prediction = model.get_prediction(Xq)
    se_mean, se_obs, dof = dense_reference(model, X, Y, Xq, covariance, noise)
    np.testing.assert_allclose(prediction.se_mean.reshape(8, m), se_mean, rtol=1e-8)
    np.testing.assert_allclose(prediction.se_obs.reshape(8, m), se_obs, rtol=1e-8)
    np.testing.assert_allclose(prediction.dof, dof if m > 1 else dof[0], rtol=1e-8)


def test_bayesian_variance_is_the_linearised_laplace_posterior():
    """Penalty on every parameter alike, as Laplace libraries have it: a GGN posterior.

    s^2 J (J'J + alpha I)^-1 J', which laplace-torch's FullLaplace gives with
    sigma_noise = s and prior_precision = alpha / s^2.
    """
    from sklearn_nnci._linearized import dual, primal
    from sklearn_nnci._linearized.sandwich import meat_of
    from sklearn_nnci._linearized.training_rows import Penalty
    from sklearn_nnci._network import jacobian

    for case in (Case("tanh", (5,)), Case("tanh", (40,), n_samples=30)):
        F = jacobian.factors(case.network, case.X)
        J = jacobian.dense(F).T[:, 0]
        n, p = J.shape
        rows = rows_with(case.network, case.X, np.ones((1, n)))
        s2, alpha = 0.3, 0.05
        expected = s2 * J @ np.linalg.solve(J.T @ J + alpha * np.eye(p), J.T)
        for route in (primal, dual):
            sums = route.reduce(rows)
            posterior = sums.penalise(Penalty(alpha, 0)).posterior(
                meat_of(s2 * np.eye(1), s2)
            )
            cov, _ = posterior.covariance(F)
            np.testing.assert_allclose(cov, expected, rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------ R


def test_one_logistic_unit_is_rs_four_parameter_logistic():
    """Standard errors of the mean do not depend on how the curve is parametrised.

    R 4.2.2: ChickWeight, Chick 1, nls(weight ~ SSfpl(Time, A, B, xmid, scal)), run to
    tol = 1e-7; se = sqrt(diag(G vcov G')), G = m$m$gradient(). R's manual prints the
    same fit as 27.453 (6.601), 348.971 (57.899), 19.391 (2.194), 6.673 (1.002).
    """
    time = np.array([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21.0])[:, None]
    weight = np.array([42, 51, 59, 64, 76, 93, 106, 125, 149, 171, 199, 205.0])
    A, B = 27.45320869568873, 348.97116618285065
    xmid, scal = 19.39052803081809, 6.67262064484798
    fitted = [
        44.1266637735291, 49.5534406445538, 56.5777444053876, 65.5505709245625,
        76.8210477271188, 90.6818816881159, 107.2926946247995, 126.5923682538147,
        148.2259888150572, 171.5220149376030, 195.5488873104437, 207.5066966849075,
    ]  # fmt: skip
    se = [
        1.78036052709359, 1.27838244577630, 1.05062639894765, 1.10742427979428,
        1.20766825460754, 1.19208546136349, 1.11926390681884, 1.19832885764724,
        1.38983747002688, 1.35999271898710, 1.35930834689605, 1.94214705733276,
    ]  # fmt: skip
    network = MLPRegressor(
        hidden_layer_sizes=(1,), activation="logistic", alpha=0.0, **CONVERGED
    ).fit(time / 10, weight / 100)
    network.coefs_ = [np.array([[1 / scal]]), np.array([[B - A]])]
    network.intercepts_ = [np.array([-xmid / scal]), np.array([A])]
    model = MLPRegressorCI.from_estimator(
        network, time, weight, covariance="least_squares"
    )
    prediction = model.get_prediction(time)
    np.testing.assert_allclose(prediction.mean, fitted, rtol=1e-12)
    np.testing.assert_allclose(prediction.se_mean, se, rtol=1e-6)
    assert np.sqrt(model.inference_.noise_variance) == pytest.approx(2.35070768691795)
    assert model.inference_.dof == pytest.approx(8)
    # The parameters themselves: A is the output intercept, B - A the last coef.
    names = pd.Index(model.parameter_names())
    cov = model.parameter_covariance()
    a, w = names.get_loc("intercepts_[1][0]"), names.get_loc("coefs_[1][0, 0]")
    assert np.sqrt(cov[a, a]) == pytest.approx(6.60071494315223, rel=1e-5)
    assert np.sqrt(cov[a, a] + cov[w, w] + 2 * cov[a, w]) == pytest.approx(
        57.89878305245144, rel=1e-5
    )
