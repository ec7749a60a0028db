"""Columns and rows that effects are asked of, their sizes, weights and groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci.effects._model import Model

# Rows and steps, in standard deviations of the column, at which it is tested whether
# the steps before the network are affine in a column, and how nearly.
TESTED, STEPS, STRAIGHT = 32, (0.25, 1.0), 1e-9
# Half of the step of difference quotients in standard deviations of the column:
# measured with relu, where it changes what is estimated by a third of its error.
HALF_STEP = 0.25


def trained_on(training: Any) -> Any:
    """Return the X of the rows that trained, None if they are not given.

    ValueError if they are given otherwise than as (X, y) or (X, y, sample_weight).
    """
    if training is None:
        return None
    if not isinstance(training, (tuple, list)) or len(training) not in (2, 3):
        raise ValueError(
            "training must be the rows given to fit, (X, y) or (X, y, sample_weight), "
            f"got {type(training).__name__}. Try training=(X_train, y_train)."
        )
    return columns.checked(training[0])


def positions(X: Any, features: Any) -> list[int]:
    """Return which columns `features` are, by name or number: one, or a sequence."""
    one = isinstance(features, str) or not isinstance(features, (Sequence, np.ndarray))
    asked, names = [features] if one else list(features), columns.names(X)
    return [columns.position(each, names) for each in asked]


def numbers(X: Any, j: int) -> np.ndarray | None:
    """Return a column as floats, (n,); None if it holds others than numbers."""
    found = columns.column(X, j)
    return None if found.dtype.kind == "O" else found.astype(float)


def numeric(X: Any, j: int) -> np.ndarray:
    """Return a column as floats; ValueError if it holds others than numbers."""
    found = numbers(X, j)
    if found is None:
        raise ValueError(
            f"Column {columns.names(X)[j]!r} holds no numbers. Try comparisons("
            "estimator, X, X_other), with other values of it in X_other."
        )
    return found


def spread(X: Any, j: int, training: Any) -> float:
    """Return the standard deviation of a column, over the rows that trained if given.

    ValueError where it is 0.
    """
    column = numeric(X if training is None else trained_on(training), j)
    sd = float(np.nanstd(column)) if len(column) else 0.0
    if not sd > 0.0:
        raise ValueError(
            f"Column {columns.names(X)[j]!r} does not vary in the {len(column)} rows "
            "given, so that no step has a size. Try training=(X_train, y_train)."
        )
    return sd


def direction(model: Model, X: Any, j: int) -> np.ndarray | None:
    """Return dx/dX_j (d,), x what the network sees; None if that is not constant.

    By the values of the steps before the network alone, over steps of either size.
    """
    if model.inner is model.outer:
        return np.eye(X.shape[1])[j]
    some = columns.take(X, np.linspace(0, len(X) - 1, min(len(X), TESTED)).astype(int))
    column, found = numeric(some, j), []
    size = np.std(numeric(X, j)) or np.abs(column).max() or 1.0
    for h in np.multiply(STEPS, size):
        ends = [columns.with_column(some, j, column + s * h) for s in (1.0, -1.0)]
        found.append((model.sees(ends[0]) - model.sees(ends[1])) / (2.0 * h))
    slopes = np.vstack(found)
    v = slopes.mean(axis=0)
    straight = np.abs(slopes - v).max() <= STRAIGHT * np.abs(v).max()
    return v if straight else None


def row_weights(
    X: Any, sample_weight: Any, by: Any
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return Omega (n, K), columns of sum 1, and the labels of its K groups."""
    n = len(X)
    w = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0.0).any() or not w.any():
        raise ValueError(
            f"sample_weight must hold {n} numbers of 0 or more, not all 0, got shape "
            f"{w.shape}."
        )
    if by is None:
        return (w / w.sum())[:, None], {}
    name, groups = _groups(X, by)
    labels, which = np.unique(groups, return_inverse=True)
    omega = w[:, None] * (which[:, None] == np.arange(len(labels)))
    total = omega.sum(axis=0)
    if not total.all():
        raise ValueError(
            f"by={name!r} has groups without weight: {labels[total == 0].tolist()}."
        )
    return omega / total, {str(name): labels}


def _groups(X: Any, by: Any) -> tuple[Any, np.ndarray]:
    """Return the name and the values (n,) of groups, a column of X or an array."""
    if isinstance(by, (str, int, np.integer)):
        (j,) = positions(X, by)
        return columns.names(X)[j], columns.column(X, j)
    groups = np.asarray(by)
    if groups.shape != (len(X),):
        raise ValueError(
            f"by must be a column of X or hold {len(X)} labels, got shape "
            f"{groups.shape}."
        )
    return getattr(by, "name", None) or "group", groups
