"""The record `Estimates`: estimates with their joint covariance, intervals, a table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from sklearn_nnci import _critical as critical
from sklearn_nnci._frames import table
from sklearn_nnci._inference.report import numbers, text_table, titled_html

# Estimates that are printed, and the level of their intervals.
SHOWN, LEVEL = 12, 0.95


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Estimates of effects with their errors, as the functions of `effects` give.

    Intervals of any level, for one estimate or for all of them together, and a table.

    Parameters
    ----------
    estimate : ndarray of shape (K,)
        The estimates, in units of y (slopes: of y per unit of the column).
    std_error : ndarray of shape (K,)
        Their standard errors. Infinite where the data do not bound them.
    dof : float
        Degrees of freedom of the Student quantiles.
    term : sequence of str of length K
        Column of X, or what else it is an effect of.
    contrast : sequence of str of length K
        What was compared: ``"dY/dX"`` for a derivative.
    joint : callable
        Gives the covariance of the estimates, (K, K).
    band : callable or None
        Gives that of sup-t intervals, if it is another: what holds on average over x
        does not hold everywhere at once.
    target : str, default="sample"
        Of which rows averages are: ``"sample"``, the rows given, or ``"population"``.
    correction : str, default="none"
        How averages were corrected: ``"none"``, ``"tangent"``, ``"robust"`` or
        ``"wider"``.
    columns : dict, default={}
        Further columns of the table, (K,) each: groups, or values of a column.
    index : array-like of length K or None
        Row labels of X, for effects at single rows.
    frames : str or None
        Library of the tables, where it is not pandas.

    See Also
    --------
    avg_slopes : Average slopes.
    wald_test : Several estimates at once.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci.effects import Estimates
    >>> cov = np.array([[0.04, 0.0], [0.0, 0.01]])
    >>> found = Estimates(np.array([1.0, 0.1]), np.sqrt(np.diag(cov)), np.inf,
    ...                   ["age", "dose"], ["dY/dX"] * 2, lambda: cov)
    >>> found.conf_int().round(2)
    array([[ 0.61,  1.39],
           [-0.1 ,  0.3 ]])
    """

    estimate: np.ndarray
    std_error: np.ndarray
    dof: float
    term: Any
    contrast: Any
    joint: Callable[[], np.ndarray] = field(repr=False)
    band: Callable[[], np.ndarray] | None = field(default=None, repr=False)
    target: str = "sample"
    correction: str = "none"
    columns: dict[str, Any] = field(default_factory=dict)
    index: Any = None
    frames: str | None = None

    def __len__(self) -> int:
        return len(self.estimate)

    @property
    def statistic(self) -> np.ndarray:
        """Estimate over standard error, (K,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimate / self.std_error

    @property
    def p_value(self) -> np.ndarray:
        """How likely so large a statistic is by chance, if the effect is 0, (K,)."""
        return 2.0 * stats.t.sf(np.abs(self.statistic), self.dof)

    def covariance(self) -> np.ndarray:
        """Return the joint covariance of the estimates.

        Returns
        -------
        cov : ndarray of shape (K, K)
            Its diagonal is ``std_error**2``; infinite there, and nan beside it, where
            the data do not bound an estimate.
        """
        return self.joint()

    def conf_int(
        self, confidence_level: Any = LEVEL, *, simultaneous: str | None = None
    ) -> np.ndarray:
        """Return confidence intervals.

        Parameters
        ----------
        confidence_level : float or array-like of float, default=0.95
            In the open interval (0, 1).
        simultaneous : {None, 'bonferroni', 'sup-t'}, default=None
            None: each interval holds at its level. Else all of them hold together: by
            Bonferroni's inequality, or by simulation of their joint distribution,
            which is narrower.

        Returns
        -------
        interval : ndarray of shape ``(K, 2) + np.shape(confidence_level)``
            Lower and upper bounds.

        Raises
        ------
        ValueError
            If a level is not in (0, 1), or `simultaneous` does not apply.
        """
        levels = critical.check_levels(confidence_level)
        critical.check_simultaneous(simultaneous)
        dof, tail = np.asarray(self.dof), (...,) + (None,) * levels.ndim
        if simultaneous == "sup-t":
            cov = self.band or self.joint
            c = critical.sup_t(levels, dof, cov, self.std_error)
        elif simultaneous == "scheffe":
            c = critical.scheffe(levels, dof, None)  # which raises
        else:
            c = critical.pointwise(levels, dof, len(self) if simultaneous else 1)
        half = self.std_error[tail] * c
        with np.errstate(invalid="ignore"):
            bounds = [self.estimate[tail] + side * half for side in (-1.0, 1.0)]
        lost = ~np.isfinite(half)
        ends = zip((-np.inf, np.inf), bounds, strict=True)
        bounds = [np.where(lost, end, bound) for end, bound in ends]
        return np.stack(bounds, axis=1)

    def to_frame(
        self, confidence_level: float = LEVEL, *, simultaneous: str | None = None
    ) -> Any:
        """Return everything as a table.

        Parameters
        ----------
        confidence_level : float, default=0.95
            In the open interval (0, 1).
        simultaneous : {None, 'bonferroni', 'sup-t'}, default=None
            As in `conf_int`.

        Returns
        -------
        frame : DataFrame
            Of the kind that X was, pandas if that was none: columns term, contrast,
            then groups or values if there are any, estimate, std_error, statistic,
            p_value, conf_low, conf_high, target, correction.

        Raises
        ------
        ImportError
            If pandas, or narwhals for frames of another kind, is not installed.
        ValueError
            If the level is not one number in (0, 1).
        """
        if np.ndim(confidence_level):
            raise ValueError(
                f"to_frame takes one confidence_level, got {confidence_level!r}. Try "
                "conf_int for several."
            )
        interval = self.conf_int(confidence_level, simultaneous=simultaneous)
        return table(self._columns(interval), self.index, self.frames)

    def _columns(self, interval: np.ndarray) -> dict[str, Any]:
        """Return the columns of `to_frame`."""
        return {
            "term": list(self.term),
            "contrast": list(self.contrast),
            **self.columns,
            "estimate": self.estimate,
            "std_error": self.std_error,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "conf_low": interval[:, 0],
            "conf_high": interval[:, 1],
            "target": [self.target] * len(self),
            "correction": [self.correction] * len(self),
        }

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(self._cells())}"

    def _repr_html_(self) -> str:
        return titled_html(self._title(), self._cells())

    def _title(self) -> str:
        first = f", the first {SHOWN}" if len(self) > SHOWN else ""
        corrected = (
            "" if self.correction == "none" else f", {self.correction} correction"
        )
        of = "these rows" if self.target == "sample" else "the population"
        return (
            f"{len(self)} estimates{first}, of {of}{corrected}, with {LEVEL:.0%} "
            "intervals"
        )

    def _cells(self) -> dict[str, list[str]]:
        """Return the first rows of the table as strings."""
        shown = self._columns(self.conf_int())
        for name in ("target", "correction"):
            del shown[name]
        return {name: _strings(values[:SHOWN]) for name, values in shown.items()}


def _strings(values: Any) -> list[str]:
    array = np.asarray(values)
    return (
        numbers(array, "#.4g") if array.dtype.kind == "f" else [f"{v}" for v in array]
    )
