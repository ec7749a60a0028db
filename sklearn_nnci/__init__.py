"""Confidence and prediction intervals for scikit-learn's MLPRegressor."""

from sklearn_nnci import exceptions, metrics, plotting
from sklearn_nnci._ensemble import MLPEnsembleRegressorCI
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._regressor import MLPRegressorCI
from sklearn_nnci._target import TransformedTargetRegressorCI
from sklearn_nnci._version import __version__

__all__ = [
    "MLPEnsembleRegressorCI",
    "MLPRegressorCI",
    "Prediction",
    "TransformedTargetRegressorCI",
    "__version__",
    "exceptions",
    "metrics",
    "plotting",
]
