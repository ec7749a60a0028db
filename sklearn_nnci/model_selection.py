"""Cross-validated intervals, and searches that infer about their winner alone."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_nnci._critical import check_levels
from sklearn_nnci._ensemble import MLPEnsembleRegressorCI
from sklearn_nnci._regressor import MLPRegressorCI
from sklearn_nnci._wrapped import flag_of, predicted, unwrap
from sklearn_nnci.exceptions import InferenceWarning

__all__ = ["cross_val_predict_interval", "fit_search"]

# What `make_scorer` makes, whose class has no public name.
Scorer = type(get_scorer("r2"))


def cross_val_predict_interval(
    estimator: Any, X: Any, y: Any = None, *, groups: Any = None, cv: Any = None,
    n_jobs: int | None = None, verbose: int = 0, params: Any = None,
    pre_dispatch: Any = "2*n_jobs", kind: str = "prediction",
    confidence_level: Any = 0.95,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Predict every row, with its interval, by a model that did not see it.

    :func:`sklearn.model_selection.cross_val_predict` with intervals: the same splits,
    the same fits and the same predictions.

    Parameters
    ----------
    estimator : object
        An `MLPRegressorCI` or `MLPEnsembleRegressorCI`, also at the end of a pipeline
        or search, or inside a `TransformedTargetRegressorCI`; any other whose
        ``predict`` takes ``return_pi`` or ``return_ci``, and ``confidence_level``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        All rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    groups : array-like of shape (n_samples,), default=None
        As in `cross_val_predict`.
    cv : int, cross-validation generator or iterable, default=None
        As in `cross_val_predict`: a partition, five folds by default.
    n_jobs : int, default=None
        Processes.
    verbose : int, default=0
        As in `cross_val_predict`.
    params : dict, default=None
        Passed to ``estimator.fit`` and the splitter, as in `cross_val_predict`.
    pre_dispatch : int or str, default='2*n_jobs'
        As in `cross_val_predict`.
    kind : {'prediction', 'confidence'}, default='prediction'
        The interval of a new observation, or of the regression mean.
    confidence_level : float or array-like of float, default=0.95
        In the open interval (0, 1).

    Returns
    -------
    y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Predictions, row by row as X.
    interval : ndarray of shape ``y_pred.shape + (2,) + np.shape(confidence_level)``
        Lower and upper bounds.

    Raises
    ------
    TypeError
        If `estimator` has no intervals.
    ValueError
        If `kind` or a level is none, or `cv` is no partition.

    See Also
    --------
    sklearn.model_selection.cross_val_predict : The same without intervals.
    sklearn_nnci.metrics.coverage_score : How many of the rows they cover.

    Notes
    -----
    Rows of the result are those of X, so that a table takes the index of a DataFrame X:
    ``pd.DataFrame({"y": y, "lower": pi[:, 0], "upper": pi[:, 1]}, index=X.index)``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_nnci import MLPRegressorCI, cross_val_predict_interval, make_scaled
    >>> from sklearn_nnci.metrics import coverage_score
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_scaled(MLPRegressorCI(hidden_layer_sizes=(3,), max_iter=500,
    ...                                    random_state=0))
    >>> y_pred, pi = cross_val_predict_interval(model, X, y, cv=3)
    >>> pi.shape
    (442, 2)
    >>> bool(0.9 < coverage_score(y, pi) < 1.0)
    True
    """
    flag_of(kind)
    levels = check_levels(confidence_level)
    side_by_side = _SideBySide(estimator, kind, confidence_level)
    found = cross_val_predict(
        side_by_side, X, y, groups=groups, cv=cv, n_jobs=n_jobs, verbose=verbose,
        params=params, pre_dispatch=pre_dispatch,
    )  # fmt: skip
    y_pred = found[..., 0]
    return y_pred, found[..., 1:].reshape(*y_pred.shape, 2, *levels.shape)


class _SideBySide(BaseEstimator):
    """An estimator that predicts y and the bounds in one array, y.shape + (1 + 2 k,).

    `cross_val_predict` puts arrays back into the order of rows, and asks of an
    estimator no more than this. To all else it is the one inside.
    """

    def __init__(self, estimator, kind, confidence_level):
        self.estimator = estimator
        self.kind = kind
        self.confidence_level = confidence_level

    def fit(self, X, *y, **params):
        self.estimator.fit(X, *y, **params)
        return self

    def predict(self, X):
        y, interval = predicted(self.estimator, X, self.kind, self.confidence_level)
        bounds = interval.reshape(*y.shape, -1)
        return np.concatenate([y[..., None], bounds], axis=-1)

    def __sklearn_tags__(self):
        return get_tags(self.estimator)

    def get_metadata_routing(self):
        return get_routing_for_object(self.estimator)


def fit_search(search: Any, X: Any, y: Any, **params: Any) -> Any:
    """Fit a search quietly and cheaply, with inference about its winner only.

    ``fit_search(search, X, y)`` in place of ``search.fit(X, y)``. Candidates are
    trained without inference where nothing asks for it, and none warns of intervals
    that nobody will use. The winner has its inference, and its warnings.

    Parameters
    ----------
    search : object
        A `GridSearchCV`, `HalvingGridSearchCV` or the like, over an `MLPRegressorCI` or
        an `MLPEnsembleRegressorCI`, also at the end of a pipeline or inside a
        `TransformedTargetRegressorCI`. The search itself may be inside these, too. It
        is fitted in place.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training inputs.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    **params : dict
        As ``search.fit`` takes them: `groups`, weights.

    Returns
    -------
    search : object
        The same, fitted.

    Raises
    ------
    TypeError
        If there is no search, or it ends in no network or committee that is given.
    ValueError
        If the search has no winner, ``refit=False``, or the inference about it fails;
        the search is fitted then.

    Warns
    -----
    InferenceWarning
        About the winner.

    See Also
    --------
    sklearn_nnci.metrics.neg_interval_scorer : Selects by the intervals themselves.

    Notes
    -----
    Candidates go without inference if `scoring` is None, a name such as ``'r2'``, or
    made by `sklearn.metrics.make_scorer`: these see predictions only. Other callables
    may ask for intervals, as those of `sklearn_nnci.metrics` do, and the members of a
    committee are weighed by their inference: candidates are then merely quiet.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_nnci import MLPRegressorCI, make_scaled
    >>> from sklearn_nnci.model_selection import fit_search
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_scaled(MLPRegressorCI(hidden_layer_sizes=(3,), solver="lbfgs",
    ...                                    random_state=0))
    >>> grid = {"regressor__mlpregressorci__alpha": [1, 10]}
    >>> search = fit_search(GridSearchCV(model, grid, cv=3), X, y)
    >>> search.best_estimator_.predict_interval(X[:2])[1].shape
    (2, 2)
    """
    inside = _inside(search)
    _check_searches(inside.searches, search)
    with _candidates(inside):
        search.fit(X, y, **params)
    _infer_winner(search, X, y, inside, _weights(inside, params))
    return search


class _Inside(NamedTuple):
    """What an estimator ends in, before or after fit."""

    regressor: Any
    """The network, or the committee."""
    steps: tuple[str, ...]
    """Names of the last steps of pipelines on the way."""
    searches: tuple[Any, ...]
    """Searches on the way."""


def _inside(estimator: Any) -> _Inside:
    """Return what `estimator`, as it was given, ends in."""
    at, steps, searches = estimator, [], []
    while True:
        if hasattr(at, "refit") and hasattr(at, "scoring"):
            searches.append(at)
            at = at.estimator
        elif isinstance(at, Pipeline):
            name, at = at.steps[-1]
            steps.append(name)
        elif isinstance(at, TransformedTargetRegressor):
            at = at.regressor
        else:
            break
    if not isinstance(at, MLPRegressorCI | MLPEnsembleRegressorCI):
        raise TypeError(
            f"search must end in a network or a committee that is given, got {at!r} in "
            f"{estimator!r}. Try regressor=MLPRegressorCI() in the target transformer."
        )
    return _Inside(at, tuple(steps), tuple(searches))


@contextlib.contextmanager
def _candidates(inside: _Inside) -> Iterator[None]:
    """Let what is fitted meanwhile be quiet, and cheap if nothing asks for intervals.

    The members of a committee are weighed by their inference.
    """
    network, asks = inside.regressor, any(_asks(one.scoring) for one in inside.searches)
    shed = dict(covariance=None) if isinstance(network, MLPRegressorCI) else {}
    given = {name: getattr(network, name) for name in shed}
    try:
        network.set_params(**({} if asks else shed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            yield
    finally:
        network.set_params(**given)


def _check_searches(searches: tuple[Any, ...], given: Any) -> None:
    """Refuse what has no winner."""
    if not searches:
        raise TypeError(f"There is no search in {given!r}. Try its fit.")
    for one in searches:
        if not one.refit:
            raise ValueError(
                "refit=False has no winner to infer about. Try refit=True, or search."
                "fit with covariance=None in the network."
            )


def _asks(scoring: Any) -> bool:
    """Return whether scores may ask for more than predictions, as callables may."""
    if scoring is None or isinstance(scoring, str | Scorer):
        return False
    if callable(scoring):
        return True
    several = scoring.values() if isinstance(scoring, Mapping) else scoring
    return any(map(_asks, several))


def _weights(inside: _Inside, params: Mapping[str, Any]) -> Any:
    """Return the weights among `params` that the regressor inside trains with."""
    if not sklearn.get_config()["enable_metadata_routing"]:
        return params.get("__".join([*inside.steps, "sample_weight"]))
    requested = get_routing_for_object(inside.regressor).fit.requests
    asked = requested.get("sample_weight")  # True, or another name for it
    return params.get("sample_weight" if asked is True else asked)


def _infer_winner(search: Any, X: Any, y: Any, inside: _Inside, weights: Any) -> None:
    """Give the winner the covariance that was asked for, and infer."""
    winner, rows = unwrap(search, X)
    fitted, _ = unwrap(getattr(winner, "regressor_", winner))
    for network in (_inside(winner).regressor, fitted):
        if _skips(network):
            network.set_params(covariance=getattr(inside.regressor, "covariance", None))
    if not _skips(fitted):
        winner.fit_inference(rows, y, weights)


def _skips(regressor: Any) -> bool:
    """Return whether it is a network without inference."""
    return isinstance(regressor, MLPRegressorCI) and regressor.covariance is None
