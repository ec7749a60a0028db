"""Triangles: streaming QR, products in panels, and spans.

A "root" of a positive semi-definite C (p, p) is any F (k, p) with F'F = C. Roots
are kept lower trapezoidal, F[i, j] = 0 for j > p - k + i: a product with one then
costs half of what a full matrix costs, and any root can be brought to that form
by an orthogonal matrix from the left, which leaves F'F as it is.
"""

from contextlib import contextmanager

import numpy as np
from scipy import linalg
from scipy.linalg import blas, lapack
from sklearn.utils import gen_batches

# Inner block of LAPACK's dtpqrt, for few columns and for many; rows of a panel of a
# trapezoid: measured.
QR_BLOCK, QR_BLOCK_WIDE, WIDE = 32, 64, 1000
PANEL = 256
# Relative error that variances may have by forming products, and how many rows, in
# units of columns, to absorb before asking whether they do.
GRAM_ERROR = 1e-8
GRAM_AFTER = 4


def absorb(R, rows, triangular=False):
    """Overwrite upper-triangular `R` by the triangle of ``[R; rows]``.

    `rows` is transposed, (p, k), C-contiguous, and overwritten as well:
    R_new'R_new = R'R + rows rows'. Householder reflections, hence backward stable.
    Rows that are upper `triangular` themselves cost a third.
    """
    block = min(QR_BLOCK_WIDE if len(R) >= WIDE else QR_BLOCK, len(R))
    known = rows.shape[1] if triangular else 0
    return lapack.dtpqrt(known, block, R, rows.T, overwrite_a=1, overwrite_b=1)[0]


def triangle(blocks, n_columns, by_gram=True):
    """Return the triangle R (c, c) with R'R = sum B B' of the `blocks()` B (c, k).

    By QR; and once that promises that it can be, by the Gram matrix, which is two to
    three times faster. From the Cholesky factor of R'R, variances are wrong by
    eps kappa(R D^-1)^2, whatever the diagonal D (van der Sluis 1969). Later rows can
    break the promise: at the end it is asked for again, and if it does not hold all
    rows are read anew, by QR. Errors of parts that keep it add up to one that does.
    """
    R, G = np.zeros((n_columns, n_columns), order="F"), None
    seen, ask_at = 0, GRAM_AFTER * n_columns
    for block in blocks():
        if G is not None:
            G = blas.dsyrk(1.0, block.T, beta=1.0, c=G, trans=1, overwrite_c=1)
            continue
        if seen < n_columns:  # the first rows are factored where they are put
            first = block[:, : n_columns - seen].T
            R[seen : seen + len(first)] = first
            block, seen = block[:, len(first) :], seen + len(first)
            R = _triangle_of(R) if seen == n_columns else R
        if block.size:
            R, seen = absorb(R, block), seen + block.shape[1]
        if by_gram and seen >= ask_at:
            ask_at *= 2
            if gram_error(R) <= GRAM_ERROR:
                G, R = (R.T @ R).T, None  # in the order that BLAS overwrites
    if G is None:
        return R if seen >= n_columns else _triangle_of(R)
    R, info = lapack.dpotrf(G, overwrite_a=1)
    if info == 0 and gram_error(R) <= GRAM_ERROR:
        return R
    return triangle(blocks, n_columns, by_gram=False)


def _triangle_of(M):
    """Return the triangle of the QR of `M` (F order), in its place."""
    n_columns = M.shape[1]
    R = lapack.dgeqrf(M, lwork=QR_BLOCK * n_columns, overwrite_a=1)[0][:n_columns]
    for part in gen_batches(n_columns, PANEL):
        R[part.stop :, part] = 0.0
        R[part, part] = np.triu(R[part, part])
    return R


def gram_error(R):
    """Return eps kappa_1(R D^-1)^2, D the norms of columns; infinite if singular."""
    norms = np.sqrt(np.einsum("ij,ij->j", R, R))
    if not (np.isfinite(norms).all() and norms.all()):
        return np.inf
    reciprocal = lapack.dtrcon(np.asfortranarray(R / norms))[0]
    return np.finfo(float).eps / reciprocal**2 if reciprocal > 0.0 else np.inf


def add_diagonal(R, diagonal):
    """Overwrite upper-triangular `R` (p, p) by the triangle of ``[R; D]``.

    One half of D after the other: the second concerns the end of R only.
    """
    half = len(R) // 2
    if half:
        R = absorb(R, _diagonal(len(R), diagonal[:half]), triangular=True)
    end = np.array(R[half:, half:], order="F")
    R[half:, half:] = absorb(end, np.diag(diagonal[half:]), triangular=True)
    return R


def _diagonal(n_rows, values):
    D = np.zeros((n_rows, len(values)))
    np.fill_diagonal(D, values)
    return D


def transpose(M):
    """Overwrite a square `M` by its transpose."""
    parts = list(gen_batches(len(M), PANEL))
    for i, rows in enumerate(parts):
        for columns in parts[: i + 1]:
            above = M[columns, rows].copy()
            M[columns, rows] = M[rows, columns].T
            M[rows, columns] = above.T


def root_of_inverse(R):
    """Return F = R^-T of an upper triangle, so that F'F = (R'R)^-1; `R` is spoilt.

    LAPACK's inverse X of a lower triangle L makes X L - I small, not L X - I. Queries
    of the form j = R'q need F R' = I, hence X = F, L = R'. The inverse of R itself,
    transposed, is off by eps cond(R)^2 there, and leverages of 1 come out as 10.
    """
    transpose(R)
    F, info = lapack.dtrtri(R, lower=1, overwrite_c=1)
    if info != 0:
        raise linalg.LinAlgError(f"triangular factor singular at column {info - 1}")
    return F


def first_rows(M, k):
    """Return the first `k` rows of `M` (F order), brought together in its place."""
    entries = M.reshape(-1, order="F")
    for j in range(M.shape[1]):
        entries[j * k : (j + 1) * k] = M[:k, j]
    return entries[: k * M.shape[1]].reshape((k, -1), order="F")


def lower(F):
    """Return the lower trapezoidal root of F'F (from a QR of F's columns, reversed)."""
    R = _triangle_of(np.array(F[:, ::-1], order="F"))
    return np.ascontiguousarray(R[::-1, ::-1])


def lower_of_sum(blocks, n_columns):
    """Return the lower triangular root of sum B'B over `blocks` B (k, n_columns)."""
    reversed_ = (np.array(B.T[::-1], order="C") for B in blocks)
    R = triangle(lambda: reversed_, n_columns, by_gram=False)
    entries = R.reshape(-1, order="F")  # a view: turning R round is to reverse them
    half = len(entries) // 2
    first = entries[:half].copy()
    entries[:half] = entries[: -half - 1 : -1]
    entries[len(entries) - half :] = first[::-1]
    return R


def norm(M):
    """Return the Frobenius norm; unlike NumPy's, without a copy where M is a view."""
    return float(np.sqrt(np.einsum("ij,ij->", M, M)))


def panels(F, M):
    """Yield ``(slice, F[slice] @ M)`` of a lower trapezoidal `F`, M (p, c)."""
    k, p = F.shape
    for start in range(0, k, PANEL):
        end = min(start + PANEL, k)
        reach = p - k + end
        yield slice(start, end), F[start:end, :reach] @ M[:reach]


def times(F, M, overwrite=False):
    """Return ``F M`` for a lower trapezoidal `F`; `M` may be spoilt to `overwrite`."""
    if F.shape[0] == F.shape[1]:
        columns = F.flags.f_contiguous
        triangle = dict(a=F, lower=1, trans_a=1) if columns else dict(a=F.T)
        return blas.dtrmm(1.0, b=M.T, side=1, overwrite_b=overwrite, **triangle).T
    out = np.empty((len(F), M.shape[1]))
    for rows, product in panels(F, M):
        out[rows] = product
    return out


def times_from_right(M, F):
    """Return ``M F`` for a lower trapezoidal `F`; `M` may be spoilt."""
    if F.shape[0] != F.shape[1]:
        return M @ F
    columns = F.flags.f_contiguous
    triangle = dict(a=F, lower=1) if columns else dict(a=F.T, trans_a=1)
    return blas.dtrmm(1.0, b=M, side=1, overwrite_b=1, **triangle)


def squared_norms(F, M):
    """Return the squared norms of the columns of ``F M``; `M` may be spoilt."""
    if F.shape[0] == F.shape[1]:
        product = times(F, M, overwrite=True)
        return np.einsum("ij,ij->j", product, product)
    total = np.zeros(M.shape[1])
    for _, product in panels(F, M):
        total += np.einsum("ij,ij->j", product, product)
    return total


@contextmanager
def overflowing():
    """Let numbers overflow without a word: `unbounded` says what became of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield
