"""The formulas of the covariance, one record each: nothing else compares their names.

With A = J'WJ + Lambda, H = J A^+ J' and residuals e, the variance of f(x) is j'C j,
and C is always of one form,

    C = A^+ (sum_i w_i J_i' M_i M_i' J_i + prior Lambda) A^+,     M_i M_i' = Sigma:

    least_squares   Lambda = 0                     s^2 (J'WJ)^+    Rivals & Personnaz
    bayesian        prior = s^2                    s^2 A^-1        Wahba; Nychka
    frequentist     prior = 0                      s^2 A^-1 J'WJ A^-1    De Veaux et al.
    evidence        bayesian, lambda and s^2 of the marginal likelihood  MacKay
    HC0 .. HC3      prior = 0, M_i = (I - H_ii)^-k/2 e_i    White; MacKinnon & White

Sigma (m, m) is the noise covariance, s^2 = tr Sigma / m; for one output s^2 itself.
What ``"auto"`` makes of the evidence is in `auto`. Formulas with a sum over rows inside
A^+ .. A^+ lose 0.05 eps cond^2 where a query depends on what only Lambda determines
(1e-4 at a condition number of 2e6, by 60-digit arithmetic); s^2 A^-1 does not.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._linearized.sandwich import Robust, meat_of


class Formula(NamedTuple):
    """What distinguishes a covariance from the others."""

    name: str
    penalised: bool = True
    """Whether Lambda is in A."""
    prior: bool = False
    """Whether Lambda is a prior, of variance s^2 / lambda around zero."""
    power: float | None = None
    """Of I - H_ii, by which robust formulas divide residuals; None: not robust."""
    inflated: bool = False
    """Whether residuals are multiplied by sqrt(n / (n - edf))."""
    scheffe: bool = False
    """Whether f is a linear smoother of y, for which Scheffe intervals hold."""
    evidence: bool = False
    """Whether lambda and s^2 are those of the marginal likelihood."""

    @property
    def plain(self) -> bool:
        """Whether C is s^2 A^+, with nothing summed inside."""
        return self.prior or not self.penalised

    @property
    def robust(self) -> bool:
        """Whether it rests on single residuals, whatever the noise is."""
        return self.power is not None

    @property
    def usual_noise(self) -> str:
        """The noise that goes with it."""
        return "evidence" if self.evidence else "residual"

    def meat(self, Sigma: np.ndarray, n: float, dof: np.ndarray) -> Any:
        """Return what stands inside A^+ .. A^+, for `n` rows and (m,) `dof`."""
        if self.power is None:
            s2 = np.trace(Sigma) / len(Sigma)
            return meat_of(Sigma, s2 if self.plain else 0.0)
        return Robust(self.power, np.sqrt(n / (dof if self.inflated else n * dof**0)))


FORMULAS = {
    formula.name: formula
    for formula in (
        Formula("least_squares", penalised=False, scheffe=True),
        Formula("bayesian", prior=True),
        Formula("frequentist", scheffe=True),
        Formula("evidence", prior=True, evidence=True),
        Formula("HC0", power=0.0),
        Formula("HC1", power=0.0, inflated=True),
        Formula("HC2", power=0.5),
        Formula("HC3", power=1.0),
    )
}
