"""Confidence and prediction intervals for scikit-learn's MLPRegressor."""

from sklearn_nnci import effects, exceptions, metrics, model_selection, plotting
from sklearn_nnci._ensemble import MLPEnsembleRegressorCI
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._regressor import MLPRegressorCI
from sklearn_nnci._saved import TRUSTED_TYPES
from sklearn_nnci._scaled import make_scaled
from sklearn_nnci._target import TransformedTargetRegressorCI
from sklearn_nnci._version import __version__
from sklearn_nnci._wrapped import get_prediction, request_intervals
from sklearn_nnci.model_selection import cross_val_predict_interval

__all__ = [
    "TRUSTED_TYPES",
    "MLPEnsembleRegressorCI",
    "MLPRegressorCI",
    "Prediction",
    "TransformedTargetRegressorCI",
    "__version__",
    "cross_val_predict_interval",
    "effects",
    "exceptions",
    "get_prediction",
    "make_scaled",
    "metrics",
    "model_selection",
    "plotting",
    "request_intervals",
]
