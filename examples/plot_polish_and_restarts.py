"""
Polishing and restarts
======================

Intervals describe the minimum of a fit. ``polish=True`` goes there from where the
solver stopped, ``n_restarts`` looks for a lower one. On a small network that makes the
interval of the curve several times narrower, and it still holds.
"""

# %%
# A wave, 200 rows, six tanh units, trained in three ways. Adam, the default, stops far
# from its minimum, and says so; its interval contains that: it is honest, and wide.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.exceptions import InferenceWarning
from sklearn_nnci.metrics import coverage_score
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)


def curve(X):
    return np.sin(3 * X[:, 0]) * np.exp(-X[:, 0] / 3)


X = rng.uniform(-2, 2, (200, 1))
y = curve(X) + rng.normal(0, 0.2, 200)
grid = np.linspace(-1.95, 1.95, 200)[:, None]
polished = dict(solver="lbfgs", polish=True)
five = polished | dict(n_restarts=4)
ways = {"adam": {}, "polished": polished, "best of 5 starts": five}
networks, width, covered, said = {}, {}, {}, {}
figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for ax, (name, way) in zip(axes, ways.items(), strict=True):
    network = MLPRegressorCI(
        hidden_layer_sizes=(6,), activation="tanh", max_iter=5000, random_state=0, **way
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InferenceWarning)
        networks[name] = network.fit(X, y)
    ci = network.predict(grid, return_ci=True)[1]
    width[name], covered[name] = np.diff(ci).mean(), coverage_score(curve(grid), ci)
    said[name] = {w.category.__name__ for w in caught}
    print(f"{name:17} width {width[name]:.2f}, covers {covered[name]:.2f}", *said[name])
    PredictionIntervalDisplay.from_estimator(network, X, y, feature=0, ax=ax)
    ax.plot(grid, curve(grid), "k--", linewidth=1)
    ax.set_title(name, loc="right", fontsize="medium")
plt.show()

# %%
# Polishing lowers the objective to where its gradient vanishes. Starts end in different
# minima. The lowest is kept. Where others that come close to it predict something else,
# that is in the interval.

done, best = networks["polished"].polish_, networks["best of 5 starts"]
objectives = best.start_objectives_
print(f"Objective {done.objective_before:.3f}, polished {done.objective_after:.3f}")
print("Objectives of the starts:", objectives.round(3))

assert done.objective_after < done.objective_before and done.gradient_norm < 1e-3
assert best.polish_.objective_after == min(objectives) < max(objectives) - 0.005
assert "NotAtMinimumWarning" in said["adam"] and not said["best of 5 starts"]
assert width["adam"] > 3 * width["polished"]
assert covered["adam"] > 0.95 and covered["best of 5 starts"] > 0.85
