"""Effects below each other, each with its interval: a forest plot."""

from typing import Any

import numpy as np

from sklearn_nnci._frames import table
from sklearn_nnci.effects import avg_slopes
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting._style import (
    BLACK,
    BLUE,
    ORANGE,
    axes_of,
    bounded,
    check_matplotlib,
    legend_above,
    limits,
    open_corner,
    styled,
)

# Names of more effects than these are written smaller; of more than those they overlap.
MANY, MOST = 14, 30


class SlopesDisplay:
    """Average slopes, or other effects, each with its intervals.

    The thick bar holds for an effect alone, the thin one for all of them together:
    ask it whether *any* effect is there. Hollow points: 0 is within the thick bar.
    Slopes are per unit of their column: draw together those whose units compare.

    It is recommended to use `from_estimates` or `from_estimator`.

    Parameters
    ----------
    estimates : Estimates
        As the functions of `sklearn_nnci.effects` give.
    confidence_level : float, default=0.95
        Level of both intervals.

    Attributes
    ----------
    points_ : matplotlib PathCollection
        The estimates.
    ci_ : matplotlib LineCollection
        The interval of each alone.
    band_ : matplotlib LineCollection
        The intervals of all together.
    ref_line_ : matplotlib Line2D
        No effect.
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.

    See Also
    --------
    sklearn_nnci.effects.avg_slopes : The numbers, and their options.
    PartialDependenceIntervalDisplay : Where a slope alone says too little.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.plotting import SlopesDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.2 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> display = SlopesDisplay.from_estimator(net, X, training=(X, y))
    >>> display.frame()["term"].tolist()
    ['x0', 'x1']
    """

    def __init__(self, *, estimates, confidence_level=0.95):
        self.estimates = estimates
        self.confidence_level = confidence_level

    def plot(self, ax=None, *, scatter_kwargs=None, ci_kwargs=None, band_kwargs=None,
             ref_line_kwargs=None) -> "SlopesDisplay":  # fmt: skip
        """Draw the effects, the first on top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        scatter_kwargs, ci_kwargs, band_kwargs, ref_line_kwargs : dict, default=None
            Keywords for matplotlib's ``scatter``, ``hlines`` of either interval and
            ``axvline`` of no effect.

        Returns
        -------
        display : SlopesDisplay
            Self, with the artists.

        Raises
        ------
        ValueError
            If there are more effects than names would fit, or no interval is bounded.
        """
        ci, band = self._intervals()
        _check(ci)
        ax = axes_of(ax, "SlopesDisplay.plot")
        rows, ends = np.arange(len(ci)), limits(ci, band, self.estimates.estimate, 0.0)
        level = f"{self.confidence_level * 100:.4g}%"
        line = dict(color=BLACK, linestyle="--", linewidth=1.0, zorder=0)
        thick = dict(color=BLUE, alpha=0.6, linewidth=5.0, zorder=2)
        thin = dict(color=ORANGE, linewidth=1.8, zorder=1)
        self.ref_line_ = ax.axvline(0.0, **styled("line", line, ref_line_kwargs))
        for name, label, look, interval, given in (
            ("ci_", "each alone", thick, ci, ci_kwargs),
            ("band_", "all at once", thin, band, band_kwargs),
        ):
            lost = "" if np.isfinite(interval).all() else " (∞)"
            look = styled("bars", look | dict(label=f"{label}, {level}{lost}"), given)
            setattr(self, name, ax.hlines(rows, *bounded(interval, ends).T, **look))
        self.points_ = self._draw_points(ax, rows, ci, scatter_kwargs)
        size = "small" if len(rows) <= MANY else "x-small"
        ax.set_yticks(rows, self._names(), fontsize=size)
        ax.set(xlabel=self._label(), xlim=ends, ylim=(len(rows) - 0.5, -0.5))
        open_corner(ax)
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_points(self, ax, rows, ci, kwargs):
        """Draw the estimates, hollow where 0 is within their interval."""
        points = dict(color=BLUE, s=26, linewidth=1.2, zorder=3)
        points = styled("points", points, kwargs)
        drawn = ax.scatter(self.estimates.estimate, rows, **points)
        none = (ci[:, 0] <= 0.0) & (ci[:, 1] >= 0.0)
        full, hollow = drawn.get_facecolor(), np.ones(4)
        drawn.set_facecolor(np.where(none[:, None], hollow, full))
        return drawn

    def _intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval of each effect, and those of all together, (K, 2)."""
        found, level = self.estimates, self.confidence_level
        return found.conf_int(level), found.conf_int(level, simultaneous="sup-t")

    def _names(self) -> list[str]:
        """Return what effects are called: their column, and what else tells them."""
        found = self.estimates
        several = len(set(found.contrast)) > 1
        parts = [found.term, *([found.contrast] if several else [])]
        for name, values in found.columns.items():
            parts.append([f"{name} {value}" for value in values])
        parts += [] if found.index is None else [found.index]
        return [", ".join(map(str, one)) for one in zip(*parts, strict=True)]

    def _label(self) -> str:
        """Return what the axis says: what all effects are, if that is one thing."""
        kinds = set(self.estimates.contrast)
        of = "" if self.estimates.target == "sample" else ", of the population"
        return (kinds.pop() if len(kinds) == 1 else "estimate") + of

    def frame(self) -> Any:
        """Return the numbers drawn.

        Returns
        -------
        frame : DataFrame
            Of the kind that X was: columns term, contrast, groups if there are any,
            estimate, conf_low, conf_high, which hold for an effect alone, and band_low,
            band_high, which hold for all together.
        """
        found, (ci, band) = self.estimates, self._intervals()
        shown = {"term": found.term, "contrast": found.contrast, **found.columns}
        shown |= {"estimate": found.estimate}
        shown |= {"conf_low": ci[:, 0], "conf_high": ci[:, 1]}
        shown |= {"band_low": band[:, 0], "band_high": band[:, 1]}
        return table(shown, found.index, found.frames)

    @classmethod
    def from_estimates(cls, estimates, *, confidence_level=0.95, ax=None,
                       **kwargs) -> "SlopesDisplay":  # fmt: skip
        """Draw effects that were computed before.

        Parameters
        ----------
        estimates : Estimates
            As the functions of `sklearn_nnci.effects` give.
        confidence_level : float, default=0.95
            In the open interval (0, 1).
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : SlopesDisplay
            With the artists.
        """
        level = asked.check_level(confidence_level)
        return cls(estimates=estimates, confidence_level=level).plot(ax, **kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, features=None, *, training=None,
                       sample_weight=None, by=None, step="auto", debias="auto",
                       population=False, confidence_level=0.95, ax=None,
                       **kwargs) -> "SlopesDisplay":  # fmt: skip
        """Draw the average slopes of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with intervals; see `sklearn_nnci.plotting`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows to average over.
        features : str, int, or sequence of these, default=None
            Columns, by name or number; None is every numeric column of more than two
            values.
        training : tuple (X, y) or (X, y, sample_weight), default=None
            The rows given to fit. Without them averages are not corrected, and a
            warning says so.
        sample_weight, by, step, debias, population : optional
            As in `sklearn_nnci.effects.avg_slopes`.
        confidence_level : float, default=0.95
            In the open interval (0, 1).
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : SlopesDisplay
            With the artists.

        Raises
        ------
        TypeError, NotFittedError, ValueError
            As `sklearn_nnci.effects.avg_slopes`, and as `plot`.
        """
        check_matplotlib("SlopesDisplay.from_estimator")
        found = avg_slopes(
            estimator, X, features, training=training, sample_weight=sample_weight,
            by=by, step=step, debias=debias, population=population,
        )  # fmt: skip
        return cls.from_estimates(
            found, confidence_level=confidence_level, ax=ax, **kwargs
        )


def _check(ci: np.ndarray) -> None:
    """Refuse what a picture cannot show."""
    if len(ci) > MOST:
        raise ValueError(
            f"estimates holds {len(ci)} effects, but names of at most {MOST} fit. Try "
            "features=..., averages, or PartialDependenceIntervalDisplay for a curve."
        )
    if not np.isfinite(ci).any():
        raise ValueError(
            "No interval is bounded: there is nothing to see. Try more rows or fewer "
            "units; diagnostics() tells why."
        )
