"""`fit`, and the life of a fitted network."""

import inspect
import pickle

import numpy as np
import pytest
from cases import CONVERGED, SMALL, sine_data
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI


@pytest.fixture(scope="module")
def fitted():
    X, y = sine_data(n=80)
    return MLPRegressorCI(**SMALL).fit(X, y), X, y


# ------------------------------------------------------------------- same as the parent


@pytest.mark.parametrize(
    "parameters",
    [
        dict(),
        dict(solver="lbfgs"),
        dict(solver="sgd", batch_size=7),
        dict(early_stopping=True),
        dict(hidden_layer_sizes=()),
        dict(hidden_layer_sizes=(5, 4), activation="logistic"),
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_predictions_and_random_stream_are_the_parents(parameters, weighted):
    X, y = sine_data(n=70)
    w = np.random.default_rng(0).uniform(0.5, 2, 70) if weighted else None
    streams = np.random.RandomState(3), np.random.RandomState(3)
    common = dict(max_iter=15, **parameters)
    one = MLPRegressor(random_state=streams[0], **common).fit(X, y, w)
    two = MLPRegressorCI(random_state=streams[1], **common).fit(X, y, w)
    for a, b in zip(one.coefs_ + one.intercepts_, two.coefs_ + two.intercepts_,
                    strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.predict(X), two.predict(X))
    np.testing.assert_array_equal(
        streams[0].uniform(size=5), streams[1].uniform(size=5)
    )
    np.testing.assert_array_equal(two.predict(X, return_ci=True)[0], one.predict(X))


def test_signature_is_the_parents_and_our_own():
    parent = inspect.signature(MLPRegressor.__init__).parameters
    mine = inspect.signature(MLPRegressorCI.__init__).parameters
    own = ["covariance", "noise", "polish", "n_restarts", "n_jobs", "regularization"]
    own += ["errors", "variance"]
    assert list(mine) == [*parent, *own]
    for name, parameter in parent.items():
        assert (mine[name].kind, mine[name].default) == (
            parameter.kind, parameter.default
        )  # fmt: skip
    for name in own:
        assert mine[name].kind is inspect.Parameter.KEYWORD_ONLY


# ---------------------------------------------------------------------- life of a model


def test_partial_fit_makes_the_inference_absent_and_fit_inference_brings_it_back():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(hidden_layer_sizes=(3,), random_state=0).fit(X, y)
    net.partial_fit(X, y)
    for ask in (
        lambda: net.predict(X, return_ci=True),
        lambda: net.get_prediction(X),
        lambda: net.inference_,
        lambda: net.parameter_covariance(),
    ):
        with pytest.raises(NotFittedError, match=r"partial_fit.*fit_inference"):
            ask()
    net.predict(X)
    assert net.fit_inference(X, y) is net
    assert net.predict(X, return_ci=True)[1].shape == (60, 2)


def test_covariance_none_skips_inference_until_it_is_asked_for():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(covariance=None, **SMALL).fit(X, y)
    with pytest.raises(NotFittedError, match=r"covariance=None.*fit_inference"):
        net.predict(X, return_pi=True)
    with pytest.raises(ValueError, match="covariance=None"):
        net.fit_inference(X, y)
    later = net.set_params(covariance="auto").fit_inference(X, y)
    now = MLPRegressorCI(**SMALL).fit(X, y)
    np.testing.assert_array_equal(
        later.predict(X, return_ci=True)[1], now.predict(X, return_ci=True)[1]
    )


def test_from_estimator_copies_and_agrees_with_fit(fitted):
    net, X, y = fitted
    plain = MLPRegressor(**SMALL).fit(X, y)
    before = pickle.dumps(plain)
    late = MLPRegressorCI.from_estimator(plain, X, y)
    np.testing.assert_array_equal(
        late.predict(X, return_ci=True)[1], net.predict(X, return_ci=True)[1]
    )
    late.coefs_[0][:] = 0.0
    assert pickle.dumps(plain) == before
    known = MLPRegressorCI.from_estimator(plain, X, y, noise=0.5)
    assert known.inference_.noise_variance == 0.5
    assert known.inference_.dof == np.inf
    with pytest.raises(TypeError, match="MLPRegressor, got Ridge"):
        MLPRegressorCI.from_estimator(
            __import__("sklearn.linear_model").linear_model.Ridge(), X, y
        )
    with pytest.raises(TypeError, match="alpha"):
        MLPRegressorCI.from_estimator(plain, X, y, alpha=1.0)
    with pytest.raises(NotFittedError):
        MLPRegressorCI.from_estimator(MLPRegressor(), X, y)


# --------------------------------------------------------------------- what the fit was


@pytest.mark.parametrize(
    "parameters, expected",
    [
        (dict(solver="lbfgs"), 0.5),
        (dict(solver="adam"), 0.5),  # one batch of min(200, n)
        (dict(solver="adam", batch_size=10), 0.5 * 90 / 10),
        (dict(solver="sgd", batch_size=1000), 0.5),
        (dict(solver="adam", batch_size=9, early_stopping=True), 0.5 * 81 / 9),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Got `batch_size` less")
def test_penalty_is_what_the_solver_minimised(parameters, expected):
    X, y = sine_data(n=90)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), alpha=0.5, max_iter=5, random_state=0,
        covariance="bayesian", **parameters,
    ).fit(X, y)  # fmt: skip
    assert net.inference_.penalty == pytest.approx(expected)


def test_mini_batches_really_divide_the_penalty():
    """A linear network under adam ends where ridge with alpha n / batch ends."""
    from sklearn.linear_model import Ridge

    X, y = sine_data(n=120, d=3)
    net = MLPRegressorCI(
        hidden_layer_sizes=(), alpha=1.0, batch_size=20, max_iter=3000, tol=0.0,
        n_iter_no_change=3000, learning_rate_init=1e-3, random_state=0,
        covariance="bayesian",
    ).fit(X, y)  # fmt: skip
    penalty = net.inference_.penalty
    right, wrong = (Ridge(a).fit(X, y).coef_ for a in (penalty, 1.0))
    mine = net.coefs_[0][:, 0]
    assert np.abs(mine - right).max() < 0.2 * np.abs(mine - wrong).max()


def test_relative_offset_is_the_remaining_gauss_newton_step(fitted):
    X, y = sine_data(n=100)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), activation="tanh", random_state=0, alpha=0.5
    ).fit(X, y)
    J, e = net.jacobian(X), y - net.predict(X)
    theta = np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])
    Lambda = 0.5 * (np.arange(len(theta)) < 9)
    A = J.T @ J + np.diag(Lambda)
    g = J.T @ e - Lambda * theta
    edf = np.trace(J @ np.linalg.solve(A, J.T))
    s2 = e @ e / (len(y) - edf)
    expected = np.sqrt(g @ np.linalg.solve(A, g) / edf / s2)
    assert net.inference_.relative_offset == pytest.approx(expected, rel=1e-8)
    assert fitted[0].inference_.relative_offset < 0.3


@pytest.mark.parametrize("activation, alpha, seed", [
    ("tanh", 20.0, 1), ("logistic", 1.0, 1), ("logistic", 0.1, 0),
])  # fmt: skip
def test_relative_offset_is_zero_at_a_minimum_with_idle_units(activation, alpha, seed):
    """Units switched off, and twins, leave sums of intercepts that nothing determines:
    the gradient there is rounding, and so is the information."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 3))
    y = np.sin(X[:, 0]) + 0.3 * rng.standard_normal(120)
    net = MLPRegressorCI(
        hidden_layer_sizes=(8,), activation=activation, solver="lbfgs", alpha=alpha,
        polish=True, max_iter=3000, tol=1e-9, covariance="bayesian", random_state=seed,
    ).fit(X, y)  # fmt: skip
    assert net.polish_.gradient_norm < 1e-7
    J = net.jacobian(X)
    values = np.linalg.svd(J[:, -9:], compute_uv=False)
    assert values[-1] < 1e-9 * values[0]  # there are such sums
    assert net.inference_.relative_offset < 1e-6
    # but what is determined counts: one weight beside its minimum
    strong = np.abs(net.coefs_[1]).argmax()
    net.coefs_[1][strong] *= 1.5
    net.fit_inference(X, y)
    J, e = net.jacobian(X), y - net.predict(X)
    theta = np.concatenate([a.ravel() for a in (*net.coefs_, *net.intercepts_)])
    Lambda = alpha * (np.arange(len(theta)) < len(theta) - 9)
    _, sizes, V = np.linalg.svd(np.vstack([J, np.diag(np.sqrt(Lambda))]))
    seen = sizes > 1e-8 * sizes[0]
    c = V[: len(sizes)][seen] @ (J.T @ e - Lambda * theta) / sizes[seen]
    report = net.inference_
    expected = np.sqrt(c @ c / report.edf)
    s = np.sqrt(e @ e / (len(y) - report.edf))
    assert expected / s > 0.1
    assert report.relative_offset == pytest.approx(expected / s, rel=1e-5)


# ---------------------------------------------------------------------------- bad input


def unchanged(net):
    return pickle.dumps(vars(net))


@pytest.mark.parametrize(
    "name, value",
    [
        ("covariance", "laplace"), ("covariance", 1.0), ("noise", -1.0), ("noise", 0.0),
        ("noise", "none"), ("noise", np.nan), ("noise", np.inf), ("noise", True),
        ("noise", None),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused_at_fit_and_at_fit_inference(name, value):
    X, y = sine_data(n=80)
    net = MLPRegressorCI(**{**SMALL, name: value})
    with pytest.raises(ValueError, match=name) as error:
        net.fit(X, y)
    assert repr(value) in str(error.value) or str(value) in str(error.value)
    assert not hasattr(net, "coefs_")
    net = MLPRegressorCI(**SMALL).fit(X, y).set_params(**{name: value})
    before = unchanged(net)
    with pytest.raises(ValueError, match=name):
        net.fit_inference(X, y)
    assert unchanged(net) == before


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_rows_is_never_a_certainty(n):
    X, y = sine_data(n=n)
    for parameters in (
        dict(),
        dict(hidden_layer_sizes=()),
        dict(covariance="bayesian"),
    ):
        net = MLPRegressorCI(random_state=0, max_iter=20, **parameters).fit(X, y)
        ci = net.predict(X, return_ci=True)[1]
        assert not np.isnan(ci).any()
        if n == 1:
            assert np.isinf(ci).all()


def test_constant_target_and_constant_columns_fit():
    X, y = sine_data(n=30)
    X = np.c_[X, np.ones(30), np.zeros(30)]
    for target in (np.ones(30), y):
        net = MLPRegressorCI(**SMALL).fit(X, target)
        assert not np.isnan(net.predict(X, return_pi=True)[1]).any()


@pytest.mark.parametrize("large", ["X", "y"])
@pytest.mark.parametrize("given", [np.asarray, sparse.csr_matrix])
def test_what_overflows_is_named_and_the_advice_helps(large, given):
    X, y = sine_data(n=60, noise=0.3)
    units = dict(X=1.0, y=1.0) | {large: 1e170}
    X, y = X * units["X"], y * units["y"]
    net = MLPRegressorCI(hidden_layer_sizes=(2,), **CONVERGED)
    X1, y1 = X / np.abs(X).max(), y / np.abs(y).max()
    net.fit(given(X1), y1)
    with pytest.raises(ValueError, match=rf"{large} is too large, .*e\+170: .*divided"):
        net.fit_inference(given(X), y)
    assert np.isfinite(
        net.fit_inference(given(X1), y1).predict(X1, return_ci=True)[1]
    ).all()
