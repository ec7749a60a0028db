"""Functionals by their gradients on both routes, against definitions written out."""

import numpy as np
import pytest
from cases import Case, dense_inverse
from linearized.test_routes import ROUTES, rows_of, uneven

from sklearn_nnci._linearized.route import restore
from sklearn_nnci._linearized.sandwich import Varying, meat_of
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import directional, jacobian
from sklearn_nnci._network.perceptron import forward

PENALTY = 0.3


@pytest.fixture(params=ROUTES)
def route(request):
    return ROUTES[request.param]


def gradients_of(case):
    """An average, a contrast and an average slope, by the dense derivatives."""
    J = jacobian.dense(jacobian.factors(case.network, case.X))[:, 0].T
    slope = directional.slope(case.network, case.X, np.eye(case.n_features)[0])
    g = [J.mean(axis=0), J[3] - J[5], slope.dense()[:, 0].mean(axis=1)]
    return np.array(g).T


def close(actual, expected, tolerance=1e-9):
    assert np.shape(actual) == np.shape(expected)
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("free", ["intercepts", "outputs"])
def test_variances_and_covariances_equal_the_dense_ones(case, route, free):
    network, rows = case.network, rows_of(case)
    n_free = network.n_intercepts if free == "intercepts" else case.n_outputs
    penalty = Penalty(PENALTY, n_free)
    information = route.reduce(rows).penalise(penalty)
    G, m = gradients_of(case), case.n_outputs
    J = jacobian.dense(jacobian.factors(network, case.X)).T
    Lambda = penalty.apply(np.ones(J.shape[2]))
    inverse = dense_inverse(J, rows.weight, Lambda)
    s = np.sqrt(uneven(case.X.T, forward(network, case.X)[-1]))
    for prior, sd in [(1.0, None), (0.0, None), (1.0, s)]:
        filling, own = meat_of(np.eye(m), prior), np.ones_like(s)
        if sd is not None:
            filling, own = Varying(filling, uneven), sd
        meat = np.einsum("n,nkp,kn,nkq->pq", rows.weight, J, own**2, J)
        C = inverse @ (meat + prior * np.diag(Lambda)) @ inverse
        posterior = information.posterior(filling)
        for one in (posterior, restore(network, posterior.state())):
            before = G.copy()
            V, lost = one.gradient_covariance(G)
            assert not lost.any()
            close(V, G.T @ C @ G)
            close(one.gradient_variance(G), np.diag(G.T @ C @ G))
            np.testing.assert_array_equal(G, before)


def test_rows_are_gradients(case, route):
    """Where a gradient is a row of J, variances are those of factors."""
    information = route.reduce(rows_of(case)).penalise(Penalty(PENALTY, case.n_outputs))
    posterior = information.posterior(meat_of(np.eye(case.n_outputs), 1.0))
    F = jacobian.factors(case.network, case.X[:5])
    G = jacobian.dense(F).reshape(F.shape[0], -1)
    close(posterior.gradient_covariance(G)[0], posterior.covariance(F)[0], 1e-12)
    close(posterior.gradient_variance(G), posterior.variance(F).ravel(), 1e-12)


def test_smoother_equals_the_dense_one(case, route):
    rows, penalty = rows_of(case), Penalty(PENALTY, case.n_outputs)
    information = route.reduce(rows).penalise(penalty)
    J = jacobian.dense(jacobian.factors(case.network, case.X)).T
    inverse = dense_inverse(J, rows.weight, penalty.apply(np.ones(J.shape[2])))
    G = gradients_of(case)
    root = np.sqrt(rows.weight)[:, None, None] * J
    stacked = root.transpose(1, 0, 2).reshape(-1, J.shape[2])
    a = information.smoother(G)
    close(a, stacked @ inverse @ G)
    e = (rows.chunk().residuals * np.sqrt(rows.weight)).ravel()
    back, products = rows.back(a)
    close(back, stacked.T @ a)
    close(products, a.T @ e)


def test_gradients_outside_of_the_span_are_unbounded_on_both_routes():
    """The unit that is off in training has an intercept that nothing determines."""
    case = Case("relu", (20,), n_samples=25, n_features=1)
    (W1, W2), (b1, b2) = case.network.coefs, case.network.intercepts
    b1 = b1.copy()
    b1[0] = -100.0
    network = case.network._replace(intercepts=(b1, b2), coefs=(np.abs(W1), W2))
    G = np.zeros((network.n_parameters, 2))
    G[0, 0], G[W1.size + W2.size, 1] = 1.0, 1.0  # its weight, its intercept
    for route in ROUTES.values():
        rows = rows_of(case, network=network)
        information = route.reduce(rows).penalise(Penalty(0.1, network.n_intercepts))
        posterior = information.posterior(meat_of(np.eye(1), 1.0))
        V, lost = posterior.gradient_covariance(G)
        np.testing.assert_array_equal(lost, [False, True])
        assert np.isposinf(V[1, 1]) and np.isnan(V[0, 1]) and np.isfinite(V[0, 0])
        v = posterior.gradient_variance(G)
        np.testing.assert_array_equal(np.isinf(v), lost)
