"""A first picture: a curve of one input, its noise, and how sure a committee is.

Draws 60 rows of a sine, fits `MLPEnsembleRegressorCI` to them as they are, prints how
much of the curve lies in its confidence interval, and draws two pictures in one: both
intervals, which widen beyond the rows, and the networks that were averaged.

    python examples/committee.py [picture.png]
"""

import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPEnsembleRegressorCI
from sklearn_nnci.exceptions import ExtrapolationWarning

LEVEL, LOW, HIGH = 0.95, 0.0, 10.0
BLUE, ORANGE, GREY = "#1f5fa8", "#d9541e", "#555555"


def truth(x):
    return 20.0 + 5.0 * np.sin(x)


def draw_rows(n=60, noise=1.0):
    rng = np.random.default_rng(0)
    x = rng.uniform(LOW, HIGH, n)
    return x, truth(x) + noise * rng.standard_normal(n)


def print_coverage(grid, ci, pi):
    inside = (grid >= LOW) & (grid <= HIGH)
    covered = (ci[:, 0] <= truth(grid)) & (truth(grid) <= ci[:, 1])
    print(
        f"{covered[inside].mean():.0%} of the curve lies in its {LEVEL:.0%} confidence "
        f"interval, of mean width {np.diff(ci)[inside].mean():.1f}.\n"
        f"Prediction intervals are {np.diff(pi)[inside].mean():.1f} wide; with the "
        f"curve and the noise known they would be {2 * 1.96:.1f}."
    )


def draw_intervals(axes, x, y, grid, found):
    ci, pi = found.conf_int(LEVEL), found.conf_int(LEVEL, obs=True)
    axes.scatter(x, y, s=12, color=GREY, alpha=0.6, lw=0, label="rows", zorder=3)
    axes.fill_between(
        grid, *pi.T, color=ORANGE, alpha=0.15, lw=0, label="95 % of a new observation"
    )
    axes.fill_between(
        grid, *ci.T, color=BLUE, alpha=0.35, lw=0, label="95 % of the mean"
    )
    axes.plot(grid, found.mean, color=BLUE, lw=1.8, label="committee")
    axes.plot(grid, truth(grid), color="black", lw=1.0, ls="--", label="truth")
    axes.set(
        xlabel="x", ylabel="y", xlim=(grid[0], grid[-1]), ylim=(10.0, 30.0),
        title="Where the curve is, and where new rows will be",
    )  # fmt: skip
    axes.legend(loc="upper right", frameon=False, fontsize=8, ncols=2)


def draw_members(axes, model, grid):
    for member, weight in zip(model.estimators_, model.weights_, strict=True):
        strength = weight / model.weights_.max()
        axes.plot(
            grid, member.predict(grid[:, None]), color=BLUE, lw=1.0, alpha=strength
        )
    axes.plot(grid, truth(grid), color="black", lw=1.0, ls="--")
    axes.set(
        xlabel="x", xlim=(grid[0], grid[-1]),
        title=f"{len(model.weights_)} networks, each as strong as its weight",
    )  # fmt: skip


def main(path):
    x, y = draw_rows()
    grid = np.linspace(LOW - 1.0, HIGH + 1.0, 400)
    model = MLPEnsembleRegressorCI(random_state=0).fit(x[:, None], y)
    with warnings.catch_warnings():  # of the grid beyond the rows, which is meant
        warnings.simplefilter("ignore", ExtrapolationWarning)
        found = model.get_prediction(grid[:, None])
    print_coverage(grid, found.conf_int(LEVEL), found.conf_int(LEVEL, obs=True))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.2), sharey=True, layout="constrained"
    )
    draw_intervals(left, x, y, grid, found)
    draw_members(right, model, grid)
    for axes in (left, right):
        axes.axvspan(grid[0], LOW, color=GREY, alpha=0.08, lw=0)
        axes.axvspan(HIGH, grid[-1], color=GREY, alpha=0.08, lw=0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    print(f"\nPicture: {path.resolve()}")


if __name__ == "__main__":
    default = Path(__file__).with_suffix(".png")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
