"""Warnings about intervals, one class per condition.

All derive from `InferenceWarning`, so that one filter silences or raises them:
``warnings.simplefilter("error", InferenceWarning)``.
"""

__all__ = [
    "ExtrapolationWarning",
    "HeldOutRowsWarning",
    "InferenceUnavailableWarning",
    "InferenceWarning",
    "MisfitWarning",
    "NoResidualDofWarning",
    "NotAtMinimumWarning",
    "OutsideSpanWarning",
    "OverfittedWarning",
    "PolishRefusedWarning",
    "RestartsFailedWarning",
    "RowsLeftOutWarning",
    "StaleParametersWarning",
    "UnscaledDataWarning",
    "VersionMismatchWarning",
    "WideIntervalsWarning",
]


class InferenceWarning(RuntimeWarning):
    """Base of all warnings about intervals."""


class WideIntervalsWarning(InferenceWarning):
    """Prediction intervals are wider than those of the mean of y alone.

    The network explains nothing: mostly, X or y lack a scaler, or it overfits.
    """


class NotAtMinimumWarning(InferenceWarning):
    """Training stopped short of the minimum of its own objective.

    Under ``covariance="auto"`` intervals contain what is left, and most of their width
    comes from it. Those of a named formula do not: the delta method describes the
    spread of minima, and a network far from its own has an error that no covariance at
    its weights contains.
    """


class OverfittedWarning(InferenceWarning):
    """A smooth network uses up too many of the rows: its intervals are too narrow."""


class MisfitWarning(InferenceWarning):
    """Residuals contain a curve that no small change of the weights follows.

    The network is too small, oversmoothed, or in a poor minimum: intervals of the mean
    are too narrow where it is not that curve.
    """


class NoResidualDofWarning(InferenceWarning):
    """The network uses up the degrees of freedom: intervals are unbounded."""


class PolishRefusedWarning(InferenceWarning):
    """There are more parameters than rows: a polished fit would interpolate."""


class RestartsFailedWarning(InferenceWarning):
    """Some starts ended without a network; those that trained are kept.

    Of `n_restarts` the first start is kept, of a committee every member that trained.
    """


class OutsideSpanWarning(InferenceWarning):
    """Some queries depend on parameters that no training row determines."""


class ExtrapolationWarning(InferenceWarning):
    """Queries lie where the training rows say nothing.

    Intervals are not known to hold there; those of relu are often too narrow.
    """


class StaleParametersWarning(InferenceWarning):
    """`covariance` or `noise` were set after the inference, which keeps its own."""


class UnscaledDataWarning(InferenceWarning):
    """The y of an inference lies far from that of the fit: a scaler was forgotten."""


class RowsLeftOutWarning(InferenceWarning):
    """Memory allowed for a part of the rows only: no more is known than they tell."""


class HeldOutRowsWarning(InferenceWarning):
    """The rows that early stopping held out could not be recovered."""


class InferenceUnavailableWarning(InferenceWarning):
    """The network was fitted, but intervals cannot be had."""


class VersionMismatchWarning(InferenceWarning):
    """The estimator was saved by another version."""


class InferenceUnavailable(ValueError):
    """Inference that cannot be done; `fit` turns it into a warning."""
