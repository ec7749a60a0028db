"""The delta method: what a network's own inference says of functionals of its curve.

As `standard_errors` has it of rows, with C the covariance of theta, b = G'step the way
to the optimum of the evidence, u the excess variance of every f(x), and networks nearby
of weights w_k,

    cov = c G'C G + b b' + u Q'Q + sum_k w_k (T_k - T)(T_k - T)',

c the widening. Q'Q belongs to a curve of variance 1 everywhere whose correlations are
those of j(x)'C j(x'): q(x) = C^1/2 j / v^1/2, v = j'C j, so that a functional of f is
the same functional of q. Of slopes,

    dq = C^1/2 (dj / v^1/2 - j (j'C dj) / v^3/2).
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference import standard_errors
from sklearn_nnci._linearized.protocols import Posterior
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._network import directional, jacobian
from sklearn_nnci._network.perceptron import Network, unpack
from sklearn_nnci._numerics.chunks import row_slices
from sklearn_nnci._numerics.rank import unbounded
from sklearn_nnci.effects._functionals import (
    Block,
    Term,
    gradients,
    summands,
    weighed,
)

Blocks = tuple[Block, ...]


class Told(NamedTuple):
    """What there is to know of K functionals."""

    G: np.ndarray
    """(p, K)."""
    b: np.ndarray
    """(K,)."""
    apart: np.ndarray
    """w_k^1/2 (T_k - T) of networks nearby, (N, K)."""
    Q: np.ndarray
    """C^-1/2 Q, (p, K); of no columns where there is no excess."""


def values(network: Network, blocks: Blocks) -> np.ndarray:
    """Return T (K,) of all functionals."""
    return np.concatenate([weighed(one, summands(network, one)) for one in blocks])


def covariance(
    state: dict[str, Any], network: Network, blocks: Blocks, everywhere: bool = False
) -> np.ndarray:
    """Return the covariance of all functionals, (K, K).

    Infinite on the diagonal, nan beside it, where not bounded. Bands that hold
    `everywhere` at once need more; see `standard_errors.covariance`.
    """
    if state["posterior"] is None:
        K = sum(one.size for one in blocks)
        return unbounded(np.zeros((K, K)), np.ones(K, dtype=bool))[0]
    posterior = restore(network, state["posterior"])
    told = [_told(state, network, posterior, one) for one in blocks]
    parts = zip(*told, strict=True)
    G, b, away, Q = (np.concatenate(part, axis=-1) for part in parts)
    V, lost = posterior.gradient_covariance(G)
    V = V * state["widening"] + np.outer(b, b) + away.T @ away
    u = state["excess"][0] + everywhere * state["doubt"][0]
    if u > 0.0:
        V = V + u * posterior.gradient_covariance(Q)[0]
    return unbounded(V, lost)[0]


def variance(state: dict[str, Any], network: Network, blocks: Blocks) -> np.ndarray:
    """Return the diagonal of `covariance`, (K,), some functionals at a time."""
    if state["posterior"] is None:
        return np.full(sum(one.size for one in blocks), np.inf)
    posterior, found = restore(network, state["posterior"]), []
    for block in blocks:
        for part in block.parts(network):
            told = _told(state, network, posterior, part)
            v = posterior.gradient_variance(told.G) * state["widening"]
            v += told.b**2 + np.sum(told.apart**2, axis=0)
            if state["excess"][0] > 0.0:
                v += state["excess"][0] * posterior.gradient_variance(told.Q)
            found.append(v)
    return np.concatenate(found)


def excess(state: dict[str, Any], network: Network, blocks: Blocks) -> np.ndarray:
    """Return (u + what bands add to it) Q'Q, (K, K)."""
    u, K = state["excess"][0] + state["doubt"][0], sum(one.size for one in blocks)
    if u == 0.0 or state["posterior"] is None:
        return np.zeros((K, K))
    posterior = restore(network, state["posterior"])
    scaled = (_of_unit_variance(state, network, posterior, one) for one in blocks)
    Q = np.hstack([gradients(network, one) for one in scaled])
    return u * posterior.gradient_covariance(Q)[0]


def _told(
    state: dict[str, Any], network: Network, posterior: Posterior, block: Block
) -> Told:
    """Return what there is to know of the functionals of a block."""
    G, step = gradients(network, block), state["step"]
    b = np.zeros(block.size) if step is None else step @ G
    Q = np.zeros((len(G), block.size))
    if state["excess"][0] > 0.0 or state["doubt"][0] > 0.0:
        Q = gradients(network, _of_unit_variance(state, network, posterior, block))
    return Told(G, b, apart(state, network, (block,)), Q)


def apart(state: dict[str, Any], network: Network, blocks: Blocks) -> np.ndarray:
    """Return w_k^1/2 (T_k - T) of networks nearby, (N, K)."""
    near, T = state["near"], values(network, blocks)
    if near is None:
        return np.empty((0, len(T)))
    like = network._replace(coordinates=None)
    others = (unpack(theta, like) for theta in near["parameters"])
    pairs = zip(near["weights"], others, strict=True)
    return np.array([np.sqrt(w) * (values(one, blocks) - T) for w, one in pairs])


def _of_unit_variance(
    state: dict[str, Any], network: Network, posterior: Posterior, block: Block
) -> Block:
    """Return the functionals of q in place of f, as functionals of f."""
    terms = (_normalised(state, network, posterior, one) for one in block.terms)
    return block._replace(terms=tuple(terms))


def _normalised(
    state: dict[str, Any], network: Network, posterior: Posterior, term: Term
) -> Term:
    """Return l q + s dq as level and slope of f.

    Where the excess varies with x as the noise does, its root is taken as a constant
    around each row.
    """
    level, slope = np.zeros_like(term.level), np.zeros_like(term.slope)
    root = np.sqrt(standard_errors.relative_variance(state, network, term.X)[0])
    for rows in row_slices(term.X.shape[0], 16 * network.n_parameters):
        one = term.part(rows)
        v, cross = _moments(network, posterior, one)
        safe = np.where(v > 0.0, v, np.inf)
        level[rows] = one.level / np.sqrt(safe) - one.slope * cross / safe**1.5
        slope[rows] = one.slope / np.sqrt(safe)
    return term._replace(level=level * root, slope=slope * root)


def _moments(
    network: Network, posterior: Posterior, term: Term
) -> tuple[np.ndarray, np.ndarray]:
    """Return j'C j and j'C dj of rows, the latter 0 where there is no slope."""
    F = jacobian.factors(network, term.X)
    v = posterior.variance(F)[0]
    if term.direction is None:
        return v, np.zeros_like(v)
    J = jacobian.dense(F)[:, 0]
    dJ = directional.slope(network, term.X, term.direction).dense()[:, 0]
    sizes = np.linalg.norm(J, axis=0), np.linalg.norm(dJ, axis=0)
    t = np.divide(*sizes, out=np.ones_like(v), where=sizes[1] > 0.0)
    # j'C dj by polarisation, of vectors of one length
    plus, minus = (posterior.gradient_variance(J + s * t * dJ) for s in (1.0, -1.0))
    return v, (plus - minus) / (4.0 * t)
