"""Memory and time that inference adds, in fresh processes.

A process trains scikit-learn's network and predicts with it. From there the resident
memory (VmRSS) is the base, and its peak (VmHWM), reset at that moment, less the base
is what `from_estimator` and `predict(return_ci=True)` added, the fitted inference
included. Unused heap is given back before: nothing hides in what training left free.
X lies in a file, mapped into memory, and all of its pages are resident in the base.

`python benchmarks/speed/memory.py` takes some minutes and writes results/memory.md.
Linux only: it reads /proc.
"""

import ctypes
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
from sklearn.neural_network import MLPRegressor
from timing import Figure, main

from sklearn_nnci import MLPRegressorCI

TEXT = """\
# Memory

What inference and prediction with intervals add, at their peak, to a process that has
trained scikit-learn's network and predicted with it. Fresh processes, one thread, CPU
time; `benchmarks/speed/memory.py` says how it is measured.

{}

{}.
"""
BLOCK = 10_000  # rows drawn, or predicted by the parent, at a time
TRAINED = 10_000  # the most rows that train


def status(field):
    """Return a size of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line.split()[1] for line in lines if line.startswith(field))
    return int(found) * 1024 / 1e6


def release():
    """Give unused heap back, and forget the peak so far."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def mapped_rows(directory, n, d):
    """Return standard normal rows in a file, and a target."""
    rng, path = np.random.default_rng(0), Path(directory, "X")
    with path.open("wb") as file:
        for start in range(0, n, BLOCK):
            rng.standard_normal((min(BLOCK, n - start), d)).tofile(file)
    X = np.memmap(path, dtype=np.float64, mode="r", shape=(n, d))
    return X, np.sin(X.sum(axis=1) / np.sqrt(d)) + 0.1 * rng.standard_normal(n)


def worker(n, q, sizes, default):
    """Print what inference on `n` rows and `q` predictions cost, as JSON.

    The network is relu with `covariance="auto"` if `default`, as ours are unless told
    otherwise; else tanh with the bayesian formula at a given noise.
    """
    d, *hidden = sizes
    activation = "relu" if default else "tanh"
    options = {} if default else {"covariance": "bayesian", "noise": 0.01}
    with tempfile.TemporaryDirectory() as directory:
        X, y = mapped_rows(directory, n, d)
        net = MLPRegressor(hidden_layer_sizes=hidden, activation=activation)
        net.set_params(max_iter=5, random_state=0).fit(X[:TRAINED], y[:TRAINED])
        for start in range(0, n, BLOCK):
            net.predict(X[start : start + BLOCK])
        Q = np.random.default_rng(1).standard_normal((q, d))
        net.predict(Q)
        release()
        base, start = status("VmRSS"), process_time()
        est = MLPRegressorCI.from_estimator(net, X, y, **options)
        fitted = process_time()
        est.predict(Q, return_ci=True)
        predicted = process_time()
        report = est.inference_
    costs = {
        "p": report.n_parameters,
        "route": report.route,
        "megabytes": status("VmHWM") - base,
        "fit": fitted - start,
        "predict": predicted - fitted,
    }
    print(json.dumps(costs))


def measured(n, q, sizes, turns=1, default=False):
    """Return {name: one value per process} of `worker`; `sizes` are d and hidden."""
    command = [sys.executable, "-W", "ignore", __file__, "--worker"]
    command.append(json.dumps([n, q, sizes, default]))
    runs = [json.loads(subprocess.check_output(command)) for _ in range(turns)]
    return {name: [run[name] for run in runs] for name in runs[0]}


CASES = [
    (10_000, 10_000, (10, 100), "<= 160"),
    (500_000, 10_000, (20, 30), "<= 300"),
    (4000, 1000, (50, 300, 300), "<= 700"),
]


def measure(quick):
    """Yield every figure."""
    for n, q, sizes, bar in CASES:
        n = min(n, 2000) if quick else n
        costs = measured(n, q, sizes, turns=1 if quick else 3)
        what = f"p = {costs['p'][0]}, n = {n}, {q} queries, {costs['route'][0]}"
        yield Figure(f"{what}: extra memory", costs["megabytes"], bar, "MB")
        seconds = np.add(costs["fit"], costs["predict"])
        yield Figure(f"{what}: inference and intervals", seconds, unit="s")


if __name__ == "__main__":
    if "--worker" in sys.argv:
        worker(*json.loads(sys.argv[-1]))
    else:
        main(measure, "memory", TEXT, __doc__)
