"""What `MLPRegressorCI` has beyond its parent: the inference and its uses."""

import copy

import numpy as np
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor
from sklearn.utils.validation import check_is_fitted

from sklearn_nnci import _dask, _moments, _network, exceptions
from sklearn_nnci._advice import Fitted
from sklearn_nnci._covariance import Report, infer
from sklearn_nnci._diagnostics import checks
from sklearn_nnci._rows import InferenceUnavailable
from sklearn_nnci._trained import TrainedMixin
from sklearn_nnci._version import __version__
from sklearn_nnci._warn import warn

NOISES = {"auto", "residual", "loo", "validation"}
OWN_PARAMETERS = ("covariance", "noise")


class InferenceMixin(TrainedMixin):
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
            If the inference cannot be done, or if parameters of training, such as
            `alpha`, were set after it; the estimator is unchanged.

        Warns
        -----
        InferenceWarning
            As `fit`, and where y lies far from that of the fit.
        """
        check_is_fitted(self)
        self._validate_params()
        self._check_own()
        if self.covariance is None:
            raise ValueError(
                "covariance=None has no inference. Try set_params(covariance='auto')."
            )
        if _dask.is_dask(X):
            self._infer_rows(*self._partitions(X, y, sample_weight))
            return self
        X, y = self._checked_data(X, y)
        self._infer_rows(*self._problem(X, y, sample_weight))
        self._warn_of_units(y)
        return self

    def _partitions(self, X, y, sample_weight):
        """Return (`Partitions`, None, lambda) of dask arrays."""
        loss = self._check_training()["loss"]
        rows, n_trained = _dask.partitions(
            self._network(), X, y, sample_weight, loss, self.verbose
        )
        if self.early_stopping:
            self._warn_held_out()
        return rows, None, self._strength(n_trained)

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
            `covariance` and `noise`.

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
        if not isinstance(estimator, MLPRegressor):
            raise TypeError(
                "estimator must be a fitted MLPRegressor, got "
                f"{type(estimator).__name__}. For a pipeline, pass its last step and "
                "the X that step sees."
            )
        if type(estimator).predict not in (MLPRegressor.predict, cls.predict):
            raise TypeError(
                f"{type(estimator).__name__} has a predict of its own, which intervals "
                "of the network inside would not be about. Try an MLPRegressor."
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

    def _check_own(self):
        """Refuse numbers that are truth values."""
        if isinstance(self.noise, (bool, np.bool_)):
            raise ValueError(
                f"noise must be a positive variance or one of {sorted(NOISES)}, got "
                f"{self.noise!r}. Try noise='auto'."
            )
        for name in ("n_restarts", "n_jobs"):
            if isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(
                    f"{name} must be an integer, got {getattr(self, name)!r}. Try "
                    f"{name}=1."
                )

    def _infer_rows(self, rows, validation, strength):
        """Set the inference from training rows, wherever they are."""
        if rows.loss == "poisson" and self.covariance == "evidence":
            raise InferenceUnavailable(
                "covariance='evidence' is for squared errors. Try 'bayesian' or 'auto'."
            )
        inference = self._inferred(rows, validation, strength, self.covariance)
        polished = vars(self).get("_polished", {}).get("reason")
        found = checks(
            Fitted(
                inference, self.covariance, rows.loss == "poisson", self.solver,
                rows.network.kinked, polished,
            )
        )  # fmt: skip
        raised = [check for check in found if check.verdict == "warning"]
        texts = tuple(f"{check.warning}: {check.advice}" for check in raised)
        report = inference.report._replace(warnings=texts)
        self._inference = _moments.to_state(inference, report, rows.network)
        self._inference["asked"] = {
            name: getattr(self, name) for name in OWN_PARAMETERS
        }
        self._inference["checks"] = [tuple(check) for check in found]
        for check in raised:
            warn(check.advice, getattr(exceptions, check.warning))

    def _inferred(self, rows, validation, strength, covariance):
        """Return the `Inference` from training rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return infer(
                rows,
                covariance=covariance,
                noise=self.noise,
                strength=strength,
                identity_link=rows.loss == "squared_error",
                validation=validation,
            )

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
        self._check_training()
        network = self._network()
        theta = _network.pack(network.coefs, network.intercepts)
        if not np.array_equal(theta, state["theta"]):
            raise NotFittedError(
                "coefs_ or intercepts_ changed after the inference. Call "
                "fit_inference(X, y) to have intervals at the present weights."
            )
        return state, network

    def _warn_stale(self, state):
        """Warn where own parameters were set since; what was fitted is served."""
        stale = [
            f"{name}={getattr(self, name)!r} (fitted: {then!r})"
            for name, then in state["asked"].items()
            if getattr(self, name) != then
        ]
        if stale:
            warn(
                f"{' and '.join(stale)} were set after the inference, which keeps its "
                "own. Call fit_inference(X, y) to have the new.",
                exceptions.StaleParametersWarning,
            )

    @property
    def inference_(self):
        """What inference found, a `Report`."""
        return Report(**self._with_inference()[0]["report"])

    def __getstate__(self):
        return {**super().__getstate__(), "_saved_by": _versions()}

    def __setstate__(self, state):
        saved_by = state.pop("_saved_by", None)
        if saved_by is not None and tuple(saved_by) != _versions():
            warn(
                f"Saved by {', '.join(saved_by)}, loaded by {', '.join(_versions())}: "
                "results may differ. Fit again, or load with the versions that saved.",
                exceptions.VersionMismatchWarning,
            )
        super().__setstate__(state)
        inference = vars(self).get("_inference", {"absent": ""})
        if "absent" not in inference and inference.get("layout") != _moments.LAYOUT:
            self._without_inference("It was saved by another version of sklearn-nnci.")


def _versions():
    own = f"sklearn-nnci {__version__}"
    return own, f"scikit-learn {sklearn.__version__}", f"numpy {np.__version__}"
