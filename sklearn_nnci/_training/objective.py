"""The penalised objective of training, as a function of the packed parameters.

    F(theta) = sum_i w_i sum_k loss(y_ik, f_ik) + 1/2 theta' Lambda theta

With r = -dF/df and c = d2F/df2 (both (m, n)), its gradient and Hessian are

    grad F = -g,  g = J'r - Lambda theta,
    H = A - S,    A = J'cJ + Lambda,  S = sum r_ik d2f_ik / dtheta2.

Parameters are packed; functions of y and f are (m, n).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.losses import LOSSES, Loss
from sklearn_nnci._network.perceptron import (
    DERIVATIVES,
    Network,
    forward,
    pack,
    unpack,
)
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.chunks import row_slices

# act''(z) as a function of a = act(z); that of relu vanishes but at its kink.
BENDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.zeros_like,
    "logistic": lambda a: a * (1.0 - a) * (1.0 - 2.0 * a),
    "tanh": lambda a: 2.0 * a * (a * a - 1.0),
    "relu": np.zeros_like,
}
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
        """Return the `Point` of `theta` and J'r, by default with its own r (m, n).

        With t_L = r and t_{l-1} = (W_l t_l) o act'(z_{l-1}), the block of W_l is
        a_{l-1} t_l', that of b_l the sum of t_l over rows.
        """
        network, f = unpack(theta, self.like), np.empty(self.y.shape)
        slope, L = DERIVATIVES[network.activation], len(network.coefs)
        total = np.zeros(len(theta))
        blocks = unpack(total, self.like)  # views of it
        for part in self.parts():
            a = forward(network, self.X[part])
            f[:, part] = a[L]
            own = self.w[..., part] * self.loss.negative_gradient(self.y[:, part], a[L])
            t = own if r is None else r[:, part]
            for layer in reversed(range(L)):
                blocks.coefs[layer][:] += a[layer] @ t.T
                blocks.intercepts[layer][:] += t.sum(axis=1)
                if layer:
                    t = (network.coefs[layer] @ t) * slope(a[layer])
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

    def normal_equations(self, point: Point) -> tuple[np.ndarray, np.ndarray]:
        """Return A (p, p) and g (p,): (A + mu I) d = g is a damped step.

        Its matrix squares the condition of what `triangle` factors, for a fraction of
        the time.
        """
        p, (root, e) = len(point.theta), self.whitened(point)
        A, g = np.zeros((p, p)), -self.penalty.apply(point.theta)
        cotangent = np.eye(len(e))[:, :, None] * root
        network = unpack(point.theta, self.like)
        for part, F in jacobian.stream(network, self.X, cotangent):
            Jt = jacobian.dense(F).reshape(p, -1)
            A += Jt @ Jt.T
            g += Jt @ e[:, part].ravel()
        kept = np.arange(p - self.penalty.n_free)
        A[kept, kept] += self.penalty.strength
        return A, g

    def second_order(self, point: Point) -> np.ndarray:
        """Return S (p, p): in closed form where there is one hidden layer."""
        r = self.w * self.loss.negative_gradient(self.y, point.f)
        if len(self.like.coefs) == 2:
            return self._of_units(point, r)
        return self._by_differences(point, r)

    def _of_units(self, point: Point, r: np.ndarray) -> np.ndarray:
        """Return S of f_k = b_k + sum_j v_jk act(z_j), z_j = u_j'(x, 1).

        It couples parameters of one unit only, f being linear in v:

            d2f_k / du_j du_j' = v_jk act''(z_j) (x, 1)(x, 1)',
            d2f_k / du_j dv_jk = act'(z_j) (x, 1).
        """
        network, p = unpack(point.theta, self.like), len(point.theta)
        (d, h), m = network.coefs[0].shape, len(r)
        uu, uv = np.zeros((h, d + 1, d + 1)), np.zeros((h, d + 1, m))
        slope, bend = DERIVATIVES[network.activation], BENDS[network.activation]
        for part in row_slices(self.X.shape[0], 8 * h * (d + 2)):
            x, a, _ = forward(network, self.X[part])
            x = np.vstack([x, np.ones(x.shape[1])])
            bent = (network.coefs[1] @ r[:, part]) * bend(a)
            uu += (x * bent[:, None]) @ x.T
            uv += np.stack([(slope(a) * own) @ x.T for own in r[:, part]], axis=2)
        at = unpack(np.arange(p), network)  # where each parameter is packed
        u, v = np.vstack([at.coefs[0], at.intercepts[0]]).T, at.coefs[1]
        S = np.zeros((p, p))
        S[u[:, :, None], u[:, None, :]] = uu
        S[u[:, :, None], v[:, None, :]] = uv
        S[v[:, :, None], u[:, None, :]] = uv.transpose(0, 2, 1)
        return S

    def _by_differences(self, point: Point, r: np.ndarray) -> np.ndarray:
        """Return S by differences of J'r at fixed r.

        d(J'r)/dtheta_j at fixed r is column j of S; f is linear in the intercepts of
        the output, and in everything if there is no hidden layer.
        """
        theta, S = point.theta, np.zeros((len(point.theta),) * 2)
        base = self.predict_and_vjp(theta, r)[1]
        h = DIFFERENCE * np.maximum(1.0, np.abs(theta))
        deep = len(self.like.coefs) > 2
        for j in range((len(theta) - self.like.n_outputs) * deep):
            moved = theta.copy()
            moved[j] += h[j]
            S[:, j] = (self.predict_and_vjp(moved, r)[1] - base) / h[j]
        return 0.5 * (S + S.T)


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
