"""Derivatives along a direction of x, of f and of its Jacobian: one more pass.

Forward differentiation of the two passes that give J. Along v, with dots for
derivatives, s_l = act'(z_l), t_l = act''(z_l),

    a_0' = v,    z_l' = W_l'a_{l-1}',    a_l' = s_l o z_l',
    d_{l-1} = (W_l d_l) o s_{l-1},
    d_{l-1}' = (W_l d_l') o s_{l-1} + (W_l d_l) o t_{l-1} o z_{l-1}',    d_L' = 0,

hence  df/dx v = z_L'  and, for the blocks of J at sample i,

    d j / dx v = outer(a', d) + outer(a, d'),    intercepts c_l d':

a sum of two sets of layer factors, which everything that takes factors takes one by
one. Nothing is a difference: where the activation is smooth, this is exact. At kinks of
relu the derivative is that of the side that backpropagation takes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._network import jacobian
from sklearn_nnci._network.jacobian import Factors
from sklearn_nnci._network.perceptron import DERIVATIVES, Network, forward

# act''(z) as a function of a = act(z).
SECOND_DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.zeros_like,
    "logistic": lambda a: a * (1.0 - a) * (1.0 - 2.0 * a),
    "tanh": lambda a: -2.0 * a * (1.0 - a * a),
    "relu": np.zeros_like,
}


class Slope(NamedTuple):
    """df/dx v at some rows, and its derivative by the parameters."""

    value: np.ndarray
    """(m, n)."""
    inner: Factors
    """outer(a', d); its constants are 0."""
    outer: Factors
    """outer(a, d')."""

    def dense(self) -> np.ndarray:
        """Return the derivative by the parameters, (p, m, n)."""
        return jacobian.dense(self.inner) + jacobian.dense(self.outer)

    def vjp(self, r: np.ndarray) -> np.ndarray:
        """Return the packed gradient of sum r o value, (p,), of `r` (m, n)."""
        return jacobian.vjp(self.inner, r) + jacobian.vjp(self.outer, r)


def slope(network: Network, X: Any, v: np.ndarray) -> Slope:
    """Return the `Slope` of the rows `X` (n, d) along `v` (d,)."""
    a = forward(network, X)
    moved, value, turns = _forward(network, a, v)
    d, turned = _backward(network, a, turns)
    if network.coordinates is None:
        ones, none = (1.0,) * len(d), (0.0,) * len(d)
        return Slope(
            value, Factors(tuple(moved), d, none), Factors(tuple(a[:-1]), turned, ones)
        )
    at = network.coordinates
    # a' has no origin: (a_0 - x0)' = a_0'
    straight = at._replace(location=np.zeros_like(at.location))
    inner, outer = straight.of_layers(moved, d), at.of_layers(a[:-1], turned)
    none = (0.0,) * len(d)
    return Slope(value, Factors(*inner, none), Factors(*outer, at.constants))


def _forward(
    network: Network, a: list[np.ndarray], v: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray]]:
    """Return a_0', ..., a_{L-1}', then z_L', then t_l o z_l' of hidden layers."""
    first = DERIVATIVES[network.activation]
    second = SECOND_DERIVATIVES[network.activation]
    start = np.reshape(np.asarray(v, dtype=np.float64), (-1, 1))
    moved, turns = [np.broadcast_to(start, a[0].shape)], []
    for W, here in zip(network.coefs[:-1], a[1:-1], strict=True):
        z = W.T @ moved[-1]
        moved.append(first(here) * z)
        turns.append(second(here) * z)
    return moved, network.coefs[-1].T @ moved[-1], turns


def _backward(
    network: Network, a: list[np.ndarray], turns: list[np.ndarray]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return d_1, ..., d_L and d_1', ..., d_L', each (h_l, m, n)."""
    m, n = a[-1].shape
    first = DERIVATIVES[network.activation]
    d = [np.broadcast_to(np.eye(m)[:, :, None], (m, m, n))]
    turned = [np.zeros((m, m, n))]
    layers = zip(network.coefs[:0:-1], a[-2:0:-1], turns[::-1], strict=True)
    for W, here, turn in layers:
        back, again = (np.tensordot(W, x, 1) for x in (d[-1], turned[-1]))
        s = first(here)[:, None]
        d.append(back * s)
        turned.append(again * s + back * turn[:, None])
    return tuple(d[::-1]), tuple(turned[::-1])
