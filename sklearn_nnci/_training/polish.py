"""From where the solver stopped to the minimum of the penalised loss.

F, its gradient -g and its Hessian A - S are those of `objective`.

Few parameters: Levenberg-Marquardt with the whole Hessian, by Cholesky, where that is
positive, and with that of Gauss and Newton where it is not,

    (A - S + mu I) d = g,  else  (A + mu I) d = g;

mu follows the gain ratio. Gauss-Newton does not see S: alone it crawls along valleys
and past saddles. Normal equations square the condition of J, and steps correct
themselves. Where A is singular for all that Cholesky can tell, QR goes on: of the
stacked least squares problem [sqrt(c) J; sqrt(Lambda); sqrt(mu)] d = [r / sqrt(c);
-sqrt(Lambda) theta; 0] (Madsen, Nielsen & Tingleff 2004, algorithm 3.16), and where
the step left is no longer than the confidence ellipsoid, of Newton's first, in the
metric of A = R'R with c0 = R^-T g:

    d = R^-1 Q (|1 - b| + nu)^-1 Q'c0,    R^-T S R^-1 = Q diag(b) Q'.

More parameters: L-BFGS-B, where the Hessian can be had in its metric (`quasi_newton`).
Parameters are packed; functions of y and f are (m, n).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from sklearn_nnci import exceptions
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network, pack, unpack
from sklearn_nnci._numerics import threads, triangular
from sklearn_nnci._training.objective import Objective, Point
from sklearn_nnci._training.quasi_newton import (
    TOLERANCE,
    Ended,
    cholesky,
    has_hessian,
    plain,
    preconditioned,
    stuck,
)
from sklearn_nnci._warn import warn

# Measured (benchmarks/results/polish.md): up to 193 parameters Levenberg-Marquardt is
# half a training, two at most; of 301 and more, where units die, several.
MOST_PARAMETERS = 200
MAX_ITERATIONS = {"levenberg-marquardt": 1000, "l-bfgs-b": 2000}
# Damping: at first, and where a step is no longer one; in units of the largest
# squared column. Directions of singular value below the floor are rounding.
DAMPING, MOST_DAMPING, LEAST_DAMPING = 1e-3, 1e12, 1e-16
FLOOR = 1e-8
# Part of a column's squared length that is added for the rounding of pivots.
ROUNDING = 1e-13
# Steps after which QR goes on, and parameters up to which it does.
MOST_BY_CHOLESKY, MOST_PARAMETERS_BY_QR = 300, 200
# Damping at least where the Hessian is not positive; factors by the gain ratio reached.
LEAST_INDEFINITE = 1e-6
AFTER = ((0.75, 0.1), (0.5, 0.3), (0.25, 1.0), (-np.inf, 3.0))
# Newton steps: dampings tried, and iterations to wait after all of them failed.
NEWTON_DAMPING, NEWTON_PAUSE = (0.0, 0.01, 0.1, 1.0), 10
# At a kink steps shrink without end: those that gain less, in units of the noise, are
# not taken.
LEAST_GAIN = 1e-9


class Polish(NamedTuple):
    """What polishing did."""

    iterations: int
    """Accepted steps."""
    objective_before: float
    """F at the weights given."""
    objective_after: float
    """F at the weights returned; never more than before."""
    gradient_norm: float
    """Largest absolute entry of the gradient of F at the weights returned."""
    method: str
    """"levenberg-marquardt" or "l-bfgs-b"."""
    reason: str
    """Why it stopped: "gradient vanished", "no further decrease", "kink of relu" or
    "iterations exhausted"."""
    relative_offset: float = float("nan")
    """Of the inference after it; nan where there is none."""


def refused(rows: Any) -> bool:
    """Return whether polishing `rows` would interpolate; say so if it would."""
    network = rows.network
    if network.n_parameters <= rows.size * network.n_outputs:
        return False
    warn(
        f"polish=True was left undone: {network.n_parameters} parameters would fit "
        f"{rows.size} rows exactly at the minimum. Try a smaller network.",
        exceptions.PolishRefusedWarning,
    )
    return True


def polish(
    network: Network, X: Any, y: np.ndarray, w: np.ndarray, strength: float, *,
    loss: str = "squared_error", method: str | None = None,
) -> tuple[Network, Polish]:  # fmt: skip
    """Return the network at the minimum of F that its weights lead to, and a `Polish`.

    `X` (n, d) is dense or CSR, `y` (n, m), `w` (n,) positive; `strength` is lambda of
    F. `method` is by default chosen by the number of parameters.
    """
    penalty = Penalty(strength, network.n_intercepts)
    objective = Objective(network, X, y.T, w, penalty, LOSSES[loss])
    few = network.n_parameters <= MOST_PARAMETERS
    method = method or ("levenberg-marquardt" if few else "l-bfgs-b")
    limit = threads.suited_to(network.n_parameters)
    with limit, np.errstate(over="ignore", invalid="ignore"):
        start = objective.at(pack(network.coefs, network.intercepts))
        end, n_steps, reason = METHODS[method](objective, start)
        before, after = objective.value(start), objective.value(end)
    if not after <= before:  # by rounding alone, or start is not finite
        end, after, n_steps = start, before, 0
    size = float(np.abs(objective.value_and_gradient(end.theta)[1]).max())
    record = Polish(n_steps, before, after, size, method, reason)
    polished = unpack(end.theta, network)
    coefs = tuple(block.copy() for block in polished.coefs)
    intercepts = tuple(block.copy() for block in polished.intercepts)
    return Network(coefs, intercepts, network.activation), record


def _levenberg_marquardt(objective: Objective, point: Point) -> Ended:
    """Return (point, steps, reason)."""
    limit = MAX_ITERATIONS["levenberg-marquardt"]
    few = len(point.theta) <= MOST_PARAMETERS_BY_QR
    first = min(limit, MOST_BY_CHOLESKY) if few else limit
    point, n_steps, reason = _by_normal_equations(objective, point, first)
    if reason or n_steps == limit:
        return point, n_steps, reason or "iterations exhausted"
    point, more, reason = _by_triangles(objective, point, limit - n_steps)
    return point, n_steps + more, reason


def _by_normal_equations(objective: Objective, point: Point, limit: int) -> Ended:
    """Return (point, steps, reason); no reason where Cholesky does not serve."""
    damping, cheap = DAMPING, len(objective.like.coefs) <= 2
    for n_steps in range(limit):
        A, g = objective.normal_equations(point)
        noise, size = objective.noise(point), A.diagonal()
        floor = FLOOR**2 * np.max(size) + ROUNDING * size
        C = cholesky(A, floor)
        if C is None:
            return point, n_steps, ""
        c0 = lapack.dtrtrs(C, g, lower=1)[0]
        remaining = c0 @ c0  # g'A^-1 g
        done, far = remaining <= TOLERANCE**2 * noise, remaining > noise
        H = A - objective.second_order(point) if cheap or not far else A
        if done:  # with a last step that squares what is left
            new = _last(objective, point, H, g)
            return new or point, n_steps + (new is not None), "gradient vanished"
        least = LEAST_GAIN * noise if objective.like.kinked else 0.0
        models = [H, A] if far else [H]
        new, damping = _damped(objective, point, models, g, damping, least)
        if new is None:
            return point, n_steps, "kink of relu" if objective.like.kinked else ""
        point = new
    return point, limit, ""


def _last(
    objective: Objective, point: Point, H: np.ndarray, g: np.ndarray
) -> Point | None:
    """Return the point after an undamped step, if it gains anything."""
    C = cholesky(H, 0.0)
    if C is None:
        return None
    new = objective.at(point.theta + lapack.dpotrs(C, g, lower=1)[0])
    return new if objective.change(point, new) < 0.0 else None


def _damped(
    objective: Objective, point: Point, models: list[np.ndarray], g: np.ndarray,
    damping: float, least: float,
) -> tuple[Point | None, float]:  # fmt: skip
    """Return the next point, or None, and the damping after it.

    By the first of the `models` of the Hessian, (p, p), that is positive once damped;
    of the last of them damping is raised until it is. It is mu in units of the largest
    entry of the diagonal of A.
    """
    unit, growth = np.max(models[-1].diagonal()), 2.0
    while damping <= MOST_DAMPING:
        factors = (cholesky(H, damping * unit) for H in models)
        C = next((C for C in factors if C is not None), None)
        if C is None:
            damping = max(damping, LEAST_INDEFINITE)
        else:
            step = lapack.dpotrs(C, g, lower=1)[0]
            new = objective.at(point.theta + step)
            change = objective.change(point, new)
            if change < -least:
                # L(0) - L(d) = d'(mu d + g) / 2
                predicted = 0.5 * (step @ g + damping * unit * (step @ step))
                damping *= _factor(-change / predicted)
                return new, max(damping, LEAST_DAMPING)
        damping, growth = damping * growth, 2.0 * growth
    return None, damping


def _factor(rho: float) -> float:
    """Return by what damping is multiplied after a step of gain ratio `rho`."""
    return next(factor for least, factor in AFTER if rho >= least)


def _by_triangles(objective: Objective, point: Point, limit: int) -> Ended:
    """Return (point, steps, reason).

    Madsen, Nielsen & Tingleff (2004), algorithm 3.16, its lines in quotation marks;
    mu is in units of the largest squared column. Before them, Newton's step.
    """
    damping, newton_from = DAMPING, 0
    for n_steps in range(limit):
        # "A := J'J; g := J'f": R = [R, c0], R'R = A, R'c0 = g
        R, noise = objective.triangle(point), objective.noise(point)
        undamped = _stacked(R, FLOOR * triangular.norm(R[:-1, :-1]))
        remaining = np.sum(undamped[:-1, -1] ** 2)  # |c0|^2 = g'A^-1 g
        # "found := (|g| <= eps_1)", by the norm of A^-1
        if remaining <= TOLERANCE**2 * noise:
            # with a last step that squares what is left
            new = _newton(objective, point, undamped)
            if new is None:
                return point, n_steps, "gradient vanished"
            return new, n_steps + 1, "gradient vanished"
        new = None
        if remaining <= noise and n_steps >= newton_from:
            new = _newton(objective, point, undamped)
            if new is None:
                newton_from = n_steps + NEWTON_PAUSE
        if new is None:
            least = LEAST_GAIN * noise if objective.like.kinked else 0.0
            new, damping = _damped_by_triangle(objective, point, R, damping, least)
        if new is None:
            return point, n_steps, stuck(objective.like)
        point = new
    return point, limit, "iterations exhausted"


def _stacked(R: np.ndarray, size: float) -> np.ndarray:
    """Return the triangle of [R; size I, 0]."""
    p = len(R) - 1
    below = np.zeros((p, p + 1), order="F")
    np.fill_diagonal(below, size)
    # As `triangular.absorb`, but that R stays, and blocks are of p columns.
    block = min(triangular.QR_BLOCK, p)
    return lapack.dtpqrt(p, block, R, below, overwrite_b=1)[0]


def _damped_by_triangle(
    objective: Objective, point: Point, R: np.ndarray, damping: float, least: float
) -> tuple[Point | None, float]:
    """Return the next point, or None, and the damping after it.

    Of the algorithm, mu is ``damping * unit`` and nu is `growth`.
    """
    unit, growth = np.max(np.sum(R[:-1, :-1] ** 2, axis=0)), 2.0
    while damping <= MOST_DAMPING:
        # "Solve (A + mu I) h = -g": T'T = A + mu I, T'c0 = g in our sign, T h = c0
        T = _stacked(R, np.sqrt(damping * unit))
        c0 = T[:-1, -1]
        step = linalg.solve_triangular(T[:-1, :-1], c0, check_finite=False)
        # "x_new := x + h"
        new = objective.at(point.theta + step)
        change = objective.change(point, new)
        # "if rho > 0", rho = (F(x) - F(x_new)) / (L(0) - L(h)): "step acceptable"
        if change < -least:
            # L(0) - L(h) = h'(mu h + g) / 2, where h'g = |T h|^2 = |c0|^2
            predicted = 0.5 * (c0 @ c0 + damping * unit * (step @ step))
            # "mu := mu max(1/3, 1 - (2 rho - 1)^3); nu := 2"
            rho = -change / predicted
            shrink = max(1.0 / 3.0, 1.0 - (2.0 * rho - 1.0) ** 3)
            return new, max(damping * shrink, LEAST_DAMPING)
        # "else mu := mu nu; nu := 2 nu"
        damping, growth = damping * growth, 2.0 * growth
    return None, damping


def _newton(objective: Objective, point: Point, T: np.ndarray) -> Point | None:
    """Return the point after a Newton step, or None; `T` is [R, c0] undamped.

    With R'R = A, R^-T S R^-1 = Q diag(b) Q', the Hessian A - S is R'Q diag(1 - b) Q'R.
    Taken by its absolute value, negative curvature is followed downhill.
    """
    R, c0 = T[:-1, :-1], T[:-1, -1]
    half = linalg.solve_triangular(R, objective.second_order(point), trans=1)  # R^-T S
    b, Q = linalg.eigh(linalg.solve_triangular(R, half.T, trans=1))  # R^-T S R^-1
    for damping in NEWTON_DAMPING:
        # d = R^-1 Q u, u = (|1 - b| + nu)^-1 Q'c0
        u = (Q.T @ c0) / (np.maximum(np.abs(1.0 - b), FLOOR) + damping)
        new = objective.at(point.theta + linalg.solve_triangular(R, Q @ u))
        if objective.change(point, new) < 0.0:
            return new
    return None


def _l_bfgs_b(objective: Objective, point: Point) -> Ended:
    """Return (point, steps, reason)."""
    solve = preconditioned if has_hessian(objective.like) else plain
    return solve(objective, point, MAX_ITERATIONS["l-bfgs-b"])


METHODS = {"levenberg-marquardt": _levenberg_marquardt, "l-bfgs-b": _l_bfgs_b}
