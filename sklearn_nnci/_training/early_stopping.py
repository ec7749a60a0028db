"""Which rows early stopping held out: its split, replayed, and checked by its score."""

from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

# How closely a replayed split must give back the validation score of the fit; two
# different splits of the same data agree to some 1e-2, float32 training to 1e-6.
SCORE_TOLERANCE = 1e-5


def state_at_split(seed: int, n_parameters: int) -> Any:
    """Return the random state at which early stopping splits, seeded by an integer.

    The initial weights are drawn before, one uniform deviate per parameter.
    """
    rng = np.random.RandomState(seed)
    rng.random_sample(n_parameters)
    return rng.get_state()


def replay_split(state: Any, fraction: float, n_samples: int) -> np.ndarray:
    """Return the indices that early stopping holds out from this random `state`."""
    rng = np.random.RandomState()
    rng.set_state(state)
    rows = np.arange(n_samples)
    return np.sort(train_test_split(rows, random_state=rng, test_size=fraction)[1])


def split_by_seed(
    seed: int, n_parameters: int, fraction: float, n_samples: int
) -> np.ndarray:
    """Return the indices that an integer seed tells to be held out."""
    return replay_split(state_at_split(seed, n_parameters), fraction, n_samples)


def agree(
    rows: np.ndarray, y: np.ndarray, mean: np.ndarray, w: np.ndarray, best_score: float
) -> bool:
    """Return whether `rows` are those that early stopping scored by `best_score`.

    `mean` are the predictions, (n, m).
    """
    if rows.max(initial=-1) >= len(y):
        return False
    if not np.isfinite(mean[rows]).all() or not w[rows].any():
        return False
    score = held_out_score(y, mean, w, rows)
    return abs(score - best_score) <= SCORE_TOLERANCE * (1.0 + abs(score))


def held_out_score(
    y: np.ndarray, mean: np.ndarray, w: np.ndarray, rows: np.ndarray
) -> float:
    """Return the R^2 of `rows`, as early stopping scores them."""
    return r2_score(y[rows], mean[rows], sample_weight=w[rows])
