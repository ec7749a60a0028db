"""From rows to a covariance of the parameters and of the noise.

`infer` is the whole way, once: reduce the rows, choose the rule, factor A and read the
rows again for leverages, decide the noise, and keep what prediction needs.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference import auto, laws
from sklearn_nnci._inference.formulas import FORMULAS, Formula
from sklearn_nnci._inference.laws import NORMAL, Asked, Law
from sklearn_nnci._inference.misfit import Misfit, misfit
from sklearn_nnci._inference.noise import Noise, independent, noise_of
from sklearn_nnci._inference.report import Report
from sklearn_nnci._linearized.route import (
    EvidenceFit,
    LinearizedFit,
    factor_evidence,
    factorise,
    reduce_primal,
    reduce_within_memory,
    relative_offset,
)
from sklearn_nnci._linearized.sandwich import Meat, Varying
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network.losses import LOSSES, Loss
from sklearn_nnci._numerics import threads
from sklearn_nnci._training.problem import Problem
from sklearn_nnci.exceptions import InferenceUnavailable

# Why a tuned network has no evidence of its own at inference.
TUNED = "tuned: training took its penalties from the evidence"


class Plan(NamedTuple):
    """What is to be done."""

    formula: Formula
    noise: Any
    """Kind of noise, or its known variance."""
    rule: bool = False
    """Whether ``"auto"`` adds to the evidence what that does not see."""
    widened: bool = False
    """Whether ``"auto"`` multiplies variances by 1 + RO^2."""
    reason: str = ""


class Fitted(NamedTuple):
    """The fits that an inference stands on."""

    used: LinearizedFit
    found: EvidenceFit | None
    offset: float
    """Relative offset under the penalty of training; nan where s is not known."""

    @property
    def loo(self) -> LinearizedFit:
        """The fit of which leverages leave rows out."""
        nearest = self.found.nearest if self.found else None
        return self.used if nearest is None else nearest

    @property
    def loo_step(self) -> np.ndarray | None:
        """The step to the network of which they do, where that is another."""
        return self.used.step if self.found and self.loo is self.used else None


class Inference(NamedTuple):
    """All that prediction needs, and the report."""

    report: Report
    posterior: Any
    """Covariance of theta; None if unbounded."""
    Sigma: np.ndarray
    """Noise covariance (m, m), in squared units of y."""
    dof: np.ndarray
    """Degrees of freedom (m,)."""
    widening: float
    """Factor of the variance of the mean in confidence intervals, 1 + RO^2."""
    step: Any
    """Step to the evidence optimum, whose effect on f is added; or None."""
    excess: auto.Excess
    """What is added to every variance of f(x), (m,), in squared units of y."""
    loo: Penalty
    """Under which leave-one-out residuals are computed."""
    scale: np.ndarray
    """Units of the outputs for that, (m,)."""
    totals: Totals
    """Of the rows that trained."""
    ahead: np.ndarray
    """Mean variance of f at training rows, were they left out, over s^2, (m,)."""
    reach: float
    """Largest variance of f over s^2(x) that a training row would have, left out."""
    penalty_ratio: float
    """lambda of training over that of the evidence; nan unless that was asked."""
    boundary: str | None
    """Which end of the range of lambda the evidence ran into, or ""; None unless that
    was asked."""
    misfit: Misfit
    """Whether the residuals contain a curve."""
    law: Law
    """Of the noise, beside Sigma."""


def infer(
    problem: Problem, covariance: str, noise: Any, asked: Asked = NORMAL
) -> Inference:
    """Return the `Inference` about the network of a `Problem` at its weights.

    Raises `InferenceUnavailable`, saying what to try.
    """
    rows, held_out = problem.rows, problem.held_out
    laws.check(asked, LOSSES[rows.loss], rows)
    limit = threads.suited_to(rows.network.n_parameters)
    with limit, np.errstate(over="ignore", invalid="ignore"):
        tuned = rows.network.coordinates is not None
        plan = planned(covariance, noise, LOSSES[rows.loss], tuned)
        reduced = reduce_within_memory(rows)  # first pass over the rows
        fits = _fitted(plan, reduced, problem.penalty)  # factor; second pass
        s2 = noise_of(plan.noise, plan.formula, fits.used, fits.found, held_out)
        fits = fits._replace(offset=_offset(plan, fits, s2))
        varies = _varying(fits, asked)
        law = laws.law_of(
            asked, fits.loo, s2, varies, held_out, auto=covariance == "auto"
        )
        posterior = _posterior(plan.formula, fits.used, s2, law)
        return _conclude(
            plan, fits, s2, law, varies, posterior, problem, reduced.totals
        )


def planned(covariance: str, noise: Any, loss: Loss, tuned: bool = False) -> Plan:
    """Return the `Plan`: what ``"auto"`` stands for here.

    The penalties of a `tuned` network are those of the evidence: no other is sought.
    """
    if covariance != "auto":
        formula = FORMULAS[covariance]
        if formula.evidence and not loss.linear:
            raise InferenceUnavailable(
                f"covariance={covariance!r} is for squared errors. Try 'bayesian' or "
                "'auto'."
            )
        kind = formula.usual_noise if noise == "auto" else noise
        if tuned and formula.evidence:
            return Plan(FORMULAS["bayesian"], kind, reason=TUNED)
        return Plan(formula, kind)
    if noise != "auto" or not loss.linear:
        given = noise != "auto"
        why = (
            "the noise variance was not left to the rule"
            if given
            else "the evidence is for squared errors"
        )
        kind = noise if given else "loo"
        return Plan(FORMULAS["bayesian"], kind, widened=True, reason=why)
    if tuned:
        return Plan(FORMULAS["bayesian"], "tuned", widened=True, reason=TUNED)
    why = "the rule: evidence, and what it does not see"
    return Plan(FORMULAS["evidence"], "evidence", rule=True, reason=why)


def _fitted(plan: Plan, reduced: Any, trained: Penalty) -> Fitted:
    """Return the fits that the plan asks for, and the offset if that needs another."""
    if plan.formula.evidence:
        offset = relative_offset(reduced, trained)  # first: its factor is not kept
        found = factor_evidence(reduced, trained.least if plan.rule else None)
        return Fitted(found.fit, found, offset)
    if not plan.formula.penalised:
        offset = relative_offset(reduced, trained)
        return Fitted(_factored(reduced, Penalty(0.0, trained.n_free)), None, offset)
    exactly = plan.formula.scheffe
    return Fitted(_factored(reduced, trained, exactly), None, np.nan)


def _factored(reduced: Any, penalty: Penalty, exact_rank: bool = False) -> Any:
    """Return the fit, on the primal route where the dual cannot serve `penalty`."""
    if reduced.cancels(penalty):
        reduced = reduce_primal(reduced, penalty)
    return factorise(reduced, penalty, exact_rank)


def fit_for_leave_one_out(
    rows: Any, penalty: Penalty, scale: np.ndarray
) -> LinearizedFit:
    """Return the `LinearizedFit` of `rows` under `penalty`, outputs in `scale`."""
    return _factored(reduce_within_memory(rows.rescaled(scale)), penalty)


def _offset(plan: Plan, fits: Fitted, noise: Noise) -> float:
    """Return the relative offset under the penalty of training.

    Where residuals are exhausted, a noise variance from elsewhere serves.
    """
    if plan.formula.evidence or not plan.formula.penalised:
        return fits.offset
    fit = fits.used
    Sigma = fit.residual_noise
    if fit.exhausted and independent(noise.kind):
        Sigma = noise.Sigma
    return fit.relative_offset(np.trace(Sigma) / len(Sigma))


def _varying(fits: Fitted, asked: Asked) -> laws.Varying | None:
    """Return how the noise varies, if that was asked."""
    if not asked.varying:
        return None
    fit = fits.loo
    if fit.information is None:
        fit = fit_for_leave_one_out(fit.rows, fit.penalty, fit.rows.scale)
    return laws.varying(fit, fits.loo_step, asked.variance)


def _posterior(formula: Formula, fit: LinearizedFit, noise: Noise, law: Law) -> Any:
    """Return the covariance of theta, or None if it is unbounded."""
    if not noise.bounded:
        return None
    meat = formula.meat(noise.Sigma, fit.n_samples, fit.dof)
    if isinstance(meat, Meat) and law.uneven is not None:
        meat = Varying(meat, law.uneven)
    return fit.information.posterior(meat)


def _conclude(
    plan: Plan, fits: Fitted, noise: Noise, law: Law, varies: laws.Varying | None,
    posterior: Any, problem: Problem, totals: Totals,
) -> Inference:  # fmt: skip
    """Return the `Inference`, in units of y."""
    used, found, scale = fits.used, fits.found, fits.used.rows.scale
    Sigma, ratio = noise.Sigma * np.outer(scale, scale), np.nan
    excess = auto.no_excess(len(scale))
    if plan.rule and found:
        excess = auto.excess(found, varies and varies.left_out)
    excess = auto.Excess(*(scale**2 * part for part in excess))
    if found:
        ratio = problem.penalty.least / (found.evidence.strength * np.mean(scale**2))
    widened, seen = plan.widened and np.isfinite(fits.offset), misfit(used)
    return Inference(
        report=_report(plan, fits, excess, Sigma, noise, problem.rows.size)._replace(
            misfit_statistic=seen.statistic, misfit_p_value=seen.p_value, **law.names
        ),
        posterior=posterior,
        Sigma=Sigma,
        dof=noise.dof,
        widening=1.0 + fits.offset**2 if widened else 1.0,
        step=used.step if found else None,
        excess=excess,
        loo=fits.loo.penalty,
        scale=scale,
        totals=totals._replace(rss=totals.rss * np.outer(*[problem.rows.scale] * 2)),
        ahead=np.diag(used.leverages.ahead) / used.n_samples,
        reach=laws.reach(used, posterior, law, np.diag(Sigma)),
        penalty_ratio=ratio,
        boundary=found.evidence.boundary if found else None,
        misfit=seen,
        law=law,
    )


def _report(
    plan: Plan, fits: Fitted, excess: auto.Excess, Sigma: np.ndarray, noise: Noise,
    n_rows: int,
) -> Report:  # fmt: skip
    """Return the `Report` of the fit in use."""
    fit, found, loo = fits.used, fits.found, fits.loo
    information, scale = fit.information, fit.rows.scale
    s2 = np.trace(loo.residual_noise)
    log_likelihood, aic, bic = _criteria(fits, fit.totals.rss * np.outer(scale, scale))
    moved = scale**2 * (auto.mean_squared_step(found) if found else np.nan)
    nearest = found.nearest if found else None
    return Report(
        method=plan.formula.name,
        noise=noise.kind,
        route=information.sums.route,
        n_samples=float(fit.n_samples),
        n_parameters=information.sums.network.n_parameters,
        rank=fit.rank,
        edf=float(fit.edf.sum()),
        edf_fit=float(nearest.edf.sum()) if nearest else np.nan,
        dof=_per_output(noise.dof),
        noise_variance=_per_output(Sigma),
        penalty=_of_raw_data(fit, fit.penalty),
        condition_number=float(information.condition),
        relative_offset=float(fits.offset),
        max_leverage=fit.leverages.largest,
        press=float(np.diag(loo.press) @ scale**2 / len(scale)),
        press_ratio=float(np.trace(loo.loo_noise) / s2) if 0 < s2 < np.inf else np.nan,
        loo_penalty=_of_raw_data(fit, loo.penalty),
        step_variance=_per_output(moved),
        excess_variance=_per_output(excess.variance),
        reason=plan.reason,
        rows_used=fit.totals.n_rows / n_rows,
        log_likelihood=log_likelihood,
        aic=aic,
        bic=bic,
    )


def _criteria(fits: Fitted, rss: np.ndarray) -> tuple[float, float, float]:
    """Return log likelihood, AIC and BIC of `rss` (m, m), in squared units of y.

    For each output log L = -n/2 (log 2 pi RSS/n + 1); each has a variance to estimate.
    """
    fit, m = fits.used, len(rss)
    n, nearest = fit.n_samples, fits.found.nearest if fits.found else None
    if not LOSSES[fit.rows.loss].linear:
        return np.nan, np.nan, np.nan
    variances = np.maximum(np.diag(rss) / n, np.finfo(float).tiny)
    log_L = -0.5 * n * (np.log(2.0 * np.pi * variances) + 1.0).sum()
    used = (nearest or fit).edf.sum() + m
    aic, bic = (factor * used - 2.0 * log_L for factor in (2.0, np.log(n)))
    return float(log_L), float(aic), float(bic)


def _of_raw_data(fit: LinearizedFit, penalty: Penalty) -> float:
    """Return lambda, nan where parameters are in coordinates of their own."""
    tuned = fit.rows.network.coordinates is not None
    return np.nan if tuned else float(penalty.strength)


def _per_output(values: np.ndarray) -> Any:
    """Return (m,) or (m, m) as they are; those of one output as a number."""
    return values if len(values) > 1 else float(values.ravel()[0])
