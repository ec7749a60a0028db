"""Both routes to the information matrix, against definitions written out densely."""

import numpy as np
import pytest
from cases import Case, dense_inverse, packed, rows_with

from sklearn_nnci._linearized import dual, primal
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._linearized.sandwich import Varying, meat_of
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, forward

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


def uneven(columns, f):
    """Variances (m, n) of a noise that varies with x and f."""
    return np.exp(0.5 * columns[0] + 0.2 * f)


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
    s = np.sqrt(uneven(case.X.T, forward(network, case.X)[-1]))
    one = np.ones_like(s)
    for S, prior, sd in [
        (Sigma, 0.0, one), (Sigma, 1.3, one), (2 * np.eye(m), 2.0, one),
        (Sigma, 1.3, s), (np.eye(m), 1.0, s),
    ]:  # fmt: skip
        filling = meat_of(S, prior)
        if sd is s:
            filling = Varying(filling, uneven)
        own = np.einsum("kn,kl,ln->nkl", sd, S, sd)
        meat = np.einsum("n,nkp,nkl,nlq->pq", rows.weight, J, own, J)
        C = inverse @ (meat + prior * np.diag(Lambda)) @ inverse
        posterior = information.posterior(filling)
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
