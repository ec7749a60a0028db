"""Intervals for networks that are fitted to a transformed target.

With y = g(u), g the inverse transformation and monotone, P(l <= u <= h) is
P(g(l) <= y <= g(h)): bounds pass through g one at a time, swapped where it
decreases. A standard deviation does not: that of g(u) is not g of that of u.
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.utils.validation import check_is_fitted

# Points at which the inverse is checked over the range of the values sent to it.
GRID = 201


class TransformedTargetRegressorCI(TransformedTargetRegressor):
    """Regress on a transformed target, with intervals in the units of y.

    :class:`sklearn.compose.TransformedTargetRegressor` whose ``predict`` accepts
    ``return_ci`` and ``return_pi``: networks need scaled targets, and the parent
    cannot take the pair that such a call returns through the inverse.

    Parameters
    ----------
    regressor : object, default=None
        An `MLPRegressorCI`, or a pipeline that ends in one.
    transformer : object, default=None
        As in the parent; it must act on each output alone and monotonically.
    func : function, default=None
        As in the parent; monotone.
    inverse_func : function, default=None
        As in the parent; monotone.
    check_inverse : bool, default=True
        As in the parent.

    Attributes
    ----------
    regressor_, transformer_ :
        As in the parent.

    See Also
    --------
    MLPRegressorCI : The regressor inside.

    Notes
    -----
    A confidence interval is one of g(E u), the median of y where the noise of u is
    symmetric; it is the mean of y if g is linear, as that of StandardScaler.

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
    """

    def predict(self, X, *, return_ci=False, return_pi=False, **predict_params):
        """Predict in the units of y, on request with an interval.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows.
        return_ci : bool, default=False
            Return the confidence interval; see `MLPRegressorCI.predict`.
        return_pi : bool, default=False
            Return the prediction interval.
        **predict_params : dict
            Passed to the regressor, `confidence_level` for example.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        interval : ndarray of shape ``y.shape + (2,) + np.shape(confidence_level)``
            Lower and upper bounds, with `return_ci` or `return_pi`.

        Raises
        ------
        ValueError
            If the inverse transformation is not monotone over the interval, or if
            `return_std` or `return_cov` is asked for.
        """
        for name in ("return_std", "return_cov"):
            if predict_params.pop(name, False):
                raise ValueError(
                    f"{name}=True cannot pass a transformed target: the spread of y is "
                    "not the inverse of the spread of the transformed y. Try "
                    "return_pi=True, whose bounds pass, or predict with regressor_."
                )
        if not (return_ci or return_pi):
            predict_params.pop("confidence_level", None)
            return super().predict(X, **predict_params)
        check_is_fitted(self)
        _, interval = self.regressor_.predict(
            X, return_ci=return_ci, return_pi=return_pi, **predict_params
        )
        return super().predict(X), self._to_units_of_y(interval)

    def _to_units_of_y(self, interval):
        """Return the bounds (n, [m,] 2, ...) through the inverse, in order."""
        m = interval.shape[1] if self._training_dim == 2 else 1
        return interval
