"""Single rows: what the network's own inference says, carried to any functional."""

import tracemalloc

import numpy as np
import pytest
import sklearn
from cases import SMALL, sine_data
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, effects
from sklearn_nnci.effects._functionals import Block, gradients, slope_of

SETTINGS = {
    "auto": dict(),
    "auto, unfinished": dict(solver="adam", max_iter=60),
    "auto, more parameters than rows": dict(hidden_layer_sizes=(30,)),
    "starts nearby": dict(n_restarts=4, polish=True),
    "least squares": dict(covariance="least_squares"),
    "HC3": dict(covariance="HC3"),
    "tuned": dict(regularization="evidence", hidden_layer_sizes=(4,)),
    "tuned, starts": dict(regularization="evidence", n_restarts=3),
    "uneven": dict(variance="auto"),
    "two layers": dict(hidden_layer_sizes=(4, 3)),
    "logistic": dict(activation="logistic"),
}
X, y = sine_data(150, 2)


@pytest.fixture(params=SETTINGS, scope="module")
def net(request):
    return MLPRegressorCI(**{**SMALL, **SETTINGS[request.param]}).fit(X, y)


@pytest.fixture(scope="module")
def committee():
    own = MLPRegressorCI(regularization="evidence", activation="tanh")
    return MLPEnsembleRegressorCI(
        own, architectures=((3,),), n_starts=3, random_state=0
    ).fit(X, y)


def test_rows_are_those_of_get_prediction(net):
    """Of each row alone, and jointly, for the band as well."""
    rows = X[:6]
    found = effects.linear_combinations(net, rows, np.eye(6))
    known = net.get_prediction(rows)
    np.testing.assert_allclose(found.estimate, known.mean, rtol=1e-12)
    np.testing.assert_allclose(found.std_error, known.se_mean, rtol=1e-8)
    np.testing.assert_allclose(found.covariance(), known.covariance(), rtol=1e-7)
    for asked in (None, "bonferroni", "sup-t"):
        np.testing.assert_allclose(
            found.conf_int(0.9, simultaneous=asked),
            known.conf_int(0.9, simultaneous=asked), rtol=1e-7,
        )  # fmt: skip


def test_combinations_are_products_with_the_covariance(net):
    rng = np.random.default_rng(1)
    L = rng.normal(size=(3, 8))
    found = effects.linear_combinations(net, X[:8], L)
    cov = net.get_prediction(X[:8]).covariance()
    np.testing.assert_allclose(found.covariance(), L @ cov @ L.T, rtol=1e-7)
    np.testing.assert_allclose(found.std_error**2, np.diag(L @ cov @ L.T), rtol=1e-7)


def test_individual_curves_are_those_of_rows(net):
    """The rows with a column replaced, point by point; their mean is the average."""
    rows, points = X[:4], [-1.0, 0.0, 0.5]
    asked = dict(custom_values={1: points}, training=(X, y))
    found = effects.partial_dependence_interval(net, rows, 1, kind="individual",
                                                **asked)  # fmt: skip
    frame = found.to_frame()
    assert found.correction == "none" and len(frame) == 12
    for k in range(4):
        own = (frame["row"] == k).to_numpy()
        np.testing.assert_array_equal(frame["value"][own], points)
        moved = np.c_[np.full(3, rows[k, 0]), points]
        known = net.get_prediction(moved)
        np.testing.assert_allclose(found.estimate[own], known.mean, rtol=1e-12)
        np.testing.assert_allclose(found.std_error[own], known.se_mean, rtol=1e-8)
    average = effects.partial_dependence_interval(net, rows, 1, debias=False, **asked)
    means = [found.estimate[frame["value"] == one].mean() for one in points]
    np.testing.assert_allclose(average.estimate, means, rtol=1e-10)


def numeric_slopes(model, rows, j, h=1e-3):
    """Slopes and their covariance by differences of the curve at rows beside."""
    n, step = len(rows), h * np.eye(rows.shape[1])[j]
    known = model.get_prediction(np.vstack([rows + step, rows - step]))
    L = np.hstack([np.eye(n), -np.eye(n)]) / (2 * h)
    return L @ known.mean, L @ known.covariance() @ L.T


def test_slopes_are_limits_of_differences(net):
    """Excess variance and starts nearby included.

    Where it varies, as the noise does, the excess is a constant around each row.
    """
    uneven = net.variance == "auto" and net.inference_.variance != "constant"
    rtol = 0.1 if uneven else 1e-3
    found = effects.slopes(net, X[:5], [1])
    f, cov = numeric_slopes(net, X[:5], 1)
    np.testing.assert_allclose(found.estimate, f, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.std_error**2, np.diag(cov), rtol=rtol)
    np.testing.assert_allclose(
        found.covariance(), cov, rtol=rtol, atol=rtol * np.diag(cov).max()
    )


def test_average_slopes_are_averages_of_slopes(net):
    some = X[:40]
    found = effects.avg_slopes(net, some, debias=False)
    each = effects.slopes(net, some)
    L = np.kron(np.eye(2), np.full((1, 40), 1 / 40))
    np.testing.assert_allclose(found.estimate, L @ each.estimate, rtol=1e-10)
    cov = L @ each.covariance() @ L.T
    np.testing.assert_allclose(found.covariance(), cov, rtol=1e-6)
    np.testing.assert_allclose(found.std_error**2, np.diag(cov), rtol=1e-6)


def test_of_a_committee(committee):
    """Rows as in get_prediction, slopes as limits of differences."""
    rows = X[:4]
    found = effects.linear_combinations(committee, rows, np.eye(4))
    known = committee.get_prediction(rows)
    np.testing.assert_allclose(found.estimate, known.mean, rtol=1e-12)
    np.testing.assert_allclose(found.std_error, known.se_mean, rtol=1e-8)
    np.testing.assert_allclose(found.covariance(), known.covariance(), rtol=1e-7)
    assert found.dof == known.dof
    slopes = effects.slopes(committee, rows, 0)
    f, _ = numeric_slopes(committee, rows, 0)
    np.testing.assert_allclose(slopes.estimate, f, rtol=1e-4, atol=1e-5)


def test_relu_by_differences_or_exactly():
    net = MLPRegressorCI(hidden_layer_sizes=(20,), random_state=0, max_iter=300)
    net.fit(X, y)
    rows, sd = X[:3], X[:, 0].std()
    found = effects.slopes(net, rows, 0, training=(X, y))
    assert set(found.contrast) == {"dY/dX (+-0.25 sd)"}
    f, cov = numeric_slopes(net, rows, 0, h=0.25 * sd)
    np.testing.assert_allclose(found.estimate, f, rtol=1e-8)
    np.testing.assert_allclose(found.covariance(), cov, rtol=1e-6)
    exact = effects.slopes(net, rows, 0, step=0)
    assert set(exact.contrast) == {"dY/dX"}
    W1, W2 = net.coefs_
    active = rows @ W1 + net.intercepts_[0] > 0
    np.testing.assert_allclose(exact.estimate, active @ (W1[0] * W2[:, 0]), rtol=1e-10)


def test_memory_in_parts_changes_nothing(monkeypatch):
    from sklearn_nnci.effects import _functionals

    net = MLPRegressorCI(**SMALL).fit(X, y)
    whole = effects.slopes(net, X)

    def small(n, size):
        return (slice(k, min(k + 7, n)) for k in range(0, n, 7))

    monkeypatch.setattr(_functionals, "row_slices", small)
    parts = effects.slopes(net, X)
    np.testing.assert_allclose(parts.std_error, whole.std_error, rtol=1e-10)
    one, two = (effects.avg_slopes(net, X, debias=False) for _ in range(2))
    np.testing.assert_allclose(one.std_error, two.std_error, rtol=1e-10)


def test_what_is_not_bounded_has_no_interval():
    """A unit that is off in training, woken by a row, under a named covariance."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 1))
    net = MLPRegressorCI(
        hidden_layer_sizes=(10,), alpha=0.1, covariance="bayesian", solver="lbfgs",
        max_iter=2000, random_state=0,
    ).fit(x, x[:, 0] + 0.1 * rng.standard_normal(60))  # fmt: skip
    net.coefs_[0][0, 0], net.intercepts_[0][0] = 1.0, -5.0
    net.fit_inference(x, x[:, 0] + 0.1 * rng.standard_normal(60))
    found = effects.linear_combinations(net, [[0.0], [9.0]], np.eye(2))
    np.testing.assert_array_equal(np.isinf(found.std_error), [False, True])
    np.testing.assert_array_equal(found.conf_int()[1], [-np.inf, np.inf])
    assert np.isinf(found.covariance()[1, 1]) and np.isnan(found.covariance()[0, 1])
    with pytest.raises(ValueError, match="do not bound"):
        effects.wald_test(found)
    assert np.isfinite(effects.wald_test(found, [1.0, 0.0]).statistic)


def numeric_delta(net, T):
    """Standard errors of T(network) by differences in every weight: the textbook."""
    blocks = [*net.coefs_, *net.intercepts_]
    columns = []
    for block in blocks:
        for i in np.ndindex(block.shape):
            old, h = block[i], 1e-5 * max(abs(block[i]), 0.1)
            ends = []
            for s in (1.0, -1.0):
                block[i] = old + s * h
                ends.append(T())
            block[i] = old
            columns.append((ends[0] - ends[1]) / (2.0 * h))
    G = np.array(columns)
    return np.sqrt(np.diag(G.T @ net.parameter_covariance() @ G))


@pytest.mark.parametrize("regularization", ["alpha", "evidence"])
def test_equals_the_numeric_delta_method(regularization):
    net = MLPRegressorCI(
        **{**SMALL, "covariance": "bayesian", "regularization": regularization}
    ).fit(X, y)
    rows, e = X[:50], 1e-4 * np.eye(2)
    parent = MLPRegressor.predict

    def at(value):
        return np.c_[np.full(50, value), rows[:, 1]]

    cases = [
        (effects.avg_slopes(net, rows, debias=False),
         lambda: [(parent(net, rows + h) - parent(net, rows - h)).mean() / 2e-4
                  for h in e]),
        (effects.comparisons(net, at(-1.0), at(1.0), average=True, debias=False),
         lambda: [(parent(net, at(1.0)) - parent(net, at(-1.0))).mean()]),
        (effects.partial_dependence_interval(
            net, rows, 0, custom_values={0: [-1.0, 0.5]}, debias=False),
         lambda: [parent(net, at(-1.0)).mean(), parent(net, at(0.5)).mean()]),
        (effects.delta_method(net, rows[:2], lambda f: f[0] / f[1]),
         lambda: [np.divide(*parent(net, rows[:2]))]),
    ]  # fmt: skip
    for found, T in cases:
        expected = numeric_delta(net, lambda T=T: np.array(T()))
        np.testing.assert_allclose(found.std_error, expected, rtol=1e-4)


def test_averages_take_the_memory_of_one_chunk():
    """Not that of a Jacobian, here 48 MiB."""
    net = MLPRegressorCI(hidden_layer_sizes=(150,), max_iter=5, random_state=0,
                         covariance=None).fit(X, y)  # fmt: skip
    network, rows = net._network(), np.tile(X, (70, 1))
    block = Block((slope_of(rows, np.eye(2)[0]),), np.full((len(rows), 1), 1e-4))
    with sklearn.config_context(working_memory=2):
        tracemalloc.start()
        gradients(network, block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 * 2**20
