"""Where the intervals hold and where they do not, point by point and beside rivals.

`coverage.py` asks whether intervals cover on average over x. Here the 100 test points
of a cell are the same in all its replicates, so that coverage is known at each of them;
networks are polished, the best of five starts; and the same replicates are given to
other ways to an interval (`rivals.py`). Each replicate draws new inputs, noise and
initial weights and standardises X and y by its training sample. Measured are

- CI: coverage of the true mean; over the points also its minimum, 10 % quantile and
  standard deviation. Were it 0.95 everywhere, 200 replicates would show a standard
  deviation of 0.015 and a minimum near 0.91;
- PI: probability of a new observation, computed, not drawn;
- mean widths, and interval scores (Winkler): width + 2 / 0.05 times what is missed, of
  the true mean and, in expectation, of a new observation. Units: s.d. of y;
- processor time of a fit over that of scikit-learn's own, single start and unpolished.

    python benchmarks/coverage/study.py --jobs 2           # the cells
    python benchmarks/coverage/study.py --jobs 2 --rivals  # with mapie, laplace-torch
    python benchmarks/coverage/study.py --cells sinc --replicates 20 --output look

Rows are kept in study.csv of the output folder, where a row that is run again replaces
the old one; study.md is written from it.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from coverage import LEVEL, N_TEST, RESULTS
from scipy import stats
from sklearn.neural_network import MLPRegressor
from study_data import SEED, draw, measure, timed
from study_tables import write
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci._network.perceptron import linear_predictor, unpack
from sklearn_nnci.exceptions import NotAtMinimumWarning


class Cell(NamedTuple):
    """A network on data; `bars` gives ranges of columns by variant."""

    data: str
    n: int
    parameters: dict
    bars: dict = {}  # noqa: RUF012 - never written to
    variants: tuple = ("auto",)
    starts: int = 0
    """Of a committee; 0: one network."""

    @property
    def name(self):
        p = self.parameters
        layers, solver = p["hidden_layer_sizes"], p.get("solver", "adam")
        solver = p.get("regularization", solver)
        committee = f", committee of {self.starts}" if self.starts else ""
        return f"{p['activation']} {layers[0]} {solver}{committee}"

    def model(self, state):
        """Return the unfitted estimator."""
        if not self.starts:
            return sklearn_nnci.MLPRegressorCI(**self.parameters, random_state=state)
        sizes = (self.parameters["hidden_layer_sizes"],)
        return sklearn_nnci.MLPEnsembleRegressorCI(
            architectures=sizes, n_starts=self.starts, random_state=state
        )


def polished(h, activation="tanh"):
    return dict(hidden_layer_sizes=(h,), activation=activation, solver="lbfgs",
                polish=True, n_restarts=4)  # fmt: skip


def adam(h):
    return dict(hidden_layer_sizes=(h,), activation="tanh")


def tuned(h):
    """Return a network that tunes its penalties; the solver is that of the parent."""
    return dict(hidden_layer_sizes=(h,), activation="tanh", solver="lbfgs",
                regularization="evidence", n_restarts=9)  # fmt: skip


OWN = "polish", "n_restarts", "regularization"  # what the parent has not
F5, SPREAD = "Friedman #1, d=5", ("auto", "auto + spread", "auto + near spread")
QUIET = {"not_at_minimum": (0.0, 0.02), "warned": (0.0, 0.15)}
GOOD = {"auto": {"ci": (0.92, 0.97), "pi": (0.94, 0.975)} | QUIET}
HEALTHY, LOUD = {"auto": QUIET}, {"auto": {"not_at_minimum": (0.99, 1.0)}}
THIRDS = {f"ci_{third}": (0.92, 0.97) for third in ("low", "mid", "high")}
CELLS = [
    Cell("teacher", 200, polished(4), GOOD, SPREAD),
    Cell("teacher, uneven noise", 100, polished(3), {"HC3": THIRDS}, ("auto", "HC3")),
    Cell(
        "strong teacher, uneven noise",
        100,
        polished(3),
        {"HC3": THIRDS},
        ("auto", "HC3"),
    ),
    Cell("teacher, weak unit", 200, polished(3), {}, SPREAD),
    Cell("teacher, weaker unit", 200, polished(3), {}, SPREAD),
    Cell("sinc", 200, polished(6), GOOD, SPREAD),
    Cell(F5, 300, polished(5), {"auto": {"ci": (0.89, 1.0)} | QUIET}, SPREAD),
    Cell("teacher", 200, polished(3), HEALTHY, SPREAD),
    Cell("teacher", 50, polished(3), HEALTHY),
    Cell("teacher", 200, polished(2), {}),
    Cell("teacher", 200, polished(6), HEALTHY),
    Cell("sin(pi x1) x2 + x1/2", 200, polished(5), HEALTHY),
    Cell("sinc", 200, polished(4), HEALTHY),
    Cell("sinc", 200, polished(5), HEALTHY),
    Cell("teacher", 200, adam(4), LOUD),
    Cell("sinc", 200, adam(6), LOUD),
    Cell(F5, 300, adam(5), LOUD),
    Cell("Friedman #1, d=10", 1000, polished(20, "relu"), {}),
    *(
        Cell(data, n, tuned(h), starts=starts)
        for data, n, h in (
            ("teacher", 200, 4),
            ("teacher, weak unit", 200, 4),
            ("sinc", 200, 6),
            ("sin(pi x1) x2 + x1/2", 200, 10),
            (F5, 300, 10),
            ("Friedman #1, d=10", 300, 10),
        )
        for starts in (0, 10)
    ),
]
RIVALS = [Cell("sinc", 200, polished(6)), Cell(F5, 300, polished(5))]


def fit(cell, sample):
    """Return the network, its processor seconds, warnings, and the parent's seconds."""
    net = cell.model(sample.state)
    own = {k: v for k, v in cell.parameters.items() if k not in OWN}
    parent = MLPRegressor(**own, random_state=sample.state)
    base = timed(parent.fit, sample.X, sample.y)[1]
    return *timed(net.fit, sample.X, sample.y), base


def intervals(prediction, extra=0.0):
    """Return both intervals, with a further standard deviation of the mean."""
    t = stats.t.isf((1.0 - LEVEL) / 2.0, prediction.dof)
    sides = np.array([-t, t])
    return [
        prediction.mean[:, None] + np.hypot(se, extra)[:, None] * sides
        for se in (prediction.se_mean, prediction.se_obs)
    ]


def spread(net, T, *, near):
    """Return the spread between starts, or between those hard to tell from the best.

    Near are starts within p s^2 / 2 of the lowest objective: by likelihood, about as
    far as weights drawn from the confidence ellipsoid.
    """
    if not near:
        return net.between_start_std(T)
    theta, F = net._starts["parameters"], net.start_objectives_
    allowed = 0.5 * theta.shape[1] * float(net.inference_.noise_variance)
    chosen = theta[F - F.min() <= allowed]
    networks = [unpack(one, net._network()) for one in chosen]
    means = [linear_predictor(network, T)[0] for network in networks]
    return np.std(means, axis=0, ddof=1) if len(means) > 1 else np.zeros(len(T))


def replicate(cell, seed):
    """Return a list of records, one for each variant."""
    sample, records = draw(cell.data, cell.n, seed), []
    with threadpool_limits(1):
        net, seconds, kinds, base = fit(cell, sample)
        for variant in cell.variants:
            extra = np.zeros(N_TEST)
            if variant in SPREAD[1:]:
                extra = spread(net, sample.T, near=variant == SPREAD[2])
            elif variant != "auto":
                net.set_params(covariance=variant)
                kinds = timed(net.fit_inference, sample.X, sample.y)[2]
            ci, pi = timed(lambda: intervals(net.get_prediction(sample.T), extra))[0]  # noqa: B023
            record = measure(sample, ci, pi) | dict(variant=variant, kinds=kinds)
            if "polish" in cell.parameters:
                objectives = net.start_objectives_
                record["agree"] = np.mean(objectives <= 1.01 * objectives.min())
            records.append(record | dict(seconds=seconds, base=base, level=sample.sd))
    return records


def rival_replicate(cell, seed):
    """Return a list of records, one for each rival."""
    import rivals

    sample, records = draw(cell.data, cell.n, seed), []
    with threadpool_limits(1):
        net, fit_seconds, _, base = fit(cell, sample)
        for method in rivals.METHODS:
            (ci, pi), seconds, _ = timed(method.function, sample, net)
            record = measure(sample, ci, pi) | dict(variant=method.name, kinds=())
            seconds += fit_seconds * method.after_fit
            records.append(record | dict(seconds=seconds, base=base))
    return records


def summarise(cell, records):
    """Return one row of the tables."""
    row = dict(cell=cell.name, data=cell.data, n=cell.n, replicates=len(records))
    row["parameters"] = " ".join(f"{k}={v}" for k, v in cell.parameters.items())
    row["variant"] = records[0]["variant"]
    columns = {key: np.array([r[key] for r in records]) for key in records[0]}
    for key in {"ci", "pi"} & columns.keys():
        by_x = columns[key].mean(axis=0)
        row |= {key: by_x.mean(), f"{key}_min": by_x.min(), f"{key}_sd": by_x.std()}
        row[f"{key}_q10"] = np.quantile(by_x, 0.1)
        row[f"{key}_se"] = columns[key].mean(axis=1).std() / np.sqrt(len(records) - 1)
        row[f"{key}_width"] = columns[f"{key}_width"].mean()
        row[f"{key}_width_median"] = np.median(columns[f"{key}_width"])
        row[f"{key}_score"] = columns[f"{key}_score"].mean()
        if "level" in columns and np.ptp(columns["level"][0]) > 0.0:
            thirds = np.array_split(np.argsort(columns["level"][0]), 3)
            for name, points in zip(("low", "mid", "high"), thirds, strict=True):
                row[f"{key}_{name}"] = by_x[points].mean()
    kinds = [k for r in records for k in r["kinds"]]
    names = sorted({k.__name__ for k in kinds})
    counts = [sum(k.__name__ == name for k in kinds) for name in names]
    row["warnings"] = ", ".join(map("{} {}".format, names, counts))
    row["warned"] = np.mean([len(r["kinds"]) > 0 for r in records])
    row["not_at_minimum"] = np.mean(
        [NotAtMinimumWarning in r["kinds"] for r in records]
    )
    row["agree"] = columns["agree"].mean() if "agree" in columns else np.nan
    row["seconds"] = np.median(columns["seconds"])
    row["time_ratio"] = row["seconds"] / np.median(columns["base"])
    row["bars"] = "; ".join(
        f"{key} in [{low}, {high}] {'met' if low <= row[key] <= high else 'MISSED'}"
        for key, (low, high) in cell.bars.get(row["variant"], {}).items()
    )
    return row


def main():
    """Run the cells asked for; write the tables after each, so none is lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", default="", help="part of a cell's name or data")
    parser.add_argument("--rivals", action="store_true", help="other methods instead")
    parser.add_argument("--replicates", type=int, default=200, help="per cell")
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    run = joblib.Parallel(n_jobs=options.jobs)
    for cell in RIVALS if options.rivals else CELLS:
        if options.cells not in f"{cell.data}, {cell.n}, {cell.name}":
            continue
        one = rival_replicate if options.rivals else replicate
        seeds = np.random.SeedSequence(SEED).spawn(options.replicates)
        done = run(joblib.delayed(one)(cell, seed) for seed in seeds)
        records = [record for several in done for record in several]
        for variant in dict.fromkeys(r["variant"] for r in records):
            row = summarise(cell, [r for r in records if r["variant"] == variant])
            row["table"] = "rivals" if options.rivals else "cells"
            print(write(options.output, row), flush=True)


if __name__ == "__main__":
    main()
