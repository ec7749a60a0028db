"""Differences and other combinations of the curve at rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci._frames import labels
from sklearn_nnci.effects import _rows as given_rows
from sklearn_nnci.effects._answers import FEWEST_ROWS, Asked, answer
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._functionals import Block, level_of
from sklearn_nnci.effects._model import model_of
from sklearn_nnci.effects._support import check_range

# Relative step of the derivatives of a user's function: that of central differences.
STEP = np.finfo(float).eps ** (1.0 / 3.0)


def comparisons(
    estimator, X, X_other, *, average=False, training=None, sample_weight=None,
    by=None, debias="auto", population=False,
) -> Estimates:  # fmt: skip
    """Return f(X_other) - f(X): what changes with the rows, one by one or on average.

    For columns of two values, for doses, for what-if: change the columns in question
    in a copy of X.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`.
    X, X_other : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Rows to compare, in pairs.
    average : bool, default=False
        Return the average of these rows, or with `population` of the population.
    training, sample_weight, by, debias, population : optional
        As in `avg_slopes`, for averages.

    Returns
    -------
    estimates : Estimates
        One for each pair of rows, or for each group.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        As `avg_slopes`; and if most rows of an average are outside of the range of
        the rows that trained.

    See Also
    --------
    avg_slopes : Average derivatives.
    linear_combinations : Other contrasts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import comparisons
    >>> rng = np.random.default_rng(0)
    >>> X = np.c_[rng.integers(0, 2, 200), rng.normal(size=200)]
    >>> y = X[:, 0] + np.sin(X[:, 1]) + 0.2 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> no, yes = X.copy(), X.copy()
    >>> no[:, 0], yes[:, 0] = 0.0, 1.0
    >>> found = comparisons(net, no, yes, average=True, training=(X, y))
    >>> print("%.1f" % found.estimate[0])
    1.0
    """
    model, X, other = model_of(estimator), columns.checked(X), columns.checked(X_other)
    if X.shape != other.shape:
        raise ValueError(
            f"X and X_other are compared row by row, got shapes {X.shape} and "
            f"{other.shape}."
        )
    term, contrast = _named(X, other)
    seen = model.sees(X), model.sees(other)
    terms = level_of(seen[1]), level_of(seen[0], -1.0)
    if not average:
        _refuse(
            average=False, by=by, sample_weight=sample_weight, population=population
        )
        return answer(model, [Block(terms)], Asked(False), term=[term] * len(X),
                      contrast=[contrast] * len(X), **labels(X))  # fmt: skip
    omega, groups = given_rows.row_weights(X, sample_weight, by)
    if debias is not False:
        check_range(model, seen[0], omega, "X")
        check_range(model, seen[1], omega, "X_other")
    K = omega.shape[1]
    return answer(
        model, [Block(terms, omega)], Asked(debias, training, population),
        term=[term] * K, contrast=[contrast] * K, columns=groups,
        frames=labels(X)["frames"],
    )  # fmt: skip


def linear_combinations(estimator, X, L, *, training=None, debias="auto") -> Estimates:
    """Return L f(X): contrasts, averages, any linear combination of the curve at rows.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        The rows.
    L : array-like of shape (k, n_samples) or (n_samples,)
        The combinations.
    training, debias : optional
        As in `avg_slopes`; ``'auto'`` corrects combinations of 30 rows or more.

    Returns
    -------
    estimates : Estimates
        One for each row of L.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        As `avg_slopes`, and if L does not have a column for each row of X.

    See Also
    --------
    delta_method : Combinations that are not linear.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import linear_combinations
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(100)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> peak = linear_combinations(net, [[1.5], [0.0]], [1, -1])
    >>> print("%.1f" % peak.estimate[0])
    1.0
    """
    model, X = model_of(estimator), columns.checked(X)
    L = np.atleast_2d(np.asarray(L, dtype=float))
    if L.ndim != 2 or L.shape[1] != len(X) or not np.isfinite(L).all():
        raise ValueError(
            f"L must hold finite numbers, one column for each of the {len(X)} rows of "
            f"X, got shape {L.shape}."
        )
    few = np.count_nonzero(L, axis=1).min() < FEWEST_ROWS
    if debias == "auto" and few:  # single rows have no correction
        debias = False
    block = Block((level_of(model.sees(X)),), L.T)
    names = [f"combination {k}" for k in range(len(L))]
    return answer(model, [block], Asked(debias, training), term=names,
                  contrast=["L f"] * len(L))  # fmt: skip


def delta_method(estimator, X, g, *, grad=None) -> Estimates:
    """Return g of the curve at rows, with its error by the delta method.

    Ratios, elasticities, maxima: any smooth function of the predictions.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        The rows.
    g : callable
        Takes predictions (n_samples,) in units of y, returns a number or (k,).
    grad : callable, default=None
        Its derivatives, (k, n_samples) of predictions; None: by central differences.

    Returns
    -------
    estimates : Estimates
        Of each value of g. They are not corrected.

    Raises
    ------
    TypeError, NotFittedError, ValueError
        As `avg_slopes`, and if g or its derivatives are not finite.

    See Also
    --------
    linear_combinations : Where g is linear, and can be corrected.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import delta_method
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> y = 2.0 + np.sin(X[:, 0]) + 0.1 * rng.standard_normal(100)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> ratio = delta_method(net, [[1.5], [0.0]], lambda f: f[0] / f[1])
    >>> print("%.1f" % ratio.estimate[0])
    1.5
    """
    model, X = model_of(estimator), columns.checked(X)
    seen = model.sees(X)
    a, b = model.line(seen)
    f = a * model.predicts(seen) + b
    value = np.atleast_1d(np.asarray(g(f), dtype=float))
    D = _differences(g, f, len(value)) if grad is None else grad(f)
    D = np.atleast_2d(np.asarray(D, dtype=float))
    if value.ndim != 1 or D.shape != (len(value), len(f)):
        raise ValueError(
            f"g must return a number or (k,), and grad (k, {len(f)}); got shapes "
            f"{value.shape} and {D.shape}."
        )
    if not (np.isfinite(value).all() and np.isfinite(D).all()):
        raise ValueError("g or its derivatives are not finite at the predictions.")
    linear = answer(
        model, [Block((level_of(seen),), D.T)], Asked(False),
        term=[f"g {k}" for k in range(len(value))], contrast=["g(f)"] * len(value),
    )  # fmt: skip
    return replace(linear, estimate=value)


def _differences(g: Any, f: np.ndarray, k: int) -> np.ndarray:
    """Return the derivatives of g, (k, n), by central differences."""
    D = np.empty((k, len(f)))
    for i in range(len(f)):
        h = STEP * max(abs(f[i]), np.std(f), np.finfo(float).tiny ** 0.25)
        ends = []
        for s in (1.0, -1.0):
            moved = f.copy()
            moved[i] += s * h
            ends.append(np.atleast_1d(np.asarray(g(moved), dtype=float)))
        D[:, i] = (ends[0] - ends[1]) / (2.0 * h)
    return D


def _named(X: Any, other: Any) -> tuple[str, str]:
    """Return which column differs, and how, where that can be said."""
    pairs = [
        (name, columns.column(X, j), columns.column(other, j))
        for j, name in enumerate(columns.names(X))
    ]
    changed = [pair for pair in pairs if not np.array_equal(*pair[1:])]
    if len(changed) != 1:
        return ", ".join(str(name) for name, *_ in changed) or "none", "X_other - X"
    name, before, after = changed[0]
    if len(set(before.tolist())) == len(set(after.tolist())) == 1:
        return str(name), f"{after[0]} - {before[0]}"
    return str(name), "X_other - X"


def _refuse(average: bool, **given: Any) -> None:
    """Refuse what single rows have no use for."""
    used = [name for name, value in given.items() if value is not None and value is not
            False]  # fmt: skip
    if used:
        raise ValueError(
            f"{' and '.join(used)} are for averages, and average={average}. Try "
            "average=True."
        )
