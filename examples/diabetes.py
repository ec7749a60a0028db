"""How sure is the network? Disease progression of 442 diabetes patients.

Fits scikit-learn's diabetes data in a pipeline, prints predictions with both
intervals and how often they hold in cross-validation, and draws two pictures in one:
progression against body mass index with both bands, and predictions of patients the
network has not seen, with their prediction intervals.

    python examples/diabetes.py [picture.png]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI

LEVEL = 0.95
BLUE, ORANGE, GREY = "#1f5fa8", "#d9541e", "#555555"


def make_model(n_units):
    network = MLPRegressorCI(
        hidden_layer_sizes=(n_units,),
        activation="tanh",
        solver="lbfgs",
        alpha=1.0,
        max_iter=5000,
        max_fun=100_000,
        tol=1e-6,
        random_state=0,
    )
    pipeline = make_pipeline(StandardScaler(), network)
    return TransformedTargetRegressorCI(pipeline, transformer=StandardScaler())


def cross_validate(X, y, n_units):
    """Return predictions and both intervals of each row, by networks without it."""
    y_pred, ci, pi = np.empty_like(y), np.empty((len(y), 2)), np.empty((len(y), 2))
    for train, test in KFold(10, shuffle=True, random_state=0).split(X):
        model = make_model(n_units).fit(X[train], y[train])
        unseen = model.get_prediction(X[test])
        y_pred[test], ci[test] = unseen.mean, unseen.conf_int(LEVEL)
        pi[test] = unseen.conf_int(LEVEL, obs=True)
    return y_pred, ci, pi


def print_table(y, y_pred, ci, pi, n_rows=8):
    print("patient  observed  predicted   95 % of the mean   95 % of a new observation")
    for i in range(n_rows):
        print(
            f"{i:7d}  {y[i]:8.0f}  {y_pred[i]:9.0f}   "
            f"{ci[i, 0]:7.0f} ..{ci[i, 1]:6.0f}   {pi[i, 0]:12.0f} ..{pi[i, 1]:6.0f}"
        )
    inside = (pi[:, 0] <= y) & (y <= pi[:, 1])
    error = np.sqrt(inside.mean() * (1 - inside.mean()) / len(y))
    print(
        f"\n10-fold cross-validation: {inside.mean():.1%} (s.e. {error:.1%}) of the "
        f"observations lie in their {LEVEL:.0%} prediction interval,\n"
        f"mean width {np.diff(pi).mean():.0f}; their spread (s.d.) is {y.std():.0f}. "
        f"A patient's mean is known to +- {np.diff(ci).mean() / 2:.0f} on average."
    )


def draw_curve(axes, bmi, y):
    """Draw progression against body mass index, one feature, so that all is visible."""
    model = make_model(3).fit(bmi[:, None], y)
    grid = np.linspace(bmi.min() - 2, bmi.max() + 2, 300)
    curve = model.get_prediction(grid[:, None])
    ci, pi = curve.conf_int(LEVEL), curve.conf_int(LEVEL, obs=True)
    axes.scatter(bmi, y, s=9, color=GREY, alpha=0.45, lw=0, label="patients")
    axes.fill_between(
        grid, *pi.T, color=ORANGE, alpha=0.15, lw=0, label="95 % of a new observation"
    )
    axes.fill_between(
        grid, *ci.T, color=BLUE, alpha=0.35, lw=0, label="95 % of the mean"
    )
    axes.plot(grid, curve.mean, color=BLUE, lw=1.8, label="network")
    axes.set(
        xlabel="body mass index (kg / m²)",
        ylabel="disease progression after one year (score)",
        title="Where the curve is, and where patients are",
        xlim=(grid[0], grid[-1]),
    )
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def draw_unseen(axes, y, y_pred, pi):
    """Draw every fourth unseen patient, in order of the prediction."""
    order = np.argsort(y_pred)[::4]
    rank = np.arange(len(order))
    y, y_pred, pi = y[order], y_pred[order], pi[order]
    inside = (pi[:, 0] <= y) & (y <= pi[:, 1])
    axes.vlines(
        rank, *pi.T, color=ORANGE, alpha=0.35, lw=1.6, label="95 % of a new observation"
    )
    axes.plot(rank, y_pred, color=BLUE, lw=1.8, label="network (all ten features)")
    axes.scatter(rank[inside], y[inside], s=10, color=GREY, label="observed, inside")
    axes.scatter(
        rank[~inside], y[~inside], s=24, color="crimson", marker="x",
        label=f"observed, outside ({(~inside).sum()} of {len(y)})", zorder=3,
    )  # fmt: skip
    axes.set(
        xlabel="unseen patients, in order of the prediction",
        title="Predictions of patients the network has not seen",
        xticks=[],
    )
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def main(path):
    X, y = load_diabetes(return_X_y=True, scaled=False)
    y_pred, ci, pi = cross_validate(X, y, n_units=3)
    print_table(y, y_pred, ci, pi)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.6), sharey=True, layout="constrained"
    )
    draw_curve(left, X[:, 2], y)
    draw_unseen(right, y, y_pred, pi)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    print(f"\nPicture: {path.resolve()}")


if __name__ == "__main__":
    default = Path(__file__).with_suffix(".png")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
