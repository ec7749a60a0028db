"""A committee as a mixture of distributions, one of each member k, with weight w_k.

With f_k its mean, C_k the covariance of that, se_k its standard error and b the member
of the largest weight,

    f   = sum w_k f_k
    cov = sum w_k [D_k C_k D_k + (f_k - f)(f_k - f)'],    D_k = min(1, 3 se_b / se_k)

the law of total covariance, but for D_k: one member that knows nothing at x would widen
all, although the others know it well. Weights are softmax of

    (log Z_k + log S_k) / sqrt(n m)       by the evidence Z, S the number of networks
                                          that are the same function
    -4 (F_k - min F) / (p s^2)            by the objective F, of p parameters

The sum of n m log likelihoods has a sampling s.d. of the order of sqrt(n m): evidences
that are no further apart are not told apart. Likewise 2 (F_k - min F) / s^2 is a
likelihood ratio, which p superfluous parameters alone let vary by p.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

# Standard errors count up to this multiple of those of the best member.
CAP = 3.0
# A member that rests on a single row more than this is no witness beside others.
LARGEST_LEVERAGE = 0.95


class Moments(NamedTuple):
    """Of the means at n rows, (n,) or (n, m); infinite where not bounded."""

    mean: np.ndarray
    within: np.ndarray
    """Variance of the members' own, on average."""
    between: np.ndarray
    """Variance of their means."""

    @property
    def variance(self) -> np.ndarray:
        """Variance of the mean of the committee."""
        return self.within + self.between


def by_evidence(log_evidence: Any, symmetry: Any, n: float) -> np.ndarray:
    """Return weights (K,) from log Z and log S (K,), `n` numbers being observed."""
    scores = np.asarray(log_evidence, dtype=float) + np.asarray(symmetry, dtype=float)
    return _softmax(scores / np.sqrt(n))


def by_objective(objectives: Any, n_parameters: int, noise: float) -> np.ndarray:
    """Return weights (K,) from the objectives (K,), `noise` being s^2."""
    F = np.asarray(objectives, dtype=float)
    F = np.where(np.isnan(F), np.inf, F)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = -4.0 * (F - F.min()) / (n_parameters * noise)
    return _softmax(np.where(F == F.min(), 0.0, scores))


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Return exp(scores) / sum, 0 for nan; equal weights if none is a number."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    with np.errstate(invalid="ignore"):  # infinite scores, less themselves
        below = scores - scores.max()
    odds = np.exp(np.where(scores == scores.max(), 0.0, below))
    return odds / odds.sum()


def without_outliers(weights: np.ndarray, leverages: Sequence[float]) -> np.ndarray:
    """Return `weights` without members that interpolate a row, the best kept."""
    resting = np.asarray(leverages, dtype=float) > LARGEST_LEVERAGE
    resting[np.argmax(weights)] = False
    kept = np.where(resting, 0.0, weights)
    return kept / kept.sum()


def effective_number(weights: np.ndarray) -> float:
    """Return 1 / sum w^2: K for equal weights, 1 if one has all."""
    return float(1.0 / np.sum(np.square(weights)))


def average(weights: np.ndarray, values: Any) -> np.ndarray:
    """Return sum w_k values[k], of any shape."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.tensordot(weights, np.asarray(values, dtype=float), axes=1)


def moments(weights: np.ndarray, means: Any, se: Any) -> Moments:
    """Return the `Moments` of `means` and their standard errors, (K, n) or (K, n, m).

    Weights are positive: inf has no product with 0.
    """
    means, se = np.asarray(means, dtype=float), np.asarray(se, dtype=float)
    mean = average(weights, means)
    with np.errstate(over="ignore", invalid="ignore"):
        within = average(weights, np.minimum(se, _largest(weights, se)) ** 2)
        between = average(weights, (means - mean) ** 2)
    return Moments(mean, _unbounded_for_nan(within), _unbounded_for_nan(between))


def covariance(
    weights: np.ndarray, means: Any, se: Any, each: Iterable[Callable[[], np.ndarray]]
) -> np.ndarray:
    """Return cov, ``means[0].shape * 2``, of members whose C_k are given by `each`.

    Infinite on the diagonal, nan beside it, where not bounded. One C_k is held at a
    time.
    """
    means, se = np.asarray(means, dtype=float), np.asarray(se, dtype=float)
    shape, size = means.shape[1:], means[0].size
    apart = (means - average(weights, means)).reshape(len(means), size)
    largest = _largest(weights, se)
    total = np.zeros((size, size))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for w, own, f, given in zip(weights, se, apart, each, strict=True):
            d = np.fmin(largest / own, 1.0).ravel()  # 1 for 0 / 0 and inf / inf
            C = _scaled(given().reshape(size, size), d, largest.ravel() ** 2)
            total += w * (C + np.outer(f, f))
    lost = ~np.isfinite(np.diag(total))
    total[lost], total[:, lost] = np.nan, np.nan
    total[lost, lost] = np.inf
    return total.reshape(shape * 2)


def _largest(weights: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Return up to where standard errors count."""
    return CAP * se[np.argmax(weights)]


def _scaled(C: np.ndarray, d: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return D C D; what is not bounded in C stands alone, with the variance `largest`.

    There d = 0, and 0 times inf is to be the limit from below.
    """
    alone = d == 0.0
    C = np.where(alone | alone[:, None], 0.0, C * np.outer(d, d))
    C[alone, alone] = largest[alone]
    return C


def _unbounded_for_nan(variance: np.ndarray) -> np.ndarray:
    """Return what is not a number as not bounded: an infinite mean has no spread."""
    return np.where(np.isnan(variance), np.inf, variance)
