"""`predict` and what else is asked of a fitted network."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from cases import SMALL, sine_data
from scipy import sparse
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

from sklearn_nnci import MLPRegressorCI


@pytest.fixture(scope="module")
def fitted():
    X, y = sine_data(n=80)
    return MLPRegressorCI(**SMALL).fit(X, y), X, y


def test_flags_off_do_no_jacobian_work(fitted, monkeypatch):
    net, X, _ = fitted
    monkeypatch.setattr("sklearn_nnci._network.perceptron.forward", None)
    monkeypatch.setattr("sklearn_nnci._network.jacobian.forward", None)
    net.predict(X)
    with pytest.raises(TypeError):
        net.predict(X, return_ci=True)


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("level", [0.9, [0.5, 0.9], [[0.5, 0.8], [0.9, 0.99]]])
def test_shapes_follow_those_of_y_and_of_the_level(m, level):
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


def test_covariance_of_predictions_is_that_of_the_parameters(fitted):
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


# ---------------------------------------------------------------------------- bad calls


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


def test_what_needs_a_fit_says_so_before_it():
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


def test_weights_or_activation_changed_by_hand_are_noticed(fitted):
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
