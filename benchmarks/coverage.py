"""Measure by simulation how often the intervals contain what they should.

An interval that claims 95 % is worth what it covers when the truth is known. Each
replicate draws new inputs, new noise and new initial weights, standardises X and y
by the training sample, fits, and asks for both intervals at 100 test points from
the distribution of the training inputs. Of these it takes

- CI: the share of test points whose true mean lies in the confidence interval;
- PI: the probability that a new observation, N(true mean, sd^2), lies in the
  prediction interval: computed, not drawn;
- widths, in standard deviations of y; unbounded ones count as infinite and covering.

Standard errors are those between replicates. Cells with bars report each as met or
MISSED; those without are for contrast, and some of them show a formula that fails.

Replicate k has the same random stream in every cell, whichever are run and by however
many workers: cells of equal data differ by their parameters alone.

    python benchmarks/coverage.py                                # everything
    python benchmarks/coverage.py --cells sinc --replicates 40   # a quick look

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
from scipy import stats
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci.exceptions import (
    InferenceWarning,
    NotAtMinimumWarning,
    SmoothingBiasWarning,
)

SEED, LEVEL, N_TEST = 20250, 0.95, 100
RESULTS = Path(__file__).parent / "results"


def friedman(rng, n, *, d, sd=1.0):
    """Return X, true mean and noise sd of Friedman #1 with d inputs, 5 of them used."""
    state = int(rng.integers(2**31))
    return *make_friedman1(n, n_features=d, noise=0.0, random_state=state), sd


def sinc(rng, n):
    """Return X, true mean and noise sd of a damped wave in one input."""
    X = rng.uniform(-5.0, 5.0, (n, 1))
    return X, np.sinc(2.0 * (X[:, 0] + 5.0) / np.pi), np.sqrt(2e-3)


D5, D10 = "Friedman #1, d=5", "Friedman #1, d=10"
NOISY = f"{D10}, noise 5"  # the true mean has a standard deviation of 4.9
DATA = {
    D5: partial(friedman, d=5),
    D10: partial(friedman, d=10),
    NOISY: partial(friedman, d=10, sd=5.0),
    "sinc": sinc,
}


class Cell(NamedTuple):
    """One line of the table; `bars` maps a column to its allowed range."""

    name: str
    data: str
    n: int
    parameters: dict
    bars: dict = {}  # noqa: RUF012 - never written to


TANH = dict(hidden_layer_sizes=(6,), activation="tanh")
LBFGS = dict(solver="lbfgs", max_iter=5000, max_fun=10**6)
RELU = dict(hidden_layer_sizes=(20,))
BAYESIAN = dict(covariance="bayesian")
SMOOTHED = {"smoothing_bias": (0.9, 1.0)}
CELLS = [
    Cell("default", D10, 300, {},
         {"ci": (0.95, 0.995), "pi": (0.95, 0.99), "ci_width": (0.0, 2.2)}),
    Cell("default, early stopping", D10, 300, dict(early_stopping=True),
         {"ci": (0.93, 1.0), "pi": (0.93, 1.0)}),
    Cell("default, large n", D5, 3000, {},
         {"ci": (0.95, 1.0), "ci_width": (0.0, 0.75)}),
    Cell("tanh adam", "sinc", 200, TANH,
         {"ci": (0.91, 0.985), "not_at_minimum": (1.0, 1.0)}),
    Cell("tanh adam, bayesian", "sinc", 200, TANH | BAYESIAN),
    Cell("tanh adam, lstsq", "sinc", 200, TANH | dict(covariance="least_squares")),
    Cell("tanh lbfgs", "sinc", 200, TANH | LBFGS),
    Cell("default, alpha=1", D10, 300, dict(alpha=1.0)),
    Cell("default, alpha=1, bayesian", D10, 300, dict(alpha=1.0) | BAYESIAN),
    Cell("default, bayesian", D10, 300, BAYESIAN),
    Cell("default, noise 5", NOISY, 300, {}),
    Cell("default, noise 5, early stopping", NOISY, 300, dict(early_stopping=True)),
    Cell("default, noise 5, lbfgs, alpha=10", NOISY, 300, LBFGS | dict(alpha=10.0)),
    Cell("default, alpha=0.1", D10, 300, dict(alpha=0.1)),
    Cell("default, lbfgs, alpha=0.1", D10, 300, LBFGS | dict(alpha=0.1)),
    Cell("default, lbfgs, alpha=1", D10, 300, LBFGS | dict(alpha=1.0)),
    Cell("default, alpha=10", D10, 300, dict(alpha=10.0), SMOOTHED),
    Cell("default, lbfgs, alpha=10", D10, 300, LBFGS | dict(alpha=10.0), SMOOTHED),
    Cell("default, n=1000", D10, 1000, {},
         {"ci": (0.95, 0.99), "ci_width": (0.0, 1.1), "pi": (0.95, 0.98)}),
    Cell("default, n=1000, lbfgs, alpha=10", D10, 1000, LBFGS | dict(alpha=10.0),
         SMOOTHED),
    Cell("relu 20 adam", D10, 1000, RELU),
    Cell("relu 20 lbfgs", D10, 1000, RELU | LBFGS),
]  # fmt: skip
COLUMNS = {
    "cell": "{cell}", "data": "{data}", "n": "{n}", "R": "{replicates}",
    "CI (s.e.)": "{ci:.3f} ({ci_se:.3f})", "PI (s.e.)": "{pi:.3f} ({pi_se:.3f})",
    "CI width": "{ci_width:.3g}", "PI width": "{pi_width:.3g}",
    "unbounded": "{unbounded:.2f}", "warned": "{warned:.3f}",
    "not at minimum": "{not_at_minimum:.3f}",
    "smoothing bias": "{smoothing_bias:.3f}", "bars": "{bars}",
}  # fmt: skip
NUMBERS = ("ci", "ci_se", "pi", "pi_se", "ci_width", "pi_width", "unbounded",
           "warned", "not_at_minimum", "smoothing_bias")  # fmt: skip


def replicate(cell, seed):
    """Return coverages, widths and classes of warnings of one simulated data set."""
    rng = np.random.default_rng(seed)
    X, mean, sd = DATA[cell.data](rng, cell.n + N_TEST)
    y = mean[: cell.n] + sd * rng.standard_normal(cell.n)
    X = StandardScaler().fit(X[: cell.n]).transform(X)
    location, scale = y.mean(), y.std()
    truth, sd = (mean[cell.n :] - location) / scale, sd / scale
    state = int(rng.integers(2**31))
    net = sklearn_nnci.MLPRegressorCI(**cell.parameters, random_state=state)
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X[: cell.n], (y - location) / scale)
        n_fit = len(caught)
        prediction = net.get_prediction(X[cell.n :])
    ci, pi = prediction.conf_int(LEVEL), prediction.conf_int(LEVEL, obs=True)
    raised = {w.category for w in caught[:n_fit]}
    return dict(
        ci=np.mean((ci[:, 0] <= truth) & (truth <= ci[:, 1])),
        pi=np.mean(np.diff(stats.norm.cdf((pi - truth[:, None]) / sd))),
        ci_width=ci[:, 1] - ci[:, 0],
        pi_width=pi[:, 1] - pi[:, 0],
        warned=any(issubclass(kind, InferenceWarning) for kind in raised),
        not_at_minimum=NotAtMinimumWarning in raised,
        smoothing_bias=SmoothingBiasWarning in raised,
        kinds={w.category.__name__ for w in caught},
    )


def summarise(cell, records):
    """Return one row of the table."""
    columns = {key: np.array([r[key] for r in records]) for key in records[0]}
    row = dict(cell=cell.name, data=cell.data, n=cell.n, replicates=len(records))
    row["parameters"] = " ".join(f"{k}={v}" for k, v in cell.parameters.items())
    for key in ("ci", "pi"):
        row[key] = columns[key].mean()
        row[f"{key}_se"] = columns[key].std(ddof=1) / np.sqrt(len(records))
    row |= {key: np.median(columns[key]) for key in ("ci_width", "pi_width")}
    row["unbounded"] = np.isinf(columns["ci_width"]).mean()
    shares = ("warned", "not_at_minimum", "smoothing_bias")
    row |= {key: columns[key].mean() for key in shares}
    kinds = Counter(kind for r in records for kind in sorted(r["kinds"]))
    row["warnings"] = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    row["bars"] = "; ".join(
        f"{key} in [{low}, {high}] {'met' if low <= row[key] <= high else 'MISSED'}"
        for key, (low, high) in cell.bars.items()
    )
    return row


def versions():
    """Return what the numbers depend on."""
    modules = (sklearn_nnci, sklearn, np)
    return {m.__name__: m.__version__ for m in modules} | {"seed": SEED}


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
    return (
        "# Coverage of the intervals\n\nWritten by `benchmarks/coverage.py`. Nominal "
        f"{LEVEL}; {N_TEST} test points per replicate; median widths in standard "
        "deviations of y; unbounded: share of confidence intervals; warned, not at "
        f"minimum, smoothing bias: shares of fits.\n\n{about}\n\n{table}"
    )


def main():
    """Run the cells asked for; write the tables after each, so none is lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", default="", help="part of a cell's name or data")
    parser.add_argument("--replicates", type=int, default=200, help="per cell")
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    cells = [c for c in CELLS if options.cells in f"{c.name}, {c.data}"]
    if not cells:
        parser.error(f"no cell has {options.cells!r} in its name or data")

    options.output.mkdir(parents=True, exist_ok=True)
    kept = read(options.output / "coverage.csv")
    run = joblib.Parallel(n_jobs=options.jobs)
    for cell in cells:
        seeds = np.random.SeedSequence(SEED).spawn(options.replicates)
        records = run(joblib.delayed(replicate)(cell, seed) for seed in seeds)
        row = kept[cell.name] = summarise(cell, records) | versions()
        rows = [kept[c.name] for c in CELLS if c.name in kept]
        print(markdown([row]).splitlines()[-1], row["warnings"], flush=True)
        (options.output / "coverage.md").write_text(markdown(rows))
        with (options.output / "coverage.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
