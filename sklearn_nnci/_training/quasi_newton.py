"""L-BFGS-B to the minimum of F, plainly and in the metric of its Hessian H.

With C C' = H at theta_0, F as a function of z,

    theta = theta_0 + C^-T z,    grad_z = C^-1 grad F,

has the Hessian I where it starts, which L-BFGS-B takes it for: its first step is
Newton's, and later ones learn what has changed since. They cost a gradient and two
triangular solves, H as much as fifty gradients: it is renewed after some steps only.
Where H is not positive, H + mu I is, or A + mu I, the part of Gauss and Newton.
"""

import numpy as np
from scipy import optimize
from scipy.linalg import lapack

from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._training.objective import Objective, Point

# Done where the step left is this part of the residual noise, in the metric of H.
TOLERANCE = 1e-6
# Parameters up to which H is worth its time: with 961 it takes no longer to the minimum
# than plain steps to their limit, before that.
MOST_PARAMETERS = 1000
# Steps in one metric, and mu in units of the largest entry of the diagonal of A: up to
# the first of them H is positive but for rounding.
STEPS_IN_METRIC, SHIFTS = 30, (1e-10, 1e-7, 1e-4, 1e-3)

# (point, steps, reason)
Ended = tuple[Point, int, str]


def has_hessian(network: Network) -> bool:
    """Return whether H tells where to go, at the price of some gradients.

    With relu it ends at kinks; of deeper networks S takes a pass over the rows for each
    parameter.
    """
    few = network.n_parameters <= MOST_PARAMETERS
    return few and len(network.coefs) <= 2 and not network.kinked


def plain(objective: Objective, point: Point, limit: int) -> Ended:
    """Return (point, steps, reason) after at most `limit` steps."""
    gtol = 0.01 * TOLERANCE * np.sqrt(objective.noise(point) * objective.w.sum())
    result = optimize.minimize(
        objective.value_and_gradient, point.theta, jac=True, method="L-BFGS-B",
        options=_options(gtol, limit),
    )  # fmt: skip
    reason = "iterations exhausted" if result.status == 1 else stuck(objective.like)
    if np.abs(result.jac).max() <= gtol:
        reason = "gradient vanished"
    return objective.at(result.x), int(result.nit), reason


def _options(gtol: float, limit: int) -> dict:
    # ftol, left at scipy's default, is what ends scikit-learn's lbfgs early.
    return dict(ftol=0.0, gtol=gtol, maxcor=20, maxiter=limit, maxfun=10 * limit)


def stuck(network: Network) -> str:
    """Return why no step helps."""
    return "kink of relu" if network.kinked else "no further decrease"


def preconditioned(objective: Objective, point: Point, limit: int) -> Ended:
    """Return (point, steps, reason) after at most `limit` steps.

    Where a metric leads nowhere, directions being too flat in it, its mu is not tried
    again.
    """
    n_steps, least = 0, 0
    while n_steps < limit and least <= len(SHIFTS):
        C, used = _metric(objective, point, least)
        if C is None:
            break
        most = min(limit - n_steps, STEPS_IN_METRIC)
        new, more, vanished = _steps(objective, point, C, most)
        falls, n_steps = objective.change(point, new) < 0.0, n_steps + more
        point = new if falls else point
        if vanished and used == least:
            return point, n_steps, "gradient vanished"
        least = least if falls else used + 1
    exhausted = n_steps >= limit
    reason = "iterations exhausted" if exhausted else stuck(objective.like)
    return point, n_steps, reason


def _metric(
    objective: Objective, point: Point, least: int
) -> tuple[np.ndarray | None, int]:
    """Return C (p, p), lower, and which of `SHIFTS` from `least` on makes H positive.

    Beyond them C is that of A, and None where that is not finite.
    """
    A, _ = objective.normal_equations(point)
    H, unit = A - objective.second_order(point), np.max(A.diagonal())
    for used in range(least, len(SHIFTS)):
        C = cholesky(H, SHIFTS[used] * unit)
        if C is not None:
            return C, used
    return cholesky(A, SHIFTS[-1] * unit), len(SHIFTS)


def cholesky(H: np.ndarray, shift: float | np.ndarray) -> np.ndarray | None:
    """Return the lower Cholesky factor of H + shift I, or None."""
    M = H.copy().T  # symmetric: in the order of LAPACK
    M.flat[:: len(M) + 1] += shift
    C, info = lapack.dpotrf(M, lower=1, overwrite_a=1)
    return C if info == 0 else None


def _steps(
    objective: Objective, start: Point, C: np.ndarray, most: int
) -> tuple[Point, int, bool]:
    """Return the point after steps in the metric CC', how many, and if they are done.

    That is where g'(CC')^-1 g is within `TOLERANCE` of the noise.
    """

    def at(z: np.ndarray) -> np.ndarray:
        return start.theta + lapack.dtrtrs(C, z, lower=1, trans=1)[0]

    def change(z: np.ndarray) -> tuple[float, np.ndarray]:
        point, pulled = objective.predict_and_vjp(at(z))
        gradient = objective.penalty.apply(point.theta) - pulled
        return objective.change(start, point), lapack.dtrtrs(C, gradient, lower=1)[0]

    p, least = len(C), TOLERANCE * np.sqrt(objective.noise(start))
    result = optimize.minimize(
        change, np.zeros(p), jac=True, method="L-BFGS-B",
        options=_options(least / np.sqrt(p), most),
    )  # fmt: skip
    vanished = np.linalg.norm(result.jac) <= least
    return objective.at(at(result.x)), int(result.nit), bool(vanished)
