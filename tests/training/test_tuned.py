"""Starts, what is kept of them, and the data they are trained on."""

import itertools

import numpy as np
import pytest
from cases import Case, output, packed, sine_data
from scipy import sparse

from sklearn_nnci._network.perceptron import Network, forward, pack, unpack
from sklearn_nnci._training import tuned
from sklearn_nnci._training.curvature import curvature_at
from sklearn_nnci._training.groups import groups_of
from sklearn_nnci._training.tuning import RANGE, Data, Penalties, Tuning, active_units


def moments(columns, w):
    """Mean and standard deviation of rows repeated."""
    rows = np.repeat(columns, w.astype(int), axis=0)
    return rows.mean(axis=0), rows.std(axis=0)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_standardised(kind):
    """Weights count rows, absent ones are not there, constants have scale 1."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5)) * [1.0, 1e-5, 1e6, 0.0, 1.0] + [0.0, 1.0, -1e6, 7.7, 0]
    X[rng.random(30) < 0.5, 4] = 0.0
    y = rng.normal(size=(30, 2)) * [1e3, 0.0] + [5e4, 0.1]
    w = rng.integers(0, 4, 30).astype(float)
    data, (x0, sx), (y0, sy) = tuned.standardised(kind(X), y, w)
    for there, location, scale in ((X, x0, sx), (y, y0, sy)):
        mean, spread = moments(there, w)
        constant = np.ptp(there, axis=0) == 0.0
        np.testing.assert_allclose(location, mean, rtol=1e-12, atol=1e-12)
        expected = np.where(constant, 1.0, spread)
        np.testing.assert_allclose(scale, expected, rtol=1e-12)
    np.testing.assert_array_equal(data.w, w[w > 0.0])
    np.testing.assert_allclose(data.X, (X[w > 0] - x0) / sx, rtol=1e-9, atol=1e-9)
    assert not data.X[:, 3].any() and not data.y[:, 1].any()
    np.testing.assert_allclose(data.w @ data.X, 0.0, atol=1e-9)
    assert data.n == w.sum()


@pytest.mark.parametrize("size", [1e-200, 1e-3, 1e200])
def test_squares_neither_overflow_nor_vanish(size):
    X, y = sine_data(20)
    w = np.ones(20)
    one, two = (tuned.standardised(s * X, y[:, None], w)[0] for s in (1.0, size))
    np.testing.assert_allclose(one.X, two.X, rtol=1e-12)


def test_a_row_alone_is_standardised_to_nothing():
    data, *_ = tuned.standardised(np.array([[3.0, 4.0]]), np.array([[5.0]]), np.ones(1))
    assert not data.X.any() and not data.y.any() and data.n == 2.0


@pytest.mark.parametrize("activation, factor", [("tanh", 6.0), ("logistic", 2.0)])
def test_initial_weights_are_glorots_and_0_of_constant_columns(activation, factor):
    X = np.random.default_rng(0).normal(size=(9, 3)) * [1.0, 0.0, 1.0]
    data = Data(X, np.zeros((9, 2)), np.ones(9))
    many = [tuned.initial(data, (40, 30), activation, seed) for seed in range(20)]
    sizes = (3, 40, 30, 2)
    for layer, shape in enumerate(itertools.pairwise(sizes)):
        W = np.array([one.coefs[layer] for one in many])
        assert W.shape[1:] == shape
        bound = np.sqrt(factor / sum(shape))
        assert np.abs(W).max() <= bound
        W = np.delete(W, 1, axis=1) if layer == 0 else W
        assert W.std() == pytest.approx(bound / np.sqrt(3.0), rel=0.05)
    assert not any(one.coefs[0][1].any() for one in many)
    again = tuned.initial(data, (40, 30), activation, 3)
    np.testing.assert_array_equal(pack(*again[:2]), pack(*many[3][:2]))


CASES = [
    Case("tanh", (4,)),
    Case("tanh", (), n_outputs=2),
    Case("logistic", (3, 2), n_outputs=2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_relevance_is_the_rms_slope(case):
    w, X, h = case.rng.uniform(0.5, 2.0, case.n_samples), case.X, 1e-5
    data = Data(X, np.zeros((len(X), case.n_outputs)), w)
    expected, theta = [], packed(case.network)
    for unit in np.eye(case.n_features):
        ends = [output(theta, case, X + sign * h * unit) for sign in (1, -1)]
        slope = np.subtract(*ends) / (2.0 * h)
        expected.append(np.sqrt((w @ slope**2).mean() / w.sum()))
    np.testing.assert_allclose(tuned.relevance(case.network, data), expected, rtol=1e-7)


def padded(network, layer):
    """The network with two units more in a hidden layer, all of their weights 0."""
    W, b = [*network.coefs], [*network.intercepts]
    W[layer] = np.pad(W[layer], ((0, 0), (0, 2)))
    W[layer + 1] = np.pad(W[layer + 1], ((0, 2), (0, 0)))
    b[layer] = np.pad(b[layer], (0, 2))
    return Network(tuple(W), tuple(b), network.activation)


def test_symmetry_is_the_log_number_of_equal_networks():
    """Orders and signs of the units of each layer, by counting them."""
    assert tuned.symmetry((), "tanh") == 0.0
    assert tuned.symmetry((3, 2), "relu") == pytest.approx(np.log(6 * 2))
    assert tuned.symmetry((3, 0, 2), "tanh") == pytest.approx(np.log(6 * 2 * 2**5))


@pytest.mark.parametrize("hidden, layer", [((3,), 0), ((3, 2), 1)])
def test_dead_units_change_neither_evidence_nor_symmetry(hidden, layer):
    case, found = Case("tanh", hidden), []
    X, y = case.X, np.sin(case.X[:, :1])
    for network in (case.network, padded(case.network, layer)):
        groups = groups_of(network)
        tuning = Tuning(Data(X, y, np.ones(40)), network, groups)
        lam = np.random.default_rng(1).uniform(0.01, 0.2, groups.n_groups)
        penalties = Penalties(lam, np.ones(1))
        F = tuning.objective(penalties)
        point = F.at(pack(*network[:2]))
        curvature = curvature_at(F, point, groups)
        log_det = curvature.determined(lam).log_det
        log_evidence = tuning.log_evidence(F.value(point), penalties, log_det)
        active = active_units(unpack(curvature.by_parameter(lam), network))
        found.append((log_evidence, *active))
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert sum(found[0][1:]) > 0


def train(X, y, w=None, seeds=(1, 2), first=0, sizes=(3,), n_jobs=None):
    w = np.ones(len(X)) if w is None else w
    y = y.reshape(len(X), -1)
    return tuned.trained(
        X, y, w, sizes, "tanh", np.array(seeds), first, 100, n_jobs, False
    )


@pytest.mark.parametrize("m", [1, 2])
def test_a_row_of_weight_k_is_k_rows(m):
    X, y = sine_data(50, m=m)
    w = np.random.default_rng(1).integers(0, 4, 50).astype(float)
    rows = np.repeat(np.arange(50), w.astype(int))
    one, two = train(X, y, w), train(X[rows], y[rows])
    assert one[1].log_evidence == pytest.approx(two[1].log_evidence, abs=1e-6)
    assert one[1].symmetry == pytest.approx(two[1].symmetry)
    for name in ("penalties", "gamma", "relevance"):
        a, b = getattr(one[1], name), getattr(two[1], name)
        np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=name)
    f = [forward(each[0], X)[-1] for each in (one, two)]
    np.testing.assert_allclose(*f, rtol=1e-5, atol=1e-6)


def test_starts_take_first_penalties_in_turns_and_the_best_is_kept():
    X, y = sine_data(40)
    both = train(X, y, seeds=(5, 6)), train(X, y, seeds=(5,)), train(X, y, seeds=(6,))
    other = train(X, y, seeds=(6,), first=1)
    evidences = both[0][2].evidences
    assert evidences[0] == both[1][2].evidences[0]
    assert evidences[1] == other[2].evidences[0] != both[2][2].evidences[0]
    assert train(X, y, seeds=(6,), first=3)[2].evidences[0] == evidences[1]
    best = int(np.argmax(evidences))
    assert both[0][1].log_evidence == evidences[best]
    parameters = both[0][2].parameters
    np.testing.assert_array_equal(pack(*both[0][0][:2]), parameters[best])


def test_evidence_is_that_of_y_in_its_own_units():
    """1 / c times the density of y for each row, c times that of b0."""
    X, y = sine_data(40, m=2)
    c, w = np.array([3e3, 1e-2]), np.random.default_rng(0).integers(1, 3, 40) * 1.0
    one, two = train(X, y, w), train(1e4 * X - 3.0, c * y + 7.0, w)
    expected = one[1].log_evidence - (w.sum() - 1.0) * np.log(c).sum()
    assert two[1].log_evidence == pytest.approx(expected, abs=1e-5)
    f = forward(one[0], X)[-1] * c[:, None] + 7.0
    np.testing.assert_allclose(forward(two[0], 1e4 * X - 3.0)[-1], f, rtol=1e-6)


def test_coordinates_hold_parameters_of_penalty_1():
    """|phi_g|^2 = lambda_g |theta_g|^2, of which MacKay's update makes s^2 gamma_g."""
    X, y = sine_data(80)
    network, kept, _ = train(X, y, seeds=(1,))
    groups, s2 = groups_of(network), 2.0 * kept.losses[-1] * 80 / 79
    squares = groups.sums(network.parameters**2)
    inside = (kept.penalties < 1e4 * s2) & (kept.penalties > 1.1 * RANGE[0] * s2)
    np.testing.assert_allclose(squares[inside], s2 * kept.gamma[inside], rtol=0.1)
