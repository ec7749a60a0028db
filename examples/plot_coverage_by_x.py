"""
Coverage by x (Sluijterman, Cator and Heskes 2021)
==================================================

**A test set cannot tell whether intervals are right.** Of a plain ensemble 91 % of new
observations lie in their prediction interval, but only two fifths of the curve in its
confidence interval. Of a committee both are nearly right on average, not at every x.
"""

# %%
# The protocol
# ------------
# *How to evaluate uncertainty estimates in machine learning for regression?* (arXiv
# 2106.03395) argues that the share of test rows inside their intervals mixes what is
# known of the curve with the noise, and averages over x what may be wrong everywhere.
# It proposes:
#
# 1. take as the truth a curve, and a noise, that were fitted to real data;
# 2. draw y anew many times, with the inputs of the data, and fit each time;
# 3. at each x count intervals that contain the curve (CICF), or a new y (PICF);
# 4. sum up over x by the Brier score, the mean square of count minus level, and width.
#
# ``benchmarks/coverage/published.py`` does so for 100 patients of the diabetes data,
# who did not train, in 100 replicates. Data, methods and all figures are ours, not the
# paper's.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

root = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "benchmarks").is_dir())
stored = pd.read_csv(root / "benchmarks" / "results" / "published.csv")
by_method = stored[stored["study"] == "by_x"].groupby("method", sort=False)

# %%
# Averages over the patients
# --------------------------
# A tuned network with constant noise; the same with ``variance="auto"``, which a noise
# from 0.60 to 0.85 of 342 rows hardly needs; a committee of tuned networks; and a plain
# ensemble, two standard deviations of five networks. PICF first, then CICF.

for column in ("pi", "ci"):
    brier = by_method[column].apply(lambda count: 1e3 * np.mean((count - 0.95) ** 2))
    found = by_method[column].agg(["mean", "min", "max"]).assign(brier_x_1000=brier)
    print(found.assign(width=by_method[f"{column}_width"].mean()).round(2), "\n")

# %%
# Patient by patient
# ------------------

fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for name, one in by_method:
    for ax, column in zip(axes, ("pi", "ci"), strict=True):
        ax.plot(one["true_sd"], one[column], ".", label=name)
for ax, title in zip(axes, ("new observations", "the curve"), strict=True):
    ax.axhline(0.95, color="0.3", linestyle="--", linewidth=1.0)
    ax.set(
        title=title, xlabel="standard deviation of the noise", ylabel="share covered"
    )
axes[0].legend(frameon=False, loc="lower left")

new, curve = by_method["pi"], by_method["ci"]
assert new.mean()["ensemble of 5"] > 0.9 and curve.mean()["ensemble of 5"] < 0.5
assert abs(new.mean()["committee"] - 0.95) < 0.01 and new.min()["committee"] < 0.92
assert abs(curve.mean()["committee"] - 0.95) < 0.03 and curve.min()["committee"] < 0.9
assert brier.idxmin() == "committee"
