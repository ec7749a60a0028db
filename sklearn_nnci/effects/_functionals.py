"""Linear functionals of a curve, their values, and their gradients by the weights.

Functionals of the same rows x_i, with a weight of each row,

    T_k = sum_i Omega_ik m_i,    m_i = sum over terms of  l_i f(x_i) + s_i df/dx v,

are averages, contrasts, partial dependences and slopes; without Omega each row is one.
Their gradients G = dT/dtheta (p, K) are sums of rows of J, and of its derivatives along
v: products with layer factors, so that no Jacobian is written out.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._network import directional, jacobian
from sklearn_nnci._network.perceptron import Network, linear_predictor
from sklearn_nnci._numerics.chunks import row_slices


class Term(NamedTuple):
    """l_i f(x_i) + s_i df/dx v at n rows."""

    X: np.ndarray
    """Rows as the network sees them, (n, d)."""
    level: np.ndarray
    """l, (n,)."""
    slope: np.ndarray
    """s, (n,)."""
    direction: np.ndarray | None = None
    """v (d,); None: no slope is asked for."""

    def part(self, rows: slice) -> "Term":
        """Return that of some rows."""
        return self._replace(
            X=self.X[rows], level=self.level[rows], slope=self.slope[rows]
        )


class Block(NamedTuple):
    """Functionals of the same n rows."""

    terms: tuple[Term, ...]
    weight: np.ndarray | None = None
    """Omega (n, K); None: each row is a functional, K = n."""

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return len(self.terms[0].level)

    @property
    def size(self) -> int:
        """Number of functionals, K."""
        return self.n_rows if self.weight is None else self.weight.shape[1]

    def parts(self, network: Network) -> Iterator["Block"]:
        """Yield the same, some functionals at a time, worth one buffer of gradients."""
        if self.weight is not None:
            yield self
            return
        for rows in row_slices(self.n_rows, 8 * network.n_parameters):
            yield self._replace(terms=tuple(one.part(rows) for one in self.terms))


def level_of(X: np.ndarray, factor: float = 1.0) -> Term:
    """Return the term ``factor f(x_i)``."""
    return Term(X, np.full(len(X), factor), np.zeros(len(X)))


def slope_of(X: np.ndarray, v: np.ndarray) -> Term:
    """Return the term df/dx v."""
    return Term(X, np.zeros(len(X)), np.ones(len(X)), v)


def summands(network: Network, block: Block) -> np.ndarray:
    """Return m (n,)."""
    m = np.zeros(block.n_rows)
    for one in block.terms:
        if one.level.any():
            m += one.level * linear_predictor(network, one.X)[0]
        if one.direction is not None:
            for rows, slope in _slopes(network, one):
                m[rows] += one.slope[rows] * slope.value[0]
    return m


def weighed(block: Block, m: np.ndarray) -> np.ndarray:
    """Return T (K,) of m (n,)."""
    return m if block.weight is None else block.weight.T @ m


def gradients(network: Network, block: Block) -> np.ndarray:
    """Return G (p, K)."""
    G = np.zeros((network.n_parameters, block.size))
    for one in block.terms:
        if one.level.any():
            for rows, F in jacobian.stream(network, one.X):
                _add(G, block, rows, one.level, F)
        if one.direction is not None:
            for rows, slope in _slopes(network, one):
                _add(G, block, rows, one.slope, slope)
    return G


def _slopes(network: Network, term: Term) -> Iterator[tuple[slice, directional.Slope]]:
    """Yield the `Slope` of some rows at a time."""
    assert term.direction is not None
    for rows in row_slices(term.X.shape[0], 8 * network.n_parameters):
        yield rows, directional.slope(network, term.X[rows], term.direction)


def _add(
    G: np.ndarray, block: Block, rows: slice, coef: np.ndarray, given_rows_J: Any
) -> None:
    """Add coef_i times rows of J, or of its derivative, to the functionals."""
    is_slope = isinstance(given_rows_J, directional.Slope)
    if block.weight is None:
        dense = given_rows_J.dense() if is_slope else jacobian.dense(given_rows_J)
        G[:, rows] += dense[:, 0] * coef[rows]
        return
    for k, omega in enumerate(block.weight[rows].T):
        r = (omega * coef[rows])[None]
        G[:, k] += given_rows_J.vjp(r) if is_slope else jacobian.vjp(given_rows_J, r)
