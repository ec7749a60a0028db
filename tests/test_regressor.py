"""`MLPRegressorCI` as a user sees it."""

import copy
import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from cases import CONVERGED, sine_data
from numpydoc.validate import validate
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI, exceptions

SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=1e-2, **CONVERGED)


@pytest.fixture(scope="module")
def fitted():
    X, y = sine_data(n=80)
    return MLPRegressorCI(**SMALL).fit(X, y), X, y


# ---------------------------------------------------------------- same as the parent


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
    own = ["covariance", "noise", "polish", "n_restarts", "n_jobs"]
    assert list(mine) == [*parent, *own]
    for name, parameter in parent.items():
        assert (mine[name].kind, mine[name].default) == (
            parameter.kind, parameter.default
        )  # fmt: skip
    for name in own:
        assert mine[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_flags_off_do_no_jacobian_work(fitted, monkeypatch):
    net, X, _ = fitted
    monkeypatch.setattr("sklearn_nnci._network.perceptron.forward", None)
    monkeypatch.setattr("sklearn_nnci._network.jacobian.forward", None)
    net.predict(X)
    with pytest.raises(TypeError):
        net.predict(X, return_ci=True)


# ------------------------------------------------------------------------- prediction


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("level", [0.9, [0.5, 0.9], [[0.5, 0.8], [0.9, 0.99]]])
def test_shapes(m, level):
    X, y = sine_data(n=60, m=m)
    net = MLPRegressorCI(**SMALL).fit(X, y)
    for flag in ("return_ci", "return_pi"):
        y_pred, interval = net.predict(X[:7], **{flag: True}, confidence_level=level)
        assert interval.shape == (*y_pred.shape, 2, *np.shape(level))
        lower, upper = np.moveaxis(interval, y_pred.ndim, 0)
        assert (lower < upper).all()
    y_pred, std = net.predict(X[:7], return_std=True)
    assert std.shape == y_pred.shape
    np.testing.assert_array_equal(std, net.get_prediction(X[:7]).se_obs)
    y_pred, cov = net.predict(X[:7], return_cov=True)
    assert cov.shape == y_pred.shape * 2
    flat = cov.reshape(y_pred.size, y_pred.size)
    np.testing.assert_allclose(
        np.diag(flat), net.get_prediction(X[:7]).se_mean.ravel() ** 2, rtol=1e-8
    )
    assert np.linalg.eigvalsh(flat).min() > -1e-12 * flat.max()


def test_covariance_is_that_of_the_parameters(fitted):
    net, X, _ = fitted
    net = (
        copy.deepcopy(net).set_params(covariance="bayesian").fit_inference(*fitted[1:])
    )
    J = net.jacobian(X[:5])
    np.testing.assert_allclose(
        net.predict(X[:5], return_cov=True)[1],
        J @ net.parameter_covariance() @ J.T,
        rtol=1e-7, atol=1e-12,
    )  # fmt: skip
    assert len(net.parameter_names()) == J.shape[1]


@pytest.mark.parametrize("hidden", [(5,), (100,)])
def test_what_belongs_to_no_parameter_stands_beside_their_covariance(hidden):
    X, y = map(scale, load_diabetes(return_X_y=True))
    net = MLPRegressorCI(hidden_layer_sizes=hidden, random_state=0).fit(X, y)
    J, cov = net.jacobian(X[:50]), net.parameter_covariance()
    variance = np.einsum("ij,jk,ik->i", J, cov, J)
    beside = net.inference_.excess_variance
    assert beside > 0.0
    np.testing.assert_allclose(
        net.get_prediction(X[:50]).se_mean ** 2, variance + beside, rtol=1e-6
    )
    table = net.summary()[net.summary()["estimable"]]
    np.testing.assert_allclose(
        table["std_error"], np.sqrt(np.diag(cov))[net.summary()["estimable"]], rtol=1e-9
    )


def test_jacobian_is_the_change_of_predict(fitted):
    net, X, _ = fitted
    J, names = net.jacobian(X), net.parameter_names()
    moved = copy.deepcopy(net)
    moved.coefs_[0][1, 2] += 1e-6
    change = (moved.predict(X) - net.predict(X)) / 1e-6
    np.testing.assert_allclose(J[:, names.index("coefs_[0][1, 2]")], change, atol=1e-5)


def test_auto_widens_a_given_noise_for_what_training_left_undone():
    """se^2 (1 + RO^2), of the mean but not of the observation; and auto says why."""
    X, y = sine_data(n=100)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), activation="tanh", random_state=0, noise="loo"
    ).fit(X, y)
    report = net.inference_
    assert (report.method, report.noise) == ("bayesian", "loo")
    assert report.relative_offset > 0.3
    assert "not left to the rule" in report.reason
    plain = MLPRegressorCI.from_estimator(net, X, y, covariance="bayesian", noise="loo")
    auto, named = net.get_prediction(X), plain.get_prediction(X)
    widening = 1 + report.relative_offset**2
    np.testing.assert_allclose(auto.se_mean**2, named.se_mean**2 * widening, rtol=1e-10)
    np.testing.assert_allclose(
        auto.se_obs, np.maximum(named.se_obs, auto.se_mean), rtol=1e-10
    )
    assert plain.inference_.reason == ""


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


def test_rows_are_independent_of_their_batch_and_order(fitted):
    net, X, _ = fitted
    whole = net.predict(X, return_ci=True)[1]
    np.testing.assert_allclose(
        net.predict(X[::-1], return_ci=True)[1][::-1], whole, rtol=1e-12
    )
    one = np.concatenate([net.predict(x[None], return_ci=True)[1] for x in X[:5]])
    np.testing.assert_allclose(one, whole[:5], rtol=1e-12)


@pytest.mark.parametrize("hidden", [(3,), (60,)])
def test_inputs_of_every_kind_give_the_same_interval(hidden):
    X, y = sine_data(n=50)
    net = MLPRegressorCI(hidden_layer_sizes=hidden, random_state=0, solver="lbfgs")
    expected = net.fit(X, y).predict(X, return_ci=True)[1]
    for convert in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, list):
        other = MLPRegressorCI.from_estimator(net, convert(X), list(y))
        ci = other.predict(convert(X), return_ci=True)[1]
        np.testing.assert_allclose(ci, expected, rtol=1e-9)
        assert np.isfinite(
            MLPRegressorCI(**net.get_params())
            .fit(convert(X), y)
            .predict(convert(X), return_ci=True)[1]
        ).all()
    single = MLPRegressorCI(**net.get_params()).fit(X.astype(np.float32), y)
    y_pred, ci = single.predict(X.astype(np.float32), return_ci=True)
    assert y_pred.dtype == single.predict(X.astype(np.float32)).dtype
    assert ci.dtype == np.float64


def test_frames_keep_names_and_index_and_warn_once():
    X, y = sine_data(n=50)
    frame = pd.DataFrame(X, columns=["a", "b"], index=np.arange(50) * 10)
    net = MLPRegressorCI(**SMALL).fit(frame, y)
    assert net.feature_names_in_.tolist() == ["a", "b"]
    assert net.get_prediction(frame).to_frame().index.equals(frame.index)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = net.get_prediction(X).to_frame()
    assert [w.category for w in caught] == [UserWarning]
    assert table.index.equals(pd.RangeIndex(50))
    with pytest.raises(ValueError, match="feature names"):
        net.predict(frame[["b", "a"]], return_ci=True)
    MLPRegressorCI(random_state=0, early_stopping=True, polish=True).fit(frame, y)


# --------------------------------------------------------------------- life of a model


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


@pytest.mark.parametrize("seed", [0, None, "state"])
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_leaves_held_out_rows_out(seed, weighted):
    """The rows are those of the split that the random state gives at that moment."""
    X, y = sine_data(n=90)
    w = np.random.default_rng(0).uniform(0.5, 2, 90) if weighted else None
    random_state = np.random.RandomState(5) if seed == "state" else seed
    net = MLPRegressorCI(
        hidden_layer_sizes=(4,), early_stopping=True, random_state=random_state,
        noise="validation", validation_fraction=0.2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.HeldOutRowsWarning)
        net.fit(X, y, w)
    report = net.inference_
    if weighted:
        return
    assert report.n_samples == 72
    assert report.dof == 18
    if seed is None:
        return
    rng = np.random.RandomState(0 if seed == 0 else 5)
    for fan_in, fan_out in ((2, 4), (4, 1)):
        rng.uniform(size=(fan_in, fan_out))
        rng.uniform(size=fan_out)
    _, held_out = train_test_split(np.arange(90), random_state=rng, test_size=0.2)
    e = y[held_out] - net.predict(X[held_out])
    assert report.noise_variance == pytest.approx(np.mean(e**2), rel=1e-10)
    assert report.penalty == pytest.approx(1e-4 * 72 / 72)


def test_early_stopped_network_of_the_parent_recovers_its_rows_by_the_seed():
    X, y = sine_data(n=90)
    parameters = dict(hidden_layer_sizes=(4,), early_stopping=True, random_state=1)
    plain = MLPRegressor(**parameters).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.HeldOutRowsWarning)
        late = MLPRegressorCI.from_estimator(plain, X, y)
    assert late.inference_.n_samples == 81
    mine = MLPRegressorCI(**parameters).fit(X, y)
    np.testing.assert_array_equal(
        late.predict(X, return_ci=True)[1], mine.predict(X, return_ci=True)[1]
    )
    plain.random_state = None
    with pytest.warns(exceptions.HeldOutRowsWarning, match="random_state"):
        unknown = MLPRegressorCI.from_estimator(plain, X, y)
    assert unknown.inference_.n_samples == 90
    plain.random_state = 2  # a wrong seed does not go unnoticed
    with pytest.warns(exceptions.HeldOutRowsWarning):
        MLPRegressorCI.from_estimator(plain, X, y)


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


# ---------------------------------------------------------------------------- bad input


def unchanged(net):
    return pickle.dumps(vars(net))


@pytest.mark.parametrize(
    "call, error, match",
    [
        (lambda net, X, y: net.predict(X, return_ci=True, return_pi=True), ValueError,
         "return_ci and return_pi cannot be combined"),
        (lambda net, X, y: net.predict(X, return_ci=True, confidence_level=95),
         ValueError, "0.95, not 95"),
        (lambda net, X, y: net.predict(X, return_std=True, confidence_level=None),
         ValueError, "confidence_level"),
        (lambda net, X, y: net.predict(X * np.nan, return_ci=True), ValueError, "NaN"),
        (lambda net, X, y: net.predict(X + np.inf, return_pi=True), ValueError, "inf"),
        (lambda net, X, y: net.predict(X[:, :1], return_ci=True), ValueError,
         "1 features, but MLPRegressorCI is expecting 2"),
        (lambda net, X, y: net.predict(X[0], return_ci=True), ValueError, "1D array"),
        (lambda net, X, y: net.jacobian(X[:, :1]), ValueError, "2 features"),
        (lambda net, X, y: net.fit_inference(X, y[:-1]), ValueError, "inconsistent"),
        (lambda net, X, y: net.fit_inference(X, y * np.nan), ValueError, "NaN"),
        (lambda net, X, y: net.fit_inference(X, np.c_[y, y]), ValueError,
         "2 outputs.*has 1"),
        (lambda net, X, y: net.fit_inference(X, y, np.zeros(80)), ValueError,
         "sample_weight"),
        (lambda net, X, y: net.fit_inference(X, y, -np.ones(80)), ValueError, "-1"),
    ],
)  # fmt: skip
def test_bad_calls_leave_the_estimator_unchanged(fitted, call, error, match):
    net, X, y = fitted
    before = unchanged(net)
    with pytest.raises(error, match=match):
        call(net, X, y)
    assert unchanged(net) == before


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


def test_unfitted():
    X, y = sine_data(n=20)
    net = MLPRegressorCI()
    for ask in (
        lambda: net.predict(X),
        lambda: net.predict(X, return_ci=True),
        lambda: net.get_prediction(X),
        lambda: net.fit_inference(X, y),
        lambda: net.jacobian(X),
        lambda: net.parameter_names(),
        lambda: net.parameter_covariance(),
    ):
        with pytest.raises(NotFittedError, match="MLPRegressorCI"):
            ask()
    assert not hasattr(net, "inference_")


def test_weights_or_activation_changed_by_hand(fitted):
    net, X, y = fitted
    ask = [
        lambda n: n.predict(X, return_ci=True),
        lambda n: n.jacobian(X),
        lambda n: n.fit_inference(X, y),
    ]
    shape = copy.deepcopy(net)
    shape.coefs_[1] = shape.coefs_[1][:2]
    other = copy.deepcopy(net).set_params(activation="relu")
    for call in ask:
        with pytest.raises(ValueError, match=r"coefs_\[1\].*\(2, 1\).*by hand"):
            call(shape)
        with pytest.raises(ValueError, match=r"activation='relu'.*'tanh'"):
            call(other)
    value = copy.deepcopy(net)
    value.coefs_[1] = value.coefs_[1] + 1e-12
    with pytest.raises(NotFittedError, match="changed after the inference"):
        value.predict(X, return_ci=True)
    assert np.isfinite(value.fit_inference(X, y).predict(X, return_ci=True)[1]).all()
    other.fit(X, y)
    assert np.isfinite(other.predict(X, return_ci=True)[1]).all()


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


# -------------------------------------------------------------------------------- docs


def test_the_class_names_every_covariance_and_noise_it_takes():
    for name, values in MLPRegressorCI._parameter_constraints.items():
        if name in ("covariance", "noise"):
            for value in values[0].options:
                assert f"'{value}'" in MLPRegressorCI.__doc__, value


def public_objects():
    for name in sklearn_nnci.__all__:
        if name in ("__version__", "exceptions"):
            continue
        cls = getattr(sklearn_nnci, name)
        if inspect.ismodule(cls):
            yield from (f"sklearn_nnci.{name}.{own}" for own in cls.__all__)
            continue
        yield f"sklearn_nnci.{name}"
        for method, value in inspect.getmembers(cls):
            own = any(
                method in vars(base)
                for base in cls.__mro__
                if base.__module__.startswith("sklearn_nnci")
            )
            if own and not method.startswith("_") and callable(value):
                yield f"sklearn_nnci.{name}.{method}"


@pytest.mark.parametrize("name", sorted(set(public_objects())))
def test_public_docstrings_are_numpydoc(name):
    """As scikit-learn validates its own, with the same exceptions."""
    ignored = {"RT02", "GL01", "GL02", "GL08"}
    if name.count(".") > 1:
        ignored |= {"ES01", "SA01", "EX01"}
    found = [
        f"{code}: {text}"
        for code, text in validate(name)["errors"]
        if code not in ignored and "set_" not in name
    ]
    assert not found, "\n".join(found)


def test_a_failing_call_leaves_nothing_behind():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match="early_stopping"):
        net.partial_fit(X, y)
    assert not any("split" in name for name in vars(net))
    with pytest.raises(ValueError, match="validation set"):
        net.fit(X[:3], y[:3])
    assert not any("split" in name for name in vars(net))
