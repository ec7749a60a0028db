"""The network and its Jacobian as nodes, rows first.

As in `_network`, with x (n, d), activations a_l (n, h_l), f (n, m), sensitivities
d_l (n, m, h_l), or (1, m, h_l) where they are the same for all rows, and J (n, m, p).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sklearn_nnci._network.perceptron import Network
from sklearn_nnci.onnx._graph import Graph

ACTIVATIONS = {"tanh": "Tanh", "logistic": "Sigmoid", "relu": "Relu"}

# act'(z) as a function of a = act(z)
DERIVATIVES: dict[str, Callable[[Graph, str], str]] = {
    "tanh": lambda g, a: g.op("Sub", np.ones(1), g.op("Mul", a, a)),
    "logistic": lambda g, a: g.op("Mul", a, g.op("Sub", np.ones(1), a)),
    "relu": lambda g, a: g.cast(g.op("Greater", a, np.zeros(1)), g.dtype),
}


class Layers(NamedTuple):
    """Factors of the Jacobian of the rows; see `jacobian.Factors`."""

    activations: list[str]
    """a_0, ..., a_{L-1}, in the coordinates of the network."""
    deltas: list[str]
    constants: tuple[float, ...]
    sizes: list[tuple[int, int]]
    """(h_{l-1}, h_l)."""


def forward(g: Graph, network: Network, x: str) -> tuple[list[str], str]:
    """Return a_0, ..., a_{L-1}, and f (n, m)."""
    activations, z = [x], x
    for k, (W, b) in enumerate(zip(network.coefs, network.intercepts, strict=True)):
        if k:
            kind = ACTIVATIONS.get(network.activation)
            activations.append(g.op(kind, z) if kind else z)
        z = g.op("Add", g.op("MatMul", activations[-1], W), b)
    return activations, z


def layers(g: Graph, network: Network, activations: list[str]) -> Layers:
    """Return the factors of the Jacobian of rows with these activations."""
    m, c = network.n_outputs, network.coordinates
    slope = DERIVATIVES.get(network.activation)
    outputs = np.ones(m) if c is None else c.outputs
    deltas, delta = [g.constant(np.diag(outputs)[None])], ""
    for k in range(len(network.coefs) - 1, 0, -1):
        W = network.coefs[k].T
        delta = g.op("MatMul", delta, W) if delta else g.constant(W[None])
        if slope is not None:
            own = g.expand_dims(slope(g, activations[k]), 1)
            delta = g.op("Mul", delta, own)
        deltas.append(delta)
    sizes, constants = [W.shape for W in network.coefs], (1.0,) * len(network.coefs)
    if c is not None:
        moved = g.op("Sub", activations[0], c.location)
        scaled = zip([moved, *activations[1:]], c.inputs, strict=True)
        activations = [g.op("Mul", a, np.atleast_1d(S)) for a, S in scaled]
        constants = c.constants
    return Layers(activations, deltas[::-1], constants, sizes)


def dense(g: Graph, F: Layers) -> str:
    """Return J (n, m, p): coefs, layer by layer, then intercepts."""
    ones, blocks = g.ones(F.activations[0], 1, 1), []
    for a, d, (above, below) in zip(F.activations, F.deltas, F.sizes, strict=True):
        block = g.op("Mul", g.expand_dims(a, 1, 3), g.expand_dims(d, 2))
        blocks.append(g.reshape(block, 0, 0, above * below))
    blocks += [
        g.op("Mul", g.op("Mul", ones, np.full(1, c)), d)
        for d, c in zip(F.deltas, F.constants, strict=True)
    ]
    return g.op("Concat", *blocks, axis=2)
