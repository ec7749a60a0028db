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

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklearn_nnci._linearized.primal_posterior import plain, repacked, trapezoid
from sklearn_nnci._linearized.sandwich import Meat
from sklearn_nnci._linearized.training_rows import Features, Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.chunks import row_slices
from sklearn_nnci._numerics.packed import Packed
from sklearn_nnci._numerics.rank import outside_span, unbounded

# Below this share of the first term of j'A^-1 j, its subtraction has lost ten digits
# and the sum of squares is computed instead.
CANCELLATION = 1e-6


class Kriging(NamedTuple):
    """The factors of P and of the trend; see the top of this module."""

    inverse: np.ndarray | Packed
    """C^-1, lower triangular (N, N)."""
    Q: np.ndarray
    """(N, r), orthonormal."""
    T: np.ndarray
    """(r, r), upper triangular."""
    basis: np.ndarray | None
    """Determined directions of the free parameters; None: all of them."""
    tolerance: float
    """Relative size from which on a component outside the span is real."""

    def whiten(self, k: np.ndarray, jb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (z, r) for `k` (N, c) and the free part `jb` (n_free, c)."""
        z = triangular.times(self.inverse, k)  # C^-1 k
        seen = jb if self.basis is None else self.basis @ jb
        # T^-T j_b - Q'z
        r = linalg.solve_triangular(self.T, seen, trans="T", check_finite=False)
        return z, r - self.Q.T @ z

    def smoother(self, z: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return a = C^-T (z + Q r), (N, c)."""
        return triangular.transposed_times(self.inverse, z + self.Q @ r)


class DualPosterior(NamedTuple):
    """The covariance of theta by the rows that trained; all that prediction needs.

    With a = J A^-1 j and v = j'A^-1 j,

    j' A^-1 (sum_i w_i J_i'M_i M_i'J_i + prior Lambda) A^-1 j
        = sum_i |M_i'a_i|^2 + prior (v - a'a).
    """

    X: Features | None
    """(n, d), those of the rows; None where the factors are kept."""
    factors: jacobian.Factors
    """Factors of its weighted rows."""
    kriging: Kriging
    penalty: Penalty
    meat: Meat

    @triangular.overflowing()
    def variance(self, F: jacobian.Factors) -> np.ndarray:
        """Return the variance of each f_k(x), (m, n).

        Infinite where it is lost: outside the span of the rows, or to overflow.
        """
        blocks = jacobian.tangent_kernel_diagonal(F, self.penalty.n_free)
        squares = np.einsum("nkk->kn", blocks).ravel()
        v = self._variance(*self._query(F), squares, lambda: _columns(F))
        return v.reshape(F.shape[1:])

    @triangular.overflowing()
    def gradient_variance(self, G: np.ndarray) -> np.ndarray:
        """Return g'C g of the columns g of `G`, as `variance`."""
        squares = _squares(G[: len(G) - self.penalty.n_free])
        query = gradient_query(self.factors, self.penalty, G)
        return self._variance(*query, squares, lambda: G)

    def _variance(
        self, k: np.ndarray, jb: np.ndarray, squares: np.ndarray,
        columns: Callable[[], np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        """Return the variance of queries, `squares` being |j_a|^2, `columns` all j."""
        z, r = self.kriging.whiten(k, jb)
        v = self._quadratic_form(squares / self.penalty.strength, z, r, columns)
        if self.meat.is_scalar:
            v *= self.meat.prior_scale
        else:  # sum_i |M_i'a_i|^2 + prior (v - a'a)
            a = self.kriging.smoother(z, r)
            v = _squares(self._mix(a)) + self.meat.prior_scale * (v - _squares(a))
        v[self._lost(jb) | ~np.isfinite(v)] = np.inf
        return v

    def _quadratic_form(
        self, penalised: np.ndarray, z: np.ndarray, r: np.ndarray,
        columns: Callable[[], np.ndarray],
    ) -> np.ndarray:  # fmt: skip
        """Return j'A^-1 j of queries, `penalised` being |j_a|^2 / lambda."""
        v = penalised - _squares(z) + _squares(r)
        # where that cancels, a'a + |j_a - J_a'a|^2 / lambda
        lossy = np.flatnonzero(_lossy(v, penalised))
        if lossy.size:
            a = self.kriging.smoother(z[:, lossy], r[:, lossy])
            left = self._left_to_penalty(columns()[:, lossy], a)
            v[lossy] = _squares(a) + _squares(left)
        return v

    @triangular.overflowing()
    def covariance(self, F: jacobian.Factors) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariance of all f_k(x), (m n, m n), and which are lost.

        Of these the variance is infinite, the covariance with the others nan.
        """
        products = jacobian.tangent_kernel(F, F, self.penalty.n_free)
        return self._covariance(*self._query(F), products, lambda: _columns(F))

    @triangular.overflowing()
    def gradient_covariance(self, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return G'C G, as `covariance`."""
        Ga = G[: len(G) - self.penalty.n_free]
        query = gradient_query(self.factors, self.penalty, G)
        return self._covariance(*query, Ga.T @ Ga, lambda: G)

    def _covariance(
        self, k: np.ndarray, jb: np.ndarray, products: np.ndarray,
        columns: Callable[[], np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Return the covariance of queries, `products` being j_a'j_a."""
        z, r = self.kriging.whiten(k, jb)
        # J_q A^-1 J_q' = K_q / lambda - z'z + r'r, or a'a + the product of what is left
        penalised = products / self.penalty.strength
        V = penalised - z.T @ z + r.T @ r
        if _lossy(np.diag(V), np.diag(penalised)).any():
            a = self.kriging.smoother(z, r)
            left = self._left_to_penalty(columns(), a)
            V = a.T @ a + left.T @ left
        return unbounded(self._combine(z, r, V), self._lost(jb))

    def _left_to_penalty(self, columns: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return (j_a - J_a'a) / sqrt(lambda), so that v = a'a + its squared norm.

        Nothing cancels here, but it costs n p a column where the rest costs n^2.
        """
        (p, m, n), n_free, left = self.factors.shape, self.penalty.n_free, columns
        for part in row_slices(n, 8 * p * m):
            Jt = _columns(jacobian.take(self.factors, part))
            left = left - Jt @ a.reshape(m, n, -1)[:, part].reshape(Jt.shape[1], -1)
        return left[: p - n_free] / np.sqrt(self.penalty.strength)

    def parameter_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariance of theta, that of unit queries, and which are lost."""
        Jt = jacobian.dense(self.factors)
        p, n_free = len(Jt), self.penalty.n_free
        # j = the columns of I: k = J_a / lambda, and Lambda^-1 is what K_q / lambda is
        k = Jt.reshape(p, -1).T / self.penalty.strength
        k[:, p - n_free :] = 0.0
        penalised = self.penalty.apply(np.ones(p)) / self.penalty.strength**2
        jb = np.eye(n_free, p, p - n_free)
        z, r = self.kriging.whiten(k, jb)
        V = np.diag(penalised) - z.T @ z + r.T @ r
        return self._combine(z, r, V), self._lost(jb)

    def packed(self, dtype: Any) -> "DualPosterior":
        """Return the same with C^-1 packed in that precision, and factors kept.

        Then no prediction linearises the network at the training rows again.
        """
        inverse = repacked(self.kriging.inverse, dtype)
        return self._replace(X=None, kriging=self.kriging._replace(inverse=inverse))

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as plain arrays and numbers."""
        return {
            "route": "dual",
            **self._rows_state(),
            **self.kriging._asdict(),
            "inverse": plain(self.kriging.inverse),
            **self.penalty._asdict(),
            **self.meat._asdict(),
        }

    def _rows_state(self) -> dict[str, Any]:
        if self.X is None:
            return {"factors": tuple(self.factors)}
        cotangent = np.einsum("kkn->kn", self.factors.deltas[-1]).copy()
        return {"X": _to_arrays(self.X), "cotangent": cotangent}

    def _query(self, F: jacobian.Factors) -> tuple[np.ndarray, np.ndarray]:
        """Return (k, j_b) of queries, k = J_a j_a / lambda."""
        n_free = self.penalty.n_free
        k = jacobian.tangent_kernel(self.factors, F, n_free) / self.penalty.strength
        return k, jacobian.intercept_columns(F, n_free)

    def _mix(self, a: np.ndarray) -> np.ndarray:
        """Return M_i'a_i, (c n, columns)."""
        m = len(self.meat.noise_root)
        blocks = a.reshape(m, -1, a.shape[1])
        mix = self.meat.noise_root + np.zeros(blocks.shape[1])
        return np.einsum("kln,knq->lnq", mix, blocks).reshape(-1, a.shape[1])

    def _lost(self, jb: np.ndarray) -> np.ndarray:
        """Return which queries the rows say nothing of."""
        return outside_span(self.kriging.basis, self.kriging.tolerance, jb)

    def _combine(self, z: np.ndarray, r: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Return the covariance from V = J_q A^-1 J_q' and the whitened queries."""
        if self.meat.is_scalar:
            return self.meat.prior_scale * V
        a = self.kriging.smoother(z, r)
        mixed = self._mix(a)
        return mixed.T @ mixed + self.meat.prior_scale * (V - a.T @ a)


def gradient_query(
    rows: jacobian.Factors, penalty: Penalty, G: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (J_a G_a / lambda, G_b) of gradients `G` (p, k), J by its factors."""
    p, n_free = len(G), penalty.n_free
    penalised = G / penalty.strength
    penalised[p - n_free :] = 0.0
    return jacobian.jvps(rows, penalised), G[p - n_free :]


def _columns(F: jacobian.Factors) -> np.ndarray:
    """Return the columns j of queries, outputs before rows, (p, m n)."""
    return jacobian.dense(F).reshape(F.shape[0], -1)


def _squares(M: np.ndarray) -> np.ndarray:
    """Return the squared norms of columns."""
    return np.einsum("ij,ij->j", M, M)


def _lossy(v: np.ndarray, penalised: np.ndarray) -> np.ndarray:
    """Return where `v`, a difference of that size, has lost its digits."""
    return np.isfinite(v) & (v < CANCELLATION * penalised)


def _to_arrays(X: Features) -> Any:
    """Return the rows as an array, or a tuple that makes a CSR array."""
    if isinstance(X, np.ndarray):
        return X
    return X.data, X.indices, X.indptr, tuple(int(size) for size in X.shape)


def restore(network: Network, state: dict[str, Any]) -> DualPosterior:
    """Return the `DualPosterior` of ``state``, at the weights of `network`."""
    kriging = Kriging(*(state[name] for name in Kriging._fields))
    kriging = kriging._replace(inverse=trapezoid(state["inverse"]))
    penalty = Penalty(*(state[name] for name in Penalty._fields))
    meat = Meat(*(state[name] for name in Meat._fields))
    if "factors" in state:
        kept = jacobian.Factors(*state["factors"])
        return DualPosterior(None, kept, kriging, penalty, meat)
    X = state["X"]
    X = sparse.csr_array(X[:3], shape=X[3]) if isinstance(X, tuple) else X
    # The cotangent e_k sqrt(w_i) g_ik / scale_k is diagonal in the outputs; kept are
    # the last sensitivities, which are the same in the coordinates of the network.
    diagonal = state["cotangent"]
    if network.coordinates is not None:
        diagonal = diagonal / network.coordinates.outputs[:, None]
    cotangent = np.eye(len(diagonal))[:, :, None] * diagonal
    F = jacobian.factors(network, X, cotangent)
    return DualPosterior(X, F, kriging, penalty, meat)
