"""Measure whether bands hold everywhere at once, and intervals of differences.

`predict(..., return_cov=True)` claims how the errors of f at different points go
together. Two things follow from it, and are measured on scikit-learn's default network:

- ``simultaneous="sup-t"``: the share of data sets in which *all* points of a call are
  covered, for 20, 100 and 500 points inside the data (in every column between training
  rows), each set a part of the next. The three should be alike: a covariance that makes
  the errors at close points independent would give bands that depend on how many points
  are asked for;
- contrasts f(x1) - f(x2): the share of random pairs of points whose true difference is
  in the interval of `return_cov`, and of close pairs: neighbours among 500 points in
  one input, in more the nearest of them.

    python benchmarks/coverage/bands.py                          # 200 data sets a cell
    python benchmarks/coverage/bands.py --replicates 10 --output look

writes bands.md and bands.csv into ``benchmarks/results``, or ``--output``.
"""

import argparse
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from grid import LEVEL, draw
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci.exceptions import InferenceWarning

SEED, PAIRS = 4711, 500
RESULTS = Path(__file__).parents[1] / "results"
NOISE = 0.1
CELLS = [("sine", 200), ("linear", 200), ("sin(pi x1) x2", 200),
         ("Friedman #1, d=5", 300)]  # fmt: skip
ONE_INPUT = ("sine", "linear")
STEPS = {"20 points": 25, "100 points": 5, "500 points": 1}
BARS = dict.fromkeys(STEPS, (0.93, 0.99)) | {"contrasts": (0.93, 1.0)}
COLUMNS = [*STEPS, "contrasts", "close contrasts", "pointwise"]


def replicate(data, n, noise, seed):
    """Return coverages and widths for one data set."""
    rng = np.random.default_rng(seed)
    sample = draw(data, n, noise, rng, n_test=500 if data in ONE_INPUT else 700)
    low, high = sample.X.min(axis=0), sample.X.max(axis=0)
    inside = ((low <= sample.T) & (sample.T <= high)).all(axis=1)
    sample = sample._replace(T=sample.T[inside][:500], truth=sample.truth[inside][:500])
    net = sklearn_nnci.MLPRegressorCI(random_state=int(rng.integers(2**31)))
    row = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", InferenceWarning)
        net.fit(sample.X, sample.y)
        for name, step in STEPS.items():
            T, truth = sample.T[::step], sample.truth[::step]
            _, band = net.predict(T, return_ci=True, simultaneous="sup-t")
            row[name] = np.all((band[:, 0] <= truth) & (truth <= band[:, 1]))
            row[f"{name}, width"] = np.median(band[:, 1] - band[:, 0])
        prediction = net.get_prediction(sample.T)
        mean, cov = net.predict(sample.T, return_cov=True)
    ci = prediction.conf_int(LEVEL)
    row["pointwise"] = np.mean((ci[:, 0] <= sample.truth) & (sample.truth <= ci[:, 1]))
    t, error = stats.t.isf((1.0 - LEVEL) / 2.0, prediction.dof), mean - sample.truth
    apart = np.linalg.norm(sample.T[:, None] - sample.T, axis=2)
    nearest = np.argmin(apart + np.diag(np.full(len(apart), np.inf)), axis=1)
    first, second = rng.integers(len(error), size=(2, PAIRS))
    second += (first == second) * np.where(second > 0, -1, 1)
    pairs = {"contrasts": (first, second),
             "close contrasts": (np.arange(len(error)), nearest)}  # fmt: skip
    for name, (i, j) in pairs.items():
        with np.errstate(invalid="ignore"):  # unbounded: covered
            variance = cov[i, i] + cov[j, j] - 2.0 * cov[i, j]
            outside = np.abs(error[i] - error[j]) > t * np.sqrt(variance.clip(0.0))
        row[name] = 1.0 - outside.mean()
    return row


def summarise(name, rows):
    """Return one line: mean and standard error of each column, and the bars."""
    table, line = pd.DataFrame(rows).astype(float), {"cell": name, "R": len(rows)}
    means, errors = table.mean(), table.std(ddof=1) / np.sqrt(len(table))
    for key in COLUMNS:
        line |= {key: means[key], f"{key} s.e.": errors[key]}
    line |= {f"{key}, width": table[f"{key}, width"].median() for key in STEPS}
    line["bars"] = "; ".join(
        f"{key} {'met' if low - allowed <= means[key] <= high + allowed else 'MISSED'}"
        for key, (low, high) in BARS.items()
        for allowed in [2.0 * errors[key]]
    )
    return line


def markdown(table, seed, noise):
    """Return the table for people."""
    head = ["data", "R", *(f"{key} (s.e.)" for key in COLUMNS), "widths", "bars"]
    lines = [head, ["---"] * len(head)]
    for line in table.to_dict("records"):
        cells = [f"{line[key]:.3f} ({line[f'{key} s.e.']:.3f})" for key in COLUMNS]
        widths = ", ".join(f"{line[f'{key}, width']:.3g}" for key in STEPS)
        lines.append([line["cell"], str(line["R"]), *cells, widths, line["bars"]])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    bars = "; ".join(f"{key} {low:g} to {high:g}" for key, (low, high) in BARS.items())
    return (
        "# Bands and contrasts\n\nWritten by `benchmarks/coverage/bands.py`; its head "
        f"says what is measured. Nominal {LEVEL}; default network. Bars, two standard "
        f"errors allowed: {bars}. Noise: {noise:g} standard deviations of the true "
        f"mean.\n\n"
        f"sklearn_nnci {sklearn_nnci.__version__}, seed {seed}\n\n{text}"
    )


def main():
    """Run the cells; write the tables after each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=200, help="per cell")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--noise", type=float, default=NOISE, help="in s.d. of the mean"
    )
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    run, lines = joblib.Parallel(options.jobs), []
    for number, (data, n) in enumerate(CELLS):
        seeds = np.random.SeedSequence([options.seed, number]).spawn(options.replicates)
        rows = run(joblib.delayed(replicate)(data, n, options.noise, s) for s in seeds)
        lines.append(summarise(f"{data}, n={n}", rows))
        table = pd.DataFrame(lines)
        text = markdown(table, options.seed, options.noise)
        print(text.splitlines()[-1], flush=True)
        (options.output / "bands.md").write_text(text)
        path = options.output / "bands.csv"
        table.to_csv(path, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
