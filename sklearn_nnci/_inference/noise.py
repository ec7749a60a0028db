"""The noise of an observation: where its variance comes from, and how well it is known.

residual      RSS / (n - edf)
loo           mean squared leave-one-out residual
evidence      that of the marginal likelihood
tuned         of the penalties of training: loo while they leave n enough, else evidence
validation    mean square of the rows that early stopping held out
a number      known
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference.formulas import Formula
from sklearn_nnci._linearized.route import EvidenceFit, LinearizedFit
from sklearn_nnci._training.problem import HeldOut
from sklearn_nnci.exceptions import InferenceUnavailable

# Degrees of freedom, over rows, up to which leave-one-out tells the noise of a tuned
# network (measured: the evidence covers .88 to .96, leave-one-out .93 to .97).
MOST_EDF = 0.3
NOISES = ("auto", "residual", "loo", "validation")


def check_numbers(noise: Any, **integers: Any) -> None:
    """Refuse numbers that are truth values."""
    if isinstance(noise, (bool, np.bool_)):
        raise ValueError(
            f"noise must be a positive variance or one of {sorted(NOISES)}, got "
            f"{noise!r}. Try noise='auto'."
        )
    for name, value in integers.items():
        if isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name} must be an integer, got {value!r}. Try {name}=1.")


class Noise(NamedTuple):
    """The law of the noise, in units of the scaled outputs."""

    Sigma: np.ndarray
    """(m, m); infinite where nothing is left to tell it by."""
    dof: np.ndarray
    """Degrees of freedom of Student's quantiles, (m,)."""
    kind: str
    """What it is; ``"known"`` for a number."""

    @property
    def s2(self) -> float:
        """Mean variance."""
        return float(np.trace(self.Sigma) / len(self.Sigma))

    @property
    def bounded(self) -> bool:
        """Whether it is known at all."""
        return bool(np.isfinite(self.Sigma).all())


def noise_of(
    kind: Any, formula: Formula, fit: LinearizedFit, found: EvidenceFit | None,
    held_out: HeldOut | None,
) -> Noise:  # fmt: skip
    """Return the `Noise` of a fit, as `kind` says.

    No degrees of freedom make it infinite, and every interval unbounded.
    """
    scale = fit.rows.scale
    if kind == "tuned":
        kind = "loo" if fit.share <= MOST_EDF else "evidence"
    if not isinstance(kind, str):
        known = float(kind) * np.eye(len(scale)) / np.outer(scale, scale)
        dof = np.full(len(scale), np.inf)
        noise, exhausted = Noise(known, dof, "known"), False
    elif kind == "validation":
        tuned = fit.rows.network.coordinates is not None
        noise, exhausted = _of_held_out_rows(held_out, scale, tuned), False
    elif kind == "evidence":
        s2 = found.evidence.noise if found else _of_penalties(fit)
        noise, exhausted = _of_evidence(fit, s2)
    else:
        Sigma = fit.loo_noise if kind == "loo" else fit.residual_noise
        noise = Noise(Sigma, np.maximum(fit.dof, 0.0), kind)
        # What is left of a y that does not vary is how far training came, no noise.
        exhausted = fit.exhausted or not fit.totals.spread.any()
    # Robust formulas rest on residuals whatever the noise is.
    if exhausted or (formula.robust and fit.exhausted):
        noise = noise._replace(Sigma=np.full_like(noise.Sigma, np.inf))
    return noise


def independent(kind: str) -> bool:
    """Return whether this noise does not need what is left of the rows."""
    return kind in ("validation", "evidence", "known")


def _of_held_out_rows(
    held_out: HeldOut | None, scale: np.ndarray, tuned: bool
) -> Noise:
    if held_out is None or not held_out.weight.size:
        cure = "Try" if tuned else "Fit with early_stopping=True, or try"
        raise InferenceUnavailable(
            "noise='validation' needs the rows that early stopping held out, and "
            f"none are known. {cure} noise='loo'."
        )
    n, e = held_out.weight.sum(), held_out.residuals
    Sigma = (e * held_out.weight) @ e.T / n / np.outer(scale, scale)
    return Noise(Sigma, np.full(len(e), n), "validation")


def _of_penalties(fit: LinearizedFit) -> float:
    """Return s^2 = 2F / (m (n - 1)), where Lambda is that of the evidence."""
    theta, m = fit.rows.network.parameters, len(fit.edf)
    F2 = np.trace(fit.leverages.rss) + theta @ fit.penalty.apply(theta)
    return float(F2 / (m * max(fit.n_samples - 1.0, 1.0)))


def _of_evidence(fit: LinearizedFit, s2: float) -> tuple[Noise, bool]:
    """Return the `Noise` of the marginal likelihood, and whether it is rounding.

    s^2 is estimated from all rows: given lambda, f(x) is Student with n less the flat
    parameters. n - edf would vanish where the network interpolates, although
    s^2 / lambda, the scale of such an interval, is well determined.
    """
    m, n = len(fit.edf), fit.n_samples
    rounding = np.finfo(float).eps * fit.totals.spread.max() / fit.rows.scale.min()
    silent = rounding == 0.0 or np.sqrt(s2) <= rounding
    law = Noise(s2 * np.eye(m), np.full(m, n - 1.0), "evidence")
    return law, n <= 1.0 or bool(silent)
