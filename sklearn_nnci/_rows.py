"""What inference starts from: the rows, with weights, and the penalty.

Records that the floors above pass to each other; see the fields.
"""

from typing import Any, NamedTuple

import numpy as np

# Beyond this share of degrees of freedom no noise can be told from the residuals.
EDF_EXHAUSTED = 0.95


class Penalty(NamedTuple):
    """Lambda = diag(strength on all but the last `n_free` parameters, then 0)."""

    strength: float
    """lambda, in the units of ``1/2 sum w e^2 + lambda/2 ||.||^2``."""
    n_free: int
    """How many trailing parameters are unpenalised."""

    def apply(self, theta):
        """Return ``Lambda theta``."""
        penalised = self.strength * theta
        penalised[len(theta) - self.n_free :] = 0.0
        return penalised


class Rows(NamedTuple):
    """The rows that trained, and what the network leaves unexplained there.

    A row of weight k stands for k equal rows; rows of weight 0 are not here.
    Output k is measured in units of ``scale[k]``.
    """

    X: Any
    """(n, d), dense or CSR."""
    residuals: np.ndarray
    """e = (y - f) / scale, (m, n)."""
    weight: np.ndarray
    """w, (n,), positive."""
    scale: np.ndarray
    """(m,)."""
    spread: np.ndarray = np.ones(1)
    """Standard deviation of y, (m,), in units of y."""
    gain: Any = 1.0
    """Factor of the rows of J, (m, n): sqrt(mu) under a Poisson loss, else 1."""

    @property
    def n_samples(self):
        """How many rows these stand for, n = sum of the weights."""
        return self.weight.sum()

    @property
    def seed(self):
        """Seed of the sensitivities of gain f / scale, (m, m, 1 or n)."""
        return np.diag(1.0 / self.scale)[:, :, None] * np.atleast_2d(self.gain)

    @property
    def weighted_seed(self):
        """Seed of the sensitivities of sqrt(w) gain f / scale, (m, m, n)."""
        return self.seed * np.sqrt(self.weight)

    @property
    def weighted_residuals(self):
        """sqrt(w) e, (m, n)."""
        return self.residuals * np.sqrt(self.weight)

    def rescaled(self, scale):
        """Return the same rows with output k in units of ``scale[k]``."""
        residuals = self.residuals * (self.scale / scale)[:, None]
        return self._replace(residuals=residuals, scale=scale)


# Leverages are known to some 1e-12: closer to 1 they are 1.
ALONE = 1e-10


class Meat(NamedTuple):
    """What lies inside A^+ (sum_i w_i J_i' M_i M_i' J_i + prior Lambda) A^+."""

    mix: np.ndarray
    """M_i, (m, c, 1 or n), in units of the scaled outputs."""
    prior: float

    @property
    def plain(self):
        """Whether this is s^2 A^+, with M = s I and prior = s^2."""
        m, c, n = self.mix.shape
        root = np.sqrt(self.prior) * np.eye(m)[:, :, None]
        return c == m and n == 1 and np.array_equal(self.mix, root)


def meat_of(Sigma, prior):
    """Return the `Meat` of a noise of covariance `Sigma` (m, m), M M' = Sigma."""
    values, V = np.linalg.eigh(Sigma)
    if np.array_equal(Sigma, Sigma[0, 0] * np.eye(len(Sigma))):
        V = np.eye(len(Sigma))
    return Meat((V * np.sqrt(np.maximum(values, 0.0)))[:, :, None], float(prior))


def leave_one_out(e, H, cap=None, power=1.0):
    """Return the leave-one-out residuals ``(I - H_ii)^-power e_i``, (m, n).

    `e` is (m, n), `H` the (n, m, m) leverage of one copy of each row. A row whose
    leverage is 1 is fitted by itself alone: its residual is infinite. `cap` bounds
    the eigenvalues of H_ii.
    """
    h, V = np.linalg.eigh(H)
    room = 1.0 - (h if cap is None else np.minimum(h, cap))
    alone = room <= ALONE
    rotated = np.einsum("nkl,kn->nl", V, e) / np.where(alone, 1.0, room) ** power
    return np.where(alone.any(axis=1), np.inf, np.einsum("nkl,nl->kn", V, rotated))
