"""Triangles: from rows, as roots, multiplied and inverted in panels."""

import numpy as np
import pytest

from sklearn_nnci._numerics import packed, triangular
from sklearn_nnci._numerics.packed import Packed


@pytest.mark.parametrize(
    "sizes", [(3,), (20,), (7, 13), (15, 15), (8, 9, 30, 1), (90,)]
)
def test_triangle_is_that_of_a_qr_however_the_rows_come(sizes):
    """In blocks that fill the triangle, in part, exactly, or more than once."""
    rows = np.random.default_rng(0).normal(size=(sum(sizes), 20))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    R = triangular.triangle([np.array(B.T, order="C") for B in parts], 20)
    known = min(len(rows), 20)
    np.testing.assert_array_equal(R, np.triu(R))
    np.testing.assert_allclose(
        np.abs(R[:known]), np.abs(np.linalg.qr(rows, mode="r")), rtol=1e-10
    )
    np.testing.assert_allclose(R.T @ R, rows.T @ rows, atol=1e-12)


def test_lower_root_keeps_the_product():
    rng = np.random.default_rng(0)
    for shape in [(6, 6), (3, 6), (9, 6)]:
        F = rng.normal(size=shape)
        L = triangular.lower(F)
        k, p = L.shape
        assert k == min(shape)
        for i in range(k):
            assert not L[i, p - k + i + 1 :].any()
        np.testing.assert_allclose(L.T @ L, F.T @ F, atol=1e-12)


def test_panels_multiply_triangles_longer_than_one_panel(monkeypatch):
    monkeypatch.setattr(triangular, "PANEL", 4)
    rng = np.random.default_rng(1)
    for k, p in [(11, 11), (6, 11)]:
        F = triangular.lower(rng.normal(size=(k, p)))
        M = rng.normal(size=(p, 5))
        np.testing.assert_allclose(triangular.times(F, M), F @ M, atol=1e-13)
        for G in (F, np.asfortranarray(F)):
            N = np.array(M.T[:, :k], order="F")
            expected = N @ G
            found = triangular.times_from_right(N, G)
            np.testing.assert_allclose(found, expected, atol=1e-13)
        np.testing.assert_allclose(
            triangular.squared_norms(F, M.copy()),
            ((F @ M) ** 2).sum(axis=0),
            atol=1e-12,
        )


@pytest.mark.parametrize("columns", range(7))
def test_few_columns_and_many_are_multiplied_alike(columns):
    rng = np.random.default_rng(columns)
    M = rng.normal(size=(12, columns))
    for k in (12, 5):
        F = triangular.lower(rng.normal(size=(k, 12)))
        for G in (F, np.asfortranarray(F), Packed.of(F, np.float64)):
            np.testing.assert_allclose(triangular.times(G, M), F @ M, atol=1e-13)
            found = triangular.squared_norms(G, M.copy())
            np.testing.assert_allclose(found, ((F @ M) ** 2).sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k, p", [(11, 11), (6, 11), (4, 4), (1, 1), (8, 13)])
def test_packed_trapezoids_multiply_as_full_ones(k, p, dtype, monkeypatch):
    monkeypatch.setattr(packed, "ROWS", 4)
    rng = np.random.default_rng(k)
    F, close = triangular.lower(rng.normal(size=(k, p))), 20 * np.finfo(dtype).eps
    P = Packed.of(F, dtype)
    assert P.shape == F.shape and P.full().dtype == float
    np.testing.assert_allclose(P.full(), F, rtol=close)
    entries = sum(panel.size for panel in P.panels)
    assert entries <= k * (p - k) + k * (k + 1) / 2 + 3 * k  # half a panel a row
    M, N = rng.normal(size=(p, 3)), rng.normal(size=(k, 3))
    np.testing.assert_allclose(triangular.times(P, M), F @ M, atol=10 * close)
    found = triangular.transposed_times(P, N)
    np.testing.assert_allclose(found, F.T @ N, atol=10 * close)
    np.testing.assert_array_equal(triangular.transposed_times(F, N), F.T @ N)


@pytest.mark.parametrize("p", [1, 2, 7, 12])
def test_triangles_are_penalised_and_inverted_in_place(p, monkeypatch):
    monkeypatch.setattr(triangular, "PANEL", 4)
    rng = np.random.default_rng(p)
    R = np.array(np.triu(rng.normal(size=(p, p))) + 3 * np.eye(p), order="F")
    A, d = R.T @ R, rng.normal(size=p) * (np.arange(p) < 9)
    R = triangular.add_diagonal(R, d)
    assert not np.tril(R, -1).any()
    np.testing.assert_allclose(R.T @ R, A + np.diag(d**2), atol=1e-13)
    inverse = np.linalg.inv(R).T
    F = triangular.root_of_inverse(R)
    assert np.shares_memory(F, R)
    np.testing.assert_allclose(F, inverse, atol=1e-13)
