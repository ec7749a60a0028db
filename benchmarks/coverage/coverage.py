"""Measure by simulation how often the intervals contain what they should.

An interval that claims 95 % is worth what it covers when the truth is known. Each
replicate draws new inputs, new noise and new initial weights, standardises X and y
by the training sample, fits, and asks for both intervals at 100 test points from
the distribution of the training inputs. Of these it takes

- CI: the share of test points whose true mean lies in the confidence interval;
- PI: the probability that a new observation, N(true mean, sd^2), lies in the
  prediction interval: computed, not drawn;
- both in the worst tenth of x, by rank, with several inputs by the rank of the distance
  from the centre;
- widths, in standard deviations of y; unbounded ones count as infinite and covering;
- the share of prediction intervals unbounded, of points between the training rows in
  every column;
- InferenceWarnings raised at fit: how many, by class, and the share of quiet fits.

Standard errors are those between replicates. Cells with bars report each as met, two
standard errors allowed to coverages, or MISSED; those without are for contrast, and
some of them show a formula that fails.

Replicate k has the same random stream in every cell, whichever are run and by however
many workers: cells of equal data differ by their parameters alone. ``--seed`` draws
data and weights that no choice has seen.

    python benchmarks/coverage/coverage.py                               # everything
    python benchmarks/coverage/coverage.py --bars --seed 1               # with bars
    python benchmarks/coverage/coverage.py --cells sinc --replicates 40  # a quick look

write coverage.md and coverage.csv into ``benchmarks/results``, or ``--output``. Rows
are kept in coverage.csv, where a cell that is run again replaces its old row.
"""

import argparse
import csv
import warnings
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import sklearn
from grid import DESIGNS, LEVEL, N_TEST, measure, spread, tenths, units
from grid import LBFGS as FEW_STEPS
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci.exceptions import InferenceWarning

SEED = 20250
RESULTS = Path(__file__).parents[1] / "results"


def friedman(rng, n, *, d, sd=1.0):
    """Return X, true mean and noise sd of Friedman #1 with d inputs, 5 of them used."""
    state = int(rng.integers(2**31))
    return *make_friedman1(n, n_features=d, noise=0.0, random_state=state), sd


def sinc(rng, n):
    """Return X, true mean and noise sd of a damped wave in one input."""
    X = rng.uniform(-5.0, 5.0, (n, 1))
    return X, np.sinc(2.0 * (X[:, 0] + 5.0) / np.pi), np.sqrt(2e-3)


def sine(rng, n, *, sd=None):
    """Return X, true mean and noise sd of a sine; by default 0.1 s.d. of the mean."""
    inputs, mean = DESIGNS["sine"]
    X = inputs(rng, n)
    return X, mean(X), 0.1 * spread("sine") if sd is None else sd


def teacher(rng, n, **options):
    """Return X, true mean and noise sd of the study's teacher."""
    from study_data import teacher  # which imports this module

    return teacher(rng, n, **options)


D5, D10 = "Friedman #1, d=5", "Friedman #1, d=10"
NOISY = f"{D10}, noise 5"  # the true mean has a standard deviation of 4.9
DATA = {
    D5: partial(friedman, d=5),
    D10: partial(friedman, d=10),
    NOISY: partial(friedman, d=10, sd=5.0),
    "sinc": sinc,
    "sine": sine,
    "sine, sd 0.1": partial(sine, sd=0.1),  # 0.14 s.d. of the mean
    "teacher": teacher,
    "teacher, weak unit": partial(teacher, weak=0.1),  # as large as the noise
    "teacher, weaker unit": partial(teacher, weak=0.03),
}


class Cell(NamedTuple):
    """One line of the table; `bars` maps a column to its allowed range."""

    name: str
    data: str
    n: int
    parameters: dict
    bars: dict = {}  # noqa: RUF012 - never written to


def bars(ci=None, width=None, pi=None, pi_width=None, **others):
    """Return bars: least and most of coverages, most of widths."""
    given = dict(ci=ci, pi=pi, ci_width=width and (0.0, width),
                 pi_width=pi_width and (0.0, pi_width), **others)  # fmt: skip
    return {key: bar for key, bar in given.items() if bar is not None}


TANH, RELU = units(6), units(20, "relu")
LBFGS = dict(solver="lbfgs", max_iter=5000, max_fun=10**6)
BEST = FEW_STEPS | dict(polish=True, n_restarts=4)
STOPPED, BAYESIAN = dict(early_stopping=True), dict(covariance="bayesian")
SINE = bars((0.97, 1.0), 1.6, (0.965, 1.0), 1.75, unbounded=(0.0, 0.0))
WEAK = bars((0.88, 0.97))
CELLS = [
    Cell("default, sine", "sine", 200, {}, SINE),
    Cell("default, sine, sd 0.1", "sine, sd 0.1", 200, {}, SINE),
    Cell("default, sine, n=1000", "sine", 1000, {},
         bars((0.95, 1.0), None, (0.93, 0.99), 0.6, ci_worst=(0.85, 1.0))),
    Cell("default, sine, sd 0.1, n=1000", "sine, sd 0.1", 1000, {},
         bars((0.95, 1.0), None, (0.93, 0.99), ci_worst=(0.85, 1.0))),
    Cell("default", D10, 300, {}, bars((0.96, 0.995), 2.0, (0.96, 0.99))),
    Cell("default, early stopping", D10, 300, STOPPED,
         bars((0.96, 0.995), None, (0.955, 0.99))),
    Cell("default, n=1000", D10, 1000, {}, bars((0.97, 0.998), 1.1)),
    Cell("default, large n", D5, 3000, {}, bars((0.97, 1.0), 0.48, (0.95, 0.98))),
    Cell("tanh adam", "sinc", 200, TANH, bars((0.97, 1.0), 2.1, (0.97, 1.0))),
    Cell("relu 60 lbfgs", D5, 1000, units(60, "relu") | FEW_STEPS,
         bars((0.97, 1.0), 0.7)),
    Cell("best of 5, sinc", "sinc", 200, units(6) | BEST, bars((0.93, 0.99))),
    Cell("best of 5, Friedman", D5, 300, units(5) | BEST, bars((0.91, 0.97))),
    Cell("best of 5, teacher", "teacher", 200, units(4) | BEST, bars((0.92, 0.97))),
    Cell("best of 5, weak unit", "teacher, weak unit", 200, units(3) | BEST, WEAK),
    Cell("best of 5, weak unit, one more", "teacher, weak unit", 200,
         units(4) | BEST, WEAK),
    Cell("best of 5, weaker unit", "teacher, weaker unit", 200, units(3) | BEST, WEAK),
    Cell("tanh adam, bayesian", "sinc", 200, TANH | BAYESIAN),
    Cell("tanh adam, lstsq", "sinc", 200, TANH | dict(covariance="least_squares")),
    Cell("tanh adam, evidence", "sinc", 200, TANH | dict(covariance="evidence")),
    Cell("tanh lbfgs", "sinc", 200, TANH | LBFGS),
    Cell("tanh 8 adam", D5, 1000, units(8)),
    Cell("default, sine, evidence", "sine", 200, dict(covariance="evidence")),
    Cell("default, alpha=1", D10, 300, dict(alpha=1.0)),
    Cell("default, alpha=1, bayesian", D10, 300, dict(alpha=1.0) | BAYESIAN),
    Cell("default, bayesian", D10, 300, BAYESIAN),
    Cell("default, noise 5", NOISY, 300, {}),
    Cell("default, noise 5, early stopping", NOISY, 300, STOPPED),
    Cell("default, noise 5, lbfgs, alpha=10", NOISY, 300, LBFGS | dict(alpha=10.0)),
    Cell("default, alpha=0.1", D10, 300, dict(alpha=0.1)),
    Cell("default, lbfgs, alpha=0.1", D10, 300, LBFGS | dict(alpha=0.1)),
    Cell("default, lbfgs, alpha=1", D10, 300, LBFGS | dict(alpha=1.0)),
    Cell("default, alpha=10", D10, 300, dict(alpha=10.0)),
    Cell("default, lbfgs, alpha=10", D10, 300, LBFGS | dict(alpha=10.0)),
    Cell("default, n=1000, lbfgs, alpha=10", D10, 1000, LBFGS | dict(alpha=10.0)),
    Cell("relu 20 adam", D10, 1000, RELU),
    Cell("relu 20 lbfgs", D10, 1000, RELU | LBFGS),
]  # fmt: skip
COLUMNS = {
    "cell": "{cell}", "data": "{data}", "n": "{n}", "R": "{replicates}",
    "CI (s.e.)": "{ci:.3f} ({ci_se:.3f})", "worst tenth of x": "{ci_worst:.3f}",
    "PI (s.e.)": "{pi:.3f} ({pi_se:.3f})", "its worst tenth": "{pi_worst:.3f}",
    "CI width": "{ci_width:.3g}", "PI width": "{pi_width:.3g}",
    "unbounded": "{unbounded:.4f}", "warnings": "{warned:.2f}",
    "quiet": "{quiet:.3f}", "bars": "{bars}",
}  # fmt: skip
NUMBERS = ("ci", "ci_se", "pi", "pi_se", "ci_worst", "ci_worst_se", "pi_worst",
           "pi_worst_se", "ci_width", "pi_width", "unbounded", "warned",
           "quiet")  # fmt: skip


def replicate(cell, seed):
    """Return coverages, widths and classes of warnings of one simulated data set."""
    rng = np.random.default_rng(seed)
    raw, mean, sd = DATA[cell.data](rng, cell.n + N_TEST)
    y = mean[: cell.n] + sd * rng.standard_normal(cell.n)
    X = StandardScaler().fit(raw[: cell.n]).transform(raw)
    X, T = X[: cell.n], X[cell.n :]
    location, scale = y.mean(), y.std()
    truth, sd = (mean[cell.n :] - location) / scale, sd / scale
    state = int(rng.integers(2**31))
    net = sklearn_nnci.MLPRegressorCI(**cell.parameters, random_state=state)
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, (y - location) / scale)
        kinds = [w.category for w in caught]
        prediction = net.get_prediction(T)
    ci, pi = prediction.conf_int(LEVEL), prediction.conf_int(LEVEL, obs=True)
    inside = ((X.min(axis=0) <= T) & (T <= X.max(axis=0))).all(axis=1)
    found = measure(ci, pi, truth, sd)
    return {key: found[key] for key in ("ci", "pi", "ci_width", "pi_width")} | dict(
        unbounded=found["unbounded"][inside].mean() if inside.any() else 0.0,
        tenths=tenths(T),
        kinds=[k.__name__ for k in kinds if issubclass(k, InferenceWarning)],
    )


def summarise(cell, records):
    """Return one row of the table."""
    root = np.sqrt(len(records))
    columns = {k: [r[k] for r in records] for k in records[0]}
    row = dict(cell=cell.name, data=cell.data, n=cell.n, replicates=len(records))
    row["parameters"] = " ".join(f"{k}={v}" for k, v in cell.parameters.items())
    at = np.array(columns["tenths"])
    for key in ("ci", "pi"):
        values = np.array(columns[key], dtype=float)
        by_tenth = [
            values[at == k].reshape(len(at), -1).mean(axis=1) for k in range(10)
        ]
        worst = min(by_tenth, key=np.mean)
        for name, own in ((key, values.mean(axis=1)), (f"{key}_worst", worst)):
            row |= {name: own.mean(), f"{name}_se": own.std(ddof=1) / root}
    row |= {key: np.median(columns[key]) for key in ("ci_width", "pi_width")}
    numbers = np.array([len(kinds) for kinds in columns["kinds"]])
    row |= dict(unbounded=np.mean(columns["unbounded"]), warned=numbers.mean(),
                quiet=np.mean(numbers == 0))  # fmt: skip
    kinds = Counter(sorted(kind for own in columns["kinds"] for kind in own))
    row["warnings"] = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    row["bars"] = "; ".join(
        f"{key} in [{low:g}, {high:g}] {met(row, key, low, high)}"
        for key, (low, high) in cell.bars.items()
    )
    return row


def met(row, key, low, high):
    """Return whether a bar is met, with two standard errors if they are known."""
    allowed = 2.0 * row.get(f"{key}_se", 0.0)
    return "met" if low - allowed <= row[key] <= high + allowed else "MISSED"


def versions():
    """Return what the numbers depend on, beside the seed."""
    return {m.__name__: m.__version__ for m in (sklearn_nnci, sklearn, np)}


def read(path):
    """Return the rows kept so far, by cell."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = [
            row | {k: float(v) for k, v in row.items() if k in NUMBERS}
            for row in csv.DictReader(file)
        ]
    return {row["cell"]: row for row in rows}


def markdown(rows):
    """Return the table for people."""
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    lines += [[form.format(**row) for form in COLUMNS.values()] for row in rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    about = ", ".join(f"{name} {value}" for name, value in versions().items())
    about += ", seed " + ", ".join(sorted({str(row["seed"]) for row in rows}))
    return (
        "# Coverage of the intervals\n\n"
        "Written by `benchmarks/coverage/coverage.py`; its head says what is measured. "
        f"Nominal {LEVEL}; {N_TEST} test points per replicate; "
        "median widths in standard deviations of y; unbounded: share of prediction "
        "intervals inside the data; warnings: number per fit; quiet: share of fits "
        f"without.\n\n{about}\n\n{table}"
    )


def main():
    """Run the cells asked for; write the tables after each, so none is lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", default="", help="part of a cell's name or data")
    parser.add_argument("--bars", action="store_true", help="only cells with bars")
    parser.add_argument("--seed", type=int, default=SEED, help="of all replicates")
    parser.add_argument("--replicates", type=int, default=200, help="per cell")
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    cells = [c for c in CELLS if options.cells in f"{c.name}, {c.data}"]
    cells = [c for c in cells if c.bars or not options.bars]
    if not cells:
        parser.error(f"no cell has {options.cells!r} in its name or data")

    options.output.mkdir(parents=True, exist_ok=True)
    kept = read(options.output / "coverage.csv")
    run = joblib.Parallel(n_jobs=options.jobs)
    for cell in cells:
        seeds = np.random.SeedSequence(options.seed).spawn(options.replicates)
        records = run(joblib.delayed(replicate)(cell, seed) for seed in seeds)
        row = kept[cell.name] = summarise(cell, records) | versions()
        row["seed"] = options.seed
        rows = [kept[c.name] for c in CELLS if c.name in kept]
        print(markdown([row]).splitlines()[-1], row["warnings"], flush=True)
        (options.output / "coverage.md").write_text(markdown(rows))
        with (options.output / "coverage.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
