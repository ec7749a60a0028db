"""Residuals left out."""

import numpy as np

from sklearn_nnci._linearized.sandwich import leave_one_out


def test_leave_one_out_solves_and_says_so_where_it_cannot():
    rng = np.random.default_rng(2)
    B = rng.normal(size=(5, 2, 2)) * 0.3
    H = B @ B.transpose(0, 2, 1)
    e = rng.normal(size=(2, 5))
    loo = leave_one_out(e, H)
    for i in range(5):
        np.testing.assert_allclose(
            loo[:, i], np.linalg.solve(np.eye(2) - H[i], e[:, i]), rtol=1e-12
        )
    alone = np.array([[[1.0]], [[0.5]]])
    assert leave_one_out(np.ones((1, 2)), alone)[0].tolist() == [np.inf, 2.0]
    capped = leave_one_out(np.ones((1, 2)), alone, cap=0.9)[0]
    np.testing.assert_allclose(capped, [10.0, 2.0])
