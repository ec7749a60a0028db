"""Parameters in units of their own: the same function, other derivatives."""

import numpy as np
import pytest
from cases import Case
from scipy import linalg

from sklearn_nnci._network import jacobian, perceptron
from sklearn_nnci._network.coordinates import Coordinates

CASES = [
    Case("tanh", (), n_outputs=2),
    Case("tanh", (4,)),
    Case("relu", (4, 3), n_outputs=2),
    Case("logistic", (3, 2, 4)),
]


def coordinates_for(network):
    """Return coordinates that leave nothing as it was."""
    rng, L = np.random.default_rng(7), len(network.coefs)
    d, m = len(network.coefs[0]), network.n_outputs
    numbers = [rng.uniform(0.3, 3.0) for _ in range(2 * L - 1)]
    inputs = (rng.uniform(0.1, 10.0, d), *numbers[: L - 1])
    return Coordinates(
        rng.normal(size=d), inputs, (*numbers[L:], 1.0),
        rng.normal(size=m), rng.uniform(0.5, 5.0, m), np.ones(m),
    )  # fmt: skip


def standardised_output(V, v, activation, at, X):
    """The network written out in its own parameters: an independent route."""
    act = perceptron.ACTIVATIONS[activation]
    a = (X - at.location).T
    for layer, (W, b) in enumerate(zip(V, v, strict=True)):
        S = np.reshape(at.inputs[layer], (-1, 1))
        z = W.T @ (S * a) + at.constants[layer] * b[:, None]
        a = act(z) if layer < len(V) - 1 else z
    return at.target[:, None] + at.outputs[:, None] * a


@pytest.mark.parametrize("case", CASES, ids=str)
def test_own_parameters_give_the_same_function(case):
    network = case.network
    at = coordinates_for(network)
    V, v = at.own(network.coefs, network.intercepts)
    f = standardised_output(V, v, case.activation, at, case.X)
    expected = perceptron.forward(network, case.X)[-1]
    np.testing.assert_allclose(f, expected, rtol=1e-12, atol=1e-12)
    for there, here in zip(at.raw(V, v), network[:2], strict=True):
        for one, two in zip(there, here, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_jacobian_is_the_derivative_by_own_parameters(case):
    network = case.network
    at = coordinates_for(network)
    V, v = at.own(network.coefs, network.intercepts)
    phi, like = perceptron.pack(V, v), perceptron.Network(V, v, case.activation)
    moved = network._replace(coordinates=at)
    np.testing.assert_array_equal(moved.parameters, phi)
    F = jacobian.factors(moved, case.X)
    J, h = jacobian.dense(F), 1e-6
    for j in range(len(phi)):
        ends = []
        for sign in (1.0, -1.0):
            there = phi.copy()
            there[j] += sign * h
            blocks = perceptron.unpack(there, like)[:2]
            ends.append(standardised_output(*blocks, case.activation, at, case.X))
        expected = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(J[j], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_jacobian_follows_the_linear_map(case):
    """J_phi = J_theta T, T by its columns."""
    network = case.network
    at, p = coordinates_for(network), network.n_parameters
    units = [perceptron.unpack(unit, network) for unit in np.eye(p)]
    T = np.stack([perceptron.pack(*at.directions(*u[:2])) for u in units], axis=1)
    raw = jacobian.dense(jacobian.factors(network, case.X))
    own = jacobian.dense(jacobian.factors(network._replace(coordinates=at), case.X))
    np.testing.assert_allclose(own, np.einsum("pkn,pq->qkn", raw, T), atol=1e-12)
    # All directions at once, as columns of blocks.
    blocks = [
        np.moveaxis(np.stack([u[kind][layer] for u in units]), 0, -1)
        for kind in (0, 1)
        for layer in range(len(network.coefs))
    ]
    L = len(network.coefs)
    W, b = at.directions(blocks[:L], blocks[L:])
    stacked = np.concatenate([np.reshape(M, (-1, p)) for M in (*W, *b)])
    np.testing.assert_allclose(stacked, T, atol=1e-14)


@pytest.mark.parametrize("n_free", ["output", "all"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_products_of_factors_are_those_of_the_dense_jacobian(case, n_free):
    network = case.network
    network = network._replace(coordinates=coordinates_for(network))
    n_free = network.n_outputs if n_free == "output" else network.n_intercepts
    F = jacobian.factors(network, case.X)
    p, m, n = F.shape
    J = jacobian.dense(F).reshape(p, m * n)
    rng = np.random.default_rng(3)
    v, r = rng.normal(size=p), rng.normal(size=(m, n))
    towards = perceptron.unpack(v, network)
    np.testing.assert_allclose(
        jacobian.jvp(F, towards).ravel(), v @ J, rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(
        jacobian.vjp(F, r), J @ r.ravel(), rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(
        jacobian.intercept_columns(F, n_free), J[p - n_free :], rtol=1e-12
    )
    kept = J[: p - n_free]
    K = jacobian.tangent_kernel(F, F, n_free)
    np.testing.assert_allclose(K, kept.T @ kept, rtol=1e-10, atol=1e-10)
    blocks = jacobian.tangent_kernel_diagonal(F, n_free)
    dense = K.reshape(m, n, m, n).transpose(1, 3, 0, 2)[np.arange(n), np.arange(n)]
    np.testing.assert_allclose(blocks, dense, rtol=1e-10, atol=1e-10)


def test_null_directions_of_relu_are_null_by_own_parameters():
    case = Case("relu", (4, 3), n_samples=200)
    network = case.network
    network = network._replace(coordinates=coordinates_for(network))
    Z = perceptron.null_directions(network)
    J = jacobian.dense(jacobian.factors(network, case.X))[:, 0]
    assert len(Z) == 7
    assert np.abs(Z @ J).max() < 1e-12 * linalg.norm(J)
