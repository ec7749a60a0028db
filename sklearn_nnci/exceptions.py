"""Warnings about intervals, one class per condition.

All derive from `InferenceWarning`, so that one filter silences or raises all of them,
and a class that of its condition alone:

    import warnings
    from sklearn_nnci.exceptions import ExtrapolationWarning, InferenceWarning

    warnings.simplefilter("ignore", InferenceWarning)       # say nothing of intervals
    warnings.simplefilter("error", ExtrapolationWarning)    # but stop at these

    with warnings.catch_warnings(action="ignore", category=InferenceWarning):
        search.fit(X, y)                                    # here only

In the configuration of pytest: ``error::sklearn_nnci.exceptions.InferenceWarning``.
Processes that a search starts with ``n_jobs`` take the filters of the environment,
``PYTHONWARNINGS``, which knows built-in classes only: ``ignore::RuntimeWarning``.

`InferenceWarning` is a `RuntimeWarning`, as numpy's are: something was computed, and
is not to be relied on. It is no `UserWarning`, as scikit-learn's ConvergenceWarning is:
nothing need be wrong with the call. A filter for `UserWarning` therefore leaves these
be, and one for `RuntimeWarning` takes numpy's along; name `InferenceWarning`.
"""

__all__ = [
    "ExtrapolationWarning",
    "FewRowsWarning",
    "HeldOutRowsWarning",
    "InferenceUnavailableWarning",
    "InferenceWarning",
    "LargeCorrectionWarning",
    "MisfitWarning",
    "NoResidualDofWarning",
    "NotAtMinimumWarning",
    "OutsideSpanWarning",
    "OverfittedWarning",
    "PolishRefusedWarning",
    "RestartsFailedWarning",
    "RowsLeftOutWarning",
    "StaleParametersWarning",
    "UncorrectedAverageWarning",
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


class UncorrectedAverageWarning(InferenceWarning):
    """An average effect is not corrected: the rows that trained were not given.

    Averaging removes the noise of a curve, and leaves what the penalty did to it.
    """


class FewRowsWarning(InferenceWarning):
    """An average effect rests on few rows: its correction was not measured there."""


class LargeCorrectionWarning(InferenceWarning):
    """The correction of an average effect is large beside its error.

    Its interval holds, and is wide: the penalty or the size of the network is wrong.
    """


class VersionMismatchWarning(InferenceWarning):
    """The estimator was saved by another version."""


class InferenceUnavailable(ValueError):
    """Inference that cannot be done; `fit` turns it into a warning."""
