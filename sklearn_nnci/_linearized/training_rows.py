"""What inference starts from: the rows, with weights, and the penalty.

Rows are read chunk by chunk, as often as needed: nothing of their number is kept.
"""

from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_nnci._network import jacobian
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network, forward
from sklearn_nnci._numerics.chunks import row_slices
from sklearn_nnci._numerics.progress import progress
from sklearn_nnci.exceptions import InferenceUnavailable

# Beyond this share of degrees of freedom no noise can be told from the residuals.
EDF_EXHAUSTED = 0.95

# X of some rows: a float array, in memory or on disk, or a CSR matrix or array.
Features: TypeAlias = Any
# What a task over rows returns.
Result = TypeVar("Result")


class Penalty(NamedTuple):
    """Lambda = diag(strength on all but the last `n_free` parameters, then 0)."""

    strength: Any
    """lambda, in the units of ``1/2 sum w e^2 + lambda/2 ||.||^2``: a number, or one
    for each of these parameters, which only the primal route serves."""
    n_free: int
    """How many trailing parameters are unpenalised."""

    def apply(self, theta: np.ndarray) -> np.ndarray:
        """Return ``Lambda theta``."""
        kept, penalised = len(theta) - self.n_free, np.zeros(len(theta))
        penalised[:kept] = self.strength * theta[:kept]
        return penalised

    @property
    def least(self) -> float:
        """The least lambda."""
        return float(np.min(self.strength))

    @property
    def uniform(self) -> bool:
        """Whether lambda is one number."""
        return np.ndim(self.strength) == 0


class Chunk(NamedTuple):
    """Some rows: the factors of their Jacobian, and what is left unexplained there."""

    factors: jacobian.Factors
    """Of root_weight f / scale, or of sqrt(w) times that."""
    residuals: np.ndarray
    """e, (m, k), weighted or not like the factors."""
    weight: np.ndarray
    """w, (k,)."""
    root_weight: np.ndarray
    """Factor of the rows of J, (m, k) or (m, 1): sqrt(mu) under Poisson, else 1."""
    y: np.ndarray
    """(k, m), in units of y."""
    columns: np.ndarray
    """Those of X, (d, k)."""
    predicted: np.ndarray
    """f, (m, k): the linear predictor, in units of y for squared errors."""

    def plain(self) -> "Chunk":
        """Return the same with residuals that are not weighted; the factors stay."""
        return self._replace(residuals=self.residuals / np.sqrt(self.weight))


class Rows(NamedTuple):
    """The rows that trained, and what the network leaves unexplained there.

    A row of weight k stands for k equal rows; rows of weight 0 are not here. Output k
    is measured in units of ``scale[k]``; with c the second derivative of the loss by f
    and r minus its first, the residual is e = r / g, and the root weight g = sqrt(c):
    for squared errors y - f and 1, for Poisson Pearson's residual and sqrt(mu), so that
    J'g e is the gradient of the likelihood and J'g^2 J its expected information.
    """

    network: Network
    X: Features
    """(N, d)."""
    y: np.ndarray
    """(N, m)."""
    weight: np.ndarray
    """w, (N,)."""
    scale: np.ndarray
    """(m,)."""
    loss: str = "squared_error"
    index: Any = None
    """Which rows of the above these are, (n,); None: all of them."""
    verbose: bool = False
    """Whether to show progress."""

    @property
    def size(self) -> int:
        """How many rows these are."""
        return int(self.X.shape[0]) if self.index is None else len(self.index)

    def rescaled(self, scale: np.ndarray) -> "Rows":
        """Return the same rows with output k in units of ``scale[k]``."""
        return self._replace(scale=scale)

    def sample(self, chosen: np.ndarray) -> "Rows":
        """Return those rows of these."""
        return self._replace(index=chosen if self.index is None else self.index[chosen])

    def gather(self) -> "Rows":
        """Return these rows where their weights are: here they are already."""
        return self

    def reduce(self, task: Callable[..., Result], *args: Any) -> Result:
        """Return ``task(rows, *args)``; see `Partitions` for rows in several places."""
        return task(self, *args)

    def arrays(
        self, part: slice | np.ndarray = slice(None)
    ) -> tuple[Features, np.ndarray, np.ndarray]:
        """Return X (k, d), y (k, m) and w (k,) of some rows."""
        taken = part if self.index is None else self.index[part]
        return self.X[taken], self.y[taken], self.weight[taken]

    def chunk(self, part: slice = slice(None), *, weighted: bool = False) -> Chunk:
        """Return the `Chunk` of some rows, by default of all."""
        X, y, w = self.arrays(part)
        activations = forward(self.network, X)
        f = activations[-1]
        loss = LOSSES[self.loss]
        # g = sqrt(c), e = r / g, and J of g f, in units of the scale
        root_weight = np.sqrt(loss.hessian(y.T, f))
        e = loss.negative_gradient(y.T, f) / (root_weight * self.scale[:, None])
        cotangent = np.diag(1.0 / self.scale)[:, :, None] * root_weight
        if weighted and (w != 1.0).any():
            cotangent, e = cotangent * np.sqrt(w), e * np.sqrt(w)
        F = jacobian.factors_at(self.network, activations, cotangent)
        return Chunk(F, e, w, root_weight, y, activations[0], f)

    def chunks(self, *, weighted: bool = False, doing: str = "") -> Iterator[Chunk]:
        """Yield the `Chunk` of rows worth one buffer of dense Jacobian."""
        p, m = self.network.n_parameters, self.network.n_outputs
        parts: Iterable[slice] = row_slices(self.size, 8 * m * (p + 1))
        if self.verbose:
            parts = progress(list(parts), doing, self.verbose)
        for part in parts:
            yield self.chunk(part, weighted=weighted)

    def blocks(
        self, *, weighted: bool = False, doing: str = ""
    ) -> Iterator[tuple[np.ndarray, Chunk]]:
        """Yield ([J e]', chunk), the former (p + 1, m k) in a buffer used again."""
        buffer = np.empty(0)
        for chunk in self.chunks(weighted=weighted, doing=doing):
            p, m, k = chunk.factors.shape
            if buffer.size < (p + 1) * m * k:
                buffer = np.empty((p + 1) * m * k)
            block = buffer[: (p + 1) * m * k].reshape(p + 1, m, k)
            jacobian.dense(chunk.factors, out=block[:-1])
            block[-1] = chunk.residuals
            yield block.reshape(p + 1, m * k), chunk

    def forwards(self, x: np.ndarray) -> np.ndarray:
        """Return W^1/2 J x, (N, k), outputs before rows, of `x` (p, k)."""
        m, k = self.network.n_outputs, x.shape[1]
        parts = [np.empty((m, 0, k))]
        for block, _ in self.blocks(weighted=True, doing="smoother"):
            parts.append((block[:-1].T @ x).reshape(m, -1, k))
        return np.concatenate(parts, axis=1).reshape(-1, k)

    def back(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return J'W^1/2 c, (p, k), and e'W^1/2 c, (k,), of `c` (N, k)."""
        m, start = self.network.n_outputs, 0
        c = c.reshape(m, -1, c.shape[1])
        total = np.zeros((self.network.n_parameters + 1, c.shape[2]))
        for block, chunk in self.blocks(weighted=True, doing="smoother"):
            stop = start + len(chunk.weight)
            total += block @ c[:, start:stop].reshape(block.shape[1], -1)
            start = stop
        return total[:-1], total[-1]


def target(y: Any) -> np.ndarray:
    """Return `y` as float64 (n, m)."""
    y = check_array(y, ensure_2d=False, dtype=np.float64)
    return y.reshape(len(y), -1)


def weights(sample_weight: Any, X: Features) -> np.ndarray:
    """Return `sample_weight` as float64 (n,), ones if None."""
    n = X.shape[0]
    if sample_weight is None:
        return np.broadcast_to(1.0, n)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, sample_weight)
    w = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    check_consistent_length(X, w)
    if w.ndim != 1:
        raise ValueError(f"sample_weight must be 1-d, got shape {w.shape}.")
    if (w < 0.0).any():
        raise InferenceUnavailable(
            f"sample_weight counts rows, so it cannot be negative, got {w.min():g}."
        )
    return w


def present(
    network: Network, X: Features, y: np.ndarray, w: np.ndarray, loss: str,
    train: np.ndarray | None = None, verbose: bool = False,
) -> Rows:  # fmt: skip
    """Return the `Rows` that trained, less those of weight 0; `train` None: all."""
    if LOSSES[loss].counts and len(y) and y.min() < 0.0:
        raise InferenceUnavailable(
            f"y counts events under loss={loss!r}, but its least is {y.min():g}. Try "
            "counts as they are, without a transformer of y, or loss='squared_error'."
        )
    absent = w <= 0.0
    if absent.any():
        train = np.flatnonzero(~absent) if train is None else train[~absent[train]]
    return Rows(network, X, y, w, units_of(network), loss, train, verbose)


def units_of(network: Network) -> np.ndarray:
    """Return the units of the outputs that go with its parameters, (m,)."""
    at = network.coordinates
    return np.ones(network.n_outputs) if at is None else at.units
