"""What a search gains that scores intervals, and what it costs to be quiet.

Sets and outer folds are those of `real_sets.py`. In each fold a grid over units and
alpha is searched by three inner folds, once by R^2 and once by the interval score of
95 % prediction intervals, on the same splits; winners are fitted to the fold, and
measured on rows that neither saw: interval score and root mean square error, in
standard deviations of y, and coverage. Ratios of scores are paired row by row; their
standard errors are between the test rows, so that they understate.

Processor seconds are of the same search by R^2 of the first fold: as it is, with
``covariance=None`` in the network, and by `fit_search`.

    python benchmarks/coverage/searches.py --data uci --sets yacht concrete
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
from coverage import LEVEL, RESULTS
from real_sets import SEED, folds, load
from sklearn.model_selection import GridSearchCV, KFold
from study_data import ratio
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI, make_scaled
from sklearn_nnci.exceptions import InferenceWarning
from sklearn_nnci.metrics import neg_interval_scorer
from sklearn_nnci.model_selection import fit_search

OWN = "regressor__mlpregressorci__"
GRID = {
    f"{OWN}hidden_layer_sizes": [(5,), (10,), (30,)],
    f"{OWN}alpha": [0.01, 0.1, 1.0, 10.0],
}
INNER = KFold(3, shuffle=True, random_state=0)
SCORING = {"R^2": "r2", "interval score": neg_interval_scorer}


def model(**given):
    """Return the candidate."""
    network = MLPRegressorCI(activation="tanh", solver="lbfgs", max_iter=500,
                             random_state=0, **given)  # fmt: skip
    return make_scaled(network)


def search(refit=True, scoring="r2", **given):
    """Return the search, not fitted."""
    return GridSearchCV(model(**given), GRID, cv=INNER, scoring=scoring, refit=refit)


def winners(X, y):
    """Return {scoring: parameters} of the best by each, from one pass over the grid."""
    found = search(refit=False, scoring=SCORING).fit(X, y).cv_results_
    return {
        name: found["params"][int(np.argmax(found[f"mean_test_{name}"]))]
        for name in SCORING
    }


def measured(parameters, X, y, T, u):
    """Return interval scores, errors and coverage of the test rows, in s.d. of y."""
    _, pi = (fitted := model().set_params(**parameters).fit(X, y)).predict_interval(T)
    missed = np.maximum(pi[:, 0] - u, 0.0) + np.maximum(u - pi[:, 1], 0.0)
    scores = pi[:, 1] - pi[:, 0] + 2.0 / (1.0 - LEVEL) * missed
    return scores / y.std(), (fitted.predict(T) - u) / y.std(), missed == 0.0


def seconds_and_warnings(fit, *data):
    """Return the processor seconds of a call, and how many intervals it warned of."""
    begin = time.process_time()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(*data)
    mine = sum(issubclass(one.category, InferenceWarning) for one in told)
    return time.process_time() - begin, mine


def costs(X, y):
    """Return rows of the table of costs, of one fold."""
    calls = {
        "search.fit": search().fit,
        "covariance=None": search(covariance=None).fit,
        "fit_search": lambda X, y: fit_search(search(), X, y),
    }
    return {name: seconds_and_warnings(fit, X, y) for name, fit in calls.items()}


def compared(X, y, seed=SEED):
    """Return {scoring: measures}, rows of all folds one after the other."""
    found = {name: [] for name in SCORING}
    for fold in folds(X, y, seed):
        for name, parameters in winners(*fold[:2]).items():
            found[name].append(measured(parameters, *fold))
    return {
        name: [np.concatenate(parts) for parts in zip(*own, strict=True)]
        for name, own in found.items()
    }


def main():
    """Search, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the UCI sets")
    parser.add_argument("--sets", nargs="+", help="names of sets, all by default")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    sets = load(options.data)
    lines = ["| set | selected by | interval score | over that by R^2 (s.e.) "
             "| PI covered | RMSE |", "|---|---|---:|---:|---:|---:|"]  # fmt: skip
    cost = ["| set | call | seconds | of `covariance=None` | warnings |",
            "|---|---|---:|---:|---:|"]  # fmt: skip
    for name in options.sets or sets:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spent = costs(*next(folds(*sets[name], SEED))[:2])
            found = compared(*sets[name])
        for chosen, (scores, errors, inside) in found.items():
            r, se = ratio(scores, found["R^2"][0])
            lines.append(
                f"| {name} | {chosen} | {scores.mean():.4g} | {r:.3f} ({se:.3f}) | "
                f"{inside.mean():.3f} | {np.sqrt(np.mean(errors**2)):.4g} |"
            )
        least = spent["covariance=None"][0]
        cost += [
            f"| {name} | {call} | {seconds:.3g} | {seconds / least:.2f} | {told} |"
            for call, (seconds, told) in spent.items()
        ]
    about = ", ".join(
        f"{m.__name__} {m.__version__}" for m in (sklearn_nnci, sklearn, np)
    )
    head = (
        "# Searches\n\nWritten by `benchmarks/coverage/searches.py`, whose head says "
        f"what is measured. Nominal {LEVEL}.\n\n{about}, seed {SEED}.\n"
    )
    page = "\n".join([head, *lines, "", *cost, ""])
    print(page)
    (options.output / "searches.md").write_text(page)


if __name__ == "__main__":
    main()
