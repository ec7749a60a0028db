"""Units and origins in which the parameters of a network are measured.

A tuned network is trained on standardised data, each group of its parameters under a
penalty of its own. Its own parameters phi = (V_l, v_l), which all have the penalty 1,
give the weights for raw data by a linear map, theta = T phi + const,

    W_1 = S_1 V_1,    b_1 = c_1 v_1 - W_1'x0,
    W_l = S_l V_l,    b_l = c_l v_l,             of the last layer o times this, + y0

with x0, y0 the means of x and y, o the scale of y; S_l, c_l = lambda^-1/2 of their
groups, but S_1 = diag(1 / (scale of x_j lambda_j^1/2)). The pre-activations z_l are
the same for both, so that the Jacobian by phi is that by theta with other inputs of
the layers: its blocks are outer products of

    S_l (a_{l-1} - x0 at l = 1)    and    d_l (o d_L at the last),    c_l d_l of v_l.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Blocks = tuple[np.ndarray, ...]


class Coordinates(NamedTuple):
    """Units and origins of the parameters of a network of L layers."""

    location: np.ndarray
    """x0, (d,)."""
    inputs: tuple
    """S_1 (d,), and numbers S_2, ..., S_L."""
    constants: tuple
    """c_1, ..., c_L."""
    target: np.ndarray
    """y0, (m,)."""
    outputs: np.ndarray
    """o, (m,)."""
    units: np.ndarray
    """Of the outputs where all of phi has the penalty 1: noise is the same, (m,)."""

    def own(
        self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]
    ) -> tuple[Blocks, Blocks]:
        """Return V_l and v_l of the W_l and b_l for raw data."""
        last = [1.0] * (len(coefs) - 1) + [self.outputs]
        b = [*intercepts]
        b[-1] = b[-1] - self.target
        b[0] = b[0] + self.location @ coefs[0]
        layers = zip(coefs, b, self.inputs, self.constants, last, strict=True)
        V, v = zip(*((W / _rows(S) / o, i / c / o) for W, i, S, c, o in layers))  # noqa: B905
        return V, v

    def raw(
        self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]
    ) -> tuple[Blocks, Blocks]:
        """Return W_l and b_l for raw data of the V_l and v_l."""
        W, b = self.directions(coefs, intercepts)
        return W, (*b[:-1], b[-1] + self.target)

    def directions(
        self, coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]
    ) -> tuple[Blocks, Blocks]:
        """Return T phi: how W_l and b_l change if V_l and v_l change by these.

        Blocks may have further axes at their end.
        """
        W, b = [], []
        last = [np.ones(1)] * (len(coefs) - 1) + [self.outputs]
        layers = zip(coefs, intercepts, self.inputs, self.constants, last, strict=True)
        for V, v, S, c, o in layers:
            o = o.reshape(-1, *(1,) * (v.ndim - 1))
            W.append(V * np.reshape(S, (-1,) + (1,) * v.ndim) * o)
            b.append(v * c * o)
        b[0] = b[0] - np.tensordot(self.location, W[0], 1)
        return tuple(W), tuple(b)

    def of_layers(
        self, activations: Sequence[np.ndarray], deltas: Sequence[np.ndarray]
    ) -> tuple[Blocks, Blocks]:
        """Return the activations (h_l, n) and sensitivities (h_l, m, n) by phi."""
        a = [S * a for S, a in zip(self.inputs[1:], activations[1:], strict=True)]
        first = (activations[0] - self.location[:, None]) * self.inputs[0][:, None]
        last = deltas[-1] * self.outputs[:, None, None]
        return (first, *a), (*deltas[:-1], last)


def _rows(S: np.ndarray | float) -> np.ndarray:
    return np.reshape(S, (-1, 1))
