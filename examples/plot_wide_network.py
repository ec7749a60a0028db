"""
More weights than rows
======================

**A network may have two hundred times as many weights as there are rows, and still have
honest intervals.** What counts is how many degrees of freedom the fit uses, which the
penalty keeps low. Nothing of the size weights by weights is built: the cost follows the
rows.
"""

# %%
# Three networks for 200 rows
# ---------------------------
# Friedman's first function of five inputs, with noise of variance 1, and networks of
# 71, 701 and 41,601 weights, all with the same penalty.

import time
import tracemalloc

import numpy as np
import pandas as pd
from sklearn.datasets import make_friedman1

from sklearn_nnci import MLPRegressorCI, make_scaled
from sklearn_nnci.metrics import coverage_score
from sklearn_nnci.plotting import CoverageDisplay

X, mean = make_friedman1(1200, n_features=5, random_state=0)
y = mean + np.random.default_rng(0).standard_normal(1200)
X, X_new, y, y_new, mean_new = X[:200], X[200:], y[:200], y[200:], mean[200:]
recipe = dict(activation="tanh", alpha=1.0, solver="lbfgs", max_iter=3000, tol=1e-3,
              random_state=0)  # fmt: skip

# %%
# Fit, and inference
# ------------------
# With few rows the inference works by the *dual* route: with a matrix of rows by rows,
# as Gaussian processes do. It takes less time than the training, and a few MB; the
# covariance of 41,601 weights alone would be 14 GB. All three fits use some 50 degrees
# of freedom, and the widest has narrower intervals of the mean than the smallest.

table = pd.DataFrame()
for size in ((10,), (100,), (200, 200)):
    model = make_scaled(MLPRegressorCI(hidden_layer_sizes=size, **recipe))
    start = time.process_time()
    model.fit(X, y)
    fitted = time.process_time()
    tracemalloc.start()
    found = model.fit_inference(X, y).get_prediction(X_new)
    report, ci, pi = model.inference_, found.conf_int(), found.conf_int(obs=True)
    table[size] = pd.Series({
        "weights": report.n_parameters, "route": report.route, "edf": report.edf,
        "fit": fitted - start, "inference": time.process_time() - fitted,
        "MB": tracemalloc.get_traced_memory()[1] / 1e6, "width": np.median(np.diff(ci)),
        "mean covered": coverage_score(mean_new, ci),
        "y covered": coverage_score(y_new, pi),
    })  # fmt: skip
    tracemalloc.stop()
CoverageDisplay.from_estimator(model, X_new, y_new)  # of the widest, at every level
table = table.T.convert_dtypes()
print(table.round(2).T)

small, _, wide = table.to_dict("records")
assert table["route"].tolist() == ["primal", "dual", "dual"]
assert wide["weights"] > 200 * len(y) and table["edf"].between(35, 70).all()
assert wide["width"] < small["width"] and table["mean covered"].min() > 0.92
assert table["y covered"].between(0.93, 0.99).all()
assert wide["inference"] < wide["fit"] and wide["MB"] < 50
