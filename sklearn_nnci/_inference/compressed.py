"""An inference for prediction only: the covariance packed, in single precision.

With F a root of the covariance C, single precision moves se = |F j| by up to
eps |F| |j|, which is more of it the more F j cancels. So it is measured, at gradients
that are drawn as those of training rows are,

    j = F^-1 z,    z ~ N(0, I),    E j j' = C^-1,

which for C = s^2 A^-1 are the second moments of rows and prior; on the dual route, at
these rows themselves. Over fits with columns as alike as to 5 %, of very different
scale, or categories, errors at their rows and at new ones were up to six times what is
measured so (`benchmarks/speed/serving.py` has the largest). Rows drawn over the range
of the columns told nothing: there variances are larger, and cancel less.
"""

from typing import Any

import numpy as np
from scipy import linalg

from sklearn_nnci._linearized.dual_posterior import DualPosterior
from sklearn_nnci._linearized.primal_posterior import PrimalPosterior, full
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network

# Relative error of a standard error that may be measured, a tenth of the 1e-4 that is
# promised; at how many gradients.
LARGEST_ERROR, DRAWN, SEED = 1e-5, 256, 0


def compressed(state: dict[str, Any], network: Network) -> dict[str, Any]:
    """Return the state of an inference, its posterior packed."""
    if state["posterior"] is None:
        return state
    coarse = single_precision_error(state, network) > LARGEST_ERROR
    posterior = restore(network, state["posterior"])
    packed = posterior.packed(np.float64 if coarse else np.float32)
    return {**state, "posterior": packed.state()}


def single_precision_error(state: dict[str, Any], network: Network) -> float:
    """Return the largest relative error of a standard error in single precision.

    Infinite where it cannot be measured so: where directions were dropped.
    """
    posterior: Any = restore(network, state["posterior"])
    single = posterior.packed(np.float32)
    if isinstance(posterior, DualPosterior):
        F = _some(posterior.factors)
        return _error(posterior.variance(F), single.variance(F))
    if posterior.basis is not None or posterior.root.shape[0] < posterior.root.shape[1]:
        return np.inf
    G = _gradients(posterior)
    return _error(posterior.gradient_variance(G), single.gradient_variance(G))


def _gradients(posterior: PrimalPosterior) -> np.ndarray:
    """Return F^-1 z as columns; 0 where F is singular."""
    F = full(posterior.root)
    z = np.random.default_rng(SEED).standard_normal((len(F), DRAWN))
    try:
        return linalg.solve_triangular(F, z, lower=True, check_finite=False)
    except linalg.LinAlgError:
        return np.zeros_like(z)


def _some(F: jacobian.Factors) -> jacobian.Factors:
    """Return the factors of some rows."""
    n = F.shape[2]
    return jacobian.take(F, np.linspace(0, n - 1, min(n, DRAWN)).astype(int))


def _error(v: np.ndarray, other: np.ndarray) -> float:
    """Return the largest relative error of sqrt(other); inf if one is not known."""
    if not (np.isfinite(v) & np.isfinite(other) & (v > 0.0)).all():
        return np.inf
    return float(np.abs(np.sqrt(np.maximum(other, 0.0) / v) - 1.0).max())
