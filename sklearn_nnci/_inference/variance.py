"""Functions s^2(x) of a noise that varies, as records of arrays.

eta(x) = log s^2(x) / s^2, but for a factor:

    log-linear   b0 + z'b, z = (f, f^2, x, x^2) standardised,
    kernel       log of a mean of squared residuals nearby, in x or in f,
    regressor    what a regressor of log squares predicts,
    dispersion   log (1 + beta + alpha mu) / phi, of Pearson's residuals of counts.

`variance_choice` fits the first three, and chooses.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

# Rows of the mean that a kernel counts beside those nearby.
PRIOR = 3.0


class LogLinear(NamedTuple):
    """eta = b0 + z'b."""

    wide: bool
    """Whether x is in z."""
    location: np.ndarray
    """Of (f, f^2, x, x^2), (q,)."""
    spread: np.ndarray
    """(q,)."""
    intercept: float
    coef: np.ndarray
    """(q,)."""

    def eta(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return log s^2 of rows, (n,)."""
        z = (powers(x, f, self.wide) - self.location) / self.spread
        return self.intercept + z @ self.coef


class Kernel(NamedTuple):
    """exp eta is the mean of r^2 nearby."""

    of_f: bool
    """Whether rows are near in f, or in x."""
    location: np.ndarray
    """Of these, (q,)."""
    spread: np.ndarray
    """(q,)."""
    at: np.ndarray
    """Standardised, those of the rows, (n, q)."""
    r2: np.ndarray
    w: np.ndarray
    width2: float
    """Squared bandwidth."""

    def eta(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return log s^2 of rows, (n,)."""
        z = ((f[:, None] if self.of_f else x) - self.location) / self.spread
        D = cdist(z, self.at, "sqeuclidean")
        return smooth(np.exp(D / (-2.0 * self.width2), out=D), self)


class Regressed(NamedTuple):
    """eta is what a regressor of log r^2 predicts."""

    regressor: Any

    def eta(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return log s^2 of rows, (n,)."""
        return np.ravel(np.asarray(self.regressor.predict(x), dtype=float))


class Dispersion(NamedTuple):
    """eta of Pearson residuals of counts, mu = exp f, whose mean square is phi."""

    beta: float
    alpha: float
    phi: float

    def eta(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return log s^2 of rows, (n,)."""
        return np.log((1.0 + self.beta + self.alpha * np.exp(f)) / self.phi)


class Variance(NamedTuple):
    """s^2(x) / s^2 of one output."""

    name: str
    """What varies with what; ``"constant"``."""
    function: Any
    """None: constant."""
    factor: float
    """c."""
    low: float
    """Range of eta at the training rows."""
    high: float

    def at(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return s^2(x) / s^2 of rows x (n, d), f (n,)."""
        if self.function is None:
            return np.ones(len(f))
        eta = np.clip(self.function.eta(x, f), self.low, self.high)
        return self.factor * np.exp(eta)


CONSTANT = Variance("constant", None, 1.0, 0.0, 0.0)
FUNCTIONS = {kind.__name__: kind for kind in (LogLinear, Kernel, Regressed, Dispersion)}


class Variances(NamedTuple):
    """The `Variance` of each output: a function of rows that can be kept."""

    outputs: tuple[Variance, ...]

    def __call__(self, columns: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return s^2(x) / s^2, (m, n), of columns (d, n) and f (m, n)."""
        x = np.ascontiguousarray(columns.T)
        return np.array([one.at(x, f[k]) for k, one in enumerate(self.outputs)])

    @property
    def constant(self) -> bool:
        """Whether no output varies."""
        return all(one.function is None for one in self.outputs)

    @property
    def names(self) -> Any:
        """How each output varies; of one output a string."""
        names = tuple(one.name for one in self.outputs)
        return names[0] if len(names) == 1 else names

    def state(self) -> list[dict[str, Any]]:
        """Return the same as plain values, but for a regressor of the user's."""
        return [
            {**one._asdict(), "function": one.function and one.function._asdict(),
             "kind": type(one.function).__name__}
            for one in self.outputs
        ]  # fmt: skip

    @classmethod
    def restore(cls, state: list[dict[str, Any]]) -> "Variances":
        """Return what `state` describes."""
        outputs = []
        for kept in state:
            one = {name: value for name, value in kept.items() if name != "kind"}
            if one["function"] is not None:
                one["function"] = FUNCTIONS[kept["kind"]](**one["function"])
            outputs.append(Variance(**one))
        return cls(tuple(outputs))


def powers(x: np.ndarray, f: np.ndarray, wide: bool) -> np.ndarray:
    """Return (f, f^2, x, x^2), or f alone, (n, q)."""
    f = f[:, None]
    return np.hstack([f, f**2, x, x**2]) if wide else np.hstack([f, f**2])


def smooth(K: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Return log of the mean of r^2 around rows at which the kernel is `K` (n, k)."""
    return np.log((PRIOR + K @ (kernel.w * kernel.r2)) / (PRIOR + K @ kernel.w))
