"""Prediction intervals of real data with empirical errors and a varying noise.

The sets, their rows and their five folds are those of `real_sets.py`. Networks are

- tanh 8: eight tanh units, polished, best of five starts, alpha = 1e-4;
- tanh 8, alpha 1: the same with a penalty that smooths;
- default: scikit-learn's, a hundred relu units by adam, which have more parameters than
  most sets have rows;

of X and y standardised by the training rows. Each is fitted once per fold, then does
its inference with ``errors="empirical"``, with ``variance="auto"``, with both and with
neither. Beside it stands MAPIE's CV+ (five folds) of the same network. The committee is
the default of `MLPEnsembleRegressorCI` with both options, on raw rows, and is compared
to the CV+ of tanh 8.

Measured are coverage of intervals of 50, 80, 90 and 95 %; the mean interval score
(Winkler) at 95 %, in standard deviations of y, and its ratio to that of CV+, paired;
the lowest coverage of 90 % intervals among slabs, the rows between terciles of one
input; processor seconds per fit. Standard errors are between the test rows of one
split, so that they understate.

    python benchmarks/coverage/noise_sets.py --data uci             # needs mapie
    python benchmarks/coverage/noise_sets.py --data uci --sets yacht --networks default
    python benchmarks/coverage/noise_sets.py --only tables

Each fold is a row of noise_sets.csv in ``benchmarks/results``, or `--output`, appended
as soon as it is done; what it has of the same seed is not run again. The tables are in
noise_sets.md.
"""

import argparse
import copy
import csv
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
from coverage import RESULTS
from minima import table
from noise import OPTIONS
from noise_data import LEVELS
from noise_tables import limits_text
from real_sets import FOLDS, MOST_ROWS, SEED, folds, load
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from study_data import ratio, verdict
from threadpoolctl import threadpool_limits
from tuned import alpha

import sklearn_nnci
from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI

NETWORKS = {
    "tanh 8": lambda seed: alpha((8,), seed),
    "tanh 8, alpha 1": lambda seed: alpha((8,), seed).set_params(alpha=1.0),
    "default": lambda seed: MLPRegressorCI(random_state=seed),
    "committee": lambda seed: MLPEnsembleRegressorCI(
        MLPRegressorCI(regularization="evidence", activation="tanh", **OPTIONS["both"]),
        random_state=seed,
    ),
}
METHODS = [*OPTIONS, "CV+"]
# Level of the slabs, and rows that a slab has at least.
SLAB_LEVEL, SLAB_ROWS = 0.9, 30
KEY = ("set", "network", "method", "fold", "seed")
VECTORS = ("covered", "score", "slab_rows", "slab_hits")
FIELDS = [*KEY, "seconds", "variance", *VECTORS]
# Coverage away from its level, lowest of a slab, and how far that is below CV+'s.
AWAY, WORST, BELOW = 0.03, 0.80, 0.03
# Score over CV+'s, on each set.
SCORE, EACH = "score over CV+'s", 1.08
# A network, that of the CV+ beside it, and the median of these scores.
COMPARED = [("tanh 8", "tanh 8", 1.0), ("tanh 8, alpha 1", "tanh 8, alpha 1", 1.0),
            ("default", "default", 1.0), ("committee", "tanh 8", 0.95),
            ("committee", "tanh 8, alpha 1", 0.95)]  # fmt: skip


def bounds_of(network, X, y, T, seed):
    """Yield method, its bounds (n, 2, levels), seconds and kind of variance."""
    model = NETWORKS[network](seed)
    begin = time.process_time()
    if network == "committee":
        bounds = model.fit(X, y).get_prediction(T).conf_int(LEVELS, obs=True)
        yield "both", bounds, time.process_time() - begin, ""
        return
    scaler, center, scale = StandardScaler().fit(X), y.mean(), y.std()
    Z, target = scaler.transform(X), (y - center) / scale
    model.fit(Z, target)
    seconds = time.process_time() - begin
    for option, parameters in OPTIONS.items():
        begin = time.process_time()
        one = copy.deepcopy(model).set_params(**parameters).fit_inference(Z, target)
        prediction = one.get_prediction(scaler.transform(T))
        bounds = center + scale * prediction.conf_int(LEVELS, obs=True)
        own = seconds + time.process_time() - begin
        yield option, bounds, own, one.inference_.variance
    begin = time.process_time()
    bounds = cross_conformal(NETWORKS[network](seed), X, y, T, seed)
    yield "CV+", bounds, time.process_time() - begin, ""


def cross_conformal(network, X, y, T, seed):
    """Return bounds of CV+, (n, 2, levels); its networks do no inference."""
    from mapie.regression import CrossConformalRegressor

    scaled = make_pipeline(StandardScaler(), network.set_params(covariance=None))
    model = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    conformal = CrossConformalRegressor(
        model, cv=FOLDS, confidence_level=list(LEVELS), method="plus", random_state=seed
    )
    return conformal.fit_conformalize(X, y).predict_interval(T)[1]


def slabs_of(X):
    """Return the number of the tercile of each row in each column, (n, d)."""
    thirds = np.quantile(X, [1.0 / 3.0, 2.0 / 3.0], axis=0)
    return (X > thirds[0]).astype(int) + (X > thirds[1])


def measured(bounds, u, sd, slabs):
    """Return the `VECTORS` of a fold: test targets `u` (n,), `slabs` (n, d)."""
    low, high = np.moveaxis(bounds - u[:, None, None], 1, 0) / sd
    inside = (low <= 0.0) & (high >= 0.0)
    missed = np.maximum(low, 0.0) + np.maximum(-high, 0.0)
    scores = high - low + 2.0 / (1.0 - LEVELS) * missed
    within = slabs[:, :, None] == np.arange(3)
    hits = within & inside[:, list(LEVELS).index(SLAB_LEVEL), None, None]
    return dict(
        covered=inside.sum(axis=0),
        score=scores[:, -1],
        slab_rows=within.sum(axis=0).ravel(),
        slab_hits=hits.sum(axis=0).ravel(),
    )


def run(network, data, sd, slabs, seed):
    """Return the rows of a fold, without their key."""
    X, y, T, u = data
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            dict(method=method, seconds=seconds, variance=variance)
            | measured(bounds, u, sd, slabs)
            for method, bounds, seconds, variance in bounds_of(network, X, y, T, seed)
        ]


def read(path, seed):
    """Return {(set, network, method): {fold: row}} of this seed."""
    found = {}
    if path.exists():
        csv.field_size_limit(2**24)
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if int(row["seed"]) == seed:
                    row |= {k: np.array(row[k].split(), float) for k in VECTORS}
                    row["seconds"] = float(row["seconds"])
                    own = found.setdefault(tuple(row[k] for k in KEY[:3]), {})
                    own[int(row["fold"])] = row
    return found


def append(path, row):
    """Keep the row of one fold."""
    new = not path.exists()
    texts = {k: " ".join(f"{v:.4g}" for v in row[k]) for k in VECTORS}
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row | texts | dict(seconds=f"{row['seconds']:.3f}"))


def summarise(rows):
    """Return what the folds of a set show of one method."""
    rows = [rows[k] for k in sorted(rows)]
    score = np.concatenate([row["score"] for row in rows])
    covered, slab_rows, slab_hits = (
        np.sum([row[k] for row in rows], axis=0)
        for k in ("covered", "slab_rows", "slab_hits")
    )
    told = slab_rows >= SLAB_ROWS
    worst = int(np.argmin(np.where(told, slab_hits / np.maximum(slab_rows, 1), np.inf)))
    kinds = [row["variance"] for row in rows]
    return dict(
        score=score,
        covered=[share(hits, len(score)) for hits in covered],
        worst=share(slab_hits[worst], slab_rows[worst]),
        seconds=np.median([row["seconds"] for row in rows]),
        variance=", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted({*kinds})),
    )


def share(hits, n):
    """Return hits / n and its standard error, by Agresti and Coull not 0 near 1."""
    p = (hits + 2.0) / (n + 4.0)
    return hits / n, np.sqrt(p * (1.0 - p) / n)


def of_sets(found, names, network, beside, option="both"):
    """Return {figure: [(set, value and standard error, met)]}, and {figure: range}."""
    values, ranges = {}, {}
    for name in names:
        one, other = (found.get((name, *key))
                      for key in ((network, option), (beside, "CV+")))  # fmt: skip
        for figure, value, limits in bars_of_set(one, other) if one and other else ():
            met = "MISSED" not in verdict(*value, *limits)
            values.setdefault(figure, []).append((name, value, met))
            ranges[figure] = limits
    return values, ranges


def bars_of_set(one, other):
    """Yield figure, value and standard error, and range, of one set."""
    for level, value in zip(LEVELS, one["covered"], strict=True):
        yield f"PI, {level:.0%}", value, (level - AWAY, level + AWAY)
    yield SCORE, ratio(one["score"], other["score"]), (0.0, EACH)
    yield "worst slab, 90%", one["worst"], (WORST, 1.0)
    (low, se), (beside, se_beside) = one["worst"], other["worst"]
    yield (
        "worst slab less CV+'s",
        (low - beside, np.hypot(se, se_beside)),
        (-BELOW, 1.0),
    )


def bars_of(found, names):
    """Yield the lines of the table of bars, over all sets."""
    for network, beside, most in COMPARED:
        values, ranges = of_sets(found, names, network, beside)
        for figure, own in values.items():
            found_at = [value for _, (value, _), _ in own]
            missed = [f"{name}: {value:.3f} ({se:.3f})"
                      for name, (value, se), met in own if not met]  # fmt: skip
            yield [figure, network, beside, limits_text(*ranges[figure]),
                   f"{min(found_at):.3f} to {max(found_at):.3f}",
                   f"{len(own) - len(missed)} of {len(own)}",
                   f"**MISSED** {'; '.join(missed)}" if missed else "met"]  # fmt: skip
        if values:
            ordered = sorted(value for _, value, _ in values[SCORE])
            value, se = ordered[len(ordered) // 2]
            met = verdict(value, se, 0.0, most)
            yield [f"{SCORE}, median", network, beside, limits_text(0.0, most),
                   f"{value:.3f} ({se:.3f})", "", met]  # fmt: skip


def totals_of(found, names):
    """Yield how many sets meet the bars with each option."""
    for network in NETWORKS:
        for option in OPTIONS:
            beside = "tanh 8" if network == "committee" else network
            values, _ = of_sets(found, names, network, beside, option)
            if values:
                counts = {}
                for figure, own in values.items():
                    kind = counts.setdefault(figure.partition(",")[0], [])
                    kind += [met for *_, met in own]
                ratios = [value for _, (value, _), _ in values[SCORE]]
                texts = [f"{sum(met)} of {len(met)}" for met in counts.values()]
                yield [network, option, *texts, f"{np.median(ratios):.3f}"]


def markdown(path, sets, seed):
    """Return the page of the sets of which all folds are kept."""
    found = {key: summarise(rows) for key, rows in read(path, seed).items()
             if len(rows) == FOLDS}  # fmt: skip
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    bars = ["figure", "network", "CV+ of", "bar", "found", "sets that meet it", ""]
    totals = ["network", "option", "PI at four levels", SCORE, "worst slab",
              "worst slab less CV+'s", f"{SCORE}, median"]  # fmt: skip
    head = ["set", "rows, inputs", "network", "method", "PI at 50 / 80 / 90 / 95 %",
            "worst slab, 90 %", "score", "over CV+'s (s.e.)", "seconds",
            "variance that is taken, folds"]  # fmt: skip
    return (
        "# Noise of real data\n\nWritten by `benchmarks/coverage/noise_sets.py`, whose "
        "head says what is measured. Scores at 95 %, in standard deviations of y.\n\n"
        f"{about}, seed {seed}.\n\n## Bars\n\nOf both options.\n\n"
        + table(bars, bars_of(found, sets))
        + "\n## Sets that meet the bars, by option\n\n"
        + table(totals, totals_of(found, sets))
        + "\n## Sets\n\n"
        + table(head, lines_of(found, sets))
    )


def lines_of(found, sets):
    """Yield the rows of the table of sets."""
    for name, (X, y) in sets.items():
        shape = f"{min(len(y), MOST_ROWS)}, {X.shape[1]}"
        for network in NETWORKS:
            for method in METHODS:
                if (one := found.get((name, network, method))) is None:
                    continue
                beside = "tanh 8" if network == "committee" else network
                other, over = found.get((name, beside, "CV+")), ""
                if other and method != "CV+":
                    over = "{:.3f} ({:.3f})".format(
                        *ratio(one["score"], other["score"])
                    )
                yield [
                    name, shape, network, method,
                    " / ".join(f"{value:.3f}" for value, _ in one["covered"]),
                    "{:.3f} ({:.3f})".format(*one["worst"]),
                    f"{one['score'].mean():.3g}", over, f"{one['seconds']:.2g}",
                    one["variance"] if method in ("variance", "both") else "",
                ]  # fmt: skip


def of_set(data, network, name, seed, found):
    """Yield fold and rows of the folds of a set that are not kept."""
    X, y = data
    parts = list(folds(X, y, seed))
    T, u = (np.concatenate([part[k] for part in parts]) for k in (2, 3))
    ends = np.cumsum([0, *(len(part[3]) for part in parts)])
    for fold, part in enumerate(parts):
        if fold not in found.get((name, network, "both"), {}):
            slabs = slabs_of(T)[ends[fold] : ends[fold + 1]]
            for row in run(network, part, u.std(), slabs, fold):
                key = dict(set=name, network=network, fold=fold, seed=seed)
                yield fold, key | row


def main():
    """Run what is asked for and not kept, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the UCI sets")
    parser.add_argument("--sets", nargs="+", help="names of sets, all by default")
    about = "kinds of networks, all by default"
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help=about)
    parser.add_argument("--only", choices=["tables"], help="run nothing")
    parser.add_argument("--seed", type=int, default=SEED, help="of rows and fits")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    if options.data is None:
        print("Without --data: scikit-learn's own sets only.", file=sys.stderr)
    options.output.mkdir(parents=True, exist_ok=True)
    path, page = (options.output / f"noise_sets.{end}" for end in ("csv", "md"))
    sets, seed = load(options.data), options.seed
    for network in () if options.only else options.networks or NETWORKS:
        for name in options.sets or sets:
            for fold, row in of_set(sets[name], network, name, seed, read(path, seed)):
                append(path, row)
                print(name, network, row["method"], fold, f"{row['score'].mean():.3g}",
                      f"{row['seconds']:.1f} s", flush=True)  # fmt: skip
        page.write_text(markdown(path, sets, seed))
    page.write_text(markdown(path, sets, seed))
    print(page.read_text())


if __name__ == "__main__":
    main()
