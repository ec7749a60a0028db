"""Cells of the study of noise, its laws, and what intervals do: computed, not drawn.

With Z of mean 0, variance 1 and distribution F, G(a) = E max(a - Z, 0), a prediction
interval from f + s a to f + s b, f and s those of the truth, covers F(b) - F(a), and
since E max(Z - b, 0) = G(b) - b its mean interval score (Winkler) of level L is

    s [b - a + 2 / (1 - L) (G(a) + G(b) - b)].
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from minima import heavy, skewed
from scipy import stats
from study_data import normal

LEVELS = np.array([0.5, 0.8, 0.9, 0.95])
# Mean and standard deviation of exp of a normal number.
CENTER, SPREAD = np.exp(0.5), np.sqrt(np.e**2 - np.e)
STUDENT = stats.t(3)


class Cell(NamedTuple):
    """Data of n rows with noise of some law, and the network."""

    data: str
    n: int
    law: str = "normal"
    units: int = 4
    alpha: float = 1e-4
    most: float = np.inf
    """Replicates at most."""

    @property
    def name(self):
        text = f"{self.data}, {self.n}, {self.law}"
        return text if self.alpha == 1e-4 else f"{text}, alpha {self.alpha:g}"


D5, X1, BY_F = "Friedman #1, d=5", "teacher, noise along x1", "teacher, noise by f"
X4, SINE = f"{D5}, noise along x4", "sine, noise along x"
SIDES = "teacher, uneven noise"
SKEWED = [Cell("teacher", 200, law) for law in ("lognormal", "exponential")]
HEAVY = [Cell("teacher", 200, "t3")]
EVEN = [*(Cell("teacher", n) for n in (100, 200, 400)), Cell(D5, 400, units=5)]
UNEVEN = [Cell(SIDES, 400), Cell(X1, 400), Cell(X4, 400, units=5)]
SCALED = [Cell(BY_F, 400)]
FEW = [Cell(SIDES, 100), Cell(SINE, 100)]
SKEWED_UNEVEN = [Cell(SIDES, 400, "lognormal"), Cell(X4, 400, "lognormal", 5)]
STRONG = [Cell("teacher", 200, "lognormal", alpha=0.1), Cell(X1, 400, alpha=0.1)]
FEWER = [Cell("teacher", 50), Cell("teacher", 50, "lognormal"), Cell(SIDES, 50)]
# Networks that use up a quarter of the rows.
TIGHT = [Cell(D5, 100, law, 5) for law in ("normal", "lognormal")]
TIMED = [Cell(X4, n, units=5, most=10) for n in (300, 1000, 3000, 5000)]
CELLS = [*SKEWED, *HEAVY, *EVEN, *UNEVEN, *SCALED, *FEW, *SKEWED_UNEVEN, *STRONG,
         *FEWER, *TIGHT, *TIMED]  # fmt: skip


class Law(NamedTuple):
    """A law of noise of mean 0 and variance 1."""

    draw: Callable
    """Of a generator and a shape."""
    below: Callable
    """F."""
    lack: Callable
    """G."""


def exponential(rng, shape):
    """Return exponential noise of mean 0 and variance 1."""
    return rng.exponential(size=shape) - 1.0


def lack_of_normal(a):
    return a * stats.norm.cdf(a) + stats.norm.pdf(a)


def lack_of_lognormal(a):
    k = np.maximum(CENTER + SPREAD * a, np.finfo(float).tiny)
    log = np.log(k)
    return (k * stats.norm.cdf(log) - CENTER * stats.norm.cdf(log - 1.0)) / SPREAD


def lack_of_exponential(a):
    return np.maximum(a, -1.0) + np.exp(-np.maximum(a + 1.0, 0.0))


def lack_of_heavy(a):
    k = np.sqrt(3.0) * a
    return a * STUDENT.cdf(k) + (3.0 + k**2) / (2.0 * np.sqrt(3.0)) * STUDENT.pdf(k)


LAWS = {
    "normal": Law(normal, stats.norm.cdf, lack_of_normal),
    "lognormal": Law(
        skewed, lambda a: stats.lognorm.cdf(CENTER + SPREAD * a, 1.0), lack_of_lognormal
    ),
    "exponential": Law(
        exponential, lambda a: stats.expon.cdf(a + 1.0), lack_of_exponential
    ),
    "t3": Law(heavy, lambda a: STUDENT.cdf(np.sqrt(3.0) * a), lack_of_heavy),
}


def measure_pi(law, sample, pi):
    """Return what prediction intervals (n, 2, levels) do at the n test points.

    Probabilities below and above, and scores in units of y, (n, levels) each.
    """
    sd = sample.sd[:, None]
    a, b = np.moveaxis((pi - sample.truth[:, None, None]) / sd[:, None], 1, 0)
    missed = law.lack(a) + law.lack(b) - b
    return dict(
        below=law.below(a),
        above=1.0 - law.below(b),
        score=sd * (b - a + 2.0 / (1.0 - LEVELS) * missed),
    )


def thirds(sd, values):
    """Return means of `values` where the noise `sd` (n,) is low, medium and high."""
    third = np.arange(len(sd)) * 3 // len(sd)
    order = np.argsort(sd, kind="stable")
    return np.array([values[order[third == k]].mean() for k in range(3)])
