"""What average slopes cost, beside a numeric delta method.

Ten average slopes with standard errors, of a tanh network of 1201 parameters and ten
inputs over 1000 rows, its covariance being there already:

- ``avg_slopes(debias=False)``, exact gradients as sums of layer factors;
- the numeric delta method: each weight moved in turn, the slopes of all ten columns by
  differences of predictions, 2 x 10 forward passes a weight. The passes are those of
  the package, on arrays, and one covariance is taken for granted: what a library adds
  around them is not counted;
- ``avg_slopes`` with the correction that is the default, which reads the training rows
  and factors them again.

Memory is the peak that Python and NumPy allocate during ``avg_slopes(debias=False)``,
beside one chunk of the package, 32 MiB, over those rows; and beside the Jacobian over
100 000 rows, of which a few arrays of their own size are held.

`python benchmarks/speed/effects.py` takes a minute and writes results/effects_speed.md.
"""

import tracemalloc

import numpy as np
from timing import Figure, fitted, main, race, ratios, sample  # which sets the threads

from sklearn_nnci import effects
from sklearn_nnci._network.perceptron import forward, pack, unpack
from sklearn_nnci._numerics.chunks import BUFFER_BYTES

TEXT = """\
# Speed of effects

One thread, CPU time. Median over the turns; ratios are those within a turn.
`benchmarks/speed/effects.py` says what is measured.

{}

{}.
"""
P, ROWS, MANY = 1201, 1000, 100_000
STEP = 1e-5


def numeric(net, X, V):
    """Return ten average slopes and their standard errors, by differences alone."""
    network = net._network()
    theta, d = pack(network.coefs, network.intercepts), X.shape[1]
    h = STEP * X.std(axis=0)
    ends = [[X + s * step for s in (1.0, -1.0)] for step in np.diag(h)]

    def slopes(theta):
        moved = unpack(theta, network)
        f = [[forward(moved, rows)[-1][0].mean() for rows in pair] for pair in ends]
        return -np.diff(f).ravel() / (2.0 * h)

    G, T = np.empty((len(theta), d)), slopes(theta)
    for k in range(len(theta)):
        t, step = theta.copy(), 1e-4 * max(abs(theta[k]), 0.1)
        t[k] += step
        G[k] = (slopes(t) - T) / step
    return T, np.sqrt(np.diag(G.T @ V @ G))


def peak(task):
    """Return the bytes that Python and NumPy had more during `task`."""
    tracemalloc.start()
    base = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    task()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most - base


def measure(quick):
    """Yield every figure."""
    net, X, y = fitted(P, ROWS, covariance="bayesian")
    net.set_params(noise=0.01).fit_inference(X, y)
    V = net.parameter_covariance()
    mine, (T, se) = effects.avg_slopes(net, X, debias=False), numeric(net, X, V)
    np.testing.assert_allclose(mine.estimate, T, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(mine.std_error, se, rtol=1e-3)
    turns = 1 if quick else 3
    seconds = race(
        turns,
        exact=lambda: effects.avg_slopes(net, X, debias=False).std_error,
        corrected=lambda: effects.avg_slopes(net, X, training=(X, y)).std_error,
        numeric=lambda: numeric(net, X, V),
    )
    names = {"exact": "exact", "corrected": "exact, corrected", "numeric": "numeric"}
    for key, name in names.items():
        yield Figure(f"ten average slopes, p = {P}, n = {ROWS}: {name}", seconds[key],
                     unit="s")  # fmt: skip
    for key, bar in (("exact", "<= 0.25"), ("corrected", "")):
        values = ratios(seconds[key], seconds["numeric"])
        yield Figure(f"{names[key]} over numeric", values, bar)
    most = peak(lambda: effects.avg_slopes(net, X, debias=False).std_error)
    yield Figure(f"peak memory, n = {ROWS}", [most / 2**20], unit="MiB")
    yield Figure("that over one chunk", [most / BUFFER_BYTES], "<= 1")
    if not quick:
        rows, _ = sample(MANY, X.shape[1], seed=1)
        most = peak(lambda: effects.avg_slopes(net, rows, debias=False).std_error)
        yield Figure(f"peak memory, n = {MANY}", [most / 2**20], unit="MiB")
        yield Figure("that over the Jacobian", [most / (8.0 * P * len(rows))])


if __name__ == "__main__":
    main(measure, "effects_speed", TEXT, __doc__)
