"""Derivatives along x, against complex step, mpmath and differences."""

import mpmath
import numpy as np
import pytest
from cases import Case
from network.test_coordinates import coordinates_for

from sklearn_nnci._network import directional, jacobian, perceptron

HIDDEN = [(), (5,), (4, 3), (4, 3, 2)]
STEP = 1e-100
# act and act', of complex numbers too
SMOOTH = {
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "logistic": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "identity": (lambda z: z, np.ones_like),
}


def complex_jacobian(network, X):
    """f (n, m) and j(x) (n, m, p) of complex rows: backpropagation, written out."""
    act, slope = SMOOTH[network.activation]
    a = [X]
    for W, b in zip(network.coefs[:-1], network.intercepts[:-1], strict=True):
        a.append(act(a[-1] @ W + b))
    f = a[-1] @ network.coefs[-1] + network.intercepts[-1]
    n, m = f.shape
    d = [np.broadcast_to(np.eye(m), (n, m, m))]
    for W, here in zip(network.coefs[:0:-1], a[:0:-1], strict=True):
        d.insert(0, d[0] @ W.T * slope(here)[:, None])
    coefs = [np.einsum("ni,nkj->nkij", x, y) for x, y in zip(a, d, strict=True)]
    return f, np.concatenate([*(c.reshape(n, m, -1) for c in coefs), *d], axis=2)


def along(case):
    return np.random.default_rng(case.seed + 5).normal(size=case.n_features)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", SMOOTH)
def test_equals_complex_step(activation, hidden, n_outputs):
    case = Case(activation, hidden, n_outputs)
    v = along(case)
    found = directional.slope(case.network, case.X, v)
    f, J = complex_jacobian(case.network, case.X + 1j * STEP * v)
    for mine, other in [(found.value.T, f), (found.dense().T, J)]:
        expected = other.imag / STEP
        scale = max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-14 * scale)


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_equals_mpmath(activation):
    """A mixed derivative by 40 digits, of a weight below and one above."""
    case = Case(activation, (2, 2), n_features=2, n_samples=1)
    network, x, v = case.network, case.X[0], along(case)
    theta = perceptron.pack(network.coefs, network.intercepts)

    act = {"tanh": mpmath.tanh, "logistic": lambda z: 1 / (1 + mpmath.exp(-z))}

    def f(t, change, which):  # at the digits of the caller
        moved = [mpmath.mpf(value) for value in theta]
        moved[which] += change
        blocks = perceptron.unpack(np.array(moved), network)
        a = [mpmath.mpf(x[i]) + t * mpmath.mpf(v[i]) for i in range(2)]
        for layer, (W, b) in enumerate(zip(*blocks[:2], strict=True)):
            z = list(np.array(a) @ W + b)
            a = z if layer == 2 else [act[activation](one) for one in z]
        return a[0]

    dense = directional.slope(network, case.X, v).dense()[:, 0, 0]
    for which in (0, 5, 8, 10, 13):
        with mpmath.workdps(40):
            found = mpmath.diff(lambda t, s, k=which: f(t, s, k), (0, 0), (1, 1))
        assert abs(dense[which] - float(found)) <= 1e-14 * max(abs(float(found)), 1)


@pytest.mark.parametrize("hidden", [(4,), (4, 3)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_follows_the_linear_map_of_own_coordinates(activation, hidden):
    """d j_phi = d j_theta T."""
    case = Case(activation, hidden)
    at, p = coordinates_for(case.network), case.network.n_parameters
    units = [perceptron.unpack(unit, case.network) for unit in np.eye(p)]
    T = np.stack([perceptron.pack(*at.directions(*u[:2])) for u in units], axis=1)
    raw = directional.slope(case.network, case.X, along(case))
    own = directional.slope(case.network._replace(coordinates=at), case.X, along(case))
    np.testing.assert_allclose(own.value, raw.value, rtol=1e-14)
    expected = np.einsum("pkn,pq->qkn", raw.dense(), T)
    np.testing.assert_allclose(own.dense(), expected, atol=1e-12)


def test_relu_equals_differences_away_from_kinks():
    case = Case("relu", (6, 4), n_samples=300)
    v, h = along(case), 1e-6
    found = directional.slope(case.network, case.X, v)
    J = [
        jacobian.dense(jacobian.factors(case.network, case.X + s * h * v))
        for s in (1, -1)
    ]
    expected = (J[0] - J[1]) / (2 * h)
    off = np.abs(found.dense() - expected).max(axis=(0, 1))
    assert np.mean(off < 1e-8) > 0.99


def test_weighted_sums_are_products_with_the_dense_derivative():
    case = Case("tanh", (4, 3), n_outputs=2)
    at = coordinates_for(case.network)
    found = directional.slope(
        case.network._replace(coordinates=at), case.X, along(case)
    )
    r = np.random.default_rng(0).normal(size=found.value.shape)
    expected = np.einsum("pkn,kn->p", found.dense(), r)
    np.testing.assert_allclose(found.vjp(r), expected, rtol=1e-12, atol=1e-12)
