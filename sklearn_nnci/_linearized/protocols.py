"""The verbs of rows, of their reductions, of factored information, and of posteriors.

    rows --reduce--> reduction --penalise--> information --posterior--> posterior

Rows lie in one place (`Rows`) or in several (`Partitions`). They are reduced to p + 1
columns (`primal`) or to their N x N Gram matrix (`dual`). Who calls the verbs below
need not know which: the same equation holds on both routes.

J (N, p) is the Jacobian of m outputs at n rows, N = m n; W their weights; e their
residuals; A = J'WJ + Lambda; g = J'We - Lambda theta; j = j(x) a column of queries,
given by their layer factors, G (p, k) gradients of any functionals of f, by columns.
A^+ is A^-1 without the null directions of J.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from sklearn_nnci._linearized.residual_sums import ResidualSums
from sklearn_nnci._linearized.sandwich import Filling
from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Chunk, Penalty, Result, Rows
from sklearn_nnci._network.jacobian import Factors
from sklearn_nnci._network.perceptron import Network


class TrainingRows(Protocol):
    """The rows that trained, wherever they lie."""

    @property
    def network(self) -> Network:
        """The network that gave J."""

    @property
    def scale(self) -> np.ndarray:
        """Units of the outputs, (m,): J and e are of f_k / scale_k."""

    @property
    def loss(self) -> str:
        """What training minimised."""

    @property
    def size(self) -> int:
        """How many rows these are, n; one of weight 2 is one."""

    def rescaled(self, scale: np.ndarray) -> "TrainingRows":
        """Return the same rows with output k in units of ``scale[k]``."""

    def sample(self, chosen: np.ndarray) -> Rows:
        """Return the rows of these numbers, sorted, in one place."""

    def gather(self) -> Rows:
        """Return all rows, in one place."""

    def reduce(self, task: Callable[..., Result], *args: Any) -> Result:
        """Return task(S_1, ..) + task(S_2, ..) + ..., rows S_k as they lie together.

        `task` is pure and takes `Rows`; + is the verb `merge` of what it returns.
        """


class Reduction(Protocol):
    """All rows, by few numbers: what is left of them is as large as A, or as JJ'."""

    @property
    def route(self) -> str:
        """Name of the route, for reports and saved state."""

    @property
    def rows(self) -> TrainingRows:
        """The rows that were reduced."""

    @property
    def network(self) -> Network:
        """The network that gave J."""

    @property
    def totals(self) -> Totals:
        """Counts and second moments of the rows."""

    @property
    def reduced(self) -> np.ndarray:
        """M, M'M = [J e]'W[J e]; or K = J_c J_c' over all coefs, rows weighted."""

    @property
    def residuals(self) -> np.ndarray:
        """U W^1/2 e, (k,), with the rotation U of the rows that the route chose."""

    def again(self, rows: TrainingRows) -> "Reduction":
        """Return the reduction of other rows by the same route."""

    def cancels(self, penalty: Penalty) -> bool:
        """Return whether lambda is lost beside J'WJ in what this route computes."""

    def rank(self, exactly: bool = True) -> int:
        """Return rank J; unless `exactly`, a lower bound may do."""

    def spectrum_parts(self, n_free: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (K, O, t), rows rotated by U, of the linearised model.

        K = J_a J_a' over all but the last `n_free` parameters, O = J_b, the columns
        of these, t = e + J_a theta_a.
        """

    def penalise(self, penalty: Penalty) -> "Information":
        """Return A = J'WJ + Lambda, factored."""


class Information(Protocol):
    """A = J'WJ + Lambda, factored."""

    @property
    def sums(self) -> Reduction:
        """The rows, reduced."""

    @property
    def penalty(self) -> Penalty:
        """Lambda."""

    @property
    def condition(self) -> float:
        """(|A| |A^+|)^1/2, or a bound of it, null directions left out."""

    def leverages(self, cap: float, step: np.ndarray | None = None) -> ResidualSums:
        """Return the sums over rows of what needs H_ii and b = J step, or 0."""

    def rowwise(self) -> Iterator[tuple[Chunk, np.ndarray]]:
        """Yield (chunk, H), H_ii = J_i A^+ J_i' (k, m, m) of one copy of each row."""

    def edf(self) -> float:
        """Return tr A^+ J'WJ."""

    def largest(self, of: Callable[[Chunk, np.ndarray], np.ndarray]) -> float:
        """Return the largest number that `of` gives of any (chunk, H), or 0."""

    def smoother(self, G: np.ndarray) -> np.ndarray:
        """Return W^1/2 J A^+ G, (N, k), outputs before rows, of `G` (p, k).

        How g'theta follows y, at a minimum: its column, times W^1/2 y.
        """

    def step(self) -> np.ndarray:
        """Return the Gauss-Newton step A^+ g, (p,)."""

    def decrement(self, step: np.ndarray) -> float:
        """Return g'A^+ g of that step."""

    def posterior(self, meat: Filling) -> "Posterior | None":
        """Return C = A^+ (sum_i w_i J_i'M_i M_i'J_i + prior Lambda) A^+.

        M_i and the prior are those of `meat`. None if some M_i is infinite.
        """


class Posterior(Protocol):
    """The covariance C of theta; all that prediction needs."""

    def variance(self, F: Factors) -> np.ndarray:
        """Return j'C j of each f_k(x), (m, n); infinite where nothing bounds it."""

    def covariance(self, F: Factors) -> tuple[np.ndarray, np.ndarray]:
        """Return J_q C J_q' of all f_k(x), (m n, m n), and which are not bounded.

        Of these the variance is infinite, the covariance with the others nan.
        """

    def gradient_variance(self, G: np.ndarray) -> np.ndarray:
        """Return g'C g of each column of `G` (p, k), (k,), as `variance`."""

    def gradient_covariance(self, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return G'C G of the columns of `G` (p, k), (k, k), as `covariance`."""

    def parameter_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return C (p, p), and which parameters are not bounded."""

    def packed(self, dtype: Any) -> "Posterior":
        """Return the same for prediction only, its factor packed in that precision."""

    def state(self) -> dict[str, Any]:
        """Return what `route.restore` needs, as plain arrays and numbers."""
