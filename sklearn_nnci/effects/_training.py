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

    def smoother(self, G: np.ndarray) -> np.ndarray:
        """Return J (J'J + Lambda)^-1 G, (n, K)."""
        return self._factored(self.penalty).smoother(G)

    def representers(self, G: np.ndarray, share: float) -> np.ndarray:
        """Return J (J'J + share Lambda)^-1 G, (n, K), all but b_L being penalised.

        Intercepts too: a unit that the penalty switched off has one of which hardly
        anything depends, neither J nor G, and their ratio would count.
        """
        penalty = Penalty(share * self.penalty.strength, self.rows.network.n_outputs)
        return self._factored(penalty).smoother(G)

    def _factored(self, penalty: Penalty) -> Information:
        """Return J'J and a penalty, factored."""
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
    penalty, smooths = _penalty(member, reduced, problem.penalty)
    noise = _noise(member, reduced, problem.penalty)
    return Trained(reduced, penalty, smooths, noise)


def _penalty(member: Member, reduced: Reduction, own: Penalty) -> tuple[Penalty, bool]:
    """Return Lambda, and whether the network is at the minimum that belongs to it.

    Where it is not, the penalty is that of the evidence, if there is one.
    """
    report, network = member.state["report"], member.network
    if network.coordinates is not None:
        return own, True
    if network.n_parameters < reduced.totals.weight:
        if _offset(member, reduced, own) <= LARGEST_OFFSET:
            return own, True
    if FORMULAS[report["method"]].evidence:
        return Penalty(report["penalty"], network.n_outputs), False
    return own, False


def _offset(member: Member, reduced: Reduction, own: Penalty) -> float:
    """Return how far the curve is from that minimum, |J step| / (s sqrt(edf)).

    The step is one under a penalty of the intercepts too: a unit that the penalty
    switched off has one that nothing determines, and its step is rounding.
    """
    rows, network = reduced.rows.gather(), member.network
    e = rows.chunk(weighted=True).residuals.T
    g = rows.back(e)[0] - own.apply(network.parameters)[:, None]
    information = reduced.penalise(own._replace(n_free=network.n_outputs))
    moved, s2 = information.smoother(g), member.state["noise"][0, 0]
    size = np.sqrt(s2 * max(information.edf(), 1.0))
    return float(np.linalg.norm(moved) / size) if size > 0.0 else np.inf


def _noise(member: Member, reduced: Reduction, own: Penalty) -> np.ndarray:
    """Return s^2 at the training rows, in squared units of their residuals, (n,).

    Of robust covariances it is the squared residual of each row, as they take it.
    """
    state, rows = member.state, reduced.rows.gather()
    formula, Sigma = FORMULAS[state["report"]["method"]], state["noise"]
    if formula.robust:
        filling = formula.meat(Sigma, reduced.totals.weight, state["dof"])
        pairs = reduced.penalise(own).rowwise()
        roots = [filling.at(*pair).noise_root.ravel() for pair in pairs]
        return np.concatenate(roots) ** 2
    X = rows.arrays()[0]
    relative = standard_errors.relative_variance(state, member.network, X)
    return Sigma[0, 0] * relative[0] / rows.scale[0] ** 2
