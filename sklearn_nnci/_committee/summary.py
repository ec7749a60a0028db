"""What the members of a committee found, in one: report and checks.

A member speaks with its weight, and the committee says what half of the weight says: a
value is the weighted median, and a check fails where members that fail it carry half.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import _mixture as mixture
from sklearn_nnci._committee.told import HALF
from sklearn_nnci._inference.diagnostics import (
    NOT_APPLICABLE,
    NOTICE,
    OK,
    Check,
    Diagnostics,
)
from sklearn_nnci._inference.report import FEW, Report, html_table, numbers

# Sum of squared weights, 1 over the effective number of members: where that is below
# 1.5 one member speaks, and averaging, which is half of the gain, is lost.
LARGEST_CONCENTRATION = 1.0 / 1.5
# Share of members with no weight at all: beyond, most of the work was for nothing.
LARGEST_DROPPED = 0.5


class CommitteeReport(NamedTuple):
    """What inference found, over members; see `MLPEnsembleRegressorCI.inference_`.

    Averages are weighted. It prints as a table; each member's own is
    ``estimators_[k].inference_``.
    """

    methods: tuple[str, ...]
    """Covariances in use by the members."""
    n_samples: float
    """n, the sum of the weights of the rows that trained."""
    n_members: int
    """K, the networks trained."""
    n_in_use: int
    """Those with weight."""
    n_effective: float
    """1 / sum w_k^2."""
    edf: float
    """Effective degrees of freedom, on average."""
    dof: Any
    """Degrees of freedom of the quantiles; (m,) for several outputs."""
    noise_variance: Any
    """s^2 in squared units of y; Sigma (m, m) for several outputs."""
    between: float
    """Share of the variance of the mean that is between members, on average over
    training rows; nan where they were not at hand."""
    errors: tuple[str, ...] = ("normal",)
    """Laws of the noise in use by the members."""
    variances: tuple[str, ...] = ("constant",)
    """How it varies with x, by the members."""
    warnings: tuple[str, ...] = ()
    """Messages of the warnings raised."""

    def __repr__(self) -> str:
        cells = self._cells()
        name, value = (max(len(cell[k]) for cell in cells) for k in (0, 1))
        lines = [f"{n:{name}}  {v:{value}}  {m}".rstrip() for n, v, m in cells]
        return "\n".join(["Inference of a committee", "", *lines])

    def _repr_html_(self) -> str:
        return html_table(("inference", "value", "meaning"), self._cells())

    def _cells(self) -> list[tuple[str, str, str]]:
        """Return (field, value, meaning); what is nan is left out."""
        s2 = self.noise_variance
        s2 = np.diag(s2) if np.ndim(s2) == 2 else s2
        raised = ", ".join(text.partition(":")[0] for text in self.warnings)
        table = [
            ("n_samples", self.n_samples, "rows that trained"),
            ("n_members", self.n_members, "networks trained"),
            ("n_in_use", self.n_in_use, "those with weight"),
            ("n_effective", self.n_effective, "as many of equal weight would count"),
            ("edf", self.edf, "degrees of freedom used up, on average"),
            ("dof", self.dof, "degrees of freedom of intervals"),
            ("noise_variance", s2, "s^2, on average"),
            ("between", self.between, "share of the mean's variance between members"),
        ]
        laws = [
            ("variances", self.variances, "how s^2 varies with x"),
            ("errors", self.errors, "quantiles of prediction intervals"),
        ]
        usual = self._field_defaults
        return [
            ("methods", ", ".join(self.methods), "the covariances of the members"),
            *((n, _shown(v), m) for n, v, m in table if not np.isnan(v).all()),
            *((n, ", ".join(v), m) for n, v, m in laws if v != usual[n]),
            ("warnings", f"{len(self.warnings) or 'none'}", raised),
        ]  # fmt: skip


def _shown(value: Any) -> str:
    """Return a number, or those of the first outputs, as a string."""
    values = np.atleast_1d(value)
    return ", ".join(numbers(values[:FEW]) + ["..."] * (values.size > FEW))


def report(
    reports: Sequence[Report], weights: np.ndarray, n_members: int, between: float,
    raised: tuple[str, ...],
) -> CommitteeReport:  # fmt: skip
    """Return the `CommitteeReport` of members with `weights`, among `n_members`."""

    def averaged(name: str) -> Any:
        found = mixture.average(weights, [getattr(own, name) for own in reports])
        return found if found.ndim else float(found)

    return CommitteeReport(
        methods=tuple(sorted({own.method for own in reports})),
        n_samples=averaged("n_samples"),
        n_members=n_members,
        n_in_use=len(reports),
        n_effective=mixture.effective_number(weights),
        edf=averaged("edf"),
        dof=averaged("dof"),
        noise_variance=averaged("noise_variance"),
        between=between,
        errors=_names([own.errors for own in reports]),
        variances=_names([own.variance for own in reports]),
        warnings=raised,
    )


def _names(each: Sequence[Any]) -> tuple[str, ...]:
    """Return the different names, of all outputs of all members."""
    return tuple(sorted({name for own in each for name in np.atleast_1d(own).tolist()}))


def diagnostics(
    found: Sequence[Diagnostics], weights: np.ndarray, n_members: int
) -> Diagnostics:
    """Return each `Check` over members with `weights`, then those of the committee."""
    names = dict.fromkeys(check.name for own in found for check in own)
    same = ([{c.name: c for c in own}.get(name) for own in found] for name in names)
    return Diagnostics([*(_over(checks, weights) for checks in same),
                        *_own(weights, n_members)])  # fmt: skip


def _over(checks: Sequence[Check | None], weights: np.ndarray) -> Check:
    """Return one `Check` of many, of those members to which it applies."""
    pairs = zip(checks, weights, strict=True)
    held = [(c, w) for c, w in pairs if c and c.verdict != NOT_APPLICABLE]
    if not held:
        return next(check for check in checks if check)
    total = sum(w for _, w in held)
    values = np.array([c.value for c, _ in held])
    shares = np.array([w / total for _, w in held])
    failed = [(share, c) for share, (c, _) in zip(shares, held, strict=True)
              if c.verdict != OK]  # fmt: skip
    fails = sum(share for share, _ in failed) >= HALF
    first = max(failed or [(shares[0], held[0][0])], key=lambda pair: pair[0])[1]
    told = _told_of(len(failed), values)
    advice = f"{told}. {first.advice}" if fails else f"({told})" * bool(told)
    return Check(
        first.name, upper_median(values, shares), first.threshold,
        first.verdict if fails else OK, advice, first.warning,
    )  # fmt: skip


def _told_of(n_failed: int, values: np.ndarray) -> str:
    """Return how many members fail, and the worst of all; empty if none does."""
    if not n_failed:
        return ""
    worst = np.max(np.where(np.isnan(values), -np.inf, values))
    fail = "fails" if n_failed == 1 else "fail"
    return f"{n_failed} of {len(values)} members {fail} this check, worst {worst:.3g}"


def upper_median(values: np.ndarray, shares: np.ndarray) -> float:
    """Return the largest value that members with half of the weight reach.

    So it is beyond a threshold where half of the weight is.
    """
    order = np.argsort(-values)  # nan last
    reached = np.cumsum(shares[order]) >= HALF
    return float(values[order][np.argmax(reached)])


def _own(weights: np.ndarray, n_members: int) -> list[Check]:
    """Return the checks of the committee itself."""
    one = mixture.effective_number(weights)
    dropped = n_members - len(weights)
    table = [
        ("concentration of weights", 1.0 / one if n_members > 1 else np.nan,
         LARGEST_CONCENTRATION,
         f"{one:.1f} members count: where starts disagree, one of them speaks. Try "
         "more n_starts."),
        ("share of members dropped", dropped / n_members, LARGEST_DROPPED,
         f"{dropped} of {n_members} members have no weight: they have no intervals, "
         "rest on single rows, or fit far worse. Try smaller architectures."),
    ]  # fmt: skip
    return [_notice(*row) for row in table]


def _notice(name: str, value: float, threshold: float, text: str) -> Check:
    failed = value > threshold
    verdict = NOT_APPLICABLE if np.isnan(value) else NOTICE if failed else OK
    return Check(name, float(value), threshold, verdict, text if failed else "", "")
