"""A first picture of counts: visitors by the hour, and how many may come.

Draws 300 hours at random of days on which the number of visitors follows the clock, and
varies from day to day more than chance alone lets it; fits a network with a Poisson
loss, prints what it found, and draws both intervals.

    python examples/counts.py [picture.png]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import MLPRegressorCI

SIZE = 8.0
BLUE, ORANGE, GREY = "#1f5fa8", "#d9541e", "#555555"


def truth(hour):
    """Return how many visitors come on average."""
    noon, evening = ((hour - at) / width for at, width in ((12.0, 2.5), (19.0, 1.5)))
    return 1.0 + 45.0 * np.exp(-(noon**2)) + 25.0 * np.exp(-(evening**2))


def draw_rows(n=300):
    """Return hours and numbers of visitors."""
    rng = np.random.default_rng(0)
    hour = rng.uniform(6.0, 23.0, n)
    return hour, rng.poisson(truth(hour) * rng.gamma(SIZE, 1.0 / SIZE, n))


def fitted(hour, visitors):
    """Return the network, with its scaler."""
    network = MLPRegressorCI(
        loss="poisson", hidden_layer_sizes=(6,), activation="tanh", alpha=0.1,
        solver="lbfgs", max_iter=2000, polish=True, n_restarts=4, random_state=0,
    )  # fmt: skip
    return make_pipeline(StandardScaler(), network).fit(hour[:, None], visitors)


def print_coverage(grid, pi, law):
    """Print how likely a new hour is within its interval."""
    known = stats.nbinom(SIZE, SIZE / (SIZE + truth(grid)))
    inside = known.cdf(pi[:, 1]) - known.cdf(pi[:, 0] - 1.0)
    beta, alpha = law
    print(
        f"{inside.mean():.0%} of new hours lie in their 95% prediction interval.\n"
        f"Variance: mean + {beta:.2g} mean + {alpha:.2g} mean^2; in truth "
        f"mean + {1.0 / SIZE:.2g} mean^2."
    )


def draw(axes, hour, visitors, grid, mean, ci, pi):
    """Draw rows, curve and both intervals."""
    axes.scatter(hour, visitors, s=11, color=GREY, alpha=0.55, lw=0, label="rows")
    axes.fill_between(grid, *pi.T, step="mid", color=ORANGE, alpha=0.18, lw=0,
                      label="95 % of a new hour")  # fmt: skip
    axes.fill_between(grid, *ci.T, color=BLUE, alpha=0.35, lw=0,
                      label="95 % of the mean")  # fmt: skip
    axes.plot(grid, mean, color=BLUE, lw=1.6, label="network")
    axes.plot(grid, truth(grid), color="black", lw=1.0, ls="--", label="truth")
    axes.set(xlabel="hour of the day", ylabel="visitors in the hour", ylim=(-2, 110),
             xlim=(grid[0], grid[-1]),
             title="How many come on average, and how many may come")  # fmt: skip
    axes.legend(loc="upper right", frameon=False, fontsize=8)


def main(path=Path("counts.png")):
    """Fit, print and draw."""
    hour, visitors = draw_rows()
    model = fitted(hour, visitors)
    grid = np.linspace(6.0, 23.0, 500)
    mean, ci = model.predict(grid[:, None], return_ci=True)
    pi = model.predict(grid[:, None], return_pi=True)[1]
    print_coverage(grid, pi, model[-1].inference_.count_law)
    figure, axes = plt.subplots(figsize=(7.0, 4.2), layout="constrained")
    draw(axes, hour, visitors, grid, mean, ci, pi)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    print(f"Picture: {path}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
