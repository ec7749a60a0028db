"""The rows that trained, those held out, the penalty: what inference starts from."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import exceptions
from sklearn_nnci._linearized import training_rows
from sklearn_nnci._linearized.training_rows import Penalty, Rows
from sklearn_nnci._network.losses import predicted_mean
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._training import early_stopping
from sklearn_nnci._training.objective import effective_alpha
from sklearn_nnci._training.remembered import Remembered
from sklearn_nnci._warn import warn


class HeldOut(NamedTuple):
    """Rows held out from training."""

    residuals: np.ndarray
    """(m, n), in units of y."""
    weight: np.ndarray
    """(n,)."""
    rows: np.ndarray
    """Their indices among the rows given."""
    columns: np.ndarray
    """Those of X, (d, n)."""
    predicted: np.ndarray
    """f, (m, n)."""


class Problem(NamedTuple):
    """What inference starts from."""

    rows: Any
    """Those that trained, `Rows` or `Partitions`."""
    held_out: HeldOut | None
    penalty: Penalty
    """That training used."""


def problem(
    seen: Remembered, network: Network, X: Any, y: np.ndarray, sample_weight: Any, *,
    best_score: float | None = None, candidates: np.ndarray | None = None,
    verbose: bool = False,
) -> Problem:  # fmt: skip
    """Return the `Problem` of validated X (n, d) and y (n, m).

    `best_score` is what early stopping reached, if it did anything; `candidates` are
    the rows that it may have held out, where those are not remembered.
    """
    w = training_rows.weights(sample_weight, X)
    train, index = None, None
    if seen.stopped_early and best_score is not None:
        known = candidates if seen.held_out is None else seen.held_out
        mean = predicted_mean(network, X, seen.loss)
        if known is None or not early_stopping.agree(known, y, mean, w, best_score):
            warn_held_out()
        else:
            train, index = np.setdiff1d(np.arange(len(y)), known), known

    def taken(part: np.ndarray | None) -> Rows:
        return training_rows.present(network, X, y, w, seen.loss, part, verbose)

    rows, held_out = taken(train), None
    if not rows.size:
        raise exceptions.InferenceUnavailable(
            "No training row has a positive sample_weight."
        )
    if index is not None:
        chunk = taken(index).chunk()
        found = chunk.residuals, chunk.weight, index
        held_out = HeldOut(*found, chunk.columns, chunk.predicted)
    n_trained = X.shape[0] if train is None else len(train)
    return Problem(rows, held_out, penalty_on(network, seen, n_trained))


def penalty_on(network: Network, seen: Remembered, n_trained: int) -> Penalty:
    """Return Lambda: 1 in the coordinates of a tuned network, else lambda on coefs."""
    if network.coordinates is not None:
        return Penalty(1.0, network.n_outputs)
    return Penalty(penalty_of(seen, n_trained), network.n_intercepts)


def penalty_of(seen: Remembered, n_trained: int) -> float:
    """Return lambda of a training on `n_trained` rows."""
    return effective_alpha(seen.solver, seen.alpha, seen.batch_size, n_trained)


def warn_held_out() -> None:
    """Say that all rows are taken as training rows."""
    warn(
        "The rows that early stopping held out could not be recovered: all rows are "
        "taken as training rows. Try fit on these data, with an integer random_state.",
        exceptions.HeldOutRowsWarning,
    )
