"""The Jacobian of the linear predictor, as per-layer factors.

The block of layer ``l`` at sample ``i``, output ``k`` is an outer product,

    d f_k(x_i) / d W_l = a_{l-1}[:, i] d_l[:, k, i]',
    d f_k(x_i) / d b_l = c_l d_l[:, k, i],

c_l = 1 but for parameters in `coordinates` of their own, so the Jacobian of any rows
is known by its factors. It is written out parameter-major, ``Jt`` (p, m, n), only
where that is asked for; products with it and Gram matrices of rows need the factors
alone.

Letters: i units below, j units above, k outputs, n rows.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._network.perceptron import Network, forward, sensitivities
from sklearn_nnci._numerics.chunks import broadcasting, row_slices


class Factors(NamedTuple):
    """Factors of the Jacobian of some rows."""

    activations: tuple
    """a_0, ..., a_{L-1}, each (h_l, n)."""
    deltas: tuple
    """d_1, ..., d_L, each (h_l, m, n)."""
    constants: tuple
    """c_1, ..., c_L, numbers."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(p, m, n), the shape of the dense parameter-major Jacobian."""
        p = sum(
            d.shape[0] * (a.shape[0] + 1)
            for a, d in zip(self.activations, self.deltas, strict=True)
        )
        _, m, n = self.deltas[0].shape
        return p, m, n


def factors(network: Network, X: Any, cotangent: np.ndarray | None = None) -> Factors:
    """Return the factors of the rows `X`; see `sensitivities` for `cotangent`."""
    return factors_at(network, forward(network, X), cotangent)


def factors_at(
    network: Network, activations: list[np.ndarray], cotangent: np.ndarray | None
) -> Factors:
    """Return the factors of rows of which `forward` gave these `activations`."""
    own, deltas = activations[:-1], sensitivities(network, activations, cotangent)
    if network.coordinates is None:
        return Factors(tuple(own), tuple(deltas), (1.0,) * len(deltas))
    layers = network.coordinates.of_layers(own, deltas)
    return Factors(*layers, network.coordinates.constants)


def stream(
    network: Network, X: Any, cotangent: np.ndarray | None = None, extra_bytes: int = 0
) -> Iterator[tuple[slice, Factors]]:
    """Yield ``(slice, Factors)`` over row chunks worth one buffer of dense Jacobian.

    `cotangent` is as in `sensitivities`, its last axis of length 1 or ``len(X)``;
    `extra_bytes` are what the caller holds per row besides.
    """
    m = network.n_outputs if cotangent is None else cotangent.shape[1]
    for rows in row_slices(X.shape[0], 8 * m * network.n_parameters + extra_bytes):
        part = (
            cotangent
            if cotangent is None or cotangent.shape[2] == 1
            else cotangent[:, :, rows]
        )
        yield rows, factors(network, X[rows], part)


def take(F: Factors, part: slice | np.ndarray) -> Factors:
    """Return the factors of some of the rows of `F`."""
    return Factors(
        tuple(a[:, part] for a in F.activations),
        tuple(d[:, :, part] for d in F.deltas),
        F.constants,
    )


@broadcasting()
def dense(F: Factors, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``Jt`` (p, m, n), written into `out` if given."""
    Jt = np.empty(F.shape) if out is None else out
    start = 0
    for a, d in zip(F.activations, F.deltas, strict=True):
        shape = (a.shape[0], *d.shape)
        block = Jt[start : start + shape[0] * shape[1]].reshape(shape)
        np.multiply(a[:, None, None, :], d, out=block)  # a_in d_jkn
        start += shape[0] * shape[1]
    for d, c in zip(F.deltas, F.constants, strict=True):
        np.multiply(d, c, out=Jt[start : start + len(d)])
        start += len(d)
    return Jt


def jvp(F: Factors, network: Network) -> np.ndarray:
    """Return ``J v`` (m, n), where `network` holds the blocks of v.

    (J v)_k = sum_l  d_l[k]' (V_l' a_{l-1} + c_l v_l).
    """
    product = np.zeros(F.shape[1:])
    layers = zip(*F, network.coefs, network.intercepts, strict=True)
    for a, d, c, V, v in layers:
        product += np.einsum("jn,jkn->kn", V.T @ a + c * v[:, None], d)
    return product


def jvps(F: Factors, x: np.ndarray) -> np.ndarray:
    """Return ``J x`` (m n, k), outputs before rows, of packed columns `x` (p, k).

    Some columns at a time, so that no layer takes more than a buffer.
    """
    _, m, n = F.shape
    widest = max(len(d) for d in F.deltas)
    out = np.empty((m * n, x.shape[1]))
    for part in row_slices(x.shape[1], 8 * n * widest):
        out[:, part] = _jvps(F, x[:, part]).reshape(m * n, -1)
    return out


def _jvps(F: Factors, x: np.ndarray) -> np.ndarray:
    """Return ``J x``, (m, n, k)."""
    (_, m, n), k = F.shape, x.shape[1]
    product, coef, bias = np.zeros((m, n, k)), 0, _n_coefs(F)
    for a, d, c in zip(*F, strict=True):
        h, j = len(a), len(d)
        V = x[coef : coef + h * j].reshape(h, j * k)
        z = (a.T @ V).reshape(n, j, k) + c * x[bias : bias + j]
        product += np.einsum("njk,jmn->mnk", z, d)
        coef, bias = coef + h * j, bias + j
    return product


def _n_coefs(F: Factors) -> int:
    return sum(len(a) * len(d) for a, d in zip(F.activations, F.deltas, strict=True))


def vjp(F: Factors, r: np.ndarray) -> np.ndarray:
    """Return the packed ``J' r`` (p,) of `r` (m, n).

    Its block of W_l is a_{l-1} t_l', that of b_l c_l times the sum of t_l over rows,
    t_l = sum_k d_l[k] r_k.
    """
    errors = [np.einsum("jkn,kn->jn", d, r) for d in F.deltas]
    coefs = [(a @ t.T).ravel() for a, t in zip(F.activations, errors, strict=True)]
    sums = (c * t.sum(axis=1) for c, t in zip(F.constants, errors, strict=True))
    return np.concatenate([*coefs, *sums])


def intercept_columns(F: Factors, n_columns: int) -> np.ndarray:
    """Return the last `n_columns` rows of Jt, those of intercepts, (n_columns, m n)."""
    _, m, n = F.shape
    scaled = [c * d for c, d in zip(F.constants, F.deltas, strict=True)]
    columns = np.concatenate(scaled, axis=0)
    return columns[len(columns) - n_columns :].reshape(n_columns, m * n)


def tangent_kernel(F: Factors, G: Factors, n_free: int) -> np.ndarray:
    """Return the Gram matrix of rows over all but the last `n_free` parameters.

    The neural tangent kernel (Jacot, Gabriel & Hongler 2018) at the fitted weights:

    sum_l (A_l' B_l + c_l^2) o (D_l' E_l), (m n, m' n'), outputs before rows; 0 in the
    place of c_l where the intercepts of layer l are among the free ones.
    """
    (_, m, n), (_, k, q) = F.shape, G.shape
    K = np.zeros((m, n, k, q))
    counted = counted_layers(F, n_free)
    layers = zip(*F[:2], *G[:2], counted, strict=True)
    for a, d, b, e, c in layers:
        outer = d.reshape(len(d), -1).T @ e.reshape(len(e), -1)  # D_l' E_l
        inner = a.T @ b  # A_l' B_l, the same for all outputs
        inner += c
        K += outer.reshape(K.shape) * inner[None, :, None, :]
    return K.reshape(m * n, k * q)


def tangent_kernel_diagonal(F: Factors, n_free: int) -> np.ndarray:
    """Return the (n, m, m) diagonal blocks of ``tangent_kernel(F, F, n_free)``."""
    _, m, n = F.shape
    blocks = np.zeros((n, m, m))
    for a, d, c in zip(*F[:2], counted_layers(F, n_free), strict=True):
        inner = (a * a).sum(axis=0) + c  # |a_l|^2 + c_l^2
        blocks += inner[:, None, None] * np.einsum("jkn,jln->nkl", d, d)
    return blocks


def counted_layers(F: Factors, n_free: int) -> list[float]:
    """Return c_l^2 for each layer whose intercepts are penalised, else 0.0.

    Free are either all intercepts or those of the output layer: only then is
    "all but the last n_free parameters" a sum over whole layers.
    """
    sizes = [len(d) for d in F.deltas]
    free_from = np.cumsum([0, *sizes[::-1]])[::-1][1:]  # intercepts above each layer
    layers = zip(F.constants, free_from, strict=True)
    return [c * c * float(above >= n_free) for c, above in layers]
