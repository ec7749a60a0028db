"""
Partial dependence with bands
=============================

**What is y on average where a column has this value, and how surely?** The inner band
holds at each value, the outer one everywhere at once: only that one may be compared
with a whole curve. The average says nothing about single rows: their curves may differ.
"""

# %%
# Made-up data with a trap
# ------------------------
# The first column bends y, the second acts in two ways that cancel: upwards where the
# third is positive, downwards where it is negative.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.effects import partial_dependence_interval
from sklearn_nnci.plotting import PartialDependenceIntervalDisplay

rng = np.random.default_rng(0)
X = rng.uniform(-2.0, 2.0, (400, 3))
y = np.sin(2.0 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(400)
net = MLPRegressorCI(hidden_layer_sizes=(12,), activation="tanh", n_restarts=5,
                     regularization="evidence", random_state=0).fit(X, y)  # fmt: skip

# %%
# Averages
# --------
# Dashed is what is true of these rows. The first curve is surely not level, since no
# level line fits into its outer band; the second may be.

display = PartialDependenceIntervalDisplay.from_estimator(
    net, X, [0, 1], training=(X, y)
)
curves, truths = display.frame(), []
for k, axes in enumerate(display.axes_):
    at = display.curves[k].columns["value"]
    term = np.array([np.sin(2.0 * X[:, 0]), X[:, 1] * X[:, 2]]).mean(axis=1)[1 - k]
    truths.append(term + (at * X[:, 2].mean() if k else np.sin(2.0 * at)))
    axes.plot(at, truths[k], color="black", linestyle="--", linewidth=1.0)

# %%
# Single rows
# -----------
# The level average of the second column hides that it matters: along it the curves of
# single rows, each with its own interval, go both ways.

rows = X[np.argsort(X[:, 2])[[20, -20]]]
each = partial_dependence_interval(
    net, rows, 1, kind="individual", custom_values={1: np.linspace(-1.9, 1.9, 9)}
).to_frame()
fig, axes = plt.subplots(layout="constrained")
lines = [one.set_index("value") for _, one in each.groupby("row")]
for one, row in zip(lines, rows, strict=True):
    axes.plot(one["estimate"], label=f"x2 = {row[2]:.1f}")
    axes.fill_between(one.index, one["conf_low"], one["conf_high"], alpha=0.3)
axes.set(xlabel="x1", ylabel="y of one row")
axes.legend(frameon=False)

low, high = (curves[f"band_{end}"].to_numpy().reshape(2, -1) for end in ("low", "high"))
level = low.max(axis=1) < high.min(axis=1)  # does a level line fit into the band?
assert level.tolist() == [False, True]
assert np.mean((low <= truths) & (truths <= high)) > 0.9
falls, rises = lines
assert falls["conf_low"].iloc[0] > falls["conf_high"].iloc[-1]
assert rises["conf_high"].iloc[0] < rises["conf_low"].iloc[-1]
