"""Which x gives y0: calibration, by the curve and its interval."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats

from sklearn_nnci import _columns as columns
from sklearn_nnci import _critical as critical
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._wrapped import get_prediction
from sklearn_nnci.effects._model import model_of

# Points between the bounds at which crossings are looked for.
GRID = 201
# Half of the step of the slope of the curve, as a share of the bounds.
STEP = 1e-4


class InversePrediction(NamedTuple):
    """The x that gives y0, and its interval.

    The interval need not be symmetric, and is unbounded where the data do not bound it.

    Parameters
    ----------
    estimate : float
        Where the curve is y0.
    conf_low, conf_high : float
        Bounds; infinite where the interval reaches those between which x was sought.
    std_error : float
        Of the estimate, by Wald's method; nan for inversion.
    method : str
        ``"inversion"`` or ``"wald"``.

    See Also
    --------
    inverse_predict : Gives it.

    Examples
    --------
    >>> from sklearn_nnci.effects import InversePrediction
    >>> InversePrediction(1.0, 0.8, 1.2, 0.1, "wald").estimate
    1.0
    """

    estimate: float
    conf_low: float
    conf_high: float
    std_error: float
    method: str


def inverse_predict(
    estimator, y0, feature, *, at, bounds, obs=True, method="inversion",
    confidence_level=0.95,
) -> InversePrediction:  # fmt: skip
    """Return the value of a column at which y is y0, with its interval.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`.
    y0 : float or array-like of shape (m,)
        An observation, or several of the same x, of which the mean is taken.
    feature : str or int
        The column that is asked for.
    at : {array-like, DataFrame} of shape (1, n_features)
        A row with the values of the other columns.
    bounds : tuple (low, high)
        Between which the value is looked for; the curve must cross y0 once there.
    obs : bool, default=True
        True: y0 was observed, with noise. False: y0 is a value of the mean.
    method : {'inversion', 'wald'}, default='inversion'
        ``'inversion'``: the values at which the interval of y contains y0. ``'wald'``:
        symmetric, by the slope of the curve; wrong where that is flat.
    confidence_level : float, default=0.95
        In the open interval (0, 1).

    Returns
    -------
    found : InversePrediction
        Estimate and interval. An interval of several pieces is given from the first to
        the last; where it reaches `bounds` it is unbounded.

    Raises
    ------
    ValueError
        If the curve does not cross y0 between the bounds, or crosses it several times.

    See Also
    --------
    optimum : Where the curve is highest.

    References
    ----------
    .. [1] B. M. Greenwell and C. M. Schubert Kabban, "investr: an R package for
       inverse estimation", R Journal 6, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import inverse_predict
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0, 2, (100, 1))
    >>> y = X[:, 0] ** 2 + 0.1 * rng.standard_normal(100)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> found = inverse_predict(net, 1.0, 0, at=[[0.0]], bounds=(0.2, 2.0))
    >>> print("%.1f" % found.estimate)
    1.0
    """
    level = critical.check_levels(confidence_level)
    if level.ndim:
        raise ValueError(
            f"confidence_level must be a number, got {confidence_level!r}."
        )
    if method not in ("inversion", "wald"):
        raise ValueError(f"method must be 'inversion' or 'wald', got {method!r}.")
    row, (low, high) = columns.checked(at), bounds
    if len(row) != 1:
        raise ValueError(f"at must be one row of X, got {len(row)}.")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"bounds must be (low, high), finite, got {bounds!r}.")
    column = columns.position(feature, columns.names(row))
    y0 = np.atleast_1d(y0).astype(float)
    dof, m = model_of(estimator).dof, y0.size if obs else 0
    curve = Curve(estimator, row, column, float(y0.mean()), m, float(level), dof)
    x = _crossing(curve, low, high)
    if method == "wald":
        return _wald(curve, x, high - low)
    return InversePrediction(x, *_inverted(curve, x, low, high), np.nan, method)


class Curve(NamedTuple):
    """y along one column, less y0."""

    estimator: Any
    row: Any
    """One row of X."""
    column: int
    """Number of the column that varies."""
    y0: float
    m: int
    """Observations that y0 is the mean of; 0: it is a value of the mean."""
    level: float
    dof: float

    def predicted(self, x: np.ndarray) -> Prediction:
        """Return the `Prediction` at values of the column."""
        rows = columns.take(self.row, np.zeros(len(x), dtype=int))
        moved = columns.with_column(rows, self.column, x)
        return get_prediction(self.estimator, moved)

    def mean(self, x: np.ndarray) -> np.ndarray:
        """Return f - y0, (k,)."""
        return np.ravel(self.predicted(x).mean) - self.y0

    def std_error(self, found: Prediction) -> np.ndarray:
        """Return the standard error of f - y0, (k,)."""
        if self.m < 2:
            return np.ravel(found.se_obs if self.m else found.se_mean)
        noise = np.asarray(found.noise_variance)
        return np.sqrt(np.ravel(found.se_mean**2 + noise / self.m))

    @property
    def critical(self) -> float:
        """Student's quantile."""
        return float(stats.t.isf((1.0 - self.level) / 2.0, self.dof))

    def outside(self, x: np.ndarray) -> np.ndarray:
        """Return how far y0 is outside of intervals, (k,); negative inside."""
        found = self.predicted(x)
        if self.m < 2:
            interval = found.conf_int(self.level, obs=self.m == 1).reshape(-1, 2)
        else:  # the law of a mean is nearer to Student's
            half = self.critical * self.std_error(found)
            interval = np.ravel(found.mean)[:, None] + np.stack([-half, half], axis=1)
        return np.maximum(interval[:, 0] - self.y0, self.y0 - interval[:, 1])


def _crossing(curve: Curve, low: float, high: float) -> float:
    """Return where the curve is y0; ValueError unless that is one place."""
    x = np.linspace(low, high, GRID)
    y = curve.mean(x)
    changes = np.flatnonzero(np.sign(y[:-1]) * np.sign(y[1:]) < 0.0)
    zeros = np.flatnonzero(y == 0.0)
    if len(changes) + len(zeros) != 1:
        crosses = len(changes) + len(zeros)
        raise ValueError(
            f"The curve is y0 at {crosses or 'no'} places between {low:g} and "
            f"{high:g}, where it goes from y0{y.min():+.4g} to y0{y.max():+.4g}. Try "
            f"{'narrower' if crosses else 'other'} bounds."
        )
    if len(zeros):
        return float(x[zeros[0]])
    return _root(curve.mean, x[changes[0]], x[changes[0] + 1])


def _root(f: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """Return where f changes its sign."""
    one = lambda x: float(f(np.array([x]))[0])  # noqa: E731
    return float(optimize.brentq(one, low, high, xtol=1e-14, rtol=1e-14))


def _inverted(curve: Curve, x: float, low: float, high: float) -> tuple[float, float]:
    """Return from where to where intervals of y contain y0."""
    grid = np.union1d(np.linspace(low, high, GRID), [x])
    inside = np.flatnonzero(curve.outside(grid) <= 0.0)
    first, last = inside[0], inside[-1]
    start, end = -np.inf, np.inf
    if first > 0:
        start = _root(curve.outside, grid[first - 1], grid[first])
    if last < len(grid) - 1:
        end = _root(curve.outside, grid[last], grid[last + 1])
    return start, end


def _wald(curve: Curve, x: float, width: float) -> InversePrediction:
    """Return x with the interval of its linearisation."""
    h = STEP * width
    # of fourth order: the error of (f(x + h) - f(x - h)) / 2h is removed by that of 2h
    one, two = np.diff(curve.mean(x + h * np.array([-1, 1, -2, 2])))[::2] / h
    slope = (8.0 * one - two) / 12.0
    se = curve.std_error(curve.predicted(np.array([x])))[0]
    error = float(abs(se / slope)) if slope else np.inf
    half = curve.critical * error
    return InversePrediction(x, x - half, x + half, error, "wald")
