"""What is remembered of the training that an inference is about.

Its loss, its penalty, the rows it held out. Parameters that are set later do not change
that: they are refused where they matter.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import exceptions
from sklearn_nnci._network import losses
from sklearn_nnci._warn import warn

# A y of which location or scale differ by more, in standard deviations of that of the
# fit or as a factor, lacks a scaler.
FAR = 4.0


class Remembered(NamedTuple):
    """The training of a network."""

    loss: str
    activation: str
    solver: str
    alpha: float
    batch_size: Any
    early_stopping: bool
    regularization: str = "alpha"
    held_out: np.ndarray | None = None
    """Rows that early stopping held out, if they are known."""
    location: np.ndarray | None = None
    """Mean of y, (m,), if it is known."""
    spread: np.ndarray | None = None
    """Standard deviation of y, (m,)."""

    @property
    def stopped_early(self) -> bool:
        """Whether rows were held out."""
        return self.early_stopping and self.solver != "lbfgs"

    @property
    def decisive(self) -> tuple[str, ...]:
        """Names of the parameters that training read."""
        return TUNING if self.regularization == "evidence" else TRAINING


TUNING = ("loss", "activation", "regularization")
TRAINING = Remembered._fields[:7]


def remember(
    parameters: Mapping[str, Any], link: str, y: np.ndarray | None = None,
    held_out: np.ndarray | None = None,
) -> Remembered:  # fmt: skip
    """Return what to remember of the training that just ended.

    `parameters` are those of the estimator, `link` is what it applies to f, which tells
    the loss that predictions belong to: later fits may keep it. `y` is (n, m).
    """
    seen = {name: parameters[name] for name in TRAINING} | {
        "loss": losses.of_link(link)
    }
    moments = (None, None) if y is None else (y.mean(axis=0), y.std(axis=0))
    return Remembered(**seen, held_out=held_out, location=moments[0], spread=moments[1])


def deduce(
    parameters: Mapping[str, Any], link: str, best_score: float | None
) -> Remembered:
    """Return what can be told of a training that nobody saw.

    `best_score` is what early stopping reached, None where nothing was held out.
    """
    seen = remember(parameters, link)
    if seen.solver == "lbfgs":
        return seen
    return seen._replace(early_stopping=best_score is not None)


def check(
    seen: Remembered, parameters: Mapping[str, Any],
    names: tuple[str, ...] | None = None,
) -> None:  # fmt: skip
    """Refuse parameters that say another training than took place."""
    for name in seen.decisive if names is None else names:
        now, then = parameters[name], getattr(seen, name)
        if now != then:
            raise ValueError(
                f"{name}={now!r}, but the network was trained with {name}={then!r},"
                " and intervals are about that training. Set it back, or fit again."
            )


def check_source(
    estimator: Any, predict: Any, given: Mapping[str, Any], own: tuple[str, ...]
) -> None:
    """Refuse what is no network, predicts its own way, or parameters not our `own`."""
    if not isinstance(estimator, MLPRegressor):
        raise TypeError(
            f"estimator must be a fitted MLPRegressor, got {type(estimator).__name__}. "
            "For a pipeline, pass its last step and the X that step sees."
        )
    if type(estimator).predict not in (MLPRegressor.predict, predict):
        raise TypeError(
            f"{type(estimator).__name__} has a predict of its own, which intervals of "
            "the network inside would not be about. Try an MLPRegressor."
        )
    unknown = sorted(set(given) - set(own))
    if unknown:
        raise TypeError(
            f"from_estimator takes {' and '.join(own)}, got {unknown}. The other "
            "parameters are those of the estimator."
        )


def same_target(seen: Remembered, y: np.ndarray | None) -> bool:
    """Return whether `y` (n, m) is that of the fit, by its location and spread."""
    if y is None or seen.location is None or seen.spread is None:
        return False
    here = np.array([y.mean(axis=0), y.std(axis=0)])
    then = np.array([seen.location, seen.spread])
    return here.shape == then.shape and bool(np.allclose(here, then, rtol=1e-9))


def warn_of_units(seen: Remembered, y: np.ndarray) -> None:
    """Warn where `y` (n, m) lies far from that of the fit."""
    location, spread = seen.location, seen.spread
    if location is None or spread is None or not (spread > 0.0).all():
        return
    apart = np.abs(y.mean(axis=0) - location) > FAR * spread
    ratio = y.std(axis=0) / spread
    if (apart | (ratio > FAR) | (ratio * FAR < 1.0)).any():
        warn(
            f"y has mean {_short(y.mean(axis=0))} and standard deviation "
            f"{_short(y.std(axis=0))}, that of the fit had {_short(location)} and "
            f"{_short(spread)}. Was a scaler forgotten? Try the y that the network "
            "was fitted to.",
            exceptions.UnscaledDataWarning,
        )


def _short(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
