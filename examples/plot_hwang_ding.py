"""
Hwang and Ding (1997): weights are not identified, predictions are
==================================================================

**Units can be swapped, and signs turned, and nothing changes**: single weights mean
nothing, predictions and their intervals are the same whichever weights were found. They
hold with as many units as the truth has, and the width shows how many that is.
"""

# %%
# The paper, *Prediction intervals for artificial neural networks* (JASA 92), shows by
# theory that prediction intervals are valid although weights are not identified, and
# chooses the number of units by them. This page redoes both by simulation, with a truth
# of three tanh units. Setting and figures are ours; its forecasts of electric load are
# not redone.

import copy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_nnci import MLPRegressorCI

rng = np.random.default_rng(0)
X = rng.uniform(-2.0, 2.0, (200, 2))
hidden = np.tanh(X @ [[1.5, -0.9, 0.3], [0.3, 1.2, -1.6]] + [0.3, -0.6, 0.5])
y = hidden @ [1.0, 0.8, -0.7] + 0.1 * rng.standard_normal(200)
net = MLPRegressorCI(
    hidden_layer_sizes=(3,), activation="tanh", solver="lbfgs", max_iter=2000,
    alpha=1e-5, polish=True, n_restarts=4, covariance="least_squares", random_state=0,
).fit(X, y)  # fmt: skip

# %%
# Other weights, the same intervals: the units in another order, and one with its signs
# turned, which does not matter as tanh is odd.

order, sign = [2, 0, 1], np.array([1.0, -1.0, 1.0])
twin = copy.deepcopy(net)
twin.coefs_ = [net.coefs_[0][:, order] * sign, net.coefs_[1][order] * sign[:, None]]
twin.intercepts_ = [net.intercepts_[0][order] * sign, net.intercepts_[1]]
twin.fit_inference(X, y)
a, b = (one.predict(X, return_pi=True)[1] for one in (net, twin))
print("weights", net.coefs_[1].ravel().round(2), "first interval", a[0].round(4))
print("weights", twin.coefs_[1].ravel().round(2), "first interval", b[0].round(4))
assert np.allclose(a, b, rtol=1e-6) and not np.allclose(net.coefs_[1], twin.coefs_[1])

# %%
# How many units? ``benchmarks/coverage/published.py`` fits one to eight to 100 data
# sets of the same inputs. Averages over 100 new places: the share of confidence
# intervals with the mean, the chance of a new y to lie in its prediction interval, the
# width of that. With three units both nearly hold, and the width falls no further. With
# fewer, or twice as many, the mean is missed too often; prediction intervals hardly
# show it.

root = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "benchmarks").is_dir())
stored = pd.read_csv(root / "benchmarks" / "results" / "published.csv")
by_size = stored[stored["study"] == "hwang_ding"].groupby("method")
ci, pi, width = (by_size[name].mean() for name in ("ci", "pi", "pi_width"))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
ci.plot(ax=left, marker="o", title="share covered", label="mean", legend=True)
pi.plot(ax=left, marker="o", label="new y", xlabel="", legend=True)
width.plot(ax=right, marker="o", title="width for a new y", xlabel="", logy=True)

assert abs(ci["3 units"] - 0.95) < 0.03 and abs(pi["3 units"] - 0.95) < 0.02
assert width["1 units"] > 3 * width["2 units"] > 3.1 * width["3 units"]
assert (abs(width[2:] / width["3 units"] - 1) < 0.05).all() and pi.between(0.9, 1).all()
assert ci.drop(["3 units", "4 units"]).max() < 0.9
