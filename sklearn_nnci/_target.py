"""Inference for networks that are fitted to a transformed target.

With y = g(u), g the inverse transformation and monotone, P(l <= u <= h) is
P(g(l) <= y <= g(h)): bounds pass through g one at a time, swapped where it
decreases. A standard deviation passes only where g is a line, as a scaler's is:

    g(u) = a u + b  =>  sd(y) = |a| sd(u),  cov(y_k, y_l) = a_k a_l cov(u_k, u_l)

A residual e = u - f always does: in units of y it is y - g(u - e).
"""

import copy
import functools
from dataclasses import fields
from typing import Any

import numpy as np
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_nnci import _wrapped as wrapped
from sklearn_nnci._frames import labels
from sklearn_nnci._inference.diagnostics import Diagnostics
from sklearn_nnci._inference.influence import Influence
from sklearn_nnci._inference.report import Report
from sklearn_nnci._inverse import Inverse, TransformedPrediction, slopes_of
from sklearn_nnci._notebook import InNotebooks
from sklearn_nnci._prediction import Prediction, check_levels
from sklearn_nnci._regressor import MLPRegressorCI

FLAGS = ("return_ci", "return_pi", "return_std", "return_cov")


class TransformedTargetRegressorCI(
    wrapped.IntervalMethods, InNotebooks, TransformedTargetRegressor
):
    """Regress on a transformed target, with intervals in the units of y.

    :class:`sklearn.compose.TransformedTargetRegressor` with the methods of
    `MLPRegressorCI`: networks need scaled targets, and the parent takes nothing but
    predictions through the inverse.

    Parameters
    ----------
    regressor : object, default=None
        An `MLPRegressorCI` or `MLPEnsembleRegressorCI`, or a pipeline or search that
        ends in one; None is ``MLPRegressorCI()``.
    transformer : object, default=None
        As in the parent; it must act on each output alone and monotonically.
    func, inverse_func : function, default=None
        As in the parent; monotone.
    check_inverse : bool, default=True
        As in the parent.

    Attributes
    ----------
    regressor_, transformer_ :
        As in the parent.
    inference_ : Report or CommitteeReport
        That of the network inside; a `CommitteeReport` if that is a committee.

    See Also
    --------
    MLPRegressorCI : The regressor inside.

    Notes
    -----
    What is said of rows is in units of y: `predict`, `get_prediction`, `influence`.
    What is said of the network is in units of the transformed y, to which it was
    fitted: `inference_`, `diagnostics`, `loo_score`. All but `fit` and `predict` are an
    AttributeError if `regressor` does not end in an `MLPRegressorCI`.

    A confidence interval is one of g(E u), the median of y where the noise of u is
    symmetric; it is the mean of y if the inverse g is a line, as that of
    StandardScaler. Only then are there standard deviations. Whether it is one is found
    at fit, from its values over the transformed training targets and as far again on
    either side. A transformer that clips, as QuantileTransformer does, clips the bounds
    too. Where the inverse ends, as that of Box-Cox does, a lower bound is its limit.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=1.0,
    ...                      solver="lbfgs", max_iter=2000, random_state=0)
    >>> model = TransformedTargetRegressorCI(make_pipeline(StandardScaler(), net),
    ...                                      transformer=StandardScaler())
    >>> y_pred, pi = model.fit(X, y).predict(X[:3], return_pi=True)
    >>> pi.shape
    (3, 2)
    >>> model.get_prediction(X[:3]).conf_int([0.5, 0.9]).shape
    (3, 2, 2)
    >>> model.influence(X, y).cooks_distance.shape
    (442,)
    """

    def fit(self, X, y, **fit_params) -> "TransformedTargetRegressorCI":
        """Fit the transformer to y, then the regressor to the transformed y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        **fit_params : dict
            Passed to the regressor, `sample_weight` for example.

        Returns
        -------
        self : TransformedTargetRegressorCI
            The fitted estimator.
        """
        fitted = self._chosen()
        with wrapped.words_refused(fitted.regressor, X):
            super(TransformedTargetRegressorCI, fitted).fit(X, y, **fit_params)
        vars(self).update(vars(fitted) | {"regressor": self.regressor})
        self._slopes = slopes_of(self.transformer_, _numeric(y))
        return self

    def _chosen(self):
        """Return self, or where it has no regressor a copy that has a network."""
        if self.regressor is not None:
            return self
        chosen, network = copy.copy(self), MLPRegressorCI()
        if sklearn.get_config()["enable_metadata_routing"]:
            wrapped.request_intervals(network).set_fit_request(sample_weight=True)
        chosen.regressor = network
        return chosen

    def __sklearn_tags__(self):
        return super(TransformedTargetRegressorCI, self._chosen()).__sklearn_tags__()

    def get_metadata_routing(self):
        """Return which keywords go to the regressor, as in the parent.

        Returns
        -------
        routing : MetadataRouter
            As in the parent.
        """
        routed = self._chosen()
        return super(TransformedTargetRegressorCI, routed).get_metadata_routing()

    def predict(self, X, *, return_ci=False, return_pi=False, return_std=False,
                return_cov=False, **predict_params) -> Any:  # fmt: skip
        """Predict in units of y, and on request say how sure.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows.
        return_ci, return_pi : bool, default=False
            Return the confidence or the prediction interval; see
            `MLPRegressorCI.predict`.
        return_std, return_cov : bool, default=False
            Return the standard deviation of a new observation, noise included, or the
            covariance of the mean between rows, without it, if the inverse is a line.
        **predict_params : dict
            Passed to the regressor: `confidence_level`, `simultaneous`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        found : ndarray
            What was asked for, shaped as by `MLPRegressorCI.predict` for this y.

        Raises
        ------
        ValueError
            If the inverse is not monotone over the interval, or not a line where
            `return_std` or `return_cov` is asked for.
        """
        given = zip(FLAGS, (return_ci, return_pi, return_std, return_cov), strict=True)
        asked = {name: True for name, flag in given if flag}
        if not asked:
            check_levels(predict_params.pop("confidence_level", 0.95))
            return super().predict(X, **predict_params)
        check_is_fitted(self)
        bounds = return_ci or return_pi
        if not bounds and np.isnan(self._slopes).any():
            raise ValueError(
                f"{next(iter(asked))}=True cannot pass transformer_="
                f"{self.transformer_!r}, whose inverse is not a line: the spread of y "
                "is not the inverse of the spread of the transformed y. Try "
                "return_pi=True, whose bounds pass, or predict with regressor_."
            )
        u, found = self.regressor_.predict(X, **asked, **predict_params)
        y = self._g.of(u)
        if bounds:
            return y, self._g.through(u, found)
        if return_std:
            return y, np.abs(self._slopes) * found.reshape(y.shape)
        return y, self._g.covariance(lambda: found, y.shape)

    def get_prediction(self, X) -> Prediction:
        """Return predictions in units of y: standard errors, intervals and a table.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows; the index of a DataFrame is kept.

        Returns
        -------
        prediction : Prediction
            As by `MLPRegressorCI.get_prediction`; ``se_mean`` and ``se_obs`` are nan
            where the inverse is not a line, and intervals are those of `predict`.

        Raises
        ------
        NotFittedError
            If the model is not fitted, or has no inference at its weights.
        AttributeError
            If `regressor` does not end in an `MLPRegressorCI`.
        """
        network, rows = self._inside(X)
        inner = network.get_prediction(rows)
        y, a = self._g.of(inner.mean), np.abs(self._slopes)
        known = {item.name: getattr(inner, item.name) for item in fields(Prediction)}
        units = dict(se_mean=a, se_obs=a, leverage=1.0, noise_variance=a**2)
        known |= {
            name: unit * known[name].reshape(y.shape)
            for name, unit in units.items()
            if known.get(name) is not None
        }
        for name in ("covariance", "joint"):
            known[name] = functools.partial(self._g.covariance, known[name], y.shape)
        known |= dict(mean=y, **labels(X))
        return TransformedPrediction(**known, inner=inner, inverse=self._g)

    @property
    def inference_(self) -> Report:
        """What inference found, in units of the transformed y.

        A `Report`, or of a committee a `CommitteeReport`.
        """
        return self._inside()[0].inference_

    def diagnostics(self) -> Diagnostics:
        """Return every check of the network; see `MLPRegressorCI.diagnostics`.

        Returns
        -------
        diagnostics : Diagnostics
            Of the fit to the transformed y.
        """
        return self._inside()[0].diagnostics()

    def fit_inference(self, X, y, sample_weight=None) -> "TransformedTargetRegressorCI":
        """Compute the inference anew; see `MLPRegressorCI.fit_inference`.

        By the parameters of the network in ``regressor_``, a copy of the one given:
        set them there, ``model.regressor_[-1].set_params(covariance="HC3")``.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As given to `fit`: X not preprocessed, y not transformed.

        Returns
        -------
        self : TransformedTargetRegressorCI
            The model, its inference replaced.
        """
        network, X = self._inside(X)
        network.fit_inference(X, self._targets(y)[1], sample_weight)
        return self

    def influence(self, X, y, sample_weight=None) -> Influence:
        """Return what each training row does; see `MLPRegressorCI.influence`.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As given to `fit`: X not preprocessed, y not transformed.

        Returns
        -------
        influence : Influence
            ``residuals`` and ``loo_residuals`` in units of y, whatever the transformer:
            y less its prediction, by the network with the row and without it. Other
            fields have no units, and are of the fit to the transformed y.
        """
        network, rows = self._inside(X)
        y, u = self._targets(y)
        found = network.influence(rows, u, sample_weight)
        return found._replace(
            residuals=self._g.residuals(y, u, found.residuals),
            loo_residuals=self._g.residuals(y, u, found.loo_residuals),
        ).labelled(X)

    def loo_score(self, X, y, sample_weight=None) -> float:
        """Return the leave-one-out R^2 of the transformed y.

        It is that of y if the inverse is a line. Else it does not compare transformers,
        each of which changes what is scored.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As given to `fit`: X not preprocessed, y not transformed.

        Returns
        -------
        score : float
            See `MLPRegressorCI.loo_score`.
        """
        network, X = self._inside(X)
        return network.loo_score(X, self._targets(y)[1], sample_weight)

    def _inside(self, X=None):
        """Return the fitted network, and X as it sees it."""
        check_is_fitted(self)
        network, X = wrapped.unwrap(self.regressor_, X)
        if not hasattr(network, "get_prediction"):
            raise AttributeError(
                f"regressor_={self.regressor_!r} has no inference. Try regressor="
                "MLPRegressorCI(), or a pipeline or search that ends in one."
            )
        return network, X

    def _targets(self, y):
        """Return y and the transformed y, each (n, m)."""
        y = _numeric(y)
        m = np.prod(y.shape[1:], dtype=int)
        if m != self._slopes.size:
            raise ValueError(
                f"y has {m} outputs, but the model has {self._slopes.size}."
            )
        y = y.reshape(len(y), m)
        return y, np.asarray(self.transformer_.transform(y)).reshape(y.shape)

    @property
    def _g(self):
        """The inverse transformation."""
        return Inverse(self.transformer_, self._slopes)


def _numeric(y):
    return check_array(y, input_name="y", ensure_2d=False, allow_nd=True)
