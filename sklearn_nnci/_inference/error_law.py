"""The law of the noise as residuals show it, in place of the normal one.

With z_(1) <= z_(2) <= ... the studentised leave-one-out residuals (`left_out`) over
their root mean square, c_i of n rows up to the i-th, the quantile of level p is

    Q(p) = sum_i z_(i) [I(c_i / n) - I(c_(i-1) / n)],    I of Beta((n+1)p, (n+1)(1-p)),

the mean of the order statistic (n+1)p of a resample (Harrell & Davis, Biometrika 69,
1982), I being the incomplete beta function: less noisy than one order statistic, and
a row of weight k is k rows. An interval of level L has the ends

    -+ Q_|z|(L)                            symmetric, unless |skew z| > 2.5 (6 / n)^1/2,
    Q_z((1 - L)/2), Q_z((1 + L)/2)         else.

(6 / n)^1/2 is the standard error of the skewness of n normal numbers (Fisher 1930), and
two tails cost twice the rows. Where less than one row is expected beyond an end,
n (1 - L)/2 < 1, residuals tell no more: Student's quantile, or the last that they told
if that is larger. Ends have the signs -, +.

z is the shape only. A leave-one-out residual l_i = r_i / (1 - h_i)^1/2 has the variance
s^2 / (1 - h_i), which is se_obs^2 of row i without itself: r_i / s is one over the root
of the other, as an error at a new x is so many se_obs(x) (normalised leave-one-out). So
with t Student's quantile, q_-, q_+ the ends, a prediction interval reaches from f to

    f - max(-q_- se_obs, t se_mean),        f + max(q_+ se_obs, t se_mean),

se_obs of the noise in use: with q = t that is f -+ t se_obs, and whatever q is, the
interval contains the confidence interval of its level. By their own mean square
instead, residuals of networks that use up a quarter of the rows lose 3 to 6 points of
coverage. Residuals contain the error of the network already, h_i of their variance:
with q^2 s^2 + t^2 se_mean^2 in place of q^2 se_obs^2 it would count twice.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import betainc
from sklearn.utils import gen_batches

from sklearn_nnci._linearized.left_out import Knots

# Standard errors of a normal sample's skewness beyond which tails are told apart.
# Measured at 100 rows: of normal noise the score is 1 % worse if they always are, and
# of lognormal noise .01 and .08 are beyond the ends, in place of .05, if never.
SIGNIFICANT = 2.5
# Quartiles closer together than this part of the s.d. are equal but for rounding.
NEGLIGIBLE = 1e-6


class ErrorLaw(NamedTuple):
    """The law of the noise of m outputs, in units of its standard deviation."""

    values: np.ndarray
    """Sorted knots z, (m, k), of mean square 1; 0 where residuals are."""
    weight: np.ndarray
    """How many rows each knot stands for, (m, k); all 0 where residuals tell nothing,
    and the law is Student's."""
    skewed: np.ndarray
    """Whether lower and upper ends are apart, (m,)."""
    dof: np.ndarray
    """Degrees of freedom of Student's quantiles, (m,)."""

    @property
    def n(self) -> np.ndarray:
        """Rows that tell the law, (m,)."""
        return self.weight.sum(axis=1)

    def quantile(self, levels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of intervals of `levels`, each (m, *np.shape(levels)).

        In units of the standard deviation of the noise, monotone in the level, and on
        either side of 0, where the middle of a skewed law may not be.
        """
        levels = np.asarray(levels, dtype=float)
        tails = (1.0 - levels) / 2.0
        return np.minimum(self.at(tails), 0.0), np.maximum(self.at(1.0 - tails), 0.0)

    def at(self, p: Any) -> np.ndarray:
        """Return the quantiles Q(p), (m, *np.shape(p)), of `p` in (0, 1)."""
        p = np.asarray(p, dtype=float)
        each = [self._of_output(k, p.ravel()) for k in range(len(self.dof))]
        return np.reshape(each, (len(each), *p.shape))

    def _of_output(self, k: int, p: np.ndarray) -> np.ndarray:
        """Return the quantiles of output `k`, (l,)."""
        kept = self.weight[k] > 0.0
        z, w = self.values[k, kept], self.weight[k, kept]
        # By the nearer tail, which has the digits
        t = np.where(p < 0.5, 1.0, -1.0) * stats.t.ppf(
            np.minimum(p, 1 - p), self.dof[k]
        )
        n = w.sum()
        if n <= 2.0:
            return t
        told = np.clip(p, 1.0 / n, 1.0 - 1.0 / n)  # one row beyond
        if self.skewed[k]:
            q = harrell_davis(z, w, told)
        else:
            order = np.argsort(np.abs(z), kind="stable")
            level = np.maximum(np.abs(2.0 * told - 1.0), np.finfo(float).tiny)
            size = harrell_davis(np.abs(z)[order], w[order], level)
            q = np.sign(told - 0.5) * size
        beyond = np.where(p < told, np.minimum(q, t), np.maximum(q, t))
        return np.where(p == told, q, beyond)

    def log_density(self, u: np.ndarray) -> np.ndarray:
        """Return log density at `u` (m, n), in units of the standard deviation.

        That of the residuals, each a normal law around itself, about 0 too unless they
        are skewed; and one row in n + 1 is Student's, which has a density everywhere.
        """
        return np.array([self._log_density(k, u[k]) for k in range(len(self.dof))])

    def _log_density(self, k: int, u: np.ndarray) -> np.ndarray:
        """Return that of output `k`, (n,)."""
        kept = self.weight[k] > 0.0
        z, w = self.values[k, kept], self.weight[k, kept]
        if not self.skewed[k]:
            z, w = np.concatenate([z, -z]), np.concatenate([w, w]) / 2.0
        n, total = w.sum(), stats.t.pdf(u, self.dof[k])
        width = _bandwidth(z, w)
        for part in gen_batches(len(u), max(1, 10**6 // max(len(z), 1))):
            near = np.exp(-0.5 * ((u[part, None] - z) / width) ** 2) @ w
            total[part] += near / (width * np.sqrt(2.0 * np.pi))
        return np.log(total / (n + 1.0))

    def state(self) -> dict[str, np.ndarray]:
        """Return the same as plain arrays; ``ErrorLaw(**state)`` has it back."""
        return self._asdict()


def _bandwidth(z: np.ndarray, w: np.ndarray) -> float:
    """Return 0.9 n^-1/5 min(s.d., quartiles' distance / 1.34) (Silverman 1986).

    The s.d. alone where half of the residuals are equal, as they are of zeros.
    """
    if not w.sum():
        return 1.0
    order = np.argsort(z)
    z, w = z[order], w[order]
    quartiles = harrell_davis(z, w, np.array([0.25, 0.75]))
    std, robust = np.sqrt(w @ z**2 / w.sum()), np.ptp(quartiles) / 1.34
    spread = min(std, robust) if robust > NEGLIGIBLE * std else std
    return float(0.9 * w.sum() ** -0.2 * spread)


def harrell_davis(z: np.ndarray, w: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return quantiles (l,) of levels `p` (l,) in (0, 1), of sorted `z` (k,).

    `w` (k,) are counts; `scipy.stats.mstats.hdquantiles` has those of w = 1.
    """
    n, below = w.sum(), np.concatenate([[0.0], np.cumsum(w)])
    a, b = (n + 1.0) * p[:, None], (n + 1.0) * (1.0 - p[:, None])
    return np.diff(betainc(a, b, np.minimum(below / n, 1.0)), axis=1) @ z


def error_law(residuals: Knots, dof: np.ndarray) -> ErrorLaw:
    """Return the `ErrorLaw` of `residuals`, Student's quantiles having `dof` (m,)."""
    values, weight = residuals.few()
    size = np.abs(values).max(axis=1, initial=0.0)
    told = (size > 0.0) & np.isfinite(size)
    values = np.where(told[:, None], values, 0.0) / np.where(told, size, 1.0)[:, None]
    weight = np.where(told[:, None], weight, 0.0)
    n = np.maximum(weight.sum(axis=1), 1.0)
    rms = np.sqrt(np.einsum("mk,mk->m", weight, values**2) / n)
    values = values / np.where(rms > 0.0, rms, 1.0)[:, None]
    skewness = moment(values, weight, 3)
    skewed = np.abs(skewness) > SIGNIFICANT * np.sqrt(6.0 / n)
    return ErrorLaw(values, weight, skewed, np.asarray(dof, dtype=float))


def moment(values: np.ndarray, weight: np.ndarray, power: int) -> np.ndarray:
    """Return standardised central moments (m,) of knots (m, k); 0 if nothing varies."""
    n = np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    share = weight / n
    away = values - np.sum(share * values, axis=1, keepdims=True)
    spread = np.sqrt(np.sum(share * away**2, axis=1, keepdims=True))
    away = away / np.where(spread > 0.0, spread, 1.0)
    return np.sum(share * away**power, axis=1)


def pooled(
    laws: Sequence[ErrorLaw | None], weights: np.ndarray, noise: Sequence[Any]
) -> ErrorLaw | None:
    """Return the law of a mixture: with weight w_k that of network k, of its noise.

    `noise` are the variances, or (m, m) each; n is that of the rows, not K times it.
    None, as any of `laws`, is the normal law.
    """
    known = [law for law in laws if law is not None]
    if len(known) < len(laws):
        return None
    s = [np.sqrt(np.diag(np.atleast_2d(variance)))[:, None] for variance in noise]
    with np.errstate(invalid="ignore"):  # a noise that is not bounded
        each = [one.values * unit for one, unit in zip(known, s, strict=True)]
    counts = [w * one.weight for one, w in zip(known, weights, strict=True)]
    dof = np.tensordot(weights, [one.dof for one in known], axes=1)
    return error_law(Knots(np.hstack(each), np.hstack(counts)), dof)


def reach(end: Any, t: Any, se_mean: Any, se_obs: Any) -> np.ndarray:
    """Return how far a prediction interval reaches to the side of that `end`.

    `t` is Student's quantile of the same level; all are arrays that broadcast.
    """
    return np.maximum(np.abs(end) * se_obs, t * se_mean)
