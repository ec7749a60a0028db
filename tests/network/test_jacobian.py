"""The Jacobian, against complex step, central differences and its dense self."""

import numpy as np
import pytest
import sklearn
from cases import ACTIVATION, Case, differences, output, packed
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sklearn_nnci._network import jacobian, perceptron

HIDDEN = [(), (5,), (4, 3), (4, 3, 2), (3, 4, 3, 2)]
SMOOTH = {
    "tanh": np.tanh,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


def dense_of(case, X=None):
    F = jacobian.factors(case.network, case.X if X is None else X)
    return jacobian.dense(F).T


def complex_step(case, monkeypatch):
    """Im f(theta + i h e_j) / h: no subtraction, hence exact to rounding."""
    monkeypatch.setitem(ACTIVATION, case.activation, SMOOTH[case.activation])
    theta, h, columns = packed(case.network), 1e-100, []
    for j in range(len(theta)):
        moved = theta.astype(complex)
        moved[j] += 1j * h
        columns.append(output(moved, case, case.X).imag / h)
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", SMOOTH)
def test_equals_complex_step(activation, hidden, n_outputs, monkeypatch):
    case = Case(activation, hidden, n_outputs)
    J, expected = dense_of(case), complex_step(case, monkeypatch)
    assert J.shape == expected.shape
    assert np.abs(J - expected).max() <= 1e-14 * np.abs(expected).max()


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_relu_equals_central_differences_away_from_kinks(hidden, n_outputs):
    case = Case("relu", hidden, n_outputs)
    activations = perceptron.forward(case.network, case.X)
    pre = [
        W.T @ a + b[:, None]
        for W, b, a in zip(
            case.network.coefs[:-1], case.network.intercepts[:-1], activations[:-2],
            strict=True,
        )
    ]  # fmt: skip
    away = np.all([np.abs(z).min(axis=0) > 1e-3 for z in pre], axis=0)
    away = away if hidden else np.ones(case.n_samples, dtype=bool)
    assert away.sum() > case.n_samples / 2
    J, expected = dense_of(case)[away], differences(case, case.X)[away]
    assert np.abs(J - expected).max() <= 1e-9 * np.abs(expected).max()


def test_output_is_that_of_the_definition(case):
    f = perceptron.forward(case.network, case.X)[-1]
    np.testing.assert_allclose(
        f.T, output(packed(case.network), case, case.X), atol=1e-14
    )


def test_products_and_grams_equal_the_dense_ones(case):
    F, J = jacobian.factors(case.network, case.X), dense_of(case)
    _, m, n = F.shape
    rng = np.random.default_rng(1)
    v, r = rng.normal(size=J.shape[2]), rng.normal(size=(m, n))
    tolerance = dict(rtol=1e-12, atol=1e-12)
    Jv = jacobian.jvp(F, perceptron.unpack(v, case.network))
    np.testing.assert_allclose(Jv, (J @ v).T, **tolerance)
    np.testing.assert_allclose(
        jacobian.vjp(F, r), np.einsum("nkp,kn->p", J, r), **tolerance
    )
    rows = J.transpose(1, 0, 2).reshape(m * n, -1)
    for n_free in (case.network.n_intercepts, m):
        penalised = rows[:, :-n_free]
        K = penalised @ penalised.T
        found = jacobian.tangent_kernel(F, F, n_free)
        np.testing.assert_allclose(found, K, **tolerance)
        blocks = np.einsum("knln->nkl", K.reshape(m, n, m, n))
        diagonal = jacobian.tangent_kernel_diagonal(F, n_free)
        np.testing.assert_allclose(diagonal, blocks, **tolerance)
        free = jacobian.intercept_columns(F, n_free)
        np.testing.assert_array_equal(free, rows[:, -n_free:].T)


def test_seed_scales_and_mixes_outputs():
    case = Case("tanh", (4, 3), n_outputs=3)
    M = np.random.default_rng(2).normal(size=(3, 2))
    scale = np.random.default_rng(3).uniform(1, 2, case.n_samples)
    F = jacobian.factors(case.network, case.X, M[:, :, None] * scale)
    expected = np.einsum("nkp,kl,n->nlp", dense_of(case), M, scale)
    np.testing.assert_allclose(jacobian.dense(F).T, expected, atol=1e-13)


def test_chunks_sparse_rows_and_a_small_working_memory_change_nothing():
    case = Case("tanh", (6,), n_samples=300)
    whole = dense_of(case)
    with sklearn.config_context(working_memory=1e-9):
        parts = [
            jacobian.dense(F).T
            for _, F in jacobian.stream(case.network, sparse.csr_array(case.X))
        ]
    assert len(parts) > 1
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-14, atol=1e-15)


@settings(max_examples=25, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 5), max_size=3).map(tuple),
    n_outputs=st.integers(1, 3),
    n_features=st.integers(1, 4),
    n_samples=st.integers(1, 6),
    seed=st.integers(0, 2**16),
)
def test_any_architecture_equals_central_differences(
    hidden, n_outputs, n_features, n_samples, seed
):
    case = Case("tanh", hidden, n_outputs, n_samples, n_features, seed)
    expected = differences(case, case.X)
    np.testing.assert_allclose(dense_of(case), expected, atol=1e-8)


def test_unit_permutation_and_sign_flip_permute_columns():
    """tanh networks do not change under either; nor may leverages."""
    case = Case("tanh", (3,), n_samples=50)
    (W1, W2), (b1, b2) = case.network.coefs, case.network.intercepts
    twin = perceptron.Network(
        (-W1[:, [2, 0, 1]], -W2[[2, 0, 1]]), (-b1[[2, 0, 1]], b2), "tanh"
    )
    leverages = []
    for network in (case.network, twin):
        J = jacobian.dense(jacobian.factors(network, case.X)).T[:, 0]
        leverages.append(np.diag(J @ np.linalg.pinv(J)))
    np.testing.assert_allclose(*leverages, atol=1e-9)


def test_parameter_names_follow_the_packing_order():
    network = Case("tanh", (2,), n_features=1).network
    names = perceptron.parameter_names(network)
    assert names == [
        "coefs_[0][0, 0]", "coefs_[0][0, 1]", "coefs_[1][0, 0]", "coefs_[1][1, 0]",
        "intercepts_[0][0]", "intercepts_[0][1]", "intercepts_[1][0]",
    ]  # fmt: skip
    theta = perceptron.pack(network.coefs, network.intercepts)
    for name, value in zip(names, theta, strict=True):
        attribute, _, index = name.partition("_[")
        assert eval(f"network.{attribute}[{index}") == value
