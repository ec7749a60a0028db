"""What the benchmarks of speed share: networks, interleaved timings, figures and bars.

A time is in CPU seconds, those of all threads together, and there is one thread. The
methods that a figure compares take turns: a busy machine slows all alike. The figure
is the median, over the turns, of the ratio within a turn.

Each run appends its figures to ``results/figures.csv``, where a regression shows.
"""

import os

ONE_THREAD = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # R's, and those of processes, too
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import argparse
import csv
import datetime
import platform
import timeit
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
import scipy.linalg
import sklearn
import threadpoolctl
from sklearn.exceptions import ConvergenceWarning

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.exceptions import InferenceWarning

threadpoolctl.threadpool_limits(1)  # the libraries loaded by now
warnings.simplefilter("ignore", ConvergenceWarning)
warnings.simplefilter("ignore", InferenceWarning)

# The C library keeps freed memory up to the size of the largest block freed so far, and
# the time of allocations depends on it: as in a process that has seen large arrays.
np.empty(31 * 2**17)  # freed at once, 31 MiB
RESULTS = Path(__file__).parents[1] / "results"
# Inputs and hidden units of tanh networks with one output, by their parameters.
NETWORKS = {121: (10, (10,)), 1201: (10, (100,)), 3651: (20, (50, 50))}
SHORTEST = 0.02  # seconds; what is faster is timed in batches


def digits(value, precision=3):
    """Return a number as text, without an exponent unless it is small."""
    if abs(value) < 1e-3:
        return f"{value:.{precision - 1}e}"
    return np.format_float_positional(value, precision, fractional=False, trim="-")


def sample(n_rows, n_inputs, seed=0):
    """Return standard normal rows, and a smooth function of them with noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_inputs))
    noise = 0.1 * rng.standard_normal(n_rows)
    return X, np.sin(X.sum(axis=1) / np.sqrt(n_inputs)) + noise


def fitted(p, n_rows, covariance=None):
    """Return a tanh network of `p` parameters after short training, and its rows."""
    n_inputs, hidden = NETWORKS[p]
    X, y = sample(n_rows, n_inputs)
    est = MLPRegressorCI(
        hidden_layer_sizes=hidden, activation="tanh", solver="lbfgs", max_iter=30,
        random_state=0, covariance=covariance,
    )  # fmt: skip
    return est.fit(X, y), X, y


def timed(function):
    """Return (CPU seconds of a call, its result)."""
    start = process_time()
    result = function()
    seconds = process_time() - start
    if (n := int(SHORTEST / max(seconds, 1e-6))) > 1:
        seconds = timeit.timeit(function, timer=process_time, number=n) / n
    return seconds, result


def interleaved(methods):
    """Return {name: (seconds of each turn, last result)} of {name: (run, turns)}.

    `run` returns (seconds, result).
    """
    seconds, results = {name: [] for name in methods}, {}
    for turn in range(max(turns for _, turns in methods.values())):
        for name, (run, turns) in methods.items():
            if turn < turns:
                elapsed, results[name] = run()
                seconds[name].append(elapsed)
    return {name: (seconds[name], results[name]) for name in methods}


def race(turns, **functions):
    """Return {name: seconds of each turn}, after one call of each to warm up."""
    for function in functions.values():
        function()
    methods = {name: (partial(timed, f), turns) for name, f in functions.items()}
    return {name: seconds for name, (seconds, _) in interleaved(methods).items()}


def ratios(above, below):
    """Return the ratio of two methods' times, turn by turn."""
    return [a / b for a, b in zip(above, below, strict=False)]


class Figure(NamedTuple):
    """A measured figure, and the bar it is to meet."""

    name: str
    values: Sequence
    """One per turn."""
    bar: str = ""
    """``"<= 4"`` or ``">= 4"``, for the median; empty if it is reported only."""
    unit: str = "x"

    @property
    def quartiles(self):
        """(low, median, high)."""
        return np.percentile(self.values, [25, 50, 75])

    @property
    def verdict(self):
        """``"met"``, ``"MISSED"``, or nothing without a bar."""
        if not self.bar:
            return ""
        sense, limit = self.bar.split()
        excess = self.quartiles[1] - float(limit)
        return "met" if (excess <= 0 if sense == "<=" else excess >= 0) else "MISSED"

    @property
    def text(self):
        """The median in words, and the bar."""
        value = f"{digits(self.quartiles[1])} {self.unit}".strip()
        return f"{value} (bar {self.bar}: {self.verdict})" if self.bar else value

    def __str__(self):
        """One row of the table."""
        low, value, high = map(digits, self.quartiles)
        spread = f"{low} to {high}" if len(self.values) > 1 else ""
        value = f"{value} {self.unit}".strip()
        cells = self.name, value, spread, str(len(self.values)), self.bar, self.verdict
        return f"| {' | '.join(cells)} |"


COLUMNS = (
    "date", "figure", "low", "median", "high", "unit", "turns", "bar", "verdict",
    "versions",
)  # fmt: skip
TABLE = """\
| | median | quartiles | turns | bar | |
|---|---:|---|---:|---|---|
"""


def versions(*names):
    """Return the versions of Python, what we stand on, and further modules, as text."""
    modules = sklearn_nnci, np, scipy, sklearn, *names
    found = [f"{module.__name__} {module.__version__}" for module in modules]
    return ", ".join([f"Python {platform.python_version()}", *found, *kernels()])


def kernels():
    """Return the processor that the BLAS of NumPy and SciPy computes for, as text."""
    libraries = threadpoolctl.threadpool_info()
    found = {(lib["internal_api"], lib.get("architecture")) for lib in libraries}
    return sorted(f"{api} for {name}" for api, name in found if name)


def record(figures):
    """Append the figures to ``results/figures.csv``."""
    path, today = RESULTS / "figures.csv", datetime.date.today().isoformat()
    about = versions()
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for figure in figures:
            numbers = [f"{value:.4g}" for value in figure.quartiles]
            bar = figure.unit, len(figure.values), figure.bar, figure.verdict
            writer.writerow([today, figure.name, *numbers, *bar, about])


def main(measure, name, text, description):
    """Run one script: print its figures, then write ``results/name.md`` and the csv.

    `measure(quick)` yields figures; `text` has a place for the table and the versions.
    """
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    about = "few turns, nothing is written"
    parser.add_argument("--quick", action="store_true", help=about)
    quick = parser.parse_args().quick
    figures = []
    print(TABLE, end="")
    for figure in measure(quick):
        print(figure, flush=True)
        figures.append(figure)
    if not quick:
        table = TABLE + "\n".join(map(str, figures))
        (RESULTS / f"{name}.md").write_text(text.format(table, versions()))
        record(figures)
