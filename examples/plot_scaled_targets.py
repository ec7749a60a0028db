"""
Targets in units of their own
=============================

``TransformedTargetRegressorCI`` fits a network to transformed targets and carries both
intervals back to the units of y. With a logarithm prices stay positive and their
intervals grow with the price, where those of a scaler alone are as wide everywhere.
"""

# %%
# Prices vary by a percentage of what is usual, here by some 30 %. A network wants
# scaled targets in any case; the question is only whether a logarithm comes first.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI
from sklearn_nnci.metrics import coverage_by_group
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)


def draw(n):
    X = rng.uniform(10, 200, (n, 1))
    usual = 1000 * np.exp(0.015 * X[:, 0] + 0.3 * np.sin(X[:, 0] / 20))
    return X, usual * np.exp(rng.normal(0, 0.3, n))


X, y = draw(300)
network = MLPRegressorCI(
    hidden_layer_sizes=(6,), activation="tanh", solver="lbfgs", alpha=0.01,
    max_iter=5000, polish=True, n_restarts=2, random_state=0,
)  # fmt: skip
regressor = make_pipeline(StandardScaler(), network)
logarithm = make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler())
models = {"scaler": StandardScaler(), "logarithm": logarithm}

# %%
# Of new rows either model covers well over 90 %. By thirds of x they differ: the
# intervals of the scaler are too wide where prices are low, too narrow where high.

X_new, y_new = draw(10_000)
thirds = np.digitize(X_new[:, 0], [73, 137])
lowest, covers, widths = {}, {}, {}
figure, both = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, (name, transformer) in zip(both, models.items(), strict=True):
    model = TransformedTargetRegressorCI(regressor, transformer=transformer).fit(X, y)
    y_pred, pi = model.predict(X_new, return_pi=True)
    covers[name] = coverage_by_group(y_new, pi, thirds).coverage
    widths[name] = np.array([np.diff(pi[thirds == k]).mean() for k in range(3)])
    lowest[name] = pi.min()
    print(f"{name:9} covers {covers[name].round(3)}, widths {widths[name].round()}")
    PredictionIntervalDisplay.from_estimator(model, X, y, feature=0, ax=ax)
    ax.set_title(name, loc="right", fontsize="medium")
plt.show()

# %%
# With a logarithm the prediction is the median: about half of new prices lie below it.

print(f"New prices below their prediction: {(below := np.mean(y_new < y_pred)):.1%}")

assert lowest["scaler"] < 0 < lowest["logarithm"]
assert widths["scaler"].max() < 1.3 * widths["scaler"].min()
assert widths["logarithm"][2] > 4 * widths["logarithm"][0]
assert covers["scaler"].mean() > 0.88 and (abs(covers["logarithm"] - 0.95) < 0.04).all()
assert covers["scaler"][0] > 0.99 and covers["scaler"][2] < 0.9
assert abs(below - 0.5) < 0.08
