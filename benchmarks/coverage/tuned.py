"""What networks that tune their own penalties, and committees of them, show by cell.

The data are those of the coverage study (`study_data.py`): 100 fixed test points, X
and y standardised by the training rows, a new data set for each replicate. The models:

- ensemble: a committee of ten starts of one size;
- network: the best of ten starts by evidence;
- flag: scikit-learn's default network with ``regularization="evidence"``, no more;
- alpha: polished, best of five starts, alpha = 1e-4: what the others are compared to.

Measured are

- CI: coverage of the true mean, and of the ten points where it is lowest;
- its median width and mean interval score (Winkler), in s.d. of y; the score over that
  of alpha, a ratio of means, paired: bars are for as many units as the model's own,
  where those of fewer, if that was better, stand beside;
- PI: probability of a new observation, computed, not drawn;
- warnings at fit: the share of fits that raise each class; processor seconds of a fit;
- in some cells the share of fits that rank every irrelevant input below all relevant
  ones in ``relevance_``, say that nothing is found, or advise a network of 10 to 20
  tanh units, and the CI's coverage of those that do not.

Standard errors are between replicates. A bar may be missed by two of them.

    python benchmarks/coverage/tuned.py --jobs 2                     # all cells
    python benchmarks/coverage/tuned.py --cells sinc teacher --repeats 20 --output look
    python benchmarks/coverage/tuned.py --models network --cells d=10
    python benchmarks/coverage/tuned.py --repeats 0                  # tables only

Each fit is a row of tuned.csv in ``benchmarks/results``, or `--output`, appended as
soon as it is done; of those measured again the last one counts. Rows of alpha are not
measured again. The table of a seed is in tuned.md.
"""

import argparse
import csv
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import sklearn
from coverage import LEVEL, N_TEST, RESULTS
from study_data import draw, measure, ratio, told, verdict
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI

SEED, NOTHING = 271828, r"nothing (is |was )?found|f(ou|i)nds? nothing"


class Cell(NamedTuple):
    """A model of some size on data; `bars` gives ranges of columns."""

    data: str
    n: int
    model: str
    units: tuple
    bars: dict = {}  # noqa: RUF012 - never written to

    @property
    def name(self):
        return f"{self.data}, {self.n}, {self.model} {self.size}"

    @property
    def size(self):
        return "-".join(map(str, self.units))


def ensemble(units, state):
    """Return a committee of ten starts."""
    return sklearn_nnci.MLPEnsembleRegressorCI(
        architectures=(units,), n_starts=10, random_state=state
    )


def network(units, state):
    """Return the best of ten starts by evidence."""
    return MLPRegressorCI(hidden_layer_sizes=units, activation="tanh", n_restarts=9,
                          regularization="evidence", random_state=state)  # fmt: skip


def flag(units, state):
    """Return the default network, tuned."""
    return MLPRegressorCI(
        hidden_layer_sizes=units, regularization="evidence", random_state=state
    )


def alpha(units, state):
    """Return the polished network of a fixed penalty, best of five starts."""
    return MLPRegressorCI(hidden_layer_sizes=units, activation="tanh", solver="lbfgs",
                          alpha=1e-4, polish=True, n_restarts=4,
                          random_state=state)  # fmt: skip


MODELS = {model.__name__: model for model in (ensemble, network, flag, alpha)}
D5, D10, PRODUCT = "Friedman #1, d=5", "Friedman #1, d=10", "sin(pi x1) x2 + x1/2"
SINGLE, DEEP = {"ci": (0.93, 1.0)}, {"ci": (0.92, 1.0)}
WEAK, DEFAULT = {"ci": (0.87, 1.0)}, {"ci_unadvised": (0.93, 1.0)}
WIDE, FIRST = {"ci": (0.945, 0.985)}, {"ci": (0.94, 0.975)}
PICTURE = {"ci": (0.935, 0.985), "pi": (0.945, 0.975)}


def most(**columns):
    return {name: (0.0, value) for name, value in columns.items()}


def both(data, n, units, bars=None, single=None):
    """Return the cells of a committee and of a network."""
    return [Cell(data, n, "ensemble", units, bars or {}),
            Cell(data, n, "network", units, single or {})]  # fmt: skip


CELLS = [
    *both(D10, 300, (10,), WIDE | {"pi": (0.955, 0.98)} | most(score=0.47, ratio=0.6),
          SINGLE | {"ranked": (0.95, 1.0)}),
    Cell(D10, 300, "alpha", (10,)),
    Cell(D10, 300, "alpha", (5,)),
    *both(D5, 300, (10,), FIRST | most(ratio=0.95), SINGLE),
    *both(D5, 300, (10, 10), DEEP, DEEP),
    Cell(D5, 300, "flag", (100,), DEFAULT),
    Cell(D5, 300, "alpha", (10,)),
    Cell(D5, 300, "alpha", (5,)),
    *both(PRODUCT, 200, (10,), FIRST | {"worst": (0.85, 1.0)} | most(ratio=0.8),
          SINGLE),
    Cell(PRODUCT, 200, "flag", (100,), DEFAULT),
    Cell(PRODUCT, 200, "alpha", (10,)),
    Cell(PRODUCT, 200, "alpha", (5,)),
    *both("teacher", 200, (4,), WIDE | most(ratio=0.95), SINGLE),
    Cell("teacher", 200, "alpha", (4,)),
    *both("sinc", 200, (6,), WIDE | most(ratio=0.95), SINGLE),
    Cell("sinc", 200, "flag", (100,), DEFAULT),
    Cell("sinc", 200, "alpha", (6,)),
    *both("teacher, weak unit", 200, (4,), WEAK),
    Cell("teacher, weak unit", 200, "alpha", (4,)),
    *both("teacher, weaker unit", 200, (4,), WEAK),
    Cell("teacher, weaker unit", 200, "alpha", (4,)),
    *both("sin(6 pi x)", 150, (20,), SINGLE, SINGLE),
    *both("two outputs", 300, (10,), DEEP, DEEP),
    *both("sine", 50, (10,), PICTURE | most(ci_width=0.22)),
    *both("sine", 200, (10,), PICTURE | most(ci_width=0.11)),
    *both("abs(x1) + 0.3 x2", 200, (10,), PICTURE | most(ci_width=0.2)),
    *both("line", 200, (10,), PICTURE | most(ci_width=0.23)),
    *both("pure noise", 60, (10,), {"ci": (0.9, 0.98), "nothing": (0.9, 1.0)},
          {"nothing": (0.9, 1.0)}),
]  # fmt: skip
KEY = ("data", "n", "model", "units", "seed", "replicate")
NUMBERS = ("ci", "pi", "ci_score", "pi_score", "ci_width", "pi_width", "seconds",
           "ranked", "nothing", "advised")  # fmt: skip
FIELDS = [*KEY, *NUMBERS, "hits", "warnings"]
COLUMNS = {
    "data, n": "{data}, {n}", "model": "{model} {size}", "R": "{R}",
    "CI (s.e.)": "{ci:.3f} ({ci_se:.3f})", "worst ten": "{worst:.2f}",
    "CI width": "{ci_width:.3g}", "CI score (s.e.)": "{score:.3g} ({score_se:.2g})",
    "over alpha's (s.e.)": "{ratios}",
    "PI (s.e.)": "{pi:.3f} ({pi_se:.3f})", "seconds": "{seconds:.2g}",
    "warnings": "{warnings}", "bars": "{bars}",
}  # fmt: skip
LABELS = {
    "ci": "CI", "pi": "PI", "worst": "worst ten", "score": "score",
    "ratio": "over alpha's", "ci_width": "width", "ranked": "inputs ranked",
    "nothing": "nothing found is said", "ci_unadvised": "CI of fits without advice",
}  # fmt: skip


def replicate(cell, seed, number, sequence):
    """Return the row of one data set."""
    sample = draw(cell.data, cell.n, sequence)
    with threadpool_limits(1):
        model = MODELS[cell.model](cell.units, sample.state)
        _, seconds, caught = told(model.fit, sample.X, sample.y)
        prediction = told(model.get_prediction, sample.T)[0]
    flat = sample._replace(truth=sample.truth.ravel(), sd=sample.sd.ravel())
    ci, pi = (
        prediction.conf_int(LEVEL, obs=obs).reshape(-1, 2) for obs in (False, True)
    )
    found = measure(flat, ci, pi)
    row = dict(zip(KEY, (cell.data, cell.n, cell.model, cell.size, seed, number),
                   strict=True))  # fmt: skip
    row |= {key: values.mean() for key, values in found.items()}
    row |= {key: np.median(found[key]) for key in ("ci_width", "pi_width")}
    names = {w.category.__name__.removesuffix("Warning") for w in caught}
    messages = [str(w.message) for w in caught]
    row |= dict(seconds=seconds, warnings=" ".join(sorted(names)))
    row["hits"] = np.packbits(found["ci"]).tobytes().hex()
    if "ranked" in cell.bars:  # the first five inputs matter
        row["ranked"] = float(model.relevance_[5:].max() < model.relevance_[:5].min())
    if "nothing" in cell.bars:
        checks = [f"{c.name} {c.advice}" for c in model.diagnostics() if c.advice]
        text = " ".join(messages + checks).lower()
        row["nothing"] = float(re.search(NOTHING, text) is not None)
    if "ci_unadvised" in cell.bars:
        row["advised"] = float(any(map(advises, messages)))
    return row


def advises(message):
    """Return whether a warning names the network to take instead."""
    return "tanh" in message and re.search(r"\b10\b.*\b20\b", message) is not None


def read(path, seed):
    """Return {(data, n, model, units): {replicate: row}} of a seed."""
    found = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                row |= {name: float(row[name] or "nan") for name in NUMBERS}
                row["n"] = int(row["n"])
                if int(row["seed"]) == seed:
                    own = found.setdefault(tuple(row[name] for name in KEY[:4]), {})
                    own[int(row["replicate"])] = row
    return found


def append(path, row):
    """Keep one row."""
    new = not path.exists()
    texts = {k: f"{row[k]:.5g}" for k in NUMBERS if k in row}
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row | texts)


def mean(values):
    """Return the mean and its standard error."""
    values = np.asarray(values, dtype=float)
    se = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return values.mean() if len(values) else np.nan, se


def summarise(cell, rows, references):
    """Return one line of the table; rows, and {units: those of alpha}, by replicate."""
    own = list(rows.values())
    column = {key: np.array([row[key] for row in own]) for key in NUMBERS}
    out = dict(data=cell.data, n=cell.n, model=cell.model, size=cell.size, R=len(own))
    for key, values in {
        "ci": column["ci"], "pi": column["pi"], "score": column["ci_score"],
        "ranked": column["ranked"], "nothing": column["nothing"],
        "advised": column["advised"],
        "ci_unadvised": column["ci"][column["advised"] == 0.0],
    }.items():  # fmt: skip
        out[key], out[f"{key}_se"] = mean(values)
    hits = np.array(
        [np.unpackbits(np.frombuffer(bytes.fromhex(r["hits"]), np.uint8)) for r in own]
    )
    hits = hits[:, : hits.shape[1] // N_TEST * N_TEST]
    lowest = np.argsort(hits.mean(axis=0))[:10]
    out["worst"], out["worst_se"] = mean(hits[:, lowest].mean(axis=1))
    out["ci_width"] = np.median(column["ci_width"])
    out["ci_width_se"] = np.sqrt(np.pi / 2.0) * mean(column["ci_width"])[1]
    ratios = {}
    for size, reference in references.items():
        if cell.model != "alpha" and len(shared := rows.keys() & reference) > 1:
            pairs = zip(*((rows[k], reference[k]) for k in shared), strict=True)
            ratios[size] = ratio(*([r["ci_score"] for r in each] for each in pairs))
    out["ratio"], out["ratio_se"] = ratios.get(cell.size, (np.nan, np.nan))
    out["ratios"] = "; ".join(
        f"{size} units: " * (size != cell.size) + f"{r:.3f} ({se:.3f})"
        for size, (r, se) in ratios.items()
    )
    out["seconds"] = np.median(column["seconds"])
    kinds = Counter(kind for row in own for kind in row["warnings"].split())
    out["warnings"] = ", ".join(
        f"{kind} {count / len(own):.0%}" for kind, count in sorted(kinds.items())
    )
    bars = [bar(out, key, *limits) for key, limits in cell.bars.items()]
    if np.isfinite(out["advised"]):
        bars.append(f"{out['advised']:.0%} of the fits advise tanh")
    out["bars"] = "; ".join(bars)
    return out


def bar(row, key, low, high):
    """Return a figure next to its bar."""
    value, label = row[key], LABELS[key]
    limits = f"<= {high:g}" if low == 0.0 else f">= {low:g}" if high == 1.0 else (
        f"in [{low:g}, {high:g}]")  # fmt: skip
    if np.isnan(value):
        return f"{label} {limits}: {'no such fit' if row['R'] else 'not measured'}"
    return (
        f"{label} {value:.3g} {limits}: {verdict(value, row[f'{key}_se'], low, high)}"
    )


def markdown(lines, seed):
    """Return the page."""
    parts = [COLUMNS, ["---"] * len(COLUMNS)]
    for line in lines:
        texts = [form.format(**line) for form in COLUMNS.values()]
        parts.append([re.sub(r"\bnan\b( \(nan\))?", "-", text) for text in texts])
    table = "".join(f"| {' | '.join(part)} |\n" for part in parts)
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    return (
        "# Tuned networks and committees\n\n"
        "Written by `benchmarks/coverage/tuned.py`, whose head says what is measured. "
        f"Nominal {LEVEL}; {N_TEST} test points; widths and scores in standard "
        f"deviations of y.\n\n{about}, seed {seed}.\n\n{table}"
    )


def table(path, cells, seed):
    """Return the page of what is kept of some cells."""
    found, lines = read(path, seed), []
    for cell in cells:
        key = cell.data, cell.n, cell.model, cell.size
        if key in found:
            references = {
                size: rows for (data, n, model, size), rows in found.items()
                if (data, n, model) == (cell.data, cell.n, "alpha")
            }  # fmt: skip
            lines.append(summarise(cell, found[key], references))
    return markdown(lines, seed)


def main():
    """Run the cells asked for, keep each fit, write the table after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    about = "parts of cells' names: data, rows, model and units"
    parser.add_argument("--cells", nargs="+", default=[""], help=about)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seed", type=int, default=SEED, help="of all replicates")
    parser.add_argument("--repeats", type=int, default=100, help="data sets per cell")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    cells = [c for c in CELLS if any(part in c.name for part in options.cells)]
    cells = [c for c in cells if c.model in options.models]
    if not cells:
        parser.error(f"no cell has one of {options.cells} in its name")
    options.output.mkdir(parents=True, exist_ok=True)
    path, seed = options.output / "tuned.csv", options.seed
    run = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    sequences = np.random.SeedSequence(seed).spawn(options.repeats)
    for cell in cells:
        kept = read(path, seed).get((cell.data, cell.n, cell.model, cell.size), {})
        numbers = [k for k in range(options.repeats)
                   if cell.model != "alpha" or k not in kept]  # fmt: skip
        tasks = (
            joblib.delayed(replicate)(cell, seed, k, sequences[k]) for k in numbers
        )
        for row in run(tasks):
            append(path, row)
        if numbers:
            print(table(path, [cell], seed).splitlines()[-1], flush=True)
        (options.output / "tuned.md").write_text(table(path, CELLS, seed))
    print(f"\n{table(path, cells, seed)}")


if __name__ == "__main__":
    main()
