"""Analytic against numerical Jacobians of a network: what the chain rule saves.

It gives the derivatives by all weights for one pass forward and one back; differences
take one or more passes per weight, each vectorised over the rows, and lose digits.
Times are ratios of CPU times on one thread, to those of the formula itself; the public
method's checks of its input, of which the others have none, are shown beside it. The
methods take turns, so that a busy machine slows all alike. Errors refer to the formula
row by row in long double, which the complex step, without a chain rule, confirms.

`python benchmarks/speed/jacobian.py` takes minutes and writes results/jacobian.md.
numdifftools, and R with numDeriv, take part if installed.
"""

import argparse
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from timing import (
    RESULTS,
    Figure,
    digits,
    fitted,
    interleaved,
    ratios,
    record,
    timed,
    versions,
)

from sklearn_nnci._network import jacobian

try:
    import numdifftools
except ImportError:
    numdifftools = None
    print("Skipped: numdifftools is not installed.")

RSCRIPT = ["Rscript", Path(__file__).parent / "jacobian.R"]
STEPS = {
    "two-point differences": np.finfo(float).eps ** (1 / 2),
    "central differences": np.finfo(float).eps ** (1 / 3),
    "complex step": 2.0**-100 * 1j,
}
TEXT = """\
# Analytic against numerical Jacobians

tanh networks 10-10-1 and 10-100-1, 1000 rows, one thread. Time as a multiple of the
analytic Jacobian's (turns), and largest error over largest entry ({}-bit reference).

| | time, p = 121 | error | time, p = 1201 | error |
|---|---:|---:|---:|---:|
{}

{}

{}.
"""


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


def timed_in_r(method, theta, X, h):
    """Return (CPU seconds of the call in R, Jacobian) of numDeriv."""
    with tempfile.TemporaryDirectory() as directory:
        theta.tofile(Path(directory, "theta"))
        X.tofile(Path(directory, "X"))
        command = [*RSCRIPT, directory, method, str(X.shape[1]), str(h)]
        seconds = float(subprocess.check_output(command, text=True))
        return seconds, np.fromfile(Path(directory, "J")).reshape(theta.size, -1).T


def measured(p, r, quick):
    """Return {method: (seconds of each turn, error)} of a network 10-h-1."""
    est, X, _ = fitted(p, n_rows=1000)
    h = est.hidden_layer_sizes[0]
    theta = np.concatenate([a.ravel() for a in (*est.coefs_, *est.intercepts_)])
    f = partial(outputs, Xt=np.ascontiguousarray(X.T), h=h)
    network = est._network()  # internals

    def analytic():
        return jacobian.dense(jacobian.factors(network, X)).T[:, 0]

    methods = {
        "analytic": (partial(timed, analytic), 15),
        "analytic, `jacobian(X)` with checks": (
            partial(timed, partial(est.jacobian, X)), 15,
        ),
    }  # fmt: skip
    numerical = {name: partial(differences, f, theta, name) for name in STEPS}
    if numdifftools and p == 121:
        numerical["numdifftools"] = partial(numdifftools.Jacobian(f), theta)
    methods |= {name: (partial(timed, run), 7) for name, run in numerical.items()}
    if r:
        for kind, turns in (("Richardson", 5 if p == 121 else 3), ("simple", 5)):
            run = partial(timed_in_r, kind, theta, X, h)
            methods[f"R numDeriv, {kind}"] = run, turns
    if quick:
        methods = {name: (run, 1) for name, (run, _) in methods.items()}
    exact = reference(theta, X, h)
    return {
        name: (seconds, np.abs(J - exact).max() / np.abs(exact).max())
        for name, (seconds, J) in interleaved(methods).items()
    }


def cells(results, name):
    """Return the cells of a method: its time over the analytic one's, and its error."""
    if name not in results:
        return "| "
    seconds, error = results[name]
    ratio = digits(np.median(ratios(seconds, results["analytic"][0])))
    return f"{ratio} ({len(seconds)}) | {error:.1e}"


def figures(p, results, bar):
    """Return what numDeriv is worth, with bars."""
    if "R numDeriv, Richardson" not in results:
        return []
    analytic, error = results["analytic"]
    seconds, worse = results["R numDeriv, Richardson"]
    what = f"Jacobian by numDeriv, p = {p}"
    return [
        Figure(f"{what}, over ours", ratios(seconds, analytic), bar),
        Figure(f"{what}, digits lost", [np.log10(worse / error)], ">= 8", ""),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    about = "one turn, nothing is written"
    parser.add_argument("--quick", action="store_true", help=about)
    quick = parser.parse_args().quick
    found, r = versions(*filter(None, [numdifftools])), ""
    try:
        r = subprocess.check_output(RSCRIPT, text=True)
        found += f", {r}"
    except (OSError, subprocess.CalledProcessError):
        print("Skipped: R, as there is no Rscript or no package numDeriv.")
    left = measured(121, r, quick)
    right = {} if quick else measured(1201, r, quick)
    rows = [f"| {name} | {cells(left, name)} | {cells(right, name)} |" for name in left]
    bars = figures(121, left, ">= 1000") + figures(1201, right, ">= 10000")
    lines = "\n".join(f"- {one.name}: {one.text}" for one in bars)
    mantissa = np.finfo(np.longdouble).nmant + 1
    text = TEXT.format(mantissa, "\n".join(rows), lines, found)
    print(text)
    if not quick:
        (RESULTS / "jacobian.md").write_text(text)
        record(bars)


if __name__ == "__main__":
    main()
