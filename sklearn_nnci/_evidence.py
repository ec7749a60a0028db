"""Penalty and noise variance that the data themselves ask for.

The network, linearised at its weights, is a Bayesian linear model of the target
t = e + J_a theta_a, with the output intercepts b0 flat and every other parameter
of prior variance s^2 / lambda around zero (MacKay 1992; Immer et al. 2021):

    t ~ N(O b0, s^2 (W^-1 + K / lambda)),      K = J_a J_a'.

Maximised over b0 and s^2 in closed form, the log likelihood is, up to a constant,

    -1/2 [ n log s^2 + sum_i log(1 + kappa_i / lambda) ],
    s^2 = min_b0 sum_i d_i (t_i - O_i b0)^2 / n,   d_i = lambda / (lambda + kappa_i),

in the eigenbasis of K, where kappa_i are its eigenvalues.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

# Range of lambda in units of trace(K) / n, and points of the first, coarse search.
RANGE = (1e-8, 1e4)
GRID = 61


class Evidence(NamedTuple):
    """The maximum of the marginal likelihood."""

    strength: float
    """lambda."""
    noise: float
    """s^2."""
    boundary: str
    """"lower" or "upper" where the maximum lies at the end of the range, else ""."""


def maximise(K, O, t, n):
    """Return the `Evidence` of the reduced model (K, O, t) of `n` rows.

    Any rotation of the rows serves, and rows that it makes zero may be left out.
    What O explains is taken from `t` first: otherwise, where K is rank-deficient,
    its rounding leaks into s^2 and the answer depends on the location of y.
    """
    t = t - O @ linalg.lstsq(O, t, check_finite=False)[0]
    kappa, Q = linalg.eigh(K, check_finite=False)
    kappa, t, O = np.maximum(kappa, 0.0), Q.T @ t, Q.T @ O
    unit = kappa.sum() / n
    if not (unit > 0.0 and t @ t > 0.0):  # nothing to learn from
        return Evidence(1.0, float(t @ t) / n, "")

    def fit(log_strength):
        """Return d and the squared residuals of t at the best b0."""
        strength = np.exp(log_strength)
        d = strength / (strength + kappa)
        root = np.sqrt(d)
        b0 = linalg.lstsq(root[:, None] * O, root * t, check_finite=False)[0]
        return d, (t - O @ b0) ** 2

    def cost(log_strength):
        d, r2 = fit(log_strength)
        return 0.5 * (n * np.log(max(d @ r2, tiny) / n) - np.log(d).sum())

    def slope(log_strength):
        """Derivative of the cost by log lambda; b0 drops out, being optimal."""
        d, r2 = fit(log_strength)
        return 0.5 * (n * (d * (1.0 - d)) @ r2 / max(d @ r2, tiny) - (1.0 - d).sum())

    tiny = np.finfo(float).tiny
    grid = np.log(unit) + np.linspace(*np.log(RANGE), GRID)
    best = int(np.argmin([cost(point) for point in grid]))
    at = grid[best]
    if 0 < best < GRID - 1:
        other = grid[best + (1 if slope(at) < 0.0 else -1)]
        if slope(at) * slope(other) < 0.0:
            at = optimize.brentq(slope, *sorted((at, other)), xtol=1e-14, rtol=1e-14)
    d, r2 = fit(at)
    boundary = {0: "lower", GRID - 1: "upper"}.get(best, "")
    return Evidence(float(np.exp(at)), float(d @ r2) / n, boundary)
