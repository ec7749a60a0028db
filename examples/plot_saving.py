"""
Saving a model, and trusting it again
=====================================

**Save with skops what others shall load, with joblib what only you load.** Both give
back every interval bit for bit. A joblib file can run any code as it is loaded; skops
runs none, and names the types that it is asked to trust.
"""

# %%
# A model
# -------
# A network with its scalers, in units of the data.

import tempfile
from pathlib import Path

import joblib
import numpy as np
import skops.io
from sklearn.datasets import load_diabetes

from sklearn_nnci import MLPRegressorCI, make_scaled
from sklearn_nnci.plotting import PredictionIntervalDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
network = MLPRegressorCI(hidden_layer_sizes=(5,), activation="tanh", n_restarts=4,
                         regularization="evidence", random_state=0)  # fmt: skip
model = make_scaled(network).fit(X[:300], y[:300])

# %%
# Two files
# ---------
# skops lists the types in a file that are neither Python's, NumPy's nor scikit-learn's.
# Read the list before you trust it. Here it should hold two classes of this package,
# and nothing else: what the fit found is kept as arrays, numbers and strings.

with tempfile.TemporaryDirectory() as folder:
    shared, own = Path(folder, "model.skops"), Path(folder, "model.joblib")
    skops.io.dump(model, shared)
    joblib.dump(model, own)
    asked = skops.io.get_untrusted_types(file=shared)
    print("to be trusted:", *asked, sep="\n    ")
    by_skops, by_joblib = skops.io.load(shared, trusted=asked), joblib.load(own)
    kilobytes = [path.stat().st_size / 1e3 for path in (shared, own)]
print("kB by skops and by joblib:", np.round(kilobytes))

# %%
# The same intervals
# ------------------
# Predictions of patients it has not seen, by the model from the file. With
# scikit-learn, NumPy and this package in other versions the last digits may differ, or
# loading warn: write the versions down beside the file.

display = PredictionIntervalDisplay.from_estimator(by_skops, X[300:], y[300:])

expected = model.get_prediction(X[300:])
for loaded in (by_skops, by_joblib):
    found = loaded.get_prediction(X[300:])
    for obs in (False, True):
        assert np.array_equal(found.conf_int(obs=obs), expected.conf_int(obs=obs))
assert len(asked) == 2 and all(name.startswith("sklearn_nnci.") for name in asked)
