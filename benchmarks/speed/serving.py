"""Models that serve: size, latency and digits, in full, compressed, and as ONNX.

The default network, of 20 inputs and 2201 parameters, after 20 epochs on

- 10,000 rows, where the inference is kept as a triangle of the parameters (primal), and
- 1000 rows, where it is kept as one of the rows (dual).

Asked for are the 95 % interval of one new row, and of 1000 of them. "By dtrmm" is how
the triangle met single rows before `_numerics.triangular` took dtrmv for them; plain is
scikit-learn's ``predict``. The error is the largest, relative to itself, of a standard
error of the mean at 1000 new rows; after so short a training most of that is what is
left to the optimum, and the packed triangle gives the rest. An ONNX graph, run by
onnxruntime with one thread, returns the standard errors that the interval is made of.

Whether single precision does is decided fit by fit (`_inference/compressed.py`). The
last figures are of that decision, over small networks that are hard on it: columns that
are alike to 5 %, of scales from 0.01 to 100, or categories; relu and tanh, adam and
lbfgs, two penalties, five covariances, on either route. Errors are the largest of the
part that is packed, and of an ONNX graph in single precision, at the training rows and
at new ones.

`python benchmarks/speed/serving.py` takes some minutes and writes results/serving.md.
"""

import itertools
import pickle
from functools import partial

import numpy as np
import onnxruntime
from sklearn.neural_network import MLPRegressor
from timing import Figure, main, race, ratios, sample

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._numerics import triangular
from sklearn_nnci.onnx import to_onnx

TEXT = """\
# Serving

Size, latency and digits of the default network of 20 inputs: in full, compressed by
`compress()`, and as a graph run by onnxruntime. One thread, CPU time; median over the
turns, ratios are those within a turn. `benchmarks/speed/serving.py` says what is
measured.

{}

{}.
"""
ROWS, EPOCHS, QUERIES = {"primal": 10_000, "dual": 1000}, 20, 1000
# What the issue asks: a third of 39 MB, half of the time, 1e-4 of a standard error.
BARS = {"size": {"primal": "<= 13"}, "latency": "<= 0.5", "error": "<= 1e-4"}

SOLVERS, ALPHAS, HIDDEN = ("adam", "lbfgs"), (1e-6, 1e-2), ((10,), (50,))
COVARIANCES = "auto", "least_squares", "bayesian", "frequentist", "HC3"


def by_dtrmm(predict):
    """Return the same prediction, single rows multiplied as many are."""

    def slow():
        few, triangular.FEW_COLUMNS = triangular.FEW_COLUMNS, 0
        try:
            return predict()
        finally:
            triangular.FEW_COLUMNS = few

    return slow


def session(model):
    """Return a function that runs a graph on rows, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    own = onnxruntime.InferenceSession(model.SerializeToString(), options)
    name = own.get_inputs()[0].name
    return lambda X: own.run(None, {name: X})


def megabytes(model):
    """Return the size of a model's file."""
    file = pickle.dumps(model) if hasattr(model, "fit") else model.SerializeToString()
    return len(file) / 1e6


def largest(found, expected):
    """Return the largest relative error."""
    return float(np.abs(np.ravel(found) / expected - 1.0).max())


def columns(kind, n, rng):
    """Return `n` rows of columns that are hard on single precision, or are not."""
    X = rng.standard_normal((n, 6))
    if kind == "alike":
        return X @ (1.0 + 0.05 * np.random.default_rng(0).standard_normal((6, 6)))
    if kind == "unscaled":
        return X * [1, 10, 100, 1, 0.1, 0.01] + 5
    if kind == "categories":
        return np.hstack([X[:, :2], np.eye(6)[rng.integers(0, 6, n)]])
    return X


def hard_fits(quick):
    """Yield fitted networks that single precision may not do for, and rows."""
    for kind in ("normal", "alike", "unscaled", "categories"):
        rng = np.random.default_rng(0)
        X, new = columns(kind, 300, rng), columns(kind, 100, rng)
        y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(300)
        options = itertools.product(
            ("relu", "tanh"), SOLVERS, ALPHAS, COVARIANCES, HIDDEN
        )
        for activation, solver, alpha, covariance, hidden in options:
            net = MLPRegressorCI(
                hidden_layer_sizes=hidden, activation=activation, solver=solver,
                alpha=alpha, covariance=covariance, max_iter=100, random_state=0,
            )  # fmt: skip
            if quick and hidden != HIDDEN[0]:
                continue
            net.fit(X, y)
            if np.isfinite(net.get_prediction(new).se_mean).all():
                yield net, np.vstack([X, new])


def precision(quick):
    """Yield how often single precision is taken, and its largest errors."""
    single, errors, graphs = [], [], []
    for net, Q in hard_fits(quick):
        small, Q32 = net.compress(), Q.astype(np.float32)
        kept = small._inference["posterior"]  # internals: the precision that was taken
        panels = kept["root"] if kept["route"] == "primal" else kept["inverse"]
        single.append(panels[0].dtype == np.float32)
        v, w = (one.get_prediction(Q).leverage for one in (net, small))
        errors.append(largest(np.sqrt(w), np.sqrt(v)))
        try:
            graph = to_onnx(net, Q32)
        except NotImplementedError:  # digits would be lost in double, too
            continue
        expected = net.get_prediction(Q32.astype(float)).se_mean
        graphs.append(largest(session(graph)(Q32)[1], expected))
    what = f"hard fits ({len(single)})"
    yield Figure(f"{what}: in single precision", [100.0 * np.mean(single)], unit="%")
    yield Figure(f"{what}: error of se, compressed", [max(errors)], BARS["error"], "")
    what = f"hard fits ({len(graphs)})"
    yield Figure(f"{what}: error of se, ONNX float32", [max(graphs)], BARS["error"], "")


def measure(quick):
    """Yield every figure."""
    yield from precision(quick)
    for route, n in ROWS.items():
        X, y = sample(2000 if quick and route == "primal" else n, 20)
        net = MLPRegressorCI(max_iter=EPOCHS, random_state=0).fit(X, y)
        assert net.inference_.route == route
        yield from figures(route, net, sample(QUERIES, 20, seed=1)[0], quick)


def figures(route, net, Q, quick):
    """Yield the figures of one network at new rows."""
    small, single = net.compress(), Q.astype(np.float32)
    graphs = {"float64": to_onnx(net, Q), "float32": to_onnx(net, single)}
    kinds = {"in full": net, "compressed": small}
    for name, model in kinds.items():
        bar = BARS["size"].get(route, "") if model is small else ""
        yield Figure(f"{route}: file, {name}", [megabytes(model)], bar, "MB")
    for name, graph in graphs.items():
        yield Figure(f"{route}: file, ONNX {name}", [megabytes(graph)], unit="MB")
    run = {name: session(graph) for name, graph in graphs.items()}
    full, packed = net.get_prediction(Q), small.get_prediction(Q)
    expected, root = full.se_mean, np.sqrt(full.leverage)
    errors = {
        "compressed": largest(packed.se_mean, expected),
        "compressed, of the part that is packed": largest(packed.leverage**0.5, root),
        "ONNX float64": largest(run["float64"](Q)[1], expected),
        "ONNX float32": largest(run["float32"](single)[1], expected),
    }
    bars = {"ONNX float64": "<= 1e-10"}
    for name, error in errors.items():
        bar = bars.get(name, BARS["error"])
        yield Figure(f"{route}: error of se, {name}", [error], bar, "")
    for n in (1, QUERIES):
        rows, turns = Q[:n], 3 if quick else {1: 31, QUERIES: 11}[n]
        asked = dict(return_pi=True)
        seconds = race(
            turns,
            **{
                "plain": partial(MLPRegressor.predict, net, rows),
                "by dtrmm": by_dtrmm(partial(net.predict, rows, **asked)),
                "in full": partial(net.predict, rows, **asked),
                "compressed": partial(small.predict, rows, **asked),
                "ONNX float64": partial(run["float64"], rows),
                "ONNX float32": partial(run["float32"], single[:n]),
            },
        )
        what = "one row" if n == 1 else f"{n} rows"
        for name, values in seconds.items():
            if n == 1 or name != "by dtrmm":
                values = 1e3 * np.array(values)
                yield Figure(f"{route}: {what}, {name}", values, unit="ms")
        if n == 1:
            for name in ("by dtrmm", "in full"):
                ratio = ratios(seconds["compressed"], seconds[name])
                what = f"{route}: one row, compressed over {name}"
                yield Figure(what, ratio, BARS["latency"])


if __name__ == "__main__":
    main(measure, "serving", TEXT, __doc__)
