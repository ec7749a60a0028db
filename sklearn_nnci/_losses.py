"""The losses of training, by their derivatives with respect to f."""

from typing import Any, NamedTuple

import numpy as np


class Loss(NamedTuple):
    """A loss by its functions of (y, f), elementwise."""

    value: Any
    difference: Any
    """(y, f, g) -> value(y, g) - value(y, f), without cancellation."""
    negative_gradient: Any
    """-d value / df."""
    hessian: Any
    """d2 value / df2, (m, n), or (m, 1) where it is the same for all rows."""


LOSSES = {
    "squared_error": Loss(
        lambda y, f: 0.5 * (y - f) ** 2,
        lambda y, f, g: 0.5 * (f - g) * ((y - f) + (y - g)),
        lambda y, f: y - f,
        lambda y, f: np.ones((len(f), 1)),
    ),
    "poisson": Loss(
        lambda y, f: np.exp(f) - y * f,
        lambda y, f, g: np.exp(f) * np.expm1(g - f) - y * (g - f),
        lambda y, f: y - np.exp(f),
        # A mean that underflows still needs a square root to divide by.
        lambda y, f: np.maximum(np.exp(f), np.finfo(float).tiny),
    ),
}
