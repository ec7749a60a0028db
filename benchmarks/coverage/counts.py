"""Counts: what the prediction intervals of Poisson networks hold, and where they fail.

Means are those of the coverage study (`study_data.py`), on a logarithmic scale from 1
to 50, or within a factor of 1.6 of 1, 5 and 50; the networks are polished tanh networks
with loss="poisson", alpha = 1e-4, best of five starts. Counts about these means are

    Poisson             variance mu
    NB2, size k         variance mu + mu^2 / k
    NB1, dispersion 2   variance 2 mu
    zero-inflated       Poisson of mean mu / 0.8, but 0 in one of five rows
    binomial            of chance 1/2: variance mu / 2

of which the last two are neither law that is fitted: they have no bars. Nor have fits
of 60 rows. Measured at 100 fixed points, by the true law, nothing drawn:

- PI: the chance of a new count within the prediction interval at 95 %;
- below, above: the chance of one beyond either bound;
- PIT: the chance that the randomised PIT of a new count, by the law that the interval
  is taken from, lies in [0.025, 0.975]: 0.95 if the law is right, whatever its steps;
- CI: the share of points where the confidence interval contains the mean;
- width: the median of that of the PI, over that of the interval of one who knows all;
- the share of fits that took the counts as Poisson, NB1 and NB2.

Standard errors are between data sets; a bar may be missed by two of them.

    python benchmarks/coverage/counts.py --jobs 2                      # all cells
    python benchmarks/coverage/counts.py --cells NB2 --repeats 20 --output look
    python benchmarks/coverage/counts.py --repeats 0                   # tables only

Each fit is a row of counts.csv in ``benchmarks/results``, or `--output`, appended as
soon as it is done; those kept are not measured again. The tables of a seed are in
counts.md.
"""

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import sklearn
from coverage import LEVEL, N_TEST, RESULTS
from scipy import stats
from sklearn.preprocessing import StandardScaler
from study_data import DATA, told, verdict
from threadpoolctl import threadpool_limits
from tuned import D5, alpha, mean

import sklearn_nnci
from sklearn_nnci import MLPEnsembleRegressorCI
from sklearn_nnci._inference import counts

SEED = 577215
TAIL = (1.0 - LEVEL) / 2.0
# Range of log mu; half of it about levels.
WIDE, NARROW = (0.0, np.log(50.0)), 0.5
# Counts beyond which lies this chance are not summed.
RARE = 1e-10


class Cell(NamedTuple):
    """Counts of some law about some means, and the network fitted to them."""

    data: str
    means: str
    law: str
    n: int
    units: int
    model: str = "network"
    bars: bool = True

    @property
    def name(self):
        return " ".join(map(str, self[:-1]))


def thinned(mu):
    """Return the law of counts of which a fifth is missing."""
    return Mixed(stats.poisson(mu / 0.8), 0.2)


class Mixed(NamedTuple):
    """A law, or 0 with some chance."""

    law: object
    zero: float

    def cdf(self, y):
        return np.where(y < 0, 0.0, self.zero + (1.0 - self.zero) * self.law.cdf(y))

    def rvs(self, random_state):
        drawn = self.law.rvs(random_state=random_state)
        return drawn * (random_state.uniform(size=drawn.shape) > self.zero)

    def ppf(self, q):
        return self.law.ppf(max(q - self.zero, 0.0) / (1.0 - self.zero))


def binomial(mu):
    """Return the law of counts that vary half as much as Poisson's, mu up to 1/2."""
    trials = np.maximum(np.rint(2.0 * mu), 1.0).astype(int)
    return stats.binom(trials, mu / trials)


def negative(size):
    """Return the negative binomial law of that size, a number or one per mean."""
    return lambda mu: stats.nbinom(size(mu), size(mu) / (size(mu) + mu))


LAWS = {
    "Poisson": stats.poisson,
    "NB2, k = 10": negative(lambda mu: 10.0),
    "NB2, k = 2": negative(lambda mu: 2.0),
    "NB1, dispersion 2": negative(lambda mu: mu),
    "zero-inflated": thinned,
    "binomial": binomial,
}
WITH_BARS = list(LAWS)[:4]
CELLS = [
    *(Cell("teacher", "1 to 50", law, 200, 4) for law in WITH_BARS),
    *(Cell(D5, "1 to 50", law, 400, 5) for law in WITH_BARS),
    *(Cell("sinc", "1 to 50", law, 200, 6) for law in WITH_BARS),
    *(Cell("teacher", level, law, 400, 4) for level in ("near 1", "near 5", "near 50")
      for law in ("Poisson", "NB2, k = 2")),
    *(Cell("teacher", "1 to 50", law, 200, 4, "committee") for law in WITH_BARS[::2]),
    *(Cell("teacher", "1 to 50", law, 200, 4, bars=False) for law in list(LAWS)[4:]),
    *(Cell("teacher", "1 to 50", law, 60, 3, bars=False) for law in WITH_BARS[::2]),
]  # fmt: skip
KEY = ("data", "means", "law", "n", "units", "model", "seed", "replicate")
NUMBERS = ("pi", "below", "above", "pit", "ci", "width", "seconds")
FIELDS = [*KEY, *NUMBERS, "fitted"]
BARS = {"pi": (0.94, 0.995), "below": (0.0, 0.025), "above": (0.0, 0.025),
        "pit": (0.94, 0.96)}  # fmt: skip


def means_of(cell, X_to_mean):
    """Return mu, from a mean of the study on its own scale."""
    function, options = DATA[cell.data]
    whole = function(np.random.default_rng(0), 10_000, **options)[1]
    unit = (X_to_mean - whole.min()) / np.ptp(whole)  # from 0 to 1
    if cell.means == "1 to 50":
        return np.exp(WIDE[0] + (WIDE[1] - WIDE[0]) * unit)
    return float(cell.means.split()[-1]) * np.exp(NARROW * (2.0 * unit - 1.0))


def fitted(cell, X, y, state):
    """Return the fitted network or committee."""
    network = alpha((cell.units,), state).set_params(loss="poisson")
    if cell.model == "committee":
        network = MLPEnsembleRegressorCI(network, architectures=(None,), n_starts=5,
                                         random_state=state)  # fmt: skip
    return network.fit(X, y)


def replicate(cell, seed, number, sequence):
    """Return the row of one data set."""
    function, options = DATA[cell.data]
    T, truth, _ = function(np.random.default_rng(SEED), N_TEST, **options)
    rng = np.random.default_rng(sequence)
    X, own, _ = function(rng, cell.n, **options)
    y = LAWS[cell.law](means_of(cell, own)).rvs(random_state=rng).astype(float)
    scaler, mu = StandardScaler().fit(X), means_of(cell, truth)
    state = int(rng.integers(2**31))
    with threadpool_limits(1):
        model, seconds, _ = told(fitted, cell, scaler.transform(X), y, state)
        prediction = told(model.get_prediction, scaler.transform(T))[0]
    row = dict(zip(KEY, (*cell[:-1], seed, number), strict=True))
    row |= measure(prediction, mu, LAWS[cell.law](mu))
    return row | dict(seconds=seconds, fitted=law_of(prediction))


def law_of(prediction):
    """Return which law the counts were taken as."""
    extra = prediction.mean / prediction.size  # beta + alpha mu
    if not extra.any():
        return "Poisson"
    return "NB1" if np.ptp(extra) <= 1e-9 * extra.max() else "NB2"


def measure(prediction, mu, law):
    """Return what the intervals do where counts have that law about the means mu."""
    ci, pi = (prediction.conf_int(LEVEL, obs=obs) for obs in (False, True))
    low, high = pi.T
    below, above = law.cdf(low - 1.0), 1.0 - law.cdf(high)
    known = law.ppf(1.0 - TAIL) - law.ppf(TAIL)
    return dict(
        pi=np.mean(1.0 - below - above), below=below.mean(), above=above.mean(),
        pit=np.mean(within(prediction, law)),
        width=np.median(high - low) / np.median(known),
        ci=np.mean((ci[:, 0] <= mu) & (mu <= ci[:, 1])),
    )  # fmt: skip


def within(prediction, law):
    """Return the chance that a randomised PIT lies in the central part."""
    # The law of a new count, its error of normal distribution as in `interval`.
    widened = stats.t.isf(TAIL, prediction.dof) / stats.norm.isf(TAIL)
    s = widened * prediction.se_mean / prediction.mean
    new = counts.new_count(prediction.mean, s, prediction.size)
    y = np.arange(law.ppf(1.0 - RARE).max())[:, None]
    size = np.minimum(new.size, 1e8 * new.mean)
    told_cdf = stats.nbinom.cdf(y, size, size / (size + new.mean))
    steps = np.diff(told_cdf, axis=0, prepend=0.0)
    inside = np.diff(np.clip(told_cdf, TAIL, 1.0 - TAIL), axis=0, prepend=TAIL)
    chance = np.diff(law.cdf(y), axis=0, prepend=0.0)
    share = np.divide(inside, steps, out=np.zeros_like(steps), where=steps > 0.0)
    return np.sum(chance * share, axis=0)


def read(path, seed):
    """Return {key of a cell: {replicate: row}} of a seed."""
    found = {}
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if int(row["seed"]) == seed:
                    row |= {name: float(row[name]) for name in NUMBERS}
                    own = found.setdefault(tuple(row[name] for name in KEY[:6]), {})
                    own[int(row["replicate"])] = row
    return found


def append(path, row):
    """Keep one row."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row | {name: f"{row[name]:.5g}" for name in NUMBERS})


def line_of(cell, rows):
    """Return the cells of one line of the table."""
    figures = {key: mean([row[key] for row in rows]) for key in NUMBERS}
    texts = [f"{cell.data}, {cell.means}", cell.law, f"{cell.n}",
             f"{cell.model} {cell.units}", f"{len(rows)}"]  # fmt: skip
    texts += ["{:.4f} ({:.4f})".format(*figures[key]) for key in BARS]
    texts += ["{:.3f} ({:.3f})".format(*figures[key]) for key in ("ci", "width")]
    laws = [row["fitted"] for row in rows]
    shares = {law: laws.count(law) / len(laws) for law in ("Poisson", "NB1", "NB2")}
    texts.append(", ".join(f"{law} {s:.0%}" for law, s in shares.items() if s))
    missed = [key for key, limits in BARS.items()
              if "MISSED" in verdict(*figures[key], *limits)]  # fmt: skip
    outcome = f"**missed: {', '.join(missed)}**" if missed else "met"
    return [*texts, outcome if cell.bars else "none"]


HEAD = ["data, means", "law", "n", "model", "R", "PI", "below", "above", "PIT", "CI",
        "width over known", "taken as", "bars"]  # fmt: skip


def markdown(path, seed):
    """Return the page."""
    found = read(path, seed)
    lines = [HEAD, ["---"] * len(HEAD)]
    for cell in CELLS:
        rows = found.get(tuple(map(str, cell[:-1])))
        if rows:
            lines.append(line_of(cell, list(rows.values())))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    return (
        "# Counts\n\n"
        "Written by `benchmarks/coverage/counts.py`, whose head says what is measured. "
        f"Nominal {LEVEL}; {N_TEST} test points; standard errors in brackets. Bars: PI "
        "in [0.94, 0.995], below and above <= 0.025, PIT in [0.94, 0.96], two standard "
        f"errors allowed.\n\n{about}, seed {seed}.\n\n{table}"
    )


def main():
    """Run the cells asked for, keep each fit, write the table after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    about = "parts of cells' names: data, means, law, rows, units, model"
    parser.add_argument("--cells", nargs="+", default=[""], help=about)
    parser.add_argument("--seed", type=int, default=SEED, help="of all replicates")
    parser.add_argument("--repeats", type=int, default=200, help="data sets per cell")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path, page = options.output / "counts.csv", options.output / "counts.md"
    run = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    sequences = np.random.SeedSequence(options.seed).spawn(options.repeats)
    for cell in CELLS:
        if not any(part in cell.name for part in options.cells):
            continue
        kept = read(path, options.seed).get(tuple(map(str, cell[:-1])), {})
        left = [k for k in range(options.repeats) if k not in kept]
        tasks = (
            joblib.delayed(replicate)(cell, options.seed, k, sequences[k]) for k in left
        )
        for row in run(tasks):
            append(path, row)
        page.write_text(markdown(path, options.seed))
    page.write_text(markdown(path, options.seed))
    print(page.read_text())


if __name__ == "__main__":
    main()
