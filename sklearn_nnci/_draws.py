"""Draws from the law behind the intervals.

With C the covariance of the means at the rows, dof degrees of freedom, and G the
distribution function of chi^2_dof,

    f* = f + C^1/2 z / chi,                         chi^2 = G^-1(u) / dof
    y* = f + se_obs T,      chi se_obs T = C^1/2 z + (se_obs^2 - se_mean^2)^1/2 z'

z and z' standard normal and u uniform, one u for all rows and outputs of a draw: they
share their noise variance. Each f* is then Student about f with the scale se_mean, and
T is Student: the laws of the two intervals. Where the noise has a law of its own, with
quantiles Q in units of se_obs, and F Student's distribution function,

    y* = f + se_obs Q(F(T)):

each y* follows that law, and rows go on to share what their means share. Counts are
drawn about the drawn means.
"""

from typing import Any

import numpy as np
from scipy import stats

from sklearn_nnci._inference.error_law import ErrorLaw

# Quantiles are interpolated between so many on either side, and stop short of 0 and 1.
ENDS, CLOSEST = 500, 1e-12


def jointly(rng: Any, n: int, covariance: np.ndarray) -> np.ndarray:
    """Return `n` draws of N(0, covariance), (n, N); `covariance` (N, N)."""
    values, V = np.linalg.eigh(covariance)
    root = V * np.sqrt(np.maximum(values, 0.0))
    return rng.standard_normal((n, len(values))) @ root.T


def chi(rng: Any, n: int, dof: np.ndarray) -> np.ndarray:
    """Return `n` draws of s / sigma for each of `dof`, (n, *dof.shape)."""
    known = np.isinf(dof)
    degrees = np.where(known, 1.0, dof)
    u = rng.uniform(size=n).reshape((n,) + (1,) * np.ndim(dof))
    return np.where(known, 1.0, np.sqrt(stats.chi2.ppf(u, degrees) / degrees))


def counts(rng: Any, means: np.ndarray, size: Any) -> np.ndarray:
    """Return counts about `means` (n, ...), negative binomial of that `size` (...)."""
    size = np.broadcast_to(size, means.shape)
    known = np.isfinite(size)
    shape = np.where(known, size, 1.0)
    spread = np.where(known, rng.standard_gamma(shape) / shape, 1.0)
    return rng.poisson(means * spread).astype(float)


def errors(
    T: np.ndarray, law: ErrorLaw | None, dof: np.ndarray, se_obs: Any
) -> np.ndarray:
    """Return y* - f, the one place that knows the law of the noise.

    Of Student's `T` (n, rows[, m]); `dof` is () or (m,), standard errors (rows[, m]).
    """
    if law is None:
        return se_obs * T
    most = np.abs(T).max(initial=1.0)
    t = np.linspace(-most, most, 2 * ENDS + 1)
    tails = stats.t.cdf(t, np.reshape(dof, (-1, 1)))
    p = np.clip(tails, CLOSEST, 1.0 - CLOSEST)
    each = T.reshape(*T.shape[:2], -1)
    q = [np.interp(each[..., k], t, law.at(p[k])[k]) for k in range(len(p))]
    return se_obs * np.stack(q, axis=-1).reshape(T.shape)
