"""What residuals say of the law of the noise, of some rows or of all.

With e residuals and H_ii leverages of the same smoother, the studentised leave-one-out
residuals are

    r_i = (I - H_ii)^-1/2 e_i,

the eigenvalues of H_ii capped, between e_i, too small by what row i itself did, and
(I - H_ii)^-1 e_i, which has the error of the network without it beside the noise. That
smoother is the network under the penalty that it agrees with, where that is known,
and e that of the weights that predict; else the optimum of the evidence, b = J step
away, and e - b. Knots are sorted values, each output by itself, and rows of weight k
are k rows.

Beside them are the sums of the regression of r^2 on g = (1, f, f^2, x, x^2),

    sum w g g',    sum w g r^2,    sum w r^4,

f and x brought to a range around 0 before they are squared.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from sklearn_nnci._linearized.sandwich import LEVERAGE_CAP, leave_one_out
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Chunk

# Knots that are kept of many residuals, and how many are held before they are reduced.
KNOTS, HELD = 2000, 4000
# Rows for each regressor of r^2; columns of X take part where there are as many.
ROWS_PER_REGRESSOR = 10


class Knots(NamedTuple):
    """Values of m outputs with weights that count; sorted once they are `few`."""

    values: np.ndarray
    """(m, k)."""
    weight: np.ndarray
    """(m, k); 0 for what only fills the array."""

    @classmethod
    def of(cls, values: np.ndarray, weight: np.ndarray) -> "Knots":
        """Return those of `values` (m, k), rows of `weight` (k,)."""
        return cls(values, np.broadcast_to(weight, values.shape))

    @property
    def n(self) -> np.ndarray:
        """Rows that these stand for, (m,)."""
        return self.weight.sum(axis=1)

    def merge(self, other: "Knots") -> "Knots":
        """Return those of both."""
        values = np.hstack([self.values, other.values])
        both = Knots(values, np.hstack([self.weight, other.weight]))
        return both.few() if values.shape[1] > HELD else both

    def few(self) -> "Knots":
        """Return at most `KNOTS`, sorted: neighbours are replaced by their mean.

        Groups are even in logit p, p the share of rows below: of n rows the first and
        the last hundred or so stay by themselves, and no group has more than a
        hundredth of what lies beyond it.
        """
        pairs = [_sorted(*row) for row in zip(self.values, self.weight, strict=True)]
        longest = max((len(values) for values, _ in pairs), default=0)
        padded = [
            (np.pad(values, fill, mode="edge" if len(values) else "constant"),
             np.pad(weight, fill))
            for values, weight in pairs
            for fill in [(0, longest - len(values))]
        ]  # fmt: skip
        return Knots(*(np.array(part) for part in zip(*padded, strict=True)))


def _sorted(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted knots of one output and their weights, none of them 0."""
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0.0]
    values, weight = values[order], weight[order]
    if len(values) <= KNOTS:
        return values, weight
    n, below = weight.sum(), np.cumsum(weight)
    ends = np.log(2.0 * n)  # logit of 1 - 1 / 2n, nearly
    edges = expit(np.linspace(-ends, ends, KNOTS - 1))
    group = np.searchsorted(edges, (below - 0.5 * weight) / n)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    counts = np.add.reduceat(weight, first)
    return np.add.reduceat(weight * values, first) / counts, counts


class Trend(NamedTuple):
    """Sums of the regression of r^2, for each of m outputs; q regressors and 1."""

    products: np.ndarray
    """sum w g g', (m, q + 1, q + 1)."""
    squares: np.ndarray
    """sum w g r^2, (m, q + 1)."""
    fourth: np.ndarray
    """sum w r^4, (m,)."""

    @classmethod
    def of(cls, g: np.ndarray, r: np.ndarray, w: np.ndarray) -> "Trend":
        """Return those of regressors `g` (m, q + 1, k) and residuals `r` (m, k)."""
        weighted = g * w
        return cls(
            weighted @ g.transpose(0, 2, 1),
            np.einsum("mak,mk->ma", weighted, r**2),
            r**4 @ w,
        )

    def merge(self, other: "Trend") -> "Trend":
        """Return those of both."""
        return Trend(*(a + b for a, b in zip(self, other, strict=True)))


class LeftOut(NamedTuple):
    """Studentised leave-one-out residuals, and the regression of their squares."""

    residuals: Knots
    """r over the root mean square of e."""
    trend: Trend

    @classmethod
    def of(
        cls, chunk: Chunk, H: np.ndarray, units: "Units", b: np.ndarray | float = 0.0
    ) -> "LeftOut":
        """Return that of rows with leverages `H` (k, m, m), their residuals e - b."""
        r = leave_one_out(chunk.residuals - b, H, LEVERAGE_CAP, power=0.5)
        r = r / units.residual[:, None]
        trend = Trend.of(units.regressors(chunk), r, chunk.weight)
        return cls(Knots.of(r, chunk.weight), trend)

    @classmethod
    def none(cls, units: "Units") -> "LeftOut":
        """Return that of no rows."""
        (_, m), (_, d) = units.y.shape, units.x.shape
        empty, size = np.empty((m, 0)), 3 + 2 * d
        sums = np.zeros((m, size, size)), np.zeros((m, size)), np.zeros(m)
        return cls(Knots(empty, empty), Trend(*sums))

    def merge(self, other: "LeftOut") -> "LeftOut":
        """Return those of both."""
        residuals = self.residuals.merge(other.residuals)
        return LeftOut(residuals, self.trend.merge(other.trend))


class Units(NamedTuple):
    """In what residuals and regressors are measured, so that nothing overflows."""

    residual: np.ndarray
    """Of e, (m,); 1 where residuals are 0."""
    y: np.ndarray
    """Location and spread of y, (2, m)."""
    x: np.ndarray
    """Middle and half of the range of each column of X that takes part, (2, d or 0)."""

    @classmethod
    def of(cls, totals: Totals) -> "Units":
        """Return those of rows with such totals."""
        low, high = totals.edges.low[0], totals.edges.high[0]
        enough = 3 + 2 * len(low) <= totals.weight / ROWS_PER_REGRESSOR
        x = np.array([(low + high) / 2.0, (high - low) / 2.0])[:, : len(low) * enough]
        rms = np.sqrt(np.diag(totals.rss) / totals.weight)
        return cls(_not_zero(rms), np.array([totals.mean, totals.spread]), x)

    def regressors(self, chunk: Chunk) -> np.ndarray:
        """Return g, (m, q + 1, k): 1, f, f^2 and, where they take part, x, x^2."""
        f = _standard(chunk.predicted, self.y)[:, None]
        one, d = np.ones_like(f), self.x.shape[1]
        x = np.broadcast_to(_standard(chunk.columns[:d], self.x), (len(f), d, len(f.T)))
        return np.concatenate([one, f, f**2, x, x**2], axis=1)


def _standard(columns: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return `columns` (d, k) less their location, over their spread."""
    location, spread = at[:, :, None]
    return (columns - location) / _not_zero(spread)


def _not_zero(spread: np.ndarray) -> np.ndarray:
    return np.where(spread > 0.0, spread, 1.0)
