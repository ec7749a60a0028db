"""Analytic against numerical Jacobians of a network: what the chain rule saves.

It gives the derivatives by all weights for one pass forward and one back; differences
take one or more passes per weight, each vectorised over the rows, and lose digits.
Times are ratios of median CPU times on one thread, input checks included; the methods
take turns, so that a busy machine slows all alike. Errors refer to the formula row by
row in long double, which the complex step, without a chain rule, confirms.

`python benchmarks/jacobian.py` takes a few minutes and writes results/jacobian.md.
numdifftools, and R with numDeriv, take part if installed.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # R's as well

import subprocess
import tempfile
import timeit
import warnings
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import scipy
import sklearn

from sklearn_nnci import MLPRegressorCI

try:
    import numdifftools
except ImportError:
    numdifftools = None
    print("Skipped: numdifftools is not installed.")

HERE = Path(__file__).parent
RSCRIPT = ["Rscript", HERE / "jacobian.R"]
STEPS = {
    "two-point differences": np.finfo(float).eps ** (1 / 2),
    "central differences": np.finfo(float).eps ** (1 / 3),
    "complex step": 2.0**-100 * 1j,
}
TEXT = """\
# Analytic against numerical Jacobians

tanh networks 10-10-1 and 10-100-1, 1000 rows, one thread. Time as a multiple of the
analytic Jacobian's (repeats), and largest error over largest entry ({}-bit reference).

| | time, p = 121 | error | time, p = 1201 | error |
|---|---:|---:|---:|---:|
{}

- Time at 256 rows over that of copying as many bytes (31 repeats): {}.
- {}.
"""
digits = partial(np.format_float_positional, precision=2, fractional=False, trim="-")


def fitted(n_inputs, hidden, n_rows):
    """Return an estimator after short training, and its random rows."""
    X = np.random.default_rng(0).standard_normal((n_rows, n_inputs))
    network = {"hidden_layer_sizes": hidden, "activation": "tanh", "random_state": 0}
    est = MLPRegressorCI(covariance=None, solver="lbfgs", max_iter=30, **network)
    return est.fit(X, np.sin(X.sum(axis=1))), X


def reference(theta, X, h):
    """Return the Jacobian of f = v' tanh(W'x + b) + c in long double."""
    d, rows = X.shape[1], []
    W, v, b, _ = np.split(theta.astype(np.longdouble), np.cumsum([d * h, h, h]))
    for x in X.astype(np.longdouble):
        a = np.tanh(x @ W.reshape(d, h) + b)
        delta = v * (1 - a * a)
        rows.append(np.concatenate([np.outer(x, delta).ravel(), a, delta, [1]]))
    return np.array(rows)


def outputs(theta, Xt, h):
    """Return f (n,) of the columns of `Xt` (d, n); `theta` is real or complex."""
    W, v, b, c = np.split(theta, np.cumsum([len(Xt) * h, h, h]))
    a = W.reshape(-1, h).T @ Xt
    a += b[:, None]
    return v @ np.tanh(a, out=a) + c


def differences(f, theta, method):
    """Return the Jacobian; a complex step is a two-point difference, imaginary."""
    steps, central = STEPS[method] * np.maximum(1, abs(theta)), "central" in method
    base, columns = f(theta), []
    for i, step in enumerate(steps):
        shifted = theta.astype(steps.dtype)
        shifted[i] = low = theta[i] - central * step
        below = f(shifted) if central else base
        shifted[i] = high = theta[i] + step
        columns.append(((f(shifted) - below) / (high - low)).real)
    return np.array(columns).T


def timed(function):
    """Return (CPU seconds of a call, its result); fast functions in batches."""
    start = process_time()
    result = function()
    seconds = process_time() - start
    if (n := int(0.02 / max(seconds, 1e-6))) > 1:
        seconds = timeit.timeit(function, timer=process_time, number=n) / n
    return seconds, result


def timed_in_r(method, theta, X, h):
    """Return (CPU seconds of the call in R, Jacobian) of numDeriv."""
    with tempfile.TemporaryDirectory() as directory:
        theta.tofile(Path(directory, "theta"))
        X.tofile(Path(directory, "X"))
        command = [*RSCRIPT, directory, method, str(X.shape[1]), str(h)]
        seconds = float(subprocess.check_output(command, text=True))
        return seconds, np.fromfile(Path(directory, "J")).reshape(theta.size, -1).T


def interleaved(methods):
    """Return {name: (median seconds, last result)} of {name: (run, repeats)}."""
    seconds, results = {name: [] for name in methods}, {}
    for turn in range(max(repeats for _, repeats in methods.values())):
        for name, (run, repeats) in methods.items():
            if turn < repeats:
                elapsed, results[name] = run()
                seconds[name].append(elapsed)
    return {name: (np.median(seconds[name]), results[name]) for name in methods}


def against_numerical(h, r):
    """Return {method: its table cells} for `h` hidden units; `r` is empty without R."""
    est, X = fitted(10, h, 1000)
    theta = np.concatenate([a.ravel() for a in (*est.coefs_, *est.intercepts_)])
    f = partial(outputs, Xt=np.ascontiguousarray(X.T), h=h)
    methods = {"analytic": (partial(timed, partial(est.jacobian, X)), 15)}
    numerical = {name: partial(differences, f, theta, name) for name in STEPS}
    if numdifftools and h < 100:
        numerical["numdifftools"] = partial(numdifftools.Jacobian(f), theta)
    methods |= {name: (partial(timed, run), 7) for name, run in numerical.items()}
    for kind, n in [("Richardson", 5 if h < 100 else 1), ("simple", 5)] * len(r):
        methods[f"R numDeriv, {kind}"] = partial(timed_in_r, kind, theta, X, h), n
    exact, cells, measured = reference(theta, X, h), {}, interleaved(methods)
    for name, (seconds, J) in measured.items():
        ratio = digits(seconds / measured["analytic"][0])
        error = np.abs(J - exact).max() / np.abs(exact).max()
        cells[name] = f"{ratio} ({methods[name][1]}) | {error:.1e}"
    return cells


def against_copy(n_inputs, hidden):
    """Return, in words, the time of a Jacobian over that of a copy."""
    est, X = fitted(n_inputs, hidden, n_rows=256)
    J = est.jacobian(X)
    functions = partial(est.jacobian, X), partial(np.copyto, J.copy("K"), J)
    runs = {function: (partial(timed, function), 31) for function in functions}
    (analytic, _), (copy, _) = interleaved(runs).values()
    return f"{digits(analytic / copy)} at p = {J.shape[1]}"


def main():
    warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
    modules = [np, scipy, sklearn, *filter(None, [numdifftools])]
    versions = [f"{module.__name__} {module.__version__}" for module in modules]
    try:
        versions.append(subprocess.check_output(RSCRIPT, text=True))
    except (OSError, subprocess.CalledProcessError):
        print("Skipped: R, as there is no Rscript or no package numDeriv.")
    left, right = (against_numerical(h, versions[len(modules) :]) for h in (10, 100))
    rows = [f"| {name} | {left[name]} | {right.get(name, '|')} |" for name in left]
    copies = [against_copy(*net) for net in [(10, 10), (10, 100), (20, (50, 50))]]
    lists = "\n".join(rows), ", ".join(copies), ", ".join(versions)
    text = TEXT.format(np.finfo(np.longdouble).nmant + 1, *lists)
    print(text)
    (HERE / "results" / "jacobian.md").write_text(text)


if __name__ == "__main__":
    main()
