"""Predictions of dask arrays: lazy, partition by partition."""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from sklearn_nnci._linearized.partitions import whole_rows

Shape = tuple[int, ...]


def predict(estimator: Any, X: Any, shape: Shape, flags: Mapping[str, Any]) -> Any:
    """Return what ``estimator.predict(X, **flags)`` does, as lazy dask arrays.

    `estimator` is a network or a committee; `shape` is (m,), or () for one output; each
    partition is predicted once.
    """
    from dask import delayed

    X, m = whole_rows(X, estimator.n_features_in_), int(np.prod(shape))
    tails = _tails(shape, flags)
    width = m + sum(int(np.prod(tail)) for tail in tails[1:])
    packed = X.map_blocks(
        _packed, delayed(estimator), flags, width, dtype=float,
        chunks=(X.chunks[0], (width,)), meta=np.empty((0, 0)),
    )  # fmt: skip
    ends = np.cumsum([int(np.prod(tail)) for tail in tails])
    dtypes = [_dtype(estimator, X.dtype), np.dtype(float)]
    parts = [
        _taken(packed, end - int(np.prod(tail)), end, tail, dtype)
        for tail, end, dtype in zip(tails, ends, dtypes, strict=False)
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _dtype(estimator: Any, rows: np.dtype) -> np.dtype:
    """Return the type of predictions: a committee averages in float64.

    A network trained in float32 predicts in float32, of float32 rows.
    """
    weights = getattr(estimator, "coefs_", [np.empty(0)])[0].dtype
    return np.dtype(np.float32 if rows == weights == np.float32 else float)


def _taken(packed: Any, start: int, stop: int, tail: Shape, dtype: np.dtype) -> Any:
    """Return columns of the dask array `packed` (n, width) as (n, *tail)."""
    return packed.map_blocks(
        lambda block: block[:, start:stop].reshape(-1, *tail).astype(dtype),
        dtype=dtype, chunks=(packed.chunks[0], *((size,) for size in tail)),
        drop_axis=1, new_axis=list(range(1, 1 + len(tail))) or None,
        meta=np.empty((0,) * (1 + len(tail)), dtype),
    )  # fmt: skip


def _tails(shape: Shape, flags: Mapping[str, Any]) -> list[Shape]:
    """Return the shapes, without rows, of what predict returns."""
    if flags.get("return_ci") or flags.get("return_pi"):
        return [shape, (*shape, 2, *np.shape(flags["confidence_level"]))]
    return [shape, shape] if flags.get("return_std") else [shape]


def _packed(
    X: np.ndarray, estimator: Any, flags: Mapping[str, Any], width: int
) -> np.ndarray:
    """Return the columns of y and of what goes with it, side by side."""
    n = X.shape[0]
    if not n:
        return np.empty((0, width))
    found = estimator.predict(X, **flags)
    found = found if isinstance(found, tuple) else (found,)
    return np.hstack([a.reshape(n, -1) for a in found])


def check_flags(asked: Container[str], simultaneous: str | None) -> None:
    """Refuse what partitions cannot serve."""
    if simultaneous is not None or "return_cov" in asked:
        raise ValueError(
            "simultaneous and return_cov relate all rows of a call to each other, "
            "and partitions are predicted one by one. Try them on an array."
        )
