"""Where settling ends: a stationary point of F, never higher than before."""

import numpy as np
import penalised
import pytest
from cases import Case, packed

from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._training import settle as settling
from sklearn_nnci._training.groups import groups_of
from sklearn_nnci._training.objective import Objective

UNITS = np.array([0.4, 1.3])
CASES = {
    "linear": Case("tanh", (), n_outputs=2),
    "few parameters": Case("tanh", (4,), n_samples=60),
    "two outputs": Case("tanh", (3,), n_outputs=2, n_samples=60),
    "deeper": Case("tanh", (3, 3), n_samples=60),
    "few rows": Case("tanh", (20,), n_samples=15),
    "few rows, deeper, two outputs": Case("tanh", (6, 4), n_outputs=2, n_samples=15),
    "relu": Case("relu", (5,), n_samples=60),
}


def problem(case):
    """(objective, arguments of `penalised.value`, noise variance)."""
    rng, groups, m = np.random.default_rng(1), groups_of(case.network), case.n_outputs
    units, s2 = UNITS[:m], 0.01
    mean = np.sin(case.X[:, :1]) * np.arange(1, m + 1) + 0.3 * case.X[:, -1:]
    y = mean + np.sqrt(s2) * units * rng.normal(size=(case.n_samples, m))
    w, lam = rng.uniform(0.3, 2.0, case.n_samples), penalised.strengths(case, -3, 0)
    weight = w / units[:, None] ** 2
    F = Objective(
        case.network, case.X, y.T, weight, groups.penalty(lam), LOSSES["squared_error"]
    )
    return F, (case.X, y, w, lam, units), s2


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """From where tuning stops 50 steps will do, but these cases start anywhere."""
    monkeypatch.setattr(settling, "MOST_STEPS", 400)


def settled(case, point=None):
    F, args, s2 = problem(case)
    point = F.at(packed(case.network)) if point is None else point
    return settling.settle(F, point, groups_of(case.network), args[3], s2)


@pytest.mark.parametrize("name", CASES)
def test_the_end_is_stationary_and_no_higher(name):
    case = CASES[name]
    _, args, s2 = problem(case)
    end, before = settled(case), penalised.value(case, packed(case.network), *args)
    assert penalised.value(case, end.point.theta, *args) < before
    if name == "relu":
        assert end.reason in ("gradient vanished", "kink of relu")
        return
    assert end.reason == "gradient vanished"
    X, _, w, lam, units = args
    g = penalised.gradient(case, end.point.theta, *args)
    J = penalised.weighted_jacobian(case, end.point.theta, X, w, units)
    A = J.T @ J + np.diag(penalised.penalty(case, lam))
    # what is left of the offset, in the metric of the confidence region
    assert g @ np.linalg.solve(A, g) < 5.0 * settling.LEAST_GAIN * s2


@pytest.mark.parametrize("name", CASES)
def test_from_the_end_there_is_nowhere_to_go(name):
    case = CASES[name]
    end = settled(case)
    again = settled(case, end.point)
    assert again.steps <= (2 if name == "relu" else 1)
    np.testing.assert_allclose(again.point.f, end.point.f, atol=2e-3)


@pytest.mark.parametrize("name", ["two outputs", "deeper", "few rows"])
def test_curvature_is_the_hessian(name):
    """A - S by differences of gradients that are exact."""
    case = CASES[name]
    F, args, _ = problem(case)
    theta, lam = packed(case.network), args[3]
    hessian, h = np.empty((len(theta),) * 2), 1e-6
    for j, unit in enumerate(np.eye(len(theta))):
        ends = (
            penalised.gradient(case, theta + sign * h * unit, *args) for sign in (1, -1)
        )
        hessian[j] = np.subtract(*ends) / (2.0 * h)
    found = settling._curvature(F, F.at(theta), groups_of(case.network))[0]
    at = found.grams.sum(axis=0) + np.diag(penalised.penalty(case, lam))
    scale = np.abs(hessian).max()
    np.testing.assert_allclose(at, hessian, atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["few parameters", "few rows"])
def test_many_parameters_settle_without_second_derivatives(name, monkeypatch):
    case = CASES[name]
    expected, before = settled(case), packed(case.network)
    monkeypatch.setattr(settling, "MOST_PARAMETERS", 0)
    args = (case, *problem(case)[1])
    value = penalised.value(case, settled(case).point.theta, *args[1:])
    assert value < penalised.value(case, before, *args[1:])
    assert value == pytest.approx(
        penalised.value(case, expected.point.theta, *args[1:]), rel=0.01
    )


@pytest.mark.parametrize("away", [0.0, 1.0])
def test_negative_curvature_ends_too(away):
    """A saddle where J is 0 but for the intercept of the output, and far from any fit:

    there A - S has a negative trace, which is no unit for damping.
    """
    case = Case("tanh", (2,), n_samples=30)
    F, (X, _, w, lam, units), s2 = problem(case)
    y = 1e4 * (1.0 + np.tanh(X[:, :1]))
    theta = np.zeros(case.network.n_parameters)
    theta[-1] = w @ y[:, 0] / w.sum() * (1.0 - away)
    theta[6:8], theta[8:10] = away, -0.7 * away
    F = F._replace(y=y.T)
    point, groups = F.at(theta), groups_of(case.network)
    curvature, unit = settling._curvature(F, point, groups)
    assert unit > 0.0
    assert np.trace(curvature.grams[0][:-1, :-1]) <= 0.0
    args = (X, y, w, lam, units)
    end = settling.settle(F, point, groups, lam, s2)
    before, after = (
        penalised.value(case, at, *args) for at in (theta, end.point.theta)
    )
    assert after < (0.1 if away else 1.0 + 1e-12) * before
