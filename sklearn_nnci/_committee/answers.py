"""From the predictions of members to those of the committee: a mixin."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_nnci import _lazy, exceptions
from sklearn_nnci import _mixture as mixture
from sklearn_nnci import _saved as saved
from sklearn_nnci._committee import summary
from sklearn_nnci._committee.summary import CommitteeReport
from sklearn_nnci._committee.told import HALF, shared, watched
from sklearn_nnci._frames import labels
from sklearn_nnci._inference import counts, queries, standard_errors
from sklearn_nnci._inference.diagnostics import Diagnostics
from sklearn_nnci._inference.error_law import pooled
from sklearn_nnci._network import perceptron
from sklearn_nnci._notebook import InNotebooks
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._warn import warn
from sklearn_nnci._wrapped import IntervalMethods

# What members say of query rows, and the committee in their place.
OF_ROWS = (exceptions.ExtrapolationWarning, exceptions.OutsideSpanWarning)


def combined(
    weights: np.ndarray, own: Sequence[Prediction], noise: Sequence[Any]
) -> dict[str, Any]:
    """Return the fields of the `Prediction` of a committee.

    From those of its members, and the noise s_k^2 of each, (m, m) for several outputs,
    on average over rows.
    """
    means, se = [one.mean for one in own], [one.se_mean for one in own]
    found = mixture.moments(weights, means, se)
    jointly = functools.partial(mixture.covariance, weights, means, se)
    s2 = mixture.average(weights, noise)
    s2 = np.diag(s2) if s2.ndim else s2
    each = [np.asarray(one.noise_variance) for one in own]
    even = [np.diag(variance) if np.ndim(variance) else variance for variance in noise]
    if any((at != own).any() for at, own in zip(each, even, strict=True)):
        # It varies with x, which one row does not show
        s2 = mixture.average(weights, each)
    dof = mixture.average(weights, [one.dof for one in own])
    laws = [one.law for one in own]
    se = np.sqrt(found.variance)
    se_obs = np.sqrt(np.where(np.isnan(s2), np.inf, s2) + found.variance)
    size = None
    if own[0].log_link:
        size, se_obs = _of_counts(weights, own, found.mean, se)
    return dict(
        mean=found.mean,
        se_mean=se,
        se_obs=se_obs,
        dof=dof if dof.ndim else float(dof),
        covariance=functools.partial(jointly, [one.covariance for one in own]),
        joint=functools.partial(jointly, [one.joint or one.covariance for one in own]),
        log_link=own[0].log_link,
        size=size,
        leverage=mixture.average(weights, [one.leverage for one in own]),
        extrapolates=mixture.average(weights, [one.extrapolates for one in own])
        >= HALF,
        noise_variance=s2 + np.zeros_like(found.mean),
        law=pooled(laws, weights, noise),
    )


def _of_counts(
    weights: np.ndarray, own: Sequence[Prediction], mean: np.ndarray, se: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the size of counts, and their standard deviation.

    1 / size is averaged: what their variance is beyond the mean, over mean^2.
    """
    sizes = [one.size for one in own if one.size is not None]
    if len(sizes) < len(own):
        return None, np.full_like(mean, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 1.0 / mixture.average(weights, [1.0 / each for each in sizes])
        return size, counts.std(mean, se / mean, size)


class CommitteeMethods(IntervalMethods, InNotebooks):
    """Methods of a committee that its members answer."""

    estimators_: list[Any]
    weights_: np.ndarray
    n_outputs_: int
    _own_parameters: Callable[[], dict[str, Any]]
    # Parameters that the inference answers, what is between members, what was warned.
    _asked: dict[str, Any]
    _between: float
    _raised: tuple[str, ...]

    def get_prediction(self, X) -> Prediction:
        """Return predictions with their standard errors, intervals and a table.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows; the index of a DataFrame is kept.

        Returns
        -------
        prediction : Prediction
            As by `MLPRegressorCI.get_prediction`. ``leverage`` is an average over
            members; ``extrapolates`` is what half of the weight says.

        Raises
        ------
        NotFittedError
            If the committee is not fitted.
        ValueError
            If inference failed at fit.
        """
        check_is_fitted(self)
        queries.warn_stale(self._asked, self._own_parameters())
        given, X = labels(X), self._rows(X)
        w, members = self._in_use()
        outcomes = [watched((), one.get_prediction, X) for one in members]
        noise = [one.inference_.noise_variance for one in members]
        found = combined(w, [one.result for one in outcomes], noise)
        for kind, text in shared([one.told for one in outcomes], w, apart=OF_ROWS):
            warn(text, kind)
        best = members[int(np.argmax(w))]
        _warn_of_rows(
            best._with_inference()[0], found["se_mean"], found["extrapolates"]
        )
        return Prediction(**found, **given)

    @property
    def inference_(self) -> CommitteeReport:
        """What inference found over the members, a `CommitteeReport`."""
        check_is_fitted(self)
        w, members = self._in_use()
        reports, K = [one.inference_ for one in members], len(self.estimators_)
        return summary.report(reports, w, K, self._between, self._raised)

    @property
    def influence(self) -> NoReturn:
        """Not of a committee: rows pull at each network in its own way."""
        raise AttributeError(
            f"{type(self).__name__} has no influence, which is of single networks. Try "
            "committee.estimators_[i].influence(X, y), X an array as the committee saw "
            "it, or plotting.InfluenceDisplay.from_estimator(model, X, y).frame(), "
            "which averages over them."
        )

    def diagnostics(self) -> Diagnostics:
        """Return every check over the members, then those of the committee.

        Returns
        -------
        diagnostics : Diagnostics
            As by `MLPRegressorCI.diagnostics`. The value is one that members with half
            of the weight reach; ``advice`` tells how many fail, and the worst.

        Raises
        ------
        NotFittedError
            If the committee is not fitted.
        ValueError
            If inference failed at fit.
        """
        check_is_fitted(self)
        w, members = self._in_use()
        found, K = [one.diagnostics() for one in members], len(self.estimators_)
        return summary.diagnostics(found, w, K)

    def __getstate__(self):
        state = super().__getstate__()
        if "estimators_" not in state:
            return state
        members = [saved.unstamped(one) for one in state["estimators_"]]
        return {"_saved_by": saved.stamp(), **state, "estimators_": members}

    def __setstate__(self, state):
        """Warn of other versions once, and not once per member."""
        saved.check(state.pop("_saved_by", None))
        super().__setstate__(state)

    def _in_use(self):
        """Return the positive weights, and the members that have them."""
        kept = np.flatnonzero(self.weights_)
        return self.weights_[kept], [self.estimators_[k] for k in kept]

    def _rows(self, X):
        """Return validated rows X."""
        check_is_fitted(self)
        return validate_data(
            self, X, accept_sparse="csr", dtype=perceptron.FLOATS, reset=False
        )

    def _mean(self, X):
        """Return the predictions at X, without any Jacobian work."""
        X = self._rows(X)
        w, members = self._in_use()
        return mixture.average(w, [one.predict(X) for one in members])

    def _predict_lazily(self, X, asked, levels, simultaneous):
        """Return `predict` of a dask array, partition by partition."""
        _lazy.check_flags(asked, simultaneous)
        check_is_fitted(self)
        flags = dict.fromkeys(asked, True)
        if asked:
            self.inference_  # noqa: B018 - raises if there is none
            flags |= dict(confidence_level=levels.tolist())
        shape = () if self.n_outputs_ == 1 else (self.n_outputs_,)
        return _lazy.predict(self, X, shape, flags)

    def _share_between(self, X):
        """Return the mean share of the variance at X that is between members."""
        w, members = self._in_use()
        own = [watched((), one.get_prediction, X).result for one in members]
        found = mixture.moments(
            w, [one.mean for one in own], [one.se_mean for one in own]
        )
        known = np.isfinite(found.variance) & (found.variance > 0.0)
        if not known.any():
            return np.nan
        return float(np.mean(found.between[known] / found.variance[known]))


def _warn_of_rows(state: dict, se_mean: np.ndarray, flagged: np.ndarray) -> None:
    """Say once what all members would say; `state` is that of the best."""
    unbounded = np.isinf(se_mean).reshape(len(se_mean), -1).any(axis=1)
    if state["posterior"] is not None and unbounded.any():
        warn(
            f"{unbounded.sum()} of {unbounded.size} rows have unbounded intervals: the "
            "best member has none there. Try covariance='auto' in the estimator, and "
            "the scaler that the committee was trained with.",
            exceptions.OutsideSpanWarning,
        )
    flagged = flagged & ~unbounded
    if standard_errors.more_than_chance(state, flagged):
        warn(
            f"{flagged.sum()} of {flagged.size} rows lie where the training rows say "
            "nothing, by members with half of the weight: intervals are not known to "
            "hold there. get_prediction(X).extrapolates tells which. Try rows within "
            "the range of the training rows, and the scaler that the committee was "
            "trained with.",
            exceptions.ExtrapolationWarning,
        )
