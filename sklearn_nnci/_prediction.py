"""The record `Prediction`: moments, intervals and a table."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_nnci import _critical as critical
from sklearn_nnci import _frames as frames
from sklearn_nnci._critical import check_keywords, check_levels, check_simultaneous
from sklearn_nnci._inference import counts
from sklearn_nnci._inference.error_law import reach
from sklearn_nnci._inference.report import numbers, text_table, titled_html
from sklearn_nnci._prediction_rows import PredictionRows

# Predictions that are printed, the level of their intervals, what is left out.
SHOWN, LEVEL, BESIDE = 5, 0.95, ("leverage", "extrapolates")


@dataclass(frozen=True, eq=False)
class Prediction(PredictionRows):
    """Predictions with their uncertainty, as `MLPRegressorCI.get_prediction` gives.

    Intervals of any level, of the mean and of a new observation, draws of either, and
    a table. ``prediction[rows]`` are those of some rows, by number, slice or mask.

    Parameters
    ----------
    mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What ``predict`` gives, in units of y.
    se_mean : ndarray, as `mean`
        Standard error of the regression mean, in units of y. Infinite where the
        data do not bound it.
    se_obs : ndarray, as `mean`
        Standard deviation of a new observation around `mean`, in units of y; nan where
        a Poisson network was fitted to no counts.
    dof : float or ndarray of shape (n_outputs,)
        Degrees of freedom of the Student quantiles; infinite for a known noise.
    index : pandas.Index or None
        Row labels of X, if it had any.
    rank : int or None
        Rank of the Jacobian, for Scheffe intervals; None where they do not apply.
    covariance : callable or None
        Gives the covariance of `mean`, ``mean.shape * 2``.
    joint : callable or None
        Gives that of sup-t intervals, if it is another: averages over x are none.
    log_link : bool
        Whether the interval is symmetric for log(mean), as with a Poisson loss.
    leverage : ndarray, as `mean`, or None
        Variance of the mean in units of that of the noise, at the minimum: what a
        training row would have as h / (1 - h).
    extrapolates : ndarray of bool of shape (n_samples,), or None
        Whether the training rows say nothing at that row: its leverage is beyond all
        of theirs, or a column beyond its range by a tenth of that. Intervals are not
        known to hold there.
    noise_variance : ndarray, as `mean`, or None
        Variance of the noise there, in squared units of y.
    law : object or None
        Law of the noise that gives the quantiles of prediction intervals, in units of
        `se_obs`; None: Student's.
    frames : str or None
        Library of frames that X was of, if another than pandas: ``'polars'``.
    size : ndarray, as `mean`, or None
        Of counts, the size of their negative binomial law: their variance is mean +
        mean^2 / size. Infinite for Poisson.

    See Also
    --------
    MLPRegressorCI.predict : The same intervals by keyword.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import Prediction
    >>> one = Prediction(np.array([2.0]), np.array([0.1]), np.array([1.0]), np.inf)
    >>> one.conf_int().round(2)
    array([[1.8, 2.2]])
    >>> both = Prediction(np.array([2.0, 3.0]), np.array([0.1, 0.2]), np.ones(2), 9.0)
    >>> len(both), both[both.mean > 2.5].mean
    (2, array([3.]))
    """

    mean: np.ndarray
    se_mean: np.ndarray
    se_obs: np.ndarray
    dof: float | np.ndarray
    index: Any = field(default=None, repr=False)
    rank: int | None = field(default=None, repr=False)
    covariance: Any = field(default=None, repr=False)
    joint: Any = field(default=None, repr=False)
    log_link: bool = False
    leverage: np.ndarray | None = field(default=None, repr=False)
    extrapolates: np.ndarray | None = field(default=None, repr=False)
    noise_variance: np.ndarray | None = field(default=None, repr=False)
    law: Any = field(default=None, repr=False)
    frames: str | None = field(default=None, repr=False)
    size: np.ndarray | None = field(default=None, repr=False)

    def conf_int(
        self, confidence_level: Any = 0.95, *, obs: bool = False,
        simultaneous: str | None = None, **unknown: Any,
    ) -> np.ndarray:  # fmt: skip
        """Return the interval of the mean, or of a new observation.

        Parameters
        ----------
        confidence_level : float or array-like of float, default=0.95
            In the open interval (0, 1).
        obs : bool, default=False
            False: the confidence interval of the regression mean. True: the
            prediction interval of a new observation. That of counts is two integers,
            which count as within it: outside of them lies at most half of what the
            level leaves, on either side. It contains every integer of the confidence
            interval, which for a mean below 1 may be none.
        simultaneous : {None, 'bonferroni', 'scheffe', 'sup-t'}, default=None
            None: each interval holds at its level. Else all of this call hold
            together: by Bonferroni's inequality; for every x at all, with
            ``'least_squares'`` and ``'frequentist'`` only (Scheffe); or by simulation
            of their joint distribution, which is narrowest. Intervals of new
            observations take ``'bonferroni'`` only.
        **unknown : dict
            Refused; an `alpha`, with what to write in its place.

        Returns
        -------
        interval : ndarray of shape ``mean.shape + (2,) + np.shape(confidence_level)``
            Lower and upper bounds.

        Raises
        ------
        ValueError
            If a level is not in (0, 1), if `simultaneous` does not apply, or if
            `obs` is asked of a Poisson network whose y were no counts.
        TypeError
            If there is another keyword.
        """
        check_keywords("conf_int", unknown)
        levels = check_levels(confidence_level)
        if obs and self.log_link:
            return self._of_a_new_count(levels, simultaneous)
        mean = np.asarray(self.mean, dtype=float)
        tail = (...,) + (None,) * levels.ndim
        below, above = self._reaches(levels, obs, simultaneous)
        unbounded = ~np.isfinite(below) | ~np.isfinite(above)
        with np.errstate(invalid="ignore", over="ignore"):
            if self.log_link:
                ratio = np.exp(above / mean[tail])
                bounds = [mean[tail] / ratio, mean[tail] * ratio]
            else:
                bounds = [mean[tail] - below, mean[tail] + above]
        # A mean that overflows has no bounds either.
        widest = [0.0 if self.log_link else -np.inf, np.inf]
        bounds = [
            np.where(unbounded, end, bound)
            for end, bound in zip(widest, bounds, strict=True)
        ]
        return np.stack(bounds, axis=mean.ndim)

    def _reaches(
        self, levels: np.ndarray, obs: bool, simultaneous: str | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return how far intervals reach below and above the mean.

        (n[, m], *levels); not finite where the data do not bound it.
        """
        tail = (...,) + (None,) * levels.ndim
        # One row of critical values per output; broadcasting puts rows of X first.
        c = self._critical(levels, np.asarray(self.dof)[tail], obs, simultaneous)
        se_mean, se_obs = np.asarray(self.se_mean)[tail], np.asarray(self.se_obs)[tail]
        if not (obs and self.law):
            half = (se_obs if obs else se_mean) * c
            return half, half
        k = self._number() if simultaneous else 1
        ends = self.law.quantile(1.0 - (1.0 - levels) / k)
        if np.ndim(self.mean) == 1:
            ends = [end[0] for end in ends]
        below, above = (reach(end, c, se_mean, se_obs) for end in ends)
        return below, above

    def check_observations(self) -> None:
        """Raise ValueError where a new observation has no known law."""
        if self.log_link and self.size is None:
            raise ValueError(
                "With loss='poisson' a new observation has an interval if y are "
                "counts: they are not all integers, or an earlier version fitted them. "
                "Try return_ci=True, the interval of the mean, or fit_inference(X, y)."
            )

    def _of_a_new_count(
        self, levels: np.ndarray, simultaneous: str | None
    ) -> np.ndarray:
        """Return the prediction interval of a count; see `counts.interval`."""
        self.check_observations()
        mean, each = np.asarray(self.mean, dtype=float), (...,) + (None,) * levels.ndim
        c = self._critical(levels, np.asarray(self.dof)[each], True, simultaneous)
        k = self._number() if simultaneous else 1
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            half = c * (np.asarray(self.se_mean) / mean)[each]
        tail = (1.0 - levels) / 2.0 / k
        bounds = counts.interval(mean[each], half, np.asarray(self.size)[each], tail)
        return np.stack(bounds, axis=mean.ndim)

    def _number(self) -> int:
        """Return how many intervals one call has."""
        return max(np.size(self.mean), 1)

    def _critical(
        self, levels: np.ndarray, dof: np.ndarray, obs: bool, simultaneous: str | None
    ) -> np.ndarray:
        """Return the factors of the standard errors, for each output and level."""
        check_simultaneous(simultaneous)
        if simultaneous is None:
            return critical.pointwise(levels, dof)
        if simultaneous == "bonferroni":
            return critical.pointwise(levels, dof, self._number())
        if obs:
            raise ValueError(
                f"simultaneous={simultaneous!r} is for the mean: new observations have "
                "noise of their own. Try simultaneous='bonferroni'."
            )
        if simultaneous == "scheffe":
            return critical.scheffe(levels, dof, self.rank)
        cov = self.joint or self.covariance
        return critical.sup_t(levels, dof, cov, np.asarray(self.se_mean))

    def to_frame(self, confidence_level: float = 0.95) -> Any:
        """Return everything as a table, with statsmodels' column names.

        Parameters
        ----------
        confidence_level : float, default=0.95
            In the open interval (0, 1).

        Returns
        -------
        frame : pandas.DataFrame, or a frame of the library that X was of
            Columns mean, mean_se, mean_ci_lower, mean_ci_upper, obs_ci_lower and
            obs_ci_upper, then `leverage` and `extrapolates` if they are known; rows
            labelled as X was. Several outputs y0, y1, ... are a first level of columns,
            and where a library has one level only, the first word: ``y0_mean``.

        Raises
        ------
        ImportError
            If pandas, or narwhals for another library, is not installed.
        ValueError
            If the level is not one number in (0, 1).
        """
        if np.ndim(confidence_level):
            raise ValueError(
                "to_frame takes one confidence_level, got "
                f"{confidence_level!r}. Try conf_int for several."
            )
        columns: dict[Any, Any] = self._columns(confidence_level)
        if np.ndim(self.mean) > 1:
            columns = {
                (f"y{k}", name): values[:, k]
                for k in range(np.shape(self.mean)[1])
                for name, values in columns.items()
            }
        return frames.table(columns, self.index, self.frames)

    def _columns(self, level: Any) -> dict[str, Any]:
        """Return the columns of `to_frame`, each shaped as `mean`."""
        ci = self.conf_int(level)
        none = np.full_like(ci, np.nan)
        known = self.size is not None or not self.log_link
        pi = self.conf_int(level, obs=True) if known else none
        columns = {
            "mean": self.mean,
            "mean_se": self.se_mean,
            "mean_ci_lower": ci[..., 0],
            "mean_ci_upper": ci[..., 1],
            "obs_ci_lower": pi[..., 0],
            "obs_ci_upper": pi[..., 1],
        }
        if self.leverage is not None and self.extrapolates is not None:
            flagged = np.reshape(self.extrapolates, (-1,) + (1,) * (ci.ndim - 2))
            columns["leverage"] = self.leverage
            columns["extrapolates"] = np.broadcast_to(flagged, np.shape(self.mean))
        return columns

    def __str__(self) -> str:
        cells = self._first_rows()
        short = {name: cells[name] for name in cells if name not in BESIDE}
        return self._title() + "\n" + text_table(short)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return titled_html(self._title(), self._first_rows())

    def _title(self) -> str:
        n, flagged = len(self.mean), self.extrapolates
        far = 0 if flagged is None else np.sum(flagged)
        beyond = f" (of which {far} extrapolate)" if far else ""
        first = f", the first {self._shown()}" if self._shown() < n else ""
        return f"Prediction of {n} rows{beyond}{first}, with {LEVEL:.0%} intervals"

    def _shown(self) -> int:
        """Return how many rows are printed."""
        n, outputs = len(self.mean), int(np.prod(np.shape(self.mean)[1:]))
        return min(max(SHOWN // outputs, 1), n)

    def _first_rows(self) -> dict[str, list[str]]:
        """Return the first rows of the table as strings, named by row and output."""
        try:
            columns = self._columns(LEVEL)
        except ValueError:  # bounds that cannot pass the inverse of a transformer
            columns = {"mean": self.mean, "mean_se": self.se_mean}
        n = self._shown()
        labels = range(n) if self.index is None else self.index[:n]
        if np.ndim(self.mean) > 1:
            outputs = range(np.shape(self.mean)[1])
            labels = [f"{label} y{k}" for label in labels for k in outputs]
        return {"": [f"{label}" for label in labels]} | {
            name: numbers(np.ravel(column[:n]), "#.4g")
            for name, column in columns.items()
            if not np.isnan(column).all()
        }
