"""Scorers of intervals, `(estimator, X, y)`, for searches and cross-validation.

What is scored is what the estimator says of new observations: `Prediction`'s intervals,
or the law that they are the quantiles of. All are greater-is-better, as scikit-learn
wants: a loss is negated, and then its name begins with ``neg_``.
"""

from typing import Any

from sklearn_nnci._wrapped import get_prediction, predicted
from sklearn_nnci.metrics._arrays import averaged, targets
from sklearn_nnci.metrics._intervals import coverage_score, interval_score
from sklearn_nnci.metrics._laws import law_of


def neg_interval_scorer(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, *,
    confidence_level: Any = 0.95,
) -> float:  # fmt: skip
    """Return the negated interval score of a fitted estimator's prediction intervals.

    For ``scoring=`` of `cross_validate`, `GridSearchCV`, `HalvingGridSearchCV`,
    `learning_curve` and the like.

    Parameters
    ----------
    estimator : object
        A fitted `MLPRegressorCI` or `MLPEnsembleRegressorCI`, also at the end of a
        pipeline or search, or inside a `TransformedTargetRegressorCI`: the score is
        then in units of y. Any other whose ``predict`` takes ``return_pi`` and
        ``confidence_level``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Test rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        A row of weight k counts as k rows.
    confidence_level : float or array-like of float, default=0.95
        Of the intervals; several give the weighted interval score. A search passes
        none: bind it, ``functools.partial(neg_interval_scorer, confidence_level=0.8)``.

    Returns
    -------
    score : float
        Minus `interval_score`, averaged over outputs; -inf if an interval is
        unbounded.

    Raises
    ------
    ValueError
        If there are no prediction intervals: `covariance=None`, or a Poisson loss of
        targets that are no counts.

    See Also
    --------
    interval_score : The score.
    sklearn_nnci.model_selection.fit_search : A search without a warning per candidate.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.metrics import neg_interval_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(100)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(5,), activation="tanh",
    ...                      solver="lbfgs", max_iter=2000, random_state=0)
    >>> search = GridSearchCV(net, {"alpha": [0.01, 100.0]}, cv=3,
    ...                       scoring=neg_interval_scorer)
    >>> search.fit(X, y).best_params_
    {'alpha': 0.01}
    """
    _, interval = predicted(estimator, X, confidence_level=confidence_level)
    return -interval_score(
        y, interval, confidence_level=confidence_level, sample_weight=sample_weight
    )


def coverage_scorer(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, *,
    confidence_level: float = 0.95,
) -> float:  # fmt: skip
    """Return the share of observations in a fitted estimator's prediction intervals.

    To be reported, not to be searched by: the widest intervals cover most.

    Parameters
    ----------
    estimator, X, y, sample_weight : object
        As in `neg_interval_scorer`.
    confidence_level : float, default=0.95
        Of the intervals.

    Returns
    -------
    score : float
        `coverage_score`, averaged over outputs.

    Raises
    ------
    ValueError
        As `neg_interval_scorer`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import cross_validate
    >>> from sklearn_nnci import MLPRegressorCI, make_scaled
    >>> from sklearn_nnci.metrics import coverage_scorer, neg_crps_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_scaled(MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=500,
    ...                                    random_state=0))
    >>> found = cross_validate(model, X, y, cv=3, scoring=dict(
    ...     coverage=coverage_scorer, crps=neg_crps_scorer))
    >>> bool(found["test_coverage"].mean() > 0.9)
    True
    """
    _, interval = predicted(estimator, X, confidence_level=confidence_level)
    return coverage_score(y, interval, sample_weight=sample_weight)


def neg_crps_scorer(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    """Return the negated CRPS of a fitted estimator's law of new observations.

    Parameters
    ----------
    estimator : object
        A fitted `MLPRegressorCI` or `MLPEnsembleRegressorCI`, also at the end of a
        pipeline or search, or inside a `TransformedTargetRegressorCI`: the score is
        then in units of y.
    X, y, sample_weight : array-like
        As in `neg_interval_scorer`.

    Returns
    -------
    score : float
        Minus `crps`, averaged over outputs. Where the inverse of a target's
        transformer is not a line, by quadrature over 64 levels of the intervals.

    Raises
    ------
    TypeError
        If `estimator` does not end in one of these.
    ValueError
        As `neg_interval_scorer`.

    See Also
    --------
    crps : The score.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_nnci import MLPRegressorCI, make_scaled
    >>> from sklearn_nnci.metrics import neg_crps_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_scaled(MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=500,
    ...                                    random_state=0))
    >>> bool(-35 < neg_crps_scorer(model.fit(X, y), X, y) < -25)
    True
    """
    observed = targets(y, "y")
    law = law_of(get_prediction(estimator, X), observed)
    return -averaged(law.crps(observed), sample_weight, "uniform_average")


def neg_log_scorer(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    """Return the mean log density of new observations under a fitted estimator's law.

    Parameters
    ----------
    estimator, X, y, sample_weight : object
        As in `neg_crps_scorer`.

    Returns
    -------
    score : float
        Minus `log_score`, averaged over outputs.

    Raises
    ------
    TypeError
        If `estimator` does not end in one of these.
    ValueError
        As `neg_interval_scorer`, or if the inverse of a target's transformer is not a
        line: the density of y is then not known.

    See Also
    --------
    log_score : The score.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_nnci import MLPRegressorCI, make_scaled
    >>> from sklearn_nnci.metrics import neg_log_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_scaled(MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=500,
    ...                                    random_state=0))
    >>> bool(-6 < neg_log_scorer(model.fit(X, y), X, y) < -5)
    True
    """
    observed = targets(y, "y")
    law = law_of(get_prediction(estimator, X), observed)
    return -averaged(law.log_score(observed), sample_weight, "uniform_average")
