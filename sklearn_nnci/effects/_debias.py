"""Averages of a curve, corrected for what the penalty and misfit do to them.

Averaging n rows removes the noise, and leaves the bias. With g = dT/dtheta, J and e of
the training rows, A = J'J + Lambda, rows weighted by sqrt(w) throughout,

    c   Riesz weights: sum_i c_i h(x_i) = T(h) for every h in a dictionary, nearly
    T~  = T + q,    q = c'e
    w   = J A^-1 g + (I - J A^-1 J') c      (T~ as a linear smoother of y, at a minimum)
    var = sum_i s_i^2 w_i^2 + q^2 + (q_r - q_t)^2 + u + sum_k v_k (T_k - T)^2

the last over networks of weights v_k that could as well be the best, if several starts
were trained.

The dictionary ``"tangent"`` is the tangent space of the network, under a tenth of its
penalty, c = J (J'J + Lambda / 10)^-1 g; ``"robust"`` has polynomials beside it (see
`_riesz`), for networks too small for their curve. ``"wider"`` takes of the two the one
of larger variance, functional by functional: a ridge that shrinks a representer leaves
bias and shrinks its variance too; what both disagree by, q_r - q_t, is added. q^2 is in
the variance because what q corrects is known to its own size only.

Where the network is no smoother of y, away from a minimum or with p >= n, w = c; and u
is what the rule ``"auto"`` adds to the variance of every f(x) (see `_plain`), r = 1 as
in bands: the correction is most of the step to the optimum, whose own error, m, is all
that is known of the rest.

J'w - g = 0 would leave no bias of the penalty; that of the plain delta method, w = J
A^-1 g, is the prior's, one fixed number in an average, and not a random one (Newey &
Robins 2018; Chernozhukov, Newey & Singh 2022, automatic debiased machine learning).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sklearn_nnci._network.perceptron import Network
from sklearn_nnci.effects import _functionals as functionals
from sklearn_nnci.effects import _plain as plain
from sklearn_nnci.effects import _riesz as riesz
from sklearn_nnci.effects._functionals import Block
from sklearn_nnci.effects._model import Member
from sklearn_nnci.effects._training import Trained

# Share of the penalty under which representers are sought: measured (0 is noise in flat
# directions, 1 leaves what the penalty did).
SHARE = 0.1
# One row with more of sum w^2 than this decides.
LARGEST_SHARE = 0.5
# Dictionaries of each kind of correction.
DICTIONARIES = {
    "tangent": ("tangent",),
    "robust": ("robust",),
    "wider": ("tangent", "robust"),
}


class Corrected(NamedTuple):
    """Corrected functionals of one network."""

    estimate: np.ndarray
    """T~, (K,)."""
    correction: np.ndarray
    """q, (K,)."""
    noise: np.ndarray
    """W' diag(s^2) W, (K, K)."""
    population: np.ndarray
    """Cov_i(m) / n, (K, K), or 0."""
    excess: np.ndarray
    """u, (K, K), or 0."""
    disagreement: np.ndarray
    """q_r - q_t of two dictionaries, (K,), or 0."""
    apart: np.ndarray
    """w_k^1/2 (T_k - T) of networks that could as well be the best, (N, K)."""
    largest: np.ndarray
    """Largest share of a row in sum w^2, (K,)."""

    @property
    def covariance(self) -> np.ndarray:
        """Of the estimates, (K, K)."""
        rows = np.vstack([self.correction, self.disagreement, self.apart])
        return self.noise + rows.T @ rows + self.population + self.excess


def corrected(
    member: Member, rows: Trained, blocks: Sequence[Block], kind: str,
    population: bool = False,
) -> Corrected:  # fmt: skip
    """Return the `Corrected` functionals of a network; `kind` of `DICTIONARIES`."""
    network, state = member.network, member.state
    m = [functionals.summands(network, one) for one in blocks]
    T = np.concatenate(
        [functionals.weighed(*pair) for pair in zip(blocks, m, strict=True)]
    )
    q, w, each = _smoothed(network, rows, blocks, DICTIONARIES[kind])
    with np.errstate(invalid="ignore"):  # a noise that is not bounded
        squares = (w * rows.noise[:, None]).T @ w
    size = np.maximum(np.sum(w**2, axis=0), np.finfo(float).tiny)
    used = _widest(np.diag(squares) + q**2, each)
    none, few = np.zeros((len(T), len(T))), np.ix_(used, used)
    return Corrected(
        T + q[used], q[used], squares[few],
        _spread(blocks, m, T) if population else none,
        none if rows.smooths else plain.excess(state, network, tuple(blocks)),
        q[each[-1]] - q[each[0]],
        plain.apart(state, network, tuple(blocks)),
        ((w**2).max(axis=0) / size)[used],
    )  # fmt: skip


def _smoothed(
    network: Network, rows: Trained, blocks: Sequence[Block], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return q (D K,) and w (n, D K) by D dictionaries, and which are whose, (D, K)."""
    G = np.hstack([functionals.gradients(network, one) for one in blocks])
    c = np.hstack(
        [
            riesz.weights(network, rows.rows, blocks)
            if name == "robust"
            else rows.representers(G, SHARE)
            for name in names
        ]
    )
    back, q = rows.rows.back(c)
    w = c + rows.smoother(np.tile(G, len(names)) - back) if rows.smooths else c
    return q, w, np.arange(q.size).reshape(len(names), -1)


def _widest(variance: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Return which of `each` (D, K) has the largest variance, (K,)."""
    best = np.nan_to_num(variance, nan=np.inf)[each].argmax(axis=0)
    return each[best, np.arange(each.shape[1])]


def _spread(
    blocks: Sequence[Block], m: Sequence[np.ndarray], T: np.ndarray
) -> np.ndarray:
    """Return sum_i Omega_ik Omega_il (m_ik - T_k)(m_il - T_l), (K, K).

    Cov_i(m) / n, of rows with equal weights.
    """
    columns = [
        one.weight * (own[:, None] - functionals.weighed(one, own))
        for one, own in zip(blocks, m, strict=True)
        if one.weight is not None
    ]
    apart = np.hstack(columns)
    return apart.T @ apart
