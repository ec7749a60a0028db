"""From moments and a confidence level to an interval."""

from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from scipy import stats


def check_levels(confidence_level):
    """Return `confidence_level` as an array of floats in the open (0, 1)."""
    try:
        levels = np.asarray(confidence_level)
    except ValueError:  # a ragged sequence
        levels = np.array(None)
    numeric = levels.dtype.kind in "iuf" or (
        levels.dtype.kind == "O" and all(isinstance(v, Real) for v in levels.flat)
    )
    if numeric and levels.size:
        levels = levels.astype(float)
        if np.all((levels > 0.0) & (levels < 1.0)):
            return levels
    percent = [v for v in levels.flat if numeric and 2.0 < v < 100.0]
    hint = f" Did you mean {percent[0] / 100:g}, not {percent[0]:g}?" if percent else ""
    raise ValueError(
        "confidence_level must be a number, or a non-empty sequence of numbers, in the "
        f"open interval (0, 1), such as 0.95. Got {confidence_level!r}.{hint}"
    )


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions with their uncertainty, as `MLPRegressorCI.get_prediction` gives.

    Intervals of any level, of the mean and of a new observation, and a table.

    Parameters
    ----------
    mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What ``predict`` gives, in units of y.
    se_mean : ndarray, as `mean`
        Standard error of the regression mean, in units of y. Infinite where the
        data do not bound it.
    se_obs : ndarray, as `mean`
        Standard deviation of a new observation around `mean`, in units of y.
    dof : float or ndarray of shape (n_outputs,)
        Degrees of freedom of the Student quantiles; infinite for a known noise.
    index : pandas.Index or None
        Row labels of X, if it had any.

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
    """

    mean: np.ndarray
    se_mean: np.ndarray
    se_obs: np.ndarray
    dof: float | np.ndarray
    index: object = field(default=None, repr=False)

    def conf_int(self, confidence_level=0.95, *, obs=False):
        """Return the interval of the mean, or of a new observation.

        Parameters
        ----------
        confidence_level : float or array-like of float, default=0.95
            In the open interval (0, 1).
        obs : bool, default=False
            False: the confidence interval of the regression mean. True: the
            prediction interval of a new observation.

        Returns
        -------
        interval : ndarray of shape ``mean.shape + (2,) + np.shape(confidence_level)``
            Lower and upper bounds, mean -+ t(dof) se.

        Raises
        ------
        ValueError
            If a level is not in (0, 1).
        """
        levels = check_levels(confidence_level)
        se = np.asarray(self.se_obs if obs else self.se_mean)
        mean = np.asarray(self.mean, dtype=float)
        tail = (...,) + (None,) * levels.ndim
        # One row of quantiles per output; broadcasting puts rows of X before it.
        t = stats.t.isf((1.0 - levels) / 2.0, np.asarray(self.dof)[tail])
        unbounded = ~np.isfinite(se[tail] * np.ones_like(t)) | ~np.isfinite(t)
        with np.errstate(invalid="ignore"):
            half = np.where(unbounded, np.inf, se[tail] * t)
        return np.stack([mean[tail] - half, mean[tail] + half], axis=mean.ndim)

    def to_frame(self, confidence_level=0.95):
        """Return everything as a table, with statsmodels' column names.

        Parameters
        ----------
        confidence_level : float, default=0.95
            In the open interval (0, 1).

        Returns
        -------
        frame : pandas.DataFrame
            Columns mean, mean_se, mean_ci_lower, mean_ci_upper, obs_ci_lower and
            obs_ci_upper, under one first level y0, y1, ... per output if there are
            several; rows labelled as X was.

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            If the level is not one number in (0, 1).
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas. Try `pip install pandas`, or use the arrays "
                "mean, se_mean and conf_int()."
            ) from error
        if np.ndim(confidence_level):
            raise ValueError(
                "to_frame takes one confidence_level, got "
                f"{confidence_level!r}. Try conf_int for several."
            )
        ci = self.conf_int(confidence_level)
        pi = self.conf_int(confidence_level, obs=True)
        columns = {
            "mean": self.mean,
            "mean_se": self.se_mean,
            "mean_ci_lower": ci[..., 0],
            "mean_ci_upper": ci[..., 1],
            "obs_ci_lower": pi[..., 0],
            "obs_ci_upper": pi[..., 1],
        }
        if np.ndim(self.mean) == 1:
            return pd.DataFrame(columns, index=self.index)
        outputs = {
            f"y{k}": pd.DataFrame(
                {name: values[:, k] for name, values in columns.items()},
                index=self.index,
            )
            for k in range(np.shape(self.mean)[1])
        }
        return pd.concat(outputs, axis=1)
