"""How near to the minimum polishing comes, and what it costs beside the training.

RO is the relative offset sqrt(g'A^-1 g / edf) / s, the step left to the minimum in
units of the confidence ellipsoid. Bars for the method chosen by default: RO <= 1e-3 up
to 50 parameters and <= 0.05 up to 200, within 5 times the time of training by
scikit-learn's lbfgs (max_iter=5000, default tol).

`python benchmarks/speed/polish.py` takes some ten minutes and writes results/polish.md.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import warnings
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.neural_network import MLPRegressor

from sklearn_nnci._linearized.route import factorise, reduce_within_memory
from sklearn_nnci._linearized.training_rows import Penalty, Rows
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._training.polish import METHODS, MOST_PARAMETERS, polish

RESULTS = Path(__file__).parents[1] / "results" / "polish.md"
STARTS = 5
HEAD = """\
# Polishing

tanh networks of one hidden layer, standardised X and y, one thread, {starts} data sets
and starts each. Time is that of polishing over that of training by scikit-learn's
lbfgs, median (worst); RO the relative offset, median (worst), before and after;
decrease of the objective in per cent, median (most).
LM is the default up to {most} parameters.

| data | n | h | alpha | p | lbfgs, s | RO before | method | time | RO after \
| decrease, % | bars |
|---|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---|
"""
SHORT = {"levenberg-marquardt": "LM", "l-bfgs-b": "L-BFGS"}


def sinc(rng, n):
    X = rng.uniform(-5.0, 5.0, (n, 1))
    noise = np.sqrt(2e-3) * rng.standard_normal(n)
    return X, np.sinc(2.0 * (X[:, 0] + 5.0) / np.pi) + noise


def two(rng, n):
    X = rng.uniform(-1.0, 1.0, (n, 2))
    mean = np.sin(np.pi * X[:, 0]) * X[:, 1] + X[:, 0] / 2
    return X, mean + 0.1 * rng.standard_normal(n)


def friedman(rng, n, d):
    state = int(rng.integers(2**31))
    return make_friedman1(n, n_features=d, noise=1.0, random_state=state)


def two_outputs(rng, n):
    X, y = friedman(rng, n, 5)
    return X, np.column_stack([y, X[:, 0] * y + rng.standard_normal(n)])


class Cell(NamedTuple):
    """Lines of the table."""

    name: str
    draw: Any
    n: int
    h: int
    alpha: float


F5, F10 = partial(friedman, d=5), partial(friedman, d=10)
CELLS = [
    *(Cell("sinc", sinc, 200, h, 1e-4) for h in (4, 5, 6)),
    Cell("two inputs", two, 200, 5, 1e-4),
    Cell("Friedman, d=5", F5, 300, 5, 1e-4),
    Cell("Friedman, d=5", F5, 1000, 8, 1e-4),
    Cell("two outputs", two_outputs, 300, 5, 1e-2),
    Cell("two outputs", two_outputs, 300, 5, 10.0),
    *(Cell("Friedman, d=10", F10, 1000, h, alpha)
      for h in (10, 16, 20, 25, 40) for alpha in (1.0, 0.1, 0.01)
      if h < 20 or alpha != 0.1),
]  # fmt: skip


def standardised(a):
    return (a - a.mean(axis=0)) / a.std(axis=0)


def offset(network, X, y, strength):
    """Return the relative offset, s^2 pooled over the outputs."""
    rows = Rows(network, X, y, np.ones(len(X)), np.ones(y.shape[1]))
    fit = factorise(reduce_within_memory(rows), Penalty(strength, network.n_intercepts))
    return fit.relative_offset(np.trace(fit.residual_noise) / len(fit.residual_noise))


def trained(cell, seed):
    """Return (seconds, network, X, y)."""
    X, y = map(standardised, cell.draw(np.random.default_rng(seed), cell.n))
    net = MLPRegressor(
        hidden_layer_sizes=(cell.h,), activation="tanh", solver="lbfgs",
        max_iter=5000, alpha=cell.alpha, random_state=seed,
    )  # fmt: skip
    start = process_time()
    net.fit(X, y)
    seconds = process_time() - start
    network = Network(tuple(net.coefs_), tuple(net.intercepts_), "tanh")
    return seconds, network, X, y.reshape(len(y), -1)


def measured(start, cell, method):
    """Return (time ratio, RO after, decrease in per cent) of one start."""
    seconds, network, X, y = start
    began = process_time()
    polished, record = polish(network, X, y, np.ones(len(X)), cell.alpha, method=method)
    ratio = (process_time() - began) / seconds
    gain = 100.0 * (1.0 - record.objective_after / record.objective_before)
    return ratio, offset(polished, X, y, cell.alpha), gain


def verdict(p, method, time, after):
    """Return which bars were met; none beyond 210 parameters or off default."""
    if p > 210 or method != "levenberg-marquardt":
        return ""
    bars = {"time": np.median(time) <= 5.0, "worst time": max(time) <= 5.0,
            "RO": max(after) <= (1e-3 if p <= 50 else 0.05)}  # fmt: skip
    missed = [name for name, met in bars.items() if not met]
    return f"MISSED: {', '.join(missed)}" if missed else "met"


def lines(cell):
    """Yield a line of the table for each method."""
    starts = [trained(cell, seed) for seed in range(STARTS)]
    p = starts[0][1].n_parameters
    before = [offset(*start[1:], cell.alpha) for start in starts]
    for method in METHODS:
        time, after, gain = zip(
            *(measured(s, cell, method) for s in starts), strict=True
        )
        cells = [
            cell.name, cell.n, cell.h, f"{cell.alpha:g}", p,
            f"{np.median([s[0] for s in starts]):.2f}", pair(before, ".1g"),
            SHORT[method], pair(time, ".2g"), pair(after, ".0e"), pair(gain, ".2g"),
            verdict(p, method, time, after),
        ]  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |\n"


def pair(values, form):
    return f"{np.median(values):{form}} ({np.max(values):{form}})"


def main():
    warnings.simplefilter("ignore")
    text = HEAD.format(starts=STARTS, most=MOST_PARAMETERS)
    print(text, end="")
    for cell in CELLS:
        for line in lines(cell):
            print(line, end="", flush=True)
            text += line
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
