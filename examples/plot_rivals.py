"""
Beside a Gaussian process, CV+ and the bootstrap
================================================

**On new observations all four are about right.** On this smooth curve the Gaussian
process is the narrowest and by far the fastest; of networks the committee asks for the
least time. CV+ has a guarantee whatever the noise, and no interval of the mean, which
the others have.
"""

# %%
# Friedman's function of five inputs, 150 rows, noise of variance 1. CV+ is that of
# `MAPIE <https://mapie.readthedocs.io>`__; it and the bootstrap refit one tuned
# network.

import time

import numpy as np
import pandas as pd
from mapie.regression import CrossConformalRegressor
from sklearn.datasets import make_friedman1
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI
from sklearn_nnci.metrics import coverage_score

rng = np.random.default_rng(0)
X, mean = make_friedman1(1150, n_features=5, random_state=0)
(X, T), (y, y_new) = (np.split(a, [150]) for a in (X, mean + rng.standard_normal(1150)))
committee = MLPEnsembleRegressorCI(n_starts=2, random_state=0)
network = MLPRegressorCI(hidden_layer_sizes=(8,), activation="tanh", n_restarts=2,
    regularization="evidence", covariance=None, random_state=0)  # fmt: skip
crossed = CrossConformalRegressor(network, confidence_level=0.95, random_state=0)
gaussian = GaussianProcessRegressor(100 * RBF([1] * 5, (1e-2, 1e3)) + WhiteKernel())


def about(centre, sd):
    return centre[:, None] + 1.96 * sd[:, None] * np.array([-1.0, 1.0])


def bootstrap():
    draws = rng.integers(150, size=(20, 150))
    fits = [network.fit(X[rows], y[rows]).predict(T) for rows in draws]
    noise = np.var(y - network.fit(X, y).predict(X))
    return about(network.predict(T), np.sqrt(np.var(fits, axis=0, ddof=1) + noise))


ways = {
    "committee": lambda: committee.fit(X, y).predict(T, return_pi=True)[1],
    "Gaussian process": lambda: about(*gaussian.fit(X, y).predict(T, return_std=True)),
    "CV+": lambda: crossed.fit_conformalize(X, y).predict_interval(T)[1][:, :, 0],
    "bootstrap": bootstrap,
}

# %%
# Coverage of 1000 new rows (0.95 is asked for), mean width, and processor time.

table = pd.DataFrame(columns=["covered", "width", "time"], dtype=float)
for name, way in ways.items():
    start, pi = time.process_time(), way()
    spent = time.process_time() - start
    table.loc[name] = coverage_score(y_new, pi), np.diff(pi).mean(), spent
table["time"] /= table["time"]["committee"]
axes = table.plot.scatter("width", "covered", s=50, ylim=(0.9, 1.0), xlim=(4, 6))
for name, line in table.iterrows():
    axes.annotate(name, (line["width"] + 0.04, line["covered"]))
print(table.round(2))
assert table["covered"].between(0.9, 0.995).all() and table["time"].iloc[2:].min() > 1.0
assert table["width"].idxmin() == table["time"].idxmin() == "Gaussian process"
