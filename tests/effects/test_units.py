"""Effects are in units of the raw X and y, whatever stands around the network."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from cases import SMALL, sine_data
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    effects,
)

X, y = sine_data(100, 2)
X = X * [10.0, 0.1] + [5.0, -1.0]
y = 100.0 * y + 7.0


def network(**parameters):
    return MLPRegressorCI(**{**SMALL, "alpha": 0.1, **parameters})


def inner_effects(scaler, y_scaler, **asked):
    """Of a network fitted by hand to what the scalers give, in its own units."""
    Z = scaler.fit_transform(X)
    u = y_scaler.fit_transform(y[:, None])[:, 0]
    net = network().fit(Z, u)
    return effects.avg_slopes(net, Z, training=(Z, u), **asked)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler((-1, 1))], ids=str)
@pytest.mark.parametrize("y_scaler", [StandardScaler(), MinMaxScaler()], ids=str)
@pytest.mark.parametrize("debias", [False, "tangent", "robust"])
def test_scalers_change_units_only(scaler, y_scaler, debias):
    model = TransformedTargetRegressorCI(
        make_pipeline(scaler, network()), transformer=y_scaler
    ).fit(X, y)
    found = effects.avg_slopes(model, X, training=(X, y), debias=debias)
    assert set(found.contrast) == {"dY/dX"}
    other = inner_effects(scaler, y_scaler, debias=debias)
    a = np.ptp(y_scaler.inverse_transform([[0.0], [1.0]]))
    unit = a / np.diff(scaler.inverse_transform([[0.0] * 2, [1.0] * 2]), axis=0)[0]
    np.testing.assert_allclose(found.estimate, unit * other.estimate, rtol=1e-7)
    np.testing.assert_allclose(
        found.covariance(), np.outer(unit, unit) * other.covariance(), rtol=1e-6
    )


@pytest.mark.parametrize("j", [0, 1])
def test_slopes_are_those_of_predict(j):
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), network()), transformer=StandardScaler()
    ).fit(X, y)
    found = effects.slopes(model, X[:5], j)
    h = 1e-4 * X[:, j].std() * np.eye(2)[j]
    slope = (model.predict(X[:5] + h) - model.predict(X[:5] - h)) / (2 * h[j])
    np.testing.assert_allclose(found.estimate, slope, rtol=1e-6)
    levels = effects.linear_combinations(model, X[:5], np.eye(5))
    np.testing.assert_allclose(levels.estimate, model.predict(X[:5]), rtol=1e-12)
    _, cov = model.predict(X[:5], return_cov=True)
    np.testing.assert_allclose(levels.covariance(), cov, rtol=1e-8)


def test_one_row_behind_a_scaler_needs_no_step():
    model = make_pipeline(StandardScaler(), network()).fit(X, y / 100)
    one, all_of_them = effects.slopes(model, X[:1]), effects.slopes(model, X)
    np.testing.assert_allclose(one.estimate, all_of_them.estimate[[0, 100]], rtol=1e-9)
    np.testing.assert_allclose(one.std_error, all_of_them.std_error[[0, 100]], 1e-8)


def test_frames_searches_and_categories():
    """A category by comparison, a numeric column by its slope, behind an encoder."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"dose": X[:, 0], "kind": rng.choice(["a", "b"], 100)})
    y = 2.0 * np.sin(frame["dose"] / 10) + (frame["kind"] == "b")
    steps = ColumnTransformer(
        [("scale", StandardScaler(), ["dose"]), ("code", OneHotEncoder(), ["kind"])]
    )
    model = GridSearchCV(make_pipeline(steps, network()), {}, cv=2)
    model.fit(frame, y + 0.1 * rng.standard_normal(100))
    y = model.predict(frame) * 0 + y
    found = effects.avg_slopes(model, frame, debias=False)
    assert list(found.term) == ["dose"]  # kind has no slope
    no, yes = frame.assign(kind="a"), frame.assign(kind="b")
    found = effects.comparisons(model, no, yes, average=True, debias=False)
    difference = model.predict(yes) - model.predict(no)
    np.testing.assert_allclose(found.estimate, difference.mean(), rtol=1e-10)
    assert list(found.contrast) == ["b - a"]
    curve = effects.partial_dependence_interval(model, frame, "kind", debias=False)
    assert curve.to_frame()["value"].tolist() == ["a", "b"]
    np.testing.assert_allclose(np.diff(curve.estimate), difference.mean(), rtol=1e-8)
    by = effects.avg_slopes(model, frame, "dose", by="kind", debias=False)
    assert by.to_frame()["kind"].tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="holds no numbers"):
        effects.avg_slopes(model, frame, "kind", debias=False)


def test_integer_columns_keep_their_slopes():
    frame = pd.DataFrame({"count": np.arange(100) % 7, "x": X[:, 0]})
    model = make_pipeline(StandardScaler(), network())
    model.fit(frame, np.sin(frame["count"]) + 0.1 * frame["x"])
    found = effects.slopes(model, frame.iloc[:3], "count", training=(frame, y))
    h = pd.DataFrame({"count": [1e-5] * 3, "x": [0.0] * 3})
    ends = [model.predict(frame.iloc[:3] + s * h) for s in (1, -1)]
    np.testing.assert_allclose(found.estimate, (ends[0] - ends[1]) / 2e-5, rtol=1e-5)


def test_steps_that_are_no_lines_take_differences():
    model = make_pipeline(StandardScaler(), PolynomialFeatures(2), network())
    model.fit(X, y / 100)
    found = effects.avg_slopes(model, X, [0], debias=False)
    assert list(found.contrast) == ["dY/dX (+-0.25 sd)"]
    h = 0.25 * X[:, 0].std() * np.eye(2)[0]
    expected = (model.predict(X + h) - model.predict(X - h)).mean() / (2 * h[0])
    np.testing.assert_allclose(found.estimate, expected, rtol=1e-8)
    with pytest.raises(ValueError, match="no line"):
        effects.avg_slopes(model, X, [0], debias=False, step=0)
    # a column of its own line keeps its derivative
    one_line = ColumnTransformer(
        [("square", FunctionTransformer(np.square), [0])], remainder="passthrough"
    )
    model = make_pipeline(one_line, StandardScaler(), network()).fit(X, y / 100)
    found = effects.avg_slopes(model, X, debias=False)
    assert list(found.contrast) == ["dY/dX (+-0.25 sd)", "dY/dX"]


def test_inverse_that_is_no_line_goes_by_the_chain_rule():
    positive = np.exp(y / 200.0)
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), network()), func=np.log, inverse_func=np.exp
    ).fit(X, positive)
    rows = X[:4]
    found = effects.comparisons(model, rows, X[4:8])
    u = model.regressor_.predict(np.vstack([X[4:8], rows]))
    _, cov = unwrap_cov(model, np.vstack([X[4:8], rows]))
    mean = np.exp(u)
    np.testing.assert_allclose(found.estimate, mean[:4] - mean[4:], rtol=1e-9)
    L = np.hstack([np.diag(mean[:4]), -np.diag(mean[4:])])
    np.testing.assert_allclose(found.covariance(), L @ cov @ L.T, rtol=1e-6)
    slopes = effects.slopes(model, rows, 0, training=(X, positive))
    assert set(slopes.contrast) == {"dY/dX (+-0.25 sd)"}
    corrected = effects.avg_slopes(model, X, training=(X, positive))
    assert np.isfinite(corrected.std_error).all()
    with pytest.raises(ValueError, match="no line"):
        effects.slopes(model, rows, 0, step=0)


def unwrap_cov(model, rows):
    steps, net = model.regressor_[:-1], model.regressor_[-1]
    return net.predict(steps.transform(rows), return_cov=True)


def test_an_inverse_that_clips_has_no_errors():
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), network()), check_inverse=False,
        func=lambda y: y, inverse_func=lambda u: np.clip(u, -1e9, 50.0),
    ).fit(X, y)  # fmt: skip
    with pytest.raises(ValueError, match="no slope"):
        effects.linear_combinations(model, X, np.ones(100) / 100, debias=False)


def test_sparse_rows_lists_and_names():
    from scipy import sparse

    net = network().fit(X, y / 100)
    dense = effects.slopes(net, X[:3])
    for rows in (sparse.csr_array(X[:3]), X[:3].tolist()):
        found = effects.slopes(net, rows, training=(X, y))
        np.testing.assert_array_equal(found.std_error, dense.std_error)
    assert list(dense.term) == ["x0"] * 3 + ["x1"] * 3
    np.testing.assert_array_equal(
        effects.slopes(net, X[:3], "x1").estimate,
        effects.slopes(net, X[:3], 1).estimate,
    )


def test_committee_behind_scalers():
    own = MLPRegressorCI(regularization="evidence", activation="tanh")
    committee = MLPEnsembleRegressorCI(
        own, architectures=((3,),), n_starts=2, random_state=0
    )
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), committee), transformer=StandardScaler()
    ).fit(X, y)
    found = effects.slopes(model, X[:3], 1)
    h = 1e-4 * X[:, 1].std() * np.eye(2)[1]
    slope = (model.predict(X[:3] + h) - model.predict(X[:3] - h)) / (2 * h[1])
    np.testing.assert_allclose(found.estimate, slope, rtol=1e-6)
    known = model.get_prediction(X[:3])
    levels = effects.linear_combinations(model, X[:3], np.eye(3))
    np.testing.assert_allclose(levels.std_error, known.se_mean, rtol=1e-8)
    corrected = effects.avg_slopes(model, X, training=(X, y))
    inner = effects.avg_slopes(
        model.regressor_[-1], model.regressor_[0].transform(X),
        training=(model.regressor_[0].transform(X),
                  model.transformer_.transform(y[:, None])[:, 0]),
    )  # fmt: skip
    unit = y.std() / X.std(axis=0)
    np.testing.assert_allclose(corrected.estimate, unit * inner.estimate, rtol=1e-7)
    np.testing.assert_allclose(corrected.std_error, unit * inner.std_error, rtol=1e-6)


def test_frames_of_polars_come_back():
    rows = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    model = make_pipeline(StandardScaler(), network()).fit(rows, y / 100)
    found = effects.avg_slopes(model, rows, debias=False)
    assert list(found.term) == ["a", "b"]
    assert isinstance(found.to_frame(), pl.DataFrame)
    expected = effects.avg_slopes(model, rows.to_pandas(), debias=False)
    np.testing.assert_allclose(found.estimate, expected.estimate, rtol=1e-12)
    curve = effects.partial_dependence_interval(model, rows, "a", debias=False)
    assert curve.to_frame()["value"].len() == 50
