"""Tables of `compare.py`: rows are kept in rivals.csv and shown in rivals.md."""

import csv
from collections import Counter

import numpy as np

TEXT = "data", "method", "error"
FIELDS = [
    "data", "n", "method", "replicate", "ci", "ci_width", "ci_score", "pi", "pi_quiet",
    "pi_noisy", "pi_width", "pi_score", "fit", "predict", "base", "error",
]  # fmt: skip
HEAD = """# Beside other methods

Written by `benchmarks/rivals/compare.py`, whose head says what is measured, and
`methods.py` what each method is. Nominal 0.95; standard errors between replicates in
brackets; widths and scores in standard deviations of y, lower scores are better; times
as multiples of a fit of `MLPRegressor()`.
"""
COLUMNS = (
    "method", "R", "failed", "mean covered", "width", "score", "new y covered", "width",
    "score", "fit", "predict",
)  # fmt: skip
THIRDS = "quiet third", "noisy third"


def read(path):
    """Return the rows kept so far."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {k: v if k in TEXT else float(v or "nan") for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


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
    values = np.array([row[name] for row in rows])
    return "-" if np.isnan(values).all() else f"{values.mean():.3g}"


def multiple(rows, name):
    """Return a median time over that of the plain fits, or a dash."""
    ratios = [row[name] / row["base"] for row in rows]
    return f"{np.median(ratios):.2g}" if ratios else "-"


def line(method, rows, uneven):
    """Return one line of a table."""
    good = [row for row in rows if not row["error"]]
    cells = [method, str(len(rows)), str(len(rows) - len(good))]
    if not good:
        return [*cells, *["-"] * (len(COLUMNS) - 3 + len(THIRDS) * uneven)]
    for kind in ("ci", "pi"):
        cells += [share(good, kind), number(good, f"{kind}_width")]
        cells += [number(good, f"{kind}_score")]
    cells += [multiple(good, "fit"), multiple(good, "predict")]
    return cells + [share(good, f"pi_{k}") for k in ("quiet", "noisy")] * uneven


def table(rows):
    """Return the lines of the table of one data set."""
    uneven = any(np.isfinite(row["pi_quiet"]) for row in rows)
    head = [*COLUMNS, *(THIRDS if uneven else ())]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for method in dict.fromkeys(row["method"] for row in rows):
        lines.append(line(method, [r for r in rows if r["method"] == method], uneven))
    return [f"| {' | '.join(cells)} |" for cells in lines]


def failures(rows):
    """Return a line for each kind of failure."""
    failed = Counter((r["data"], r["method"], r["error"]) for r in rows if r["error"])
    found = [f"- {d}, {m}: {e} ({n})" for (d, m, e), n in sorted(failed.items())]
    return found or ["None."]


def write(path):
    """Write the tables beside `path`."""
    rows = read(path)
    parts = [HEAD]
    for data in dict.fromkeys(row["data"] for row in rows):
        chosen = [row for row in rows if row["data"] == data]
        parts += [f"## {data}, {chosen[0]['n']:.0f} rows\n", *table(chosen), ""]
    parts += ["## Failures\n", *failures(rows), ""]
    path.with_suffix(".md").write_text("\n".join(parts))
