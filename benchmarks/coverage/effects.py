"""Coverage of effects: average slopes, contrasts, partial dependence, single points.

Data sets of a known smooth mean; committees of six starts with their own penalties
(``mix``), or one network of a given alpha (``alpha 0.05``, polished; ``default``, relu
by adam). Each is asked for every average slope (AME), an average contrast of the first
input (CON), a partial dependence in the upper sixth of the first input (PD), a band
over it (sup-t, 50 points), and for slopes and contrasts at ten rows, under the rules

    plain   debias=False            auto    the default
    tangent, robust, wider          debias= these
    population, of the default, and of its sample target

and is told whether the interval of 95 % contains the truth: of the rows of the sample,
for population that of the distribution. Truths of slopes are derivatives of the mean;
where a network is asked for difference quotients, they are those.

Score is the mean interval score (Winkler), width + 40 times the miss; ratios of scores
are of means over replicates. The standard error of a coverage of 0.95 is 0.02 at 100
replicates, 0.04 at 30.

    python benchmarks/coverage/effects.py --repeats 100                # every cell
    python benchmarks/coverage/effects.py --repeats 20 --cells sin_600 weak5_600
    python benchmarks/coverage/effects.py --repeats 0                  # table only

Each estimate is a row of effects.csv in ``benchmarks/results``, or `--output`, appended
as soon as its replicate is done; those kept are not measured again. The table is in
effects.md.
"""

import argparse
import csv
import functools
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
from threadpoolctl import threadpool_limits

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, effects
from sklearn_nnci.exceptions import InferenceWarning

# A seed for each replicate; the rules were chosen on others, in another program.
FIRST_SEED, STARTS, POINTS, LARGE = 20_000, 6, 10, 200_000
FIELDS = "cell", "model", "replicate", "rule", "what", "covered", "width", "score"
DEBIAS = {"plain": False} | {
    rule: rule for rule in ("auto", "tangent", "robust", "wider")
}


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
    "two_fast_12": Cell(fast, 2, 400, 12, 0.2, (-3.0, 3.0)),  # with units enough
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
    """Yield (what, Estimates, truths) at rows; no rule has a part in these."""
    rows, other = (X[rng.choice(len(X), POINTS, replace=False)] for _ in range(2))
    found = effects.slopes(model, rows, 0, training=(X, None))
    step = 0.25 * X[:, 0].std() if found.contrast[0] != "dY/dX" else 0.0
    yield "slope at a row", found, cell.slope(rows, 0, step)
    found = effects.comparisons(model, rows, other)
    yield "contrast of rows", found, cell.mean(other) - cell.mean(rows)


@functools.lru_cache(maxsize=2)
def population(cell):
    """Return many rows of the distribution."""
    return cell.draw(np.random.default_rng(1), LARGE)


@functools.cache
def average_slope(cell, j):
    """Return the average derivative by x_j over the distribution."""
    return cell.slope(population(cell), j).mean()


def of_population(cell, X, what):
    """Return the truth of an average over the distribution, X setting its points."""
    if what.startswith("AME"):
        return average_slope(cell, int(what[3:]) - 1)
    low, high, top = np.quantile(X[:, 0], [1 / 6, 5 / 6, 0.9])
    means, Z = [], population(cell).copy()
    for value in (low, high) if what == "CON" else (top,):
        Z[:, 0] = value
        means.append(cell.mean(Z).mean())
    return means[-1] - means[0] if what == "CON" else means[0]


def measured(rule, what, interval, truth):
    """Return the row of some intervals (k, 2): shares and means over them."""
    low, high = np.transpose(interval)
    missed = np.maximum(np.maximum(low - truth, truth - high), 0.0)
    score = high - low + 2.0 / (1.0 - LEVEL) * missed
    return dict(rule=rule, what=what, covered=f"{np.mean(missed == 0.0):.3g}",
                width=f"{np.mean(high - low):.4g}",
                score=f"{np.mean(score):.4g}")  # fmt: skip


def averages(cell, model, X, y, rules):
    """Yield the rows of every average under every rule."""
    for rule in rules:
        debias = DEBIAS[rule]
        for what, found, k, truth in asked(cell, model, X, y, debias=debias):
            interval = found.conf_int(LEVEL)[[k]]
            yield measured(rule, what, interval, truth.mean())
            if rule == "auto":
                whole = of_population(cell, X, what)
                yield measured("auto, of population", what, interval, whole)
    if "auto" in rules:
        for what, found, k, _ in asked(cell, model, X, y, population=True):
            whole = of_population(cell, X, what)
            yield measured("population", what, found.conf_int(LEVEL)[[k]], whole)


def band(cell, model, X, y):
    """Return the row of a band over a partial dependence of 50 points, all at once."""
    found = effects.partial_dependence_interval(model, X, 0, training=(X, y))
    truth, Z = [], X.copy()
    for value in found.columns["value"]:
        Z[:, 0] = value
        truth.append(cell.mean(Z).mean())
    interval = found.conf_int(LEVEL, simultaneous="sup-t")
    row = measured("auto", "band", interval, np.array(truth))
    return row | dict(covered=int(row["covered"] == "1"))


def replicate(name, model_name, number, rules):
    """Return the rows of one data set; without rules its band only."""
    cell, rng = CELLS[name], np.random.default_rng(FIRST_SEED + number)
    X = cell.draw(rng, cell.n)
    y = cell.mean(X) + cell.noise * rng.standard_normal(cell.n)
    model = model_of(model_name, cell, int(rng.integers(2**31)))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", InferenceWarning)
        model.fit(X, y)
        rows = [*averages(cell, model, X, y, rules), band(cell, model, X, y)]
        for what, found, truth in points(cell, model, X, rng) if rules else ():
            rows.append(measured("none", what, found.conf_int(LEVEL), truth))
    same = dict(cell=name, model=model_name, replicate=number)
    return [same | row for row in rows]


def grouped(rows):
    """Return {(cell, model, rule): {what: {replicate: (covered, score)}}}."""
    groups = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        own = groups[row["cell"], row["model"], row["rule"]][row["what"]]
        own[int(row["replicate"])] = float(row["covered"]), float(row["score"])
    return groups


def share(values):
    """Return how often intervals cover, (covered, score) being of replicates."""
    return np.mean([covered for covered, _ in values.values()])


def over_plain(own, plain, names):
    """Return the ratio of mean scores, of intervals that are bounded."""
    above, below = [], []
    for name in names:
        pairs = [(own[name][k][1], plain[name][k][1])
                 for k in own[name] if k in plain.get(name, {})]  # fmt: skip
        pairs = [pair for pair in pairs if np.isfinite(pair).all()]
        if pairs:
            means = np.mean(pairs, axis=0)
            above.append(means[0])
            below.append(means[1])
    return f"{np.sum(above) / np.sum(below):.2f}" if below else ""


def table(rows):
    """Return the tables in markdown."""
    groups, lines = grouped(rows), [
        "Coverage of 95 % intervals, and scores over those of plain ones, over inputs.",
        "",
        "| cell | model | rule | R | each AME | CON | PD | score: AME | CON, PD |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    single = ["", "Single rows, no correction; the band is that of `auto`.", "",
              "| cell | model | R | slope | contrast | band of PD, 50 points |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for (cell, model, rule), own in groups.items():
        if rule == "none":
            names = ["slope at a row", "contrast of rows"]
            shown = [f"{share(own[name]):.3f}" for name in names]
            found = groups[cell, model, "auto"].get("band")
            shown.append(f"{share(found):.3f} (R = {len(found)})" if found else "")
            single.append(f"| {cell} | {model} | {len(own[names[0]])} | "
                          f"{' | '.join(shown)} |")  # fmt: skip
            continue
        slopes = sorted(name for name in own if name.startswith("AME"))
        plain = groups.get((cell, model, "plain"), {})
        each = ", ".join(f"{share(own[name]):.2f}" for name in slopes)
        scores = ["", ""]
        if rule in DEBIAS and rule != "plain":
            parts = (slopes, ["CON", "PD"])
            scores = [over_plain(own, plain, names) for names in parts]
        lines.append(f"| {cell} | {model} | {rule} | {len(own['CON'])} | {each} | "
                     f"{share(own['CON']):.2f} | {share(own['PD']):.2f} | "
                     f"{' | '.join(scores)} |")  # fmt: skip
    return "\n".join([*lines, *single]) + "\n"


def main():
    """Measure what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    parser.add_argument("--model", default="mix",
                        help="mix, default, or 'alpha A'")  # fmt: skip
    parser.add_argument("--rules", nargs="+", default=["plain", "auto"],
                        choices=DEBIAS)  # fmt: skip
    parser.add_argument("--only-band", action="store_true",
                        help="bands, where replicates have none")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    path, done = given.output / "effects.csv", set()
    if path.exists():
        with path.open(newline="") as file:
            done = {(row["cell"], row["model"], int(row["replicate"]))
                    for row in csv.DictReader(file)
                    if row["what"] == "band" or not given.only_band}  # fmt: skip
    rules = [] if given.only_band else given.rules
    tasks = [(cell, given.model, k, rules)
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
