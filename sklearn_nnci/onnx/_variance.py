"""Noise that varies, s^2(x) / s^2, as nodes; see `_inference.variance`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_nnci._inference.variance import (
    PRIOR,
    Dispersion,
    Kernel,
    LogLinear,
    Variance,
    Variances,
)
from sklearn_nnci.onnx._graph import Graph


def relative(g: Graph, variances: Variances, x: str, f: str) -> str:
    """Return s^2(x) / s^2 of rows x (n, d) and f (n, m), (n, m)."""
    columns = [
        _of_output(g, one, x, g.part(f, 1, k, k + 1))
        for k, one in enumerate(variances.outputs)
    ]
    return g.op("Concat", *columns, axis=1)


def _of_output(g: Graph, one: Variance, x: str, f: str) -> str:
    """Return that of one output, f (n, 1)."""
    if one.function is None:
        return g.ones(f, 1)
    eta = ETA[type(one.function)](g, one.function, x, f)
    if np.isfinite([one.low, one.high]).all():
        eta = g.op("Min", g.op("Max", eta, np.full(1, one.low)), np.full(1, one.high))
    return g.op("Mul", g.op("Exp", eta), np.full(1, one.factor))


def _log_linear(g: Graph, one: LogLinear, x: str, f: str) -> str:
    """Return b0 + z'b, z = (f, f^2, x, x^2) standardised."""
    values = [f, g.op("Mul", f, f)]
    values += [x, g.op("Mul", x, x)] if one.wide else []
    z = g.op("Sub", g.op("Concat", *values, axis=1), one.location)
    z = g.op("MatMul", g.op("Div", z, one.spread), one.coef[:, None])
    return g.op("Add", z, np.full(1, one.intercept))


def _kernel(g: Graph, one: Kernel, x: str, f: str) -> str:
    """Return the log of the mean of r^2 nearby, |z - a|^2 = |z|^2 - 2 z'a + |a|^2."""
    z = g.op("Div", g.op("Sub", f if one.of_f else x, one.location), one.spread)
    own = g.expand_dims(g.squares(z), 1)
    D = g.op("Add", g.op("MatMul", z, -2.0 * one.at.T), (one.at**2).sum(axis=1))
    D = g.op("Max", g.op("Add", D, own), np.zeros(1))
    K = g.op("Exp", g.op("Mul", D, np.full(1, -0.5 / one.width2)))
    sums = [
        g.op("Add", g.op("MatMul", K, w[:, None]), np.full(1, PRIOR))
        for w in (one.w * one.r2, one.w)
    ]
    return g.op("Log", g.op("Div", *sums))


def _dispersion(g: Graph, one: Dispersion, x: str, f: str) -> str:
    """Return log (1 + beta + alpha mu) / phi, mu = exp f."""
    grown = g.op("Mul", g.op("Exp", f), np.full(1, one.alpha / one.phi))
    return g.op("Log", g.op("Add", grown, np.full(1, (1.0 + one.beta) / one.phi)))


ETA: dict[type, Callable[[Graph, Any, str, str], str]] = {
    LogLinear: _log_linear,
    Kernel: _kernel,
    Dispersion: _dispersion,
}
