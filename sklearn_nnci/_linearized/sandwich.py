"""Noise between A^-1 and A^-1, and residuals of rows that are left out."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sklearn_nnci._linearized.training_rows import Chunk

# Leverages are known to some 1e-12: closer to 1 they are 1.
LEVERAGE_IS_ONE = 1e-10
# Leverage that leave-one-out noise is allowed to see: uncapped, it explodes.
LEVERAGE_CAP = 0.9


class Meat(NamedTuple):
    """What lies inside A^+ (sum_i w_i J_i' M_i M_i' J_i + prior Lambda) A^+."""

    noise_root: np.ndarray
    """M_i, (m, c, 1 or n), in units of the scaled outputs."""
    prior_scale: float
    """prior, in the same units, squared."""

    @property
    def is_scalar(self) -> bool:
        """Whether this is s^2 A^+, with M = s I and prior = s^2."""
        m, c, n = self.noise_root.shape
        root = np.sqrt(self.prior_scale) * np.eye(m)[:, :, None]
        return c == m and n == 1 and np.array_equal(self.noise_root, root)

    def at(self, chunk: Chunk, H: np.ndarray) -> "Meat":
        """Return itself: this noise does not depend on the rows."""
        return self


class Varying(NamedTuple):
    """The meat of a noise that varies: M_i M_i' = D_i Sigma D_i, D_i = diag s(x_i)."""

    even: Meat
    """M M' = Sigma, and the prior."""
    relative_variance: Any
    """Function of columns X (d, n) and f (m, n) that gives s^2, (m, n), around 1."""

    @property
    def is_scalar(self) -> bool:
        """Whether this is s^2 A^+: never."""
        return False

    @property
    def prior_scale(self) -> float:
        """That of even noise."""
        return self.even.prior_scale

    def at(self, chunk: Chunk, H: np.ndarray) -> Meat:
        """Return the `Meat` of rows."""
        s2 = self.relative_variance(chunk.columns, chunk.predicted)
        return self.even._replace(
            noise_root=self.even.noise_root * np.sqrt(s2)[:, None, :]
        )


class Robust(NamedTuple):
    """The meat of HC0 .. HC3: M_i = (I - H_ii)^-power e_i, no prior."""

    power: float
    inflation: np.ndarray
    """Factor of e, (m,): sqrt(n / dof) for HC1, else 1."""

    @property
    def is_scalar(self) -> bool:
        """Whether this is s^2 A^+: never."""
        return False

    @property
    def prior_scale(self) -> float:
        """Nothing is added to the rows."""
        return 0.0

    def at(self, chunk: Chunk, H: np.ndarray) -> Meat:
        """Return the `Meat` of rows; a leverage of 1 leaves it infinite."""
        e = chunk.residuals * self.inflation[:, None]
        if self.power > 0.0:
            e = leave_one_out(e, H, power=self.power)
        return Meat(e[:, None, :], 0.0)


# What may fill the sandwich.
Filling: TypeAlias = Meat | Varying | Robust


def meat_of(Sigma: np.ndarray, prior: float) -> Meat:
    """Return the `Meat` of a noise of covariance `Sigma` (m, m), M M' = Sigma."""
    values, V = np.linalg.eigh(Sigma)  # M = V values^1/2
    if np.array_equal(Sigma, Sigma[0, 0] * np.eye(len(Sigma))):
        V = np.eye(len(Sigma))
    return Meat((V * np.sqrt(np.maximum(values, 0.0)))[:, :, None], float(prior))


def eigen(H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues (n, m) and vectors (n, m, m) of the `H` (n, m, m)."""
    # eigh is slow on many matrices of one entry
    return np.linalg.eigh(H) if H.shape[1] > 1 else (H[:, :, 0], np.ones_like(H))


def leave_one_out(
    e: np.ndarray, H: np.ndarray, cap: float | None = None, power: float = 1.0
) -> np.ndarray:
    """Return the leave-one-out residuals ``(I - H_ii)^-power e_i``, (m, n).

    `e` is (m, n), `H` the (n, m, m) leverage of one copy of each row. A row whose
    leverage is 1 is fitted by itself alone: its residual is infinite. `cap` bounds
    the eigenvalues of H_ii.
    """
    # H_ii = V h V', hence (I - H_ii)^-power e_i = V (1 - h)^-power V'e_i
    h, V = eigen(H)
    room = 1.0 - (h if cap is None else np.minimum(h, cap))
    alone = room <= LEVERAGE_IS_ONE
    rotated = np.einsum("nkl,kn->nl", V, e) / np.where(alone, 1.0, room) ** power
    return np.where(alone.any(axis=1), np.inf, np.einsum("nkl,nl->kn", V, rotated))
