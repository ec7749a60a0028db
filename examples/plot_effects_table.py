"""
Effects: a table and a forest plot
==================================

**Average slopes are the coefficient table of a network.** In 442 patients, body mass
index, blood pressure and one blood measurement go with the progression of diabetes,
also when all nine slopes are judged at once. Of the other six that is not shown.
"""

# %%
# Data and model
# --------------
# The diabetes data have ten measurements, and the progression a year later. Each column
# is divided by its standard deviation, so that slopes compare; ``sex``, of two values,
# keeps its codes. A committee needs neither scaler nor penalty.

from sklearn.datasets import load_diabetes

from sklearn_nnci import MLPEnsembleRegressorCI
from sklearn_nnci.effects import avg_slopes, comparisons
from sklearn_nnci.plotting import SlopesDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = X / X.std().where(X.columns != "sex", 1.0)
model = MLPEnsembleRegressorCI(random_state=0).fit(X, y)

# %%
# The table
# ---------
# What y changes per standard deviation of a column, others equal, on average over these
# patients. ``training`` lets averages be corrected for what the penalty does to them.

slopes = avg_slopes(model, X, training=(X, y))
table = slopes.to_frame().set_index("term")
table[["estimate", "std_error", "conf_low", "conf_high"]].round(1)

# %%
# The forest plot
# ---------------
# The thick bar holds for a slope alone, the thin one for all nine together. Hollow
# points are those whose thick bar contains 0.

display = SlopesDisplay.from_estimates(slopes)

# %%
# ``sex`` has no slope: its two values are compared, patient by patient, and averaged.

one, two = X.assign(sex=1.0), X.assign(sex=2.0)
sex = comparisons(model, one, two, average=True, training=(X, y))
low, high = sex.conf_int()[0]
print(f"sex 2 - sex 1: {sex.estimate[0]:.0f}, from {low:.0f} to {high:.0f}")

# %%
# What this page says, checked:

bands = display.frame().set_index("term")
surely = bands.index[(bands["band_low"] > 0) | (bands["band_high"] < 0)]
assert set(surely) == {"bmi", "bp", "s5"}
assert high < 0.0
