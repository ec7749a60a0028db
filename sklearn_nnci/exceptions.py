"""Warnings about intervals, one class per condition.

Each has a page that says what it means, on data that raise it, and shows a cure at
work. A message ends in the address of its page, and so does the docstring of its class.

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

from sklearn_nnci._docs import page_of

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
    """Base of all warnings about intervals.

    A filter for this class silences or raises all of them.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : What `fit` warns of, and more.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_nnci.exceptions import InferenceWarning
    >>> warnings.simplefilter("ignore", InferenceWarning)
    """

    def __init_subclass__(cls) -> None:
        """End the docstring of a class of ours in the address of its page."""
        super().__init_subclass__()
        if cls.__doc__ and cls.__module__ == __name__:
            page = f"    {page_of(cls.__name__)}\n    "
            cls.__doc__ += (
                f"\n    Notes\n    -----\n    What it means, and a cure:\n{page}"
            )


class WideIntervalsWarning(InferenceWarning):
    """Prediction intervals are wider than those of the mean of y alone.

    The network explains nothing: mostly, X or y lack a scaler, or it overfits.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : Its value, threshold and advice.
    sklearn_nnci.make_scaled : Scalers of X and y around a network.
    """


class NotAtMinimumWarning(InferenceWarning):
    """Training stopped short of the minimum of its own objective.

    Under ``covariance="auto"`` intervals contain what is left, and most of their width
    comes from it. Those of a named formula do not: the delta method describes the
    spread of minima, and a network far from its own has an error that no covariance at
    its weights contains.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : Its value, threshold and advice.
    PolishRefusedWarning : Where ``polish=True`` is no cure.
    """


class OverfittedWarning(InferenceWarning):
    """A smooth network uses up too many of the rows.

    It follows their noise, and its intervals may be too narrow.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : Its value, threshold and advice.
    sklearn_nnci.metrics.loo_scorer : Chooses `alpha` and size by leave-one-out.
    """


class MisfitWarning(InferenceWarning):
    """Residuals contain a curve that no small change of the weights follows.

    The network is too small, oversmoothed, or in a poor minimum: intervals of the mean
    are too narrow where it is not that curve.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : Its value, threshold and advice.
    """


class NoResidualDofWarning(InferenceWarning):
    """The network uses up the degrees of freedom: intervals are unbounded.

    A named formula then cannot tell noise from signal; ``covariance="auto"`` can.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : Its value, threshold and advice.
    """


class PolishRefusedWarning(InferenceWarning):
    """There are more parameters than rows: a polished fit would interpolate.

    The network is as it was trained, and ``polish=True`` left undone.

    See Also
    --------
    NotAtMinimumWarning : What polishing is against.
    """


class RestartsFailedWarning(InferenceWarning):
    """Some starts ended without a network; those that trained are kept.

    Of `n_restarts` the first start is kept, of a committee every member that trained.

    See Also
    --------
    sklearn_nnci.MLPEnsembleRegressorCI : A committee of several starts.
    """


class OutsideSpanWarning(InferenceWarning):
    """Some queries depend on parameters that no training row determines.

    Their intervals are unbounded. Such are a column that was constant in training, and
    units of relu that no row switched on.

    See Also
    --------
    ExtrapolationWarning : Queries of which little, rather than nothing, is known.
    """


class ExtrapolationWarning(InferenceWarning):
    """Queries lie where the training rows say nothing.

    Intervals are not known to hold there; those of relu are often too narrow.

    See Also
    --------
    sklearn_nnci.Prediction : Its ``extrapolates`` tells which rows.
    """


class StaleParametersWarning(InferenceWarning):
    """`covariance` or `noise` were set after the inference, which keeps its own.

    The same holds for `errors` and `variance`.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.fit_inference : Reads the new ones.
    """


class UnscaledDataWarning(InferenceWarning):
    """The y of an inference lies far from that of the fit.

    A scaler was forgotten, and residuals are those of another target.

    See Also
    --------
    sklearn_nnci.TransformedTargetRegressorCI : Scales y itself.
    """


class RowsLeftOutWarning(InferenceWarning):
    """Memory allowed for a part of the rows only.

    No more is known than these tell, and intervals are wider than of all rows.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.diagnostics : Its value, threshold and advice.
    """


class HeldOutRowsWarning(InferenceWarning):
    """The rows that early stopping held out could not be recovered.

    The inference takes them as rows that trained.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.from_estimator : Intervals of a trained network.
    """


class InferenceUnavailableWarning(InferenceWarning):
    """The network was fitted, but intervals cannot be had.

    Its message has the reason, as has the error on asking for one.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.fit_inference : Tries again, without training.
    """


class UncorrectedAverageWarning(InferenceWarning):
    """An average effect is not corrected: the rows that trained were not given.

    Averaging removes the noise of a curve, and leaves what the penalty did to it.

    See Also
    --------
    sklearn_nnci.effects.avg_slopes : Takes ``training=(X, y)``.
    """


class FewRowsWarning(InferenceWarning):
    """An average effect rests on few rows.

    Its correction was not made, or not measured there.

    See Also
    --------
    sklearn_nnci.effects.avg_slopes : Averages over rows, or over groups of them.
    """


class LargeCorrectionWarning(InferenceWarning):
    """The correction of an average effect is large beside its error.

    Its interval holds, and is wide: the penalty or the size of the network is wrong.

    See Also
    --------
    MisfitWarning : The same at fit, where it is seen there.
    """


class VersionMismatchWarning(InferenceWarning):
    """The estimator was saved by another version.

    Of this package, scikit-learn or NumPy: results may differ.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.fit : Fit again, and save again.
    """


class InferenceUnavailable(ValueError):
    """Inference that cannot be done; `fit` turns it into a warning."""
