"""`MLPRegressorCI`: scikit-learn's MLPRegressor that knows how sure it is.

Only estimators read and set attributes: what they call are functions of arrays and
records, in the folders below.
"""

import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_nnci import _lazy, exceptions
from sklearn_nnci import _saved as saved
from sklearn_nnci._frames import labels
from sklearn_nnci._inference import diagnostics, queries, standard_errors
from sklearn_nnci._inference.formulas import FORMULAS
from sklearn_nnci._inference.infer import infer
from sklearn_nnci._inference.laws import Asked
from sklearn_nnci._inference.noise import NOISES, check_numbers
from sklearn_nnci._linearized import partitions
from sklearn_nnci._linearized.training_rows import target
from sklearn_nnci._network import perceptron
from sklearn_nnci._prediction import Prediction, check_levels, check_simultaneous
from sklearn_nnci._report_methods import ReportMethods
from sklearn_nnci._training import early_stopping, remembered
from sklearn_nnci._training.problem import Problem, penalty_on, problem, warn_held_out
from sklearn_nnci._training_methods import FAILURES, TrainingMethods
from sklearn_nnci._warn import warn
from sklearn_nnci._wrapped import IntervalMethods

OWN_PARAMETERS = ("covariance", "noise", "errors", "variance")
# scikit-learn's constraint classes have no public name; the parent's own
# constraints are instances of them.
StrOptions = type(MLPRegressor._parameter_constraints["loss"][0])
Interval = type(MLPRegressor._parameter_constraints["learning_rate_init"][0])


def _trains_in_parts(estimator):
    """Return whether there is a partial_fit; refuse it to tuned networks."""
    if estimator.regularization == "evidence":
        raise AttributeError(
            "regularization='evidence' has no partial_fit: penalties are chosen from "
            "all rows. Try fit, or regularization='alpha' with solver='adam'."
        )
    return hasattr(super(MLPRegressorCI, estimator), "partial_fit")


class MLPRegressorCI(IntervalMethods, ReportMethods, TrainingMethods, MLPRegressor):
    """Multi-layer perceptron regressor with confidence and prediction intervals.

    Trains and predicts exactly as :class:`sklearn.neural_network.MLPRegressor`, of
    which it takes every parameter, and then computes from the Jacobian of the fitted
    weights how sure each prediction is: ``predict(X, return_ci=True)``.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        As in the parent. With ``'poisson'`` intervals of the mean are by
        quasi-likelihood, and those of a new observation are integers: of Poisson
        counts, or of negative binomial ones where y vary more.
    hidden_layer_sizes : array-like of shape (n_layers - 2,), default=(100,)
        As in the parent. ``()`` is a linear model.
    activation, solver : str, default='relu', 'adam'
        As in the parent. Intervals describe minima; ``'lbfgs'`` comes closest to one.
    alpha : float, default=0.0001
        As in the parent. The penalty in the information matrix is what the solver
        really minimised: alpha for ``'lbfgs'``, alpha times rows per batch for the
        others.
    batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle : optional
        As in the parent.
    random_state : int, RandomState instance, default=None
        As in the parent. Inference draws none of it: only ``simultaneous='sup-t'``
        draws at all, 10,000 normals by a generator of its own with a fixed seed, so
        that two calls agree.
    tol, verbose : optional
        As in the parent; long passes, and further starts, show progress by tqdm.
    warm_start, momentum, nesterovs_momentum : optional
        As in the parent.
    early_stopping : bool, default=False
        As in the parent. Rows held out did not train and do not count as data;
        they can measure the noise, ``noise='validation'``.
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun : optional
        As in the parent.
    covariance : {'auto', 'least_squares', 'bayesian', 'frequentist', 'evidence', \
'HC0', 'HC1', 'HC2', 'HC3'} or None, default='auto'
        Formula of the covariance of the weights, with J the Jacobian at the training
        rows, Lambda the penalty and A = J'J + Lambda:

        - ``'least_squares'``: s^2 (J'J)^+ [1]_
        - ``'bayesian'``: s^2 A^-1 [2]_
        - ``'frequentist'``: s^2 A^-1 J'J A^-1 [3]_
        - ``'HC0'``, ``'HC1'``, ``'HC2'``, ``'HC3'``: A^-1 (sum of r_i^2 j_i j_i') A^-1,
          r_i the residual e_i, for HC1 times sqrt(n / (n - edf)), over (1 - h_i)^1/2
          for HC2 and over 1 - h_i for HC3: for noise that varies with x [5]_
        - ``'evidence'``: bayesian, penalty and noise from the marginal likelihood of
          the linearised network [4]_, with the distance of the network from its
          optimum added
        - ``'auto'``: the evidence, with that distance and with what leave-one-out
          residuals say of the error beyond it: for networks however trained, the
          default one included. With a given `noise`, and a Poisson loss, bayesian,
          widened for what training left undone. ``inference_`` tells which, and why.
        - None: no inference at fit; see `fit_inference`.
    noise : {'auto', 'residual', 'loo', 'validation'} or float, default='auto'
        Noise variance s^2: RSS / (n - edf); mean squared leave-one-out residual; mean
        squared residual of the rows early stopping held out; or a known variance in
        squared units of y. ``'auto'`` is ``'residual'`` for a named covariance, and
        its own for ``'evidence'`` and ``'auto'``.
    polish : bool, default=False
        After training, run the penalised objective that the solver minimised to its
        true minimum (Levenberg-Marquardt, or L-BFGS for large networks). It changes
        the predictions; ``polish_`` tells how far it got. Left undone, with a warning,
        where there are more parameters than rows.
    n_restarts : int, default=0
        Further starts, each polished if asked (after 50 steps of lbfgs, where that
        reached a minimum from the first start); the lowest objective is kept.
        ``start_objectives_`` and `between_start_std` tell how much starts differ.
    n_jobs : int, default=None
        Processes for the further starts.
    regularization : {'alpha', 'evidence'}, default='alpha'
        ``'alpha'``: one penalty, the parameter `alpha`, as in the parent.
        ``'evidence'``: penalties that the data choose, one for each input, for the
        intercepts of each hidden layer, and for each further matrix of weights, by the
        evidence framework [6]_. Training is then the library's own: of the parent's
        parameters, `solver`, `alpha`, `batch_size`, and those of learning rates and
        momenta are not used; `max_iter` is the largest number of steps, before a polish
        that is implied; `n_restarts` compete by their evidence, and those that come
        close widen the intervals. X and y are standardised inside: no scaler is
        needed. Few units with kinks are trained badly: take ``activation='tanh'``, 10
        or 20 units.
    errors : {'normal', 'empirical'}, default='normal'
        Quantiles of prediction intervals: Student's, or those of the studentised
        leave-one-out residuals, for noise that is skewed or has heavy tails. Each tail
        has its own where skewness is significant. Other results do not change.
    variance : {'constant', 'auto'} or regressor, default='constant'
        How the noise varies with x. ``'auto'``: log-linear in x, x^2, f and f^2, or
        like the squares of the residuals around x or around f, whichever predicts
        these best [7]_; constant where none does clearly, and of fewer than 100 rows.
        Or a regressor of scikit-learn's kind, which is fitted to the logarithm of
        squared residuals. Prediction intervals are then wide where the noise is, and
        confidence intervals take it for what it is at each training row.

    Attributes
    ----------
    coefs_, intercepts_, loss_, n_iter_, ... :
        All of the parent's.
    inference_ : Report
        What inference found: method, noise, route, rank, degrees of freedom, noise
        variance, penalty, what was added to the variance of the mean, relative offset,
        largest leverage, reason, the share of the rows that memory allowed for,
        warnings.
    variance_model_ : regressor or list of regressors
        Of a regressor as `variance`, the one fitted to log squared residuals; a list
        for several outputs.
    penalties_, gamma_, relevance_, log_evidence_, start_evidences_ :
        Of ``regularization='evidence'``, each told where it is defined.

    Warns
    -----
    InferenceWarning
        At fit, one subclass per reason not to believe the intervals; see
        `sklearn_nnci.exceptions`. At predict, where queries lie where the training
        rows say nothing.

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
    .. [2] G. Wahba, "Bayesian 'confidence intervals' for the cross-validated
       smoothing spline", J. R. Statist. Soc. B 45, 1983.
    .. [3] R. D. De Veaux et al., "Prediction intervals for neural networks via
       nonlinear regression", Technometrics 40, 1998.
    .. [4] A. Immer, M. Korzepa and M. Bauer, "Improving predictions of Bayesian neural
       nets via local linearization", AISTATS 2021.
    .. [5] J. G. MacKinnon and H. White, "Some heteroskedasticity-consistent covariance
       matrix estimators with improved finite sample properties", J. Econometrics 29,
       1985.
    .. [6] D. J. C. MacKay, "Bayesian non-linear modelling for the prediction
       competition", ASHRAE Transactions 100, 1994.
    .. [7] M. Davidian and R. J. Carroll, "Variance function estimation", J. Amer.
       Statist. Assoc. 82, 1987.

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
        "covariance": [StrOptions({"auto", *FORMULAS}), None],
        "noise": [StrOptions(set(NOISES)), Interval(Real, 0, np.inf, closed="neither")],
        "polish": ["boolean"],
        "n_restarts": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "regularization": [StrOptions({"alpha", "evidence"})],
        "errors": [StrOptions({"normal", "empirical"})],
        "variance": [StrOptions({"constant", "auto"}), BaseEstimator],
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
        polish=False,
        n_restarts=0,
        n_jobs=None,
        regularization="alpha",
        errors="normal",
        variance="constant",
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
        self.polish = polish
        self.n_restarts = n_restarts
        self.n_jobs = n_jobs
        self.regularization = regularization
        self.errors = errors
        self.variance = variance

    def fit(self, X, y, sample_weight=None) -> "MLPRegressorCI":
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
        return self._fit_start(X, y, sample_weight)

    def _fit_start(self, X, y, sample_weight=None, start=0):
        """Fit; `start` is the number of the first start among those of a committee."""
        check_numbers(self.noise, n_restarts=self.n_restarts, n_jobs=self.n_jobs)
        self._forget()
        self._without_inference("The last call of fit did not finish.")
        tuned = self.regularization == "evidence"
        if tuned:
            failure, data = None, self._tune(X, y, sample_weight, start)
        else:
            failure, data = self._train(X, y, sample_weight)
        if failure:
            return self._failed(failure)
        if self.covariance is None:
            self._without_inference("covariance=None skipped the inference at fit.")
            return self
        try:
            self._infer(self._problem(*data, sample_weight), data[1])
        except FAILURES as error:
            return self._failed(error)
        return self

    def _failed(self, error):
        """Go on without inference, and say why."""
        self._without_inference(f"Inference failed at fit. {error}", failed=True)
        message = f"The network is fitted, but it has no intervals. {error}"
        warn(message, exceptions.InferenceUnavailableWarning)
        return self

    @available_if(_trains_in_parts)
    def partial_fit(self, X, y, sample_weight=None) -> "MLPRegressorCI":
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
        try:
            super().partial_fit(X, y, sample_weight)
        finally:
            self.__dict__.pop("_random_state_at_split", None)
        self._without_inference("partial_fit changed the weights.")
        self._forget()
        self._remember()
        return self

    def _fit_stochastic(self, *args, **kwargs):
        # The one hook into the parent: early stopping splits the rows here, with
        # this random state, after the initial weights have been drawn from it.
        if self.early_stopping:
            self._random_state_at_split = self._random_state.get_state()
        return super()._fit_stochastic(*args, **kwargs)

    def fit_inference(self, X, y, sample_weight=None) -> "MLPRegressorCI":
        """Compute the inference anew, at the current weights.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The rows that the network was trained on, after `partial_fit` for example
            those of all calls. With ``early_stopping=True``, the data given to `fit`:
            the rows it held out are recovered.
            They are read in chunks, and may lie on disk (`numpy.memmap`). The
            partitions of a dask array are reduced where they lie.
        y : {array-like, dask array} of shape (n_samples,) or (n_samples, n_outputs)
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
            If the inference cannot be done, or if parameters of training, such as
            `alpha`, were set after it; the estimator is unchanged.

        Warns
        -----
        InferenceWarning
            As `fit`, and where y lies far from that of the fit.
        """
        check_is_fitted(self)
        self._validate_params()
        check_numbers(self.noise, n_restarts=self.n_restarts, n_jobs=self.n_jobs)
        if self.covariance is None:
            raise ValueError(
                "covariance=None has no inference. Try set_params(covariance='auto')."
            )
        if partitions.is_dask(X):
            self._infer(self._partitioned(X, y, sample_weight))
            return self
        X, y = self._checked_data(X, y)
        self._infer(self._problem(X, y, sample_weight), y)
        remembered.warn_of_units(self._training(), y)
        return self

    @classmethod
    def from_estimator(cls, estimator, X, y, sample_weight=None, **own_parameters):
        """Return intervals for a network that was trained earlier.

        Parameters
        ----------
        estimator : MLPRegressor
            A fitted network, which may be an `MLPRegressorCI`; it is copied, not
            changed.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows it was trained on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        **own_parameters : dict
            `covariance`, `noise`, `errors` and `variance`. With ``covariance=None``
            there is no inference, and the rows are not read: the copy has a `jacobian`.

        Returns
        -------
        copy : MLPRegressorCI
            The same network with its inference.

        Raises
        ------
        TypeError
            If `estimator` is not an MLPRegressor or predicts in a way of its own, or
            if a parameter is not an own one.
        NotFittedError
            If it is not fitted.
        """
        remembered.check_source(estimator, cls.predict, own_parameters, OWN_PARAMETERS)
        check_is_fitted(estimator)
        new = cls()
        vars(new).update(copy.deepcopy(vars(estimator)))
        new.set_params(**own_parameters)
        if own_parameters.get("covariance", "auto") is None:
            new._without_inference("covariance=None skipped the inference.")
            return new
        return new.fit_inference(X, y, sample_weight)

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
    ) -> Any:
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
            Return the prediction interval of a new observation: noise included. Of
            counts, ``loss='poisson'``, its bounds are integers.
        return_std : bool, default=False
            Return the standard deviation of a new observation, noise included, as
            :class:`~sklearn.linear_model.BayesianRidge` does: ``se_obs`` of
            `get_prediction`.
        return_cov : bool, default=False
            Return the covariance of the regression mean between the rows of X, without
            noise: its diagonal is ``se_mean**2``, not the square of what `return_std`
            returns, as it would be for a Gaussian process. That of new observations is
            ``cov + np.diag(std**2 - np.diag(cov))``.
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
            Lower and upper bounds, with `return_ci` or `return_pi`; (-inf, inf), or
            (0, inf) of counts, where the data do not bound the prediction.
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
            If a row, or more than chance explains, lie where training rows say nothing.
        StaleParametersWarning
            If `covariance`, `noise`, `errors` or `variance` were set after the
            inference.
        """
        flags = dict(return_ci=return_ci, return_pi=return_pi, return_std=return_std,
                     return_cov=return_cov)  # fmt: skip
        asked = [name for name, flag in flags.items() if flag]
        if len(asked) > 1:
            raise ValueError(
                f"{' and '.join(asked)} cannot be combined. Try one call for each, or "
                "get_prediction(X), which has them all."
            )
        if partitions.is_dask(X):
            return self._predict_lazily(X, asked, confidence_level, simultaneous)
        levels = check_levels(confidence_level)
        check_simultaneous(simultaneous)
        if not asked:
            return super().predict(X)
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

    def _predict_lazily(self, X, asked, confidence_level, simultaneous):
        """Return `predict` of a dask array, partition by partition."""
        _lazy.check_flags(asked, simultaneous)
        levels = check_levels(confidence_level)
        flags = dict.fromkeys(asked, True) | (
            dict(confidence_level=levels.tolist()) if asked else {}
        )
        check_is_fitted(self)
        if asked:
            self._with_inference()
        shape = () if self.n_outputs_ == 1 else (self.n_outputs_,)
        return _lazy.predict(self, X, shape, flags)

    def get_prediction(self, X) -> Prediction:
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
        state, network = self._with_inference()
        queries.warn_stale(state["asked"], self._asked_for())
        with np.errstate(over="ignore", invalid="ignore"):
            y = super().predict(X)  # checks X, which has but to be converted
        rows = X
        if not (isinstance(X, np.ndarray) and X.dtype in perceptron.FLOATS):
            rows = check_array(
                X, accept_sparse="csr", dtype=perceptron.FLOATS, ensure_all_finite=False
            )
        found = queries.answer(state, network, self._training().loss, y, rows)
        return Prediction(**found, **labels(X))

    def _checked_data(self, X, y):
        """Return X and y (n, m), if they fit the network."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=perceptron.FLOATS,
            multi_output=True, y_numeric=True, reset=False,
        )  # fmt: skip
        y = target(y)
        if y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} outputs, but the network has {self.n_outputs_}."
            )
        return X, y

    def _problem(self, X, y, sample_weight):
        """Return the `Problem` of validated X and y (n, m)."""
        seen, network = self._checked_training(), self._network()
        reached = getattr(self, "best_validation_score_", None)
        candidates, seed = None, self.random_state
        known = isinstance(seed, Integral) and not self.warm_start
        if known and seen.stopped_early and seen.held_out is None:
            candidates = early_stopping.split_by_seed(
                seed, network.n_parameters, self.validation_fraction, len(y)
            )
        return problem(
            seen, network, X, y, sample_weight,
            best_score=getattr(self, "_split_score", reached),
            candidates=candidates, verbose=self.verbose,
        )  # fmt: skip

    def _partitioned(self, X, y, sample_weight):
        """Return the `Problem` of dask arrays."""
        seen = self._checked_training()
        rows, n_trained = partitions.partitions(
            self._network(), X, y, sample_weight, seen.loss, self.verbose
        )
        if seen.stopped_early:
            warn_held_out()
        return Problem(rows, None, penalty_on(rows.network, seen, n_trained))

    def _infer(self, problem, y=None):
        """Set the inference, and warn of what it found; `y` (n, m) if at hand."""
        law = Asked(self.errors, self.variance)
        inference = infer(problem, self.covariance, self.noise, law)
        polished = vars(self).get("_polished", {}).get("reason")
        found = diagnostics.found(
            inference,
            problem.rows,
            self.covariance,
            self.solver,
            polished,
            self._seen_tuning(),
        )
        asked, network = self._asked_for(), problem.rows.network
        near = self._near(inference, problem.rows, y)
        self._inference = standard_errors.to_state(
            inference, network, found, asked, near
        )
        for check in found.raised:
            warn(check.advice, getattr(exceptions, check.warning))

    def _asked_for(self):
        """Return own parameters; a regressor as what it prints, to be compared."""
        asked = self._parameters(OWN_PARAMETERS)
        return {
            name: repr(value) if isinstance(value, BaseEstimator) else value
            for name, value in asked.items()
        }

    def _without_inference(self, reason, failed=False):
        self._inference = {"absent": reason, "failed": failed}

    def _with_inference(self):
        """Return (state, network), or raise if there is no inference at its weights."""
        check_is_fitted(self)
        state = getattr(self, "_inference", {"absent": "", "failed": False})
        if "absent" in state:
            raise (ValueError if state["failed"] else NotFittedError)(
                f"This {type(self).__name__} has no inference, hence no intervals. "
                f"{state['absent']} Call fit_inference(X, y) first."
            )
        self._checked_training()
        network = self._network()
        theta = perceptron.pack(network.coefs, network.intercepts)
        if not np.array_equal(theta, state["theta"]):
            raise NotFittedError(
                "coefs_ or intercepts_ changed after the inference. Call "
                "fit_inference(X, y) to have intervals at the present weights."
            )
        return state, network

    def __getstate__(self):
        return {"_saved_by": saved.stamp(), **super().__getstate__()}

    def __setstate__(self, state):
        saved_by = state.pop("_saved_by", None)
        if "coefs_" in state:  # there are results that may differ
            saved.check(saved_by)
        super().__setstate__(state)
        for name, default in saved.SINCE.items():
            vars(self).setdefault(name, default)
        inference = vars(self).get("_inference", {"absent": ""})
        if (
            "absent" not in inference
            and inference.get("layout") != standard_errors.LAYOUT
        ):
            self._without_inference("It was saved by another version of sklearn-nnci.")
