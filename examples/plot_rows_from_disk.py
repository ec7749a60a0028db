"""
Rows that stay on disk
======================

**Inference reads the rows chunk by chunk**, from a file as well as from memory: the
result is the same, and the memory it takes does not grow with the rows. Train on a
sample or by ``partial_fit``, and give all rows to ``fit_inference``.
"""

# %%
# A file of rows
# --------------
# ``numpy.memmap`` is an array whose rows lie in a file, here 300,000 made-up ones in a
# temporary directory. It would work alike with more rows than fit in memory.

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.plotting import PredictionIntervalDisplay

n, folder = 300_000, tempfile.TemporaryDirectory()
X = np.memmap(Path(folder.name, "X.dat"), float, "w+", shape=(n, 4))
y = np.memmap(Path(folder.name, "y.dat"), float, "w+", shape=n)
rng = np.random.default_rng(0)
chunks = [slice(start, start + 50_000) for start in range(0, n, 50_000)]
for rows in chunks:
    X[rows] = rng.uniform(-1.0, 1.0, (50_000, 4))
    y[rows] = np.sin(3.0 * X[rows, 0]) + X[rows, 1] * X[rows, 2]
    y[rows] += 0.5 * rng.standard_normal(50_000)

# %%
# Train on a part, ask all
# ------------------------
# The weights are those of 5000 rows. The inference passes three times over as many as
# it is given: ten times the rows take no more memory.

net = MLPRegressorCI(hidden_layer_sizes=(10,), activation="tanh", solver="lbfgs",
                     max_iter=3000, tol=1e-3, random_state=0)  # fmt: skip
net.fit(X[:5000], y[:5000])
peaks = []
for rows in (slice(n // 10), slice(n)):
    tracemalloc.start()
    net.fit_inference(X[rows], y[rows])
    peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
print("MB at the peak, with a tenth of the rows and with all:", np.round(peaks, 1))

# %%
# Predictions stream as well; only the share of rows inside is kept.

inside = 0
for rows in chunks:
    pi = net.predict(X[rows], return_pi=True)[1]
    inside += np.sum((pi[:, 0] <= y[rows]) & (y[rows] <= pi[:, 1]))
print(f"{inside / n:.1%} of {n:,} rows lie in their 95 % prediction interval")
display = PredictionIntervalDisplay.from_estimator(net, X[:1000], y[:1000], feature=0)

# %%
# What this page says, checked; the last with the rows in memory.

assert peaks[1] < 1.1 * peaks[0] and abs(net.inference_.noise_variance - 0.25) < 0.005
assert 0.945 < inside / n < 0.96
again = net.fit_inference(np.array(X), np.array(y)).predict(X[rows], return_pi=True)[1]
assert np.array_equal(pi, again)
del X, y  # before their files
folder.cleanup()
