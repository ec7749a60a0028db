"""Gradients of averages, contrasts and slopes as sums of layer factors: their dense
selves, and what both routes make of them."""

import numpy as np
import pytest
from cases import Case, dense_inverse
from linearized.test_routes import ROUTES, rows_of

from sklearn_nnci._linearized.sandwich import meat_of
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import directional, jacobian, perceptron
from sklearn_nnci.effects import _functionals as functionals

CASES = [
    Case(activation, hidden, n_features=3, n_samples=n)
    for activation in ("tanh", "logistic", "relu", "identity")
    for hidden, n in [((4,), 40), ((3, 2), 40), ((30,), 25)]
]
PENALTY = 0.3


def asked(case, rng):
    """Blocks of two averages each: of levels, of a contrast, of slopes, of all."""
    X, d = case.X, case.n_features
    omega, v = rng.normal(size=(len(X), 2)), rng.normal(size=d)
    other = X + rng.normal(size=X.shape)
    contrast = functionals.level_of(other), functionals.level_of(X, -1.0)
    mixed = functionals.slope_of(other, v)._replace(level=rng.normal(size=len(X)))
    terms = [
        (functionals.level_of(X),), contrast, (functionals.slope_of(X, v),),
        (mixed, *contrast),
    ]  # fmt: skip
    return [functionals.Block(one, omega) for one in terms]


def dense(network, block):
    """sum_i omega_ik (l_i j(x_i) + s_i dj(x_i)/dx v), and the same of f."""
    G, T = 0.0, 0.0
    for one in block.terms:
        J = jacobian.dense(jacobian.factors(network, one.X))[:, 0]
        f = perceptron.linear_predictor(network, one.X)[0]
        G = G + (J * one.level) @ block.weight
        T = T + block.weight.T @ (one.level * f)
        if one.direction is not None:
            slope = directional.slope(network, one.X, one.direction)
            G = G + (slope.dense()[:, 0] * one.slope) @ block.weight
            T = T + block.weight.T @ (one.slope * slope.value[0])
    return G, T


def close(actual, expected, tolerance=1e-10):
    assert np.shape(actual) == np.shape(expected)
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_sums_of_dense_ones(case):
    for block in asked(case, np.random.default_rng(case.seed)):
        G, T = dense(case.network, block)
        close(functionals.gradients(case.network, block), G)
        m = functionals.summands(case.network, block)
        close(functionals.weighed(block, m), T)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_variances_by_both_routes_are_dense_ones(case, route):
    """g'A^-1 g, and the representers J A^-1 g."""
    rows, penalty = rows_of(case), Penalty(PENALTY, case.n_outputs)
    blocks = asked(case, np.random.default_rng(case.seed))
    G = np.hstack([functionals.gradients(case.network, one) for one in blocks])
    known = np.hstack([dense(case.network, one)[0] for one in blocks])
    J = jacobian.dense(jacobian.factors(case.network, case.X)).T
    C = dense_inverse(J, rows.weight, penalty.apply(np.ones(J.shape[2])))
    information = ROUTES[route].reduce(rows).penalise(penalty)
    posterior = information.posterior(meat_of(np.eye(1), 1.0))
    V, lost = posterior.gradient_covariance(G)
    assert not lost.any()
    close(V, known.T @ C @ known)
    close(posterior.gradient_variance(G), np.diag(known.T @ C @ known))
    weighted = np.sqrt(rows.weight)[:, None] * J[:, 0]
    close(information.smoother(G), weighted @ C @ known)
