"""The information matrix A = J'WJ + Lambda, factored once: the primal route.

The rows are reduced, chunk by chunk, to M with M'M = [J e]'W[J e]: a triangle by
streaming QR, or [J e] itself where that has fewer rows than columns. J'J is never
formed: at cond(J) = 7e6 the variances from its Cholesky factor are wrong by 3e-3,
those from a QR by 2e-10.

What is kept is a root F of the inverse, F'F = A^+, so that for any query j the
whitened vector u = F j has u'u = j'A^+ j. `_dual` offers the same verbs from an
n x n factor, without J.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from sklearn_nnci import _dual, _jacobian, _linalg
from sklearn_nnci._network import Network, pack
from sklearn_nnci._rows import Penalty, Rows


class Primal(NamedTuple):
    """The rows, reduced to p + 1 columns."""

    network: Network
    rows: Rows
    reduced: np.ndarray
    """M (k, p + 1), M'M = [J e]'W[J e]."""

    @property
    def route(self):
        """Name of this route."""
        return "primal"

    @property
    def J(self):
        """The reduced Jacobian: J'J is J'WJ."""
        return self.reduced[:, :-1]

    def cancels(self, penalty):
        """Return whether `penalty` is too small for this route: never."""
        return False

    def rank(self):
        """Return rank J."""
        values = linalg.svdvals(self.J, check_finite=False)
        return _linalg.rank_of(values, (self.rows.residuals.size, self.J.shape[1]))

    def spectrum_parts(self, penalty_free):
        """Return (K, O, t), each with `k` rows: the linearised model, reduced.

        K = J_a J_a' over all but the last `penalty_free` parameters, O = the columns
        of these, t = e + J_a theta_a. Rotating rows changes none of their products.
        """
        J, e = self.J, self.reduced[:, -1]
        theta = pack(self.network.coefs, self.network.intercepts)[:-penalty_free]
        Ja = J[:, :-penalty_free]
        return Ja @ Ja.T, J[:, -penalty_free:], e + Ja @ theta

    def penalise(self, penalty):
        """Return the factored information of these rows under `penalty`."""
        n_rows = self.rows.residuals.size
        floor = np.finfo(float).eps * max(n_rows, self.J.shape[1])
        if np.sqrt(penalty.strength) <= floor * linalg.norm(self.J):
            span = _linalg.span_of(self.J, n_rows)
            root = span.basis / span.values[:, None]
            spread = span.values[[0, -1]] if len(span.values) else np.ones(2)
            condition = float(spread[0] / spread[1])
        else:
            span, root, condition = self._ridge(penalty, n_rows)
        return PrimalInformation(self, penalty, _linalg.lower(root), span, condition)

    def _ridge(self, penalty, n_rows):
        """Return (span, root, condition) for lambda > 0.

        Lambda leaves out only the trailing block, so A z = 0 means that z lives in
        that block and J z = 0: the columns of the block decide alone. Directions
        they do not determine are dropped, z = B'phi with B their row space.
        """
        p, n_free = self.J.shape[1], penalty.n_free
        R = np.zeros((p, p), order="F")
        R[np.arange(p - n_free), np.arange(p - n_free)] = np.sqrt(penalty.strength)
        R = _linalg.absorb(R, np.array(self.J.T, order="C"))
        span = _linalg.span_of(R[:, p - n_free :], n_rows)
        if not span.full:
            R = np.hstack([R[:, :-n_free], span.restrict(R[:, -n_free:])])
            R = linalg.qr(R, mode="r")[0][: R.shape[1]]
        condition = 1.0 / lapack.dtrcon(np.asfortranarray(R))[0]
        root = _linalg.root_of_inverse(R)
        if not span.full:
            head, tail = root[:, : p - n_free], root[:, p - n_free :]
            root = np.hstack([head, tail @ span.basis])
        return span, root, condition


def reduce_rows(network, rows):
    """Return the `Primal` reduction of `rows`."""
    M = reduce(network, rows.X, rows.weighted_seed, rows.weighted_residuals)
    return Primal(network, rows, M)


def reduce(network, X, seed, e):
    """Return M with M'M = [J e]'[J e], J the Jacobian of `X` under `seed`, streamed.

    A triangle where the m n rows are more than the p + 1 columns, else [J e] itself.
    """
    p, n_rows = network.n_parameters, e.size
    wide = n_rows <= p
    M = np.zeros((n_rows if wide else p + 1, p + 1), order="F")
    start = 0
    for part, F in _jacobian.stream(network, X, seed):
        chunk = np.empty((p + 1, *F.shape[1:]))
        _jacobian.dense(F, out=chunk[:-1])
        chunk[-1] = e[:, part]
        chunk = chunk.reshape(p + 1, -1)
        if wide:
            M[start : start + chunk.shape[1]] = chunk.T
            start += chunk.shape[1]
        else:
            M = _linalg.absorb(M, chunk)
    return M


class PrimalInformation(NamedTuple):
    """A = J'WJ + Lambda by a root of its inverse."""

    sums: Primal
    penalty: Penalty
    root: np.ndarray
    """F (r, p), lower trapezoidal, F'F = A^+."""
    span: _linalg.Span
    """What the rows determine of the last columns."""
    condition: float
    """Condition number of the factor of A, null directions left out."""

    def whiten(self, F):
        """Return u = F j for each row of the factors `F`, (r, m, n)."""
        shape = F.shape
        Jt = _jacobian.dense(F).reshape(shape[0], -1)
        return _linalg.times(self.root, Jt).reshape(-1, *shape[1:])

    def leverage(self):
        """Return H_ii = J_i A^+ J_i' of one copy of each row, (n, m, m)."""
        rows, blocks = self.sums.rows, []
        for _, F in _jacobian.stream(self.sums.network, rows.X, rows.seed):
            u = self.whiten(F)
            blocks.append(np.einsum("rkn,rln->nkl", u, u))
        return np.concatenate(blocks)

    def step(self):
        """Return the Gauss-Newton step A^+ g, g = J'We - Lambda theta, (p,)."""
        network, J = self.sums.network, self.sums.J
        theta = pack(network.coefs, network.intercepts)
        g = J.T @ self.sums.reduced[:, -1] - self.penalty.apply(theta)
        return self.root.T @ (self.root @ g)

    def offset(self, step):
        """Return g'A^+ g = |J step|_W^2 + step' Lambda step."""
        moved = self.sums.J @ step
        return float(moved @ moved + step @ self.penalty.apply(step))

    def posterior(self, meat):
        """Return the `PrimalPosterior` of A^+ (sum_i w_i J_i'M_i M_i'J_i + ..) A^+."""
        strength, prior = self.penalty.strength, meat.prior
        if meat.plain:
            return self._with_span(
                np.sqrt(prior) * self.root
            )  # s^2 A^+ A A^+ = s^2 A^+
        J = self._mixed(meat.mix)
        pieces = [_linalg.times(self.root, J.T).T @ self.root]
        if prior > 0.0 and strength > 0.0:
            kept = self.root[:, : self.root.shape[1] - self.penalty.n_free]
            pieces.append(np.sqrt(prior * strength) * (kept.T @ self.root))
        return self._with_span(_linalg.lower(np.vstack(pieces)))

    def _mixed(self, mix):
        """Return a reduced Jacobian with J'J = sum_i w_i J_i' M_i M_i' J_i."""
        rows = self.sums.rows
        if mix.shape == (1, 1, 1):
            return mix[0, 0, 0] * self.sums.J
        seed = np.einsum(
            "jkn,kln->jln", rows.weighted_seed, mix + np.zeros(len(rows.weight))
        )
        nothing = np.zeros(seed.shape[1:])
        return reduce(self.sums.network, rows.X, seed, nothing)[:, :-1]

    def _with_span(self, root):
        return PrimalPosterior(root, self.span.limits, self.span.tolerance)


class PrimalPosterior(NamedTuple):
    """The covariance of theta by its root; all that prediction needs."""

    root: np.ndarray
    """F (r, p), lower trapezoidal, F'F the covariance."""
    basis: np.ndarray | None
    """Determined directions of the last columns; None: all of them."""
    tolerance: float
    """Relative size from which on a component outside the span is real."""

    def variance(self, F):
        """Return the variance of each f_k(x), (m, n); infinite outside the span."""
        shape = F.shape
        Jt = _jacobian.dense(F).reshape(shape[0], -1)
        v = _linalg.squared_norms(self.root, Jt)
        v[_linalg.lost(self.basis, self.tolerance, Jt)] = np.inf
        return v.reshape(shape[1:])

    def covariance(self, F):
        """Return the covariance of all f_k(x), (m n, m n), and which are lost."""
        Jt = _jacobian.dense(F).reshape(F.shape[0], -1)
        u = _linalg.times(self.root, Jt)
        return u.T @ u, _linalg.lost(self.basis, self.tolerance, Jt)

    def parameter_covariance(self):
        """Return the covariance of theta, (p, p), and which are lost."""
        unit = np.eye(self.root.shape[1])
        lost = _linalg.lost(self.basis, self.tolerance, unit)
        return self.root.T @ self.root, lost

    def state(self):
        """Return what `restore` needs, as plain arrays and numbers."""
        return {"route": "primal", **self._asdict()}


def restore(network, state):
    """Return the posterior that ``state`` describes, at the weights of `network`."""
    fields = {name: value for name, value in state.items() if name != "route"}
    if state["route"] == "primal":
        return PrimalPosterior(**fields)
    return _dual.restore(network, fields)
