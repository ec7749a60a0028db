"""How time and memory of inference grow with the rows n and the parameters p.

Each point is the median of three fresh processes, as in `memory.py`: inference at a
network that is trained, and 1000 predictions with intervals. The exponents are slopes
of least squares lines in logarithms.

- n from 10^4 to 5 10^5 rows at p = 661, the primal route;
- p from 1.5 10^3 to 10^5 at 1000 rows, the dual route.

`python benchmarks/speed/scaling.py` takes some ten minutes and writes
results/scaling.md and doc/scaling.png.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from memory import measured
from timing import Figure, main

matplotlib.use("agg")
PICTURE = Path(__file__).parents[2] / "doc" / "scaling.png"
QUERIES = 1000
ROWS = 10_000, 30_000, 100_000, 250_000, 500_000
UNITS = 29, 50, 90, 165, 305  # in each of two layers
POINT = (
    ("time of inference", "fit", "s"),
    (f"time of {QUERIES} intervals", "predict", "s"),
    ("extra memory", "megabytes", "MB"),
)
TEXT = """\
# Growth with the data and the network

Exponents of CPU time and peak memory, least squares lines in logarithms, and every
point; `benchmarks/speed/scaling.py` says how they are measured.

![Time and memory against rows and parameters, log-log](../../doc/scaling.png)

{}

{}.
"""


def series(cases, turns):
    """Return {name: array (turns, cases)} of what the processes measured."""
    points = [measured(*case, turns=turns) for case in cases]
    return {name: np.array([at[name] for at in points]).T for name in points[0]}


def exponent(x, y):
    """Return b of y = a x^b."""
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def line(axis, x, y, label, **style):
    """Draw the medians of `y` (turns, points) and tell their slope."""
    y = np.median(y, axis=0)
    axis.loglog(x, y, "o-", label=f"{label}, slope {exponent(x, y):.2f}", **style)


def draw(panels):
    """Write the picture: time above memory, a column for each of the two series."""
    figure, axes = plt.subplots(2, 2, figsize=(8, 6.4), sharex="col", sharey="row")
    for column, (x, label, title, costs) in zip(axes.T, panels, strict=True):
        time, memory = column
        line(time, x, costs["fit"], "inference")
        line(time, x, costs["predict"], f"{QUERIES} intervals")
        line(memory, x, costs["megabytes"], "peak", color="C2")
        memory.set_ylim(10, 1000)
        time.set_title(title, fontsize=11)
        memory.set_xlabel(label)
        for axis in column:
            axis.grid(alpha=0.3, which="both", linewidth=0.5)
            axis.legend(frameon=False, fontsize=9)
    axes[0, 0].set_ylabel("CPU time, seconds")
    axes[1, 0].set_ylabel("extra memory, MB")
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=130)


def measure(quick):
    """Yield every figure, and draw the points."""
    turns = 1 if quick else 3
    rows, units = (ROWS[:2], UNITS[:2]) if quick else (ROWS, UNITS)
    with_n = series([(n, QUERIES, (20, 30)) for n in rows], turns)
    with_p = series([(1000, QUERIES, (20, h, h)) for h in units], turns)
    p = with_p["p"][0]
    for x, of, costs, bar in ((rows, "n", with_n, "<= 1.05"), (p, "p", with_p, "")):
        for cost, name, _ in POINT[::2]:
            slopes = [exponent(x, turn) for turn in costs[name]]
            yield Figure(f"{cost}, exponent in {of}", slopes, bar, unit="")
            bar = ""
        for i, at in enumerate(x):
            what = f"{of} = {at:.0f}, {costs['route'][0][i]}"
            for cost, name, unit in POINT:
                yield Figure(f"{what}: {cost}", costs[name][:, i], unit=unit)
    if not quick:
        draw([
            (rows, "rows n", "p = 661, primal", with_n),
            (p, "parameters p", "n = 1000, dual", with_p),
        ])  # fmt: skip


if __name__ == "__main__":
    main(measure, "scaling", TEXT, __doc__)
