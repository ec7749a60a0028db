"""
Choosing alpha and size
=======================

The leave-one-out error chooses ``alpha`` and the number of units from one fit for each
candidate, without folds; the interval score chooses by the intervals. Either comes
close to the best. Leave-one-out fails where networks overfit, and a warning says so.
"""

# %%
# ``loo_scorer`` reads R² off a fit to all rows, which are training and test rows of its
# search. ``neg_interval_scorer`` needs folds: intervals of rows that did not train.
# ``fit_search`` is ``search.fit`` without the warnings of losers.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.model_selection import GridSearchCV

from sklearn_nnci import MLPRegressorCI, make_scaled
from sklearn_nnci.exceptions import OverfittedWarning
from sklearn_nnci.metrics import loo_scorer, neg_interval_scorer
from sklearn_nnci.model_selection import fit_search

SEED = 0
X, y = make_friedman1(400, n_features=5, noise=2.5, random_state=SEED)
X_new, y_new = make_friedman1(5000, n_features=5, noise=2.5, random_state=SEED + 1000)
network = MLPRegressorCI(activation="tanh", solver="lbfgs", polish=True, max_iter=3000)
network.set_params(random_state=SEED)
model, of = make_scaled(network), "regressor__mlpregressorci__"
SIZE, ALPHA = of + "hidden_layer_sizes", of + "alpha"
grid = {SIZE: [(2,), (6,)], ALPHA: [0.01, 0.1, 1.0, 10.0, 100.0]}
rows = np.arange(len(y))
by_loo = GridSearchCV(model, grid, scoring=loo_scorer, cv=[(rows, rows)])
by_score = GridSearchCV(model, grid, scoring=neg_interval_scorer, cv=3)
winners = [fit_search(one, X, y).best_estimator_ for one in (by_loo, by_score)]
chosen = [one.score(X_new, y_new) for one in winners]

# %%
# What no search has is R² of 5000 new rows. Leave-one-out ranks candidates as it does.

plain = make_scaled(clone(network).set_params(covariance=None))  # without intervals
candidates = by_loo.cv_results_["params"]
new = [plain.set_params(**one).fit(X, y).score(X_new, y_new) for one in candidates]
loo = by_loo.cv_results_["mean_test_score"]  # by alpha, and by size
for how, scores, style in ("leave-one-out", loo, "o-"), ("new rows", new, "s--"):
    label = [f"2 units, {how}", f"6 units, {how}"]
    plt.semilogx(grid[ALPHA], np.reshape(scores, (5, 2)), style, label=label)
    plt.gca().set_prop_cycle(None)
plt.gca().set(xlabel="alpha", ylabel="R²")
plt.legend(frameon=False)
plt.show()

# %%
# Twenty units with hardly any penalty overfit. Without one of its rows such a network
# changes more than its derivatives tell: leave-one-out is much too kind to it.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", OverfittedWarning)
    model.set_params(**{SIZE: (20,), ALPHA: 0.01}).fit(X, y)
told, true = loo_scorer(model, X, y), model.score(X_new, y_new)
print(f"Chosen: {np.round(chosen, 3)}; best {max(new):.3f}, worst {min(new):.3f}")
print(f"20 units: R² {told:.2f} by leave-one-out, {true:.2f} of new rows")

assert chosen[0] > max(new) - 0.05 and chosen[1] > max(new) - 0.02
assert np.corrcoef(loo, new)[0, 1] > 0.95
assert told > true + 0.1 and OverfittedWarning in {w.category for w in caught}
