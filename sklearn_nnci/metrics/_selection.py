"""Scorers of the fit to all rows: selection without refits."""

from typing import Any

from sklearn_nnci._wrapped import unwrap


def loo_scorer(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
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

    Notes
    -----
    What is left out are rows, not the minimum that training found with them. Where
    `alpha` is small, minima are many, and the score of smooth networks is too hopeful.
    On 150 rows of four inputs (means of six data sets), twelve units of tanh with
    ``alpha=0.01`` have 0.63, by ten folds -0.15, and on new rows 0.09; with ``alpha=1``
    0.63, 0.56 and 0.61. Of five such `alpha` this score took one with 0.23 on new rows,
    folds one with 0.61. Of twenty units of relu it took 0.56, folds 0.63. So choose
    by folds, or take ``regularization='evidence'``, which needs no `alpha`; this score
    is for networks that hardly overfit.

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


def evidence_scorer(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Return the log evidence of a tuned network: selection without refits or folds.

    For searches that train on all rows, ``GridSearchCV(model, grid,
    scoring=evidence_scorer, cv=[(rows, rows)])`` with ``rows = np.arange(len(y))``:
    over hidden layers, activations, features. It weighs the fit against the number of
    parameters that it needs, and counts how many networks are the same but for the
    order and the signs of their units, so that networks of several sizes compare.

    Parameters
    ----------
    estimator : MLPRegressorCI
        Fitted with ``regularization='evidence'``, also at the end of a pipeline or
        search, or inside a `TransformedTargetRegressorCI`.
    X, y : ignored
        What is scored is the fit to the rows it was trained on.

    Returns
    -------
    score : float
        ``log_evidence_`` and the logarithm of that number.

    Raises
    ------
    TypeError
        If `estimator` does not end in an `MLPRegressorCI`.
    AttributeError
        If its ``regularization`` is another.

    References
    ----------
    .. [1] D. J. C. MacKay, "A practical Bayesian framework for backpropagation
       networks", Neural Computation 4, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.metrics import evidence_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(100)
    >>> net = MLPRegressorCI(activation="tanh", regularization="evidence",
    ...                      n_restarts=2, random_state=0)
    >>> rows = np.arange(len(y))
    >>> search = GridSearchCV(net, {"hidden_layer_sizes": [(1,), (4,)]},
    ...                       scoring=evidence_scorer, cv=[(rows, rows)])
    >>> search.fit(X, y).best_params_
    {'hidden_layer_sizes': (4,)}
    """
    model, _ = unwrap(estimator)
    if not hasattr(type(model), "log_evidence_"):
        raise TypeError(
            f"estimator has no evidence, got {model!r}. Try an MLPRegressorCI with "
            "regularization='evidence', alone, at the end of a pipeline or search, or "
            "inside a TransformedTargetRegressorCI."
        )
    return model.log_evidence_ + model._symmetry
