"""What there is to know about a fitted network besides intervals: a mixin.

Its Jacobian, its parameters, its rows, its checks.
"""

from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_nnci._inference import near, standard_errors
from sklearn_nnci._inference.diagnostics import Check, Diagnostics
from sklearn_nnci._inference.infer import fit_for_leave_one_out, infer
from sklearn_nnci._inference.influence import Influence, influence, loo_residuals
from sklearn_nnci._inference.report import Report
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian, losses, perceptron
from sklearn_nnci._notebook import InNotebooks
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._training import polish


class ReportMethods(InNotebooks):
    """Methods of a network that report on its fit."""

    @property
    def inference_(self) -> Report:
        """What inference found, a `Report`."""
        report = Report(**self._with_inference()[0]["report"])
        return report._replace(log_evidence=self._log_evidence_if_tuned())

    @property
    def variance_model_(self) -> Any:
        """The regressor of log squared residuals, fitted; a list for several outputs.

        AttributeError unless `variance` is a regressor.
        """
        kept = self._with_inference()[0].get("variances") or []
        models = [one["function"]["regressor"] for one in kept
                  if one["kind"] == "Regressed"]  # fmt: skip
        if not models:
            raise AttributeError(
                "variance_model_ is there after fit with a regressor as variance only."
            )
        return models if self.n_outputs_ > 1 else models[0]

    @property
    def polish_(self) -> polish.Polish:
        """What the polish did: iterations, objective, gradient, reason; a record."""
        check_is_fitted(self)
        if "_polished" not in vars(self):
            raise AttributeError("polish_ is there after fit with polish=True only.")
        report = getattr(self, "_inference", {}).get("report", {})
        offset = report.get("relative_offset", np.nan)
        return polish.Polish(**{**self._polished, "relative_offset": offset})

    @property
    def start_objectives_(self) -> np.ndarray:
        """Objective of each start, (n_restarts + 1,), the parent's own first."""
        check_is_fitted(self)
        if "objectives" not in vars(self).get("_starts", {}):
            raise AttributeError(
                "start_objectives_ is there with n_restarts > 0 only, and "
                "start_evidences_ in its place with regularization='evidence'."
            )
        return self._starts["objectives"]

    def between_start_std(self, X) -> np.ndarray:
        """Return the spread of the predictions between starts.

        Under ``"auto"`` intervals contain the distance to starts that could as well be
        the best, those of named covariances do not: where it is large beside them, the
        objective has several good minima, and they are too narrow. Starts that rest on
        a single row are left out.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Query rows.

        Returns
        -------
        std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Standard deviation over the starts of fit, in units of y.

        Raises
        ------
        AttributeError
            If there was one start only.
        """
        check_is_fitted(self)
        if "_starts" not in vars(self):
            raise AttributeError("There was one start only. Fit with n_restarts > 0.")
        like, loss = self._network(), self._training().loss
        X = check_array(X, accept_sparse="csr", dtype=perceptron.FLOATS)
        parameters = near.without_outliers(**self._starts)
        predictions = [
            losses.predicted_mean(perceptron.unpack(theta, like), X, loss)
            for theta in parameters
        ]
        std = np.std(predictions, axis=0, ddof=1)
        return std[:, 0] if self.n_outputs_ == 1 else std

    def jacobian(self, X) -> np.ndarray:
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
        X = validate_data(
            self, X, accept_sparse="csr", dtype=perceptron.FLOATS, reset=False
        )
        network = self._network()._replace(coordinates=None)
        J = jacobian.dense(jacobian.factors(network, X)).T
        return J[:, 0] if self.n_outputs_ == 1 else J

    def parameter_names(self) -> list[str]:
        """Return one name per parameter, in packing order.

        Returns
        -------
        names : list of str of length p
            ``coefs_[l][i, j]``, layer by layer in C order, then ``intercepts_[l][j]``.
        """
        check_is_fitted(self)
        return perceptron.parameter_names(self._network())

    def parameter_covariance(self) -> np.ndarray:
        """Return the covariance of the packed parameters.

        Returns
        -------
        cov : ndarray of shape (p, p)
            In packing order; j(x)'cov j(x) is the variance of f(x), the step to the
            optimum of the evidence included. What ``"auto"`` adds to every variance
            belongs to no parameter: it stands beside, ``inference_.excess_variance``.
            Directions that the data do not determine are left out, as in a
            pseudo-inverse.

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
                "Try covariance='auto'."
            )
        return standard_errors.parameter_covariance(state, network)[0]

    def summary(self, confidence_level=0.95) -> Any:
        """Return every parameter with its standard error and interval.

        Parameters
        ----------
        confidence_level : float, default=0.95
            In the open interval (0, 1).

        Returns
        -------
        table : pandas.DataFrame
            One row per parameter, named as by `parameter_names`; columns estimate,
            std_error, lower, upper, and estimable: whether the data determine the
            parameter at all. If not, its error is infinite.

        Raises
        ------
        NotFittedError
            If the network is not fitted, or has no inference at its weights.
        ImportError
            If pandas is not installed.

        Notes
        -----
        Weights of a network are rarely meaningful one by one: permuting units, or
        flipping their signs, gives the same function.
        """
        state, network = self._with_inference()
        names, estimate = perceptron.parameter_names(network), state["theta"]
        std_error, lost = np.full(len(names), np.inf), np.zeros(len(names), dtype=bool)
        if state["posterior"] is not None:
            cov, lost = standard_errors.parameter_covariance(state, network)
            std_error = np.where(lost, np.inf, np.sqrt(np.diag(cov)))
        dof = float(np.min(state["dof"]))
        table = Prediction(estimate, std_error, std_error, dof, names)
        columns = ["estimate", "std_error", "lower", "upper"]
        table = table.to_frame(confidence_level).iloc[:, :4].set_axis(columns, axis=1)
        return table.assign(estimable=~lost)

    def influence(self, X, y, sample_weight=None) -> Influence:
        """Return what each training row does to the fit, without refitting.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that the network was trained on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        influence : Influence
            ``leverage``, ``residuals``, ``loo_residuals``, ``studentized_residuals``
            (external) and ``cooks_distance``, one entry per row, and per output if
            there are several; nan for rows that did not train. Under the penalty
            ``inference_.loo_penalty``. It prints as the 5 rows of largest Cook's
            distance; ``to_frame()`` is a table of all, rows labelled as X is.

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        ValueError
            If these are not the rows of the last inference, or too much memory would
            be needed.
        """
        fit = self._smoother(X, y, sample_weight)
        return influence(fit, len(fit.rows.y)).labelled(X)

    def loo_score(self, X, y, sample_weight=None) -> float:
        """Return the leave-one-out R^2: how well rows are predicted without them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows that the network was trained on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        score : float
            1 - PRESS / TSS, as ``score`` averaged over outputs; -inf if a row is
            fitted by itself alone. By one-step leave-one-out residuals, in mean square
            within some ten percent of those of true refits at a minimum, while
            leverages stay below 0.8; up to a third too large after unfinished training,
            and up to twice where there are more parameters than rows.

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        ValueError
            If these are not the rows of the last inference, or too much memory would
            be needed.
        """
        fit = self._smoother(X, y, sample_weight)
        loo = loo_residuals(fit)
        if not np.isfinite(loo).all():
            return -np.inf
        _, y, w = fit.rows.arrays()
        return float(r2_score(y, y - loo, sample_weight=w))

    def diagnostics(self) -> Diagnostics:
        """Return every check of the fit, with value, threshold, verdict and advice.

        Returns
        -------
        diagnostics : Diagnostics
            A tuple of records with ``name``, ``value``, ``threshold``, ``verdict``,
            ``advice`` and ``warning``, which prints as a table, and shows as one in a
            notebook. Queries outside the span of the data are told at predict.

        Raises
        ------
        NotFittedError
            If the network is not fitted, or has no inference at its weights.
        """
        state, _ = self._with_inference()
        return Diagnostics(Check(*check) for check in state["checks"])

    def _smoother(self, X, y, sample_weight):
        """Return the fit behind leave-one-out, of the rows of the inference."""
        check_is_fitted(self)
        problem = self._problem(*self._checked_data(X, y), sample_weight)
        rows, state = problem.rows, getattr(self, "_inference", {"absent": ""})
        if "absent" in state:
            found = infer(problem, self.covariance or "auto", self.noise)
            return fit_for_leave_one_out(rows, found.loo, found.scale)
        state, _ = self._with_inference()
        *penalty, scale = state["loo"].values()
        fit = fit_for_leave_one_out(rows, Penalty(*penalty), scale)
        if not standard_errors.same_rows(
            state, fit.totals._replace(rss=_unscaled(fit))
        ):
            raise ValueError(
                "X and y are not the rows of the last inference: their number, their "
                "y, or what is left of it differ. Try the rows (and weights) given to "
                "fit, scaled as then, or call fit_inference(X, y) first."
            )
        return fit


def _unscaled(fit):
    return fit.totals.rss * np.outer(fit.rows.scale, fit.rows.scale)
