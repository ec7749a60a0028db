"""The inverse of a target's transformation, by its values alone.

Bounds pass through a monotone g one at a time, swapped where it decreases; standard
deviations only where g is a line. A lower bound beyond where g ends is what g tends to
there, 0 for a Box-Cox transformation of positive power; an upper one is infinite.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn

import numpy as np

from sklearn_nnci._prediction import Prediction

# Points at which the inverse is evaluated along each output.
GRID = 201
# g is a line if it departs from one by no more than this share of its range, which
# is then the error of standard deviations, or by rounding.
STRAIGHT, ROUNDING = 1e-6, 1e-14
# Halvings that find where g ends, of which the last ones change g by no more than this
# share of the way there if it tends to anything.
HALVINGS, LAST, SETTLED = 50, 10, 1e-3


class Inverse(NamedTuple):
    """g of a fitted transformer, y = g(u)."""

    transformer: Any
    slopes: np.ndarray
    """a per output, shaped as a row of y; nan where g is not a line."""

    def of(self, u: np.ndarray) -> np.ndarray:
        """Return g(u), shaped as y was at fit."""
        y = self.transformer.inverse_transform(u.reshape(len(u), -1))
        return np.asarray(y).reshape(len(u), *self.slopes.shape)

    def covariance(
        self, covariance: Callable[[], np.ndarray], shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return a_k a_l cov(u_k, u_l), from the callable `covariance` of u."""
        a = np.broadcast_to(self.slopes, shape)
        return np.multiply.outer(a, a) * covariance().reshape(shape * 2)

    def residuals(self, y: np.ndarray, u: np.ndarray, e: np.ndarray) -> np.ndarray:
        """Return y - g(u - e), shaped as e; what is not finite stays."""
        finite = np.isfinite(e)
        g = self.of(u - np.where(finite, e, 0.0).reshape(u.shape))
        return np.where(finite, y.reshape(e.shape) - g.reshape(e.shape), e)

    def through(self, u: np.ndarray, interval: np.ndarray) -> np.ndarray:
        """Return g of each bound of intervals about u, in ascending order."""
        rows, levels = u.reshape(len(u), -1), interval.shape[u.ndim + 1 :]
        bounds = interval.reshape(*rows.shape, 2, -1)
        sign = self._directions(rows, bounds)
        # Bound by bound: a transformer acts on (n_samples, n_outputs), no more.
        sides = [
            [self._bound(side[..., k], rows, sign, end) for k in range(side.shape[-1])]
            for side, end in zip(np.moveaxis(bounds, 2, 0), (-1.0, 1.0), strict=True)
        ]
        ordered = np.sort(np.moveaxis(np.array(sides), (0, 1), (2, 3)), axis=2)
        return ordered.reshape(len(u), *self.slopes.shape, 2, *levels)

    def _bound(
        self, bound: np.ndarray, u: np.ndarray, sign: np.ndarray, end: float
    ) -> np.ndarray:
        """Return g(bound), (n, m); infinite where g has no limit or `bound` none."""
        finite = np.isfinite(bound)
        out = self.transformer.inverse_transform(np.where(finite, bound, u))
        if (beyond := finite & np.isnan(out) & (sign * end < 0.0)).any():
            out = np.where(beyond, self._limit(bound, u), out)
        return np.where(finite & ~np.isnan(out), out, sign * end * np.inf)

    def _limit(self, bound: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return what g tends to where it ends between `u` and `bound`; nan if nothing.

        By halving the way, which has a value at `u` and none at `bound`.
        """
        inside, outside, values = u, bound, []
        for _ in range(HALVINGS):
            middle = inside + (outside - inside) / 2.0
            known = ~np.isnan(self.transformer.inverse_transform(middle))
            inside, outside = np.where(known, [middle, outside], [inside, middle])
            values.append(np.asarray(self.transformer.inverse_transform(inside)))
        late, limit = values[-LAST], values[-1]
        with np.errstate(invalid="ignore"):  # infinite ones
            way = np.abs(limit - self.transformer.inverse_transform(u))
            return np.where(np.abs(limit - late) <= SETTLED * way, limit, np.nan)

    def _directions(self, u: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Return 1 or -1 per output, where g rises or falls over the bounds."""
        values = np.concatenate([u[:, :, None], *np.moveaxis(bounds, 3, 0)], axis=2)
        values = np.where(np.isfinite(values), values, u[:, :, None])
        lowest, highest = values.min(axis=(0, 2)), values.max(axis=(0, 2))
        signs = []
        for _, g, alone in self._sections(lowest, np.median(u, axis=0), highest):
            step = np.diff(g)
            step = step[~np.isnan(step)]
            if (step < 0.0).any() and (step > 0.0).any():
                self._refuse("is not monotone over the interval")
            if not alone:
                self._refuse("mixes the outputs")
            signs.append(-1.0 if (step < 0.0).any() else 1.0)
        return np.array(signs)

    def _sections(
        self, lowest: np.ndarray, middle: np.ndarray, highest: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
        """Yield u, g(u) along each output, and whether the others stay, at `middle`."""
        for k in range(len(middle)):
            along = np.tile(middle, (GRID, 1))
            along[:, k] = np.linspace(lowest[k], highest[k], GRID)
            g = np.asarray(self.transformer.inverse_transform(along))
            others = np.delete(g, k, axis=1)
            alone = bool(np.allclose(others, others[:1], equal_nan=True))
            yield along[:, k], g[:, k], alone

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(
            f"The inverse of transformer_={self.transformer!r} {what}, so bounds "
            "cannot pass it. Try a transformer that acts on each output alone, and "
            "monotonically."
        )


def slopes_of(transformer: Any, y: np.ndarray) -> np.ndarray:
    """Return the slope a of g per output, shaped as a row of y; nan if no line."""
    ends = np.stack([y.min(axis=0), y.max(axis=0)]).reshape(2, -1)
    try:
        ends = np.sort(np.asarray(transformer.transform(ends)), axis=0)
        width = np.where(ends[1] > ends[0], ends[1] - ends[0], 1.0)
        lowest, highest = ends[0] - width, ends[1] + width
        with np.errstate(all="ignore"):
            g = Inverse(transformer, ends)
            sections = g._sections(lowest, ends.mean(axis=0), highest)
            return np.reshape([_slope(*s) for s in sections], y.shape[1:])
    except Exception:  # whatever a transformer raises where it has no inverse
        return np.full(y.shape[1:], np.nan)


def _slope(u: np.ndarray, g: np.ndarray, alone: bool) -> float:
    """Return the slope of g(u), nan where g is not a line or moves other outputs."""
    off = np.abs(g - np.interp(u, u[[0, -1]], g[[0, -1]])).max()
    near = STRAIGHT * np.ptp(g) + ROUNDING * np.abs(g).max()
    slope = (g[-1] - g[0]) / (u[-1] - u[0])
    return float(slope) if alone and off <= near else np.nan


@dataclass(frozen=True, eq=False, repr=False)
class TransformedPrediction(Prediction):
    """A `Prediction` of y = g(u): each interval is that of `inner`, u's, through g."""

    inner: Any = field(default=None, repr=False)
    inverse: Any = field(default=None, repr=False)

    def conf_int(
        self, confidence_level: Any = 0.95, *, obs: bool = False,
        simultaneous: str | None = None, **unknown: Any,
    ) -> np.ndarray:  # fmt: skip
        """Return the interval in units of y; see `Prediction.conf_int`."""
        interval = self.inner.conf_int(
            confidence_level, obs=obs, simultaneous=simultaneous, **unknown
        )
        return self.inverse.through(self.inner.mean, interval)

    def __getitem__(self, rows: Any) -> Any:
        return replace(super().__getitem__(rows), inner=self.inner[rows])

    def sample(
        self, n: int = 1, random_state: Any = None, *, obs: bool = False
    ) -> np.ndarray:
        """Return draws of u through g; see `Prediction.sample`."""
        drawn = self.inner.sample(n, random_state, obs=obs)
        y = self.inverse.of(drawn.reshape(n * len(self), -1))
        return y.reshape(n, *np.shape(self.mean))
