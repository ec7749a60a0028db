"""A network without hidden layer is a linear regression: effects have closed forms.

So is one of identity units, whose weights are not determined, but whose curve is.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from sklearn_nnci import MLPRegressorCI, effects

N = 60
TOLERANCE = dict(rtol=1e-8, atol=1e-10)


@pytest.fixture(scope="module", params=[(), (3,)], ids=["none", "identity"])
def fitted(request):
    """(network, frame, y, its linear regression)."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame(
        {"a": rng.normal(size=N), "b": rng.uniform(0, 3, N), "c": rng.integers(0, 2, N)}
    )
    y = 1.0 + 2.0 * X["a"] - X["b"] + 0.5 * X["c"] + 0.3 * rng.standard_normal(N)
    net = MLPRegressorCI(
        hidden_layer_sizes=request.param, activation="identity", solver="lbfgs",
        alpha=0.0, polish=True, covariance="least_squares", max_iter=5000, tol=1e-10,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    ols = sm.OLS(y, sm.add_constant(X)).fit()
    if request.param:  # to the last digit, which training leaves open
        (W, V), (b, c) = net.coefs_, net.intercepts_
        V[:, 0] = np.linalg.solve(W, ols.params.to_numpy()[1:])
        c[0] = ols.params.iloc[0] - b @ V[:, 0]
        net.fit_inference(X, y)
    return net, X, y.to_numpy(), ols


def same(found, expected):
    """`expected` is what statsmodels says of linear combinations of coefficients."""
    np.testing.assert_allclose(found.estimate, expected.effect, **TOLERANCE)
    np.testing.assert_allclose(found.std_error, np.ravel(expected.sd), **TOLERANCE)
    np.testing.assert_allclose(
        found.conf_int(0.9), expected.conf_int(alpha=0.1), **TOLERANCE
    )
    np.testing.assert_allclose(found.p_value, expected.pvalue, rtol=1e-6, atol=1e-12)


def with_columns(X, **values):
    return X.assign(**values)


DEBIAS = [False, "tangent"]


@pytest.mark.parametrize("debias", DEBIAS)
def test_average_slopes_are_coefficients(fitted, debias):
    net, X, y, ols = fitted
    found = effects.avg_slopes(net, X, training=(X, y), debias=debias)
    assert list(found.term) == ["a", "b"]  # c has two values
    same(found, ols.t_test(np.eye(4)[1:3]))
    cov = ols.cov_params().to_numpy()[1:3, 1:3]
    np.testing.assert_allclose(found.covariance(), cov, **TOLERANCE)


def test_slopes_at_rows_are_coefficients(fitted):
    net, X, _, ols = fitted
    found = effects.slopes(net, X.iloc[:2], ["a"])
    same(found, ols.t_test(np.eye(4)[[1, 1]]))
    assert list(found.to_frame().index) == [0, 1]


@pytest.mark.parametrize("debias", DEBIAS)
def test_slopes_by_difference_are_coefficients(fitted, debias):
    net, X, y, ols = fitted
    found = effects.avg_slopes(net, X, ["b"], training=(X, y), debias=debias, step=0.25)
    assert list(found.contrast) == ["dY/dX (+-0.25 sd)"]
    same(found, ols.t_test(np.eye(4)[2]))


@pytest.mark.parametrize("debias", DEBIAS)
def test_contrast_of_two_values(fitted, debias):
    net, X, y, ols = fitted
    found = effects.comparisons(
        net, X.assign(c=0), X.assign(c=1), average=True, training=(X, y), debias=debias
    )
    assert (list(found.term), list(found.contrast)) == (["c"], ["1 - 0"])
    same(found, ols.t_test(np.eye(4)[3]))


def test_comparisons_of_pairs(fitted):
    net, X, _, ols = fitted
    found = effects.comparisons(net, X.iloc[:3], X.iloc[5:8].set_axis([0, 1, 2]))
    L = np.c_[np.zeros(3), X.iloc[5:8].to_numpy() - X.iloc[:3].to_numpy()]
    same(found, ols.t_test(L))


@pytest.mark.parametrize("debias", DEBIAS)
def test_averages_of_groups(fitted, debias):
    net, X, y, ols = fitted
    L = np.array([(X["c"] == k) / (X["c"] == k).sum() for k in (0, 1)])
    found = effects.linear_combinations(net, X, L, training=(X, y), debias=debias)
    same(found, ols.t_test(L @ sm.add_constant(X).to_numpy()))


@pytest.mark.parametrize("debias", DEBIAS)
def test_partial_dependence(fitted, debias):
    net, X, y, ols = fitted
    points = [-0.5, 0.0, 0.7]
    found = effects.partial_dependence_interval(
        net, X, "a", custom_values={"a": points}, training=(X, y), debias=debias
    )
    L = np.tile(np.r_[1.0, X.mean()], (3, 1))
    L[:, 1] = points
    same(found, ols.t_test(L))
    np.testing.assert_array_equal(found.to_frame()["value"], points)


def test_ratio_by_the_delta_method(fitted):
    """Of two predictions: Fieller's first term."""
    net, X, _, ols = fitted
    rows = sm.add_constant(X).to_numpy()[:2]
    f = rows @ ols.params.to_numpy()
    grad = np.array([1 / f[1], -f[0] / f[1] ** 2]) @ rows
    expected = np.sqrt(grad @ ols.cov_params().to_numpy() @ grad)
    for given in (None, lambda f: [[1 / f[1], -f[0] / f[1] ** 2]]):
        found = effects.delta_method(net, X.iloc[:2], lambda f: f[0] / f[1], grad=given)
        np.testing.assert_allclose(found.estimate, f[0] / f[1], rtol=1e-9)
        np.testing.assert_allclose(found.std_error, expected, rtol=1e-8)


@pytest.mark.parametrize("m", [None, 1, 3])
def test_calibration_is_that_of_linear_regression(m):
    """Fieller's interval of x0 (Draper & Smith 1998, section 3.2), and Wald's.

    m: how many observations y0 is the mean of; None: y0 is a value of the mean.
    """
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 5, 30)
    y = 1.0 + 2.0 * x + 0.5 * rng.standard_normal(30)
    net = MLPRegressorCI(
        hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, polish=True,
        covariance="least_squares", max_iter=5000, tol=1e-12, random_state=0,
    ).fit(x[:, None], y)  # fmt: skip
    ols = sm.OLS(y, sm.add_constant(x)).fit()
    (a, b), s2, n = ols.params, ols.scale, len(x)
    y0 = np.full(m or 1, 6.0)
    per = 0.0 if m is None else 1.0 / m
    Sxx, t = ((x - x.mean()) ** 2).sum(), stats.t.isf(0.025, n - 2)
    x0 = (6.0 - a) / b
    g = t**2 * s2 / (b**2 * Sxx)
    centre = x.mean() + (x0 - x.mean()) / (1 - g)
    half = t * np.sqrt(s2) / b / (1 - g)
    half *= np.sqrt((x0 - x.mean()) ** 2 / Sxx + (1 - g) * (per + 1 / n))
    asked = dict(at=[[0.0]], bounds=(-5, 10), obs=m is not None)
    found = effects.inverse_predict(net, y0, 0, **asked)
    np.testing.assert_allclose(found[:3], [x0, centre - half, centre + half], rtol=1e-8)
    se = np.sqrt(s2 * (per + 1 / n + (x0 - x.mean()) ** 2 / Sxx)) / b
    found = effects.inverse_predict(net, y0, 0, method="wald", **asked)
    np.testing.assert_allclose(found.std_error, se, rtol=1e-8)
    np.testing.assert_allclose(found[1:3], [x0 - t * se, x0 + t * se], rtol=1e-8)


def test_wald_is_the_joint_f_test(fitted):
    net, X, y, ols = fitted
    found = effects.avg_slopes(net, X, training=(X, y), debias=False)
    mine, theirs = effects.wald_test(found), ols.f_test(np.eye(4)[1:3])
    np.testing.assert_allclose(mine.statistic, theirs.fvalue, rtol=1e-8)
    np.testing.assert_allclose(mine.p_value, theirs.pvalue, rtol=1e-6)
    assert (mine.dof_num, mine.dof) == (2, ols.df_resid)
    one = effects.wald_test(found, [1.0, 1.0], 0.5)
    theirs = ols.f_test((np.array([[0, 1, 1, 0]]), 0.5))
    np.testing.assert_allclose(one.statistic, theirs.fvalue, rtol=1e-8)


def test_weights_count_rows(fitted):
    """Rows of weight 2 are two rows, in training and in averages."""
    _, X, y, _ = fitted
    w = np.arange(N) % 3
    twice = X.loc[np.repeat(np.arange(N), w)]
    net = MLPRegressorCI(
        hidden_layer_sizes=(2,), activation="tanh", solver="lbfgs", alpha=0.1,
        polish=True, max_iter=5000, random_state=0,
    ).fit(X.to_numpy(), y, w)  # fmt: skip
    other = MLPRegressorCI.from_estimator(
        net, twice.to_numpy(), np.repeat(y, w), covariance="auto"
    )
    Xa, ta = X.to_numpy(), twice.to_numpy()
    one = effects.avg_slopes(
        net, Xa, [0, 1], training=(Xa, y, w), sample_weight=w, debias="tangent",
        population=False,
    )  # fmt: skip
    two = effects.avg_slopes(
        other, ta, [0, 1], training=(ta, np.repeat(y, w)), debias="tangent"
    )
    np.testing.assert_allclose(one.estimate, two.estimate, rtol=1e-6)
    np.testing.assert_allclose(one.covariance(), two.covariance(), rtol=1e-6)
