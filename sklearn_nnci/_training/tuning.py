"""Training that chooses its own penalties: the evidence framework.

y_k = f_k(x; theta) + e_k, e_k ~ N(0, s_k^2), and theta_g ~ N(0, s^2 / lambda_g) for the
groups of `groups`, with s_k = c_k s, s^2 the mean of the s_k^2, on data of mean 0 and
variance 1. With F of `objective`, rows of output k weighted by 1 / c_k^2, and the
Laplace approximation at the weights at hand (MacKay 1992; Foresee & Hagan 1997),

    s^2 = 2F / (m (n - 1)),
    log Z = -m (n - 1) / 2 (log 2 pi s^2 + 1) - n sum_k log c_k
            - 1/2 [log |A| - sum_g k_g log lambda_g],
    lambda_g <- s^2 gamma_g / |theta_g|^2,
    s_k^2 <- (|e_k|^2 + s_k^2 edf_k) / n,

one such update for one Levenberg-Marquardt step on F. The intercepts of the output are
integrated out with density 1. 2F / (m (n - 1)) is RSS / (n m - edf) where all penalties
have settled within `RANGE` (one at its lower end adds lambda |theta_g|^2 - s^2 gamma_g
to 2F), but neither negative nor infinite before, however many parameters there
are.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError

from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network, pack, unpack
from sklearn_nnci._training.curvature import Curvature, Determined, curvature_at
from sklearn_nnci._training.groups import Groups, groups_of
from sklearn_nnci._training.objective import Objective, Point
from sklearn_nnci._training.polish import Polish
from sklearn_nnci._training.settle import settle

# Range of lambda / s^2: below it a nearly linear unit runs off to infinity (MacKay's
# update does not see dJ / dtheta), above it an input is off.
RANGE = (0.05, 1e5)
# lambda changes by at most this factor in a step.
MOST_CHANGE = np.exp(2.0)
# Least s^2: that of data without noise, which have none to tell.
LEAST_NOISE = 1e-6
# A unit is active if more of its own parameters than this are well determined.
ACTIVE = 1.0
# Well-determined parameters of a group are at least so many.
LEAST_GAMMA = 1e-10
# Damping: at first and where no step is one, in units of the mean squared column.
DAMPING, MOST_DAMPING, LEAST_DAMPING, TRIES = 1e-2, 1e8, 1e-10, 12
# Done where CALM steps in a row gain less than this part of s^2, and penalties of what
# is determined change by less than this in their logarithm.
LEAST_GAIN, LEAST_CHANGE, CALM = 1e-3, 0.03, 3
# By more than this in a step, when they are used up, training was cut short.
STILL_MOVING = 0.5
# Less by this factor without hidden layers: log Z is exact then, its maximum too.
EXACT = 1e-3
# First penalties, and steps before they are updated, in turns. From the first, smooth
# curves come out best, but a curve that bends much is taken for noise; the second finds
# that, but overfits small samples. The evidence tells which did better.
FIRST = ((1.0, 5), (0.01, 30))


class Data(NamedTuple):
    """Rows to train on, standardised."""

    X: np.ndarray
    """(n, d)."""
    y: np.ndarray
    """(n, m)."""
    w: np.ndarray
    """(n,), positive."""

    @property
    def n(self) -> float:
        """Rows that these stand for, n = sum w; at least two."""
        return max(float(self.w.sum()), 2.0)


class Penalties(NamedTuple):
    """What is tuned."""

    strengths: np.ndarray
    """lambda_g, (G,)."""
    units: np.ndarray
    """c_k, (m,), of mean square 1."""


class State(NamedTuple):
    """Where training is."""

    point: Point
    penalties: Penalties
    damping: float
    calm: int
    """Steps in a row that changed little."""
    moved: float = np.inf
    """Largest change of a log penalty in the last step, of what is determined."""


class Tuned(NamedTuple):
    """A trained network, on standardised data."""

    network: Network
    penalties: Penalties
    noise: float
    """s^2."""
    log_evidence: float
    """log Z."""
    gamma: np.ndarray
    """(G,)."""
    active: tuple[int, ...]
    """Units of each hidden layer that the rows determine."""
    losses: np.ndarray
    """F / (n m) after each step, and at the end."""
    settled: Polish
    """From there to the minimum."""
    unfinished: bool
    """Whether penalties were still on the move when the steps were used up."""


class Tuning(NamedTuple):
    """The problem: one network, on some rows."""

    data: Data
    like: Network
    groups: Groups

    def objective(self, penalties: Penalties) -> Objective:
        """Return F."""
        X, y, w = self.data
        w = w / penalties.units[:, None] ** 2 if y.shape[1] > 1 else w
        penalty = self.groups.penalty(penalties.strengths)
        return Objective(self.like, X, y.T, w, penalty, LOSSES["squared_error"])

    def noise(self, F: float) -> float:
        """Return s^2."""
        m = self.data.y.shape[1]
        return max(2.0 * F / (m * (self.data.n - 1.0)), LEAST_NOISE)

    def log_evidence(self, F: float, penalties: Penalties, log_det: float) -> float:
        """Return log Z."""
        n, m, s2 = self.data.n, len(penalties.units), self.noise(F)
        fit = m * (n - 1.0) * np.log(2.0 * np.pi * s2) + 2.0 * F / s2
        units = 2.0 * n * np.log(penalties.units).sum()
        return float(-0.5 * (fit + units + log_det))

    def updated(
        self, point: Point, old: Penalties, found: Determined, s2: float
    ) -> Penalties:
        """Return the penalties after one update."""
        squares = np.maximum(self.groups.sums(point.theta**2), np.finfo(float).tiny)
        gamma = np.clip(found.gamma, LEAST_GAMMA, self.groups.sizes)
        new = s2 * gamma / squares
        new = np.clip(new, old.strengths / MOST_CHANGE, old.strengths * MOST_CHANGE)
        new = np.clip(new, RANGE[0] * s2, RANGE[1] * s2)
        if len(old.units) == 1:
            return Penalties(new, old.units)
        rss = (self.data.y.T - point.f) ** 2 @ self.data.w
        noise = (rss + s2 * old.units**2 * found.edf) / self.data.n
        noise = np.maximum(noise, LEAST_NOISE)
        return Penalties(new, np.sqrt(noise / noise.mean()))


def tune(
    data: Data, network: Network, first: tuple[float, int], max_steps: int
) -> Tuned:
    """Return the network trained from its weights under penalties of its own.

    `first` are the first penalty, and the steps before it is updated.
    """
    tuning, losses = Tuning(data, network, groups_of(network)), list[float]()
    strengths = np.full(tuning.groups.n_groups, first[0])
    penalties = Penalties(strengths, np.ones(network.n_outputs))
    start = tuning.objective(penalties).at(pack(*network[:2]))
    state = State(start, penalties, DAMPING, 0)
    for step in range(max_steps):
        state = _advance(tuning, state, tune=step >= min(first[1], max_steps // 2))
        losses.append(tuning.objective(state.penalties).value(state.point))
        if state.calm >= CALM:
            break
    return _conclude(tuning, state, losses)


def _advance(tuning: Tuning, state: State, tune: bool) -> State:
    """Return the state after an update of the penalties and a step."""
    point, penalties = state.point, state.penalties
    objective = tuning.objective(penalties)
    curvature, moved = curvature_at(objective, point, tuning.groups), np.inf
    if tune:
        old, s2 = penalties, tuning.noise(objective.value(point))
        found = curvature.determined(old.strengths)
        penalties = tuning.updated(point, old, found, s2)
        objective = tuning.objective(penalties)
        curvature = curvature.in_units(penalties.units / old.units)
        change = np.abs(np.log(penalties.strengths / old.strengths))
        moved = np.max(change * np.clip(found.gamma, 0.0, 1.0), initial=0.0)
    s2 = tuning.noise(objective.value(point))
    after, damping, gain = _step(objective, curvature, point, penalties, state.damping)
    least = EXACT if len(tuning.like.coefs) == 1 else 1.0
    little = gain < least * LEAST_GAIN * s2 and moved < least * LEAST_CHANGE
    return State(after, penalties, damping, state.calm + 1 if little else 0, moved)


def _step(
    objective: Objective, curvature: Curvature, point: Point, penalties: Penalties,
    damping: float,
) -> tuple[Point, float, float]:  # fmt: skip
    """Return the point after a Levenberg-Marquardt step, the damping and the gain."""
    g, unit = -objective.value_and_gradient(point.theta)[1], curvature.unit
    for _ in range(TRIES):
        try:
            step = curvature.step(g, penalties.strengths, damping * unit)
        except LinAlgError:
            step = np.full_like(g, np.nan)
        new = objective.at(point.theta + step)
        change = objective.change(point, new)
        if change < 0.0:
            return new, max(damping / 3.0, LEAST_DAMPING), -change
        damping *= 4.0
        if damping > MOST_DAMPING:
            break
    return point, DAMPING, 0.0


def _conclude(tuning: Tuning, state: State, losses: list[float]) -> Tuned:
    """Return what was found, at the minimum of F at the penalties of the end."""
    penalties, groups = state.penalties, tuning.groups
    objective, before = tuning.objective(penalties), losses[-1]
    s2 = tuning.noise(before)
    end = settle(objective, state.point, groups, penalties.strengths, s2)
    F, gradient = objective.value_and_gradient(end.point.theta)
    curvature = curvature_at(objective, end.point, groups)
    found = curvature.determined(penalties.strengths)
    by_parameter = curvature.by_parameter(penalties.strengths)
    size = float(np.abs(gradient).max())
    method = "levenberg-marquardt"
    return Tuned(
        network=unpack(end.point.theta, tuning.like),
        penalties=penalties,
        noise=tuning.noise(F),
        log_evidence=tuning.log_evidence(F, penalties, found.log_det),
        gamma=found.gamma,
        active=active_units(unpack(by_parameter, tuning.like)),
        losses=np.array([*losses, F]) / (tuning.data.n * tuning.data.y.shape[1]),
        unfinished=state.calm < CALM and state.moved > STILL_MOVING,
        settled=Polish(end.steps, before, F, size, method, end.reason),
    )


def active_units(gamma: Network) -> tuple[int, ...]:
    """Return how many units of each hidden layer the rows determine.

    `gamma` are well-determined parameters, as the blocks of a network. Units with less
    than one share their task, or have none: exchanging them gives no other network.
    """
    layers = zip(gamma.coefs[:-1], gamma.intercepts[:-1], gamma.coefs[1:], strict=True)
    return tuple(
        int((W.sum(axis=0) + b + out.sum(axis=1) > ACTIVE).sum())
        for W, b, out in layers
    )
