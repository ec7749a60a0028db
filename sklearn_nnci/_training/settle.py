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
MOST_STEPS = 50
# Damping, in units of the mean squared column: at first, and its range.
DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e-12, 1e8
# Done where a step promises less than this part of s^2: what is left then of the offset
# is some 1e-3 of the confidence region.
LEAST_GAIN = 1e-6


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
    damping = DAMPING
    for steps in range(MOST_STEPS):
        curvature, unit = _curvature(objective, point, groups)
        g = -objective.value_and_gradient(point.theta)[1]
        while True:
            try:
                step = curvature.step(g, strengths, damping * unit)
            except LinAlgError:  # A - S is not positive
                damping = 10.0 * max(damping, DAMPING)
                continue
            left, new = 0.5 * float(g @ step), objective.at(point.theta + step)
            gained = objective.change(point, new) < 0.0
            if gained or left < LEAST_GAIN * s2 or damping > MOST_DAMPING:
                break
            damping *= 10.0
        point, little = new if gained else point, left < LEAST_GAIN * s2
        # a step that damping shortened promises little anyway
        if little and damping <= DAMPING:
            return Settled(point, steps + gained, "gradient vanished")
        if not gained or (little and objective.like.kinked):
            stuck = "kink of relu" if objective.like.kinked else "no further decrease"
            return Settled(point, steps + gained, stuck)
        damping = max(damping / 10.0, LEAST_DAMPING)
    return Settled(point, MOST_STEPS, "iterations exhausted")


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
