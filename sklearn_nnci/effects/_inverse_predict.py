"""Which x gives y0: calibration, by the curve and its interval."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats

from sklearn_nnci import _critical as critical
from sklearn_nnci.effects import _columns as columns
from sklearn_nnci.effects._model import model_of
from sklearn_nnci.metrics import unwrap

# Points between the bounds at which crossings are looked for.
GRID = 201
# Half of the step of the slope of the curve, as a share of the bounds.
STEP = 1e-4


class InversePrediction(NamedTuple):
    """The x that gives y0, and its interval.

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
    curve = _curve(estimator, y0, feature, at, bounds, obs, level)
    x = _crossing(curve, *bounds)
    if method == "wald":
        return _wald(curve, x, bounds, level)
    low, high = _inverted(curve, x, *bounds)
    return InversePrediction(x, low, high, np.nan, method)


class Curve(NamedTuple):
    """y along one column, less y0."""

    mean: Callable[[np.ndarray], np.ndarray]
    interval: Callable[[np.ndarray], np.ndarray]
    """Of y, (k, 2)."""
    std_error: Callable[[np.ndarray], np.ndarray]
    dof: float


def _curve(
    estimator: Any, y0: Any, feature: Any, at: Any, bounds: Any, obs: bool,
    level: np.ndarray,
) -> Curve:  # fmt: skip
    """Return the `Curve` of a column, other columns as `at`."""
    model, row = model_of(estimator), columns.table(at)
    if len(row) != 1:
        raise ValueError(f"at must be one row of X, got {len(row)}.")
    low, high = bounds
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"bounds must be (low, high), finite, got {bounds!r}.")
    j, observed = columns.position(row, feature), np.atleast_1d(y0).astype(float)
    target, m = observed.mean(), observed.size

    def predicted(x: np.ndarray) -> Any:
        rows = columns.take(row, np.zeros(len(x), dtype=int))
        end, rows = unwrap(estimator, columns.with_column(rows, j, x))
        return end.get_prediction(rows)

    def std_error(x: np.ndarray) -> np.ndarray:
        found = predicted(x)
        if not obs or m == 1:
            return np.ravel(found.se_obs if obs else found.se_mean)
        return np.sqrt(np.ravel(found.se_mean**2 + found.noise_variance / m))

    def interval(x: np.ndarray) -> np.ndarray:
        if obs and m > 1:  # the law of a mean is nearer to Student's
            c = critical.pointwise(level, np.asarray(model.dof))
            half = c * std_error(x)
            mean = np.ravel(predicted(x).mean)
            return np.stack([mean - half, mean + half], axis=1) - target
        found = predicted(x).conf_int(float(level), obs=obs)
        return found.reshape(-1, 2) - target

    return Curve(
        lambda x: np.ravel(predicted(x).mean) - target, interval, std_error, model.dof
    )


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

    def outside(x: np.ndarray) -> np.ndarray:
        """Return how far y0 is outside of the interval; negative inside."""
        bounds = curve.interval(x)
        return np.maximum(bounds[:, 0], -bounds[:, 1])

    inside = np.flatnonzero(outside(grid) <= 0.0)
    first, last = inside[0], inside[-1]
    start = -np.inf if first == 0 else _root(outside, grid[first - 1], grid[first])
    at_end = last == len(grid) - 1
    return start, np.inf if at_end else _root(outside, grid[last], grid[last + 1])


def _wald(curve: Curve, x: float, bounds: Any, level: np.ndarray) -> InversePrediction:
    """Return x with the interval of its linearisation."""
    h = STEP * (bounds[1] - bounds[0])
    above, below = curve.mean(np.array([x + h, x - h]))
    slope, se = (above - below) / (2.0 * h), curve.std_error(np.array([x]))[0]
    error = abs(se / slope) if slope else np.inf
    half = float(stats.t.isf((1.0 - level) / 2.0, curve.dof)) * error
    return InversePrediction(x, x - half, x + half, float(error), "wald")
