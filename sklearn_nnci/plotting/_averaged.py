"""The mean of y over the rows, as one feature moves: partial dependence with its error.

With f(v, x_i) the prediction of row i where the feature is v, and C(v) the covariance
of these over the rows,

    m(v) = sum_i f(v, x_i) / n,        se(v)^2 = sum_ij C_ij(v) / n^2
"""

import warnings
from typing import Any

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._warn import warn
from sklearn_nnci.plotting import _asked as asked

# Rows that are averaged over, each with its covariance to every other: the s.d. of an
# average over the rows left out is a tenth of theirs.
AVERAGED = 100


def averaged(
    estimator: Any, X: Any, j: int, at: np.ndarray, target: Any, random_state: Any
) -> Prediction:
    """Return the `Prediction` of averages over rows of X, column `j` each of `at`."""
    n = X.shape[0]
    rows = columns.take(X, asked.subsampled(n, AVERAGED, random_state))
    told: dict[type[Warning], str] = {}
    found = []
    for value in at:
        moved = np.full(rows.shape[0], value, dtype=at.dtype)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(
                asked.prediction(estimator, columns.with_column(rows, j, moved))
            )
        told |= {one.category: str(one.message) for one in caught}
    for kind, text in told.items():  # each once, not for every value
        warn(text, kind)
    k = asked.output_number(np.shape(found[0].mean), target)
    mean, se = np.array([_average(one, k) for one in found]).T
    dof = float(np.ravel(found[0].dof)[k or 0])
    none = np.full(len(at), np.nan)
    return Prediction(mean, se, none, dof, log_link=found[0].log_link)


def _average(found: Prediction, k: int | None) -> tuple[float, float]:
    """Return the mean of the means of output `k`, and its standard error."""
    if np.isnan(found.se_mean).any():
        raise ValueError(
            "others='average' needs standard errors in units of y, which the inverse "
            "of the transformer has not, as it is not a line. Try others='median'."
        )
    cov, mean = found.covariance(), found.mean
    if k is not None:
        cov, mean = cov[:, k, :, k], mean[:, k]
    if not np.isfinite(cov).all():
        return float(mean.mean()), np.inf
    return float(mean.mean()), float(np.sqrt(cov.sum()) / len(mean))
