"""Polishing, against closed forms, other estimators and the definition of F."""

import numpy as np
import pytest
from cases import CASES, CONVERGED, Case, output, packed, sine_data
from scipy import sparse
from sklearn.linear_model import PoissonRegressor, Ridge
from sklearn.neural_network import MLPRegressor

from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network.losses import LOSSES
from sklearn_nnci._network.perceptron import Network
from sklearn_nnci._training import polish as polishing
from sklearn_nnci._training import quasi_newton
from sklearn_nnci._training.objective import Objective
from sklearn_nnci._training.polish import polish

METHODS = ["levenberg-marquardt", "l-bfgs-b"]
SMOOTH = [
    Case("tanh", (4,), n_samples=60),
    Case("tanh", (3, 2), n_outputs=2, n_samples=60),
    Case("identity", (2,), n_outputs=2),
    Case("tanh", (12,), n_samples=40),  # more parameters than rows
]


def objective(theta, case, X, y, w, strength, loss):
    """F by its definition, of real or complex parameters."""
    f = output(theta, case, X)
    n_coefs = sum(W.size for W in case.network.coefs)
    data = (y - f) ** 2 / 2 if loss == "squared_error" else np.exp(f) - y * f
    return w @ data.sum(axis=1) + strength / 2 * np.sum(theta[:n_coefs] ** 2)


def gradient(theta, *args):
    steps = 1e-100j * np.eye(len(theta))
    return np.array([objective(theta + e, *args).imag for e in steps]) / 1e-100


def data(case, loss="squared_error"):
    rng = np.random.default_rng(1)
    X, w = case.X, rng.uniform(0.5, 2.0, case.n_samples)
    mean = np.sin(X[:, :1]) + np.arange(case.n_outputs)
    if loss == "poisson":
        return X, rng.poisson(np.exp(0.5 * mean)).astype(float), w
    return X, mean + 0.2 * rng.normal(size=mean.shape), w


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_gradient_vanishes(case, loss, monkeypatch):
    X, y, w = data(case, loss)
    # Which minimum it goes to, and in how many steps, depends on rounding.
    monkeypatch.setitem(polishing.MAX_ITERATIONS, "levenberg-marquardt", 5000)
    # Under a large penalty some of many units die: the Hessian becomes singular, and
    # whether rounding or the number of steps ends it depends on the machine.
    strength = 0.01 if case.network.n_parameters > case.n_samples else 1.0
    network, record = polish(case.network, X, y, w, strength, loss=loss)
    args = (case, X, y, w, strength, loss)
    # Where two units have become one, the Hessian is singular and rounding ends it.
    assert record.reason in ("gradient vanished", "no further decrease")
    at_start = np.abs(gradient(packed(case.network), *args)).max()
    left = np.abs(gradient(packed(network), *args)).max()
    assert left < 1e-6 * at_start
    assert record.gradient_norm == pytest.approx(left, abs=1e-10)
    before, after = (objective(packed(net), *args) for net in (case.network, network))
    assert record.objective_before == pytest.approx(before, rel=1e-12)
    assert record.objective_after == pytest.approx(after, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_objective_never_rises(case, method):
    X, y, w = data(case)
    args = (case, X, y, w, 0.01, "squared_error")
    network, first = polish(case.network, X, y, w, 0.01, method=method)
    assert first.objective_after < first.objective_before
    network, again = polish(network, X, y, w, 0.01, method=method)
    assert again.objective_before == first.objective_after
    assert again.objective_after <= again.objective_before
    assert objective(packed(network), *args) == pytest.approx(again.objective_after)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "case",
    [
        *(Case(name, (4,), 2) for name in ("tanh", "logistic", "relu", "identity")),
        Case("logistic", (3, 2), 2),
        Case("tanh", ()),
    ],
    ids=str,
)
def test_hessian_is_that_of_the_gradient(case, loss):
    X, y, w = data(case, loss)
    network = case.network
    penalty = Penalty(0.1, network.n_intercepts)
    F = Objective(network, X, y.T, w, penalty, LOSSES[loss])
    point = F.at(packed(network))
    R, S = F.triangle(point), F.second_order(point)
    A, g = F.normal_equations(point)
    np.testing.assert_allclose(A, R[:-1, :-1].T @ R[:-1, :-1], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(g, R[:-1, :-1].T @ R[:-1, -1], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(-g, F.value_and_gradient(point.theta)[1], atol=1e-10)
    steps = 1e-5 * np.eye(len(point.theta))
    above, below = (
        np.array([F.value_and_gradient(point.theta + sign * e)[1] for e in steps])
        for sign in (1, -1)
    )
    numerical = (above - below) / 2e-5
    scale = np.abs(S).max() if network.coefs[1:] else 1.0
    assert np.abs(A - S - numerical).max() < 1e-5 * scale


@pytest.mark.parametrize("method", METHODS)
def test_linear_network_is_ridge(method):
    case = Case("tanh", (), n_outputs=2)
    X, y, w = data(case)
    network, _ = polish(case.network, X, y, w, 3.0, method=method)
    close = dict(rtol=1e-6, atol=1e-8)
    ridge = Ridge(alpha=3.0).fit(X, y, w)
    np.testing.assert_allclose(network.coefs[0], ridge.coef_.T, **close)
    np.testing.assert_allclose(network.intercepts[0], ridge.intercept_, **close)


@pytest.mark.parametrize("method", METHODS)
def test_linear_poisson_network_is_the_generalised_linear_model(method):
    case = Case("tanh", (), n_samples=80)
    X, y, w = data(case, "poisson")
    network, _ = polish(case.network, X, y, w, 2.0, loss="poisson", method=method)
    alpha = 2.0 / w.sum()  # its objective is a mean over rows
    glm = PoissonRegressor(alpha=alpha, solver="newton-cholesky", tol=1e-12)
    glm.fit(X, y[:, 0], w)
    np.testing.assert_allclose(network.coefs[0][:, 0], glm.coef_, rtol=1e-5)
    np.testing.assert_allclose(network.intercepts[0], glm.intercept_, rtol=1e-5)


def test_row_of_weight_k_is_k_rows():
    case = SMOOTH[0]
    X, y, _ = data(case)
    w = np.random.default_rng(2).integers(1, 4, len(y))
    one, a = polish(case.network, X, y, w.astype(float), 0.1)
    X, y = np.repeat(X, w, axis=0), np.repeat(y, w, axis=0)
    other, b = polish(case.network, X, y, np.ones(len(y)), 0.1)
    assert a.objective_after == pytest.approx(b.objective_after, rel=1e-12)
    np.testing.assert_allclose(packed(one), packed(other), rtol=1e-6, atol=1e-9)


def test_two_outputs_reach_the_minimum_of_the_sum():
    X, y = sine_data(m=2)
    net = MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", alpha=1.0)
    net.set_params(**CONVERGED).fit(X, y)
    start = Network(tuple(net.coefs_), tuple(net.intercepts_), "tanh")
    args = (Case("tanh", (4,), 2, n_features=2), X, y, np.ones(len(y)), 1.0)
    assert np.abs(gradient(packed(start), *args, "squared_error")).max() > 1e-3
    network, _ = polish(start, *args[1:])
    assert np.abs(gradient(packed(network), *args, "squared_error")).max() < 1e-7


@pytest.mark.parametrize("hidden", [(6,), (5, 4)])
def test_relu_stops_at_a_kink(hidden):
    case = Case("relu", hidden, n_samples=80)
    X, y, w = data(case)
    _, record = polish(case.network, X, y, w, 0.01)
    assert record.objective_after < 0.5 * record.objective_before
    assert record.reason == "kink of relu"
    assert record.gradient_norm > 1e-6
    assert record.iterations < polishing.MAX_ITERATIONS["levenberg-marquardt"]


@pytest.mark.parametrize("method", METHODS)
def test_inputs_are_left_alone(method):
    case = SMOOTH[0]
    arrays = (*case.network.coefs, *case.network.intercepts, *data(case))
    copies = [a.copy() for a in arrays]
    start = Network(tuple(arrays[:2]), tuple(arrays[2:4]), "tanh")
    network, record = polish(start, *arrays[4:], 0.1, method=method)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    fresh = (*network.coefs, *network.intercepts)
    assert all(a.base is None for a in fresh)
    assert record.iterations > 0


def test_start_that_cannot_be_improved_is_returned():
    case = SMOOTH[0]
    X, y, w = data(case)
    best, _ = polish(case.network, X, y, w, 0.1)
    for network in (best, best._replace(coefs=(best.coefs[0], best.coefs[1] * np.nan))):
        same, record = polish(network, X, y, w, 0.1)
        np.testing.assert_allclose(packed(same), packed(network), rtol=1e-9)
        assert record.iterations <= 1
        assert all(a.base is None for a in (*same.coefs, *same.intercepts))


def test_worse_end_is_not_returned(monkeypatch):
    case = SMOOTH[0]
    monkeypatch.setitem(
        polishing.METHODS, METHODS[0], lambda F, at: (F.at(9.0 * at.theta), 3, "lost")
    )
    network, record = polish(case.network, *data(case), 0.1)
    np.testing.assert_array_equal(packed(network), packed(case.network))
    assert record.objective_after == record.objective_before


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_parts_of_a_loss_belong_together(loss):
    y, f, g = 2.0, np.array([-1.0, 0.3, 1.5]), np.array([0.5, -2.0, 1.6])
    change = loss.value(y, g) - loss.value(y, f)
    np.testing.assert_allclose(loss.difference(y, f, g), change, rtol=1e-12)
    h = 1e-5
    slope = (loss.value(y, f + h) - loss.value(y, f - h)) / (2 * h)
    np.testing.assert_allclose(-loss.negative_gradient(y, f), slope, rtol=1e-8)
    bend = (loss.negative_gradient(y, f - h) - loss.negative_gradient(y, f + h)) / (
        2 * h
    )
    np.testing.assert_allclose(bend, loss.hessian(y, f).ravel() * np.ones(3), rtol=1e-8)


def test_methods_agree_near_the_crossover():
    case = Case("tanh", (39,), n_samples=100)
    X, y, w = data(case)
    assert abs(case.network.n_parameters - polishing.MOST_PARAMETERS) < 10
    # Both start where there is one minimum to go to.
    best, _ = polish(case.network, X, y, w, 1.0, method=METHODS[0])
    near = best._replace(coefs=tuple(1.01 * W for W in best.coefs))
    (a, one), (b, other) = (polish(near, X, y, w, 1.0, method=m) for m in METHODS)
    assert one.objective_after < one.objective_before - 1e-4
    assert other.objective_after == pytest.approx(one.objective_after, rel=1e-9)
    f, g = (output(packed(net), case, X) for net in (a, b))
    np.testing.assert_allclose(f, g, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_sparse_rows_are_dense_rows(method):
    case = SMOOTH[0]
    X, y, w = data(case)
    X = X * (np.abs(X) > 0.5)
    dense, _ = polish(case.network, X, y, w, 0.1, method=method)
    rows, _ = polish(case.network, sparse.csr_array(X), y, w, 0.1, method=method)
    np.testing.assert_array_equal(packed(dense), packed(rows))


def test_many_parameters_go_to_the_other_method():
    case = Case("tanh", (60,), n_samples=30)
    _, record = polish(case.network, *data(case), 1.0)
    assert case.network.n_parameters > polishing.MOST_PARAMETERS
    assert record.method == "l-bfgs-b"


@pytest.mark.parametrize(
    "case, known",
    [
        (Case("tanh", (4,)), True),
        (Case("identity", ()), True),
        (Case("relu", (4,)), False),
        (Case("tanh", (4, 3)), False),
        (Case("tanh", (250,)), False),
    ],
    ids=str,
)
def test_hessian_is_a_metric_of_small_smooth_networks(case, known):
    assert quasi_newton.has_hessian(case.network) is known


def solved(solve, case, strength=0.1, loss="squared_error", start=None):
    """Return where `solve` ends, and F and its gradient by definition."""
    X, y, w = data(case, loss)
    penalty = Penalty(strength, case.network.n_intercepts)
    F = Objective(case.network, X, y.T, w, penalty, LOSSES[loss])
    theta = packed(case.network) if start is None else start
    end, n_steps, reason = solve(F, F.at(theta), 5000)
    args = (end.theta, case, X, y, w, strength, loss)
    return end, n_steps, reason, objective(*args), np.abs(gradient(*args)).max()


@pytest.mark.parametrize("loss", LOSSES)
def test_metric_saves_steps_to_the_same_minimum(loss):
    case = SMOOTH[0]
    near = solved(quasi_newton.preconditioned, case, loss=loss)[0].theta * 1.01
    fast, slow = (
        solved(solve, case, loss=loss, start=near)
        for solve in (quasi_newton.preconditioned, quasi_newton.plain)
    )
    assert fast[2] == "gradient vanished" and fast[4] < 1e-5
    assert fast[3] == pytest.approx(slow[3], rel=1e-9)
    assert fast[1] < 0.5 * slow[1]


def test_first_step_in_the_metric_is_newtons():
    case = Case("tanh", (), n_outputs=2)  # F is quadratic
    *_, n_steps, reason, _, left = solved(quasi_newton.preconditioned, case)
    assert reason == "gradient vanished" and n_steps <= 2 and left < 1e-6


def test_metric_is_the_hessian():
    case = SMOOTH[0]
    theta = solved(quasi_newton.preconditioned, case)[0].theta
    X, y, w = data(case)
    F = Objective(
        case.network, X, y.T, w, Penalty(0.1, case.network.n_intercepts),
        LOSSES["squared_error"],
    )  # fmt: skip
    C, used = quasi_newton._metric(F, F.at(theta), 0)
    args = (case, X, y, w, 0.1, "squared_error")
    steps = 1e-5 * np.eye(len(theta))
    numerical = np.array([
        (gradient(theta + e, *args) - gradient(theta - e, *args)) / 2e-5 for e in steps
    ])  # fmt: skip
    assert used == 0
    C = np.tril(C)
    np.testing.assert_allclose(C @ C.T, numerical, atol=1e-5 * np.abs(numerical).max())


def test_metric_that_leads_nowhere_gives_way_to_the_next(monkeypatch):
    case, usual, tried = SMOOTH[0], quasi_newton._steps, []
    near = solved(quasi_newton.preconditioned, case)[0].theta * 1.0001

    def steps(objective, start, C, most):
        tried.append(C)
        return usual(objective, start, C, most) if len(tried) > 1 else (start, 0, False)

    monkeypatch.setattr(quasi_newton, "_steps", steps)
    _, _, reason, _, left = solved(quasi_newton.preconditioned, case, start=near)
    assert reason == "gradient vanished" and left < 1e-5
    assert (np.diag(tried[1]) > np.diag(tried[0])).all()


def test_units_that_a_penalty_switches_off_do_not_end_it():
    case = Case("tanh", (30,), n_samples=200)
    end, _, reason, value, left = solved(quasi_newton.preconditioned, case, 5.0)
    sizes = np.linalg.norm(end.theta[: 3 * 30].reshape(3, 30), axis=0)
    assert (sizes < 1e-5).sum() > 10 and (sizes > 0.1).any()
    assert reason == "gradient vanished" and left < 1e-4
    again = solved(quasi_newton.plain, case, 5.0, start=end.theta)
    assert again[3] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("theta", [np.nan, np.inf])
def test_start_that_is_not_finite_is_not_left(theta):
    case = SMOOTH[0]
    start = np.full(case.network.n_parameters, theta)
    with np.errstate(invalid="ignore"):
        end, n_steps, reason, *_ = solved(
            quasi_newton.preconditioned, case, start=start
        )
    np.testing.assert_array_equal(end.theta, start)
    assert (n_steps, reason) == (0, "no further decrease")


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "logistic", "identity"])
def test_gradient_is_that_of_the_definition(activation, hidden, m):
    case = Case(activation, hidden, m)
    X, y, w = data(case)
    F = Objective(
        case.network, X, y.T, w, Penalty(0.1, case.network.n_intercepts),
        LOSSES["squared_error"],
    )  # fmt: skip
    theta, steps = packed(case.network), 1e-5 * np.eye(case.network.n_parameters)
    args = (case, X, y, w, 0.1, "squared_error")
    numerical = [
        (objective(theta + e, *args) - objective(theta - e, *args)) / 2e-5
        for e in steps
    ]
    found = F.value_and_gradient(theta)[1]
    np.testing.assert_allclose(found, numerical, rtol=1e-5, atol=1e-5)
    r = np.random.default_rng(3).normal(size=(m, len(X)))
    J = np.stack([
        (output(theta + e, case, X) - output(theta - e, case, X)) / 2e-5 for e in steps
    ])  # fmt: skip
    pulled = F.predict_and_vjp(theta, r)[1]
    np.testing.assert_allclose(pulled, np.einsum("pnm,mn->p", J, r), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_iterations_run_out(method, monkeypatch):
    monkeypatch.setitem(polishing.MAX_ITERATIONS, method, 2)
    case = SMOOTH[0]
    _, record = polish(case.network, *data(case), 0.1, method=method)
    assert record.reason == "iterations exhausted"
    assert record.iterations == 2
