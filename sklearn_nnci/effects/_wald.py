"""Several estimates at once: Wald's test."""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from sklearn_nnci.effects._estimates import Estimates


class WaldTest(NamedTuple):
    """A test of r linear hypotheses at once.

    It is exact for a linear model with normal noise.

    Parameters
    ----------
    statistic : float
        F, its numerator the mean of r squares.
    p_value : float
        How likely so large an F is by chance, if they hold.
    dof_num : int
        Number of hypotheses, r.
    dof : float
        Degrees of freedom of the noise.

    See Also
    --------
    wald_test : Gives it.

    Examples
    --------
    >>> from sklearn_nnci.effects import WaldTest
    >>> WaldTest(2.5, 0.08, 2, 100.0).dof_num
    2
    """

    statistic: float
    p_value: float
    dof_num: int
    dof: float


def wald_test(estimates: Estimates, L: Any = None, value: Any = 0.0) -> WaldTest:
    """Return the joint test of L estimate = value.

    Parameters
    ----------
    estimates : Estimates
        Of `avg_slopes`, `comparisons` or any other function.
    L : array-like of shape (r, K) or (K,), default=None
        Linear hypotheses; None is each estimate by itself.
    value : float or array-like of shape (r,), default=0.0
        What these combinations are, by hypothesis.

    Returns
    -------
    test : WaldTest
        F with its degrees of freedom and p-value.

    Raises
    ------
    ValueError
        If L does not fit, or if the covariance of these combinations is not bounded,
        or singular: some hypotheses follow from others.

    See Also
    --------
    Estimates.conf_int : Intervals, also simultaneous ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci.effects import Estimates, wald_test
    >>> cov = np.diag([0.04, 0.01])
    >>> found = Estimates(np.array([0.4, 0.1]), np.array([0.2, 0.1]), np.inf,
    ...                   ["x0", "x1"], ["dY/dX"] * 2, lambda: cov)
    >>> print("%.1f" % wald_test(found).statistic)
    2.5
    """
    K = len(estimates)
    L = np.eye(K) if L is None else np.atleast_2d(np.asarray(L, dtype=float))
    if L.ndim != 2 or L.shape[1] != K or not len(L):
        raise ValueError(
            f"L must have a column for each of the {K} estimates, got shape {L.shape}."
        )
    used = L.any(axis=0)  # what is not bounded may be left out
    cov = L[:, used] @ estimates.covariance()[np.ix_(used, used)] @ L[:, used].T
    if not np.isfinite(cov).all():
        raise ValueError(
            "The data do not bound some of these estimates. Try an L without them."
        )
    r, size = len(L), np.sqrt(np.diag(cov))
    correlation = cov / np.outer(size, size) if size.all() else np.zeros((r, r))
    if np.linalg.matrix_rank(correlation, hermitian=True) < r:
        raise ValueError(
            f"The covariance of the {r} hypotheses is singular: some follow from "
            "others, or more are tested at once than the network has parameters. Try "
            "fewer rows of L."
        )
    z = (L[:, used] @ estimates.estimate[used] - value) / size
    F = float(z @ np.linalg.solve(correlation, z) / r)
    return WaldTest(F, _tail(F, r, estimates.dof), r, estimates.dof)


def _tail(F: float, r: int, dof: float) -> float:
    """Return P(F(r, dof) > F)."""
    known = not np.isfinite(dof)
    return float(stats.chi2.sf(F * r, r) if known else stats.f.sf(F, r, dof))
