"""How often intervals hold, beside how often they say so.

Of n independent rows the number inside their interval of level c is binomial (n, c) if
the level is right: the band holds 95 % of what chance does.
"""

from typing import Any

import numpy as np
from scipy import stats
from sklearn.utils import check_consistent_length

from sklearn_nnci._critical import check_levels
from sklearn_nnci._frames import table
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting._style import (
    BLACK,
    BLUE,
    axes_of,
    check_matplotlib,
    legend_above,
    open_corner,
    styled,
)

LEVELS = (*np.arange(1, 20) / 20, 0.99)
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Level of the band around what is expected.
BAND = 0.95


class CoverageDisplay:
    """Observed coverage of prediction intervals against their level.

    A line above the diagonal: intervals are wider than they need be; below: too
    narrow. Within the band, the difference is what chance does with so few rows. Use
    rows that did not train.

    It is recommended to use `from_estimator`, `from_predictions` or `from_cv_results`.

    Parameters
    ----------
    nominal : ndarray of shape (n_levels,)
        Levels of the intervals.
    observed : ndarray of shape (n_levels,)
        Share of the rows inside.
    n_samples : int
        Rows, which set the width of the band.
    name : str, default=None
        What the legend says.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Observed coverage.
    ref_line_ : matplotlib Line2D or None
        The diagonal.
    band_ : matplotlib PolyCollection or None
        The band of chance.
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.

    See Also
    --------
    PredictionIntervalDisplay : The intervals themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_validate
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.plotting import CoverageDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      solver="lbfgs", max_iter=5000, random_state=0)
    >>> found = cross_validate(net, X, y, return_estimator=True, return_indices=True)
    >>> display = CoverageDisplay.from_cv_results(found, X, y)
    >>> display.frame().shape
    (20, 4)
    """

    def __init__(self, *, nominal, observed, n_samples, name=None):
        self.nominal = nominal
        self.observed = observed
        self.n_samples = n_samples
        self.name = name

    def plot(self, ax=None, *, name=None, ref_line=True, line_kwargs=None,
             ref_line_kwargs=None, band_kwargs=None) -> "CoverageDisplay":  # fmt: skip
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        name : str, default=None
            What the legend says; None: the name given at construction.
        ref_line : bool, default=True
            Draw the diagonal and its band; once is enough for several curves of as
            many rows on the same axes.
        line_kwargs, ref_line_kwargs, band_kwargs : dict, default=None
            Keywords for matplotlib's ``plot``, ``plot`` and ``fill_between``.

        Returns
        -------
        display : CoverageDisplay
            Self, with the artists.
        """
        ax = axes_of(ax, "CoverageDisplay.plot")
        self.ref_line_, self.band_ = None, None
        if ref_line:
            self._draw_reference(ax, ref_line_kwargs, band_kwargs)
        label = f"observed, {self.n_samples:,} rows"
        name = self.name if name is None else name
        style = dict(color=BLUE, marker="o", markersize=3.5, linewidth=1.2,
                     clip_on=False, label=label if name is None else name)  # fmt: skip
        (self.line_,) = ax.plot(
            self.nominal, self.observed, **styled("line", style, line_kwargs)
        )
        ax.set(xlabel="level of the prediction interval", xlim=(0, 1), ylim=(0, 1),
               ylabel="share of rows inside", aspect="equal",
               xticks=TICKS, yticks=TICKS)  # fmt: skip
        open_corner(ax)
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_reference(self, ax, line_kwargs, band_kwargs):
        """Draw the diagonal, and the band of chance around it."""
        levels = np.linspace(0, 1, 201)
        band = dict(color=BLACK, alpha=0.2, linewidth=0, label=f"{BAND:.0%} by chance")
        line = dict(color=BLACK, linestyle="--", linewidth=1.0, label="as stated")
        band = styled("band", band, band_kwargs)
        self.band_ = ax.fill_between(levels, *_chance(levels, self.n_samples), **band)
        (self.ref_line_,) = ax.plot([0, 1], [0, 1], **styled("line", line, line_kwargs))

    def frame(self) -> Any:
        """Return the numbers drawn.

        Returns
        -------
        frame : pandas.DataFrame
            Columns nominal, observed, and lower and upper, the band of chance.
        """
        lower, upper = _chance(self.nominal, self.n_samples)
        return table(dict(nominal=self.nominal, observed=self.observed, lower=lower,
                          upper=upper))  # fmt: skip

    @classmethod
    def from_estimator(cls, estimator, X, y, *, levels=None, target=None, ax=None,
                       name=None, **kwargs) -> "CoverageDisplay":  # fmt: skip
        """Draw the coverage of a fitted estimator on rows that it did not see.

        Parameters
        ----------
        estimator : estimator
            Fitted, with intervals; see `sklearn_nnci.plotting`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows that did not train: on those that did, intervals hold too often.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        levels : array-like of float, default=None
            Levels in (0, 1); None: .05, .10, ..., .95, .99.
        target : int, default=None
            Which of several outputs.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        name : str, default=None
            What the legend says.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : CoverageDisplay
            With the artists.
        """
        check_matplotlib("CoverageDisplay.from_estimator")
        levels = _levels(levels)
        inside = _inside(estimator, X, y, levels, target)
        return cls._of(inside, len(inside), levels, name).plot(ax, **kwargs)

    @classmethod
    def from_predictions(cls, y_true, y_interval, *, levels=None, ax=None, name=None,
                         **kwargs) -> "CoverageDisplay":  # fmt: skip
        """Draw the coverage of intervals at several levels.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Observed values.
        y_interval : array-like of shape (n_samples, 2, n_levels)
            Their intervals, as `MLPRegressorCI.predict` gives them for several levels.
        levels : array-like of float, default=None
            Those levels; None: .05, .10, ..., .95, .99.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        name : str, default=None
            What the legend says.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : CoverageDisplay
            With the artists.
        """
        check_matplotlib("CoverageDisplay.from_predictions")
        levels, y = _levels(levels), np.asarray(y_true, dtype=float)
        interval, expected = np.asarray(y_interval), (len(y), 2, len(levels))
        if interval.shape != expected or y.ndim != 1:
            raise ValueError(
                f"y_interval has the shape {interval.shape}, but {expected} belongs to "
                f"y_true of shape {y.shape} and {len(levels)} levels. Try "
                "predict(X, return_pi=True, confidence_level=levels)[1]."
            )
        inside = _holds(y, interval)
        return cls._of(inside, len(y), levels, name).plot(ax, **kwargs)

    @classmethod
    def from_cv_results(cls, cv_results, X, y, *, levels=None, target=None, ax=None,
                        name=None, **kwargs) -> "CoverageDisplay":  # fmt: skip
        """Draw the coverage in cross-validation, over all folds.

        Parameters
        ----------
        cv_results : dict
            Of `cross_validate` with ``return_estimator=True, return_indices=True``.
        X, y : array-like
            The data given to it.
        levels : array-like of float, default=None
            Levels in (0, 1); None: .05, .10, ..., .95, .99.
        target : int, default=None
            Which of several outputs.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        name : str, default=None
            What the legend says.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : CoverageDisplay
            With the artists. Rows that several folds left out count once in the band.
        """
        check_matplotlib("CoverageDisplay.from_cv_results")
        levels = _levels(levels)
        inside = [
            _inside(estimator, rows, of_rows, levels, target)
            for estimator, rows, of_rows in asked.left_out(cv_results, X, y)
        ]
        n = len(np.unique(np.concatenate(cv_results["indices"]["test"])))
        return cls._of(np.concatenate(inside), n, levels, name).plot(ax, **kwargs)

    @classmethod
    def _of(cls, inside, n, levels, name):
        return cls(nominal=levels, observed=inside.mean(axis=0), n_samples=n, name=name)


def _levels(levels: Any) -> np.ndarray:
    return np.atleast_1d(check_levels(LEVELS if levels is None else levels))


def _inside(estimator: Any, X: Any, y: Any, levels: Any, target: Any) -> np.ndarray:
    """Return which rows are inside at which level, (n, n_levels)."""
    if y is None:
        raise ValueError("y=None leaves nothing to count. Try the targets of X.")
    check_consistent_length(X, y)
    found = asked.prediction(estimator, X)
    pi = asked.output(found, target, levels).pi
    if pi is None:
        raise ValueError(
            "loss='poisson' of targets that are no counts has intervals of the mean, "
            "which is not observed, and none of an observation: there is no coverage "
            "to see. Try loss='squared_error', or PredictionIntervalDisplay."
        )
    k = asked.output_number(np.shape(found.mean), target)
    return _holds(asked.targets(y, k)[0], pi)


def _holds(y: np.ndarray, interval: np.ndarray) -> np.ndarray:
    return (interval[:, 0] <= y[:, None]) & (y[:, None] <= interval[:, 1])


def _chance(levels: np.ndarray, n: int) -> np.ndarray:
    """Return the bounds of the shares that chance makes of `n` rows, (2, n_levels)."""
    tails = np.array([[(1.0 - BAND) / 2.0], [(1.0 + BAND) / 2.0]])
    return stats.binom.ppf(tails, n, levels) / n
