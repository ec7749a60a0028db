"""Analytic against numerical Jacobians of a network.

An interval needs the derivative of the output by every weight. The chain rule gives
all of them for one pass forward and one back; differences take one or more passes
per parameter, and lose digits. This measures both costs, and how far the analytic
Jacobian is from the mere writing of its entries.

Times are ratios of median CPU times on one thread; the methods take turns, so that a
busy machine slows all alike. Each pass of a numerical method is vectorised over the
rows. Errors are relative to the largest entry; their reference is the chain rule row
by row in long double, which shares no code with the package, and which the complex
step, without a chain rule, confirms.

    python benchmarks/jacobian.py

takes a few minutes and writes results/jacobian.md. numdifftools, and R with numDeriv,
take part if installed.
"""

import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))  # before NumPy; R inherits them

import statistics
import subprocess
import sys
import tempfile
import timeit
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
import scipy
import sklearn
from sklearn.exceptions import ConvergenceWarning

from sklearn_nnci import MLPRegressorCI

try:
    import numdifftools
except ImportError:
    numdifftools = None

HERE = Path(__file__).parent
EPS = np.finfo(float).eps
STEPS = {
    "two-point differences": EPS ** (1 / 2),
    "central differences": EPS ** (1 / 3),
    "complex step": 2.0**-100 * 1j,
}
TEXT = """\
# Analytic against numerical Jacobians

tanh networks with 10 inputs, one hidden layer and one output; 1000 rows; one thread.
Time as a multiple of the analytic Jacobian's (number of repeats), and largest error
over largest entry, against a reference of {} bits.

| | time, p = {} | error | time, p = {} | error |
|---|---:|---:|---:|---:|
{}

Time of the analytic Jacobian of 256 rows over that of copying as many bytes (31
repeats): {}.

{}.
"""


def fitted(units, n_rows):
    """Return an estimator, shortly trained on random data, and their rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, units[0]))
    y = np.sin(X @ rng.standard_normal(units[0])) + 0.1 * rng.standard_normal(n_rows)
    network = {"hidden_layer_sizes": units[1:-1], "activation": "tanh"}
    training = {"solver": "lbfgs", "max_iter": 30, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPRegressorCI(covariance=None, **network, **training).fit(X, y), X


def reference(est, X):
    """Return the Jacobian by the chain rule, one row at a time, in long double."""
    coefs = [W.astype(np.longdouble) for W in est.coefs_]
    intercepts = [b.astype(np.longdouble) for b in est.intercepts_]
    rows = []
    for x in X.astype(np.longdouble):
        activations = [x]
        for W, b in zip(coefs[:-1], intercepts[:-1], strict=True):
            activations.append(np.tanh(activations[-1] @ W + b))
        delta, weights, biases = np.ones(1, np.longdouble), [], []
        for W, a in zip(coefs[::-1], activations[::-1], strict=True):
            weights.insert(0, np.outer(a, delta).ravel())
            biases.insert(0, delta)
            delta = (W @ delta) * (1 - a * a)
        rows.append(np.concatenate(weights + biases))
    return np.array(rows)


def outputs(theta, units, At):
    """Return f (n,) of the columns of `At` at packed parameters, real or complex."""
    weight, bias = 0, np.dot(units[:-1], units[1:])
    for layer, (i, j) in enumerate(pairwise(units), start=2):
        At = theta[weight : weight + i * j].reshape(i, j).T @ At
        At += theta[bias : bias + j, None]
        if layer < len(units):
            np.tanh(At, out=At)
        weight, bias = weight + i * j, bias + j
    return At[0]


def differences(f, theta, method):
    """Return the Jacobian; a complex step is a two-point difference, imaginary."""
    steps = STEPS[method] * np.maximum(1, np.abs(theta))
    shifted, base, columns = theta.astype(steps.dtype), f(theta), []
    for i, (value, step) in enumerate(zip(theta, steps, strict=True)):
        central = method == "central differences"
        shifted[i] = low = value - step if central else value
        below = f(shifted) if central else base
        shifted[i] = high = value + step
        columns.append(((f(shifted) - below) / (high - low)).real)
        shifted[i] = value
    return np.array(columns).T


def timed(function):
    """Return (CPU seconds of a call, its result); fast functions in batches."""
    start = process_time()
    result = function()
    seconds = process_time() - start
    if (n := int(0.02 / max(seconds, 1e-6))) > 1:
        seconds = timeit.timeit(function, timer=process_time, number=n) / n
    return seconds, result


def r(*arguments):
    """Return what the R script prints."""
    command = ["Rscript", HERE / "jacobian.R", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def timed_in_r(method, theta, units, X):
    """Return (CPU seconds of the call in R, Jacobian) of numDeriv."""
    with tempfile.TemporaryDirectory() as directory:
        theta.tofile(Path(directory, "theta"))
        X.tofile(Path(directory, "X"))
        seconds = float(r(directory, method, *units))
        return seconds, np.fromfile(Path(directory, "J")).reshape(theta.size, -1).T


def interleaved(methods):
    """Return {name: (median seconds, last result)} of {name: (run, repeats)}."""
    seconds, results = {name: [] for name in methods}, {}
    for turn in range(max(repeats for _, repeats in methods.values())):
        for name, (run, repeats) in methods.items():
            if turn < repeats:
                elapsed, results[name] = run()
                seconds[name].append(elapsed)
    return {name: (statistics.median(seconds[name]), results[name]) for name in methods}


def against_numerical(units, with_r):
    """Return p and {method: its cells of the table}."""
    est, X = fitted(units, 1000)
    theta = np.concatenate([a.ravel() for a in (*est.coefs_, *est.intercepts_)])
    f = partial(outputs, units=units, At=np.ascontiguousarray(X.T))
    few, one = (7, 5) if theta.size < 1000 else (5, 1)
    methods = {"analytic": (partial(timed, partial(est.jacobian, X)), 15)}
    for name in STEPS:
        methods[name] = partial(timed, partial(differences, f, theta, name)), few
    if numdifftools and theta.size < 1000:
        function = partial(numdifftools.Jacobian(f), theta)
        methods["numdifftools"] = partial(timed, function), few
    for kind, repeats in [("Richardson", one), ("simple", 5)] if with_r else []:
        run = partial(timed_in_r, kind, theta, units, X)
        methods[f"R numDeriv, {kind}"] = run, repeats
    exact, cells, measured = reference(est, X), {}, interleaved(methods)
    for name, (seconds, J) in measured.items():
        error = np.abs(J - exact).max() / np.abs(exact).max()
        ratio = digits(seconds / measured["analytic"][0])
        cells[name] = f"{ratio} ({methods[name][1]}) | {error:.1e}"
    return theta.size, cells


def against_copy(units):
    """Return, in words, the time of a Jacobian over that of a copy."""
    est, X = fitted(units, 256)
    source = est.jacobian(X)
    functions = partial(est.jacobian, X), partial(np.copyto, source.copy("K"), source)
    methods = {i: (partial(timed, run), 31) for i, run in enumerate(functions)}
    (jacobian, _), (copy, _) = interleaved(methods).values()
    return f"{digits(jacobian / copy)} at p = {source.shape[1]}"


def digits(x):
    """Return x to two significant digits, without exponent."""
    return f"{float(f'{x:.1e}'):,.{int(x < 9.95)}f}"


def main():
    """Measure, print and write."""
    modules = [np, scipy, sklearn, *filter(None, [numdifftools])]
    versions = [f"{module.__name__} {module.__version__}" for module in modules]
    if not numdifftools:
        print("Without numdifftools: not installed.", file=sys.stderr)
    try:
        versions.append(r())
        with_r = True
    except (OSError, subprocess.CalledProcessError):
        print("Without R: no Rscript, or no package numDeriv.", file=sys.stderr)
        with_r = False
    small, left = against_numerical((10, 10, 1), with_r)
    large, right = against_numerical((10, 100, 1), with_r)
    rows = [f"| {name} | {left[name]} | {right.get(name, '|')} |" for name in left]
    copies = map(against_copy, [(10, 10, 1), (10, 100, 1), (20, 50, 50, 1)])
    bits, copies = np.finfo(np.longdouble).nmant + 1, ", ".join(copies)
    versions = ", ".join(versions)
    text = TEXT.format(bits, small, large, "\n".join(rows), copies, versions)
    print(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "jacobian.md").write_text(text)


if __name__ == "__main__":
    main()
