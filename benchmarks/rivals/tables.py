"""Tables of `compare.py`: rows are kept in rivals.csv and shown in rivals.md."""

import csv
from collections import Counter
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import stats
from study_tables import rows_of

TEXT = "data", "method", "error"
FIELDS = [
    "data", "n", "method", "replicate", "ci", "ci_width", "ci_score", "pi", "pi_quiet",
    "pi_noisy", "pi_width", "pi_score", "fit", "predict", "base", "error",
]  # fmt: skip
HEAD = """# Beside other methods

Written by `benchmarks/rivals/compare.py`, whose head says what is measured, and
`methods.py` what each method is. Nominal 0.95; standard errors between replicates in
brackets; widths and scores in standard deviations of y, lower scores are better; times
as multiples of a fit of `MLPRegressor()`. First all data sets together: R replicates
of each, the lowest and the highest average over the data sets, and scores over those of
the committee, below 1 where the other is better (bold: by more than chance would have
it).
"""
COLUMNS = (
    "method", "R", "failed", "mean covered", "width", "score", "new y covered", "width",
    "score", "fit", "predict",
)  # fmt: skip
THIRDS = "quiet third", "noisy third"
LEAST = 0.9  # of 0.95; what covers less is named
OURS = "**committee**"
WHAT = {"ci_score": "the interval of the mean", "pi_score": "the interval of a new y"}
OVERVIEW = (
    "method", "R", "failed", "mean covered", "score", "new y covered", "score", "fit",
)  # fmt: skip
SCORES = """## Score of {}, over the committee's

Geometric means over the same replicates. Below 1 the other method is better; bold, by
more than chance would have it (95 %, Student). All: over the data sets that it has.
"""


def read(path):
    """Return the rows kept so far."""
    return rows_of(path, TEXT)


def append(path, records):
    """Append each record as soon as it is there."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        for record in records:
            short = {
                k: f"{v:.5g}" if isinstance(v, float) else v for k, v in record.items()
            }
            writer.writerow(short)
            file.flush()


def share(rows, name):
    """Return a mean with its standard error, or a dash."""
    values = np.array([row[name] for row in rows])
    if np.isnan(values).all():
        return "-"
    if len(values) == 1:
        return f"{values.mean():.3f}"
    return f"{values.mean():.3f} ({values.std(ddof=1) / np.sqrt(len(values)):.3f})"


def number(rows, name):
    """Return a mean in three digits, or a dash."""
    value = average(rows, name)
    return "-" if np.isnan(value) else f"{value:.3g}"


def line(method, rows, uneven):
    """Return one line of a table."""
    good = [row for row in rows if not row["error"]]
    cells = [method, str(len(rows)), str(len(rows) - len(good))]
    if not good:
        return [*cells, *["-"] * (len(COLUMNS) - 3 + len(THIRDS) * uneven)]
    for kind in ("ci", "pi"):
        cells += [share(good, kind), number(good, f"{kind}_width")]
        cells += [number(good, f"{kind}_score")]
    cells += [f"{ratio(good, name):.2g}" for name in ("fit", "predict")]
    return cells + [share(good, f"pi_{k}") for k in ("quiet", "noisy")] * uneven


def table(rows):
    """Return the lines of the table of one data set."""
    uneven = any(np.isfinite(row["pi_quiet"]) for row in rows)
    lines = [
        line(method, [row for row in rows if row["method"] == method], uneven)
        for method in unique(rows, "method")
    ]
    return markdown([*COLUMNS, *(THIRDS if uneven else ())], lines)


class Ratio(NamedTuple):
    """A geometric mean of ratios of scores to `OURS`."""

    log: float
    error: float
    """Standard error of `log`."""
    dof: int

    @property
    def better(self):
        """Whether it is below 1 by more than chance does."""
        return self.log < -stats.t.isf(0.025, max(self.dof, 1)) * self.error

    def __str__(self):
        """Bold where the other is better."""
        if np.isnan(self.log):
            return "-"
        return (
            f"**{np.exp(self.log):.2f}**" if self.better else f"{np.exp(self.log):.2f}"
        )


def beside(rows, method, data, score):
    """Return the `Ratio` over the replicates of a data set that both have."""
    found = {
        name: {r["replicate"]: r[score] for r in rows
               if (r["method"], r["data"], r["error"]) == (name, data, "")}
        for name in (method, OURS)
    }  # fmt: skip
    both = found[method].keys() & found[OURS].keys()
    if not both:
        return Ratio(np.nan, np.nan, 0)
    logs = np.log([found[method][k] / found[OURS][k] for k in both])
    error = logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.nan
    return Ratio(logs.mean(), error, len(logs) - 1)


def overall(ratios):
    """Return the `Ratio` over data sets, each of the same weight."""
    known = [one for one in ratios if not np.isnan(one.log)]
    if not known:
        return Ratio(np.nan, np.nan, 0)
    logs, errors, dofs = np.array(known).T
    return Ratio(logs.mean(), np.sqrt(np.sum(errors**2)) / len(known), int(dofs.sum()))


def unique(rows, name):
    """Return the values of a column, in order."""
    return list(dict.fromkeys(row[name] for row in rows))


def markdown(head, lines):
    """Return the lines of a table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def comparison(rows, score):
    """Return the lines of the table of scores over ours, data set by data set."""
    names, lines = unique(rows, "data"), []
    for method in unique(rows, "method"):
        ratios = [beside(rows, method, data, score) for data in names]
        both = overall(ratios)
        if method != OURS and not np.isnan(both.log):
            lines.append([method, *map(str, (*ratios, both))])
    return markdown(["method", *names, "all"], lines)


def by_data(rows, method, value):
    """Return a value of a method for each data set; what failed is left out."""
    good = [r for r in rows if r["method"] == method and not r["error"]]
    return [value([r for r in good if r["data"] == d]) for d in unique(good, "data")]


def extremes(rows, method, value, form):
    """Return the lowest and the highest value of a method over the data sets."""
    found = by_data(rows, method, value)
    if not found or np.isnan(found).any():
        return "-"
    return f"{form(min(found))}-{form(max(found))}"


def overview(rows):
    """Return the lines of the table of all data sets together."""
    lines = []
    for method in unique(rows, "method"):
        chosen = [row for row in rows if row["method"] == method]
        cells = [method, runs(chosen), str(sum(row["error"] != "" for row in chosen))]
        for kind in ("ci", "pi"):
            ratios = [
                beside(rows, method, data, f"{kind}_score")
                for data in unique(rows, "data")
            ]
            cells.append(
                extremes(rows, method, partial(average, name=kind), "{:.2f}".format)
            )
            cells.append("1" if method == OURS else str(overall(ratios)))
        cells.append(extremes(rows, method, partial(ratio, name="fit"), short))
        lines.append(cells)
    return markdown(OVERVIEW, lines)


def conclusions(rows):
    """Yield a line for what is better than ours, and for what covers too little."""
    names, data = unique(rows, "method"), unique(rows, "data")
    for kind, what in (("ci", "the mean"), ("pi", "a new y")):
        ratios = {
            name: overall([beside(rows, name, one, f"{kind}_score") for one in data])
            for name in names
            if name != OURS
        }
        better = [f"{name} {one}" for name, one in ratios.items() if one.better]
        yield f"- Better scores than ours, of {what}: {', '.join(better) or 'none'}."
        least = {
            name: by_data(rows, name, partial(average, name=kind)) for name in names
        }
        short_of = [
            f"{name} {min(found):.2f}"
            for name, found in least.items()
            if found and min(found) < LEAST
        ]
        yield (
            f"- Covers less than {LEAST} of {what} on some set: "
            f"{', '.join(short_of) or 'none'}."
        )


def short(value):
    """Return two digits."""
    return f"{value:.1f}" if value < 9.95 else f"{float(f'{value:.2g}'):.0f}"


def runs(rows):
    """Return replicates of a data set, where they differ the fewest and the most."""
    counts = sorted(Counter(row["data"] for row in rows).values())
    return f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]}-{counts[-1]}"


def average(rows, name):
    """Return the mean of a column."""
    return np.mean([row[name] for row in rows])


def ratio(rows, name):
    """Return the median of a time over that of the plain fits."""
    return np.median([row[name] / row["base"] for row in rows])


def failures(rows):
    """Return a line for each kind of failure."""
    failed = Counter((r["data"], r["method"], r["error"]) for r in rows if r["error"])
    found = [f"- {d}, {m}: {e} ({n})" for (d, m, e), n in sorted(failed.items())]
    return found or ["None."]


def write(path):
    """Write the tables beside `path`."""
    rows = read(path)
    parts = [HEAD, *overview(rows), "", *conclusions(rows), ""]
    for score, what in WHAT.items():
        parts += [SCORES.format(what), *comparison(rows, score), ""]
    for data in unique(rows, "data"):
        chosen = [row for row in rows if row["data"] == data]
        parts += [f"## {data}, {chosen[0]['n']:.0f} rows\n", *table(chosen), ""]
    parts += ["## Failures\n", *failures(rows), ""]
    path.with_suffix(".md").write_text("\n".join(parts))
