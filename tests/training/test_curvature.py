"""What J says of penalties and of steps: by A, by V, and by the definitions."""

import itertools

import mpmath
import numpy as np
import penalised
import pytest
from cases import Case, packed

from sklearn_nnci._network import jacobian
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._training import curvature
from sklearn_nnci._training.groups import groups_of
from sklearn_nnci._training.objective import Objective

UNITS = np.array([0.4, 1.3])
SHAPES = [((), 1), ((), 2), ((4,), 1), ((3,), 2), ((3, 2), 1), ((2, 3, 2), 2)]


def n_parameters(hidden, m, d=3):
    return sum((a + 1) * b for a, b in itertools.pairwise((d, *hidden, m)))


def case_of(hidden, m, rows):
    """A case of p + `rows` rows and outputs together, or as near as outputs allow."""
    n = (n_parameters(hidden, m) + rows) // m
    return Case("tanh", hidden, n_outputs=m, n_samples=n, seed=len(hidden))


def problem(case):
    """Weights, units, lambda_g."""
    rng = np.random.default_rng(9)
    w = rng.uniform(0.2, 3.0, case.n_samples)
    return w, UNITS[: case.n_outputs], penalised.strengths(case)


def both(case, w, units):
    """The two routes, and the one that is chosen."""
    network, groups = case.network, groups_of(case.network)
    y = case.rng.normal(size=(case.n_outputs, case.n_samples))
    weight = w / units[:, None] ** 2 if case.n_outputs > 1 else w / units[0] ** 2
    penalty = groups.penalty(penalised.strengths(case))
    F = Objective(network, case.X, y, weight, penalty, LOSSES["squared_error"])
    point = F.at(packed(network))
    primal = curvature.primal_at(F, point, groups)
    root = np.sqrt(weight) + np.zeros(y.shape)
    factors = jacobian.factors(network, case.X, np.eye(len(y))[:, :, None] * root)
    dual = curvature.Dual(factors, network, groups)
    return primal, dual, curvature.curvature_at(F, point, groups)


def dense(case, w, units, lam):
    """(gamma of each parameter, edf, log det, A) by the definitions."""
    J = penalised.weighted_jacobian(case, packed(case.network), case.X, w, units)
    index, m = penalised.group_of(case), case.n_outputs
    A = J.T @ J + np.diag(penalised.penalty(case, lam))
    inverse, sizes = np.linalg.inv(A), np.bincount(index[index >= 0])
    gamma = 1.0 - penalised.penalty(case, lam) * np.diag(inverse)
    H = np.diag(J @ inverse @ J.T).reshape(m, -1).sum(axis=1)
    log_det = np.linalg.slogdet(A)[1] - sizes @ np.log(lam)
    return gamma, H, log_det, A


@pytest.mark.parametrize("rows", [-3, -1, 0, 1, 40])
@pytest.mark.parametrize("hidden, m", SHAPES)
def test_both_routes_are_the_definitions(hidden, m, rows):
    case = case_of(hidden, m, rows)
    w, units, lam = problem(case)
    each, edf, log_det, A = dense(case, w, units, lam)
    index = penalised.group_of(case)
    free, gamma = index < 0, [each[index == g].sum() for g in range(len(lam))]
    J2 = np.diag(A)[~free] - penalised.penalty(case, lam)[~free]
    g, mu = np.random.default_rng(4).normal(size=len(A)), 0.3
    step = np.linalg.solve(A + np.diag(np.where(free, 0.0, mu)), g)
    *routes, chosen = both(case, w, units)
    few = case.n_samples * m < len(A)
    assert isinstance(chosen, curvature.Dual if few else curvature.Primal)
    for route in routes:
        found = route.determined(lam)
        np.testing.assert_allclose(found.gamma, gamma, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.edf, edf, rtol=1e-9)
        assert found.log_det == pytest.approx(log_det, rel=1e-9, abs=1e-10)
        np.testing.assert_allclose(route.by_parameter(lam), each, rtol=1e-9, atol=1e-12)
        assert route.unit == pytest.approx(J2.mean(), rel=1e-12)
        for given, expected in ((mu, step), (0.0, np.linalg.solve(A, g))):
            np.testing.assert_allclose(
                route.step(g, lam, given), expected, rtol=1e-9, atol=1e-10
            )


def exactly(case, w, units, lam):
    """gamma, log det of the definitions, in 40 digits."""
    with mpmath.workdps(40):
        J = penalised.weighted_jacobian(case, packed(case.network), case.X, w, units)
        J, index = mpmath.matrix(J.tolist()), penalised.group_of(case)
        A = J.T * J + mpmath.diag([float(v) for v in penalised.penalty(case, lam)])
        inverse, each = A**-1, range(len(lam))
        gamma = []
        for g in each:
            members = np.flatnonzero(index == g)
            trace = mpmath.fsum(inverse[int(k), int(k)] for k in members)
            gamma.append(float(len(members) - mpmath.mpf(lam[g]) * trace))
        logs = mpmath.fsum(mpmath.log(lam[g]) for g in index if g >= 0)
        return np.array(gamma), float(mpmath.log(mpmath.det(A)) - logs)


@pytest.mark.parametrize(
    "hidden, m, rows", [((3,), 1, -6), ((2, 2), 2, 1), ((2,), 1, 9)]
)
def test_digits_where_groups_are_pruned_and_others_hardly_penalised(hidden, m, rows):
    """lambda from 1e-6 to 1e5: the absolute error of gamma is what updates see."""
    case = case_of(hidden, m, rows)
    w, units, _ = problem(case)
    lam = np.resize([1e5, 1e-6, 1e-3, 1.0], penalised.n_groups(case))
    gamma, log_det = exactly(case, w, units, lam)
    for route in both(case, w, units)[:2]:
        found = route.determined(lam)
        np.testing.assert_allclose(found.gamma, gamma, atol=1e-9)
        assert found.log_det == pytest.approx(log_det, rel=1e-9)


@pytest.mark.parametrize("rows", [-4, 10])
def test_other_units_need_no_other_pass(rows):
    case = case_of((3,), 2, rows)
    w, units, lam = problem(case)
    other = np.array([2.0, 0.3])
    g = np.random.default_rng(4).normal(size=case.network.n_parameters)
    for route, anew in zip(both(case, w, units), both(case, w, other), strict=True):
        moved = route.in_units(other / units)
        assert moved.unit == pytest.approx(anew.unit, rel=1e-12)
        for one, two in zip(moved.determined(lam), anew.determined(lam), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
        one, two = moved.step(g, lam, 0.1), anew.step(g, lam, 0.1)
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11)
