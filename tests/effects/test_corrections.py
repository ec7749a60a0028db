"""Corrected averages, against the algebra written out densely."""

import pickle
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from cases import SMALL, Case, sine_data

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, effects, exceptions
from sklearn_nnci._network import directional, jacobian, perceptron
from sklearn_nnci.effects._riesz import Polynomials, size

X, y = sine_data(120, 2)
SHARE = 0.1


def tuned(**parameters):
    usual = dict(hidden_layer_sizes=(4,), activation="tanh", random_state=0)
    return MLPRegressorCI(regularization="evidence", **{**usual, **parameters})


def raw(net):
    return perceptron.Network(tuple(net.coefs_), tuple(net.intercepts_), net.activation)


def average_slope(net, rows, j):
    """T and g by raw parameters."""
    slope = directional.slope(raw(net), rows, np.eye(rows.shape[1])[j])
    return slope.value[0].mean(), slope.dense()[:, 0].mean(axis=1), slope.value[0]


def prior_of_raw_parameters(net):
    """Lambda by raw parameters, from T: theta = T phi, phi with the penalty 1."""
    network = net._network()
    at, p = network.coordinates, network.n_parameters
    units = [perceptron.unpack(unit, network) for unit in np.eye(p)]
    T = np.stack([perceptron.pack(*at.directions(*u[:2])) for u in units], axis=1)
    penalised = np.r_[np.ones(p - 1), 0.0]
    inverse = np.linalg.inv(T)
    return inverse.T @ (penalised[:, None] * inverse) * float(at.units[0]) ** 2


def expected(net, Lambda, noise, rows, features, smooths=True, prior=None):
    """T~, q, and the covariance of noise, by the rule, J by raw parameters."""
    prior = Lambda if prior is None else prior
    J = net.jacobian(X)
    e = y - net.predict(X)
    T, G = zip(*(average_slope(net, rows, j)[:2] for j in features), strict=True)
    G = np.array(G).T
    c = J @ np.linalg.solve(J.T @ J + SHARE * prior, G)
    A = J.T @ J + Lambda
    w = J @ np.linalg.solve(A, G) + c - J @ np.linalg.solve(A, J.T @ c)
    w = w if smooths else c
    q = c.T @ e
    return np.array(T) + q, q, noise * w.T @ w


def test_tuned_network():
    net = tuned().fit(X, y)
    found = effects.avg_slopes(net, X[:50], training=(X, y))
    assert found.correction == "tangent" and found.target == "sample"
    T, q, S = expected(
        net, prior_of_raw_parameters(net), net.inference_.noise_variance, X[:50], (0, 1)
    )
    np.testing.assert_allclose(found.estimate, T, rtol=1e-7)
    np.testing.assert_allclose(found.covariance(), S + np.outer(q, q), rtol=1e-6)
    np.testing.assert_allclose(found.std_error, np.sqrt(np.diag(S) + q**2), rtol=1e-6)
    assert found.dof == net.inference_.dof


def test_starts_nearby_are_in_the_variance():
    net = tuned(n_restarts=3).fit(X, y)
    near = net._inference["near"]
    assert near is not None
    found = effects.avg_slopes(net, X, training=(X, y))
    Lambda, noise = prior_of_raw_parameters(net), net.inference_.noise_variance
    T, q, S = expected(net, Lambda, noise, X, (0, 1))
    others = [perceptron.unpack(theta, raw(net)) for theta in near["parameters"]]
    away = [
        [directional.slope(one, X, e).value.mean() for e in np.eye(2)] - (T - q)
        for one in others
    ]
    between = np.einsum("n,nk,nl->kl", near["weights"], away, away)
    assert between.max() > 0.0
    np.testing.assert_allclose(found.estimate, T, rtol=1e-7)
    np.testing.assert_allclose(
        found.covariance(), S + np.outer(q, q) + between, rtol=1e-6
    )


def test_population_adds_the_spread_of_slopes():
    net = tuned().fit(X, y)
    asked = dict(training=(X, y))
    of_rows = effects.avg_slopes(net, X, **asked)
    of_all = effects.avg_slopes(net, X, population=True, **asked)
    m = np.array([average_slope(net, X, j)[2] for j in (0, 1)])
    added = np.cov(m, bias=True) / len(X)
    np.testing.assert_allclose(
        of_all.covariance() - of_rows.covariance(), added, rtol=1e-8
    )
    assert set(of_all.to_frame()["target"]) == {"population"}
    np.testing.assert_array_equal(of_all.estimate, of_rows.estimate)


def test_network_at_its_minimum_is_a_smoother():
    """Few parameters, lbfgs: the penalty of training, its intercepts free."""
    net = MLPRegressorCI(**{**SMALL, "alpha": 0.05}, polish=True).fit(X, y)
    found = effects.avg_slopes(net, X, training=(X, y), debias="tangent")
    network, noise = raw(net), net.inference_.noise_variance
    p, free = network.n_parameters, network.n_intercepts
    Lambda, prior = (0.05 * np.diag(1.0 * (np.arange(p) < p - k)) for k in (free, 1))
    T, q, S = expected(net, Lambda, noise, X, (0, 1), prior=prior)
    np.testing.assert_allclose(found.estimate, T, rtol=1e-7)
    np.testing.assert_allclose(found.covariance(), S + np.outer(q, q), rtol=1e-6)


def test_a_dictionary_that_is_too_large(monkeypatch):
    """Refused on request, and then not the default's choice."""
    from sklearn_nnci.effects import _riesz

    net = MLPRegressorCI(**SMALL).fit(X, y)
    assert effects.avg_slopes(net, X, training=(X, y)).correction == "wider"
    monkeypatch.setattr(_riesz, "MOST_COLUMNS", 20)
    assert effects.avg_slopes(net, X, training=(X, y)).correction == "tangent"
    for asked in ("robust", "wider"):
        with pytest.raises(ValueError, match="dictionary of 21 columns"):
            effects.avg_slopes(net, X, training=(X, y), debias=asked)


def test_robust_covariances_take_each_residual():
    """HC3, after statsmodels; and no bounds where nothing is left of the rows."""
    rng = np.random.default_rng(0)
    noisy = y + np.abs(X[:, 0]) * rng.standard_normal(len(y))
    line = dict(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, polish=True,
                max_iter=3000, tol=1e-10, random_state=0)  # fmt: skip
    for name in ("HC0", "HC1", "HC2", "HC3"):
        net = MLPRegressorCI(covariance=name, **line).fit(X, noisy)
        found = effects.avg_slopes(net, X, training=(X, noisy), debias="tangent")
        ols = sm.OLS(noisy, sm.add_constant(X)).fit(cov_type=name)
        np.testing.assert_allclose(found.std_error, ols.bse[1:], rtol=1e-7)
    few = X[:20], y[:20]
    net = MLPRegressorCI(**{**SMALL, "hidden_layer_sizes": (30,)},
                         covariance="least_squares").fit(*few)  # fmt: skip
    assert np.isinf(net.get_prediction(X[:1]).se_mean).all()
    found = effects.avg_slopes(net, X[:20], training=few, debias="tangent")
    assert np.isinf(found.std_error).all()


def test_uneven_noise_counts_where_it_is():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (300, 2))
    noisy = np.sin(x[:, 0]) + 0.3 * np.exp(x[:, 0] / 2) * rng.standard_normal(300)
    net = tuned(variance="auto").fit(x, noisy)
    assert net.inference_.variance != "constant"
    found = effects.avg_slopes(net, x, training=(x, noisy))
    even = effects.avg_slopes(tuned().fit(x, noisy), x, training=(x, noisy))
    s2 = net.get_prediction(x).noise_variance
    J, Lambda = net.jacobian(x), prior_of_raw_parameters(net)
    G = np.array([average_slope(net, x, j)[1] for j in (0, 1)]).T
    c = J @ np.linalg.solve(J.T @ J + SHARE * Lambda, G)
    w = J @ np.linalg.solve(J.T @ J + Lambda, G - J.T @ c) + c
    q = c.T @ (noisy - net.predict(x))
    expected = (w * s2[:, None]).T @ w + np.outer(q, q)
    np.testing.assert_allclose(found.covariance(), expected, rtol=1e-6)
    assert not np.allclose(found.std_error, even.std_error, rtol=1e-3)


def test_estimates_can_be_pickled():
    net = tuned().fit(X, y)
    for options in (dict(debias=False), dict(training=(X, y))):
        found = effects.avg_slopes(net, X, **options)
        again = pickle.loads(pickle.dumps(found))
        np.testing.assert_array_equal(again.covariance(), found.covariance())


@pytest.mark.parametrize("alpha", [0.05, 1.0])
def test_a_unit_switched_off_is_no_distance_from_the_minimum(alpha):
    """Its intercept is free, and its step rounding; early stops are a distance."""
    from sklearn_nnci.effects import _model, _training

    for polish in (True, False):
        stop = dict(polish=True) if polish else dict(solver="adam", max_iter=20)
        net = MLPRegressorCI(**{**SMALL, "alpha": alpha, **stop}).fit(X, y)
        model = _model.model_of(net)
        (member,) = model.members
        found = _training.trained(member, _training.given(model, (X, y)))
        assert found.smooths == polish


@pytest.mark.parametrize("hidden, iterations", [((60,), 200), ((10,), 30)])
def test_network_that_is_no_smoother(hidden, iterations):
    """More parameters than rows (dual route), or far from a minimum: w = c."""
    net = MLPRegressorCI(
        hidden_layer_sizes=hidden, activation="tanh", random_state=0,
        max_iter=iterations,
    ).fit(X, y)  # fmt: skip
    rows = X[:40]
    report = net.inference_
    assert report.method == "evidence"
    found = effects.avg_slopes(net, rows, training=(X, y))
    assert found.correction == "tangent"
    p = report.n_parameters
    Lambda = np.diag(np.r_[np.full(p - 1, report.penalty), 0.0])
    T, q, S = expected(net, Lambda, report.noise_variance, rows, (0, 1), smooths=False)
    np.testing.assert_allclose(found.estimate, T, rtol=1e-7)
    rest = found.covariance() - S - np.outer(q, q)
    # what the rule adds to f everywhere, of which slopes are limits of differences
    h, Z = 1e-3, np.vstack([rows + s * 1e-3 * e for e in np.eye(2) for s in (1, -1)])
    L = np.kron(np.eye(2), np.kron([1.0, -1.0], np.full(40, 1 / 40)) / (2 * h))
    np.testing.assert_allclose(rest, L @ excess(net, Z) @ L.T, rtol=1e-3, atol=1e-9)
    # and exactly, of levels
    L = np.full((1, 40), 1 / 40)
    found = effects.linear_combinations(net, rows, L, training=(X, y))
    g, J = net.jacobian(rows).mean(0), net.jacobian(X)
    c = J @ np.linalg.solve(J.T @ J + SHARE * Lambda, g)
    variance = report.noise_variance * c @ c + (c @ (y - net.predict(X))) ** 2
    added = (L @ excess(net, rows) @ L.T).item()
    assert added > 1e-3 * variance
    np.testing.assert_allclose(found.std_error**2, variance + added, rtol=1e-6)


def excess(net, rows):
    """(m + d) of correlations of f, J (J'J + Lambda)^-1 J', Lambda of the evidence."""
    J, e, report = net.jacobian(X), y - net.predict(X), net.inference_
    p = J.shape[1]
    Lambda = np.diag(np.r_[np.full(p - 1, report.penalty), 0.0])
    A = J.T @ J + Lambda
    theta = np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])
    b = J @ np.linalg.solve(A, J.T @ e - Lambda @ theta)
    h = np.einsum("ip,pi->i", J, np.linalg.solve(A, J.T))
    m, after = (b**2).mean(), (((e - b) / (1 - h)) ** 2).mean()
    r = min(1.0, after / ((e / (1 - h)) ** 2).mean())
    u = report.excess_variance + (1.0 - r) * m
    V = net.jacobian(rows) @ np.linalg.solve(A, net.jacobian(rows).T)
    D = 1.0 / np.sqrt(np.diag(V))
    return u * D[:, None] * V * D


def test_committee_is_a_mixture():
    own = MLPRegressorCI(regularization="evidence", activation="tanh")
    model = MLPEnsembleRegressorCI(
        own, architectures=((3,), (5,)), n_starts=2, random_state=0
    ).fit(X, y)
    w = model.weights_
    each = [
        expected(net, prior_of_raw_parameters(net), net.inference_.noise_variance, X,
                 (0, 1))
        for net, weight in zip(model.estimators_, w, strict=True) if weight > 0
    ]  # fmt: skip
    w = w[w > 0]
    found = effects.avg_slopes(model, X, training=(X, y))
    T = sum(k * one[0] for k, one in zip(w, each, strict=True))
    cov = sum(
        k * (S + np.outer(q, q) + np.outer(t - T, t - T))
        for k, (t, q, S) in zip(w, each, strict=True)
    )
    np.testing.assert_allclose(found.estimate, T, rtol=1e-7)
    np.testing.assert_allclose(found.covariance(), cov, rtol=1e-6)


def test_polynomials_and_their_derivatives():
    rng = np.random.default_rng(0)
    rows, v = rng.normal(2, 3, (20, 3)), rng.normal(size=3)
    P = Polynomials.of(rows)
    assert P(rows).shape == (20, 1 + 3 + 6 + 3)
    for d in (3, 15, 16):
        network = Case("tanh", (2,), n_features=d).network
        own = Polynomials.of(rng.normal(size=(4, d)))(np.ones((1, d)))
        assert size(network) == network.n_parameters + own.shape[1]
    z = (rows - rows.mean(0)) / rows.std(0)
    np.testing.assert_allclose(P(rows)[:, 5], z[:, 0] * z[:, 1], rtol=1e-12)
    step = P(rows + 1e-100j * v).imag / 1e-100
    np.testing.assert_allclose(P.along(rows, v), step, rtol=1e-12)
    wide = Polynomials.of(rng.normal(size=(20, 16)))
    assert wide(rng.normal(size=(4, 16))).shape == (4, 1 + 3 * 16)


def ridge(net, rows, r):
    """Riesz weights at one strength, by least squares on columns of mean square 1."""
    P = Polynomials.of(X)
    B = np.hstack([net.jacobian(X), P(X)])
    M = [
        np.r_[average_slope(net, rows, j)[1], P.along(rows, np.eye(2)[j]).mean(0)]
        for j in (0, 1)
    ]
    size = np.sqrt((B**2).mean(0))
    kept = size > 1e-8 * size.max()
    C = B[:, kept] / size[kept]
    S = C.T @ C / len(X) + r * np.eye(C.shape[1])
    return C @ np.linalg.solve(S, (np.array(M).T[kept] / size[kept, None])) / len(X)


def test_robust_weights_are_ridge_in_the_larger_dictionary(monkeypatch):
    """At a given strength; w by the smoother as before."""
    from sklearn_nnci.effects import _riesz

    monkeypatch.setattr(_riesz, "STRENGTHS", np.array([1e-3]))
    net = MLPRegressorCI(**{**SMALL, "alpha": 1.0}, polish=True).fit(X, y)
    found = effects.avg_slopes(net, X[:60], training=(X, y), debias="robust")
    assert found.correction == "robust"
    c = ridge(net, X[:60], 1e-3)
    q = c.T @ (y - net.predict(X))
    T = np.array([average_slope(net, X[:60], j)[0] for j in (0, 1)])
    np.testing.assert_allclose(found.estimate, T + q, rtol=1e-7)


def test_contrasts_of_averages_are_differences(monkeypatch):
    """At a given strength; weights of either sign, of sum 0."""
    from sklearn_nnci.effects import _riesz

    monkeypatch.setattr(_riesz, "STRENGTHS", np.array([1e-3]))
    net = tuned().fit(X, y)
    above = X[:, 0] > 0
    L = np.array([above / above.sum(), ~above / (~above).sum()])
    L = np.vstack([L, L[0] - L[1]])
    for debias in ("tangent", "robust"):
        found = effects.linear_combinations(net, X, L, training=(X, y), debias=debias)
        one, two, contrast = found.estimate
        assert contrast == pytest.approx(one - two, rel=1e-8)
        D = np.array([1.0, -1.0, -1.0])
        assert D @ found.covariance() @ D < 1e-10 * found.std_error[2] ** 2


def test_strength_is_that_of_the_least_riesz_loss():
    """Folds written out, on a problem where the strengths of two functionals differ."""
    from sklearn_nnci.effects import _riesz

    rng = np.random.default_rng(0)
    B = rng.normal(size=(200, 30))
    fold = np.arange(200) % 5
    rows = np.stack([0.1 * rng.normal(size=B.shape) + np.eye(30)[0],
                     B * rng.normal(size=(200, 1))])  # fmt: skip
    gram = np.array([B[fold == k].T @ B[fold == k] for k in range(5)])
    M = np.array([[R[fold == k].sum(0) for R in rows] for k in range(5)])
    M = M.transpose(0, 2, 1) / 200
    found = _riesz._ridge(gram, np.full(5, 40.0), M, np.full((5, 2), 0.2))
    for k, R in enumerate(rows):
        loss = []
        for r in _riesz.STRENGTHS:
            total = 0.0
            for f in range(5):
                S = B[fold != f].T @ B[fold != f] / 160 + r * np.eye(30)
                rho = np.linalg.solve(S, R[fold != f].mean(0))
                alpha = B[fold == f] @ rho
                total += (alpha**2).sum() - 2 * (R[fold == f] @ rho).sum()
            loss.append(total)
        r = _riesz.STRENGTHS[np.argmin(loss)]
        rho = np.linalg.solve(B.T @ B / 200 + r * np.eye(30), R.mean(0))
        np.testing.assert_allclose(found[:, k], rho, rtol=1e-8)


def test_correction_repairs_a_network_too_small_for_its_curve():
    """A straight line, a curve, x skewed: its slope is not the average one."""
    rng = np.random.default_rng(1)
    x = rng.gamma(4.0, size=(1000, 1))
    y = x[:, 0] ** 2 + 0.1 * rng.standard_normal(1000)
    net = MLPRegressorCI(
        hidden_layer_sizes=(), solver="lbfgs", alpha=1e-3, polish=True, max_iter=2000,
        covariance="bayesian", random_state=0,
    ).fit(x, y)  # fmt: skip
    plain = effects.avg_slopes(net, x, debias=False)
    found = effects.avg_slopes(net, x, training=(x, y))
    off, left = (one.estimate[0] - 2 * x.mean() for one in (plain, found))
    assert abs(off) > 4 * plain.std_error[0]
    assert abs(left) < 0.2 * abs(off)


@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_the_wider_of_two_dictionaries(alpha):
    """Default of one network of a given alpha: what each says, and the difference."""
    net = MLPRegressorCI(**{**SMALL, "alpha": alpha}, polish=True).fit(X, y)
    low, high = X.copy(), X.copy()
    low[:, 0], high[:, 0] = -1.0, 1.0
    L = np.array([X[:, 0] > 0, X[:, 0] > 1]) / 60.0
    asked = dict(training=(X, y))
    chosen = set()
    for ask in (
        lambda **options: effects.avg_slopes(net, X, **options),
        lambda **options: effects.comparisons(net, low, high, average=True, **options),
        lambda **options: effects.linear_combinations(net, X, L, **options),
    ):
        found = ask(**asked)
        assert found.correction == "wider"  # more rows than parameters
        one, two = (ask(debias=name, **asked) for name in ("tangent", "robust"))
        larger = two.std_error > one.std_error
        T = np.where(larger, two.estimate, one.estimate)
        d = two.estimate - one.estimate
        se = np.hypot(np.maximum(one.std_error, two.std_error), d)
        np.testing.assert_allclose(found.estimate, T, rtol=1e-8)
        np.testing.assert_allclose(found.std_error, se, rtol=1e-4)
        if larger.all() or not larger.any():  # then whole covariances are as these
            cov = (two if larger.all() else one).covariance() + np.outer(d, d)
            np.testing.assert_allclose(found.covariance(), cov, rtol=1e-4)
        C = found.covariance()
        assert np.linalg.eigvalsh(C).min() > -1e-12 * C.max()
        chosen |= set(larger)
    assert chosen == {True, False}


def test_misfit_switches_to_both_dictionaries_and_is_warned_of():
    x, y = sine_data(300, 1)
    y = y + np.cos(5 * x[:, 0])
    net = tuned(hidden_layer_sizes=(2,))
    with pytest.warns(exceptions.MisfitWarning):
        net.fit(x, y)
    with pytest.warns(exceptions.MisfitWarning, match="more units"):
        found = effects.avg_slopes(net, x, training=(x, y))
    assert found.correction == "wider"
    with pytest.warns(exceptions.MisfitWarning, match="single rows"):
        narrow = effects.slopes(net, x)
    # the advice: with more units there is no warning, and slopes are nearer
    more = tuned(hidden_layer_sizes=(10,))
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.MisfitWarning)
        better = effects.slopes(more.fit(x, y), x)
    slopes = 0.3 + np.cos(x[:, 0]) - 5.0 * np.sin(5 * x[:, 0])
    error, left = (np.abs(one.estimate - slopes).mean() for one in (narrow, better))
    assert left < 0.5 * error


@pytest.mark.parametrize("debias", ["tangent", "robust"])
def test_groups_and_curves_share_one_covariance(debias):
    """An average is the weighted mean of its groups', the tangent rule being linear."""
    net = tuned().fit(X, y)
    groups = (X[:, 0] > 0).astype(int)
    asked = dict(training=(X, y), debias=debias)
    of_groups = effects.avg_slopes(net, X, [1], by=groups, **asked)
    frame = of_groups.to_frame()
    assert frame["group"].tolist() == [0, 1] and frame["term"].tolist() == ["x1"] * 2
    whole = effects.avg_slopes(net, X, [1], **asked)
    share = np.bincount(groups) / len(X)
    if debias == "tangent":
        mean = share @ of_groups.estimate
        np.testing.assert_allclose(mean, whole.estimate[0], rtol=1e-9)
        cov = share @ of_groups.covariance() @ share
        np.testing.assert_allclose(cov, whole.covariance()[0, 0], rtol=1e-8)
    C = of_groups.covariance()
    assert C[0, 1] ** 2 < C[0, 0] * C[1, 1]
    np.testing.assert_allclose(np.sqrt(np.diag(C)), of_groups.std_error)


def test_jacobian_is_imported_for_nothing_else():
    """The dense reference and the package's sums agree on an average of rows."""
    net = tuned().fit(X, y)
    found = effects.linear_combinations(
        net, X, np.full(len(X), 1 / len(X)), training=(X, y)
    )
    F = jacobian.factors(raw(net), X)
    g = jacobian.dense(F)[:, 0].mean(axis=1)
    J, e = net.jacobian(X), y - net.predict(X)
    Lambda = prior_of_raw_parameters(net)
    q = (J @ np.linalg.solve(J.T @ J + SHARE * Lambda, g)) @ e
    np.testing.assert_allclose(found.estimate[0], net.predict(X).mean() + q)
