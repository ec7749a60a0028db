"""Networks whose weights are those of a linear regression."""

import numpy as np
from cases import CONVERGED
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI

LINEAR = dict(hidden_layer_sizes=(), alpha=0.0, **CONVERGED)


def data(n=50, d=3, m=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = X @ rng.normal(size=(d, m)) + 2.0 + rng.normal(size=(n, m))
    return X, y[:, 0] if m == 1 else y, rng


def at_the_optimum(X, y, w=None, **parameters):
    """A network without hidden layer whose weights are those of least squares."""
    network = MLPRegressor(**LINEAR).fit(X, y)
    design = np.column_stack([np.ones(len(X)), X])
    root = np.sqrt(np.ones(len(X)) if w is None else w)[:, None]
    beta = np.linalg.lstsq(root * design, root * y.reshape(len(X), -1), rcond=None)[0]
    network.coefs_, network.intercepts_ = [beta[1:]], [beta[0]]
    return MLPRegressorCI.from_estimator(network, X, y, w, **parameters)


def identity_network(X, y, beta, rng):
    """A network of identity units whose function is that of `beta`."""
    network = MLPRegressor(
        hidden_layer_sizes=(4,), activation="identity", alpha=0.0, **CONVERGED
    ).fit(X, y)
    W, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 1))
    W += np.outer(beta[1:] - (W @ v)[:, 0], v) / (v * v).sum()
    b = rng.normal(size=4)
    network.coefs_ = [W, v]
    network.intercepts_ = [b, np.array([beta[0] - b @ v[:, 0]])]
    return network
