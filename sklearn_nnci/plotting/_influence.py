"""Leverage against studentised residual, with contours of Cook's distance.

With t the external and r the internal studentised residual, h the leverage and dof the
degrees of freedom of the noise,

    D = r^2 h / ((1 - h) edf),        t^2 = r^2 (dof - 1) / (dof - r^2)

of a single output: where D is constant, h tells r, and that t.
"""

from typing import Any

import numpy as np

from sklearn_nnci import _mixture as mixture
from sklearn_nnci._frames import table
from sklearn_nnci._inference.influence import Influence
from sklearn_nnci.plotting import _asked as asked
from sklearn_nnci.plotting._style import (
    BLACK,
    BLUE,
    RED,
    axes_of,
    check_matplotlib,
    legend_above,
    open_corner,
    styled,
)

# Contours: where a row moves the fit noticeably (Cook & Weisberg 1982); and 4 / n, to
# look at (Bollen & Jackman 1990).
COOK = (0.5, 1.0)
# Points nearer than this share of the picture have their names on different sides.
NEAR = 0.15


class InfluenceDisplay:
    """What each row does to the fit: leverage against studentised residual.

    To the right lie rows that the fit follows, above and below those it misses; what
    does both moves it most, as Cook's distance tells.

    It is recommended to use `from_estimator`.

    Parameters
    ----------
    leverage, studentized_residuals, cooks_distance : ndarray of shape (n_samples,)
        As of `MLPRegressorCI.influence`, of one output; nan for rows that did not
        train.
    labels : array-like of shape (n_samples,)
        Names of the rows.
    edf, dof : float, default=None
        Degrees of freedom used up, and left for the noise; None: no contours, as for
        several outputs, which share one Cook's distance.
    n_labels : int, default=5
        Rows that are named, those of the largest Cook's distance.

    Attributes
    ----------
    scatter_, outliers_ : matplotlib PathCollection
        All rows but those named, and those.
    contours_ : list of matplotlib Line2D
        Of Cook's distance.
    texts_ : list of matplotlib Annotation
        Names of the rows, and of the contours.
    ax_, figure_ : matplotlib Axes and Figure
        Where it is drawn.

    See Also
    --------
    MLPRegressorCI.influence : The numbers.

    References
    ----------
    .. [1] R. D. Cook and S. Weisberg, "Residuals and Influence in Regression", 1982.
    .. [2] K. A. Bollen and R. W. Jackman, "Regression diagnostics", 1990.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.plotting import InfluenceDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (60, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(60)
    >>> y[7] += 1.0
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh", alpha=0.01,
    ...                      solver="lbfgs", max_iter=5000, random_state=0).fit(X, y)
    >>> display = InfluenceDisplay.from_estimator(net, X, y)
    >>> int(display.frame()["studentized_residuals"].idxmax())
    7
    """

    def __init__(self, *, leverage, studentized_residuals, cooks_distance, labels,
                 edf=None, dof=None, n_labels=5):  # fmt: skip
        self.leverage = leverage
        self.studentized_residuals = studentized_residuals
        self.cooks_distance = cooks_distance
        self.labels = labels
        self.edf = edf
        self.dof = dof
        self.n_labels = n_labels

    def plot(self, ax=None, *, scatter_kwargs=None, outlier_kwargs=None,
             contour_kwargs=None, text_kwargs=None) -> "InfluenceDisplay":  # fmt: skip
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        scatter_kwargs, outlier_kwargs, contour_kwargs, text_kwargs : dict, \
default=None
            Keywords for matplotlib's ``scatter`` of the rows and of those named,
            ``plot`` of the contours, and ``annotate``.

        Returns
        -------
        display : InfluenceDisplay
            Self, with the artists.
        """
        ax = axes_of(ax, "InfluenceDisplay.plot")
        rows, named = self._drawn()
        at, rest = rows[named], np.delete(rows, named, axis=0)
        rest = rest[np.isfinite(rest[:, 0])]
        self._draw_points(ax, rest, at, scatter_kwargs, outlier_kwargs)
        most = 1.1 * np.nanmax(np.abs(rows), axis=0)
        width, height = np.where(most > 0.0, most, 1.0)
        ax.axhline(0.0, color=BLACK, linewidth=0.8, alpha=0.5)
        ax.set(xlabel="leverage", ylabel="studentised residual", xlim=(0.0, width),
               ylim=(-height, height))  # fmt: skip
        self.contours_: list[Any] = []
        self.texts_: list[Any] = []
        if self.edf is not None and self.dof > 1.0:
            self._draw_contours(ax, at, width, height, contour_kwargs, text_kwargs)
        sides = zip(named, at, *_sides(at, width, height), strict=True)
        for row, point, left, below in sides:
            self._write(ax, self.labels[row], point, left, below, text_kwargs)
        open_corner(ax)
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _drawn(self):
        """Return leverage and residual as drawn, (n, 2), and which rows are named.

        A row that the fit goes through has no residual of its own: it is drawn at 0.
        """
        h, t = np.asarray(self.leverage), np.asarray(self.studentized_residuals)
        trained = np.isfinite(h)
        order = np.argsort(-np.where(trained, self.cooks_distance, -np.inf))
        named = order[: min(self.n_labels, trained.sum())]
        return np.column_stack([h, np.where(np.isfinite(t), t, 0.0)]), named

    def _draw_points(self, ax, rest, named, kwargs, named_kwargs):
        """Draw the rows, those that are named by another mark."""
        points = dict(color=BLUE, s=14, alpha=0.6, linewidth=0, label="row")
        out = dict(color=RED, s=26, marker="D", linewidth=0, zorder=3,
                   label="largest Cook's distance")  # fmt: skip
        self.scatter_ = ax.scatter(*rest.T, **styled("points", points, kwargs))
        self.outliers_ = ax.scatter(*named.T, **styled("points", out, named_kwargs))

    def _draw_contours(self, ax, at, width, height, kwargs, text_kwargs):
        """Draw where Cook's distance is constant, as far as that is in the picture.

        Its value is written where the contour comes in, above or below: away from the
        points `at`, which have names.
        """
        n = np.isfinite(self.leverage).sum()
        h = np.linspace(0.0, min(width, 0.999), 400)[1:]
        style = dict(color=BLACK, linewidth=0.9, linestyle="--")
        for D, name in ((4.0 / n, "D=4/n"), *((D, f"D={D:g}") for D in COOK)):
            t = contour(D, h, self.edf, self.dof)
            if not (t < height).any():
                continue
            for side in (t, -t):
                label = None if self.contours_ else "Cook's distance D"
                look = styled("line", style | dict(label=label), kwargs)
                self.contours_ += ax.plot(h, side, **look)
            comes_in = np.flatnonzero(t < height)[0]
            ends = np.outer([1.0, 1.0], [h[comes_in], t[comes_in]])
            ends[1, 1] *= -1.0
            away = np.abs((ends[:, None] - at) / [width, height]).max(axis=2)
            side = int(np.argmax(away.min(axis=1, initial=np.inf)))
            self._write(ax, name, ends[side], False, side == 0, text_kwargs, "x-small")

    def _write(self, ax, text, at, left, below, kwargs, size="small"):
        """Write a name beside a point, to its left or right, below or above."""
        style = dict(fontsize=size, ha="right" if left else "left",
                     va="top" if below else "bottom",
                     xytext=(-4 if left else 4, -2 if below else 2))  # fmt: skip
        style = styled("text", style, kwargs) | dict(textcoords="offset points")
        self.texts_.append(ax.annotate(str(text), at, **style))

    def frame(self) -> Any:
        """Return the numbers drawn.

        Returns
        -------
        frame : pandas.DataFrame
            Columns leverage, studentized_residuals, cooks_distance; rows labelled.
        """
        names = ("leverage", "studentized_residuals", "cooks_distance")
        return table({name: getattr(self, name) for name in names}, self.labels)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, sample_weight=None, target=None,
                       n_labels=5, ax=None,
                       **kwargs) -> "InfluenceDisplay":  # fmt: skip
        """Draw the influence of the rows that an estimator was fitted to.

        Parameters
        ----------
        estimator : estimator
            Fitted, with intervals; see `sklearn_nnci.plotting`. Of a committee, what is
            drawn are averages over its members, by their weights.
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            The rows that it was trained on; their index names the rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        target : int, default=None
            Which of several outputs.
        n_labels : int, default=5
            Rows that are named, those of the largest Cook's distance.
        ax : matplotlib Axes, default=None
            Where to draw; None: a new figure.
        **kwargs : dict
            As for `plot`.

        Returns
        -------
        display : InfluenceDisplay
            With the artists.

        Raises
        ------
        ValueError
            If these are not the rows of the fit.
        """
        check_matplotlib("InfluenceDisplay.from_estimator")
        found = _influence(estimator, X, y, sample_weight)
        k = asked.output_number(found.leverage.shape, target)
        of = slice(None) if k is None else (slice(None), k)
        h, t = found.leverage[of], found.studentized_residuals[of]
        known = {}
        if k is None:
            w = np.ones(len(h)) if sample_weight is None else np.asarray(sample_weight)
            edf = float(np.nansum(w * h))
            known = dict(edf=edf, dof=float(w[np.isfinite(h)].sum() - edf))
        index = X.index if hasattr(X, "iloc") else np.arange(len(h))
        new = cls(leverage=h, studentized_residuals=t, n_labels=n_labels, labels=index,
                  cooks_distance=found.cooks_distance, **known)  # fmt: skip
        return new.plot(ax, **kwargs)


def _sides(
    at: np.ndarray, width: float, height: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which names stand to the left of their point, and which below it.

    Away from the edge, and from the next point that has a name.
    """
    apart = (at[None] - at[:, None]) / [width, 2.0 * height]
    near = (np.abs(apart) < NEAR).all(axis=2)
    left = (near & (apart[..., 0] > 0.0)).any(axis=1)
    left |= at[:, 0] > (1.0 - NEAR) * width
    below = (near & (apart[..., 1] > 0.0)).any(axis=1)
    return left, below


def contour(D: float, h: np.ndarray, edf: float, dof: float) -> np.ndarray:
    """Return the external studentised residual at which Cook's distance is `D`."""
    r2 = D * edf * (1.0 - h) / h
    return np.sqrt(np.divide(r2 * (dof - 1.0), dof - r2, where=r2 < dof,
                             out=np.full_like(h, np.inf)))  # fmt: skip


def _influence(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Influence:
    """Return the `Influence` of the rows, of a committee the weighted average."""
    model, X = asked.inside(estimator, X, "get_prediction")
    if hasattr(model, "regressor_"):  # what is drawn has no units of y
        y = np.asarray(y, dtype=float)
        u = np.asarray(model.transformer_.transform(y.reshape(len(y), -1)))
        y = u.reshape(y.shape)
        model, X = asked.inside(model.regressor_, X, "get_prediction")
    if not hasattr(model, "estimators_"):
        return model.influence(X, y, sample_weight)
    used = np.flatnonzero(model.weights_)
    X = X.to_numpy() if hasattr(X, "to_numpy") else X  # as members saw it
    own = [model.estimators_[k].influence(X, y, sample_weight) for k in used]
    w = model.weights_[used]
    return Influence(*(mixture.average(w, values) for values in zip(*own, strict=True)))
