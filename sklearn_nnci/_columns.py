"""Columns and rows of X, whatever holds them: an array or a frame."""

from collections import Counter
from typing import Any

import numpy as np
from scipy import sparse

from sklearn_nnci._frames import is_frame, labels, narwhals_for


def checked(X: Any) -> Any:
    """Return X as a frame, or as a dense array."""
    if is_frame(X):
        return X
    X = X.toarray() if sparse.issparse(X) else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimensions, but rows and columns are needed. Try "
            "X.reshape(-1, 1) for a single feature."
        )
    return X


def names(X: Any, estimator: Any = None) -> list[Any]:
    """Return the names of the columns of X, or those of the fit; x0, x1 without any."""
    if is_frame(X):
        return list(X.columns)
    known = getattr(estimator, "feature_names_in_", None)
    return [f"x{j}" for j in range(X.shape[1])] if known is None else list(known)


def position(feature: Any, known: list[Any]) -> int:
    """Return the number of the column `feature`, a number or a name."""
    if isinstance(feature, int | np.integer) and not isinstance(feature, bool):
        if -len(known) <= feature < len(known):
            return int(feature) % len(known)
    elif feature in known:
        return known.index(feature)
    shown = ", ".join(repr(name) for name in known[:10])
    raise ValueError(
        f"feature={feature!r} is no column of X, which has {len(known)}. Try a number "
        f"from 0 to {len(known) - 1}, or a name: {shown}"
        f"{', ...' if len(known) > 10 else ''}."
    )


def take(X: Any, rows: np.ndarray) -> Any:
    """Return rows of X by number."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if is_frame(X):
        kept = narwhals_for(labels(X)["frames"]).from_native(X, allow_series=True)
        return kept[rows].to_native()
    return X[rows] if hasattr(X, "shape") else np.asarray(X)[rows]


def column(X: Any, j: int) -> np.ndarray:
    """Return column `j` as numbers, or as objects where it has categories."""
    values = np.asarray(X[names(X)[j]] if is_frame(X) else X[:, j])
    if values.dtype.kind in "iuf":
        return values
    missing = np.array([_is_missing(value) for value in values], dtype=bool)
    values = np.where(missing, np.nan, values.astype(object))
    numeric = all(_is_number(value) for value in values)
    return values.astype(float) if numeric else values


def known(values: np.ndarray) -> np.ndarray:
    """Return those values of a column that are not missing."""
    found = values[~np.array([_is_missing(value) for value in values], dtype=bool)]
    if not len(found):
        raise ValueError("A column of X has no values at all. Try X without it.")
    return found


def grid(X: Any, j: int, resolution: int) -> np.ndarray:
    """Return values of a column to ask at: over its range, or its categories."""
    if not isinstance(resolution, int | np.integer) or resolution < 2:
        raise ValueError(
            f"grid_resolution must be an int from 2 on, got {resolution!r}. Try 100."
        )
    values = known(column(X, j))
    if values.dtype.kind != "O":
        return np.linspace(values.min(), values.max(), resolution)
    found, order = set(values), []
    if hasattr(X, "iloc"):  # whose categories have an order
        order = list(getattr(X[names(X)[j]].dtype, "categories", []))
    order = [value for value in order if value in found] or sorted(found, key=str)
    return np.array(order, dtype=object)


def typical(values: np.ndarray) -> Any:
    """Return the median of a column, or its most frequent category."""
    values = known(values)
    if values.dtype.kind == "O":
        return Counter(values).most_common(1)[0][0]
    return np.median(values)


def with_column(X: Any, j: int, values: np.ndarray) -> Any:
    """Return X with column `j` replaced by `values`."""
    numeric = values.dtype.kind in "fiu"
    if not is_frame(X):
        replaced = X.astype(np.result_type(X, values))
        replaced[:, j] = values
        return replaced
    name = names(X)[j]
    if hasattr(X, "iloc"):
        column = type(X[name])(values, index=X.index)
        replaced = X.copy()
        # Strings go back to the categories that they came from.
        replaced[name] = column if numeric else column.astype(X[name].dtype)
        return replaced
    nw = narwhals_for(labels(X)["frames"])
    frame = nw.from_native(X)
    listed = values if numeric else values.tolist()
    column = nw.new_series(name, listed, backend=frame.implementation)
    return frame.with_columns(column).to_native()


def along(X: Any, j: int, at: np.ndarray) -> Any:
    """Return a typical row of X for each value `at` of column `j`."""
    rows = take(X, np.zeros(len(at), dtype=int))
    for i in range(len(names(X))):
        values = at
        if i != j:
            middle = typical(column(X, i))
            kind = None if isinstance(middle, float | np.floating) else object
            values = np.full(len(at), middle, dtype=kind)
        rows = with_column(rows, i, values)
    return rows


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA is neither equal to itself nor not
        return True
