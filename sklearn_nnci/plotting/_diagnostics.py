"""The checks of a fit, each as its value over its threshold: beyond 1 it fails."""

from typing import Any

import numpy as np

from sklearn_nnci._frames import table
from sklearn_nnci._inference.diagnostics import NOT_APPLICABLE, NOTICE, OK, WARNING
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting._style import (
    BLACK,
    BLUE,
    ORANGE,
    RED,
    axes_of,
    check_matplotlib,
    legend_above,
    open_corner,
    styled,
)

# Colour and marker of each verdict: either tells them apart.
LOOKS = {
    OK: dict(color=BLUE, marker="o"),
    NOTICE: dict(color=ORANGE, marker="^"),
    WARNING: dict(color=RED, marker="X"),
}
# What is further beyond its threshold is drawn here.
FURTHEST = 20.0
# Names of more checks than these are written smaller.
MANY = 14
TICKS = {0.0: "0", 0.5: "½", 1.0: "1", 2.0: "2", FURTHEST: "≥ 20"}


class DiagnosticsDisplay:
    """Every check of `MLPRegressorCI.diagnostics` in one picture.

    Each is drawn as its value over its threshold, by r / (1 + r), so that the threshold
    is in the middle. Below 1 it is well.

    It is recommended to use `from_estimator`.

    Parameters
    ----------
    diagnostics : Diagnostics
        As `MLPRegressorCI.diagnostics` returns.

    Attributes
    ----------
    points_ : dict of matplotlib PathCollection
        By verdict.
    stems_ : matplotlib LineCollection
        From 0 to the points.
    threshold_ : matplotlib Line2D
        Where checks begin to fail.
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.

    See Also
    --------
    MLPRegressorCI.diagnostics : The same in words, with advice.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.plotting import DiagnosticsDisplay
    >>> X = np.linspace(-2, 2, 50)[:, None]
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      solver="lbfgs", max_iter=5000, random_state=0)
    >>> display = DiagnosticsDisplay.from_estimator(net.fit(X, np.sin(X[:, 0])))
    >>> display.frame().columns.tolist()
    ['name', 'value', 'threshold', 'ratio', 'verdict', 'advice']
    """

    def __init__(self, *, diagnostics):
        self.diagnostics = diagnostics

    def plot(self, ax=None, *, scatter_kwargs=None, stem_kwargs=None,
             line_kwargs=None) -> "DiagnosticsDisplay":  # fmt: skip
        """Draw the checks that apply, the first on top.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        scatter_kwargs, stem_kwargs, line_kwargs : dict, default=None
            Keywords for matplotlib's ``scatter`` of the points, ``hlines`` of what
            leads to them and ``axvline`` of the threshold.

        Returns
        -------
        display : DiagnosticsDisplay
            Self, with the artists.
        """
        ax = axes_of(ax, "DiagnosticsDisplay.plot")
        shown = [check for check in self.diagnostics if check.verdict != NOT_APPLICABLE]
        at = np.minimum([ratio(c.value, c.threshold) for c in shown], FURTHEST)
        rows = np.arange(len(shown))
        stems = dict(color=BLACK, alpha=0.35, linewidth=1.0)
        line = dict(color=BLACK, linestyle="--", linewidth=1.0, label="threshold")
        ax.set_xscale("function", functions=(_shrunk, _stretched))
        ax.set_xlim(0.0, FURTHEST)  # before margins would go beyond what is infinite
        self.stems_ = ax.hlines(rows, 0.0, at, **styled("bars", stems, stem_kwargs))
        self.threshold_ = ax.axvline(1.0, **styled("line", line, line_kwargs))
        verdicts = np.array([check.verdict for check in shown])
        self._draw_points(ax, at, rows, verdicts, scatter_kwargs)
        size = "small" if len(shown) <= MANY else "x-small"
        ax.set_xticks(list(TICKS), list(TICKS.values()), minor=False)
        ax.set_yticks(rows, [check.name for check in shown], fontsize=size)
        ax.set(xlabel="value over threshold", ylim=(len(shown) - 0.5, -0.5))
        open_corner(ax)
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_points(self, ax, at, rows, verdicts, kwargs):
        """Draw the checks, each verdict by its own mark."""
        self.points_ = {}
        for verdict, look in LOOKS.items():
            of = verdicts == verdict
            if of.any():
                points = look | dict(s=32, zorder=3, clip_on=False, label=verdict)
                points = styled("points", points, kwargs)
                self.points_[verdict] = ax.scatter(at[of], rows[of], **points)

    def frame(self) -> Any:
        """Return the numbers drawn, and those of checks that do not apply.

        Returns
        -------
        frame : pandas.DataFrame
            Columns name, value, threshold, ratio, verdict, advice.
        """
        ratios = [ratio(c.value, c.threshold) for c in self.diagnostics]
        columns = ("name", "value", "threshold", "verdict", "advice")
        found = {name: [getattr(c, name) for c in self.diagnostics] for name in columns}
        order = ("name", "value", "threshold", "ratio", "verdict", "advice")
        found["ratio"] = ratios
        return table({name: np.array(found[name]) for name in order})

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs) -> "DiagnosticsDisplay":
        """Draw the checks of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with intervals; see `sklearn_nnci.plotting`.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : DiagnosticsDisplay
            With the artists.
        """
        check_matplotlib("DiagnosticsDisplay.from_estimator")
        model, _ = asked.inside(estimator, None, "diagnostics")
        return cls(diagnostics=model.diagnostics()).plot(ax, **kwargs)


def ratio(value: float, threshold: float) -> float:
    """Return how far a value is on its way to the threshold, which is 1.

    Where the threshold is negative, values are well below it: -30 of -3 is 0.1.
    """
    if np.isnan(value):
        return np.nan
    if threshold > 0.0:
        return max(value, 0.0) / threshold
    if threshold < 0.0:
        return threshold / value if value < 0.0 else np.inf
    return 0.0 if value <= 0.0 else np.inf


def _shrunk(r: Any) -> Any:
    return np.asarray(r) / (1.0 + np.asarray(r))


def _stretched(u: Any) -> Any:
    return np.asarray(u) / (1.0 - np.asarray(u))
