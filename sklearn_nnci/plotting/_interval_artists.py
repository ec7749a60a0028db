"""How the intervals of a `PredictionIntervalDisplay` are drawn."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci.plotting._style import (
    BLACK,
    BLUE,
    ORANGE,
    RED,
    bounded,
    limits,
    name_places,
    styled,
)

# Bars grow fainter from so many on, down to this share.
CROWD, FAINTEST = 100, 0.15
# Data of a category stand to the left of its bars, and so far apart: multiples of the
# golden ratio leave no two at one place.
BESIDE, APART, GOLDEN = 0.25, 0.2, 0.618034
# What the two intervals are of, in the legend, and how they look. That of the mean
# lies upon the other.
MEAN, OBSERVATION = "mean", "new value"
LOOKS = {
    ("band", MEAN): dict(color=BLUE, alpha=0.5, linewidth=0, zorder=2),
    ("band", OBSERVATION): dict(color=ORANGE, alpha=0.3, linewidth=0, zorder=1),
    ("bars", MEAN): dict(color=BLUE, alpha=0.5, linewidth=4.0, zorder=2),
    ("bars", OBSERVATION): dict(color=ORANGE, alpha=0.8, linewidth=1.5, zorder=1),
}


class Styles(NamedTuple):
    """Keywords given for each kind of artist."""

    line: Any
    ci: Any
    pi: Any
    scatter: Any
    outside: Any


class Artists(NamedTuple):
    """What was drawn; None for what was not."""

    line: Any
    ci: Any
    pi: Any
    scatter: Any = None
    outside: Any = None


def inside(y: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Return which of `y` lie in their interval."""
    return (interval[:, 0] <= y) & (y <= interval[:, 1])


def feature(ax: Any, display: Any, given: Styles) -> Artists:
    """Draw a curve with its bands, or categories with their bars, and the data."""
    categories = np.asarray(display.x).dtype.kind not in "iuf"
    kind, x, x_data = "band", display.x, display.x_data
    look: dict[str, Any] = dict(linewidth=1.6)
    if categories:
        kind, look = "bars", dict(marker="o", markersize=4, linestyle="none")
        x, x_data = np.arange(len(x)), _beside(x, x_data)
    scatter = None
    if display.y_data is not None:
        data = dict(color=BLACK, s=9, alpha=0.45, linewidth=0, label="observed",
                    zorder=1.5)  # fmt: skip
        data = styled("points", data, given.scatter)
        scatter = ax.scatter(x_data, display.y_data, **data)
    low, high = limits(display.y_pred, display.ci, display.pi, display.y_data)
    ci = _interval(ax, kind, x, display, MEAN, (low, high), given.ci)
    pi = _interval(ax, kind, x, display, OBSERVATION, (low, high), given.pi)
    line = look | dict(color=BLUE, label="predicted", zorder=3)
    (drawn,) = ax.plot(x, display.y_pred, **styled("line", line, given.line))
    if categories:
        name_places(ax, display.x)
    ax.set(xlabel=display.feature_name, ylabel=display.target_name, ylim=(low, high))
    return Artists(drawn, ci, pi, scatter)


def observed(ax: Any, display: Any, given: Styles) -> Artists:
    """Draw a bar at each prediction, and what was observed there.

    An observation belongs to its prediction interval: that of the mean is drawn where
    there is no other.
    """
    low, high = limits(display.y_pred, display.ci, display.pi, display.y_data)
    x, y, ci, pi = display.y_pred, display.y_data, None, None
    holds = np.ones(len(y), dtype=bool)
    if display.pi is None:
        ci = _interval(ax, "bars", x, display, MEAN, (low, high), given.ci)
    else:
        pi = _interval(ax, "bars", x, display, OBSERVATION, (low, high), given.pi)
        holds = inside(y, display.pi)
    scatter, outside = _data(ax, x, y, holds, display.pi is not None, given)
    line = dict(color=BLACK, linestyle="--", linewidth=1.0, label="predicted",
                zorder=2.2)  # fmt: skip
    ends = [x.min(), x.max()]
    (drawn,) = ax.plot(ends, ends, **styled("line", line, given.line))
    ax.set(xlabel=f"predicted {display.target_name}", ylim=(low, high),
           ylabel=f"observed {display.target_name}")  # fmt: skip
    return Artists(drawn, ci, pi, scatter, outside)


def _data(
    ax: Any, x: np.ndarray, y: np.ndarray, holds: np.ndarray, known: bool, given: Styles
) -> tuple[Any, Any]:
    """Draw observations, those outside of their interval by another mark."""
    points = dict(color=BLACK, s=9, alpha=0.8, linewidth=0, zorder=2.5,
                  label="observed, inside" if known else "observed")  # fmt: skip
    points = styled("points", points, given.scatter)
    scatter = ax.scatter(x[holds], y[holds], **points)
    if holds.all():
        return scatter, None
    crosses = dict(color=RED, s=22, marker="x", linewidth=1.2, zorder=3,
                   label=f"outside: {(~holds).sum()} of {len(y)}")  # fmt: skip
    crosses = styled("points", crosses, given.outside)
    return scatter, ax.scatter(x[~holds], y[~holds], **crosses)


def _interval(
    ax: Any, kind: str, x: np.ndarray, display: Any, of: str,
    ends: tuple[float, float], kwargs: Any,
) -> Any:  # fmt: skip
    """Draw the interval for `of`, a band or bars; None where there is none."""
    interval = display.ci if of == MEAN else display.pi
    if interval is None:
        return None
    lost = "" if np.isfinite(interval).all() else " (∞)"
    look: dict[str, Any] = LOOKS[kind, of] | dict(
        label=f"{of}, {display.confidence_level * 100:.4g}%{lost}"
    )
    if kind == "bars":
        look["alpha"] *= np.clip(CROWD / len(x), FAINTEST, 1.0)
    fill = ax.fill_between if kind == "band" else ax.vlines
    return fill(x, *bounded(interval, ends).T, **styled(kind, look, kwargs))


def _beside(categories: np.ndarray, x_data: np.ndarray | None) -> np.ndarray | None:
    """Return where data of categories are drawn; nan for those that are none."""
    if x_data is None:
        return None
    place = {value: i for i, value in enumerate(categories)}
    spread = np.mod(GOLDEN * np.arange(len(x_data)), 1.0) - 0.5
    at = np.array([place.get(value, np.nan) for value in x_data])
    return at - BESIDE + APART * spread
