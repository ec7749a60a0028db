"""Partial dependence with intervals."""

from typing import Any

import numpy as np

from sklearn_nnci.effects import _columns as columns
from sklearn_nnci.effects._answers import Asked, answer
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._functionals import Block, level_of
from sklearn_nnci.effects._model import model_of
from sklearn_nnci.effects._support import check_range, warn_of_edges


def partial_dependence_interval(
    estimator, X, features, *, kind="average", grid_resolution=50,
    percentiles=(0.05, 0.95), custom_values=None, training=None, sample_weight=None,
    debias="auto", population=False,
) -> Estimates:  # fmt: skip
    """Return what y is on average over these rows, where a column has a given value.

    The partial dependence of :func:`sklearn.inspection.partial_dependence`, with the
    error of the whole curve: ``conf_int(simultaneous="sup-t")`` is its band.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        The rows to average over.
    features : str, int, or sequence of these
        Columns, one curve for each.
    kind : {'average', 'individual'}, default='average'
        The average, or the curve of each row, which is not corrected.
    grid_resolution : int, default=50
        Points of a curve; a column of fewer values has a point at each.
    percentiles : tuple of float, default=(0.05, 0.95)
        Where the curve starts and ends in the values of the column.
    custom_values : dict, default=None
        Points for columns, by name or number as in `features`.
    training, sample_weight, debias, population : optional
        As in `avg_slopes`.

    Returns
    -------
    estimates : Estimates
        One for each point of each curve; their table has a column ``value``, and
        ``row`` for individual curves.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        As `avg_slopes`, and if a point is outside of the range of the column in the
        rows that trained.

    Warns
    -----
    FewRowsWarning
        Where less than a twentieth of the rows lie beyond a point.

    See Also
    --------
    sklearn.inspection.partial_dependence : The curve alone.
    comparisons : Differences between two values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import partial_dependence_interval
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 2))
    >>> y = np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> curve = partial_dependence_interval(net, X, 0, training=(X, y))
    >>> curve.conf_int(simultaneous="sup-t").shape
    (50, 2)
    """
    model, X = model_of(estimator), columns.table(X)
    if kind not in ("average", "individual"):
        raise ValueError(f"kind must be 'average' or 'individual', got {kind!r}.")
    average, n = kind == "average", len(X)
    omega = columns.row_weights(X, sample_weight, None)[0] if average else None
    blocks, grids, names = [], [], []
    for j in columns.positions(X, features):
        own = _custom(X, j, custom_values)
        grid = _grid(X, j, grid_resolution, percentiles) if own is None else own
        if average:
            column = columns.values(X, j)
            if column is not None:
                warn_of_edges(column, grid)
        for value in grid:
            seen = model.sees(columns.with_column(X, j, np.full(n, value)))
            if omega is not None and debias is not False:
                check_range(model, seen, omega, f"the point {value}")
            blocks.append(Block((level_of(seen),), omega))
        grids.append(grid)
        names += [str(columns.names_of(X)[j])] * len(grid)
    repeats = 1 if average else n
    points = np.repeat(np.concatenate(grids), repeats)
    rows = {} if average else {"row": np.tile(np.arange(n), len(names))}
    asked = Asked(debias, training, population) if average else Asked(False)
    return answer(
        model, blocks, asked, term=np.repeat(names, repeats),
        contrast=[f"{kind} f"] * len(points), columns={"value": points, **rows},
    )  # fmt: skip


def _grid(X: Any, j: int, resolution: int, percentiles: Any) -> np.ndarray:
    """Return the points of a column, as scikit-learn has them."""
    column = columns.values(X, j)
    if column is None:  # categories: every one
        return np.unique(np.asarray(X.iloc[:, j] if hasattr(X, "iloc") else X[:, j]))
    distinct = np.unique(column)
    if len(distinct) <= resolution:
        return distinct
    low, high = np.quantile(column, percentiles)
    return np.linspace(low, high, resolution)


def _custom(X: Any, j: int, custom_values: Any) -> np.ndarray | None:
    """Return the points that were given for a column, if any."""
    for feature, points in (custom_values or {}).items():
        if columns.position(X, feature) == j:
            return np.asarray(points)
    return None
