"""What is asked of networks through pipelines, searches and the target transformer."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from cases import CONVERGED, sine_data
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    cross_val_predict_interval,
    get_prediction,
    make_scaled,
    request_intervals,
)

NET = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)
COMMITTEE = MLPEnsembleRegressorCI(architectures=((2,),), n_starts=2, random_state=0)
SCALED = make_pipeline(StandardScaler(), NET)
MODELS = {
    "network": NET,
    "committee": COMMITTEE,
    "target": make_scaled(NET),
    "log": TransformedTargetRegressorCI(SCALED, func=np.log, inverse_func=np.exp),
    "target of a search": TransformedTargetRegressorCI(
        GridSearchCV(SCALED, {"mlpregressorci__alpha": [0.1]}, cv=2),
        transformer=StandardScaler(),
    ),
    "target of a committee": make_scaled(COMMITTEE),
}
WRAPPED = {
    "pipeline": SCALED,
    "search": GridSearchCV(make_scaled(NET), {"transformer": [StandardScaler()]}, cv=2),
    "around": make_pipeline(StandardScaler(), make_scaled(NET)),
    "search in a pipeline": make_pipeline(
        StandardScaler(), GridSearchCV(NET, {"alpha": [0.1]}, cv=2)
    ),
    "pipeline in a pipeline": make_pipeline(StandardScaler(), SCALED),
}
X, Y = sine_data(n=50, noise=0.3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("level", [0.95, [0.5, 0.9]])
def test_predict_interval_is_what_predict_returns_on_a_flag(name, m, level):
    y = np.exp(sine_data(n=50, m=m, noise=0.3)[1])
    model = sklearn.clone(MODELS[name]).fit(X, y)
    for kind, flag in {"prediction": "return_pi", "confidence": "return_ci"}.items():
        found = model.predict_interval(X, kind=kind, confidence_level=level)
        if name == "target of a search":  # whose predict takes no flag
            p = model.get_prediction(X)
            expected = p.mean, p.conf_int(level, obs=kind == "prediction")
        else:
            expected = model.predict(X, **{flag: True}, confidence_level=level)
        np.testing.assert_array_equal(found[0], model.predict(X))
        np.testing.assert_array_equal(found[1], expected[1])
        assert found[1].shape == (*y.shape, 2, *np.shape(level))
    default = model.predict_interval(X)[1]
    np.testing.assert_array_equal(default, model.get_prediction(X).conf_int(obs=True))


@pytest.mark.parametrize("name", ["network", "committee", "target"])
def test_predict_interval_refuses_as_predict_does(name):
    model = sklearn.clone(MODELS[name])
    with pytest.raises(NotFittedError):
        model.predict_interval(X)
    model.fit(X, Y)
    for kind in ("obs", None, ["confidence"]):
        with pytest.raises(ValueError, match="'confidence'"):
            model.predict_interval(X, kind=kind)
    with pytest.raises(ValueError, match=r"0\.95, not 95"):
        model.predict_interval(X, confidence_level=95)
    with pytest.raises(TypeError):
        model.predict_interval(X, "confidence")


@pytest.mark.parametrize("name", ["network", "committee"])
def test_predict_interval_of_dask_arrays_is_lazy(name):
    array = pytest.importorskip("dask.array")
    model = sklearn.clone(MODELS[name]).fit(X, Y)
    y, pi = model.predict_interval(array.from_array(X, chunks=(20, 2)))
    assert isinstance(pi, array.Array)
    np.testing.assert_allclose(pi.compute(), model.predict_interval(X)[1])
    np.testing.assert_allclose(y.compute(), model.predict(X))


@pytest.mark.parametrize("name", [*WRAPPED, *MODELS])
def test_get_prediction_goes_through_what_is_around(name):
    model = sklearn.clone((WRAPPED | MODELS)[name])
    y = np.exp(Y)
    frame = pd.DataFrame(X, columns=["a", "b"], index=np.arange(50)[::-1] * 3)
    model.fit(frame, y)
    found = get_prediction(model, frame)
    np.testing.assert_array_equal(found.mean, model.predict(frame))
    assert (found.to_frame().index == frame.index).all()
    # The network, asked by hand.
    model = getattr(model, "best_estimator_", model)
    by_step = frame
    while hasattr(model, "steps"):
        by_step, model = model[:-1].transform(by_step), model[-1]
        model = getattr(model, "best_estimator_", model)
    expected = model.get_prediction(by_step).conf_int(obs=True)
    np.testing.assert_array_equal(found.conf_int(obs=True), expected)


@pytest.mark.parametrize(
    "model",
    [Ridge(), make_pipeline(StandardScaler(), Ridge()),
     GridSearchCV(NET, {"alpha": [0.1, 1.0]}, cv=2, refit=False)],
)  # fmt: skip
def test_get_prediction_refuses_what_has_none(model):
    with pytest.raises(TypeError, match=r"(?s)no intervals, got .*MLPRegressorCI"):
        get_prediction(model.fit(X, Y), X)
    with pytest.raises(NotFittedError):
        get_prediction(NET, X)


def stack():
    return StackingRegressor(
        [("one", make_scaled(sklearn.clone(NET)))], final_estimator=sklearn.clone(NET)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(StandardScaler(), sklearn.clone(NET)),
        lambda: make_scaled(sklearn.clone(NET)),
        lambda: make_scaled(sklearn.clone(COMMITTEE)),
        lambda: make_pipeline(StandardScaler(), make_scaled(sklearn.clone(NET))),
    ],
    ids=["pipeline", "target", "committee", "around"],
)
def test_requested_intervals_pass_whatever_is_around(make):
    expected = make().fit(X, Y).predict(X, return_ci=True, confidence_level=0.8)
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError):
            make().fit(X, Y).predict(X, return_ci=True, confidence_level=0.8)
        model = make()
        assert request_intervals(model) is model
        model = sklearn.clone(model).fit(X, Y)
        found = model.predict(X, return_ci=True, confidence_level=0.8)
        np.testing.assert_array_equal(found[1], expected[1])
        for flag in ("return_pi", "return_std", "return_cov"):
            assert len(model.predict(X, **{flag: True})) == 2
        model.predict(X, return_ci=True, simultaneous="bonferroni")


def test_requests_reach_every_network_and_nothing_else():
    with sklearn.config_context(enable_metadata_routing=True):
        model = request_intervals(GridSearchCV(stack(), {}))
        inside = [
            one
            for one in model.get_params().values()
            if isinstance(one, MLPRegressorCI | MLPEnsembleRegressorCI)
        ]
        assert len(inside) == 2
        for one in inside:
            requests = one.get_metadata_routing()
            assert requests.predict.requests["return_pi"] is True
            assert requests.fit.requests["sample_weight"] is None
        assert request_intervals(Ridge()).get_metadata_routing().predict.requests == {}
        assert request_intervals(sklearn.clone(NET)).fit(X, Y).predict(X).shape == (50,)
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        request_intervals(sklearn.clone(NET))


def test_a_scaled_network_is_that_on_standardised_rows():
    raw, y = 1e4 + 300.0 * X, 5e5 - 2e4 * Y
    model = make_scaled(sklearn.clone(NET)).fit(raw, y)
    rows = (X - X.mean(axis=0)) / X.std(axis=0)
    net = sklearn.clone(NET).fit(rows, -(Y - Y.mean()) / Y.std())
    u, pi = net.predict_interval(rows)
    found = model.predict_interval(raw)
    np.testing.assert_allclose(found[0], y.mean() + y.std() * u, rtol=1e-5)
    np.testing.assert_allclose(found[1], y.mean() + y.std() * pi, rtol=1e-5)
    assert (
        model.score(raw, y) > 0.5 > 0.1 > sklearn.clone(NET).fit(raw, y).score(raw, y)
    )
    assert make_scaled(COMMITTEE).fit(raw, y).score(raw, y) > 0.5


def test_a_network_trained_earlier_gives_its_jacobian_without_inference(monkeypatch):
    plain = MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", **CONVERGED)
    plain.fit(X, Y)
    expected = MLPRegressorCI.from_estimator(plain, X, Y).jacobian(X)
    monkeypatch.setattr(MLPRegressorCI, "_infer", None)
    for source in (plain, sklearn.clone(NET).set_params(covariance=None).fit(X, Y)):
        bare = MLPRegressorCI.from_estimator(source, X, Y, covariance=None)
        np.testing.assert_array_equal(bare.predict(X), source.predict(X))
        assert bare.jacobian(X).shape == (50, 13)
        with pytest.raises(NotFittedError, match=r"covariance=None.*fit_inference"):
            bare.predict(X, return_ci=True)
    bare = MLPRegressorCI.from_estimator(plain, X, Y, covariance=None)
    np.testing.assert_array_equal(bare.jacobian(X), expected)
    # Not asked for, it is not left out silently.
    with pytest.raises(ValueError, match="covariance=None has no inference"):
        MLPRegressorCI.from_estimator(source, X, Y)


@pytest.mark.parametrize(
    "model",
    [Ridge(), make_pipeline(StandardScaler(), Ridge()),
     TransformedTargetRegressor(NET)],
)  # fmt: skip
def test_cross_validation_refuses_what_has_no_intervals(model):
    with pytest.raises(TypeError, match=r"(?s)predict of .*takes no return_pi.*Try an"):
        cross_val_predict_interval(model, X, Y, cv=2)


def test_cross_validation_takes_others_with_the_flags():
    class Flagged(Ridge):
        def predict(self, X, return_pi=False, confidence_level=0.95):
            y = super().predict(X)
            return (y, np.stack([y - 1.0, y + 1.0], -1)) if return_pi else y

    y_pred, pi = cross_val_predict_interval(Flagged(), X, Y, cv=2)
    np.testing.assert_array_equal(pi, np.stack([y_pred - 1.0, y_pred + 1.0], -1))
