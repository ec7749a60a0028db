"""Whether the residuals contain a curve: White's test, on the tangent space.

Near its weights the network is f + J delta. With a true mean that no delta reaches,

    e = J delta + Psi c + noise,    Psi (n, 100): hidden units drawn at random,

and c = 0 if the network can follow the mean. With M = I - J J^+ the projection that
removes what a change of weights explains, and V the q = 10 leading left singular
vectors of M Psi,

    F = (|V'e|^2 / q) / ((e'M e - |V'e|^2) / (n - rank J - q)),

which has the distribution F(q, n - rank J - q) if c = 0 and the noise is normal and
even, exactly so if f is linear in its weights: V depends on X and the weights alone.
(White 1989; Lee, White & Granger 1993, who take principal components of the units;
Terasvirta, Lin & Granger 1993, who project on the gradient first.)

M is never formed. As rows arrive, the QR of J turns [J Psi e] into

    [ R  S   ]    R (p, p) a triangle, A what is left of Psi and e: the products of the
    [ 0  A_k ]    columns of M [Psi e] are those of A, and of S beyond the span of R.

Rows are weighted by sqrt(w), so that one of weight k is k rows, and n = sum w. Psi
depends on X by its weighted moments and by weighted quantiles of what the units see,
not on the order of rows. Several outputs are tested one by one, each beyond what its
own rows of J explain, and the least p-value counts m times (Bonferroni): outputs share
their noise. Under Poisson e, J and Psi are those of Pearson's residual.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import linalg, stats
from scipy.linalg import lapack

from sklearn_nnci._linearized.route import LinearizedFit
from sklearn_nnci._linearized.training_rows import Rows
from sklearn_nnci._network.perceptron import transposed

# Measured in networks that can follow their curve: 0 to 0.04 false alarms, some of them
# minima that are poor.
LEVEL = 0.01
# The test is for fits that leave residuals to look at: degrees of freedom beyond which
# it finds a curve, and the share of rows used up below which e is mostly noise.
FEWEST_DOF, LARGEST_SHARE = 40.0, 0.3
# Random units, and how many of their principal components are tested. With 300 units, 6
# components or 15 it finds no more; with 60 units, less.
UNITS, COMPONENTS = 100, 10
# Length of their weights on standardised X, from half to three halves of it.
STEEPNESS = 2.0
# For a tenth of the time of a fit: more rows, all outputs, are a fixed sample of so
# many, and of larger networks, beside the rows, none are tested.
MOST_ROWS, LARGEST_NETWORK = 2000, 0.5
# Directions below this size, relatively, are within rounding, or so weak that no change
# of weights goes there.
NEGLIGIBLE = 1e-7
QR_BLOCK = 32
SEED = 246088


class Misfit(NamedTuple):
    """What White's test finds in the residuals; nan where it does not apply."""

    statistic: float
    """F, of the output of which it is the least likely."""
    critical: float
    """What it exceeds by chance in one fit of a hundred."""
    p_value: float
    """How likely so large an F is by chance, for any output."""
    components: int
    """q, the degrees of freedom of the numerator."""
    dof: float
    """n - rank J - q, those of the denominator."""


NOT_TESTED = Misfit(np.nan, np.nan, np.nan, 0, np.nan)


def misfit(fit: LinearizedFit) -> Misfit:
    """Return the `Misfit` of the fit in use; rows in partitions are not tested."""
    rows = fit.rows
    if not isinstance(rows, Rows) or fit.share > LARGEST_SHARE:
        return NOT_TESTED
    p, m = rows.network.n_parameters, rows.network.n_outputs
    rows = _few(rows, MOST_ROWS // m)
    X, _, weight = rows.arrays()
    n = weight.sum() * m
    if p > LARGEST_NETWORK * n or n - fit.rank <= FEWEST_DOF:
        return NOT_TESTED
    units = random_units(transposed(X), weight)
    tests = [test for k in range(m) if (test := _of_output(rows, units, k)) is not None]
    return _together(tests)


def _few(rows: Rows, most: int) -> Rows:
    """Return `rows`, or a fixed sample of so many."""
    if rows.size <= most:
        return rows
    chosen = np.random.default_rng(SEED).choice(rows.size, most, replace=False)
    return rows.sample(np.sort(chosen))


def random_units(X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return tanh(a'x - c) of random units, (100, n), at the columns of X (d, n).

    a / s, s the spread of x, has a direction and a length at random; c is a weighted
    quantile of a'x at a random level: the unit bends at a row drawn by its weight.
    """
    rng = np.random.default_rng(SEED)
    a = rng.standard_normal((UNITS, len(X)))
    a *= STEEPNESS * rng.uniform(0.5, 1.5, (UNITS, 1)) / linalg.norm(a, axis=1)[:, None]
    seen = a @ _standardised(X, w)
    seen -= _quantiles(seen, w, rng.uniform(size=UNITS))[:, None]
    return np.tanh(seen, out=seen)


def _standardised(X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return X (d, n) with weighted means 0 and variances 1; what is constant: 0."""
    X = X - X[:, :1]  # exactly 0 where constant, however far from 0 that is
    X -= (X @ w / w.sum())[:, None]
    spread = np.sqrt(X**2 @ w / w.sum())
    varies = np.ptp(X, axis=1) > 0.0
    return X * np.divide(varies, spread, out=np.zeros(len(X)), where=varies)[:, None]


def _quantiles(values: np.ndarray, w: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return of each row of `values` the least with a share `levels` of w up to it."""
    if w.min() == w.max():  # the k-th smallest, of k / n >= level: no need to sort
        k = np.ceil(levels * len(w)).astype(int) - 1
        pairs = zip(values, np.maximum(k, 0), strict=True)
        return np.array([np.partition(v, at)[at] for v, at in pairs])
    order = np.argsort(values, axis=1)
    below = np.cumsum(w[order], axis=1) < levels[:, None] * w.sum()
    at = np.minimum(below.sum(axis=1), len(w) - 1)[:, None]
    return np.take_along_axis(values, np.take_along_axis(order, at, 1), 1)[:, 0]


def _of_output(rows: Rows, units: np.ndarray, k: int) -> Misfit | None:
    """Return the test of output `k` alone, or None where it does not apply."""
    left, rank, size = _left_over(_blocks(rows, units, k), rows.network.n_parameters)
    dof = rows.arrays()[2].sum() - rank
    if dof <= FEWEST_DOF:
        return None
    V, e = _components(left[:, :-1], NEGLIGIBLE * size), left[:, -1]
    q, explained, total = V.shape[1], np.sum((V.T @ e) ** 2), e @ e
    if not q or not 0.0 < explained < total:
        return None
    F = (explained / q) / ((total - explained) / (dof - q))
    critical, p_value = stats.f.isf(LEVEL, q, dof - q), stats.f.sf(F, q, dof - q)
    return Misfit(float(F), float(critical), float(p_value), q, float(dof - q))


def _together(tests: list[Misfit]) -> Misfit:
    """Return the least likely of them, as the least of so many (Bonferroni)."""
    if not tests:
        return NOT_TESTED
    worst, m = min(tests, key=lambda test: test.p_value), len(tests)
    critical = float(stats.f.isf(LEVEL / m, worst.components, worst.dof))
    return worst._replace(critical=critical, p_value=min(1.0, m * worst.p_value))


def _blocks(
    rows: Rows, units: np.ndarray, k: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (J', [Psi e]') of output `k`, some rows at a time, weighted."""
    start = 0
    for block, chunk in rows.blocks(weighted=True, doing="misfit"):
        own = block.reshape(len(block), len(chunk.residuals), -1)[:, k]
        # The alternative is f + psi: its column is weighted as those of J are.
        root = np.broadcast_to(chunk.root_weight, chunk.residuals.shape)[k]
        psi = units[:, start : start + own.shape[1]] * (root * np.sqrt(chunk.weight))
        start += own.shape[1]
        yield np.ascontiguousarray(own[:-1]), np.vstack([psi, own[-1:]])


def _left_over(
    blocks: Iterator[tuple[np.ndarray, np.ndarray]], p: int
) -> tuple[np.ndarray, int, float]:
    """Return M [Psi e] (k, 101), its rows rotated, rank J, and the size of Psi.

    Plainly, U an orthonormal basis of J: ``Z - U @ (U.T @ Z)``, ``U.shape[1]`` and
    ``linalg.norm(Z[:, :-1])``, Z = [Psi e].
    """
    R, S = np.zeros((p, p), order="F"), np.zeros((p, UNITS + 1), order="F")
    left, block = [np.empty((0, UNITS + 1))], min(QR_BLOCK, p)
    for J, Z in blocks:  # [R; J] = Q [R; 0], and [S; Z] <- Q'[S; Z]
        R, reflectors, T, _ = lapack.dtpqrt(0, block, R, J.T, 1, 1)
        S, rest, _ = lapack.dtpmqrt(
            0, reflectors, T, S, Z.T, trans="T", overwrite_a=1, overwrite_b=1
        )
        left.append(rest)
    outside, rank = _outside(R, S)
    size = linalg.norm([linalg.norm(part[:, :-1]) for part in (S, *left)])
    return np.vstack([*left, outside]), rank, float(size)


def _outside(R: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, int]:
    """Return what is left of S beyond the span of the columns of R, and their rank.

    Columns are first brought to length 1: what they span has no unit.
    """
    size = linalg.norm(R, axis=0)
    R = R / np.where(size > 0.0, size, 1.0)
    Q, T, _ = linalg.qr(R, pivoting=True, check_finite=False)
    rank = int(np.sum(np.abs(np.diag(T)) > NEGLIGIBLE))
    return Q[:, rank:].T @ S, rank


def _components(A: np.ndarray, floor: float) -> np.ndarray:
    """Return the leading left singular vectors of A (k, 100) with values > `floor`.

    Plainly: ``linalg.svd(A)[0][:, :COMPONENTS]``, up to a rotation.

    From A'A, in a tenth of the time, which leaves half of the digits of small values.
    The test is exact for any V with orthonormal columns that e did not choose.
    """
    last = UNITS - COMPONENTS, UNITS - 1
    values, right = linalg.eigh(A.T @ A, subset_by_index=last, check_finite=False)
    return np.linalg.qr(A @ right[:, values > floor**2])[0]
