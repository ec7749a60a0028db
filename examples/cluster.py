"""Intervals where no machine has all the rows: output of a power plant.

Draws made-up hourly records of a power plant in partitions, trains a network by
partial_fit on one partition after the other, computes the inference on all of them
where they lie, predicts unseen hours with prediction intervals, partition by
partition, and counts how often these hold.

    python examples/cluster.py

starts a cluster of two processes on this machine. For another, replace the last lines
by ``Client("tcp://address-of-the-scheduler:8786")``; nothing else changes. Two epochs
of adam end short of the minimum: confidence intervals contain what is left to do, which
is most of their width; prediction intervals, mostly noise, hardly notice.
"""

import dask
import dask.array as da
import numpy as np

from sklearn_nnci import MLPRegressorCI

LEVEL = 0.95


def draw(n_rows, partition, seed):
    """Return temperature (°C), pressure (hPa), humidity (%), and output (MW)."""
    rng = da.random.default_rng(seed)
    X = da.stack(
        [
            rng.normal(15.0, 8.0, n_rows, chunks=partition),
            rng.normal(1013.0, 6.0, n_rows, chunks=partition),
            rng.uniform(30.0, 100.0, n_rows, chunks=partition),
        ],
        axis=1,
    )
    warm = 1.0 / (1.0 + da.exp(-(X[:, 0] - 14.0) / 6.0))
    damp = 0.05 * (X[:, 2] - 65.0) * warm
    y = 480.0 - 55.0 * warm + 0.3 * (X[:, 1] - 1013.0) - damp
    return X, y + rng.normal(0.0, 3.0, n_rows, chunks=partition)


def train(network, X, y, n_epochs):
    """Train on one partition after the other: each visits this process, one at a time.

    Other ways to train give the same kind of network: what comes next asks for its
    weights and the rows, not for how it came about.
    """
    order = np.random.default_rng(0)
    for epoch in range(n_epochs):
        for k in order.permutation(X.numblocks[0]):
            network.partial_fit(*dask.compute(X.blocks[k], y.blocks[k]))
        print(f"epoch {epoch + 1}: loss {network.loss_:.4f}")
    return network


def main(n_rows=200_000, n_test=50_000, partition=10_000, n_epochs=2):
    X, y = draw(n_rows, partition, seed=0)
    print(f"{n_rows:,} rows in {X.numblocks[0]} partitions of {partition:,}")

    # Networks want standardised inputs and targets.
    centre, spread, y_mean, y_std = dask.compute(
        X.mean(axis=0), X.std(axis=0), y.mean(), y.std()
    )
    X, y = (X - centre) / spread, (y - y_mean) / y_std

    network = MLPRegressorCI(
        hidden_layer_sizes=(8,), activation="tanh", learning_rate_init=2e-3,
        random_state=0,
    )  # fmt: skip
    train(network, X, y, n_epochs)

    # All partitions, each where it lies: three passes, of which only sums come back.
    network.fit_inference(X, y)
    found = network.inference_
    print(
        f"\n{found.n_parameters} parameters, {found.n_samples:,.0f} rows: noise of "
        f"{y_std * np.sqrt(found.noise_variance):.2f} MW (truly 3), by {found.noise}"
    )

    # Unseen hours. Nothing happens until something is asked for.
    X_new, y_new = draw(n_test, partition, seed=1)
    y_pred, pi = network.predict(
        (X_new - centre) / spread, return_pi=True, confidence_level=LEVEL
    )
    y_pred, pi = y_mean + y_std * y_pred, y_mean + y_std * pi
    inside = (pi[:, 0] <= y_new) & (y_new <= pi[:, 1])
    share, width, some = dask.compute(
        inside.mean(), (pi[:, 1] - pi[:, 0]).mean(), (y_new[:5], y_pred[:5], pi[:5])
    )

    print("\nobserved  predicted   95 % of a new observation")
    for observed, predicted, (lower, upper) in zip(*some, strict=True):
        print(f"{observed:8.1f}  {predicted:9.1f}   {lower:8.1f} ..{upper:7.1f}")
    print(
        f"\n{share:.1%} of {n_test:,} unseen observations lie in their {LEVEL:.0%} "
        f"prediction interval, {width:.1f} MW wide on average"
    )


if __name__ == "__main__":
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        main()
