"""Rows of a `Prediction`: how many, some of them, draws of them, frames of them."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from cases import SMALL, sine_data
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    Prediction,
    TransformedTargetRegressorCI,
)
from sklearn_nnci._inference.report import numbers

DRAWS = 20_000


def made(kind, m=1):
    """A `Prediction` of six rows, its model, and X."""
    X, y = sine_data(n=60, m=m, noise=0.3)
    if kind == "poisson":
        y = np.random.default_rng(0).poisson(np.exp(y))
        return MLPRegressorCI(**SMALL, loss="poisson").fit(X, y), X[:6]
    if kind in ("skewed", "uneven", "skewed committee"):
        rng = np.random.default_rng(1)
        X, y = np.resize(X, (300, 2)) + 0.3 * rng.standard_normal((300, 2)), None
        y = np.sin(X[:, 0]) + 0.3 * rng.standard_exponential(300)
        known = dict(uneven=dict(variance="auto")).get(kind, {})
        net = MLPRegressorCI(**SMALL, errors="empirical", **known)
        if "committee" in kind:
            net = MLPEnsembleRegressorCI(
                net, architectures=(None,), n_starts=2, random_state=0
            )
        return net.fit(X, y), X[:6]
    if kind == "committee":
        model = MLPEnsembleRegressorCI(
            MLPRegressorCI(**SMALL), architectures=(None,), n_starts=2, random_state=0
        )
        return model.fit(X, y), X[:6]
    if kind == "line":
        pipe = make_pipeline(StandardScaler(), MLPRegressorCI(**SMALL))
        model = TransformedTargetRegressorCI(pipe, transformer=StandardScaler())
        return model.fit(X, y), X[:6]
    if kind == "exp":
        model = TransformedTargetRegressorCI(
            MLPRegressorCI(**SMALL), func=np.log, inverse_func=np.exp
        )
        return model.fit(X, np.exp(y)), X[:6]
    return MLPRegressorCI(**SMALL).fit(X, y), X[:6]


KINDS = [("network", 1), ("network", 2), ("poisson", 1), ("committee", 1),
         ("line", 1), ("line", 2), ("exp", 1), ("skewed", 1), ("uneven", 1),
         ("skewed committee", 1)]  # fmt: skip


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def asked(request):
    return made(*request.param)


@pytest.mark.parametrize(
    "rows",
    [slice(1, 4), slice(None, None, -2), [4, 0, 0], np.array([5]), -1,
     np.arange(6) % 2 == 0, []],
    ids=str,
)  # fmt: skip
def test_some_rows_are_those_asked_for_alone(asked, rows):
    model, X = asked
    chosen = np.atleast_1d(np.arange(6)[rows]).astype(int)
    part = model.get_prediction(X)[rows]
    assert len(part) == len(chosen)
    if not len(chosen):
        return
    alone = model.get_prediction(X[chosen])
    for name in ("mean", "se_mean", "se_obs", "leverage", "extrapolates",
                 "noise_variance"):  # fmt: skip
        one, two = getattr(part, name), getattr(alone, name)
        np.testing.assert_allclose(one, two, rtol=1e-7, err_msg=name)
    np.testing.assert_allclose(part.conf_int([0.5, 0.9]), alone.conf_int([0.5, 0.9]))
    np.testing.assert_allclose(
        part.covariance(), alone.covariance(), rtol=1e-6, atol=1e-12
    )
    bands = [p.conf_int(simultaneous="sup-t") for p in (part, alone)]
    np.testing.assert_allclose(*bands, rtol=1e-6)
    bands = [p.conf_int(simultaneous="bonferroni") for p in (part, alone)]
    np.testing.assert_allclose(*bands, rtol=1e-7)


def test_labels_go_with_their_rows():
    X, y = sine_data(n=60)
    frame = pd.DataFrame(X, columns=["a", "b"], index=[f"r{i}" for i in range(60)])
    found = MLPRegressorCI(**SMALL).fit(frame, y).get_prediction(frame)
    whole = found.to_frame()
    part = found[found.mean > 0.5]
    pd.testing.assert_frame_equal(part.to_frame(), whole[whole["mean"] > 0.5])
    assert "r3" in str(found[3])
    assert len(list(found)) == len(found) == 60
    for wrong in (60, [0, 60], np.ones(5, dtype=bool), "r3", (0, 1), 1.5):
        with pytest.raises(IndexError):
            found[wrong]


def test_the_whole_is_not_changed_by_a_part():
    model, X = made("network")
    found = model.get_prediction(X)
    found[[0]].mean[0] = 9.0
    assert found.mean[0] != 9.0


# -------------------------------------------------------------------------------- draws


def test_each_draw_of_the_mean_follows_its_confidence_interval(asked):
    model, X = asked
    found = model.get_prediction(X)
    drawn = found.sample(DRAWS, random_state=0)
    assert drawn.shape == (DRAWS, *found.mean.shape)
    inside(found.conf_int([0.5, 0.9]), drawn)


def test_each_draw_of_an_observation_follows_its_prediction_interval(asked):
    model, X = asked
    found = model.get_prediction(X)
    if found.log_link:  # integers: tests of counts have them
        found = replace(found, size=None)
        with pytest.raises(ValueError, match=r"loss='poisson'.*return_ci=True"):
            found.sample(3, obs=True)
        return
    drawn = found.sample(DRAWS, random_state=1, obs=True)
    inside(found.conf_int([0.5, 0.9], obs=True), drawn)


def test_a_law_of_the_noise_is_drawn_from():
    model, X = made("skewed")
    assert "skewed" in model.inference_.errors
    found = model.get_prediction(X)
    drawn = found.sample(DRAWS, random_state=0, obs=True)
    assert (stats.skew(drawn) > 0.5).all()
    assert (np.abs(stats.skew(found.sample(DRAWS, random_state=0))) < 0.1).all()


def test_without_noise_there_is_none():
    found = Prediction(np.ones(2), np.zeros(2), np.zeros(2), 5.0,
                       covariance=lambda: np.zeros((2, 2)))  # fmt: skip
    np.testing.assert_array_equal(found.sample(3, obs=True), 1.0)


def inside(interval, drawn):
    """Each tail holds what it should, to four standard errors."""
    for k, level in enumerate([0.5, 0.9]):
        tail, lower, upper = (1 - level) / 2, *np.moveaxis(interval, -2, 0)[..., k]
        error = 4.0 * np.sqrt(tail * (1 - tail) / DRAWS)
        np.testing.assert_allclose((drawn < lower).mean(axis=0), tail, atol=error)
        np.testing.assert_allclose((drawn > upper).mean(axis=0), tail, atol=error)


@pytest.mark.parametrize("m", [1, 2])
def test_draws_of_the_mean_have_its_covariance(m):
    model, X = made("network", m)
    found = model.get_prediction(X)
    drawn = found.sample(DRAWS, random_state=0).reshape(DRAWS, -1)
    dof, size = np.ravel(found.dof).min(), found.mean.size
    expected = found.covariance().reshape(size, size) * dof / (dof - 2)
    unit = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(drawn.T) / unit, expected / unit, atol=0.06)
    contrast = drawn[:, 0] - drawn[:, 1]
    var = expected[0, 0] + expected[1, 1] - 2 * expected[0, 1]
    assert np.var(contrast) == pytest.approx(var, rel=0.06)


def test_noise_is_a_new_one_for_every_row():
    n = 4
    cov = 0.5 * np.ones((n, n))  # rows that share one mean
    found = Prediction(
        np.zeros(n), np.full(n, 0.5**0.5), np.full(n, 1.0), np.inf,
        covariance=lambda: cov,
    )  # fmt: skip
    correlation = np.corrcoef(found.sample(DRAWS, random_state=0, obs=True).T)
    np.testing.assert_allclose(correlation[np.triu_indices(n, 1)], 0.5, atol=0.03)
    same = found.sample(3, random_state=0)
    np.testing.assert_allclose(same, same[:, :1] * np.ones(n), atol=1e-7)


def test_degrees_of_freedom_are_those_of_each_output():
    found = Prediction(
        np.zeros((1, 2)), np.ones((1, 2)), np.ones((1, 2)), np.array([3.0, np.inf]),
        covariance=lambda: np.eye(2).reshape(1, 2, 1, 2),
    )  # fmt: skip
    heavy, normal = found.sample(DRAWS, random_state=0)[:, 0].T
    assert stats.kstest(heavy, stats.t(3).cdf).pvalue > 0.01
    assert stats.kstest(normal, stats.norm.cdf).pvalue > 0.01


def test_draws_are_the_same_for_the_same_seed():
    model, X = made("network")
    found = model.get_prediction(X)
    one, two = found.sample(5, random_state=3), found.sample(5, random_state=3)
    np.testing.assert_array_equal(one, two)
    assert (found.sample(5, random_state=4) != one).any()
    assert found.sample().shape == (1, 6)
    generator = np.random.RandomState(3)
    np.testing.assert_array_equal(found.sample(5, generator), one)
    assert (found.sample(5, generator) != one).any()


def test_what_has_no_law_is_not_drawn_from():
    model, X = made("network")
    found = model.get_prediction(X)
    for n in (0, -1, 2.5, "3"):
        with pytest.raises(ValueError, match="positive int"):
            found.sample(n)
    with pytest.raises(ValueError, match="joint covariance"):
        Prediction(np.zeros(2), np.ones(2), np.ones(2), 5.0).sample(2)
    se = np.array([1.0, np.inf, 1.0])
    lost = Prediction(np.zeros(3), se, se, 5.0, covariance=lambda: np.diag(se))
    with pytest.raises(ValueError, match=r"1 of 3 rows.*first of them 1.*isfinite"):
        lost.sample(2)
    assert lost[np.isfinite(lost.se_mean)].sample(2).shape == (2, 2)


# ------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("kind", ["network", "committee", "line"])
@pytest.mark.filterwarnings("ignore:X (has|does):UserWarning")
def test_frames_are_of_the_kind_that_x_was(kind, m):
    model, X = made(kind, m)
    expected = model.get_prediction(X).to_frame()
    if m == 2:
        expected.columns = ["_".join(pair) for pair in expected.columns]
    names = ["a", "b"]
    for X_of, cls, convert in (
        (pl.DataFrame(X, schema=names), pl.DataFrame, lambda f: f.to_pandas()),
        (pa.table({"a": X[:, 0], "b": X[:, 1]}), pa.Table, lambda f: f.to_pandas()),
    ):
        if kind == "line" and cls is pa.Table:
            continue  # scikit-learn's scalers do not take it
        found = model.get_prediction(X_of).to_frame()
        assert type(found) is cls
        pd.testing.assert_frame_equal(convert(found), expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:X has:UserWarning")
def test_without_narwhals_the_error_says_what_to_install(monkeypatch):
    model, X = made("network")
    found = model.get_prediction(pl.DataFrame(X, schema=["a", "b"]))
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(ImportError, match=r"polars need narwhals.*pip install"):
        found.to_frame()


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("kind", ["network", "line"])
@pytest.mark.filterwarnings("ignore:X (has|does):UserWarning")
def test_influence_is_a_table_labelled_as_x(kind, m):
    X, y = sine_data(n=60, m=m, noise=0.3)
    frame = pd.DataFrame(X, columns=["a", "b"], index=pd.RangeIndex(100, 160))
    model = made(kind, m)[0]
    found = model.influence(frame, y)
    table = found.to_frame()
    assert table.index.equals(frame.index)
    leverage = table["leverage"] if m == 1 else table["leverage"][["y0", "y1"]]
    np.testing.assert_array_equal(leverage, found.leverage)
    np.testing.assert_array_equal(np.ravel(table["cooks_distance"]), found[4])
    assert len(found) == 5
    assert model.influence(X, y).to_frame().index.equals(pd.RangeIndex(60))
    other = model.influence(pl.from_pandas(frame), y).to_frame()
    assert isinstance(other, pl.DataFrame)
    assert other.columns[-1] == "cooks_distance"
    assert other.columns[0] == ("leverage" if m == 1 else "leverage_y0")
    np.testing.assert_allclose(other.to_numpy(), table.to_numpy(), rtol=1e-9)


# ----------------------------------------------------------------------------- keywords


@pytest.mark.parametrize("kind", ["network", "line"])
def test_alpha_is_told_what_stands_for_it(kind):
    model, X = made(kind)
    found = model.get_prediction(X)
    with pytest.raises(TypeError, match=r"'alpha', got 0\.05.*confidence_level=0\.95"):
        found.conf_int(alpha=0.05)
    with pytest.raises(TypeError, match="confidence_level=1 - alpha"):
        found.conf_int(alpha=[0.05, 0.1])
    with pytest.raises(TypeError, match=r"'level'.*confidence_level"):
        found.conf_int(level=0.9)


def test_numbers_of_a_salary_are_printed_in_full():
    values = np.array([5497.2, 11384.7, 9999.7, 1234567.8, 12345678.0, -25000.4, 0.5])
    shown = numbers(values, "#.4g")
    assert shown == [
        "5497",
        "11385",
        "10000",
        "1234568",
        "1.235e+07",
        "-25000",
        "0.5000",
    ]
    assert numbers(np.array([np.inf, np.nan, 7.0])) == ["inf", "nan", "7"]
    assert numbers(np.array([True])) == ["True"]
