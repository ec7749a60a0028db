"""What the dual route says of J without building it, against J built."""

import numpy as np
import pytest
from cases import Case, rows_with
from scipy import linalg

from sklearn_nnci._linearized import dual, dual_posterior, primal
from sklearn_nnci._linearized.sandwich import meat_of
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian


def weighted(case, seed=0, network=None, scale=None):
    """Rows of weights 1 to 3, and their weighted Jacobian (N, p)."""
    rng, m = np.random.default_rng(seed), case.n_outputs
    w = rng.integers(1, 4, case.n_samples).astype(float)
    e = rng.normal(size=(m, case.n_samples))
    rows = rows_with(network or case.network, case.X, e, w, scale)
    Jt = jacobian.dense(rows.chunk(weighted=True).factors)
    return rows, Jt.reshape(len(Jt), -1).T


# -------------------------------------------------------------------------------- rank

NARROW = [
    Case("tanh", (40,), n_samples=60, n_features=1),
    Case("logistic", (20,), n_features=2),
    Case("relu", (60,), n_samples=90, n_features=1),
    Case("tanh", (8, 12), n_samples=70, n_features=2),
    Case("identity", (12,)),
    Case("relu", (4, 30), n_outputs=2, n_samples=60),
    Case("tanh", (60,), n_samples=50),  # certainly of full rank
]


@pytest.mark.parametrize("case", NARROW, ids=str)
@pytest.mark.parametrize("buffer", [1, 2**25])
def test_rank_is_that_of_an_svd(case, buffer, monkeypatch):
    """But for singular values that rounding may put on either side."""
    monkeypatch.setattr(dual, "BUFFER_BYTES", buffer)
    rows, J = weighted(case)
    N, p = J.shape
    assert N < 0.75 * p
    floor = np.finfo(float).eps * p * np.linalg.norm(J)
    values = linalg.svdvals(J)
    least, most = (int(np.sum(values > floor * factor)) for factor in (3.0, 1 / 3.0))
    found = dual.reduce(rows).rank()
    assert least <= found <= most
    assert abs(primal.reduce(rows).rank() - found) <= most - least
    assert most - least <= 0.1 * N


def test_equal_rows_count_once():
    case = Case("tanh", (60,), n_samples=50)
    rows, J = weighted(case)
    twice = rows._replace(X=np.vstack([rows.X[:25]] * 2))
    assert dual.reduce(twice).rank() == 25 < np.linalg.matrix_rank(J)


def test_columns_come_in_any_order_but_all_of_them():
    rows, J = weighted(Case("tanh", (5, 7), n_outputs=2, n_samples=9))
    parts = np.hstack(list(dual.reduce(rows)._parameters()))
    np.testing.assert_allclose(parts @ parts.T, J @ J.T, rtol=1e-12, atol=1e-12)
    assert parts.shape == J.shape


# --------------------------------------------------------------------------- condition


# Of these the penalty is so small that it cancels: the route is refused.
CANCELLING = {
    13, 26, 31, 35, 44, 50, 70, 71, 73, 79, 82, 88, 92, 107, 108, 110, 126, 162, 165,
    168, 170, 189, 196, 197,
}  # fmt: skip


@pytest.mark.parametrize("seed", sorted(set(range(200)) - CANCELLING))
def test_condition_number_is_a_bound(seed):
    """Of [J; Lambda^1/2] in the free directions that J has, and not a wild one."""
    rng = np.random.default_rng(seed)
    m, hidden = int(rng.integers(1, 4)), tuple(map(int, rng.integers(2, 30, 2)))
    case = Case(
        ["relu", "tanh"][seed % 2], hidden[: 1 + seed % 3 // 2], m,
        int(rng.integers(3, 25)), int(rng.integers(1, 5)), seed,
    )  # fmt: skip
    size = 10.0 ** rng.uniform(-1, 1)
    network = case.network
    network = network._replace(coefs=tuple(size * W for W in network.coefs))
    rows, J = weighted(case, seed, network, 10.0 ** rng.uniform(-1, 1, m))
    penalty = Penalty(
        10.0 ** rng.uniform(-8, 0), network.n_intercepts if seed % 4 else m
    )
    sums = dual.reduce(rows)
    assert not sums.cancels(penalty)
    p, free = J.shape[1], penalty.n_free
    _, s, Vt = linalg.svd(J[:, p - free :])
    seen = Vt[: int(np.sum(s > np.finfo(float).eps * max(len(J), free) * s[0]))]
    M = np.vstack([J, np.diag(np.sqrt(penalty.apply(np.ones(p))))])
    M = np.hstack([M[:, : p - free], M[:, p - free :] @ seen.T])
    found = sums.penalise(penalty).condition
    assert found >= np.linalg.cond(M) * (1.0 - 1e-6)
    assert found <= np.linalg.cond(M) * 2.0 * np.linalg.norm(J) / linalg.svdvals(J)[0]


# ------------------------------------------------------------ queries, by dense algebra


def smoother_and_covariance(J, Jq, penalty):
    """(J A^-1 j, j'A^-1 j) of queries, Jq' = M'x: x of least norm is M A^-1 Jq'."""
    M = np.vstack([J, np.diag(np.sqrt(penalty.apply(np.ones(J.shape[1]))))])
    x = np.linalg.lstsq(M.T, Jq.T, rcond=None)[0]
    return x[: len(J)], x.T @ x


def posterior_of(rows, penalty, prior=1.0):
    information = dual.reduce(rows).penalise(penalty)
    return information.posterior(meat_of(np.eye(rows.network.n_outputs), prior))


@pytest.mark.parametrize("hidden", [(2,), (5,), (2, 6), (6, 2)])
def test_free_are_the_intercepts_of_the_outputs_only(hidden):
    """However many units the layers below have: evidence, queries off the rows."""
    case = Case("tanh", hidden, n_outputs=3, n_samples=4)
    rows, J = weighted(case)
    query = jacobian.factors(case.network, case.rng.normal(size=(5, 3)) * 2)
    Jq = jacobian.dense(query).reshape(J.shape[1], -1).T
    posterior = posterior_of(rows, Penalty(0.1, 3))
    expected = smoother_and_covariance(J, Jq, Penalty(0.1, 3))[1]
    np.testing.assert_allclose(posterior.variance(query).ravel(), np.diag(expected))
    np.testing.assert_allclose(posterior.covariance(query)[0], expected, atol=1e-9)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("prior", [1.0, 0.0])
def test_variance_of_queries_that_the_rows_nearly_determine(n_outputs, prior):
    """Less than a millionth of the prior is left, partly by the penalty."""
    case = Case("tanh", (40,), n_outputs, n_samples=12)
    rows, J = weighted(case)
    penalty = Penalty(1e-8 * np.sum(J**2) / len(J), n_outputs)
    query = jacobian.factors(
        case.network, case.X + 1e-3 * case.rng.normal(size=(12, 3))
    )
    Jq = jacobian.dense(query).reshape(J.shape[1], -1).T
    a, V = smoother_and_covariance(J, Jq, penalty)
    left, v = np.diag(V - a.T @ a), np.diag(V)
    own = np.sum(Jq[:, :-n_outputs] ** 2, axis=1) / penalty.strength
    assert ((v < dual_posterior.CANCELLATION * own) & (left > 0.2 * v)).any()
    expected = V if prior else a.T @ a
    posterior = posterior_of(rows, penalty, prior)
    found = posterior.variance(query).ravel(), posterior.covariance(query)[0]
    np.testing.assert_allclose(found[0], np.diag(expected), rtol=1e-10)
    np.testing.assert_allclose(found[1], expected, atol=1e-10 * expected.max())
