"""Training beyond the parent's: polished weights, and further starts."""

import warnings
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_nnci import _network, _polish, _training, exceptions
from sklearn_nnci._prediction import PredictionMixin
from sklearn_nnci._progress import progress
from sklearn_nnci._warn import warn


class StartsMixin(PredictionMixin):
    """`polish`, `n_restarts` and what they leave behind."""

    @property
    def polish_(self):
        """What the polish did: iterations, objective, gradient, reason; a record."""
        check_is_fitted(self)
        if "_polished" not in vars(self):
            raise AttributeError("polish_ is there after fit with polish=True only.")
        report = getattr(self, "_inference", {}).get("report", {})
        offset = report.get("relative_offset", np.nan)
        return _polish.Polish(**{**self._polished, "relative_offset": offset})

    @property
    def start_objectives_(self):
        """Objective of each start, (n_restarts + 1,), the parent's own first."""
        check_is_fitted(self)
        if "_starts" not in vars(self):
            raise AttributeError("start_objectives_ is there with n_restarts > 0 only.")
        return self._starts["objectives"]

    def between_start_std(self, X):
        """Return the spread of the predictions between starts.

        Intervals of one fit do not contain it: where it is large beside them, the
        objective has several good minima, and the intervals are too narrow.

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
        self.start_objectives_  # noqa: B018 - raises if there is none
        like, loss = self._network(), self._seen_training()["loss"]
        X = check_array(X, accept_sparse="csr", dtype=_network.FLOATS)
        predictions = [
            _training.predicted_mean(_network.unpack(theta, like), X, loss)
            for theta in self._starts["parameters"]
        ]
        std = np.std(predictions, axis=0, ddof=1)
        return std[:, 0] if self.n_outputs_ == 1 else std

    def _forget_training(self):
        for name in ("_polished", "_starts", "_split_score"):
            self.__dict__.pop(name, None)

    def _polish_weights(self, X, y, sample_weight):
        """Replace the weights by those at the minimum of the objective nearby."""
        rows, validation, strength = self._problem(X, y, sample_weight)
        network = rows.network
        if network.n_parameters > rows.size * network.n_outputs:
            warn(
                f"polish=True was left undone: {network.n_parameters} parameters would "
                f"fit {rows.size} rows exactly at the minimum. Try a smaller network.",
                exceptions.PolishRefusedWarning,
            )
            return
        polished, record = _polish.polish(
            network, *rows.arrays(), strength, loss=rows.loss
        )
        self.coefs_ = [np.array(W) for W in polished.coefs]
        self.intercepts_ = [np.array(b) for b in polished.intercepts]
        self._polished = record._asdict()
        if validation is not None:
            # The score that early stopping reached no longer tells its split.
            mean = _training.predicted_mean(polished, X, rows.loss)
            w = _training.weights(sample_weight, X)
            self._split_score = _training.held_out_score(
                y, mean, w, validation.held_out
            )
        # The moments of adam and sgd belong to the weights that were left.
        self.__dict__.pop("_optimizer", None)

    @contextmanager
    def _convergence_deferred(self):
        """Hold ConvergenceWarning back until polishing reached a minimum, or not."""
        if not self.polish:
            yield
            return
        with warnings.catch_warnings(record=True) as caught:
            yield
        reached = vars(self).get("_polished", {}).get("reason") == "gradient vanished"
        for w in caught:
            if not (reached and w.category is ConvergenceWarning):
                warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)

    def _start_again(self, X, y, sample_weight):
        """Fit from further starts and keep the lowest penalised objective of all rows.

        Where one fails, or its worker dies, the first is kept, and said so.
        """
        try:
            others = self._other_starts(X, y, sample_weight)
        except (BrokenProcessPool, ValueError) as error:
            died = isinstance(error, BrokenProcessPool)
            what = "a worker died" if died else "a start failed"
            cure = "n_jobs=1" if died else "another random_state"
            warn(
                f"n_restarts={self.n_restarts} was left undone, {what}: the first "
                f"start is kept. Try {cure}. ({error})",
                exceptions.RestartsFailedWarning,
            )
            return
        data = check_array(X, accept_sparse="csr", dtype=_network.FLOATS)
        target, w = _training.target(y), _training.weights(sample_weight, data)
        networks = [self._network()] + [
            self._network(fitted["coefs_"], fitted["intercepts_"]) for fitted in others
        ]
        strength = self._strength(len(target))
        objectives = [
            _training.objective(network, data, target, w, strength, self.loss)
            for network in networks
        ]
        best = int(np.nanargmin(objectives))
        if best > 0:
            self._forget_training()
            vars(self).update(others[best - 1])
        theta = [_network.pack(net.coefs, net.intercepts) for net in networks]
        self._starts = {
            "objectives": np.array(objectives), "parameters": np.array(theta)
        }  # fmt: skip

    def _other_starts(self, X, y, sample_weight):
        """Return what fitting from further seeds sets, one dict per start."""
        rng = check_random_state(self.random_state)
        seeds = [int(seed) for seed in rng.randint(2**31 - 1, size=self.n_restarts)]
        single = clone(self).set_params(
            n_restarts=0, covariance=None, warm_start=False, n_jobs=None
        )
        jobs = (
            delayed(_fitted_attributes)(single, seed, X, y, sample_weight)
            for seed in seeds
        )
        done = _parallel(self.n_jobs, self.verbose)(jobs)
        return list(progress(done, "starts", self.verbose, self.n_restarts))


def _parallel(n_jobs, verbose):
    """Return joblib's Parallel, which to be watched yields results as they come."""
    if verbose:
        try:
            return Parallel(n_jobs=n_jobs, return_as="generator")
        except ValueError:  # not every backend can
            pass
    return Parallel(n_jobs=n_jobs)


def _fitted_attributes(estimator, seed, X, y, sample_weight):
    """Return what training a clone from `seed` sets, parameters left out."""
    fitted = clone(estimator).set_params(random_state=seed).fit(X, y, sample_weight)
    apart = {"_inference", *fitted.get_params(deep=False)}
    return {name: value for name, value in vars(fitted).items() if name not in apart}
