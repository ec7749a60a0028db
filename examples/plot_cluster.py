"""
Rows on a cluster
=================

**Dask arrays go where NumPy arrays go.** Each partition is worked on where it lies,
sums come back, and the intervals are those of one machine. Here threads, dask's
default, play the cluster; with a ``distributed.Client`` not one line changes.
"""

# %%
# Rows in partitions
# ------------------
# Made-up hourly records of a power plant: temperature and humidity, and its output in
# MW. Nothing is computed yet: each partition is drawn when it is asked for.

import dask
import dask.array as da
import numpy as np

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.plotting import PredictionIntervalDisplay

n, partition = 100_000, 10_000
rng = da.random.default_rng(0)
X = rng.standard_normal((n, 2), chunks=(partition, 2))
y = 452.0 - 28.0 * da.tanh(0.7 * X[:, 0]) - 2.0 * X[:, 1]
y = y + 3.0 * rng.standard_normal(n, chunks=partition)
X, y = dask.persist(X, y)  # as these fit in memory; else they are drawn again and again

# %%
# Train
# -----
# One partition after the other visits this process, twice. y is standardised lazily;
# networks want that.

centre, scale = dask.compute(y.mean(), y.std())
u = (y - centre) / scale
net = MLPRegressorCI(hidden_layer_sizes=(6,), activation="tanh", random_state=0,
                     learning_rate_init=5e-3)  # fmt: skip
for _ in range(2):
    for k in range(X.numblocks[0]):
        net.partial_fit(*dask.compute(X.blocks[k], u.blocks[k]))

# %%
# Inference, and predictions
# --------------------------
# Three passes over the partitions, of which only small matrices travel. What
# ``predict`` returns is lazy, and in partitions too.

net.fit_inference(X, u)
u_pred, pi = net.predict(X, return_pi=True)
inside = (pi[:, 0] <= u) & (u <= pi[:, 1])
share = inside.mean().compute()
noise = scale * np.sqrt(net.inference_.noise_variance)
print(f"{share:.1%} of {n:,} rows inside; noise of {noise:.2f} MW, in truth 3")

few = dask.compute(X[:1000], y[:1000], u_pred[:1000], pi[:1000])
display = PredictionIntervalDisplay.from_predictions(
    few[1], centre + scale * few[2], pi=centre + scale * few[3], target_name="MW"
)

# %%
# What this page says, checked; the last against NumPy arrays.

assert isinstance(pi, da.Array) and pi.numblocks[0] == X.numblocks[0]
assert 0.94 < share < 0.97 and 2.9 < noise < 3.2
net.fit_inference(*dask.compute(X, u))
assert np.allclose(net.predict(few[0], return_pi=True)[1], few[3], rtol=1e-8)
