"""What rows add up to: all that leaves the place where they lie.

Each record is that of some rows, and has a verb `merge` that makes it that of all:
chunks of an array and partitions on a cluster are one operation.
"""

from typing import NamedTuple

import numpy as np

from sklearn_nnci import _linalg

# ResidualSums are known to some 1e-12: closer to 1 they are 1.
LEVERAGE_IS_ONE = 1e-10
# Leverage that leave-one-out noise is allowed to see: uncapped, it explodes.
LEVERAGE_CAP = 0.9


class Edges(NamedTuple):
    """The two smallest and the two largest values of each of d columns, (2, d)."""

    low: np.ndarray
    """In rising order, infinite where there are no rows."""
    high: np.ndarray
    """In falling order."""

    @classmethod
    def none(cls, d):
        """Return those of no rows."""
        return cls(np.full((2, d), np.inf), np.full((2, d), -np.inf))

    @classmethod
    def of(cls, columns, w):
        """Return those of `columns` (d, k); a row of weight 2 or more counts twice."""
        twice = np.hstack([columns, columns[:, w >= 2.0]]).T
        return cls.none(len(columns)).merge(cls(twice, twice))

    def merge(self, other):
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
    def none(cls, network):
        """Return those of no rows."""
        d, m = len(network.coefs[0]), network.n_outputs
        zero = np.zeros(m)
        return cls(0, 0.0, zero, zero, np.zeros((m, m)), Edges.none(d))

    @classmethod
    def of(cls, chunk):
        """Return those of a `Chunk` that is not weighted."""
        y, e, w = chunk.y, chunk.residuals, chunk.weight
        n = w.sum()
        mean = y[0] + w @ (y - y[0]) / n if n > 0.0 else np.zeros(y.shape[1])
        edges = Edges.of(chunk.factors.activations[0], w)
        squares, rss = w @ (y - mean) ** 2, (e * w) @ e.T
        return cls(len(w), float(n), mean, squares, rss, edges)

    @property
    def spread(self):
        """Standard deviation of y, (m,)."""
        return np.sqrt(self.squares / self.weight)

    def merge(self, other):
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

    def merge(self, other):
        """Return that of both, by the QR of one above the other."""
        (k, c), more = self.factor.shape, len(other.factor)
        if k + more < c:
            return Triangle(np.vstack([self.factor, other.factor]))
        R, rest = np.zeros((c, c), order="F"), [self.factor, other.factor]
        if k == c:
            R = np.array(rest.pop(0), order="F")
        for part in rest:
            rows = np.array(part.T, order="C")  # spoilt, and dask may keep `part`
            R = _linalg.absorb(R, rows, triangular=len(part) == c)
        return Triangle(R)


class FirstPass(NamedTuple):
    """What is known of rows before A is factored."""

    totals: Totals
    triangle: Triangle
    """Of [J e], rows weighted by sqrt(w)."""

    def merge(self, other):
        """Return that of both."""
        return FirstPass(
            self.totals.merge(other.totals), self.triangle.merge(other.triangle)
        )


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

    @classmethod
    def none(cls, m):
        """Return those of no rows."""
        return cls(np.zeros(m), 0.0, 0.0, *np.zeros((6, m, m)))

    @classmethod
    def of(cls, e, H, w, b=0.0, cap=LEVERAGE_CAP):
        """Return those of residuals `e` (m, k), leverages `H` (k, m, m), weights."""
        h, V = eigen(H)
        edf = np.einsum("n,nkk->k", w, H)
        capped = np.minimum(h, cap)
        ahead = np.einsum("nkj,nj,nlj->kl", V, w[:, None] * capped / (1.0 - capped), V)
        loo = leave_one_out(e, H), *(leave_one_out(r, H, cap) for r in (e, e - b))
        rows = e, *loo[:2], b + np.zeros_like(e), loo[2]
        products = ((r * w) @ r.T for r in rows)
        largest, above = h.max(initial=0.0), w @ (h.max(axis=1) > cap)
        return cls(edf, float(largest), float(above), *products, ahead)

    def merge(self, other):
        """Return those of both."""
        sums = (one + two for one, two in zip(self[2:], other[2:], strict=True))
        return ResidualSums(
            self.edf + other.edf, max(self.largest, other.largest), *sums
        )


class Meat(NamedTuple):
    """What lies inside A^+ (sum_i w_i J_i' M_i M_i' J_i + prior Lambda) A^+."""

    noise_root: np.ndarray
    """M_i, (m, c, 1 or n), in units of the scaled outputs."""
    prior_scale: float

    @property
    def is_scalar(self):
        """Whether this is s^2 A^+, with M = s I and prior = s^2."""
        m, c, n = self.noise_root.shape
        root = np.sqrt(self.prior_scale) * np.eye(m)[:, :, None]
        return c == m and n == 1 and np.array_equal(self.noise_root, root)

    def at(self, e, H):
        """Return itself: this noise does not depend on the rows."""
        return self


class Robust(NamedTuple):
    """The meat of HC0 .. HC3: M_i = (I - H_ii)^-power e_i, no prior."""

    power: float
    inflation: np.ndarray
    """Factor of e, (m,): sqrt(n / dof) for HC1, else 1."""

    @property
    def is_scalar(self):
        """Whether this is s^2 A^+: never."""
        return False

    @property
    def prior_scale(self):
        """Nothing is added to the rows."""
        return 0.0

    def at(self, e, H):
        """Return the `Meat` of rows; a leverage of 1 leaves it infinite."""
        e = e * self.inflation[:, None]
        if self.power > 0.0:
            e = leave_one_out(e, H, power=self.power)
        return Meat(e[:, None, :], 0.0)


def meat_of(Sigma, prior):
    """Return the `Meat` of a noise of covariance `Sigma` (m, m), M M' = Sigma."""
    values, V = np.linalg.eigh(Sigma)
    if np.array_equal(Sigma, Sigma[0, 0] * np.eye(len(Sigma))):
        V = np.eye(len(Sigma))
    return Meat((V * np.sqrt(np.maximum(values, 0.0)))[:, :, None], float(prior))


def eigen(H):
    """Return the eigenvalues (n, m) and vectors (n, m, m) of the `H` (n, m, m)."""
    # eigh is slow on many matrices of one entry
    return np.linalg.eigh(H) if H.shape[1] > 1 else (H[:, :, 0], np.ones_like(H))


def leave_one_out(e, H, cap=None, power=1.0):
    """Return the leave-one-out residuals ``(I - H_ii)^-power e_i``, (m, n).

    `e` is (m, n), `H` the (n, m, m) leverage of one copy of each row. A row whose
    leverage is 1 is fitted by itself alone: its residual is infinite. `cap` bounds
    the eigenvalues of H_ii.
    """
    h, V = eigen(H)
    room = 1.0 - (h if cap is None else np.minimum(h, cap))
    alone = room <= LEVERAGE_IS_ONE
    rotated = np.einsum("nkl,kn->nl", V, e) / np.where(alone, 1.0, room) ** power
    return np.where(alone.any(axis=1), np.inf, np.einsum("nkl,nl->kn", V, rotated))
