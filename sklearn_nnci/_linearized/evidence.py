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

At the optimum under lambda the residuals are P t = V^-1 r, so that a network with
residuals e is away from it, at its rows, by b(lambda) = e - P t. The lambda at which
|b| is least is the one that this network *agrees* with, whatever it was trained by: a
network that was stopped early behaves like one under a larger penalty.
"""

from collections.abc import Callable
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
    agreeing: float = float("nan")
    """lambda* of least |b(lambda)|; nan unless that was asked, or nothing is known."""


class Tridiagonal(NamedTuple):
    """The model in a basis in which K is tridiagonal."""

    diagonal: np.ndarray
    """The diagonal of T, (k,)."""
    beside: np.ndarray
    """The entries next to the diagonal, (k - 1,)."""
    kappa: np.ndarray
    """Eigenvalues of K, (k,)."""
    vectors: np.ndarray
    """Q't, Q'e, (k, 2)."""
    O: np.ndarray
    """Q'O, (k, m)."""
    n: float
    """Rows that the k stand for."""

    def cost(self, log_strength: float) -> float:
        """Return minus the log likelihood, (n log s^2 + log det V) / 2."""
        strength = np.exp(log_strength)
        determinant = np.log1p(self.kappa / strength).sum()
        return 0.5 * (self.n * np.log(self.noise(strength)) + determinant)

    def slope(self, log_strength: float) -> float:
        """Return the derivative of the cost by log lambda; b0 drops out, being optimal.

        With x = P t it is (n (t'x - x'x) / t'x - tr(1 - V^-1)) / 2.
        """
        strength = np.exp(log_strength)
        factor = self._factor(strength)
        r = factor.whiten(self.vectors[:, 0])  # r'r = t'P t = t'x
        x = factor.back(r)
        size = max(r @ r, np.finfo(float).tiny)
        used = np.sum(self.kappa / (strength + self.kappa))  # tr(1 - V^-1)
        return 0.5 * (self.n * (size - x @ x) / size - used)

    def noise(self, strength: float) -> float:
        """Return s^2 = t'P t / n."""
        r = self._factor(strength).whiten(self.vectors[:, 0])
        return max(float(r @ r), np.finfo(float).tiny) / self.n

    def distance(self, log_strength: float) -> float:
        """Return |b(lambda)|^2 / 2, b = e - P t."""
        t, e = self.vectors.T
        b = e - self._factor(np.exp(log_strength)).project(t)
        return 0.5 * float(b @ b)

    def approach(self, log_strength: float) -> float:
        """Return the derivative of `distance` by log lambda: -b'(x - P x), x = P t.

        For V changes by 1 - V, so that P changes by P - P^2.
        """
        t, e = self.vectors.T
        factor = self._factor(np.exp(log_strength))
        x = factor.project(t)
        return -float((e - x) @ (x - factor.project(x)))

    def _factor(self, strength: float) -> "_Factor":
        """Return V = 1 + T / lambda = L D L', factored."""
        D, below, _ = lapack.dpttrf(
            1.0 + self.diagonal / strength, self.beside / strength
        )
        # L is bidiagonal: in bands, the second row is what is below its diagonal of 1.
        L = np.zeros((2, len(D)))
        L[1, :-1] = below
        return _Factor(L, np.sqrt(D), self.O)


class _Factor(NamedTuple):
    """V = L D L', and P = V^-1 less what O explains under V."""

    L: np.ndarray
    """Bands of L, (2, k)."""
    root: np.ndarray
    """D^1/2, (k,)."""
    O: np.ndarray
    """(k, m)."""

    def whiten(self, t: np.ndarray) -> np.ndarray:
        """Return D^-1/2 L^-1 (t - O b0) at the best b0, so that its square is t'P t."""
        # [t O] <- D^-1/2 L^-1 [t O]
        both = np.column_stack([t, self.O])
        both = lapack.dtbtrs(self.L, both, uplo="L", diag="U")[0] / self.root[:, None]
        t, O = both[:, 0], both[:, 1:]
        # b0, by least squares of what is white now
        return t - O @ linalg.lstsq(O, t, check_finite=False)[0]

    def back(self, r: np.ndarray) -> np.ndarray:
        """Return L'^-1 D^-1/2 r, V^-1 (t - O b0) = P t of a whitened t."""
        scaled = (r / self.root)[:, None]
        return lapack.dtbtrs(self.L, scaled, uplo="L", diag="U", trans="T")[0][:, 0]

    def project(self, t: np.ndarray) -> np.ndarray:
        """Return P t."""
        return self.back(self.whiten(t))


def maximise(
    K: np.ndarray, O: np.ndarray, t: np.ndarray, n: float,
    agree: tuple[np.ndarray, float] | None = None,
) -> Evidence:  # fmt: skip
    """Return the `Evidence` of the reduced model (K, O, t) of `n` rows; K is spoilt.

    Any rotation of the rows serves, and rows that it makes zero may be left out.
    What O explains is taken from `t` first: otherwise, where K is rank-deficient,
    its rounding leaks into s^2 and the answer depends on the location of y. `agree` is
    None, or (e, the least lambda* to consider).
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
    e, least = (t, lowest) if agree is None else agree
    # All that follows are functions of lambda that take vectors only.
    model = tridiagonal(K, O, t, e, n)
    strength, boundary = _minimum(model.cost, model.slope, lowest, RANGE[1] * unit)
    found = Evidence(strength, model.noise(strength), boundary)
    if agree is None:
        return found
    ends = max(least, lowest), max(least, RANGE[1] * unit)
    return found._replace(agreeing=_minimum(model.distance, model.approach, *ends)[0])


def _minimum(
    cost: Callable[[float], float], slope: Callable[[float], float],
    lowest: float, highest: float,
) -> tuple[float, str]:  # fmt: skip
    """Return lambda of least cost, and at which end of the range it lies, if at one.

    Both are functions of log lambda, of which the best point of a grid is refined to
    a root of the slope.
    """
    grid = np.linspace(np.log(lowest), np.log(highest), GRID)
    best = int(np.argmin([cost(point) for point in grid]))
    at, other = grid[best], best + (1 if slope(grid[best]) < 0.0 else -1)
    if 0 <= other < GRID and slope(at) * slope(grid[other]) < 0.0:
        ends = sorted((at, grid[other]))
        at = optimize.brentq(slope, *ends, xtol=1e-14, rtol=1e-14)
        return float(np.exp(at)), ""
    return float(np.exp(at)), {0: "lower", GRID - 1: "upper"}.get(best, "")


def tridiagonal(
    K: np.ndarray, O: np.ndarray, t: np.ndarray, e: np.ndarray, n: float
) -> Tridiagonal:
    """Return the `Tridiagonal` of the model, by Householder reflections of K."""
    both, work = np.column_stack([t, e, O]), 64 * len(K)
    # K = Q T Q', Q = H_1 H_2 .. in the place of K
    K = K if K.flags.f_contiguous else K.T  # symmetric: spares a copy
    K, diagonal, beside, tau, _ = lapack.dsytrd(K, lower=1, lwork=work, overwrite_a=1)
    # [t e O] <- Q'[t e O] = .. H_2 H_1 [t e O]: H_i = 1 - tau_i v_i v_i' leaves the
    # first i alone, and v_i lies below the diagonal of K as that of a QR would
    for part in gen_batches(len(tau), PANEL):
        below, rest = K[part.start + 1 :, part], both[part.start + 1 :]
        rest[:] = lapack.dormqr("L", "T", below, tau[part], rest, 64 * rest.shape[1])[0]
    kappa = linalg.eigvalsh_tridiagonal(diagonal, beside, lapack_driver="sterf")
    kappa = np.maximum(kappa, 0.0)  # K has none below 0 but by rounding
    return Tridiagonal(diagonal, beside, kappa, both[:, :2], both[:, 2:], n)
