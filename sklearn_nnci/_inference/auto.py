"""What the rule ``"auto"`` adds to the variances of the evidence.

The evidence judges the network at the optimum of its linearised model, a step away
from the weights that predict. With b = J step, e the residuals at those weights,
h_i the leverages and s^2 the noise of the evidence, h*_i the leverages under the
penalty that the network agrees with (`evidence`), means over the training rows,

    se_mean(x)^2 = v(x) + b(x)^2 + r m + d,        se_obs(x)^2 = s^2 + se_mean(x)^2,
    m = mean b_i^2,
    r = min(1, mean ((e_i - b_i)/(1 - h_i))^2 / mean (e_i/(1 - h_i))^2),
    d = max(0, mean (e_i/(1 - h*_i))^2 - s^2 - s^2 mean h_i/(1 - h_i) - m).

b(x)^2: the weights are where they are, not where the evidence would have them. b
crosses zero, which says nothing about f there: r m is what may be wrong with the
step, r the part of the leave-one-out error that remains after it. d: what that error
says of f at new rows, beyond all of these. It is 0 where the network has more
parameters than rows, or uses up half of them: its leave-one-out error says little.

r is an average. Bands that hold for all x at once (sup-t) take r = 1: where b crosses
zero, what may be wrong with the step is all there is.

With several outputs all of this is per output, 1 - h is I - H_ii. Measured on 540
kinds of fit in `benchmarks/coverage/auto_rule.py`.
"""

from typing import NamedTuple

import numpy as np

from sklearn_nnci._linearized.route import EvidenceFit

# Beyond this share of degrees of freedom under lambda*, leave-one-out says little.
MOST_EDF = 0.5


class Excess(NamedTuple):
    """What is added to every variance of f(x), (m,), in squared units of outputs."""

    variance: np.ndarray
    """r m + d."""
    doubt: np.ndarray
    """(1 - r) m, what bands add to that."""


def excess(found: EvidenceFit, left_out: np.ndarray | None = None) -> Excess:
    """Return the `Excess` of an `EvidenceFit`.

    `left_out` (m,) is the mean squared leave-one-out residual in units of s^2(x)/s^2,
    unless noise is even: a few noisy rows would else decide.
    """
    rows = found.fit.leverages
    n, moved = found.fit.n_samples, mean_squared_step(found)
    after, before = np.diag(rows.stepped), np.diag(rows.press_capped)
    r = np.divide(after, before, out=np.ones_like(after), where=before > 0.0)
    r = np.minimum(r, 1.0)
    seen = found.evidence.noise * (1.0 + np.diag(rows.ahead) / n) + moved
    d = np.maximum(_left_out(found, left_out) - seen, 0.0)
    return Excess(r * moved + d, (1.0 - r) * moved)


def no_excess(m: int) -> Excess:
    """Return the `Excess` of formulas without one."""
    return Excess(np.zeros(m), np.zeros(m))


def mean_squared_step(found: EvidenceFit) -> np.ndarray:
    """Return m = mean b_i^2, (m,), in squared units of the outputs."""
    return np.diag(found.fit.leverages.moved) / found.fit.n_samples


def _left_out(found: EvidenceFit, given: np.ndarray | None) -> np.ndarray:
    """Return mean (e_i/(1 - h*_i))^2, (m,), or `given`; 0 where it says too little."""
    nearest = found.nearest
    if nearest is None or nearest.share > MOST_EDF:
        return np.zeros(len(found.fit.edf))
    return np.diag(nearest.loo_noise) if given is None else given
