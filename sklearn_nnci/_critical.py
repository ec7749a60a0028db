"""Critical values: the factors of standard errors that intervals take.

Critical values, with r = rank J, k intervals in the call, t and F of dof degrees:

    pointwise    t(1 - alpha/2)
    bonferroni   t(1 - alpha/(2k))
    scheffe      sqrt(r F(level; r, dof))             Working & Hotelling; Scheffe
    sup-t        level quantile of max_i |z_i| / chi, z ~ N(0, correlation of f),
                 chi^2 ~ chi^2_dof / dof shared       Montiel Olea & Plagborg-Moller
"""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from scipy import special, stats

# Draws of sup-t, by a generator of fixed seed: two calls agree. At 10^4 draws the
# level of the interval is known to 0.2 %.
DRAWS, SEED = 10_000, 0
MOST_SUP_T = 5000
SIMULTANEOUS = ("bonferroni", "scheffe", "sup-t")


def check_levels(confidence_level: Any) -> np.ndarray:
    """Return `confidence_level` as an array of floats in the open (0, 1)."""
    try:
        levels = np.asarray(confidence_level)
    except ValueError:  # a ragged sequence
        levels = np.array(None)
    numeric = levels.dtype.kind in "iuf" or (
        levels.dtype.kind == "O" and all(isinstance(v, Real) for v in levels.flat)
    )
    if numeric and levels.size:
        levels = levels.astype(float)
        if np.all((levels > 0.0) & (levels < 1.0)):
            return levels
    percent = [v for v in levels.flat if numeric and 2.0 < v < 100.0]
    hint = f" Did you mean {percent[0] / 100:g}, not {percent[0]:g}?" if percent else ""
    raise ValueError(
        "confidence_level must be a number, or a non-empty sequence of numbers, in the "
        f"open interval (0, 1), such as 0.95. Got {confidence_level!r}.{hint}"
    )


def check_keywords(call: str, unknown: dict[str, Any]) -> None:
    """Refuse keywords that `call` does not know; say what stands for alpha."""
    for name, value in unknown.items():
        hint = "Try confidence_level, obs, simultaneous."
        if name == "alpha":
            level = 1.0 - value if isinstance(value, Real) else "1 - alpha"
            known = f"{level:g}" if isinstance(level, float) else level
            hint = f"alpha is 1 - confidence_level. Try confidence_level={known}."
        raise TypeError(f"{call}() has no keyword {name!r}, got {value!r}. {hint}")


def check_simultaneous(simultaneous: Any) -> None:
    """Refuse what is neither None nor one of `SIMULTANEOUS`."""
    if not (simultaneous is None or str(simultaneous) in SIMULTANEOUS):
        raise ValueError(
            "simultaneous must be None, 'bonferroni', 'scheffe' or 'sup-t', got "
            f"{simultaneous!r}."
        )


def pointwise(levels: np.ndarray, dof: np.ndarray, k: int = 1) -> np.ndarray:
    """Return t(1 - alpha / (2 k)): for one interval, or `k` of them by Bonferroni."""
    # stats.t.isf, digit by digit, without the checks that take a tenth of a prediction
    return -special.stdtrit(dof, (1.0 - levels) / 2.0 / k)


def scheffe(levels: np.ndarray, dof: np.ndarray, rank: int | None) -> np.ndarray:
    """Return sqrt(r F(level; r, dof)) for all x at once; `rank` is r, if it applies."""
    if rank is None:
        raise ValueError(
            "simultaneous='scheffe' needs covariance='least_squares' or "
            "'frequentist', whose intervals are those of a linear smoother. Try "
            "simultaneous='sup-t'."
        )
    exact = stats.f.isf(1.0 - levels, rank, np.where(np.isinf(dof), 1.0, dof))
    known = stats.chi2.isf(1.0 - levels, rank) / rank
    return np.sqrt(rank * np.where(np.isinf(dof), known, exact))


def sup_t(
    levels: np.ndarray, dof: np.ndarray, covariance: Callable[[], np.ndarray] | None,
    unit: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return c sigma / unit, c the quantile of max |z| / chi, for all rows of a call.

    sigma^2 is the diagonal of ``covariance()``, `unit` are the standard errors that
    the factors will multiply, shaped as the mean.
    """
    if covariance is None:
        raise ValueError(
            "simultaneous='sup-t' needs the joint covariance of the rows. Try "
            "get_prediction(X).conf_int(simultaneous='sup-t')."
        )
    if unit.size > MOST_SUP_T:
        raise ValueError(
            f"simultaneous='sup-t' takes up to {MOST_SUP_T} intervals at a time, got "
            f"{unit.size}. Try fewer rows, or 'bonferroni'."
        )
    cov = covariance().reshape(unit.size, -1)
    sigma = np.sqrt(np.diag(cov))
    seen = np.isfinite(sigma) & (sigma > 0.0)
    if not seen.any():
        return pointwise(levels, dof)
    correlation = cov[np.ix_(seen, seen)] / np.outer(sigma[seen], sigma[seen])
    # One noise variance for all: with several outputs, the least certain one.
    largest = _largest(correlation, float(np.min(dof)))
    c = np.quantile(largest, levels) * np.ones_like(dof * levels)
    ratio = np.ones_like(sigma)
    np.divide(sigma, unit.ravel(), out=ratio, where=seen)
    return c * ratio.reshape(unit.shape)[(...,) + (None,) * levels.ndim]


def _largest(correlation: np.ndarray, dof: float) -> np.ndarray:
    """Return draws of max_i |z_i| / chi, z ~ N(0, correlation)."""
    values, V = np.linalg.eigh(correlation)
    root = V * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(SEED)
    largest = np.abs(root @ rng.standard_normal((len(root), DRAWS))).max(axis=0)
    if not np.isfinite(dof):
        return largest
    return largest / np.sqrt(rng.chisquare(dof, DRAWS) / dof)
