"""The primal route: against 60 digits, certified values, and SVDs of J."""

import mpmath
import numpy as np
import pytest
from cases import Case, dense_inverse, packed, rows_with

from sklearn_nnci._linearized import dual, primal
from sklearn_nnci._linearized.sandwich import meat_of
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Chunk, Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, forward, null_directions
from sklearn_nnci._numerics.rank import null_space_is

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


def test_standard_deviations_of_nist_misra1a():
    """y = b1 (1 - exp(-b2 x)): certified standard deviations of the estimates.

    NIST StRD, nonlinear regression, Misra1a (lower difficulty): at the certified
    b1 = 2.3894212918e2, b2 = 5.5015643181e-4.
    """
    y, x = MISRA1A.T
    b1, b2 = 2.3894212918e2, 5.5015643181e-4
    J = np.column_stack([1 - np.exp(-b2 * x), b1 * x * np.exp(-b2 * x)])
    e = y - b1 * (1 - np.exp(-b2 * x))
    none, one = jacobian.Factors((), (), ()), np.ones(14)
    totals = Totals.of(
        Chunk(none, e[None], one, one[:1], y[:, None], one[None], one[None])
    )
    sums = primal.Primal(None, totals, np.column_stack([J, e]))
    root = sums.penalise(Penalty(0.0, 0)).root
    s2 = e @ e / 12
    assert np.sqrt(s2) == pytest.approx(1.0187876330e-1, rel=1e-9)
    sd = np.sqrt(s2 * np.diag(root.T @ root))
    np.testing.assert_allclose(sd, [2.7070075241, 7.2668688436e-6], rtol=1e-8)


# ------------------------------------------------------------------------------ rank


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


@pytest.mark.parametrize("case", [Case("tanh", (4,)), Case("relu", (4, 3), 2)], ids=str)
def test_a_penalty_of_its_own_for_each_parameter(case):
    """Groups of weights may shrink differently; the dual leaves that to this route."""
    rng, m, network = case.rng, case.n_outputs, case.network
    rows = rows_with(network, case.X, rng.normal(size=(m, 40)), rng.uniform(1, 3, 40))
    p, n_free = network.n_parameters, network.n_intercepts
    penalty = Penalty(10.0 ** rng.uniform(-2, 1, p - n_free), n_free)
    assert dual.reduce(rows).cancels(penalty)
    information = primal.reduce(rows).penalise(penalty)
    Lambda = np.concatenate([penalty.strength, np.zeros(n_free)])
    np.testing.assert_array_equal(penalty.apply(np.ones(p)), Lambda)
    J = jacobian.dense(jacobian.factors(network, case.X)).transpose(2, 1, 0)
    inverse = dense_inverse(J, rows.weight, Lambda)
    expected = np.einsum("nkp,pq,nlq->nkl", J, inverse, J)
    H = np.concatenate([H for _, H in information.rowwise()])
    np.testing.assert_allclose(H, expected, rtol=1e-8, atol=1e-12)
    e = rows.y - forward(network, case.X)[-1].T
    g = np.einsum("n,nkp,nk->p", rows.weight, J, e) - Lambda * packed(network)
    np.testing.assert_allclose(
        J @ information.step(), J @ (inverse @ g), rtol=1e-8, atol=1e-10
    )
