"""What y is on average where a column has a value, and how sure the whole curve is."""

from typing import Any

import numpy as np

from sklearn_nnci import _columns as columns
from sklearn_nnci._frames import table
from sklearn_nnci.effects import Estimates, partial_dependence_interval
from sklearn_nnci.effects import _rows as given_rows
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting._style import (
    BLACK,
    BLUE,
    ORANGE,
    bounded,
    check_matplotlib,
    legend_above,
    limits,
    name_places,
    open_corner,
    styled,
)

# Most axes beside each other in a new figure, and its inches for each of them.
BESIDE, WIDTH, HEIGHT = 3, 3.2, 3.0
# The least size of a new figure: matplotlib's own.
LEAST = (6.4, 4.8)
# Height of the rug, as a share of the axes.
RUG = 0.04
# Most curves of single rows.
MOST_ROWS = 50
# The two intervals, the narrower one upon the other.
LOOKS = {
    ("band", "each"): dict(color=BLUE, alpha=0.5, linewidth=0, zorder=2),
    ("band", "all"): dict(color=ORANGE, alpha=0.35, linewidth=0, zorder=1),
    ("bars", "each"): dict(color=BLUE, alpha=0.6, linewidth=5.0, zorder=2),
    ("bars", "all"): dict(color=ORANGE, alpha=0.9, linewidth=1.8, zorder=1),
}


class PartialDependenceIntervalDisplay:
    """Partial dependence with its error, one axes for each column.

    The inner band holds at each value of the column, the outer one everywhere at once:
    compare whole curves with it, such as a level line. Ticks at the bottom are rows.
    Columns of categories or of two values have points and bars.

    It is recommended to use `from_estimator`.

    Parameters
    ----------
    curves : sequence of Estimates
        One for each column, as `partial_dependence_interval` gives.
    data : sequence of ndarray or None, default=None
        The values of each column, for the rug.
    confidence_level : float, default=0.95
        Level of both bands.
    target_name : str, default="y"
        What is averaged.
    individual : sequence of ndarray or None, default=None
        Curves of some rows, (k, rows) for each column.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The averages.
    ci_ : list of matplotlib PolyCollection or LineCollection
        What holds at each value.
    band_ : list of matplotlib PolyCollection or LineCollection
        What holds everywhere at once.
    rugs_ : list of matplotlib LineCollection or None
        Where rows are.
    rows_ : list of matplotlib LineCollection or None
        The curves of single rows, where there are any and a line.
    axes_, figure_ : ndarray of matplotlib Axes, and Figure
        Where it is drawn.

    See Also
    --------
    sklearn_nnci.effects.partial_dependence_interval : The numbers, and their options.
    PredictionIntervalDisplay : One row along a feature, with intervals of new values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.plotting import PartialDependenceIntervalDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 2))
    >>> y = np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> display = PartialDependenceIntervalDisplay.from_estimator(
    ...     net, X, [0, 1], training=(X, y))
    >>> display.frame().shape
    (100, 7)
    """

    def __init__(self, *, curves, data=None, confidence_level=0.95, target_name="y",
                 individual=None):  # fmt: skip
        self.curves = curves
        self.data = data
        self.confidence_level = confidence_level
        self.target_name = target_name
        self.individual = individual

    def plot(self, ax=None, *, line_kwargs=None, ci_kwargs=None, band_kwargs=None,
             rug_kwargs=None,
             row_kwargs=None) -> "PartialDependenceIntervalDisplay":  # fmt: skip
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, one for each curve; None: a new figure.
        line_kwargs, ci_kwargs, band_kwargs, rug_kwargs, row_kwargs : dict, default=None
            Keywords for matplotlib's ``plot`` of the averages, ``fill_between``
            (``vlines`` of bars) of either interval, ``vlines`` of the rug, and the
            ``LineCollection`` of single rows.

        Returns
        -------
        display : PartialDependenceIntervalDisplay
            Self, with the artists.

        Raises
        ------
        ValueError
            If there are not as many axes as curves, or no interval is bounded.
        """
        check_matplotlib("PartialDependenceIntervalDisplay.plot")
        known = [self._intervals(curve) for curve in self.curves]
        if not np.isfinite(np.concatenate([ci for ci, _ in known])).any():
            raise ValueError(
                "No interval is bounded: there is nothing to see. Try more rows or "
                "fewer units; diagnostics() tells why."
            )
        axes = _axes(ax, len(self.curves))
        height = limits(*(one.estimate for one in self.curves), *sum(known, ()),
                        *(self.individual or ()))  # fmt: skip
        self.lines_: list[Any] = []
        self.ci_: list[Any] = []
        self.band_: list[Any] = []
        self.rugs_: list[Any] = []
        self.rows_: list[Any] = []
        for k, one in enumerate(axes):
            self._draw_curve(one, k, known[k], height, (line_kwargs, ci_kwargs,
                             band_kwargs))  # fmt: skip
            self.rows_.append(self._draw_rows(one, k, row_kwargs))
            self.rugs_.append(self._draw_rug(one, k, rug_kwargs))
            open_corner(one)
            if ax is not None or one.get_subplotspec().is_first_col():
                one.set_ylabel(f"average of {self.target_name}")
        legend_above(axes[0])
        self.axes_, self.figure_ = axes, axes[0].figure
        return self

    def _intervals(self, curve: Estimates) -> tuple[np.ndarray, np.ndarray]:
        """Return what holds at each value, and at all of them together, (k, 2)."""
        level = self.confidence_level
        return curve.conf_int(level), curve.conf_int(level, simultaneous="sup-t")

    def _draw_curve(self, ax, k, intervals, height, kwargs):
        """Draw curve `k` with its intervals."""
        curve, (line, *given) = self.curves[k], kwargs
        at, level = _places(curve), f"{self.confidence_level * 100:.4g}%"
        kind = "bars" if _is_apart(curve) else "band"
        look = (dict(linewidth=1.6) if kind == "band" else
                dict(marker="o", markersize=4, linestyle="none"))  # fmt: skip
        look |= dict(color=BLUE, label="average", zorder=3)
        (drawn,) = ax.plot(at, curve.estimate, **styled("line", look, line))
        self.lines_.append(drawn)
        draw = ax.fill_between if kind == "band" else ax.vlines
        parts = (("each", "each value", self.ci_), ("all", "all at once", self.band_))
        for (of, name, artists), interval, style in zip(
            parts, intervals, given, strict=True
        ):
            lost = "" if np.isfinite(interval).all() else " (∞)"
            look = LOOKS[kind, of] | dict(label=f"{name}, {level}{lost}")
            look = styled(kind, look, style)
            artists.append(draw(at, *bounded(interval, height).T, **look))
        if kind == "bars":
            name_places(ax, curve.columns["value"])
        ax.set(xlabel=curve.term[0], ylim=height)

    def _draw_rows(self, ax, k, kwargs):
        """Draw the curves of single rows; None where there are none, or no line."""
        if self.individual is None or _is_apart(self.curves[k]):
            return None
        from matplotlib.collections import LineCollection

        at, look = _places(self.curves[k]), dict(color=BLACK, alpha=0.25, zorder=1.5)
        look |= dict(linewidth=0.6, label="single rows")
        lines = [np.c_[at, one] for one in self.individual[k].T]
        return ax.add_collection(LineCollection(lines, **styled("bars", look, kwargs)))

    def _draw_rug(self, ax, k, kwargs):
        """Draw where rows are along curve `k`; None where there is no rug."""
        if self.data is None or _is_apart(self.curves[k]):
            return None
        values, ends = np.unique(self.data[k]), _places(self.curves[k])[[0, -1]]
        values = values[(ends[0] <= values) & (values <= ends[1])]
        rug = dict(color=BLACK, alpha=0.5, linewidth=0.6)
        across = ax.get_xaxis_transform()
        rug = styled("bars", rug, kwargs) | dict(transform=across)
        return ax.vlines(values, 0.0, RUG, **rug)

    def frame(self) -> Any:
        """Return the numbers drawn.

        Returns
        -------
        frame : pandas.DataFrame
            Columns term, value, estimate, conf_low, conf_high, which hold at each
            value, and band_low, band_high, which hold at all of a curve.
        """
        bounds = [self._intervals(curve) for curve in self.curves]
        ci, band = (np.concatenate(one) for one in zip(*bounds, strict=True))
        values = [curve.columns["value"] for curve in self.curves]
        if any(value.dtype.kind == "O" for value in values):
            values = [value.astype(object) for value in values]
        return table({
            "term": np.concatenate([curve.term for curve in self.curves]),
            "value": np.concatenate(values),
            "estimate": np.concatenate([curve.estimate for curve in self.curves]),
            "conf_low": ci[:, 0], "conf_high": ci[:, 1],
            "band_low": band[:, 0], "band_high": band[:, 1],
        })  # fmt: skip

    @classmethod
    def from_estimator(cls, estimator, X, features, *, kind="average", training=None,
                       sample_weight=None, grid_resolution=50,
                       percentiles=(0.05, 0.95), custom_values=None, debias="auto",
                       population=False, confidence_level=0.95, ax=None,
                       **kwargs) -> "PartialDependenceIntervalDisplay":  # fmt: skip
        """Draw the partial dependence of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with intervals; see `sklearn_nnci.plotting`.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows to average over.
        features : str, int, or sequence of these
            Columns, by name or number, one axes for each.
        kind : {'average', 'both'}, default='average'
            ``'both'`` draws the curves of up to 50 rows besides, evenly chosen: where
            they are not parallel, the effect of a column depends on others.
        training : tuple (X, y) or (X, y, sample_weight), default=None
            The rows given to fit. Without them averages are not corrected, and a
            warning says so.
        sample_weight, grid_resolution, percentiles, custom_values, debias, \
population : optional
            As in `sklearn_nnci.effects.partial_dependence_interval`.
        confidence_level : float, default=0.95
            In the open interval (0, 1).
        ax : matplotlib Axes or array-like of Axes, default=None
            Where to draw, one for each column; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : PartialDependenceIntervalDisplay
            With the artists.

        Raises
        ------
        TypeError, NotFittedError, ValueError
            As `sklearn_nnci.effects.partial_dependence_interval`, and as `plot`.
        """
        check_matplotlib("PartialDependenceIntervalDisplay.from_estimator")
        if kind not in ("average", "both"):
            raise ValueError(
                f"kind must be 'average' or 'both', got {kind!r}. The intervals of "
                "single rows are those of partial_dependence_interval(kind="
                "'individual')."
            )
        level, X = asked.check_level(confidence_level), columns.checked(X)
        chosen = given_rows.positions(X, features)
        curves = [
            partial_dependence_interval(
                estimator, X, j, grid_resolution=grid_resolution,
                percentiles=percentiles, custom_values=custom_values,
                training=training, sample_weight=sample_weight, debias=debias,
                population=population,
            ) for j in chosen
        ]  # fmt: skip
        data = [columns.column(X, j) for j in chosen]
        name = "y" if training is None else asked.targets(training[1], None)[1]
        rows = None
        if kind == "both":
            pairs = zip(chosen, curves, strict=True)
            rows = [_of_rows(estimator, X, *pair) for pair in pairs]
        new = cls(curves=curves, data=data, confidence_level=level, target_name=name,
                  individual=rows)  # fmt: skip
        return new.plot(ax, **kwargs)


def _of_rows(estimator: Any, X: Any, j: int, curve: Estimates) -> np.ndarray:
    """Return the curves of some rows at the values of an average, (k, rows)."""
    values = curve.columns["value"]
    some = np.unique(np.linspace(0, len(X) - 1, MOST_ROWS).astype(int))
    found = partial_dependence_interval(estimator, columns.take(X, some), j,
                                        kind="individual",
                                        custom_values={j: values})  # fmt: skip
    return found.estimate.reshape(len(values), len(some))


def _is_apart(curve: Estimates) -> bool:
    """Return whether nothing lies between the values of a curve: there is no line."""
    values = curve.columns["value"]
    return values.dtype.kind not in "iuf" or len(values) <= 2


def _places(curve: Estimates) -> np.ndarray:
    """Return where the values of a curve are drawn, (k,)."""
    values = curve.columns["value"]
    return np.arange(len(values)) if _is_apart(curve) else values


def _axes(ax: Any, n: int) -> np.ndarray:
    """Return `n` axes: those given, or of a new figure, which share y."""
    if ax is not None:
        found = np.ravel(np.array(ax, dtype=object))
        if len(found) != n:
            raise ValueError(
                f"ax holds {len(found)} axes, but {n} columns are drawn. Try "
                f"plt.subplots(1, {n})[1], or ax=None for a new figure."
            )
        return found
    import matplotlib.pyplot as plt

    high = -(-n // BESIDE)
    wide = -(-n // high)
    size = max(LEAST[0], WIDTH * wide), max(LEAST[1], HEIGHT * high)
    figure, axes = plt.subplots(high, wide, sharey=True, squeeze=False, figsize=size,
                                layout="constrained")  # fmt: skip
    for spare in axes.flat[n:]:
        figure.delaxes(spare)
    return axes.ravel()[:n]
