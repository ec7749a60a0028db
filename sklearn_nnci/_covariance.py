"""From rows to a covariance of the parameters and of the noise.

With A = J'WJ + Lambda, H = J A^+ J' and residuals e, the variance of f(x) is
j'C j, and C is always of one form,

    C = A^+ (sum_i w_i J_i' M_i M_i' J_i + prior Lambda) A^+,     M_i M_i' = Sigma:

    least_squares   Lambda = 0                     s^2 (J'WJ)^+    Rivals & Personnaz
    bayesian        prior = s^2                    s^2 A^-1        Wahba; Nychka
    frequentist     prior = 0                      s^2 A^-1 J'WJ A^-1    De Veaux et al.
    evidence        bayesian, lambda and s^2 of the marginal likelihood  MacKay
    HC0 .. HC3      prior = 0, M_i = (I - H_ii)^-k/2 e_i    White; MacKinnon & White

Sigma (m, m) is the noise covariance, s^2 = tr Sigma / m; for one output s^2 itself.
What ``"auto"`` makes of the evidence is in `_auto`. Formulas with a sum over rows
inside A^+ .. A^+ lose 0.05 eps cond^2 where a query depends on what only Lambda
determines (1e-4 at a condition number of 2e6, by 60-digit arithmetic); s^2 A^-1 does
not.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import _auto
from sklearn_nnci._fits import (
    factor_evidence,
    factorise,
    reduce_primal,
    reduce_within_memory,
    relative_offset,
)
from sklearn_nnci._report import Report
from sklearn_nnci._rows import InferenceUnavailable, Penalty
from sklearn_nnci._sums import Robust, meat_of

# The power of I - H_ii by which robust covariances divide residuals.
ROBUST = {"HC0": 0.0, "HC1": 0.0, "HC2": 0.5, "HC3": 1.0}


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
    excess: _auto.Excess
    """What is added to every variance of f(x), (m,), in squared units of y."""
    loo: Penalty
    """Under which leave-one-out residuals are computed."""
    scale: np.ndarray
    """Units of the outputs for that, (m,)."""
    totals: Any
    """Of the rows that trained."""
    ahead: np.ndarray
    """Mean variance of f at training rows, were they left out, over s^2, (m,)."""
    reach: float
    """Largest j'A^-1 j that a training row would have, left out."""
    penalty_ratio: float
    """lambda of training over that of the evidence; nan unless that was asked."""
    boundary: str | None
    """Which end of the range of lambda the evidence ran into, or ""; None unless that
    was asked."""


class Validation(NamedTuple):
    """Rows held out from training."""

    residuals: np.ndarray
    """(m, n), in units of y."""
    weight: np.ndarray
    """(n,)."""
    held_out: np.ndarray
    """Their indices among the rows given."""


def infer(rows, *, covariance, noise, strength, identity_link=True, validation=None):
    """Return the `Inference` about the network of `rows` at its weights.

    `strength` is the lambda that training used, `validation` the `Validation` rows
    or None; `identity_link` says whether f is the mean itself, not its logarithm.
    Raises `InferenceUnavailable`, saying what to try.
    """
    sums = reduce_within_memory(rows)
    trained = Penalty(strength, rows.network.n_intercepts)
    method, noise, reason = _plan(covariance, noise, identity_link)
    rule = covariance == "auto" and method == "evidence"
    elsewhere = method in ("evidence", "least_squares")  # not under that penalty
    offset = relative_offset(sums, trained) if elsewhere else np.nan
    used, found = _fit_of(method, sums, trained, rule)
    Sigma, dof = _noise(method, noise, used, found, validation)
    if not elsewhere:
        offset = _offset(used, noise, Sigma)
    posterior = _posterior(method, used, Sigma)
    widened = covariance == "auto" and not rule and np.isfinite(offset)
    scale = used.rows.scale
    loo = found.nearest if found and found.nearest else used
    excess = _auto.excess(found) if rule else _auto.no_excess(len(scale))
    excess = _auto.Excess(*(scale**2 * part for part in excess))
    return Inference(
        report=_report(used, found, loo, excess, method, noise, rows.size)._replace(
            dof=_per_output(dof),
            noise_variance=_per_output(Sigma * np.outer(scale, scale)),
            relative_offset=float(offset),
            reason=reason,
        ),
        posterior=posterior,
        Sigma=Sigma * np.outer(scale, scale),
        dof=dof,
        widening=1.0 + offset**2 if widened else 1.0,
        step=used.step if found else None,
        excess=excess,
        loo=loo.penalty,
        scale=scale,
        totals=sums.totals,
        ahead=np.diag(used.leverages.ahead) / used.n_samples,
        reach=used.reach,
        penalty_ratio=strength / (found.evidence.strength * np.mean(scale**2))
        if found
        else np.nan,
        boundary=found.evidence.boundary if found else None,
    )


def fit_for_leave_one_out(rows, penalty, scale):
    """Return the `LinearizedFit` of `rows` under `penalty`, outputs in `scale`."""
    return _factored(reduce_within_memory(rows.rescaled(scale)), penalty)


def _plan(covariance, noise, identity_link):
    """Return (method, noise, reason): what ``"auto"`` stands for here."""
    if covariance != "auto":
        usual = "evidence" if covariance == "evidence" else "residual"
        return covariance, usual if noise == "auto" else noise, ""
    if noise != "auto":
        return "bayesian", noise, "the noise variance was not left to the rule"
    if not identity_link:
        return "bayesian", "loo", "the evidence is for squared errors"
    return "evidence", "evidence", "the rule: evidence, and what it does not see"


def _fit_of(method, sums, trained, rule):
    """Return (the fit that `method` stands on, its `EvidenceFit` or None)."""
    if method == "evidence":
        found = factor_evidence(sums, trained.strength if rule else None)
        return found.fit, found
    if method == "least_squares":
        trained = trained._replace(strength=0.0)
    return _factored(sums, trained, method == "frequentist"), None


def _factored(sums, penalty, exact_rank=False):
    """Return the fit, on the primal route where the dual cannot serve `penalty`."""
    sums = reduce_primal(sums, penalty) if sums.cancels(penalty) else sums
    return factorise(sums, penalty, exact_rank)


def _noise(method, noise, fit, found, validation):
    """Return (Sigma, dof) in units of the scaled outputs, as `noise` says.

    No degrees of freedom make an infinite Sigma: an unbounded interval.
    """
    m, scale = len(fit.edf), fit.rows.scale
    units = np.outer(scale, scale)
    exhausted = fit.exhausted
    if not isinstance(noise, str):
        Sigma, dof = float(noise) * np.eye(m) / units, np.full(m, np.inf)
    elif noise == "validation":
        Sigma, dof = _held_out_noise(validation, units)
    elif noise == "evidence":
        # s^2 is estimated from all rows: given lambda, f(x) is Student with n less
        # the flat parameters. n - edf would vanish where the network interpolates,
        # although s^2 / lambda, the scale of such an interval, is well determined.
        dof = np.full(m, fit.n_samples - 1.0)
        s2 = found.evidence.noise
        rounding = np.finfo(float).eps * fit.totals.spread.max() / scale.min()
        silent = rounding == 0.0 or np.sqrt(s2) <= rounding
        Sigma, exhausted = s2 * np.eye(m), dof[0] <= 0.0 or silent
    else:
        Sigma = fit.loo_noise if noise == "loo" else fit.residual_noise
        dof = np.maximum(fit.dof, 0.0)
    # What the residuals cannot tell matters where the formula rests on them.
    own = noise in ("residual", "loo", "evidence") or method in ROBUST
    return np.full_like(Sigma, np.inf) if exhausted and own else Sigma, dof


def _held_out_noise(validation, units):
    """Return (Sigma, dof) of the rows that early stopping held out."""
    if validation is None or not validation.weight.size:
        raise InferenceUnavailable(
            "noise='validation' needs the rows that early stopping held out, and "
            "none are known. Fit with early_stopping=True, or try noise='loo'."
        )
    n, e = validation.weight.sum(), validation.residuals
    return (e * validation.weight) @ e.T / n / units, np.full(len(e), n)


def _offset(fit, noise, Sigma):
    """Return the relative offset under the penalty of training; nan if s is not known.

    Where residuals are exhausted, a noise variance from elsewhere serves.
    """
    independent = noise == "validation" or not isinstance(noise, str)
    found = Sigma if fit.exhausted and independent else fit.residual_noise
    return fit.relative_offset(np.trace(found) / len(found))


def _posterior(method, fit, Sigma):
    """Return the covariance of theta, or None if it is unbounded."""
    if not np.isfinite(Sigma).all():
        return None
    if method in ROBUST:  # HC1 is HC0 times n / (n - edf)
        dof = fit.dof if method == "HC1" else np.full(len(Sigma), fit.n_samples)
        meat = Robust(ROBUST[method], np.sqrt(fit.n_samples / dof))
    else:
        prior = 0.0 if method == "frequentist" else np.trace(Sigma) / len(Sigma)
        meat = meat_of(Sigma, prior)
    return fit.information.posterior(meat)


def _report(fit, found, loo, excess, method, noise, n_rows):
    """Return the `Report` of the fit in use, but for what `infer` adds."""
    information, scale = fit.information, fit.rows.scale
    s2 = np.trace(loo.residual_noise)
    moved = scale**2 * (_auto.mean_squared_step(found) if found else np.nan)
    nearest = found.nearest if found else None
    return Report(
        method=method,
        noise=noise if isinstance(noise, str) else "known",
        route=information.sums.route,
        n_samples=float(fit.n_samples),
        n_parameters=information.sums.network.n_parameters,
        rank=fit.rank,
        edf=float(fit.edf.sum()),
        edf_fit=float(nearest.edf.sum()) if nearest else np.nan,
        dof=np.nan,
        noise_variance=np.nan,
        penalty=float(fit.penalty.strength),
        condition_number=float(information.condition),
        relative_offset=np.nan,
        max_leverage=fit.leverages.largest,
        press=float(np.diag(loo.press) @ scale**2 / len(scale)),
        press_ratio=float(np.trace(loo.loo_noise) / s2) if 0 < s2 < np.inf else np.nan,
        loo_penalty=float(loo.penalty.strength),
        step_variance=_per_output(moved),
        excess_variance=_per_output(excess.variance),
        reason="",
        rows_used=fit.totals.n_rows / n_rows,
    )


def _per_output(values):
    """Return (m,) or (m, m) as they are; those of one output as a number."""
    return values if len(values) > 1 else float(values.ravel()[0])
