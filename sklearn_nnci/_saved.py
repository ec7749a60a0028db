"""Versions that saved an estimator, and those that load it."""

import copy
from typing import Any

import numpy as np
import sklearn

from sklearn_nnci import exceptions
from sklearn_nnci._version import __version__
from sklearn_nnci._warn import warn

# Parameters that estimators saved before did not have, and what they did.
SINCE = {"regularization": "alpha", "errors": "normal", "variance": "constant"}

# The types in files of skops that have to be trusted: those of this package, and two of
# scikit-learn that hold the state of an optimiser, arrays and numbers.
TRUSTED_TYPES = (
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn_nnci._ensemble.MLPEnsembleRegressorCI",
    "sklearn_nnci._regressor.MLPRegressorCI",
    "sklearn_nnci._target.TransformedTargetRegressorCI",
)


def stamp() -> tuple[str, ...]:
    """Return the versions that results depend on."""
    own = f"sklearn-nnci {__version__}"
    return own, f"scikit-learn {sklearn.__version__}", f"numpy {np.__version__}"


def unstamped(estimator: Any) -> Any:
    """Return a shallow copy that is saved without versions: what holds it has them."""
    new = copy.copy(estimator)
    new._saved_by = None
    return new


def check(saved_by: tuple[str, ...] | None) -> None:
    """Warn where an estimator was saved by other versions."""
    now = stamp()
    if saved_by is not None and tuple(saved_by) != now:
        warn(
            f"Saved by {', '.join(saved_by)}, loaded by {', '.join(now)}: results may "
            "differ. Fit again, or load with the versions that saved.",
            exceptions.VersionMismatchWarning,
        )
