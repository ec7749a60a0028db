"""From a factored fit to the law of the noise: quantiles, variance, and their tests."""

import functools
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference.counts import CountLaw, count_law
from sklearn_nnci._inference.error_law import ErrorLaw, error_law
from sklearn_nnci._inference.noise import Noise, independent
from sklearn_nnci._inference.noise_checks import NoiseTest, evenness, normality
from sklearn_nnci._inference.variance import Variances
from sklearn_nnci._inference.variance_choice import (
    MOST_ROWS,
    Residuals,
    variance_of,
)
from sklearn_nnci._linearized.left_out import Knots
from sklearn_nnci._linearized.route import KINKED_CAP, SMOOTH_CAP, LinearizedFit
from sklearn_nnci._linearized.sandwich import LEVERAGE_CAP, leave_one_out
from sklearn_nnci._linearized.training_rows import Chunk, Rows
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.losses import Loss
from sklearn_nnci._network.perceptron import Network, unpack
from sklearn_nnci._numerics.chunks import row_slices
from sklearn_nnci._training.problem import HeldOut
from sklearn_nnci.exceptions import InferenceUnavailable


class Asked(NamedTuple):
    """What is asked of the law of the noise."""

    errors: str = "normal"
    variance: Any = "constant"

    @property
    def varying(self) -> bool:
        """Whether noise may vary."""
        return not isinstance(self.variance, str) or self.variance != "constant"

    @property
    def empirical(self) -> bool:
        """Whether quantiles are those of residuals."""
        return self.errors == "empirical"


NORMAL = Asked()


class Varying(NamedTuple):
    """How the noise varies, and the residuals with that divided out."""

    variances: Variances
    residuals: Knots
    left_out: np.ndarray
    """Mean of l_i^2 s^2 / s^2(x_i), l the leave-one-out residuals, (m,)."""


class Law(NamedTuple):
    """The law of the noise, beside its variance."""

    errors: ErrorLaw | None
    """None: normal."""
    variances: Variances | None
    """None: constant, as nothing else was asked for."""
    normality: NoiseTest
    evenness: NoiseTest
    counts: CountLaw | None
    """None where there are no counts."""

    @property
    def uneven(self) -> Variances | None:
        """How the noise varies; None if it does not."""
        return None if self.variances and self.variances.constant else self.variances

    @property
    def names(self) -> dict[str, Any]:
        """What it is, in words."""
        errors = "normal"
        if self.errors is not None:
            errors = "empirical" + ", skewed" * bool(self.errors.skewed.any())
        variance = "constant" if self.variances is None else self.variances.names
        counts = () if self.counts is None else self.counts
        law = tuple(v if len(v) > 1 else float(v[0]) for v in counts)
        return dict(errors=errors, variance=variance, count_law=law)


def check(asked: Asked, loss: Loss, rows: Any) -> None:
    """Refuse what counts have not, and what takes all rows in one place."""
    if not loss.linear and (asked.empirical or asked.varying):
        name = "errors" if asked.empirical else "variance"
        raise InferenceUnavailable(
            f"{name}={getattr(asked, name)!r} is for squared errors: counts have a law "
            f"of their own. Try {name}={Asked._field_defaults[name]!r}."
        )
    if asked.varying and not isinstance(rows, Rows):
        raise InferenceUnavailable(
            f"variance={asked.variance!r} takes rows in one place, and X is a dask "
            "array. Try variance='constant', or fit_inference on a part of the rows."
        )


def varying(fit: LinearizedFit, step: np.ndarray | None, wanted: Any) -> Varying:
    """Return how the noise varies with X and f, by the residuals of `fit`.

    Those after `step`, where the optimum of the evidence is another network.
    """
    x, f, r, l, w = _rows(fit, step)
    each = [Residuals.of(x, f[:, k], r[:, k], w) for k in range(f.shape[1])]
    variances, even = zip(*(variance_of(one, wanted) for one in each), strict=True)
    knots = Knots(np.array(even), np.array([one.w for one in each]))
    found, left_out = Variances(variances), np.zeros(f.shape[1])
    for part in row_slices(len(f), 8 * MOST_ROWS):  # kernels have as many columns
        s2 = found(x[part].T, f[part].T).T
        left_out += w[part] @ (l[part] ** 2 / s2)
    return Varying(found, knots, left_out / w.sum())


def law_of(
    asked: Asked, fit: LinearizedFit, noise: Noise, varies: Varying | None,
    held_out: HeldOut | None, *, auto: bool,
) -> Law:  # fmt: skip
    """Return the `Law` of the noise around a network; `fit` leaves its rows out.

    Under ``"auto"`` the variance of the mean of counts knows how theirs grows; named
    covariances have one dispersion for all.
    """
    seen, errors, s2 = fit.leverages.left_out, None, np.diag(noise.Sigma)
    if asked.empirical:
        # Where noise is even all rows tell, of which `varies` may have some only
        residuals = seen.residuals
        if varies is not None and not varies.variances.constant:
            residuals = varies.residuals
        if noise.kind == "validation" and held_out is not None:
            residuals = _of_held_out_rows(held_out, varies)
        errors = error_law(residuals, noise.dof)
    variances = None if varies is None else varies.variances
    # A noise that is not of the rows that trained is the dispersion of counts
    given = s2 if independent(noise.kind) else None
    counts = count_law(fit.leverages.counts, given)
    if counts is not None and auto:
        variances = counts.variances(s2)
    tests = normality(seen.residuals), evenness(seen.trend)
    return Law(errors, variances, *tests, counts)


def _of_held_out_rows(held_out: HeldOut, varies: Varying | None) -> Knots:
    """Return the residuals of rows that did not train, as if noise were even."""
    e = held_out.residuals
    if varies is not None:
        s2 = varies.variances(held_out.columns, held_out.predicted)
        e = e / np.sqrt(s2)
    return Knots.of(e, held_out.weight)


def _rows(fit: LinearizedFit, step: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return x (n, d), f, residuals r and l (n, m), and weights (n,) of all rows."""
    network, parts = fit.rows.network, []
    cap = KINKED_CAP if network.kinked else SMOOTH_CAP
    for chunk, H in fit.information.rowwise():
        e = chunk.residuals
        if step is not None:  # the factors of the chunk may be weighted
            F = jacobian.factors(network, chunk.columns.T)
            e = e - jacobian.jvp(F, unpack(step, network)) / fit.rows.scale[:, None]
        r, l = leave_one_out(e, H, LEVERAGE_CAP, power=0.5), leave_one_out(e, H, cap)
        parts.append((chunk.columns.T, chunk.predicted.T, r.T, l.T, chunk.weight))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def reach(fit: LinearizedFit, posterior: Any, law: Law, noise: np.ndarray) -> float:
    """Return the largest v_i / (s^2(x_i) (1 - h_i)); of even noise it is h/(1 - h).

    `noise` is s^2, (m,), in units of y. Where the noise is small the prior's share of v
    is not, so that rows among others would seem to lie beyond them.
    """
    if posterior is None or law.uneven is None:
        return fit.reach
    known = posterior, fit.rows.network, law.uneven, noise
    farthest = fit.information.largest(functools.partial(_left_out_leverage, *known))
    return float(np.fmax(fit.reach, farthest))


def _left_out_leverage(
    posterior: Any, network: Network, uneven: Variances, noise: np.ndarray,
    chunk: Chunk, H: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return v_i / (s^2(x_i) (1 - h_i)), (m, k)."""
    h = np.minimum(np.einsum("nkk->kn", H), LEVERAGE_CAP)
    F = jacobian.factors(network, chunk.columns.T)
    v = chunk.root_weight**2 * posterior.variance(F)
    return v / (noise[:, None] * uneven(chunk.columns, chunk.predicted) * (1.0 - h))
