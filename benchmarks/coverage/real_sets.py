"""Prediction intervals of the default committee on real data, beside two rivals.

Sets are folders of `--data`, each with ``data.txt``, ``index_features.txt`` and
``index_target.txt`` as in the UCI sets of the literature on Bayesian networks, and two
of scikit-learn: diabetes, and the alcohol of wines by their other twelve properties.
Of each the first 1500 rows after a seeded shuffle, in five folds. All methods get the
same raw rows, and scale them as they are used to:

- ensemble: ``MLPEnsembleRegressorCI()``, nothing chosen, nothing scaled by hand;
- GP: scikit-learn's, ARD kernel and noise by marginal likelihood, best of three starts
  of the optimiser;
- CV+: MAPIE's, five folds, of 20 tanh units whose alpha five-fold search has chosen
  between 0.001 and 10, the search included in the time.

Measured are coverage of 95 % prediction intervals, their mean interval score (Winkler)
and the root mean square error, in standard deviations of y, and processor seconds per
fit. Ratios of scores are paired; their standard errors are between the test rows of one
split, so that they understate. Yacht, where networks are far ahead, is told apart.

    python benchmarks/coverage/real_sets.py --data uci                # all that is new
    python benchmarks/coverage/real_sets.py --data uci --only rivals  # needs mapie
    python benchmarks/coverage/real_sets.py --data uci --sets yacht --methods GP

Rivals take an hour, and are kept in real_sets_rivals.csv of ``benchmarks/results``, or
of `--output`: what it has of the same seed is not run again. The committee's rows, in
real_sets.csv, are replaced. The tables are in real_sets.md.
"""

import argparse
import csv
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
from coverage import LEVEL, RESULTS
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_wine
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from study_data import ratio, verdict
from threadpoolctl import threadpool_limits

import sklearn_nnci

SEED, MOST_ROWS, FOLDS = 61803, 1500, 5
ALPHAS = (1e-3, 1e-2, 0.1, 1.0, 10.0)
FIELDS = ["set", "method", "fold", "seed", "seconds", "error", "low", "high"]
VECTORS = FIELDS[-3:]  # of all test rows, prediction or bound less y, in sd of y
COVERED = (0.93, 0.99)
# Geometric means, at most; without a bar what is reported only
RATIOS = {"GP": 1.0, "GP, without yacht": 1.03, "CV+": 0.9, "CV+, without yacht": None}
WORST = {"GP": 1.1}  # of any set


def ensemble(X, y, T, seed=0):
    """Return predictions and intervals of the default committee."""
    model = sklearn_nnci.MLPEnsembleRegressorCI(random_state=seed)
    return model.fit(X, y).predict(T, return_pi=True, confidence_level=LEVEL)


def gaussian_process(X, y, T, seed=0):
    """Return those of a Gaussian process, hyperparameters by marginal likelihood."""
    kernel = ConstantKernel() * RBF(np.ones(X.shape[1])) + WhiteKernel()
    process = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=2, random_state=seed
    )
    model = make_pipeline(StandardScaler(), process).fit(X, y)
    mean, std = model.predict(T, return_std=True)  # of a new observation
    sides = stats.norm.isf((1.0 - LEVEL) / 2.0) * np.array([-1.0, 1.0])
    return mean, mean[:, None] + std[:, None] * sides


def cross_conformal(X, y, T, seed=0):
    """Return those of CV+, of a network whose penalty is searched."""
    from mapie.regression import CrossConformalRegressor

    network = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs",
                           max_iter=2000, random_state=seed)  # fmt: skip
    scaled = make_pipeline(StandardScaler(), network)
    model = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    grid = {"regressor__mlpregressor__alpha": ALPHAS}
    chosen = GridSearchCV(model, grid, cv=FOLDS, refit=False).fit(X, y).best_params_
    conformal = CrossConformalRegressor(model.set_params(**chosen), cv=FOLDS,
                                        confidence_level=LEVEL, method="plus",
                                        random_state=seed)  # fmt: skip
    mean, bounds = conformal.fit_conformalize(X, y).predict_interval(T)
    return mean, bounds[:, :, 0]


RIVALS = {"GP": gaussian_process, "CV+": cross_conformal}
METHODS = {"ensemble": ensemble, **RIVALS}


def load(folder):
    """Return {name: (X, y)} of all sets, the smallest first."""
    wine = load_wine().data
    sets = {"wine, alcohol": (wine[:, 1:], wine[:, 0])}
    sets["diabetes"] = load_diabetes(return_X_y=True, scaled=False)
    for path in sorted(folder.iterdir()) if folder else ():
        table = np.loadtxt(path / "data.txt")
        inputs, target = (
            np.loadtxt(path / f"index_{name}.txt", dtype=int, ndmin=1)
            for name in ("features", "target")
        )
        sets[path.name] = table[:, inputs], table[:, target[0]]
    return dict(sorted(sets.items(), key=lambda item: len(item[1][1])))


def folds(X, y, seed):
    """Yield training X and y, test X and y of each fold."""
    rows = np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS]
    X, y = X[rows], y[rows]
    for train, test in KFold(FOLDS).split(X):
        yield X[train], y[train], X[test], y[test]


def run(method, X, y, T, u, seed):
    """Return the seconds, and the `VECTORS`, of one fold."""
    begin = time.process_time()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean, bounds = METHODS[method](X, y, T, seed)
    seconds = time.process_time() - begin
    vectors = (np.column_stack([mean, bounds]) - u[:, None]) / y.std()
    return dict(seconds=seconds) | dict(zip(VECTORS, vectors.T, strict=True))


def read(path, seed):
    """Return {(set, method, fold): record} of the rows of this seed."""
    if not path.exists():
        return {}
    csv.field_size_limit(2**24)
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["seed"]) == seed]
    for row in rows:
        row["seconds"] = float(row["seconds"])
        row |= {name: np.array(row[name].split(), dtype=float) for name in VECTORS}
    return {(row["set"], row["method"], int(row["fold"])): row for row in rows}


def append(path, row):
    """Keep the record of one fold."""
    new = not path.exists()
    texts = {name: " ".join(f"{v:.4g}" for v in row[name]) for name in VECTORS}
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row | texts | dict(seconds=f"{row['seconds']:.3f}"))


def summarise(records):
    """Return what the folds of a set show of one method; scores row by row."""
    error, low, high = (np.concatenate([r[name] for r in records]) for name in VECTORS)
    missed = np.maximum(low, 0.0) + np.maximum(-high, 0.0)
    inside = (low <= 0.0) & (high >= 0.0)
    share = (inside.sum() + 2.0) / (
        len(inside) + 4.0
    )  # Agresti and Coull: not 0 near 1
    return dict(
        scores=high - low + 2.0 / (1.0 - LEVEL) * missed,
        covered=inside.mean(),
        covered_se=np.sqrt(share * (1.0 - share) / len(inside)),
        rmse=np.sqrt(np.mean(error**2)),
        seconds=np.median([r["seconds"] for r in records]),
    )


def markdown(found, sets, seed):
    """Return the tables; `found` is {(set, method): summary}."""
    lines = [
        "| set | rows, inputs | method | PI covered (s.e.) | score | over the GP's "
        "(s.e.) | over CV+'s (s.e.) | RMSE | seconds | bars |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    ratios = {rival: {} for rival in RIVALS}
    for name, (X, y) in sets.items():
        shape = f"{min(len(y), MOST_ROWS)}, {X.shape[1]}"
        for method in METHODS:
            if (one := found.get((name, method))) is None:
                continue
            over, bars = [], []
            if method == "ensemble":
                met = verdict(one["covered"], one["covered_se"], *COVERED)
                bars.append(f"PI in {list(COVERED)}: {met}")
            for rival in RIVALS:
                if method == rival or (name, rival) not in found:
                    over.append("")
                    continue
                r, se = ratio(one["scores"], found[name, rival]["scores"])
                over.append(f"{r:.3f} ({se:.3f})")
                if method == "ensemble":
                    ratios[rival][name] = r, se
                    if rival in WORST:
                        most = WORST[rival]
                        met = verdict(r, se, high=most)
                        bars.append(f"score <= {most} of the {rival}'s: {met}")
            cells = [
                name, shape, method, f"{one['covered']:.3f} ({one['covered_se']:.3f})",
                f"{one['scores'].mean():.3g}", *over, f"{one['rmse']:.3g}",
                f"{one['seconds']:.2g}", "; ".join(bars),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| score of the ensemble over that of | sets | geometric mean (s.e.) "
              "| range | bar | |", "|---|---:|---:|---|---|---|"]  # fmt: skip
    for title, most in RATIOS.items():
        own = dict(ratios[title.partition(",")[0]])
        if "without" in title:
            own.pop("yacht", None)
        if own:
            r, se = np.array(list(own.values())).T
            mean = np.exp(np.log(r).mean())
            se = mean * np.sqrt(np.sum((se / r) ** 2)) / len(r)
            bar = f"<= {most} | {verdict(mean, se, high=most)}" if most else "|"
            lines.append(
                f"| {title} | {len(r)} | {mean:.3f} ({se:.3f}) | {r.min():.3g} to "
                f"{r.max():.3g} | {bar} |"
            )
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    return (
        "# Real data\n\nWritten by `benchmarks/coverage/real_sets.py`, whose head says "
        f"what is measured. Nominal {LEVEL}; scores and errors in standard deviations "
        f"of y; seconds per fit and prediction of a fold.\n\n{about}, seed {seed}.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def main():
    """Run what is asked for and not kept, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the UCI sets")
    parser.add_argument("--sets", nargs="+", help="names of sets, all by default")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--only", choices=("rivals", "tables"), help="what to run")
    parser.add_argument("--seed", type=int, default=SEED, help="of rows and fits")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    if options.data is None:
        print("Without --data: scikit-learn's own sets only.", file=sys.stderr)
    options.output.mkdir(parents=True, exist_ok=True)
    own, cache = (options.output / f"real_sets{end}.csv" for end in ("", "_rivals"))
    sets, seed = load(options.data), options.seed
    methods = {None: options.methods, "rivals": list(RIVALS), "tables": ()}
    methods = [m for m in methods[options.only] if m in options.methods]
    names = options.sets or list(sets)
    if "ensemble" in methods:
        others = [r for r in read(own, seed).values() if r["set"] not in names]
        own.unlink(missing_ok=True)
        for record in others:
            append(own, record)
    for name in names:
        for method in methods:
            path = cache if method in RIVALS else own
            kept = read(path, seed)
            for fold, data in enumerate(folds(*sets[name], seed)):
                if (name, method, fold) not in kept:
                    key = dict(set=name, method=method, fold=fold, seed=seed)
                    record = run(method, *data, fold)
                    append(path, key | record)
                    one = summarise([record])
                    print(name, method, fold, f"covered {one['covered']:.3f}",
                          f"score {one['scores'].mean():.3g}",
                          f"{one['seconds']:.1f} s", flush=True)  # fmt: skip
    kept, found = read(cache, seed) | read(own, seed), {}
    for name in sets:
        for method in METHODS:
            records = [kept.get((name, method, fold)) for fold in range(FOLDS)]
            if all(records):
                found[name, method] = summarise(records)
    page = markdown(found, sets, seed)
    print(page)
    (options.output / "real_sets.md").write_text(page)


if __name__ == "__main__":
    main()
