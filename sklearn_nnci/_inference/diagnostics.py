"""When not to believe an interval: the checks, each with its threshold's source.

Three of them speak at fit under the rule ``"auto"``, those that by measurement
(`benchmarks/coverage/auto_rule.py`) find fits to be mended; what the others find is
told by `MLPRegressorCI.diagnostics` only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from sklearn_nnci._docs import page_of
from sklearn_nnci._inference import advice
from sklearn_nnci._inference.advice import (
    LARGEST_OFFSET,
    LARGEST_PRESS,
    LARGEST_SMOOTHING,
    OFF,
    Fitted,
    Tuned,
)
from sklearn_nnci._inference.infer import Inference
from sklearn_nnci._inference.report import Link, html_table
from sklearn_nnci._linearized.training_rows import EDF_EXHAUSTED
from sklearn_nnci._network.losses import LOSSES

# Mean squared step to the evidence optimum over the noise: beyond 1 it, not the noise,
# takes most of the width.
LARGEST_STEP = 1.0
# Prediction intervals against those of the mean of y, 1.96 standard deviations: where
# they are wider by a tenth, f explains nothing in three of four fits.
KNOWING_NOTHING, LARGEST_WIDTH = 1.96, 1.1
# Mean squared step over the noise beyond which what residuals contain is mostly what
# that step would take, and intervals have it: a curve there is no news.
SMALL_STEP = 0.3
# Degrees of freedom of smooth networks, over rows: beyond lie half of all fits whose
# prediction intervals cover less than 0.9.
LARGEST_EDF = 0.2
# Of tuned networks: the evidence over many penalties, on few rows, can end in a network
# that interpolates (15 rows, 20 inputs: intervals cover 0.2, edf / n is 0.8).
LARGEST_TUNED_EDF = 0.5
# Nats by which the evidence for a network exceeds that for no dependence on X at all:
# odds of 20, "strong" (Kass & Raftery 1995).
LEAST_EVIDENCE = 3.0
# Starts disagree if their distance from the best exceeds its standard error.
LARGEST_DISTANCE = 1.0
# One-step leave-one-out residuals agree with refits to 12 % while h < 0.8.
LARGEST_LEVERAGE = 0.9
# Condition number from which on formulas with a sum over rows inside A^-1 .. A^-1 may
# have lost all but four digits, for queries that only the penalty determines.
LARGEST_CONDITION = 1e6

OK, WARNING, NOTICE, NOT_APPLICABLE = "ok", "warning", "notice", "not applicable"


class Check(NamedTuple):
    """One reason not to believe intervals, as found in a fit."""

    name: str
    """What is checked."""
    value: float
    """What was found; nan where the check does not apply."""
    threshold: float
    """Largest value that is no reason to worry."""
    verdict: str
    """``"ok"``, ``"warning"``, ``"notice"`` (here only) or ``"not applicable"``."""
    advice: str
    """What it means and what to try; empty where the verdict is good."""
    warning: str
    """Name of the warning class; empty for what is told here only."""


class Diagnostics(tuple):
    """All checks of a fit, in a notebook or in print a table.

    What warned has the class of its warning for a verdict there, which in a notebook
    leads to the page about it.
    """

    __slots__ = ()

    @property
    def raised(self) -> list[Check]:
        """Those to warn of."""
        return [check for check in self if check.verdict == WARNING]

    def __str__(self) -> str:
        lines = [f"{'check':28}{'value':>10}{'at most':>10}  verdict"]
        for c in self:
            numbers = f"{c.value:10.3g}{c.threshold:10.3g}"
            lines.append(f"{c.name:28}{numbers}  {_class_of(c) or c.verdict}")
            lines += [f"    {c.advice}"] if c.advice else []
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "check", "value", "at most", "verdict", "advice"
        rows = (
            (c.name, f"{c.value:.3g}", f"{c.threshold:.3g}", _linked(c), c.advice)
            for c in self
        )
        return html_table(head, rows)


def _class_of(check: Check) -> str:
    """Return the class of the warning that was given; empty if none was."""
    return check.warning if check.verdict == WARNING else ""


def _linked(check: Check) -> str | Link:
    """Return the verdict, that of a warning as a link to its page."""
    name = _class_of(check)
    return Link(name, page_of(name)) if name else check.verdict


def found(
    inference: Inference, rows: Any, covariance: str, solver: str,
    polished: str | None, tuned: Tuned | None = None,
) -> Diagnostics:  # fmt: skip
    """Return every `Check` of an `Inference`; see `Fitted` for the rest."""
    loss, kinked = LOSSES[rows.loss], rows.network.kinked
    return checks(Fitted(inference, covariance, loss, solver, kinked, polished, tuned))


def checks(fitted: Fitted) -> Diagnostics:
    """Return every `Check` of a `Fitted` network."""
    report, inference = fitted.report, fitted.inference
    ends, width = {None: np.nan, "": 0.0}, _width(fitted)
    # One thing at a time: what explains nothing has a cure of its own.
    for_nothing = fitted.tuned.for_nothing if fitted.tuned else np.nan
    nothing = for_nothing > -LEAST_EVIDENCE
    wide = "" if nothing else "WideIntervalsWarning"
    far = "" if nothing or width > LARGEST_WIDTH else "NotAtMinimumWarning"
    table = [
        ("NoResidualDofWarning", "no degrees of freedom left",
         report.edf / fitted.n_rows, EDF_EXHAUSTED, advice.no_dof),
        ("WideIntervalsWarning", "evidence for nothing", for_nothing,
         -LEAST_EVIDENCE, advice.nothing),
        (wide, "width over knowing nothing", width, LARGEST_WIDTH, advice.wide),
        (far, "step over noise", _step(fitted), LARGEST_STEP,
         advice.step),
        (far if not fitted.formula.evidence else "", "relative offset",
         np.nan if fitted.unbounded else report.relative_offset, LARGEST_OFFSET,
         advice.offset),
        (_kind_of_misfit(fitted) if wide and far else "", "misfit, White's F",
         np.nan if _silent(inference).any() else inference.misfit.statistic,
         inference.misfit.critical, advice.misfit),
        ("OverfittedWarning", "degrees of freedom over rows",
         *_used_up(fitted), advice.overfitted),
        ("", "largest leverage", report.max_leverage, LARGEST_LEVERAGE,
         advice.leverage),
        ("", "leave-one-out error ratio", report.press_ratio, LARGEST_PRESS,
         advice.press),
        ("", "penalty beyond the evidence",
         np.nan if inference.boundary else inference.penalty_ratio, LARGEST_SMOOTHING,
         advice.smoothing),
        ("", "evidence out of range", ends.get(inference.boundary, 1.0), 0.5,
         advice.boundary),
        ("", "condition number",
         np.nan if fitted.formula.plain else report.condition_number,
         LARGEST_CONDITION, advice.condition),
        ("RowsLeftOutWarning", "share of rows left out", 1.0 - report.rows_used, 0.0,
         advice.left_out),
        ("", "inputs that are off", _off(fitted), 0.0, advice.off),
        ("", "distance of the starts", _distance(fitted), LARGEST_DISTANCE,
         advice.disagree),
        ("", "noise that is not normal, K^2", *_not_normal(fitted), advice.not_normal),
        ("", "noise that varies, F", *_uneven(fitted), advice.uneven),
    ]  # fmt: skip
    return Diagnostics(_check(fitted, *row) for row in table)


def _used_up(fitted: Fitted) -> tuple[float, float]:
    """Return degrees of freedom over rows, nan if that tells nothing, and the most."""
    report = fitted.report
    if fitted.tuned:
        return report.edf / fitted.n_rows, LARGEST_TUNED_EDF
    known = np.nan if fitted.kinked else report.edf_fit / fitted.n_rows
    return known, LARGEST_EDF


def _kind_of_misfit(fitted: Fitted) -> str:
    """Return the warning of a curve in the residuals; "" if another told of it."""
    if fitted.formula.evidence:
        told = _step(fitted) > SMALL_STEP
    else:
        told = fitted.report.relative_offset > LARGEST_OFFSET
    return "" if told else "MisfitWarning"


def _off(fitted: Fitted) -> float:
    """Return how many inputs predictions hardly depend on; nan if not told."""
    return float((fitted.tuned.gamma < OFF).sum()) if fitted.tuned else np.nan


def _distance(fitted: Fitted) -> float:
    """Return the largest distance of the starts over the standard error of the mean.

    s (edf / n)^1/2, in root mean square over the training rows. nan for a single start,
    and where others are near the best: their distance is in the intervals.
    """
    tuned, report = fitted.tuned, fitted.report
    if tuned is None or tuned.n_starts == 1 or tuned.n_near > 1 or fitted.unbounded:
        return np.nan
    se = np.sqrt(np.diag(fitted.inference.Sigma) * report.edf / fitted.n_rows)
    return float(np.max(tuned.apart / np.maximum(se, np.finfo(float).tiny)))


def _not_normal(fitted: Fitted) -> tuple[float, float]:
    """Return K^2 and its critical value; nan where quantiles are empirical."""
    law = fitted.inference.law
    tells = law.errors is None and _tells_of_noise(fitted)
    return law.normality.statistic if tells else np.nan, law.normality.critical


def _uneven(fitted: Fitted) -> tuple[float, float]:
    """Return F and its critical value; nan where the noise may vary."""
    law = fitted.inference.law
    tells = law.variances is None and _tells_of_noise(fitted)
    return law.evenness.statistic if tells else np.nan, law.evenness.critical


def _tells_of_noise(fitted: Fitted) -> bool:
    """Whether residuals are of squared errors, and more than rounding."""
    return fitted.loss.linear and not _silent(fitted.inference).any()


def _check(
    fitted: Fitted, kind: str, name: str, value: float, threshold: float,
    advise: Callable[[Fitted], str],
) -> Check:  # fmt: skip
    """Return the `Check`; the first of them fails by its consequence alone."""
    first = kind == "NoResidualDofWarning"
    failed = fitted.unbounded if first else value > threshold
    if np.isnan(value) and not failed:
        verdict = NOT_APPLICABLE
    else:
        verdict = (WARNING if kind else NOTICE) if failed else OK
    text = advise(fitted) if failed else ""
    return Check(name, float(value), threshold, verdict, text, kind)


def _width(fitted: Fitted) -> float:
    """Return the largest t se_obs over 1.96 sd(y), as new rows would have it.

    Squares are averaged over training rows, each with its variance were it left out.
    nan where y does not vary, or has no prediction interval.
    """
    inference, report = fitted.inference, fitted.report
    s2, spread = np.diag(inference.Sigma), inference.totals.spread
    if fitted.unbounded or not fitted.loss.linear or _silent(inference).any():
        return np.nan
    step = np.nan_to_num(report.step_variance)
    se = np.sqrt(s2 + s2 * inference.ahead + step + inference.excess.variance)
    t = stats.t.isf(0.025, inference.dof)
    return float(np.max(t * se / spread) / KNOWING_NOTHING)


def _silent(inference: Inference) -> np.ndarray:
    """Return for which outputs the noise, or y itself, is within rounding."""
    noise, spread = np.sqrt(np.diag(inference.Sigma)), inference.totals.spread
    size = np.abs(inference.totals.mean) + spread
    return np.minimum(noise, spread) <= 1e-8 * size


def _step(fitted: Fitted) -> float:
    """Return the largest m / s^2; nan where the evidence interpolates, s near 0."""
    inference, report = fitted.inference, fitted.report
    interpolates = report.edf > EDF_EXHAUSTED * fitted.n_rows
    if not fitted.formula.evidence or fitted.unbounded or interpolates:
        return np.nan
    if _silent(inference).any():
        return np.nan
    return float(np.max(report.step_variance / np.diag(inference.Sigma)))
