"""Standard errors of one network, and of a committee, as nodes.

As `_inference.standard_errors` and `_inference.queries` have them, with v = j'C j,

    se_mean^2 = v (1 + RO^2) + b^2 + u s^2(x)/s^2 + sum w_k (f_k - f)^2,
    se_obs^2  = max(s^2(x) + se_mean^2 - v RO^2, se_mean^2),

times the derivative of the mean by f; counts have the variance of `counts.new_count`.
Values are (n, m), or (n, 1) for all outputs together.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference.standard_errors import MARGIN
from sklearn_nnci._inference.variance import Variances
from sklearn_nnci._linearized.dual_posterior import DualPosterior
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._mixture import CAP
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network, unpack
from sklearn_nnci.onnx import _jacobian, _posterior, _variance
from sklearn_nnci.onnx._graph import Graph

# Half of the weight, but for rounding in either precision.
HALF = 0.5 - 1e-6


class Answers(NamedTuple):
    """What a graph says of its rows: names of values."""

    mean: str
    se_mean: str = ""
    se_obs: str = ""
    """Empty of a loss whose observations have none."""
    extrapolates: str = ""
    noise: str = ""
    """s^2(x)."""
    inverse_size: str = ""
    """Of counts, 1 / size; empty if there are none."""


class Fitted(NamedTuple):
    """A network and its inference, as an estimator keeps them."""

    network: Network
    state: dict[str, Any]
    loss: str


def mean_of(g: Graph, fitted: Fitted, x: str) -> str:
    """Return the mean alone, without any Jacobian work."""
    f = _jacobian.forward(g, fitted.network, x)[1]
    return f if LOSSES[fitted.loss].linear else g.op("Exp", f)


def answers(g: Graph, fitted: Fitted, x: str) -> Answers:
    """Return all that a network says of its rows `x`."""
    network, state, m = fitted.network, fitted.state, fitted.network.n_outputs
    activations, f = _jacobian.forward(g, network, x)
    layers = _jacobian.layers(g, network, activations)
    posterior: Any = restore(network, state["posterior"])
    dual = isinstance(posterior, DualPosterior)
    J = "" if dual and state["step"] is None else _jacobian.dense(g, layers)
    if dual:
        v = _posterior.dual(g, posterior, layers, m)
    else:
        v = _posterior.primal(g, posterior, J)
    relative = relative_variance(g, state, x, f)
    beside = g.sum_of(_beside(g, fitted, x, f, J, relative))
    variance = g.op("Add", g.op("Mul", v, np.full(1, state["widening"])), beside)
    noise = g.op("Mul", relative, np.diag(state["noise"]))
    obs = g.sum_of([noise, v, beside])
    se_mean = g.op("Sqrt", variance)
    se_obs = g.op("Sqrt", g.op("Max", obs, variance))
    link, law = LOSSES[fitted.loss], state["report"].get("count_law")
    if link.linear:
        return Answers(f, se_mean, se_obs, _extrapolates(g, state, v, noise, x), noise)
    mean = g.op("Exp", f)
    flagged = _extrapolates(g, state, g.op("Mul", v, mean), noise, x)
    se_obs = inverse = ""
    if law:
        inverse = _inverse_size(g, mean, *map(np.atleast_1d, law))
        se_obs = std_of_counts(g, mean, se_mean, inverse)
    on_mean = g.op("Mul", se_mean, mean)
    return Answers(mean, on_mean, se_obs, flagged, noise, inverse)


def relative_variance(g: Graph, state: dict[str, Any], x: str, f: str) -> str:
    """Return s^2(x) / s^2."""
    variances = state.get("variances")
    if variances is None:
        return g.ones(f, len(state["noise"]))
    return _variance.relative(g, Variances.restore(variances), x, f)


def _beside(
    g: Graph, fitted: Fitted, x: str, f: str, J: str, relative: str
) -> list[str]:
    """Return the terms of se_mean^2 besides v."""
    network, state = fitted.network, fitted.state
    terms = [g.op("Mul", relative, state["excess"])]
    if state["step"] is not None:
        b = g.sum(g.op("MatMul", J, state["step"][:, None]), 2)
        terms.append(g.op("Mul", b, b))
    near, like = state["near"], network._replace(coordinates=None)
    if near is not None:
        for weight, theta in zip(near["weights"], near["parameters"], strict=True):
            other = _jacobian.forward(g, unpack(theta, like), x)[1]
            away = g.op("Sub", other, f)
            squared = g.op("Mul", away, away)
            terms.append(g.op("Mul", squared, np.full(1, weight)))
    return terms


def _extrapolates(g: Graph, state: dict[str, Any], v: str, noise: str, x: str) -> str:
    """Return whether the training rows say nothing there, as 0 or 1, (n, 1).

    Where v > reach s^2(x), if s is known, or a column is beyond its range.
    """
    s2, margin = np.diag(state["noise"]), MARGIN * (state["high"] - state["low"])
    with np.errstate(invalid="ignore"):
        reach = np.where((s2 > 0.0) & np.isfinite(s2), state["reach"], np.nan)
    beyond = [
        g.op("Greater", v, g.op("Mul", noise, reach)),
        g.op("Less", x, state["low"] - margin),
        g.op("Greater", x, state["high"] + margin),
    ]
    flags = g.op("Concat", *(g.cast(one, g.dtype) for one in beyond), axis=1)
    return g.op("Min", g.expand_dims(g.sum(flags, 1), 1), np.ones(1))


def _inverse_size(g: Graph, mean: str, beta: np.ndarray, alpha: np.ndarray) -> str:
    """Return 1 / size of counts, (beta + alpha mean) / mean."""
    beyond = g.op("Add", g.op("Mul", mean, alpha), beta)
    return g.op("Div", beyond, mean)


def std_of_counts(g: Graph, mean: str, s: str, inverse_size: str) -> str:
    """Return the standard deviation of a new count; see `counts.new_count`."""
    s2 = g.op("Mul", s, s)
    grown = g.op("Add", g.op("Mul", s2, np.full(1, 0.5)), np.ones(1))
    b = g.op("Div", s2, grown)
    M = g.op("Mul", mean, grown)
    inverse = g.sum_of([inverse_size, b, g.op("Mul", b, inverse_size)])
    variance = g.op("Add", M, g.op("Mul", g.op("Mul", M, M), inverse))
    std = g.op("Sqrt", variance)
    return g.where(g.op("IsNaN", std), std, np.full(1, np.inf))


def average(g: Graph, weights: np.ndarray, values: Sequence[str]) -> str:
    """Return sum w_k values[k]."""
    weighted = zip(values, weights, strict=True)
    return g.sum_of([g.op("Mul", one, np.full(1, w)) for one, w in weighted])


def committee(g: Graph, weights: np.ndarray, own: Sequence[Answers]) -> Answers:
    """Return the mixture of members; see `_mixture` and `_committee.answers`."""
    mean = average(g, weights, [one.mean for one in own])
    best = own[int(np.argmax(weights))]
    largest = g.op("Mul", best.se_mean, np.full(1, CAP))
    terms = []
    for one in own:
        se, apart = g.op("Min", one.se_mean, largest), g.op("Sub", one.mean, mean)
        terms.append(g.op("Add", g.op("Mul", se, se), g.op("Mul", apart, apart)))
    variance = average(g, weights, terms)
    se = g.op("Sqrt", variance)
    flagged = average(g, weights, [one.extrapolates for one in own])
    flagged = g.cast(g.op("Not", g.op("Less", flagged, np.full(1, HALF))), g.dtype)
    noise = average(g, weights, [one.noise for one in own])
    if not own[0].inverse_size and own[0].se_obs:
        return Answers(mean, se, g.op("Sqrt", g.op("Add", noise, variance)), flagged)
    if not all(one.inverse_size for one in own):
        return Answers(mean, se, "", flagged)
    inverse = average(g, weights, [one.inverse_size for one in own])
    se_obs = std_of_counts(g, mean, g.op("Div", se, mean), inverse)
    return Answers(mean, se, se_obs, flagged)
