"""
Are the intervals calibrated?
=============================

``CoverageDisplay`` draws, for every level, how many rows lie in their interval, beside
what chance allows. ``cross_val_predict_interval`` makes intervals of rows that did not
train. Normal intervals of a noise with heavy tails hold too often at most levels;
``errors="empirical"`` repairs that.
"""

# %%
# Student's noise with three degrees of freedom: mostly small, sometimes far out.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI, cross_val_predict_interval
from sklearn_nnci.metrics import coverage_score
from sklearn_nnci.plotting import CoverageDisplay

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (400, 2))
y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.4 * rng.standard_t(3, 400)
levels = np.arange(1, 20) / 20
network = MLPRegressorCI(
    hidden_layer_sizes=(6,), activation="tanh", regularization="evidence",
    n_restarts=1, random_state=0,
)  # fmt: skip

# %%
# Each row is predicted by a network that did not see it, five networks in all.

intervals = {}
figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
for errors, color in (("normal", "tab:orange"), ("empirical", "tab:blue")):
    network.set_params(errors=errors)
    _, intervals[errors] = cross_val_predict_interval(
        network, X, y, cv=5, confidence_level=levels
    )
    CoverageDisplay.from_predictions(
        y, intervals[errors], levels=levels, ax=ax, name=f'errors="{errors}"',
        line_kwargs=dict(color=color), ref_line=errors == "normal",
    )  # fmt: skip
plt.show()

# %%
# At 95 %, the level that is used most, either is right. They differ in the middle,
# where normal intervals are too wide: those of 50 % hold well over half of the rows.

covered = {errors: coverage_score(y, pi) for errors, pi in intervals.items()}
for k in (4, 9, 14, 18):
    normal, empirical = covered["normal"][k], covered["empirical"][k]
    print(f"level {levels[k]:.0%}: normal {normal:.1%}, empirical {empirical:.1%}")

off = {errors: np.abs(share - levels).max() for errors, share in covered.items()}
assert off["normal"] > 0.08 and off["empirical"] < 0.07
assert all(abs(share[-1] - 0.95) < 0.03 for share in covered.values())
