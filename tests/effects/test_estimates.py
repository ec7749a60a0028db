"""The record: intervals, table, print; Wald's test."""

import numpy as np
import pytest
from scipy import stats

from sklearn_nnci.effects import Estimates, wald_test

COV = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.01]])


def some(dof=20.0, **fields):
    return Estimates(
        np.array([1.0, -0.5, 0.1]), np.sqrt(np.diag(COV)), dof, ["a<b", "b", "c"],
        ["dY/dX"] * 3, lambda: COV, **fields,
    )  # fmt: skip


def test_intervals_are_students():
    found = some()
    for level in (0.5, 0.95):
        t = stats.t(20.0, found.estimate, found.std_error)
        np.testing.assert_allclose(
            found.conf_int(level), np.transpose(t.interval(level)), rtol=1e-12
        )
    assert found.conf_int([0.5, 0.9, 0.95]).shape == (3, 2, 3)
    z = found.estimate / found.std_error
    np.testing.assert_allclose(found.p_value, 2 * stats.t.cdf(-np.abs(z), 20.0))


def test_sup_t_covers_all_at_once():
    """Against draws of its own, and between one interval and Bonferroni's."""
    found = some()
    low, high = found.conf_int(0.9, simultaneous="sup-t").T
    rng = np.random.default_rng(5)
    z = rng.multivariate_normal(np.zeros(3), COV, 40_000)
    z = z / np.sqrt(rng.chisquare(20.0, (40_000, 1)) / 20.0)
    inside = (np.abs(z) <= (high - low) / 2).all(axis=1)
    assert abs(inside.mean() - 0.9) < 0.01
    widths = [np.diff(found.conf_int(0.9, simultaneous=s), axis=1)
              for s in (None, "sup-t", "bonferroni")]  # fmt: skip
    assert (widths[0] < widths[1]).all() and (widths[1] < widths[2]).all()


def test_the_table_has_all_columns():
    found = some(target="population", correction="tangent",
                 columns={"group": ["x", "y", "z"]}, index=[7, 8, 9])  # fmt: skip
    frame = found.to_frame(0.9)
    assert list(frame) == [
        "term", "contrast", "group", "estimate", "std_error", "statistic", "p_value",
        "conf_low", "conf_high", "target", "correction",
    ]  # fmt: skip
    assert list(frame.index) == [7, 8, 9]
    np.testing.assert_array_equal(frame[["conf_low", "conf_high"]], found.conf_int(0.9))
    assert set(frame["target"]) == {"population"}
    assert len(found) == 3


def test_it_prints():
    text, html = repr(some()), some()._repr_html_()
    assert "3 estimates, of these rows, with 95% intervals" in text
    assert "std_error" in text and "-0.5000" in text
    assert "<table>" in html and "a&lt;b" in html
    assert "the population" in repr(some(target="population"))


def test_what_is_not_bounded():
    cov = COV.copy()
    cov[0], cov[:, 0] = np.nan, np.nan
    cov[0, 0] = np.inf
    found = Estimates(np.zeros(3), np.sqrt(np.diag(cov)), 9.0, "abc", "abc",
                      lambda: cov)  # fmt: skip
    for asked in (None, "bonferroni", "sup-t"):
        np.testing.assert_array_equal(
            found.conf_int(simultaneous=asked)[0], [-np.inf, np.inf]
        )
        assert np.isfinite(found.conf_int(simultaneous=asked)[1:]).all()


def test_arguments_are_checked():
    for level in (95, 0.0, "all"):
        with pytest.raises(ValueError, match="confidence_level"):
            some().conf_int(level)
    with pytest.raises(ValueError, match="one confidence_level"):
        some().to_frame([0.5, 0.9])
    for simultaneous in ("scheffe", "all"):
        with pytest.raises(ValueError, match="simultaneous"):
            some().conf_int(simultaneous=simultaneous)


@pytest.mark.parametrize("dof", [20.0, np.inf])
def test_wald_of_one_is_the_square_of_t(dof):
    found = some(dof)
    one = wald_test(found, [0.0, 1.0, 0.0], 0.1)
    t = (-0.5 - 0.1) / 0.3
    assert one.statistic == pytest.approx(t**2)
    assert one.p_value == pytest.approx(2 * stats.t.sf(abs(t), dof))


def test_wald_of_several():
    found = some()
    L = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, 2.0]])
    d = L @ found.estimate - [0.0, 1.0]
    F = d @ np.linalg.solve(L @ COV @ L.T, d) / 2
    test = wald_test(found, L, [0.0, 1.0])
    assert test.statistic == pytest.approx(F)
    assert test.p_value == pytest.approx(stats.f.sf(F, 2, 20.0))
    with pytest.raises(ValueError, match="singular"):
        wald_test(found, np.vstack([L, L[0]]))
    with pytest.raises(ValueError, match="column for each"):
        wald_test(found, [1.0, 2.0])
