"""Training beyond the parent's: polished weights, and further starts."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_array, check_is_fitted

from sklearn_nnci import _network, _polish, _training, exceptions
from sklearn_nnci._prediction import PredictionMixin
from sklearn_nnci._progress import progress


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
        like = self._network()
        X = check_array(X, accept_sparse="csr", dtype=_network.FLOATS)
        predictions = [
            _training.predicted_mean(_network.unpack(theta, like), X, self.loss)
            for theta in self._starts["parameters"]
        ]
        std = np.std(predictions, axis=0, ddof=1)
        return std[:, 0] if self.n_outputs_ == 1 else std

    def _forget_starts(self):
        for name in ("_polished", "_starts", "_split_score"):
            self.__dict__.pop(name, None)

    def _polish_weights(self, X, y, sample_weight, random_state):
        """Replace the weights by those at the minimum of the objective nearby."""
        rows, validation, strength = self._problem(X, y, sample_weight, random_state)
        network = rows.network
        if network.n_parameters > rows.size * network.n_outputs:
            warnings.warn(
                f"polish=True was left undone: {network.n_parameters} parameters would "
                f"fit {rows.size} rows exactly at the minimum. Try a smaller network.",
                exceptions.PolishRefusedWarning,
                stacklevel=4,
            )
            return
        polished, record = _polish.polish(
            network, *rows.arrays(), strength, loss=self.loss
        )
        self.coefs_ = [np.array(W) for W in polished.coefs]
        self.intercepts_ = [np.array(b) for b in polished.intercepts]
        self._polished = record._asdict()
        if validation is not None:
            # The score that early stopping reached no longer tells its split.
            mean = _training.predicted_mean(polished, X, self.loss)
            w = _training.weights(sample_weight, X)
            self._split_score = _training.held_out_score(
                y, mean, w, validation.held_out
            )
        # The moments of adam and sgd belong to the weights that were left.
        self.__dict__.pop("_optimizer", None)

    def _start_again(self, X, y, sample_weight):
        """Fit from further starts; return the random state at the split of the best.

        The lowest penalised objective over all rows wins. None: the first start did.
        """
        rng = check_random_state(self.random_state)
        seeds = [int(seed) for seed in rng.randint(2**31 - 1, size=self.n_restarts)]
        single = clone(self).set_params(
            n_restarts=0, covariance=None, warm_start=False, n_jobs=None
        )
        jobs = (
            delayed(_fitted_attributes)(single, seed, X, y, sample_weight)
            for seed in seeds
        )
        # Not every backend of joblib can yield results as they come.
        return_as = "generator" if self.verbose else "list"
        done = Parallel(n_jobs=self.n_jobs, return_as=return_as)(jobs)
        others = list(progress(done, "starts", self.verbose, self.n_restarts))
        data = check_array(X, accept_sparse="csr", dtype=_network.FLOATS)
        target, w = _training.target(y), _training.weights(sample_weight, data)
        networks = [self._network()]
        for fitted in others:
            networks.append(self._network(fitted["coefs_"], fitted["intercepts_"]))
        strength = _training.strength(
            self.solver, self.alpha, self.batch_size, len(target)
        )
        objectives = [
            _training.objective(network, data, target, w, strength, self.loss)
            for network in networks
        ]
        best = int(np.argmin(objectives))
        state = None
        if best > 0:
            self._forget_starts()
            vars(self).update(others[best - 1])
            state = _training.state_at_split(seeds[best - 1], networks[0].n_parameters)
        theta = [_network.pack(net.coefs, net.intercepts) for net in networks]
        self._starts = {
            "objectives": np.array(objectives), "parameters": np.array(theta)
        }  # fmt: skip
        return state


def _fitted_attributes(estimator, seed, X, y, sample_weight):
    """Return what fitting a clone from `seed` sets, parameters left out."""
    fitted = clone(estimator).set_params(random_state=seed).fit(X, y, sample_weight)
    names = fitted.get_params(deep=False)
    return {name: value for name, value in vars(fitted).items() if name not in names}
