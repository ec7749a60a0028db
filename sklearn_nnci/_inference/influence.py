"""What each row does to the fit, without refitting.

With H the leverages, e the residuals and s_(i) the noise without row i,

    loo_i = (I - H_ii)^-1 e_i                           Rivals & Personnaz 2000
    t_i = e_i / (s_(i) sqrt(1 - h_i))                   externally studentised
    D_i = loo_i' H_ii loo_i / (edf s^2)                 Cook 1977

exact for a network without hidden layer, to first order for others. Deleted is one
copy of a row of weight k.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._frames import labels, table
from sklearn_nnci._inference.report import numbers, text_table, titled_html
from sklearn_nnci._linearized.route import LinearizedFit
from sklearn_nnci._linearized.sandwich import leave_one_out

# Rows that are printed: those that pull most.
SHOWN = 5


class Fields(NamedTuple):
    """The fields of an `Influence`."""

    leverage: np.ndarray
    """h_i, (n,), or (H_ii)_kk, (n, m)."""
    residuals: np.ndarray
    """y - f; with a Poisson loss, of Pearson."""
    loo_residuals: np.ndarray
    """The residual of row i by the network without it; infinite where h = 1."""
    studentized_residuals: np.ndarray
    """Residuals over their standard error, the noise estimated without the row."""
    cooks_distance: np.ndarray
    """D_i, (n,)."""


class Influence(Fields):
    """Influence of each row; nan for rows that did not train.

    It prints as the rows of largest Cook's distance.
    """

    labels: dict[str, Any] | None = None

    def labelled(self, X: Any) -> "Influence":
        """Return the same, its rows labelled as those of X are."""
        new = Influence(*self)
        new.labels = labels(X)
        return new

    def to_frame(self) -> Any:
        """Return a table with a column for each field, rows labelled as X was.

        Several outputs are a second level of columns, y0, y1, ...; where a library of
        frames has one level only, the last word: ``leverage_y0``.

        Returns
        -------
        frame : pandas.DataFrame, or a frame of the library that X was of
            One row per row of X.

        Raises
        ------
        ImportError
            If pandas, or narwhals for another library, is not installed.
        """
        several = self.leverage.ndim > 1
        columns: dict[Any, np.ndarray] = {}
        for name, values in self._asdict().items():
            for k, value in enumerate(np.reshape(values, (len(values), -1)).T):
                of = f"y{k}" if values.ndim > 1 else ""
                columns[(name, of) if several else name] = value
        return table(columns, **(self.labels or {}))

    def __str__(self) -> str:
        return self._title() + "\n" + text_table(self._largest())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return titled_html(self._title(), self._largest())

    def _title(self) -> str:
        n = len(self.leverage)
        absent = np.isnan(self.leverage).reshape(n, -1).all(axis=1).sum()
        untrained = f" (of which {absent} did not train)" if absent else ""
        k = len(self._first())
        which = "by" if k == n else f"the {k} of largest"
        return f"Influence of {n} rows{untrained}, {which} Cook's distance"

    def _first(self) -> np.ndarray:
        """Return the numbers of the rows that are printed; nan are last."""
        outputs = int(np.prod(self.leverage.shape[1:]))
        order = np.argsort(-self.cooks_distance, kind="stable")
        return order[: max(SHOWN // outputs, 1)]

    def _largest(self) -> dict[str, list[str]]:
        """Return the rows that are printed as strings, named by row and output."""
        rows, m = self._first(), int(np.prod(self.leverage.shape[1:]))
        index = (self.labels or {}).get("index")
        names = [f"{i if index is None else index[i]}" for i in rows]
        if self.leverage.ndim > 1:
            names = [f"{name} y{k}" for name in names for k in range(m)]
        columns = self._asdict()
        columns["cooks_distance"] = np.repeat(self.cooks_distance, m)
        return {"": names} | {
            name: numbers(np.reshape(values, (-1, m))[rows].ravel(), "#.4g")
            for name, values in columns.items()
        }


def influence(fit: LinearizedFit, n_samples: int) -> Influence:
    """Return the `Influence` of a `LinearizedFit` whose rows are among `n_samples`."""
    e, H, loo = (np.concatenate(parts) for parts in zip(*_by_row(fit), strict=True))
    m = e.shape[1]
    h, scale = np.einsum("nkk->nk", H), fit.rows.scale
    with np.errstate(divide="ignore", invalid="ignore"):
        rss = np.diag(fit.leverages.rss) - e**2 / (1.0 - h)
        t = e / np.sqrt((1.0 - h) * np.maximum(rss, 0.0) / (fit.dof - 1.0))
        s2 = np.trace(fit.residual_noise) / m
        cook = np.einsum("nk,nkl,nl->n", loo, H, loo) / (fit.edf.sum() * s2)
    index = fit.rows.gather().index
    kept = slice(None) if index is None else index
    found = h, e * scale, loo * scale, t, cook
    return Influence(*(_spread(values, kept, n_samples) for values in found))


def loo_residuals(fit: LinearizedFit) -> np.ndarray:
    """Return leave-one-out residuals of the mean, in units of y, (n, m)."""
    parts = [
        (leave_one_out(chunk.residuals, H) * chunk.root_weight).T
        for chunk, H in fit.information.rowwise()
    ]
    return np.concatenate(parts) * fit.rows.scale


def _by_row(fit: LinearizedFit) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield residuals (k, m), leverages (k, m, m) and left-out residuals (k, m)."""
    for chunk, H in fit.information.rowwise():
        yield chunk.residuals.T, H, leave_one_out(chunk.residuals, H).T


def _spread(values: np.ndarray, kept: Any, n_samples: int) -> np.ndarray:
    """Return `values` at their rows among `n_samples`; one output loses its axis."""
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    out = np.full((n_samples, *values.shape[1:]), np.nan)
    out[kept] = values
    return out
