"""Effects: what a fitted curve says of slopes, contrasts, averages, and how surely.

Each function takes a fitted estimator and rows, and returns `Estimates`: numbers with
their joint covariance, intervals and a table.
"""

from sklearn_nnci.effects._comparisons import (
    comparisons,
    delta_method,
    linear_combinations,
)
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._inverse_predict import InversePrediction, inverse_predict
from sklearn_nnci.effects._optimum import optimum
from sklearn_nnci.effects._partial_dependence import partial_dependence_interval
from sklearn_nnci.effects._slopes import avg_slopes, slopes
from sklearn_nnci.effects._wald import WaldTest, wald_test

__all__ = [
    "Estimates",
    "InversePrediction",
    "WaldTest",
    "avg_slopes",
    "comparisons",
    "delta_method",
    "inverse_predict",
    "linear_combinations",
    "optimum",
    "partial_dependence_interval",
    "slopes",
    "wald_test",
]
