"""Whether the noise is what intervals take it for: normal, and the same everywhere.

Normal: with Z_1 and Z_2 the transformations to normality of the skewness b_1^1/2 and
kurtosis b_2 of the studentised leave-one-out residuals (D'Agostino 1970; Anscombe &
Glynn 1983),

    K^2 = Z_1^2 + Z_2^2,    chi^2 of 2 degrees if the noise is (D'Agostino & Pearson
                            1973; `scipy.stats.normaltest`).

The same everywhere: the score test of var e = s^2 h(g'c), c = 0 (Breusch & Pagan 1979),
studentised so that noise need not be normal (Koenker 1981): the F of the regression of
r^2 on g = (1, f, f^2, x, x^2), q of these beside 1,

    F = (R^2 / q) / ((1 - R^2) / (n - 1 - q)).

Several outputs are tested one by one, and the least p-value counts m times
(Bonferroni). A row of weight k is k rows.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, stats

from sklearn_nnci._inference.error_law import moment
from sklearn_nnci._linearized.left_out import Knots, Trend

# At these levels, networks at their minimum seem to have such noise in at most three of
# a hundred fits of normal, even noise (measured): F is not so exact, for squares of
# residuals are skewed.
NORMALITY_LEVEL, EVENNESS_LEVEL = 0.01, 0.001
# Rows from which the kurtosis is near enough to what its transformation takes it for
# (Anscombe & Glynn 1983), and residuals of F that are many beside q.
FEWEST, FEWEST_DOF = 20.0, 40.0
# Directions of the regressors below this size, relatively, are within rounding.
NEGLIGIBLE = 1e-10


class NoiseTest(NamedTuple):
    """A test of the noise; nan where it does not apply."""

    statistic: float
    """Of the output of which it is the least likely."""
    critical: float
    """What it exceeds by chance as often as the level of the test says."""
    p_value: float
    """How likely so large a value is by chance, for any output."""


NOT_TESTED = NoiseTest(np.nan, np.nan, np.nan)


def normality(residuals: Knots) -> NoiseTest:
    """Return the test of skewed or heavy-tailed noise, K^2."""
    n, m = residuals.n, len(residuals.values)
    if n.min() < FEWEST:
        return NOT_TESTED
    values, weight = residuals.few()
    if not np.isfinite(values).all() or not np.ptp(values, axis=1).all():
        return NOT_TESTED
    values = values / np.abs(values).max(axis=1, keepdims=True)
    b1, b2 = (moment(values, weight, power) for power in (3, 4))
    K2 = float(np.max(_of_skewness(b1, n) ** 2 + _of_kurtosis(b2, n) ** 2))
    critical = float(stats.chi2.isf(NORMALITY_LEVEL / m, 2))
    return NoiseTest(K2, critical, min(1.0, m * float(stats.chi2.sf(K2, 2))))


def _of_skewness(b: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return Z_1 of the skewness of n normal numbers (D'Agostino 1970)."""
    y = b * np.sqrt((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0)))
    kurtosis = 3.0 * (n**2 + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
    kurtosis /= (n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0)
    W2 = np.sqrt(2.0 * (kurtosis - 1.0)) - 1.0
    return np.arcsinh(y / np.sqrt(2.0 / (W2 - 1.0))) / np.sqrt(0.5 * np.log(W2))


def _of_kurtosis(b: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return Z_2 of the kurtosis of n normal numbers (Anscombe & Glynn 1983)."""
    mean = 3.0 * (n - 1.0) / (n + 1.0)
    var = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) ** 2 * (n + 3.0) * (n + 5.0))
    x = (b - mean) / np.sqrt(var)
    skew = 6.0 * (n**2 - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
    skew *= np.sqrt(6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0)))
    A = 6.0 + 8.0 / skew * (2.0 / skew + np.sqrt(1.0 + 4.0 / skew**2))
    left = (1.0 - 2.0 / A) / (1.0 + x * np.sqrt(2.0 / (A - 4.0)))
    return (1.0 - 2.0 / (9.0 * A) - np.cbrt(left)) / np.sqrt(2.0 / (9.0 * A))


def evenness(trend: Trend) -> NoiseTest:
    """Return the test of noise that varies with f or x, F."""
    tests = [_of_output(*sums) for sums in zip(*trend, strict=True)]
    known = [test for test in tests if test is not None]
    if not known:
        return NOT_TESTED
    F, q, dof = min(known, key=lambda test: stats.f.sf(*test))
    p_value = min(1.0, len(known) * float(stats.f.sf(F, q, dof)))
    critical = float(stats.f.isf(EVENNESS_LEVEL / len(known), q, dof))
    return NoiseTest(F, critical, p_value)


def _of_output(
    G: np.ndarray, squares: np.ndarray, fourth: float
) -> tuple[float, int, float] | None:
    """Return F and its degrees of freedom; None where too few rows are left."""
    n = G[0, 0]
    if not n or not np.isfinite(G).all() or not np.isfinite(fourth):
        return None
    # About the means: the regressors beside 1, and r^2
    products = G[1:, 1:] - np.outer(G[0, 1:], G[0, 1:]) / n
    with_r2 = squares[1:] - G[0, 1:] * squares[0] / n
    total = fourth - squares[0] ** 2 / n
    size = np.sqrt(np.maximum(np.diag(products), 0.0))
    seen = size**2 > NEGLIGIBLE * np.diag(G)[1:]
    if not seen.any():
        return None
    size = size[seen]
    values, V = linalg.eigh(products[np.ix_(seen, seen)] / np.outer(size, size))
    kept = values > NEGLIGIBLE * len(values)
    q, dof = int(kept.sum()), float(n - 1.0 - kept.sum())
    if not q or dof <= FEWEST_DOF or total <= NEGLIGIBLE * fourth:
        return None
    explained = np.sum((V[:, kept].T @ (with_r2[seen] / size)) ** 2 / values[kept])
    R2 = float(np.clip(explained / total, 0.0, 1.0))
    return (R2 / q) / max((1.0 - R2) / dof, np.finfo(float).tiny), q, dof
