"""Groups of parameters that share a penalty.

One for each input, which can so be found irrelevant (automatic relevance
determination, MacKay 1994; Neal 1996), one for the intercepts of each hidden layer, one
for each further matrix of weights. The intercepts of the output have none.
"""

from typing import NamedTuple

import numpy as np

from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network.coordinates import Coordinates
from sklearn_nnci._network.jacobian import Factors
from sklearn_nnci._network.perceptron import Network, pack


class Groups(NamedTuple):
    """Groups of the parameters of a network, by their numbers.

    Inputs 0, ..., d - 1, then b_1, W_2, b_2, W_3, ..., W_L.
    """

    group_of: np.ndarray
    """The group of each parameter but the intercepts of the output, (p - m,)."""
    sizes: np.ndarray
    """Parameters of each, (G,)."""
    n_features: int
    n_free: int
    """m, the parameters without a group, which are the last."""

    @property
    def n_groups(self) -> int:
        """How many there are, G."""
        return len(self.sizes)

    def penalty(self, strengths: np.ndarray) -> Penalty:
        """Return Lambda of the lambda_g, (G,)."""
        return Penalty(strengths[self.group_of], self.n_free)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over each group of `values` (p,) or (p - m,)."""
        kept = values[: len(self.group_of)]
        return np.bincount(self.group_of, kept, minlength=self.n_groups)

    def units(self, strengths: np.ndarray) -> tuple[tuple, tuple]:
        """Return S_l and c_l of the parameters lambda_g^1/2 theta: lambda_g^-1/2."""
        unit, d = strengths**-0.5, self.n_features
        inputs = (unit[:d], *(float(S) for S in unit[d + 1 :: 2]))
        return inputs, (*(float(c) for c in unit[d::2]), 1.0)

    def whitened(self, F: Factors, strengths: np.ndarray) -> Factors:
        """Return the factors of J Lambda^-1/2, the Jacobian by these parameters."""
        (first, *more), constants = self.units(strengths)
        rows = zip(more, F.activations[1:], strict=True)
        a = (first[:, None] * F.activations[0], *(S * a for S, a in rows))
        return Factors(a, F.deltas, constants)

    def coordinates(
        self, strengths: np.ndarray, x: tuple[np.ndarray, np.ndarray],
        y: tuple[np.ndarray, np.ndarray], units: np.ndarray,
    ) -> Coordinates:  # fmt: skip
        """Return those of the same parameters on raw data.

        `x` and `y` are their location and scale, by which they were standardised,
        `units` those of the standardised outputs.
        """
        (first, *more), constants = self.units(strengths)
        inputs = (first / x[1], *more)
        return Coordinates(x[0], inputs, constants, *y, units * y[1])


def groups_of(network: Network) -> Groups:
    """Return the `Groups` of the parameters of a network."""
    d, L, m = len(network.coefs[0]), len(network.coefs), network.n_outputs
    first = np.broadcast_to(np.arange(d)[:, None], network.coefs[0].shape)
    further = [np.full(W.shape, d + 1 + 2 * k) for k, W in enumerate(network.coefs[1:])]
    intercepts = [
        np.full(b.shape, d + 2 * k) for k, b in enumerate(network.intercepts[:-1])
    ]
    index = pack([first, *further], intercepts)
    return Groups(index, np.bincount(index, minlength=d + 2 * (L - 1)), d, m)
