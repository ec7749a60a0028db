"""The information matrix by an n x n factor: the dual route, for n < p.

With K = J_a J_a' the Gram matrix of the rows over the penalised parameters and B
the columns of the free ones (rows weighted by sqrt(w) throughout), the Woodbury
identity turns A^-1 into universal kriging with trend B:

    V = I + K / lambda = C C',   G = C^-1 B = Q T,   k = J_a j_a / lambda,
    z = C^-1 k,   r = T^-T j_b - Q'z,
    j'A^-1 j = |j_a|^2 / lambda - z'z + r'r,
    a = J A^-1 j = C^-T (z + Q r)                       (the linear smoother),
    I - J A^-1 J' = C^-T (I - Q Q') C^-1 = P.

Neither J nor anything of size p x p is built. The variance is a difference: it
loses eps |j_a|^2 / lambda. Where that matters it is computed as a sum of squares,

    j'A^-1 j = a'a + |j_a - J_a'a|^2 / lambda,

and lambda must not be negligible beside K (`Dual.cancels`).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack
from sklearn.utils import gen_batches

from sklearn_nnci import _jacobian, _linalg
from sklearn_nnci._chunks import row_slices
from sklearn_nnci._network import pack, unpack
from sklearn_nnci._progress import progress
from sklearn_nnci._rows import Chunk, Penalty, Rows
from sklearn_nnci._sums import Leverages, Meat, Totals

# Below this share of the mean diagonal of K, fewer than seven digits are left.
NEGLIGIBLE = 1e-9
# Below this share of the first term of j'A^-1 j, its subtraction has lost ten digits
# and the sum of squares is computed instead.
LOSSY = 1e-6
TILE = 512


class Dual(NamedTuple):
    """The rows, reduced to their Gram matrix."""

    rows: Rows
    chunk: Chunk
    """All of them, weighted."""
    totals: Totals
    reduced: np.ndarray
    """K (N, N), N = m n: Gram matrix over all coefs, outputs before rows."""

    @property
    def route(self):
        """Name of this route."""
        return "dual"

    @property
    def network(self):
        """The network that gave J."""
        return self.rows.network

    @property
    def factors(self):
        """Factors of the weighted rows."""
        return self.chunk.factors

    def cancels(self, penalty):
        """Return whether `penalty` is too small for this route."""
        return penalty.strength < NEGLIGIBLE * np.trace(self.reduced) / len(
            self.reduced
        )

    def gram(self, n_free):
        """Return the Gram matrix over all but the last `n_free` parameters, anew."""
        B = self.columns(self.network.n_intercepts)[:, : -n_free or None]
        K = B @ B.T
        K += self.reduced
        return K.T  # symmetric, and now in the order that LAPACK overwrites

    def columns(self, n_free):
        """Return the last `n_free` columns of the weighted Jacobian, (N, n_free)."""
        return _jacobian.intercept_columns(self.factors, n_free).T

    def rank(self):
        """Return rank J, from the pivots of J J'."""
        K = self.gram(0)
        tolerance = np.finfo(float).eps * max(len(K), self.network.n_parameters)
        tolerance *= K.diagonal().max()
        return int(lapack.dpstrf(K, tol=tolerance, overwrite_a=1)[2])

    def spectrum_parts(self, n_free):
        """Return (K, O, t) of the linearised model; see `Primal.spectrum_parts`."""
        return self.gram(n_free), self.columns(n_free), self.target(n_free)

    def target(self, n_free):
        """Return t = e + J_a theta_a, (N,)."""
        theta = pack(self.network.coefs, self.network.intercepts)
        theta[len(theta) - n_free :] = 0.0
        linear = _jacobian.times(self.factors, unpack(theta, self.network))
        return (self.chunk.residuals + linear).ravel()

    def penalise(self, penalty):
        """Return the factored information of these rows under `penalty`."""
        V = self.gram(penalty.n_free)
        V /= penalty.strength
        V.flat[:: len(V) + 1] += 1.0
        condition = float(np.sqrt(linalg.norm(V, 1)))  # lambda bounds A from below
        C = linalg.cholesky(V, lower=True, overwrite_a=True, check_finite=False)
        inverse = lapack.dtrtri(C, lower=1, overwrite_c=1)[0]
        B = self.columns(penalty.n_free)
        span = _linalg.span_of(B, len(B))
        G = _linalg.times(inverse, span.restrict(B))
        Q, T = linalg.qr(G, mode="economic")
        return DualInformation(self, penalty, inverse, Q, T, span, condition)


def reduce_rows(rows):
    """Return the `Dual` reduction of `rows`: the Gram matrix, tile by tile."""
    rows = rows.gather()
    chunk = rows.chunk(weighted=True)
    F = chunk.factors
    _, m, n = F.shape
    K = np.empty((m, n, m, n))
    tiles = list(gen_batches(n, TILE))
    for a, one in enumerate(progress(tiles, "Gram matrix", rows.verbose)):
        for other in tiles[: a + 1]:
            block = _jacobian.kernel(
                _take(F, one), _take(F, other), rows.network.n_intercepts
            ).reshape(m, one.stop - one.start, m, -1)
            K[:, one, :, other] = block
            K[:, other, :, one] = block.transpose(2, 3, 0, 1)
    totals = Totals.of(chunk.y, chunk.residuals / np.sqrt(chunk.weight), chunk.weight)
    return Dual(rows, chunk, totals, K.reshape(m * n, m * n))


def _take(F, part):
    """Return the factors of some of the rows of `F`."""
    return _jacobian.Factors(
        tuple(a[:, part] for a in F.activations),
        tuple(d[:, :, part] for d in F.deltas),
    )


class DualInformation(NamedTuple):
    """A = J'WJ + Lambda by an N x N factor, N = m n."""

    sums: Dual
    penalty: Penalty
    inverse: np.ndarray
    """C^-1, lower triangular (N, N)."""
    Q: np.ndarray
    """(N, r), orthonormal: the trend, whitened."""
    T: np.ndarray
    """(r, r), upper triangular."""
    span: _linalg.Span
    """What the rows determine of the free parameters."""
    condition: float
    """Condition number of the factor of A, bounded by that of K / lambda + 1."""

    def leverages(self, step=None):
        """Return the `Leverages` of all rows, residuals being e, or e - J step."""
        (chunk, H), *_ = self.rowwise()
        e, network = chunk.residuals, self.sums.network
        if step is not None:
            moved = _jacobian.times(self.sums.factors, unpack(step, network))
            e = e - moved / np.sqrt(chunk.weight)
        return Leverages.of(e, H, chunk.weight)

    def rowwise(self):
        """Yield (chunk, H), H_ii = J_i A^-1 J_i' of one copy of each row, (n, m, m)."""
        chunk, m = self.sums.chunk, self.sums.network.n_outputs
        columns = self.inverse.reshape(len(self.inverse), m, -1)
        trend = (self.Q.T @ self.inverse).reshape(self.Q.shape[1], m, -1)
        P = np.einsum("rkn,rln->nkl", columns, columns)
        P -= np.einsum("rkn,rln->nkl", trend, trend)
        H = (np.eye(m) - P) / chunk.weight[:, None, None]
        yield chunk._replace(residuals=chunk.residuals / np.sqrt(chunk.weight)), H

    def step(self):
        """Return the Gauss-Newton step A^-1 g, (p,).

        The optimum is theta_a = J_a'beta / lambda, beta = P t; the free parameters
        move by their generalised least-squares fit to t.
        """
        network, n_free = self.sums.network, self.penalty.n_free
        zt = _linalg.times(self.inverse, self.sums.target(n_free)[:, None])[:, 0]
        trend = self.Q.T @ zt
        beta = self.inverse.T @ (zt - self.Q @ trend)
        beta = beta.reshape(self.sums.chunk.residuals.shape)
        step = _jacobian.adjoint(self.sums.factors, beta)
        step = step / self.penalty.strength - pack(network.coefs, network.intercepts)
        free = self.span.expand(linalg.solve_triangular(self.T, trend))
        step[len(step) - n_free :] = free
        return step

    def offset(self, step):
        """Return g'A^-1 g = |J step|_W^2 + step' Lambda step."""
        moved = _jacobian.times(self.sums.factors, unpack(step, self.sums.network))
        return float(np.sum(moved**2) + step @ self.penalty.apply(step))

    def posterior(self, meat):
        """Return the `DualPosterior`; see `PrimalInformation.posterior`."""
        if not meat.plain:
            (chunk, H), *_ = self.rowwise()
            meat = meat.at(chunk.residuals, H)
        if not np.isfinite(meat.mix).all():
            return None
        limits = self.span.limits, self.span.tolerance
        kriging = Kriging(self.inverse, self.Q, self.T, *limits)
        X = self.sums.rows.arrays()[0].copy()  # outlives what the caller does to it
        return DualPosterior(X, self.sums.factors, kriging, self.penalty, meat)


class Kriging(NamedTuple):
    """The factors of P and of the trend; see the top of this module."""

    inverse: np.ndarray
    Q: np.ndarray
    T: np.ndarray
    basis: np.ndarray | None
    tolerance: float

    def whiten(self, k, jb):
        """Return (z, r) for `k` (N, c) and the free part `jb` (n_free, c)."""
        z = _linalg.times(self.inverse, k)
        seen = jb if self.basis is None else self.basis @ jb
        r = linalg.solve_triangular(self.T, seen, trans="T", check_finite=False)
        return z, r - self.Q.T @ z

    def smoother(self, z, r):
        """Return a = C^-T (z + Q r), (N, c)."""
        return self.inverse.T @ (z + self.Q @ r)


class DualPosterior(NamedTuple):
    """The covariance of theta by the rows that trained; all that prediction needs.

    With a = J A^-1 j and v = j'A^-1 j,

    j' A^-1 (sum_i w_i J_i'M_i M_i'J_i + prior Lambda) A^-1 j
        = sum_i |M_i'a_i|^2 + prior (v - a'a).
    """

    X: Any
    """(n, d), dense or CSR."""
    factors: _jacobian.Factors
    """Factors of its weighted rows."""
    kriging: Kriging
    penalty: Penalty
    meat: Meat

    def variance(self, F):
        """Return the variance of each f_k(x), (m, n); infinite where it is lost."""
        k, jb = self._query(F)
        z, r = self.kriging.whiten(k, jb)
        prior = np.einsum("nkk->kn", _jacobian.kernel_diagonal(F, len(jb))).ravel()
        prior = prior / self.penalty.strength
        v = prior - np.einsum("ij,ij->j", z, z) + np.einsum("ij,ij->j", r, r)
        few = np.flatnonzero(v < LOSSY * prior)
        if few.size:
            a = self.kriging.smoother(z[:, few], r[:, few])
            left = self._left_to_penalty(F, few, a)
            v[few] = (a * a).sum(axis=0) + (left * left).sum(axis=0)
        if self.meat.plain:
            v *= self.meat.prior
        else:
            a = self.kriging.smoother(z, r)
            mixed, squares = self._mix(a), np.einsum("ij,ij->j", a, a)
            v = np.einsum("ij,ij->j", mixed, mixed) + self.meat.prior * (v - squares)
        return np.where(self._lost(jb), np.inf, v).reshape(F.shape[1:])

    def covariance(self, F):
        """Return the covariance of all f_k(x), (m n, m n), and which are lost."""
        k, jb = self._query(F)
        z, r = self.kriging.whiten(k, jb)
        prior = _jacobian.kernel(F, F, len(jb)) / self.penalty.strength
        V = prior - z.T @ z + r.T @ r
        if (np.diag(V) < LOSSY * np.diag(prior)).any():
            a = self.kriging.smoother(z, r)
            left = self._left_to_penalty(F, slice(None), a)
            V = a.T @ a + left.T @ left
        return self._combine(z, r, V), self._lost(jb)

    def _left_to_penalty(self, F, columns, a):
        """Return (j_a - J_a'a) / sqrt(lambda), so that v = a'a + its squared norm.

        Nothing cancels here, but it costs n p a column where the rest costs n^2.
        """
        (p, m, _), n_free = F.shape, self.penalty.n_free
        left = _jacobian.dense(F).reshape(p, -1)[:, columns]
        n = self.factors.shape[2]
        for part in row_slices(n, 8 * p * m):
            Jt = _jacobian.dense(_take(self.factors, part)).reshape(p, -1)
            left = left - Jt @ a.reshape(m, n, -1)[:, part].reshape(Jt.shape[1], -1)
        return left[: p - n_free] / np.sqrt(self.penalty.strength)

    def parameter_covariance(self):
        """Return the covariance of theta, that of unit queries, and which are lost."""
        Jt = _jacobian.dense(self.factors)
        p, n_free = len(Jt), self.penalty.n_free
        k = Jt.reshape(p, -1).T / self.penalty.strength
        k[:, p - n_free :] = 0.0
        prior = self.penalty.apply(np.ones(p)) / self.penalty.strength**2
        jb = np.eye(n_free, p, p - n_free)
        z, r = self.kriging.whiten(k, jb)
        V = np.diag(prior) - z.T @ z + r.T @ r
        return self._combine(z, r, V), self._lost(jb)

    def state(self):
        """Return what `restore` needs, as plain arrays and numbers."""
        return {
            "route": "dual",
            "X": _to_arrays(self.X),
            "seed": np.einsum("kkn->kn", self.factors.deltas[-1]).copy(),
            **self.kriging._asdict(),
            **self.penalty._asdict(),
            **self.meat._asdict(),
        }

    def _query(self, F):
        n_free = self.penalty.n_free
        k = _jacobian.kernel(self.factors, F, n_free) / self.penalty.strength
        return k, _jacobian.intercept_columns(F, n_free)

    def _mix(self, a):
        """Return M_i'a_i, (c n, columns)."""
        m = len(self.meat.mix)
        blocks = a.reshape(m, -1, a.shape[1])
        mix = self.meat.mix + np.zeros(blocks.shape[1])
        return np.einsum("kln,knq->lnq", mix, blocks).reshape(-1, a.shape[1])

    def _lost(self, jb):
        return _linalg.lost(self.kriging.basis, self.kriging.tolerance, jb)

    def _combine(self, z, r, V):
        """Return the covariance from V = J_q A^-1 J_q' and the whitened queries."""
        if self.meat.plain:
            return self.meat.prior * V
        a = self.kriging.smoother(z, r)
        mixed = self._mix(a)
        return mixed.T @ mixed + self.meat.prior * (V - a.T @ a)


def _to_arrays(X):
    """Return the rows as an array, or a tuple that makes a CSR array."""
    if isinstance(X, np.ndarray):
        return X
    return X.data, X.indices, X.indptr, tuple(int(size) for size in X.shape)


def restore(network, state):
    """Return the `DualPosterior` of ``state``, at the weights of `network`."""
    kriging, penalty, meat = (
        record(*(state[name] for name in record._fields))
        for record in (Kriging, Penalty, Meat)
    )
    X = state["X"]
    X = sparse.csr_array(X[:3], shape=X[3]) if isinstance(X, tuple) else X
    seed = np.eye(len(state["seed"]))[:, :, None] * state["seed"]
    F = _jacobian.factors(network, X, seed)
    return DualPosterior(X, F, kriging, penalty, meat)
