"""The members of a committee: made, trained, weighed."""

import copy
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from sklearn_nnci import _mixture as mixture
from sklearn_nnci import exceptions
from sklearn_nnci._committee.told import Outcome, watched
from sklearn_nnci._inference.near import loo_noise
from sklearn_nnci._linearized.training_rows import target, weights
from sklearn_nnci._training.problem import penalty_of
from sklearn_nnci._training.restarts import cure_of, objectives_of
from sklearn_nnci._warn import warn


def check(template: Any, architectures: Any) -> None:
    """Refuse what makes no committee."""
    for sizes in architectures:
        if not _is_architecture(sizes):
            raise ValueError(
                f"architectures={architectures!r} holds {sizes!r}, which is neither "
                "None nor a hidden_layer_sizes. Try architectures=((5,), (10,))."
            )
    if not len(architectures):
        raise ValueError(
            f"architectures={architectures!r} is empty. Try architectures=(None,), "
            "that of the estimator."
        )
    if not _by_evidence(template) and len(architectures) > 1:
        raise ValueError(
            f"architectures={architectures!r} are several, and only the evidence "
            "compares networks of several sizes. Try architectures=(None,), or "
            "regularization='evidence' in the estimator."
        )
    if template.covariance is None:
        raise ValueError(
            "estimator has covariance=None, without which members cannot be weighed. "
            "Try covariance='auto'."
        )


def _is_architecture(sizes: Any) -> bool:
    """Return whether `sizes` is None, one size, or a sequence of them."""
    if sizes is None:
        return True
    if isinstance(sizes, (str, bytes, dict)) or np.ndim(sizes) > 1:
        return False
    values = [sizes] if np.ndim(sizes) == 0 else list(sizes)
    integers = (isinstance(h, Integral) and not isinstance(h, bool) for h in values)
    return all(integers) and all(h > 0 for h in values)


def _by_evidence(member: Any) -> bool:
    return member.regularization == "evidence"


def new(template: Any, architectures: Any, seeds: np.ndarray) -> list[Any]:
    """Return a member for each of `seeds`, one row of them per architecture."""
    members = []
    for sizes, row in zip(architectures, seeds, strict=True):
        like = clone(template).set_params(n_restarts=0, n_jobs=None)
        if sizes is not None:
            like.set_params(hidden_layer_sizes=sizes)
        members += [clone(like).set_params(random_state=int(seed)) for seed in row]
    return members


def started(member: Any, X: Any, y: Any, sample_weight: Any, start: int) -> Any:
    """Return `member`, trained as that `start` of its architecture."""
    return member._fit_start(X, y, sample_weight, start)


def inferred(
    member: Any, parameters: dict[str, Any], X: Any, y: Any, sample_weight: Any
) -> Any:
    """Return a copy of a fitted `member`, its inference by `parameters`."""
    fresh = copy.copy(member).set_params(**parameters)
    return fresh.fit_inference(X, y, sample_weight)


def on_each(
    tasks: Iterable[tuple], failures: tuple[type[Exception], ...], n_jobs: int | None
) -> list[Outcome]:
    """Return the `Outcome` of each task, (function, member, ...), in processes."""
    jobs = (delayed(watched)(failures, *task) for task in tasks)
    try:
        return Parallel(n_jobs=n_jobs)(jobs)
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"n_jobs={n_jobs}: a worker died, mostly for want of memory. Try n_jobs=1."
            f" ({error})"
        ) from error


def check_trained(outcomes: Sequence[Outcome], n_starts: int) -> None:
    """Raise where no start of an architecture trained: that is no accident."""
    for first in range(0, len(outcomes), n_starts):
        own = outcomes[first : first + n_starts]
        if all(one.error is not None for one in own):
            raise own[0].error  # type: ignore[misc]


def why_absent(member: Any) -> str:
    """Return why a member has no inference; empty if it has."""
    try:
        member.inference_  # noqa: B018 - raises if there is none
    except ValueError as error:
        return str(error)
    return ""


def weigh(members: Sequence[Any], X: Any, y: np.ndarray, sample_weight: Any) -> Any:
    """Return the weights (K,), 0 for members without inference.

    Where none has any they are equal: predictions, at least, can be averaged.
    """
    found = np.zeros(len(members))
    usable = [k for k, one in enumerate(members) if not why_absent(one)]
    if not usable:
        return np.full(len(found), 1.0 / len(found))
    own = [members[k] for k in usable]
    rows = (X, target(y), weights(sample_weight, X))
    rule = _evidence_weights if _by_evidence(own[0]) else _objective_weights
    leverages = [one.inference_.max_leverage for one in own]
    found[usable] = mixture.without_outliers(rule(own, *rows), leverages)
    return found


def _evidence_weights(
    members: Sequence[Any], X: Any, y: np.ndarray, w: np.ndarray
) -> np.ndarray:
    """Return weights by evidence, those of one architecture with one symmetry.

    That of the best of them: of networks of the same size, those with more active
    units would else be favoured.
    """
    evidences = np.array([one.log_evidence_ for one in members])
    sizes = [str(one.hidden_layer_sizes) for one in members]
    best = {sizes[k]: members[k] for k in np.argsort(evidences)}  # the last stays
    symmetries = [best[h]._symmetry for h in sizes]
    return mixture.by_evidence(evidences, symmetries, w.sum() * y.shape[1])


def _objective_weights(
    members: Sequence[Any], X: Any, y: np.ndarray, w: np.ndarray
) -> np.ndarray:
    """Return weights by the objective that the members share, over all rows."""
    seen = members[0]._training()
    networks = [one._network() for one in members]
    strength = penalty_of(seen, len(y))
    F = objectives_of(networks, X, y, w, strength, seen.loss)
    best = members[int(np.argmin(np.where(np.isnan(F), np.inf, F)))].inference_
    return mixture.by_objective(F, best.n_parameters, loo_noise(best))


def warn_of_failures(outcomes: Sequence[Outcome], absent: Sequence[str]) -> None:
    """Say which members were dropped: untrained ones, and reasons in `absent`."""
    errors, K = [one.error for one in outcomes if one.error is not None], len(outcomes)
    if errors:
        cure = cure_of(next(one.result for one in outcomes if one.error is None))
        warn(
            f"{len(errors)} of {K} members failed to train and were dropped. Try "
            f"{cure}. ({errors[0]})",
            exceptions.RestartsFailedWarning,
        )
    reasons = [reason for reason in absent if reason]
    if reasons:
        everyone = len(reasons) == len(absent)
        dropped = "nor has the committee" if everyone else "and were dropped"
        warn(
            f"{len(reasons)} of {K} members have no intervals, {dropped}. {reasons[0]}",
            exceptions.InferenceUnavailableWarning,
        )
