"""Draws from the law behind the intervals.

With C the covariance of the means at the rows, dof degrees of freedom, and G the
distribution function of chi^2_dof,

    f* = f + C^1/2 z / chi,                         chi^2 = G^-1(u) / dof
    y* = f* + (se_obs^2 - se_mean^2)^1/2 noise / chi

z, noise standard normal and u uniform, one u for all rows and outputs of a draw: they
share their noise variance. Each f* is then Student about f with the scale se_mean, each
y* with the scale se_obs: the laws of the two intervals.
"""

from typing import Any

import numpy as np
from scipy import stats


def jointly(rng: Any, n: int, covariance: np.ndarray) -> np.ndarray:
    """Return `n` draws of N(0, covariance), (n, N); `covariance` (N, N)."""
    values, V = np.linalg.eigh(covariance)
    root = V * np.sqrt(np.maximum(values, 0.0))
    return rng.standard_normal((n, len(values))) @ root.T


def noise(rng: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return errors of unit variance: the one place that knows their law."""
    return rng.standard_normal(shape)


def chi(rng: Any, n: int, dof: np.ndarray) -> np.ndarray:
    """Return `n` draws of s / sigma for each of `dof`, (n, *dof.shape)."""
    known = np.isinf(dof)
    degrees = np.where(known, 1.0, dof)
    u = rng.uniform(size=n).reshape((n,) + (1,) * np.ndim(dof))
    return np.where(known, 1.0, np.sqrt(stats.chi2.ppf(u, degrees) / degrees))
