"""`MLPEnsembleRegressorCI`: a committee of networks, as sure as they are together."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sklearn_nnci._committee import members
from sklearn_nnci._committee.answers import CommitteeMethods
from sklearn_nnci._committee.told import shared
from sklearn_nnci._inference.noise import check_numbers
from sklearn_nnci._linearized import partitions
from sklearn_nnci._network import perceptron
from sklearn_nnci._prediction import check_levels, check_simultaneous
from sklearn_nnci._regressor import FAILURES, OWN_PARAMETERS, Interval, MLPRegressorCI
from sklearn_nnci._warn import warn
from sklearn_nnci.exceptions import InferenceUnavailableWarning

# Training rows that tell how much of the variance is between members.
SAMPLE = 500


class MLPEnsembleRegressorCI(CommitteeMethods, RegressorMixin, BaseEstimator):
    """Committee of networks with confidence and prediction intervals.

    Networks of several sizes, each from several starts, are averaged, with weights by
    the evidence of each. Intervals contain what every network says of its own error,
    and how much the networks differ.

    Parameters
    ----------
    estimator : MLPRegressorCI, default=None
        The network that members are copies of; None is
        ``MLPRegressorCI(regularization="evidence", activation="tanh")``. Its
        `hidden_layer_sizes`, `random_state`, `n_restarts` and `n_jobs` are not used.
    architectures : sequence of hidden_layer_sizes, default=((5,), (10,), (20,))
        Sizes of the hidden layers, for each kind of member; None is that of
        `estimator`. Networks with ``regularization="alpha"`` have no evidence, which
        alone compares sizes: they take one architecture.
    n_starts : int, default=5
        Members of each architecture, which differ in their initial weights.
    n_jobs : int, default=None
        Processes that train members.
    random_state : int, RandomState instance, default=None
        Draws the seeds of the members. ``simultaneous='sup-t'`` draws by a generator
        of its own.

    Attributes
    ----------
    estimators_ : list of MLPRegressorCI
        The members, (K,): fitted networks, which have `jacobian`, `summary`,
        `influence` and the rest. They saw X as an array, without names of columns.
    weights_ : ndarray of shape (K,)
        Their weights, of sum 1. A member of weight 0 is not asked at predict.
    inference_ : CommitteeReport
        What inference found: number of members, in use and effective, degrees of
        freedom, noise variance, share of the variance between members, warnings.
    n_features_in_, n_outputs_ : int
        Columns of X and of y.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, where it has any.

    Warns
    -----
    InferenceWarning
        At fit, what members warned of that have half of the weight, each kind once. At
        predict, where queries lie where the training rows say nothing.

    See Also
    --------
    MLPRegressorCI : A member.
    TransformedTargetRegressorCI : Fits scaled targets, gives intervals of y.

    Notes
    -----
    With w_k the weights, f_k, C_k and s_k^2 the mean of member k, the covariance of
    that and its noise, the mean is f = sum w_k f_k, its covariance
    sum w_k [D_k C_k D_k + (f_k - f)(f_k - f)'], and the noise sum w_k s_k^2. D_k is
    min(1, 3 se_best / se_k): the standard error of a member counts up to three times
    that of the best. Weights are proportional to exp((log Z_k + log S_k) / sqrt(n m)),
    Z_k the evidence and S_k, of the best member of the same architecture, the number of
    networks that are the same function by symmetry of their active units, with n rows
    and m outputs [1]_. With ``regularization="alpha"`` they are
    exp(-4 (F_k - min F) / (p s^2)), F_k the penalised objective of p parameters and
    s^2 the leave-one-out noise of the best.
    A member that interpolates a row (leverage above 0.95) and is not the best has
    weight 0.

    References
    ----------
    .. [1] D. J. C. MacKay, "A practical Bayesian framework for backpropagation
       networks", Neural Computation 4, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPEnsembleRegressorCI
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (100, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(100)
    >>> model = MLPEnsembleRegressorCI(random_state=0).fit(X, y)
    >>> y_pred, ci = model.predict([[0.0], [1.0]], return_ci=True)
    >>> ci.shape
    (2, 2)
    >>> model.weights_.shape
    (15,)
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's convention
        "estimator": [MLPRegressorCI, None],
        "architectures": ["array-like"],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": MLPRegressorCI._parameter_constraints["n_jobs"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        architectures=((5,), (10,), (20,)),
        n_starts=5,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.architectures = architectures
        self.n_starts = n_starts
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None) -> "MLPEnsembleRegressorCI":
        """Train the members, and weigh them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight k stands for k equal rows.

        Returns
        -------
        self : MLPEnsembleRegressorCI
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are refused, or if every start of an
            architecture fails to train.
        RuntimeError
            If a process that trains members dies.
        """
        self._validate_params()
        check_numbers("auto", n_starts=self.n_starts, n_jobs=self.n_jobs)
        networks = self._new_members()
        self.__dict__.pop("estimators_", None)
        X, y = self._checked_data(X, y)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        outcomes = self._train(networks, X, y, sample_weight)
        trained = [one for one in outcomes if one.error is None]
        fitted = [one.result for one in trained]
        self.weights_ = members.weigh(fitted, X, y, sample_weight)
        self.estimators_ = fitted
        self._conclude(X, trained)
        absent = [members.why_absent(one) for one in fitted]
        members.warn_of_failures(outcomes, absent)
        return self

    def _train(self, networks, X, y, sample_weight):
        """Return the `Outcome` of training each of the networks."""
        starts = np.tile(np.arange(self.n_starts), len(self.architectures))
        tasks = [
            (members.started, one, X, y, sample_weight, int(start))
            for one, start in zip(networks, starts, strict=True)
        ]
        outcomes = members.on_each(tasks, FAILURES, self.n_jobs)
        members.check_trained(outcomes, self.n_starts)
        return outcomes

    def fit_inference(self, X, y, sample_weight=None) -> "MLPEnsembleRegressorCI":
        """Compute the inference of every member anew; weights stay.

        By `covariance` and `noise` of `estimator`, which may have been set since.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The rows that the members were trained on.
        y : {array-like, dask array} of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : MLPEnsembleRegressorCI
            The estimator, its inference replaced.

        Raises
        ------
        NotFittedError
            If the committee is not fitted.
        ValueError
            If the inference of a member with weight cannot be done; the estimator is
            unchanged.
        """
        check_is_fitted(self)
        lazy = partitions.is_dask(X)
        if not lazy:
            X, y = self._checked_data(X, y, reset=False)
        given = (self._own_parameters(), X, y, sample_weight)
        tasks = [(members.inferred, one, *given) for one in self.estimators_]
        outcomes = members.on_each(tasks, FAILURES, 1 if lazy else self.n_jobs)
        for weight, one in zip(self.weights_, outcomes, strict=True):
            if weight > 0.0 and one.error is not None:
                raise one.error
        pairs = zip(outcomes, self.estimators_, strict=True)
        self.estimators_ = [
            before if one.error else one.result for one, before in pairs
        ]
        self._conclude(None if lazy else X, outcomes)
        return self

    def predict(self, X, *, return_ci=False, return_pi=False, return_std=False,
                return_cov=False, confidence_level=0.95,
                simultaneous=None) -> Any:  # fmt: skip
        """Predict, and on request say how sure.

        At most one of the flags may be set.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            Query rows; see `MLPRegressorCI.predict` for dask arrays.
        return_ci, return_pi : bool, default=False
            Return the confidence interval of the regression mean, or the prediction
            interval of a new observation.
        return_std, return_cov : bool, default=False
            Return the standard deviation of a new observation, noise included, or the
            covariance of the regression mean between the rows of X, without it; see
            `MLPRegressorCI.predict`.
        confidence_level : float or array-like of float, default=0.95
            In the open interval (0, 1): 0.95, not 95.
        simultaneous : {None, 'bonferroni', 'sup-t'}, default=None
            With `return_ci`: all intervals of this call hold together; see
            `Prediction.conf_int`. With `return_pi`: None or ``'bonferroni'``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, in units of y.
        interval : ndarray of shape ``y.shape + (2,) + np.shape(confidence_level)``
            Lower and upper bounds, with `return_ci` or `return_pi`.
        std : ndarray of shape ``y.shape``
            With `return_std`.
        cov : ndarray of shape ``y.shape + y.shape``
            With `return_cov`.

        Raises
        ------
        NotFittedError
            If the committee is not fitted.
        ValueError
            If several flags are set, a level is not in (0, 1), or inference failed.

        Warns
        -----
        InferenceWarning
            As `MLPRegressorCI.predict`, once for all members.
        """
        flags = dict(return_ci=return_ci, return_pi=return_pi, return_std=return_std,
                     return_cov=return_cov)  # fmt: skip
        asked = [name for name, flag in flags.items() if flag]
        if len(asked) > 1:
            raise ValueError(
                f"{' and '.join(asked)} cannot be combined. Try one call for each, or "
                "get_prediction(X), which has them all."
            )
        levels = check_levels(confidence_level)
        if partitions.is_dask(X):
            return self._predict_lazily(X, asked, levels, simultaneous)
        check_simultaneous(simultaneous)
        if not asked:
            return self._mean(X)
        prediction = self.get_prediction(X)
        if return_cov:
            return prediction.mean, prediction.covariance()
        if return_std:
            prediction.check_observations()
            return prediction.mean, prediction.se_obs
        interval = prediction.conf_int(
            levels, obs=bool(return_pi), simultaneous=simultaneous
        )
        return prediction.mean, interval

    def __sklearn_is_fitted__(self):
        return "estimators_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    def _template(self):
        """Return the network that members are copies of."""
        if self.estimator is not None:
            return self.estimator
        return MLPRegressorCI(regularization="evidence", activation="tanh")

    def _own_parameters(self):
        return {name: getattr(self._template(), name) for name in OWN_PARAMETERS}

    def _new_members(self):
        """Return the members to be trained, architecture by architecture."""
        template = self._template()
        members.check(template, self.architectures)
        seeds = check_random_state(self.random_state).randint(
            2**31 - 1, size=(len(self.architectures), self.n_starts)
        )
        return members.new(template, self.architectures, seeds)

    def _checked_data(self, X, y, reset=True):
        """Return X, and y as (n,) or (n, m)."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=perceptron.FLOATS,
            multi_output=True, y_numeric=True, reset=reset,
        )  # fmt: skip
        column = y.ndim == 2 and y.shape[1] == 1
        return X, column_or_1d(y, warn=reset) if column else y

    def _conclude(self, X, outcomes):
        """Keep what is told of the inference, and warn of what half of it says."""
        told = [one.told for one in outcomes]
        found = shared(told, self.weights_, apart=(InferenceUnavailableWarning,))
        self._asked = self._own_parameters()
        self._raised = tuple(f"{kind.__name__}: {text}" for kind, text in found)
        self._between, best = np.nan, self.estimators_[np.argmax(self.weights_)]
        if X is not None and not members.why_absent(best):
            step = max(1, X.shape[0] // SAMPLE)
            self._between = self._share_between(X[::step])
        for kind, text in found:
            warn(text, kind)
