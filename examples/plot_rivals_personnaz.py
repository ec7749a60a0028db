"""
Rivals and Personnaz (2000): intervals by least squares
=======================================================

**The linear Taylor expansion gives right intervals where the network is right**: its
standard errors are the spread of networks over 200 data sets. It also finds networks
with too many units, by condition number and leave-one-out score, without refits.
"""

# %%
# The paper, *Construction of confidence intervals for neural networks based on least
# squares estimation* (Neural Networks 13), says so of simulated and real processes.
# This page redoes it in a setting of the same kind: a damped wave, 200 rows, noise of
# standard deviation 0.045, tanh units. All figures are ours. Not redone are the paper's
# real process and its comparison with other methods.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)
X = rng.uniform(-1.0, 1.0, (200, 1))
y = np.sinc(10.0 * (X[:, 0] + 1.0) / np.pi) + 0.045 * rng.standard_normal(200)
recipe = dict(activation="tanh", solver="lbfgs", alpha=1e-6, max_iter=2000, polish=True,
              n_restarts=4, covariance="least_squares", noise="residual")  # fmt: skip
five = MLPRegressorCI(hidden_layer_sizes=(5,), random_state=0, **recipe).fit(X, y)
twenty = MLPRegressorCI(hidden_layer_sizes=(20,), random_state=0, **recipe).fit(X, y)
display = PredictionIntervalDisplay.from_estimator(five, X, y, feature=0)

# %%
# The formula: with Z the derivatives of the output by the 16 weights at the rows, and z
# those at x, the standard error is ``s sqrt(z' inv(Z'Z) z)``. Checked at the rows,
# where ``z' inv(Z'Z) z`` is the squared length of a row of Q in Z = QR:

by_hand = np.linalg.norm(np.linalg.qr(five.jacobian(X))[0], axis=1)
by_hand *= np.sqrt(np.sum((y - five.predict(X)) ** 2) / (200 - 16))
assert np.allclose(by_hand, five.get_prediction(X).se_mean, rtol=1e-4)

# %%
# Residuals hardly tell 20 units from 5. The mean square of leave-one-out residuals and
# the condition number of Z do.

few, many = five.inference_, twenty.inference_
for name in ("noise_variance", "press", "condition_number"):
    print(f"{name:17} {getattr(few, name):8.2g} {getattr(many, name):8.2g}")
assert many.noise_variance < 1.3 * few.noise_variance and many.press > 2 * few.press
assert many.condition_number > 30 * few.condition_number

# %%
# Over 200 data sets of the same inputs, by ``benchmarks/coverage/published.py``: of 5
# units standard errors are the spread, and 95 % of intervals contain the wave. 3 units
# are too few, and their prediction intervals do not tell: they hold on average.

root = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "benchmarks").is_dir())
stored = pd.read_csv(root / "benchmarks" / "results" / "published.csv", index_col="x")
of = dict(list(stored[stored["study"] == "personnaz"].groupby("method")))
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
of["5 units"][["se", "sd"]].plot(ax=axes[0], logy=True, title="5 units: said, and seen")
for name, one in of.items():
    one["ci"].plot(ax=axes[1], label=name, title="share covered", legend=True)

right, wrong = of["5 units"], of["3 units"]
assert abs((right["se"] / right["sd"]).median() - 1.0) < 0.1
assert 0.93 < right["ci"].mean() < 0.96 and right["ci"].min() > 0.85
assert wrong["ci"].mean() < 0.75 and abs(wrong["pi"].mean() - 0.95) < 0.01
