"""Targets that cannot be negative: medians and bounds through log and Box-Cox."""

import numpy as np
import pytest
from cases import CONVERGED
from scipy import stats
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI

NET = MLPRegressorCI(
    hidden_layer_sizes=(3,), activation="tanh", alpha=0.05, polish=True, **CONVERGED
)
LOG = make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler())
BOX_COX = PowerTransformer(method="box-cox")
SD = 0.4


def of_log(link):
    return np.exp(link), lambda y: np.log(y)


def of_root(link):
    return np.maximum(2.0 + link, 0.0) ** 2, lambda y: np.sqrt(y) - 2.0


def rows(g, n=120, seed=0):
    """X, medians, and y = g of a curve with normal noise."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.5, 1.5, (n, 2))
    link = np.tanh(X[:, 0]) - 0.5 * X[:, 1]
    y = g(link + SD * rng.standard_normal(n))[0]
    return X, link, np.maximum(y, 1e-3)


@pytest.mark.parametrize(
    "g, transformer", [(of_log, LOG), (of_log, BOX_COX), (of_root, BOX_COX)],
    ids=["log", "Box-Cox of lognormal", "Box-Cox of squares"],
)  # fmt: skip
def test_intervals_of_the_median_and_of_new_targets_hold(g, transformer):
    median, new, bias = [], [], []
    for seed in range(8):
        X, link, y = rows(g, seed=seed)
        model = TransformedTargetRegressorCI(clone(NET), transformer=clone(transformer))
        y_pred, ci = model.fit(X, y).predict(X, return_ci=True)
        pi = model.predict(X, return_pi=True)[1]
        for bounds in (ci, pi):
            assert (bounds[:, 0] >= 0.0).all()
            assert (bounds[:, 0] <= y_pred).all() and (y_pred <= bounds[:, 1]).all()
        truth, inverse = g(link)
        median.append((ci[:, 0] <= truth) & (truth <= ci[:, 1]))
        # The chance of a new target within, by the true law.
        with np.errstate(divide="ignore"):
            low, high = (inverse(pi.T) - link) / SD
        new.append(stats.norm.cdf(high) - stats.norm.cdf(low))
        bias.append(inverse(y_pred) - link)
    assert 0.90 < np.mean(median) < 0.99
    assert 0.93 < np.mean(new) < 0.98
    # The mean of a lognormal is larger than its median, SD^2 / 2 of the logarithm.
    assert abs(np.mean(bias)) < SD**2 / 4.0


def test_func_and_inverse_func_do_as_the_pipeline_but_for_the_scale():
    X, _, y = rows(of_log)
    model = TransformedTargetRegressorCI(NET, func=np.log, inverse_func=np.exp)
    pi = model.fit(X, y).predict(X, return_pi=True)[1]
    scaled = TransformedTargetRegressorCI(NET, transformer=LOG).fit(X, y)
    np.testing.assert_allclose(pi, scaled.predict(X, return_pi=True)[1], rtol=0.1)
    assert (pi > 0.0).all()


@pytest.mark.parametrize("transformer", [LOG, BOX_COX])
def test_a_curved_inverse_has_no_standard_deviation(transformer):
    X, _, y = rows(of_log, n=60)
    model = TransformedTargetRegressorCI(NET, transformer=transformer).fit(X, y)
    with pytest.raises(ValueError, match=r"not a line.*return_pi"):
        model.predict(X, return_std=True)


def fixed(power):
    """A fitted Box-Cox transformation of that power, not scaled."""
    transformer = PowerTransformer(method="box-cox", standardize=False)
    transformer.fit(np.random.default_rng(0).lognormal(size=(50, 1)))
    transformer.lambdas_ = np.array([power])
    return transformer


@pytest.mark.parametrize("power", [0.3, 0.5, 1.0, 2.0])
def test_a_bound_below_where_box_cox_ends_is_zero(power):
    """(y^power - 1) / power is at least -1 / power."""
    from sklearn_nnci._inverse import Inverse

    inverse = Inverse(fixed(power), np.array(np.nan))
    u, interval = np.array([1.0]), np.array([[-1.0 / power - 1.0, 2.0]])
    low, high = inverse.through(u, interval)[0]
    assert 0.0 <= low < 1e-5
    assert high == pytest.approx((2.0 * power + 1.0) ** (1.0 / power))


@pytest.mark.parametrize("power", [-0.5, -1.0, -3.0])
def test_a_bound_above_where_box_cox_ends_is_infinite(power):
    """(y^power - 1) / power is at most -1 / power, where y is infinite."""
    from sklearn_nnci._inverse import Inverse

    inverse = Inverse(fixed(power), np.array(np.nan))
    u, interval = np.array([0.0]), np.array([[-1.0, 1.0 - 1.0 / power]])
    low, high = inverse.through(u, interval)[0]
    assert low == pytest.approx((1.0 - power) ** (1.0 / power))
    assert high == np.inf
