"""Networks to test on, and the algebra of the definitions, written out densely.

The helpers import nothing of the package's algebra: they are the second route.
"""

import itertools
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import expit

from sklearn_nnci import exceptions
from sklearn_nnci._linearized.training_rows import Rows
from sklearn_nnci._network.perceptron import Network, forward

ACTIVATION = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: z * (z > 0),
}
# scikit-learn's checks look for warnings, which must not be errors there; what their
# small data make us say would fill screens.
checks_of_sklearn = pytest.mark.filterwarnings(
    "default",
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::sklearn_nnci.exceptions.InferenceWarning",
)


class Case(NamedTuple):
    """A network on data."""

    activation: str
    hidden: tuple
    n_outputs: int = 1
    n_samples: int = 40
    n_features: int = 3
    seed: int = 0

    @property
    def rng(self):
        return np.random.default_rng(self.seed)

    @property
    def X(self):
        return self.rng.normal(size=(self.n_samples, self.n_features))

    @property
    def network(self):
        rng, sizes = self.rng, (self.n_features, *self.hidden, self.n_outputs)
        pairs = list(itertools.pairwise(sizes))
        return Network(
            tuple(rng.normal(size=pair) / np.sqrt(pair[0]) for pair in pairs),
            tuple(rng.normal(size=after) * 0.3 for _, after in pairs),
            self.activation,
        )

    def __str__(self):
        return f"{self.activation}-{self.hidden}-{self.n_outputs}".replace(" ", "")


def rows_with(network, X, e, w=None, scale=None):
    """Return rows whose residuals, in units of `scale`, are `e` (m, n)."""
    scale = np.ones(len(e)) if scale is None else scale
    w = np.ones(len(X)) if w is None else w
    f = forward(network, X)[-1]
    return Rows(network, X, (f + e * scale[:, None]).T, w, scale)


CASES = [
    Case("tanh", ()),
    Case("logistic", (4,)),
    Case("tanh", (4, 3)),
    Case("relu", (5,)),
    Case("relu", (4, 3), n_outputs=2),
    Case("identity", (4,)),
    Case("identity", (3, 2), n_outputs=2),
    Case("tanh", (3,), n_outputs=3),
    Case("tanh", (20,)),  # more parameters than rows
    Case("relu", (30,)),
]


def output(theta, case, X):
    """f(X; theta), (n, m), from packed parameters of any numeric type."""
    act = ACTIVATION[case.activation]
    sizes = (case.n_features, *case.hidden, case.n_outputs)
    n_coefs = sum(a * b for a, b in itertools.pairwise(sizes))
    coef, bias, a = 0, n_coefs, X
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        W = theta[coef : coef + before * after].reshape(before, after)
        a = a @ W + theta[bias : bias + after]
        if layer < len(sizes) - 2:
            a = act(a)
        coef, bias = coef + before * after, bias + after
    return a


def packed(network):
    return np.concatenate([b.ravel() for b in (*network.coefs, *network.intercepts)])


def differences(case, X, step=1e-5):
    """The Jacobian (n, m, p) by central differences of `output`."""
    theta = packed(case.network)
    columns = []
    for j in range(len(theta)):
        e = np.zeros_like(theta)
        e[j] = step
        columns.append(
            (output(theta + e, case, X) - output(theta - e, case, X)) / (2 * step)
        )
    return np.stack(columns, axis=-1)


def dense_inverse(J, w, Lambda):
    """A^+ of A = sum w_i J_i'J_i + Lambda, J (n, m, p), by SVD of what A is made of."""
    rows = (np.sqrt(w)[:, None, None] * J).reshape(-1, J.shape[2])
    _, s, Vt = np.linalg.svd(np.vstack([rows, np.diag(np.sqrt(Lambda))]))
    kept = s > 1e-13 * s[0]
    return (Vt[: len(s)][kept].T / s[kept] ** 2) @ Vt[: len(s)][kept]


def sine_data(n=60, d=2, noise=0.1, m=1, seed=0):
    """A smooth curve with noise, (X, y)."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    mean = np.sin(X[:, :1]) * np.arange(1, m + 1) + 0.3 * X[:, -1:]
    y = mean + noise * rng.standard_normal((n, m))
    return X, y if m > 1 else y[:, 0]


CONVERGED = dict(
    solver="lbfgs", max_iter=20_000, max_fun=10**6, tol=1e-9, random_state=0
)

# Trained to its minimum in no time.
SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=1e-2, **CONVERGED)


def told(model, X, y):
    """The classes of `InferenceWarning` that a fit raises, and their texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    mine = [w for w in caught if issubclass(w.category, exceptions.InferenceWarning)]
    return {w.category: str(w.message) for w in mine}
