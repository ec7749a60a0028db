"""Groups of parameters, told by their names."""

import numpy as np
import penalised
import pytest
from cases import Case, packed

from sklearn_nnci._network import jacobian, perceptron
from sklearn_nnci._training.groups import groups_of

CASES = [
    Case("tanh", (), n_outputs=2),
    Case("tanh", (4,)),
    Case("tanh", (4, 3), n_outputs=2),
    Case("tanh", (3, 2, 4)),
]
cases = pytest.mark.parametrize("case", CASES, ids=str)


@cases
def test_groups_are_inputs_then_intercepts_and_weights_of_each_layer(case):
    groups, expected = groups_of(case.network), penalised.group_of(case)
    lam = penalised.strengths(case)
    np.testing.assert_array_equal(groups.group_of, expected[expected >= 0])
    sizes = [(expected == g).sum() for g in range(len(lam))]
    np.testing.assert_array_equal(groups.sizes, sizes)
    assert groups.n_groups == len(lam) and groups.n_free == case.n_outputs
    theta = packed(case.network)
    sums = [theta[expected == g].sum() for g in range(len(lam))]
    np.testing.assert_allclose(groups.sums(theta), sums, rtol=1e-13, atol=1e-15)
    diagonal = groups.penalty(lam).apply(np.ones(len(theta)))
    np.testing.assert_array_equal(diagonal, penalised.penalty(case, lam))


@cases
def test_whitened_factors_are_those_of_parameters_of_penalty_1(case):
    """J Lambda^-1/2; the intercepts of the output as they are."""
    groups, lam = groups_of(case.network), penalised.strengths(case)
    F = jacobian.factors(case.network, case.X)
    J = jacobian.dense(groups.whitened(F, lam))
    root = np.sqrt(groups.penalty(lam).apply(np.ones(len(J))))
    root[-case.n_outputs :] = 1.0
    expected = jacobian.dense(F) / root[:, None, None]
    np.testing.assert_allclose(J, expected, rtol=1e-13, atol=1e-15)


@cases
def test_coordinates_have_the_penalty_1_on_raw_data(case):
    """lambda^1/2 theta, on standardised data: the same f, in other units."""
    rng, like, m = np.random.default_rng(3), case.network, case.n_outputs
    groups, lam = groups_of(like), penalised.strengths(case)
    x = rng.normal(size=3) * 10.0, np.array([1e-3, 1.0, 1e5])
    y = rng.normal(size=m) * 1e3, rng.uniform(1.0, 1e4, m)
    at = groups.coordinates(lam, x, y, rng.uniform(0.5, 2.0, m))
    root = np.sqrt(penalised.penalty(case, lam))
    root[-m:] = 1.0
    phi = root * packed(like)
    raw = perceptron.Network(
        *at.raw(*perceptron.unpack(phi, like)[:2]), case.activation, at
    )
    np.testing.assert_allclose(raw.parameters, phi, rtol=1e-10, atol=1e-10)
    f = perceptron.forward(like, case.X)[-1]
    raw_f = perceptron.forward(raw, x[0] + x[1] * case.X)[-1]
    expected = y[0][:, None] + y[1][:, None] * f
    np.testing.assert_allclose(raw_f, expected, rtol=1e-9)
    J = jacobian.dense(jacobian.factors(raw, x[0] + x[1] * case.X)) / y[1][:, None]
    whitened = groups.whitened(jacobian.factors(like, case.X), lam)
    np.testing.assert_allclose(J, jacobian.dense(whitened), rtol=1e-9, atol=1e-10)
