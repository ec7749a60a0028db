"""Intervals through a transformed target."""

import numpy as np
import pytest
import sklearn
from cases import CONVERGED, sine_data
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI

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
def test_spread_cannot_pass_and_says_why(flag):
    X, y = sine_data(n=40)
    wrapped = model(transformer=StandardScaler()).fit(X, y)
    with pytest.raises(ValueError, match=f"{flag}=True.*return_pi"):
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
