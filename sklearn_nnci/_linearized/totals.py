"""What rows add up to: all that leaves the place where they lie.

Each record is that of some rows, and has a verb `merge` that makes it that of all:
chunks of an array and partitions on a cluster are one operation.
"""

from typing import NamedTuple

import numpy as np

from sklearn_nnci._linearized.training_rows import Chunk
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._numerics import triangular


class Edges(NamedTuple):
    """The two smallest and the two largest values of each of d columns, (2, d)."""

    low: np.ndarray
    """In rising order, infinite where there are no rows."""
    high: np.ndarray
    """In falling order."""

    @classmethod
    def none(cls, d: int) -> "Edges":
        """Return those of no rows."""
        return cls(np.full((2, d), np.inf), np.full((2, d), -np.inf))

    @classmethod
    def of(cls, columns: np.ndarray, w: np.ndarray) -> "Edges":
        """Return those of `columns` (d, k); a row of weight 2 or more counts twice."""
        twice = np.hstack([columns, columns[:, w >= 2.0]]).T
        return cls.none(len(columns)).merge(cls(twice, twice))

    def merge(self, other: "Edges") -> "Edges":
        """Return those of both."""
        low = np.partition(np.vstack([self.low, other.low]), 1, axis=0)[:2]
        high = np.partition(np.vstack([self.high, other.high]), -2, axis=0)[:-3:-1]
        return Edges(low, high)


class Totals(NamedTuple):
    """Counts and second moments of rows of m outputs and d columns."""

    n_rows: int
    """Rows of positive weight."""
    weight: float
    """n = sum w."""
    mean: np.ndarray
    """Weighted mean of y, (m,)."""
    squares: np.ndarray
    """sum w (y - mean)^2, (m,)."""
    rss: np.ndarray
    """sum w e e', (m, m)."""
    edges: Edges
    """Of the columns of X."""

    @classmethod
    def none(cls, network: Network) -> "Totals":
        """Return those of no rows."""
        d, m = len(network.coefs[0]), network.n_outputs
        zero = np.zeros(m)
        return cls(0, 0.0, zero, zero, np.zeros((m, m)), Edges.none(d))

    @classmethod
    def of(cls, chunk: Chunk) -> "Totals":
        """Return those of a `Chunk` that is not weighted."""
        y, e, w = chunk.y, chunk.residuals, chunk.weight
        n = w.sum()
        mean = y[0] + w @ (y - y[0]) / n if n > 0.0 else np.zeros(y.shape[1])
        edges = Edges.of(chunk.columns, w)
        squares = w @ (y - mean) ** 2
        return cls(len(w), float(n), mean, squares, sum_of_squares(e, w), edges)

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation of y, (m,)."""
        return np.sqrt(self.squares / self.weight)

    def merge(self, other: "Totals") -> "Totals":
        """Return those of both (Chan, Golub & LeVeque 1983)."""
        n = self.weight + other.weight
        share = other.weight / n if n > 0.0 else 0.0
        apart = other.mean - self.mean
        return Totals(
            self.n_rows + other.n_rows,
            n,
            self.mean + share * apart,
            self.squares + other.squares + self.weight * share * apart**2,
            self.rss + other.rss,
            self.edges.merge(other.edges),
        )


class Triangle(NamedTuple):
    """M (k, c) with M'M = the sum over rows of products: square, or fewer rows."""

    factor: np.ndarray

    def merge(self, other: "Triangle") -> "Triangle":
        """Return that of both, by the QR of one above the other."""
        (k, c), more = self.factor.shape, len(other.factor)
        if k + more < c:
            return Triangle(np.vstack([self.factor, other.factor]))
        R, rest = np.zeros((c, c), order="F"), [self.factor, other.factor]
        if k == c:
            R = np.array(rest.pop(0), order="F")
        for part in rest:  # R <- the triangle of [R; part]
            rows = np.array(part.T, order="C")  # spoilt, and dask may keep `part`
            R = triangular.absorb(R, rows, triangular=len(part) == c)
        return Triangle(R)


class FirstPass(NamedTuple):
    """What is known of rows before A is factored."""

    totals: Totals
    triangle: Triangle
    """Of [J e], rows weighted by sqrt(w)."""

    def merge(self, other: "FirstPass") -> "FirstPass":
        """Return that of both."""
        return FirstPass(
            self.totals.merge(other.totals), self.triangle.merge(other.triangle)
        )


class Largest(NamedTuple):
    """The largest of a number that each row has."""

    value: float
    """0 where there are no rows."""

    def merge(self, other: "Largest") -> "Largest":
        """Return that of both."""
        return Largest(float(np.fmax(self.value, other.value)))


def sum_of_squares(r: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return sum w r r' of `r` (m, k), (m, m)."""
    return (r * w) @ r.T
