"""Graphs that onnxruntime runs say what the estimators say."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from cases import sine_data
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    get_prediction,
    make_scaled,
)
from sklearn_nnci._network import jacobian
from sklearn_nnci._wrapped import unwrap
from sklearn_nnci.onnx import to_onnx

ALL = ("mean", "se_mean", "se_obs", "extrapolates")
# Of standard errors, and of means in units of their spread.
CLOSE = {np.float64: 1e-10, np.float32: 1e-4}


def small(**parameters):
    """A network that is fitted in no time."""
    known = dict(
        hidden_layer_sizes=(5,), activation="tanh", solver="lbfgs", alpha=0.1,
        max_iter=200, random_state=0,
    )  # fmt: skip
    return MLPRegressorCI(**{**known, **parameters})


def tuned(**parameters):
    known = dict(hidden_layer_sizes=(4,), regularization="evidence", activation="tanh")
    return MLPRegressorCI(**{**known, "random_state": 0, **parameters})


def committee(member, n=2):
    return MLPEnsembleRegressorCI(
        member, architectures=(None,), n_starts=n, random_state=0
    )


def outputs_of(model, X):
    """What onnxruntime makes of the rows, by name."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (given,), names = session.get_inputs(), [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(None, {given.name: X}), strict=True))


def data(n=120, m=1, seed=0):
    X, y = sine_data(n=n, d=3, m=m, seed=seed)
    return 3.0 * X + 5.0, y  # which want a scaler


def counts(n=120, m=1, size=None):
    X, y = data(n, m)
    rng, mean = np.random.default_rng(1), np.exp(np.clip(y, -2.0, 3.0))
    if size is None:
        return X, rng.poisson(mean)
    return X, rng.negative_binomial(size, size / (size + mean))


def uneven(n=300, m=1):
    X, y = data(n, m)
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(y.shape) * np.exp((X[:, 2] - 5.0) / 4.0).reshape(
        -1, *(1,) * (y.ndim - 1)
    )
    return X, y + 0.3 * noise


def uneven_in_the_middle(n=400):
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (n, 1))
    noise = rng.normal(size=(n, 2)) * (0.05 + 0.5 * (np.abs(X) < 0.5))
    return X, np.column_stack([np.sin(2 * X[:, 0]), X[:, 0]]) + noise


def scaled(net):
    return make_pipeline(StandardScaler(), net)


SHOWN = {
    f"{activation}-{m}": (scaled(small(activation=activation)), data(m=m))
    for activation in ("relu", "tanh", "logistic", "identity")
    for m in (1, 3)
}
CASES = SHOWN | {
    "poisson": (scaled(small(loss="poisson")), counts()),
    "poisson-3": (scaled(small(loss="poisson")), counts(m=3)),
    "overdispersed": (scaled(small(loss="poisson")), counts(300, size=1.0)),
    "no hidden layer": (scaled(small(hidden_layer_sizes=())), data(m=3)),
    "three hidden layers": (scaled(small(hidden_layer_sizes=(4, 3, 3))), data(m=2)),
    "two panels of the root": (scaled(small(hidden_layer_sizes=(30,))), data(300)),
    "least_squares": (
        scaled(small(activation="relu", covariance="least_squares")), data(),
    ),
    "HC3": (scaled(small(covariance="HC3")), data(m=2)),
    "units off": (
        scaled(small(activation="relu", solver="adam", covariance="bayesian")), data(),
    ),
    "known noise": (scaled(small(noise=0.01)), data(m=2)),
    "near": (scaled(small(n_restarts=3)), data()),
    "tuned": (tuned(), data(m=3)),
    "tuned, near": (tuned(n_restarts=2), data()),
    "dual": (scaled(small(hidden_layer_sizes=(60,))), data()),
    "dual-3": (scaled(small(hidden_layer_sizes=(60, 5), solver="adam")), data(60, 3)),
    "dual, tuned": (tuned(hidden_layer_sizes=(40, 10), max_iter=5), data(60)),
    "dual, HC3": (scaled(small(hidden_layer_sizes=(60,), covariance="HC3")), data(m=2)),
    "dual, frequentist": (
        scaled(small(hidden_layer_sizes=(60,), covariance="frequentist")), data(),
    ),
    "noise varies": (scaled(small(variance="auto")), uneven()),
    "noise varies-2": (scaled(small(variance="auto")), uneven(m=2)),
    "noise varies-3": (scaled(small(variance="auto")), uneven_in_the_middle()),
    "target": (make_scaled(small()), data()),
    "target, falling": (
        TransformedTargetRegressorCI(
            scaled(small()),
            transformer=FunctionTransformer(
                lambda y: 2.0 - y / 3.0, lambda u: 6.0 - 3.0 * u
            ),
        ),
        data(m=2),
    ),
    "target of tuned": (
        TransformedTargetRegressorCI(tuned(), transformer=StandardScaler()), data(m=2),
    ),
    "committee": (committee(tuned()), data(m=2)),
    "committee, target": (make_scaled(committee(small())), data()),
    "committee of counts": (committee(small(loss="poisson")), counts(300, size=1.0)),
    "committee, noise varies": (committee(small(variance="auto")), uneven()),
    "search": (
        GridSearchCV(scaled(small()), {"mlpregressorci__alpha": [0.1, 1.0]}, cv=2),
        data(),
    ),
}  # fmt: skip


def rounding(model, X, expected):
    """How far standard errors of rows asked alone are from those asked together.

    On the dual route they are differences, and HC and frequentist ones sums over rows
    between two inverses: there rounding leaves fewer digits, to the estimator too.
    """
    alone = [get_prediction(model, row).se_mean[0] for row in X[:20, None]]
    return np.abs(np.array(alone) / expected.se_mean[:20] - 1.0).max()


@pytest.fixture(scope="module", params=CASES)
def fitted(request):
    model, (X, y) = CASES[request.param]
    model.fit(X, y)
    route = getattr(unwrap(model)[0].inference_, "route", "primal")
    assert ("dual" in request.param) == (route == "dual")
    return request.param, model, np.vstack([X[:40], 3.0 * X[:3]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_means_and_standard_errors_are_those_of_get_prediction(fitted, dtype):
    name, model, X = fitted
    X = X.astype(dtype)
    found = outputs_of(to_onnx(model, X, outputs=ALL), X)
    expected = get_prediction(model, X.astype(float))
    shape = np.shape(expected.mean) + (1,) * (2 - np.ndim(expected.mean))
    own = rounding(model, X.astype(float), expected)
    assert own < (1e-4 if "dual" in name else 1e-12)
    close = max(CLOSE[dtype], 10.0 * own)
    mean, spread = np.reshape(expected.mean, shape), np.std(expected.mean, axis=0)
    assert found["mean"].dtype == dtype
    assert (np.abs(found["mean"] - mean) <= close * spread).all()
    for output in ("se_mean", "se_obs"):
        values = getattr(expected, output).reshape(shape)
        np.testing.assert_allclose(found[output], values, rtol=close)
    flagged = expected.extrapolates
    np.testing.assert_array_equal(found["extrapolates"][:, 0], flagged)
    assert flagged.any() and not flagged.all()


def test_the_cases_are_what_they_say():
    def parts(name):
        model, (X, y) = CASES[name]
        return unwrap(model.fit(X, y))[0]

    assert parts("noise varies").inference_.variance != "constant"
    kinds = {
        kind
        for name in ("noise varies-2", "noise varies-3")
        for kind in parts(name).inference_.variance
    }
    assert "log-linear" in kinds and any("kernel" in kind for kind in kinds)
    assert sum(parts("overdispersed").inference_.count_law) > 0.0
    for name in ("near", "tuned, near"):
        assert parts(name)._inference["near"] is not None
    for name in ("least_squares", "units off"):
        assert parts(name)._inference["posterior"]["basis"] is not None


@pytest.mark.parametrize("name", SHOWN)
def test_a_pipeline_by_skl2onnx_itself(name):
    model, (X, y) = SHOWN[name]
    model.fit(X, y)
    found = outputs_of(skl2onnx.to_onnx(model, X[:1]), X)
    assert list(found) == ["mean", "se_mean", "se_obs"]
    np.testing.assert_allclose(
        found["se_mean"].reshape(y.shape), get_prediction(model, X).se_mean, rtol=1e-10
    )
    options = {MLPRegressorCI: {"outputs": ("se_obs",)}}
    assert list(outputs_of(skl2onnx.to_onnx(model, X[:1], options=options), X)) == [
        "se_obs"
    ]


RUNNER = """
import sys
for name in ("sklearn_nnci", "sklearn", "skl2onnx"):
    sys.modules[name] = None  # importing it is an error
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
with np.load("rows.npz", allow_pickle=True) as rows:
    given = {name: rows[name] for name in rows.files}
np.savez("found.npz", *session.run(["mean", "se_mean", "se_obs"], given))
"""


@pytest.mark.parametrize("outer", ["pipeline", "target"])
def test_mixed_columns_in_a_process_without_the_package(tmp_path, outer):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=150),
            "age": 5.0 * rng.normal(size=150),
            "kind": rng.choice(["a", "b", "c"], 150),
        }
    )
    y = 20.0 * np.sin(X["size"]) + 10.0 * (X["kind"] == "a") + rng.normal(size=150)
    columns = make_column_transformer(
        (StandardScaler(), ["size", "age"]), (OneHotEncoder(), ["kind"])
    )
    model = make_pipeline(columns, small())
    if outer == "target":
        model = TransformedTargetRegressorCI(model, transformer=StandardScaler())
    model.fit(X, y)
    graph = skl2onnx.to_onnx(model, X[:1])
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    np.savez(tmp_path / "rows.npz", **{name: X[[name]].to_numpy() for name in X})
    subprocess.run([sys.executable, "-c", RUNNER], cwd=tmp_path, check=True)
    expected = get_prediction(model, X)
    with np.load(tmp_path / "found.npz") as found:
        for key, name in zip(found.files, ("mean", "se_mean", "se_obs"), strict=True):
            np.testing.assert_allclose(
                found[key][:, 0], getattr(expected, name), rtol=1e-10
            )


def interval_by(told, found, kind):
    """The interval of level 0.9, built as the metadata say, (n, m, 2)."""
    mean, se_mean, se_obs = (found[name] for name in ("mean", "se_mean", "se_obs"))
    t = np.array(json.loads(told["t"])["0.9"])
    if kind == "confidence" and "exp" in told["confidence_interval"]:
        ratio = np.exp(t * se_mean / mean)
        return np.stack([mean / ratio, mean * ratio], axis=-1)
    below = above = t * (se_mean if kind == "confidence" else se_obs)
    if kind == "prediction" and "max" in told["prediction_interval"]:
        below, above = (
            np.maximum(np.array(json.loads(told[end])["0.9"]) * se_obs, t * se_mean)
            for end in ("lower", "upper")
        )
    return np.stack([mean - below, mean + above], axis=-1)


def skewed(m):
    X, y = data(400, m)
    return X, y + 0.5 * np.random.default_rng(1).exponential(size=y.shape)


FALLING = FunctionTransformer(lambda y: -y, lambda u: -u)
INTERVALS = {
    "normal": (scaled(small()), data(m=3)),
    "known noise": (scaled(small(noise=0.01)), data()),
    "empirical": (scaled(small(errors="empirical")), skewed(2)),
    "falling": (
        TransformedTargetRegressorCI(
            scaled(small(errors="empirical")), transformer=FALLING
        ),
        skewed(2),
    ),
    "committee": (committee(small(errors="empirical")), skewed(1)),
    "counts": (scaled(small(loss="poisson")), counts()),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_metadata_say_how_intervals_are_built(name):
    model, (X, y) = INTERVALS[name]
    graph = to_onnx(model.fit(X, y), X)
    found = outputs_of(graph, X)
    told = {one.key: one.value for one in graph.metadata_props}
    expected, shape = get_prediction(model, X), (len(X), -1, 2)
    dof = [np.inf if d is None else d for d in json.loads(told["dof"])]
    np.testing.assert_allclose(dof, np.atleast_1d(expected.dof))
    kinds = ["confidence"] if name == "counts" else ["confidence", "prediction"]
    assert ("prediction_interval" in told) == ("prediction" in kinds)
    for kind in kinds:
        interval = expected.conf_int(0.9, obs=kind == "prediction").reshape(shape)
        built = interval_by(told, found, kind)
        np.testing.assert_allclose(built, interval, rtol=1e-8)
        if name in ("empirical", "falling"):
            middle = built.mean(axis=-1) - found["mean"]
            # Errors have a tail above, of y too where the transformed y falls with it
            tail = np.mean(middle > 1e-3 * np.abs(built).max())
            assert tail == (1.0 if kind == "prediction" else 0.0)


def test_a_compressed_copy_is_converted():
    for name in ("tanh-3", "dual"):
        model, (X, y) = CASES[name]
        model.fit(X, y)
        copy = make_pipeline(model[0], model[1].compress())
        np.testing.assert_allclose(
            outputs_of(to_onnx(copy, X), X)["se_mean"],
            outputs_of(to_onnx(model, X), X)["se_mean"],
            rtol=1e-4,
        )


def test_the_mean_alone_needs_no_inference():
    X, y = data(m=3)
    model = small(covariance=None).fit(X, y)
    graph = to_onnx(model, X, outputs=("mean",))
    np.testing.assert_allclose(outputs_of(graph, X)["mean"], model.predict(X))
    assert not any("interval" in one.key for one in graph.metadata_props)
    assert len(graph.SerializeToString()) < 3_000
    with pytest.raises(NotFittedError, match="fit_inference"):
        to_onnx(model, X)


def test_a_root_in_single_precision_halves_the_file():
    X, y = data(300)
    model = small(hidden_layer_sizes=(30,)).fit(X, y)
    sizes = [
        len(to_onnx(model, X.astype(dtype)).SerializeToString())
        for dtype in (np.float32, np.float64)
    ]
    assert sizes[0] < 0.55 * sizes[1]


def test_where_single_precision_is_too_coarse_the_graph_is_in_double():
    """Nearly collinear columns: by their difference standard errors cancel."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200))
    X = np.column_stack([a, a + 1e-4 * b]).astype(np.float32)
    y = a + 0.1 * rng.normal(size=200)
    model = small(alpha=1e-10, covariance="bayesian").fit(X, y)
    found = outputs_of(to_onnx(model, X), X)
    expected = get_prediction(model, X.astype(float))
    np.testing.assert_allclose(found["se_mean"][:, 0], expected.se_mean, rtol=1e-6)
    # In single precision they would not be right
    state, network = model._with_inference()
    root = state["posterior"]["root"].astype(np.float32)
    J = jacobian.dense(jacobian.factors(network, X))[:, 0].astype(np.float32)
    single = np.linalg.norm(root @ J, axis=0) * state["posterior"]["scale"]
    double = np.linalg.norm(state["posterior"]["root"] @ J.astype(float), axis=0)
    double *= state["posterior"]["scale"]
    assert np.abs(single / double - 1.0).max() > 1e-4


@pytest.mark.parametrize(
    "outputs", ["mean", (), ("mean", "ci"), ("mean", "mean")], ids=str
)
def test_outputs_are_names_each_once(outputs):
    X, y = data()
    with pytest.raises(ValueError, match="outputs must be some of"):
        to_onnx(small().fit(X, y), X, outputs=outputs)


def test_what_has_no_graph_says_so_and_what_to_try():
    X, y = data()
    logarithm = dict(func=np.log, inverse_func=np.exp)
    target = TransformedTargetRegressorCI(small(), **logarithm).fit(X, np.exp(y))
    with pytest.raises(NotImplementedError, match=r"not a line.*regressor_"):
        to_onnx(target, X)
    assert "mean" in outputs_of(to_onnx(target.regressor_, X), X)
    regressor = small(variance=LinearRegression()).fit(X, y)
    with pytest.raises(NotImplementedError, match=r"LinearRegression.*'auto'"):
        to_onnx(regressor, X)
    weak = dict(hidden_layer_sizes=(60,), covariance="bayesian", alpha=1e-6)
    with pytest.raises(NotImplementedError, match=r"digits.*covariance='auto'"):
        to_onnx(small(**weak, noise=0.01).fit(X, y), X)
    unbounded = small(hidden_layer_sizes=(60,), covariance="bayesian", noise="loo")
    unbounded.set_params(covariance="least_squares", noise="residual")
    with pytest.raises(ValueError, match=r"infinite everywhere.*covariance='auto'"):
        to_onnx(unbounded.fit(X, y), X)
    fractions = small(loss="poisson").fit(X, np.exp(y))
    with pytest.raises(ValueError, match=r"no counts.*se_mean"):
        to_onnx(fractions, X)
    assert len(outputs_of(to_onnx(fractions, X, outputs=ALL[:2]), X)) == 2
    with pytest.raises(ValueError, match=r"target_opset=12 is too old.*13"):
        to_onnx(small().fit(X, y), X, target_opset=12)
    with pytest.raises(NotFittedError):
        to_onnx(small(), X)


@pytest.mark.parametrize("opset", [13, 18])
def test_older_operators_do(opset):
    X, y = data()
    model = scaled(small()).fit(X, y)
    found = outputs_of(to_onnx(model, X, target_opset=opset), X)
    expected = get_prediction(model, X).se_obs
    np.testing.assert_allclose(found["se_obs"][:, 0], expected, rtol=1e-10)


# The scaler of skl2onnx makes float32 of several inputs.
@pytest.mark.parametrize(
    "wrap, close",
    [(lambda net: net, 1e-10), (make_scaled, 1e-4)],
    ids=["net", "scaled"],
)
def test_columns_of_a_frame_are_inputs(wrap, close):
    X, y = data()
    X = pd.DataFrame(X, columns=["a", "b", "c"])
    model = wrap(small()).fit(X, y)
    session = onnxruntime.InferenceSession(to_onnx(model, X).SerializeToString())
    assert [one.name for one in session.get_inputs()] == ["a", "b", "c"]
    found = session.run(["se_mean"], {name: X[[name]].to_numpy() for name in X})[0]
    np.testing.assert_allclose(
        found[:, 0], get_prediction(model, X).se_mean, rtol=close
    )


def test_rows_as_lists_are_of_float64():
    X, y = data()
    graph = to_onnx(small().fit(X, y), X[:2].tolist())
    assert outputs_of(graph, X)["mean"].dtype == np.float64


def test_a_factor_near_one_is_not_dropped():
    """As onnxruntime does with what is 1 in single precision, in double too."""
    X, y = data()
    model = small(noise=0.01).fit(X, y)
    model._inference["widening"] = 1.0
    least = get_prediction(model, X).se_mean
    model._inference["widening"] += 2e-8
    expected = get_prediction(model, X).se_mean
    np.testing.assert_allclose(expected, least * (1.0 + 1e-8), rtol=1e-12)
    found = outputs_of(to_onnx(model, X), X)["se_mean"][:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_rows_beyond_everything_are_unbounded_not_certain():
    X, y = data()
    model = small(activation="relu").fit(X, y)
    found = outputs_of(to_onnx(model, X, outputs=ALL), np.full((1, 3), 1e200))
    assert np.isinf(found["se_mean"]).all()
    assert found["extrapolates"].all()
