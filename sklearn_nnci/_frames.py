"""Tables of the kind that X was: pandas by itself, every other library by narwhals."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# Rows that these libraries keep have no labels; what they are is the name of the kind.
OTHERS = ("polars", "pyarrow", "modin", "cudf")


def labels(X: Any) -> dict[str, Any]:
    """Return the row labels of X, and its library if that is another than pandas."""
    kind = type(X).__module__.partition(".")[0]
    return {
        "index": X.index if hasattr(X, "iloc") else None,
        "frames": kind if kind in OTHERS else None,
    }


def is_frame(X: Any) -> bool:
    """Return whether X has named columns."""
    return hasattr(X, "iloc") or labels(X)["frames"] is not None


def table(
    columns: Mapping[Any, Any], index: Any = None, frames: str | None = None
) -> Any:
    """Return `columns` as a frame of the library `frames`, by default of pandas.

    Names that are pairs are two levels of columns, joined where a library has but one.
    """
    columns = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    if frames is not None:
        return narwhals_for(frames).from_dict(
            {_joined(name): column for name, column in columns.items()}, backend=frames
        ).to_native()  # fmt: skip
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "A table needs pandas. Try `pip install pandas`, or use the arrays that "
            "it would show, which are attributes."
        ) from error
    return pd.DataFrame(columns, index=index)


def narwhals_for(frames: str | None) -> Any:
    """Return narwhals, for frames of the library `frames`."""
    try:
        import narwhals
    except ImportError as error:
        raise ImportError(
            f"Frames of {frames} need narwhals. Try `pip install narwhals`, or X as "
            "a pandas.DataFrame or an array."
        ) from error
    return narwhals


def _joined(name: Any) -> str:
    return "_".join(filter(None, name)) if isinstance(name, tuple) else name
