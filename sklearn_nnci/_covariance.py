"""From rows to a covariance of the parameters and of the noise.

With A = J'WJ + Lambda, H = J A^+ J' and residuals e, the variance of f(x) is
j'C j, and C is always of one form,

    C = A^+ (sum_i w_i J_i' Sigma J_i + prior Lambda) A^+:

    least_squares   Lambda = 0                     s^2 (J'WJ)^+    Rivals & Personnaz
    bayesian        prior = s^2                    s^2 A^-1        Wahba; Nychka
    frequentist     prior = 0                      s^2 A^-1 J'WJ A^-1    De Veaux et al.
    evidence        bayesian, lambda and s^2 of the marginal likelihood  MacKay

Sigma (m, m) is the noise covariance, s^2 = tr Sigma / m; for one output s^2 itself.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import _dual, _information, _jacobian
from sklearn_nnci._evidence import maximise
from sklearn_nnci._network import unpack
from sklearn_nnci._rows import Penalty, leave_one_out

# auto: up to this share of degrees of freedom leave-one-out noise can be trusted;
# measured crossover of its coverage with that of `evidence`.
EDF_SHARE = 0.3
# Beyond this share no noise can be told from the residuals.
EDF_EXHAUSTED = 0.95
# Leverage that leave-one-out noise is allowed to see: uncapped, it explodes.
LEVERAGE_CAP = 0.9
# Rows against parameters at which the two routes cost the same; bytes that a
# factorisation may take.
DUAL_BELOW = 0.75
MAX_BYTES = 2 * 2**30


class InferenceUnavailable(ValueError):
    """Inference that cannot be done; `fit` turns it into a warning."""


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
    """Rank of the Jacobian."""
    edf: float
    """Effective degrees of freedom, sum of w_i tr H_ii (all outputs)."""
    dof: Any
    """Degrees of freedom of the noise; (m,) for several outputs."""
    noise_variance: Any
    """s^2 in squared units of y; Sigma (m, m) for several outputs."""
    penalty: float
    """lambda in A."""
    condition_number: float
    """Condition number of the factor of A; above 1e8 digits are being lost."""
    relative_offset: float
    """Remaining Gauss-Newton step in units of the confidence region, at the penalty
    that training used; nan where the noise cannot be told from the residuals."""
    max_leverage: float
    """Largest eigenvalue of any H_ii."""
    press: float
    """Mean squared leave-one-out residual, in squared units of y."""
    press_ratio: float
    """PRESS over RSS / (n - edf); nan where the latter is undefined."""
    reason: str
    """Why this method, for ``"auto"``; else empty."""
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
    boundary: str
    """Which end of the range of lambda the evidence ran into, or ""."""


class Validation(NamedTuple):
    """Rows held out from training."""

    residuals: np.ndarray
    """(m, n), in units of y."""
    weight: np.ndarray
    """(n,)."""


class Fit(NamedTuple):
    """A factored information, its leverages, and the residuals it leaves."""

    information: Any
    H: np.ndarray
    """(n, m, m), of one copy of each row."""
    residuals: np.ndarray
    """(m, n), in units of the scaled outputs."""

    @property
    def rows(self):
        """The rows that trained."""
        return self.information.sums.rows

    @property
    def edf(self):
        """sum_i w_i (H_ii)_kk, (m,)."""
        return np.einsum("n,nkk->k", self.rows.weight, self.H)

    @property
    def dof(self):
        """N - edf, (m,)."""
        return self.rows.n_samples - self.edf

    @property
    def share(self):
        """Edf over the number of rows and outputs."""
        return self.edf.sum() / (self.rows.n_samples * len(self.H[0]))

    @property
    def exhausted(self):
        """Whether the residuals have no degrees of freedom left."""
        return self.share > EDF_EXHAUSTED or self.dof.min() <= 0.0

    @property
    def residual_noise(self):
        """Sigma_kl = e_k'W e_l / sqrt(dof_k dof_l); infinite if exhausted."""
        if self.exhausted:
            return np.full((len(self.edf),) * 2, np.inf)
        products = (self.residuals * self.rows.weight) @ self.residuals.T
        return products / np.sqrt(np.outer(self.dof, self.dof))

    def deleted_noise(self, cap=None):
        """Return sum_i w_i l_i l_i' / n, l the leave-one-out residuals, (m, m)."""
        loo = leave_one_out(self.residuals, self.H, cap)
        return (loo * self.rows.weight) @ loo.T / self.rows.n_samples

    def relative_offset(self):
        """Return sqrt(g'A^+ g / edf) / s; nan if exhausted, 0 where s is 0."""
        s2 = np.trace(self.residual_noise) / len(self.edf)
        if not np.isfinite(s2):
            return np.nan
        squared = self.information.offset(self.information.step()) / self.edf.sum()
        return float(np.sqrt(squared / s2)) if s2 > 0.0 else 0.0


def infer(network, rows, *, covariance, noise, strength, validation=None):
    """Return the `Inference` of a network at its weights.

    `strength` is the lambda that training used, `validation` the `Validation` rows
    or None. Raises `InferenceUnavailable`, saying what to try.
    """
    if not np.isfinite(rows.residuals).all():
        raise InferenceUnavailable(
            "The network's output on its training rows is not finite. Scale X and y."
        )
    trained = Penalty(strength, network.n_intercepts)
    sums = _reduce(network, rows)
    own = None if sums.cancels(trained) else _factor(sums, trained)
    method, noise, reason = _plan(covariance, noise, sums, own)
    used, evidence = _fit_of(method, sums, own, trained)
    if own is None and method != "evidence":
        own = used
    offset = np.nan if own is None else own.relative_offset()

    Sigma, dof = _noise(noise, used, evidence, validation)
    posterior = _posterior(method, used.information, Sigma)
    auto, scale = covariance == "auto", used.rows.scale
    Sigma = Sigma * np.outer(scale, scale)
    widened = auto and method == "bayesian" and np.isfinite(offset)
    return Inference(
        report=_report(used, method, noise, Sigma, dof, offset, reason),
        posterior=posterior,
        Sigma=Sigma,
        dof=dof,
        widening=1.0 + offset**2 if widened else 1.0,
        step=used.information.step() if auto and evidence else None,
        smoothing=strength / (evidence.strength * np.mean(scale**2))
        if evidence
        else np.nan,
        boundary=evidence.boundary if evidence else "",
    )


def _plan(covariance, noise, sums, own):
    """Return (method, noise, reason): what ``"auto"`` stands for here."""
    if covariance != "auto":
        usual = "evidence" if covariance == "evidence" else "residual"
        return covariance, usual if noise == "auto" else noise, ""
    if noise != "auto":
        return "bayesian", noise, "the noise variance was not left to the rule"
    share = own.share if own else sums.rank() / sums.rows.residuals.size
    if share <= EDF_SHARE:
        return "bayesian", "loo", f"edf / n = {share:.3g}, at most {EDF_SHARE}"
    return "evidence", "evidence", f"edf / n = {share:.3g}, more than {EDF_SHARE}"


def _reduce(network, rows):
    """Return the rows reduced by the cheaper route, within the memory allowed."""
    n_rows, p = rows.residuals.size, network.n_parameters
    if n_rows >= DUAL_BELOW * p:
        _allow(2.5 * 8 * p**2, f"p = {p} parameters and {n_rows} rows")
        return _finite(_information.reduce_rows(network, rows))
    _allow(3.0 * 8 * n_rows**2, f"{n_rows} rows and p = {p} parameters")
    return _finite(_dual.reduce_rows(network, rows))


def _reduce_primal(sums, penalty):
    """Return the primal reduction, where the dual cannot serve `penalty`."""
    if sums.route == "primal":
        return sums
    n_rows, p = sums.rows.residuals.size, sums.network.n_parameters
    columns = p if penalty.strength > 0.0 else n_rows
    what = f"p = {p} parameters under a penalty of {penalty.strength:.2g}"
    _allow(3.0 * 8 * columns * p, what)
    return _finite(_information.reduce_rows(sums.network, sums.rows))


def _finite(sums):
    if not np.isfinite(sums.reduced).all():
        raise InferenceUnavailable("The Jacobian is not finite. Scale X and y.")
    return sums


def _allow(n_bytes, what):
    if n_bytes > MAX_BYTES:
        raise InferenceUnavailable(
            f"{what} need {n_bytes / 2**30:.1f} GiB to factor, more than "
            f"{MAX_BYTES / 2**30:.0f} GiB. Try covariance='evidence', a smaller "
            "network, or fit_inference on fewer rows."
        )


def _factor(sums, penalty):
    """Return the `Fit` of the reduced rows under `penalty`."""
    information = sums.penalise(penalty)
    return Fit(information, information.leverage(), sums.rows.residuals)


def _fit_of(method, sums, own, trained):
    """Return (the `Fit` that `method` stands on, its `Evidence` or None)."""
    if method == "evidence":
        return _evidence(sums)
    if method == "least_squares":
        unpenalised = trained._replace(strength=0.0)
        return _factor(_reduce_primal(sums, unpenalised), unpenalised), None
    return own or _factor(_reduce_primal(sums, trained), trained), None


def _evidence(sums):
    """Return the `Fit` at the penalty of the marginal likelihood, and that.

    Several outputs share one lambda and one s^2, so each is first measured in
    units of its own root mean square residual.
    """
    network, rows = sums.network, sums.rows
    m = network.n_outputs
    if m > 1:
        rms = np.sqrt(rows.residuals**2 @ rows.weight / rows.n_samples)
        rows = rows.rescaled(np.where(rms > 0.0, rms, rms.max() or 1.0))
        module = _information if sums.route == "primal" else _dual
        sums = module.reduce_rows(network, rows)
    evidence = maximise(*sums.spectrum_parts(m), rows.n_samples * m)
    fit = _factor(sums, Penalty(evidence.strength, m))
    # The linearised model's own residuals: those at its optimum.
    step = unpack(fit.information.step(), network)
    moved = [
        _jacobian.times(F, step)
        for _, F in _jacobian.stream(network, rows.X, rows.seed)
    ]
    residuals = rows.residuals - np.concatenate(moved, axis=1)
    return fit._replace(residuals=residuals), evidence


def _noise(noise, fit, evidence, validation):
    """Return (Sigma, dof) in units of the scaled outputs, as `noise` says.

    No degrees of freedom make an infinite Sigma: an unbounded interval.
    """
    m, scale = len(fit.edf), fit.rows.scale
    units = np.outer(scale, scale)
    at_weights = fit._replace(residuals=fit.rows.residuals)
    if not isinstance(noise, str):
        return float(noise) * np.eye(m) / units, np.full(m, np.inf)
    if noise == "validation":
        if validation is None or not validation.weight.sum() > 0.0:
            raise InferenceUnavailable(
                "noise='validation' needs held-out rows. Fit with early_stopping=True, "
                "or try noise='loo'."
            )
        n = validation.weight.sum()
        e = validation.residuals
        return (e * validation.weight) @ e.T / n / units, np.full(m, n)
    if noise == "evidence":
        # s^2 is estimated from all rows: given lambda, f(x) is Student with n less
        # the flat parameters. n - edf would vanish where the network interpolates,
        # although s^2 / lambda, the scale of such an interval, is well determined.
        dof = np.full(m, fit.rows.n_samples - 1.0)
        Sigma, exhausted = evidence.noise * np.eye(m), dof[0] <= 0.0
    else:
        dof, exhausted = np.maximum(fit.dof, 0.0), at_weights.exhausted
        loo = noise == "loo"
        Sigma = (
            at_weights.deleted_noise(LEVERAGE_CAP) if loo else at_weights.residual_noise
        )
    return np.full_like(Sigma, np.inf) if exhausted else Sigma, dof


def _posterior(method, information, Sigma):
    """Return the covariance of theta, or None if the noise is unbounded."""
    if not np.isfinite(Sigma).all():
        return None
    prior = 0.0 if method == "frequentist" else np.trace(Sigma) / len(Sigma)
    return information.posterior(Sigma, float(prior))


def _report(fit, method, noise, Sigma, dof, offset, reason):
    """Return the `Report` of the fit in use."""
    information, scale = fit.information, fit.rows.scale
    several = len(dof) > 1
    press = fit.deleted_noise()
    s2 = np.trace(fit.residual_noise)
    return Report(
        method=method,
        noise=noise if isinstance(noise, str) else "known",
        route=information.sums.route,
        n_samples=float(fit.rows.n_samples),
        n_parameters=information.sums.network.n_parameters,
        rank=information.sums.rank(),
        edf=float(fit.edf.sum()),
        dof=dof if several else float(dof[0]),
        noise_variance=Sigma if several else float(Sigma[0, 0]),
        penalty=float(information.penalty.strength),
        condition_number=float(information.condition),
        relative_offset=float(offset),
        max_leverage=float(np.linalg.eigvalsh(fit.H).max()),
        press=float(np.diag(press) @ scale**2 / len(dof)),
        press_ratio=float(np.trace(press) / s2) if 0.0 < s2 < np.inf else np.nan,
        reason=reason,
    )
