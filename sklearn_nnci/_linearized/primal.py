"""The information matrix A = J'WJ + Lambda, factored once: the primal route.

The rows are reduced, chunk by chunk, to M with M'M = [J e]'W[J e]: a triangle by
streaming QR, or [J e] itself where that has fewer rows than columns. J'J is never
formed: at cond(J) = 7e6 the variances from its Cholesky factor are wrong by 3e-3,
those from a QR by 2e-10.

What is kept is a root F of the inverse, F'F = A^+, so that for any query j the
whitened vector u = F j has u'u = j'A^+ j. `_dual` offers the same verbs from an
n x n factor, without J.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from sklearn_nnci._linearized import dual_posterior
from sklearn_nnci._linearized.sandwich import Meat
from sklearn_nnci._linearized.totals import FirstPass, ResidualSums, Totals, Triangle
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import null_directions, pack, unpack
from sklearn_nnci._numerics import triangular
from sklearn_nnci._numerics.rank import (
    Span,
    null_space_is,
    outside_span,
    rank,
    rank_floor,
    restrict_last,
    span_of,
    unbounded,
)

# Rows to copy at a time.
PANEL = 512


class Primal(NamedTuple):
    """The rows, reduced to p + 1 columns."""

    rows: Any
    """`Rows`, here or in several places."""
    totals: Totals
    reduced: np.ndarray
    """M (k, p + 1), M'M = [J e]'W[J e]."""

    @property
    def route(self):
        """Name of this route."""
        return "primal"

    @property
    def network(self):
        """The network that gave J."""
        return self.rows.network

    @property
    def J(self):
        """The reduced Jacobian: J'J is J'WJ."""
        return self.reduced[:, :-1]

    @property
    def residuals(self):
        """The reduced residuals, rotated as J is, (k,)."""
        return self.reduced[:, -1]

    @property
    def triangular(self):
        """Whether the rows were reduced to a triangle: fewer are left as they are."""
        return len(self.reduced) == self.reduced.shape[1]

    @property
    def n_rows(self):
        """Rows of the Jacobian before they were reduced, all outputs."""
        return self.totals.n_rows * len(self.totals.mean)

    def cancels(self, penalty):
        """Return whether `penalty` is too small for this route: never."""
        return False

    def rank(self, exactly=True):
        """Return rank J, always exactly: p less what is null for every X, or less."""
        p, Z = self.J.shape[1], null_directions(self.network)
        known = self._null_space_is(Z)
        return p - len(Z) if known else rank(self.J, self.n_rows)

    def _null_space_is(self, Z):
        """Return whether J z = 0 certainly for the rows of `Z` only."""
        R = self.J[: self.J.shape[1]]
        return self.triangular and null_space_is(Z, R, self.n_rows)

    def spectrum_parts(self, penalty_free):
        """Return (K, O, t), each with `k` rows: the linearised model, reduced.

        K = J_a J_a' over all but the last `penalty_free` parameters, O = the columns
        of these, t = e + J_a theta_a. Rotating rows changes none of their products.
        """
        J, e = self.J, self.residuals
        theta = pack(self.network.coefs, self.network.intercepts)[:-penalty_free]
        Ja = J[:, :-penalty_free]
        return Ja @ Ja.T, J[:, -penalty_free:], e + Ja @ theta

    def penalise(self, penalty):
        """Return the factored information of these rows under `penalty`."""
        floor = rank_floor(self.J, self.n_rows)
        if np.sqrt(penalty.strength) <= floor and not self._null_space_is(()):
            span = span_of(self.J, self.n_rows)
            root = triangular.lower(span.basis / span.values[:, None])
            condition = np.linalg.norm(span.values) * np.linalg.norm(1.0 / span.values)
        else:
            span, root, condition = self._ridge(penalty)
        return PrimalInformation(self, penalty, root, span, condition)

    def _ridge(self, penalty):
        """Return (span, root, condition) for lambda > 0, or J of full rank.

        Lambda leaves out only the trailing block, so A z = 0 means that z lives in
        that block and J z = 0: the columns of the block decide alone. Directions
        they do not determine are dropped, z = B'phi with B their row space.
        """
        p, n_free = self.J.shape[1], penalty.n_free
        R = self._penalised_triangle(penalty)
        span = span_of(R[:, p - n_free :], self.n_rows)
        rank = p
        if not span.full:
            span = span._replace(basis=triangular.lower(span.basis))
            rank = restrict_last(R, span)
        condition = triangular.norm(R[:rank, :rank])
        root = triangular.root_of_inverse(R)
        condition *= triangular.norm(root[:rank, :rank])
        if not span.full:
            tail = root[:rank, p - n_free :]
            tail[:] = tail[:, : len(span.basis)] @ span.basis  # trapezoidal, as B is
            root = triangular.first_rows(root, rank)
        return span, root, condition

    def _penalised_triangle(self, penalty):
        """Return the triangle of [J; Lambda^1/2]."""
        p = self.J.shape[1]
        diagonal = np.sqrt(penalty.apply(np.ones(p)))
        if self.triangular:
            return triangular.add_diagonal(np.array(self.J[:p], order="F"), diagonal)
        R = np.diag(diagonal).T  # in the order that LAPACK overwrites
        for part in gen_batches(len(self.J), PANEL):
            R = triangular.absorb(R, np.array(self.J[part].T, order="C"))
        return R


def reduce(rows):
    """Return the `Primal` reduction of `rows`."""
    totals, triangle = rows.reduce(_first_pass)
    return Primal(rows, totals, triangle.factor)


def _first_pass(rows):
    """Return the `FirstPass` of rows: a triangle, or [J e] itself where less."""
    totals, columns = Totals.none(rows.network), rows.network.n_parameters + 1

    def blocks():
        nonlocal totals  # anew, should the triangle have to read twice
        totals = Totals.none(rows.network)
        for block, chunk in rows.blocks(weighted=True, doing="first pass"):
            totals = totals.merge(Totals.of(chunk.plain()))
            yield block

    if rows.size * rows.network.n_outputs < columns:
        M = np.vstack([np.empty((0, columns)), *(block.T.copy() for block in blocks())])
    else:
        M = triangular.triangle(blocks, columns)
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

    def leverages(self, cap, step=None):
        """Return the `ResidualSums` of all rows, b = J step, or 0."""
        return self.sums.rows.reduce(_second_pass, self.root, cap, step)

    def edf(self):
        """Return tr A^+ J'WJ."""
        J, total = self.sums.J, 0.0
        for part in gen_batches(len(J), PANEL):
            Jt = np.array(J[part].T, order="C")
            total += triangular.squared_norms(self.root, Jt).sum()
        return total

    def rowwise(self):
        """Yield (chunk, H), H_ii = J_i A^+ J_i' of one copy of each row, (k, m, m)."""
        yield from _with_leverage(self.sums.rows, self.root)

    def step(self):
        """Return the Gauss-Newton step A^+ g, g = J'We - Lambda theta, (p,)."""
        network, J = self.sums.network, self.sums.J
        theta = pack(network.coefs, network.intercepts)
        g = J.T @ self.sums.residuals - self.penalty.apply(theta)
        return self.root.T @ (self.root @ g)

    def decrement(self, step):
        """Return g'A^+ g = |J step|_W^2 + step' Lambda step."""
        moved = self.sums.J @ step
        return float(moved @ moved + step @ self.penalty.apply(step))

    def posterior(self, meat):
        """Return the `PrimalPosterior` of A^+ (sum_i w_i J_i'M_i M_i'J_i + ..) A^+.

        None if some M_i is infinite.
        """
        limits = self.span.basis_or_none, self.span.tolerance
        if meat.is_scalar:  # s^2 A^+ A A^+ = s^2 A^+
            scale = float(np.sqrt(meat.prior_scale))
            return PrimalPosterior(self.root, *limits, scale=scale)
        whitened = self._whitened(meat)
        if not (whitened is None or np.isfinite(whitened).all()):
            return None
        blocks = self._spread(meat, whitened)
        del whitened  # as large as the root, and not needed to the end
        root = triangular.lower_of_sum(blocks, self.root.shape[1])
        return PrimalPosterior(root, *limits)

    def _whitened(self, meat):
        """Return W, W'W = F (sum_i w_i J_i'M_i M_i'J_i) F'; None if it is s J F'."""
        if isinstance(meat, Meat) and meat.noise_root.shape == (1, 1, 1):
            return None
        return self.sums.rows.reduce(_meat_pass, self.root, meat).factor

    def _spread(self, meat, whitened):
        """Yield blocks B, sum B'B = A^+ (sum_i w_i J_i'M_i M_i'J_i + prior Lambda) A^+.

        They are some rows of W F, `whitened` being W, or where it is None of s J F'F.
        """
        J, F = self.sums.J, self.root
        for part in gen_batches(len(J if whitened is None else whitened), PANEL):
            if whitened is None:
                W = meat.noise_root[0, 0, 0] * triangular.times(F, J[part].T).T
            else:
                W = np.array(whitened[part], order="F")
            yield triangular.times_from_right(W, F)
        penalty = np.sqrt(meat.prior_scale * self.penalty.apply(np.ones(F.shape[1])))
        for part in gen_batches(len(penalty), PANEL):
            if penalty[part].any():
                W = np.array((F[:, part] * penalty[part]).T, order="F")
                yield triangular.times_from_right(W, F)


def _with_leverage(rows, root):
    """Yield (chunk, H) of rows, H (k, m, m)."""
    m = rows.network.n_outputs
    for block, chunk in rows.blocks(doing="leverages"):
        if m == 1:
            yield chunk, triangular.squared_norms(root, block[:-1])[:, None, None]
        else:
            u = triangular.times(root, block[:-1], overwrite=True)
            u = u.reshape(len(root), m, -1)
            yield chunk, np.einsum("rkn,rln->nkl", u, u)


def _second_pass(rows, root, cap, step):
    """Return the `ResidualSums` of rows; see `PrimalInformation.leverages`."""
    total, b = ResidualSums.none(rows.network.n_outputs), 0.0
    towards = None if step is None else unpack(step, rows.network)
    for chunk, H in _with_leverage(rows, root):
        if towards is not None:
            b = jacobian.jvp(chunk.factors, towards)
        total = total.merge(ResidualSums.of(chunk.residuals, H, chunk.weight, b, cap))
    return total


def _meat_pass(rows, root, meat):
    """Return the `Triangle` of the whitened rows sqrt(w_i) F J_i'M_i."""
    r, m = len(root), rows.network.n_outputs

    def blocks():
        for block, chunk in rows.blocks(doing="robust covariance"):
            u = triangular.times(root, block[:-1], overwrite=True).reshape(r, m, -1)
            H = np.einsum("rkn,rln->nkl", u, u)
            mix = meat.at(chunk.residuals, H).noise_root * np.sqrt(chunk.weight)
            yield np.einsum("rkn,kcn->rcn", u, mix).reshape(r, -1)

    return Triangle(triangular.triangle(blocks, r))


class PrimalPosterior(NamedTuple):
    """The covariance of theta by its root; all that prediction needs."""

    root: np.ndarray
    """F (r, p), lower trapezoidal, scale^2 F'F the covariance."""
    basis: np.ndarray | None
    """Determined directions of the last columns; None: all of them."""
    tolerance: float
    """Relative size from which on a component outside the span is real."""
    scale: float = 1.0
    """Standard deviation that F is in units of."""

    @triangular.overflowing()
    def variance(self, F):
        """Return the variance of each f_k(x), (m, n).

        Infinite where it is lost: outside the span of the rows, or to overflow.
        """
        shape = F.shape
        Jt = jacobian.dense(F).reshape(shape[0], -1)
        lost = outside_span(self.basis, self.tolerance, Jt)
        v = self.scale**2 * triangular.squared_norms(self.root, Jt)
        v[lost | ~np.isfinite(v)] = np.inf
        return v.reshape(shape[1:])

    @triangular.overflowing()
    def covariance(self, F):
        """Return the covariance of all f_k(x), (m n, m n), and which are lost.

        Of these the variance is infinite, the covariance with the others nan.
        """
        Jt = jacobian.dense(F).reshape(F.shape[0], -1)
        u = self.scale * triangular.times(self.root, Jt)
        lost = outside_span(self.basis, self.tolerance, Jt)
        return unbounded(u.T @ u, lost)

    def parameter_covariance(self):
        """Return the covariance of theta, (p, p), and which are lost."""
        unit = np.eye(self.root.shape[1])
        lost = outside_span(self.basis, self.tolerance, unit)
        return self.scale**2 * (self.root.T @ self.root), lost

    def state(self):
        """Return what `restore` needs, as plain arrays and numbers."""
        return {"route": "primal", **self._asdict()}


def restore(network, state):
    """Return the posterior that ``state`` describes, at the weights of `network`."""
    fields = {name: value for name, value in state.items() if name != "route"}
    if state["route"] == "primal":
        return PrimalPosterior(**fields)
    return dual_posterior.restore(network, fields)
