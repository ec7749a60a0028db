"""Rows of a `Prediction`: how many, some of them, draws of them. A mixin."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sklearn_nnci import _draws as draws

# What has one entry per row.
OF_ROWS = ("mean", "se_mean", "se_obs", "leverage", "extrapolates", "noise_variance",
           "size", "index")  # fmt: skip


class PredictionRows:
    """Methods of a `Prediction` that know of its rows."""

    mean: np.ndarray
    se_mean: np.ndarray
    se_obs: np.ndarray
    dof: float | np.ndarray
    covariance: Any
    joint: Any
    law: Any
    log_link: bool
    size: Any
    check_observations: Callable[[], None]

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows: Any) -> Any:
        """Return the `Prediction` of some rows: an int, a slice, an array, a mask.

        Its covariance is taken from that of all: of many rows, predict those wanted.
        """
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        of_rows = {
            name: getattr(self, name)[chosen]
            for name in OF_ROWS
            if getattr(self, name) is not None
        }
        between = {
            name: functools.partial(_between, getattr(self, name), chosen)
            for name in ("covariance", "joint")
            if getattr(self, name) is not None
        }
        return replace(self, **of_rows, **between)  # type: ignore[type-var]

    def sample(
        self, n: int = 1, random_state: Any = None, *, obs: bool = False
    ) -> np.ndarray:
        """Draw means, jointly over the rows, or new observations of them.

        Each follows the law of its interval: quantiles over many draws are the bounds
        of `conf_int`, but for those of low levels of a skewed law, which contain the
        confidence interval.

        Parameters
        ----------
        n : int, default=1
            Draws. They take the covariance of all rows with all, as `return_cov`.
        random_state : int, RandomState instance, default=None
            Draws are the same for the same int.
        obs : bool, default=False
            False: the regression mean, with what the rows have in common. True: a new
            observation at each row, its noise added.

        Returns
        -------
        drawn : ndarray of shape ``(n,) + mean.shape``
            In units of y.

        Raises
        ------
        ValueError
            If `n` is not positive, rows are not bounded or their covariance is not
            known, or `obs` is asked of a Poisson network whose y were no counts.
        """
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"n must be a positive int, got {n!r}. Try n=1000.")
        self._check_drawable(obs)
        rng, shape = check_random_state(random_state), np.shape(self.mean)
        dof = np.broadcast_to(self.dof, shape[1:])
        chi = draws.chi(rng, n, dof)[:, None]  # one for all rows
        unit = np.ravel(self.mean if self.log_link else np.ones(shape))
        cov = self.covariance().reshape(unit.size, unit.size)
        drawn = draws.jointly(rng, n, cov / np.outer(unit, unit)).reshape(n, *shape)
        if self.log_link:
            means = self.mean * np.exp(drawn / chi)
            return draws.counts(rng, means, self.size) if obs else means
        if not obs:
            return self.mean + drawn / chi
        beside = np.sqrt(np.maximum(self.se_obs**2 - self.se_mean**2, 0.0))
        unit = np.where(self.se_obs > 0.0, self.se_obs, 1.0)  # 0: without any noise
        T = (drawn + beside * rng.standard_normal(drawn.shape)) / chi / unit
        return self.mean + draws.errors(T, self.law, dof, self.se_obs)

    def _check_drawable(self, obs: bool) -> None:
        """Refuse what has no law to draw from."""
        if obs:
            self.check_observations()
        if self.covariance is None:
            raise ValueError(
                "sample needs the joint covariance of the rows. Try "
                "get_prediction(X).sample(n)."
            )
        unbounded = ~np.isfinite(self.se_obs if obs else self.se_mean)
        if unbounded.any():
            rows = np.flatnonzero(unbounded.reshape(len(self), -1).any(axis=1))
            raise ValueError(
                f"{len(rows)} of {len(self)} rows are not bounded, the first of them "
                f"{rows[0]}: there is no law to draw from. Try covariance='auto', or "
                "rows that are: prediction[np.isfinite(prediction.se_mean)]."
            )


def _between(covariance: Callable[[], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return the covariance of some rows, from that of all."""
    cov = covariance()
    return cov[rows].take(rows, axis=cov.ndim // 2)
