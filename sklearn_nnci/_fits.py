"""Rows, reduced by the cheaper route, factored, and what their residuals say.

The route is the dual one where the rows are fewer than 0.75 p, else the primal one;
memory is predicted before it is spent.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import _dual, _information, _jacobian
from sklearn_nnci._evidence import maximise
from sklearn_nnci._network import unpack
from sklearn_nnci._rows import EDF_EXHAUSTED, Penalty, leave_one_out

# Rows against parameters at which the two routes cost the same; bytes that a
# factorisation may take.
DUAL_BELOW = 0.75
MAX_BYTES = 2 * 2**30
# Outputs with less noise than this, beside their spread, count as having as much.
SMALLEST_SCALE = 1e-3


class InferenceUnavailable(ValueError):
    """Inference that cannot be done; `fit` turns it into a warning."""


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
        """What is left of the rows, n - edf, (m,)."""
        return self.rows.n_samples - self.edf

    @property
    def share(self):
        """The part of the rows used up, sum edf / (n m)."""
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

    def relative_offset(self, s2):
        """Return sqrt(g'A^+ g / edf) / s; 0 where s is 0, nan where it is not known."""
        if not np.isfinite(s2):
            return np.nan
        squared = self.information.offset(self.information.step()) / self.edf.sum()
        return float(np.sqrt(squared / s2)) if s2 > 0.0 else 0.0


def reduce_rows(network, rows):
    """Return the rows reduced by the cheaper route, within the memory allowed."""
    if not np.isfinite(rows.residuals).all():
        raise InferenceUnavailable(
            "The network's output on its training rows is not finite. Scale X and y."
        )
    n_rows, p = rows.residuals.size, network.n_parameters
    if n_rows >= DUAL_BELOW * p:
        _allow(2.5 * 8 * p**2, f"p = {p} parameters and {n_rows} rows")
        return _finite(_information.reduce_rows(network, rows))
    _allow(3.0 * 8 * n_rows**2, f"{n_rows} rows and p = {p} parameters")
    return _finite(_dual.reduce_rows(network, rows))


def reduce_primal(sums, penalty):
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


def factor(sums, penalty):
    """Return the `Fit` of the reduced rows under `penalty`."""
    information = sums.penalise(penalty)
    return Fit(information, information.leverage(), sums.rows.residuals)


def factor_evidence(sums):
    """Return the `Fit` at the penalty of the marginal likelihood, and that.

    Several outputs share one lambda and one s^2, so each is first measured in
    units of its own root mean square residual, or of a thousandth of its own spread
    if that is more: one output without noise would decide for all.
    """
    network, rows = sums.network, sums.rows
    m = network.n_outputs
    if m > 1:
        rms = np.sqrt(rows.residuals**2 @ rows.weight / rows.n_samples)
        scale = np.maximum(rms, SMALLEST_SCALE * rows.spread)
        rows = rows.rescaled(np.where(scale > 0.0, scale, 1.0))
        module = _information if sums.route == "primal" else _dual
        sums = module.reduce_rows(network, rows)
    evidence = maximise(*sums.spectrum_parts(m), rows.n_samples * m)
    fit = factor(sums, Penalty(evidence.strength, m))
    # The linearised model's own residuals: those at its optimum.
    step = unpack(fit.information.step(), network)
    moved = [
        _jacobian.times(F, step)
        for _, F in _jacobian.stream(network, rows.X, rows.seed)
    ]
    residuals = rows.residuals - np.concatenate(moved, axis=1)
    return fit._replace(residuals=residuals), evidence
