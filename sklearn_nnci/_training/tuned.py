"""Tuned networks: starts on standardised data, and the one of highest evidence.

What is kept is for raw data. log Z of y in its own units is less by (n - 1) log of its
standard deviations.
"""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.special import gammaln
from sklearn.utils.parallel import Parallel, delayed

from sklearn_nnci._network import perceptron
from sklearn_nnci._network.perceptron import Network, forward, sensitivities
from sklearn_nnci._numerics import threads
from sklearn_nnci._numerics.progress import progress
from sklearn_nnci._training.groups import groups_of
from sklearn_nnci._training.tuning import FIRST, LEAST_NOISE, Data, Tuned, tune

# Activations of which a unit may change its sign with the weights around it: only if
# they are odd, as tanh, does that give another network of the same penalty.
ODD = ("tanh", "identity")
# Starts within so many nats of the best could as well be the best.
NEAR = 10.0

# What trainings of the parent leave, and this one does not.
OF_OTHER_TRAINING = (
    "_optimizer",
    "best_loss_",
    "best_validation_score_",
    "validation_scores_",
)

Moments = tuple[np.ndarray, np.ndarray]


class TunedNetwork(NamedTuple):
    """What an estimator keeps of a tuned network: arrays, numbers and tuples."""

    coordinates: tuple
    """`Coordinates`, in which every penalty is 1."""
    penalties: np.ndarray
    """lambda_g, (G,), on standardised data."""
    gamma: np.ndarray
    """gamma_g, (G,)."""
    log_evidence: float
    """log Z, y in its own units."""
    symmetry: float
    """Log of the number of networks that are the same."""
    log_evidence_of_nothing: float
    """log Z of outputs that do not depend on X."""
    relevance: np.ndarray
    """Root mean square of df / dx_j, (d,), on standardised data."""
    losses: np.ndarray
    """F / (n m) after each step, on standardised data."""
    settled: tuple
    """The `Polish` at the end."""
    unfinished: bool
    """Whether the steps were too few."""


class Starts(NamedTuple):
    """What is known of all starts."""

    evidences: np.ndarray
    """log Z, (K,)."""
    parameters: np.ndarray
    """Packed, for raw data, (K, p)."""
    apart: np.ndarray
    """Root mean square distance of their predictions from the best's, (m,)."""

    @property
    def near(self) -> dict[str, np.ndarray] | None:
        """Those that could as well be the best, itself included, with equal weights."""
        close = self.evidences >= self.evidences.max() - NEAR
        if close.sum() < 2:
            return None
        weights = np.full(close.sum(), 1.0 / close.sum())
        return {"parameters": self.parameters[close], "weights": weights}


def trained(
    X: Any, y: np.ndarray, w: np.ndarray, sizes: tuple[int, ...], activation: str,
    seeds: np.ndarray, first: int, max_steps: int, n_jobs: int | None, verbose: bool,
) -> tuple[Network, TunedNetwork, Starts]:  # fmt: skip
    """Return the best of a start from each of `seeds`, for raw data.

    `first` is the number of the first of them, which tells its first penalty.
    """
    data, x_moments, y_moments = standardised(X, y, w)
    jobs = (
        delayed(_start)(data, sizes, activation, int(seed), first + k, max_steps)
        for k, seed in enumerate(seeds)
    )
    found = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    found = list(progress(found, "starts", verbose and len(seeds) > 1, len(seeds)))
    networks = [_for_raw_data(one, x_moments, y_moments) for one in found]
    evidences = np.array([one.log_evidence for one in found])
    in_units = (data.n - 1.0) * np.log(y_moments[1]).sum()
    evidences -= in_units
    best = int(np.argmax(evidences))
    kept = _kept(found[best], data, networks[best])
    packed = np.array([perceptron.pack(*one[:2]) for one in networks])
    kept = kept._replace(
        log_evidence=float(evidences[best]),
        log_evidence_of_nothing=kept.log_evidence_of_nothing - in_units,
    )
    apart = _apart(data, [one.network for one in found], best) * y_moments[1]
    return networks[best], kept, Starts(evidences, packed, apart)


def _apart(data: Data, networks: list[Network], best: int) -> np.ndarray:
    """Return the root mean square distance of predictions from the best's, (m,)."""
    f = np.array([perceptron.linear_predictor(one, data.X) for one in networks])
    squares = ((f - f[best]) ** 2).sum(axis=0) / max(len(f) - 1, 1)
    return np.sqrt(squares @ data.w / data.w.sum())


def standardised(X: Any, y: np.ndarray, w: np.ndarray) -> tuple[Data, Moments, Moments]:
    """Return rows of mean 0 and variance 1, and (location, scale) of X and of y.

    A column that does not vary has scale 1.
    """
    X = X.toarray() if issparse(X) else X
    X = np.asarray(X, dtype=np.float64)
    present = w > 0.0
    if not present.all():
        X, y, w = X[present], y[present], w[present]
    (X, x_moments), (y, y_moments) = _standardised(X, w), _standardised(y, w)
    return Data(X, y, np.asarray(w)), x_moments, y_moments


def _standardised(columns: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, Moments]:
    """Return the columns standardised, and (location, scale)."""
    centre = columns[0] + w @ (columns - columns[0]) / w.sum()
    columns = columns - centre
    size = np.abs(columns).max(axis=0)
    varies = (size > 0.0) & np.isfinite(size)
    # so that squares neither over- nor underflow
    size = np.where(varies, size, 1.0)
    columns = np.where(varies, columns / size, 0.0)
    scale = np.where(varies, np.sqrt(w @ columns**2 / w.sum()), 1.0)
    return columns / scale, (centre, size * scale)


def _start(
    data: Data, sizes: tuple[int, ...], activation: str, seed: int, number: int,
    max_steps: int,
) -> Tuned:  # fmt: skip
    """Return one network, trained."""
    network = initial(data, sizes, activation, seed)
    with threads.suited_to(network.n_parameters):
        return tune(data, network, FIRST[number % len(FIRST)], max_steps)


def initial(data: Data, sizes: tuple[int, ...], activation: str, seed: int) -> Network:
    """Return first weights: uniform, of variance 2 / (fan in + fan out).

    Glorot & Bengio (2010), as scikit-learn; smaller for logistic units. Of an input
    that does not vary they are 0, and stay so.
    """
    rng, factor = np.random.RandomState(seed), 2.0 if activation == "logistic" else 6.0
    sizes, coefs, intercepts = (data.X.shape[1], *sizes, data.y.shape[1]), [], []
    for fan_in, fan_out in itertools.pairwise(sizes):
        bound = np.sqrt(factor / (fan_in + fan_out))
        coefs.append(rng.uniform(-bound, bound, (fan_in, fan_out)))
        intercepts.append(rng.uniform(-bound, bound, fan_out))
    coefs[0][~data.X.any(axis=0)] = 0.0
    return Network(tuple(coefs), tuple(intercepts), activation)


def _for_raw_data(tuned: Tuned, x: Moments, y: Moments) -> Network:
    """Return the network in its coordinates, for raw data."""
    network, groups = tuned.network, groups_of(tuned.network)
    strengths, units = tuned.penalties
    at = groups.coordinates(strengths, x, y, units)
    root = np.append(np.sqrt(strengths)[groups.group_of], np.ones(groups.n_free))
    own = perceptron.unpack(root * perceptron.pack(*network[:2]), network)
    return Network(*at.raw(*own[:2]), network.activation, at)


def _kept(tuned: Tuned, data: Data, network: Network) -> TunedNetwork:
    """Return the `TunedNetwork` of the best start, `network` for raw data."""
    assert network.coordinates is not None
    return TunedNetwork(
        coordinates=tuple(network.coordinates),
        penalties=tuned.penalties.strengths,
        gamma=tuned.gamma,
        log_evidence=tuned.log_evidence,
        symmetry=symmetry(tuned.active, network.activation),
        log_evidence_of_nothing=evidence_of_nothing(data),
        relevance=relevance(tuned.network, data),
        losses=tuned.losses,
        settled=tuple(tuned.settled),
        unfinished=tuned.unfinished,
    )


def relevance(network: Network, data: Data) -> np.ndarray:
    """Return the root mean square of df / dx = W_1 d_1, (d,)."""
    deltas = sensitivities(network, forward(network, data.X))
    slopes = np.einsum("ij,jkn->ikn", network.coefs[0], deltas[0])
    return np.sqrt((slopes**2 @ data.w).mean(axis=1) / data.w.sum())


def symmetry(active: Iterable[int], activation: str) -> float:
    """Return log h! (+ h log 2 for odd activations), summed over h of each layer.

    So many networks are the same but for the order and the signs of their active units.
    """
    signs = np.log(2.0) * (activation in ODD)
    return float(sum(gammaln(h + 1.0) + h * signs for h in active))


def evidence_of_nothing(data: Data) -> float:
    """Return log Z of outputs that do not depend on X, standardised.

    Each is N(b0, s^2), s^2 = n / (n - 1): the same with V = I.
    """
    n, variance = data.n, data.w @ data.y**2 / data.w.sum()
    s2 = np.maximum(variance * n / (n - 1.0), LEAST_NOISE)
    each = (n - 1.0) * (np.log(2.0 * np.pi * s2) + 1.0) + np.log(n)
    return float(-0.5 * each.sum())
