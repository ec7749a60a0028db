"""Rows, reduced by the cheaper route, factored, and what their residuals say.

The route is the dual one where the rows are fewer than 0.75 p, else the primal one;
memory is predicted before it is spent.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_nnci._linearized import dual, dual_posterior, primal, primal_posterior
from sklearn_nnci._linearized.evidence import Evidence, maximise
from sklearn_nnci._linearized.protocols import (
    Information,
    Posterior,
    Reduction,
    TrainingRows,
)
from sklearn_nnci._linearized.residual_sums import ResidualSums
from sklearn_nnci._linearized.sandwich import LEVERAGE_CAP
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import EDF_EXHAUSTED, Penalty, Rows
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci.exceptions import InferenceUnavailable

# Rows against parameters at which the two routes cost the same; bytes that a
# factorisation may take.
DUAL_BELOW = 0.75
MAX_BYTES = 2 * 2**30
# Arrays of n x n, or of p x p, that the routes hold at the same time: measured, beside
# buffers of 64 MiB. On the dual route the evidence of several outputs takes 3.5; on the
# primal route the frequentist covariance, robust ones and all of several outputs take
# 4, the SVD of least squares, if J is short of rank, 7.
ARRAYS = 2.5
# Outputs with less noise than this, beside their spread, count as having as much.
SMALLEST_SCALE = 1e-3
SEED = 246088
# Leverage that leave-one-out is allowed to see under the penalty of the evidence, and
# of the network's own fit. Of units with kinks, a leverage near 1 means a kink between
# two rows, not noise: measured, coverage is the same and intervals half as wide.
SMOOTH_CAP, KINKED_CAP = 0.99, LEVERAGE_CAP
# Part of the rows that may be outliers in X.
FEW = 0.01


class LinearizedFit(NamedTuple):
    """A factored information, and what leverages and residuals add up to."""

    information: Any
    """`Information`; None once its memory was given back."""
    penalty: Penalty
    leverages: ResidualSums
    rows: TrainingRows
    totals: Totals
    """Their counts and second moments."""
    rank: int
    """rank J."""
    step: np.ndarray
    """The Gauss-Newton step that is left, A^+ g, (p,)."""
    decrement: float
    """g'A^+ g, the squared Newton decrement: twice what that step would gain."""

    @property
    def n_samples(self) -> float:
        """How many rows these stand for, n."""
        return self.totals.weight

    @property
    def edf(self) -> np.ndarray:
        """sum_i w_i (H_ii)_kk, (m,)."""
        return self.leverages.edf

    @property
    def dof(self) -> np.ndarray:
        """What is left of the rows, n - edf, (m,)."""
        return self.n_samples - self.edf

    @property
    def share(self) -> float:
        """The part of the rows used up, sum edf / (n m)."""
        return float(self.edf.sum()) / (self.n_samples * len(self.edf))

    @property
    def exhausted(self) -> bool:
        """Whether the residuals have no degrees of freedom left."""
        return bool(self.share > EDF_EXHAUSTED or self.dof.min() <= 0.0)

    @property
    def residual_noise(self) -> np.ndarray:
        """Sigma_kl = e_k'W e_l / sqrt(dof_k dof_l); infinite if exhausted."""
        if self.exhausted:
            return np.full((len(self.edf),) * 2, np.inf)
        return self.leverages.rss / np.sqrt(np.outer(self.dof, self.dof))

    @property
    def press(self) -> np.ndarray:
        """sum_i w_i l_i l_i' / n, l the leave-one-out residuals, (m, m)."""
        return self.leverages.press / self.n_samples

    @property
    def loo_noise(self) -> np.ndarray:
        """The same, leverages capped."""
        return self.leverages.press_capped / self.n_samples

    @property
    def reach(self) -> float:
        """The largest h / (1 - h): j'A^-1 j of a training row, were it left out.

        So a new row from the same distribution exceeds it once in n + 1 times. A few
        rows that are fitted by themselves alone do not count: all would be in reach.
        """
        h, few = self.leverages.largest, FEW * self.n_samples
        h = min(h, SMOOTH_CAP) if self.leverages.above <= few else h
        return float(h / (1.0 - h)) if h < 1.0 else np.inf

    def relative_offset(self, s2: float) -> float:
        """Return sqrt(g'A^+ g / edf) / s; 0 where s is 0, nan where it is not known."""
        return _offset(self.decrement, self.edf.sum(), s2)

    def without_factor(self) -> "LinearizedFit":
        """Return the same without the information, to have its memory back."""
        return self._replace(information=None)


def reduce_within_memory(rows: TrainingRows) -> Reduction:
    """Return the rows reduced by the cheaper route, within the memory allowed.

    Where neither route is, some rows are drawn, and not counted as more than they are:
    J_s'J_s <= J'J, so that for a given penalty and noise s^2 A^-1, of the bayesian
    formula, errs to the wide side only. Those with J'J or e outside of A^-1 may not.
    """
    m, p = rows.network.n_outputs, rows.network.n_parameters
    order = np.sqrt(MAX_BYTES / (8 * ARRAYS))  # of the largest matrices allowed
    fits, largest = p <= order, int(order / m)
    few = rows.size * m < DUAL_BELOW * p
    if fits and not (few and rows.size <= largest):
        return _finite(primal.reduce(rows))
    if rows.size > largest:
        chosen = np.random.default_rng(SEED).choice(rows.size, largest, replace=False)
        rows = rows.sample(np.sort(chosen))
    return _finite(dual.reduce(rows))


def reduce_primal(sums: Reduction, penalty: Penalty) -> Reduction:
    """Return the primal reduction in place of a dual that cannot serve `penalty`."""
    n_rows, p = len(sums.reduced), sums.network.n_parameters
    columns = p if penalty.least > 0.0 else n_rows
    what = f"p = {p} parameters under a penalty of {penalty.least:.2g}"
    _allow(3.0 * 8 * columns * p, what)
    return _finite(primal.reduce(sums.rows))


def _finite(sums: Reduction) -> Reduction:
    """Return the same, if it is finite."""
    for what, sum_ in (("residuals", sums.totals.rss), ("slopes", sums.reduced)):
        if not np.isfinite(sum_).all():
            raise InferenceUnavailable(
                f"{_largest(sums.rows)}: sums of squares of {what} at the training "
                "rows overflow. Try X and y divided by their largest values, in "
                "training too."
            )
    return sums


def _largest(rows: TrainingRows) -> str:
    """Return which of X and y is the larger, and its largest value."""
    if not isinstance(rows, Rows):
        return "X or y is too large"
    X = rows.X.data if sparse.issparse(rows.X) else rows.X
    values = {"X": X, "y": rows.y}
    sizes = {name: np.abs(each).max(initial=0.0) for name, each in values.items()}
    name = max(sizes, key=lambda one: sizes[one])
    return f"{name} is too large, {sizes[name]:.2g}"


def _allow(n_bytes: float, what: str) -> None:
    """Refuse what needs more memory than is allowed."""
    if n_bytes > MAX_BYTES:
        raise InferenceUnavailable(
            f"{what} need {n_bytes / 2**30:.1f} GiB to factor, more than "
            f"{MAX_BYTES / 2**30:.0f} GiB. Try covariance='evidence', a smaller "
            "network, or fit_inference on fewer rows."
        )


def factorise(
    sums: Reduction, penalty: Penalty, exact_rank: bool = False
) -> LinearizedFit:
    """Return the `LinearizedFit` of the reduced rows under `penalty`."""
    rank = sums.rank(exact_rank)  # first, in memory that the factor takes then
    information = sums.penalise(penalty)
    return _fit(information, information.leverages(LEVERAGE_CAP), rank)


def _fit(
    information: Information, leverages: ResidualSums, rank: int,
    step: np.ndarray | None = None,
) -> LinearizedFit:  # fmt: skip
    """Return the `LinearizedFit` of what is factored and summed."""
    step = information.step() if step is None else step
    sums, decrement = information.sums, information.decrement(step)
    known = information, information.penalty, leverages, sums.rows, sums.totals
    return LinearizedFit(*known, rank, step, decrement)


def relative_offset(sums: Reduction, penalty: Penalty) -> float:
    """Return sqrt(g'A^+ g / edf) / s under `penalty`, s^2 = RSS / (n m - edf).

    nan where the residuals say nothing about s, or the route cannot serve the penalty.
    It takes a factor of A, and no pass over the rows.
    """
    if sums.cancels(penalty):
        return np.nan
    information = sums.penalise(penalty)
    edf, rows = information.edf(), sums.totals.weight * len(sums.totals.rss)
    if edf > EDF_EXHAUSTED * rows:
        return np.nan
    s2 = np.trace(sums.totals.rss) / (rows - edf)
    return _offset(information.decrement(information.step()), edf, s2)


def _offset(decrement: float, edf: float, s2: float) -> float:
    """Return sqrt(decrement / edf) / s; 0 where s is 0, nan where it is not known."""
    if not np.isfinite(s2):
        return np.nan
    return float(np.sqrt(decrement / edf / s2)) if s2 > 0.0 else 0.0


class EvidenceFit(NamedTuple):
    """The rows under the penalty that they ask for themselves."""

    fit: LinearizedFit
    """Under the penalty of the marginal likelihood; its step leads to the optimum."""
    evidence: Evidence
    nearest: LinearizedFit | None
    """Under the penalty that the network agrees with, without a factor; None unless
    asked, or where there are more parameters than rows."""


def factor_evidence(sums: Reduction, strength: float | None = None) -> EvidenceFit:
    """Return the `EvidenceFit` of the reduced rows.

    `strength` is lambda of training, the least that the network can agree with, or
    None where that is not asked for. Several outputs share one lambda and one s^2, so
    each is first measured in units of its own root mean square residual, or of a
    thousandth of its own spread if that is more: one output without noise would decide
    for all.
    """
    rank = sums.rank(exactly=False)
    m, sums = sums.network.n_outputs, _in_own_units(sums)
    n, agree = sums.totals.weight * m, None
    if strength is not None and sums.network.n_parameters < n:
        agree = sums.residuals, strength / np.mean(sums.rows.scale**2)
    evidence, nearest = maximise(*sums.spectrum_parts(m), n, agree), None
    if np.isfinite(evidence.agreeing):
        information = sums.penalise(Penalty(evidence.agreeing, m))
        cap = KINKED_CAP if sums.network.kinked else SMOOTH_CAP
        nearest = _fit(information, information.leverages(cap), rank)
        nearest = nearest.without_factor()
        del information  # before the next one takes as much
    information = sums.penalise(Penalty(evidence.strength, m))
    step = information.step()
    fit = _fit(information, information.leverages(SMOOTH_CAP, step), rank, step)
    return EvidenceFit(fit, evidence, nearest)


def _in_own_units(sums: Reduction) -> Reduction:
    """Return the reduction with every output in units of its own residuals."""
    totals = sums.totals
    if len(totals.rss) == 1:
        return sums
    rms = np.sqrt(np.diag(totals.rss) / totals.weight)
    scale = np.maximum(rms, SMALLEST_SCALE * totals.spread)
    rows = sums.rows.rescaled(np.where(scale > 0.0, scale, 1.0))
    return sums.again(rows)


# How to have the posterior back that a state names.
RESTORE: dict[str, Callable[[Network, dict[str, Any]], Posterior]] = {
    "primal": primal_posterior.restore,
    "dual": dual_posterior.restore,
}


def restore(network: Network, state: dict[str, Any]) -> Posterior:
    """Return the posterior that ``state`` describes, at the weights of `network`."""
    return RESTORE[state["route"]](network, state)
