"""What training did: the rows it used, the penalty it applied, the weights it left.

Functions of plain values; `_regressor` reads them off the estimator.
"""

from numbers import Real

import numpy as np
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_nnci._chunks import row_slices
from sklearn_nnci._losses import LOSSES
from sklearn_nnci._network import Network, forward
from sklearn_nnci._rows import InferenceUnavailable, Rows

# How closely a replayed split must give back the validation score of the fit; two
# different splits of the same data agree to some 1e-2, float32 training to 1e-6.
SCORE_TOLERANCE = 1e-5


def checked_network(coefs, intercepts, activation, n_features, n_outputs, n_layers):
    """Return the weights as a float64 `Network`; ValueError if they cannot be one."""
    if not len(coefs) == len(intercepts) == n_layers:
        raise ValueError(
            f"coefs_ has {len(coefs)} arrays and intercepts_ {len(intercepts)}, "
            f"expected {n_layers} of each. Were they changed by hand? Fit again."
        )
    network = Network(
        tuple(_numbers(W, f"coefs_[{i}]") for i, W in enumerate(coefs)),
        tuple(_numbers(b, f"intercepts_[{i}]") for i, b in enumerate(intercepts)),
        activation,
    )
    fan_in, last = n_features, len(network.coefs) - 1
    for layer, (W, b) in enumerate(zip(network.coefs, network.intercepts, strict=True)):
        fan_out = n_outputs if layer == last else b.size
        if W.shape != (fan_in, fan_out) or b.shape != (fan_out,):
            raise ValueError(
                f"coefs_[{layer}] and intercepts_[{layer}] have shapes {W.shape} and "
                f"{b.shape}, expected ({fan_in}, {fan_out}) and ({fan_out},). Were "
                "they changed by hand? Fit again."
            )
        fan_in = fan_out
    return network


def _numbers(values, name):
    """Return `values` as float64; ValueError if they are not finite numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        what = "not finite" if values.dtype.kind == "f" else f"of {values.dtype}"
        raise ValueError(
            f"{name} is {what}, finite floats are expected. Was it changed by hand? "
            "Fit again."
        )
    return values.astype(np.float64, copy=False)


def strength(solver, alpha, batch_size, n_trained):
    """Return lambda: alpha, or alpha n / batch, as mini-batches divide it by theirs."""
    if solver == "lbfgs":
        return float(alpha)
    batch = 200 if batch_size == "auto" else batch_size
    return float(alpha * n_trained / min(batch, n_trained))


def target(y):
    """Return `y` as float64 (n, m)."""
    y = check_array(y, ensure_2d=False, dtype=np.float64)
    return y.reshape(len(y), -1)


def weights(sample_weight, X):
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


def linear_predictor(network, X):
    """Return f, (m, n)."""
    f = np.empty((network.n_outputs, X.shape[0]))
    widest = sum(W.shape[1] for W in network.coefs)
    for part in row_slices(X.shape[0], 8 * widest):
        f[:, part] = forward(network, X[part])[-1]
    return f


def predicted_mean(network, X, loss):
    """Return what the network predicts, f or exp f, (n, m)."""
    f = linear_predictor(network, X).T
    return np.exp(f) if loss == "poisson" else f


def objective(network, X, y, w, strength, loss):
    """Return what training minimises, the sum over rows and outputs; see _objective."""
    f = linear_predictor(network, X)
    with np.errstate(over="ignore"):
        cost = LOSSES[loss].value(y.T, f)
    squares = sum(np.vdot(W, W) for W in network.coefs)
    return float((w * cost).sum() + 0.5 * strength * squares)


def training_rows(network, X, y, w, loss, train=None, verbose=False):
    """Return the `Rows` that trained, less those of weight 0; `train` None: all."""
    if loss == "poisson" and len(y) and y.min() < 0.0:
        raise InferenceUnavailable(
            f"y counts events under loss='poisson', but its least is {y.min():g}. "
            "Try loss='squared_error'."
        )
    absent = w <= 0.0
    if absent.any():
        train = np.flatnonzero(~absent) if train is None else train[~absent[train]]
    return Rows(network, X, y, w, np.ones(y.shape[1]), loss, train, verbose)


def state_at_split(seed, n_parameters):
    """Return the random state at which early stopping splits, seeded by an integer.

    The initial weights are drawn before, one uniform deviate per parameter.
    """
    rng = np.random.RandomState(seed)
    rng.random_sample(n_parameters)
    return rng.get_state()


def replay_split(state, fraction, n_samples):
    """Return the indices that early stopping holds out from this random `state`."""
    rng = np.random.RandomState()
    rng.set_state(state)
    rows = np.arange(n_samples)
    return np.sort(train_test_split(rows, random_state=rng, test_size=fraction)[1])


def held_out(rows, y, mean, w, best_score):
    """Return whether `rows` are those that early stopping scored by `best_score`.

    `mean` are the predictions, (n, m).
    """
    if rows.max(initial=-1) >= len(y):
        return False
    if not np.isfinite(mean[rows]).all() or not w[rows].any():
        return False
    score = held_out_score(y, mean, w, rows)
    return abs(score - best_score) <= SCORE_TOLERANCE * (1.0 + abs(score))


def held_out_score(y, mean, w, held_out):
    """Return the R^2 of the rows `held_out`, as early stopping scores them."""
    return r2_score(y[held_out], mean[held_out], sample_weight=w[held_out])
