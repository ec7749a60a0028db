"""Predictions and both intervals, along a feature or beside what was observed."""

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from sklearn_nnci import _columns as columns
from sklearn_nnci._frames import table
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting import _interval_artists as artists
from sklearn_nnci.plotting import _interval_numbers as numbers
from sklearn_nnci.plotting._style import (
    axes_of,
    check_matplotlib,
    legend_above,
    open_corner,
)


class PredictionIntervalDisplay:
    """Predictions with their confidence and prediction intervals.

    Along one feature, as bands about a curve (bars, for categories); or observed
    against predicted values, a bar for each row, and what lies outside marked.

    It is recommended to use `from_estimator`, `from_predictions` or `from_cv_results`.

    Parameters
    ----------
    y_pred : ndarray of shape (n,)
        Predictions.
    ci, pi : ndarray of shape (n, 2), default=None
        Confidence intervals of the mean, prediction intervals of an observation.
    x : ndarray of shape (n,), default=None
        Values of the feature; None: observed against predicted.
    x_data : ndarray of shape (n_data,), default=None
        Values of the feature in the data.
    y_data : ndarray of shape (n_data,), default=None
        Observed values; without `x`, one for each of `y_pred`.
    confidence_level : float, default=0.95
        Level of the intervals.
    feature_name, target_name : str, default="x", "y"
        What the axes say.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve, or the diagonal; for categories the predictions.
    ci_, pi_ : matplotlib PolyCollection, LineCollection or None
        Bands, or bars; beside observations, `ci` is drawn without `pi` only.
    scatter_, outside_ : matplotlib PathCollection or None
        Data; of observed against predicted, those inside and outside of their bar.
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.

    See Also
    --------
    CoverageDisplay : How often the intervals hold, at every level.

    Notes
    -----
    Where an interval is not bounded, its band or bar reaches the edge of the picture,
    and the legend has an ∞. Along a feature the data vary in all the others too, which
    the prediction interval of a typical row does not contain.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.plotting import PredictionIntervalDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      solver="lbfgs", max_iter=5000, random_state=0).fit(X, y)
    >>> display = PredictionIntervalDisplay.from_estimator(net, X, y, feature=0)
    >>> display.frame().columns[:3].tolist()
    ['x0', 'mean', 'mean_ci_lower']
    """

    def __init__(self, *, y_pred, ci=None, pi=None, x=None, x_data=None, y_data=None,
                 confidence_level=0.95, feature_name="x", target_name="y"):  # fmt: skip
        self.y_pred = y_pred
        self.ci = ci
        self.pi = pi
        self.x = x
        self.x_data = x_data
        self.y_data = y_data
        self.confidence_level = confidence_level
        self.feature_name = feature_name
        self.target_name = target_name

    def plot(self, ax=None, *, line_kwargs=None, ci_kwargs=None, pi_kwargs=None,
             scatter_kwargs=None,
             outside_kwargs=None) -> "PredictionIntervalDisplay":  # fmt: skip
        """Draw the intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        line_kwargs, ci_kwargs, pi_kwargs, scatter_kwargs, outside_kwargs : dict, \
default=None
            Keywords for matplotlib's ``plot``, ``fill_between`` (``vlines`` of bars)
            and ``scatter``.

        Returns
        -------
        display : PredictionIntervalDisplay
            Self, with the artists.

        Raises
        ------
        ValueError
            If no interval is bounded: there is nothing to see.
        """
        intervals = [one for one in (self.ci, self.pi) if one is not None]
        if intervals and not any(np.isfinite(one).any() for one in intervals):
            raise ValueError(
                "No interval is bounded: there is nothing to see. Try "
                "covariance='auto', more rows or fewer units; diagnostics() tells why."
            )
        ax = axes_of(ax, "PredictionIntervalDisplay.plot")
        given = artists.Styles(
            line_kwargs, ci_kwargs, pi_kwargs, scatter_kwargs, outside_kwargs
        )
        draw = artists.observed if self.x is None else artists.feature
        drawn = draw(ax, self, given)
        self.line_, self.ci_, self.pi_, self.scatter_, self.outside_ = drawn
        open_corner(ax)
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def frame(self) -> Any:
        """Return the numbers drawn.

        Returns
        -------
        frame : pandas.DataFrame
            Columns mean, mean_ci_lower, mean_ci_upper, obs_ci_lower, obs_ci_upper as
            far as they are known, before them the feature, by its name; or after them
            observed, and whether it is inside.
        """
        found = {} if self.x is None else {self.feature_name: self.x}
        found["mean"] = self.y_pred
        for name, interval in (("mean_ci", self.ci), ("obs_ci", self.pi)):
            if interval is not None:
                found |= {f"{name}_lower": interval[:, 0]}
                found |= {f"{name}_upper": interval[:, 1]}
        if self.x is None:
            found["observed"] = self.y_data
            if self.pi is not None:
                found["inside"] = artists.inside(self.y_data, self.pi)
        return table(found)

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, feature=None, others="median",
                       target=None, confidence_level=0.95, grid_resolution=100,
                       subsample=1000, random_state=None, ax=None,
                       **kwargs) -> "PredictionIntervalDisplay":  # fmt: skip
        """Draw the intervals of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with intervals; see `sklearn_nnci.plotting`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows, as the estimator takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their targets; None along a feature: no data are drawn.
        feature : int or str, default=None
            Number or name of a column of X, to go along its range or its categories.
            None: observed against predicted.
        others : {'median', 'average'}, default='median'
            What the other features are: their medians (of categories the most frequent
            one); or those of rows of X, over which is averaged, 100 of them at most.
            An average is observed nowhere, and has no prediction interval.
        target : int, default=None
            Which of several outputs.
        confidence_level : float, default=0.95
            In the open interval (0, 1).
        grid_resolution : int, default=100
            Points along the feature.
        subsample : int, float or None, default=1000
            Rows drawn, or their share; None: all.
        random_state : int, RandomState instance, default=None
            Chooses those rows.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : PredictionIntervalDisplay
            With the artists.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted, or has no inference.
        ValueError
            If there is no such feature or target, or no interval is bounded.
        """
        check_matplotlib("PredictionIntervalDisplay.from_estimator")
        level, X = asked.check_level(confidence_level), columns.checked(X)
        check_consistent_length(X, y)
        rows = asked.subsampled(X.shape[0], subsample, random_state)
        if feature is not None:
            known = numbers.along(estimator, X, feature, others, target, level,
                                  grid_resolution, random_state)  # fmt: skip
            known |= numbers.data(estimator, X, y, feature, target, rows)
            return cls(**known).plot(ax, **kwargs)
        if y is None:
            raise ValueError(
                "y=None and feature=None leave nothing to draw. Try feature=0 to go "
                "along the first column, or y to see observed against predicted."
            )
        part = estimator, columns.take(X, rows), columns.take(y, rows)
        return cls(**numbers.observed([part], target, level)).plot(ax, **kwargs)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, ci=None, pi=None, x=None,
                         confidence_level=0.95, feature_name="x", target_name="y",
                         ax=None, **kwargs) -> "PredictionIntervalDisplay":  # fmt: skip
        """Draw intervals that were computed before.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            Observed values; with `x`, None draws no data.
        y_pred : array-like of shape (n_samples,)
            Predictions.
        ci, pi : array-like of shape (n_samples, 2), default=None
            Confidence and prediction intervals, one of them at least.
        x : array-like of shape (n_samples,), default=None
            Numbers to go along; None: observed against predicted.
        confidence_level : float, default=0.95
            Level of the intervals, for the legend.
        feature_name, target_name : str, default="x", "y"
            What the axes say.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : PredictionIntervalDisplay
            With the artists.
        """
        check_matplotlib("PredictionIntervalDisplay.from_predictions")
        known = numbers.given(y_true, y_pred, ci, pi, x)
        new = cls(**known, confidence_level=asked.check_level(confidence_level),
                  feature_name=feature_name, target_name=target_name)  # fmt: skip
        return new.plot(ax, **kwargs)

    @classmethod
    def from_cv_results(cls, cv_results, X, y, *, target=None, confidence_level=0.95,
                        subsample=1000, random_state=None, ax=None,
                        **kwargs) -> "PredictionIntervalDisplay":  # fmt: skip
        """Draw observed against predicted values, each row by a fit without it.

        Parameters
        ----------
        cv_results : dict
            Of `cross_validate` with ``return_estimator=True, return_indices=True``.
        X, y : array-like
            The data given to it.
        target : int, default=None
            Which of several outputs.
        confidence_level : float, default=0.95
            In the open interval (0, 1).
        subsample : int, float or None, default=1000
            Rows drawn, or their share; None: all.
        random_state : int, RandomState instance, default=None
            Chooses those rows.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : PredictionIntervalDisplay
            With the artists.
        """
        check_matplotlib("PredictionIntervalDisplay.from_cv_results")
        level = asked.check_level(confidence_level)
        found = numbers.observed(asked.left_out(cv_results, X, y), target, level)
        rows = asked.subsampled(len(found["y_pred"]), subsample, random_state)
        found |= {
            name: found[name][rows]
            for name in ("y_pred", "ci", "pi", "y_data")
            if found[name] is not None
        }
        return cls(**found).plot(ax, **kwargs)
