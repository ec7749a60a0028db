"""The rule ``"auto"`` against its definition, written out densely."""

import numpy as np
import pytest
from cases import CONVERGED, packed, sine_data
from scipy import optimize
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI


class Dense:
    """The linearised network in units of its residuals; all of theta but b0 shrinks."""

    def __init__(self, net, X, Y, w):
        n, m = len(X), net.n_outputs_
        self.w, self.net, self.m, self.n = w, net, m, w.sum()
        E = Y.reshape(n, m) - net.predict(X).reshape(n, m)
        spread = np.sqrt(np.cov(Y.reshape(n, m).T, aweights=w, bias=True))
        spread = np.diag(np.atleast_2d(spread)) if m > 1 else np.ones(1)
        rms = np.sqrt((w[:, None] * E**2).sum(axis=0) / self.n)
        self.scale = np.maximum(rms, 1e-3 * spread) if m > 1 else np.ones(1)
        self.e, self.J = E / self.scale, self.jacobian(X)
        self.theta = packed(net._network())
        self.shrunk = np.arange(self.J.shape[2]) < self.J.shape[2] - m

    def jacobian(self, X):
        J = self.net.jacobian(X).reshape(len(X), self.m, -1)
        return J / self.scale[:, None]

    def inverse(self, strength):
        A = np.einsum("n,nkp,nkq->pq", self.w, self.J, self.J)
        return np.linalg.inv(A + strength * np.diag(self.shrunk))

    def step(self, strength):
        g = np.einsum("n,nkp,nk->p", self.w, self.J, self.e)
        return self.inverse(strength) @ (g - strength * self.shrunk * self.theta)

    def leverages(self, strength):
        return np.einsum("nkp,pq,nlq->nkl", self.J, self.inverse(strength), self.J)

    def mean(self, rows):
        return self.w @ rows / self.n

    def agreeing(self, least, most):
        def distance(log):
            return self.w @ ((self.J @ self.step(np.exp(log))) ** 2).sum(axis=1)

        grid = np.linspace(np.log(least), np.log(most), 200)
        best = int(np.argmin([distance(point) for point in grid]))
        around = grid[max(best - 1, 0)], grid[min(best + 1, 199)]
        found = optimize.minimize_scalar(
            distance, bounds=around, method="bounded", options=dict(xatol=1e-9)
        )
        return np.exp(found.x)


def capped(H, cap):
    return np.stack([(V * np.minimum(h, cap)) @ V.T for h, V in map(np.linalg.eigh, H)])


def left_out(e, H, cap):
    room = np.eye(e.shape[1]) - capped(H, cap)
    return np.linalg.solve(room, e[:, :, None])[:, :, 0]


def excess(model, penalty, noise, loo_penalty, cap, with_d):
    """r m + d, (m,)."""
    step, H = model.step(penalty), model.leverages(penalty)
    b, eye = model.J @ step, np.eye(model.m)
    m = model.mean(b**2)
    after, before = (
        model.mean(left_out(e, H, 0.99) ** 2) for e in (model.e - b, model.e)
    )
    d = 0.0
    if with_d:
        seen = capped(H, 0.99)
        ahead = np.einsum("nkk->nk", np.linalg.inv(eye - seen) @ seen)
        star = left_out(model.e, model.leverages(loo_penalty), cap)
        d = model.mean(star**2) - noise - noise * model.mean(ahead) - m
    return np.minimum(1.0, after / before) * m + np.maximum(d, 0.0)


NETWORKS = {
    "relu": dict(hidden_layer_sizes=(5,), max_iter=150, alpha=1e-2),
    "tanh": dict(hidden_layer_sizes=(4,), activation="tanh", max_iter=400),
    "minimum": dict(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED),
    "dual": dict(hidden_layer_sizes=(40,), max_iter=40),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_dense_formula(name, m, weighted):
    X, Y = sine_data(n=70, m=m, noise=0.5)
    w = np.random.default_rng(1).integers(1, 4, 70) if weighted else np.ones(70)
    parameters = dict(random_state=0) | NETWORKS[name]
    net = MLPRegressor(**parameters).fit(X, Y, w)
    net = MLPRegressorCI.from_estimator(net, X, Y, w)
    report, model = net.inference_, Dense(net, X, Y, w.astype(float))
    p, n = report.n_parameters, w.sum() * m
    assert report.route == ("dual" if name == "dual" and m == 1 else report.route)
    assert report.method == "evidence" and report.dof == pytest.approx(w.sum() - 1)
    noise = np.atleast_2d(report.noise_variance)[0, 0] / model.scale[0] ** 2
    cap = 0.9 if net.activation == "relu" else 0.99
    with_d = p < n
    if with_d:
        K = np.einsum("n,nkp->", model.w, model.J[:, :, model.shrunk] ** 2) / n
        least = net.alpha * (1.0 if net.solver == "lbfgs" else len(X) / len(X))
        least /= np.mean(model.scale**2)
        star = model.agreeing(least, 1e4 * K)
        assert report.loo_penalty == pytest.approx(star, rel=1e-5)
        H = model.leverages(report.loo_penalty)
        edf = model.w @ np.einsum("nkk->n", H)
        assert report.edf_fit == pytest.approx(edf, rel=1e-8)
        with_d = edf <= 0.5 * n
        loo = left_out(model.e, H, 2.0) * model.scale
        assert report.press == pytest.approx(model.mean(loo**2).mean(), rel=1e-8)
    else:
        assert np.isnan(report.edf_fit)
        assert report.loo_penalty == report.penalty
    u = excess(model, report.penalty, noise, report.loo_penalty, cap, with_d)
    np.testing.assert_allclose(
        np.ravel(report.excess_variance), u * model.scale**2, rtol=1e-6
    )
    Xq = X[:7] * 0.9
    Jq, step = model.jacobian(Xq), model.step(report.penalty)
    C = noise * model.inverse(report.penalty)
    v = np.einsum("nkp,pq,nkq->nk", Jq, C, Jq)
    found, b = net.get_prediction(Xq), Jq @ step
    se2 = (v + b**2 + u) * model.scale**2
    shape = found.mean.shape
    np.testing.assert_allclose(found.se_mean**2, se2.reshape(shape), rtol=1e-6)
    np.testing.assert_allclose(
        found.se_obs**2, (noise * model.scale**2 + se2).reshape(shape), rtol=1e-6
    )
    np.testing.assert_allclose(found.leverage, (v / noise).reshape(shape), rtol=1e-6)
    cov = net.predict(Xq, return_cov=True)[1].reshape(7 * m, 7 * m)
    flat, sizes = Jq.reshape(7 * m, -1), np.tile(model.scale, 7)
    V, bs = flat @ C @ flat.T, flat @ step
    root = np.sqrt(np.tile(u, 7) / np.diag(V))
    expected = (V + np.outer(bs, bs) + V * np.outer(root, root)) * np.outer(
        sizes, sizes
    )
    np.testing.assert_allclose(cov, expected, rtol=1e-6, atol=1e-6 * se2.max())
    np.testing.assert_allclose(
        net.parameter_covariance(), C + np.outer(step, step), rtol=1e-6, atol=1e-9
    )
    named = MLPRegressorCI.from_estimator(net, X, Y, w, covariance="evidence")
    np.testing.assert_allclose(
        named.get_prediction(Xq).se_mean ** 2,
        ((v + b**2) * model.scale**2).reshape(shape),
        rtol=1e-6,
    )


def test_nothing_remains_where_the_residuals_are_nothing():
    """0/0: r = 1, and the excess is 0, not nan."""
    X, _ = sine_data(n=50)
    net = MLPRegressor(hidden_layer_sizes=(), alpha=0.0, **CONVERGED).fit(X, X[:, 0])
    net.coefs_, net.intercepts_ = [np.array([[1.0], [0.0]])], [np.zeros(1)]
    found = MLPRegressorCI.from_estimator(net, X, X[:, 0])
    assert found.inference_.excess_variance == pytest.approx(0.0, abs=1e-15)
    assert not np.isnan(found.get_prediction(X).se_mean).any()


def test_the_first_picture_is_bounded_and_covers():
    """scikit-learn's default network on one input: no spikes, no holes."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (200, 1))
    mean = np.sin(1.5 * X[:, 0])
    y = mean + 0.1 * rng.normal(size=200)
    location, scale = y.mean(), y.std()
    grid = np.linspace(-1.95, 1.95, 500)[:, None]
    truth = (np.sin(1.5 * grid[:, 0]) - location) / scale
    for covariance in ("auto", "evidence"):
        net = MLPRegressorCI(random_state=0, covariance=covariance)
        net.fit(X, (y - location) / scale)
        ci = net.predict(grid, return_ci=True)[1]
        pi = net.predict(grid, return_pi=True)[1]
        assert np.isfinite(pi).all()
        assert np.median(np.diff(pi)) < 2.0
        assert np.mean((ci[:, 0] <= truth) & (truth <= ci[:, 1])) > 0.9
        inside = net.predict(X, return_pi=True)[1]
        seen = (y - location) / scale
        assert np.mean((inside[:, 0] <= seen) & (seen <= inside[:, 1])) > 0.9


def test_bands_take_the_step_at_its_full_doubt():
    """sup-t rests on V + b b' + (m + d) Corr_V: r = 1, whatever it is pointwise."""
    X, y = sine_data(n=120, noise=0.1)
    net = MLPRegressorCI(hidden_layer_sizes=(30,), random_state=0).fit(X, y)
    report, found = net.inference_, net.get_prediction(X[:9])
    assert report.excess_variance < report.step_variance
    m = report.step_variance
    joint, cov = found.joint(), found.covariance()
    np.testing.assert_allclose(np.diag(cov), found.se_mean**2, rtol=1e-8)
    np.testing.assert_allclose(
        np.diag(joint) - found.se_mean**2, m - report.excess_variance, rtol=1e-6
    )
    band = np.diff(found.conf_int(simultaneous="sup-t"))[:, 0]
    ratio = band / np.sqrt(np.diag(joint))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-10)
    assert (band > np.diff(found.conf_int())[:, 0]).all()


def test_auto_widens_a_given_noise_for_what_training_left_undone():
    """se^2 (1 + RO^2), of the mean but not of the observation; and auto says why."""
    X, y = sine_data(n=100)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), activation="tanh", random_state=0, noise="loo"
    ).fit(X, y)
    report = net.inference_
    assert (report.method, report.noise) == ("bayesian", "loo")
    assert report.relative_offset > 0.3
    assert "not left to the rule" in report.reason
    plain = MLPRegressorCI.from_estimator(net, X, y, covariance="bayesian", noise="loo")
    auto, named = net.get_prediction(X), plain.get_prediction(X)
    widening = 1 + report.relative_offset**2
    np.testing.assert_allclose(auto.se_mean**2, named.se_mean**2 * widening, rtol=1e-10)
    np.testing.assert_allclose(
        auto.se_obs, np.maximum(named.se_obs, auto.se_mean), rtol=1e-10
    )
    assert plain.inference_.reason == ""
