"""Slopes of the curve: at rows, and on average over them."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci._frames import labels
from sklearn_nnci.effects import _rows as given_rows
from sklearn_nnci.effects._answers import Asked, answer
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._functionals import Block, Term, level_of, slope_of
from sklearn_nnci.effects._model import Model, model_of


def avg_slopes(
    estimator, X, features=None, *, training=None, sample_weight=None, by=None,
    step="auto", debias="auto", population=False,
) -> Estimates:  # fmt: skip
    """Return the average slopes of these rows, the coefficient table of a network.

    How much y changes per unit of a column of X, on average over the rows given.
    Averages keep what the penalty does to a curve and lose its noise: they are
    corrected, which needs the rows that trained.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        Fitted; also at the end of a pipeline or search, or inside a
        `TransformedTargetRegressorCI`. Slopes are in units of the raw X and y.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        The rows to average over, as `estimator` takes them.
    features : str, int, or sequence of these, default=None
        Columns, by name or number; None is every numeric column of more than two
        values. Others have no slopes: see `comparisons`.
    training : tuple (X, y) or (X, y, sample_weight), default=None
        The rows given to fit, which networks do not keep. Without them averages are
        not corrected, and a warning says so.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the average.
    by : str, int or array-like of shape (n_samples,), default=None
        A column of X, or labels: one average for each group.
    step : 'auto' or float, default='auto'
        Half of the step of a difference quotient, in standard deviations of the
        column; 0 is the derivative. ``'auto'`` is 0, but 0.25 where there is none: for
        relu, whose kinks move with the weights, and behind steps of a pipeline, or
        before an inverse of y, that are no lines.
    debias : {'auto', 'tangent', 'robust', 'wider', False}, default='auto'
        How averages are corrected [1]_: ``'tangent'`` within the tangent space of the
        network, ``'robust'`` beyond it, by polynomials besides, ``'wider'`` by the one
        of these two whose error is larger, or not at all. ``'auto'`` is ``'wider'`` for
        one network of a given alpha, at its minimum and of fewer parameters than rows,
        and after a `MisfitWarning`; else ``'tangent'``; nothing for fewer than 30
        rows.
    population : bool, default=False
        Of what the average is: of these rows, or of the population that they are a
        random sample of, whose interval is wider where slopes vary.

    Returns
    -------
    estimates : Estimates
        One for each column, and group. ``contrast`` tells a difference quotient.

    Raises
    ------
    TypeError, NotFittedError
        If `estimator` does not end in a network with inference, or has none.
    ValueError
        If a column has no slope, if `training` are not the rows of the fit, or of a
        Poisson loss, of several outputs, and where training found nothing.

    Warns
    -----
    UncorrectedAverageWarning, FewRowsWarning, LargeCorrectionWarning
        Where averages are not corrected, rest on few rows, or were moved far.
    MisfitWarning
        Where fit found that the network does not follow its curve.

    See Also
    --------
    slopes : Slopes at single rows.
    comparisons : Differences, also of columns of two values.

    Notes
    -----
    Half of the width of the bands of a curve is noise that averaging removes. What
    stays is a bias of the penalty: without correction, intervals of weak effects miss
    a third of the time.

    References
    ----------
    .. [1] V. Chernozhukov, W. K. Newey and R. Singh, "Automatic debiased machine
       learning of causal and structural effects", Econometrica 90, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import avg_slopes
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.2 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> found = avg_slopes(net, X, training=(X, y))
    >>> ["%.1f" % one for one in found.estimate]
    ['0.6', '0.5']
    >>> found.conf_int().shape
    (2, 2)
    """
    model, X = model_of(estimator), columns.checked(X)
    omega, groups = given_rows.row_weights(X, sample_weight, by)
    seen = X if training is None else given_rows.trained_on(training)
    chosen = _chosen(X, features, seen)
    terms, contrasts = _terms(model, X, chosen, step, training)
    blocks = [Block(one, omega) for one in terms]
    K, names = omega.shape[1], columns.names(X)
    return answer(
        model, blocks, Asked(debias, training, population),
        term=np.repeat([str(names[j]) for j in chosen], K),
        contrast=np.repeat(contrasts, K),
        columns={name: np.tile(own, len(chosen)) for name, own in groups.items()},
        frames=labels(X)["frames"],
    )  # fmt: skip


def slopes(estimator, X, features=None, *, training=None, step="auto") -> Estimates:
    """Return the slopes of the curve at each row.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        The rows.
    features : str, int, or sequence of these, default=None
        As in `avg_slopes`; None is every numeric column.
    training : tuple (X, y), default=None
        The rows given to fit. They tell the size of a step, and which columns have two
        values; without them `X` tells the former.
    step : 'auto' or float, default='auto'
        As in `avg_slopes`.

    Returns
    -------
    estimates : Estimates
        Of all rows for the first column, then for the next; single rows are not
        corrected.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        As `avg_slopes`.

    See Also
    --------
    avg_slopes : Their average.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import slopes
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(100)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> len(slopes(net, [[0.0], [1.0]]))
    2
    """
    model, X = model_of(estimator), columns.checked(X)
    chosen = _chosen(X, features, given_rows.trained_on(training))
    terms, contrasts = _terms(model, X, chosen, step, training)
    n, names = len(X), columns.names(X)
    known = labels(X)
    index = np.arange(n) if known["index"] is None else known["index"]
    return answer(
        model, [Block(one) for one in terms], Asked(False),
        term=np.repeat([str(names[j]) for j in chosen], n),
        contrast=np.repeat(contrasts, n),
        index=np.tile(index, len(chosen)), frames=known["frames"],
    )  # fmt: skip


def _chosen(X: Any, features: Any, seen: Any) -> list[int]:
    """Return the columns asked for; refuse what has no slope.

    None: those that are numbers, of more than two values in the rows `seen`, if any.
    """
    names = columns.names(X)
    asked = range(len(names)) if features is None else given_rows.positions(X, features)
    kept = []
    for j in asked:
        what = _why_none(given_rows.numbers(X, j), seen, j)
        if what and features is not None:
            raise ValueError(
                f"Column {names[j]!r} {what}, and no slope. Try comparisons(estimator, "
                "X, X_other), the difference between two of its values."
            )
        kept += [] if what else [j]
    if not kept:
        raise ValueError(
            "X has no numeric column of more than two values, hence no slopes. Try "
            "comparisons(estimator, X, X_other)."
        )
    return kept


def _why_none(column: np.ndarray | None, rows: Any, j: int) -> str:
    """Return why a column has no slope; empty if it has."""
    if column is None:
        return "holds no numbers"
    if rows is not None and len(np.unique(given_rows.numeric(rows, j))) <= 2:
        return "has two values or fewer"
    return ""


def _terms(
    model: Model, X: Any, chosen: Sequence[int], step: Any, training: Any
) -> tuple[list[tuple[Term, ...]], list[str]]:
    """Return the terms of the slope by each column, and what each is called."""
    auto = isinstance(step, str) and step == "auto"
    number = isinstance(step, Real) and not isinstance(step, bool)
    if not (auto or (number and 0.0 <= float(step) < np.inf)):
        raise ValueError(f"step must be 'auto', 0 or a positive number, got {step!r}.")
    found = [_of_column(model, X, j, None if auto else step, training) for j in chosen]
    return [one[0] for one in found], [one[1] for one in found]


def _of_column(
    model: Model, X: Any, j: int, step: float | None, training: Any
) -> tuple[tuple[Term, ...], str]:
    """Return the terms of the slope by one column, and what it is called."""
    smooth = model.is_line and (step == 0 or not model.kinked)
    if smooth and not step:
        v = given_rows.direction(model, X, j)
        if v is not None:
            return (slope_of(model.sees(X), v),), "dY/dX"
    if step == 0:
        raise ValueError(
            f"step=0 asks for the derivative by {columns.names(X)[j]!r}, but what "
            "stands before the network, or behind it, is no line there. Try "
            "step='auto', a difference quotient."
        )
    half = given_rows.HALF_STEP if step is None else step
    h = half * given_rows.spread(X, j, training)
    column = given_rows.numeric(X, j)
    terms = tuple(
        level_of(model.sees(columns.with_column(X, j, column + s * h)), s / (2.0 * h))
        for s in (1.0, -1.0)
    )
    return terms, f"dY/dX (+-{half:g} sd)"
