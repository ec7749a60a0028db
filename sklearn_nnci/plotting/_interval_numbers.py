"""What a `PredictionIntervalDisplay` shows, as the keywords that make one."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting._averaged import averaged

OTHERS = ("median", "average")


def along(
    estimator: Any, X: Any, feature: Any, others: str, target: Any, level: float,
    resolution: int, random_state: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return the curve along a feature, the others being typical or averaged over."""
    if others not in OTHERS:
        raise ValueError(f"others must be one of {OTHERS}, got {others!r}.")
    names = columns.names(X, estimator)
    j = columns.position(feature, names)
    at = columns.grid(X, j, resolution)
    if others == "average":
        mean = averaged(estimator, X, j, at, target, random_state)
        shown = asked.Output(mean.mean, mean.conf_int(level), None)
    else:
        found = asked.prediction(estimator, columns.along(X, j, at))
        shown = asked.output(found, target, level)
    return dict(x=at, y_pred=shown.mean, ci=shown.ci, pi=shown.pi,
                confidence_level=level, feature_name=str(names[j]))  # fmt: skip


def data(
    estimator: Any, X: Any, y: Any, feature: Any, target: Any, rows: np.ndarray
) -> dict[str, Any]:
    """Return the data to draw along a feature; none where y is None."""
    if y is None:
        return {}
    values, name = asked.targets(y, target)
    j = columns.position(feature, columns.names(X, estimator))
    return dict(x_data=columns.column(X, j)[rows], y_data=values[rows],
                target_name=name)  # fmt: skip


def observed(
    parts: Iterable[tuple[Any, Any, Any]], target: Any, level: float
) -> dict[str, Any]:
    """Return observed against predicted, of `parts` one after another.

    Each is an estimator, and rows X and y to ask it for.
    """
    shown, values = [], []
    for estimator, X, y in parts:
        found = asked.prediction(estimator, X)
        shown.append(asked.output(found, target, level))
        k = asked.output_number(np.shape(found.mean), target)
        values.append(asked.targets(y, k))
    mean, ci, pi = (
        None if each[0] is None else np.concatenate(each)
        for each in zip(*shown, strict=True)
    )
    return dict(y_pred=mean, ci=ci, pi=pi, confidence_level=level,
                y_data=np.concatenate([each for each, _ in values]),
                target_name=values[0][1])  # fmt: skip


def given(y_true: Any, y_pred: Any, ci: Any, pi: Any, x: Any) -> dict[str, Any]:
    """Return what was computed before, in the order of `x`."""
    if y_true is None and x is None:
        raise ValueError("y_true=None needs x, to go along. Try x=X[:, 0].")
    if ci is None and pi is None:
        raise ValueError("ci=None and pi=None: there is no interval. Try pi=...")
    n = len(y_pred)
    shapes = dict(y_pred=(n,), y_data=(n,), x=(n,), ci=(n, 2), pi=(n, 2))
    values = dict(y_pred=y_pred, y_data=y_true, x=x, ci=ci, pi=pi)
    found = {
        name: asked.shaped(name, np.asarray(value), shapes[name])
        for name, value in values.items()
        if value is not None
    }
    if x is None:
        return found
    order = np.argsort(found["x"], kind="stable")
    found = {name: value[order] for name, value in found.items()}
    return found | dict(x_data=found["x"])
