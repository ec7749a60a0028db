"""Scores of intervals, and scorers for scikit-learn's searches."""

__all__ = ["loo_scorer"]


def loo_scorer(estimator, X, y):
    """Return the leave-one-out R^2 of a fitted network: selection without refits.

    For searches that train on all rows, ``GridSearchCV(model, grid,
    scoring=loo_scorer, cv=[(rows, rows)])`` with ``rows = np.arange(len(y))``: one fit
    per candidate takes the place of one per fold.

    Parameters
    ----------
    estimator : MLPRegressorCI
        Fitted, also at the end of a pipeline or inside a
        `TransformedTargetRegressorCI` (then scored in units of the transformed y).
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows it was trained on.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.

    Returns
    -------
    score : float
        As `MLPRegressorCI.loo_score`.

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
    if hasattr(estimator, "transformer_"):
        shape = y.shape if hasattr(y, "shape") else (len(y),)
        y = estimator.transformer_.transform(
            y.reshape(len(y), -1) if len(shape) == 1 else y
        ).reshape(shape)
        estimator = estimator.regressor_
    if hasattr(estimator, "steps"):
        X = estimator[:-1].transform(X)
        estimator = estimator[-1]
    return estimator.loo_score(X, y)
