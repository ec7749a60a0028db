"""Scores of intervals beside scoringrules, MAPIE, statsmodels and closed forms."""

import mapie.metrics.regression as mapie
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scoringrules as sr
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from sklearn_nnci.metrics import (
    coverage_by_group,
    coverage_score,
    interval_score,
    mean_interval_width,
)

LEVELS = np.array([0.5, 0.8, 0.95])
METRICS = {
    "coverage": coverage_score,
    "width": mean_interval_width,
    "score": interval_score,
    "by group": lambda y, interval, **given: coverage_by_group(
        y, interval, np.arange(len(y)) % 1, **given
    ).coverage[0],
}
same = dict(rtol=1e-12, atol=1e-12)


def data(n=50, m=1, k=None, seed=0):
    """Observations (n[, m]) and intervals about guesses (n[, m], 2[, k])."""
    rng = np.random.default_rng(seed)
    shape = (n,) if m == 1 else (n, m)
    y, middle = rng.normal(size=(2, *shape))
    half = np.sort(rng.gamma(2.0, 0.7, (*shape, k or 1)), axis=-1)
    interval = middle[..., None, None] + half[..., None, :] * np.array([[-1.0], [1.0]])
    return y, interval if k else interval[..., 0]


def test_one_level_is_that_of_scoringrules_and_mapie():
    y, interval = data()
    lower, upper = interval.T
    one = interval[:, :, None]  # MAPIE's shape
    score = interval_score(y, interval, confidence_level=0.9)
    np.testing.assert_allclose(
        score, sr.interval_score(y, lower, upper, 0.1).mean(), **same
    )
    np.testing.assert_allclose(score, mapie.regression_mwi_score(y, one, 0.9), **same)
    np.testing.assert_allclose(
        coverage_score(y, interval), mapie.regression_coverage_score(y, one)[0], **same
    )
    np.testing.assert_allclose(
        mean_interval_width(y, interval),
        mapie.regression_mean_width_score(one)[0],
        **same,
    )
    assert type(score) is float
    assert 0.2 < coverage_score(y, interval) < 0.95


@pytest.mark.parametrize("k", [1, 2, 3])
def test_several_levels_are_weighted_as_by_scoringrules(k):
    """k = 2: outputs and levels are told apart."""
    y, interval = data(k=k)
    levels, median = LEVELS[:k], interval[..., 0].mean(axis=1) + 0.1
    # Its own weighted score, in 0.10, adds the median in place of its error.
    expected = np.abs(y - median).mean() / 2 / (k + 0.5)
    for lower, upper, alpha in zip(
        *interval.transpose(1, 2, 0), 1.0 - levels, strict=True
    ):
        one = sr.interval_score(y, lower, upper, alpha).mean()
        expected += alpha / 2 * one / (k + 0.5)
    score = interval_score(y, interval, confidence_level=levels, y_pred=median)
    np.testing.assert_allclose(score, expected, **same)
    without = interval_score(y, interval, confidence_level=levels)
    error = np.abs(y - median).mean()
    np.testing.assert_allclose(without * k + error / 2, score * (k + 0.5), **same)
    np.testing.assert_allclose(
        coverage_score(y, interval),
        mapie.regression_coverage_score(y, interval),
        **same,
    )
    np.testing.assert_allclose(
        mean_interval_width(y, interval),
        mapie.regression_mean_width_score(interval),
        **same,
    )


def test_normal_quantiles_have_the_expected_score_in_closed_form():
    """E score = 2 phi(z) / (alpha/2) for N(0, 1): Gneiting and Raftery, section 6.2."""
    alpha = 0.1
    y = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    z = stats.norm.isf(alpha / 2)
    interval = np.tile([-z, z], (len(y), 1))
    score = interval_score(y, interval, confidence_level=1 - alpha)
    assert score == pytest.approx(4.0 / alpha * stats.norm.pdf(z), rel=1e-4)
    for wrong in (0.8, 1.25):
        other = interval_score(y, interval * wrong, confidence_level=1 - alpha)
        assert other > score


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_row_of_weight_k_is_k_rows(metric, m):
    y, interval = data(m=m)
    w = np.arange(50) % 4
    interval[w == 0] = [-np.inf, np.inf]  # rows that are not there
    score = METRICS[metric](y, interval, sample_weight=w, multioutput="raw_values")
    repeated = METRICS[metric](
        np.repeat(y, w, axis=0),
        np.repeat(interval, w, axis=0),
        multioutput="raw_values",
    )
    assert np.shape(score) == (m,)
    np.testing.assert_allclose(score, repeated, **same)
    unweighted = METRICS[metric](y[w > 0], interval[w > 0], multioutput="raw_values")
    assert not np.allclose(score, unweighted)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [None, 2])
def test_outputs_are_averaged_as_in_scikit_learn(metric, k):
    y, interval = data(m=2, k=k)
    y[:, 1] *= 3.0  # outputs unlike each other
    interval[:, 1] *= 2.0
    given = dict(confidence_level=LEVELS[:k]) if metric == "score" and k else {}
    f = METRICS[metric]
    raw = f(y, interval, multioutput="raw_values", **given)
    one_by_one = [f(y[:, j], interval[:, j], **given) for j in range(2)]
    np.testing.assert_allclose(raw, one_by_one, **same)
    np.testing.assert_allclose(f(y, interval, **given), raw.mean(axis=0), **same)
    weighted = f(y, interval, multioutput=[1.0, 3.0], **given)
    np.testing.assert_allclose(weighted, (raw[0] + 3 * raw[1]) / 4, **same)
    assert not np.allclose(raw[0], raw[1])


@pytest.mark.parametrize("metric", METRICS)
def test_a_column_is_as_good_as_a_vector(metric):
    y, interval = data()
    expected = METRICS[metric](y, interval)
    for rows in (y[:, None], pd.Series(y), pd.DataFrame(y), y.tolist()):
        for bounds in (interval, interval[:, None], interval[:, :, None]):
            np.testing.assert_allclose(METRICS[metric](rows, bounds), expected, **same)


def test_unbounded_intervals_cover_and_are_infinitely_wide():
    y, interval = data()
    interval[3] = [-np.inf, np.inf]
    assert coverage_score(y[3:4], interval[3:4]) == 1.0
    assert mean_interval_width(y, interval) == interval_score(y, interval) == np.inf


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_groups_have_wilson_intervals(m, weighted):
    y, interval = data(n=90, m=m)
    groups = np.array(list("abc"))[np.arange(90) % 3]
    w = np.arange(90) % 2 + 1 if weighted else None
    found = coverage_by_group(
        y, interval, groups, confidence_level=0.9, sample_weight=w
    )
    assert list(found.groups) == ["a", "b", "c"]
    for j, group in enumerate(found.groups):
        rows = groups == group
        n = np.sum(w[rows]) if weighted else rows.sum()
        own = coverage_score(
            y[rows], interval[rows], sample_weight=w[rows] if weighted else None
        )
        ends = proportion_confint(own * n, n, alpha=0.1, method="wilson")
        np.testing.assert_allclose(found.coverage[j], own, **same)
        np.testing.assert_allclose([found.lower[j], found.upper[j]], ends, **same)
        assert found.n_samples[j] == n
    assert pd.DataFrame(found._asdict()).shape == (3, 5)


@pytest.mark.parametrize("k", [None, 3])
def test_groups_keep_outputs_and_levels_apart(k):
    y, interval = data(n=60, m=2, k=k)
    found = coverage_by_group(y, interval, np.arange(60) < 20, multioutput="raw_values")
    tail = (k,) if k else ()
    assert found.coverage.shape == found.lower.shape == (2, 2, *tail)
    np.testing.assert_allclose(
        found.coverage[1],
        coverage_score(y[:20], interval[:20], multioutput="raw_values"),
        **same,
    )
    assert (found.lower <= found.coverage).all()
    assert (found.coverage <= found.upper).all()


WRONG = {
    "rows": (dict(interval=np.zeros((49, 2))), "shape|inconsistent"),
    "outputs": (dict(interval=np.zeros((50, 3, 2))), "shape"),
    "axes": (dict(interval=np.zeros((50, 2, 1, 1))), "shape"),
    "crossed": (dict(interval=np.tile([1.0, 0.0], (50, 1))), "above the upper"),
    "nan": (dict(interval=np.full((50, 2), np.nan)), "nan"),
    "y": (dict(y_true=np.full(50, np.nan)), "NaN"),
    "negative": (dict(sample_weight=-np.ones(50)), ">= 0"),
    "none": (dict(sample_weight=np.zeros(50)), "0 everywhere"),
    "few": (dict(sample_weight=np.ones(49)), "inconsistent"),
    "average": (dict(multioutput="mean"), "'raw_values'.*'mean'"),
    "many": (dict(multioutput=[0.5, 0.5]), "inconsistent"),
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_refused_by_name(metric, wrong):
    y, interval = data()
    changed, match = WRONG[wrong]
    given = dict(y_true=y, interval=interval) | changed
    y, interval = given.pop("y_true"), given.pop("interval")
    with pytest.raises(ValueError, match=match):
        METRICS[metric](y, interval, **given)


@pytest.mark.parametrize(
    "given, match",
    [
        (dict(confidence_level=95), "0.95, not 95"),
        (dict(confidence_level=[0.5, 0.9]), "interval has 1 levels"),
        (dict(confidence_level=[[0.9]]), "levels"),
        (dict(y_pred=np.zeros(50)), "one level"),
    ],
)
def test_levels_that_are_not_those_of_the_intervals_are_refused(given, match):
    y, interval = data()
    with pytest.raises(ValueError, match=match):
        interval_score(y, interval, **given)
    with pytest.raises(ValueError, match="interval has 3 levels"):
        interval_score(*data(k=3))
    with pytest.raises(ValueError, match="one number"):
        coverage_by_group(y, interval, y, confidence_level=[0.9])


CATEGORIES = ["low", "middle", "high", "never"]
LABELS = np.array(["high", "low", "low", "middle", "high"])


@pytest.mark.parametrize(
    "groups",
    [
        pd.Series(pd.Categorical(LABELS, CATEGORIES, ordered=True)),
        pd.Series(pd.Categorical(LABELS, CATEGORIES)),
        pd.Categorical(LABELS, CATEGORIES, ordered=True),
        pd.Series(LABELS),
        pl.Series(LABELS, dtype=pl.Enum(CATEGORIES)),
        pl.Series(LABELS, dtype=pl.Categorical),
        LABELS,
    ],
)
def test_groups_come_in_the_order_of_groupby(groups):
    y, interval = np.arange(5.0), np.array([[-1.0, 2.5]] * 5)
    found = coverage_by_group(y, interval, groups)
    inside = pd.Series((y < 2.5).astype(float))
    known = groups.to_list() if isinstance(groups, pl.Series) else groups
    if isinstance(groups, pl.Series) and groups.dtype == pl.Enum:
        known = pd.Categorical(known, CATEGORIES)
    expected = inside.groupby(np.asarray(known) if isinstance(known, list) else known,
                              observed=True).mean()  # fmt: skip
    assert list(found.groups) == list(expected.index)
    np.testing.assert_array_equal(found.coverage, expected)


def test_bins_are_groups_and_rows_in_none_are_refused():
    y, interval = np.arange(5.0), np.array([[-1.0, 2.5]] * 5)
    found = coverage_by_group(y, interval, pd.cut(y, [-1, 2, 4]))
    assert found.groups.tolist() == [pd.Interval(-1, 2), pd.Interval(2, 4)]
    np.testing.assert_array_equal(found.coverage, [1.0, 0.0])
    with pytest.raises(ValueError, match="2 missing values"):
        coverage_by_group(y, interval, pd.cut(y, [-1, 2]))
    found = coverage_by_group(
        y, interval, pd.cut(y, [-1, 2]), sample_weight=[1, 1, 1, 0, 0]
    )
    np.testing.assert_array_equal(found.n_samples, [3])
