"""
Confidence or prediction interval?
==================================

Ask for the confidence interval to know where the *mean* is, for the prediction interval
to know where the *next observation* will be. Four times the rows halve the first. The
second ends at the noise, however many rows there are.
"""

# %%
# Both are drawn for 50 rows, and for 800: the curve is known four times as well, new
# rows scatter as before.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.exceptions import MisfitWarning
from sklearn_nnci.metrics import coverage_score, mean_interval_width
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)
SD = 0.3
network = MLPRegressorCI(
    hidden_layer_sizes=(6,), activation="tanh", regularization="evidence", n_restarts=1
)


def draw(n, reach=2):
    X = rng.uniform(-reach, reach, (n, 1))
    return X, np.sin(2 * X[:, 0]) + rng.normal(0, SD, n)


figure, both = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, n in zip(both, (50, 800), strict=True):
    X, y = draw(n)
    network.set_params(random_state=0).fit(X, y)
    PredictionIntervalDisplay.from_estimator(network, X, y, feature=0, ax=ax)
    ax.set_title(f"{n} rows", loc="right", fontsize="medium")
plt.show()

# %%
# Whether intervals hold is a matter of repetition: 15 data sets of each size, and how
# much of the curve, and of new rows, the intervals contain. (A test at the level of 1 %
# looks for misfit at each fit. With 45 fits, a false alarm is no surprise.)

X_new, y_new = draw(1000, reach=1.8)
curve, found = np.sin(2 * X_new[:, 0]), []
for n in (50, 200, 800):
    for k in range(15):
        with warnings.catch_warnings(action="ignore", category=MisfitWarning):
            network.set_params(random_state=k).fit(*draw(n))
        ci = network.predict(X_new, return_ci=True)[1]
        pi = network.predict(X_new, return_pi=True)[1]
        widths = mean_interval_width(y_new, ci), mean_interval_width(y_new, pi)
        found.append([*widths, coverage_score(curve, ci), coverage_score(y_new, pi)])
found = np.reshape(found, (3, 15, 4)).mean(axis=1)

least = 2 * 1.96 * SD
print(f"rows  width: mean, new y (known noise: {least:.2f})  covered: mean, new y")
for n, row in zip((50, 200, 800), found, strict=True):
    print(f"{n:4}{row[0]:14.2f}{row[1]:8.2f}{row[2]:38.2f}{row[3]:8.2f}")

of_mean, of_new = found[:, 0], found[:, 1]
assert 1.6 < of_mean[0] / of_mean[1] < 2.8 and 1.6 < of_mean[1] / of_mean[2] < 2.4
assert abs(of_new[2] / least - 1) < 0.03 and of_new[0] < 1.35 * least
assert (0.88 < found[:, 2]).all() and (abs(found[:, 3] - 0.95) < 0.025).all()
