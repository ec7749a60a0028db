"""Counts: how their variance grows with the mean, and what a new one will be.

**The law of a count** of mean mu is negative binomial, of variance

    V(mu) = mu + beta mu + alpha mu^2,      size k = mu^2 / (V - mu),

Poisson where beta = alpha = 0. With l the Pearson residuals of rows left out and d the
numerator of the score (`count_sums`), means over the training rows, it is

    Poisson                 unless z = sum d / sqrt(2 sum mu^2) > 1.645
                                                            Dean & Lawless 1989
    NB1: 1 + beta = mean l^2                                quasi-Poisson
    NB2: alpha such that mean l^2 / (1 + alpha mu) = 1      Breslow 1984

of both that with the smaller mean log V / mu: as both have mean l^2 mu / V = 1, it has
the greater pseudo-likelihood of the variance (Davidian & Carroll 1987). l divides by
1 - h, as HC3 does: a network of Poisson loss follows those rows most which vary most,
and studentised residuals, by sqrt(1 - h), told too little of them (measured). Counts
that vary less than Poisson's are taken as Poisson: intervals are then too wide.

**A new count** Y has that law about a mean which is itself known up to a standard error
s of its logarithm. Its law given the data is

    mu ~ mean s^2 Gamma(a),                 a = 1/s^2 + 1/2,
    Y  ~ NB(mean M, size c),                M = mean (1 + s^2/2),
                                            1/c = 1/k + 1/a + 1/(k a).

The Gamma is Jeffreys' posterior of a rate that 1/s^2 events tell, and to second order
in s the lognormal. For Poisson counts Y is that mixture exactly; else the product of
two Gammas, mu and that of the negative binomial, is taken as one Gamma of the same mean
and variance, exact again for s = 0.

References: C. Dean and J. F. Lawless, J. Am. Statist. Ass. 84, 1989; N. E. Breslow,
Appl. Statist. 33, 1984; M. Davidian and R. J. Carroll, J. Am. Statist. Ass. 82, 1987.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats

from sklearn_nnci._inference.variance import CONSTANT, Dispersion, Variance, Variances
from sklearn_nnci._linearized.count_sums import SUMS

# One-sided 5 % point of the normal: how sure one must be that counts are no Poisson's.
CRITICAL = 1.645
# A negative binomial of a size beyond this multiple of its mean is a Poisson: its
# variance is larger by 1e-8 of itself, and the size would cost as many digits.
NEARLY_POISSON = 1e8
# Counts of a larger mean are as good as continuous: a Gamma has their quantiles to 3e-9
# of the mean, and those of SciPy's discrete laws are not found.
LARGE = 1e9


class CountLaw(NamedTuple):
    """V(mu) = mu + beta mu + alpha mu^2 of each output, (m,)."""

    beta: np.ndarray
    alpha: np.ndarray

    def size(self, mean: np.ndarray) -> np.ndarray:
        """Return k at `mean`, (n,) or (n, m); infinite for Poisson."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return mean / (self.beta + self.alpha * mean)

    def variances(self, phi: np.ndarray) -> Variances | None:
        """Return how Pearson residuals of mean square `phi` vary; None if they do not.

        By V / mu = 1 + beta + alpha mu: the sum of V/mu j j' in the sandwich, where
        alpha > 0, is larger than phi J'J where means are.
        """
        if not (self.alpha > 0.0).any() or not np.isfinite(phi).all():
            return None
        each = (Dispersion(*map(float, one)) for one in zip(*self, phi, strict=True))
        return Variances(
            tuple(
                Variance("counts", one, 1.0, -np.inf, np.inf) if one.alpha else CONSTANT
                for one in each
            )
        )


def count_law(sums: Any, dispersion: np.ndarray | None = None) -> CountLaw | None:
    """Return the `CountLaw` that the sums of `count_sums`, (6, m, bins), tell.

    A `dispersion` (m,) that is known from elsewhere is that of NB1. None if there are
    no counts: of another loss, or of y that are no integers.
    """
    if np.ndim(sums) == 0 or sums[SUMS.index("fractional")].any():
        return None
    if dispersion is not None:
        excess = np.maximum(dispersion - 1.0, 0.0)
        return CountLaw(excess, np.zeros_like(excess))
    laws = np.array([_law_of_one(own) for own in np.moveaxis(sums, 1, 0)])
    return CountLaw(*laws.T)


def _law_of_one(sums: np.ndarray) -> tuple[float, float]:
    """Return beta and alpha of one output, of sums (6, bins)."""
    weight, first, second, pearson, score, _ = sums[:, sums[0] > 0.0]
    n, mu = weight.sum(), first / weight
    z = score.sum() / np.sqrt(2.0 * second.sum())
    beta = pearson.sum() / n - 1.0
    if not (z > CRITICAL and 0.0 < beta < np.inf):
        return 0.0, 0.0

    def left(alpha: float) -> float:
        return float(np.sum(pearson / (1.0 + alpha * mu)) / n - 1.0)

    # 1 / (1 + alpha mu) < 1 / (alpha mu): there the mean is less than 1, but for the
    # rounding of large means.
    end = np.sum(pearson / mu) / n
    alpha = float(optimize.brentq(left, 0.0, end if left(end) <= 0.0 else 2.0 * end))
    quadratic = weight @ np.log1p(alpha * mu) <= n * np.log1p(beta)
    return (0.0, alpha) if quadratic else (float(beta), 0.0)


class NewCount(NamedTuple):
    """The law of a new count: negative binomial of mean M and size c."""

    mean: np.ndarray
    size: np.ndarray
    """Infinite for Poisson."""

    @property
    def std(self) -> np.ndarray:
        """Its standard deviation."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.sqrt(self.mean + self.mean**2 / self.size)

    def at(self, tail: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the largest and the smallest integer beyond which lies `tail`, each.

        The chance of a count below the one is at most `tail`, and above the other.
        """
        mean, size, tail = np.broadcast_arrays(self.mean, self.size, tail)
        poisson, large = ~(size < NEARLY_POISSON * mean), mean > LARGE
        lower, upper = np.empty(mean.shape), np.empty(mean.shape)
        for law, part in (
            (_continuous, large), (_poisson, poisson & ~large),
            (_negative_binomial, ~poisson & ~large),
        ):  # fmt: skip
            with np.errstate(over="ignore", invalid="ignore"):
                own = law(mean[part], size[part])
                lower[part], upper[part] = own.ppf(tail[part]), own.isf(tail[part])
        return np.rint(lower), np.rint(upper)


def _poisson(mean: np.ndarray, size: np.ndarray) -> Any:
    return stats.poisson(mean)


def _negative_binomial(mean: np.ndarray, size: np.ndarray) -> Any:
    return stats.nbinom(size, size / (size + mean))


def _continuous(mean: np.ndarray, size: np.ndarray) -> Any:
    """Return the Gamma of the same mean and variance."""
    shape = 1.0 / (1.0 / mean + 1.0 / size)
    return stats.gamma(shape, scale=mean / shape)


def new_count(mean: np.ndarray, s: np.ndarray, size: np.ndarray) -> NewCount:
    """Return the law of a new count.

    Of counts of that `size` about a mean which is known up to the standard error `s` of
    its logarithm.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        b = s**2 / (1.0 + s**2 / 2.0)  # 1 / a
        return NewCount(mean * (1.0 + s**2 / 2.0), 1.0 / (1.0 / size + b + b / size))


def std(mean: np.ndarray, s: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the standard deviation of a new count, infinite where `s` is."""
    return np.where(np.isfinite(s), new_count(mean, s, size).std, np.inf)


def interval(
    mean: np.ndarray, half: np.ndarray, size: np.ndarray, tail: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of a new count, with at most `tail` beyond each.

    The mean lies in ``mean * exp(+-half)`` with the same confidence. An error of normal
    distribution with that quantile stands for Student's. Every integer in that interval
    is in this: a mean is known too badly for any law where it would not be. No integer
    need be, of means below 1; (0, inf) where `half` is not finite.
    """
    z = stats.norm.isf(tail)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        s = np.where(z > 0.0, half / z, 0.0)
        low, high = np.ceil(mean * np.exp(-half)), np.floor(mean * np.exp(half))
        law = new_count(mean, s, size)
    unbounded = ~np.isfinite(law.mean + half)
    known = NewCount(*(np.where(unbounded, 1.0, part) for part in law))
    lower, upper = known.at(tail)
    unbounded |= np.isnan(upper)  # the quantile overflows
    return (
        np.where(unbounded, 0.0, np.minimum(lower, low)),
        np.where(unbounded, np.inf, np.maximum(upper, high)),
    )
