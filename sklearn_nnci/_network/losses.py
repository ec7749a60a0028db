"""The losses of training, by their derivatives with respect to f, and their links.

One record per loss: nothing else compares their names.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._network.perceptron import Network, linear_predictor


class Loss(NamedTuple):
    """A loss by its functions of (y, f), elementwise."""

    value: Callable
    difference: Callable
    """(y, f, g) -> value(y, g) - value(y, f), without cancellation."""
    negative_gradient: Callable
    """-d value / df."""
    hessian: Callable
    """d2 value / df2, (m, n), or (m, 1) where it is the same for all rows."""
    inverse_link: Callable
    """The mean of y as a function of f."""
    slope: Callable
    """Its derivative by f, as a function of the mean: f has standard errors, the mean
    those times this."""
    linear: bool
    """Whether f is the mean itself: only then is there an evidence, and an interval of
    an observation."""
    counts: bool
    """Whether y counts, and cannot be negative."""


LOSSES = {
    "squared_error": Loss(
        lambda y, f: 0.5 * (y - f) ** 2,
        lambda y, f, g: 0.5 * (f - g) * ((y - f) + (y - g)),
        lambda y, f: y - f,
        lambda y, f: np.ones((len(f), 1)),
        lambda f: f,
        np.ones_like,
        linear=True,
        counts=False,
    ),
    "poisson": Loss(
        lambda y, f: np.exp(f) - y * f,
        lambda y, f, g: np.exp(f) * np.expm1(g - f) - y * (g - f),
        lambda y, f: y - np.exp(f),
        # A mean that underflows still needs a square root to divide by.
        lambda y, f: np.maximum(np.exp(f), np.finfo(float).tiny),
        np.exp,
        lambda mean: mean,
        linear=False,
        counts=True,
    ),
}


def predicted_mean(network: Network, X: Any, loss: str) -> np.ndarray:
    """Return what the network predicts, (n, m)."""
    return LOSSES[loss].inverse_link(linear_predictor(network, X).T)


def of_link(out_activation: str) -> str:
    """Return the name of the loss that scikit-learn's output activation belongs to."""
    return {"exp": "poisson"}.get(out_activation, "squared_error")
