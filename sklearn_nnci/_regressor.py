"""`MLPRegressorCI`: scikit-learn's MLPRegressor that knows how sure it is."""

from numbers import Integral, Real

import numpy as np
from scipy.linalg import LinAlgError
from sklearn.neural_network import MLPRegressor
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array

from sklearn_nnci import _network, _training, exceptions
from sklearn_nnci._covariance import ROBUST
from sklearn_nnci._inference import NOISES
from sklearn_nnci._statistics import StatisticsMixin
from sklearn_nnci._warn import warn

COVARIANCES = {
    "auto", "least_squares", "bayesian", "frequentist", "evidence", *ROBUST
}  # fmt: skip
# What leaves a fitted network without intervals.
FAILURES = (ValueError, LinAlgError, MemoryError)
# scikit-learn's constraint classes have no public name; the parent's own
# constraints are instances of them.
StrOptions = type(MLPRegressor._parameter_constraints["loss"][0])
Interval = type(MLPRegressor._parameter_constraints["learning_rate_init"][0])


class MLPRegressorCI(StatisticsMixin, MLPRegressor):
    """Multi-layer perceptron regressor with confidence and prediction intervals.

    Trains and predicts exactly as :class:`sklearn.neural_network.MLPRegressor`, of
    which it takes every parameter, and then computes from the Jacobian of the fitted
    weights how sure each prediction is: ``predict(X, return_ci=True)``.

    Parameters
    ----------
    loss : {'squared_error', 'poisson'}, default='squared_error'
        As in the parent. With ``'poisson'`` there are intervals of the mean, by
        quasi-likelihood, and none of a new observation.
    hidden_layer_sizes : array-like of shape (n_layers - 2,), default=(100,)
        As in the parent. ``()`` is a linear model.
    activation, solver : str, default='relu', 'adam'
        As in the parent. Intervals describe minima; ``'lbfgs'`` comes closest to one.
    alpha : float, default=0.0001
        As in the parent. The penalty in the information matrix is what the solver
        really minimised: alpha for ``'lbfgs'``, alpha times rows per batch for the
        others.
    batch_size : int, default='auto'
        As in the parent.
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        As in the parent.
    learning_rate_init, power_t : float, default=0.001, 0.5
        As in the parent.
    max_iter : int, default=200
        As in the parent.
    shuffle : bool, default=True
        As in the parent.
    random_state : int, RandomState instance, default=None
        As in the parent. Inference draws no random numbers.
    tol : float, default=1e-4
        As in the parent.
    verbose : bool, default=False
        As in the parent; passes over the rows, and further starts, show progress if
        tqdm is installed.
    warm_start : bool, default=False
        As in the parent.
    momentum : float, default=0.9
        As in the parent.
    nesterovs_momentum : bool, default=True
        As in the parent.
    early_stopping : bool, default=False
        As in the parent. Rows held out did not train and do not count as data;
        they can measure the noise, ``noise='validation'``.
    validation_fraction, beta_1, beta_2, epsilon : float, default=0.1, 0.9, 0.999, 1e-8
        As in the parent.
    n_iter_no_change, max_fun : int, default=10, 15000
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
        Further starts, each polished if asked; the lowest objective is kept.
        ``start_objectives_`` and `between_start_std` tell how much starts differ.
    n_jobs : int, default=None
        Processes for the further starts.

    Attributes
    ----------
    coefs_, intercepts_, loss_, n_iter_, ... :
        All of the parent's.
    inference_ : Report
        What inference found: method, noise, route, rank, degrees of freedom, noise
        variance, penalty, what was added to the variance of the mean, relative offset,
        largest leverage, reason, the share of the rows that memory allowed for,
        warnings.

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
        "polish": ["boolean"],
        "n_restarts": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
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
        self._check_own()
        self._forget_training()
        self._without_inference("The last call of fit did not finish.")
        with self._convergence_deferred():
            self._train(X, y, sample_weight)
            try:
                if self.polish:
                    self._polish_weights(*self._data(X, y), sample_weight)
                if self.n_restarts:
                    self._start_again(X, y, sample_weight)
            except FAILURES as error:
                return self._failed(error)
        if self.covariance is None:
            self._without_inference("covariance=None skipped the inference at fit.")
            return self
        try:
            X, y = self._data(X, y)
            self._infer_rows(*self._problem(X, y, sample_weight))
        except FAILURES as error:
            return self._failed(error)
        return self

    def _train(self, X, y, sample_weight):
        """Train as the parent does, and remember how, even if that fails midway."""
        before = list(vars(self).get("coefs_", ()))
        try:
            super().fit(X, y, sample_weight)
        finally:
            state = self.__dict__.pop("_random_state_at_split", None)
            now = vars(self).get("coefs_", ())
            if list(map(id, before)) != list(map(id, now)):
                self._remember(None)
        rows = state and _training.replay_split(state, self.validation_fraction, len(y))
        self._remember(_training.target(y), rows)

    def _failed(self, error):
        """Go on without inference, and say why."""
        self._without_inference(f"Inference failed at fit. {error}", failed=True)
        message = f"The network is fitted, but it has no intervals. {error}"
        warn(message, exceptions.InferenceUnavailableWarning)
        return self

    @staticmethod
    def _data(X, y):
        """Return what the parent has validated in float64, y as (n, m)."""
        X = check_array(X, accept_sparse="csr", dtype=_network.FLOATS)
        return X, _training.target(y)

    @available_if(lambda self: hasattr(super(), "partial_fit"))
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
        try:
            super().partial_fit(X, y, sample_weight)
        finally:
            self.__dict__.pop("_random_state_at_split", None)
        self._without_inference("partial_fit changed the weights.")
        self._forget_training()
        self._remember(None)
        return self

    def _fit_stochastic(self, *args, **kwargs):
        # The one hook into the parent: early stopping splits the rows here, with
        # this random state, after the initial weights have been drawn from it.
        if self.early_stopping:
            self._random_state_at_split = self._random_state.get_state()
        return super()._fit_stochastic(*args, **kwargs)
