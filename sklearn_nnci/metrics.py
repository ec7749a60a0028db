"""Scorers for scikit-learn's searches."""

from sklearn.pipeline import Pipeline

__all__ = ["loo_scorer"]


def loo_scorer(estimator, X, y, sample_weight=None):
    """Return the leave-one-out R^2 of a fitted network: selection without refits.

    For searches that train on all rows, ``GridSearchCV(model, grid,
    scoring=loo_scorer, cv=[(rows, rows)])`` with ``rows = np.arange(len(y))``: one fit
    per candidate takes the place of one per fold.

    Parameters
    ----------
    estimator : MLPRegressorCI
        Fitted, also at the end of a pipeline or search, or inside a
        `TransformedTargetRegressorCI` (what is scored is then the transformed y).
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows it was trained on.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        The weights it was trained with. A search passes none to a scorer: bind them,
        ``functools.partial(loo_scorer, sample_weight=w)``.

    Returns
    -------
    score : float
        As `MLPRegressorCI.loo_score`.

    Raises
    ------
    TypeError
        If `estimator` does not end in an `MLPRegressorCI`.

    See Also
    --------
    MLPRegressorCI.loo_score : The score.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import scale, StandardScaler
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.metrics import loo_scorer
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(2,), activation="tanh",
    ...                      solver="lbfgs", max_iter=2000, random_state=0)
    >>> rows = np.arange(len(y))
    >>> search = GridSearchCV(make_pipeline(StandardScaler(), net),
    ...                       {"mlpregressorci__alpha": [1.0, 1e4]},
    ...                       scoring=loo_scorer, cv=[(rows, rows)])
    >>> search.fit(X, scale(y)).best_params_["mlpregressorci__alpha"]
    1.0
    """
    model, X = unwrap(estimator, X)
    if not hasattr(model, "loo_score"):
        raise TypeError(
            f"estimator has no leave-one-out score, got {model!r}. Try an "
            "MLPRegressorCI, alone, at the end of a pipeline or search, or inside a "
            "TransformedTargetRegressorCI."
        )
    return model.loo_score(X, y, sample_weight)


def unwrap(estimator, X=None):
    """Return what searches and pipelines end in, and X, if given, as it sees it."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            steps, estimator = estimator[:-1], estimator[-1]
            X = steps.transform(X) if X is not None and len(steps) else X
        else:
            return estimator, X
