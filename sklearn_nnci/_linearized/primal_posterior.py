"""Prediction by a root of the covariance of theta: what the primal route keeps."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.packed import Packed
from sklearn_nnci._numerics.rank import outside_span, unbounded


class PrimalPosterior(NamedTuple):
    """The covariance of theta by its root; all that prediction needs."""

    root: np.ndarray | Packed
    """F (r, p), lower trapezoidal, scale^2 F'F the covariance."""
    basis: np.ndarray | None
    """Determined directions of the last columns; None: all of them."""
    tolerance: float
    """Relative size from which on a component outside the span is real."""
    scale: float = 1.0
    """Standard deviation that F is in units of."""

    def variance(self, F: jacobian.Factors) -> np.ndarray:
        """Return scale^2 |F j|^2 of each f_k(x), (m, n).

        Infinite where it is lost: outside the span of the rows, or to overflow.
        """
        shape = F.shape
        Jt = jacobian.dense(F).reshape(shape[0], -1)
        return self._squares(Jt).reshape(shape[1:])

    def gradient_variance(self, G: np.ndarray) -> np.ndarray:
        """Return scale^2 |F g|^2 of the columns g of `G`, as `variance`."""
        return self._squares(np.array(G, order="C"))

    @triangular.overflowing()
    def _squares(self, G: np.ndarray) -> np.ndarray:
        """Return the same; `G` is spoilt."""
        lost = outside_span(self.basis, self.tolerance, G)
        v = self.scale**2 * triangular.squared_norms(self.root, G)
        v[lost | ~np.isfinite(v)] = np.inf
        return v

    def covariance(self, F: jacobian.Factors) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariance of all f_k(x), (m n, m n), and which are lost.

        Of these the variance is infinite, the covariance with the others nan.
        """
        return self.gradient_covariance(jacobian.dense(F).reshape(F.shape[0], -1))

    @triangular.overflowing()
    def gradient_covariance(self, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return G'C G, as `covariance`."""
        u = self.scale * triangular.times(self.root, G)
        lost = outside_span(self.basis, self.tolerance, G)
        return unbounded(u.T @ u, lost)

    def parameter_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariance of theta, (p, p), and which are lost."""
        F = full(self.root)
        unit = np.eye(F.shape[1])
        lost = outside_span(self.basis, self.tolerance, unit)
        return self.scale**2 * (F.T @ F), lost

    def packed(self, dtype: Any) -> "PrimalPosterior":
        """Return the same with a packed root of that precision."""
        return self._replace(root=repacked(self.root, dtype))

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain arrays and numbers."""
        return {"route": "primal", **self._asdict(), "root": plain(self.root)}


def full(F: np.ndarray | Packed) -> np.ndarray:
    """Return a trapezoid as an array."""
    return F.full() if isinstance(F, Packed) else F


def repacked(F: np.ndarray | Packed, dtype: Any) -> Packed:
    """Return a trapezoid packed in that precision."""
    return Packed.of(full(F), dtype)


def plain(F: np.ndarray | Packed) -> Any:
    """Return a trapezoid as an array, or as a tuple of its panels."""
    return F.panels if isinstance(F, Packed) else F


def trapezoid(kept: Any) -> np.ndarray | Packed:
    """Return the trapezoid that `plain` was made of."""
    return Packed(kept) if isinstance(kept, tuple) else kept


def restore(network: Network, state: dict[str, Any]) -> PrimalPosterior:
    """Return the `PrimalPosterior` of ``state``, which needs no network."""
    found = PrimalPosterior(*(state[name] for name in PrimalPosterior._fields))
    return found._replace(root=trapezoid(state["root"]))
