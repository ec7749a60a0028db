"""v = j'C j of query rows as nodes, by either route.

Primal, F the root: scale^2 |F j|^2, a panel of F at a time. Dual, with the factors of
the training rows as constants, as in `_linearized.dual_posterior`,

    k = J_a j_a / lambda,    z = C^-1 k,    r = T^-T j_b - Q'z,
    j'A^-1 j = |j_a|^2 / lambda - z'z + r'r,

a difference, which is refused where it loses the digits.
"""

from typing import Any

import numpy as np
from scipy import linalg

from sklearn_nnci._linearized.dual_posterior import DualPosterior
from sklearn_nnci._linearized.primal_posterior import full
from sklearn_nnci._network import jacobian
from sklearn_nnci._numerics.chunks import row_slices
from sklearn_nnci.onnx._graph import Graph
from sklearn_nnci.onnx._jacobian import Layers

# Below this share of |j_a|^2 / lambda the dual would need its sums of squares, which
# take n p operations a row.
CANCELLATION = 1e-6


def primal(g: Graph, posterior: Any, J: str) -> str:
    """Return v (n, m) by the root of the covariance, of J (n, m, p)."""
    squares, p = [], posterior.root.shape[1]
    for _, panel in posterior.packed(g.dtype).root.slices():
        columns = g.part(J, 2, 0, panel.shape[1])
        squares.append(g.squares(g.op("MatMul", columns, panel.T)))
    v = g.op("Mul", g.sum_of(squares), np.full(1, posterior.scale**2))
    if posterior.basis is None:
        return bounded(g, v)
    tail = g.part(J, 2, p - posterior.basis.shape[1], p)
    return bounded(g, v, outside(g, posterior.basis, posterior.tolerance, tail))


def outside(g: Graph, basis: np.ndarray, tolerance: float, tail: str) -> str:
    """Return which queries leave the span; see `rank.outside_span`."""
    inside = g.op("MatMul", g.op("MatMul", tail, basis.T), basis)
    rest = g.squares(g.op("Sub", tail, inside))
    return g.op("Greater", rest, g.op("Mul", g.squares(tail), np.full(1, tolerance**2)))


def bounded(g: Graph, v: str, lost: str = "") -> str:
    """Return v, infinite where it is lost or no number."""
    nan = g.op("IsNaN", v)
    return g.where(g.op("Or", lost, nan) if lost else nan, v, np.full(1, np.inf))


def dual(g: Graph, posterior: DualPosterior, F: Layers, m: int) -> str:
    """Return v (n, m) by the rows that trained."""
    kriging, penalty, meat = posterior.kriging, posterior.penalty, posterior.meat
    inverse = full(kriging.inverse)
    kernel, squares = _kernel(g, posterior.factors, F, m, penalty.n_free)
    z = g.op("MatMul", kernel, inverse.T / penalty.strength)
    jb = _free(g, F, penalty.n_free)
    basis = np.eye(penalty.n_free) if kriging.basis is None else kriging.basis
    # r' = j_b'B'T^-1 - z'Q
    own = linalg.solve_triangular(kriging.T, basis, trans="T").T
    r = g.op("Sub", g.op("MatMul", jb, own), g.op("MatMul", z, kriging.Q))
    penalised = g.op("Mul", squares, np.full(1, 1.0 / penalty.strength))
    v = g.op("Add", g.op("Sub", penalised, g.squares(z)), g.squares(r))
    if meat.is_scalar:
        v = g.op("Mul", v, np.full(1, meat.prior_scale))
    else:
        v = _filled(g, posterior, inverse, z, r, v)
    if kriging.basis is None:
        return bounded(g, v)
    return bounded(g, v, outside(g, kriging.basis, kriging.tolerance, jb))


def _kernel(
    g: Graph, rows: jacobian.Factors, F: Layers, m: int, n_free: int
) -> tuple[str, str]:
    """Return J_a j_a of queries, (n, m, N), and |j_a|^2 (n, m)."""
    counted = jacobian.counted_layers(rows, n_free)
    n_rows, products, squares = rows.shape[2], [], []
    for a, d, A, D, c in zip(*F[:2], *rows[:2], counted, strict=True):
        inner = g.op("Add", g.op("MatMul", a, A), np.full(1, c))
        outer = g.op("MatMul", d, D.reshape(len(D), -1))
        outer = g.reshape(outer, 0, m, -1, n_rows)
        products.append(g.op("Mul", outer, g.expand_dims(inner, 1, 2)))
        own = g.op("Add", g.squares(a), np.full(1, c))
        squares.append(g.op("Mul", g.expand_dims(own, 1), g.squares(d)))
    K = g.reshape(g.sum_of(products), 0, m, -1)
    return K, g.sum_of(squares)


def _free(g: Graph, F: Layers, n_free: int) -> str:
    """Return j_b, the last entries of j, those of intercepts, (n, m, n_free)."""
    ones = g.ones(F.activations[0], 1, 1)
    blocks = [
        g.op("Mul", g.op("Mul", ones, np.full(1, c)), d)
        for d, c in zip(F.deltas, F.constants, strict=True)
    ]
    size = sum(below for _, below in F.sizes)
    return g.part(g.op("Concat", *blocks, axis=2), 2, size - n_free, size)


def _filled(
    g: Graph, posterior: DualPosterior, inverse: np.ndarray, z: str, r: str, v: str
) -> str:
    """Return sum_i |M_i'a_i|^2 + prior (v - a'a), a = C^-T (z + Q r)."""
    kriging, meat = posterior.kriging, posterior.meat
    moved = g.op("Add", z, g.op("MatMul", r, kriging.Q.T))
    a = g.op("MatMul", moved, inverse)
    outputs, c, _ = meat.noise_root.shape
    blocks = g.reshape(a, 0, 0, outputs, -1)
    mixed = [
        g.squares(g.sum(g.op("Mul", blocks, meat.noise_root[:, k]), 2))
        for k in range(c)
    ]
    rest = g.op("Sub", v, g.squares(a))
    prior = g.op("Mul", rest, np.full(1, meat.prior_scale))
    return g.op("Add", g.sum_of(mixed), prior)


def check_digits(posterior: DualPosterior) -> None:
    """Refuse a dual that loses its digits at the rows that trained."""
    rows, strength = posterior.factors, posterior.penalty.strength
    n_free = posterior.penalty.n_free
    for part in row_slices(rows.shape[2], 8 * rows.shape[1] * rows.shape[2]):
        F = jacobian.take(rows, part)
        k = jacobian.tangent_kernel(rows, F, n_free) / strength
        z, r = posterior.kriging.whiten(k, jacobian.intercept_columns(F, n_free))
        blocks = jacobian.tangent_kernel_diagonal(F, n_free)
        penalised = np.einsum("nkk->kn", blocks).ravel() / strength
        v = penalised - (z**2).sum(axis=0) + (r**2).sum(axis=0)
        if (v < CANCELLATION * penalised).any():
            raise NotImplementedError(
                f"With more parameters than rows and a penalty of {strength:.2g}, the "
                "standard errors would lose their digits in an ONNX graph. Try "
                "covariance='auto', a larger alpha or fewer units."
            )
