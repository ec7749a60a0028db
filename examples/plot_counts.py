"""
Counts
======

``loss="poisson"`` predicts how many events there are on average. Its prediction
interval is two integers, both within it. A test decides whether counts vary by chance
alone, or more: here they vary more, and ``inference_.count_law`` tells how much.
"""

# %%
# Visitors by the hour. Days differ, so that they vary more than a Poisson law allows.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)


def mean(hour):
    noon, evening = (hour[:, 0] - 12) / 2.5, (hour[:, 0] - 19) / 1.5
    return 1 + 45 * np.exp(-(noon**2)) + 25 * np.exp(-(evening**2))


def draw(n):
    hour = rng.uniform(6, 23, (n, 1))
    return hour, rng.poisson(mean(hour) * rng.gamma(8, 1 / 8, n))


X, y = draw(400)
network = MLPRegressorCI(
    loss="poisson", hidden_layer_sizes=(6,), activation="tanh", alpha=0.1,
    solver="lbfgs", max_iter=2000, polish=True, n_restarts=4, random_state=0,
)  # fmt: skip
model = make_pipeline(StandardScaler(), network).fit(X, y)
PredictionIntervalDisplay.from_estimator(
    model, X, y, feature=0, scatter_kwargs=dict(s=8)
).ax_.set(xlabel="hour of the day", ylabel="visitors")
plt.show()

# %%
# Some 2.5 % of new counts, or fewer, lie on either side. The variance of a count is in
# truth mean + mean²/8.

X_new, y_new = draw(20_000)
_, pi = model.predict(X_new, return_pi=True)
beta, alpha = network.inference_.count_law
below, above = np.mean(y_new < pi[:, 0]), np.mean(y_new > pi[:, 1])
print(f"Variance: mean + {beta:.2g} mean + {alpha:.2g} mean^2")
print(f"New counts: {below:.1%} below their interval, {above:.1%} above")
print(f"About noon: {pi[np.argmin(np.abs(X_new - 12))]}")

assert (pi == np.round(pi)).all() and (pi >= 0).all()
assert below < 0.035 and 0.005 < above < 0.035
assert 0.08 < alpha < 0.2
