"""The noise of an observation: where its variance comes from, and how well it is known.

residual      RSS / (n - edf)
loo           mean squared leave-one-out residual
evidence      that of the marginal likelihood
validation    mean square of the rows that early stopping held out
a number      known
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference.formulas import Formula
from sklearn_nnci._linearized.route import EvidenceFit, LinearizedFit
from sklearn_nnci._training.problem import HeldOut
from sklearn_nnci.exceptions import InferenceUnavailable

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
    if not isinstance(kind, str):
        known = float(kind) * np.eye(len(scale)) / np.outer(scale, scale)
        noise, exhausted = Noise(known, np.full(len(scale), np.inf)), False
    elif kind == "validation":
        noise, exhausted = _of_held_out_rows(held_out, scale), False
    elif found is not None and kind == "evidence":
        noise, exhausted = _of_evidence(found)
    else:
        Sigma = fit.loo_noise if kind == "loo" else fit.residual_noise
        noise, exhausted = Noise(Sigma, np.maximum(fit.dof, 0.0)), fit.exhausted
    # Robust formulas rest on residuals whatever the noise is.
    if exhausted or (formula.robust and fit.exhausted):
        noise = noise._replace(Sigma=np.full_like(noise.Sigma, np.inf))
    return noise


def independent(kind: Any) -> bool:
    """Return whether this noise does not come from the rows that trained."""
    return kind == "validation" or not isinstance(kind, str)


def _of_held_out_rows(held_out: HeldOut | None, scale: np.ndarray) -> Noise:
    if held_out is None or not held_out.weight.size:
        raise InferenceUnavailable(
            "noise='validation' needs the rows that early stopping held out, and "
            "none are known. Fit with early_stopping=True, or try noise='loo'."
        )
    n, e = held_out.weight.sum(), held_out.residuals
    Sigma = (e * held_out.weight) @ e.T / n / np.outer(scale, scale)
    return Noise(Sigma, np.full(len(e), n))


def _of_evidence(found: EvidenceFit) -> tuple[Noise, bool]:
    """Return the `Noise` of the marginal likelihood, and whether it is rounding.

    s^2 is estimated from all rows: given lambda, f(x) is Student with n less the flat
    parameters. n - edf would vanish where the network interpolates, although
    s^2 / lambda, the scale of such an interval, is well determined.
    """
    fit, s2 = found.fit, found.evidence.noise
    m, n = len(fit.edf), fit.n_samples
    rounding = np.finfo(float).eps * fit.totals.spread.max() / fit.rows.scale.min()
    silent = rounding == 0.0 or np.sqrt(s2) <= rounding
    return Noise(s2 * np.eye(m), np.full(m, n - 1.0)), n <= 1.0 or bool(silent)
