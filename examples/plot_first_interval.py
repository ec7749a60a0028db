"""
A first interval
================

Ask a network how sure it is: ``predict(X, return_ci=True)`` says where the *curve*
lies, ``predict(X, return_pi=True)`` where a *new observation* will. Either is a band
about the prediction, and the second contains the first.
"""

# %%
# The data are 200 rows of a sine, with noise of standard deviation 1. Neither needs a
# scaler, and there is nothing to choose: the committee does both by itself.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPEnsembleRegressorCI
from sklearn_nnci.metrics import coverage_score
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)


def curve(X):
    return 20 + 5 * np.sin(X[:, 0])


X = rng.uniform(0, 10, (200, 1))
y = curve(X) + rng.normal(0, 1, 200)

model = MLPEnsembleRegressorCI(random_state=0).fit(X, y)
print(model.get_prediction([[2.0], [5.0]]))

# %%
# The narrow band is the confidence interval of the curve, the wide one the prediction
# interval of a new row. The dashed line is the truth, which is known here.

display = PredictionIntervalDisplay.from_estimator(model, X, y, feature=0)
grid = np.linspace(X.min(), X.max(), 200)[:, None]
display.ax_.plot(grid, curve(grid), "k--", linewidth=1)
plt.show()

# %%
# Of new rows about 95 % lie in their prediction interval, as it says. The confidence
# interval is for the curve: it is a quarter as wide, and holds a third of new rows.

X_new = rng.uniform(0, 10, (20_000, 1))
y_new = curve(X_new) + rng.normal(0, 1, 20_000)
_, ci = model.predict(X_new, return_ci=True)
_, pi = model.predict(X_new, return_pi=True)

new_rows, of_curve = coverage_score(y_new, pi), coverage_score(curve(X_new), ci)
print(f"New rows in their prediction interval: {new_rows:.1%}")
print(f"Curve in its confidence interval: {of_curve:.1%}")
print(f"New rows in the confidence interval: {coverage_score(y_new, ci):.1%}")
ratio = np.diff(ci).mean() / np.diff(pi).mean()
print(f"Width of the one over that of the other: {ratio:.2f}")

assert 0.92 < new_rows < 0.98
assert of_curve > 0.8
assert 0.15 < ratio < 0.35
assert 0.2 < coverage_score(y_new, ci) < 0.5
assert (pi[:, 0] <= ci[:, 0]).all() and (ci[:, 1] <= pi[:, 1]).all()
