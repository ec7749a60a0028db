"""Several minima, and networks too small: what intervals and warnings make of them.

The data are those of the coverage study (`study_data.py`), the networks polished tanh
networks of a fixed penalty, alpha = 1e-4, best of five starts. In four parts:

- near: the starts that could as well be the best are in the variance of the mean, or
  are not, in a copy of the same fit ("alone");
- committee: five such networks of one start each, averaged, and the one of them that
  has the largest weight ("member"); also with twenty relu units;
- misfit: how often a fit warns of a curve in its residuals, where networks can follow
  their curve (the cells of "near"), where they have too few units, and where noise is
  uneven by a factor of nine, lognormal, or Student's with three degrees of freedom;
- grid: how often the fits of `auto_rule.py` warn, of anything.

CI, score and width are as in `tuned.py`: coverage of the true mean at 100 fixed points,
mean interval score (Winkler) and median width in s.d. of y. Ratios of scores are paired
ratios of means, from cell to cell their geometric mean. Standard errors are between
replicates; a bar may be missed by two of them.

    python benchmarks/coverage/minima.py --jobs 2                        # everything
    python benchmarks/coverage/minima.py --parts near --cells teacher --output look
    python benchmarks/coverage/minima.py --repeats 0                     # tables only

Each fit is a row of minima.csv in ``benchmarks/results``, or `--output`, appended as
soon as it is done; those kept are not measured again. The tables of a seed are in
minima.md.
"""

import argparse
import copy
from pathlib import Path

import grid
import joblib
import numpy as np
import sklearn
from auto_rule import simulate
from coverage import LEVEL, N_TEST, RESULTS
from study_data import DATA, draw, measure, told, verdict
from threadpoolctl import threadpool_limits
from tuned import D5, D10, KEY, PRODUCT, Cell, alpha, append, mean, read, summarise

import sklearn_nnci
from sklearn_nnci import MLPEnsembleRegressorCI

SEED = 141421
WEAK, WEAKER = "teacher, weak unit", "teacher, weaker unit"


def skewed(rng, n):
    """Return lognormal noise of mean 0 and variance 1."""
    return (np.exp(rng.standard_normal(n)) - np.sqrt(np.e)) / np.sqrt(np.e**2 - np.e)


def heavy(rng, n):
    """Return Student's noise of variance 1, with three degrees of freedom."""
    return rng.standard_t(3, n) / np.sqrt(3.0)


NOISE = {"teacher, lognormal noise": ("teacher", skewed),
         "teacher, t3 noise": ("teacher", heavy)}  # fmt: skip
SIZES = [("sinc", 200, 6), ("teacher", 200, 3), ("teacher", 200, 4),
         ("teacher", 200, 6), (WEAK, 200, 3), (WEAK, 200, 4), (WEAKER, 200, 4),
         (PRODUCT, 200, 5), (D5, 300, 5)]  # fmt: skip
NEAR, COMMITTEE = (
    [Cell(data, n, model, (h,)) for data, n, h in SIZES]
    for model in ("near", "committee")
)
RELU = Cell(D10, 1000, "committee", (20,))
ADEQUATE = [cell for cell in NEAR if cell.data != PRODUCT]
SMALL = [Cell("teacher", 200, "near", (2,)), Cell("sinc", 200, "near", (3,)),
         Cell(D5, 300, "near", (3,))]  # fmt: skip
UNUSUAL = [Cell("teacher, uneven noise", n, "near", (4,)) for n in (100, 400)]
UNUSUAL += [Cell(data, 200, "near", (4,)) for data in NOISE]
PARTS = {"near": NEAR, "committee": [*COMMITTEE, RELU], "misfit": SMALL + UNUSUAL}
OF = {"near": "alone", "committee": "member"}  # what a model is compared to
COLUMNS = {
    "data, n": "{data}, {n}", "model": "{model} {size}", "R": "{R}",
    "CI (s.e.)": "{ci:.3f} ({ci_se:.3f})", "worst ten": "{worst:.2f}",
    "CI width": "{ci_width:.3g}", "CI score (s.e.)": "{score:.3g} ({score_se:.2g})",
    "over that of": "{other}", "ratio (s.e.)": "{ratio:.3f} ({ratio_se:.3f})",
    "seconds": "{seconds:.2g}", "warnings": "{warnings}",
}  # fmt: skip


def sample_of(data, n, sequence):
    """Return the `Sample`, of noise that need not be normal."""
    data, law = NOISE.get(data, (data, None))
    sample = draw(data, n, sequence)
    if law is None:
        return sample
    function, options = DATA[data]
    rng = np.random.default_rng(sequence)
    function(rng, n, **options)
    normal = rng.standard_normal(n)  # what `draw` took
    return sample._replace(y=sample.y + sample.sd[0] * (law(rng, n) - normal))


def fitted(cell, sample):
    """Return {name: network or committee}, seconds and warnings of the fit."""
    network = alpha(cell.units, sample.state)
    if cell.model == "near":
        _, seconds, caught = told(network.fit, sample.X, sample.y)
        alone = copy.copy(network)
        alone._inference = network._inference | {"near": None}
        return {"near": network, "alone": alone}, seconds, caught
    if cell == RELU:
        network.set_params(activation="relu")
    model = MLPEnsembleRegressorCI(network, architectures=(None,), n_starts=5,
                                   random_state=sample.state)  # fmt: skip
    _, seconds, caught = told(model.fit, sample.X, sample.y)
    member = model.estimators_[np.argmax(model.weights_)]
    return {"committee": model, "member": member}, seconds, caught


def replicate(cell, seed, number, sequence):
    """Return a row of each model of one data set."""
    sample, rows = sample_of(cell.data, cell.n, sequence), []
    with threadpool_limits(1):
        models, seconds, caught = fitted(cell, sample)
        names = {w.category.__name__.removesuffix("Warning") for w in caught}
        for name, model in models.items():
            prediction = told(model.get_prediction, sample.T)[0]
            ci, pi = (prediction.conf_int(LEVEL, obs=obs) for obs in (False, True))
            found = measure(sample, ci, pi)
            row = {key: values.mean() for key, values in found.items()}
            row |= {key: np.median(found[key]) for key in ("ci_width", "pi_width")}
            row |= dict(zip(KEY, (cell.data, cell.n, name, cell.size, seed, number),
                            strict=True))  # fmt: skip
            row |= dict(seconds=seconds, warnings=" ".join(sorted(names)))
            row["hits"] = np.packbits(found["ci"]).tobytes().hex()
            rows.append(row)
    return rows


def of_grid(fit):
    """Return the row of a fit of the grid."""
    row = next(row for row in simulate(fit) if row["method"] == "auto")
    kept = {key: row[key] for key in ("data", "n", "ci", "pi", "ci_score", "pi_score",
                                      "ci_width", "pi_width", "seed")}  # fmt: skip
    units = f"{fit.network}, noise {fit.noise:g}"
    kept |= dict(model="grid", units=units, replicate=fit.number)
    return [kept | dict(warnings=row["at_fit"])]


def key_of(cell, model=None):
    return cell.data, cell.n, model or cell.model, cell.size


def lines_of(found):
    """Return {key: line of the table} of what was measured."""
    lines = {}
    for part in PARTS.values():
        for cell in part:
            if rows := found.get(key_of(cell)):
                other = OF[cell.model]
                reference = found[key_of(cell, other)]
                line = summarise(cell, rows, {cell.size: reference}) | {"other": other}
                line["misfit"] = [misfit(row) for row in rows.values()]
                lines[key_of(cell)] = line
                beside = summarise(cell._replace(model=other), reference, {})
                nothing = dict(other="", warnings="", seconds=np.nan)
                lines[key_of(cell, other)] = beside | nothing
    return lines


def misfit(row):
    return float("Misfit" in row["warnings"].split())


def geometric(lines):
    """Return the geometric mean of ratios of scores, and its standard error."""
    ratios, errors = (
        np.array([line[k] for line in lines]) for k in ("ratio", "ratio_se")
    )
    value = np.exp(np.mean(np.log(ratios)))
    return value, value * np.sqrt(np.sum((errors / ratios) ** 2)) / len(lines)


def bars_of(lines, fits):
    """Yield part, figure, cells, its value and standard error, and its range."""
    for part, cells, least, most, best in (
        ("near", NEAR, 0.93, 1.03, 1.0), ("committee", COMMITTEE, 0.92, None, 0.97),
        ("committee, relu", [RELU], 0.92, 0.97, None),
    ):  # fmt: skip
        own = [lines[key_of(cell)] for cell in cells if key_of(cell) in lines]
        for line in own:
            where = f"{line['data']}, {line['size']} units"
            yield part, "CI", where, (line["ci"], line["ci_se"]), (least, 1.0)
            ratio = line["ratio"], line["ratio_se"]
            yield part, "score ratio", where, ratio, most and (0.0, most)
        if own and best:
            where = f"geometric mean of {len(own)}"
            yield part, "score ratio", where, geometric(own), (0.0, best)
    for name, cells, limits in (
        ("", SMALL, (0.95, 1.0)), ("", UNUSUAL, (0.0, 0.06)),
        ("can follow", ADEQUATE, (0.0, 0.04)),
    ):  # fmt: skip
        own = [lines[key_of(cell)] for cell in cells if key_of(cell) in lines]
        for line in own:
            where = f"{line['data']}, {line['n']}, {line['size']} units"
            yield "misfit", "warns", where, mean(line["misfit"]), not name and limits
        if own and name:
            where = f"{name}: mean of {len(own)}"
            found = mean([one for line in own for one in line["misfit"]])
            yield "misfit", "warns", where, found, limits
    if fits:
        numbers = [len(row["warnings"].split()) for row in fits]
        where = f"{len(fits)} fits"
        yield "grid", "warnings per fit", where, mean(numbers), (0.0, 0.5)
        quiet = mean([number == 0 for number in numbers])
        yield "grid", "quiet", where, quiet, (0.65, 1.0)
        yield "grid", "warns of misfit", where, mean([*map(misfit, fits)]), None


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def markdown(path, seed):
    """Return the page."""
    found = read(path, seed)
    lines = lines_of(found)
    fits = [row for key, rows in found.items() if key[2] == "grid"
            for row in rows.values()]  # fmt: skip
    bars = []
    for part, figure, where, (value, se), limits in bars_of(lines, fits):
        bar = met = ""
        if limits:
            low, high = limits
            bar = f"<= {high:g}" if low == 0.0 else f">= {low:g}"
            met = verdict(value, se, low, high)
        bars.append([part, figure, where, bar, f"{value:.3f} ({se:.3f})", met])
    cells = [[form.format(**line) for form in COLUMNS.values()]
             for line in lines.values()]  # fmt: skip
    cells = [["-" if "nan" in text else text for text in row] for row in cells]
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    return (
        "# Several minima, and misfit\n\n"
        "Written by `benchmarks/coverage/minima.py`, whose head says what is measured. "
        f"Nominal {LEVEL}; {N_TEST} test points; widths and scores in standard "
        f"deviations of y.\n\n{about}, seed {seed}.\n\n## Bars\n\n"
        + table(["part", "figure", "where", "bar", "found (s.e.)", ""], bars)
        + "\n## Cells\n\n"
        + table(list(COLUMNS), cells)
    )


def tasks_of(options, found):
    """Yield what is to be measured, cell by cell."""
    sequences = np.random.SeedSequence(options.seed).spawn(options.repeats)
    for part in options.parts:
        for cell in PARTS.get(part, []):
            if any(text in cell.name for text in options.cells):
                kept = found.get(key_of(cell, OF[cell.model]), {})
                yield [joblib.delayed(replicate)(cell, options.seed, k, sequences[k])
                       for k in range(options.repeats) if k not in kept]  # fmt: skip
        if part == "grid" and options.repeats:
            kept = {(key[0], key[1], key[3]) for key in found if key[2] == "grid"}
            yield [
                joblib.delayed(of_grid)(fit) for fit in grid.fits([options.seed])
                if (fit.data, fit.n, f"{fit.network}, noise {fit.noise:g}") not in kept
            ]  # fmt: skip


def main():
    """Run the parts asked for, keep each fit, write the tables after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = [*PARTS, "grid"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    about = "parts of cells' names: data, rows, model and units"
    parser.add_argument("--cells", nargs="+", default=[""], help=about)
    parser.add_argument("--seed", type=int, default=SEED, help="of all replicates")
    parser.add_argument("--repeats", type=int, default=200, help="data sets per cell")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path, page = options.output / "minima.csv", options.output / "minima.md"
    run = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    for tasks in tasks_of(options, read(path, options.seed)):
        for rows in run(tasks):
            for row in rows:
                append(path, row)
        page.write_text(markdown(path, options.seed))
    page.write_text(markdown(path, options.seed))
    print(page.read_text())


if __name__ == "__main__":
    main()
