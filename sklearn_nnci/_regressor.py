"""`MLPRegressorCI`: scikit-learn's MLPRegressor that knows how sure it is."""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import sklearn
from scipy.linalg import LinAlgError
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_nnci import _jacobian, _moments, _network, _training, exceptions
from sklearn_nnci._covariance import InferenceUnavailable, Report, Validation, infer
from sklearn_nnci._diagnostics import checks
from sklearn_nnci._information import restore
from sklearn_nnci._intervals import Prediction, check_levels
from sklearn_nnci._version import __version__

COVARIANCES = {"auto", "least_squares", "bayesian", "frequentist", "evidence"}
NOISES = {"auto", "residual", "loo", "validation"}
OWN_PARAMETERS = ("covariance", "noise")
# scikit-learn's constraint classes have no public name; the parent's own
# constraints are instances of them.
StrOptions = type(MLPRegressor._parameter_constraints["loss"][0])
Interval = type(MLPRegressor._parameter_constraints["learning_rate_init"][0])


class MLPRegressorCI(MLPRegressor):
    """Multi-layer perceptron regressor with confidence and prediction intervals.

    Trains and predicts exactly as :class:`sklearn.neural_network.MLPRegressor`, of
    which it takes every parameter, and then computes from the Jacobian of the fitted
    weights how sure each prediction is: ``predict(X, return_ci=True)``.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        As in the parent. Intervals are there for ``'squared_error'``.
    hidden_layer_sizes, activation, solver :
        As in the parent. Intervals describe minima, and ``'lbfgs'`` comes closest.
    alpha : float, default=0.0001
        As in the parent. The penalty in the information matrix is what the solver
        really minimised: alpha for ``'lbfgs'``, alpha times rows per batch for the
        others.
    batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, \
random_state, tol, verbose, warm_start, momentum, nesterovs_momentum :
        As in the parent. Inference draws no random numbers.
    early_stopping : bool, default=False
        As in the parent. Rows held out did not train and do not count as data;
        they can measure the noise, ``noise='validation'``.
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun :
        As in the parent.
    covariance : {'auto', 'least_squares', 'bayesian', 'frequentist', 'evidence'} \
or None, default='auto'
        Formula of the covariance of the weights, with J the Jacobian at the training
        rows, Lambda the penalty and A = J'J + Lambda:

        - ``'least_squares'``: s^2 (J'J)^+ [1]_
        - ``'bayesian'``: s^2 A^-1 [2]_
        - ``'frequentist'``: s^2 A^-1 J'J A^-1 [3]_
        - ``'evidence'``: bayesian, penalty and noise from the marginal likelihood of
          the linearised network [4]_
        - ``'auto'``: bayesian with leave-one-out noise, confidence intervals widened
          for what training left undone, if the effective degrees of freedom are at
          most 0.3 n; else evidence, with the distance to its optimum added.
          ``inference_`` tells which, and why.
        - None: no inference at fit; see `fit_inference`.
    noise : {'auto', 'residual', 'loo', 'validation'} or float, default='auto'
        Noise variance s^2: RSS / (n - edf); mean squared leave-one-out residual; mean
        squared residual of the rows early stopping held out; or a known variance in
        squared units of y. ``'auto'`` is ``'residual'`` for a named covariance, and
        its own for ``'evidence'`` and ``'auto'``.

    Attributes
    ----------
    coefs_, intercepts_, loss_, n_iter_, ... :
        All of the parent's.
    inference_ : Report
        What inference found: method, noise, route, rank, degrees of freedom, noise
        variance, penalty, relative offset, largest leverage, reason, warnings.

    Warns
    -----
    InferenceWarning
        At fit, one subclass per reason not to believe the intervals; see
        `sklearn_nnci.exceptions`. At predict, where a query depends on parameters
        that no training row determines.

    See Also
    --------
    sklearn.neural_network.MLPRegressor : The parent.
    TransformedTargetRegressorCI : Fits scaled targets, gives intervals of y.

    Notes
    -----
    Networks want standardised X and y. Confidence intervals hold for networks that
    reached their minimum and are large enough; prediction intervals are more robust.

    References
    ----------
    .. [1] I. Rivals and L. Personnaz, "Construction of confidence intervals for neural
       networks based on least squares estimation", Neural Networks 13, 2000.
    .. [2] G. Wahba, "Bayesian 'confidence intervals' for the cross-validated smoothing
       spline", J. R. Statist. Soc. B 45, 1983.
    .. [3] R. D. De Veaux et al., "Prediction intervals for neural networks via nonlinear
       regression", Technometrics 40, 1998.
    .. [4] A. Immer, M. Korzepa and M. Bauer, "Improving predictions of Bayesian neural
       nets via local linearization", AISTATS 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (200, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      solver="lbfgs", max_iter=5000, max_fun=10**6, tol=1e-7,
    ...                      random_state=1)
    >>> y_pred, ci = net.fit(X, y).predict([[0.0], [1.0]], return_ci=True)
    >>> ci.shape
    (2, 2)
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's convention
        **MLPRegressor._parameter_constraints,
        "covariance": [StrOptions(COVARIANCES), None],
        "noise": [StrOptions(NOISES), Interval(Real, 0, np.inf, closed="neither")],
    }

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        covariance="auto",
        noise="auto",
    ):
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.covariance = covariance
        self.noise = noise

    # ------------------------------------------------------------------ fitting

    def fit(self, X, y, sample_weight=None):
        """Fit the network, then the inference about it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight k stands for k equal rows, in the noise and its degrees of
            freedom too. With ``covariance='least_squares', noise='residual'``, weights
            of mean 1 are also the precision weights of weighted least squares.

        Returns
        -------
        self : MLPRegressorCI
            The fitted estimator.
        """
        self._check_noise()
        self.__dict__.pop("_random_state_at_split", None)
        super().fit(X, y, sample_weight)
        random_state = self.__dict__.pop("_random_state_at_split", None)
        self._without_inference("covariance=None skipped the inference at fit.")
        if self.covariance is None:
            return self
        try:
            X = check_array(X, accept_sparse="csr", dtype=np.float64)
            self._infer(X, _training.target(y), sample_weight, random_state)
        except (InferenceUnavailable, LinAlgError, MemoryError) as error:
            self._without_inference(f"Inference failed at fit. {error}", failed=True)
            message = f"The network is fitted, but it has no intervals. {error}"
            warnings.warn(message, exceptions.InferenceUnavailableWarning, stacklevel=2)
        return self

    @available_if(lambda self: hasattr(super(MLPRegressorCI, self), "partial_fit"))
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one iteration over the given rows; the inference becomes absent.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        self : MLPRegressorCI
            The trained estimator. Call `fit_inference` when training is over.
        """
        super().partial_fit(X, y, sample_weight)
        self._without_inference("partial_fit changed the weights.")
        return self

    def fit_inference(self, X, y, sample_weight=None):
        """Compute the inference anew, at the current weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that the network was trained on, after `partial_fit` for example
            those of all calls. With ``early_stopping=True`` and an integer
            `random_state`, the data given to `fit`: the rows it held out are recovered.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : MLPRegressorCI
            The estimator, its inference replaced.

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        ValueError
            If the inference cannot be done; the estimator is unchanged.
        """
        check_is_fitted(self)
        self._validate_params()
        self._check_noise()
        if self.covariance is None:
            raise ValueError(
                "covariance=None has no inference. Try set_params(covariance='auto')."
            )
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float64, multi_output=True,
            y_numeric=True, reset=False,
        )  # fmt: skip
        seed, n_parameters = self.random_state, self._network().n_parameters
        known = isinstance(seed, Integral) and not self.warm_start
        random_state = _training.state_at_split(seed, n_parameters) if known else None
        self._infer(X, _training.target(y), sample_weight, random_state)
        return self

    @classmethod
    def from_estimator(cls, estimator, X, y, sample_weight=None, **own_parameters):
        """Return intervals for a network that was trained earlier.

        Parameters
        ----------
        estimator : MLPRegressor
            A fitted network; it is copied, not changed.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows it was trained on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        **own_parameters : dict
            `covariance` and `noise`.

        Returns
        -------
        copy : MLPRegressorCI
            The same network with its inference.

        Raises
        ------
        TypeError
            If `estimator` is not an MLPRegressor, or a parameter is not an own one.
        NotFittedError
            If it is not fitted.
        """
        if not isinstance(estimator, MLPRegressor):
            raise TypeError(
                "estimator must be a fitted MLPRegressor, got "
                f"{type(estimator).__name__}. For a pipeline, pass its last step and "
                "the X that step sees."
            )
        unknown = sorted(set(own_parameters) - set(OWN_PARAMETERS))
        if unknown:
            raise TypeError(
                f"from_estimator takes {' and '.join(OWN_PARAMETERS)}, got {unknown}. "
                "The other parameters are those of the estimator."
            )
        check_is_fitted(estimator)
        new = cls()
        vars(new).update(copy.deepcopy(vars(estimator)))
        return new.set_params(**own_parameters).fit_inference(X, y, sample_weight)

    def _fit_stochastic(self, *args, **kwargs):
        # The one hook into the parent: early stopping splits the rows here, with
        # this random state, after the initial weights have been drawn from it.
        if self.early_stopping:
            self._random_state_at_split = self._random_state.get_state()
        return super()._fit_stochastic(*args, **kwargs)

    def _check_noise(self):
        if isinstance(self.noise, (bool, np.bool_)):
            raise ValueError(
                f"noise must be a positive variance or one of {sorted(NOISES)}, got "
                f"{self.noise!r}. Try noise='auto'."
            )

    # ---------------------------------------------------------------- inference

    def _infer(self, X, y, sample_weight, random_state):
        """Set the inference from validated X (n, d) and y (n, m)."""
        if self.loss == "poisson":
            raise InferenceUnavailable("Intervals for loss='poisson' are not there yet.")
        network, w = self._network(), _training.weights(sample_weight, X)
        with np.errstate(over="ignore", invalid="ignore"):
            e = _training.residuals(network, X, y)
            train, held_out = self._split(y, e, w, random_state)
            inference = infer(
                network,
                _training.training_rows(X, e, w, train),
                covariance=self.covariance,
                noise=self.noise,
                strength=_training.strength(
                    self.solver, self.alpha, self.batch_size, len(train)
                ),
                validation=Validation(e[:, held_out], w[held_out]),
            )
        found = checks(inference, self.covariance)
        texts = tuple(f"{kind.__name__}: {text}" for kind, text in found)
        report = inference.report._replace(warnings=texts)
        self._inference = _moments.to_state(inference, report, network)
        for kind, text in found:
            warnings.warn(text, kind, stacklevel=3)

    def _split(self, y, e, w, random_state):
        """Return the indices of the rows that trained, and of those held out."""
        everything = np.arange(len(y)), np.arange(0)
        if not self.early_stopping or self.solver == "lbfgs":
            return everything
        split = random_state and _training.replay_split(
            random_state, self.validation_fraction, y, e, w, self.best_validation_score_
        )
        if not split:
            warnings.warn(
                "The rows that early stopping held out could not be recovered: all rows "
                "are taken as training rows. Try fit with an integer random_state and "
                "no warm_start, on these data.",
                exceptions.HeldOutRowsWarning,
                stacklevel=4,
            )
        return split or everything

    def _network(self):
        """Return the fitted weights, or raise if they do not fit together."""
        trained = getattr(self, "_inference", {}).get("activation", self.activation)
        if trained != self.activation:
            raise ValueError(
                f"activation={self.activation!r}, but the network was trained with "
                f"{trained!r}. Set it back, or fit again."
            )
        return _training.checked_network(
            self.coefs_, self.intercepts_, trained, self.n_features_in_, self.n_outputs_
        )

    def _without_inference(self, reason, failed=False):
        absent = {"absent": reason, "failed": failed, "activation": self.activation}
        self._inference = absent

    def _with_inference(self):
        """Return (state, network), or raise if there is no inference at its weights."""
        check_is_fitted(self)
        state = getattr(self, "_inference", {"absent": "", "failed": False})
        if "absent" in state:
            raise (ValueError if state["failed"] else NotFittedError)(
                f"This {type(self).__name__} has no inference, hence no intervals. "
                f"{state['absent']} Call fit_inference(X, y) first."
            )
        network = self._network()
        theta = _network.pack(network.coefs, network.intercepts)
        if not np.array_equal(theta, state["theta"]):
            raise NotFittedError(
                "coefs_ or intercepts_ changed after the inference. Call "
                "fit_inference(X, y) to have intervals at the present weights."
            )
        return state, network

    @property
    def inference_(self):
        """What inference found, a `Report`."""
        return Report(**self._with_inference()[0]["report"])

    # --------------------------------------------------------------- prediction

    def predict(
        self,
        X,
        *,
        return_ci=False,
        return_pi=False,
        return_std=False,
        return_cov=False,
        confidence_level=0.95,
    ):
        """Predict, and on request say how sure.

        At most one of the flags may be set. With none, this is the parent's
        ``predict``, bit for bit, and costs what that costs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows.
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
            If several flags are set, a level is not in (0, 1), or inference failed.

        Warns
        -----
        OutsideSpanWarning
            If rows depend on parameters that no training row determines.
        """
        flags = dict(return_ci=return_ci, return_pi=return_pi, return_std=return_std,
                     return_cov=return_cov)  # fmt: skip
        asked = [name for name, flag in flags.items() if flag]
        if not asked:
            return super().predict(X)
        if len(asked) > 1:
            raise ValueError(
                f"{' and '.join(asked)} cannot be combined. Try one call for each, or "
                "get_prediction(X), which has them all."
            )
        levels = check_levels(confidence_level)
        if return_cov:
            return self._predict_cov(X)
        prediction = self.get_prediction(X)
        if return_std:
            return prediction.mean, prediction.se_obs
        return prediction.mean, prediction.conf_int(levels, obs=bool(return_pi))

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
        se_mean, se_obs = _moments.standard_errors(state, network, rows)
        if state["posterior"] is not None:
            self._warn_outside(np.isinf(se_mean))
        dof = state["dof"] if y.ndim == 2 else float(state["dof"][0])
        index = X.index if hasattr(X, "iloc") else None
        se_mean, se_obs = se_mean.T.reshape(y.shape), se_obs.T.reshape(y.shape)
        return Prediction(y, se_mean, se_obs, dof, index)

    def _predict_cov(self, X):
        y, rows, state, network = self._queries(X)
        cov = _moments.covariance(state, network, rows).reshape(y.shape * 2)
        return y, cov

    def _queries(self, X):
        """Return (predictions, X in float64, state, network)."""
        state, network = self._with_inference()
        y = super().predict(X)
        rows = check_array(X, accept_sparse="csr", dtype=np.float64)
        return y, rows, state, network

    def _warn_outside(self, unbounded):
        n_rows = int(unbounded.any(axis=0).sum())
        if n_rows:
            warnings.warn(
                f"{n_rows} of {unbounded.shape[1]} rows depend on parameters that no "
                "training row determines, such as units that were inactive in training: "
                "their intervals are unbounded. Try covariance='evidence'.",
                exceptions.OutsideSpanWarning,
                stacklevel=4,
            )

    def jacobian(self, X):
        """Return the derivative of the output with respect to every parameter.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows.

        Returns
        -------
        J : ndarray of shape (n_samples, p) or (n_samples, n_outputs, p)
            Columns in packing order, see `parameter_names`. With ``loss='poisson'``,
            of the log of the mean.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        J = _jacobian.dense(_jacobian.factors(self._network(), X)).T
        return J[:, 0] if self.n_outputs_ == 1 else J

    def parameter_names(self):
        """Return one name per parameter, in packing order.

        Returns
        -------
        names : list of str of length p
            ``coefs_[l][i, j]``, layer by layer in C order, then ``intercepts_[l][j]``.
        """
        check_is_fitted(self)
        return _network.parameter_names(self._network())

    def parameter_covariance(self):
        """Return the covariance of the packed parameters.

        Returns
        -------
        cov : ndarray of shape (p, p)
            In packing order; j(x)'cov j(x) is the variance of f(x). Directions that
            the data do not determine are left out, as in a pseudo-inverse.

        Raises
        ------
        NotFittedError
            If the network is not fitted, or has no inference at its weights.
        ValueError
            If the covariance is unbounded: no residual degrees of freedom are left.
        """
        state, network = self._with_inference()
        if state["posterior"] is None:
            raise ValueError(
                "The covariance is unbounded: no residual degrees of freedom are left. "
                "Try covariance='evidence'."
            )
        return restore(network, state["posterior"]).parameter_covariance()

    # ----------------------------------------------------------------- pickling

    def __getstate__(self):
        return {**super().__getstate__(), "_saved_by": _versions()}

    def __setstate__(self, state):
        saved_by = state.pop("_saved_by", None)
        if saved_by is not None and tuple(saved_by) != _versions():
            warnings.warn(
                f"Saved by {', '.join(saved_by)}, loaded by {', '.join(_versions())}: "
                "results may differ. Fit again, or load with the versions that saved.",
                exceptions.VersionMismatchWarning,
                stacklevel=2,
            )
        super().__setstate__(state)


def _versions():
    return f"sklearn-nnci {__version__}", f"scikit-learn {sklearn.__version__}"
