"""What is refused, and what is warned of."""

import copy
import warnings

import numpy as np
import pytest
from cases import SMALL, sine_data
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, effects, exceptions

X, y = sine_data(80, 2)


@pytest.fixture(scope="module")
def net():
    return MLPRegressorCI(**SMALL).fit(X, y)


@pytest.fixture(scope="module")
def tuned():
    return MLPRegressorCI(
        hidden_layer_sizes=(4,), activation="tanh", regularization="evidence",
        random_state=0,
    ).fit(X, y)  # fmt: skip


def raised(function, *args, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **options)
    return {w.category for w in caught}


def test_what_has_no_effects():
    with pytest.raises(TypeError, match="MLPRegressorCI"):
        effects.avg_slopes(MLPRegressor().fit(X, y), X)
    with pytest.raises(NotFittedError):
        effects.avg_slopes(MLPRegressorCI(), X)
    with pytest.raises(NotFittedError, match="fit_inference"):
        effects.avg_slopes(MLPRegressorCI(**SMALL, covariance=None).fit(X, y), X)
    with pytest.raises(NotFittedError):
        effects.avg_slopes(MLPEnsembleRegressorCI(), X)
    counts = np.random.default_rng(0).poisson(np.exp(y))
    poisson = MLPRegressorCI(loss="poisson", **SMALL).fit(X, counts)
    with pytest.raises(ValueError, match="squared"):
        effects.avg_slopes(poisson, X)
    two = MLPRegressorCI(**SMALL).fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match="one output"):
        effects.avg_slopes(two, X)


def test_where_nothing_was_found(tuned):
    net = copy.deepcopy(tuned)
    net._tuned["gamma"] = np.full_like(net.gamma_, 0.9 / len(net.gamma_))
    with pytest.raises(ValueError, match="does not depend"):
        effects.avg_slopes(net, X)


def test_columns_of_two_values_have_no_slope(net):
    rows = np.c_[np.arange(80) % 2, X[:, 1]]
    assert list(effects.avg_slopes(net, rows, debias=False).term) == ["x1"]
    with pytest.raises(ValueError, match="comparisons"):
        effects.avg_slopes(net, rows, [0], debias=False)
    with pytest.raises(ValueError, match="comparisons"):
        effects.avg_slopes(net, np.ones((40, 2)), debias=False)
    with pytest.raises(ValueError, match="is no column"):
        effects.avg_slopes(net, X, ["age"])
    two_rows = X[:2]
    assert len(effects.slopes(net, two_rows)) == 4
    assert len(effects.avg_slopes(net, two_rows, training=(X, y), debias=False)) == 2
    with pytest.raises(ValueError, match="two values"):
        effects.slopes(net, two_rows, 0, training=(rows, y))


def test_points_outside_of_the_range(net):
    def far(**options):
        points = {0: [0.0, X[:, 0].max() + 1.0]}
        return effects.partial_dependence_interval(
            net, X, 0, custom_values=points, **options
        )

    with pytest.raises(ValueError, match="outside of the range"):
        far(training=(X, y))
    assert len(far(debias=False)) == 2
    with pytest.raises(ValueError, match="outside of the range"):
        effects.comparisons(net, X, X + 10.0, average=True, training=(X, y))


@pytest.mark.parametrize("asked", [True, "yes", None, 1.0])
def test_unknown_corrections(net, asked):
    with pytest.raises(ValueError, match="debias must be"):
        effects.avg_slopes(net, X, debias=asked)


def test_training_rows_are_checked(net, tuned):
    other = X.copy()
    other[0] += 1.0
    for given in [(other, y), (X, y + 1.0), (X[1:], y[1:]), (X, y, np.arange(80))]:
        for one in (net, tuned):
            with pytest.raises(ValueError, match="other rows"):
                effects.avg_slopes(one, X, training=given)
    for given in (X, (X,), "rows"):
        with pytest.raises(ValueError, match="training must be"):
            effects.avg_slopes(net, X, training=given)
    with pytest.raises(ValueError, match="needs the rows"):
        effects.avg_slopes(net, X, debias="tangent")
    with pytest.raises(ValueError, match="population=True needs"):
        effects.avg_slopes(net, X, population=True, debias=False)


def test_single_rows_have_no_correction(net):
    with pytest.raises(ValueError, match="average=True"):
        effects.comparisons(net, X, X, population=True)
    with pytest.raises(ValueError, match="shapes"):
        effects.comparisons(net, X, X[1:])
    with pytest.raises(ValueError, match="column for each"):
        effects.linear_combinations(net, X, [1.0, -1.0])


def test_averages_without_their_training_rows_are_warned_of(tuned):
    kinds = raised(effects.avg_slopes, tuned, X)
    assert kinds == {exceptions.UncorrectedAverageWarning}
    assert raised(effects.avg_slopes, tuned, X, debias=False) == set()
    assert raised(effects.avg_slopes, tuned, X, training=(X, y)) == set()


def test_few_rows_are_warned_of(tuned):
    kinds = raised(effects.avg_slopes, tuned, X[:29], training=(X, y))
    assert kinds == {exceptions.FewRowsWarning}
    assert raised(effects.avg_slopes, tuned, X[:30], training=(X, y)) == set()
    groups = np.arange(80) < 10
    kinds = raised(effects.avg_slopes, tuned, X, by=groups, training=(X, y))
    assert kinds == {exceptions.FewRowsWarning}


def test_edges_of_a_partial_dependence_are_warned_of(tuned):
    def curve(*points):
        return raised(
            effects.partial_dependence_interval, tuned, X, 0, training=(X, y),
            custom_values={0: np.quantile(X[:, 0], points)},
        )  # fmt: skip

    assert curve(0.1, 0.5, 0.9) == set()
    assert curve(0.5, 0.99) == {exceptions.FewRowsWarning}
    usual = effects.partial_dependence_interval
    assert raised(usual, tuned, X, 0, training=(X, y)) == set()


def test_a_large_correction_is_warned_of():
    """A penalty that makes the curve a constant."""
    net = MLPRegressorCI(**{**SMALL, "alpha": 200.0}, polish=True).fit(X, y)
    with pytest.warns(exceptions.LargeCorrectionWarning, match="standard errors"):
        effects.avg_slopes(net, X, training=(X, y))


def test_one_row_that_decides_is_unbounded():
    """An input that is 0 in all rows but one: its slope is that row's."""
    rows = X.copy()
    rows[:, 1] = 0.0
    rows[0, 1], rows[1, 1] = 5.0, 1e-3
    net = MLPRegressorCI(
        hidden_layer_sizes=(), solver="lbfgs", alpha=1e-4, random_state=0
    ).fit(rows, y)
    with pytest.warns(exceptions.FewRowsWarning, match="one training row"):
        found = effects.avg_slopes(net, rows, training=(rows, y), debias="tangent")
    assert np.isinf(found.std_error[1]) and np.isfinite(found.std_error[0])
    np.testing.assert_array_equal(found.conf_int()[1], [-np.inf, np.inf])


def test_weights_and_groups_are_checked(net):
    for weight in (np.ones(3), -np.ones(80), np.zeros(80), np.full(80, np.nan)):
        with pytest.raises(ValueError, match="sample_weight must"):
            effects.avg_slopes(net, X, sample_weight=weight, debias=False)
    with pytest.raises(ValueError, match="by must be"):
        effects.avg_slopes(net, X, by=[1, 2], debias=False)
    with pytest.raises(ValueError, match="without weight"):
        effects.avg_slopes(
            net, X, by=np.arange(80) < 5, sample_weight=np.arange(80) > 10, debias=False
        )
    for step in (-1.0, "half", True, np.nan):
        with pytest.raises(ValueError, match="step must be"):
            effects.slopes(net, X, step=step)


def test_a_step_needs_a_size():
    net = MLPRegressorCI(random_state=0, max_iter=50).fit(X, y)
    with pytest.raises(ValueError, match="does not vary"):
        effects.slopes(net, X[:1])
    assert len(effects.slopes(net, X[:1], training=(X, y))) == 2
