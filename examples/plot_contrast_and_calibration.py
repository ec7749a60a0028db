"""
Contrasts, calibration and the best setting
===========================================

**Questions to a curve that are not a prediction have intervals too**: the difference
between two doses, the dose that gave an observed answer, and the dose of the highest
answer. A difference is known better than its two ends suggest, since these err
together.
"""

# %%
# A dose and its effect
# ---------------------
# Made-up: the answer rises with the dose up to 6, and falls beyond; ``age`` shifts it.

import numpy as np
import pandas as pd

from sklearn_nnci import MLPEnsembleRegressorCI
from sklearn_nnci.effects import inverse_predict, linear_combinations, optimum
from sklearn_nnci.plotting import PredictionIntervalDisplay


def answer(dose, age):
    return 20 + 10 * np.exp(-(((dose - 6) / 3) ** 2)) - 0.1 * (age - 50)


rng = np.random.default_rng(0)
X = pd.DataFrame({"dose": rng.uniform(0, 10, 150), "age": rng.uniform(20, 80, 150)})
y = answer(X["dose"], X["age"]) + rng.standard_normal(150)
model = MLPEnsembleRegressorCI(random_state=0).fit(X, y)

# %%
# A contrast
# ----------
# How much more does a dose of 6 do than one of 5, at the age of 50? The two predictions
# have one curve in common, and their errors have too.

two = pd.DataFrame({"dose": [5.0, 6.0], "age": 50.0})
more = linear_combinations(model, two, [-1, 1])
apart = np.hypot(*model.get_prediction(two).se_mean)
print(f"{more.estimate[0]:.2f} +- {more.std_error[0]:.2f}; as if apart, +- {apart:.2f}")

# %%
# Calibration
# -----------
# A patient of 50 shows 25. Which dose, below 6, was it? The interval has all doses
# whose prediction interval contains 25: it is that of one observation, with its noise.

at = pd.DataFrame({"dose": [6.0], "age": [50.0]})
dose = inverse_predict(model, 25.0, "dose", at=at, bounds=(0.0, 6.0))
print(f"{dose.estimate:.1f}, from {dose.conf_low:.1f} to {dose.conf_high:.1f}")

# %%
# The optimum: where is the answer highest (grey in the picture), and how high?

best = optimum(model, "dose", at=at, bounds=[(0.0, 10.0)])
display = PredictionIntervalDisplay.from_estimator(model, X, y, feature="dose")
display.ax_.axvspan(*best.conf_int()[0], color="0.5", alpha=0.4)
best.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(2)

# %%
# What this page says, checked; the truth is known here.

truth = np.diff(answer(two["dose"], two["age"]))[0], 6 - 3 * np.sqrt(np.log(2))
assert more.conf_int()[0, 0] < truth[0] < more.conf_int()[0, 1]
assert more.std_error[0] < 0.9 * apart
assert dose.conf_low < truth[1] < dose.conf_high
assert abs(best.estimate[0] - 6.0) < 0.5 and abs(best.estimate[1] - 30.0) < 1.5
