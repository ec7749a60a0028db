"""When not to believe an interval: the checks, each with its threshold's source."""

import html
from typing import NamedTuple

import numpy as np

from sklearn_nnci import exceptions
from sklearn_nnci._rows import EDF_EXHAUSTED

# Coverage is flat in the relative offset up to 0.3 to 0.5 and falls beyond
# (simulation; the criterion itself is Bates & Watts 1981).
LARGEST_OFFSET = 0.3
# One-step leave-one-out residuals agree with refits to 12 % while h < 0.8.
LARGEST_LEVERAGE = 0.9
# Medians of healthy fits are 1.0 to 1.36; networks that overfit, 1.8 and more.
LARGEST_PRESS = 1.5
# Beyond, intervals of the default network covered 0.72 to 0.88 for 0.95.
LARGEST_SMOOTHING = 10.0

OK, WARNING, NOT_APPLICABLE = "ok", "warning", "not applicable"


class Check(NamedTuple):
    """One reason not to believe intervals, as found in a fit."""

    name: str
    """What is checked."""
    value: float
    """What was found; nan where the check does not apply."""
    threshold: float
    """Largest value that is no reason to worry."""
    verdict: str
    """``"ok"``, ``"warning"`` or ``"not applicable"``."""
    advice: str
    """What it means and what to try; empty unless the verdict is a warning."""
    warning: str
    """Name of the warning class."""


class Diagnostics(tuple):
    """All checks of a fit, in a notebook or in print a table."""

    __slots__ = ()

    def __str__(self):
        lines = [f"{'check':28}{'value':>10}{'at most':>10}  verdict"]
        for c in self:
            lines.append(f"{c.name:28}{c.value:10.3g}{c.threshold:10.3g}  {c.verdict}")
            lines += [f"    {c.advice}"] if c.advice else []
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self):
        head = "".join(
            f"<th>{name}</th>"
            for name in ("check", "value", "at most", "verdict", "advice")
        )
        body = "".join(
            f"<tr><td>{html.escape(c.name)}</td><td>{c.value:.3g}</td>"
            f"<td>{c.threshold:.3g}</td><td>{c.verdict}</td>"
            f"<td>{html.escape(c.advice)}</td></tr>"
            for c in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def checks(inference, covariance):
    """Return every `Check` of an `Inference`; `covariance` is what was asked for."""
    report = inference.report
    unbounded = not np.isfinite(inference.Sigma).all()
    # The evidence takes its noise from all rows, and rests on no single residual.
    singles = not unbounded and report.noise != "evidence"
    boundary = (
        1.0 if inference.boundary else 0.0 if inference.boundary == "" else np.nan
    )
    smoothing = np.nan if inference.boundary else inference.smoothing
    share = report.edf / report.n_samples / len(inference.dof)
    table = [
        (exceptions.NoResidualDofWarning, "no degrees of freedom left", share,
         EDF_EXHAUSTED, unbounded, _no_dof(report)),
        (exceptions.NotAtMinimumWarning, "relative offset", report.relative_offset,
         LARGEST_OFFSET, not unbounded, _offset(report, covariance)),
        (exceptions.HighLeverageWarning, "largest leverage", report.max_leverage,
         LARGEST_LEVERAGE, singles, _leverage(inference)),
        (exceptions.OverfittedWarning, "leave-one-out error ratio", report.press_ratio,
         LARGEST_PRESS, singles, _press(report)),
        (exceptions.SmoothingBiasWarning, "penalty beyond the evidence", smoothing,
         LARGEST_SMOOTHING, not unbounded, _smoothing(inference)),
        (exceptions.EvidenceBoundaryWarning, "evidence out of range", boundary,
         0.5, not unbounded, _boundary(inference)),
        (exceptions.RowsLeftOutWarning, "share of rows left out",
         1.0 - report.rows_used, 0.0, True, _left_out(report)),
    ]  # fmt: skip
    return Diagnostics(_check(*row, unbounded) for row in table)


def _check(kind, name, value, threshold, applies, advice, unbounded):
    """Return the `Check`; the first of them fails by its consequence alone."""
    failed = unbounded if kind is exceptions.NoResidualDofWarning else value > threshold
    if not applies or np.isnan(value):
        verdict = OK if kind is exceptions.NoResidualDofWarning else NOT_APPLICABLE
    else:
        verdict = WARNING if failed else OK
    text = advice if verdict == WARNING else ""
    return Check(name, float(value), threshold, verdict, text, kind.__name__)


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


def _offset(report, covariance):
    if covariance == "auto":
        effect = "confidence intervals were widened for it"
    else:
        effect = "confidence intervals are too narrow"
    return (
        f"Training stopped short of its minimum (relative offset "
        f"{report.relative_offset:.2g}, should be below {LARGEST_OFFSET}): {effect}; "
        "prediction intervals are usable. Try polish=True, solver='lbfgs', a larger "
        "max_iter or a smaller tol."
    )


def _leverage(inference):
    h = inference.report.max_leverage
    unbounded = "" if inference.posterior is not None else (
        f"covariance={inference.report.method!r} is unbounded there, and so are all "
        "intervals. "
    )  # fmt: skip
    return (
        f"The largest leverage is {h:.3g}: at least one row is fitted almost by itself "
        f"alone, and leave-one-out residuals say little there. {unbounded}Try a "
        "smaller network, or another alpha, chosen by loo_score."
    )


def _press(report):
    return (
        f"Leave-one-out residuals are {report.press_ratio:.3g} times as large, in mean "
        f"square, as the residuals promise (should be below {LARGEST_PRESS}): the "
        "network overfits and its intervals are unreliable. Try a smaller network, or "
        "another alpha, chosen by loo_score."
    )


def _smoothing(inference):
    return (
        f"alpha penalises {inference.smoothing:.3g} times as much as the data ask for "
        f"(should be below {LARGEST_SMOOTHING}): predictions are biased towards a "
        "smooth function. Try a smaller alpha."
    )


def _boundary(inference):
    meaning = {
        "lower": "the network can fit all rows, and noise cannot be told from signal. "
        "Try more rows, a smaller network, or a known noise",
        "upper": "no dependence on X can be told from noise. Try more rows, or other "
        "features",
    }.get(inference.boundary, "")
    return (
        f"The evidence for the penalty has its maximum at the {inference.boundary} end "
        f"of the range searched: {meaning}."
    )


def _left_out(report):
    if report.method in ("bayesian", "least_squares"):
        effect = "for the same penalty and noise, no interval is narrower than with all"
    elif report.method == "evidence":
        effect = (
            "for the same penalty and noise no interval would be narrower than with "
            "all, but both are those of the sample"
        )
    else:
        effect = (
            "intervals may be wider or narrower than with all; covariance='bayesian' "
            "errs to the wide side"
        )
    return (
        f"Memory allowed for {report.rows_used:.3g} of the rows, drawn at random, and "
        f"counted as no more than they are: {effect}. Try a smaller network."
    )
