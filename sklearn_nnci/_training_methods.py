"""How a network is trained, and what is remembered of it: a mixin.

As the parent does it, and beyond; or by the library itself, tuned.
"""

import numpy as np
from scipy.linalg import LinAlgError
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_nnci._inference import near, standard_errors
from sklearn_nnci._inference.advice import Tuned as TunedFacts
from sklearn_nnci._linearized.training_rows import Rows, target, weights
from sklearn_nnci._network import losses, perceptron
from sklearn_nnci._network.coordinates import Coordinates
from sklearn_nnci._training import early_stopping, polish, remembered, restarts, tuned
from sklearn_nnci._training.problem import penalty_of
from sklearn_nnci._training.remembered import Remembered
from sklearn_nnci._warn import warn

# What leaves a fitted network without intervals.
FAILURES = (ValueError, LinAlgError, MemoryError)
# What tuning cannot do: parameter, value, why, and what to try.
REFUSED = {
    "loss": ("poisson", "needs squared errors", "loss='squared_error'"),
    "early_stopping": (True, "trains on all rows", "early_stopping=False"),
    "warm_start": (True, "starts anew", "warm_start=False"),
    "noise": ("validation", "holds no rows out", "noise='auto'"),
}


class TrainingMethods:
    """How a network is trained."""

    def _train(self, X, y, sample_weight):
        """Train as the parent does, and beyond; return what failed, and the data."""
        with restarts.convergence_deferred(self.polish) as told:
            self._train_once(X, y, sample_weight)
            try:
                data = self._data(X, y)
                if self.polish:
                    told["reached"] = self._polish(*data, sample_weight)
                if self.n_restarts:
                    self._start_again(X, y, sample_weight, data)
            except FAILURES as error:
                return error, None
        return None, data

    def _train_once(self, X, y, sample_weight):
        """Train as the parent does, and remember how, even if that fails midway."""
        before = list(vars(self).get("coefs_", ()))
        try:
            super().fit(X, y, sample_weight)
        finally:
            state = self.__dict__.pop("_random_state_at_split", None)
            now = vars(self).get("coefs_", ())
            if list(map(id, before)) != list(map(id, now)):
                self._remember()
        fraction = self.validation_fraction
        rows = state and early_stopping.replay_split(state, fraction, len(y))
        self._remember(target(y), rows)

    def _polish(self, X, y, sample_weight):
        """Move the weights to the minimum nearby; return whether that was reached."""
        found = self._problem(X, y, sample_weight)
        if polish.refused(found.rows):
            return False
        arrays = found.rows.arrays()
        network, record = polish.polish(
            found.rows.network, *arrays, found.penalty.least, loss=found.rows.loss
        )
        self.coefs_, self.intercepts_ = map(list, (network.coefs, network.intercepts))
        self._polished = record._asdict()
        if found.held_out is not None:
            # The score that early stopping reached no longer tells its split.
            mean = losses.predicted_mean(network, X, found.rows.loss)
            w, rows = weights(sample_weight, X), found.held_out.rows
            self._split_score = early_stopping.held_out_score(y, mean, w, rows)
        # The moments of adam and sgd belong to the weights that were left.
        self.__dict__.pop("_optimizer", None)
        return record.reason == "gradient vanished"

    def _start_again(self, X, y, sample_weight, data):
        """Train from further starts; keep the lowest penalised objective."""
        others = restarts.other_starts(self, self.n_restarts, X, y, sample_weight)
        if not others:
            return
        X, y = data
        networks = [self._network()] + [
            self._network(fitted["coefs_"], fitted["intercepts_"]) for fitted in others
        ]
        strength = penalty_of(self._training(), len(y))
        w = weights(sample_weight, X)
        objectives = restarts.objectives_of(networks, X, y, w, strength, self.loss)
        best = int(np.nanargmin(objectives))
        if best > 0:
            self._forget()
            vars(self).update(others[best - 1])
        theta = [perceptron.pack(net.coefs, net.intercepts) for net in networks]
        self._starts = {"objectives": objectives, "parameters": np.array(theta)}

    def _near(self, inference, rows, y):
        """Return the starts that could as well be the best, or None.

        Under ``"auto"``, and only of the rows that all were trained on: those of the
        first inference, if `y` (n, m) is that of the fit.
        """
        starts, totals = vars(self).get("_starts"), inference.totals
        if starts is None or self.covariance != "auto":
            return None
        if "rows" not in starts and remembered.same_target(self._training(), y):
            starts["rows"] = standard_errors.sums_of(totals)
        if "rows" not in starts or not standard_errors.same_rows(starts, totals):
            return None
        if "near" not in starts and isinstance(rows, Rows):
            parameters, F = starts["parameters"], starts["objectives"]
            starts["leverages"] = near.leverages_of(rows, parameters)
            starts["near"] = near.near(
                parameters, F, starts["leverages"], inference.report
            )
        return starts.get("near")

    def _tune(self, X, y, sample_weight, start):
        """Train by the evidence, from that start on; return the data."""
        self._validate_params()
        sizes = self._check_tuning()
        X, y = validate_data(
            self, X, y, accept_sparse=("csr", "csc"), dtype=perceptron.FLOATS,
            multi_output=True, y_numeric=True,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        X, y = self._data(X, y)
        w = weights(sample_weight, X)
        if not w.any():
            raise ValueError("Every sample_weight is zero. Try None.")
        seeds = check_random_state(self.random_state).randint(
            2**31 - 1, size=self.n_restarts + 1
        )
        found = tuned.trained(
            X, y, w, sizes, self.activation, seeds, start, self.max_iter, self.n_jobs,
            self.verbose,
        )  # fmt: skip
        self._set_tuned(*found)
        if self._tuned["unfinished"]:
            warn(
                f"max_iter={self.max_iter} was reached while penalties still moved. "
                "Try a larger max_iter.",
                ConvergenceWarning,
            )
        self._remember(y)
        return X, y

    def _check_tuning(self):
        """Refuse what tuning cannot do; return the sizes of the hidden layers."""
        for name, (value, why, cure) in REFUSED.items():
            if getattr(self, name) == value:
                raise ValueError(
                    f"{name}={value!r}, but regularization='evidence' {why}. Try "
                    f"{cure}, or regularization='alpha'."
                )
        sizes = self.hidden_layer_sizes
        sizes = tuple(sizes) if hasattr(sizes, "__iter__") else (sizes,)
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _set_tuned(self, network, kept, starts):
        """Set what the parent's fit sets, and what is known beside it."""
        for name in tuned.OF_OTHER_TRAINING:
            self.__dict__.pop(name, None)
        self.coefs_, self.intercepts_ = map(list, (network.coefs, network.intercepts))
        self.n_layers_, self.n_outputs_ = len(self.coefs_) + 1, network.n_outputs
        self.out_activation_ = "identity"
        self.n_iter_, self.t_ = len(kept.losses) - 1, 0
        self.loss_curve_ = kept.losses.tolist()
        self.loss_ = self.loss_curve_[-1]
        self._tuned = kept._asdict()
        self._polished = polish.Polish(*kept.settled)._asdict()
        if len(starts.evidences) > 1:
            self._starts = {**starts._asdict(), "near": starts.near}

    def _seen_tuning(self):
        """Return what diagnostics say of tuning, or None."""
        if "_tuned" not in vars(self):
            return None
        starts = vars(self).get("_starts", {})
        near = starts.get("near") or {"weights": [1.0]}
        return TunedFacts(
            self._tuned["log_evidence_of_nothing"] - self.log_evidence_,
            self.gamma_[: self.n_features_in_],
            len(self.start_evidences_),
            len(near["weights"]),
            starts.get("apart", np.zeros(self.n_outputs_)),
        )

    def _of_tuned(self, name):
        """Return what is kept of a tuned network; AttributeError of any other."""
        check_is_fitted(self)
        if "_tuned" not in vars(self):
            raise AttributeError(
                "There are penalties_, gamma_, relevance_, log_evidence_ and "
                "start_evidences_ after fit with regularization='evidence' only."
            )
        return self._tuned[name]

    @property
    def penalties_(self) -> np.ndarray:
        """Penalty of each group of parameters, on standardised X and y.

        (n_features_in_ + 2 (L - 1),) for L layers of weights: of each input, then of
        the intercepts of the first hidden layer and the weights out of it, of the next
        and so on. They misrank inputs that act linearly; see `relevance_`.
        """
        return self._of_tuned("penalties")

    @property
    def gamma_(self) -> np.ndarray:
        """Well-determined parameters of each group, as `penalties_`; 0: it is off."""
        return self._of_tuned("gamma")

    @property
    def relevance_(self) -> np.ndarray:
        """How much each input matters, (n_features_in_,).

        Root mean square of the derivative of f by it, over the training rows, on
        standardised X and y.
        """
        return self._of_tuned("relevance")

    @property
    def log_evidence_(self) -> float:
        """Log marginal likelihood of y, by Laplace's approximation, in its own units.

        Of networks on the same rows the larger is the better; see
        `sklearn_nnci.metrics.evidence_scorer` for networks of several sizes.
        """
        return self._of_tuned("log_evidence")

    def _log_evidence_if_tuned(self):
        return self.log_evidence_ if "_tuned" in vars(self) else np.nan

    @property
    def start_evidences_(self) -> np.ndarray:
        """`log_evidence_` of each start, (n_restarts + 1,)."""
        self._of_tuned("log_evidence")
        starts = vars(self).get("_starts", {})
        return starts.get("evidences", np.array([self.log_evidence_]))

    @property
    def _symmetry(self) -> float:
        """Log of the number of networks that are the same."""
        return self._of_tuned("symmetry")

    @staticmethod
    def _data(X, y):
        """Return what the parent has validated in float64, y as (n, m)."""
        X = check_array(X, accept_sparse="csr", dtype=perceptron.FLOATS)
        return X, target(y)

    def _remember(self, y=None, held_out=None):
        """Keep what inference needs to know of the training that just ended."""
        link = getattr(self, "out_activation_", "identity")
        seen = remembered.remember(self._parameters(), link, y, held_out)
        self._trained = seen._asdict()

    def _parameters(self, names=remembered.TRAINING):
        return {name: getattr(self, name) for name in names}

    def _training(self):
        """Return what is known of the training; of the parent's, what can be told."""
        if "_trained" in vars(self):
            return Remembered(**self._trained)
        link = getattr(self, "out_activation_", "identity")
        best = getattr(self, "best_validation_score_", None)
        return remembered.deduce(self._parameters(), link, best)

    def _checked_training(self):
        """Return the same, if parameters still say so."""
        seen = self._training()
        remembered.check(seen, self._parameters())
        if seen.regularization == "evidence" and "_tuned" not in vars(self):
            raise ValueError(
                "The last call of fit did not finish, and the penalties of the tuned "
                "network that it was to replace are forgotten. Call fit(X, y) again."
            )
        return seen

    def _forget(self):
        if "_tuned" in vars(self):  # which the parent may not have
            self.__dict__.pop("loss_curve_", None)
        for name in ("_polished", "_starts", "_split_score", "_tuned"):
            self.__dict__.pop(name, None)

    def _network(self, coefs=None, intercepts=None):
        """Return the fitted weights, or those given, if they fit together."""
        seen = self._training()
        remembered.check(seen, self._parameters(), ("activation",))
        network = perceptron.checked_network(
            self.coefs_ if coefs is None else coefs,
            self.intercepts_ if intercepts is None else intercepts,
            seen.activation,
            self.n_features_in_,
            self.n_outputs_,
            self.n_layers_ - 1,
        )
        known = vars(self).get("_tuned")
        return network._replace(
            coordinates=known and Coordinates(*known["coordinates"])
        )
