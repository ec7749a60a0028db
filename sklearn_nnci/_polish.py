"""From where the solver stopped to the minimum of the penalised loss.

The objective sums over rows and outputs, with strength lambda on coefs alone:

    F(theta) = sum_i w_i sum_k loss(y_ik, f_ik) + 1/2 theta' Lambda theta,
    loss = 1/2 (y - f)^2,  or  exp f - y f  (poisson).

With r = -dF/df and c = d2F/df2 (both (m, n)), its gradient and Hessian are

    grad F = -g,  g = J'r - Lambda theta,
    H = A - S,    A = J'cJ + Lambda,  S = sum r_ik d2f_ik / dtheta2.

Few parameters: Levenberg-Marquardt, (A + mu I) d = g, which is the stacked least
squares problem [sqrt(c) J; sqrt(Lambda); sqrt(mu)] d = [r / sqrt(c); -sqrt(Lambda)
theta; 0], solved by QR; mu follows the gain ratio (Madsen, Nielsen & Tingleff 2004,
algorithm 3.16). Gauss-Newton does not see S: it crawls along valleys and past
saddles. Where the step left is no longer than the confidence ellipsoid, Newton's is
tried first, in the metric of A = R'R with c0 = R^-T g:

    d = R^-1 Q (|1 - b| + nu)^-1 Q'c0,    R^-T S R^-1 = Q diag(b) Q'.

Many parameters: L-BFGS-B. Parameters are packed; functions of y and f are (m, n).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, optimize
from scipy.linalg import lapack

from sklearn_nnci import _jacobian, _linalg
from sklearn_nnci._chunks import row_slices
from sklearn_nnci._network import Network, forward, pack, sensitivities, unpack
from sklearn_nnci._rows import Penalty

# Up to this many parameters Levenberg-Marquardt reaches a lower gradient in the same
# time: benchmarks/results/polish.md.
MOST_PARAMETERS = 250
MAX_ITERATIONS = {"levenberg-marquardt": 500, "l-bfgs-b": 2000}
# Done where the step left is this part of the residual noise, in the metric of A.
TOLERANCE = 1e-6
# Damping: at first, and where a step is no longer one; in units of the largest
# squared column. Directions of singular value below the floor are rounding.
DAMPING, MOST_DAMPING, LEAST_DAMPING = 1e-3, 1e12, 1e-16
FLOOR = 1e-8
# Newton steps: dampings tried, and iterations to wait after all of them failed.
NEWTON_DAMPING, NEWTON_PAUSE = (0.0, 0.01, 0.1, 1.0), 10
DIFFERENCE = 1e-6


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


class Loss(NamedTuple):
    """A loss by its functions of (y, f), elementwise."""

    value: Any
    change: Any
    """(y, f, g) -> value(y, g) - value(y, f), without cancellation."""
    pull: Any
    """-d value / df."""
    curvature: Any
    """d2 value / df2."""


LOSSES = {
    "squared_error": Loss(
        lambda y, f: 0.5 * (y - f) ** 2,
        lambda y, f, g: 0.5 * (f - g) * ((y - f) + (y - g)),
        lambda y, f: y - f,
        lambda y, f: np.ones_like(f),
    ),
    "poisson": Loss(
        lambda y, f: np.exp(f) - y * f,
        lambda y, f, g: np.exp(f) * np.expm1(g - f) - y * (g - f),
        lambda y, f: y - np.exp(f),
        # A mean that underflows still needs a square root to divide by.
        lambda y, f: np.maximum(np.exp(f), np.finfo(float).tiny),
    ),
}


class Point(NamedTuple):
    """Parameters (p,) and the linear predictor (m, n) there."""

    theta: np.ndarray
    f: np.ndarray


class Objective(NamedTuple):
    """F of networks shaped like one, on given rows."""

    like: Network
    X: Any
    """(n, d), dense or CSR."""
    y: np.ndarray
    """(m, n)."""
    w: np.ndarray
    """(n,)."""
    penalty: Penalty
    loss: Loss

    def at(self, theta):
        """Return the `Point` of `theta`."""
        network, f = unpack(theta, self.like), np.empty(self.y.shape)
        for part in self.parts():
            f[:, part] = forward(network, self.X[part])[-1]
        return Point(theta, f)

    def parts(self):
        """Yield slices of rows whose activations and deltas fit a buffer."""
        n_units = len(self.like.coefs[0]) + self.like.n_intercepts
        return row_slices(self.X.shape[0], 16 * n_units)

    def back(self, theta, r=None):
        """Return the `Point` of `theta` and J'r, by default with its own r (m, n)."""
        network, f = unpack(theta, self.like), np.empty(self.y.shape)
        total = np.zeros(len(theta))
        for part in self.parts():
            a = forward(network, self.X[part])
            f[:, part] = a[-1]
            own = self.w[part] * self.loss.pull(self.y[:, part], a[-1])
            seed = (own if r is None else r[:, part])[:, None]
            F = _jacobian.Factors(tuple(a[:-1]), tuple(sensitivities(network, a, seed)))
            total += _jacobian.adjoint(F, np.ones(F.shape[1:]))
        return Point(theta, f), total

    def value(self, point):
        """Return F."""
        theta = point.theta
        data = np.sum(self.w * self.loss.value(self.y, point.f))
        return float(data + 0.5 * theta @ self.penalty.apply(theta))

    def change(self, old, new):
        """Return F(new) - F(old): differences of terms, not of sums."""
        data = np.sum(self.w * self.loss.change(self.y, old.f, new.f))
        both = self.penalty.apply(new.theta + old.theta)
        return float(data + 0.5 * (new.theta - old.theta) @ both)

    def whitened(self, point):
        """Return sqrt(c) and r / sqrt(c), (m, n)."""
        root = np.sqrt(self.w * self.loss.curvature(self.y, point.f))
        return root, self.w * self.loss.pull(self.y, point.f) / root

    def noise(self, point):
        """Return the mean square of r / sqrt(c), by row and output."""
        e = self.whitened(point)[1]
        return float(np.sum(e * e) / (self.w.sum() * len(e)))

    def value_and_gradient(self, theta):
        """Return F and its gradient (p,)."""
        point, pulled = self.back(theta)
        return self.value(point), self.penalty.apply(theta) - pulled

    def triangle(self, point):
        """Return the triangle (p + 1, p + 1) of [sqrt(c) J, r / sqrt(c)] and penalty.

        Its last column is c0 with A d = g solved by R d = c0.
        """
        p, (root, e) = len(point.theta), self.whitened(point)
        R = np.zeros((p + 1, p + 1), order="F")
        kept, size = np.arange(p - self.penalty.n_free), np.sqrt(self.penalty.strength)
        R[kept, kept], R[kept, p] = size, -size * point.theta[kept]
        seed = np.eye(len(e))[:, :, None] * root
        network = unpack(point.theta, self.like)
        for part, F in _jacobian.stream(network, self.X, seed):
            chunk = np.empty((p + 1, *F.shape[1:]))
            _jacobian.dense(F, out=chunk[:-1])
            chunk[-1] = e[:, part]
            R = _linalg.absorb(R, chunk.reshape(p + 1, -1))
        return R

    def second_order(self, point):
        """Return S (p, p), by differences of J'r at fixed r."""
        theta, r = point.theta, self.w * self.loss.pull(self.y, point.f)
        base, S = self.back(theta, r)[1], np.zeros((len(theta),) * 2)
        units, groups = _independent(self.like)
        h = DIFFERENCE * np.maximum(1.0, np.abs(theta))
        for group in groups:
            moved = theta.copy()
            moved[group] += h[group]
            difference = self.back(moved, r)[1] - base
            own = units[:, None] == units[group]
            S[:, group] = np.where(own, difference[:, None] / h[group], 0.0)
        return 0.5 * (S + S.T)


def _independent(network):
    """Return the unit of each parameter, and groups of parameters of unlike units.

    S couples parameters of one unit only, so that a group shares one difference.
    Units of a single hidden layer are independent; in deeper networks all are one.
    f is linear in the intercepts of the output.
    """
    p, m = network.n_parameters, network.n_outputs
    if len(network.coefs) != 2:
        few = p - m if len(network.coefs) > 2 else 0
        return np.zeros(p, dtype=int), np.arange(few)[:, None]
    d, h = network.coefs[0].shape
    unit = np.arange(h)
    units = [np.tile(unit, d), np.repeat(unit, m), unit, np.full(m, -1)]
    below = h * np.arange(d)[:, None] + unit
    above = d * h + np.arange(m)[:, None] + m * unit
    return np.concatenate(units), np.vstack([below, above, d * h + h * m + unit])


def polish(network, X, y, w, strength, *, loss="squared_error", method=None):
    """Return the network at the minimum of F that its weights lead to, and a `Polish`.

    `X` (n, d) is dense or CSR, `y` (n, m), `w` (n,) positive; `strength` is lambda of
    F. `method` is by default chosen by the number of parameters.
    """
    penalty = Penalty(strength, network.n_intercepts)
    objective = Objective(network, X, y.T, w, penalty, LOSSES[loss])
    few = network.n_parameters <= MOST_PARAMETERS
    method = method or ("levenberg-marquardt" if few else "l-bfgs-b")
    with np.errstate(over="ignore", invalid="ignore"):
        start = objective.at(pack(network.coefs, network.intercepts))
        end, n_steps, reason = METHODS[method](objective, start)
        before, after = objective.value(start), objective.value(end)
    if not after <= before:  # by rounding alone, or start is not finite
        end, after, n_steps = start, before, 0
    size = float(np.abs(objective.value_and_gradient(end.theta)[1]).max())
    record = Polish(n_steps, before, after, size, method, reason)
    return unpack(end.theta.copy(), network), record


def _levenberg_marquardt(objective, point):
    """Return (point, steps, reason)."""
    damping, newton_from = DAMPING, 0
    limit = MAX_ITERATIONS["levenberg-marquardt"]
    for n_steps in range(limit):
        R, noise = objective.triangle(point), objective.noise(point)
        undamped = _stacked(R, FLOOR * linalg.norm(R[:-1, :-1]))
        left, new = np.sum(undamped[:-1, -1] ** 2), None
        done = left <= TOLERANCE**2 * noise
        if done or (left <= noise and n_steps >= newton_from):
            new = _newton(objective, point, undamped)
            newton_from = n_steps + NEWTON_PAUSE * (new is None)
        if done:  # with a last step that squares what is left
            return new or point, n_steps + (new is not None), "gradient vanished"
        if new is None:
            new, damping = _damped(objective, point, R, damping)
        if new is None:
            return point, n_steps, _stuck(objective)
        point = new
    return point, limit, "iterations exhausted"


def _stuck(objective):
    kinked = objective.like.activation == "relu" and len(objective.like.coefs) > 1
    return "kink of relu" if kinked else "no further decrease"


def _stacked(R, size):
    """Return the triangle of [R; size I, 0]."""
    p = len(R) - 1
    below = np.zeros((p, p + 1), order="F")
    np.fill_diagonal(below, size)
    block = min(_linalg.QR_BLOCK, p)
    return lapack.dtpqrt(p, block, R, below, overwrite_b=1)[0]


def _damped(objective, point, R, damping):
    """Return the next point, or None, and the damping after it."""
    unit, growth = np.max(np.sum(R[:-1, :-1] ** 2, axis=0)), 2.0
    while damping <= MOST_DAMPING:
        T = _stacked(R, np.sqrt(damping * unit))
        c0 = T[:-1, -1]
        step = linalg.solve_triangular(T[:-1, :-1], c0, check_finite=False)
        new = objective.at(point.theta + step)
        change = objective.change(point, new)
        if change < 0.0:
            predicted = 0.5 * (c0 @ c0 + damping * unit * (step @ step))
            shrink = max(1.0 / 3.0, 1.0 - (-2.0 * change / predicted - 1.0) ** 3)
            return new, max(damping * shrink, LEAST_DAMPING)
        damping, growth = damping * growth, 2.0 * growth
    return None, damping


def _newton(objective, point, T):
    """Return the point after a Newton step, or None; `T` is [R, c0] undamped.

    Taken by its absolute value, negative curvature is followed downhill.
    """
    R, c0 = T[:-1, :-1], T[:-1, -1]
    half = linalg.solve_triangular(R, objective.second_order(point), trans=1)
    b, Q = linalg.eigh(linalg.solve_triangular(R, half.T, trans=1))
    for damping in NEWTON_DAMPING:
        u = (Q.T @ c0) / (np.maximum(np.abs(1.0 - b), FLOOR) + damping)
        new = objective.at(point.theta + linalg.solve_triangular(R, Q @ u))
        if objective.change(point, new) < 0.0:
            return new
    return None


def _l_bfgs_b(objective, point):
    """Return (point, steps, reason)."""
    limit = MAX_ITERATIONS["l-bfgs-b"]
    gtol = 0.01 * TOLERANCE * np.sqrt(objective.noise(point) * objective.w.sum())
    result = optimize.minimize(
        objective.value_and_gradient, point.theta, jac=True, method="L-BFGS-B",
        # ftol, left at scipy's default, is what ends scikit-learn's lbfgs early.
        options=dict(ftol=0.0, gtol=gtol, maxcor=20, maxiter=limit, maxfun=10 * limit),
    )  # fmt: skip
    reason = "iterations exhausted" if result.status == 1 else _stuck(objective)
    if np.abs(result.jac).max() <= gtol:
        reason = "gradient vanished"
    return objective.at(result.x), int(result.nit), reason


METHODS = {"levenberg-marquardt": _levenberg_marquardt, "l-bfgs-b": _l_bfgs_b}
