"""Simulated data sets of the coverage study, and what an interval does on them."""

import time
import warnings
from typing import NamedTuple

import numpy as np
from coverage import LEVEL, N_TEST, friedman, sinc, sine
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sklearn_nnci.exceptions import InferenceWarning

SEED = 71117
# A truth that a network can meet: three tanh units of two inputs in [-2, 2].
INNER = np.array([[1.5, -0.9, 0.3], [0.3, 1.2, -1.6]])
OFFSETS, OUTER = np.array([0.3, -0.6, 0.5]), np.array([1.0, 0.8, -0.7])


def teacher(rng, n, *, weak=None, heteroscedastic=False):
    """Return X, true mean and noise sd of a small network; weak: last output weight."""
    X = rng.uniform(-2.0, 2.0, (n, 2))
    outer = OUTER if weak is None else np.array([*OUTER[:2], weak])
    sd = 0.1 * (0.2 + 0.8 * np.abs(X[:, 0])) if heteroscedastic else 0.1
    return X, np.tanh(X @ INNER + OFFSETS) @ outer, sd


def drifting_teacher(rng, n):
    """Return the teacher, its noise nine times as large at the right end."""
    X, mean, _ = teacher(rng, n)
    return X, mean, 0.1 * 9.0 ** (X[:, 0] / 4.0)


def scaled_teacher(rng, n):
    """Return the teacher, its noise as f^0.8, from its least value to nine times it."""
    grid = np.stack(np.meshgrid(*[np.linspace(-2.0, 2.0, 101)] * 2), axis=-1)
    values = np.tanh(grid @ INNER + OFFSETS) @ OUTER
    X, mean, _ = teacher(rng, n)
    share = np.clip((mean - values.min()) / np.ptp(values), 0.0, 1.0)
    return X, mean, 0.02 * (1.0 + (9.0**1.25 - 1.0) * share) ** 0.8


def strong_teacher(rng, n):
    """Return a teacher each of whose units is well above its noise, also uneven."""
    X = rng.uniform(-1.0, 1.0, (n, 2))
    inner = np.array([[3.0, -2.25, 0.75], [0.75, 2.25, -3.0]])
    mean = np.tanh(X @ inner + OFFSETS) @ np.array([2.0, -2.0, 2.0])
    return X, mean, 0.1 * (0.2 + 1.6 * np.abs(X[:, 0]))


def product(rng, n):
    """Return X, true mean and noise sd of a surface in two inputs."""
    X = rng.uniform(-1.0, 1.0, (n, 2))
    return X, np.sin(np.pi * X[:, 0]) * X[:, 1] + X[:, 0] / 2.0, 0.1


def two_outputs(rng, n):
    """Return X, two true means and noise sds: Friedman #1 and a product."""
    X, first, sd = friedman(rng, n, d=5)
    u = 2.0 * X - 1.0
    second = np.sin(np.pi * u[:, 0]) * u[:, 1] + u[:, 0] / 2.0
    return X, np.column_stack([first, second]), np.array([sd, 0.1])


def uneven_friedman(rng, n):
    """Return Friedman #1, its noise nine times as large at x4 = 1 as at x4 = 0."""
    X, mean, _ = friedman(rng, n, d=5)
    return X, mean, 9.0 ** X[:, 3] / 3.0


def uneven_sine(rng, n):
    """Return a sine, its noise nine times as large at the right end."""
    X = rng.uniform(-2.0, 2.0, (n, 1))
    return X, np.sin(2.0 * X[:, 0]), 0.05 * 9.0 ** (X[:, 0] / 4.0 + 0.5)


def fast_sine(rng, n):
    """Return X, true mean and noise sd of six periods."""
    X = rng.uniform(-1.0, 1.0, (n, 1))
    return X, np.sin(6.0 * np.pi * X[:, 0]), 0.1


def roof(rng, n):
    """Return X, true mean and noise sd of a surface with an edge."""
    X = rng.uniform(-2.0, 2.0, (n, 2))
    return X, np.abs(X[:, 0]) + 0.3 * X[:, 1], 0.1


def line(rng, n):
    """Return X, true mean and noise sd of a line."""
    X = rng.uniform(-2.0, 2.0, (n, 1))
    return X, X[:, 0], 0.5


def nothing(rng, n):
    """Return X, true mean and noise sd of five inputs that do not matter."""
    return rng.uniform(-1.0, 1.0, (n, 5)), np.zeros(n), 1.0


DATA = {
    "sinc": (sinc, {}),
    "teacher": (teacher, {}),
    "teacher, uneven noise": (teacher, dict(heteroscedastic=True)),
    "teacher, noise along x1": (drifting_teacher, {}),
    "teacher, noise by f": (scaled_teacher, {}),
    "strong teacher, uneven noise": (strong_teacher, {}),
    "teacher, weak unit": (teacher, dict(weak=0.1)),
    "teacher, weaker unit": (teacher, dict(weak=0.03)),
    "Friedman #1, d=5": (friedman, dict(d=5)),
    "Friedman #1, d=10": (friedman, dict(d=10)),
    "Friedman #1, d=5, noise along x4": (uneven_friedman, {}),
    "sine, noise along x": (uneven_sine, {}),
    "sin(pi x1) x2 + x1/2": (product, {}),
    "two outputs": (two_outputs, {}),
    "sin(6 pi x)": (fast_sine, {}),
    "sine": (sine, dict(sd=0.1)),
    "abs(x1) + 0.3 x2": (roof, {}),
    "line": (line, {}),
    "pure noise": (nothing, {}),
}


class Sample(NamedTuple):
    """One data set, standardised by its training rows, and what is true at T."""

    X: np.ndarray
    y: np.ndarray
    T: np.ndarray
    truth: np.ndarray
    sd: np.ndarray
    state: int


def normal(rng, shape):
    """Return noise of variance 1."""
    return rng.standard_normal(shape)


def draw(data, n, seed, noise=normal):
    """Return the `Sample`; T comes from a stream of its own."""
    function, options = DATA[data]
    T, truth, test_sd = function(np.random.default_rng(SEED), N_TEST, **options)
    rng = np.random.default_rng(seed)
    X, mean, sd = function(rng, n, **options)
    y = mean + sd * noise(rng, mean.shape)
    scaler, center, scale = StandardScaler().fit(X), y.mean(axis=0), y.std(axis=0)
    return Sample(
        scaler.transform(X), (y - center) / scale, scaler.transform(T),
        (truth - center) / scale, np.broadcast_to(test_sd / scale, truth.shape),
        int(rng.integers(2**31)),
    )  # fmt: skip


def measure(sample, ci, pi):
    """Return what two intervals (N_TEST, 2), or None, do at the test points."""
    factor, out = 2.0 / (1.0 - LEVEL), {}
    if ci is not None:
        low, high = (ci - sample.truth[:, None]).T
        out["ci"] = (low <= 0.0) & (high >= 0.0)
        out["ci_width"] = high - low
        missed = np.maximum(low, 0.0) + np.maximum(-high, 0.0)
        out["ci_score"] = high - low + factor * missed
    if pi is not None:
        low, high = ((pi - sample.truth[:, None]) / sample.sd[:, None]).T
        out["pi"] = stats.norm.cdf(high) - stats.norm.cdf(low)
        out["pi_width"] = pi[:, 1] - pi[:, 0]
        z = np.maximum([low, -high], -40.0)  # -inf * 0 is no number
        missed = np.sum(z * stats.norm.cdf(z) + stats.norm.pdf(z), axis=0)
        out["pi_score"] = out["pi_width"] + factor * sample.sd * missed
    return out


def told(function, *args):
    """Return the value, processor seconds and InferenceWarnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        begin = time.process_time()
        value = function(*args)
        seconds = time.process_time() - begin
    return (
        value,
        seconds,
        [w for w in caught if issubclass(w.category, InferenceWarning)],
    )


def timed(function, *args):
    """Return the value, processor seconds and classes of InferenceWarnings."""
    value, seconds, caught = told(function, *args)
    return value, seconds, {w.category for w in caught}


def ratio(above, below):
    """Return the ratio of two means of paired values, and its standard error."""
    r = np.mean(above) / np.mean(below)
    rest = np.asarray(above) - r * np.asarray(below)
    return r, rest.std(ddof=1) / np.sqrt(len(rest)) / np.mean(below)


def verdict(value, se, low=-np.inf, high=np.inf):
    """Return whether a value is in its range, two standard errors allowed."""
    if low <= value <= high:
        return "met"
    near = low - 2.0 * se <= value <= high + 2.0 * se
    return "met within 2 s.e." if near else "**MISSED**"
