"""What estimators are asked for pictures, and what they are refused for."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_nnci import _columns as columns
from sklearn_nnci._critical import check_levels
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._wrapped import unwrap


class Output(NamedTuple):
    """One output of a prediction: means (n,), intervals (n, 2, ...); None: has none."""

    mean: np.ndarray
    ci: np.ndarray
    pi: np.ndarray | None


def inside(estimator: Any, X: Any, has: str) -> tuple[Any, Any]:
    """Return what `estimator` ends in, if that `has` a method, and X as it sees it."""
    check_is_fitted(estimator)
    model, rows = unwrap(estimator, X)
    if not hasattr(model, has):
        raise TypeError(
            f"estimator has no intervals, got {estimator!r}. Try an MLPRegressorCI or "
            "MLPEnsembleRegressorCI, alone, at the end of a pipeline or (refitted) "
            "search, or inside a TransformedTargetRegressorCI; for a network trained "
            "earlier, MLPRegressorCI.from_estimator."
        )
    return model, rows


def prediction(estimator: Any, X: Any) -> Prediction:
    """Return the `Prediction` of rows X as the user has them."""
    model, rows = inside(estimator, X, "get_prediction")
    return model.get_prediction(rows)


def output(found: Prediction, target: Any, levels: Any) -> Output:
    """Return the output `target` of a `Prediction`."""
    k = output_number(np.shape(found.mean), target)
    ci = found.conf_int(levels)
    known = found.size is not None or not found.log_link
    pi = found.conf_int(levels, obs=True) if known else None
    if k is None:
        return Output(found.mean, ci, pi)
    return Output(found.mean[:, k], ci[:, k], None if pi is None else pi[:, k])


def output_number(shape: tuple[int, ...], target: Any) -> int | None:
    """Return which column of means of that shape is meant; None for the only one."""
    m = shape[1] if len(shape) > 1 else 1
    known = isinstance(target, int | np.integer) and not isinstance(target, bool)
    if (known and 0 <= target < m) or (target is None and m == 1):
        return None if len(shape) == 1 else int(target or 0)
    tries = "Try target=0" + (f", up to {m - 1}." if m > 1 else " or None.")
    raise ValueError(f"target={target!r}, but there are {m} outputs. {tries}")


def targets(y: Any, k: int | None) -> tuple[np.ndarray, str]:
    """Return the column of y that is output `k`, and its name."""
    values = np.asarray(y)
    several = values.ndim > 1 and values.shape[1] > 1
    if values.ndim > 1:
        values = values[:, k or 0]
    known = list(getattr(y, "columns", []))
    name = known[k or 0] if known else getattr(y, "name", None)
    return values.astype(float), str(name or (f"y{k}" if several else "y"))


def check_level(confidence_level: Any) -> float:
    """Return the one level of a picture."""
    levels = check_levels(confidence_level)
    if levels.ndim:
        raise ValueError(
            f"A picture shows one confidence_level, got {confidence_level!r}. Try "
            "0.95, and plot again on the same ax for another."
        )
    return float(levels)


def left_out(cv_results: Any, X: Any, y: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the estimator of each fold, and the rows that it did not see."""
    missing = [key for key in ("estimator", "indices") if key not in cv_results]
    if missing:
        raise ValueError(
            f"cv_results has no {' and no '.join(map(repr, missing))}. Try "
            "cross_validate(..., return_estimator=True, return_indices=True)."
        )
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    folds = cv_results["indices"]
    seen = 1 + max(int(np.max(rows)) for key in folds for rows in folds[key])
    if not seen <= n == len(y):
        raise ValueError(
            f"cv_results is of at least {seen} rows, X has {n} and y {len(y)}. Try "
            "the X and y that were given to cross_validate."
        )
    for estimator, test in zip(cv_results["estimator"], folds["test"], strict=True):
        yield estimator, columns.take(X, test), columns.take(y, test)


def subsampled(n: int, subsample: Any, random_state: Any) -> np.ndarray:
    """Return the numbers of the rows to draw, at most `subsample` of them, in order."""
    rng, size = check_random_state(random_state), n
    if isinstance(subsample, int | np.integer) and not isinstance(subsample, bool):
        size = int(subsample)
    elif subsample is not None:
        size = int(n * subsample) if 0.0 < subsample < 1.0 else 0
    if size < 1:
        raise ValueError(
            f"subsample={subsample!r} must be a positive int, a float in (0, 1), or "
            "None for every row. Try subsample=1000."
        )
    if size >= n:
        return np.arange(n)
    return np.sort(rng.choice(n, size, replace=False))


def shaped(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return `values` if they have that shape."""
    if values.shape != shape:
        raise ValueError(f"{name} has the shape {values.shape}, but {shape} is needed.")
    return values
