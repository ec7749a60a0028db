"""What `MLPRegressorCI` has beyond its parent: the inference and its uses."""

import copy
import functools
import warnings
from numbers import Integral

import numpy as np
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_nnci import _dask, _moments, _network, _training, exceptions
from sklearn_nnci._covariance import Report, Validation, infer
from sklearn_nnci._diagnostics import checks
from sklearn_nnci._rows import InferenceUnavailable
from sklearn_nnci._version import __version__

NOISES = {"auto", "residual", "loo", "validation"}
OWN_PARAMETERS = ("covariance", "noise")


class InferenceMixin:
    """Inference about the fitted weights of an `MLPRegressor`.

    Its state is one attribute, ``_inference``: see `_moments.to_state`.
    """

    def fit_inference(self, X, y, sample_weight=None):
        """Compute the inference anew, at the current weights.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array} of shape (n_samples, n_features)
            The rows that the network was trained on, after `partial_fit` for example
            those of all calls. With ``early_stopping=True`` and an integer
            `random_state`, the data given to `fit`: the rows it held out are recovered.
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
            If the inference cannot be done; the estimator is unchanged.
        """
        check_is_fitted(self)
        self._validate_params()
        self._check_noise()
        if self.covariance is None:
            raise ValueError(
                "covariance=None has no inference. Try set_params(covariance='auto')."
            )
        if _dask.is_dask(X):
            self._infer_rows(*self._partitions(X, y, sample_weight))
            return self
        X, y, random_state = self._checked_data(X, y)
        self._infer(X, y, sample_weight, random_state)
        return self

    def _partitions(self, X, y, sample_weight):
        """Return (`Partitions`, None, lambda) of dask arrays."""
        rows, n_trained = _dask.partitions(
            self._network(), X, y, sample_weight, self.loss, self.verbose
        )
        if self.early_stopping:
            self._warn_held_out()
        return rows, None, self._strength(n_trained)

    def _strength(self, n_trained):
        return _training.strength(self.solver, self.alpha, self.batch_size, n_trained)

    def _checked_data(self, X, y):
        """Return X, y (n, m) and the random state at which early stopping split."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=_network.FLOATS, multi_output=True,
            y_numeric=True, reset=False,
        )  # fmt: skip
        y = _training.target(y)
        if y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} outputs, but the network has {self.n_outputs_}."
            )
        seed, n_parameters = self.random_state, self._network().n_parameters
        known = isinstance(seed, Integral) and not self.warm_start
        random_state = _training.state_at_split(seed, n_parameters) if known else None
        return X, y, random_state

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

    def _check_noise(self):
        if isinstance(self.noise, (bool, np.bool_)):
            raise ValueError(
                f"noise must be a positive variance or one of {sorted(NOISES)}, got "
                f"{self.noise!r}. Try noise='auto'."
            )

    def _infer(self, X, y, sample_weight, random_state):
        """Set the inference from validated X (n, d) and y (n, m)."""
        self._infer_rows(*self._problem(X, y, sample_weight, random_state))

    def _infer_rows(self, rows, validation, strength):
        """Set the inference from training rows, wherever they are."""
        if self.loss == "poisson" and self.covariance == "evidence":
            raise InferenceUnavailable(
                "covariance='evidence' is for squared errors. Try 'bayesian' or 'auto'."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            inference = infer(
                rows,
                covariance=self.covariance,
                noise=self.noise,
                strength=strength,
                linear=self.loss == "squared_error",
                validation=validation,
            )
        found = checks(inference, self.covariance)
        raised = [check for check in found if check.verdict == "warning"]
        texts = tuple(f"{check.warning}: {check.advice}" for check in raised)
        report = inference.report._replace(warnings=texts)
        self._inference = _moments.to_state(inference, report, rows.network)
        self._inference["checks"] = [tuple(check) for check in found]
        for check in raised:
            kind = getattr(exceptions, check.warning)
            warnings.warn(check.advice, kind, stacklevel=4)

    def _problem(self, X, y, sample_weight, random_state):
        """Return (training `Rows`, `Validation` or None, lambda)."""
        network, w = self._network(), _training.weights(sample_weight, X)
        train, held_out = self._split(X, y, w, random_state)
        rows = functools.partial(
            _training.training_rows, network, X, y, w, self.loss, verbose=self.verbose
        )
        trained, validation = rows(train), None
        if not trained.size:
            raise InferenceUnavailable("No training row has a positive sample_weight.")
        if held_out is not None:
            chunk = rows(held_out).chunk()
            validation = Validation(chunk.residuals, chunk.weight, held_out)
        n_trained = X.shape[0] if train is None else len(train)
        return trained, validation, self._strength(n_trained)

    def _split(self, X, y, w, random_state):
        """Return the indices of the rows that trained, and of those held out.

        None, None: all trained.
        """
        everything = None, None
        reached = getattr(self, "best_validation_score_", None)
        best_score = getattr(self, "_split_score", reached)
        if not self.early_stopping or best_score is None:
            return everything
        split = random_state and _training.replay_split(
            random_state,
            self.validation_fraction,
            y,
            _training.predicted_mean(self._network(), X, self.loss),
            w,
            best_score,
        )
        if not split:
            self._warn_held_out()
        return split or everything

    @staticmethod
    def _warn_held_out():
        warnings.warn(
            "The rows that early stopping held out could not be recovered: all rows "
            "are taken as training rows. Try fit with an integer random_state and no "
            "warm_start, on these data.",
            exceptions.HeldOutRowsWarning,
            stacklevel=5,
        )

    def _network(self, coefs=None, intercepts=None):
        """Return the fitted weights, or those given, if they fit together."""
        trained = getattr(self, "_inference", {}).get("activation", self.activation)
        if trained != self.activation:
            raise ValueError(
                f"activation={self.activation!r}, but the network was trained with "
                f"{trained!r}. Set it back, or fit again."
            )
        return _training.checked_network(
            self.coefs_ if coefs is None else coefs,
            self.intercepts_ if intercepts is None else intercepts,
            trained,
            self.n_features_in_,
            self.n_outputs_,
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
