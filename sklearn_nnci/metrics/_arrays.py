"""What every metric does first and last: check its arrays, average over rows.

Rows are averaged with weights w, of which k means k rows and 0 none; then outputs, as
in scikit-learn. Any axes that follow, of levels, stay.
"""

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_array

OUTPUTS = ("raw_values", "uniform_average")


def targets(y_true: Any, name: str = "y_true") -> np.ndarray:
    """Return `y_true` as (n, m)."""
    y = check_array(y_true, input_name=name, ensure_2d=False, dtype=float)
    return y.reshape(len(y), -1)


def bounds(y: np.ndarray, interval: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bounds, (n, m) or (n, m, k), of intervals about `y`.

    `y` is (n, m). With one output, the intervals may be (n, 2) or (n, 2, k).
    """
    n, m = y.shape
    given = np.asarray(interval, dtype=float)
    found = given[:, None] if m == 1 and given.shape[:2] == (n, 2) else given
    if found.shape[:3] != (n, m, 2) or found.ndim > 4:
        raise ValueError(
            f"interval has shape {given.shape}, which does not fit y_true of {n} rows "
            f"and {m} outputs. Try the shape {(n, 2) if m == 1 else (n, m, 2)}, with "
            "an axis of levels behind it if there are several."
        )
    lower, upper = found[:, :, 0], found[:, :, 1]
    if np.isnan(found).any() or (lower > upper).any():
        raise ValueError(
            "interval has bounds that are nan, or a lower one above the upper. Try "
            "np.sort(interval, axis=...) along the axis of length 2 if they may cross."
        )
    return lower, upper


def like(y: np.ndarray, values: Any, name: str) -> np.ndarray:
    """Return `values`, one number, one per output or one per entry, as `y` (n, m)."""
    found = np.asarray(values, dtype=float)
    if found.size != 1 and found.shape != (y.shape[1],):
        if found.size != y.size or len(found) != len(y):
            raise ValueError(
                f"{name} has shape {found.shape}, which does not fit y_true of "
                f"{y.shape[0]} rows and {y.shape[1]} outputs."
            )
        found = found.reshape(y.shape)
    if np.isnan(found).any():
        raise ValueError(f"{name} contains nan. Try rows where the law is known.")
    return np.broadcast_to(found.reshape(found.shape or (1,)), y.shape)


def weights(sample_weight: Any, n: int) -> np.ndarray:
    """Return (n,) weights; ones for None."""
    if sample_weight is None:
        return np.ones(n)
    w = column_or_1d(check_array(sample_weight, ensure_2d=False, dtype=float))
    check_consistent_length(w, np.empty(n))
    if (w < 0.0).any() or not (w > 0.0).any():
        raise ValueError("sample_weight must be >= 0, and not 0 everywhere.")
    return w


def averaged(values: np.ndarray, sample_weight: Any, multioutput: Any) -> Any:
    """Return the average of `values` (n, m, ...) over rows, then over outputs."""
    by_output = mean(values, weights(sample_weight, len(values)))
    if isinstance(multioutput, str):
        if multioutput not in OUTPUTS:
            raise ValueError(
                "multioutput must be 'raw_values', 'uniform_average' or an array of "
                f"weights, got {multioutput!r}."
            )
        if multioutput == "raw_values":
            return by_output
        multioutput = None
    found = mean(by_output, weights(multioutput, len(by_output)))
    return float(found) if np.ndim(found) == 0 else found


def mean(values: np.ndarray, w: np.ndarray) -> Any:
    """Return the average along the first axis; a weight of 0 hides infinity."""
    return np.average(values[w > 0.0], axis=0, weights=w[w > 0.0])
