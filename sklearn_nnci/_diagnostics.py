"""When not to believe an interval: the checks, each with its threshold's source."""

import numpy as np

from sklearn_nnci import exceptions

# Coverage is flat in the relative offset up to 0.3 to 0.5 and falls beyond
# (simulation; the criterion itself is Bates & Watts 1981).
LARGEST_OFFSET = 0.3
# One-step leave-one-out residuals agree with refits to 12 % while h < 0.8.
LARGEST_LEVERAGE = 0.9
# Medians of healthy fits are 1.0 to 1.36; networks that overfit, 1.8 and more.
LARGEST_PRESS = 1.5
# Beyond, intervals of the default network covered 0.72 to 0.88 for 0.95.
LARGEST_SMOOTHING = 10.0


def checks(inference, covariance):
    """Return the failed checks of an `Inference` as (warning class, message)."""
    if not np.isfinite(inference.Sigma).all():
        return [(exceptions.NoResidualDofWarning, _no_dof(inference.report))]
    if inference.report.noise == "evidence":  # rests on no single residual
        tests = (_offset, _smoothing, _boundary)
    else:
        tests = (_offset, _leverage, _press, _smoothing, _boundary)
    return [found for test in tests if (found := test(inference, covariance))]


def _no_dof(report):
    if report.noise == "evidence":
        return (
            f"{report.n_samples:.4g} rows of a target that does not vary say nothing "
            "about the noise: every interval is unbounded. Try more rows, or a known "
            "noise."
        )
    return (
        f"{report.edf:.4g} effective parameters leave no degrees of freedom of "
        f"{report.n_samples:.4g} rows: every interval is unbounded. Try "
        "covariance='evidence', a larger alpha, a smaller network, or a known noise."
    )


def _offset(inference, covariance):
    offset = inference.report.relative_offset
    if offset <= LARGEST_OFFSET or np.isnan(offset):
        return None
    if covariance == "auto":
        effect = "confidence intervals were widened for it"
    else:
        effect = "confidence intervals are too narrow"
    return exceptions.NotAtMinimumWarning, (
        f"Training stopped short of its minimum (relative offset {offset:.2g}, should "
        f"be below {LARGEST_OFFSET}): {effect}; prediction intervals are usable. Try "
        "solver='lbfgs', a larger max_iter or a smaller tol."
    )


def _leverage(inference, covariance):
    h = inference.report.max_leverage
    if h <= LARGEST_LEVERAGE:
        return None
    return exceptions.HighLeverageWarning, (
        f"The largest leverage is {h:.3g}: at least one row is fitted almost by itself "
        "alone, and leave-one-out residuals say little there. Try a larger alpha or a "
        "smaller network."
    )


def _press(inference, covariance):
    ratio = inference.report.press_ratio
    if not ratio > LARGEST_PRESS:
        return None
    return exceptions.OverfittedWarning, (
        f"Leave-one-out residuals are {ratio:.3g} times as large, in mean square, as "
        f"the residuals promise (should be below {LARGEST_PRESS}): the network "
        "overfits and its intervals are unreliable. Try a larger alpha or a smaller "
        "network."
    )


def _smoothing(inference, covariance):
    if inference.boundary or not inference.smoothing > LARGEST_SMOOTHING:
        return None
    return exceptions.SmoothingBiasWarning, (
        f"alpha penalises {inference.smoothing:.3g} times as much as the data ask for "
        f"(should be below {LARGEST_SMOOTHING}): predictions are biased towards a "
        "smooth function. Try a smaller alpha."
    )


def _boundary(inference, covariance):
    if not inference.boundary:
        return None
    meaning = {
        "lower": "the network can fit all rows, and noise cannot be told from signal. "
        "Try more rows, a smaller network, or a known noise",
        "upper": "no dependence on X can be told from noise. Try more rows, or other "
        "features",
    }[inference.boundary]
    return exceptions.EvidenceBoundaryWarning, (
        f"The evidence for the penalty has its maximum at the {inference.boundary} end "
        f"of the range searched: {meaning}."
    )
