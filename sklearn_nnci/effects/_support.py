"""Where the rows that trained say something of an average."""

from typing import Any

import numpy as np

from sklearn_nnci import exceptions
from sklearn_nnci._warn import warn
from sklearn_nnci.effects._model import Model

# An average over rows of which more lie outside of the range of those that trained has
# no representer.
LARGEST_OUTSIDE = 0.5
# Rows beyond a point of a partial dependence below which it is warned of.
LEAST_BEYOND = 0.05
# A column is outside of its range by more than rounding.
ROUNDING = 1e-9


def check_range(model: Model, seen: np.ndarray, omega: Any, name: str) -> None:
    """Refuse averages over rows most of which are outside of the training range."""
    low, high = model.state["low"], model.state["high"]
    room = ROUNDING * np.maximum(high - low, np.abs(high))
    outside = ((seen < low - room) | (seen > high + room)).any(axis=1)
    share = float((outside @ omega).max())
    if share > LARGEST_OUTSIDE:
        raise ValueError(
            f"{share:.0%} of the rows of {name} are outside of the range of the rows "
            "that trained: nothing tells whether an average over them is right. Try "
            "values within the range, or debias=False."
        )


def warn_of_edges(column: np.ndarray, grid: np.ndarray) -> None:
    """Say where few rows lie beyond points of a partial dependence."""
    below = np.mean(column[:, None] <= grid, axis=0)
    above = np.mean(column[:, None] >= grid, axis=0)
    edge = np.minimum(below, above) < LEAST_BEYOND
    if edge.any():
        warn(
            f"{edge.sum()} of {edge.size} points have less than {LEAST_BEYOND:.0%} of "
            "the rows beyond them. Try points between the percentiles 5 and 95.",
            exceptions.FewRowsWarning,
        )
