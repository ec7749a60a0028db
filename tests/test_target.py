"""Intervals, and what else a network says, through a transformed target."""

import pickle
from dataclasses import fields

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from cases import CONVERGED, SMALL, sine_data
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_nnci import (
    MLPRegressorCI,
    Prediction,
    TransformedTargetRegressorCI,
    make_scaled,
)

NET = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)


def model(**parameters):
    return TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), NET), **parameters
    )


@pytest.mark.parametrize("flag", ["return_ci", "return_pi"])
def test_linear_inverse_scales_the_interval(flag):
    X, y = sine_data(n=60)
    scaler = StandardScaler().fit(y[:, None])
    wrapped = model(transformer=StandardScaler()).fit(X, y)
    y_pred, interval = wrapped.predict(X, **{flag: True})
    u, inner = wrapped.regressor_.predict(X, **{flag: True})
    np.testing.assert_allclose(interval, inner * scaler.scale_ + scaler.mean_)
    np.testing.assert_array_equal(y_pred, wrapped.predict(X))
    np.testing.assert_allclose(y_pred, u * scaler.scale_ + scaler.mean_)


@pytest.mark.parametrize(
    "parameters",
    [
        dict(func=np.log, inverse_func=np.exp),
        dict(func=np.negative, inverse_func=np.negative),
        dict(func=np.reciprocal, inverse_func=np.reciprocal),
        dict(transformer=PowerTransformer()),
        dict(transformer=QuantileTransformer(n_quantiles=20)),
        dict(transformer=make_pipeline(FunctionTransformer(np.log, np.exp),
                                       StandardScaler())),
    ],
    ids=["log", "negative", "reciprocal", "power", "quantile", "pipeline"],
)  # fmt: skip
@pytest.mark.parametrize("level", [0.9, [0.5, 0.9, 0.99]])
def test_bounds_pass_one_at_a_time_and_stay_in_order(parameters, level):
    X, y = sine_data(n=60)
    y = np.exp(0.1 * y) + 5.0
    wrapped = model(**parameters).fit(X, y)
    y_pred, interval = wrapped.predict(X, return_ci=True, confidence_level=level)
    assert interval.shape == (60, 2, *np.shape(level))
    lower, upper = np.moveaxis(interval, 1, 0)
    middle = y_pred.reshape(60, *[1] * np.ndim(level))
    assert (lower <= middle).all() and (middle <= upper).all()
    _, inner = wrapped.regressor_.predict(X, return_ci=True, confidence_level=level)
    inverse = wrapped.transformer_.inverse_transform
    flat = inner.reshape(60, 2, -1)
    for k in range(flat.shape[2]):
        ends = [inverse(flat[:, side, k : k + 1])[:, 0] for side in (0, 1)]
        np.testing.assert_array_equal(
            interval.reshape(60, 2, -1)[:, :, k], np.sort(np.stack(ends, 1), axis=1)
        )


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 2)])
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_shapes_of_y(shape):
    X, Y = sine_data(n=60, m=2)
    y = Y[:, 0].reshape(shape) if shape != (60, 2) else Y
    wrapped = model(transformer=StandardScaler()).fit(X, y)
    y_pred, pi = wrapped.predict(X, return_pi=True, confidence_level=[0.5, 0.9])
    assert y_pred.shape == wrapped.predict(X).shape == shape
    assert pi.shape == (*shape, 2, 2)
    if shape == (60, 2):
        means, scales = Y.mean(axis=0), Y.std(axis=0)
        inner = wrapped.regressor_.predict(
            X, return_pi=True, confidence_level=[0.5, 0.9]
        )
        np.testing.assert_allclose(
            pi, inner[1] * scales[:, None, None] + means[:, None, None]
        )


def test_unbounded_stays_unbounded():
    X, y = sine_data(n=40)
    net = MLPRegressorCI(random_state=0, max_iter=20, covariance="bayesian")
    for parameters in (
        dict(transformer=StandardScaler()),
        dict(func=np.negative, inverse_func=np.negative),
        dict(transformer=QuantileTransformer(n_quantiles=20)),
    ):
        wrapped = TransformedTargetRegressorCI(net, **parameters).fit(X, y)
        interval = wrapped.predict(X, return_ci=True)[1]
        assert (interval == [-np.inf, np.inf]).all()


def _box_cox_inverse(u):
    return np.where(u < 1, 1 / (1 - np.minimum(u, 0.999999)), np.nan)


def test_beyond_the_range_of_the_inverse_is_unbounded():
    """Box-Cox with a negative exponent has no value above some u: not a certainty."""
    X, y = sine_data(n=60, noise=0.5)
    transformer = FunctionTransformer(
        lambda y: 1 - 1 / y, _box_cox_inverse, check_inverse=False
    )
    wrapped = TransformedTargetRegressorCI(NET, transformer=transformer)
    wrapped.fit(X, np.exp(y) + 0.1)
    interval = wrapped.predict(X, return_pi=True, confidence_level=0.999999)[1]
    assert np.isinf(interval[:, 1]).any()
    assert not np.isnan(interval).any()


def test_what_is_not_monotone_or_mixes_outputs_is_refused():
    X, Y = sine_data(n=60, m=2)
    folded = model(func=lambda y: np.sqrt(np.abs(y)), inverse_func=np.square,
                   check_inverse=False).fit(X, Y[:, 0])  # fmt: skip
    folded.predict(X)
    with pytest.raises(ValueError, match="not monotone"):
        folded.predict(X, return_pi=True, confidence_level=0.99999)
    rotated = model(transformer=FunctionTransformer(
        _rotate, _rotate_back, check_inverse=False)).fit(X, Y)  # fmt: skip
    rotated.predict(X)
    with pytest.raises(ValueError, match="mixes the outputs"):
        rotated.predict(X, return_ci=True)


R = np.array([[0.8, -0.6], [0.6, 0.8]])


def _rotate(y):
    return y @ R


def _rotate_back(u):
    return u @ R.T


@pytest.mark.parametrize("flag", ["return_std", "return_cov"])
def test_spread_cannot_pass_a_curve_and_says_why(flag):
    X, y = sine_data(n=40)
    wrapped = model(func=np.log, inverse_func=np.exp).fit(X, np.exp(y))
    with pytest.raises(ValueError, match=f"(?s){flag}=True.*not a line.*return_pi"):
        wrapped.predict(X, **{flag: True})
    with pytest.raises(ValueError, match="cannot be combined"):
        wrapped.predict(X, return_ci=True, return_pi=True)


def test_without_flags_it_is_the_parent():
    X, y = sine_data(n=40)
    mine = model(transformer=StandardScaler()).fit(X, y)
    parent = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), NET), transformer=StandardScaler()
    ).fit(X, y)
    np.testing.assert_array_equal(mine.predict(X), parent.predict(X))
    assert mine.score(X, y) == parent.score(X, y)


def test_metadata_routing_is_one_line():
    X, y = sine_data(n=40)
    with sklearn.config_context(enable_metadata_routing=True):
        net = sklearn.clone(NET).set_predict_request(
            return_ci=True, return_pi=True, confidence_level=True
        )
        wrapped = TransformedTargetRegressorCI(
            make_pipeline(StandardScaler(), net), transformer=StandardScaler()
        ).fit(X, y)
        interval = wrapped.predict(X, return_ci=True, confidence_level=0.9)[1]
    expected = model(transformer=StandardScaler()).fit(X, y)
    np.testing.assert_array_equal(
        interval, expected.predict(X, return_ci=True, confidence_level=0.9)[1]
    )


LOG = dict(func=np.log, inverse_func=np.exp)
LINES = {
    "none": ({}, np.ones(2)),
    "standard": (dict(transformer=StandardScaler()), None),
    "min-max": (dict(transformer=MinMaxScaler((-1.0, 2.0))), None),
    "robust": (dict(transformer=RobustScaler()), None),
    "max-abs": (dict(transformer=MaxAbsScaler()), None),
    "negative": (dict(func=np.negative, inverse_func=np.negative), -np.ones(2)),
    "pipeline": (
        dict(transformer=make_pipeline(RobustScaler(), MinMaxScaler())), None
    ),
}  # fmt: skip


def by_hand(wrapped, X, Y):
    """Return the network and its rows, fitted to the transformed Y without wrapping."""
    u = wrapped.transformer_.transform(Y.reshape(len(Y), -1))
    hand = make_pipeline(StandardScaler(), sklearn.clone(NET))
    hand.fit(X, u[:, 0] if Y.ndim == 1 else u)
    return hand[-1], hand[:-1].transform(X), u.reshape(Y.shape)


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("name", LINES)
def test_through_a_line_standard_errors_are_scaled_exactly(name, m):
    """Against a network fitted by hand to the transformed y, and scaled back."""
    X, Y = sine_data(n=60, m=m)
    Y = 5.0 * Y + 30.0
    parameters, slope = LINES[name]
    wrapped = model(**parameters).fit(X, Y)
    network, rows, _ = by_hand(wrapped, X, Y)
    if slope is None:  # from where two points go
        ends = wrapped.transformer_.inverse_transform([[0.0] * m, [1.0] * m])
        slope = ends[1] - ends[0]
    a = slope[0] if m == 1 else slope
    inner, outer = network.get_prediction(rows[:7]), wrapped.get_prediction(X[:7])
    np.testing.assert_array_equal(outer.mean, wrapped.predict(X[:7]))
    for one, two in (("se_mean", "se_mean"), ("se_obs", "se_obs")):
        expected = np.abs(a) * getattr(inner, two)
        np.testing.assert_allclose(getattr(outer, one), expected, rtol=1e-10)
    expected = np.abs(a) ** 2 * inner.noise_variance
    np.testing.assert_allclose(outer.noise_variance, expected, rtol=1e-10)
    changed = {"mean", "se_mean", "se_obs", "noise_variance", "covariance", "joint"}
    for name in {item.name for item in fields(Prediction)} - changed:
        np.testing.assert_array_equal(getattr(outer, name), getattr(inner, name))
    units = np.multiply.outer(*[np.broadcast_to(a, inner.mean.shape)] * 2)
    np.testing.assert_allclose(outer.joint(), units * inner.joint(), rtol=1e-10)
    cov = units * inner.covariance()
    np.testing.assert_allclose(outer.covariance(), cov, rtol=1e-10)
    y_pred, found = wrapped.predict(X[:7], return_cov=True)
    np.testing.assert_allclose(found, cov, rtol=1e-10)
    np.testing.assert_array_equal(y_pred, outer.mean)
    std = wrapped.predict(X[:7], return_std=True)[1]
    np.testing.assert_array_equal(std, outer.se_obs)
    for asked in (dict(), dict(obs=True, simultaneous="bonferroni"),
                  dict(simultaneous="sup-t")):  # fmt: skip
        interval = outer.conf_int([0.5, 0.9], **asked)
        half = np.diff(inner.conf_int([0.5, 0.9], **asked), axis=-2)[..., 0, :] / 2.0
        half, centre = half * np.reshape(np.abs(a), (-1, 1)), outer.mean[..., None]
        expected = np.stack([centre - half, centre + half], axis=-2)
        np.testing.assert_allclose(interval, expected, rtol=1e-10)
    for flag, obs in (("return_ci", False), ("return_pi", True)):
        np.testing.assert_array_equal(
            wrapped.predict(X[:7], **{flag: True}, confidence_level=0.8)[1],
            outer.conf_int(0.8, obs=obs),
        )


@pytest.mark.parametrize("obs", [False, True])
@pytest.mark.parametrize("decreasing", [False, True])
def test_through_a_curve_bounds_pass_and_standard_errors_are_nan(obs, decreasing):
    X, y = sine_data(n=60)
    y, X = np.exp(0.2 * y) + 5.0, pd.DataFrame(X, index=np.arange(60) + 100)
    curve = dict(func=np.reciprocal, inverse_func=np.reciprocal) if decreasing else LOG
    wrapped = model(**curve).fit(X, y)
    network, rows, _ = by_hand(wrapped, X, y)
    inner, outer = network.get_prediction(rows), wrapped.get_prediction(X)
    simultaneous = "bonferroni" if obs else "sup-t"
    for kind in (None, simultaneous):
        asked = dict(obs=obs, simultaneous=kind)
        expected = curve["inverse_func"](inner.conf_int(0.8, **asked))
        expected = expected[:, ::-1] if decreasing else expected
        np.testing.assert_allclose(outer.conf_int(0.8, **asked), expected, rtol=1e-12)
    assert np.isnan(outer.se_mean).all() and np.isnan(outer.se_obs).all()
    assert np.isnan(outer.covariance()).all()
    table, column = outer.to_frame(0.8), "obs_ci" if obs else "mean_ci"
    np.testing.assert_array_equal(table.index, X.index)
    np.testing.assert_array_equal(table["mean"], wrapped.predict(X))
    assert table["mean_se"].isna().all()
    np.testing.assert_array_equal(
        table[[f"{column}_lower", f"{column}_upper"]], outer.conf_int(0.8, obs=obs)
    )


def _clip(u):
    return np.clip(u, -2.0, 2.0)


@pytest.mark.parametrize(
    "parameters",
    [
        LOG,
        dict(func=lambda y: y, inverse_func=_clip, check_inverse=False),
        dict(func=np.negative, inverse_func=lambda u: -u - 1e-3 * (u > 0) * u,
             check_inverse=False),
        dict(transformer=PowerTransformer()),
        dict(transformer=QuantileTransformer(n_quantiles=2)),
        dict(transformer=make_pipeline(FunctionTransformer(np.log, np.exp),
                                       StandardScaler())),
    ],
    ids=["log", "clipped", "bent", "power", "quantile", "pipeline"],
)  # fmt: skip
def test_what_is_a_line_at_some_queries_only_is_none_at_any(parameters):
    X, y = sine_data(n=60)
    y = y if "check_inverse" in parameters else y - y.min() + 0.1
    wrapped = model(**parameters).fit(X, y)
    assert np.isnan(wrapped.get_prediction(X[:1]).se_mean).all()


def test_an_inverse_that_refuses_values_is_no_line_and_no_obstacle():
    X, y = sine_data(n=60)

    def inverse(u):
        if np.abs(u).max() > 3.0:
            raise ValueError("No value there.")
        return u

    wrapped = model(func=lambda y: y, inverse_func=inverse).fit(X, y)
    found = wrapped.get_prediction(X)
    assert np.isnan(found.se_obs).all() and np.isfinite(found.conf_int()).all()


def test_one_output_may_pass_a_line_and_another_a_curve():
    X, Y = sine_data(n=60, m=2)
    wrapped = model(func=_mixed, inverse_func=_mixed_back).fit(X, np.exp(0.1 * Y))
    found = wrapped.get_prediction(X)
    assert (
        np.isfinite(found.se_mean[:, 0]).all() and np.isnan(found.se_mean[:, 1]).all()
    )
    with pytest.raises(ValueError, match="return_std=True cannot pass"):
        wrapped.predict(X, return_std=True)


def _mixed(y):
    return np.c_[2.0 * y[:, 0], np.log(y[:, 1])]


def _mixed_back(u):
    return np.c_[u[:, 0] / 2.0, np.exp(u[:, 1])]


def test_a_target_that_does_not_vary_and_one_far_from_zero():
    X, y = sine_data(n=60)
    constant = model(transformer=StandardScaler()).fit(X, np.full(60, 3.0))
    assert constant.get_prediction(X).se_mean.shape == (60,)
    far = model(transformer=StandardScaler()).fit(X, 1e6 + y)
    network, rows = far.regressor_[-1], far.regressor_[:-1].transform(X)
    np.testing.assert_allclose(
        far.get_prediction(X).se_obs,
        far.transformer_.scale_ * network.get_prediction(rows).se_obs,
        rtol=1e-9,
    )


def test_unbounded_standard_errors_stay_infinite():
    X, y = sine_data(n=40)
    net = MLPRegressorCI(random_state=0, max_iter=20, covariance="bayesian")
    wrapped = TransformedTargetRegressorCI(net, transformer=StandardScaler()).fit(X, y)
    assert np.isinf(wrapped.get_prediction(X).se_mean).all()
    assert np.isinf(wrapped.predict(X, return_std=True)[1]).all()


def test_a_table_of_two_outputs_from_frames_through_columns():
    X, Y = sine_data(n=60, m=2)
    X = pd.DataFrame(X, columns=["a", "b"], index=[f"row {i}" for i in range(60)])
    Y = pd.DataFrame(Y, columns=["u", "v"], index=X.index)
    columns = make_column_transformer((StandardScaler(), ["b", "a"]))
    wrapped = TransformedTargetRegressorCI(
        make_pipeline(columns, NET), transformer=StandardScaler()
    ).fit(X, Y)
    found = wrapped.get_prediction(X)
    table = found.to_frame(0.9)
    assert list(table.index) == list(X.index)
    for k in range(2):
        part = table[f"y{k}"]
        np.testing.assert_array_equal(part["mean_se"], found.se_mean[:, k])
        np.testing.assert_array_equal(
            part[["mean_ci_lower", "mean_ci_upper"]], found.conf_int(0.9)[:, k]
        )


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_a_column_of_y_stays_a_column():
    X, y = sine_data(n=60)
    flat = model(transformer=StandardScaler()).fit(X, y).get_prediction(X[:4])
    wrapped = model(transformer=StandardScaler()).fit(X, y[:, None])
    found = wrapped.get_prediction(X[:4])
    np.testing.assert_array_equal(found.se_obs, flat.se_obs[:, None])
    np.testing.assert_array_equal(found.conf_int(), flat.conf_int()[:, None])
    np.testing.assert_array_equal(found.covariance()[:, 0, :, 0], flat.covariance())
    assert found.to_frame().shape[0] == flat.to_frame().shape[0] == 4
    assert wrapped.influence(X, y).residuals.shape == (60,)


def kinds(y):
    frame = pd.DataFrame(y, index=np.arange(len(y)) + 7)
    yield from (y, y.tolist(), frame)
    if y.ndim == 1:
        yield frame[0]


@pytest.mark.parametrize("m", [1, 2])
def test_what_is_said_of_the_fit_is_what_a_fit_by_hand_says(m):
    """Whatever X and y come as, with and without weights."""
    X, Y = sine_data(n=60, m=m)
    Y, w = 5.0 * Y + 30.0, np.arange(60) % 3 + 1.0
    wrapped = model(transformer=StandardScaler()).fit(X, Y)
    network, rows, u = by_hand(wrapped, X, Y)
    assert repr(wrapped.inference_) == repr(network.inference_)
    assert repr(wrapped.diagnostics()) == repr(network.diagnostics())
    frame = pd.DataFrame(X, index=np.arange(60) + 7)
    for y in kinds(Y):
        for weight in (None, w):
            assert wrapped.fit_inference(frame, y, weight) is wrapped
            network.fit_inference(rows, u, weight)
            assert repr(wrapped.inference_) == repr(network.inference_)
            score = wrapped.loo_score(frame, y, weight)
            assert score == network.loo_score(rows, u, weight)
            outer = wrapped.influence(frame, y, weight)
            inner = network.influence(rows, u, weight)
            scale = Y.std(axis=0)
            for name in inner._fields:
                unit = scale if name in ("residuals", "loo_residuals") else 1.0
                np.testing.assert_allclose(
                    getattr(outer, name), unit * getattr(inner, name), rtol=1e-9,
                    atol=1e-10,
                )  # fmt: skip
            np.testing.assert_allclose(
                outer.residuals, Y - wrapped.predict(X), atol=1e-12
            )


LINEAR = MLPRegressorCI(hidden_layer_sizes=(), alpha=0.0, covariance="least_squares",
                        **CONVERGED)  # fmt: skip


@pytest.mark.parametrize("parameters", [LOG, dict(transformer=StandardScaler())])
def test_left_out_residuals_are_those_of_refits_in_units_of_y(parameters):
    """Of a linear model: exact, and refitted here by least squares on the curve."""
    X, y = sine_data(n=40)
    y = np.exp(0.3 * y)
    wrapped = TransformedTargetRegressorCI(LINEAR, **parameters).fit(X, y)
    A, refits = np.c_[X, np.ones(40)], []
    transform, inverse = (
        (np.log, np.exp) if parameters is LOG else (np.asarray, np.asarray)
    )
    for i in range(40):
        rows = np.delete(np.arange(40), i)
        beta = np.linalg.lstsq(A[rows], transform(y[rows]), rcond=None)[0]
        refits.append(y[i] - inverse(A[i] @ beta))
    found = wrapped.influence(X, y).loo_residuals
    np.testing.assert_allclose(found, refits, rtol=1e-5, atol=1e-7)


def test_rows_that_did_not_train_or_stand_alone_are_told():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(early_stopping=True, random_state=0, max_iter=50)
    wrapped = TransformedTargetRegressorCI(net, transformer=StandardScaler()).fit(X, y)
    assert 0 < np.isnan(wrapped.influence(X, y).loo_residuals).sum() < 60
    alone = np.c_[X, np.arange(60) == 7]
    wrapped = TransformedTargetRegressorCI(LINEAR, **LOG).fit(alone, np.exp(y))
    assert np.isinf(wrapped.influence(alone, np.exp(y)).loo_residuals[7])
    assert wrapped.loo_score(alone, np.exp(y)) == -np.inf


def test_fit_inference_reads_the_network_inside():
    X, y = sine_data(n=60)
    wrapped = model(transformer=StandardScaler()).fit(X, y)
    before = wrapped.get_prediction(X).se_mean
    wrapped.regressor_[-1].set_params(covariance="HC3")
    wrapped.fit_inference(X, y)
    assert wrapped.inference_.method == "HC3"
    assert not np.allclose(wrapped.get_prediction(X).se_mean, before)
    absent = TransformedTargetRegressorCI(
        sklearn.clone(NET).set_params(covariance=None)
    )
    absent.fit(X, y)
    with pytest.raises(NotFittedError, match="fit_inference"):
        absent.get_prediction(X)
    absent.regressor_.set_params(covariance="bayesian")
    assert np.isfinite(absent.fit_inference(X, y).get_prediction(X).se_mean).all()


def test_a_search_inside_and_pandas_as_output():
    X, y = sine_data(n=60)
    search = GridSearchCV(NET, {"alpha": [0.01, 0.1]}, cv=2)
    wrapped = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), search), transformer=StandardScaler()
    ).fit(X, y)
    network = wrapped.regressor_[-1].best_estimator_
    assert repr(wrapped.inference_) == repr(network.inference_)
    plain = model(transformer=StandardScaler()).fit(X, y)
    with sklearn.config_context(transform_output="pandas"):
        framed = model(transformer=StandardScaler()).fit(pd.DataFrame(X), y)
        score = framed.loo_score(pd.DataFrame(X), pd.Series(y))
        se = framed.get_prediction(pd.DataFrame(X)).se_mean
    assert score == pytest.approx(plain.loo_score(X, y), abs=1e-4)
    np.testing.assert_allclose(se, plain.get_prediction(X).se_mean, rtol=1e-2)


def test_counts_have_the_intervals_of_the_network():
    X, y = sine_data(n=60)
    y = np.random.default_rng(0).poisson(np.exp(1.0 + y)).astype(float)
    net = sklearn.clone(NET).set_params(loss="poisson")
    wrapped = TransformedTargetRegressorCI(net).fit(X, y)
    outer, inner = wrapped.get_prediction(X), net.fit(X, y).get_prediction(X)
    np.testing.assert_allclose(outer.conf_int(), inner.conf_int(), rtol=1e-12)
    np.testing.assert_array_equal(outer.se_mean, inner.se_mean)
    pd.testing.assert_frame_equal(outer.to_frame(), inner.to_frame())
    np.testing.assert_array_equal(outer.se_obs, inner.se_obs)


@pytest.mark.parametrize(
    "step", [LinearRegression(), make_pipeline(LinearRegression())]
)
def test_another_regressor_has_none_of_it_and_says_so(step):
    X, y = sine_data(n=40)
    wrapped = TransformedTargetRegressorCI(step, transformer=StandardScaler())
    wrapped.fit(X, y).predict(X)
    assert not hasattr(wrapped, "inference_")
    for call in (
        lambda: wrapped.get_prediction(X),
        wrapped.diagnostics,
        lambda: wrapped.fit_inference(X, y),
        lambda: wrapped.influence(X, y),
        lambda: wrapped.loo_score(X, y),
    ):
        with pytest.raises(AttributeError, match=r"LinearRegression.*MLPRegressorCI"):
            call()


def test_errors_name_what_is_wrong():
    X, y = sine_data(n=40)
    with pytest.raises(NotFittedError):
        model().get_prediction(X)
    assert not hasattr(model(), "inference_")
    wrapped = model(transformer=StandardScaler()).fit(X, y)
    for call in (wrapped.fit_inference, wrapped.influence, wrapped.loo_score):
        with pytest.raises(ValueError, match="y has 2 outputs, but the model has 1"):
            call(X, np.c_[y, y])
    rotated = model(transformer=FunctionTransformer(
        _rotate, _rotate_back, check_inverse=False)).fit(X, np.c_[y, y])  # fmt: skip
    found = rotated.get_prediction(X)
    assert np.isnan(found.se_mean).all()
    with pytest.raises(ValueError, match="mixes the outputs"):
        found.conf_int()


def words():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"job": rng.choice(["dev", "qa"], 60), "age": rng.normal(size=60)})
    return X, 30.0 + 5.0 * (X["job"] == "dev") + X["age"]


@pytest.mark.parametrize("kind", [
    lambda X: X, lambda X: X.astype({"job": "category"}), lambda X: X.to_numpy(),
    pl.from_pandas, lambda X: X.to_numpy().tolist(), lambda X: X.to_numpy(str)[:, :1],
])  # fmt: skip
def test_a_scaler_before_the_encoder_is_told_the_right_nesting_which_works(kind):
    X, y = words()
    net = MLPRegressorCI(**SMALL)
    encode = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    for inner in (make_pipeline(encode, net), net):
        with pytest.raises(ValueError, match="no numbers") as error:
            make_scaled(inner).fit(kind(X), y)
        assert "make_pipeline(encoder, make_scaled(network))" in str(error.value)
        assert str(error.value.__cause__) in str(error.value)
    encode = make_column_transformer((encode, ["job"]), remainder="passthrough")
    model = make_pipeline(encode, make_scaled(net)).fit(X, y)
    assert model.score(X, y) > 0.9
    model = make_pipeline(encode, StandardScaler(), net)
    TransformedTargetRegressorCI(model, transformer=StandardScaler()).fit(X, y)


def test_other_errors_of_fit_stay_what_they_are():
    X, y = sine_data(n=40)
    X[3, 0] = np.inf
    with pytest.raises(ValueError, match="infinity") as error:
        make_scaled(MLPRegressorCI(**SMALL)).fit(X, y)
    assert "make_scaled" not in str(error.value)
    with pytest.raises(ValueError, match="Cannot center sparse"):
        make_scaled(MLPRegressorCI(**SMALL)).fit(sparse.csr_matrix(X[5:]), y[5:])
    X, y = words()
    for inner in (MLPRegressorCI(**SMALL), make_pipeline(MLPRegressorCI(**SMALL))):
        with pytest.raises(ValueError, match="could not convert") as error:
            TransformedTargetRegressorCI(inner).fit(X, y)
        assert "make_scaled" not in str(error.value)


def test_without_a_regressor_it_is_a_network():
    X, y = sine_data(n=40)
    wrapped = TransformedTargetRegressorCI(transformer=StandardScaler()).fit(X, y)
    assert type(wrapped.regressor_) is MLPRegressorCI
    assert wrapped.regressor is None and sklearn.clone(wrapped).regressor is None
    assert wrapped.predict(X, return_ci=True)[1].shape == (40, 2)
    tags = TransformedTargetRegressorCI().__sklearn_tags__()
    assert (
        tags.input_tags.sparse == MLPRegressorCI().__sklearn_tags__().input_tags.sparse
    )
    with sklearn.config_context(enable_metadata_routing=True):
        routed = TransformedTargetRegressorCI(transformer=StandardScaler())
        routed.fit(X, y, sample_weight=np.ones(40))
        assert routed.regressor is None
        _, ci = routed.predict(X, return_ci=True, confidence_level=0.9)
        std = routed.predict(X, return_std=True)[1]
    assert ci.shape == (40, 2) and std.shape == (40,)


def test_a_failed_fit_leaves_no_regressor_behind():
    X, y = sine_data(n=40)
    wrapped = TransformedTargetRegressorCI(func=np.log)
    with pytest.raises(ValueError, match="inverse_func"):
        wrapped.fit(X, y)
    assert wrapped.regressor is None and not hasattr(wrapped, "regressor_")


def test_the_model_and_its_prediction_survive_pickling():
    X, y = sine_data(n=40)
    wrapped = model(transformer=StandardScaler()).fit(X, y)
    found = wrapped.get_prediction(X)
    for copy in (
        pickle.loads(pickle.dumps(wrapped)).get_prediction(X),
        pickle.loads(pickle.dumps(found)),
    ):
        np.testing.assert_array_equal(copy.se_mean, found.se_mean)
        interval = copy.conf_int(simultaneous="sup-t")
        np.testing.assert_array_equal(interval, found.conf_int(simultaneous="sup-t"))
