"""White's test on the tangent space: dense least squares, copies of rows, its level."""

import numpy as np
import pytest
from cases import CONVERGED, Case, rows_with, sine_data
from scipy import sparse, stats
from sklearn import config_context
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._inference import misfit as module
from sklearn_nnci._inference.misfit import NOT_TESTED, misfit
from sklearn_nnci._linearized.partitions import partitions
from sklearn_nnci._linearized.route import factorise, reduce_within_memory
from sklearn_nnci._linearized.training_rows import Penalty, Rows
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, forward

CASES = [
    Case("tanh", (), n_samples=60),
    Case("logistic", (4,), n_samples=80),
    Case("relu", (5,), n_samples=90),
    Case("tanh", (3,), n_samples=90, n_outputs=2),
    Case("relu", (4, 3), n_samples=120, n_outputs=3),
    Case("identity", (3,), n_samples=60),
]


def fit_of(rows, strength=1e-2):
    """The fit in use, which tells nothing but its rank and degrees of freedom."""
    penalty = Penalty(strength, rows.network.n_intercepts)
    fit = factorise(reduce_within_memory(rows), penalty)
    assert fit.share < module.LARGEST_SHARE
    return fit


def found_in(rows):
    return misfit(fit_of(rows))


def some_rows(case, w=None, seed=1):
    e = np.random.default_rng(seed).normal(size=(case.n_outputs, case.n_samples))
    return rows_with(case.network, case.X, e, w)


def trained(X, y, h):
    """A network of h units of tanh, or none."""
    parameters = dict(activation="tanh", alpha=1e-4, **CONVERGED)
    net = MLPRegressor(hidden_layer_sizes=(h,) if h else (), **parameters).fit(X, y)
    return Network(tuple(net.coefs_), tuple(net.intercepts_), "tanh")


def copied(rows):
    """Rows of weight k, as k rows."""
    times = np.repeat(np.arange(rows.size), rows.weight.astype(int))
    return rows._replace(
        X=rows.X[times], y=rows.y[times], weight=np.ones(len(times))
    )  # fmt: skip


def beyond(J, Z):
    """What least squares on the columns of J leaves of Z."""
    J = J / np.maximum(np.linalg.norm(J, axis=0), 1e-300)
    return Z - J @ np.linalg.lstsq(J, Z, rcond=1e-7)[0], np.linalg.matrix_rank(J, 1e-7)


def dense_units(X):
    """tanh(a'z - c) at the rows of X, by sorted columns."""
    rng, d = np.random.default_rng(module.SEED), X.shape[1]
    a = rng.standard_normal((module.UNITS, d))
    lengths = 2.0 * rng.uniform(0.5, 1.5, (module.UNITS, 1))
    a = a / np.linalg.norm(a, axis=1, keepdims=True) * lengths
    levels = rng.uniform(size=module.UNITS)
    seen = (X - X.mean(axis=0)) / X.std(axis=0) @ a.T
    bends = np.quantile(seen, levels, axis=0, method="inverted_cdf")
    return np.tanh(seen - np.diag(bends))


def dense(rows):
    """(p-value, F) of the output with the least, all rows of weight 1."""
    n, m = rows.y.shape
    f = forward(rows.network, rows.X)[-1]
    root = np.exp(f / 2.0) if rows.loss == "poisson" else np.ones((m, n))
    mean = root**2 if rows.loss == "poisson" else f
    Jt = jacobian.dense(jacobian.factors(rows.network, rows.X))
    found = []
    for k in range(m):
        J = Jt[:, k].T * root[k][:, None]
        e = (rows.y[:, k] - mean[k]) / root[k]
        left, rank = beyond(J, dense_units(rows.X) * root[k][:, None])
        V = np.linalg.svd(left)[0][:, :10]
        small, large = (np.sum(beyond(B, e)[0] ** 2) for B in (np.hstack([J, V]), J))
        dof = n - rank - 10
        F = (large - small) / 10 / (small / dof)
        found.append((stats.f.sf(F, 10, dof), F, dof))
    p_value, F, dof = min(found)
    return min(1.0, m * p_value), F, dof


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_f_test_of_least_squares(case):
    w = np.random.default_rng(2).integers(1, 4, case.n_samples).astype(float)
    rows = some_rows(case, w)
    found = found_in(rows)
    p_value, F, dof = dense(copied(rows))
    assert found.statistic == pytest.approx(F, rel=1e-9)
    assert found.p_value == pytest.approx(p_value, rel=1e-8)
    assert (found.components, found.dof) == (10, dof)
    exceeded = stats.f.sf(found.critical, 10, dof)
    assert case.n_outputs * exceeded == pytest.approx(0.01)


def test_poisson_tests_residuals_of_pearson():
    case = Case("tanh", (3,), n_samples=100)
    mean = np.exp(forward(case.network, case.X)[-1])
    y = np.random.default_rng(0).poisson(mean).astype(float).T
    rows = Rows(case.network, case.X, y, np.ones(100), np.ones(1), "poisson")
    found = found_in(rows)
    assert (found.p_value, found.statistic) == pytest.approx(dense(rows)[:2], rel=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_neither_the_order_of_rows_nor_copies_matter(case):
    rng = np.random.default_rng(3)
    w = rng.integers(1, 4, case.n_samples).astype(float)
    rows, order = some_rows(case, w), rng.permutation(case.n_samples)
    moved = rows._replace(X=rows.X[order], y=rows.y[order], weight=w[order])
    chosen = rows._replace(index=order)
    few_at_a_time = rows._replace(X=sparse.csr_array(rows.X))
    expected = found_in(rows)
    for other in (moved, copied(rows), copied(moved), chosen):
        np.testing.assert_allclose(found_in(other), expected, rtol=1e-9)
    with config_context(working_memory=0):
        np.testing.assert_allclose(found_in(few_at_a_time), expected, rtol=1e-9)


def test_one_input_leaves_little_of_the_units_and_is_as_reproducible():
    """Their principal components fall off as those of smooth functions do."""
    X, y = sine_data(n=300, d=1, seed=4)
    rows = Rows(trained(X, y, 6), X, y[:, None], np.ones(300), np.ones(1))
    order = np.random.default_rng(0).permutation(300)
    found, moved = found_in(rows), found_in(rows.sample(order))
    assert found.components == 10
    assert moved.statistic == pytest.approx(found.statistic, rel=1e-7)


def test_units_of_inputs_and_outputs_do_not_matter():
    """A network of X s + c is that of X with its first weights divided by s."""
    case = Case("tanh", (4,), n_samples=80)
    rows, network = some_rows(case), case.network
    s, c = np.array([1e4, 1e-3, 5.0]), np.array([-1e5, 0.2, 40.0])
    W = network.coefs[0] / s[:, None]
    inside = network._replace(
        coefs=(W, network.coefs[1] * 7.0),
        intercepts=(network.intercepts[0] - c @ W, network.intercepts[1] * 7.0),
    )
    moved = rows._replace(network=inside, X=rows.X * s + c, y=rows.y * 7.0)
    found, expected = found_in(moved), found_in(rows)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-6)
    assert found.dof == expected.dof


def test_coordinates_of_the_network_do_not_matter():
    """They change what a unit of a weight is, not what a change of weights explains."""
    X, y = sine_data(n=150, noise=0.3)
    X = np.column_stack([1e3 + 50.0 * X, np.random.default_rng(0).normal(size=150)])
    net = MLPRegressorCI(
        hidden_layer_sizes=(2,), activation="tanh", solver="lbfgs",
        regularization="evidence", random_state=0,
    ).fit(X, 40.0 * y)  # fmt: skip
    network = net._network()
    assert network.coordinates is not None
    rows = Rows(network, X, 40.0 * y[:, None], np.ones(150), np.ones(1))
    fit = fit_of(rows, strength=1.0)
    plain = rows._replace(network=network._replace(coordinates=None))
    found, expected = misfit(fit), misfit(fit._replace(rows=plain))
    assert found.dof == expected.dof
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-7)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1])
def test_a_constant_column_says_nothing(value):
    case = Case("tanh", (), n_samples=60)
    rows, (W,) = some_rows(case), case.network.coefs
    network = case.network._replace(coefs=(np.vstack([W, np.zeros((1, 1))]),))
    X = np.column_stack([rows.X, np.full(60, value)])
    w = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    assert (module._standardised(X.T, w)[-1] == 0.0).all()
    found = found_in(rows._replace(network=network, X=X))
    assert found.dof == found_in(rows).dof
    again = found_in(rows._replace(network=network, X=X * [1.0, 1.0, 1.0, 7.0]))
    np.testing.assert_allclose(again, found, rtol=1e-9)


def test_level_is_exact_where_the_network_is_linear_in_its_weights():
    """Quantiles of p-values are uniform: Kolmogorov and Smirnov, a fixed seed."""
    case, rng = Case("tanh", (), n_samples=60), np.random.default_rng(5)
    rows = rows_with(case.network, case.X, np.zeros((1, 60)))
    fit = fit_of(rows)

    def p_value(e):
        moved = fit.rows._replace(y=fit.rows.y + e[:, None])
        return misfit(fit._replace(rows=moved)).p_value

    p = np.array([p_value(e) for e in rng.standard_normal((500, 60))])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("h", [0, 1, 4])
def test_finds_what_too_few_units_leave(h):
    X, y = sine_data(n=200, d=1)
    X = X * 0.5  # two waves
    y = y + np.sin(6.0 * X[:, 0])
    found = found_in(Rows(trained(X, y, h), X, y[:, None], np.ones(200), np.ones(1)))
    assert (found.statistic > found.critical) == (found.p_value < 0.01) == (h < 4)


def test_outputs_share_noise_and_count_as_many():
    """Bonferroni: two outputs with the same residuals are no more than one, twice."""
    case = Case("tanh", (), n_samples=60)
    one, (W,), (b,) = some_rows(case), case.network.coefs, case.network.intercepts
    network = Network((np.hstack([W, 2 * W]),), (np.append(b, 2 * b),), "tanh")
    y = np.hstack([one.y, 2 * one.y])
    two = Rows(network, case.X, y, one.weight, np.array([0.1, 5.0]))
    found, alone = found_in(two), found_in(one)
    assert found.statistic == pytest.approx(alone.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(min(1.0, 2 * alone.p_value), rel=1e-9)


@pytest.mark.parametrize("n", [44, 45])
def test_needs_more_than_40_degrees_of_freedom(n):
    case = Case("tanh", (), n_samples=n)  # 4 parameters
    found = found_in(some_rows(case))
    assert found is NOT_TESTED if n == 44 else found.dof == n - 4 - 10


def test_is_silent_where_it_does_not_apply():
    case = Case("tanh", (), n_samples=60)
    fit = fit_of(some_rows(case))
    edf = np.array([0.31 * fit.n_samples])
    used_up = fit._replace(leverages=fit.leverages._replace(edf=edf))
    exact = fit._replace(rows=rows_with(case.network, case.X, np.zeros((1, 60))))
    X = np.repeat([[0.0], [1.0]], 30, axis=0)  # a line is all there can be
    network = Network((np.ones((1, 1)),), (np.zeros(1),), "tanh")
    noise = np.random.default_rng(0).normal(size=(1, 60))
    saturated = fit_of(rows_with(network, X, noise))
    for silent in (used_up, exact, saturated):
        assert misfit(silent) is NOT_TESTED


def test_partitions_are_not_tested():
    da = pytest.importorskip("dask.array")
    case = Case("tanh", (), n_samples=60)
    fit, y = fit_of(some_rows(case)), np.zeros(60)
    X = da.from_array(case.X, chunks=(30, 3))
    parts, _ = partitions(case.network, X, y, None, "squared_error", False)
    assert misfit(fit._replace(rows=parts)) is NOT_TESTED


def test_of_many_rows_a_fixed_sample(monkeypatch):
    rows = some_rows(Case("tanh", (4,), n_samples=90))
    fit = fit_of(rows)
    monkeypatch.setattr(module, "MOST_ROWS", 80)
    chosen = np.random.default_rng(module.SEED).choice(90, 80, replace=False)
    found = misfit(fit)
    assert found == misfit(fit)
    expected = dense(rows._replace(X=rows.X[chosen], y=rows.y[chosen]))
    assert found.statistic == pytest.approx(expected[1], rel=1e-9)


def test_networks_of_more_parameters_than_half_of_the_rows_are_not_tested():
    case = Case("tanh", (10,), n_samples=102)  # 51 parameters
    fit = fit_of(some_rows(case), strength=30.0)
    assert misfit(fit) is not NOT_TESTED
    fewer = fit._replace(rows=fit.rows.sample(np.arange(101)))
    assert misfit(fewer) is NOT_TESTED
