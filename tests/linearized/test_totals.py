"""What is added up over rows: of parts it is that of all."""

import numpy as np
import pytest
from cases import Case

from sklearn_nnci._linearized.totals import Totals
from sklearn_nnci._linearized.training_rows import Chunk
from sklearn_nnci._network import jacobian


def totals_of(y, e, w, X=None):
    X = np.zeros((len(y), 1)) if X is None else X
    F = jacobian.Factors((), (), ())
    return Totals.of(Chunk(F, e, w, np.ones(1), y, X.T, y.T - e))


def test_totals_of_parts_are_those_of_all():
    rng = np.random.default_rng(4)
    y, e = rng.normal(size=(50, 2)) + 1e3, rng.normal(size=(2, 50))
    w, X = rng.integers(1, 4, 50).astype(float), rng.normal(size=(50, 3))
    whole = totals_of(y, e, w, X)
    cuts = [slice(0, 0), slice(0, 1), slice(1, 30), slice(30, 50)]
    network = Case("tanh", (4,), n_outputs=2).network
    merged = Totals.none(network)
    for cut in cuts:
        merged = merged.merge(totals_of(y[cut], e[:, cut], w[cut], X[cut]))
    for one, other in zip(merged, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    spread = np.sqrt(np.average((y - np.average(y, 0, w)) ** 2, 0, w))
    np.testing.assert_allclose(whole.spread, spread, rtol=1e-12)
    # A row of weight 2 or more is two rows, both at the edge.
    ordered = np.sort(np.repeat(X, w.astype(int), axis=0), axis=0)
    np.testing.assert_array_equal(whole.edges.low, ordered[:2])
    np.testing.assert_array_equal(whole.edges.high, ordered[:-3:-1])


@pytest.mark.parametrize("constant", [0.1, 1e6 / 3.0])
def test_constant_targets_have_no_spread_at_all(constant):
    y, e, w = np.full((40, 1), constant), np.zeros((1, 40)), np.full(40, 3.0)
    totals = totals_of(y[:7], e[:, :7], w[:7]).merge(totals_of(y[7:], e[:, 7:], w[7:]))
    assert totals.spread == 0.0
