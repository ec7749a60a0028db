"""Other minima that could as well be the best: how far they are belongs to its error.

Of starts k with objectives F_k, on rows of noise s^2, that of the lowest predicts. Its
variance of the mean gains

    sum w_k (f_k - f)^2,        w_k = exp(-(F_k - min F) / (4 s^2)) / sum,

and w_k = 0 for a start that rests on a single row: it is a minimum all right, but of a
saturated unit, and may be anywhere else.
"""

from typing import Any

import numpy as np

from sklearn_nnci._inference.report import Report
from sklearn_nnci._linearized.route import factor_evidence, reduce_within_memory
from sklearn_nnci._linearized.training_rows import Rows
from sklearn_nnci._network.perceptron import unpack

# Of a start with a larger leverage, one row decides.
LARGEST_LEVERAGE = 0.95
# Starts of less weight than this are nowhere near.
LEAST_WEIGHT = 1e-3


def near(
    parameters: np.ndarray, objectives: np.ndarray, leverages: np.ndarray,
    report: Report,
) -> dict[str, np.ndarray] | None:  # fmt: skip
    """Return the parameters (K, p) and weights (K,) of starts near the best, or None.

    `objectives` (K,) and `leverages` (K,) are theirs, `report` is that of the best.
    """
    F = np.where(np.isnan(objectives), np.inf, objectives)
    with np.errstate(invalid="ignore"):
        weights = np.exp(-(F - F.min()) / (4.0 * loo_noise(report)))
    best = int(np.argmin(F))
    resting = leverages > LARGEST_LEVERAGE
    resting[best] = False
    weights = np.where(resting | ~(weights > LEAST_WEIGHT), 0.0, weights)
    close = weights > 0.0
    if close.sum() < 2:
        return None
    return {
        "parameters": parameters[close],
        "weights": weights[close] / weights.sum(),
    }


def without_outliers(
    parameters: np.ndarray, leverages: np.ndarray | None = None, **others: Any
) -> np.ndarray:
    """Return the starts that do not rest on a single row, two at least."""
    if leverages is None:
        return parameters
    kept = parameters[~(leverages > LARGEST_LEVERAGE)]
    return kept if len(kept) > 1 else parameters


def leverages_of(rows: Rows, parameters: np.ndarray) -> np.ndarray:
    """Return the largest leverage of networks (K, p), each under its own evidence."""
    return np.array([_largest_leverage(rows, theta) for theta in parameters])


def _largest_leverage(rows: Rows, theta: np.ndarray) -> float:
    """Return that of one; nan where its rows cannot be reduced."""
    try:
        sums = reduce_within_memory(rows._replace(network=unpack(theta, rows.network)))
        return factor_evidence(sums).fit.leverages.largest
    except ValueError:
        return np.nan


def loo_noise(report: Report) -> float:
    """Return the mean squared leave-one-out residual.

    A row fitted by itself alone makes that infinite; the noise in use is then next.
    """
    if np.isfinite(report.press):
        return report.press
    variances: Any = np.diag(np.atleast_2d(report.noise_variance))
    return float(np.mean(variances))
