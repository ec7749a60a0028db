"""Intervals of this package beside those of others, on the same simulated data.

Each replicate draws inputs, noise and initial weights anew, standardises X and y, and
gives the same rows to every method of `methods.py`. 100 test points are fixed. At them
the truth is known, so that measured are

- mean: the share of true means in the 95 % confidence interval;
- new y: the probability that a new observation lies in the prediction interval,
  computed, not drawn; where noise varies with x, also in the quietest and the noisiest
  third of the points;
- width and score (Winkler: width + 40 times what is missed), in s.d. of y;
- processor seconds of a fit, and of intervals at the 100 points, over those of a fit of
  ``MLPRegressor()`` to the same rows in the same run. One thread. Compilation counts.

What raises or answers NaN is a row of its own, counted in the tables and left out of
the averages. sklearn-contrib-bde is slow, and takes part in every fourth replicate.

    python benchmarks/rivals/compare.py                  # `make rivals`; an hour or two
    python benchmarks/rivals/compare.py --replicates 1 --output look

Rows are appended to rivals.csv of the output folder; what is there is not run again
(remove the file to begin anew). rivals.md is written from it after each replicate.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
sys.path.append(str(Path(__file__).resolve().parents[1] / "coverage"))

import argparse
import time
import warnings

import numpy as np
from coverage import RESULTS
from methods import METHODS, network
from sklearn.neural_network import MLPRegressor
from study_data import draw, measure
from tables import append, read, write
from threadpoolctl import threadpool_limits

SEED = 314159
DATA = [
    ("sine", 200),
    ("Friedman #1, d=10", 300),
    ("sine, noise along x", 300),
    ("sin(pi x1) x2 + x1/2", 60),
]


def timed(function, *args):
    """Return the value and the processor seconds of a call, in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.process_time()
        value = function(*args)
        return value, time.process_time() - begin


def averages(sample, ci, pi):
    """Return what the intervals do on average over the test points."""
    found = measure(sample, ci, pi)
    out = {name: float(np.mean(values)) for name, values in found.items()}
    if np.ptp(sample.sd) > 0.0:
        order = np.argsort(sample.sd)
        third = len(order) // 3
        out["pi_quiet"] = float(found["pi"][order[:third]].mean())
        out["pi_noisy"] = float(found["pi"][order[-third:]].mean())
    return out


def attempt(method, sample, net):
    """Return the record of one method on one sample; what fails says why."""
    try:
        answer, fit = timed(method.function, sample.X, sample.y, sample.state, net)
        (ci, pi), predict = timed(answer, sample.T)
    except Exception as error:
        text = " ".join(str(error).split())[:120]
        return dict(error=f"{type(error).__name__}: {text}")
    times = dict(fit=fit, predict=predict)
    if any(np.isnan(bounds).any() for bounds in (ci, pi) if bounds is not None):
        return times | dict(error="NaN")
    return times | averages(sample, ci, pi)


def replicate(data, n, number, methods):
    """Yield a record for each of the methods."""
    seed = np.random.SeedSequence(SEED, spawn_key=(number,))
    sample = draw(data, n, seed)
    base = timed(MLPRegressor(random_state=sample.state).fit, sample.X, sample.y)[1]
    net, search = timed(network, sample.X, sample.y, sample.state)
    for method in methods:
        record = attempt(method, sample, net if method.from_network else None)
        if method.from_network and "fit" in record:
            record["fit"] += search
        about = dict(data=data, n=n, method=method.name, replicate=number, base=base)
        yield about | record


def main():
    """Run what is missing, one replicate of all data after another."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=20, help="of each data set")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "rivals.csv"
    done = {(row["data"], row["method"], row["replicate"]) for row in read(path)}
    for number in range(options.replicates):
        for data, n in DATA:
            due = [method for method in METHODS if number % method.every == 0]
            missing = [one for one in due if (data, one.name, number) not in done]
            if missing:
                with threadpool_limits(1):
                    append(path, replicate(data, n, number, missing))
                write(path)
                print(f"{data}, replicate {number}", flush=True)


if __name__ == "__main__":
    main()
