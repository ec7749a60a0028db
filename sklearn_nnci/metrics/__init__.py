"""Scores of intervals and predicted laws, and scorers for scikit-learn's searches."""

from sklearn_nnci.metrics._intervals import (
    GroupCoverage,
    coverage_by_group,
    coverage_score,
    interval_score,
    mean_interval_width,
)
from sklearn_nnci.metrics._laws import crps, log_score, msll
from sklearn_nnci.metrics._scorers import (
    coverage_scorer,
    neg_crps_scorer,
    neg_interval_scorer,
    neg_log_scorer,
)
from sklearn_nnci.metrics._selection import evidence_scorer, loo_scorer

__all__ = [
    "GroupCoverage",
    "coverage_by_group",
    "coverage_score",
    "coverage_scorer",
    "crps",
    "evidence_scorer",
    "interval_score",
    "log_score",
    "loo_scorer",
    "mean_interval_width",
    "msll",
    "neg_crps_scorer",
    "neg_interval_scorer",
    "neg_log_scorer",
]
