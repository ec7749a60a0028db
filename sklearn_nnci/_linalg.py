"""Triangles: streaming QR, products in panels, and spans.

A "root" of a positive semi-definite C (p, p) is any F (k, p) with F'F = C. Roots
are kept lower trapezoidal, F[i, j] = 0 for j > p - k + i: a product with one then
costs half of what a full matrix costs, and any root can be brought to that form
by an orthogonal matrix from the left, which leaves F'F as it is.
"""

from contextlib import contextmanager
from typing import NamedTuple

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
# Pivots of a Gram matrix above this, relatively, are certainly not zero: columns of a
# condition below 1e5, whose normal equations are right to 1e-6 at each refinement.
PIVOT_TOLERANCE, REFINEMENTS = 1e-10, 3


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


def rank_floor(R, n_rows):
    """Return below what singular values of `R`, a rotation of `n_rows` rows, are 0."""
    return np.finfo(float).eps * max(n_rows, R.shape[1]) * norm(R)


def null_space_is(Z, R, n_rows):
    """Return whether an upper triangle `R` (p, p) is certainly regular but for `Z`.

    `Z` (r, p) are directions with R Z' = 0. They are all of the null space if [R; c Z]
    has full rank; its smallest singular value is at least 1 / (sqrt(p) |T^-1|_1), T
    its triangle. A few products with vectors estimate that norm.
    """
    p, T = len(R), np.array(R, order="F")
    if len(Z):
        c = linalg.norm(T, 1) / np.sqrt(p)  # of the size of columns of R
        T = absorb(T, np.array(c * Z.T, order="C"))
    smallest = lapack.dtrcon(T)[0] * linalg.norm(T, 1) / np.sqrt(p)
    return smallest > rank_floor(R, n_rows)


def rank(R, n_rows):
    """Return the rank of `R` (k, p), a rotation of `n_rows` rows.

    Pivots of R'R choose columns B that are certainly independent, at a fraction of the
    cost of an SVD. An SVD is left for the others less what B explains of them,
    S -= B (B'B)^-1 B'S: normal equations, repeated, which takes their error away.
    """
    # R'R is symmetric, and transposed in the order that LAPACK overwrites.
    G, order, certain = certain_pivots((R.T @ R).T)
    if certain >= min(R.shape):
        return min(R.shape)
    order = order - 1
    S, back = R[:, order[certain:]], np.argsort(order)
    G[:, certain:] = np.eye(len(G), len(G) - certain, -certain)  # leaves B'B alone
    for part in gen_batches(S.shape[1], PANEL):
        for _ in range(REFINEMENTS):
            x = (R.T @ S[:, part])[order]
            x[certain:] = 0.0
            x = linalg.cho_solve((G, False), x, check_finite=False)
            S[:, part] -= R @ x[back]
    return certain + count_above(rank_floor(R, n_rows), S)


def certain_pivots(G):
    """Return the pivoted Cholesky factor of `G`, the order, how many are not zero.

    `G` (F order) is overwritten. The pivots that count are certainly not zero; of the
    others G, a Gram matrix, does not say.
    """
    tolerance = PIVOT_TOLERANCE * G.diagonal().max(initial=0.0)
    return lapack.dpstrf(G, tol=tolerance, overwrite_a=1)[:3]


def count_above(floor, M):
    """Return how many singular values of `M` exceed `floor`; `M` may be spoilt."""
    values = linalg.svdvals(M, overwrite_a=True, check_finite=False)
    return int(np.sum(values > floor))


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


class Span(NamedTuple):
    """The directions of the last t parameters that a set of rows determines."""

    basis: np.ndarray
    """(r, t), orthonormal rows; r < t, or t where nothing is dropped."""
    values: np.ndarray
    """(r,), the singular values kept, in decreasing order."""
    tolerance: float
    """Relative size from which on a component outside the span is real."""

    @property
    def full(self):
        """Whether every direction is determined."""
        return self.basis.shape[0] == self.basis.shape[1]

    @property
    def basis_or_none(self):
        """The basis, or None where every direction is determined."""
        return None if self.full else self.basis

    def restrict(self, columns):
        """Return columns (k, t) of the determined directions, (k, r)."""
        return columns if self.full else columns @ self.basis.T

    def expand(self, x):
        """Return the t parameters of determined directions x (r,)."""
        return x if self.full else self.basis.T @ x


def span_of(M, n_rows):
    """Return the row space of `M` (k, t), a rotation of `n_rows` rows.

    A kept direction of relative singular value c is itself known to eps / c only,
    which bounds from below what can be called outside.
    """
    eps = np.finfo(float).eps
    _, s, Vt = linalg.svd(M, full_matrices=False, check_finite=False)
    floor = np.finfo(float).eps * max(n_rows, M.shape[1]) * s.max(initial=0.0)
    r = int(np.sum(s > floor))  # numpy's rule
    spread = s[0] / s[r - 1] if r else 1.0
    tolerance = max(np.sqrt(eps), eps * max(n_rows, M.shape[1]) * spread)
    return Span(Vt[:r], s[:r], float(tolerance))


def restrict_last(R, span):
    """Overwrite a triangle `R` by that of R D, D = diag(I, B'), and return its size.

    The last columns come to lie within their `span`. What that leaves of R is made 1.
    """
    r, t = span.basis.shape
    head = len(R) - t
    tail = span.restrict(R[:, head:])
    R[:, head:] = np.eye(len(R), t, -head)
    R[:head, head : head + r] = tail[:head]
    R[head : head + r, head : head + r] = np.linalg.qr(tail[head:], mode="r")
    return head + r


def outside_span(basis, tolerance, columns):
    """Return which `columns` (p, c) leave the span of their last t rows.

    `basis` is that of a `Span`, or None where all directions are determined.
    """
    if basis is None:
        return np.zeros(columns.shape[1], dtype=bool)
    tail = columns[len(columns) - basis.shape[1] :]
    largest = np.abs(tail).max(axis=0, initial=np.finfo(float).tiny)
    tail = tail / largest  # whose squares neither overflow nor vanish
    rest = tail - basis.T @ (basis @ tail)
    size = np.linalg.norm(tail, axis=0)
    return np.linalg.norm(rest, axis=0) > tolerance * size


@contextmanager
def overflowing():
    """Let numbers overflow without a word: `unbounded` says what became of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def unbounded(V, lost):
    """Overwrite a covariance where nothing bounds it, and return it with these rows.

    They are those `lost`, and those whose variance is no number, by overflow: then
    the variance is infinite, and the covariance with the others is not known.
    """
    lost = lost | ~np.isfinite(np.diag(V))
    V[lost], V[:, lost] = np.nan, np.nan
    V[lost, lost] = np.inf
    return V, lost
