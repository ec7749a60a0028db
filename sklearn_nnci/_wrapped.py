"""Asking a network, or a committee, through what is wrapped around it.

A pipeline is asked by its last step, on rows that went through the others; a search by
its best estimator. What can be asked is then ``get_prediction``, which both kinds of
estimator and the target transformer have.
"""

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from sklearn_nnci._compress import CompressMethods
from sklearn_nnci._frames import labels
from sklearn_nnci._linearized import partitions
from sklearn_nnci._prediction import Prediction

KINDS = {"prediction": "return_pi", "confidence": "return_ci"}
# The keywords of predict that ask for more than the mean, or say how.
ASKED = (
    "return_ci", "return_pi", "return_std", "return_cov", "confidence_level",
    "simultaneous",
)  # fmt: skip

TRY = (
    "Try an MLPRegressorCI, alone, inside a TransformedTargetRegressorCI, or at the "
    "end of a pipeline or of a search fitted with refit=True."
)


def flag_of(kind: str) -> str:
    """Return the flag of predict that asks for intervals of that kind."""
    if not (isinstance(kind, str) and kind in KINDS):
        raise ValueError(
            f"kind must be 'prediction', of a new observation, or 'confidence', of "
            f"the mean. Got {kind!r}."
        )
    return KINDS[kind]


def unwrap(estimator: Any, X: Any = None) -> tuple[Any, Any]:
    """Return what searches and pipelines end in, and X, if given, as it sees it."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            steps, estimator = estimator[:-1], estimator[-1]
            X = steps.transform(X) if X is not None and len(steps) else X
        else:
            return estimator, X


@contextlib.contextmanager
def words_refused(regressor: Any, X: Any) -> Iterator[None]:
    """Say what to do where `regressor` fails as it begins with a scaler of words."""
    try:
        yield
    except ValueError as error:
        first = regressor[0] if isinstance(regressor, Pipeline) else None
        if not isinstance(first, StandardScaler) or _is_numeric(X):
            raise
        raise ValueError(
            "X has columns that are no numbers, which a StandardScaler cannot scale. "
            "Try an encoder before it: make_scaled goes inside, "
            f"make_pipeline(encoder, make_scaled(network)). ({error})"
        ) from error


def _is_numeric(X: Any) -> bool:
    if sparse.issparse(X):
        return True
    try:
        np.asarray(X).astype(float)
    except (TypeError, ValueError):
        return False
    return True


def get_prediction(estimator: Any, X: Any) -> Prediction:
    """Return predictions with their uncertainty, through pipelines and searches.

    The method of the same name stops at a pipeline or a search, which do not have it.

    Parameters
    ----------
    estimator : object
        A fitted `MLPRegressorCI`, `MLPEnsembleRegressorCI` or
        `TransformedTargetRegressorCI`, or a pipeline or search that ends in one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Query rows, as `estimator` takes them; the index of a DataFrame is kept.

    Returns
    -------
    prediction : Prediction
        Standard errors, intervals and a table, in units of the y given to `fit`.

    Raises
    ------
    TypeError
        If `estimator` does not end in one of the three.
    NotFittedError
        If it is not fitted, or has no inference at its weights.

    See Also
    --------
    MLPRegressorCI.get_prediction : Of a network alone.
    cross_val_predict_interval : Intervals of rows that did not train.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PolynomialFeatures
    >>> from sklearn_nnci import MLPRegressorCI, get_prediction, make_scaled
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(2,), random_state=0)
    >>> model = make_pipeline(PolynomialFeatures(include_bias=False), make_scaled(net))
    >>> table = get_prediction(model.fit(X, y), X[:3]).to_frame()
    >>> table.shape
    (3, 8)
    """
    model, rows = unwrap(estimator, X)
    if not hasattr(model, "get_prediction"):
        raise TypeError(f"estimator has no intervals, got {model!r}. {TRY}")
    prediction = model.get_prediction(rows)
    return replace(prediction, **labels(X))


def predicted(
    estimator: Any, X: Any, kind: str = "prediction", confidence_level: Any = 0.95
) -> tuple[Any, Any]:
    """Return (y, interval) of any estimator whose predict takes the flags.

    What ends in a model of this package is asked itself: no flag has to travel.
    """
    flag, (model, rows) = flag_of(kind), unwrap(estimator, X)
    if isinstance(model, IntervalMethods):
        return model.predict_interval(
            rows, kind=kind, confidence_level=confidence_level
        )
    if not _takes(model, flag):
        raise TypeError(
            f"estimator has no intervals: predict of {model!r} takes no {flag}. {TRY}"
        )
    return estimator.predict(X, **{flag: True}, confidence_level=confidence_level)


def _takes(model: Any, flag: str) -> bool:
    """Return whether `predict` takes the flag, and returns a tuple then."""
    if isinstance(model, TransformedTargetRegressor):  # passes it on, and stumbles
        return False
    known = inspect.signature(model.predict).parameters.values()
    return any(one.name == flag or one.kind is one.VAR_KEYWORD for one in known)


def request_intervals(estimator: Any) -> Any:
    """Let scikit-learn's metadata routing pass the flags of predict to every network.

    With ``sklearn.set_config(enable_metadata_routing=True)``, a pipeline refuses
    ``predict(X, return_pi=True)`` until the network inside asks for it.

    Parameters
    ----------
    estimator : object
        Anything with networks or committees inside: a pipeline, a search, a target
        transformer, a stack of regressors. They are changed in place; what is fitted
        already keeps what it asked for.

    Returns
    -------
    estimator : object
        The same object.

    Raises
    ------
    RuntimeError
        If metadata routing is not enabled.

    See Also
    --------
    make_scaled : The network with scalers around it.

    Examples
    --------
    >>> import sklearn
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_nnci import MLPRegressorCI, make_scaled, request_intervals
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(2,), random_state=0)
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     model = request_intervals(make_scaled(net)).fit(X, y)
    ...     y_pred, pi = model.predict(X, return_pi=True)
    >>> pi.shape
    (442, 2)
    """
    for one, asked in _consumers(estimator):
        one.set_predict_request(**dict.fromkeys(asked, True))
    return estimator


def _consumers(estimator: Any) -> Iterator[tuple[Any, list[str]]]:
    """Yield each estimator inside whose own predict takes flags, with their names."""
    for one in (estimator, *estimator.get_params(deep=True).values()):
        if hasattr(one, "set_predict_request"):
            request = get_routing_for_object(one)
            if isinstance(request, MetadataRequest):
                asked = [name for name in ASKED if name in request.predict.requests]
                if asked:
                    yield one, asked


class IntervalMethods(CompressMethods):
    """What every estimator with a `get_prediction` answers by it: a mixin."""

    get_prediction: Any
    predict: Any

    def predict_interval(
        self, X, *, kind="prediction", confidence_level=0.95
    ) -> tuple[Any, Any]:
        """Return predictions and their intervals.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Query rows; see `predict` for dask arrays.
        kind : {'prediction', 'confidence'}, default='prediction'
            The interval of a new observation, or of the regression mean: what
            `predict` returns with ``return_pi=True``, or with ``return_ci=True``.
        confidence_level : float or array-like of float, default=0.95
            In the open interval (0, 1): 0.95, not 95.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, in units of y.
        interval : ndarray of shape ``y.shape + (2,) + np.shape(confidence_level)``
            Lower and upper bounds; (-inf, inf) where the data do not bound them.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted, or has no inference at its weights.
        ValueError
            If `kind` or a level is none, or the inference failed.
        """
        flag = flag_of(kind)
        if partitions.is_dask(X):
            return self.predict(X, **{flag: True}, confidence_level=confidence_level)
        prediction = self.get_prediction(X)
        obs = kind == "prediction"
        return prediction.mean, prediction.conf_int(confidence_level, obs=obs)
