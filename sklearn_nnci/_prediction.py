"""Predictions with intervals."""

import functools

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_nnci import _dask, _moments, exceptions
from sklearn_nnci._inference import InferenceMixin
from sklearn_nnci._intervals import Prediction, check_levels, check_simultaneous
from sklearn_nnci._network import FLOATS
from sklearn_nnci._warn import warn


class PredictionMixin(InferenceMixin):
    """``predict`` with its flags, and `get_prediction`."""

    def predict(
        self,
        X,
        *,
        return_ci=False,
        return_pi=False,
        return_std=False,
        return_cov=False,
        confidence_level=0.95,
        simultaneous=None,
    ):
        """Predict, and on request say how sure.

        At most one of the flags may be set. With none, this is the parent's
        ``predict``, bit for bit, and costs what that costs.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Query rows. Of a dask array, partitions are predicted one by one, and what
            is returned is lazy; `return_cov` and `simultaneous` need an array.
        return_ci : bool, default=False
            Return the confidence interval of the regression mean: it says where the
            curve is, and shrinks as data are added.
        return_pi : bool, default=False
            Return the prediction interval of a new observation: noise included.
        return_std : bool, default=False
            Return the standard deviation of a new observation, noise included, as
            :class:`~sklearn.linear_model.BayesianRidge` does.
        return_cov : bool, default=False
            Return the covariance of the regression mean between the rows of X.
        confidence_level : float or array-like of float, default=0.95
            In the open interval (0, 1): 0.95, not 95.
        simultaneous : {None, 'bonferroni', 'scheffe', 'sup-t'}, default=None
            With `return_ci`: all intervals of this call hold together; see
            `Prediction.conf_int`. With `return_pi`: None or ``'bonferroni'``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, in units of y.
        interval : ndarray of shape ``y.shape + (2,) + np.shape(confidence_level)``
            Lower and upper bounds, with `return_ci` or `return_pi`; (-inf, inf) where
            the data do not bound the prediction.
        std : ndarray of shape ``y.shape``
            With `return_std`.
        cov : ndarray of shape ``y.shape + y.shape``
            With `return_cov`.

        Raises
        ------
        NotFittedError
            If the network is not fitted, or has no inference at its weights.
        ValueError
            If several flags are set, a level is not in (0, 1), inference failed, or
            parameters of training, such as `alpha`, were set after it.

        Warns
        -----
        OutsideSpanWarning
            If rows depend on parameters that no training row determines.
        ExtrapolationWarning
            If a single row, or more rows than chance explains, lie where the training
            rows say nothing; `get_prediction` tells which.
        StaleParametersWarning
            If `covariance` or `noise` were set after the inference.
        """
        flags = dict(return_ci=return_ci, return_pi=return_pi, return_std=return_std,
                     return_cov=return_cov)  # fmt: skip
        asked = [name for name, flag in flags.items() if flag]
        if len(asked) > 1:
            raise ValueError(
                f"{' and '.join(asked)} cannot be combined. Try one call for each, or "
                "get_prediction(X), which has them all."
            )
        if _dask.is_dask(X):
            return self._predict_lazily(X, asked, confidence_level, simultaneous)
        levels = check_levels(confidence_level)
        check_simultaneous(simultaneous)
        if not asked:
            return super().predict(X)
        if return_cov:
            return self._predict_cov(X)
        prediction = self.get_prediction(X)
        if return_std:
            prediction.conf_int(levels, obs=True)  # refuses where there is none
            return prediction.mean, prediction.se_obs
        interval = prediction.conf_int(
            levels, obs=bool(return_pi), simultaneous=simultaneous
        )
        return prediction.mean, interval

    def _predict_lazily(self, X, asked, confidence_level, simultaneous):
        """Return `predict` of a dask array, partition by partition."""
        if simultaneous is not None or "return_cov" in asked:
            raise ValueError(
                "simultaneous and return_cov relate all rows of a call to each other, "
                "and partitions are predicted one by one. Try them on an array."
            )
        levels = check_levels(confidence_level)
        flags = dict.fromkeys(asked, True) | (
            dict(confidence_level=levels.tolist()) if asked else {}
        )
        check_is_fitted(self)
        if asked:
            self._with_inference()
        shape = () if self.n_outputs_ == 1 else (self.n_outputs_,)
        return _dask.predict(self, X, shape, flags)

    def get_prediction(self, X):
        """Return predictions with their standard errors, intervals and a table.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows; the index of a DataFrame is kept.

        Returns
        -------
        prediction : Prediction
            With ``mean``, ``se_mean``, ``se_obs``, ``dof``, ``conf_int()`` and
            ``to_frame()``.

        Raises
        ------
        NotFittedError
            If the network is not fitted, or has no inference at its weights.
        ValueError
            If inference failed at fit.
        """
        y, rows, state, network = self._queries(X)
        poisson = self.loss == "poisson"
        with np.errstate(over="ignore", invalid="ignore"):
            found = _moments.moments(state, network, rows)
        mu = y.reshape(found.leverage.shape[::-1]).T if poisson else 1.0
        leverage = mu * found.leverage
        flagged = _moments.extrapolates(state, leverage, rows)
        self._warn_of_queries(state, found.se_mean, flagged)
        se_mean, se_obs, leverage = (
            a.T.reshape(y.shape) for a in (found.se_mean, found.se_obs, leverage)
        )
        smoother = state["report"]["method"] in ("least_squares", "frequentist")
        # Of this inference, whatever becomes of the estimator.
        jointly = functools.partial(_covariance_of, state, network, y, rows, poisson)
        return Prediction(
            y,
            se_mean * y if poisson else se_mean,
            np.full_like(se_obs, np.nan) if poisson else se_obs,
            state["dof"] if y.ndim == 2 else float(state["dof"][0]),
            X.index if hasattr(X, "iloc") else None,
            rank=state["report"]["rank"] if smoother else None,
            covariance=functools.partial(jointly, everywhere=False),
            joint=functools.partial(jointly, everywhere=True),
            log_link=poisson,
            leverage=leverage,
            extrapolates=flagged,
        )

    def _predict_cov(self, X):
        prediction = self.get_prediction(X)
        return prediction.mean, prediction.covariance()

    def _queries(self, X):
        """Return (predictions, X as an array of floats, state, network)."""
        state, network = self._with_inference()
        self._warn_stale(state)
        with np.errstate(over="ignore", invalid="ignore"):
            y = super().predict(X)  # checks X, which has but to be converted
        rows = check_array(
            X, accept_sparse="csr", dtype=FLOATS, ensure_all_finite=False
        )
        return y, rows, state, network

    @staticmethod
    def _warn_of_queries(state, se_mean, flagged):
        """Warn of rows that are unbounded, and of those that extrapolate."""
        unbounded = np.isinf(se_mean).any(axis=0)
        if state["posterior"] is not None and unbounded.any():
            why = (
                "are so large that their variance overflows: their intervals are "
                "unbounded. Try the scaler that the network was trained with."
                if state["report"]["method"] == "evidence"  # every direction is bounded
                else "depend on parameters that no training row determines, such as "
                "units inactive in training: their intervals are unbounded. Try "
                "covariance='auto'."
            )
            warn(
                f"{unbounded.sum()} of {unbounded.size} rows {why}",
                exceptions.OutsideSpanWarning,
            )
        flagged = flagged & ~unbounded
        if _moments.more_than_chance(state, flagged):
            warn(
                f"{flagged.sum()} of {flagged.size} rows lie where the training rows "
                "say nothing: intervals are not known to hold there. get_prediction(X)"
                ".extrapolates tells which. Try rows within the range of the training "
                "rows, and the scaler that the network was trained with.",
                exceptions.ExtrapolationWarning,
            )


def _covariance_of(state, network, y, rows, poisson, everywhere):
    """Return the covariance of the predictions `y` at `rows`, ``y.shape * 2``."""
    with np.errstate(over="ignore", invalid="ignore"):
        cov = _moments.covariance(state, network, rows, everywhere).reshape(y.shape * 2)
        return cov * np.multiply.outer(y, y) if poisson else cov
