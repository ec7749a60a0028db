"""What rows add up to once A is factored, and their leverages are known."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._linearized.count_sums import count_sums
from sklearn_nnci._linearized.left_out import LeftOut, Units
from sklearn_nnci._linearized.sandwich import LEVERAGE_CAP, eigen, leave_one_out
from sklearn_nnci._linearized.totals import sum_of_squares
from sklearn_nnci._linearized.training_rows import Chunk


class ResidualSums(NamedTuple):
    """What is known of rows after A was factored; l_i are leave-one-out residuals.

    With b = J step, what a step of the linearised network changes there.
    """

    edf: np.ndarray
    """sum w_i (H_ii)_kk, (m,)."""
    largest: float
    """Largest eigenvalue of any H_ii."""
    above: float
    """sum w over rows of which that is beyond the cap."""
    rss: np.ndarray
    """sum w e e', (m, m)."""
    press: np.ndarray
    """sum w l l', (m, m)."""
    press_capped: np.ndarray
    """The same, leverages capped."""
    moved: np.ndarray
    """sum w b b', (m, m)."""
    stepped: np.ndarray
    """sum w l l' of e - b, leverages capped, (m, m)."""
    ahead: np.ndarray
    """sum w_i (I - H_ii)^-1 H_ii, leverages capped, (m, m): over s^2, the variance of
    f at rows that are left out."""
    left_out: LeftOut
    """What e - b, left out, say of the law of the noise."""
    counts: Any = 0.0
    """Of counts, see `count_sums`."""

    @classmethod
    def none(cls, units: Units) -> "ResidualSums":
        """Return those of no rows."""
        m = len(units.residual)
        zero, left_out = np.zeros((m, m)), LeftOut.none(units)
        sums = zero, zero, zero, zero, zero, zero
        return cls(np.zeros(m), 0.0, 0.0, *sums, left_out)

    @classmethod
    def of(
        cls, chunk: Chunk, H: np.ndarray, units: Units,
        b: np.ndarray | float = 0.0, cap: float = LEVERAGE_CAP,
        loss: str = "squared_error",
    ) -> "ResidualSums":  # fmt: skip
        """Return those of rows that are not weighted, of leverages `H` (k, m, m)."""
        e, w = chunk.residuals, chunk.weight
        h, V = eigen(H)  # H_ii = V h V'
        capped = np.minimum(h, cap)
        odds = w[:, None] * capped / (1.0 - capped)
        return cls(
            edf=np.einsum("n,nkk->k", w, H),
            largest=float(h.max(initial=0.0)),
            above=float(w @ (h.max(axis=1) > cap)),
            rss=sum_of_squares(e, w),
            press=sum_of_squares(leave_one_out(e, H), w),
            press_capped=sum_of_squares(leave_one_out(e, H, cap), w),
            moved=sum_of_squares(b + np.zeros_like(e), w),
            stepped=sum_of_squares(leave_one_out(e - b, H, cap), w),
            ahead=np.einsum("nkj,nj,nlj->kl", V, odds, V),
            left_out=LeftOut.of(chunk, H, units, b),
            counts=count_sums(chunk, H, loss),
        )

    def merge(self, other: "ResidualSums") -> "ResidualSums":
        """Return those of both."""
        sums = [name for name in self._fields if name != "left_out"]
        both = {name: getattr(self, name) + getattr(other, name) for name in sums}
        both["largest"] = max(self.largest, other.largest)
        both["left_out"] = self.left_out.merge(other.left_out)
        return ResidualSums(**both)
