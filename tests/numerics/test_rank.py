"""Bounds on ranks and spans, where rounding or overflow would break them."""

import numpy as np
import pytest

from sklearn_nnci._numerics import rank as rank_room
from sklearn_nnci._numerics.rank import (
    count_above,
    null_space_is,
    outside_span,
    rank,
    rank_floor,
)


@pytest.mark.parametrize("values", [
    [3.0, 1.0, 0.1], [3.0, 1.0, 0.0], [1.0, 1e-9, 1e-12], [1.0, 1e-13, 0.0, 0.0],
    [0.0, 0.0], [1.0, 1e-7, 1e-7, 1e-15, 1e-16],
])  # fmt: skip
@pytest.mark.parametrize("k", [5, 9])
def test_rank_is_that_of_an_svd(values, k):
    rng = np.random.default_rng(3)
    p = len(values)
    U, V = (np.linalg.qr(rng.normal(size=(size, p)))[0] for size in (max(k, p), p))
    R = (U * values) @ V.T
    found = rank(R, np.empty((0, p)), 10)
    assert found == np.linalg.matrix_rank(R, tol=1e-14)


@pytest.mark.parametrize("p", [8, 40, 100])
def test_what_an_svd_calls_singular_is_not_certainly_regular(p):
    """R^-1 has sqrt(p) times its 1-norm as spectral norm: no bound is more wrong."""
    R, none = np.eye(p), np.zeros((0, p))
    R[0, 1:] = -((0.6 * np.finfo(float).eps * p * p) ** -0.5)
    values, floor = np.linalg.svd(R, compute_uv=False), rank_floor(R, p)
    assert 0.5 * floor < values[-1] < 0.7 * floor
    assert not null_space_is(none, R, p)
    R[0, 1:] /= 4.0 * p**0.5
    assert null_space_is(none, R, p)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1.0, 1e150, 1e160, 1e308])
def test_what_is_outside_a_span_is_so_whatever_its_size(size):
    """The last three of four rows count, of which the span is the first two."""
    columns = np.array([
        [9.0, 0.0, 0.0, 1.0], [9.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.5, 1e-3],
        [0.0, 1.0, 0.5, 1e-9], [9.0, 0.0, 0.0, 0.0],
    ]).T  # fmt: skip
    lost = outside_span(np.eye(2, 3), 1e-7, columns / 9.0 * size)
    assert lost.tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("n_rows", [9, 40])
@pytest.mark.parametrize("twice", [False, True])
def test_rank_takes_an_svd_only_where_more_is_null_than_is_known(
    n_rows, twice, monkeypatch
):
    """Columns of zeros are known, and the direction z; equal columns are not."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=12)
    z /= np.linalg.norm(z)
    J = rng.normal(size=(n_rows, 12))
    J -= np.outer(J @ z, z)
    J, Z = np.insert(J, [3, 3, 8], 0.0, axis=1), np.insert(z, [3, 3, 8], 0.0)[None]
    if twice:
        J, Z = np.hstack([J, J]), np.hstack([Z, 0.0 * Z])
    svds = []
    monkeypatch.setattr(
        rank_room, "count_above", lambda *a: svds.append(a) or count_above(*a)
    )
    R = np.linalg.qr(J, mode="r")
    assert rank_room.rank(R, Z, n_rows) == np.linalg.matrix_rank(J) == min(n_rows, 11)
    assert bool(svds) == (twice and n_rows > 9)
