"""Partial dependence with intervals."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci._frames import labels
from sklearn_nnci.effects import _rows as given_rows
from sklearn_nnci.effects._answers import Asked, answer
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._functionals import Block, level_of
from sklearn_nnci.effects._model import Model, model_of
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
    model, X = model_of(estimator), columns.checked(X)
    if kind not in ("average", "individual"):
        raise ValueError(f"kind must be 'average' or 'individual', got {kind!r}.")
    curves = [
        Points(j, _points(X, j, grid_resolution, percentiles, custom_values))
        for j in given_rows.positions(X, features)
    ]
    if kind == "individual":
        return _individual(model, X, curves)
    omega, _ = given_rows.row_weights(X, sample_weight, None)
    blocks = [Block((level_of(seen),), omega) for seen in _rows(model, X, curves)]
    if debias is not False:
        _check(X, model, curves, blocks)
    asked = Asked(debias, training, population)
    return answer(model, blocks, asked, **_labels(X, curves, "average f"))


class Points(NamedTuple):
    """The points of a curve."""

    column: int
    """Number of the column."""
    values: np.ndarray
    """(k,)."""


def _rows(model: Model, X: Any, curves: list[Points]) -> Iterator[np.ndarray]:
    """Yield the rows, as the network sees them, with each value of each column."""
    for column, values in curves:
        for value in values:
            yield model.sees(columns.with_column(X, column, np.full(len(X), value)))


def _individual(model: Model, X: Any, curves: list[Points]) -> Estimates:
    """Return the curve of each row."""
    n = len(X)
    blocks = [Block((level_of(seen),)) for seen in _rows(model, X, curves)]
    named = _labels(X, curves, "individual f", n)
    named["columns"]["row"] = np.tile(np.arange(n), len(blocks))
    return answer(model, blocks, Asked(False), **named)


def _labels(
    X: Any, curves: list[Points], contrast: str, repeats: int = 1
) -> dict[str, Any]:
    """Return what the estimates are called, each point `repeats` times."""
    names = columns.names(X)
    terms = [str(names[j]) for j, values in curves for _ in values]
    points = np.concatenate([values for _, values in curves])
    return dict(
        term=np.repeat(terms, repeats),
        contrast=[contrast] * (len(points) * repeats),
        columns={"value": np.repeat(points, repeats)},
        frames=labels(X)["frames"],
    )


def _check(X: Any, model: Model, curves: list[Points], blocks: list[Block]) -> None:
    """Refuse points outside of the range of the training rows; warn at its edges."""
    points = np.concatenate([values for _, values in curves])
    for point, block in zip(points, blocks, strict=True):
        check_range(model, block.terms[0].X, block.weight, f"the point {point}")
    for j, values in curves:
        column = given_rows.numbers(X, j)
        if column is not None:
            warn_of_edges(column, values)


def _points(
    X: Any, j: int, resolution: int, percentiles: Any, custom_values: Any
) -> np.ndarray:
    """Return the points of a column: those given, or a grid."""
    for feature, points in (custom_values or {}).items():
        if columns.position(feature, columns.names(X)) == j:
            return np.asarray(points)
    return _grid(X, j, resolution, percentiles)


def _grid(X: Any, j: int, resolution: int, percentiles: Any) -> np.ndarray:
    """Return the points of a column, as scikit-learn has them."""
    column = given_rows.numbers(X, j)
    if column is None:  # categories: every one
        return columns.grid(X, j, 2)
    distinct = np.unique(column)
    if len(distinct) <= resolution:
        return distinct
    low, high = np.quantile(column, percentiles)
    return np.linspace(low, high, resolution)
