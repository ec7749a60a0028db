"""Prediction by the rows that trained: universal kriging, what the dual route keeps.

With V = I + K / lambda = C C' the covariance of the rows in units of the noise and
B = C Q T their trend, for any query j = (j_a, j_b), penalised parameters and free ones,

    k = J_a j_a / lambda,    z = C^-1 k,    r = T^-T j_b - Q'z,
    j'A^-1 j = |j_a|^2 / lambda - z'z + r'r,
    a = J A^-1 j = C^-T (z + Q r)                       (the linear smoother).

The variance is a difference: it loses eps |j_a|^2 / lambda. Where that matters it is
computed as a sum of squares,

    j'A^-1 j = a'a + |j_a - J_a'a|^2 / lambda.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklearn_nnci._linearized.sandwich import Meat
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.chunks import row_slices
from sklearn_nnci._numerics.rank import outside_span, unbounded

# Below this share of the first term of j'A^-1 j, its subtraction has lost ten digits
# and the sum of squares is computed instead.
CANCELLATION = 1e-6


class Kriging(NamedTuple):
    """The factors of P and of the trend; see the top of this module."""

    inverse: np.ndarray
    Q: np.ndarray
    T: np.ndarray
    basis: np.ndarray | None
    tolerance: float

    def whiten(self, k, jb):
        """Return (z, r) for `k` (N, c) and the free part `jb` (n_free, c)."""
        z = triangular.times(self.inverse, k)
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
    factors: jacobian.Factors
    """Factors of its weighted rows."""
    kriging: Kriging
    penalty: Penalty
    meat: Meat

    @triangular.overflowing()
    def variance(self, F):
        """Return the variance of each f_k(x), (m, n).

        Infinite where it is lost: outside the span of the rows, or to overflow.
        """
        k, jb = self._query(F)
        z, r = self.kriging.whiten(k, jb)
        diagonal = jacobian.tangent_kernel_diagonal(F, len(jb))
        prior = np.einsum("nkk->kn", diagonal).ravel() / self.penalty.strength
        v = prior - np.einsum("ij,ij->j", z, z) + np.einsum("ij,ij->j", r, r)
        cancelling = np.flatnonzero(_lossy(v, prior))
        if cancelling.size:
            a = self.kriging.smoother(z[:, cancelling], r[:, cancelling])
            left = self._left_to_penalty(F, cancelling, a)
            v[cancelling] = (a * a).sum(axis=0) + (left * left).sum(axis=0)
        if self.meat.is_scalar:
            v *= self.meat.prior_scale
        else:
            a = self.kriging.smoother(z, r)
            mixed, squares = self._mix(a), np.einsum("ij,ij->j", a, a)
            v = np.einsum("ij,ij->j", mixed, mixed) + self.meat.prior_scale * (
                v - squares
            )
        v[self._lost(jb) | ~np.isfinite(v)] = np.inf
        return v.reshape(F.shape[1:])

    @triangular.overflowing()
    def covariance(self, F):
        """Return the covariance of all f_k(x), (m n, m n), and which are lost.

        Of these the variance is infinite, the covariance with the others nan.
        """
        k, jb = self._query(F)
        z, r = self.kriging.whiten(k, jb)
        prior = jacobian.tangent_kernel(F, F, len(jb)) / self.penalty.strength
        V = prior - z.T @ z + r.T @ r
        if _lossy(np.diag(V), np.diag(prior)).any():
            a = self.kriging.smoother(z, r)
            left = self._left_to_penalty(F, slice(None), a)
            V = a.T @ a + left.T @ left
        return unbounded(self._combine(z, r, V), self._lost(jb))

    def _left_to_penalty(self, F, columns, a):
        """Return (j_a - J_a'a) / sqrt(lambda), so that v = a'a + its squared norm.

        Nothing cancels here, but it costs n p a column where the rest costs n^2.
        """
        (p, m, _), n_free = F.shape, self.penalty.n_free
        left = jacobian.dense(F).reshape(p, -1)[:, columns]
        n = self.factors.shape[2]
        for part in row_slices(n, 8 * p * m):
            Jt = jacobian.dense(jacobian.take(self.factors, part)).reshape(p, -1)
            left = left - Jt @ a.reshape(m, n, -1)[:, part].reshape(Jt.shape[1], -1)
        return left[: p - n_free] / np.sqrt(self.penalty.strength)

    def parameter_covariance(self):
        """Return the covariance of theta, that of unit queries, and which are lost."""
        Jt = jacobian.dense(self.factors)
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
            "cotangent": np.einsum("kkn->kn", self.factors.deltas[-1]).copy(),
            **self.kriging._asdict(),
            **self.penalty._asdict(),
            **self.meat._asdict(),
        }

    def _query(self, F):
        n_free = self.penalty.n_free
        k = jacobian.tangent_kernel(self.factors, F, n_free) / self.penalty.strength
        return k, jacobian.intercept_columns(F, n_free)

    def _mix(self, a):
        """Return M_i'a_i, (c n, columns)."""
        m = len(self.meat.noise_root)
        blocks = a.reshape(m, -1, a.shape[1])
        mix = self.meat.noise_root + np.zeros(blocks.shape[1])
        return np.einsum("kln,knq->lnq", mix, blocks).reshape(-1, a.shape[1])

    def _lost(self, jb):
        return outside_span(self.kriging.basis, self.kriging.tolerance, jb)

    def _combine(self, z, r, V):
        """Return the covariance from V = J_q A^-1 J_q' and the whitened queries."""
        if self.meat.is_scalar:
            return self.meat.prior_scale * V
        a = self.kriging.smoother(z, r)
        mixed = self._mix(a)
        return mixed.T @ mixed + self.meat.prior_scale * (V - a.T @ a)


def _lossy(v, prior):
    """Return where `v`, a difference of the size of `prior`, has lost its digits."""
    return np.isfinite(v) & (v < CANCELLATION * prior)


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
    cotangent = np.eye(len(state["cotangent"]))[:, :, None] * state["cotangent"]
    F = jacobian.factors(network, X, cotangent)
    return DualPosterior(X, F, kriging, penalty, meat)
