"""
A warning, and its cure
=======================

A network too small for its curve has narrow intervals in the wrong place. A
``MisfitWarning`` says so, and what to try. Tried here, it makes the interval hold.
Mostly there is no warning where a network is a *little* too small: silence is no proof.
"""

# %%
# Two tanh units can follow the bump, but not the slope beside it. ``fit`` says so.

import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.exceptions import InferenceWarning, MisfitWarning
from sklearn_nnci.metrics import coverage_score
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng, x = np.random.default_rng(0), np.linspace(-1.95, 1.95, 200)


def bump(x):
    return x / 2 + 2 * np.exp(-8 * (x - 0.5) ** 2)


def fitted(X, curve, noise, **parameters):
    network = MLPRegressorCI(activation="tanh", solver="lbfgs", random_state=0)
    network.set_params(max_iter=5000, **parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InferenceWarning)
        network.fit(X, curve(X[:, 0]) + noise)
    ci = network.predict(x[:, None], return_ci=True)[1]
    return network, caught, coverage_score(curve(x), ci)


X, noise = rng.uniform(-2, 2, (300, 1)), rng.normal(0, 0.3, 300)
small, caught, covered = fitted(X, bump, noise, hidden_layer_sizes=(2,))
lines = textwrap.TextWrapper(80, break_on_hyphens=False)
print(lines.fill(f"{covered:.0%} covered. MisfitWarning: {caught[0].message}"))

# %%
# The cure is what the message says: more units, several starts, and the evidence.

more = dict(hidden_layer_sizes=(10,), n_restarts=4, regularization="evidence")
cured, none, covered_then = fitted(X, bump, noise, **more)
y = bump(X[:, 0]) + noise
figure, both = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, network in zip(both, (small, cured), strict=True):
    PredictionIntervalDisplay.from_estimator(network, X, y, feature=0, ax=ax)
    ax.plot(x, bump(x), "k--", linewidth=1)
    ax.set_title(f"{network.hidden_layer_sizes[0]} units", loc="right")
plt.show()

# %%
# Two units nearly follow a slow wave. What they miss is mostly too little for a test of
# the residuals, and too much for the interval: ten draws of the noise.

warned, share, few = 0, 0, dict(hidden_layer_sizes=(2,), polish=True, n_restarts=2)
for noise in rng.normal(0, 0.3, (10, 300)):
    _, said, of_wave = fitted(X, lambda x: np.sin(2.5 * x), noise, **few)
    warned, share = warned + len(said), share + of_wave / 10
print(f"Cured: {covered_then:.0%}. A slow wave: {share:.0%}, {warned} of 10 fits warn")

assert caught[0].category is MisfitWarning and covered < 0.7
assert not none and covered_then > 0.75 and warned < 5 and share < 0.85
