"""What the Jacobian at some weights says of penalties, and of the next step.

J (N, p) is that of rows weighted by the square roots of their weights, N = m n, and
A = J'J + Lambda; O = the columns of the intercepts of the output, which have no
penalty. Wanted are

    log |A| - sum_g k_g log lambda_g,
    gamma_g = k_g - lambda_g tr_g A^-1,      well-determined parameters (MacKay 1992),
    edf_k = tr J_k A^-1 J_k',                of output k,
    (A + mu I)^-1 g,                         nothing added to the output's intercepts.

Few parameters: A itself, J'J + Lambda by Cholesky. Few rows: with J_a the columns of
the penalised parameters, V = 1 + J_a Lambda^-1 J_a' and P = 1 - J A^-1 J', which is
V^-1 - V^-1 O (O'V^-1 O)^-1 O'V^-1 and needs the factors of J only,

    log |A| - sum k_g log lambda_g = log |V| + log |O'V^-1 O|,
    gamma_g = tr P J_g J_g' / lambda_g,        edf_k = tr (1 - P)_kk.

Normal equations serve here: steps and penalties correct themselves, and what inference
says in the end comes from a QR.
"""

from typing import NamedTuple, Protocol

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from sklearn_nnci._network import jacobian
from sklearn_nnci._network.jacobian import Factors
from sklearn_nnci._network.perceptron import Network, unpack
from sklearn_nnci._training.groups import Groups
from sklearn_nnci._training.objective import Objective, Point


class Determined(NamedTuple):
    """What the rows determine under some penalties."""

    gamma: np.ndarray
    """gamma_g, (G,)."""
    edf: np.ndarray
    """edf_k, (m,)."""
    log_det: float
    """log |A| - sum_g k_g log lambda_g."""


class Curvature(Protocol):
    """A as a function of Lambda."""

    @property
    def unit(self) -> float:
        """The unit of damping, tr J_a'J_a / (p - m)."""

    def determined(self, strengths: np.ndarray) -> Determined:
        """Return what the rows determine under the lambda_g, (G,)."""

    def by_parameter(self, strengths: np.ndarray) -> np.ndarray:
        """Return gamma of each parameter, (p,), 1 of those without a penalty."""

    def step(self, g: np.ndarray, strengths: np.ndarray, mu: float) -> np.ndarray:
        """Return (A + mu I)^-1 g, (p,), nothing being added to free parameters."""

    def in_units(self, units: np.ndarray) -> "Curvature":
        """Return that of outputs divided by `units`, (m,)."""


def curvature_at(objective: Objective, point: Point, groups: Groups) -> Curvature:
    """Return the `Curvature` of the rows of an objective, by the cheaper route."""
    if point.f.size >= len(point.theta):
        return primal_at(objective, point, groups)
    network, cotangent = _linearised(objective, point)
    return Dual(jacobian.factors(network, objective.X, cotangent), network, groups)


def _linearised(objective: Objective, point: Point) -> tuple[Network, np.ndarray]:
    """Return the network at a point, and the cotangent of its weighted rows."""
    root = objective.whitened(point)[0] + np.zeros(point.f.shape)
    return unpack(point.theta, objective.like), np.eye(len(root))[:, :, None] * root


def primal_at(objective: Objective, point: Point, groups: Groups) -> "Primal":
    """Return the `Primal` curvature, however few the rows are."""
    network, cotangent = _linearised(objective, point)
    p, m = network.n_parameters, network.n_outputs
    grams = np.zeros((m, p, p))
    for _, F in jacobian.stream(network, objective.X, cotangent):
        Jt = jacobian.dense(F)
        for k in range(m):
            grams[k] += Jt[:, k] @ Jt[:, k].T
    return Primal(grams, groups)


class Primal(NamedTuple):
    """By J'J of each output."""

    grams: np.ndarray
    """(m, p, p)."""
    groups: Groups

    @property
    def unit(self) -> float:
        """The unit of damping, tr J_a'J_a / (p - m)."""
        kept = len(self.groups.group_of)
        return float(np.einsum("kii->i", self.grams)[:kept].sum() / max(kept, 1))

    def in_units(self, units: np.ndarray) -> "Primal":
        """Return that of outputs divided by `units`."""
        return self._replace(grams=self.grams / units[:, None, None] ** 2)

    def determined(self, strengths: np.ndarray) -> Determined:
        """Return what the rows determine under the lambda_g."""
        groups, C = self.groups, self._factor(strengths, 0.0)
        inverse = lapack.dpotri(C, lower=1)[0]  # its lower triangle
        gamma = groups.sizes - strengths * groups.sums(np.diag(inverse))
        if len(self.grams) == 1:
            edf = np.array([gamma.sum() + 1.0])
        else:
            inverse = np.tril(inverse) + np.tril(inverse, -1).T
            edf = np.einsum("ij,kij->k", inverse, self.grams)
        log_det = 2.0 * np.log(np.diag(C)).sum() - groups.sizes @ np.log(strengths)
        return Determined(gamma, edf, float(log_det))

    def by_parameter(self, strengths: np.ndarray) -> np.ndarray:
        """Return gamma of each parameter, 1 - lambda (A^-1)_jj."""
        inverse = lapack.dpotri(self._factor(strengths, 0.0), lower=1)[0]
        return 1.0 - self.groups.penalty(strengths).apply(np.diag(inverse))

    def step(self, g: np.ndarray, strengths: np.ndarray, mu: float) -> np.ndarray:
        """Return (A + mu I)^-1 g."""
        C = self._factor(strengths, mu)
        return linalg.cho_solve((C, True), g, check_finite=False)

    def _factor(self, strengths: np.ndarray, mu: float) -> np.ndarray:
        """Return the lower Cholesky factor of A + mu I."""
        A = self.grams[0].copy() if len(self.grams) == 1 else self.grams.sum(axis=0)
        kept = np.arange(len(self.groups.group_of))
        A[kept, kept] += strengths[self.groups.group_of] + mu
        return linalg.cholesky(A, lower=True, check_finite=False)


class Dual(NamedTuple):
    """By J J' of all rows, outputs before rows."""

    factors: Factors
    network: Network
    groups: Groups

    @property
    def unit(self) -> float:
        """The unit of damping, tr J_a'J_a / (p - m)."""
        m = self.groups.n_free
        blocks = jacobian.tangent_kernel_diagonal(self.factors, m)
        return float(np.einsum("nkk->", blocks) / max(len(self.groups.group_of), 1))

    def in_units(self, units: np.ndarray) -> "Dual":
        """Return that of outputs divided by `units`."""
        F = self.factors
        deltas = tuple(d / units[:, None] for d in F.deltas)
        return self._replace(factors=F._replace(deltas=deltas))

    def determined(self, strengths: np.ndarray) -> Determined:
        """Return what the rows determine under the lambda_g."""
        P, log_det = self._projection(strengths)
        _, m, n = self.factors.shape
        edf = n - np.diag(P).reshape(m, n).sum(axis=1)
        return Determined(self._gamma(P, strengths), edf, log_det)

    def _projection(self, strengths: np.ndarray) -> tuple[np.ndarray, float]:
        """Return P (N, N), and log |V| + log |O'V^-1 O|."""
        C, O = self._factored(strengths, 0.0)
        inverse = lapack.dpotri(C, lower=1)[0]
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        VO = inverse @ O
        trend = linalg.cholesky(O.T @ VO, lower=True)
        G = linalg.solve_triangular(trend, VO.T, lower=True)
        log_det = 2.0 * (np.log(np.diag(C)).sum() + np.log(np.diag(trend)).sum())
        return inverse - G.T @ G, float(log_det)

    def by_parameter(self, strengths: np.ndarray) -> np.ndarray:
        """Return gamma of each parameter, j'P j / lambda of its column j of J."""
        P, _ = self._projection(strengths)
        Jt = jacobian.dense(self.factors).reshape(self.factors.shape[0], -1)
        kept = Jt[: len(self.groups.group_of)]
        found = np.einsum("pi,pi->p", kept @ P, kept) / strengths[self.groups.group_of]
        return np.append(found, np.ones(self.groups.n_free))

    def _gamma(self, P: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        """Return tr P J_g J_g' / lambda_g, (G,).

        With Q_l = sum over outputs of P o (D_l D_l'), (n, n), it is x_j'Q_1 x_j /
        lambda_j of input j, 1'Q_l 1 / lambda of b_l, sum_u a_u'Q_l a_u / lambda of W_l.
        """
        _, m, n = self.factors.shape
        blocks, found = P.reshape(m, n, m, n), []
        for layer, (a, d, _) in enumerate(zip(*self.factors, strict=True)):
            outer = np.einsum("jkn,jlq->knlq", d, d, optimize=True)
            Q = np.einsum("knlq,knlq->nq", blocks, outer)
            quadratic = np.einsum("in,in->i", a @ Q, a)
            found += [*quadratic] if layer == 0 else [quadratic.sum()]
            found += [Q.sum()]
        return np.array(found[:-1]) / strengths  # the last intercepts have no group

    def step(self, g: np.ndarray, strengths: np.ndarray, mu: float) -> np.ndarray:
        """Return (A + mu I)^-1 g.

        With D = Lambda + mu, u = J d is V^-1 (J_a D^-1 g_a + O d_b), O'u = g_b, and
        d_a = D^-1 (g_a - J_a'u).
        """
        (C, O), m = self._factored(strengths, mu), self.groups.n_free
        D = np.append(strengths[self.groups.group_of] + mu, np.full(m, np.inf))
        start = jacobian.jvp(self.factors, unpack(g / D, self.network)).ravel()
        VO, Vk = np.split(linalg.cho_solve((C, True), np.c_[O, start]), [m], axis=1)
        free = linalg.solve(O.T @ VO, g[len(g) - m :] - O.T @ Vk[:, 0], assume_a="pos")
        u = (Vk[:, 0] + VO @ free).reshape(self.factors.shape[1:])
        step = (g - jacobian.vjp(self.factors, u)) / D
        step[len(g) - m :] = free
        return step

    def _factored(
        self, strengths: np.ndarray, mu: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower Cholesky factor of V under Lambda + mu, and O (N, m)."""
        m = self.groups.n_free
        F = self.groups.whitened(self.factors, strengths + mu)
        V = jacobian.tangent_kernel(F, F, m)
        V.flat[:: len(V) + 1] += 1.0
        O = jacobian.intercept_columns(self.factors, m).T
        return linalg.cholesky(V, lower=True, check_finite=False), O
