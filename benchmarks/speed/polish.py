"""How near to the minimum polishing comes, and what it costs beside the training.

RO is the relative offset sqrt(g'A^-1 g / edf) / s, the step left to the minimum in
units of the confidence ellipsoid. Bars for the method chosen by default: RO <= 1e-3 up
to 50 parameters and <= 0.05 up to 200, within 5 times the time of training by
scikit-learn's lbfgs (max_iter=5000, default tol).

`scipy.optimize.least_squares` gets the same start and the same objective, as residuals
f - y and sqrt(alpha) weights, with the analytic Jacobian of both.

A second table is of whole fits, `polish=True, n_restarts=4`: processor time over that
of one training, which is the mean of those of the same five starts by scikit-learn.
Bars: median <= 8, and <= 15 in the worst cell.

`python benchmarks/speed/polish.py` takes some twenty minutes and writes
results/polish.md.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import warnings
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares
from sklearn.datasets import make_friedman1
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._linearized.route import factorise, reduce_within_memory
from sklearn_nnci._linearized.training_rows import Penalty, Rows
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import Network, forward, pack, unpack
from sklearn_nnci._training.objective import objective
from sklearn_nnci._training.polish import MOST_PARAMETERS, polish

RESULTS = Path(__file__).parents[1] / "results" / "polish.md"
STARTS, RESTARTS = 5, 4
# Of least_squares: tolerances, and evaluations of the Jacobian.
CLOSE, MOST_EVALUATIONS = 1e-12, 100
HEAD = """\
# Polishing

tanh networks of one hidden layer, standardised X and y, one thread, {starts} data sets
and starts each. Time is that of polishing over that of training by scikit-learn's
lbfgs, median (worst); RO the relative offset, median (worst), before and after;
decrease of the objective in per cent, median (most).
LM is the default up to {most} parameters; beyond, L-BFGS in the metric of the Hessian.
trf and lm are scipy's least_squares, ended after {evaluations} evaluations at most;
beyond {most} parameters they get the first start only.

| data | n | h | alpha | p | lbfgs, s | RO before | method | time | RO after \
| decrease, % | bars |
|---|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---|
"""
FITS = """
## Whole fits

`polish=True, n_restarts={restarts}`, inference and all: processor time over that of one
training by scikit-learn, median (worst) of {starts} data sets. One training is the mean
of the same {all} starts, or the first of them alone, which may have been short.

| data | n | h | alpha | p | training, s | over the mean | over the first |
|---|---:|---:|---:|---:|---:|---:|---:|
"""


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


def draw(cell, seed):
    return map(standardised, cell.draw(np.random.default_rng(seed), cell.n))


def parameters(cell, seed):
    return dict(
        hidden_layer_sizes=(cell.h,), activation="tanh", solver="lbfgs",
        max_iter=5000, alpha=cell.alpha, random_state=seed,
    )  # fmt: skip


def timed(function, *args):
    start = process_time()
    result = function(*args)
    return process_time() - start, result


def trained(cell, seed):
    """Return (seconds, network, X, y)."""
    X, y = draw(cell, seed)
    seconds, net = timed(MLPRegressor(**parameters(cell, seed)).fit, X, y)
    network = Network(tuple(net.coefs_), tuple(net.intercepts_), "tanh")
    return seconds, network, X, y.reshape(len(y), -1)


def by_polish(method, network, X, y, strength):
    return polish(network, X, y, np.ones(len(X)), strength, method=method)[0]


def by_least_squares(method, network, X, y, strength):
    """Return the network that minimises the same F by scipy's `method`."""
    kept = sum(W.size for W in network.coefs)  # those with a penalty come first
    root = np.sqrt(strength)
    below = root * np.eye(kept, network.n_parameters)

    def residuals(theta):
        f = forward(unpack(theta, network), X)[-1]
        return np.append(f - y.T, root * theta[:kept])

    def J(theta):
        above = jacobian.dense(jacobian.factors(unpack(theta, network), X))
        return np.vstack([above.reshape(len(theta), -1).T, below])

    found = least_squares(
        residuals, pack(network.coefs, network.intercepts), J, method=method,
        ftol=CLOSE, xtol=CLOSE, gtol=CLOSE, max_nfev=MOST_EVALUATIONS,
    )  # fmt: skip
    return unpack(found.x, network)


METHODS = {
    "LM": partial(by_polish, "levenberg-marquardt"),
    "L-BFGS": partial(by_polish, "l-bfgs-b"),
    "trf": partial(by_least_squares, "trf"),
    "lm": partial(by_least_squares, "lm"),
}


def measured(start, cell, method):
    """Return (time ratio, RO after, decrease in per cent) of one start."""
    seconds, network, X, y = start
    time, polished = timed(METHODS[method], network, X, y, cell.alpha)
    before, after = (
        objective(net, X, y, np.ones(len(X)), cell.alpha, "squared_error")
        for net in (network, polished)
    )
    gain = 100.0 * (1.0 - after / before)
    return time / seconds, offset(polished, X, y, cell.alpha), gain


def verdict(p, method, time, after):
    """Return which bars were met; none beyond 210 parameters or off default."""
    if p > 210 or method != "LM":
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
        few = p > MOST_PARAMETERS and method in ("trf", "lm")
        given = starts[:1] if few else starts
        time, after, gain = zip(
            *(measured(s, cell, method) for s in given), strict=True
        )
        cells = [
            cell.name, cell.n, cell.h, f"{cell.alpha:g}", p,
            f"{np.median([s[0] for s in starts]):.2f}", pair(before, ".1g"),
            method, pair(time, ".2g"), pair(after, ".0e"), pair(gain, ".2g"),
            verdict(p, method, time, after),
        ]  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |\n"


def whole_fit(cell, seed):
    """Return the seconds of one training of each start, (5,), and of the fit."""
    X, y = draw(cell, seed)
    rng = np.random.RandomState(seed)
    seeds = [seed, *rng.randint(2**31 - 1, size=RESTARTS)]  # as the fit draws them
    alone = [
        timed(MLPRegressor(**parameters(cell, int(one))).fit, X, y)[0] for one in seeds
    ]
    net = MLPRegressorCI(**parameters(cell, seed), polish=True, n_restarts=RESTARTS)
    seconds, net = timed(net.fit, X, y)
    return np.array(alone), seconds, net.inference_.n_parameters


def line_of_fits(cell):
    """Return the line of whole fits, and the two medians in it."""
    alone, seconds, p = zip(*(whole_fit(cell, s) for s in range(STARTS)), strict=True)
    alone, seconds = np.array(alone), np.array(seconds)
    ratios = seconds / alone.mean(axis=1), seconds / alone[:, 0]
    cells = [
        cell.name, cell.n, cell.h, f"{cell.alpha:g}", p[0], f"{alone.mean():.3f}",
        *(pair(ratio, ".1f") for ratio in ratios),
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |\n", *map(np.median, ratios)


def bars_of_fits(medians):
    """Return what the bars say of the medians of cells."""
    typical, worst = np.median(medians), max(medians)
    met = "met" if typical <= 8.0 and worst <= 15.0 else "MISSED"
    return f"median {typical:.1f} (bar: 8), worst {worst:.1f} (bar: 15): {met}"


def whole_fits():
    """Yield the table of whole fits, line by line, and what the bars say."""
    yield FITS.format(restarts=RESTARTS, starts=STARTS, all=RESTARTS + 1)
    mean, first = [], []
    for cell in CELLS:
        line, over_mean, over_first = line_of_fits(cell)
        mean.append(over_mean)
        first.append(over_first)
        yield line
    yield f"\nOver the mean, {bars_of_fits(mean)}.\n"
    yield f"Over the first, {bars_of_fits(first)}.\n"


def pair(values, form):
    return f"{np.median(values):{form}} ({np.max(values):{form}})"


def page():
    """Yield the page, line by line."""
    yield HEAD.format(starts=STARTS, most=MOST_PARAMETERS, evaluations=MOST_EVALUATIONS)
    for cell in CELLS:
        yield from lines(cell)
    yield from whole_fits()


def main():
    warnings.simplefilter("ignore")
    text = ""
    for line in page():
        print(line, end="", flush=True)
        text += line
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
