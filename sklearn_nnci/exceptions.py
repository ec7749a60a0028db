"""Warnings about intervals, one class per condition.

All derive from `InferenceWarning`, so that one filter silences or raises them:
``warnings.simplefilter("error", InferenceWarning)``.
"""

__all__ = [
    "EvidenceBoundaryWarning",
    "HeldOutRowsWarning",
    "HighLeverageWarning",
    "InferenceUnavailableWarning",
    "InferenceWarning",
    "NoResidualDofWarning",
    "NotAtMinimumWarning",
    "OutsideSpanWarning",
    "OverfittedWarning",
    "PolishRefusedWarning",
    "RowsLeftOutWarning",
    "SmoothingBiasWarning",
    "VersionMismatchWarning",
]


class InferenceWarning(RuntimeWarning):
    """Base of all warnings about intervals."""


class NotAtMinimumWarning(InferenceWarning):
    """Training stopped short of the minimum of its own objective.

    The delta method describes the spread of minima. A network that was left far
    from its own has an error that no covariance at its weights contains.
    """


class NoResidualDofWarning(InferenceWarning):
    """The network uses up the degrees of freedom: intervals are unbounded."""


class HighLeverageWarning(InferenceWarning):
    """Some training rows are fitted by themselves alone."""


class OverfittedWarning(InferenceWarning):
    """Leave-one-out residuals are much larger than residuals."""


class SmoothingBiasWarning(InferenceWarning):
    """The penalty smooths more than the data ask for."""


class EvidenceBoundaryWarning(InferenceWarning):
    """The marginal likelihood has no maximum within the range searched."""


class PolishRefusedWarning(InferenceWarning):
    """There are more parameters than rows: a polished fit would interpolate."""


class OutsideSpanWarning(InferenceWarning):
    """Some queries depend on parameters that no training row determines."""


class RowsLeftOutWarning(InferenceWarning):
    """Memory allowed for a part of the rows only: no more is known than they tell."""


class HeldOutRowsWarning(InferenceWarning):
    """The rows that early stopping held out could not be recovered."""


class InferenceUnavailableWarning(InferenceWarning):
    """The network was fitted, but intervals cannot be had."""


class VersionMismatchWarning(InferenceWarning):
    """The estimator was saved by another version."""
