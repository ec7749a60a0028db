"""What an estimator remembers of its training, and what can be inferred of others.

Inference is about the training that took place: its loss, its penalty, the rows it
used. Parameters set later do not change that; they are refused where they matter.
"""

import functools
from numbers import Integral

import numpy as np
from sklearn.utils.validation import validate_data

from sklearn_nnci import _network, _training, exceptions
from sklearn_nnci._covariance import Validation
from sklearn_nnci._rows import InferenceUnavailable
from sklearn_nnci._warn import warn

# Parameters of training that intervals depend on.
TRAINING = (
    "loss", "activation", "solver", "alpha", "batch_size", "early_stopping"
)  # fmt: skip
# A y of which location or scale differ by more, in standard deviations of that of the
# fit or as a factor, lacks a scaler.
FAR = 4.0


class TrainedMixin:
    """The state ``_trained``: a dict of `TRAINING`, the rows held out, and y's moments.

    Absent for networks that were trained by the parent, or saved by an older version.
    """

    def _remember(self, y, held_out=None):
        """Keep what inference needs to know of the training that just ended."""
        self._trained = {name: getattr(self, name) for name in TRAINING}
        self._trained |= {"loss": self._fitted_loss(), "held_out": held_out}
        self._trained |= {"location": None, "spread": None}
        if y is not None:
            self._trained |= {"location": y.mean(axis=0), "spread": y.std(axis=0)}

    def _fitted_loss(self):
        """Return the loss that predictions belong to: later fits may keep the link."""
        link = getattr(self, "out_activation_", "identity")
        return "poisson" if link == "exp" else "squared_error"

    def _seen_training(self):
        """Return what is known of the training, as `_remember` keeps it."""
        if "_trained" in vars(self):
            return self._trained
        seen = {name: getattr(self, name) for name in TRAINING}
        seen["loss"] = self._fitted_loss()
        if self.solver != "lbfgs":
            best = getattr(self, "best_validation_score_", None)
            seen["early_stopping"] = best is not None
        return seen | {"held_out": None, "location": None, "spread": None}

    def _check_training(self):
        """Return what is known of the training, if parameters still say the same."""
        seen = self._seen_training()
        for name in TRAINING:
            now, then = getattr(self, name), seen[name]
            if now != then:
                raise ValueError(
                    f"{name}={now!r}, but the network was trained with {name}={then!r},"
                    " and intervals are about that training. Set it back, or fit again."
                )
        return seen

    def _network(self, coefs=None, intercepts=None):
        """Return the fitted weights, or those given, if they fit together."""
        trained = self._seen_training()["activation"]
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
            self.n_layers_ - 1,
        )

    def _checked_data(self, X, y):
        """Return X and y (n, m), if they fit the network."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=_network.FLOATS, multi_output=True,
            y_numeric=True, reset=False,
        )  # fmt: skip
        y = _training.target(y)
        if y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} outputs, but the network has {self.n_outputs_}."
            )
        return X, y

    def _strength(self, n_trained):
        return _training.strength(self.solver, self.alpha, self.batch_size, n_trained)

    def _problem(self, X, y, sample_weight):
        """Return (training `Rows`, `Validation` or None, lambda)."""
        seen, network = self._check_training(), self._network()
        w = _training.weights(sample_weight, X)
        train, held_out = self._split(seen, network, X, y, w)
        rows = functools.partial(
            _training.training_rows, network, X, y, w, seen["loss"],
            verbose=self.verbose,
        )  # fmt: skip
        trained, validation = rows(train), None
        if not trained.size:
            raise InferenceUnavailable("No training row has a positive sample_weight.")
        if held_out is not None:
            chunk = rows(held_out).chunk()
            validation = Validation(chunk.residuals, chunk.weight, held_out)
        n_trained = X.shape[0] if train is None else len(train)
        return trained, validation, self._strength(n_trained)

    def _split(self, seen, network, X, y, w):
        """Return the indices of the rows that trained, and of those held out.

        None, None: all trained.
        """
        everything = None, None
        best = getattr(self, "best_validation_score_", None)
        best = getattr(self, "_split_score", best)
        if not seen["early_stopping"] or self.solver == "lbfgs" or best is None:
            return everything
        held_out = seen["held_out"]
        if held_out is None:
            held_out = self._held_out_by_seed(network, len(y))
        mean = _training.predicted_mean(network, X, seen["loss"])
        if held_out is None or not _training.held_out(held_out, y, mean, w, best):
            self._warn_held_out()
            return everything
        return np.setdiff1d(np.arange(len(y)), held_out), held_out

    def _held_out_by_seed(self, network, n_samples):
        """Return the rows that an integer seed tells to be held out, or None."""
        if not isinstance(self.random_state, Integral) or self.warm_start:
            return None
        state = _training.state_at_split(self.random_state, network.n_parameters)
        return _training.replay_split(state, self.validation_fraction, n_samples)

    def _warn_held_out(self):
        warn(
            "The rows that early stopping held out could not be recovered: all rows "
            "are taken as training rows. Try fit on these data, with an integer "
            "random_state.",
            exceptions.HeldOutRowsWarning,
        )

    def _warn_of_units(self, y):
        """Warn where `y` (n, m) lies far from that of the fit."""
        location, spread = (
            self._seen_training()["location"],
            self._seen_training()["spread"],
        )
        if location is None or not (spread > 0.0).all():
            return
        apart = np.abs(y.mean(axis=0) - location) > FAR * spread
        ratio = y.std(axis=0) / spread
        if (apart | (ratio > FAR) | (ratio * FAR < 1.0)).any():
            warn(
                f"y has mean {_short(y.mean(axis=0))} and standard deviation "
                f"{_short(y.std(axis=0))}, that of the fit had {_short(location)} and "
                f"{_short(spread)}. Was a scaler forgotten? Try the y that the network "
                "was fitted to.",
                exceptions.UnscaledDataWarning,
            )


def _short(values):
    return ", ".join(f"{value:.3g}" for value in values)
