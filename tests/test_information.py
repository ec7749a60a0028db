"""Both routes to the information matrix, against definitions written out densely."""

import mpmath
import numpy as np
import pytest
from cases import Case, dense_inverse, packed, rows_with

from sklearn_nnci._linearized import dual, primal
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._linearized.sandwich import leave_one_out, meat_of
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Chunk, Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, null_directions
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.rank import null_space_is, rank

ROUTES = {"primal": primal, "dual": dual}


def rows_of(case, weighted=True, scale=None, network=None):
    rng, m = case.rng, case.n_outputs
    w = rng.integers(1, 4, case.n_samples) if weighted else np.ones(case.n_samples)
    scale = np.ones(m) if scale is None else scale
    e = rng.normal(size=(m, case.n_samples)) / scale[:, None]
    return rows_with(network or case.network, case.X, e, w.astype(float), scale)


def leverage(information):
    return np.concatenate([H for _, H in information.rowwise()])


def dense(case, X=None):
    F = jacobian.factors(case.network, case.X if X is None else X)
    return jacobian.dense(F).T


def close(actual, expected, tolerance=1e-8):
    expected = np.asarray(expected)
    assert np.shape(actual) == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


@pytest.fixture(params=ROUTES)
def route(request):
    return ROUTES[request.param]


@pytest.mark.parametrize("free", ["intercepts", "outputs"])
def test_verbs_equal_the_dense_definitions(case, route, free):
    """Leverage, step, offset and every posterior, at lambda = 1e-2, weighted rows."""
    network, rows = case.network, rows_of(case)
    m = case.n_outputs
    n_free = network.n_intercepts if free == "intercepts" else m
    penalty = Penalty(1e-2, n_free)
    information = route.reduce(rows).penalise(penalty)

    J = dense(case)
    Lambda = penalty.apply(np.ones(J.shape[2]))
    inverse = dense_inverse(J, rows.weight, Lambda)
    close(leverage(information), np.einsum("nkp,pq,nlq->nkl", J, inverse, J))
    g = np.einsum("n,nkp,kn->p", rows.weight, J, rows.chunk().residuals)
    g -= Lambda * packed(network)
    step = information.step()
    close(J @ step, J @ (inverse @ g), 1e-7)
    close(information.decrement(step), g @ inverse @ g, 1e-7)

    # Queries in the span: mixtures of training rows.
    query = jacobian.factors(network, case.X[:7])
    Jq = J[:7].transpose(1, 0, 2).reshape(7 * m, -1)
    Sigma = np.eye(m) + 0.3 * np.ones((m, m))
    for S, prior in [(Sigma, 0.0), (Sigma, 1.3), (2 * np.eye(m), 2.0)]:
        meat = np.einsum("n,nkp,kl,nlq->pq", rows.weight, J, S, J)
        C = inverse @ (meat + prior * np.diag(Lambda)) @ inverse
        posterior = information.posterior(meat_of(S, prior))
        again = restore(network, posterior.state())
        close(again.variance(query).ravel(), np.diag(Jq @ C @ Jq.T))
        cov, lost = posterior.covariance(query)
        assert not lost.any()
        close(cov, Jq @ C @ Jq.T)
        theta_cov, _ = posterior.parameter_covariance()
        close(Jq @ theta_cov @ Jq.T, Jq @ C @ Jq.T)


@pytest.mark.parametrize(
    "case",
    [
        Case("tanh", (12,), n_samples=30),
        Case("relu", (12,), n_samples=30),
        Case("identity", (6, 4), n_samples=25),
        Case("tanh", (8,), n_samples=20, n_outputs=2),
    ],
    ids=str,
)
def test_routes_agree(case):
    """To 1e-8 at lambda = 1e-2, with null intercept directions among the cases."""
    rows = rows_of(case, scale=np.arange(1.0, case.n_outputs + 1))
    for n_free in (case.network.n_intercepts, case.n_outputs):
        penalty = Penalty(1e-2, n_free)
        one, two = (route.reduce(rows).penalise(penalty) for route in ROUTES.values())
        close(leverage(one), leverage(two))
        assert one.span.basis.shape == two.span.basis.shape
        query = jacobian.factors(case.network, case.rng.normal(size=(9, 3)) * 2)
        v, w = (
            i.posterior(meat_of(np.eye(case.n_outputs), 1.0)).variance(query)
            for i in (one, two)
        )
        np.testing.assert_array_equal(np.isinf(v), np.isinf(w))
        bounded = np.isfinite(v)
        np.testing.assert_allclose(v[bounded], w[bounded], rtol=1e-8)


def test_null_direction_that_a_query_wakes_is_unbounded_on_both_routes():
    """A unit dead in training has an unpenalised intercept that nothing determines."""
    case = Case("relu", (20,), n_samples=25, n_features=1)
    (W1, W2), (b1, b2) = case.network.coefs, case.network.intercepts
    W1, b1 = np.abs(W1), b1.copy()
    b1[0] = -100.0  # active from x = 100 / W1[0, 0] on
    network = Network((W1, W2), (b1, b2), "relu")
    inside = jacobian.factors(network, np.array([[0.0]]))
    outside = jacobian.factors(network, np.array([[150.0 / W1[0, 0]]]))
    for route in ROUTES.values():
        rows = rows_of(case, network=network)
        information = route.reduce(rows).penalise(Penalty(0.1, network.n_intercepts))
        posterior = information.posterior(meat_of(np.eye(1), 1.0))
        assert np.isfinite(posterior.variance(inside)).all()
        assert np.isinf(posterior.variance(outside)).all()
        assert posterior.covariance(outside)[1].all()


def test_dual_refuses_a_penalty_that_cancels():
    case = Case("tanh", (20,))
    sums = dual.reduce(rows_of(case))
    mean = np.trace(sums.reduced) / len(sums.reduced)
    assert sums.cancels(Penalty(0.9e-9 * mean, 1))
    assert not sums.cancels(Penalty(1.1e-9 * mean, 1))


def test_reduction_does_not_depend_on_chunks(monkeypatch):
    from sklearn_nnci._numerics import chunks

    case = Case("tanh", (4,), n_samples=200)
    whole = primal.reduce(rows_of(case)).reduced
    monkeypatch.setattr(chunks, "MOST_ROWS", 64)
    parts = primal.reduce(rows_of(case)).reduced
    np.testing.assert_allclose(parts.T @ parts, whole.T @ whole, atol=1e-10)
    monkeypatch.setattr(dual, "TILE", 7)
    small = dual.reduce(rows_of(case)).reduced
    monkeypatch.setattr(dual, "TILE", 512)
    np.testing.assert_allclose(small, dual.reduce(rows_of(case)).reduced, rtol=1e-13)


@pytest.mark.parametrize(
    "sizes", [(3,), (20,), (7, 13), (15, 15), (8, 9, 30, 1), (90,)]
)
def test_triangle_is_that_of_a_qr_however_the_rows_come(sizes):
    """In blocks that fill the triangle, in part, exactly, or more than once."""
    rows = np.random.default_rng(0).normal(size=(sum(sizes), 20))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    R = triangular.triangle([np.array(B.T, order="C") for B in parts], 20)
    known = min(len(rows), 20)
    np.testing.assert_array_equal(R, np.triu(R))
    np.testing.assert_allclose(
        np.abs(R[:known]), np.abs(np.linalg.qr(rows, mode="r")), rtol=1e-10
    )
    np.testing.assert_allclose(R.T @ R, rows.T @ rows, atol=1e-12)


# --------------------------------------------------------------- 60-digit arithmetic


def mp_jacobian(network, X):
    """J (n, p) of a tanh network with one hidden layer, in 60 digits."""
    (W1, W2), (b1, _) = network.coefs, network.intercepts
    h, rows = len(b1), []
    for x in X:
        x = [mpmath.mpf(float(v)) for v in x]
        z = [
            sum(x[i] * mpmath.mpf(float(W1[i, j])) for i in range(len(x)))
            + mpmath.mpf(float(b1[j]))
            for j in range(h)
        ]
        a = [mpmath.tanh(v) for v in z]
        d = [mpmath.mpf(float(W2[j, 0])) * (1 - a[j] ** 2) for j in range(h)]
        outer = [x[i] * d[j] for i in range(len(x)) for j in range(h)]
        rows.append([*outer, *a, *d, mpmath.mpf(1)])
    return mpmath.matrix(rows)


@pytest.mark.parametrize("strength", [0.0, 1e-9], ids=["unpenalised", "penalised"])
def test_standard_errors_against_60_digits(strength):
    """A trained network with cond(J) >= 1e7; Cholesky of J'J is off by percents there.

    lbfgs on y = sin(2x) + noise, alpha = 1e-5, weights rounded to five digits.
    """
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (40, 1))
    network = Network(
        (
            np.array([[0.61784, 1.42866, -0.59159]]),
            np.array([[-0.94655], [2.2703], [1.17686]]),
        ),
        (np.array([0.07792, 0.06769, -0.48777]), np.array([0.47232])),
        "tanh",
    )
    F = jacobian.factors(network, X)
    J = jacobian.dense(F).T[:, 0]
    assert np.linalg.cond(J) >= 1e7

    rows = rows_with(network, X, np.ones((1, 40)))
    penalty = Penalty(strength, network.n_intercepts)
    information = primal.reduce(rows).penalise(penalty)
    se = np.sqrt(information.posterior(meat_of(np.eye(1), 1.0)).variance(F)[0])

    with mpmath.workdps(60):
        Jm = mp_jacobian(network, X)
        A = Jm.T * Jm
        for k in range(J.shape[1] - penalty.n_free):
            A[k, k] += mpmath.mpf(strength)
        solved = mpmath.inverse(A) * Jm.T
        exact = [
            mpmath.sqrt(sum(Jm[i, k] * solved[k, i] for k in range(J.shape[1])))
            for i in range(40)
        ]
        worst = max(
            abs(mpmath.mpf(float(s)) / t - 1) for s, t in zip(se, exact, strict=True)
        )
    assert worst <= 1e-8


# ------------------------------------------------------------------------ NIST StRD

MISRA1A = np.array([
    [10.07, 77.6], [14.73, 114.9], [17.94, 141.1], [23.93, 190.8], [29.61, 239.9],
    [35.18, 289.0], [40.02, 332.8], [44.82, 378.4], [50.76, 434.8], [55.05, 477.3],
    [61.01, 536.8], [66.40, 593.1], [75.47, 689.1], [81.78, 760.0],
])  # fmt: skip


def test_nist_misra1a():
    """y = b1 (1 - exp(-b2 x)): certified standard deviations of the estimates.

    NIST StRD, nonlinear regression, Misra1a (lower difficulty): at the certified
    b1 = 2.3894212918e2, b2 = 5.5015643181e-4.
    """
    y, x = MISRA1A.T
    b1, b2 = 2.3894212918e2, 5.5015643181e-4
    J = np.column_stack([1 - np.exp(-b2 * x), b1 * x * np.exp(-b2 * x)])
    e = y - b1 * (1 - np.exp(-b2 * x))
    totals = totals_of(y[:, None], e[None], np.ones(14))
    sums = primal.Primal(None, totals, np.column_stack([J, e]))
    root = sums.penalise(Penalty(0.0, 0)).root
    s2 = e @ e / 12
    assert np.sqrt(s2) == pytest.approx(1.0187876330e-1, rel=1e-9)
    sd = np.sqrt(s2 * np.diag(root.T @ root))
    np.testing.assert_allclose(sd, [2.7070075241, 7.2668688436e-6], rtol=1e-8)


# -------------------------------------------------------------------------- triangles


def test_lower_root_keeps_the_product():
    rng = np.random.default_rng(0)
    for shape in [(6, 6), (3, 6), (9, 6)]:
        F = rng.normal(size=shape)
        L = triangular.lower(F)
        k, p = L.shape
        assert k == min(shape)
        for i in range(k):
            assert not L[i, p - k + i + 1 :].any()
        np.testing.assert_allclose(L.T @ L, F.T @ F, atol=1e-12)


def test_panels_multiply_triangles_longer_than_one_panel(monkeypatch):
    monkeypatch.setattr(triangular, "PANEL", 4)
    rng = np.random.default_rng(1)
    for k, p in [(11, 11), (6, 11)]:
        F = triangular.lower(rng.normal(size=(k, p)))
        M = rng.normal(size=(p, 5))
        np.testing.assert_allclose(triangular.times(F, M), F @ M, atol=1e-13)
        for G in (F, np.asfortranarray(F)):
            N = np.array(M.T[:, :k], order="F")
            expected = N @ G
            found = triangular.times_from_right(N, G)
            np.testing.assert_allclose(found, expected, atol=1e-13)
        np.testing.assert_allclose(
            triangular.squared_norms(F, M.copy()),
            ((F @ M) ** 2).sum(axis=0),
            atol=1e-12,
        )


@pytest.mark.parametrize("p", [1, 2, 7, 12])
def test_triangles_are_penalised_and_inverted_in_place(p, monkeypatch):
    monkeypatch.setattr(triangular, "PANEL", 4)
    rng = np.random.default_rng(p)
    R = np.array(np.triu(rng.normal(size=(p, p))) + 3 * np.eye(p), order="F")
    A, d = R.T @ R, rng.normal(size=p) * (np.arange(p) < 9)
    R = triangular.add_diagonal(R, d)
    assert not np.tril(R, -1).any()
    np.testing.assert_allclose(R.T @ R, A + np.diag(d**2), atol=1e-13)
    inverse = np.linalg.inv(R).T
    F = triangular.root_of_inverse(R)
    assert np.shares_memory(F, R)
    np.testing.assert_allclose(F, inverse, atol=1e-13)


def test_leave_one_out_solves_and_says_so_where_it_cannot():
    rng = np.random.default_rng(2)
    B = rng.normal(size=(5, 2, 2)) * 0.3
    H = B @ B.transpose(0, 2, 1)
    e = rng.normal(size=(2, 5))
    loo = leave_one_out(e, H)
    for i in range(5):
        np.testing.assert_allclose(
            loo[:, i], np.linalg.solve(np.eye(2) - H[i], e[:, i]), rtol=1e-12
        )
    alone = np.array([[[1.0]], [[0.5]]])
    assert leave_one_out(np.ones((1, 2)), alone)[0].tolist() == [np.inf, 2.0]
    capped = leave_one_out(np.ones((1, 2)), alone, cap=0.9)[0]
    np.testing.assert_allclose(capped, [10.0, 2.0])


@pytest.mark.parametrize("strength", [1e-14, 1e-12, 1e-10])
def test_leverages_stay_leverages_under_a_negligible_penalty(strength):
    """A relation of scale 1e14 within one factor: the side of the inverse matters."""
    case = Case("tanh", (30,), n_features=2)
    rows = rows_of(case, weighted=False)
    penalty = Penalty(strength, case.network.n_intercepts)
    information = primal.reduce(rows).penalise(penalty)
    h = leverage(information)[:, 0, 0]
    assert h.min() > 0.0 and h.max() < 1.0 + 1e-6
    J = dense(case)[:, 0]
    Lambda = penalty.apply(np.ones(J.shape[1]))
    Q = np.linalg.qr(np.vstack([J, np.diag(np.sqrt(Lambda))]))[0][:40]
    np.testing.assert_allclose(h, (Q**2).sum(axis=1), atol=1e-6)


def totals_of(y, e, w, X=None):
    X = np.zeros((len(y), 1)) if X is None else X
    F = jacobian.Factors((X.T,), ())
    return Totals.of(Chunk(F, e, w, np.ones(1), y))


def test_totals_of_parts_are_those_of_all():
    rng = np.random.default_rng(4)
    y, e = rng.normal(size=(50, 2)) + 1e3, rng.normal(size=(2, 50))
    w, X = rng.integers(1, 4, 50).astype(float), rng.normal(size=(50, 3))
    whole = totals_of(y, e, w, X)
    cuts = [slice(0, 0), slice(0, 1), slice(1, 30), slice(30, 50)]
    network = Case("tanh", (4,), n_outputs=2).network
    merged = Totals.none(network)
    for cut in cuts:
        merged = merged.merge(totals_of(y[cut], e[:, cut], w[cut], X[cut]))
    for one, other in zip(merged, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    spread = np.sqrt(np.average((y - np.average(y, 0, w)) ** 2, 0, w))
    np.testing.assert_allclose(whole.spread, spread, rtol=1e-12)
    # A row of weight 2 or more is two rows, both at the edge.
    ordered = np.sort(np.repeat(X, w.astype(int), axis=0), axis=0)
    np.testing.assert_array_equal(whole.edges.low, ordered[:2])
    np.testing.assert_array_equal(whole.edges.high, ordered[:-3:-1])


@pytest.mark.parametrize("constant", [0.1, 1e6 / 3.0])
def test_constant_targets_have_no_spread_at_all(constant):
    y, e, w = np.full((40, 1), constant), np.zeros((1, 40)), np.full(40, 3.0)
    totals = totals_of(y[:7], e[:, :7], w[:7]).merge(totals_of(y[7:], e[:, 7:], w[7:]))
    assert totals.spread == 0.0


@pytest.mark.parametrize("values", [
    [3.0, 1.0, 0.1], [3.0, 1.0, 0.0], [1.0, 1e-9, 1e-12], [1.0, 1e-13, 0.0, 0.0],
    [0.0, 0.0], [1.0, 1e-7, 1e-7, 1e-15, 1e-16],
])  # fmt: skip
@pytest.mark.parametrize("k", [5, 9])
def test_rank_is_that_of_an_svd(values, k):
    rng = np.random.default_rng(3)
    p = len(values)
    U, V = (np.linalg.qr(rng.normal(size=(size, p)))[0] for size in (max(k, p), p))
    R = (U * values) @ V.T
    found = rank(R, np.empty((0, p)), 10)
    assert found == np.linalg.matrix_rank(R, tol=1e-14)


def broken(network, kind):
    """Return the network with a unit off, twice, without weights, or as it is."""
    (W, *others), (b, *rest) = network.coefs, network.intercepts
    W, b = W.copy(), b.copy()
    if kind == "off":
        b[0] = -1e3
    elif kind == "twice":
        W[:, 1], b[1] = W[:, 0], b[0]
    elif kind == "no weights":
        W[:, 0] = b[0] = 0.0
    return network._replace(coefs=(W, *others), intercepts=(b, *rest))


@pytest.mark.parametrize("kind", ["regular", "off", "twice", "no weights"])
@pytest.mark.parametrize("activation, hidden, n_outputs", [
    ("relu", (5,), 1), ("relu", (4, 3), 2), ("relu", (3, 3, 3), 1), ("tanh", (4,), 1),
    ("identity", (4,), 1), ("logistic", (3, 2), 2), ("relu", (), 1),
])  # fmt: skip
def test_rank_of_a_network_is_that_of_an_svd(activation, hidden, n_outputs, kind):
    case = Case(activation, hidden, n_outputs, n_samples=400)
    network = broken(case.network, kind) if hidden else case.network
    rows = rows_with(network, case.X, case.rng.normal(size=(n_outputs, 400)))
    J = jacobian.dense(rows.chunk().factors)
    J = J.reshape(len(J), -1).T
    assert primal.reduce(rows).rank() == np.linalg.matrix_rank(J)
    Z = null_directions(network)
    np.testing.assert_allclose(J @ Z.T, 0.0, atol=1e-13 * np.abs(J).max())


@pytest.mark.parametrize("kind, known", [
    ("regular", True), ("off", False), ("twice", False), ("no weights", False)
])  # fmt: skip
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_null_space_is_certified_only_where_it_is_known(activation, kind, known):
    case = Case(activation, (5,), n_samples=400)
    network = broken(case.network, kind)
    sums = primal.reduce(rows_with(network, case.X, np.ones((1, 400))))
    p, Z = network.n_parameters, null_directions(network)
    assert null_space_is(Z, sums.J[:p], sums.n_rows) == known
    if activation == "relu":
        assert not null_space_is(Z[1:], sums.J[:p], sums.n_rows)


# ---------------------------------------------------------- what float64 cannot hold


@pytest.mark.parametrize("size", [1e155, 1e200, 1e307])
@pytest.mark.parametrize("prior", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_overflow_is_unbounded_and_only_where_it_is(route, size, prior, n_outputs):
    """Infinite on the diagonal, unknown beside it; other rows are as without these."""
    case = Case("relu", (40,), n_outputs, n_samples=20)
    information = route.reduce(rows_of(case)).penalise(Penalty(0.1, n_outputs))
    posterior = information.posterior(meat_of(np.eye(n_outputs), prior))
    X = case.X[:5].copy()
    X[1, 0], X[3] = size, -size
    query = jacobian.factors(case.network, X)
    v, (V, lost) = posterior.variance(query), posterior.covariance(query)
    np.testing.assert_array_equal(lost, [False, True, False, True, False] * n_outputs)
    assert np.isposinf(v.ravel()[lost]).all() and np.isposinf(np.diag(V)[lost]).all()
    assert np.isnan(V[lost][:, ~lost]).all() and np.isnan(V[~lost][:, lost]).all()
    near = jacobian.factors(case.network, X[[0, 2, 4]])
    alone, v = posterior.covariance(near)[0], v.ravel()[~lost]
    np.testing.assert_allclose(v, posterior.variance(near).ravel())
    np.testing.assert_allclose(V[np.ix_(~lost, ~lost)], alone, atol=1e-12)
