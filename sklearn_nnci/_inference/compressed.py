"""An inference for prediction only: the covariance packed, in single precision.

With F a root of the covariance, single precision moves se = |F j| by up to
eps |F| |j|, which is more of it the more F j cancels. So it is measured: at rows drawn
from the range of the training rows, and on the dual route at these rows themselves.
Where standard errors move by more than a tenth of the 1e-4 that is promised, the root
stays in double precision.
"""

from typing import Any

import numpy as np

from sklearn_nnci._linearized.dual_posterior import DualPosterior
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network

# Relative error of a standard error that rows drawn may show, and their number.
LARGEST_ERROR, DRAWN, SEED = 1e-5, 256, 0
# Spread of the rows drawn, as shares of the training range: variances are smallest,
# and cancel most, in its middle.
SPREADS = (1.0, 0.5, 0.1)


def compressed(state: dict[str, Any], network: Network) -> dict[str, Any]:
    """Return the state of an inference, its posterior packed."""
    if state["posterior"] is None:
        return state
    coarse = single_precision_error(state, network) > LARGEST_ERROR
    full = restore(network, state["posterior"])
    packed = full.packed(np.float64 if coarse else np.float32)
    return {**state, "posterior": packed.state()}


def single_precision_error(state: dict[str, Any], network: Network) -> float:
    """Return the largest relative error of a standard error in single precision."""
    full = restore(network, state["posterior"])
    single = full.packed(np.float32)
    queries = [jacobian.factors(network, X) for X in _rows(state)]
    if isinstance(full, DualPosterior):
        queries.append(_some(full.factors))
    return max(_error(full.variance(F), single.variance(F)) for F in queries)


def _rows(state: dict[str, Any]) -> list[np.ndarray]:
    """Return rows drawn from the training range, some nearer to its middle."""
    low, high = state["low"], state["high"]
    rng = np.random.default_rng(SEED)
    unit = rng.uniform(-0.5, 0.5, (DRAWN, len(low)))
    return [(low + high) / 2.0 + spread * (high - low) * unit for spread in SPREADS]


def _some(F: jacobian.Factors) -> jacobian.Factors:
    """Return the factors of some rows."""
    n = F.shape[2]
    return jacobian.take(F, np.linspace(0, n - 1, min(n, DRAWN)).astype(int))


def _error(v: np.ndarray, other: np.ndarray) -> float:
    """Return the largest relative error of sqrt(other); infinite if not both are."""
    known = np.isfinite(v) & (v > 0.0)
    if not np.array_equal(np.isfinite(v), np.isfinite(other)):
        return np.inf
    ratio = np.sqrt(np.maximum(other[known], 0.0) / v[known])
    return float(np.abs(ratio - 1.0).max(initial=0.0))
