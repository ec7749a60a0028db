"""Rows that lie in partitions: dask arrays, chunked along rows.

A pass over the rows is a task per partition, run where the partition lies, and a tree
of merges: what travels are the network, a root of A^-1 and sums, nothing of the number
of rows. Tasks are pure, so that those of a worker that dies are run again elsewhere.
dask is imported only where it is there already: by its own arrays.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array

from sklearn_nnci._linearized import training_rows
from sklearn_nnci._linearized.training_rows import Features, Result, Rows
from sklearn_nnci._network.perceptron import FLOATS, Network
from sklearn_nnci.exceptions import InferenceUnavailable

# How many partial results one task merges.
FAN_IN = 8


def is_dask(X: Any) -> bool:
    """Return whether `X` is a dask collection."""
    return hasattr(X, "__dask_graph__")


class Part(NamedTuple):
    """How to make `Rows` of one partition, wherever it is."""

    network: Network
    scale: np.ndarray
    """Units of the outputs, (m,)."""
    loss: str
    """What training minimised."""

    def rows(self, X: Any, y: Any, w: Any) -> Rows:
        """Return the `Rows` of a partition, which may be empty."""
        n, m = X.shape[0], self.network.n_outputs
        X = check_array(X, accept_sparse="csr", dtype=FLOATS, ensure_min_samples=0)
        y = check_array(y, ensure_2d=False, dtype=np.float64, ensure_min_samples=0)
        if len(y) != n or y.size != n * m or (w is not None and len(w) != n):
            lengths = (n, y.shape, "none" if w is None else len(w))
            raise ValueError(
                "Partitions of X, y and sample_weight differ in length, or y in its "
                f"outputs: got {lengths}, for a network of {m} outputs. Try "
                "compute_chunk_sizes() of each, and rechunk."
            )
        w = training_rows.weights(w, X) if n else np.ones(0)
        rows = training_rows.present(self.network, X, y.reshape(n, m), w, self.loss)
        return rows.rescaled(self.scale)


class Partitions(NamedTuple):
    """Rows in several places, with the verbs of `Rows` that need no single place."""

    part: Part
    blocks: tuple[tuple, ...]
    """Triples of delayed X, y and weights, or None."""
    sizes: np.ndarray
    """Rows of positive weight in each."""
    verbose: bool
    """Whether to show progress."""

    @property
    def network(self) -> Network:
        """The network that gave J."""
        return self.part.network

    @property
    def loss(self) -> str:
        """What training minimised."""
        return self.part.loss

    @property
    def scale(self) -> np.ndarray:
        """Units of the outputs, (m,)."""
        return self.part.scale

    @property
    def size(self) -> int:
        """How many rows these are."""
        return int(self.sizes.sum())

    def rescaled(self, scale: np.ndarray) -> "Partitions":
        """Return the same rows with output k in units of ``scale[k]``."""
        return self._replace(part=self.part._replace(scale=scale))

    def sample(self, chosen: np.ndarray) -> Rows:
        """Return those rows, by their sorted numbers, in one place."""
        ends = np.cumsum(self.sizes)
        cuts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
        return self._gathered(
            [cut - start for cut, start in zip(cuts, ends - self.sizes, strict=True)]
        )

    def gather(self) -> Rows:
        """Return all rows, in one place."""
        return self._gathered([slice(None)] * len(self.blocks))

    def reduce(self, task: Callable[..., Result], *args: Any) -> Result:
        """Return ``task(rows, *args)`` of all rows, its results merged."""
        from dask import delayed

        values = self._map(task, [args] * len(self.blocks))
        while len(values) > 1:
            values = [
                delayed(_merged)(*values[k : k + FAN_IN])
                for k in range(0, len(values), FAN_IN)
            ]
        return _compute(values, self.verbose)[0]

    def _map(self, task: Callable[..., Any], arguments: Iterable[Sequence]) -> list:
        """Return a delayed ``task(rows, *args)`` for each partition."""
        from dask import delayed

        shared: dict[int, Any] = {}
        run, part, values = delayed(_run), delayed(self.part), []
        for block, args in zip(self.blocks, arguments, strict=True):
            # What tasks share is one node of the graph: it travels once per worker.
            nodes = (shared.setdefault(id(a), delayed(a)) for a in args)
            values.append(run(task, part, *block, *nodes))
        return values

    def _gathered(self, taken: Sequence[slice | np.ndarray]) -> Rows:
        """Return these rows of each partition, in one place."""
        arrays = self._map(Rows.arrays, [(one,) for one in taken])
        Xs, ys, ws = zip(*_compute(arrays, self.verbose), strict=True)
        X = sparse.vstack(Xs, format="csr") if sparse.issparse(Xs[0]) else np.vstack(Xs)
        y, w = np.concatenate(ys), np.concatenate(ws)
        known = self.network, X, y, w, self.scale, self.part.loss
        return Rows(*known, verbose=self.verbose)


def partitions(
    network: Network, X: Any, y: Any, sample_weight: Any, loss: str, verbose: bool
) -> tuple[Partitions, int]:
    """Return (`Partitions`, number of rows) of dask arrays; y may be any array."""
    from dask import delayed

    X, others = _aligned(X, y, sample_weight, network)
    columns = [
        [None] * X.numblocks[0] if a is None else list(a.to_delayed().ravel())
        for a in (X, *others)
    ]
    blocks = tuple(zip(*columns, strict=True))
    if sample_weight is None and not np.isnan(X.chunks[0]).any():
        given = kept = np.array(X.chunks[0])
    else:
        sizes = [delayed(_sizes)(X, w) for X, _, w in blocks]
        given, kept = np.array(_compute(sizes, verbose=False)).T
    if not kept.sum():
        raise InferenceUnavailable("No training row has a positive sample_weight.")
    part = Part(network, training_rows.units_of(network), loss)
    return Partitions(part, blocks, kept, bool(verbose)), int(given.sum())


def _aligned(X: Any, y: Any, sample_weight: Any, network: Network) -> tuple[Any, list]:
    """Return X, (y, sample_weight) as dask arrays whose partitions go together."""
    import dask.array as da

    X, others = whole_rows(X, len(network.coefs[0])), []
    if isinstance(sample_weight, Real):
        sample_weight = X.map_blocks(_filled, sample_weight, drop_axis=1, dtype=float)
    for name, a in (("y", y), ("sample_weight", sample_weight)):
        if a is not None and not isinstance(a, da.Array):
            known = hasattr(a, "to_dask_array")
            a = a.to_dask_array() if known else da.from_array(np.asarray(a))
        if name == "y":
            _check_outputs(a, network.n_outputs)
        if a is not None and a.ndim == 2:
            a = a.rechunk({1: -1})
        if a is not None and a.chunks[0] != X.chunks[0]:
            a = _like_chunks(a, X, name)
        others.append(a)
    return X, others


def _check_outputs(y: Any, m: int) -> None:
    got = y.shape[1] if y.ndim == 2 else 1
    if got != m:
        raise ValueError(f"y has {got} outputs, but the network has {m}.")


def _filled(X: Any, value: Any) -> np.ndarray:
    return np.full(X.shape[0], float(value))


def _like_chunks(a: Any, X: Any, name: str) -> Any:
    """Return `a` chunked along rows as `X`; unknown sizes are compared later."""
    if np.isnan([*X.chunks[0], *a.chunks[0]]).any():
        if a.numblocks[0] == X.numblocks[0]:
            return a
        raise ValueError(
            f"X has {X.numblocks[0]} partitions and {name} {a.numblocks[0]}, of "
            "unknown lengths. Try X.compute_chunk_sizes(), and the same for the other."
        )
    if a.shape[0] != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows and {name} {a.shape[0]}.")
    return a.rechunk({0: X.chunks[0]})


def whole_rows(X: Any, d: int) -> Any:
    """Return `X` as a dask array of whole rows, of `d` features."""
    import dask.array as da

    if not isinstance(X, da.Array) or X.ndim != 2:
        raise ValueError(
            f"X must be an array or a two-dimensional dask array, got {type(X)}. Of a "
            "dask DataFrame, take X.to_dask_array(lengths=True)."
        )
    if X.shape[1] != d:
        raise ValueError(f"X has {X.shape[1]} features, but the network expects {d}.")
    return X.rechunk({1: -1})


def _run(
    task: Callable[..., Result], part: Part, X: Features, y: Any, w: Any, *args: Any
) -> Result:
    return task(part.rows(X, y, w), *args)


def _sizes(X: Features, w: Any) -> tuple[int, int]:
    # Negative weights count here, and are refused with the rows.
    return X.shape[0], X.shape[0] if w is None else int(np.count_nonzero(w))


def _merged(*values: Any) -> Any:
    return functools.reduce(lambda one, other: one.merge(other), values)


def _compute(values: Sequence, verbose: bool) -> Sequence:
    """Return the values of delayed objects, by dask's scheduler in use."""
    import dask

    # The root of A^-1 is part of the graph, so that it can be sent again when a worker
    # dies; above p = 1100 distributed calls that large. Before it is imported there is
    # no cluster, and a value of ours would stand in the way of all its defaults.
    large = {"distributed.admin.large-graph-warning-threshold": "16GiB"}
    with dask.config.set(large if "distributed" in sys.modules else {}):
        return _shown(values) if verbose else dask.compute(*values)


def _shown(values: Sequence) -> Sequence:
    """Return the values of delayed objects, with a bar while they are computed."""
    import dask

    try:
        from distributed import get_client, progress

        client = get_client()
    except (ImportError, ValueError):  # not on a cluster
        try:
            from tqdm.dask import TqdmCallback
        except ImportError:
            return dask.compute(*values)
        with TqdmCallback(leave=False):
            return dask.compute(*values)
    futures = client.compute(values)
    progress(futures)
    return client.gather(futures)
