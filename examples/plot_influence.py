"""
Which rows move the fit
=======================

``InfluenceDisplay`` shows the leverage of each row, and how far it lies from what the
*other* rows say. A planted error stands out. How far the fit would miss a row without
it is told without fitting again, and agrees with a second fit.
"""

# %%
# Eighty rows of a curve, one of them with an error of data entry: its y is 2 too large,
# seven times the noise.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.plotting import InfluenceDisplay, PredictionIntervalDisplay

rng = np.random.default_rng(0)
X = np.sort(rng.uniform(-2, 2, (80, 1)), axis=0)
y = np.sin(2 * X[:, 0]) + rng.normal(0, 0.3, 80)
WRONG = 75
y[WRONG] += 2

network = MLPRegressorCI(
    hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", alpha=0.1,
    max_iter=5000, polish=True, random_state=0,
).fit(X, y)  # fmt: skip

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
PredictionIntervalDisplay.from_estimator(network, X, y, feature=0, ax=left)
left.annotate("planted", (X[WRONG, 0], y[WRONG]), xytext=(-70, 5),
              textcoords="offset points", arrowprops=dict(arrowstyle="->"))  # fmt: skip
display = InfluenceDisplay.from_estimator(network, X, y, n_labels=3, ax=right)
plt.show()

# %%
# Its studentised residual and its Cook's distance are the largest of all. Beyond the
# contours of Cook's distance a row is worth a look, and no more: it need not be wrong.

found = network.influence(X, y)
print(display.frame().nlargest(3, "cooks_distance").round(3))

# %%
# A second fit without that row misses it by what the first one told: the leave-one-out
# residual, which is larger than the residual, since the row pulled the curve to itself.

rest = np.arange(80) != WRONG
again = clone(network).fit(X[rest], y[rest])
residual, missed = (y[WRONG] - one.predict(X[[WRONG]])[0] for one in (network, again))
loo = found.loo_residuals[WRONG]
print(f"Residual {residual:.2f}, leave-one-out {loo:.2f}, second fit {missed:.2f}")

assert np.argmax(np.abs(found.studentized_residuals)) == WRONG
assert np.argmax(found.cooks_distance) == WRONG
assert abs(loo - missed) < 0.1 and residual < loo - 0.05
