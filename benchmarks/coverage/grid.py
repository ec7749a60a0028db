"""The grid on which rules for intervals are compared, and what is measured on it.

12 data sets x 15 networks x noise of 0.1, 1 and 3 standard deviations of the true mean:
540 cells. X and y are standardised by the training rows, so that all that is measured
is in standard deviations of y. In one input the test points are spaced evenly between
the outermost training rows, else they are drawn as these were.

A fit is a cell and a seed, and a random stream that depends on nothing else. `fits`
shuffles them, so that every K-th of them is a small picture of the whole.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import StandardScaler

LEVEL, N_TEST, CLIP = 0.95, 100, 10.0
NOISES = (0.1, 1.0, 3.0)  # in standard deviations of the true mean


def uniform(low, high, d):
    """Return a function of a generator and n that draws X (n, d)."""
    return lambda rng, n: rng.uniform(low, high, (n, d))


def friedman(X):
    """Return Friedman's first function of five of the inputs."""
    wave, bowl = np.sin(np.pi * X[:, 0] * X[:, 1]), (X[:, 2] - 0.5) ** 2
    return 10.0 * wave + 20.0 * bowl + 10.0 * X[:, 3] + 5.0 * X[:, 4]


@lru_cache(1)
def patients():
    """Return the inputs of the diabetes data, and a forest fitted to all of them."""
    rows, y = load_diabetes(return_X_y=True)
    rows = StandardScaler().fit_transform(rows)
    forest = RandomForestRegressor(30, min_samples_leaf=3, random_state=0)
    return rows, forest.fit(rows, y)


def blurred_patients(rng, n):
    """Return rows of real data, drawn with replacement and moved a little."""
    rows, _ = patients()
    return rng.choice(rows, n) + 0.2 * rng.standard_normal((n, rows.shape[1]))


def smoothed_forest(X):
    """Return the mean of the forest over fixed shifts: no network has its shape."""
    shifts = np.random.default_rng(0).standard_normal((10, X.shape[1]))
    return np.mean([patients()[1].predict(X + 0.3 * u) for u in shifts], axis=0)


class Design(NamedTuple):
    """How inputs are drawn, and the true mean there."""

    inputs: object
    mean: object


DESIGNS = {
    "sine": Design(uniform(-2.0, 2.0, 1), lambda X: np.sin(1.5 * X[:, 0])),
    "step": Design(uniform(-2.0, 2.0, 1), lambda X: (X[:, 0] > 0.3) * 1.0),
    "linear": Design(uniform(-2.0, 2.0, 1), lambda X: X[:, 0]),
    "sin(pi x1) x2": Design(
        uniform(-1.0, 1.0, 2), lambda X: np.sin(np.pi * X[:, 0]) * X[:, 1]
    ),
    "Friedman #1, d=5": Design(uniform(0.0, 1.0, 5), friedman),
    "Friedman #1, d=10": Design(uniform(0.0, 1.0, 10), friedman),
    "forest of diabetes": Design(blurred_patients, smoothed_forest),
    # Not in the grid: other scripts want three inputs.
    "sum of |x|, d=3": Design(uniform(-1.0, 1.0, 3), lambda X: np.abs(X).sum(axis=1)),
}
DATA = [
    *(("sine", n) for n in (50, 200, 1000, 3000)),
    *((name, 200) for name in ("step", "linear", "sin(pi x1) x2")),
    *((f"Friedman #1, d={d}", n) for d in (5, 10) for n in (300, 1000)),
    ("forest of diabetes", 400),
]
LBFGS = dict(solver="lbfgs")
POLISHED = LBFGS | dict(polish=True)


def units(h, activation="tanh"):
    """Return the parameters of a network of one hidden layer of h units."""
    return dict(hidden_layer_sizes=(h,), activation=activation)


KINDS = {  # kind: its networks
    "default adam": {"default": {}, "early stopping": dict(early_stopping=True)},
    "default lbfgs": {"default lbfgs": LBFGS},
    "alpha 1, 10": {
        f"alpha {alpha:g} {solver}": dict(alpha=alpha, solver=solver)
        for alpha in (1.0, 10.0)
        for solver in ("adam", "lbfgs")
    },
    "small adam": {
        "relu 20": units(20, "relu"), "tanh 6": units(6), "tanh 10": units(10),
    },
    "small lbfgs": {
        "relu 20 lbfgs": units(20, "relu") | LBFGS,
        "tanh 6 lbfgs": units(6) | LBFGS, "tanh 10 lbfgs": units(10) | LBFGS,
    },
    "polished": {
        "tanh 6 polished": units(6) | POLISHED,
        "tanh 10 polished": units(10) | POLISHED,
    },
}  # fmt: skip
NETWORKS = {name: own for nets in KINDS.values() for name, own in nets.items()}
KIND_OF = {name: kind for kind, nets in KINDS.items() for name in nets}


class Fit(NamedTuple):
    """One data set and one network."""

    data: str
    n: int
    network: str
    noise: float
    seed: int
    number: int
    """Of the cell: with the seed, the random stream."""


CELLS = [(*data, net, noise) for data in DATA for net in NETWORKS for noise in NOISES]


def fits(seeds, every=1):
    """Return every `every`-th of the shuffled fits of all cells with these seeds."""
    all_fits = [Fit(*cell, s, k) for s in seeds for k, cell in enumerate(CELLS)]
    order = np.random.default_rng([540, *seeds]).permutation(len(all_fits))
    return [all_fits[k] for k in order[::every]]


class Sample(NamedTuple):
    """Training rows X, y; test points T, the true mean and noise there."""

    X: np.ndarray
    y: np.ndarray
    T: np.ndarray
    truth: np.ndarray
    sd: float
    raw: np.ndarray
    """X before it was standardised."""


@lru_cache
def spread(data):
    """Return the standard deviation of the true mean of a design."""
    inputs, mean = DESIGNS[data]
    return mean(inputs(np.random.default_rng(0), 2000)).std()


def draw(data, n, noise, rng, n_test=N_TEST):
    """Return a `Sample` with `noise` in standard deviations of the true mean."""
    inputs, mean = DESIGNS[data]
    raw, sd = inputs(rng, n), noise * spread(data)
    y = mean(raw) + sd * rng.standard_normal(n)
    T = inputs(rng, n_test)
    if T.shape[1] == 1:
        middles = (np.arange(n_test) + 0.5) / n_test
        T = raw.min() + np.ptp(raw) * middles[:, None]
    scaler, center, scale = StandardScaler().fit(raw), y.mean(), y.std()
    X, truth = scaler.transform(raw), (mean(T) - center) / scale
    return Sample(X, (y - center) / scale, scaler.transform(T), truth, sd / scale, raw)


def tenths(T):
    """Return in which tenth each row is: by x, in more inputs by distance."""
    position = T[:, 0] if T.shape[1] == 1 else np.linalg.norm(T, axis=1)
    return np.argsort(np.argsort(position)) * 10 // len(T)


def measure(ci, pi, truth, sd):
    """Return what two intervals (n_test, 2) do, point by point.

    ci: whether it contains the true mean; pi: the probability that it contains a new
    observation, N(truth, sd^2); widths; interval scores (Winkler), of ci for the true
    mean, of pi expected over new observations, with bounds clipped to `CLIP`.
    """
    z = (pi - truth[:, None]) / sd
    out = dict(
        ci=(ci[:, 0] <= truth) & (truth <= ci[:, 1]),
        pi=stats.norm.cdf(z[:, 1]) - stats.norm.cdf(z[:, 0]),
        ci_width=ci[:, 1] - ci[:, 0],
        pi_width=pi[:, 1] - pi[:, 0],
        unbounded=~np.isfinite(pi).all(axis=1),
    )
    low, high = np.clip(ci, -CLIP, CLIP).T
    missed = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    out["ci_score"] = high - low + 2.0 / (1.0 - LEVEL) * missed
    low, high = np.clip(pi, -CLIP, CLIP).T
    z = np.array([low - truth, truth - high]) / sd  # E (z + N(0, 1))_+ of each
    missed = sd * np.sum(z * stats.norm.cdf(z) + stats.norm.pdf(z), axis=0)
    out["pi_score"] = high - low + 2.0 / (1.0 - LEVEL) * missed
    return out
