"""Penalty and noise variance that the data themselves ask for.

The network, linearised at its weights, is a Bayesian linear model of the target
t = e + J_a theta_a, with the output intercepts b0 flat and every other parameter
of prior variance s^2 / lambda around zero (MacKay 1992; Immer et al. 2021):

    t ~ N(O b0, s^2 V),      V = W^-1 + K / lambda,      K = J_a J_a'

(W = 1 once the rows are weighted). Maximised over b0 and s^2 in closed form, the log
likelihood is, up to a constant,

    -1/2 (n log s^2 + log det V),      s^2 = min_b0 r'V^-1 r / n,    r = t - O b0.

K is brought to tridiagonal form once, K = Q T Q', after which every lambda costs as
much as a few vectors: with V = L D L', r'V^-1 r is |D^-1/2 L^-1 r|^2, the determinant
comes from the eigenvalues kappa of T, and of eigenvectors there is no need.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize
from scipy.linalg import lapack
from sklearn.utils import gen_batches

# Range of lambda in units of trace(K) / n, and points of the first, coarse search.
RANGE = (1e-8, 1e4)
GRID = 61
# Reflections to apply at a time.
PANEL = 256


class Evidence(NamedTuple):
    """The maximum of the marginal likelihood."""

    strength: float
    """lambda."""
    noise: float
    """s^2."""
    boundary: str
    """"lower" or "upper" where the maximum lies at the end of the range, else ""."""


class Tridiagonal(NamedTuple):
    """The model in a basis in which K is tridiagonal."""

    diagonal: np.ndarray
    beside: np.ndarray
    """The entries next to the diagonal."""
    kappa: np.ndarray
    """Eigenvalues of K."""
    t: np.ndarray
    O: np.ndarray
    n: float

    def cost(self, log_strength):
        """Return minus the log likelihood."""
        strength = np.exp(log_strength)
        determinant = np.log1p(self.kappa / strength).sum()
        return 0.5 * (self.n * np.log(self.noise(strength)) + determinant)

    def slope(self, log_strength):
        """Return the derivative of the cost by log lambda; b0 drops out, being optimal.

        With x = V^-1 r it is (n (r'x - x'x) / r'x - tr(1 - V^-1)) / 2.
        """
        strength = np.exp(log_strength)
        r, D, L = self._whitened(strength)
        x = lapack.dtbtrs(L, r / np.sqrt(D), uplo="L", diag="U", trans="T")[0]
        size = max(r @ r, np.finfo(float).tiny)
        used = np.sum(self.kappa / (strength + self.kappa))
        return 0.5 * (self.n * (size - np.vdot(x, x)) / size - used)

    def noise(self, strength):
        """Return s^2."""
        r = self._whitened(strength)[0]
        return max(float(r @ r), np.finfo(float).tiny) / self.n

    def _whitened(self, strength):
        """Return D^-1/2 L^-1 r at the best b0, D, and L in bands."""
        D, below, _ = lapack.dpttrf(
            1.0 + self.diagonal / strength, self.beside / strength
        )
        L = np.zeros((2, len(D)))
        L[1, :-1] = below
        both = np.column_stack([self.t, self.O])
        both = lapack.dtbtrs(L, both, uplo="L", diag="U")[0] / np.sqrt(D)[:, None]
        t, O = both[:, 0], both[:, 1:]
        return t - O @ linalg.lstsq(O, t, check_finite=False)[0], D, L


def maximise(K, O, t, n):
    """Return the `Evidence` of the reduced model (K, O, t) of `n` rows; K is spoilt.

    Any rotation of the rows serves, and rows that it makes zero may be left out.
    What O explains is taken from `t` first: otherwise, where K is rank-deficient,
    its rounding leaks into s^2 and the answer depends on the location of y.
    """
    rounding = len(t) * np.finfo(float).eps * np.linalg.norm(t)
    t = t - O @ linalg.lstsq(O, t, check_finite=False)[0]
    if len(t) <= O.shape[1] or np.linalg.norm(t) <= rounding:
        t = np.zeros_like(t)
    unit = np.trace(K) / n
    if not (unit > 0.0 and t.any()):  # nothing to learn from
        return Evidence(1.0, float(t @ t) / n, "")
    # Below the rounding of K there is nothing to find, and V is no longer positive.
    lowest = max(RANGE[0] * unit, len(K) * np.finfo(float).eps * np.trace(K))
    grid = np.linspace(np.log(lowest), np.log(RANGE[1] * unit), GRID)
    model = tridiagonal(K, O, t, n)
    best = int(np.argmin([model.cost(point) for point in grid]))
    at = grid[best]
    if 0 < best < GRID - 1:
        other = grid[best + (1 if model.slope(at) < 0.0 else -1)]
        if model.slope(at) * model.slope(other) < 0.0:
            ends = sorted((at, other))
            at = optimize.brentq(model.slope, *ends, xtol=1e-14, rtol=1e-14)
    strength = float(np.exp(at))
    boundary = {0: "lower", GRID - 1: "upper"}.get(best, "")
    return Evidence(strength, model.noise(strength), boundary)


def tridiagonal(K, O, t, n):
    """Return the `Tridiagonal` of the model, by Householder reflections of K."""
    both, work = np.column_stack([t, O]), 64 * len(K)
    K = K if K.flags.f_contiguous else K.T  # symmetric: spares a copy
    K, diagonal, beside, tau, _ = lapack.dsytrd(K, lower=1, lwork=work, overwrite_a=1)
    # The reflections lie below the diagonal of K as those of a QR would.
    for part in gen_batches(len(tau), PANEL):
        below, rest = K[part.start + 1 :, part], both[part.start + 1 :]
        rest[:] = lapack.dormqr("L", "T", below, tau[part], rest, 64 * rest.shape[1])[0]
    kappa = linalg.eigvalsh_tridiagonal(diagonal, beside, lapack_driver="sterf")
    rotated = both[:, 0], both[:, 1:]
    return Tridiagonal(diagonal, beside, np.maximum(kappa, 0.0), *rotated, n)
