"""Noise that is neither even nor normal: prediction intervals before and after.

Draws 300 rows of a sine whose noise grows ninefold along x and is skewed, fits one
tuned network, and asks it twice: with a normal noise that is the same everywhere, and
with `variance="auto"` and `errors="empirical"`. Prints, for new rows in each third of
the range, how many lie below and above their interval, and draws both.

    python examples/noise.py [picture.png]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from sklearn_nnci import MLPRegressorCI

LEVEL = 0.9
BLUE, ORANGE, GREY = "#1f5fa8", "#d9541e", "#555555"
LAWS = {
    "the same everywhere, normal": dict(variance="constant", errors="normal"),
    'variance="auto", errors="empirical"': dict(variance="auto", errors="empirical"),
}


def truth(x):
    return np.sin(2.0 * x)


def draw_rows(rng, n):
    """Return x, and y with exponential noise, its standard deviation .1 to .9."""
    x = rng.uniform(-2.0, 2.0, n)
    sd = 0.1 * 9.0 ** ((x + 2.0) / 4.0)
    return x, truth(x) + sd * (rng.exponential(size=n) - 1.0)


def print_misses(x, y, pi):
    """Print the shares of new rows below and above, by thirds of the range."""
    for name, low in zip(
        ("left", "middle", "right"), (-2.0, -2 / 3, 2 / 3), strict=True
    ):
        here = (x >= low) & (x < low + 4.0 / 3.0)
        below, above = np.mean(y[here] < pi[here, 0]), np.mean(y[here] > pi[here, 1])
        print(f"    {name:8}{below:6.1%} below, {above:6.1%} above")


def draw(axes, title, x, y, grid, found):
    ci, pi = found.conf_int(LEVEL), found.conf_int(LEVEL, obs=True)
    axes.scatter(x, y, s=10, color=GREY, alpha=0.6, lw=0, label="rows", zorder=3)
    new = f"{LEVEL:.0%} of a new observation"
    axes.fill_between(grid, *pi.T, color=ORANGE, alpha=0.18, lw=0, label=new)
    mean = f"{LEVEL:.0%} of the mean"
    axes.fill_between(grid, *ci.T, color=BLUE, alpha=0.35, lw=0, label=mean)
    axes.plot(grid, found.mean, color=BLUE, lw=1.6, label="network")
    axes.plot(grid, truth(grid), color="black", lw=1.0, ls="--", label="truth")
    axes.set(title=title, xlabel="x", xlim=(-2.0, 2.0), ylim=(-2.6, 4.0))
    axes.spines[["top", "right"]].set_visible(False)


def main(path):
    rng = np.random.default_rng(0)
    x, y = draw_rows(rng, 300)
    new_x, new_y = draw_rows(rng, 60_000)
    net = MLPRegressorCI(
        hidden_layer_sizes=(10,), activation="tanh", regularization="evidence",
        n_restarts=4, random_state=0,
    ).fit(x[:, None], y)  # fmt: skip
    figure, both = plt.subplots(
        1, 2, figsize=(11, 4.2), sharey=True, layout="constrained"
    )
    grid = np.linspace(-2.0, 2.0, 400)
    for axes, (title, law) in zip(both, LAWS.items(), strict=True):
        net.set_params(**law).fit_inference(x[:, None], y)
        print(f"Noise: {title}")
        pi = net.predict(new_x[:, None], return_pi=True, confidence_level=LEVEL)[1]
        print_misses(new_x, new_y, pi)
        draw(axes, title, x, y, grid, net.get_prediction(grid[:, None]))
    both[0].set(ylabel="y")
    both[0].legend(loc="upper left", frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
    print(f"\nPicture: {path.resolve()}")


if __name__ == "__main__":
    default = Path(__file__).with_suffix(".png")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
