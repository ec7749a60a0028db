"""
Noise that grows, and is skewed
===============================

By default the noise is taken to be normal, and the same everywhere. Where it is
neither, ``variance="auto"`` lets it vary with x, and ``errors="empirical"`` takes its
quantiles from the residuals. Nothing is trained again, and no row is held out.
"""

# %%
# A curve whose noise grows ninefold from left to right, with a long tail upwards.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.metrics import interval_score
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)


def draw(n):
    X = rng.uniform(-2, 2, (n, 1))
    sd = 0.1 * 9 ** ((X[:, 0] + 2) / 4)
    return X, np.sin(2 * X[:, 0]) + sd * (rng.exponential(size=n) - 1)


X, y = draw(1000)
X_new, y_new = draw(20_000)
third = np.digitize(X_new[:, 0], [-2 / 3, 2 / 3])
network = MLPRegressorCI(
    hidden_layer_sizes=(10,), activation="tanh", regularization="evidence",
    n_restarts=3, random_state=0,
).fit(X, y)  # fmt: skip
for check in network.diagnostics()[-2:]:  # of the noise
    print(f"{check.name}: {check.verdict}")

# %%
# The same network is asked twice. Of 90 % intervals a twentieth of new rows should lie
# below, and a twentieth above, in each third of the range.

WHERE = "left", "middle", "right"
laws = [("constant", "normal"), ("auto", "empirical")]
missed, scores = [], []
figure, both = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, (variance, errors) in zip(both, laws, strict=True):
    network.set_params(variance=variance, errors=errors).fit_inference(X, y)
    _, pi = network.predict(X_new, return_pi=True, confidence_level=0.9)
    out = np.column_stack([y_new < pi[:, 0], y_new > pi[:, 1]])
    missed.append([out[third == k].mean(axis=0) for k in range(3)])
    scores.append(interval_score(y_new, pi, confidence_level=0.9))
    print(f"\nNoise {variance}, {errors}: interval score {scores[-1]:.2f}")
    for where, (below, above) in zip(WHERE, missed[-1], strict=True):
        print(f"{where:8}{below:6.1%} below, {above:5.1%} above")
    PredictionIntervalDisplay.from_estimator(
        network, X, y, feature=0, confidence_level=0.9, ax=ax
    )
    ax.set_title(f"{variance}, {errors}", loc="right", fontsize="medium")
plt.show()

# %%
# Before, hardly a row on the left is missed, and hardly one below. Afterwards thirds
# and tails have roughly their shares: a few hundred rows do not tell tails better.

before, after = np.sum(missed, axis=2)
below = np.mean(missed, axis=1)[:, 0]
assert before[0] < 0.02 and (abs(after - 0.1) < 0.08).all()
assert np.ptp(after) < np.ptp(before) and abs(below[1] - 0.05) < 0.05 - below[0]
assert scores[1] < 0.85 * scores[0]
