"""What inference on a cluster costs, and whether it says what one machine says.

A cluster of two processes on this machine; rows are drawn where they lie, partition by
partition, so that the times contain drawing them, and no reading. Bars: the results of
the cluster equal those of one machine, on the same rows in a file, to 1e-10; no worker
ever takes more than 500 MB; a worker that is killed costs time and nothing else.

    python benchmarks/speed/cluster.py                  # some minutes
    python benchmarks/speed/cluster.py --rows 200_000   # a quick look, other --output

write cluster.md and cluster.csv into ``benchmarks/results``, or ``--output``.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import csv
import logging
import resource
import signal
import tempfile
import threading
import warnings
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster

from sklearn_nnci import MLPRegressorCI

RESULTS = Path(__file__).parents[1] / "results"
ROWS, PARTITION, WORKERS, FEATURES = 4_000_000, 100_000, 2, 10
SIZES = (2_000, 10_000, 50_000, 250_000)
AGREEMENT, MEGABYTES = 1e-10, 500
PASSES = 3  # of the rule "auto" at p < n: triangle, then leverages at two penalties
BILLION, CORES = 1_000_000_000, 160


class Run(NamedTuple):
    """One call of fit_inference."""

    what: str
    p: int
    rows: int
    partition: int
    workers: int
    seconds: float
    core_seconds: float
    """Of the processor, all workers together: what other programs take is not in it."""

    @property
    def rate(self):
        """Rows per second, of one worker in one pass."""
        return self.rows * PASSES / self.seconds / self.workers

    @property
    def core_rate(self):
        """Rows per core-second in one pass."""
        return self.rows * PASSES / self.core_seconds

    @property
    def line(self):
        cells = [
            self.what, self.p, f"{self.rows:,}", f"{self.partition:,}", self.workers,
            f"{self.seconds:.1f}", f"{self.rate:,.0f}", f"{self.core_seconds:.1f}",
            f"{self.core_rate:,.0f}",
        ]  # fmt: skip
        return f"| {' | '.join(map(str, cells))} |".replace("nan", "")


def mean(X):
    return np.sin(X[:, 0]) + X[:, 1] * X[:, 2] / 2 + np.tanh(X[:, 3] - X[:, 4])


def draw(rows, partition):
    """Return X, y of `rows` rows as dask arrays: a seed for each partition."""
    X = da.random.default_rng(0).standard_normal(
        (rows, FEATURES), chunks=(partition, FEATURES)
    )
    noise = da.random.default_rng(1).standard_normal(rows, chunks=partition)
    return X, X.map_blocks(mean, drop_axis=1, dtype=float) + noise / 5


def trained(units):
    """Return a network of p = 12 units + 1 parameters, inference left for later."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((20_000, FEATURES))
    y = mean(X) + rng.standard_normal(len(X)) / 5
    net = MLPRegressorCI(
        hidden_layer_sizes=(units,), activation="tanh", alpha=1e-2, max_iter=10,
        covariance=None, random_state=0,
    )  # fmt: skip
    return net.fit(X, y).set_params(covariance="auto")


def timed(what, net, X, y, client=None):
    """Return the `Run`: on the cluster of `client`, or without one in this process."""
    start, begun = perf_counter(), processor(client)
    net.fit_inference(X, y)
    seconds, spent = perf_counter() - start, processor(client) - begun
    report = net.inference_
    assert (report.method, report.route) == ("evidence", "primal")  # hence PASSES
    assert report.loo_penalty != report.penalty
    size = X.chunks[0][0] if isinstance(X, da.Array) else len(X)
    p, workers = report.n_parameters, WORKERS if client else 1
    run = Run(what, p, X.shape[0], size, workers, seconds, spent)
    print(run.line, flush=True)
    return run


def processor(client):
    """Return the processor time so far, in seconds, of the workers or of this one."""
    return sum(client.run(process_time).values()) if client else process_time()


def found(net):
    """Return what inference says, as one vector."""
    Q = np.random.default_rng(3).standard_normal((1000, FEATURES))
    report, prediction = net.inference_, net.get_prediction(Q)
    numbers = [report.edf, report.edf_fit, report.dof, report.noise_variance,
               report.press, report.max_leverage, report.step_variance,
               report.relative_offset]  # fmt: skip
    return np.concatenate([numbers, prediction.se_mean, prediction.se_obs])


def apart(one, other):
    """Return the largest relative difference."""
    return float(np.max(np.abs(one / other - 1.0)))


def peaks(client):
    """Return the largest memory of each worker so far, in MB."""
    found = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return np.array(list(found.values())) / 1000.0


def import_package():
    import sklearn_nnci  # noqa: F401


def of_one_machine(net, X, y):
    """Return the `Run` on the same rows in a file, and what it found."""
    with tempfile.TemporaryDirectory() as folder:
        shapes = {"X": X.shape, "y": y.shape}
        files = [
            np.memmap(Path(folder, name), float, "w+", shape=shape)
            for name, shape in shapes.items()
        ]
        start = 0
        for k, size in enumerate(X.chunks[0]):
            parts = dask.compute(X.blocks[k], y.blocks[k])
            for file, part in zip(files, parts, strict=True):
                file[start : start + size] = part
            start += size
        return timed("one process, rows in a file", net, *files), found(net)


def with_a_death(client, net, X, y, after):
    """Return the `Run` in which a worker is killed after so many seconds."""
    victim = next(iter(client.run(os.getpid).values()))
    timer = threading.Timer(after, os.kill, (victim, signal.SIGKILL))
    timer.start()
    run = timed("a worker is killed", net, X, y, client)
    client.wait_for_workers(WORKERS)
    assert victim not in client.run(os.getpid).values(), "the run was over before"
    return run._replace(core_seconds=float("nan"))  # it died with what it had counted


def measure(rows):
    """Return the text of the report, and all runs."""
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        client.run(import_package)
        idle = peaks(client)
        load = os.getloadavg()[0]
        small, large = trained(10), trained(100)
        small.fit_inference(*draw(10_000, 1_000))  # the first call is slow
        X, y = draw(rows, min(PARTITION, rows // 8))
        cluster_run = timed("cluster", small, X, y, client)
        memory, expected = peaks(client), found(small)
        death = with_a_death(client, small, X, y, 0.4 * cluster_run.seconds)
        after_death = apart(found(small), expected)
        single, alone = of_one_machine(small, X, y)
        agreement = apart(expected, alone)
        sizes = [
            timed("partition size", small, *draw(rows // 4, size), client)
            for size in SIZES
            if 2 * size <= rows // 4
        ]
        wide = timed("cluster", large, *draw(rows // 25, rows // 100), client)
        memory_wide = peaks(client)
    runs = [cluster_run, death, single, *sizes, wide]
    bars = [
        ("results of the cluster beside those of one process, relative", AGREEMENT,
         agreement, f"{agreement:.0e}"),
        ("the same, a worker killed", AGREEMENT, after_death, f"{after_death:.0e}"),
        ("peak memory of a worker at p = 121, MB", MEGABYTES, memory.max(),
         " and ".join(f"{m:.0f}" for m in memory)),
    ]  # fmt: skip
    return report(runs, bars, idle, memory_wide, load), runs


HEAD = """\
# Inference on a cluster

A cluster of {workers} processes of one thread each, on a machine of {cores} cores with
a load average of {load:.1f} before it began: where that is not near 0, seconds are more
than need be; core-seconds, of the processor, are less affected. tanh networks of
{features} inputs and one hidden layer, `covariance="auto"`: three passes over the rows,
which are drawn anew in each. `python benchmarks/speed/cluster.py` writes this file.

| run | p | rows | rows of a partition | workers | seconds | rows per second, worker and pass | core-seconds | rows per core-second and pass |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{runs}

The worker that was killed cost {lost:.1f} s.

| | bar | found | |
|---|---:|---:|---|
{bars}

Of that memory the interpreter with its imports takes {idle:.0f} MB. At p = {wide} the
peaks are {memory_wide} MB (after the other runs; one worker was started anew).

## A thousand million rows

Computed from the rates per core-second above. Reading the rows, or drawing them, is in
it as far as it is in these.

| p | core-hours | on 10 machines of 16 cores |
|---:|---:|---:|
{billion}
"""  # noqa: E501


def report(runs, bars, idle, memory_wide, load):
    verdicts = (
        f"| {name} | {bar:g} | {shown} | {'met' if value <= bar else 'MISSED'} |"
        for name, bar, value, shown in bars
    )
    costs = ((run.p, BILLION * PASSES / run.core_rate) for run in (runs[0], runs[-1]))
    return HEAD.format(
        workers=WORKERS,
        cores=os.cpu_count(),
        load=load,
        features=FEATURES,
        runs="\n".join(run.line for run in runs),
        lost=runs[1].seconds - runs[0].seconds,
        bars="\n".join(verdicts),
        idle=idle.max(),
        wide=runs[-1].p,
        memory_wide=" and ".join(f"{m:.0f}" for m in memory_wide),
        billion="\n".join(
            f"| {p} | {seconds / 3600:.1f} | {seconds / CORES / 60:.2g} minutes |"
            for p, seconds in costs
        ),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    text, runs = measure(arguments.rows)
    print(text)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "cluster.md").write_text(text)
    with open(arguments.output / "cluster.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = "rows_per_second_worker_and_pass", "rows_per_core_second_and_pass"
        writer.writerow([*Run._fields, *names])
        for run in runs:
            figures = run.seconds, run.core_seconds, run.rate, run.core_rate
            writer.writerow([*run[:5], *(f"{figure:.5g}" for figure in figures)])


if __name__ == "__main__":
    main()
