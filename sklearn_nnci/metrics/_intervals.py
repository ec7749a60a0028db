"""Scores of intervals [l, u] of level 1 - alpha.

    coverage    share of rows with l <= y <= u
    width       u - l
    score       u - l + 2/alpha ((l - y)+ + (y - u)+)             Winkler

The score is least, on average, for the quantiles alpha/2 and 1 - alpha/2 of y. Of K
levels, and the median m, the weighted interval score is

    (|y - m| / 2 + sum_k alpha_k/2 score_k) / (K + 1/2)           Bracher et al.

without m it is the mean of alpha_k/2 score_k. Either tends to the CRPS.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_nnci._critical import check_levels
from sklearn_nnci.metrics._arrays import averaged, bounds, like, targets, weights


def winkler(y: Any, lower: Any, upper: Any, alpha: Any) -> np.ndarray:
    """Return the interval score, entry by entry."""
    missed = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    return upper - lower + 2.0 / alpha * missed


def coverage_score(
    y_true: Any, interval: Any, *, sample_weight: Any = None,
    multioutput: Any = "uniform_average",
) -> Any:  # fmt: skip
    """Return the share of rows that lie in their intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Observations.
    interval : array-like of shape (n_samples, 2[, n_levels]) or \
(n_samples, n_outputs, 2[, n_levels])
        Lower and upper bounds, as `predict` returns them; they belong to it.
    sample_weight : array-like of shape (n_samples,), default=None
        A row of weight k counts as k rows.
    multioutput : {'uniform_average', 'raw_values'} or array-like of shape \
(n_outputs,), default='uniform_average'
        The mean over outputs, each of them, or a mean with these weights.

    Returns
    -------
    coverage : float or ndarray
        Between 0 and 1; (n_levels,) for several levels, (n_outputs[, n_levels]) with
        ``'raw_values'``.

    Raises
    ------
    ValueError
        If shapes do not fit, bounds are nan or cross, or weights are negative.

    Examples
    --------
    >>> from sklearn_nnci.metrics import coverage_score
    >>> coverage_score([1.0, 2.0, 3.0, 4.0], [[0, 2], [0, 2], [0, 2], [0, 2]])
    0.5
    """
    y = targets(y_true)
    lower, upper = bounds(y, interval)
    y = _beside(y, lower)
    covered = ((lower <= y) & (y <= upper)).astype(float)
    return averaged(covered, sample_weight, multioutput)


def mean_interval_width(
    y_true: Any, interval: Any, *, sample_weight: Any = None,
    multioutput: Any = "uniform_average",
) -> Any:  # fmt: skip
    """Return the mean width of intervals, in units of y.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Observations, of which only the shape is used: it tells outputs from levels.
    interval : array-like of shape (n_samples, 2[, n_levels]) or \
(n_samples, n_outputs, 2[, n_levels])
        Lower and upper bounds.
    sample_weight, multioutput : optional
        As in `coverage_score`.

    Returns
    -------
    width : float or ndarray
        Shaped as by `coverage_score`; infinite if one interval is.

    Raises
    ------
    ValueError
        As `coverage_score`.

    Examples
    --------
    >>> from sklearn_nnci.metrics import mean_interval_width
    >>> mean_interval_width([1.0, 2.0], [[0, 2], [0, 3]])
    2.5
    """
    lower, upper = bounds(targets(y_true), interval)
    return averaged(upper - lower, sample_weight, multioutput)


def interval_score(
    y_true: Any, interval: Any, *, confidence_level: Any = 0.95, y_pred: Any = None,
    sample_weight: Any = None, multioutput: Any = "uniform_average",
) -> Any:  # fmt: skip
    """Return the mean interval score: width, and a fine for what lies outside.

    The smaller the better, in units of y. It is proper: no interval is better on
    average than that of the true quantiles, so that coverage and width need not be
    weighed by hand.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Observations.
    interval : array-like of shape (n_samples, 2[, n_levels]) or \
(n_samples, n_outputs, 2[, n_levels])
        Lower and upper bounds.
    confidence_level : float or array-like of shape (n_levels,), default=0.95
        That of the intervals. A float gives the score of Winkler [1]_. An array gives
        one number for all levels, the weighted interval score [3]_: the mean of
        (1 - level) / 2 times the score of each.
    y_pred : array-like, as `y_true`, default=None
        With several levels: the predicted median, whose absolute error joins the mean
        with half the weight of a level.
    sample_weight, multioutput : optional
        As in `coverage_score`.

    Returns
    -------
    score : float or ndarray of shape (n_outputs,)
        An array with ``multioutput='raw_values'``.

    Raises
    ------
    ValueError
        If shapes do not fit, a level is not in (0, 1), bounds are nan or cross, or
        `y_pred` is given with a single level.

    References
    ----------
    .. [1] R. L. Winkler, "A decision-theoretic approach to interval estimation",
       J. Amer. Statist. Assoc. 67, 1972.
    .. [2] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction,
       and estimation", J. Amer. Statist. Assoc. 102, 2007.
    .. [3] J. Bracher et al., "Evaluating epidemic forecasts in an interval format",
       PLoS Comput. Biol. 17, 2021.

    Examples
    --------
    >>> from sklearn_nnci.metrics import interval_score
    >>> interval_score([1.0, 3.0], [[0, 2], [0, 2]], confidence_level=0.5)
    4.0
    """
    y, levels = targets(y_true), check_levels(confidence_level)
    lower, upper = bounds(y, interval)
    _check_number_of_levels(levels, lower)
    score = winkler(_beside(y, lower), lower, upper, 1.0 - levels)
    if levels.ndim:
        terms = score.reshape(*y.shape, -1) * (1.0 - levels) / 2.0
        score = terms.sum(axis=2) / levels.size
        if y_pred is not None:
            error = np.abs(y - like(y, y_pred, "y_pred"))
            score = (terms.sum(axis=2) + error / 2.0) / (levels.size + 0.5)
    elif y_pred is not None:
        raise ValueError(
            "y_pred has no part in the score of one level. Try y_pred=None, or "
            "confidence_level=[0.5, 0.95] with intervals of both."
        )
    return averaged(score.reshape(y.shape), sample_weight, multioutput)


class GroupCoverage(NamedTuple):
    """Coverage of each group of rows, and its interval: what chance makes of it.

    A group whose interval does not contain the level is covered too often, or not
    often enough.

    Parameters
    ----------
    groups : ndarray of shape (n_groups,)
        Their names, in ascending order; of a categorical, in that of its categories.
    n_samples : ndarray of shape (n_groups,)
        Rows of each, or the sum of their weights.
    coverage : ndarray of shape (n_groups, ...)
        As `coverage_score` of each.
    lower, upper : ndarray, as `coverage`
        Ends of Wilson's interval of it.

    See Also
    --------
    coverage_by_group : Makes it.

    Examples
    --------
    >>> from sklearn_nnci.metrics import coverage_by_group
    >>> found = coverage_by_group([1.0, 4.0], [[0, 3]] * 2, ["a", "b"])
    >>> found.coverage
    array([1., 0.])
    """

    groups: np.ndarray
    n_samples: np.ndarray
    coverage: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def coverage_by_group(
    y_true: Any, interval: Any, groups: Any, *, confidence_level: float = 0.95,
    sample_weight: Any = None, multioutput: Any = "uniform_average",
) -> GroupCoverage:  # fmt: skip
    """Return the coverage of each group of rows, with Wilson's interval of it.

    Intervals that cover on average may cover one kind of rows too often and another
    not often enough.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Observations.
    interval : array-like of shape (n_samples, 2[, n_levels]) or \
(n_samples, n_outputs, 2[, n_levels])
        Lower and upper bounds.
    groups : array-like of shape (n_samples,)
        To which group each row belongs: a column of X, or bins of the predictions,
        ``np.digitize(y_pred, np.quantile(y_pred, [0.25, 0.5, 0.75]))``. Groups come
        in the order that ``groupby`` of pandas gives them: ascending, or, of a
        categorical (or Enum of polars), that of its categories, without those that
        no row has.
    confidence_level : float, default=0.95
        Of the interval of the coverage [1]_, not of those in `interval`. Where the
        coverage is a mean over outputs, its interval is that of one of them, which is
        wide enough for the mean.
    sample_weight, multioutput : optional
        As in `coverage_score`.

    Returns
    -------
    found : GroupCoverage
        A tuple with ``groups``, ``n_samples``, ``coverage``, ``lower``, ``upper``;
        ``pd.DataFrame(found._asdict())`` is a table if there is one level.

    Raises
    ------
    ValueError
        As `coverage_score`, if the level is not one number in (0, 1), or if a
        categorical has missing values.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", J. Amer. Statist. Assoc. 22, 1927.

    Examples
    --------
    >>> from sklearn_nnci.metrics import coverage_by_group
    >>> found = coverage_by_group([1.0, 2.0, 3.0, 4.0], [[0, 3]] * 4, list("aabb"))
    >>> found.groups, found.coverage
    (array(['a', 'b'], dtype='<U1'), array([1. , 0.5]))
    >>> found.lower.round(2)
    array([0.34, 0.09])
    """
    level, y = check_levels(confidence_level), targets(y_true)
    if level.ndim:
        raise ValueError(
            f"confidence_level must be one number, got {confidence_level!r}."
        )
    w, interval = weights(sample_weight, len(y)), np.asarray(interval, dtype=float)
    check_consistent_length(y, groups, interval)
    seen = np.flatnonzero(w)
    names, codes = _names_and_codes(groups, seen)
    rows = [seen[codes == code] for code in range(len(names))]
    found = [
        coverage_score(y[r], interval[r], sample_weight=w[r], multioutput=multioutput)
        for r in rows
    ]
    n = np.array([w[r].sum() for r in rows])
    return GroupCoverage(names, n, *_wilson(np.array(found), n, float(level)))


def _names_and_codes(groups: Any, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the groups of the rows `seen`, and which of them each row is in."""
    values = column_or_1d(groups)[seen]
    categories: Any = getattr(getattr(groups, "dtype", None), "categories", None)
    if not hasattr(categories, "__iter__"):
        return np.unique(values, return_inverse=True)
    rank = {one: k for k, one in enumerate(categories)}
    ranks = np.array([rank.get(one, -1) for one in values], dtype=int)
    if (ranks < 0).any():
        raise ValueError(
            f"groups has {(ranks < 0).sum()} missing values. Try a category for these, "
            "or sample_weight 0 there."
        )
    _, first, codes = np.unique(ranks, return_index=True, return_inverse=True)
    return values[first], codes


def _wilson(
    share: np.ndarray, n: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `share`, and the two p with |share - p| = z sqrt(p (1 - p) / n)."""
    z2_n = stats.norm.isf((1.0 - level) / 2.0) ** 2 / n
    z2_n = z2_n.reshape(-1, *[1] * (share.ndim - 1))
    middle = (share + z2_n / 2.0) / (1.0 + z2_n)
    half = np.sqrt(z2_n * share * (1.0 - share) + z2_n**2 / 4.0) / (1.0 + z2_n)
    return share, middle - half, middle + half


def _beside(y: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return `y` (n, m) with an axis of levels if `lower` has one."""
    return y.reshape(y.shape + (1,) * (lower.ndim - y.ndim))


def _check_number_of_levels(levels: np.ndarray, lower: np.ndarray) -> None:
    given = lower.shape[2:]
    if levels.ndim > 1 or (given or (1,)) != (levels.shape or (1,)):
        raise ValueError(
            f"confidence_level has shape {levels.shape}, but interval has "
            f"{given[0] if given else 1} levels. Try the confidence_level given to "
            "predict."
        )
