"""Tuning: objective, log Z and updates against marginal likelihoods, direct ones."""

import numpy as np
import penalised
import pytest
from cases import Case, output, packed
from scipy import optimize, stats
from sklearn.linear_model import ARDRegression

from sklearn_nnci._network.perceptron import Network, pack
from sklearn_nnci._training.curvature import curvature_at
from sklearn_nnci._training.groups import groups_of
from sklearn_nnci._training.tuned import standardised
from sklearn_nnci._training.tuning import RANGE, Data, Penalties, Tuning, tune

CASES = [
    Case("tanh", (), n_outputs=2),
    Case("tanh", (3,), n_samples=30),
    Case("tanh", (3,), n_outputs=2, n_samples=30),
    Case("tanh", (3, 2), n_outputs=2, n_samples=40),
    Case("tanh", (12,), n_outputs=2, n_samples=15),
]
cases = pytest.mark.parametrize("case", CASES, ids=str)


def data_of(case, seed=2, weights=None):
    """A curve, a line and noise of different sizes, standardised."""
    rng, m = np.random.default_rng(seed), case.n_outputs
    X = case.X
    y = np.sin(2.0 * X[:, :1]) * [1.0, 0.2][:m] + X[:, 1:2] * [0.3, 1.0][:m]
    y = y + np.array([0.2, 0.6])[:m] * rng.normal(size=(len(X), m))
    w = np.ones(len(X)) if weights is None else weights
    return standardised(X, y, w)[0]


def arguments(data, penalties):
    """Those of `penalised.value`."""
    return data.X, data.y, data.w, penalties.strengths, penalties.units


def problem(case):
    rng = np.random.default_rng(8)
    data = data_of(case, weights=rng.uniform(0.3, 2.0, case.n_samples))
    units = np.array([0.5, 1.3])[: case.n_outputs] if case.n_outputs > 1 else np.ones(1)
    penalties = Penalties(penalised.strengths(case), units)
    return Tuning(data, case.network, groups_of(case.network)), penalties


@cases
def test_objective_and_gradient(case):
    tuning, penalties = problem(case)
    F, theta = tuning.objective(penalties), packed(case.network)
    args = (case, theta, *arguments(tuning.data, penalties))
    value, gradient = F.value_and_gradient(theta)
    assert value == pytest.approx(penalised.value(*args), rel=1e-12)
    np.testing.assert_allclose(
        gradient, penalised.gradient(*args), rtol=1e-9, atol=1e-9
    )


def log_marginal(t, O, Sigma):
    """log of the integral over b0 of N(t; O b0, Sigma), density 1, by scipy's normal.

    With b the maximum, N(t; O b, Sigma) (2 pi)^(m/2) |O'Sigma^-1 O|^-1/2.
    """
    weighted = np.linalg.solve(Sigma, O)
    precision = O.T @ weighted
    b = np.linalg.solve(precision, weighted.T @ t)
    at_b = stats.multivariate_normal(O @ b, Sigma).logpdf(t)
    logs = len(precision) * np.log(2.0 * np.pi) - np.linalg.slogdet(precision)[1]
    return at_b + 0.5 * logs


def linearised(case, theta, data, penalties):
    """(t, O, Sigma / s^2) of the network linearised at theta, rows of unit weight."""
    m, n = case.n_outputs, len(data.X)
    J = penalised.jacobian(case, theta, data.X).transpose(1, 0, 2).reshape(m * n, -1)
    kept = penalised.group_of(case) >= 0
    f = J[:, kept] @ theta[kept]
    e = data.y.T - output(theta, case, data.X).T
    prior = penalised.penalty(case, penalties.strengths)[kept]
    noise = np.repeat(penalties.units**2, n)
    V = np.diag(noise) + (J[:, kept] / prior) @ J[:, kept].T
    return e.ravel() + f, J[:, ~kept], V


@cases
@pytest.mark.parametrize("repeated", [False, True])
def test_log_evidence_is_that_of_the_linearised_network(case, repeated):
    """Maximised over s^2, at the minimum of F; weights count rows."""
    w = np.ones(case.n_samples)
    if repeated:
        w = np.random.default_rng(0).integers(1, 4, case.n_samples).astype(float)
    data = data_of(case, weights=w)
    found = tune(data, case.network, (1.0, 3), 12)
    rows = np.repeat(np.arange(len(w)), w.astype(int))
    each = Data(data.X[rows], data.y[rows], np.ones(len(rows)))
    theta = pack(*found.network[:2])
    t, O, V = linearised(case, theta, each, found.penalties)
    left = found.settled.gradient_norm
    expected = log_marginal(t, O, found.noise * V)
    assert found.log_evidence == pytest.approx(expected, abs=1e-6 + left)
    for factor in (0.98, 1.02):
        assert log_marginal(t, O, factor * found.noise * V) < expected


@cases
def test_updates_are_those_of_mackay_where_nothing_limits_them(case):
    tuning, old = problem(case)
    F = tuning.objective(old)
    point, s2, data = F.at(packed(case.network)), 0.3, tuning.data
    args = arguments(data, old)
    J = penalised.weighted_jacobian(case, point.theta, data.X, data.w, old.units)
    Lambda, index = penalised.penalty(case, old.strengths), penalised.group_of(case)
    inverse, m = np.linalg.inv(J.T @ J + np.diag(Lambda)), case.n_outputs
    found = curvature_at(F, point, tuning.groups).determined(old.strengths)
    new = tuning.updated(point, old, found, s2)
    for g, lam in enumerate(old.strengths):
        mine = index == g
        gamma = mine.sum() - lam * np.diag(inverse)[mine].sum()
        expected = s2 * gamma / (point.theta[mine] ** 2).sum()
        expected = np.clip(expected, lam / np.exp(2.0), lam * np.exp(2.0))
        expected = np.clip(expected, RANGE[0] * s2, RANGE[1] * s2)
        assert new.strengths[g] == pytest.approx(expected, rel=1e-8)
    if m > 1:
        rss = args[2] @ (args[1] - point.f.T) ** 2
        edf = np.diag(J @ inverse @ J.T).reshape(m, -1).sum(axis=1)
        noise = (rss + s2 * old.units**2 * edf) / data.w.sum()
        units = np.sqrt(noise / noise.mean())
        np.testing.assert_allclose(new.units, units, rtol=1e-10)


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("seed", [0, 2])
def test_the_end_is_a_fixed_point(m, seed):
    """lambda = s^2 gamma / |theta|^2 where not at a bound; RSS / (n - edf) is noise."""
    case = Case("tanh", (3,), n_outputs=m, n_samples=60, seed=seed)
    rng, X = np.random.default_rng(seed), case.X
    y = np.tanh(2.0 * X[:, :1] - 1.0) * [1.0, 0.7][:m]
    y = y + np.array([0.1, 0.3])[:m] * rng.normal(size=y.shape)
    data = standardised(X, y, np.ones(60))[0]
    found = tune(data, case.network, (1.0, 5), 1000)
    (lam, units), theta = found.penalties, pack(*found.network[:2])
    squares = groups_of(case.network).sums(theta**2)
    assert (lam > 1.1 * RANGE[0] * found.noise).all()
    inside = lam < 0.9 * RANGE[1] * found.noise
    apart = np.log(lam * squares / (found.noise * found.gamma))[inside]
    assert np.abs(apart * np.minimum(found.gamma[inside], 1.0)).max() < 0.1
    J = penalised.weighted_jacobian(case, theta, data.X, data.w, units)
    A = J.T @ J + np.diag(penalised.penalty(case, lam))
    edf = np.diag(J @ np.linalg.inv(A) @ J.T).reshape(m, -1).sum(axis=1)
    e = data.y - output(theta, case, data.X)
    s2 = (e**2).sum(axis=0) / (data.n - edf)
    np.testing.assert_allclose(found.noise * units**2, s2, rtol=5e-3)


def linear(n, d, m, seed=0, irrelevant=1):
    """A linear model of which some inputs do nothing, standardised."""
    rng = np.random.default_rng(seed)
    X, B = rng.normal(size=(n, d)), rng.normal(size=(d, m))
    X[:, 1] += 0.7 * X[:, 0]
    B[d - irrelevant :] = 0.0
    y = X @ B + np.array([0.5, 1.5])[:m] * rng.normal(size=(n, m))
    return standardised(X, y, np.ones(n))[0]


def fitted(data):
    d, m = data.X.shape[1], data.y.shape[1]
    network = Network((np.full((d, m), 0.1),), (np.zeros(m),), "identity")
    return tune(data, network, (1.0, 5), 3000)


def direct(data, at):
    """Minus the log marginal likelihood by log(lambda / s^2), log s_k^2."""
    (n, d), m = data.X.shape, data.y.shape[1]
    ratio, s2 = np.exp(at[:d]), np.exp(at[d:])
    K, total = (data.X / ratio) @ data.X.T, 0.0  # outputs have the prior in common
    for k in range(m):
        root = np.linalg.cholesky(s2[k] * np.eye(n) + K)
        one, t = np.linalg.solve(root, np.c_[np.ones(n), data.y[:, k]]).T
        left = t - one * (one @ t) / (one @ one)
        logs = 2.0 * np.log(np.diag(root)).sum() + np.log(one @ one)
        total += 0.5 * ((n - 1.0) * np.log(2.0 * np.pi) + logs + left @ left)
    return total


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("n, d", [(80, 4), (15, 20)])
def test_linear_networks_maximise_the_direct_marginal_likelihood(n, d, m):
    data = linear(n, d, m, irrelevant=d - 2)
    found = fitted(data)
    lam, units = found.penalties
    here = np.log(np.r_[lam / found.noise, found.noise * units**2])
    bounds = [tuple(np.log(RANGE))] * d + [(-12.0, 3.0)] * m
    best = optimize.minimize(
        lambda at: direct(data, at), here + 0.1, method="L-BFGS-B", bounds=bounds,
        options=dict(ftol=1e-14, gtol=1e-7, maxiter=500, maxfun=10**6),
    )  # fmt: skip
    assert direct(data, here) == pytest.approx(-found.log_evidence, abs=1e-7)
    assert -found.log_evidence < best.fun + 1e-4
    if n < d:  # noise at its least, many maxima
        return
    assert -found.log_evidence == pytest.approx(best.fun, abs=1e-4)
    weight = np.minimum(found.gamma, 1.0)
    np.testing.assert_allclose(best.x[d:], here[d:], atol=2e-4)
    np.testing.assert_allclose(best.x[:d] * weight, here[:d] * weight, atol=2e-3)


def test_linear_networks_agree_with_ard_regression():
    data = linear(5000, 6, 1, irrelevant=2)
    found = fitted(data)
    ard = ARDRegression(max_iter=1000, tol=1e-6, threshold_lambda=1e9)
    ard.fit(data.X, data.y[:, 0])
    told = found.gamma > 0.9
    assert told.sum() == 4
    beta, lam = found.network.coefs[0][:, 0], found.penalties.strengths / found.noise
    np.testing.assert_allclose(beta[told], ard.coef_[told], rtol=0.02)
    np.testing.assert_allclose(lam[told], ard.lambda_[told], rtol=0.02)
    assert found.noise == pytest.approx(1.0 / ard.alpha_, rel=0.02)


@pytest.mark.parametrize("m", [1, 2])
def test_data_without_noise_end_at_the_least_noise(m):
    """Neither infinite nor endless."""
    case = Case("tanh", (3,), n_outputs=m, n_samples=50)
    data = standardised(case.X, case.X[:, :1] * [2.0, 3.0][:m] + 1.0, np.ones(50))[0]
    found = tune(data, case.network, (1.0, 5), 200)
    assert np.isfinite(found.log_evidence) and found.noise < 1e-3
    assert np.isfinite(found.penalties.units).all()
