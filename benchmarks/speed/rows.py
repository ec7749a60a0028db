"""What the inference of a default network costs with many rows, in fresh processes.

As in `memory.py`, but relu and `covariance="auto"`, what `MLPRegressorCI()` takes, and
20 inputs: its 100 units, and 30. The time does not depend on how well the network is
trained; training itself is scikit-learn's, and not counted.

`python benchmarks/speed/rows.py` takes some ten minutes and writes results/rows.md.
"""

from pathlib import Path

from memory import measured
from timing import Figure, main

TEXT = """\
# Many rows

What inference adds to a network that scikit-learn has trained, and 1000 predictions
with intervals, under the default `covariance="auto"`: relu units in one hidden layer,
20 inputs. Fresh processes, one thread, CPU time, peak memory beside the data;
`benchmarks/speed/rows.py` says how it is measured.

{}

{}.
"""
QUERIES = 1000
CASES = (100_000, 30, 3), (500_000, 30, 3), (100_000, 100, 3), (500_000, 100, 1)
COSTS = ("inference", "fit", "s"), ("extra memory", "megabytes", "MB")


def processor():
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith("model name"))


def measure(quick):
    """Yield every figure."""
    for n, units, turns in CASES:
        n, turns = (min(n, 5000), 1) if quick else (n, turns)
        costs = measured(n, QUERIES, (20, units), turns, default=True)
        what = f"{units} units, p = {costs['p'][0]}, n = {n}"
        for name, key, unit in COSTS:
            yield Figure(f"{what}: {name}", costs[key], unit=unit)


if __name__ == "__main__":
    main(measure, "rows", TEXT.replace("{}.", f"{processor()}. {{}}."), __doc__)
