"""What the default committee of tuned networks costs, beside what competes with it.

Friedman #1 of ten inputs, five of which matter: fit, and prediction intervals at 100
points, by

- ``MLPEnsembleRegressorCI()``: 15 starts in three sizes;
- scikit-learn's Gaussian process, ARD kernel, best of three starts of the optimiser. It
  is left out at 5000 rows: the gradient of its likelihood alone is twelve matrices of
  5000 x 5000, several times over, and its time grows with the cube of the rows;
- CV+ of MAPIE, of a network whose alpha five-fold search chooses, search included.

The functions are those of ``benchmarks/coverage/real_sets.py``, which has what their
intervals are worth. In each turn the data are new, and the methods follow each other.

`python benchmarks/speed/tuned.py` takes half an hour and writes results/tuned_speed.md.
"""

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from timing import Figure, main, ratios, timed  # which sets the threads, so comes first

sys.path.append(str(Path(__file__).parents[1] / "coverage"))
from real_sets import METHODS
from sklearn.datasets import make_friedman1

TEXT = """\
# Speed of tuned committees

One thread, CPU time of a fit and of 100 intervals. Median over the turns; ratios are
those within a turn. `benchmarks/speed/tuned.py` says what is measured, and why there is
no Gaussian process of 5000 rows.

{}

{}.
"""
TURNS, QUERIES = {300: 5, 1000: 3, 5000: 1}, 100  # by rows
MOST_ROWS = {"GP": 1000}
if find_spec("mapie") is None:
    print("Skipped: mapie is not installed.")
    MOST_ROWS["CV+"] = 0
BARS = {(1000, "GP"): "<= 1", (1000, "CV+"): "<= 1"}


def measure(quick):
    """Yield every figure."""
    for n, turns in TURNS.items():
        if quick and n > min(TURNS):
            continue
        own = [m for m in METHODS if n <= MOST_ROWS.get(m, n)]
        seconds = {name: [] for name in own}
        for turn in range(1 if quick else turns):
            X, y = make_friedman1(n + QUERIES, n_features=10, noise=1.0,
                                  random_state=turn)  # fmt: skip
            for name in own:
                task = partial(METHODS[name], X[:n], y[:n], X[n:], turn)
                seconds[name].append(timed(task)[0])
        for name in own:
            yield Figure(f"{name}, n = {n}", seconds[name], unit="s")
        for name in own[1:]:
            values = ratios(seconds["ensemble"], seconds[name])
            bar = BARS.get((n, name), "")
            yield Figure(f"ensemble over {name}, n = {n}", values, bar)


if __name__ == "__main__":
    main(measure, "tuned_speed", TEXT, __doc__)
