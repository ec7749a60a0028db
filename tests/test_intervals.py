"""From moments to intervals: the shape law, quantiles, tables."""

import builtins

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sklearn_nnci import Prediction
from sklearn_nnci._prediction import check_levels


@pytest.mark.parametrize("level", [0.9, [0.5, 0.9], [[0.5, 0.8], [0.9, 0.99]]])
@pytest.mark.parametrize("m", [0, 3])
def test_shape_law_and_values(level, m):
    rng = np.random.default_rng(0)
    shape = (5, m) if m else (5,)
    mean, se = rng.normal(size=shape), rng.uniform(1, 2, shape)
    dof = np.array([3.0, 10.0, np.inf]) if m else 7.0
    interval = Prediction(mean, se, se + 1, dof).conf_int(level)
    assert interval.shape == (*shape, 2, *np.shape(level))
    for index in np.ndindex(np.shape(level)):
        t = stats.t.ppf((1 + np.asarray(level)[index]) / 2, dof)
        np.testing.assert_allclose(interval[(..., 0, *index)], mean - t * se)
        np.testing.assert_allclose(interval[(..., 1, *index)], mean + t * se)


def test_observation_interval_contains_that_of_the_mean():
    one = Prediction(np.zeros(2), np.array([1.0, 2.0]), np.array([1.5, 2.0]), 5.0)
    ci, pi = one.conf_int(), one.conf_int(obs=True)
    assert (pi[:, 0] <= ci[:, 0]).all() and (pi[:, 1] >= ci[:, 1]).all()


@given(st.floats(0.01, 0.98), st.floats(0.005, 0.01), st.floats(0.5, 1e6))
def test_width_grows_with_the_level(level, more, dof):
    one = Prediction(np.zeros(1), np.ones(1), np.ones(1), dof)
    assert np.diff(one.conf_int(level)) < np.diff(one.conf_int(level + more))


@pytest.mark.parametrize("dof", [0.0, 1e-9, 5.0])
def test_what_is_not_bounded_is_infinite_and_never_nan(dof):
    one = Prediction(np.zeros(2), np.array([np.inf, 1.0]), np.full(2, np.inf), dof)
    ci = one.conf_int([0.5, 0.9])
    assert not np.isnan(ci).any()
    assert np.isinf(ci[0]).all()
    assert np.isinf(ci[1]).all() == (dof == 0.0)


@pytest.mark.parametrize(
    "level",
    [
        95,
        0,
        1,
        -0.1,
        np.nan,
        np.inf,
        "0.9",
        None,
        [],
        [0.5, 2.0],
        ["0.5"],
        True,
        1j,
        [[0.5], [0.8, 0.9]],
        1.5,
    ],
    ids=str,
)
def test_bad_levels_are_refused_by_name_and_value(level):
    with pytest.raises(ValueError, match="confidence_level") as error:
        check_levels(level)
    assert repr(level) in str(error.value)
    assert ("0.95, not 95" in str(error.value)) == (level == 95)


def test_frame_has_statsmodels_columns_and_keeps_the_index():
    index = pd.Index(["a", "b"], name="row")
    one = Prediction(np.zeros(2), np.ones(2), np.full(2, 2.0), 5.0, index)
    frame = one.to_frame(0.9)
    assert list(frame) == [
        "mean", "mean_se", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower",
        "obs_ci_upper",
    ]  # fmt: skip
    assert frame.index.equals(index)
    two = Prediction(
        np.zeros((2, 3)), np.ones((2, 3)), np.ones((2, 3)), np.full(3, 5.0)
    )
    table = two.to_frame()
    assert table.shape == (2, 18)
    assert list(table.columns.levels[0]) == ["y0", "y1", "y2"]
    np.testing.assert_array_equal(table["y1"]["mean_ci_upper"], two.conf_int()[:, 1, 1])
    with pytest.raises(ValueError, match=r"\[0.5, 0.9\].*conf_int"):
        one.to_frame([0.5, 0.9])


def test_frame_without_pandas_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="pip install pandas"):
        Prediction(np.zeros(1), np.ones(1), np.ones(1), 5.0).to_frame()


@pytest.mark.parametrize("level", [100, 150, 1e3, 2.0, -95])
def test_only_a_percentage_is_taken_for_one(level):
    with pytest.raises(ValueError, match="confidence_level") as error:
        check_levels(level)
    assert "Did you mean" not in str(error.value)
