"""The information matrix A = J'WJ + Lambda, factored once: the primal route.

The rows are reduced, chunk by chunk, to M with M'M = [J e]'W[J e]: a triangle by
streaming QR, or [J e] itself where that has fewer rows than columns. J'J is never
formed: at cond(J) = 7e6 the variances from its Cholesky factor are wrong by 3e-3,
those from a QR by 2e-10.

What is kept is a root F of the inverse, F'F = A^+, so that for any query j the
whitened vector u = F j has u'u = j'A^+ j. `dual` offers the same verbs from an
N x N factor, without J.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from sklearn_nnci._linearized.left_out import Units
from sklearn_nnci._linearized.primal_posterior import PrimalPosterior
from sklearn_nnci._linearized.protocols import Information, Posterior, TrainingRows
from sklearn_nnci._linearized.residual_sums import ResidualSums
from sklearn_nnci._linearized.sandwich import Filling
from sklearn_nnci._linearized.totals import FirstPass, Largest, Totals, Triangle
from sklearn_nnci._linearized.training_rows import Chunk, Penalty, Rows
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, null_directions, unpack
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.rank import (
    Span,
    null_space_is,
    rank,
    rank_floor,
    restrict_last,
    span_of,
)

# Rows to copy at a time.
PANEL = 512


class Primal(NamedTuple):
    """The rows, reduced to p + 1 columns."""

    rows: TrainingRows
    totals: Totals
    reduced: np.ndarray
    """M (k, p + 1), M'M = [J e]'W[J e]."""

    @property
    def route(self) -> str:
        """Name of this route."""
        return "primal"

    @property
    def network(self) -> Network:
        """The network that gave J."""
        return self.rows.network

    @property
    def J(self) -> np.ndarray:
        """The reduced Jacobian: J'J is J'WJ."""
        return self.reduced[:, :-1]

    @property
    def residuals(self) -> np.ndarray:
        """The reduced residuals, rotated as J is, (k,)."""
        return self.reduced[:, -1]

    @property
    def triangular(self) -> bool:
        """Whether the rows were reduced to a triangle: fewer are left as they are."""
        return len(self.reduced) == self.reduced.shape[1]

    @property
    def n_rows(self) -> int:
        """Rows of the Jacobian before they were reduced, all outputs."""
        return self.totals.n_rows * len(self.totals.mean)

    def again(self, rows: TrainingRows) -> "Primal":
        """Return the reduction of other rows by the same route."""
        return reduce(rows)

    def cancels(self, penalty: Penalty) -> bool:
        """Return whether `penalty` is too small for this route: never."""
        return False

    def rank(self, exactly: bool = True) -> int:
        """Return rank J, always exactly: p less what is null for every X, or less."""
        p, Z = self.J.shape[1], null_directions(self.network)
        known = self._null_space_is(Z)
        return p - len(Z) if known else rank(self.J[:p], Z, self.n_rows)

    def _null_space_is(self, Z: np.ndarray) -> bool:
        """Return whether J z = 0 certainly for the rows of `Z` only."""
        R = self.J[: self.J.shape[1]]
        return self.triangular and null_space_is(Z, R, self.n_rows)

    def spectrum_parts(self, n_free: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (K, O, t), each with `k` rows: the linearised model, reduced.

        K = J_a J_a' over all but the last `n_free` parameters, O = the columns of
        these, t = e + J_a theta_a. Rotating rows changes none of their products.
        """
        J, e = self.J, self.residuals
        theta = self.network.parameters[:-n_free]
        Ja = J[:, :-n_free]
        return Ja @ Ja.T, J[:, -n_free:], e + Ja @ theta

    def penalise(self, penalty: Penalty) -> Information:
        """Return the factored information of these rows under `penalty`."""
        negligible = np.sqrt(penalty.least) <= rank_floor(self.J, self.n_rows)
        no_direction = np.empty((0, self.J.shape[1]))
        if negligible and not self._null_space_is(no_direction):
            factored = self._pseudo_inverse()
        else:
            factored = self._ridge(penalty)
        return PrimalInformation(self, penalty, *factored)

    def _pseudo_inverse(self) -> tuple[np.ndarray, Span, float]:
        """Return (root, span, condition) of A = J'J, which may be singular."""
        # J = U S V', the rows of the basis being those of V' with a value s > 0
        span = span_of(self.J, self.n_rows)
        # F = S^-1 V', up to a rotation from the left: F'F = V S^-2 V' = A^+
        root = triangular.lower(span.basis / span.values[:, None])
        condition = np.linalg.norm(span.values) * np.linalg.norm(1.0 / span.values)
        return root, span, float(condition)

    def _ridge(self, penalty: Penalty) -> tuple[np.ndarray, Span, float]:
        """Return (root, span, condition) for lambda > 0, or J of full rank.

        Lambda leaves out only the trailing block, so A z = 0 means that z lives in
        that block and J z = 0: the columns of the block decide alone. Directions
        they do not determine are dropped, z = D phi, D = diag(I, B') with B their row
        space: A^+ = D (D'AD)^-1 D'.
        """
        p, n_free = self.J.shape[1], penalty.n_free
        R = self._penalised_triangle(penalty)  # R'R = A
        # restrict: R <- the triangle (r, r) of R D, so that R'R = D'AD
        span, r = span_of(R[:, p - n_free :], self.n_rows), p
        if not span.full:
            span = span._replace(basis=triangular.lower(span.basis))
            r = restrict_last(R, span)
        # invert: F = R^-T in the place of R, F'F = (D'AD)^-1
        condition = triangular.norm(R[:r, :r])
        root = triangular.root_of_inverse(R)
        condition *= triangular.norm(root[:r, :r])
        # expand: F <- F D', which stays trapezoidal because B is
        if not span.full:
            tail = root[:r, p - n_free :]
            tail[:] = tail[:, : len(span.basis)] @ span.basis
            root = triangular.first_rows(root, r)
        return root, span, condition

    def _penalised_triangle(self, penalty: Penalty) -> np.ndarray:
        """Return the triangle R of [J; Lambda^1/2], R'R = A, in order F."""
        p = self.J.shape[1]
        diagonal = np.sqrt(penalty.apply(np.ones(p)))
        if self.triangular:  # R of [R_J; Lambda^1/2], R_J the triangle of J
            return triangular.add_diagonal(np.array(self.J[:p], order="F"), diagonal)
        R = np.diag(diagonal).T  # in the order that LAPACK overwrites
        for part in gen_batches(len(self.J), PANEL):  # R <- that of [R; some rows of J]
            R = triangular.absorb(R, np.array(self.J[part].T, order="C"))
        return R


def reduce(rows: TrainingRows) -> Primal:
    """Return the `Primal` reduction of `rows`."""
    totals, triangle = rows.reduce(_first_pass)
    return Primal(rows, totals, triangle.factor)


def _first_pass(rows: Rows) -> FirstPass:
    """Return the `FirstPass` of rows: a triangle, or [J e] itself where less."""
    totals, columns = Totals.none(rows.network), rows.network.n_parameters + 1

    def blocks() -> Iterator[np.ndarray]:
        nonlocal totals
        for block, chunk in rows.blocks(weighted=True, doing="first pass"):
            totals = totals.merge(Totals.of(chunk.plain()))
            yield block

    if rows.size * rows.network.n_outputs < columns:
        M = np.vstack([np.empty((0, columns)), *(block.T.copy() for block in blocks())])
    else:
        M = triangular.triangle(blocks(), columns)
    return FirstPass(totals, Triangle(M))


class PrimalInformation(NamedTuple):
    """A = J'WJ + Lambda by a root of its inverse."""

    sums: Primal
    penalty: Penalty
    root: np.ndarray
    """F (r, p), lower trapezoidal, F'F = A^+."""
    span: Span
    """What the rows determine of the last columns."""
    condition: float
    """|A^1/2| |A^-1/2| in the Frobenius norm, null directions left out."""

    def leverages(self, cap: float, step: np.ndarray | None = None) -> ResidualSums:
        """Return the `ResidualSums` of all rows, b = J step, or 0."""
        units = Units.of(self.sums.totals)
        return self.sums.rows.reduce(_second_pass, self.root, units, cap, step)

    def edf(self) -> float:
        """Return tr A^+ J'WJ = |F J'|^2."""
        J, total = self.sums.J, 0.0
        for part in gen_batches(len(J), PANEL):
            Jt = np.array(J[part].T, order="C")
            total += triangular.squared_norms(self.root, Jt).sum()
        return total

    def smoother(self, G: np.ndarray) -> np.ndarray:
        """Return W^1/2 J A^+ G, (N, k), outputs before rows."""
        return self.sums.rows.gather().forwards(self.root.T @ (self.root @ G))

    def rowwise(self) -> Iterator[tuple[Chunk, np.ndarray]]:
        """Yield (chunk, H), H_ii = J_i A^+ J_i' of one copy of each row, (k, m, m)."""
        yield from _with_leverage(self.sums.rows.gather(), self.root)

    def largest(self, of: Callable[[Chunk, np.ndarray], np.ndarray]) -> float:
        """Return the largest number that `of` gives of any (chunk, H), or 0."""
        return self.sums.rows.reduce(_largest_pass, self.root, of).value

    def step(self) -> np.ndarray:
        """Return the Gauss-Newton step A^+ g, g = J'We - Lambda theta, (p,).

        Directions of free parameters that are determined by rounding stay.
        """
        J, theta = self.sums.J, self.sums.network.parameters
        g = J.T @ self.sums.residuals - self.penalty.apply(theta)
        return self.root.T @ self.span.without_faint(self.root, self.root @ g)

    def decrement(self, step: np.ndarray) -> float:
        """Return g'A^+ g = |J step|_W^2 + step' Lambda step."""
        moved = self.sums.J @ step
        return float(moved @ moved + step @ self.penalty.apply(step))

    def posterior(self, meat: Filling) -> Posterior | None:
        """Return the `PrimalPosterior` of A^+ (sum_i w_i J_i'M_i M_i'J_i + ..) A^+.

        None if some M_i is infinite. Takes a third pass over the rows but for s^2 A^+.
        """
        limits = self.span.basis_or_none, self.span.tolerance
        if meat.is_scalar:  # A^+ s^2 (J'WJ + Lambda) A^+ = s^2 A^+
            scale = float(np.sqrt(meat.prior_scale))
            return PrimalPosterior(self.root, *limits, scale=scale)
        # W'W = F (sum_i w_i J_i'M_i M_i'J_i) F'
        whitened = self.sums.rows.reduce(_meat_pass, self.root, meat).factor
        if not np.isfinite(whitened).all():
            return None
        # The covariance is F'W'W F + prior F'(F Lambda F')F: a sum of B'B.
        blocks = self._blocks(whitened, meat.prior_scale)
        del whitened  # as large as the root, and not needed to the end
        root = triangular.lower_of_sum(blocks, self.root.shape[1])
        return PrimalPosterior(root, *limits)

    def _blocks(self, whitened: np.ndarray, prior: float) -> Iterator[np.ndarray]:
        """Yield B, sum B'B = F'(W'W + prior F Lambda F')F, W being `whitened`."""
        F = self.root
        for part in gen_batches(len(whitened), PANEL):  # B = W F, some rows at a time
            yield triangular.times_from_right(np.array(whitened[part], order="F"), F)
        penalty = np.sqrt(prior * self.penalty.apply(np.ones(F.shape[1])))
        for part in gen_batches(len(penalty), PANEL):  # B = (prior Lambda)^1/2 F' F
            if penalty[part].any():
                rows = np.array((F[:, part] * penalty[part]).T, order="F")
                yield triangular.times_from_right(rows, F)


def _with_leverage(rows: Rows, root: np.ndarray) -> Iterator[tuple[Chunk, np.ndarray]]:
    """Yield (chunk, H) of rows, H (k, m, m) = u'u, u = F J_i'."""
    m = rows.network.n_outputs
    for block, chunk in rows.blocks(doing="leverages"):
        if m == 1:
            yield chunk, triangular.squared_norms(root, block[:-1])[:, None, None]
        else:
            u = triangular.times(root, block[:-1], overwrite=True)
            u = u.reshape(len(root), m, -1)
            yield chunk, np.einsum("rkn,rln->nkl", u, u)


def _second_pass(
    rows: Rows, root: np.ndarray, units: Units, cap: float, step: np.ndarray | None
) -> ResidualSums:
    """Return the `ResidualSums` of rows; see `PrimalInformation.leverages`."""
    total = ResidualSums.none(units)
    b: np.ndarray | float = 0.0
    towards = None if step is None else unpack(step, rows.network)
    for chunk, H in _with_leverage(rows, root):
        if towards is not None:
            b = jacobian.jvp(chunk.factors, towards)
        total = total.merge(ResidualSums.of(chunk, H, units, b, cap, rows.loss))
    return total


def _largest_pass(
    rows: Rows, root: np.ndarray, of: Callable[[Chunk, np.ndarray], np.ndarray]
) -> Largest:
    """Return the `Largest` of rows; see `PrimalInformation.largest`."""
    total = Largest(0.0)
    for chunk, H in _with_leverage(rows, root):
        total = total.merge(Largest(of(chunk, H).max(initial=0.0)))
    return total


def _meat_pass(rows: Rows, root: np.ndarray, meat: Filling) -> Triangle:
    """Return the `Triangle` of the whitened rows sqrt(w_i) F J_i'M_i."""
    r, m = len(root), rows.network.n_outputs

    def blocks() -> Iterator[np.ndarray]:
        for block, chunk in rows.blocks(doing="robust covariance"):
            u = triangular.times(root, block[:-1], overwrite=True).reshape(r, m, -1)
            H = np.einsum("rkn,rln->nkl", u, u)
            mix = meat.at(chunk, H).noise_root * np.sqrt(chunk.weight)
            yield np.einsum("rkn,kcn->rcn", u, mix).reshape(r, -1)

    return Triangle(triangular.triangle(blocks(), r))
