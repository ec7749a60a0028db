"""The penalised objective of training, as a function of the packed parameters.

    F(theta) = sum_i w_i sum_k loss(y_ik, f_ik) + 1/2 theta' Lambda theta

With r = -dF/df and c = d2F/df2 (both (m, n)), its gradient and Hessian are

    grad F = -g,  g = J'r - Lambda theta,
    H = A - S,    A = J'cJ + Lambda,  S = sum r_ik d2f_ik / dtheta2.

Parameters are packed; functions of y and f are (m, n).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.losses import LOSSES, Loss
from sklearn_nnci._network.perceptron import Network, forward, pack, unpack
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.chunks import row_slices

# Step of the differences of gradients, relative to parameters beyond 1.
DIFFERENCE = 1e-6


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
    """(n,), or (m, n) if outputs have weights of their own."""
    penalty: Penalty
    loss: Loss

    def at(self, theta: np.ndarray) -> Point:
        """Return the `Point` of `theta`."""
        network, f = unpack(theta, self.like), np.empty(self.y.shape)
        for part in self.parts():
            f[:, part] = forward(network, self.X[part])[-1]
        return Point(theta, f)

    def parts(self) -> Iterator[slice]:
        """Yield slices of rows whose activations and deltas fit a buffer."""
        n_units = len(self.like.coefs[0]) + self.like.n_intercepts
        return row_slices(self.X.shape[0], 16 * n_units)

    def predict_and_vjp(
        self, theta: np.ndarray, r: np.ndarray | None = None
    ) -> tuple[Point, np.ndarray]:
        """Return the `Point` of `theta` and J'r, by default with its own r (m, n)."""
        network, f = unpack(theta, self.like), np.empty(self.y.shape)
        total = np.zeros(len(theta))
        for part in self.parts():
            a = forward(network, self.X[part])
            f[:, part] = a[-1]
            own = self.w[..., part] * self.loss.negative_gradient(
                self.y[:, part], a[-1]
            )
            cotangent = (own if r is None else r[:, part])[:, None]
            F = jacobian.factors_at(network, a, cotangent)  # of r'f: J'r, row by row
            total += jacobian.vjp(F, np.ones(F.shape[1:]))
        return Point(theta, f), total

    def value(self, point: Point) -> float:
        """Return F."""
        theta = point.theta
        data = np.sum(self.w * self.loss.value(self.y, point.f))
        return float(data + 0.5 * theta @ self.penalty.apply(theta))

    def change(self, old: Point, new: Point) -> float:
        """Return F(new) - F(old): differences of terms, not of sums."""
        data = np.sum(self.w * self.loss.difference(self.y, old.f, new.f))
        # b'Lambda b - a'Lambda a = (b - a)'Lambda (b + a)
        both = self.penalty.apply(new.theta + old.theta)
        return float(data + 0.5 * (new.theta - old.theta) @ both)

    def whitened(self, point: Point) -> tuple[np.ndarray, np.ndarray]:
        """Return sqrt(c) and r / sqrt(c), (m, n)."""
        root = np.sqrt(self.w * self.loss.hessian(self.y, point.f))
        return root, self.w * self.loss.negative_gradient(self.y, point.f) / root

    def noise(self, point: Point) -> float:
        """Return the mean square of r / sqrt(c), by row and output."""
        e = self.whitened(point)[1]
        copies = len(e) if self.w.ndim == 1 else 1
        return float(np.sum(e * e) / (self.w.sum() * copies))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return F and its gradient (p,)."""
        point, pulled = self.predict_and_vjp(theta)
        return self.value(point), self.penalty.apply(theta) - pulled

    def triangle(self, point: Point) -> np.ndarray:
        """Return the triangle (p + 1, p + 1) of [sqrt(c) J, r / sqrt(c)] and penalty.

        Its last column is c0 with A d = g solved by R d = c0.
        """
        p, (root, e) = len(point.theta), self.whitened(point)
        # [sqrt(Lambda), -sqrt(Lambda) theta] is a triangle already ...
        R = np.zeros((p + 1, p + 1), order="F")
        kept, size = np.arange(p - self.penalty.n_free), np.sqrt(self.penalty.strength)
        R[kept, kept], R[kept, p] = size, -size * point.theta[kept]
        # ... and [sqrt(c) J, r / sqrt(c)] goes below, chunk by chunk.
        cotangent = np.eye(len(e))[:, :, None] * root
        network = unpack(point.theta, self.like)
        for part, F in jacobian.stream(network, self.X, cotangent):
            chunk = np.empty((p + 1, *F.shape[1:]))
            jacobian.dense(F, out=chunk[:-1])
            chunk[-1] = e[:, part]
            R = triangular.absorb(R, chunk.reshape(p + 1, -1))
        return R

    def second_order(self, point: Point) -> np.ndarray:
        """Return S (p, p), by differences of J'r at fixed r.

        d(J'r)/dtheta_j at fixed r is column j of S.
        """
        theta, r = point.theta, self.w * self.loss.negative_gradient(self.y, point.f)
        base, S = self.predict_and_vjp(theta, r)[1], np.zeros((len(theta),) * 2)
        units, groups = _independent(self.like)
        h = DIFFERENCE * np.maximum(1.0, np.abs(theta))
        for group in groups:
            moved = theta.copy()
            moved[group] += h[group]
            difference = self.predict_and_vjp(moved, r)[1] - base
            # of parameters moved at once, each changes rows of its own unit only
            own = units[:, None] == units[group]
            S[:, group] = np.where(own, difference[:, None] / h[group], 0.0)
        return 0.5 * (S + S.T)


def _independent(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit of each parameter (p,), and groups (g, k) of unlike units.

    S couples parameters of one unit only, so that a group shares one difference.
    Units of a single hidden layer are independent; in deeper networks all are one.
    f is linear in the intercepts of the output, unit -1.
    """
    p, m = network.n_parameters, network.n_outputs
    if len(network.coefs) != 2:
        n_nonlinear = p - m if len(network.coefs) > 2 else 0
        return np.zeros(p, dtype=int), np.arange(n_nonlinear)[:, None]
    i = unpack(np.arange(p), network)  # where each parameter is packed
    # one weight from each input, one to each output, one intercept of every unit
    groups = np.vstack([i.coefs[0], i.coefs[1].T, i.intercepts[0]])
    units = np.full(p, -1)
    units[groups] = np.arange(groups.shape[1])
    return units, groups


def effective_alpha(
    solver: str, alpha: float, batch_size: int | str, n_trained: int
) -> float:
    """Return lambda: alpha, or alpha n / batch, as mini-batches divide it by theirs."""
    if solver == "lbfgs":
        return float(alpha)
    batch = 200 if batch_size == "auto" else int(batch_size)
    return float(alpha * n_trained / min(batch, n_trained))


def objective(
    network: Network, X: Any, y: np.ndarray, w: np.ndarray, strength: float, loss: str
) -> float:
    """Return F of a network at its own weights; y is (n, m)."""
    penalty = Penalty(strength, network.n_intercepts)
    F = Objective(network, X, y.T, w, penalty, LOSSES[loss])
    with np.errstate(over="ignore"):
        return F.value(F.at(pack(network.coefs, network.intercepts)))
