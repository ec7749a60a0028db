"""A lower trapezoid by its panels, without most of the zeros above its diagonal.

    F[i, j] = 0 for j > p - k + i:    a panel holds rows [s, e), columns [0, p - k + e)

It is as small as LAPACK's packed triangles but for half a panel a row, and its products
are those of full matrices: of one column at the speed of memory, of many at that of
arithmetic, which packed triangles do not reach.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

# Rows of a panel: the fewer, the smaller; from 64 on as fast (measured).
ROWS = 128


class Packed:
    """The panels of a lower trapezoid F (k, p), k <= p, which may be in float32."""

    def __init__(self, panels: tuple[np.ndarray, ...]) -> None:
        self.panels = panels

    @classmethod
    def of(cls, F: np.ndarray, dtype: Any) -> "Packed":
        """Return a lower trapezoidal `F` in that precision; what overflows is inf."""
        k, p = F.shape
        ends = [min(start + ROWS, k) for start in range(0, k, ROWS)]
        with np.errstate(over="ignore"):
            return cls(
                tuple(
                    np.array(F[start:end, : p - k + end], dtype=dtype, order="C")
                    for start, end in zip(range(0, k, ROWS), ends, strict=True)
                )
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(k, p)."""
        return sum(map(len, self.panels)), self.panels[-1].shape[1]

    def slices(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of each panel, and the panel."""
        start = 0
        for panel in self.panels:
            yield slice(start, start + len(panel)), panel
            start += len(panel)

    def times(self, M: np.ndarray) -> np.ndarray:
        """Return ``F @ M``, in the precision of F."""
        M = M.astype(self.panels[0].dtype, copy=False)
        return np.concatenate([panel @ M[: panel.shape[1]] for panel in self.panels])

    def transposed_times(self, M: np.ndarray) -> np.ndarray:
        """Return ``F.T @ M``, in the precision of F."""
        M = M.astype(self.panels[0].dtype, copy=False)
        out = np.zeros((self.shape[1], M.shape[1]))
        for rows, panel in self.slices():
            out[: panel.shape[1]] += panel.T @ M[rows]
        return out

    def full(self) -> np.ndarray:
        """Return F as an array of float64."""
        F = np.zeros(self.shape)
        for rows, panel in self.slices():
            F[rows, : panel.shape[1]] = panel
        return F
