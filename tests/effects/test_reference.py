"""Functionals of three regressions that are networks, against R; see reference.R.

car::deltaMethod and car::linearHypothesis for mpg ~ wt + hp + am, of a network without
a hidden layer and of one of identity units, and for y ~ c + v tanh(w x + b), fitted by
nls, of one unit; calibration by inversion and by Wald, as investr::invest defines them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_nnci import MLPRegressorCI, effects

HERE = Path(__file__).parent
DATA = pd.read_csv(HERE / "reference_data.csv").groupby("set")
EXPECTED = pd.read_csv(HERE / "reference.csv", index_col="name")
RTOL = 1e-8


def rows_of(name, columns=("x1",)):
    rows = DATA.get_group(name)
    return rows[list(columns)].reset_index(drop=True), rows["y"].to_numpy()


def fitted(X, y, hidden=(), activation="identity"):
    return MLPRegressorCI(
        hidden_layer_sizes=hidden, activation=activation, solver="lbfgs", alpha=0.0,
        polish=True, covariance="least_squares", max_iter=5000, tol=1e-12,
        random_state=0,
    ).fit(X, y)  # fmt: skip


def at_the_minimum(net, X, y):
    """A network of identity units to the last digit, which training leaves open."""
    A = np.c_[np.ones(len(X)), X.to_numpy()]
    beta = np.linalg.lstsq(A, y, rcond=None)[0]
    (W, V), (b, c) = net.coefs_, net.intercepts_
    V[:, 0] = np.linalg.lstsq(W, beta[1:], rcond=None)[0]
    c[0] = beta[0] - b @ V[:, 0]
    return net.fit_inference(X, y)


@pytest.fixture(scope="module", params=[(), (3,)], ids=["none", "identity"])
def few(request):
    X, y = rows_of("few", ("x1", "x2", "x3"))
    net = fitted(X, y, request.param)
    return (at_the_minimum(net, X, y) if request.param else net), X, y


@pytest.fixture(scope="module")
def unit():
    X, y = rows_of("unit")
    return fitted(X, y, (1,), "tanh"), X, y


def same(found, name):
    expected = EXPECTED.loc[name]
    interval = found.conf_int(0.95)
    mine = found.estimate[0], found.std_error[0], *interval[0]
    np.testing.assert_allclose(mine, expected, rtol=RTOL, atol=1e-10)


def test_average_slopes_and_a_contrast(few):
    net, X, _ = few
    for name in ("x1", "x2"):
        same(effects.avg_slopes(net, X, name, debias=False), f"slope {name}")
    no, yes = X.assign(x3=0), X.assign(x3=1)
    found = effects.comparisons(net, no, yes, average=True, debias=False)
    same(found, "contrast x3")


def test_predictions_and_their_differences(few):
    net, X, _ = few
    rows = X.iloc[:2]
    same(effects.linear_combinations(net, rows, [1.0, 0.0]), "mean of row 1")
    same(effects.linear_combinations(net, rows, [-1.0, 1.0]), "row 2 - row 1")
    found = effects.partial_dependence_interval(
        net, X, "x1", custom_values={"x1": [3.0]}, debias=False
    )
    same(found, "mean at x1 = 3")


def test_functions_of_predictions(few):
    net, X, _ = few
    one, two = X.iloc[:1], X.iloc[:2]
    same(effects.delta_method(net, two, lambda f: f[0] / f[1]), "row 1 / row 2")
    same(effects.delta_method(net, one, lambda f: np.log(f[0])), "log of row 1")
    beside = pd.concat([one, one.assign(x1=one["x1"] + 1.0)])
    x1 = one["x1"].iloc[0]
    found = effects.delta_method(net, beside, lambda f: x1 * (f[1] - f[0]) / f[0])
    same(found, "elasticity by x1 at row 1")


def test_joint_hypothesis(few):
    net, X, _ = few
    one = X.iloc[:1]
    steps = [one, *(one.assign(**{name: one[name] + 1.0}) for name in X)]
    L = np.c_[-np.ones(3), np.eye(3)]
    found = effects.linear_combinations(net, pd.concat(steps), L)
    test = effects.wald_test(found, [[1.0, 0.0, 0.0], [0.0, 1.0, -1.0]], [-3.0, 0.0])
    expected = EXPECTED.loc["F"]
    np.testing.assert_allclose(test.statistic, expected["estimate"], rtol=RTOL)
    np.testing.assert_allclose(test.p_value, expected["se"], rtol=1e-7)


def test_x_that_gives_a_mean(few):
    net, X, _ = few
    found = effects.inverse_predict(
        net, 20.0, "x1", at=X.iloc[:1], bounds=(0.0, 9.0), obs=False, method="wald"
    )
    expected = EXPECTED.loc["x1 that gives 20 at row 1"]
    mine = found.estimate, found.std_error, found.conf_low, found.conf_high
    np.testing.assert_allclose(mine, expected, rtol=RTOL)


def test_a_unit_of_tanh(unit):
    net, X, _ = unit
    same(effects.slopes(net, pd.DataFrame({"x1": [0.5]})), "unit, slope at 0.5")
    ends = (pd.DataFrame({"x1": [x]}) for x in (-1.0, 1.0))
    same(effects.comparisons(net, *ends), "unit, f(1) - f(-1)")
    rows = pd.DataFrame({"x1": [1.0, 0.0]})
    found = effects.delta_method(net, rows, lambda f: f[0] / f[1])
    same(found, "unit, f(1) / f(0)")
    same(effects.avg_slopes(net, X, debias=False), "unit, average slope")


@pytest.mark.parametrize("obs", [False, True], ids=["mean", "new y"])
@pytest.mark.parametrize("name, y0, bounds, hidden, activation", [
    ("line", 40.0, (5.0, 30.0), (), "identity"),
    ("unit", 1.5, (-1.0, 1.0), (1,), "tanh"),
])  # fmt: skip
def test_calibration(name, y0, bounds, hidden, activation, obs):
    X, y = rows_of(name)
    net = fitted(X, y, hidden, activation)
    what = f"{name}, {'new y' if obs else 'mean'}"
    for method, label in [("inversion", "inversion, "), ("wald", "Wald, ")]:
        found = effects.inverse_predict(
            net, y0, "x1", at=X.iloc[:1], bounds=bounds, obs=obs, method=method
        )
        expected = EXPECTED.loc[label + what]
        mine = found.estimate, found.conf_low, found.conf_high
        wanted = expected[["estimate", "low", "high"]]
        np.testing.assert_allclose(mine, wanted, rtol=RTOL, atol=1e-9)
        if method == "wald":
            np.testing.assert_allclose(found.std_error, expected["se"], rtol=RTOL)
