"""Ways to an interval, ours and others', each as its own documentation has it.

A method takes X, y, a seed and the network below, trains, and returns a function of new
rows T that answers (CI, PI); None for what it does not offer. X and y are standardised.

The network, for methods that start from one: ten tanh units by lbfgs, whose alpha
five-fold cross-validation has chosen of five values, by scikit-learn alone.
"""

import contextlib
import copy
import io
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import torch
from bde import BdeRegressor
from bde.loss import GaussianNLL
from coverage import LEVEL
from mapie.regression import ConformalizedQuantileRegressor, CrossConformalRegressor
from rivals import both, fitted_process, posterior, posterior_answer, process_answer
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor

import sklearn_nnci

TAILS = (1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0
ALPHAS = (1e-3, 1e-2, 0.1, 1.0, 10.0)
REFITS, MEMBERS, PATIENCE = 40, 5, 50


def network(X, y, state):
    """Return the fitted network."""
    net = MLPRegressor(
        hidden_layer_sizes=(10,), activation="tanh", solver="lbfgs", max_iter=2000,
        random_state=state,
    )  # fmt: skip
    return GridSearchCV(net, {"alpha": ALPHAS}, cv=5).fit(X, y).best_estimator_


def ours(model):
    """Return the function of T of a fitted model of this package."""

    def answer(T):
        prediction = sklearn_nnci.get_prediction(model, T)
        return prediction.conf_int(LEVEL), prediction.conf_int(LEVEL, obs=True)

    return answer


def committee(X, y, state, net, **options):
    """`MLPEnsembleRegressorCI`, the recommended model, with its own settings."""
    template = sklearn_nnci.MLPRegressorCI(
        regularization="evidence", activation="tanh", **options
    )
    model = sklearn_nnci.MLPEnsembleRegressorCI(template, random_state=state)
    return ours(model.fit(X, y))


def uneven_committee(X, y, state, net):
    """The same with the options for noise of any shape."""
    return committee(X, y, state, net, variance="auto", errors="empirical")


def tuned(X, y, state, net):
    """One network that chooses its penalties, the best of ten starts."""
    model = sklearn_nnci.MLPRegressorCI(
        hidden_layer_sizes=(10,), activation="tanh", regularization="evidence",
        n_restarts=9, random_state=state,
    )  # fmt: skip
    return ours(model.fit(X, y))


def default(X, y, state, net):
    """`MLPRegressorCI` with scikit-learn's own settings."""
    return ours(sklearn_nnci.MLPRegressorCI(random_state=state).fit(X, y))


def afterwards(X, y, state, net):
    """Intervals for the network, which is trained already."""
    return ours(sklearn_nnci.MLPRegressorCI.from_estimator(net, X, y))


def bayesian_ensemble(X, y, state, net):
    """sklearn-contrib-bde as in its README; the mean's interval from its raw draws."""
    model = BdeRegressor(
        hidden_layers=[16, 16], n_members=8, seed=state, loss=GaussianNLL(),
        epochs=200, validation_split=0.15, lr=1e-3, weight_decay=1e-4,
        warmup_steps=5000, n_samples=2000, n_thinning=2, patience=10,
    )  # fmt: skip
    with contextlib.redirect_stderr(io.StringIO()):  # bars of progress
        model.fit(x=jnp.asarray(X), y=jnp.asarray(y[:, None]))

    def answer(T):
        T = jnp.asarray(T)
        draws = np.asarray(model.predict(T, raw=True))[..., 0]
        pi = model.predict(T, credible_intervals=list(TAILS))[1]
        return np.quantile(draws, TAILS, axis=(0, 1)).T, np.asarray(pi).T

    return answer


def laplace(X, y, state, net):
    """laplace-torch at the network, prior and noise by its marginal likelihood."""
    found = posterior(net, X, y, tuned=True)
    return lambda T: posterior_answer(found, T)


def gaussian_process(X, y, state, net):
    """scikit-learn's, length scales and noise by marginal likelihood."""
    model = fitted_process(X, y)
    return lambda T: process_answer(model, T)


def bootstrap(X, y, state, net):
    """The network refitted to drawn rows; the mean of these, noise by rows left out."""
    rng, n, refits, votes = np.random.default_rng(state), len(y), [], []
    for k in range(REFITS):
        rows = rng.integers(n, size=n)
        refit = clone(net).set_params(random_state=state - k)
        refits.append(refit.fit(X[rows], y[rows]))
        out = np.isin(np.arange(n), rows, invert=True)
        votes.append(np.where(out, refit.predict(X), np.nan))
    error = np.nanmean((y - np.nanmean(votes, axis=0)) ** 2)
    within = np.mean(np.var([one.predict(X) for one in refits], axis=0))

    def answer(T):
        means = [one.predict(T) for one in refits]
        noise = max(error - within, 0.1 * error)
        return both(np.mean(means, axis=0), np.std(means, axis=0, ddof=1), noise)

    return answer


def deep_ensemble(X, y, state, net):
    """Five networks of mean and variance (Lakshminarayanan et al. 2017).

    Fifty relu units, Adam at 0.01 in batches of 100; a fifth of the rows, drawn for
    each network, says when to stop. No adversarial rows.
    """
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    X, y = torch.from_numpy(X), torch.from_numpy(y.copy())
    nets = [trained_pair(X, y, state - k) for k in range(MEMBERS)]

    def answer(T):
        with torch.no_grad():
            outputs = [moments(one, torch.from_numpy(T)) for one in nets]
        means, noises = (
            np.array([pair[i].numpy() for pair in outputs]) for i in (0, 1)
        )
        return both(means.mean(axis=0), means.std(axis=0, ddof=1), noises.mean(axis=0))

    return answer


def trained_pair(X, y, state):
    """Return a network of mean and variance, its best epoch on held-out rows."""
    torch.manual_seed(state)
    net = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 50), torch.nn.ReLU(), torch.nn.Linear(50, 2)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    held, rows = torch.randperm(len(y)).tensor_split([len(y) // 5])
    best, weights, age = np.inf, None, 0
    while age < PATIENCE:
        for batch in rows[torch.randperm(len(rows))].split(100):
            optimizer.zero_grad()
            unlikely(net, X[batch], y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            now, age = float(unlikely(net, X[held], y[held])), age + 1
        if now < best:
            best, age, weights = now, 0, copy.deepcopy(net.state_dict())
    net.load_state_dict(weights)
    return net


def unlikely(net, X, y):
    """Return the loss: minus the log likelihood, but for constants."""
    mean, variance = moments(net, X)
    return torch.mean(torch.log(variance) + (y - mean) ** 2 / variance)


def moments(net, X):
    """Return mean and variance, the latter at least 1e-6."""
    mean, raw = net(X).T
    return mean, torch.nn.functional.softplus(raw) + 1e-6


def cross_conformal(X, y, state, net):
    """MAPIE's CV+ of the network, five folds."""
    model = CrossConformalRegressor(
        clone(net), confidence_level=LEVEL, method="plus", cv=5, random_state=state
    ).fit_conformalize(X, y)
    return lambda T: (None, model.predict_interval(T)[1][:, :, 0])


def boosting(quantile, state):
    """Return scikit-learn's boosting of a quantile, its own settings."""
    return HistGradientBoostingRegressor(
        loss="quantile", quantile=quantile, random_state=state
    )


def quantile_boosting(X, y, state, net):
    """A boosting for each bound."""
    models = [boosting(q, state).fit(X, y) for q in TAILS]
    return lambda T: (None, np.column_stack([one.predict(T) for one in models]))


def conformalized_boosting(X, y, state, net):
    """MAPIE's CQR of the same boosting, a quarter of the rows to calibrate."""
    order = np.random.default_rng(state).permutation(len(y))
    train, hold = np.split(order, [3 * len(order) // 4])
    model = ConformalizedQuantileRegressor(boosting(0.5, state), confidence_level=LEVEL)
    model.fit(X[train], y[train]).conformalize(X[hold], y[hold])
    return lambda T: (None, model.predict_interval(T)[1][:, :, 0])


class Method(NamedTuple):
    """A way to an interval."""

    name: str
    function: Callable
    from_network: bool = False
    """Whether it starts from the network, whose search is then part of its time."""
    every: int = 1
    """It takes part in each so many-th replicate: 1, but for what is very slow."""


METHODS = [
    Method("**committee**", committee),
    Method("committee, noise of any shape", uneven_committee),
    Method("tuned network", tuned),
    Method("`MLPRegressorCI()`", default),
    Method("`from_estimator`, alpha searched", afterwards, True),
    Method("sklearn-contrib-bde", bayesian_ensemble, every=4),
    Method("laplace-torch", laplace, True),
    Method("Gaussian process", gaussian_process),
    Method("bootstrap of 40", bootstrap, True),
    Method("deep ensemble of 5", deep_ensemble),
    Method("CV+ (MAPIE)", cross_conformal, True),
    Method("quantile boosting", quantile_boosting),
    Method("CQR (MAPIE)", conformalized_boosting),
]
