"""From where tuning stopped to the minimum of F at the penalties that it found.

Gauss-Newton steps crawl there, since they do not see S, the curvature of the network
itself: the Hessian of F is A - S. Newton's are taken, damped as Levenberg-Marquardt's
and where A - S is not positive until it is,

    (A - S + mu I) d = g.

Where S would cost too much they keep to A.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError

from sklearn_nnci._training.curvature import Curvature, curvature_at, primal_at
from sklearn_nnci._training.groups import Groups
from sklearn_nnci._training.objective import Objective, Point

# Parameters up to which S is computed: by a dozen passes over the rows for ten inputs
# and one hidden layer, by one for each parameter of a deeper network.
MOST_PARAMETERS, MOST_OF_DEEPER = 500, 150
MOST_STEPS = 30
# Damping, in units of the mean squared column: at first, and its range.
DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e-12, 1e8
# Done where a step promises less than this part of s^2: what is left then of the offset
# is some 1e-2 of the confidence region.
LEAST_GAIN = 1e-4


class Settled(NamedTuple):
    """What settling did."""

    point: Point
    steps: int
    reason: str
    """As in `Polish`."""


def settle(
    objective: Objective, point: Point, groups: Groups, strengths: np.ndarray, s2: float
) -> Settled:
    """Return the minimum that `point` leads to, under the lambda_g `strengths`."""
    damping, kinked = DAMPING, objective.like.kinked
    for steps in range(MOST_STEPS):
        new, promised, damping = _step(objective, point, groups, strengths, damping, s2)
        gained, little = new is not None, promised < LEAST_GAIN * s2
        point = point if new is None else new
        # what a step that damping shortened promises says nothing
        if little and damping <= DAMPING:
            return Settled(point, steps + gained, "gradient vanished")
        if not gained or (little and kinked):
            stuck = "kink of relu" if kinked else "no further decrease"
            return Settled(point, steps + gained, stuck)
        damping = max(damping / 10.0, LEAST_DAMPING)
    return Settled(point, MOST_STEPS, "iterations exhausted")


def _step(
    objective: Objective, point: Point, groups: Groups, strengths: np.ndarray,
    damping: float, s2: float,
) -> tuple[Point | None, float, float]:  # fmt: skip
    """Return the next point, or None, what was promised of it, and its damping."""
    curvature, unit = _curvature(objective, point, groups)
    g, promised = -objective.value_and_gradient(point.theta)[1], np.inf
    while damping <= MOST_DAMPING:
        try:
            step = curvature.step(g, strengths, damping * unit)
        except LinAlgError:  # A - S is not positive
            damping = 10.0 * max(damping, DAMPING)
            continue
        promised, new = 0.5 * float(g @ step), objective.at(point.theta + step)
        if objective.change(point, new) < 0.0:
            return new, promised, damping
        enough = damping <= DAMPING or objective.like.kinked
        if enough and promised < LEAST_GAIN * s2:
            break
        damping *= 10.0
    return None, promised, damping


def _curvature(
    objective: Objective, point: Point, groups: Groups
) -> tuple[Curvature, float]:
    """Return the `Curvature` of A - S, or of A, and the unit of damping, that of A.

    Where J vanishes, all units being off, that is 1.
    """
    deeper = len(objective.like.coefs) > 2
    if len(point.theta) > (MOST_OF_DEEPER if deeper else MOST_PARAMETERS):
        curvature = curvature_at(objective, point, groups)
        return curvature, curvature.unit or 1.0
    curvature = primal_at(objective, point, groups)
    hessian = curvature.grams.sum(axis=0) - objective.second_order(point)
    return curvature._replace(grams=hessian[None]), curvature.unit or 1.0
