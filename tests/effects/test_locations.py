"""Where the curve is highest, and which x gives a y."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    effects,
)

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (200, 2))
Y = 5.0 - (X[:, 0] - 0.5) ** 2 - (X[:, 1] + X[:, 0] / 2) ** 2
Y = Y + 0.1 * RNG.standard_normal(200)
BOUNDS = [(-2, 2), (-2, 2)]


def tuned(**parameters):
    usual = dict(hidden_layer_sizes=(5,), activation="tanh", random_state=0)
    return MLPRegressorCI(regularization="evidence", **{**usual, **parameters})


@pytest.fixture(scope="module")
def net():
    return tuned().fit(X, Y)


def located(net, sign=1.0):
    def f(x):
        return -sign * net.predict(x[None])[0]

    return optimize.minimize(f, [0.4, -0.2], method="Nelder-Mead",
                             options=dict(xatol=1e-10, fatol=1e-14)).x  # fmt: skip


def test_optimum_is_that_of_predict(net):
    found = effects.optimum(net, [0, 1], at=[[0.0, 0.0]], bounds=BOUNDS)
    assert list(found.term) == ["x0", "x1", "y"]
    x = located(net)
    np.testing.assert_allclose(found.estimate[:2], x, atol=1e-5)
    np.testing.assert_allclose(found.estimate[2], net.predict(x[None])[0], rtol=1e-9)


def test_error_of_the_optimum_by_differences(net):
    """d x*/d theta by moving the weights and searching again; value by get_prediction.

    Networks nearby and what else the curve does not know belong to the slopes: here
    there is one start, and the covariance of theta is all.
    """
    found = effects.optimum(net, [0, 1], at=[[0.0, 0.0]], bounds=BOUNDS)
    V = net.parameter_covariance() * net._inference["widening"]
    values, vectors = np.linalg.eigh(V)
    x0 = found.estimate[:2]
    total = np.zeros((2, 2))
    theta = np.concatenate([*(W.ravel() for W in net.coefs_), *net.intercepts_])
    for value, u in zip(values, vectors.T, strict=True):
        if value <= 1e-12 * values.max():
            continue
        h = 1e-3 * np.sqrt(value)
        ends = [moved_optimum(net, theta + s * h * u, x0) for s in (1, -1)]
        g = (ends[0] - ends[1]) / (2 * h)
        total += value * np.outer(g, g)
    np.testing.assert_allclose(found.covariance()[:2, :2], total, rtol=1e-3)
    se = net.get_prediction(x0[None]).se_mean[0]
    np.testing.assert_allclose(found.std_error[2], se, rtol=1e-6)


def moved_optimum(net, theta, x):
    """Newton's steps on the derivative of a tanh network, from x."""
    (W1, W2), (b1, _) = net.coefs_, net.intercepts_
    k, h = W1.size, W1.shape[1]
    W1, W2, b1 = theta[:k].reshape(W1.shape), theta[k : k + h], theta[k + h : k + 2 * h]
    for _ in range(8):
        a = np.tanh(x @ W1 + b1)
        g = W1 @ ((1 - a**2) * W2)
        H = (W1 * (-2 * a * (1 - a**2) * W2)) @ W1.T
        x = x - np.linalg.solve(H, g)
    return x


def test_optimum_in_raw_units_and_of_a_decreasing_inverse():
    """Highest y where the network is lowest."""
    scaled = X * [10.0, 0.1] + [3.0, 0.0]
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), tuned()),
        func=lambda y: -3.0 * y, inverse_func=lambda u: u / -3.0,
    ).fit(scaled, Y)  # fmt: skip
    bounds = [(-17, 23), (-0.2, 0.2)]
    found = effects.optimum(model, [0, 1], at=[[0.0, 0.0]], bounds=bounds)
    turned = tuned().fit(X, -3.0 * Y)
    plain = effects.optimum(turned, [0, 1], at=[[0.0, 0.0]], bounds=BOUNDS,
                            maximize=False)  # fmt: skip
    unit = np.array([10.0, 0.1, -1.0 / 3.0])
    np.testing.assert_allclose(found.estimate, unit * plain.estimate + [3.0, 0.0, 0.0],
                               rtol=1e-4)  # fmt: skip
    np.testing.assert_allclose(
        found.std_error, np.abs(unit) * plain.std_error, rtol=1e-3
    )
    lowest = effects.optimum(model, 0, at=[[0.0, 0.0]], bounds=[(-17, 23)],
                             maximize=False)  # fmt: skip
    grid = np.c_[np.linspace(-17, 23, 400), np.zeros(400)]
    assert lowest.estimate[1] <= model.predict(grid).min() + 1e-6


def test_optimum_of_a_committee():
    model = MLPEnsembleRegressorCI(
        tuned(), architectures=((4,),), n_starts=3, random_state=0
    ).fit(X, Y)
    found = effects.optimum(model, [0, 1], at=[[0.0, 0.0]], bounds=BOUNDS)
    np.testing.assert_allclose(found.estimate[:2], located(model), atol=1e-4)
    se = model.get_prediction(found.estimate[None, :2]).se_mean[0]
    np.testing.assert_allclose(found.std_error[2], se, rtol=1e-6)


def test_optimum_at_a_bound_is_not_located(net):
    found = effects.optimum(net, [0, 1], at=[[0.0] * 2], bounds=[(-2, -1), (-2, 2)])
    assert np.isinf(found.std_error[:2]).all() and np.isfinite(found.std_error[2])
    np.testing.assert_array_equal(found.conf_int()[0], [-np.inf, np.inf])


def test_optimum_refuses_what_has_no_second_derivatives(net):
    relu = MLPRegressorCI(random_state=0, max_iter=30).fit(X, Y)
    with pytest.raises(ValueError, match="kinks"):
        effects.optimum(relu, 0, at=[[0.0, 0.0]], bounds=[(-2, 2)])
    bent = make_pipeline(PolynomialFeatures(2), StandardScaler(), tuned()).fit(X, Y)
    with pytest.raises(ValueError, match="no line in column 0"):
        effects.optimum(bent, 0, at=[[0.0, 0.0]], bounds=[(-2, 2)])
    for bounds in ([(2, -2)], [(0, 1)] * 2, [(0, np.inf)]):
        with pytest.raises(ValueError, match="bounds must"):
            effects.optimum(net, 0, at=[[0.0, 0.0]], bounds=bounds)
    with pytest.raises(ValueError, match="one row"):
        effects.optimum(net, 0, at=X[:2], bounds=[(-2, 2)])


@pytest.fixture(scope="module")
def rising():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 2, (150, 1))
    y = np.exp(x[:, 0]) + 0.2 * rng.standard_normal(150)
    return MLPEnsembleRegressorCI(
        tuned(hidden_layer_sizes=(3,)), architectures=((3,),), n_starts=2,
        random_state=0,
    ).fit(x, y)  # fmt: skip


@pytest.mark.parametrize("obs", [True, False])
def test_inversion_is_where_intervals_contain_y0(rising, obs):
    found = effects.inverse_predict(rising, 3.0, 0, at=[[0.0]], bounds=(0.1, 1.9),
                                    obs=obs, confidence_level=0.9)  # fmt: skip
    ends = np.array(found[:3])[:, None]
    interval = rising.get_prediction(ends).conf_int(0.9, obs=obs)
    np.testing.assert_allclose(rising.predict(ends[:1]), 3.0, rtol=1e-9)
    np.testing.assert_allclose(interval[1, 1], 3.0, rtol=1e-9)
    np.testing.assert_allclose(interval[2, 0], 3.0, rtol=1e-9)


def test_inversion_that_reaches_the_bounds_is_unbounded(rising):
    found = effects.inverse_predict(rising, 3.0, 0, at=[[0.0]], bounds=(1.05, 1.9))
    assert found.conf_low == -np.inf and np.isfinite(found.conf_high)


def test_inversion_needs_one_crossing(rising):
    ask = dict(at=[[0.0]], bounds=(0.1, 1.9))
    with pytest.raises(ValueError, match="no places"):
        effects.inverse_predict(rising, 30.0, 0, **ask)
    x = np.linspace(-3, 3, 100)[:, None]
    wave = tuned().fit(x, np.cos(x[:, 0]))
    with pytest.raises(ValueError, match="2 places"):
        effects.inverse_predict(wave, 0.5, 0, at=[[0.0]], bounds=(-3, 3))
    for wrong in [dict(method="bootstrap"), dict(confidence_level=[0.5, 0.9]),
                  dict(bounds=(2, 1)), dict(at=[[0.0], [1.0]])]:  # fmt: skip
        with pytest.raises(ValueError):
            effects.inverse_predict(rising, 3.0, 0, **{**ask, **wrong})


def test_inversion_through_a_transformed_target(rising):
    """Bounds pass a monotone inverse: intervals that contain y0 are the same."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 2, (150, 1))
    y = np.exp(x[:, 0] + 0.05 * rng.standard_normal(150))
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), tuned(hidden_layer_sizes=(3,))), func=np.log,
        inverse_func=np.exp,
    ).fit(x, y)  # fmt: skip
    ask = dict(at=[[0.0]], bounds=(0.1, 1.9))
    found = effects.inverse_predict(model, 3.0, 0, **ask)
    inner = effects.inverse_predict(model.regressor_, np.log(3.0), 0, **ask)
    np.testing.assert_allclose(found[:3], inner[:3], rtol=1e-7)
