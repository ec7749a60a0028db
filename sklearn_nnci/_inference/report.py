"""What inference found, in print and in a notebook."""

import html
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._inference.formulas import FORMULAS

# Outputs of which values are shown.
FEW = 4
Cells = tuple[str, str, str]


class Link(NamedTuple):
    """A cell of a table that leads elsewhere."""

    text: str
    address: str

    def as_html(self) -> str:
        """Return it as HTML."""
        return f'<a href="{html.escape(self.address)}">{html.escape(self.text)}</a>'


class Report(NamedTuple):
    """What inference found at the last fit; see `MLPRegressorCI.inference_`.

    It prints as the rounded values that a reader asks for first; ``_asdict()`` has
    every field.
    """

    method: str
    """Covariance in use: the resolved one where ``"auto"`` was asked for."""
    noise: str
    """Noise estimate in use; ``"known"`` for a number."""
    route: str
    """``"primal"`` (p x p factor) or ``"dual"`` (n x n factor)."""
    n_samples: float
    """n, the sum of the weights of the rows that trained."""
    n_parameters: int
    """p."""
    rank: int
    """Rank of the Jacobian; on the dual route, but for ``"frequentist"``, of its
    singular values above 1e-8."""
    edf: float
    """Effective degrees of freedom, sum of w_i tr H_ii (all outputs)."""
    edf_fit: float
    """The same under the penalty that the network agrees with, which tells how much it
    has fitted whatever ended its training; nan unless `"auto"` asked, and where there
    are more parameters than rows."""
    dof: Any
    """Degrees of freedom of the noise; (m,) for several outputs."""
    noise_variance: Any
    """s^2 in squared units of y; Sigma (m, m) for several outputs."""
    penalty: float
    """lambda in A; nan for a tuned network, whose ``penalties_`` are several."""
    condition_number: float
    """Condition number c of the factor of A, in the Frobenius norm (of the dual route,
    a bound of that in the spectral norm). From 1e12 on digits are being lost, eps c;
    by ``"frequentist"`` and ``"HC0"`` .. ``"HC3"``, which have the rows inside
    A^-1 .. A^-1, from 1e6 on, 0.05 eps c^2, where a query depends on what only the
    penalty determines, such as a column that was constant in training."""
    relative_offset: float
    """Remaining Gauss-Newton step in units of the confidence region, at the penalty
    that training used; nan where the noise cannot be told from the residuals."""
    max_leverage: float
    """Largest eigenvalue of any H_ii."""
    press: float
    """Mean squared leave-one-out residual, in squared units of y."""
    press_ratio: float
    """The same, leverages capped so that no single row decides it, over
    RSS / (n - edf); nan where the latter is undefined."""
    loo_penalty: float
    """lambda behind `press`, `loo_score` and `influence`: under ``"auto"`` that which
    the network agrees with, or where there are more parameters than rows that of the
    evidence; else that in A."""
    step_variance: Any
    """Mean square, over the training rows, of the step to the optimum of the evidence,
    in squared units of y, (m,) for several outputs; nan without evidence."""
    excess_variance: Any
    """What ``"auto"`` adds to every variance of f(x), in squared units of y, (m,) for
    several outputs; else 0."""
    reason: str
    """Why this method, for ``"auto"``; else empty."""
    rows_used: float
    """Part of the rows that inference used; 1 unless memory was short."""
    log_likelihood: float
    """Of normal residuals of variance RSS / n, for each output by itself; nan for a
    Poisson loss."""
    aic: float
    """2 (edf + m) - 2 log_likelihood, the edf of the network as it is: `edf_fit` where
    it is known. The smaller the better, for the same rows."""
    bic: float
    """log(n) (edf + m) - 2 log_likelihood."""
    log_evidence: float = np.nan
    """Of a tuned network, ``log_evidence_``; nan of others."""
    misfit_statistic: float = np.nan
    """F of White's test for a curve in the residuals; nan where it does not apply."""
    misfit_p_value: float = np.nan
    """How likely so large an F is by chance."""
    errors: str = "normal"
    """Quantiles of prediction intervals: ``"normal"``, those of Student's law, or
    ``"empirical"``, of the residuals, ``"empirical, skewed"`` if each tail has its
    own."""
    variance: Any = "constant"
    """How the noise varies: ``"constant"``, ``"log-linear"``, ``"kernel in x"``,
    ``"kernel in f"``, ``"regressor"`` or, of overdispersed ``"counts"``, as their law
    has it; a tuple for several outputs."""
    warnings: tuple = ()
    """Messages of the warnings raised."""
    count_law: tuple = ()
    """beta and alpha of the variance mu + beta mu + alpha mu^2 of counts of mean mu,
    (m,) each for several outputs; both 0: Poisson. Empty where there are no counts."""

    def __repr__(self) -> str:
        groups = self._groups()
        cells = [cell for group in groups for cell in group]
        name, value = (max(len(cell[k]) for cell in cells) for k in (0, 1))
        blocks = (
            "\n".join(f"{n:{name}}  {v:{value}}  {m}".rstrip() for n, v, m in group)
            for group in groups
        )
        return "\n\n".join(["Inference", *blocks])

    def _repr_html_(self) -> str:
        cells = [cell for group in self._groups() for cell in group]
        return html_table(("inference", "value", "meaning"), cells)

    def _groups(self) -> list[list[Cells]]:
        """Return groups of (field, value, meaning); what is nan is left out."""
        evidence = FORMULAS[self.method].evidence
        own = "the evidence" if evidence else "the fit"
        size = "p x p" if self.route == "primal" else "n x n"
        n_samples = f"{self.n_samples:,.1f}".removesuffix(".0")
        rank = f"parameters; their Jacobian has rank {self.rank:,}"
        # What training left undone, as the method takes it.
        left = np.nan if evidence else self.relative_offset
        excess = self.excess_variance if evidence else np.nan
        raised = ", ".join(text.partition(":")[0] for text in self.warnings)
        groups = (
            [
                ("method", self.method, self.reason or "the covariance asked for"),
                ("noise", self.noise, "where its variance is from"),
                ("route", self.route, f"factors a matrix of {size}"),
            ],
            [
                ("n_samples", n_samples, "rows that trained"),
                ("rows_used", f"{self.rows_used:.3g}", "share that memory allowed for")
                if self.rows_used < 1.0
                else None,
                ("n_parameters", f"{self.n_parameters:,}", rank),
                _row("edf", self.edf, f"degrees of freedom used up by {own}"),
                _row("edf_fit", self.edf_fit, "the same by the network as it is"),
                _row("dof", self.dof, "degrees of freedom of intervals"),
            ],
            [
                _row("penalty", self.penalty, f"lambda of {own}"),
                _row("noise_variance", _diagonal(self.noise_variance), "s^2"),
                ("variance", _several(self.variance), "how s^2 varies with x")
                if self.variance != "constant"
                else None,
                ("errors", self.errors, "quantiles of prediction intervals")
                if self.errors != "normal"
                else None,
                _counts(self.count_law),
                _row("press", self.press, "mean squared leave-one-out residual"),
                _row("step_variance", self.step_variance, "mean squared step to go"),
                _row("excess_variance", excess, "in the variance of every mean"),
                _row("relative_offset", left, "0 at a minimum"),
                _row("log_evidence", self.log_evidence, "log marginal likelihood"),
            ],
            [("warnings", f"{len(self.warnings) or 'none'}", raised)],
        )
        return [[row for row in group if row is not None] for group in groups]


def _row(name: str, value: Any, meaning: str) -> Cells | None:
    """Return the cells of a number, or of one per output; None where it is nan."""
    values = np.atleast_1d(value)
    if np.isnan(values).all():
        return None
    more = ["..."] if values.size > FEW else []
    return name, ", ".join(numbers(values[:FEW]) + more), meaning


def _several(names: Any) -> str:
    """Return a name, or those of the first outputs, as a string."""
    if isinstance(names, str):
        return names
    return ", ".join([*names[:FEW], *["..."] * (len(names) > FEW)])


def _counts(law: tuple) -> Cells | None:
    """Return the cells of the law of counts, None where there is none."""
    if not law:
        return None
    terms = [
        "".join(f" + {c:.3g} {unit}" for c, unit in ((b, "mu"), (a, "mu^2")) if c > 0.0)
        for b, a in zip(*map(np.atleast_1d, law), strict=True)
    ]
    more = ["..."] if len(terms) > FEW else []
    value = ", ".join([f"mu{term}" for term in terms[:FEW]] + more)
    return "count_law", value, "variance of a count of mean mu"


def _diagonal(values: Any) -> Any:
    return np.diag(values) if np.ndim(values) == 2 else values


def numbers(values: np.ndarray, form: str = ".4g") -> list[str]:
    """Return an array of numbers, or of truth values, as strings.

    Those of five to seven digits before the point have these and no more: 11385, and
    not 1.138e+04, beside 5497.
    """
    if values.dtype == bool:
        return [str(value) for value in values]
    plain = (abs(values) >= 9999.5) & (abs(values) < 9999999.5)
    forms = np.where(plain, ".0f", form)
    pairs = zip(values, forms, strict=True)
    return [f"{value:{form}}".removesuffix(".") for value, form in pairs]


def html_table(head: Iterable[str], rows: Iterable[Iterable[str | Link]]) -> str:
    """Return an HTML table of links, and of strings, which it escapes."""

    def shown(cell: str | Link) -> str:
        return cell.as_html() if isinstance(cell, Link) else html.escape(cell)

    def line(tag: str, cells: Iterable[str | Link]) -> str:
        inner = (f"<{tag}>{shown(cell)}</{tag}>" for cell in cells)
        return f"<tr>{''.join(inner)}</tr>"

    body = "".join(line("td", cells) for cells in rows)
    return f"<table><thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"


def titled_html(title: str, columns: Mapping[str, list[str]]) -> str:
    """Return named columns of strings as an HTML table below a title."""
    return f"<p>{title}</p>{html_table(columns, zip(*columns.values(), strict=True))}"


def text_table(columns: Mapping[str, list[str]]) -> str:
    """Return named columns of strings as aligned text."""
    aligned = []
    for name, cells in columns.items():
        width = max(map(len, [name, *cells]))
        aligned.append([f"{cell:>{width}}" for cell in [name, *cells]])
    return "\n".join("  ".join(line) for line in zip(*aligned, strict=True))
