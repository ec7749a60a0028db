"""The information matrix by an N x N factor, N = m n: the dual route, for N < p.

With K = J_a J_a' the Gram matrix of the rows over the penalised parameters and B
the columns of the free ones (rows weighted by sqrt(w) throughout), the Woodbury
identity turns A^-1 into universal kriging with trend B:

    V = I + K / lambda = C C',   G = C^-1 B = Q T,
    I - J A^-1 J' = C^-T (I - Q Q') C^-1 = P.

Queries are in `dual_posterior`. Neither J nor anything of size p x p is built. lambda
must not be negligible beside K (`Dual.cancels`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.linalg import lapack
from sklearn.utils import gen_batches

from sklearn_nnci._linearized.dual_posterior import (
    DualPosterior,
    Kriging,
    gradient_query,
)
from sklearn_nnci._linearized.left_out import Units
from sklearn_nnci._linearized.protocols import Information, Posterior, TrainingRows
from sklearn_nnci._linearized.residual_sums import ResidualSums
from sklearn_nnci._linearized.sandwich import Filling, Meat
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Chunk, Penalty, Rows
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, unpack
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.chunks import BUFFER_BYTES
from sklearn_nnci._numerics.progress import progress
from sklearn_nnci._numerics.rank import (
    Span,
    certain_pivots,
    count_above,
    rank_floor,
    span_of,
)

# Below this share of the mean diagonal of K, fewer than seven digits are left.
SMALLEST_PENALTY = 1e-9
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
    def route(self) -> str:
        """Name of this route."""
        return "dual"

    @property
    def network(self) -> Network:
        """The network that gave J."""
        return self.rows.network

    @property
    def residuals(self) -> np.ndarray:
        """Weighted residuals, outputs before rows, (N,)."""
        return self.chunk.residuals.ravel()

    @property
    def factors(self) -> jacobian.Factors:
        """Factors of the weighted rows."""
        return self.chunk.factors

    def again(self, rows: TrainingRows) -> "Dual":
        """Return the reduction of other rows by the same route."""
        return reduce(rows)

    def cancels(self, penalty: Penalty) -> bool:
        """Return whether `penalty` is too small for this route, or no single number."""
        size = np.trace(self.reduced) / len(self.reduced)
        return not penalty.uniform or penalty.least <= SMALLEST_PENALTY * size

    def gram(self, n_free: int) -> np.ndarray:
        """Return the Gram matrix over all but the last `n_free` parameters, anew."""
        # K holds the coefs: the intercepts that are not free are added.
        n_added = self.network.n_intercepts - n_free
        B = self.columns(self.network.n_intercepts)[:, :n_added]
        K = B @ B.T
        K += self.reduced
        return K.T  # symmetric, and now in the order that LAPACK overwrites

    def columns(self, n_free: int) -> np.ndarray:
        """Return the last `n_free` columns of the weighted Jacobian, (N, n_free)."""
        return jacobian.intercept_columns(self.factors, n_free).T

    def rank(self, exactly: bool = True) -> int:
        """Return rank J, as an SVD of J decides it; else as pivots of J J' do.

        It is N where these are all certain. Else they say nothing of singular values
        below 1e-8 |J|, and those of R decide, J' = Q R: 2 N^2 p operations and an SVD,
        more than all else on this route.
        """
        N, certain = len(self.reduced), certain_pivots(self.gram(0))
        if certain == N or not exactly:
            return certain
        R = triangular.triangle(self._parameters(), N)
        floor = rank_floor(R, max(N, self.network.n_parameters))
        return count_above(floor, R)

    def _parameters(self) -> Iterator[np.ndarray]:
        """Yield the weighted Jacobian by its columns, some at a time, (N, k)."""
        for a, d, c in zip(*self.factors, strict=True):
            a = np.vstack([a, np.full_like(a[:1], c)])  # intercepts weight a constant
            a, d = a.T[None, :, :, None], d.transpose(1, 2, 0)[:, :, None, :]
            most = max(1, BUFFER_BYTES // (16 * d.size))  # two parts live at a time
            for units in gen_batches(a.shape[2], most):
                products = np.multiply(a[:, :, units], d, order="C")
                yield products.reshape(len(self.reduced), -1)

    def spectrum_parts(self, n_free: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (K, O, t) of the linearised model; see `Primal.spectrum_parts`."""
        return self.gram(n_free), self.columns(n_free), self.target(n_free)

    def target(self, n_free: int) -> np.ndarray:
        """Return t = e + J_a theta_a, (N,)."""
        theta = self.network.parameters.copy()
        theta[len(theta) - n_free :] = 0.0
        linear = jacobian.jvp(self.factors, unpack(theta, self.network))
        return self.residuals + linear.ravel()

    def penalise(self, penalty: Penalty) -> Information:
        """Return the factored information of these rows under `penalty`."""
        # V = I + K / lambda = C C', and C^-1 in the same place
        V = self.gram(penalty.n_free)
        V /= penalty.strength
        V.flat[:: len(V) + 1] += 1.0
        C = linalg.cholesky(V, lower=True, overwrite_a=True, check_finite=False)
        inverse = lapack.dtrtri(C, lower=1, overwrite_c=1)[0]
        # the trend B, in the directions of the free parameters that the rows determine
        B = self.columns(penalty.n_free)
        span = span_of(B, len(B))
        # G = C^-1 B = Q T, hence B'V^-1 B = T'T
        G = triangular.times(inverse, span.restrict(B))
        Q, T = linalg.qr(G, mode="economic")
        condition = self._condition(penalty, T)
        return DualInformation(self, penalty, inverse, Q, T, span, condition)

    def _condition(self, penalty: Penalty, T: np.ndarray) -> float:
        """Return a bound of the condition number of [J; Lambda^1/2].

        Its square is |A| |A^-1|, null directions left out, and in spectral norms

            |A| <= lambda + tr J J',        |A^-1| <= 1 / lambda + |T^-1|^2,

        the latter because no positive matrix has more than the norms of its diagonal
        blocks together: (lambda + J_a'(1 - B B^+)J_a)^-1 and (B'V^-1 B)^-1 = (T'T)^-1.
        """
        size = np.trace(self.reduced)
        size += triangular.norm(self.columns(self.network.n_intercepts)) ** 2
        smallest = linalg.svdvals(T, check_finite=False).min(initial=np.inf)
        inverse = 1.0 / penalty.strength + smallest**-2.0
        return float(np.sqrt((penalty.strength + size) * inverse))


def reduce(rows: TrainingRows) -> Dual:
    """Return the `Dual` reduction of `rows`: the Gram matrix, tile by tile."""
    here = rows.gather()
    chunk = here.chunk(weighted=True)
    F, n_free = chunk.factors, here.network.n_intercepts
    _, m, n = F.shape
    K = np.empty((m, n, m, n))
    tiles = list(gen_batches(n, TILE))
    for a, one in enumerate(progress(tiles, "Gram matrix", here.verbose)):
        for other in tiles[: a + 1]:
            parts = jacobian.take(F, one), jacobian.take(F, other)
            tile = jacobian.tangent_kernel(*parts, n_free)
            tile = tile.reshape(m, one.stop - one.start, m, -1)
            K[:, one, :, other] = tile
            K[:, other, :, one] = tile.transpose(2, 3, 0, 1)
    return Dual(here, chunk, Totals.of(chunk.plain()), K.reshape(m * n, m * n))


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
    span: Span
    """What the rows determine of the free parameters."""
    condition: float
    """Bound of the condition number of [J; Lambda^1/2] in the spectral norm, null
    directions left out. Covariances other than s^2 A^-1 (frequentist, HC0 to HC3) can
    lose eps cond^2 for a query along what only the penalty determines: four digits
    are left at 1e6, none at 1e8."""

    def leverages(self, cap: float, step: np.ndarray | None = None) -> ResidualSums:
        """Return the `ResidualSums` of all rows, b = J step, or 0."""
        (chunk, H), *_ = self.rowwise()
        b: np.ndarray | float = 0.0
        if step is not None:
            towards = unpack(step, self.sums.network)
            b = jacobian.jvp(self.sums.factors, towards) / np.sqrt(chunk.weight)
        units = Units.of(self.sums.totals)
        loss = self.sums.rows.loss
        return ResidualSums.of(chunk, H, units, b, cap, loss)

    def edf(self) -> float:
        """Return tr A^-1 J'WJ = N - tr P = N - |C^-1|^2 + |Q'C^-1|^2."""
        norms = (np.vdot(F, F) for F in (self.inverse, self.Q.T @ self.inverse))
        free, trend = norms
        return float(len(self.inverse) - free + trend)

    @property
    def _kriging(self) -> Kriging:
        limits = self.span.basis_or_none, self.span.tolerance
        return Kriging(self.inverse, self.Q, self.T, *limits)

    def smoother(self, G: np.ndarray) -> np.ndarray:
        """Return W^1/2 J A^-1 G, (N, k), outputs before rows."""
        query = gradient_query(self.sums.factors, self.penalty, G)
        return self._kriging.smoother(*self._kriging.whiten(*query))

    def rowwise(self) -> Iterator[tuple[Chunk, np.ndarray]]:
        """Yield (chunk, H), H_ii = J_i A^-1 J_i' of one copy of each row, (n, m, m)."""
        chunk, m = self.sums.chunk, self.sums.network.n_outputs
        # P_ii = c'c - (Q'c)'(Q'c), c the m columns of C^-1 that belong to row i
        columns = self.inverse.reshape(len(self.inverse), m, -1)
        trend = (self.Q.T @ self.inverse).reshape(self.Q.shape[1], m, -1)
        P = np.einsum("rkn,rln->nkl", columns, columns)
        P -= np.einsum("rkn,rln->nkl", trend, trend)
        # w_i H_ii = I - P_ii: the rows of J here hold sqrt(w_i)
        H = (np.eye(m) - P) / chunk.weight[:, None, None]
        yield chunk.plain(), H

    def largest(self, of: Callable[[Chunk, np.ndarray], np.ndarray]) -> float:
        """Return the largest number that `of` gives of any (chunk, H), or 0."""
        (chunk, H), *_ = self.rowwise()
        return float(of(chunk, H).max(initial=0.0))

    def step(self) -> np.ndarray:
        """Return the Gauss-Newton step A^-1 g, (p,).

        The optimum is theta_a = J_a'beta / lambda, beta = P t; the free parameters
        move by their generalised least-squares fit to t.
        """
        network, n_free = self.sums.network, self.penalty.n_free
        # beta = P t = C^-T (z - Q Q'z), z = C^-1 t
        z = triangular.times(self.inverse, self.sums.target(n_free)[:, None])[:, 0]
        trend = self.Q.T @ z
        beta = self.inverse.T @ (z - self.Q @ trend)
        beta = beta.reshape(self.sums.chunk.residuals.shape)
        # theta_a = J_a'beta / lambda, less where it is now
        step = jacobian.vjp(self.sums.factors, beta)
        step = step / self.penalty.strength - network.parameters
        # (B'V^-1 B)^-1 B'V^-1 t = T^-1 Q'z, since C^-1 B = Q T
        free = self.span.expand(linalg.solve_triangular(self.T, trend))
        step[len(step) - n_free :] = free
        return step

    def decrement(self, step: np.ndarray) -> float:
        """Return g'A^-1 g = |J step|_W^2 + step' Lambda step."""
        moved = jacobian.jvp(self.sums.factors, unpack(step, self.sums.network))
        return float(np.sum(moved**2) + step @ self.penalty.apply(step))

    def posterior(self, meat: Filling) -> Posterior | None:
        """Return the `DualPosterior`; see `PrimalInformation.posterior`."""
        if not isinstance(meat, Meat):  # then M_i depends on the row
            (chunk, H), *_ = self.rowwise()
            meat = meat.at(chunk, H)
        if not np.isfinite(meat.noise_root).all():
            return None
        X = self.sums.rows.arrays()[0].copy()  # outlives what the caller does to it
        return DualPosterior(X, self.sums.factors, self._kriging, self.penalty, meat)
