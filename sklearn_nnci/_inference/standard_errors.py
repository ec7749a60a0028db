"""From a fitted inference to the moments of predictions.

What an estimator keeps of its inference is a dict of arrays, numbers, strings and
tuples, so that any format can save it; records are rebuilt from it here.

With v(x) = j'Cj the variance of f(x), RO the relative offset at which a given noise
widens under ``"auto"``, b(x) = j'step what is left to the evidence optimum and u what
the rule adds to every variance, and d_k(x) = f_k - f the distance to other networks
that could as well be the best, of weight w_k (each 0 elsewhere),

    c^2 = b^2 + u + sum w_k d_k^2,
    se_mean^2 = v (1 + RO^2) + c^2,        se_obs^2 = max(s^2 + v + c^2, se_mean^2),

Where the noise varies, s^2 is s^2(x), and u goes along with it.

Jointly over rows, u goes along with v: with D = diag(1 / sqrt v), the covariance is

    V (1 + RO^2) + b b' + sum w_k d_k d_k' + u D V D,

so that the difference of two rows loses its variance as they come together, and the
correlation does not depend on how many rows lie between.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference.diagnostics import Diagnostics
from sklearn_nnci._inference.error_law import ErrorLaw
from sklearn_nnci._inference.infer import Inference
from sklearn_nnci._inference.laws import Law
from sklearn_nnci._inference.variance import Variances
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._linearized.totals import Edges, Totals
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import (
    Network,
    linear_predictor,
    pack,
    transposed,
    unpack,
)
from sklearn_nnci._numerics.chunks import row_slices

# The layout of the state below; one of another layout is not read.
LAYOUT = 3
# A column may leave its training range by this part of it before it extrapolates.
MARGIN = 0.1


class Moments(NamedTuple):
    """Of the means of n rows and m outputs, (m, n); infinite where not bounded."""

    se_mean: np.ndarray
    se_obs: np.ndarray
    leverage: np.ndarray
    """v / s^2(x); nan where s is not known."""
    noise: np.ndarray
    """s^2(x)."""


def to_state(
    inference: Inference, network: Network, found: Diagnostics, asked: dict[str, Any],
    near: dict[str, np.ndarray] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the `Inference` and its `Diagnostics` as what an estimator keeps.

    `asked` are the parameters that it answers; `near` the parameters (K, p), packed for
    raw data, and weights (K,) of networks that could as well be the best.
    """
    posterior, edges = inference.posterior, inference.totals.edges
    texts = tuple(f"{check.warning}: {check.advice}" for check in found.raised)
    return {
        "layout": LAYOUT,
        "asked": asked,
        "checks": [tuple(check) for check in found],
        "theta": pack(network.coefs, network.intercepts),
        "report": inference.report._replace(warnings=texts)._asdict(),
        "posterior": None if posterior is None else posterior.state(),
        "noise": inference.Sigma,
        "dof": inference.dof,
        "widening": inference.widening,
        "step": inference.step,
        "excess": inference.excess.variance,
        "doubt": inference.excess.doubt,
        "near": near,
        **_law_state(inference.law),
        "loo": {**inference.loo._asdict(), "scale": inference.scale},
        "rows": sums_of(inference.totals),
        "reach": inference.reach,
        "low": edges.low[0],
        "high": edges.high[0],
        "chance": _chance(edges, inference.totals.weight),
    }


def _law_state(law: Law) -> dict[str, Any]:
    """Return the law of the noise; as plain values, but for a user's regressor."""
    return {
        "errors": None if law.errors is None else law.errors.state(),
        "variances": None if law.uneven is None else law.uneven.state(),
    }


def sums_of(totals: Totals) -> dict[str, Any]:
    """Return what tells these rows from others."""
    return {
        "n_rows": totals.n_rows,
        "weight": totals.weight,
        "mean": totals.mean,
        "squares": totals.squares,
        "rss": np.diag(totals.rss).copy(),
    }


def same_rows(state: dict[str, Any], totals: Totals) -> bool:
    """Return whether `totals` are those of the rows of the inference, but for rounding.

    Sums of y and y^2 tell y, those of residuals tell X.
    """
    one, two = state["rows"], sums_of(totals)
    spread = np.sqrt(one["squares"] / one["weight"])
    scales = {"mean": spread, "squares": one["squares"], "rss": one["squares"]}
    return all(
        np.allclose(two[name], value, rtol=1e-6, atol=1e-9 * scales.get(name, 0.0))
        for name, value in one.items()
    )


def _chance(edges: Edges, n: float) -> float:
    """Return how likely a new row from the same distribution is to extrapolate.

    One in n + 1 by its leverage; by its columns as often as a training row would have,
    left out: the extreme of a column does if it is as far from the next.
    """
    (first, second), (last, before) = edges
    alone = (second - first > MARGIN * (last - second)).sum()
    alone += (last - before > MARGIN * (before - first)).sum()
    return float(min((1.0 + alone) / (n + 1.0), 1.0))


def moments(state: dict[str, Any], network: Network, X: Any) -> Moments:
    """Return the `Moments` of the rows `X`."""
    m, n = network.n_outputs, X.shape[0]
    v, b = np.full((m, n), np.inf), np.zeros((m, n))
    if state["posterior"] is not None:
        posterior = restore(network, state["posterior"])
        for part, F in jacobian.stream(network, X):
            v[:, part] = posterior.variance(F)
            b[:, part] = _remaining_step(state, network, F)
    away = _distances(state, network, X)
    relative = relative_variance(state, network, X)
    beside = b**2 + state["excess"][:, None] * relative
    beside += np.einsum("kmn,kmn->mn", away, away)
    mean = v * state["widening"] + beside
    s2 = np.diag(state["noise"])[:, None] * relative
    known = np.isfinite(s2) & (s2 > 0.0) & np.ones_like(v, dtype=bool)
    leverage = np.divide(v, s2, out=np.full_like(v, np.nan), where=known)
    obs = np.maximum(s2 + v + beside, mean)
    return Moments(np.sqrt(mean), np.sqrt(obs), leverage, s2)


def relative_variance(state: dict[str, Any], network: Network, X: Any) -> np.ndarray:
    """Return s^2(x) / s^2 of the rows `X`, (m, n)."""
    relative = np.ones((network.n_outputs, X.shape[0]))
    if state.get("variances") is not None:
        variances = Variances.restore(state["variances"])
        for part in row_slices(X.shape[0], 8 * X.shape[1]):
            f = linear_predictor(network, X[part])
            relative[:, part] = variances(transposed(X[part]), f)
    return relative


def law_at(state: dict[str, Any]) -> ErrorLaw | None:
    """Return the law of errors, None for the normal one."""
    kept = state.get("errors")
    return None if kept is None else ErrorLaw(**kept)


def extrapolates(state: dict[str, Any], leverage: np.ndarray, X: Any) -> np.ndarray:
    """Return which rows lie where the data say nothing, (n,).

    A leverage beyond what a training row would have without itself, or a column beyond
    its range by a tenth of that.
    """
    margin = MARGIN * (state["high"] - state["low"])
    low, high = state["low"] - margin, state["high"] + margin
    flagged = (leverage > state["reach"]).any(axis=0)
    for part in row_slices(X.shape[0], 8 * X.shape[1]):
        rows = transposed(X[part]).T
        flagged[part] |= ((rows < low) | (rows > high)).any(axis=1)
    return flagged


def more_than_chance(state: dict[str, Any], flagged: np.ndarray) -> bool:
    """Return whether that many rows extrapolating is no accident of the call."""
    n, p = len(flagged), state["chance"]
    expected = max(0.05 * n, n * p + 3.0 * np.sqrt(n * p * (1.0 - p)))
    return bool(flagged.any() and (n == 1 or flagged.sum() > expected))


def covariance(
    state: dict[str, Any], network: Network, X: Any, everywhere: bool = False
) -> np.ndarray:
    """Return the covariance of the means, (n, m, n, m), consistent with se_mean.

    Infinite on the diagonal, nan beside it, where not bounded. Bands that hold
    `everywhere` at once need more; see `auto`.
    """
    m, n = network.n_outputs, X.shape[0]
    V, lost = np.full((m * n, m * n), np.nan), np.ones(m * n, dtype=bool)
    if state["posterior"] is not None:
        F = jacobian.factors(network, X)
        V, lost = restore(network, state["posterior"]).covariance(F)
        b = _remaining_step(state, network, F).ravel()
        u = state["excess"] + everywhere * state["doubt"]
        u = (u[:, None] * relative_variance(state, network, X)).ravel()
        d = _distances(state, network, X).reshape(-1, m * n)
        V = V * state["widening"] + np.outer(b, b) + d.T @ d + _along(V, u)
    V[lost], V[:, lost] = np.nan, np.nan
    V[lost, lost] = np.inf
    return V.reshape(m, n, m, n).transpose(1, 0, 3, 2)


def _along(V: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return D V D with the diagonal `u`; where V has none it stands alone."""
    v = np.diag(V)
    ratio = np.sqrt(np.divide(u, v, out=np.zeros_like(v), where=v > 0.0))
    return V * np.outer(ratio, ratio) + np.diag(np.where(v > 0.0, 0.0, u))


def parameter_covariance(
    state: dict[str, Any], network: Network
) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance of theta, C + step step', (p, p), and which are lost.

    In coordinates of its own C is that of phi, and theta = T phi: T C T'.
    """
    cov, lost = restore(network, state["posterior"]).parameter_covariance()
    if state["step"] is not None:
        cov = cov + np.outer(state["step"], state["step"])
    if network.coordinates is not None:
        cov = _mapped(network, _mapped(network, cov).T)
    return cov, lost


def _mapped(network: Network, M: np.ndarray) -> np.ndarray:
    """Return T M, T of the coordinates of a network; M (p, k)."""
    blocks, start = [], 0
    for block in (*network.coefs, *network.intercepts):
        rows = M[start : start + block.size]
        blocks.append(rows.reshape(*block.shape, -1))
        start += block.size
    L = len(network.coefs)
    assert network.coordinates is not None
    mapped = network.coordinates.directions(blocks[:L], blocks[L:])
    return np.concatenate([np.reshape(B, (-1, M.shape[1])) for B in sum(mapped, ())])


def _distances(state: dict[str, Any], network: Network, X: Any) -> np.ndarray:
    """Return w_k^1/2 (f_k - f) of the networks nearby, (K, m, n)."""
    near = state["near"]
    if near is None:
        return np.empty((0, network.n_outputs, X.shape[0]))
    f, like = linear_predictor(network, X), network._replace(coordinates=None)
    others = (unpack(theta, like) for theta in near["parameters"])
    weighted = zip(near["weights"], others, strict=True)
    return np.array([np.sqrt(w) * (linear_predictor(o, X) - f) for w, o in weighted])


def _remaining_step(
    state: dict[str, Any], network: Network, F: jacobian.Factors
) -> np.ndarray:
    """Return b(x) = j(x)'step, (m, n), or 0."""
    if state["step"] is None:
        return np.zeros(F.shape[1:])
    return jacobian.jvp(F, unpack(state["step"], network))
