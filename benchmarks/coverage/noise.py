"""Intervals under noise that is skewed, heavy-tailed, or not the same everywhere.

The data are those of the coverage study (`study_data.py`), with noise of the laws of
`noise_data.py`; that of uneven data is nine times as large in one place as in another.
The networks are those of `minima.py`: polished tanh networks, best of five starts,
alpha = 1e-4 unless told otherwise. Each is fitted once. Copies of it then do their
inference with each of

- neither: ``errors="normal", variance="constant"``, what the others are compared to;
- errors: ``errors="empirical"``;
- variance: ``variance="auto"``;
- both.

Measured are, at 100 fixed points and four levels,

- the probability of a new observation below and above the prediction interval, and the
  mean interval score (Winkler): computed from the law of the noise, not drawn;
- coverage of 95 % intervals, of an observation and of the true mean, where the noise is
  low, medium and high (thirds of the points);
- which variance model was taken, and what the two checks of noise in `diagnostics` say;
- processor seconds of the fit, and of each inference.

Ratios of scores are paired ratios of means. Standard errors are between replicates; a
bar may be missed by two of them.

    python benchmarks/coverage/noise.py --jobs 2                        # everything
    python benchmarks/coverage/noise.py --cells lognormal --repeats 10 --output look
    python benchmarks/coverage/noise.py --repeats 0                     # tables only

Each inference is a row of noise.csv in ``benchmarks/results``, or `--output`, appended
as soon as it is done; those kept are not measured again. The tables of a seed are in
noise.md.
"""

import argparse
import copy
import csv
from pathlib import Path

import joblib
import numpy as np
import sklearn
from coverage import LEVEL, N_TEST, RESULTS
from noise_data import CELLS, LAWS, LEVELS, measure_pi, thirds
from noise_tables import bars_of, bars_table, cells_table
from study_data import draw, measure, told
from threadpoolctl import threadpool_limits
from tuned import alpha

import sklearn_nnci

SEED = 173205
EMPIRICAL, VARYING = dict(errors="empirical"), dict(variance="auto")
OPTIONS = {"neither": {}, "errors": EMPIRICAL, "variance": VARYING,
           "both": EMPIRICAL | VARYING}  # fmt: skip
# What a word in the column "notices" stands for.
CHECKS = {"law": "noise that is not normal, K^2", "varies": "noise that varies, F"}


KEY = ("cell", "option", "seed", "replicate")
VECTORS = ("below", "above", "score", "thirds", "ci_thirds")
NUMBERS = ("ci", "ci_score", "edf", "seconds", "fit_seconds")
FIELDS = [*KEY, *VECTORS, *NUMBERS, "variance", "notices"]


def replicate(cell, seed, number, sequence):
    """Return a row of each option on one data set."""
    law, rows = LAWS[cell.law], []
    sample = draw(cell.data, cell.n, sequence, law.draw)
    with threadpool_limits(1):
        network = alpha((cell.units,), sample.state).set_params(alpha=cell.alpha)
        _, fit_seconds, _ = told(network.fit, sample.X, sample.y)
        for option, parameters in OPTIONS.items():
            model = copy.deepcopy(network).set_params(**parameters)
            _, seconds, _ = told(model.fit_inference, sample.X, sample.y)
            key = zip(KEY, (cell.name, option, seed, number), strict=True)
            row = dict(key, seconds=seconds, fit_seconds=fit_seconds)
            rows.append(row | measured(model, sample, law))
    return rows


def measured(model, sample, law):
    """Return what is measured of one network."""
    prediction = told(model.get_prediction, sample.T)[0]
    found = measure_pi(law, sample, prediction.conf_int(LEVELS, obs=True))
    of_mean = measure(sample, prediction.conf_int(LEVEL), None)
    missed = found["below"] + found["above"]
    report = model.inference_
    verdicts = {check.name: check.verdict for check in model.diagnostics()}
    notices = [word for word, name in CHECKS.items() if verdicts[name] == "notice"]
    return {key: values.mean(axis=0) for key, values in found.items()} | dict(
        thirds=thirds(sample.sd, 1.0 - missed[:, -1]),
        ci_thirds=thirds(sample.sd, of_mean["ci"]),
        ci=of_mean["ci"].mean(),
        ci_score=of_mean["ci_score"].mean(),
        edf=report.edf / len(sample.y),
        variance=report.variance,
        notices=" ".join(notices),
    )


def read(path, seed):
    """Return {(cell, option): {replicate: row}} of a seed."""
    found = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if int(row["seed"]) == seed:
                    row |= {k: np.array(row[k].split(), float) for k in VECTORS}
                    row |= {k: float(row[k]) for k in NUMBERS}
                    own = found.setdefault((row["cell"], row["option"]), {})
                    own[int(row["replicate"])] = row
    return found


def append(path, row):
    """Keep one row."""
    new = not path.exists()
    texts = {k: " ".join(f"{v:.4g}" for v in row[k]) for k in VECTORS}
    texts |= {k: f"{row[k]:.4g}" for k in NUMBERS}
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row | texts)


def markdown(found, seed):
    """Return the page."""
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    return (
        "# Noise\n\nWritten by `benchmarks/coverage/noise.py`, whose head says what is "
        f"measured. Thirds and CI: nominal {LEVEL}; {N_TEST} test points; scores in "
        f"standard deviations of y.\n\n{about}, seed {seed}.\n\n## Bars\n\n"
        + bars_table(bars_of(found))
        + "\n## Cells\n\n"
        + cells_table(found)
    )


def tasks_of(options, found):
    """Yield what is to be measured, cell by cell."""
    sequences = np.random.SeedSequence(options.seed).spawn(options.repeats)
    for cell in CELLS:
        if any(text in cell.name for text in options.cells):
            kept = found.get((cell.name, "both"), {})
            numbers = range(min(options.repeats, cell.most))
            yield [joblib.delayed(replicate)(cell, options.seed, k, sequences[k])
                   for k in numbers if k not in kept]  # fmt: skip


def main():
    """Run the cells asked for, keep each inference, write the tables after each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    about = "parts of cells' names: data, rows, law and alpha"
    parser.add_argument("--cells", nargs="+", default=[""], help=about)
    parser.add_argument("--seed", type=int, default=SEED, help="of all replicates")
    parser.add_argument("--repeats", type=int, default=100, help="data sets per cell")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path, page = options.output / "noise.csv", options.output / "noise.md"
    run = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    for tasks in tasks_of(options, read(path, options.seed)):
        for rows in run(tasks):
            for row in rows:
                append(path, row)
        page.write_text(markdown(read(path, options.seed), options.seed))
    page.write_text(markdown(read(path, options.seed), options.seed))
    print(page.read_text())


if __name__ == "__main__":
    main()
