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
    symmetric; it is the mean of y if g is linear, as that of StandardScaler. A
    transformer that clips, as QuantileTransformer does beyond the training data,
    clips the bounds too.

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
        u, interval = self.regressor_.predict(
            X, return_ci=return_ci, return_pi=return_pi, **predict_params
        )
        rows, levels = u.reshape(len(u), -1), interval.shape[u.ndim + 1 :]
        bounds = interval.reshape(*rows.shape, 2, -1)
        sign = self._directions(rows, bounds)
        y = self.transformer_.inverse_transform(rows)
        if self._training_dim == 1:
            y = y.reshape(-1)
        # Bound by bound: a transformer acts on (n_samples, n_outputs), no more.
        sides = [
            [self._invert(side[..., k], rows, sign, end) for k in range(side.shape[-1])]
            for side, end in zip(np.moveaxis(bounds, 2, 0), (-1.0, 1.0), strict=True)
        ]
        ordered = np.sort(np.moveaxis(np.array(sides), (0, 1), (2, 3)), axis=2)
        return y, ordered.reshape(*y.shape, 2, *levels)

    def _invert(self, bound, u, sign, end):
        """Return g(bound), (n, m); infinite where g has no value or `bound` none."""
        finite = np.isfinite(bound)
        out = self.transformer_.inverse_transform(np.where(finite, bound, u))
        return np.where(finite & ~np.isnan(out), out, sign * end * np.inf)

    def _directions(self, u, bounds):
        """Return 1 or -1 per output, where g rises or falls over the bounds.

        g is followed along one output at a time, the others at their median.
        """
        values = np.concatenate([u[:, :, None], *np.moveaxis(bounds, 3, 0)], axis=2)
        values = np.where(np.isfinite(values), values, u[:, :, None])
        lowest, highest = values.min(axis=(0, 2)), values.max(axis=(0, 2))
        signs = np.ones(u.shape[1])
        for k in range(len(signs)):
            along = np.tile(np.median(u, axis=0), (GRID, 1))
            along[:, k] = np.linspace(lowest[k], highest[k], GRID)
            g = self.transformer_.inverse_transform(along)
            others = np.delete(g, k, axis=1)
            step = np.diff(g[:, k])
            step = step[~np.isnan(step)]
            if (step < 0.0).any() and (step > 0.0).any():
                self._refuse("is not monotone over the interval")
            if not np.allclose(others, others[:1], equal_nan=True):
                self._refuse("mixes the outputs")
            signs[k] = -1.0 if (step < 0.0).any() else 1.0
        return signs

    def _refuse(self, what):
        raise ValueError(
            f"The inverse of transformer_={self.transformer_!r} {what}, so bounds "
            "cannot pass it. Try a transformer that acts on each output alone, and "
            "monotonically."
        )
