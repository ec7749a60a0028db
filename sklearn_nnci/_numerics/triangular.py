"""Triangles: streaming QR, products in panels, and spans.

A "root" of a positive semi-definite C (p, p) is any F (k, p) with F'F = C. Roots
are kept lower trapezoidal, F[i, j] = 0 for j > p - k + i: a product with one then
costs half of what a full matrix costs, and any root can be brought to that form
by an orthogonal matrix from the left, which leaves F'F as it is.

Where p is large, triangles are all that memory holds: they are worked on in their
place, and a docstring begins with the plain line that this replaces.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from scipy import linalg
from scipy.linalg import blas, lapack
from sklearn.utils import gen_batches

from sklearn_nnci._numerics.packed import Packed

# Inner block of LAPACK's dtpqrt, for few columns and for many; rows of a panel of a
# trapezoid: measured.
QR_BLOCK, QR_BLOCK_WIDE, WIDE = 32, 64, 1000
PANEL = 256
# Columns up to which a triangle is multiplied by one after the other. dtrmm copies the
# triangle first, which for a single one takes up to twenty times as long (measured).
FEW_COLUMNS = 4


def absorb(R: np.ndarray, rows: np.ndarray, triangular: bool = False) -> np.ndarray:
    """Overwrite upper-triangular `R` by the triangle of ``[R; rows]``.

    Plainly: ``np.linalg.qr(np.vstack([R, rows.T]), mode="r")``.

    `rows` is transposed, (p, k), C-contiguous, and overwritten as well:
    R_new'R_new = R'R + rows rows'. Householder reflections, hence backward stable.
    Rows that are upper `triangular` themselves cost a third.
    """
    block = min(QR_BLOCK_WIDE if len(R) >= WIDE else QR_BLOCK, len(R))
    known = rows.shape[1] if triangular else 0
    return lapack.dtpqrt(known, block, R, rows.T, overwrite_a=1, overwrite_b=1)[0]


def triangle(blocks: Iterable[np.ndarray], n_columns: int) -> np.ndarray:
    """Return the triangle R (c, c) with R'R = sum B B' of the `blocks` B (c, k).

    Plainly: ``np.linalg.qr(np.hstack(blocks).T, mode="r")``.
    """
    R, seen = np.zeros((n_columns, n_columns), order="F"), 0
    for block in blocks:
        if seen < n_columns:  # the first rows are factored where they are put
            first = block[:, : n_columns - seen].T
            R[seen : seen + len(first)] = first
            block, seen = block[:, len(first) :], seen + len(first)
            R = triangle_of(R) if seen == n_columns else R
        if block.size:  # R <- the triangle of [R; B']
            R = absorb(R, block)
    return R if seen == n_columns else triangle_of(R)


def triangle_of(M: np.ndarray) -> np.ndarray:
    """Return the triangle of the QR of `M` (F order), in its place.

    Plainly: ``np.linalg.qr(M, mode="r")``.
    """
    n_columns = M.shape[1]
    M = lapack.dgeqrf(M, lwork=QR_BLOCK * n_columns, overwrite_a=1)[0]
    R = first_rows(M, min(len(M), n_columns))
    for part in gen_batches(n_columns, PANEL):  # R <- np.triu(R): reflections lie below
        R[part.stop :, part] = 0.0
        R[part, part] = np.triu(R[part, part])
    return R


def add_diagonal(R: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Overwrite upper-triangular `R` (p, p) by the triangle of ``[R; D]``.

    Plainly: ``np.linalg.qr(np.vstack([R, np.diag(diagonal)]), mode="r")``.

    One half of D after the other: the second concerns the end of R only.
    """
    half = len(R) // 2
    if half:  # R <- the triangle of [R; D_1 0], D = diag(D_1, D_2)
        R = absorb(R, _diagonal(len(R), diagonal[:half]), triangular=True)
    # R = [R_11 R_12; 0 R_22]: only R_22 changes, to the triangle of [R_22; D_2]
    end = np.array(R[half:, half:], order="F")
    R[half:, half:] = absorb(end, np.diag(diagonal[half:]), triangular=True)
    return R


def _diagonal(n_rows: int, values: np.ndarray) -> np.ndarray:
    """Return diag(values) with zeros below, (n_rows, k)."""
    D = np.zeros((n_rows, len(values)))
    np.fill_diagonal(D, values)
    return D


def transpose(M: np.ndarray) -> None:
    """Overwrite a square `M` by its transpose.

    Plainly: ``M[:] = M.T.copy()``.
    """
    parts = list(gen_batches(len(M), PANEL))
    for i, rows in enumerate(parts):
        for columns in parts[: i + 1]:
            above = M[columns, rows].copy()
            M[columns, rows] = M[rows, columns].T
            M[rows, columns] = above.T


def root_of_inverse(R: np.ndarray) -> np.ndarray:
    """Return F = R^-T of an upper triangle, so that F'F = (R'R)^-1; `R` is spoilt.

    Plainly: ``linalg.solve_triangular(R, np.eye(len(R)), trans="T")``.

    LAPACK's inverse X of a lower triangle L makes X L - I small, not L X - I. Queries
    of the form j = R'q need F R' = I, hence X = F, L = R'. The inverse of R itself,
    transposed, is off by eps cond(R)^2 there, and leverages of 1 come out as 10.
    """
    transpose(R)  # L = R', lower
    F, info = lapack.dtrtri(R, lower=1, overwrite_c=1)  # F = L^-1 = R^-T
    if info != 0:
        raise linalg.LinAlgError(f"triangular factor singular at column {info - 1}")
    return F


def first_rows(M: np.ndarray, k: int) -> np.ndarray:
    """Return the first `k` rows of `M` (F order), brought together in its place.

    Plainly: ``np.asfortranarray(M[:k])``.
    """
    entries = M.reshape(-1, order="F")  # a view
    for j in range(M.shape[1]):  # columns of k entries, one behind the other
        entries[j * k : (j + 1) * k] = M[:k, j]
    return entries[: k * M.shape[1]].reshape((k, -1), order="F")


def lower(F: np.ndarray) -> np.ndarray:
    """Return the lower trapezoidal root L of F'F, L'L = F'F.

    With P the reversal of order, F P = Q R gives F = Q P P R P: L = P R P is lower.
    """
    R = triangle_of(np.array(F[:, ::-1], order="F"))
    return np.ascontiguousarray(R[::-1, ::-1])


def lower_of_sum(blocks: Iterable[np.ndarray], n_columns: int) -> np.ndarray:
    """Return the lower triangular root of sum B'B over `blocks` B (k, n_columns).

    Plainly: ``lower(np.vstack(blocks))``.
    """
    R = triangle((np.array(B.T[::-1], order="C") for B in blocks), n_columns)
    # R <- R[::-1, ::-1]: the entries of a full array, in reversed order
    entries = R.reshape(-1, order="F")  # a view
    half = len(entries) // 2
    first = entries[:half].copy()
    entries[:half] = entries[: -half - 1 : -1]
    entries[len(entries) - half :] = first[::-1]
    return R


def norm(M: np.ndarray) -> float:
    """Return the Frobenius norm; unlike NumPy's, without a copy where M is a view."""
    return float(np.sqrt(np.einsum("ij,ij->", M, M)))


def panels(F: np.ndarray, M: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ``(slice, F[slice] @ M)`` of a lower trapezoidal `F`, M (p, c)."""
    k, p = F.shape
    for start in range(0, k, PANEL):
        end = min(start + PANEL, k)
        reach = p - k + end  # F[i, j] = 0 for j >= reach, i < end
        yield slice(start, end), F[start:end, :reach] @ M[:reach]


def times(F: np.ndarray | Packed, M: np.ndarray, overwrite: bool = False) -> np.ndarray:
    """Return ``F M`` for a lower trapezoidal `F`; `M` may be spoilt to `overwrite`.

    Plainly: ``F @ M``.
    """
    if isinstance(F, Packed):
        return F.times(M).astype(float, copy=False)
    if F.shape[0] == F.shape[1]:
        # F by rows is F' by columns, upper
        columns = F.flags.f_contiguous
        if 0 < M.shape[1] <= FEW_COLUMNS:
            a = dict(a=F, lower=1) if columns else dict(a=F.T, trans=1)
            return np.stack([blas.dtrmv(x=column, **a) for column in M.T], axis=1)
        # (F M)' = M'F': M' is in the order of BLAS.
        triangle = dict(a=F, lower=1, trans_a=1) if columns else dict(a=F.T)
        return blas.dtrmm(1.0, b=M.T, side=1, overwrite_b=overwrite, **triangle).T
    out = np.empty((len(F), M.shape[1]))
    for rows, product in panels(F, M):
        out[rows] = product
    return out


def transposed_times(F: np.ndarray | Packed, M: np.ndarray) -> np.ndarray:
    """Return ``F.T @ M`` for a lower trapezoidal `F`."""
    return F.transposed_times(M) if isinstance(F, Packed) else F.T @ M


def times_from_right(M: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Return ``M F`` for a lower trapezoidal `F`; `M` (F order) may be spoilt.

    Plainly: ``M @ F``.
    """
    if F.shape[0] != F.shape[1]:
        return M @ F
    # F by rows is F' by columns, upper, to be transposed
    columns = F.flags.f_contiguous
    triangle = dict(a=F, lower=1) if columns else dict(a=F.T, trans_a=1)
    return blas.dtrmm(1.0, b=M, side=1, overwrite_b=1, **triangle)


def squared_norms(F: np.ndarray | Packed, M: np.ndarray) -> np.ndarray:
    """Return the squared norms of the columns of ``F M``; `M` may be spoilt.

    Plainly: ``np.sum((F @ M) ** 2, axis=0)``.
    """
    if isinstance(F, Packed):
        product = F.times(M)
        return np.einsum("ij,ij->j", product, product, dtype=float)
    if F.shape[0] == F.shape[1]:
        product = times(F, M, overwrite=True)
        return np.einsum("ij,ij->j", product, product)
    total = np.zeros(M.shape[1])
    for _, product in panels(F, M):
        total += np.einsum("ij,ij->j", product, product)
    return total


@contextmanager
def overflowing() -> Iterator[None]:
    """Let numbers overflow without a word: `unbounded` says what became of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield
