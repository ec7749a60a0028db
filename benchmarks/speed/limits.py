"""How near the package comes to what the machine, and its parent, allow.

- Jacobian at 256 rows, over a copy of as many bytes: `jacobian`, checks and
  allocation included, and the kernel alone, into an array that is there already; of
  the kernel, the products that are written, and a constant written in their place.
- `predict(return_ci=True)` over `predict`, 10,000 rows; and what remains if all it did
  were the flops of the variance, at the rate of matrix products.
- Variance of the mean: its flops as a share of what matrix products reach, counting
  those of a triangle, p^2 for a query. The Jacobian and the rest count as time only.
- `fit` over the parent's, with scikit-learn's default network.

and, where they are installed, other libraries: see `libraries.py`.

`python benchmarks/speed/limits.py` takes some ten minutes and writes results/limits.md.
"""

from functools import partial

import libraries
import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale
from timing import Figure, fitted, main, race, ratios

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._network import jacobian as jacobians

TEXT = """\
# Limits of speed

One thread, CPU time. Median over the turns of the ratio within a turn, in which the
methods compared follow each other; `benchmarks/speed/limits.py` says what is measured.

{}

{}.
"""
ORDER = 2048  # of the matrix product that others are measured by


def jacobian(quick):
    """The Jacobian over a copy."""
    for p in (121, 1201, 3651):
        est, X, _ = fitted(p, n_rows=256)
        J = est.jacobian(X)
        network = est._network()  # internals: the kernel alone
        Jt = np.empty((p, 1, len(X)))
        factors = jacobians.factors(network, X)
        seconds = race(
            3 if quick else 31,
            public=partial(est.jacobian, X),
            kernel=lambda network=network, X=X, Jt=Jt: jacobians.dense(
                jacobians.factors(network, X), out=Jt
            ),
            products=partial(jacobians.dense, factors, out=Jt),
            constant=partial(Jt.fill, 1.0),
            copy=partial(np.copyto, J.copy("K"), J),
        )
        bars = {"public": "<= 4", "kernel": "<= 1.8"} if p == 3651 else {}
        for name in ("public", "kernel", "products", "constant"):
            bar = bars.get(name, "")
            what = f"Jacobian, {name}, p = {p}, over a copy"
            yield Figure(what, ratios(seconds[name], seconds["copy"]), bar)


def matrix_product():
    """Return a function that multiplies two square matrices of order `ORDER`."""
    A = np.random.default_rng(0).standard_normal((ORDER, ORDER))
    return partial(np.matmul, A, A, out=np.empty_like(A))


def products(n_rows, p):
    """Return how many matrix products have the flops of `n_rows` variances."""
    return n_rows * p**2 / (2 * ORDER**3)


def prediction(quick):
    """Prediction with confidence intervals over that without."""
    for p, bar in ((121, "<= 12"), (1201, "<= 70")):
        est, *_ = fitted(p, n_rows=2000, covariance="bayesian")
        X = np.random.default_rng(1).standard_normal((10_000, est.n_features_in_))
        seconds = race(
            3 if quick else 15,
            ci=partial(est.predict, X, return_ci=True),
            plain=partial(est.predict, X),
            product=matrix_product(),
        )
        values = ratios(seconds["ci"], seconds["plain"])
        yield Figure(f"predict with CI, p = {p}, over predict", values, bar)
        least = ratios(seconds["product"], seconds["plain"])
        values = [products(len(X), p) * ratio for ratio in least]
        yield Figure(f"its matrix products alone, p = {p}, over predict", values)


def variance(quick):
    """The variance step as a share of the rate of matrix products."""
    for p in (1201, 3651):
        est, *_ = fitted(p, n_rows=4000, covariance="bayesian")
        X = np.random.default_rng(1).standard_normal((2048, est.n_features_in_))
        state, network = est._with_inference()  # internals: the variance alone
        posterior = restore(network, state["posterior"])
        seconds = race(
            3 if quick else 11,
            variance=lambda X=X, network=network, posterior=posterior: [
                posterior.variance(F) for _, F in jacobians.stream(network, X)
            ],
            product=matrix_product(),
        )
        rates = ratios(seconds["product"], seconds["variance"])
        values = [100 * products(len(X), p) * rate for rate in rates]
        what = f"variance, p = {p}, of the rate of matrix products"
        yield Figure(what, values, ">= 55", "%")


def fit(quick):
    """Fit with inference over the parent's, scikit-learn's default network."""
    for n, bar in ((1000, "<= 2"), (10_000, "<= 3")):
        X, y = make_friedman1(n, n_features=20, noise=1.0, random_state=0)
        X, y = scale(X), scale(y)
        seconds = race(
            1 if quick else 5,
            ours=partial(MLPRegressorCI(random_state=0).fit, X, y),
            parent=partial(MLPRegressor(random_state=0).fit, X, y),
        )
        values = ratios(seconds["ours"], seconds["parent"])
        yield Figure(f"fit, default network, n = {n}, over the parent's", values, bar)


def measure(quick):
    """Yield every figure."""
    for figures in (jacobian, prediction, variance, fit, *libraries.FIGURES):
        yield from figures(quick)


if __name__ == "__main__":
    main(measure, "limits", TEXT, __doc__)
