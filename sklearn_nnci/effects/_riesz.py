"""Riesz representers in the tangent space with polynomials beside it, by ridge.

With B (n, q) a dictionary at the training rows, its columns of mean square 1, and
M (K, q) the functionals of its columns,

    rho = (B'B / n + r I)^-1 M',    c = B rho / n,

minimises the Riesz loss  mean((B rho)^2) - 2 M rho + r |rho|^2, whose first two terms
are the distance from the true representer but for a constant. r is chosen for each
functional by that loss in five folds (Chernozhukov, Newey & Singh 2022). Rows count by
their weights.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sklearn_nnci._linearized.training_rows import Rows
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci.effects import _functionals as functionals
from sklearn_nnci.effects._functionals import Block, Term

# Strengths of the ridge that compete, on columns of mean square 1, and the folds.
STRENGTHS, FOLDS, SEED = 10.0 ** np.arange(-7.0, 0.6, 0.5), 5, 0
# Columns smaller than this, beside the largest, are rounding.
NEGLIGIBLE = 1e-8
# Columns of X up to which there are products of two of them.
MOST_PRODUCTS = 15
# Columns of a dictionary that are factored, of which six Gram matrices are held.
MOST_COLUMNS = 3000


class Polynomials(NamedTuple):
    """1, x, products of two columns (or squares) and cubes, of standardised columns."""

    location: np.ndarray
    """(d,)."""
    scale: np.ndarray
    """(d,)."""

    @classmethod
    def of(cls, X: np.ndarray) -> "Polynomials":
        """Return those standardised as the columns of `X` (n, d)."""
        scale = X.std(axis=0)
        return cls(X.mean(axis=0), np.where(scale > 0.0, scale, 1.0))

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The columns that are multiplied."""
        d = len(self.location)
        return np.triu_indices(d) if d <= MOST_PRODUCTS else (np.arange(d),) * 2

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return them at rows, (n, r)."""
        z, (i, k) = (X - self.location) / self.scale, self.pairs
        return np.hstack([np.ones((len(z), 1)), z, z[:, i] * z[:, k], z**3])

    def along(self, X: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Return their derivatives along `v` (d,), (n, r)."""
        z, (i, k) = (X - self.location) / self.scale, self.pairs
        dz = np.broadcast_to(v / self.scale, z.shape)
        products = dz[:, i] * z[:, k] + z[:, i] * dz[:, k]
        return np.hstack([np.zeros((len(z), 1)), dz, products, 3.0 * z**2 * dz])

    def summands(self, term: Term) -> np.ndarray:
        """Return l_i P(x_i) + s_i dP/dx v, (n, r)."""
        rows = term.level[:, None] * self(term.X)
        if term.direction is not None:
            rows = rows + term.slope[:, None] * self.along(term.X, term.direction)
        return rows


def size(network: Network) -> int:
    """Return q, the columns of the dictionary."""
    d = len(network.coefs[0])
    pairs = d * (d + 1) // 2 if d <= MOST_PRODUCTS else d
    return network.n_parameters + 1 + 2 * d + pairs


def weights(network: Network, rows: Rows, blocks: Sequence[Block]) -> np.ndarray:
    """Return c (n, K), rows weighted, of functionals that average.

    ValueError if the dictionary is too large to be factored.
    """
    X, _, w = rows.arrays()
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    P, q = Polynomials.of(X), size(network)
    if q > MOST_COLUMNS:
        raise ValueError(
            f"debias='robust' factors a dictionary of {q} columns, more than "
            f"{MOST_COLUMNS}. Try debias='tangent', or a smaller network."
        )
    B = np.hstack([_jacobian(rows), np.sqrt(w)[:, None] * P(X) / rows.scale[0]])
    fold = _folds(len(B))
    gram = np.array([B[fold == k].T @ B[fold == k] for k in range(FOLDS)])
    counts = np.array([w[fold == k].sum() for k in range(FOLDS)])
    scale = np.sqrt(np.diag(gram.sum(axis=0)) / counts.sum())
    kept = scale > NEGLIGIBLE * scale.max()
    scale = scale[kept]
    gram = gram[:, kept][:, :, kept] / np.outer(scale, scale)
    M, shares = _by_fold(network, P, blocks)
    rho = _ridge(gram, counts, M[:, kept] / scale[:, None], shares)
    return B[:, kept] @ (rho / scale[:, None]) / counts.sum()


def _jacobian(rows: Rows) -> np.ndarray:
    """Return sqrt(w) J, (n, p)."""
    blocks = rows.blocks(weighted=True, doing="dictionary")
    return np.vstack([block[:-1].T.copy() for block, _ in blocks])


def _folds(n: int) -> np.ndarray:
    """Return which fold each of n rows belongs to, (n,)."""
    return np.random.default_rng(SEED).permutation(n) % FOLDS


def _by_fold(
    network: Network, P: Polynomials, blocks: Sequence[Block]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums (F, q, K) of functionals over folds, and their sizes (F, K)."""
    sums, shares = [], []
    for one in blocks:
        assert one.weight is not None
        fold = _folds(one.n_rows)
        omega = np.stack([one.weight * (fold == k)[:, None] for k in range(FOLDS)])
        split = one._replace(weight=np.hstack(list(omega)))
        G = functionals.gradients(network, split).reshape(-1, FOLDS, one.size)
        values = np.sum([P.summands(term) for term in one.terms], axis=0)
        sums.append(np.concatenate([G.swapaxes(0, 1), values.T @ omega], axis=1))
        shares.append(np.abs(omega).sum(axis=1))
    return np.concatenate(sums, axis=2), np.concatenate(shares, axis=1)


def _ridge(
    gram: np.ndarray, counts: np.ndarray, M: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Return rho (q, K) of each functional, its strength by cross-validation.

    `gram` (F, q, q) and `M` (F, q, K) are sums over folds, of weights `counts` (F,) and
    `shares` (F, K).
    """
    total, n = gram.sum(axis=0), counts.sum()
    whole = M.sum(axis=0) / shares.sum(axis=0)
    loss = np.zeros((len(STRENGTHS), M.shape[2]))
    for k in range(len(gram)):
        others = np.delete(M, k, 0).sum(0) / _positive(np.delete(shares, k, 0).sum(0))
        here = M[k] / _positive(shares[k])
        fits = _solved((total - gram[k]) / (n - counts[k]), others, STRENGTHS)
        for i, rho in enumerate(fits):
            squares = np.einsum("qk,qk->k", rho, gram[k] @ rho)
            loss[i] += squares - 2.0 * counts[k] * np.einsum("qk,qk->k", rho, here)
    best = STRENGTHS[loss.argmin(axis=0)]
    return next(_solved(total / n, whole, [best])) * shares.sum(axis=0)


def _solved(S, M, strengths):
    """Yield (S + r I)^-1 M for each of `strengths`, one for all or one per column."""
    values, V = np.linalg.eigh(S)
    values, rotated = np.maximum(values, 0.0), V.T @ M
    for r in strengths:
        yield V @ (rotated / (values[:, None] + r))


def _positive(shares: np.ndarray) -> np.ndarray:
    return np.maximum(shares, np.finfo(float).tiny)
