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
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._fits import (
    factor,
    factor_evidence,
    reduce_primal,
    reduce_rows,
)
from sklearn_nnci._rows import InferenceUnavailable, Penalty
from sklearn_nnci._sums import Robust, meat_of

# The power of I - H_ii by which robust covariances divide residuals.
ROBUST = {"HC0": 0.0, "HC1": 0.0, "HC2": 0.5, "HC3": 1.0}
# auto: up to this share of degrees of freedom leave-one-out noise can be trusted;
# measured crossover of its coverage with that of `evidence`.
EDF_SHARE = 0.3


class Report(NamedTuple):
    """What inference found at the last fit; see `MLPRegressorCI.inference_`."""

    method: str
    """Covariance in use: the resolved one where ``"auto"`` was asked for."""
    noise: str
    """Noise estimate in use; ``"known"`` for a number."""
    route: str
    """``"primal"`` (p x p factor) or ``"dual"`` (n x n factor)."""
    n_samples: float
    """n, the sum of the weights of the rows that trained."""
    n_parameters: int
    """p."""
    rank: int
    """Rank of the Jacobian; on the dual route, of its singular values above 1e-8."""
    edf: float
    """Effective degrees of freedom, sum of w_i tr H_ii (all outputs)."""
    dof: Any
    """Degrees of freedom of the noise; (m,) for several outputs."""
    noise_variance: Any
    """s^2 in squared units of y; Sigma (m, m) for several outputs."""
    penalty: float
    """lambda in A."""
    condition_number: float
    """Condition number of the factor of A, in the Frobenius norm (of the dual route, a
    bound of that in the spectral norm); above 1e8 digits are being lost."""
    relative_offset: float
    """Remaining Gauss-Newton step in units of the confidence region, at the penalty
    that training used; nan where the noise cannot be told from the residuals."""
    max_leverage: float
    """Largest eigenvalue of any H_ii."""
    press: float
    """Mean squared leave-one-out residual, in squared units of y."""
    press_ratio: float
    """The same, leverages capped at 0.9 so that no single row decides it, over
    RSS / (n - edf); nan where the latter is undefined."""
    reason: str
    """Why this method, for ``"auto"``; else empty."""
    rows_used: float
    """Part of the rows that inference used; 1 unless memory was short."""
    warnings: tuple = ()
    """Messages of the warnings raised."""


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
    smoothing: float
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


def infer(rows, *, covariance, noise, strength, linear=True, validation=None):
    """Return the `Inference` about the network of `rows` at its weights.

    `strength` is the lambda that training used, `validation` the `Validation` rows
    or None; `linear` says whether f is the mean itself, not its logarithm. Raises
    `InferenceUnavailable`, saying what to try.
    """
    sums, trained, own = _at_training(rows, strength)
    method, noise, reason = _plan(covariance, noise, sums, own, linear)
    if own and method in ("evidence", "least_squares"):  # they take a factor of theirs
        own = own.without_factor()
    used, evidence = _fit_of(method, sums, own, trained)
    if own is None and method != "evidence":
        own = used
    Sigma, dof = _noise(noise, used, evidence, validation)
    offset = _offset(own, noise, Sigma)
    posterior = _posterior(method, used, Sigma)
    auto, scale = covariance == "auto", used.rows.scale
    Sigma = Sigma * np.outer(scale, scale)
    widened = auto and method == "bayesian" and np.isfinite(offset)
    return Inference(
        report=_report(used, method, noise, Sigma, dof, offset, reason, rows.size),
        posterior=posterior,
        Sigma=Sigma,
        dof=dof,
        widening=1.0 + offset**2 if widened else 1.0,
        step=used.step if auto and evidence else None,
        smoothing=strength / (evidence.strength * np.mean(scale**2))
        if evidence
        else np.nan,
        boundary=evidence.boundary if evidence else None,
    )


def smoother(rows, covariance, strength):
    """Return the `Fit` at the penalty of training, or without for least squares."""
    strength = 0.0 if covariance == "least_squares" else strength
    penalty = Penalty(strength, rows.network.n_intercepts)
    return _factored(reduce_rows(rows), penalty)


def _at_training(rows, strength):
    """Return (rows reduced, penalty of training, its `Fit` or None if it cancels)."""
    trained = Penalty(strength, rows.network.n_intercepts)
    sums = reduce_rows(rows)
    return sums, trained, None if sums.cancels(trained) else factor(sums, trained)


def _plan(covariance, noise, sums, own, linear):
    """Return (method, noise, reason): what ``"auto"`` stands for here."""
    if covariance != "auto":
        usual = "evidence" if covariance == "evidence" else "residual"
        return covariance, usual if noise == "auto" else noise, ""
    if noise != "auto":
        return "bayesian", noise, "the noise variance was not left to the rule"
    if not linear:
        return "bayesian", "loo", "the evidence is for squared errors"
    n_rows = sums.totals.weight * sums.network.n_outputs
    share = own.share if own else sums.rank() / n_rows
    if share <= EDF_SHARE:
        return "bayesian", "loo", f"edf / n = {share:.3g}, at most {EDF_SHARE}"
    return "evidence", "evidence", f"edf / n = {share:.3g}, more than {EDF_SHARE}"


def _fit_of(method, sums, own, trained):
    """Return (the `Fit` that `method` stands on, its `Evidence` or None)."""
    if method == "evidence":
        return factor_evidence(sums, own.rank if own else sums.rank())
    if method == "least_squares":
        return _factored(sums, trained._replace(strength=0.0)), None
    return own or _factored(sums, trained), None


def _factored(sums, penalty):
    """Return the `Fit`, on the primal route where the dual cannot serve `penalty`."""
    sums = reduce_primal(sums, penalty) if sums.cancels(penalty) else sums
    return factor(sums, penalty)


def _noise(noise, fit, evidence, validation):
    """Return (Sigma, dof) in units of the scaled outputs, as `noise` says.

    No degrees of freedom make an infinite Sigma: an unbounded interval.
    """
    m, scale = len(fit.edf), fit.rows.scale
    units = np.outer(scale, scale)
    if not isinstance(noise, str):
        return float(noise) * np.eye(m) / units, np.full(m, np.inf)
    if noise == "validation":
        if validation is None or not validation.weight.size:
            raise InferenceUnavailable(
                "noise='validation' needs the rows that early stopping held out, and "
                "none are known. Fit with early_stopping=True, or try noise='loo'."
            )
        n = validation.weight.sum()
        e = validation.residuals
        return (e * validation.weight) @ e.T / n / units, np.full(m, n)
    if noise == "evidence":
        # s^2 is estimated from all rows: given lambda, f(x) is Student with n less
        # the flat parameters. n - edf would vanish where the network interpolates,
        # although s^2 / lambda, the scale of such an interval, is well determined.
        dof = np.full(m, fit.n_samples - 1.0)
        Sigma = evidence.noise * np.eye(m)
        rounding = np.finfo(float).eps * fit.totals.spread.max() / scale.min()
        silent = rounding == 0.0 or np.sqrt(evidence.noise) <= rounding
        exhausted = dof[0] <= 0.0 or silent
    else:
        fit = fit.at_weights() if evidence else fit
        dof, exhausted = np.maximum(fit.dof, 0.0), fit.exhausted
        Sigma = fit.loo_noise if noise == "loo" else fit.residual_noise
    return np.full_like(Sigma, np.inf) if exhausted else Sigma, dof


def _offset(own, noise, Sigma):
    """Return the relative offset at the penalty of training; nan if s is not known.

    Where residuals are exhausted, a noise variance from elsewhere serves.
    """
    if own is None:
        return np.nan
    independent = noise == "validation" or not isinstance(noise, str)
    found = Sigma if own.exhausted and independent else own.residual_noise
    return own.relative_offset(np.trace(found) / len(found))


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


def _report(fit, method, noise, Sigma, dof, offset, reason, n_rows):
    """Return the `Report` of the fit in use."""
    information, scale = fit.information, fit.rows.scale
    several = len(dof) > 1
    s2 = np.trace(fit.residual_noise)
    return Report(
        method=method,
        noise=noise if isinstance(noise, str) else "known",
        route=information.sums.route,
        n_samples=float(fit.n_samples),
        n_parameters=information.sums.network.n_parameters,
        rank=fit.rank,
        edf=float(fit.edf.sum()),
        dof=dof if several else float(dof[0]),
        noise_variance=Sigma if several else float(Sigma[0, 0]),
        penalty=float(information.penalty.strength),
        condition_number=float(information.condition),
        relative_offset=float(offset),
        max_leverage=fit.leverages.largest,
        press=float(np.diag(fit.press) @ scale**2 / len(dof)),
        press_ratio=float(np.trace(fit.loo_noise) / s2) if 0 < s2 < np.inf else np.nan,
        reason=reason,
        rows_used=fit.totals.n_rows / n_rows,
    )
