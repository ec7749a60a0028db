"""The evidence, against the density of its model and by its invariances."""

import numpy as np
import pytest
from cases import Case, rows_with, sine_data
from scipy import optimize, stats
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI, exceptions
from sklearn_nnci._linearized import dual, evidence, primal
from sklearn_nnci._linearized.evidence import maximise, tridiagonal


def log_density(K, t, w, strength, noise, b0):
    covariance = noise * (np.diag(1 / w) + K / strength)
    return stats.multivariate_normal(np.full(len(t), b0), covariance).logpdf(t)


def model(seed=0, n=40, p=15):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(n, p))
    t = J @ rng.normal(size=p) * 0.7 + 3.0 + rng.normal(size=n)
    return J, t, rng


@pytest.mark.parametrize("weighted", [False, True])
def test_is_the_maximum_of_the_density(weighted):
    J, t, rng = model()
    w = rng.integers(1, 4, len(t)).astype(float) if weighted else np.ones(len(t))
    root = np.sqrt(w)
    K = (root[:, None] * J) @ (root[:, None] * J).T
    found = maximise(K, root[:, None], root * t, w.sum())
    # Rows of weight k are k rows, so that the density is that of all of them.
    J, t = (np.repeat(a, w.astype(int), axis=0) for a in (J, t))

    def cost(x):
        strength, noise = np.exp(x[:2])
        return -log_density(J @ J.T, t, np.ones(len(t)), strength, noise, x[2])

    best = optimize.minimize(
        cost, [0.0, 0.0, t.mean()], method="Nelder-Mead",
        options=dict(xatol=1e-9, fatol=1e-12, maxiter=5000),
    )  # fmt: skip
    strength, noise = np.exp(best.x[:2])
    assert found.strength == pytest.approx(strength, rel=1e-5)
    assert found.noise == pytest.approx(noise, rel=1e-5)
    assert not found.boundary


@pytest.mark.parametrize(("p", "panel"), [(15, 256), (60, 256), (60, 7)])
def test_likelihood_and_slope_without_eigenvectors(p, panel, monkeypatch):
    """Of the tridiagonal form, against determinants and solves of V itself."""
    monkeypatch.setattr(evidence, "PANEL", panel)
    J, t, rng = model(p=p)
    O, K = rng.normal(size=(40, 2)), J @ J.T
    found = tridiagonal(np.array(K), O, np.array(t), np.array(t), 40.0)
    np.testing.assert_allclose(found.kappa, np.linalg.eigvalsh(K), atol=1e-11)
    for strength in (1e-3, 0.7, 50.0):
        V = np.eye(40) + K / strength
        solved = np.linalg.solve(V, np.column_stack([O, t]))
        b0 = np.linalg.solve(O.T @ solved[:, :2], O.T @ solved[:, 2])
        r = t - O @ b0
        noise = r @ np.linalg.solve(V, r) / 40
        assert found.noise(strength) == pytest.approx(noise, rel=1e-10)
        cost = 0.5 * (40 * np.log(noise) + np.linalg.slogdet(V)[1])
        at, h = np.log(strength), 1e-4
        assert found.cost(at) == pytest.approx(cost, rel=1e-10)
        slope = (found.cost(at + h) - found.cost(at - h)) / (2 * h)
        assert found.slope(at) == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_constant_does_not_leak_where_the_gram_matrix_is_singular():
    J, t, _ = model(p=4)
    one = np.ones((len(t), 1))
    found = maximise(J @ J.T, one, t, len(t))
    moved = maximise(J @ J.T, one, t + 1e6, len(t))
    assert moved.strength == pytest.approx(found.strength, rel=1e-6)
    assert moved.noise == pytest.approx(found.noise, rel=1e-6)


def test_a_maximum_at_either_end_of_the_range_is_told():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(200, 2))
    curve = few @ [1.0, 2.0]
    assert maximise(few @ few.T, np.ones((200, 1)), curve, 200).boundary == "lower"
    orthogonal = rng.normal(size=200)
    basis = np.linalg.qr(np.column_stack([np.ones(200), few]))[0]
    orthogonal -= basis @ (basis.T @ orthogonal)
    found = maximise(few @ few.T, np.ones((200, 1)), orthogonal, 200)
    assert found.boundary == "upper"
    nothing = maximise(few @ few.T, np.ones((200, 1)), np.ones(200), 200)
    assert nothing.noise == 0.0


def test_a_single_row_is_explained_but_for_rounding():
    for seed in range(100):
        O, t = np.random.default_rng(seed).uniform(0.5, 3.0, (2, 1))
        assert maximise(np.ones((1, 1)), O[:, None], t, 1.0).noise == 0.0


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("hidden", [(4,), (30,)])
def test_routes_agree(hidden, m):
    case = Case("tanh", hidden, n_outputs=m)
    rng = case.rng
    e, w = rng.normal(size=(m, 40)), rng.integers(1, 3, 40).astype(float)
    rows = rows_with(case.network, case.X, e, w)
    found = [
        maximise(*route.reduce(rows).spectrum_parts(m), 40.0)
        for route in (primal, dual)
    ]
    np.testing.assert_allclose(found[0][:2], found[1][:2], rtol=1e-8)


@pytest.mark.parametrize("hidden", [(4,), (60,)])
def test_interval_does_not_depend_on_the_location_of_y(hidden):
    X, y = sine_data(noise=0.3)
    network = MLPRegressor(
        hidden_layer_sizes=hidden, random_state=0, max_iter=100
    ).fit(X, y)  # fmt: skip
    here = MLPRegressorCI.from_estimator(network, X, y, covariance="evidence")
    network.intercepts_[-1] = network.intercepts_[-1] + 10.0
    there = MLPRegressorCI.from_estimator(network, X, y + 10.0, covariance="evidence")
    ci, moved = (e.predict(X, return_ci=True)[1] for e in (here, there))
    np.testing.assert_allclose(moved - 10.0, ci, rtol=1e-9, atol=1e-9)
    assert there.inference_.penalty == pytest.approx(here.inference_.penalty, rel=1e-8)


def test_evidence_is_the_ridge_posterior_of_the_linearised_network():
    """Formula by formula: penalty, covariance, the step and b(x)^2 of ``auto``."""
    X, y = sine_data(n=40, noise=0.3)
    net = MLPRegressorCI(hidden_layer_sizes=(40,), random_state=0, max_iter=150)
    net.fit(X, y)
    report = net.inference_
    assert report.method == "evidence"
    assert report.dof == len(y) - 1
    J, Jq = net.jacobian(X), net.jacobian(X[:6] + 0.1)
    p = J.shape[1]
    Lambda = report.penalty * (np.arange(p) < p - 1)
    inverse = np.linalg.inv(J.T @ J + np.diag(Lambda))
    theta = np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])
    e = y - net.predict(X)
    b = Jq @ inverse @ (J.T @ e - Lambda * theta)
    v = report.noise_variance * np.einsum("np,pq,nq->n", Jq, inverse, Jq)
    named = MLPRegressorCI.from_estimator(net, X, y, covariance="evidence")
    for fitted, u in ((net, report.excess_variance), (named, 0.0)):
        prediction = fitted.get_prediction(X[:6] + 0.1)
        variance = v + b**2 + u
        np.testing.assert_allclose(prediction.se_mean, np.sqrt(variance), rtol=1e-7)
        np.testing.assert_allclose(
            prediction.se_obs, np.sqrt(report.noise_variance + variance), rtol=1e-7
        )
    assert report.edf == pytest.approx(np.trace(J @ inverse @ J.T), rel=1e-9)


def test_an_output_without_noise_does_not_decide_for_the_others():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 1))
    Y = np.c_[np.sin(X[:, 0]) + 0.3 * rng.standard_normal(60), 2 * X[:, 0] + 1]
    net = MLPRegressorCI(
        hidden_layer_sizes=(), alpha=0.0, solver="lbfgs", max_iter=1000, tol=1e-12,
        covariance="evidence", random_state=0,
    ).fit(X, Y)  # fmt: skip
    noise = np.diag(net.inference_.noise_variance)
    # s^2 is shared, so the silent output halves it at the most.
    assert 0.3**2 / 2 * 0.8 < noise[0] < 0.15
    assert noise[1] < 1e-4 * noise[0]


@pytest.mark.parametrize("alone", [True, False])
def test_a_target_that_does_not_vary_says_nothing_about_its_noise(alone):
    X, y = sine_data(n=40)
    w = np.zeros(40) if alone else None
    if alone:
        w[3] = 7
    net = MLPRegressorCI(
        hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", alpha=0.1,
        covariance="evidence", random_state=0,
    )  # fmt: skip
    with pytest.warns(exceptions.NoResidualDofWarning, match="does not vary"):
        net.fit(X, y if alone else np.zeros(40), w)
    assert np.isinf(net.predict(X, return_pi=True)[1]).all()


def test_rule_counts_weights_not_rows_against_parameters():
    X, y = sine_data(n=40, noise=0.3)
    network = MLPRegressor(hidden_layer_sizes=(100,), max_iter=100, random_state=0)
    network.fit(X, y)
    once = MLPRegressorCI.from_estimator(network, X, y)
    assert np.isnan(once.inference_.edf_fit)
    many = MLPRegressorCI.from_estimator(network, X, y, np.full(40, 20))
    rows = MLPRegressorCI.from_estimator(
        network, np.repeat(X, 20, axis=0), np.repeat(y, 20)
    )
    assert many.inference_.route == "dual" and rows.inference_.route == "primal"
    assert many.inference_.edf_fit == pytest.approx(rows.inference_.edf_fit, rel=1e-6)
    np.testing.assert_allclose(
        many.get_prediction(X).se_mean, rows.get_prediction(X).se_mean, rtol=1e-6
    )


@pytest.mark.parametrize("n", [1e8, 1e9, 1e12])
def test_range_ends_where_the_gram_matrix_is_rounding(n):
    """Beyond, 1 + T / lambda would not be positive definite."""
    rng = np.random.default_rng(0)
    J = rng.normal(size=(200, 60))
    t = J @ rng.normal(size=60) * np.sqrt(n / 200) + rng.normal(size=200)
    found = maximise(J @ J.T, np.ones((200, 1)), t, n)
    assert np.isfinite([found.strength, found.noise]).all() and found.noise > 0.0


@pytest.mark.parametrize("covariance", ["evidence", "auto"])
@pytest.mark.parametrize("constant", [0.1, 1e6 / 3.0])
def test_constant_targets_say_nothing_about_the_noise(covariance, constant):
    X, _ = sine_data(n=60)
    net = MLPRegressorCI(
        hidden_layer_sizes=(30,), covariance=covariance, max_iter=20, random_state=0
    )
    net.fit(X, np.zeros(60))
    net.coefs_[-1][:], net.intercepts_[-1][:] = 0.0, constant
    net.set_params(covariance="evidence").fit_inference(X, np.full(60, constant))
    assert np.isinf(net.predict(X, return_ci=True)[1]).all()


def test_the_maximum_is_found_on_either_side_of_the_best_point_of_the_grid():
    """Against a search of the density, V itself being factored."""
    sides = set()
    for seed in range(8):
        J, t, rng = model(seed, p=(3, 15, 60)[seed % 3])
        O, K, t = np.ones((40, 1)), J @ J.T, t + 3.0 * rng.normal(size=40)

        def cost(x, K=K, t=t):
            V = np.eye(40) + K / np.exp(x)
            b0 = np.linalg.solve(V, t).sum() / np.linalg.solve(V, np.ones(40)).sum()
            noise = (t - b0) @ np.linalg.solve(V, t - b0) / 40
            return 40 * np.log(noise) + np.linalg.slogdet(V)[1]

        unit = np.trace(K) / 40
        grid = np.linspace(*np.log(np.multiply(unit, evidence.RANGE)), evidence.GRID)
        best = np.argmin([cost(x) for x in grid])
        around = grid[best - 1], grid[best + 1]
        expected = optimize.minimize_scalar(
            cost, bounds=around, method="bounded", options=dict(xatol=1e-9)
        ).x
        found = np.log(maximise(K, O, t, 40.0).strength)
        assert found == pytest.approx(expected, abs=1e-5)
        sides.add(found > grid[best])
    assert sides == {True, False}
