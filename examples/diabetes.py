"""How sure is the network? Disease progression of 442 diabetes patients.

Predicts each patient by a model that has not seen it, prints a table with both
intervals and how often they hold, and draws two pictures in one: progression against
body mass index with both bands, and predictions beside what was observed.

    python examples/diabetes.py [picture.png]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, cross_validate

from sklearn_nnci import MLPEnsembleRegressorCI
from sklearn_nnci.plotting import PredictionIntervalDisplay


def main(path):
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = MLPEnsembleRegressorCI(random_state=0)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.8), sharey=True, layout="constrained"
    )

    on_bmi = model.fit(X[["bmi"]], y)
    curve = PredictionIntervalDisplay.from_estimator(
        on_bmi, X[["bmi"]], y, feature="bmi", ax=left
    )
    curve.ax_.set(xlabel="body mass index (kg / m²)", ylabel="progression in one year")

    folds = KFold(5, shuffle=True, random_state=0)
    found = cross_validate(
        model, X, y, cv=folds, return_estimator=True, return_indices=True
    )
    unseen = PredictionIntervalDisplay.from_cv_results(
        found, X, y, ax=right, pi_kwargs=dict(linewidth=1.0)
    )
    unseen.ax_.set(xlabel="predicted, for patients that did not train", ylabel="")

    fits = zip(found["estimator"], found["indices"]["test"], strict=True)
    tables = [one.get_prediction(X.iloc[rows]).to_frame() for one, rows in fits]
    table = pd.concat(tables).sort_index().drop(columns=["leverage", "extrapolates"])
    inside = y.between(table["obs_ci_lower"], table["obs_ci_upper"]).mean()
    width = (table["obs_ci_upper"] - table["obs_ci_lower"]).mean()
    print(table.assign(observed=y).head(8).round(1).to_string())
    print(
        f"\n5-fold cross-validation: {inside:.1%} of {len(y)} patients lie in the 95% "
        "interval of\na model that had not seen them. It is "
        f"{width:.0f} wide on average; knowing nothing but\nthe mean and the spread "
        f"of all patients it would be {2 * 1.96 * y.std():.0f}."
    )
    figure.savefig(path, dpi=150)
    print(f"\nPicture: {path.resolve()}")


if __name__ == "__main__":
    default = Path(__file__).with_suffix(".png")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
