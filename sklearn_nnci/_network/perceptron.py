"""The network as a function of its parameters: forward values and sensitivities.

Notation, with ``n`` rows, ``m`` outputs, ``L`` weight layers of ``h_l`` units:

    a_0 = x,  z_l = W_l' a_{l-1} + b_l,  a_l = act(z_l),  f = z_L     (h_l, n)
    d_L[k] = e_k,  d_{l-1}[k] = (W_l d_l[k]) o act'(z_{l-1})          (h_l, m, n)

``f`` is the *linear predictor*: what the output layer gives before its link
(the identity, or ``exp`` for a Poisson loss). ``d_l[k]`` is the derivative of
``f_k`` with respect to ``z_l``; the product ``W_l d_l`` is the sum over all
paths from layer ``l`` to output ``k``. Everything runs transposed, samples
last: each block of the Jacobian is then written in contiguous runs of ``n``.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from scipy.special import expit

from sklearn_nnci._network.coordinates import Coordinates
from sklearn_nnci._numerics.chunks import row_slices

Arrays = Sequence[np.ndarray]

# act(z), which may overwrite z
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda z: z,
    "logistic": lambda z: expit(z, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "relu": lambda z: np.maximum(z, 0.0, out=z),
}


def _less(x: float, y: np.ndarray) -> np.ndarray:
    return np.subtract(x, y, out=y)


# act'(z) as a function of a = act(z); at a kink of relu the left derivative,
# which is also what scikit-learn's backpropagation takes.
DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.ones_like,
    "logistic": lambda a: a * (1.0 - a),
    "tanh": lambda a: _less(1.0, a * a),
    "relu": lambda a: (a > 0.0).astype(a.dtype),
}


class Network(NamedTuple):
    """A fitted perceptron in float64."""

    coefs: tuple
    """W_l, one array (h_{l-1}, h_l) per weight layer."""
    intercepts: tuple
    """b_l, one array (h_l,) per weight layer."""
    activation: str
    """Name of the hidden activation."""
    coordinates: Coordinates | None = None
    """In which its parameters are measured; None: as they are."""

    @property
    def own(self) -> "Network":
        """The network of its parameters as they are measured."""
        if self.coordinates is None:
            return self
        blocks = self.coordinates.own(self.coefs, self.intercepts)
        return Network(*blocks, self.activation)

    @property
    def parameters(self) -> np.ndarray:
        """Its parameters as they are measured, packed, (p,)."""
        return pack(*self.own[:2])

    @property
    def n_outputs(self) -> int:
        """Number of outputs, m."""
        return self.coefs[-1].shape[1]

    @property
    def kinked(self) -> bool:
        """Whether f has kinks: hidden units of relu."""
        return self.activation == "relu" and len(self.coefs) > 1

    @property
    def n_intercepts(self) -> int:
        """Number of intercepts, the trailing block of the packed parameters."""
        return sum(b.size for b in self.intercepts)

    @property
    def n_parameters(self) -> int:
        """Number of parameters, p."""
        return sum(W.size for W in self.coefs) + self.n_intercepts


def pack(coefs: Arrays, intercepts: Arrays) -> np.ndarray:
    """Return theta (p,): coefs, each raveled in C order, then intercepts."""
    return np.concatenate([np.ravel(block) for block in (*coefs, *intercepts)])


def unpack(theta: np.ndarray, like: Network) -> Network:
    """Return the network with parameters `theta` and the shapes of `like`."""
    blocks, start = [], 0
    for block in (*like.coefs, *like.intercepts):
        blocks.append(theta[start : start + block.size].reshape(block.shape))
        start += block.size
    L = len(like.coefs)
    return Network(tuple(blocks[:L]), tuple(blocks[L:]), like.activation)


def null_directions(network: Network) -> np.ndarray:
    """Return the rows Z (r, p) with J Z' = 0 whatever the inputs are.

    relu(c z) = c relu(z): f stays as it is when the weights into a unit and its
    intercept are multiplied by c, and those out of it divided. Rows are derivatives by
    c at 1, of unit length: one for each hidden unit, none if units are not of relu.
    """
    network = network.own
    hidden = network.intercepts[:-1] if network.activation == "relu" else ()
    units = [(layer, j) for layer, b in enumerate(hidden) for j in range(b.size)]
    Z = np.zeros((len(units), network.n_parameters))
    for z, (layer, j) in zip(Z, units, strict=True):
        change = unpack(z, network)  # views of z
        change.coefs[layer][:, j] = network.coefs[layer][:, j]
        change.intercepts[layer][j] = network.intercepts[layer][j]
        change.coefs[layer + 1][j] = -network.coefs[layer + 1][j]
    size = np.linalg.norm(Z, axis=1)
    return Z[size > 0.0] / size[size > 0.0, None]


def parameter_names(network: Network) -> list[str]:
    """Return one name per parameter, in packing order."""
    coefs = [
        f"coefs_[{layer}][{i}, {j}]"
        for layer, W in enumerate(network.coefs)
        for i in range(W.shape[0])
        for j in range(W.shape[1])
    ]
    return coefs + [
        f"intercepts_[{layer}][{j}]"
        for layer, b in enumerate(network.intercepts)
        for j in range(b.size)
    ]


# Inputs are taken as they come; float32 becomes float64 chunk by chunk.
FLOATS = (np.float64, np.float32)


def transposed(X: Any) -> np.ndarray:
    """Return the rows `X` (n, d), dense or sparse, as a contiguous array (d, n)."""
    X = X.toarray() if issparse(X) else X
    return np.ascontiguousarray(X.T, dtype=np.float64)


def forward(network: Network, X: Any) -> list[np.ndarray]:
    """Return a_0, ..., a_{L-1} and, last, the linear predictor f (m, n)."""
    act = ACTIVATIONS[network.activation]
    activations = [transposed(X)]
    for W, b in zip(network.coefs[:-1], network.intercepts[:-1], strict=True):
        z = W.T @ activations[-1]
        z += b[:, None]
        activations.append(act(z))
    f = network.coefs[-1].T @ activations[-1] + network.intercepts[-1][:, None]
    return [*activations, f]


def sensitivities(
    network: Network, activations: Arrays, cotangent: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return d_1, ..., d_L, each (h_l, m, n).

    ``d_L`` is `cotangent`, (m, m', 1 or n), by default the identity. Because
    backpropagation is linear, a cotangent ``diag(s) M`` gives the sensitivities of
    the scaled and mixed outputs ``M'(s o f)``, a factor per row included.
    """
    if cotangent is None:
        cotangent = np.eye(network.n_outputs)[:, :, None]
    m, n = cotangent.shape[1], activations[0].shape[1]
    slope = DERIVATIVES[network.activation]
    deltas = [np.broadcast_to(cotangent, (*cotangent.shape[:2], n))]
    # A cotangent that is the same for all rows is sent through the last layer once.
    delta = cotangent
    for W, a in zip(network.coefs[:0:-1], activations[-2:0:-1], strict=True):
        back = (W @ delta.reshape(len(delta), -1)).reshape(len(W), m, -1)
        own = back if back.shape[2] == n else None
        delta = np.multiply(back, slope(a)[:, None, :], out=own)
        deltas.append(delta)
    return deltas[::-1]


def checked_network(
    coefs: Sequence, intercepts: Sequence, activation: str, n_features: int,
    n_outputs: int, n_layers: int,
) -> Network:  # fmt: skip
    """Return the weights as a float64 `Network`; ValueError if they cannot be one."""
    if not len(coefs) == len(intercepts) == n_layers:
        raise ValueError(
            f"coefs_ has {len(coefs)} arrays and intercepts_ {len(intercepts)}, "
            f"expected {n_layers} of each. Were they changed by hand? Fit again."
        )
    network = Network(
        tuple(_numbers(W, f"coefs_[{i}]") for i, W in enumerate(coefs)),
        tuple(_numbers(b, f"intercepts_[{i}]") for i, b in enumerate(intercepts)),
        activation,
    )
    fan_in, last = n_features, len(network.coefs) - 1
    for layer, (W, b) in enumerate(zip(network.coefs, network.intercepts, strict=True)):
        fan_out = n_outputs if layer == last else b.size
        if W.shape != (fan_in, fan_out) or b.shape != (fan_out,):
            raise ValueError(
                f"coefs_[{layer}] and intercepts_[{layer}] have shapes {W.shape} and "
                f"{b.shape}, expected ({fan_in}, {fan_out}) and ({fan_out},). Were "
                "they changed by hand? Fit again."
            )
        fan_in = fan_out
    return network


def _numbers(values: ArrayLike, name: str) -> np.ndarray:
    """Return `values` as float64; ValueError if they are not finite numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        what = "not finite" if values.dtype.kind == "f" else f"of {values.dtype}"
        raise ValueError(
            f"{name} is {what}, finite floats are expected. Was it changed by hand? "
            "Fit again."
        )
    return values.astype(np.float64, copy=False)


def linear_predictor(network: Network, X: Any) -> np.ndarray:
    """Return f, (m, n)."""
    f = np.empty((network.n_outputs, X.shape[0]))
    widest = sum(W.shape[1] for W in network.coefs)
    for part in row_slices(X.shape[0], 8 * widest):
        f[:, part] = forward(network, X[part])[-1]
    return f
