"""Where the curve is highest, and how sure that is.

At an interior optimum x*, df/dx = 0: by the implicit function theorem

    d x* / d theta = -H^-1 d j / dx,    H the second derivatives of f by x,

so that cov(x*) = H^-1 S H^-1, S the covariance of the slopes at x*; and f(x*) has the
error of f there, since its derivative by x* is 0 (the envelope theorem).
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from sklearn_nnci import _columns as columns
from sklearn_nnci._network import directional
from sklearn_nnci.effects import _rows as given_rows
from sklearn_nnci.effects._answers import Asked, answer
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._functionals import Block, level_of, slope_of
from sklearn_nnci.effects._model import Model, model_of

# Starts of the search, by a generator of fixed seed, and steps of second derivatives
# as a share of the bounds.
STARTS, SEED, STEP = 64, 0, 1e-4
# An optimum nearer to a bound than this share of them is at the bound.
AT_BOUND = 1e-6


class Search(NamedTuple):
    """The curve over some columns, in units of their bounds."""

    model: Model
    row: np.ndarray
    """The row as the network sees it where all units are 0, (d,)."""
    V: np.ndarray
    """How it changes per unit, (q, d)."""
    sign: float
    """-1 for a maximum of what the network predicts, by minimisation."""

    def seen(self, u: np.ndarray) -> np.ndarray:
        """Return the row as the network sees it, (1, d)."""
        return (self.row + u @ self.V)[None]

    def __call__(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the function to be minimised, and its derivatives (q,)."""
        x, f, slopes = self.seen(u), 0.0, np.zeros(len(u))
        for w, one in zip(self.model.weights, self.model.members, strict=True):
            along = [directional.slope(one.network, x, v).value[0, 0] for v in self.V]
            slopes += w * np.array(along)
        f = self.model.predicts(x)[0]
        return self.sign * f, self.sign * slopes

    def curvature(self, u: np.ndarray) -> np.ndarray:
        """Return the second derivatives, (q, q), by differences of the first."""
        H = np.empty((len(u),) * 2)
        for k, e in enumerate(STEP * np.eye(len(u))):
            H[k] = (self(u + e)[1] - self(u - e)[1]) / (2.0 * STEP)
        return (H + H.T) / 2.0


def optimum(estimator, features, *, at, bounds, maximize=True) -> Estimates:
    """Return where y is highest, and how high, with their errors.

    Parameters
    ----------
    estimator : MLPRegressorCI, MLPEnsembleRegressorCI, or one that ends in them
        As in `avg_slopes`, of a smooth activation, behind steps that are lines.
    features : str, int, or sequence of these
        The columns that may vary.
    at : {array-like, DataFrame} of shape (1, n_features)
        A row with the values of the other columns.
    bounds : sequence of tuple (low, high)
        One for each of `features`; within the rows that trained.
    maximize : bool, default=True
        False: where y is lowest.

    Returns
    -------
    estimates : Estimates
        The value of each column there, then y. Standard errors of the former are
        infinite where the optimum lies at a bound, or the curve is flat: then the
        data do not tell where it is.

    Raises
    ------
    ValueError
        If the curve has kinks, or steps before or behind the network are no lines.

    See Also
    --------
    inverse_predict : Which x gives a y.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.effects import optimum
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 1))
    >>> y = 3.0 - (X[:, 0] - 0.5) ** 2 + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      regularization="evidence", random_state=0).fit(X, y)
    >>> found = optimum(net, 0, at=[[0.0]], bounds=[(-2, 2)])
    >>> ["%.1f" % one for one in found.estimate]
    ['0.5', '3.0']
    """
    model, row = model_of(estimator), columns.checked(at)
    if len(row) != 1:
        raise ValueError(f"at must be one row of X, got {len(row)}.")
    if model.kinked or not model.is_line:
        raise ValueError(
            "The optimum needs second derivatives: the curve has kinks (relu), or the "
            "inverse of y is no line. Try activation='tanh'."
        )
    chosen = given_rows.positions(row, features)
    low, high = _checked(bounds, len(chosen)).T
    search = _search(model, row, chosen, low, high, maximize)
    u = _best(search, len(chosen))
    names = [str(columns.names(row)[j]) for j in chosen]
    return _estimates(search, u, low, high - low, names)


def _checked(bounds: Any, q: int) -> np.ndarray:
    """Return the bounds, (q, 2)."""
    found = np.asarray(bounds, dtype=float)
    if (
        found.shape != (q, 2)
        or not np.isfinite(found).all()
        or (found[:, 0] >= found[:, 1]).any()
    ):
        raise ValueError(
            f"bounds must hold a finite (low, high) for each of {q} columns, got "
            f"{bounds!r}."
        )
    return found


def _search(
    model: Model, row: Any, chosen: list[int], low: np.ndarray, high: np.ndarray,
    maximize: bool,
) -> Search:  # fmt: skip
    """Return the `Search` over columns, from `low` (0) to `high` (1)."""
    along, V = columns.take(row, np.zeros(3, dtype=int)), []
    for j, ends in zip(chosen, zip(low, high, strict=True), strict=True):
        along = columns.with_column(along, j, np.linspace(*ends, 3))
    for j, width in zip(chosen, high - low, strict=True):
        v = given_rows.direction(model, along, j)
        if v is None:
            raise ValueError(
                f"The steps before the network are no line in column {j}. Try "
                "StandardScaler, or a grid of predictions."
            )
        V.append(v * width)
    sign = (-1.0 if maximize else 1.0) * np.sign(_unit(model))
    return Search(model, model.sees(along)[0], np.array(V), sign)


def _best(search: Search, q: int) -> np.ndarray:
    """Return the lowest of the minima from several starts, (q,)."""
    starts = np.random.default_rng(SEED).uniform(size=(STARTS, q))
    values = np.array([search(u)[0] for u in starts])
    found = [
        optimize.minimize(search, starts[k], jac=True, bounds=[(0.0, 1.0)] * q,
                          method="L-BFGS-B", options=dict(ftol=0.0, gtol=1e-12))
        for k in np.argsort(values)[:8]
    ]  # fmt: skip
    return min(found, key=lambda one: one.fun).x


def _estimates(
    search: Search, u: np.ndarray, low: np.ndarray, width: np.ndarray, names: list[str]
) -> Estimates:
    """Return the `Estimates` of location and value, in raw units."""
    q, x = len(u), search.seen(u)
    blocks = [Block((slope_of(x, v),)) for v in search.V] + [Block((level_of(x),))]
    linear = answer(
        search.model, blocks, Asked(False), term=[*names, "y"],
        contrast=["optimum"] * (q + 1),
    )  # fmt: skip
    cov = _moved(search, u, width, linear.covariance())
    estimate = np.append(low + u * width, linear.estimate[-1])
    return Estimates(
        estimate, np.sqrt(np.diag(cov)), linear.dof, linear.term, linear.contrast,
        joint=functools.partial(np.copy, cov),
    )  # fmt: skip


def _moved(
    search: Search, u: np.ndarray, width: np.ndarray, S: np.ndarray
) -> np.ndarray:
    """Return the covariance of location and value from that of slopes and value."""
    curvature, q = search.curvature(u), len(u)
    values = np.linalg.eigvalsh(curvature)
    inside = ((u > AT_BOUND) & (u < 1.0 - AT_BOUND)).all()
    if not inside or values.min() <= 1e-12 * np.abs(values).max():
        cov = np.full((q + 1, q + 1), np.nan)
        cov[range(q), range(q)], cov[q, q] = np.inf, S[q, q]
        return cov
    D, H = np.eye(q + 1), _unit(search.model) * search.sign * curvature  # of y
    D[:q, :q] = -np.linalg.inv(H) * width[:, None]
    return D @ S @ D.T


def _unit(model: Model) -> float:
    """Return a of y = a u + b."""
    return 1.0 if model.inverse is None else float(model.inverse.slopes.ravel()[0])
