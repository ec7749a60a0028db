"""What rows of counts add up to, by how large a count is expected there.

With mu the mean, h the leverage, w the weight of a row, in bins of log mu

    w,   w mu,   w mu^2,   w l^2,   w d,   w [y is no integer],

    l = (y - mu) / sqrt(mu) / (1 - h)         Pearson's residual, the row left out
    d = (y - mu)^2 - y + h mu                 numerator of the score of Dean & Lawless

Of Poisson counts l^2 is near 1 and d is 0 on average, whatever mu; of others they say
how the variance grows with mu. Bins are the same for all rows, so that sums of parts
are those of the whole wherever they lie, and narrow: within one, mu has a standard
deviation of 5 %.
"""

import numpy as np

from sklearn_nnci._linearized.sandwich import LEVERAGE_CAP
from sklearn_nnci._linearized.training_rows import Chunk
from sklearn_nnci._network.losses import LOSSES

# Bins per octave of mu, and where the first and the last octave begin; what is beyond
# is in the bins at the ends.
PER_OCTAVE, FIRST, LAST = 4, -16, 40
N_BINS = PER_OCTAVE * (LAST - FIRST)
# The sums, in this order.
SUMS = ("weight", "mean", "square", "pearson", "score", "fractional")


def count_sums(chunk: Chunk, H: np.ndarray, loss: str) -> np.ndarray | float:
    """Return the sums (6, m, bins) of some rows, of leverages `H` (k, m, m).

    0 where the loss does not count.
    """
    if not LOSSES[loss].counts:
        return 0.0
    y, mu, w = chunk.y.T, chunk.root_weight**2, chunk.weight
    h = np.einsum("nkk->kn", H)
    squared = mu * chunk.residuals**2
    pearson = (chunk.residuals / (1.0 - np.minimum(h, LEVERAGE_CAP))) ** 2
    score = squared - y + h * mu
    one = np.ones_like(mu)
    rows = np.stack([one, mu, mu**2, pearson, score, y != np.rint(y)]) * w
    octave = np.floor(PER_OCTAVE * (np.log2(mu) - FIRST))
    bins = np.clip(octave, 0, N_BINS - 1).astype(int)
    out = np.zeros((len(SUMS), len(mu), N_BINS))
    for k, own in enumerate(bins):
        for which, values in enumerate(rows[:, k]):
            out[which, k] = np.bincount(own, values, N_BINS)
    return out
