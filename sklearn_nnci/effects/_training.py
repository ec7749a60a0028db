"""The rows that trained, factored as corrections need them."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_consistent_length

from sklearn_nnci._inference import standard_errors
from sklearn_nnci._inference.formulas import FORMULAS
from sklearn_nnci._linearized.protocols import Information, Reduction
from sklearn_nnci._linearized.route import reduce_primal, reduce_within_memory
from sklearn_nnci._linearized.training_rows import Penalty, Rows, target
from sklearn_nnci.effects._model import Member, Model

# Relative offset beyond which a network is not at a minimum: that of the fit's own
# check of named covariances.
LARGEST_OFFSET = 0.3


class Trained(NamedTuple):
    """Rows that trained a network, reduced."""

    reduced: Reduction
    penalty: Penalty
    """Lambda."""
    smooths: bool
    """Whether the network follows y as a linear smoother: it is at the minimum that
    belongs to Lambda."""
    noise: np.ndarray
    """s^2 of rows, in units of their residuals, (n,)."""

    @property
    def rows(self) -> Rows:
        """The rows that were reduced."""
        rows = self.reduced.rows
        assert isinstance(rows, Rows)
        return rows

    def information(self, share: float = 1.0) -> Information:
        """Return J'WJ + share Lambda, factored."""
        penalty = self.penalty._replace(strength=share * self.penalty.strength)
        reduced = self.reduced
        if reduced.cancels(penalty):
            reduced = reduce_primal(reduced, penalty)
        return reduced.penalise(penalty)


class Given(NamedTuple):
    """The rows given to fit, as the network saw them."""

    X: np.ndarray
    """(n, d)."""
    y: np.ndarray
    """(n, 1)."""
    weight: Any
    """(n,), or None."""


def given(model: Model, training: tuple) -> Given:
    """Return the `Given` of (X, y) or (X, y, sample_weight)."""
    X, y, *w = training
    rows = Given(model.sees(X), target(model.targets(y)), w[0] if w else None)
    check_consistent_length(rows.X, rows.y)
    return rows


def trained(member: Member, rows: Given) -> Trained:
    """Return the `Trained` of the rows that were given to fit.

    ValueError if they are not those of the inference.
    """
    problem = member.estimator._problem(*rows)
    reduced, scale = reduce_within_memory(problem.rows), problem.rows.scale
    totals = reduced.totals
    here = totals._replace(rss=totals.rss * np.outer(scale, scale))
    if not standard_errors.same_rows(member.state, here):
        raise ValueError(
            "training holds other rows than the last inference: their number, their "
            "y, or what is left of it differ. Try the X and y (and weights) given to "
            "fit."
        )
    penalty, smooths = _penalty(member, problem.penalty, totals.weight)
    return Trained(reduced, penalty, smooths, _noise(member, reduced.rows))


def _penalty(member: Member, own: Penalty, n: float) -> tuple[Penalty, bool]:
    """Return Lambda, and whether the network is at the minimum that belongs to it.

    Where it is not, the penalty is that of the evidence, if there is one.
    """
    report, network = member.state["report"], member.network
    if network.coordinates is not None:
        return own, True
    at_minimum = report["relative_offset"] <= LARGEST_OFFSET  # nan: not known
    if at_minimum and network.n_parameters < n:
        return own, True
    if FORMULAS[report["method"]].evidence:
        return Penalty(report["penalty"], network.n_outputs), False
    return own, False


def _noise(member: Member, rows: Any) -> np.ndarray:
    """Return s^2 at the training rows, in squared units of their residuals, (n,)."""
    X = rows.arrays()[0]
    relative = standard_errors.relative_variance(member.state, member.network, X)
    return member.state["noise"][0, 0] * relative[0] / rows.scale[0] ** 2
