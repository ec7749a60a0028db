"""Coverage of effects: average slopes, contrasts, partial dependence, single points.

Data sets of a known smooth mean; committees of six starts with their own penalties
(``mix``), or one network of a given alpha (``alpha 0.05``, polished; ``default``, relu
by adam). Each is asked for every average slope (AME), an average contrast of the first
input (CON), a partial dependence in the upper sixth of the first input (PD), a band
over it (sup-t, 50 points), and for slopes and contrasts at ten rows, under the rules

    plain   debias=False            auto    the default
    robust  debias="robust"         population, of the default, and of its sample target

and is told whether the interval of 95 % contains the truth: of the rows of the sample,
for population that of the distribution. Truths of slopes are derivatives of the mean;
where a network is asked for difference quotients, they are those.

Score is the mean interval score (Winkler), width + 40 times the miss; ratios of scores
are of means over replicates. Standard errors are between replicates.

    python benchmarks/coverage/effects.py --repeats 100                # every cell
    python benchmarks/coverage/effects.py --repeats 20 --cells sin_600 weak5_600
    python benchmarks/coverage/effects.py --repeats 0                  # table only

Each estimate is a row of effects.csv in ``benchmarks/results``, or `--output`, appended
as soon as its replicate is done; those kept are not measured again. The table is in
effects.md.
"""

import argparse
import csv
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from coverage import LEVEL, RESULTS
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from study_data import ratio
from threadpoolctl import threadpool_limits

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, effects
from sklearn_nnci.exceptions import InferenceWarning

# A seed for each replicate; the rules were chosen on others, in another program.
FIRST_SEED, STARTS, POINTS, LARGE = 20_000, 6, 10, 200_000
FIELDS = ["cell", "model", "replicate", "rule", "what", "estimate", "truth",
          "std_error", "low", "high", "score"]  # fmt: skip


def curve(X, weak=0.0):
    """Return the mean of the sin cells, a weak slope of x3 besides."""
    mean = np.sin(1.5 * X[:, 0]) + X[:, 1] ** 2 / 2 + 0.3 * X[:, 0] * X[:, 1]
    return mean + weak * X[:, 2] if weak else mean


def fast(X):
    """Return a curve that neither five units nor cubes follow."""
    return np.sin(2.5 * X[:, 0]) + np.cos(2.0 * X[:, 1]) + 0.3 * X[:, 0] * X[:, 1]


def friedman(X):
    """Return the mean of Friedman #1."""
    mean = 10.0 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20.0 * (X[:, 2] - 0.5) ** 2
    return mean + 10.0 * X[:, 3] + 5.0 * X[:, 4]


def line(X):
    """Return a line, of which x3 is no part."""
    return X[:, 0] + 0.5 * X[:, 1]


def teacher(X):
    """Return three units of tanh."""
    inner = np.array([[1.5, -0.9, 0.3], [0.3, 1.2, -1.6]])
    return np.tanh(X[:, :2] @ inner + [0.3, -0.6, 0.5]) @ [1.0, 0.8, -0.7]


class Cell(NamedTuple):
    """A distribution, and the size of the networks."""

    mean: Callable
    d: int
    n: int
    hidden: int = 6
    noise: float = 0.3
    bounds: tuple | None = None
    """Of uniform inputs; None: normal ones. Correlations are 0.5 in either case."""

    def draw(self, rng, n):
        """Return X (n, d)."""
        Z = rng.standard_normal((n, self.d)) * np.sqrt(0.5)
        Z += rng.standard_normal((n, 1)) * np.sqrt(0.5)
        if self.bounds is None:
            return Z
        low, high = self.bounds
        return low + (high - low) * norm.cdf(Z)

    def slope(self, X, j, step=0.0):
        """Return the derivative by x_j, or its difference quotient."""
        if step:
            E = step * np.eye(self.d)[j]
            return (self.mean(X + E) - self.mean(X - E)) / (2.0 * step)
        Z = X.astype(complex)
        Z[:, j] += 1e-30j
        return self.mean(Z).imag / 1e-30


def weak(slope):
    """Return the mean with a weak slope of x3."""
    return lambda X: curve(X, slope)


ROOT3 = np.sqrt(3.0)
CELLS = {
    "sin_200": Cell(curve, 3, 200),
    "sin_600": Cell(curve, 3, 600),
    "sin_u_200": Cell(curve, 3, 200, bounds=(-ROOT3, ROOT3)),
    "sin_u_600": Cell(curve, 3, 600, bounds=(-ROOT3, ROOT3)),
    "sin_u_2000": Cell(curve, 3, 2000, bounds=(-ROOT3, ROOT3)),
    "weak5_600": Cell(weak(0.1), 5, 600),
    "weaker5_600": Cell(weak(0.05), 5, 600),
    "fri5_600": Cell(friedman, 5, 600, 8, 1.0, (0.0, 1.0)),
    "fri10_600": Cell(friedman, 10, 600, 8, 1.0, (0.0, 1.0)),
    "teach_200": Cell(teacher, 2, 200, 4, 0.1, (-2.0, 2.0)),
    "lin_200": Cell(line, 3, 200, 5, 0.5),
    "two_wide_600": Cell(curve, 2, 600, 4, 0.3, (-3.0, 3.0)),
    "two_fast_400": Cell(fast, 2, 400, 5, 0.2, (-3.0, 3.0)),
}


def model_of(name, cell, state):
    """Return the estimator of that name."""
    if name == "mix":
        own = MLPRegressorCI(regularization="evidence", activation="tanh")
        return MLPEnsembleRegressorCI(own, architectures=((cell.hidden,),),
                                      n_starts=STARTS, random_state=state)  # fmt: skip
    if name == "default":
        return MLPRegressorCI(random_state=state)
    alpha = float(name.removeprefix("alpha "))
    return MLPRegressorCI(
        hidden_layer_sizes=(cell.hidden,), activation="tanh", solver="lbfgs",
        alpha=alpha, polish=True, n_restarts=2, max_iter=2000, random_state=state,
    )  # fmt: skip


def asked(cell, model, X, y, **options):
    """Yield (what, Estimates, truths of the sample) of every average."""
    given, step = dict(training=(X, y), **options), 0.0
    found = effects.avg_slopes(model, X, range(cell.d), **given)
    differences = found.contrast[0] != "dY/dX"
    for j in range(cell.d):
        step = 0.25 * X[:, j].std() if differences else 0.0
        yield f"AME{j + 1}", found, j, cell.slope(X, j, step)
    low, high = np.quantile(X[:, 0], [1 / 6, 5 / 6])
    ends = [X.copy(), X.copy()]
    for end, value in zip(ends, (low, high), strict=True):
        end[:, 0] = value
    found = effects.comparisons(model, *ends, average=True, **given)
    yield "CON", found, 0, cell.mean(ends[1]) - cell.mean(ends[0])
    at = {0: [np.quantile(X[:, 0], 0.9)]}
    found = effects.partial_dependence_interval(model, X, 0, custom_values=at, **given)
    end = X.copy()
    end[:, 0] = at[0][0]
    yield "PD", found, 0, cell.mean(end)


def points(cell, model, X, rng):
    """Yield (what, Estimates, number, truth) at rows; no rule has a part in these."""
    rows = X[rng.choice(len(X), POINTS, replace=False)]
    found = effects.slopes(model, rows, 0, training=(X, None))
    step = 0.25 * X[:, 0].std() if found.contrast[0] != "dY/dX" else 0.0
    truth = cell.slope(rows, 0, step)
    yield from (("slope at a row", found, k, truth[k]) for k in range(POINTS))
    other = X[rng.choice(len(X), POINTS, replace=False)]
    found = effects.comparisons(model, rows, other)
    truth = cell.mean(other) - cell.mean(rows)
    yield from (("contrast of rows", found, k, truth[k]) for k in range(POINTS))


def band_of(cell, model, X, y):
    """Return the row of a simultaneous band over a partial dependence of 50 points.

    Its estimate is the largest distance from the truth, in half widths.
    """
    found = effects.partial_dependence_interval(model, X, 0, training=(X, y))
    truth, Z = [], X.copy()
    for value in found.columns["value"]:
        Z[:, 0] = value
        truth.append(cell.mean(Z).mean())
    low, high = found.conf_int(LEVEL, simultaneous="sup-t").T
    off = np.max(np.abs(found.estimate - truth) / ((high - low) / 2.0))
    return dict(rule="auto", what="PD, band", estimate=off, truth=off, low=0.0,
                high=1.0, std_error=np.nan, score=np.mean(high - low))  # fmt: skip


def of_population(cell, X, what):
    """Return the truth of an average over the distribution, X setting its points."""
    Z = cell.draw(np.random.default_rng(1), LARGE)
    if what.startswith("AME"):
        return cell.slope(Z, int(what[3:]) - 1).mean()
    low, high, top = np.quantile(X[:, 0], [1 / 6, 5 / 6, 0.9])
    values = (low, high) if what == "CON" else (top,)
    means = []
    for value in values:
        Z[:, 0] = value
        means.append(cell.mean(Z).mean())
    return means[-1] - means[0] if what == "CON" else means[0]


def line_of(rule, what, found, k, truth):
    """Return the row of one interval."""
    low, high = found.conf_int(LEVEL)[k]
    missed = max(low - truth, truth - high, 0.0)
    return dict(rule=rule, what=what, estimate=found.estimate[k], truth=truth,
                std_error=found.std_error[k], low=low, high=high,
                score=high - low + 2.0 / (1.0 - LEVEL) * missed)  # fmt: skip


def replicate(name, model_name, number, rules):
    """Return the rows of one data set."""
    cell, rng = CELLS[name], np.random.default_rng(FIRST_SEED + number)
    X = cell.draw(rng, cell.n)
    y = cell.mean(X) + cell.noise * rng.standard_normal(cell.n)
    model, rows = model_of(model_name, cell, int(rng.integers(2**31))), []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", InferenceWarning)
        model.fit(X, y)
        for rule, debias in {
            "plain": False,
            "auto": "auto",
            "robust": "robust",
        }.items():
            if rule not in rules:
                continue
            for what, found, k, truth in asked(cell, model, X, y, debias=debias):
                rows.append(line_of(rule, what, found, k, truth.mean()))
                if rule == "auto":
                    rows.append(line_of("auto, of population", what, found, k,
                                        of_population(cell, X, what)))  # fmt: skip
        if "auto" in rules and model_name != "default":
            for what, found, k, _ in asked(cell, model, X, y, population=True):
                rows.append(line_of("population", what, found, k,
                                    of_population(cell, X, what)))  # fmt: skip
        rows += [line_of("none", *one) for one in points(cell, model, X, rng)]
        rows.append(band_of(cell, model, X, y))
    same = dict(cell=name, model=model_name, replicate=number)
    return [same | row for row in rows]


def table(rows):
    """Return the table in markdown: coverage, its standard error, score over plain."""
    groups = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = row["cell"], row["model"], row["rule"], row["what"]
        hit = float(row["low"]) <= float(row["truth"]) <= float(row["high"])
        groups[key][row["replicate"]].append((hit, float(row["score"])))
    lines = ["| cell | model | what | rule | R | coverage (s.e.) | score / plain |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for (cell, model, rule, what), own in groups.items():
        values = {k: np.mean(v, axis=0) for k, v in own.items()}
        hits = np.array([v[0] for v in values.values()])
        plain = groups.get((cell, model, "plain", what), {})
        shared = [k for k in values if k in plain]
        score = ""
        if rule in ("auto", "robust") and len(shared) > 1:
            pair = [[values[k][1] for k in shared],
                    [np.mean(plain[k], axis=0)[1] for k in shared]]  # fmt: skip
            score = "{:.3f} ({:.3f})".format(*ratio(*pair))
        se = hits.std(ddof=1) / np.sqrt(len(hits)) if len(hits) > 1 else np.nan
        lines.append(f"| {cell} | {model} | {what} | {rule} | {len(hits)} | "
                     f"{hits.mean():.3f} ({se:.3f}) | {score} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def main():
    """Measure what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    parser.add_argument("--model", default="mix",
                        help="mix, default, or 'alpha A'")  # fmt: skip
    parser.add_argument("--rules", nargs="+", default=["plain", "auto"],
                        choices=["plain", "auto", "robust"])  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    path, done = given.output / "effects.csv", set()
    if path.exists():
        with path.open(newline="") as file:
            done = {(row["cell"], row["model"], int(row["replicate"]))
                    for row in csv.DictReader(file)}  # fmt: skip
    tasks = [(cell, given.model, k, given.rules)
             for k in range(given.repeats) for cell in given.cells
             if (cell, given.model, k) not in done]  # fmt: skip
    jobs = (joblib.delayed(replicate)(*task) for task in tasks)
    parallel = joblib.Parallel(n_jobs=given.jobs, return_as="generator_unordered")
    for rows in parallel(jobs):
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerows(rows)
    with path.open(newline="") as file:
        (given.output / "effects.md").write_text(table(csv.DictReader(file)))


if __name__ == "__main__":
    main()
