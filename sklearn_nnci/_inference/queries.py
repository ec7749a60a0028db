"""What an inference says of query rows, in the shape and units of the predictions."""

import functools
from typing import Any

import numpy as np

from sklearn_nnci import exceptions
from sklearn_nnci._inference import counts, standard_errors
from sklearn_nnci._inference.formulas import FORMULAS
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._warn import warn


def answer(
    state: dict, network: Network, loss: str, y: np.ndarray, X: Any
) -> dict[str, Any]:
    """Return the fields of a `Prediction` of the rows `X`, `y` being predicted there.

    Warns of rows that are unbounded, and of those that extrapolate.
    """
    link, formula = LOSSES[loss], FORMULAS[state["report"]["method"]]
    with np.errstate(over="ignore", invalid="ignore"):
        found = standard_errors.moments(state, network, X)
        slope = link.slope(y)
        leverage = found.leverage * slope.reshape(found.leverage.shape[::-1]).T
    flagged = standard_errors.extrapolates(state, leverage, X)
    _warn_of_queries(state, found.se_mean, flagged)
    se_mean, se_obs, leverage, s2 = (
        a.T.reshape(y.shape)
        for a in (found.se_mean, found.se_obs, leverage, found.noise)
    )
    size, law = None, state["report"].get("count_law")  # which earlier states lack
    if law:
        size = counts.CountLaw(*map(np.atleast_1d, law)).size(y)
        se_obs = counts.std(y, se_mean, size)
    elif not link.linear:
        se_obs = np.full_like(se_obs, np.nan)
    # Of this inference, whatever becomes of the estimator.
    jointly = functools.partial(_covariance, state, network, slope, X)
    return dict(
        mean=y,
        se_mean=se_mean * slope,
        se_obs=se_obs,
        dof=state["dof"] if y.ndim == 2 else float(state["dof"][0]),
        rank=state["report"]["rank"] if formula.scheffe else None,
        covariance=functools.partial(jointly, everywhere=False),
        joint=functools.partial(jointly, everywhere=True),
        log_link=not link.linear,
        size=size,
        leverage=leverage,
        extrapolates=flagged,
        noise_variance=s2 if link.linear else np.full_like(s2, np.nan),
        law=standard_errors.law_at(state),
    )


def _covariance(
    state: dict, network: Network, slope: np.ndarray, X: Any, everywhere: bool
) -> np.ndarray:
    """Return the covariance of the means of the rows `X`, ``y.shape * 2``."""
    with np.errstate(over="ignore", invalid="ignore"):
        cov = standard_errors.covariance(state, network, X, everywhere)
        return cov.reshape(slope.shape * 2) * np.multiply.outer(slope, slope)


def _warn_of_queries(state: dict, se_mean: np.ndarray, flagged: np.ndarray) -> None:
    unbounded = np.isinf(se_mean).any(axis=0)
    if state["posterior"] is not None and unbounded.any():
        why = (
            "are so large that their variance overflows: their intervals are "
            "unbounded. Try the scaler that the network was trained with."
            if FORMULAS[state["report"]["method"]].evidence  # bounds every direction
            else "depend on parameters that no training row determines, such as units "
            "inactive in training: their intervals are unbounded. Try "
            "covariance='auto'."
        )
        warn(
            f"{unbounded.sum()} of {unbounded.size} rows {why}",
            exceptions.OutsideSpanWarning,
        )
    flagged = flagged & ~unbounded
    if standard_errors.more_than_chance(state, flagged):
        warn(
            f"{flagged.sum()} of {flagged.size} rows lie where the training rows say "
            "nothing: intervals are not known to hold there. get_prediction(X)"
            ".extrapolates tells which. Try rows within the range of the training "
            "rows, and the scaler that the network was trained with.",
            exceptions.ExtrapolationWarning,
        )


def warn_stale(asked: dict[str, Any], now: dict[str, Any]) -> None:
    """Warn where own parameters were set since; what was fitted is served."""
    stale = [
        f"{name}={now[name]!r} (fitted: {then!r})"
        for name, then in asked.items()
        if now[name] != then
    ]
    if stale:
        warn(
            f"{' and '.join(stale)} were set after the inference, which keeps its "
            "own. Call fit_inference(X, y) to have the new.",
            exceptions.StaleParametersWarning,
        )
