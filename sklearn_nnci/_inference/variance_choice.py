"""How the noise varies: s^2(x), from squares of studentised leave-one-out residuals.

With r_i^2 of mean 1, eta = log s^2(x) is the minimum of the gamma quasi-likelihood,

    sum w_i (eta_i + r_i^2 exp -eta_i),

which asks for the mean of r^2 alone, over

    constant     eta = 0,
    log-linear   eta = b0 + z'b, z = (f, f^2, x, x^2) standardised, ridge |b|^2,
    kernel in x  exp eta = (3 + sum w_j K(x - x_j) r_j^2) / (3 + sum w_j K(x - x_j)),
    kernel in f  the same of f(x): Nadaraya & Watson, beside three rows of the mean.

Each is cross-validated, over its penalties or bandwidths too: of log-linear ones eta_i
is that of the folds without row i, five of them along f, of kernels that without the
row alone. The best is taken if it gains more than three nats over the constant, and
more than the standard error of its gain; eta keeps to its training range. Of what is
taken,

    s^2(x) = s^2 c exp eta(x),       c = sum w r^2 exp -eta / sum w,

s^2 the noise in use and eta in c the cross-validated one: a variance that was fitted
to rows is too small there where they happen to be. z_i = r_i (c exp eta_i)^-1/2 are the
residuals of an even noise. Rows of weight k are k rows, but for folds. (Carroll &
Ruppert 1988, chapter 3; Davidian & Carroll 1987.)
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.linear_model import GammaRegressor
from sklearn.utils.validation import has_fit_parameter

from sklearn_nnci._inference.variance import (
    CONSTANT,
    Kernel,
    LogLinear,
    Regressed,
    Variance,
    powers,
    smooth,
)
from sklearn_nnci.exceptions import InferenceUnavailable

# Nats, and standard errors of them, that a variance function has to gain: of even noise
# at 100 rows one fit of five would else vary, by two nats and all that is tried.
LEAST_GAIN, LEAST_ERRORS = 3.0, 1.0
# Rows below which noise is taken to be even: of fewer, tails are mistaken for it.
FEWEST_ROWS = 100.0
# Of more rows, as many along f are used: kernels then take less than a fit.
MOST_ROWS = 2000
FOLDS = 5
# Penalties of log-linear functions, in nats, of the squares of standardised b.
RIDGES = (0.1, 1.0, 10.0, 100.0)
# Squared bandwidths of kernels are the mean squared distance, and quarters of it.
BANDWIDTHS = 5
# Log-linear functions see columns of X where rows are so many times as many.
ROWS_PER_COLUMN = 2
# Squares below this count as this: their logarithm would be all that is seen.
SMALLEST = 1e-3


class Residuals(NamedTuple):
    """Studentised residuals of one output, of rows that tell how it varies."""

    x: np.ndarray
    """(n, d)."""
    f: np.ndarray
    """(n,)."""
    r: np.ndarray
    """(n,), of mean square 1."""
    w: np.ndarray
    """(n,)."""

    @classmethod
    def of(
        cls, x: np.ndarray, f: np.ndarray, r: np.ndarray, w: np.ndarray
    ) -> "Residuals":
        """Return those of rows, `MOST_ROWS` of them if they are more, evenly along f.

        r is brought to mean square 1, if it has one.
        """
        if len(f) > MOST_ROWS:
            even = np.linspace(0, len(f) - 1, MOST_ROWS).astype(int)
            kept = np.lexsort((r, f))[even]
            x, f, r, w = (values[kept] for values in (x, f, r, w))
        size = np.abs(r).max(initial=0.0)
        if 0.0 < size < np.inf:
            r = r / size
            r = r / np.sqrt(w @ r**2 / w.sum())
        return cls(x, f, r, w)

    @property
    def r2(self) -> np.ndarray:
        """r^2, (n,)."""
        return self.r**2

    @property
    def tell(self) -> bool:
        """Whether there are enough, and not all 0."""
        return bool(
            self.w.sum() >= FEWEST_ROWS and np.isfinite(self.r).all() and self.r.any()
        )

    def mean(self, values: np.ndarray) -> float:
        """Return sum w values / sum w."""
        return float(self.w @ values / self.w.sum())

    def folds(self) -> np.ndarray:
        """Return the fold of each row, whatever their order."""
        fold = np.empty(len(self.f), dtype=int)
        fold[np.lexsort((self.r, self.f))] = np.arange(len(self.f)) % FOLDS
        return fold


class Candidate(NamedTuple):
    """A way in which noise may vary."""

    eta: np.ndarray
    """Cross-validated, (n,)."""
    fit: Callable[[], Any]
    """Returns the function of all rows."""


def variance_of(residuals: Residuals, wanted: Any) -> tuple[Variance, np.ndarray]:
    """Return the `Variance` of an output, and its residuals if noise were even, (n,).

    `wanted` is ``"auto"`` or a regressor of log r^2.
    """
    if not residuals.tell:
        return CONSTANT, residuals.r
    if isinstance(wanted, str):
        name, best = best_of(residuals)
    else:
        name, best = "regressor", _regressed(residuals, wanted)
    if best is None:
        return CONSTANT, residuals.r
    function = best.fit()
    eta = function.eta(residuals.x, residuals.f)
    low, high = float(eta.min()), float(eta.max())
    without = np.exp(np.clip(best.eta, low, high))
    c = residuals.mean(residuals.r2 / without)
    z = residuals.r / np.sqrt(c * without)
    return Variance(name, function, c, low, high), z


def best_of(residuals: Residuals) -> tuple[str, Candidate | None]:
    """Return the name and `Candidate` of the best function, None if it is constant."""
    name, best = min(
        candidates(residuals), key=lambda one: _loss(residuals, one[1].eta)
    )
    # What each row gains over eta = 0, in nats
    eta = best.eta
    each = 0.5 * (residuals.r2 - eta - residuals.r2 * np.exp(-eta))
    n, mean = residuals.w.sum(), residuals.mean(each)
    error = np.sqrt(n * residuals.mean((each - mean) ** 2))
    gains = n * mean > max(LEAST_GAIN, LEAST_ERRORS * error)
    return (name, best) if gains else ("constant", None)


def candidates(residuals: Residuals) -> Iterator[tuple[str, Candidate]]:
    """Yield the name and `Candidate` of each function, over all that tunes it."""
    for ridge in RIDGES:
        yield "log-linear", _log_linear(residuals, ridge)
    for of_f in (False, True):
        for candidate in _kernels(residuals, of_f):
            yield f"kernel in {'f' if of_f else 'x'}", candidate


def _loss(residuals: Residuals, eta: np.ndarray) -> float:
    return residuals.mean(eta + residuals.r2 * np.exp(-eta))


def _units(z: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return location and spread of columns (n, q); spread 1 where constant."""
    location = w @ z / w.sum()
    # In units of the farthest, by powers of 2: squares of tiny numbers are 0
    away = z - location
    _, exponent = np.frexp(np.abs(away).max(axis=0))
    spread = np.sqrt(w @ np.ldexp(away, -exponent) ** 2 / w.sum())
    spread = np.ldexp(spread, exponent)
    return location, np.where(np.ptp(z, axis=0) > 0.0, spread, 1.0)


def _log_linear(residuals: Residuals, ridge: float) -> Candidate:
    """Return the `Candidate` with that ridge."""
    n, d = residuals.x.shape
    wide = ROWS_PER_COLUMN * 2 * (d + 1) <= n

    def fit(rows: Residuals) -> LogLinear:
        z = powers(rows.x, rows.f, wide)
        location, spread = _units(z, rows.w)
        # 1/2 sum w (eta + r^2 exp -eta) + ridge/2 |b|^2, over sum w / 2
        glm = GammaRegressor(
            alpha=2.0 * ridge / rows.w.sum(), solver="newton-cholesky", tol=1e-7
        )
        y = np.maximum(rows.r2, np.finfo(float).tiny)
        glm.fit((z - location) / spread, y, sample_weight=rows.w)
        return LogLinear(wide, location, spread, float(glm.intercept_), glm.coef_)

    eta, fold = np.empty(n), residuals.folds()
    for k in range(FOLDS):
        left, out = (Residuals(*(v[part] for v in residuals))
                     for part in (fold != k, fold == k))  # fmt: skip
        function = fit(left)
        within = function.eta(left.x, left.f)
        eta[fold == k] = function.eta(out.x, out.f).clip(within.min(), within.max())
    return Candidate(eta, lambda: fit(residuals))


def _kernels(residuals: Residuals, of_f: bool) -> Iterator[Candidate]:
    """Yield the `Candidate` of each bandwidth."""
    z = residuals.f[:, None] if of_f else residuals.x
    location, spread = _units(z, residuals.w)
    at = (z - location) / spread
    # The mean of squared distances is twice the sum of variances: columns that vary
    width2 = 2.0 * float((np.ptp(z, axis=0) > 0.0).sum())
    if not width2:
        return
    K = np.exp(cdist(at, at, "sqeuclidean") / (-2.0 * width2))
    for _ in range(BANDWIDTHS):
        np.fill_diagonal(K, np.maximum(1.0 - 1.0 / residuals.w, 0.0))  # one copy less
        kernel = Kernel(of_f, location, spread, at, residuals.r2, residuals.w, width2)
        yield Candidate(smooth(K, kernel), functools.partial(Kernel, *kernel))
        for _ in range(2):  # the kernel of a quarter of the width is its fourth power
            K *= K
        width2 /= 4.0


def _regressed(residuals: Residuals, regressor: Any) -> Candidate:
    """Return the `Candidate` of a regressor of log r^2, fitted to clones.

    It takes the weights of the rows if it knows of any.
    """
    log_r2, fold = np.log(residuals.r2 + SMALLEST), residuals.folds()
    weighted = has_fit_parameter(regressor, "sample_weight")

    def fit(kept: np.ndarray) -> Regressed:
        weight = {"sample_weight": residuals.w[kept]} if weighted else {}
        return Regressed(
            clone(regressor).fit(residuals.x[kept], log_r2[kept], **weight)
        )

    eta = np.empty(len(fold))
    try:
        for k in range(FOLDS):
            out = fold == k
            eta[out] = fit(~out).eta(residuals.x[out], residuals.f[out])
    except (AttributeError, TypeError, ValueError) as error:
        raise InferenceUnavailable(
            f"variance={regressor!r} does not predict log squared residuals, which are "
            f"numbers of either sign ({error}). Try variance='auto', or a regressor."
        ) from error
    return Candidate(eta, lambda: fit(fold >= 0))
