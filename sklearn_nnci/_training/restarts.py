"""Further starts, and warnings that polishing answers."""

import warnings
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from sklearn_nnci import exceptions
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._numerics.progress import progress
from sklearn_nnci._training.objective import objective
from sklearn_nnci._training.quasi_newton import has_hessian
from sklearn_nnci._warn import warn

# Steps of lbfgs before polishing takes over: with 50 it is faster than with 150, or to
# the end, and objectives are as low.
STEPS_BEFORE_POLISHING = 50


def other_starts(
    estimator: Any, n_restarts: int, X: Any, y: Any, sample_weight: Any
) -> list[dict]:
    """Return what training from further seeds sets, one dict of attributes per start.

    None where one fails, or its worker dies: the first start is kept, and said so.
    """
    rng = check_random_state(estimator.random_state)
    seeds = [int(seed) for seed in rng.randint(2**31 - 1, size=n_restarts)]
    single = clone(estimator).set_params(
        n_restarts=0, covariance=None, warm_start=False, n_jobs=None
    )
    early = polishing_trains(estimator)
    jobs = (
        delayed(_trained_attributes)(single, seed, X, y, sample_weight, early)
        for seed in seeds
    )
    try:
        done = _parallel(estimator.n_jobs, estimator.verbose)(jobs)
        return list(progress(done, "starts", estimator.verbose, n_restarts))
    except (BrokenProcessPool, ValueError) as error:
        died = isinstance(error, BrokenProcessPool)
        what = "a worker died" if died else "a start failed"
        cure = "n_jobs=1" if died else cure_of(estimator)
        warn(
            f"n_restarts={n_restarts} was left undone, {what}: the first start is "
            f"kept. Try {cure}. ({error})",
            exceptions.RestartsFailedWarning,
        )
        return []


def cure_of(estimator: Any) -> str:
    """Return what to try where starts of `estimator` fail: steps were too long."""
    steps = "scaled X and y, a smaller learning_rate_init or "
    return f"{steps * (estimator.solver != 'lbfgs')}another random_state"


def polishing_trains(fitted: Any) -> bool:
    """Return whether polishing may do most of the training of further starts.

    `fitted` is the first start, trained by lbfgs to its end. Where polishing sees the
    Hessian, and found the minimum, it does so from near the initial weights too, sooner
    than lbfgs.
    """
    record = vars(fitted).get("_polished", {})
    weights = tuple(fitted.coefs_), tuple(fitted.intercepts_)
    return (
        record.get("reason") == "gradient vanished"
        and fitted.solver == "lbfgs"
        and has_hessian(Network(*weights, fitted.activation))
    )


def _parallel(n_jobs: int | None, verbose: bool) -> Parallel:
    """Return joblib's Parallel, which to be watched yields results as they come."""
    if verbose:
        try:
            return Parallel(n_jobs=n_jobs, return_as="generator")
        except ValueError:  # not every backend can
            pass
    return Parallel(n_jobs=n_jobs)


def _trained_attributes(
    estimator: Any, seed: int, X: Any, y: Any, sample_weight: Any, early: bool
) -> dict:
    """Return what training a clone from `seed` sets, parameters left out.

    Where polishing `early` does not find the minimum it is trained to the end.
    """
    fresh = clone(estimator).set_params(random_state=seed)
    fitted = _polished_early(fresh, X, y, sample_weight) if early else None
    if fitted is None:
        fitted = fresh.fit(X, y, sample_weight)
    apart = {"_inference", *fitted.get_params(deep=False)}
    return {name: value for name, value in vars(fitted).items() if name not in apart}


def _polished_early(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """Return a clone polished after a few steps, or None if that is no minimum."""
    steps = min(estimator.max_iter, STEPS_BEFORE_POLISHING)
    fitted = clone(estimator).set_params(max_iter=steps)
    with warnings.catch_warnings():  # that steps end early is meant so
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(X, y, sample_weight)
    reason = vars(fitted).get("_polished", {}).get("reason")
    return fitted if reason == "gradient vanished" else None


def objectives_of(
    networks: list[Network], X: Any, y: np.ndarray, w: np.ndarray, strength: float,
    loss: str,
) -> np.ndarray:  # fmt: skip
    """Return the penalised objective of each start, over all rows."""
    return np.array([objective(net, X, y, w, strength, loss) for net in networks])


@contextmanager
def convergence_deferred(wanted: bool) -> Iterator[dict]:
    """Hold ConvergenceWarning back; yield a dict in which to tell ``reached=True``.

    Where polishing then reaches the minimum, it has nothing left to say.
    """
    told: dict = {}
    if not wanted:
        yield told
        return
    with warnings.catch_warnings(record=True) as caught:
        # The user's filter, be it "error", has its turn when all is known.
        warnings.simplefilter("always", ConvergenceWarning)
        yield told
    for w in caught:
        if not (told.get("reached") and w.category is ConvergenceWarning):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
