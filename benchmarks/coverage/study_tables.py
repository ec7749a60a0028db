"""Tables of the coverage study: rows are kept in study.csv and shown in study.md."""

import csv
import re

import numpy as np
import sklearn
from study_data import SEED

import sklearn_nnci

FIELDS = [
    "table", "data", "cell", "n", "variant", "replicates", "ci", "ci_se", "ci_min",
    "ci_q10", "ci_sd", "pi", "pi_se", "pi_min", "pi_q10", "pi_sd", "ci_width",
    "ci_width_median", "pi_width", "pi_width_median", "ci_score", "pi_score",
    "ci_low", "ci_mid", "ci_high", "pi_low", "pi_mid", "pi_high", "warned",
    "not_at_minimum", "agree", "seconds", "time_ratio", "bars", "warnings",
    "parameters", "sklearn_nnci", "sklearn", "numpy", "seed",
]  # fmt: skip
TEXT = {"table", "data", "cell", "variant", "bars", "warnings", "parameters",
        "sklearn_nnci", "sklearn", "numpy"}  # fmt: skip
KEY = ("table", "data", "cell", "n", "variant")
MEASURES = {
    "R": "{replicates:.0f}",
    "CI (s.e.)": "{ci:.3f} ({ci_se:.3f})",
    "min, q10, sd over x": "{ci_min:.2f}, {ci_q10:.2f}, {ci_sd:.3f}",
    "PI (s.e.)": "{pi:.3f} ({pi_se:.3f})",
    "min, q10 over x": "{pi_min:.2f}, {pi_q10:.2f}",
    "width CI, PI": "{ci_width:.3g}, {pi_width:.3g}",
    "score CI, PI": "{ci_score:.3g}, {pi_score:.3g}",
}
CELLS = {
    "data, n": "{data}, {n:.0f}", "network": "{cell}", "variant": "{variant}",
    **MEASURES, "warned": "{warned:.3f}", "not at minimum": "{not_at_minimum:.3f}",
    "starts agree": "{agree:.2f}", "time": "{time_ratio:.1f}", "bars": "{bars}",
}  # fmt: skip
RIVALS = {
    "data, n": "{data}, {n:.0f}", "method": "{variant}", **MEASURES,
    "time": "{time_ratio:.1f}",
}  # fmt: skip
THIRDS = {"data": "{data}", "covariance": "{variant}"} | {
    f"{kind.upper()} {name} noise": f"{{{kind}_{name}:.3f}}"
    for kind in ("ci", "pi") for name in ("low", "mid", "high")
}  # fmt: skip
ABOUT = """# Coverage study

Written by `benchmarks/coverage/study.py`, whose head defines the columns; what follows
from them is in `doc/coverage.md`. Nominal 0.95; widths and scores in standard
deviations of y. Starts agree: share of the five starts within 1 % of the lowest
objective. Time: of a fit, as a multiple of scikit-learn's. The sd over x has a
Monte Carlo error of 0.015 at R = 200. Spread: `between_start_std`, added in
quadrature; near spread: the same over the starts that are hard to tell from the best.
"""


def read(folder):
    """Return the rows kept so far."""
    return rows_of(folder / "study.csv", TEXT)


def rows_of(path, text):
    """Return the rows of a file: texts in columns of these names, else numbers."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {k: v if k in text else float(v or "nan") for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def write(folder, row):
    """Keep `row`, in place of an older one; return its line of the table."""
    modules = (sklearn_nnci, sklearn, np)
    row = dict.fromkeys(FIELDS, np.nan) | row | dict(seed=SEED)
    row |= {m.__name__: m.__version__ for m in modules}
    rows, new = read(folder), [row[name] for name in KEY]
    place = [[old[name] for name in KEY] == new for old in rows]
    if any(place):
        rows[place.index(True)] = row
    else:
        rows.append(row)
    with (folder / "study.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in r.items()}
            for r in rows
        )
    (folder / "study.md").write_text(markdown(rows))
    return lines([row], CELLS if row["table"] == "cells" else RIVALS)[-1]


def lines(rows, columns):
    """Return the lines of a table; a dash is what was not measured."""
    cells = [list(columns), ["---"] * len(columns)]
    for row in rows:
        texts = [form.format(**row) for form in columns.values()]
        cells.append([re.sub(r"\bnan\b( \(nan\))?", "-", text) for text in texts])
    return [f"| {' | '.join(texts)} |" for texts in cells]


def markdown(rows):
    """Return the tables for people."""
    cells = [row for row in rows if row["table"] == "cells"]
    rivals = [row for row in rows if row["table"] == "rivals"]
    uneven = [row for row in cells if np.isfinite(row["ci_low"])]
    parts = [ABOUT]
    for title, chosen, columns in (
        ("Cells", cells, CELLS),
        ("Uneven noise, by thirds of its standard deviation", uneven, THIRDS),
        ("Rivals on the same replicates", rivals, RIVALS),
    ):
        if chosen:
            parts.append("\n".join([f"## {title}", "", *lines(chosen, columns), ""]))
    names = sorted({f"{k} {row[k]}" for row in rows for k in ("sklearn", "numpy")})
    parts.append(f"sklearn_nnci {sklearn_nnci.__version__}, {', '.join(names)}.\n")
    return "\n".join(parts)
