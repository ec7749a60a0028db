"""
Networks that tune themselves
=============================

``regularization="evidence"`` lets the data choose a penalty for each input, and tells
which inputs matter. ``MLPEnsembleRegressorCI`` averages such networks. Neither needs a
scaler or an ``alpha``. Their intervals hold, and are narrower than by a guessed
``alpha``.
"""

# %%
# Five inputs in units of their own. The last two do nothing.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI, make_scaled
from sklearn_nnci.metrics import coverage_score
from sklearn_nnci.plotting import PredictionIntervalDisplay

rng = np.random.default_rng(0)
UNITS = np.array([1, 100, 0.01, 10, 1000])


def curve(X):
    a, b, c, *_ = (X / UNITS).T
    return 500 + 100 * np.sin(3 * a) + 80 * b * c


def draw(n):
    X = rng.uniform(-1, 1, (n, 5)) * UNITS
    return X, curve(X) + rng.normal(0, 25, n)


(X, y), (X_new, y_new) = draw(300), draw(3000)
common = dict(hidden_layer_sizes=(10,), activation="tanh", n_restarts=4, random_state=0)
fixed = MLPRegressorCI(alpha=1, solver="lbfgs", max_iter=5000, polish=True, **common)
tuned = MLPRegressorCI(regularization="evidence", **common)
committee = MLPEnsembleRegressorCI(random_state=0)
models = {"alpha=1": make_scaled(fixed), "tuned": tuned, "committee": committee}

# %%
# All three are honest. The last two know the curve better, and say so by their width.

found, says = {}, "off by {:.1f}; mean {:.1f} wide, covers {:.2f}; new y covers {:.2f}"
figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    y_pred, ci = model.fit(X, y).predict(X_new, return_ci=True)
    _, pi = model.predict(X_new, return_pi=True)
    off, width = np.abs(y_pred - curve(X_new)).mean(), np.diff(ci).mean()
    covered = coverage_score(curve(X_new), ci), coverage_score(y_new, pi)
    found[name] = off, width, *covered
    print(f"{name:9}", says.format(*found[name]))
    PredictionIntervalDisplay.from_estimator(model, X, feature=0, ax=ax)
    ax.set_title(name, loc="right", fontsize="medium")
plt.show()

# %%
# ``relevance_`` is the root mean square slope by each input, in standard deviations.
# Members of a committee have it, too.

relevance = np.array([one.relevance_ for one in (tuned, committee.estimators_[0])])
print(relevance.round(3))

assert relevance[:, 3:].max() < 0.3 * relevance[:, :3].min()
for off, width, of_mean, of_new in (found["tuned"], found["committee"]):
    assert off < found["alpha=1"][0] and width < 0.8 * found["alpha=1"][1]
    assert of_mean > 0.85 and abs(of_new - 0.95) < 0.04
