"""From a fitted inference to the moments of predictions.

What an estimator keeps of its inference is a dict of arrays, numbers, strings and
tuples, so that any format can save it; records are rebuilt from it here.

With v(x) = j'Cj the variance of f(x), RO the relative offset at which ``"auto"``
widens, and b(x) = j'step what is left to the evidence optimum (each 0 elsewhere),

    se_mean^2 = v (1 + RO^2) + b^2,      se_obs^2 = max(s^2 + v + b^2, se_mean^2).
"""

import numpy as np

from sklearn_nnci import _jacobian
from sklearn_nnci._information import restore
from sklearn_nnci._network import pack, unpack


def to_state(inference, report, network):
    """Return the `Inference` and its `Report` as what an estimator keeps."""
    posterior = inference.posterior
    return {
        "activation": network.activation,
        "theta": pack(network.coefs, network.intercepts),
        "report": report._asdict(),
        "posterior": None if posterior is None else posterior.state(),
        "noise": inference.Sigma,
        "dof": inference.dof,
        "widening": inference.widening,
        "step": inference.step,
    }


def standard_errors(state, network, X):
    """Return (se_mean, se_obs), each (m, n); infinite where not bounded."""
    m, n = network.n_outputs, X.shape[0]
    v = np.full((m, n), np.inf)
    b = np.zeros((m, n))
    if state["posterior"] is not None:
        posterior = restore(network, state["posterior"])
        for part, F in _jacobian.stream(network, X):
            v[:, part] = posterior.variance(F)
            b[:, part] = _remaining_step(state, network, F)
    mean = v * state["widening"] + b**2
    s2 = np.diag(state["noise"])[:, None]
    return np.sqrt(mean), np.sqrt(np.maximum(s2 + v + b**2, mean))


def covariance(state, network, X):
    """Return the covariance of the means, (n, m, n, m), consistent with se_mean.

    Infinite on the diagonal, nan beside it, where not bounded.
    """
    m, n = network.n_outputs, X.shape[0]
    V, lost = np.full((m * n, m * n), np.nan), np.ones(m * n, dtype=bool)
    if state["posterior"] is not None:
        F = _jacobian.factors(network, X)
        V, lost = restore(network, state["posterior"]).covariance(F)
        b = _remaining_step(state, network, F).ravel()
        V = V * state["widening"] + np.outer(b, b)
    V[lost], V[:, lost] = np.nan, np.nan
    V[lost, lost] = np.inf
    return V.reshape(m, n, m, n).transpose(1, 0, 3, 2)


def _remaining_step(state, network, F):
    """Return b(x) = j(x)'step, (m, n), or 0."""
    if state["step"] is None:
        return np.zeros(F.shape[1:])
    return _jacobian.times(F, unpack(state["step"], network))
