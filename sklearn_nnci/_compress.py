"""`compress`: a copy of a fitted estimator that is for prediction only."""

import copy
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_nnci._inference.compressed import compressed

# What only training reads; another fit makes it anew.
OF_TRAINING = ("_optimizer", "_random_state", "_best_coefs", "_best_intercepts")

WEIGHTS = ("coefs_", "intercepts_")


class CompressMethods:
    """`compress`, of every estimator with intervals: a mixin."""

    def compress(self) -> Any:
        """Return a copy for prediction: a quarter or half of the size, and faster.

        What is kept of the covariance is packed into a triangle of single precision.
        The state of the optimiser is left out, and where there are more parameters than
        rows, the network is not linearised at these in each prediction. Predictions are
        the same bit for bit, standard errors to 1e-4 of themselves.

        Returns
        -------
        copy : same type as the estimator
            Fitted. All methods work: those that take the training rows compute from
            them what they need, `fit_inference` brings double precision back, and `fit`
            everything. What is lost is where training stood: after `partial_fit` or
            with ``warm_start=True``, ``'adam'`` and ``'sgd'`` go on from the same
            weights without their momenta.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted, or has no inference at its weights.
        ValueError
            If inference failed at fit.

        Notes
        -----
        Whether single precision is enough is measured, at gradients drawn as those of
        training rows. Where it would move a standard error by more than 1e-5 of itself,
        as it does with columns that are nearly the same, a very small penalty, or
        directions that the rows do not determine, the triangle stays in double
        precision, which is half of the size.

        Examples
        --------
        >>> import pickle
        >>> import numpy as np
        >>> from sklearn_nnci import MLPRegressorCI
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((1000, 5))
        >>> y = X[:, 0] + rng.standard_normal(1000)
        >>> net = MLPRegressorCI(max_iter=20, random_state=0).fit(X, y)
        >>> small = net.compress()
        >>> len(pickle.dumps(small)) < len(pickle.dumps(net)) / 3
        True
        >>> y_pred, pi = net.predict(X[:3], return_pi=True)
        >>> bool(np.allclose(small.predict(X[:3], return_pi=True)[1], pi, rtol=1e-4))
        True
        """
        return _compressed(self)


def _compressed(model: Any) -> Any:
    """Return a copy of a model, of what is inside if it is a wrapper."""
    if hasattr(model, "best_estimator_"):
        return _with(model, best_estimator_=_compressed(model.best_estimator_))
    if isinstance(model, Pipeline):
        *steps, (name, last) = model.steps
        return _with(model, steps=[*steps, (name, _compressed(last))])
    check_is_fitted(model)
    if "regressor_" in vars(model):
        model.inference_  # noqa: B018 - says so if there is none
        return _with(model, regressor_=_compressed(model.regressor_))
    if "estimators_" in vars(model):
        return _with(model, estimators_=_members(model))
    state, network = model._with_inference()
    # Weights of its own: partial_fit moves them in their place.
    own = {name: [*map(np.copy, getattr(model, name))] for name in WEIGHTS}
    new = _with(model, _inference=compressed(state, network), **own)
    for name in OF_TRAINING:
        vars(new).pop(name, None)
    return new


def _with(model: Any, **changed: Any) -> Any:
    """Return a shallow copy of a model with other attributes."""
    new = copy.copy(model)
    vars(new).update(changed)
    return new


def _members(committee: Any) -> list[Any]:
    """Return the members, compressed; those of no weight may have no inference."""
    return [
        _compressed(one) if hasattr(one, "inference_") else copy.copy(one)
        for one in committee.estimators_
    ]
