"""Displays of effects: what they draw is what `effects` tells."""

import itertools
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI
from sklearn_nnci.effects import Estimates, avg_slopes, partial_dependence_interval
from sklearn_nnci.plotting import PartialDependenceIntervalDisplay, SlopesDisplay

FEATURES = ["dose", "age", "site", "sex"]


@pytest.fixture(autouse=True)
def no_figure_is_left():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(-2, 2, (150, 3)), columns=["dose", "age", "rest"])
    X["site"] = np.where(np.arange(150) % 3 == 0, "a", "b")
    X["sex"] = np.arange(150) % 2
    y = np.sin(X["dose"]) + X["age"] + (X["site"] == "a") + 0.2 * rng.normal(size=150)
    return X, pd.Series(20.0 + 5.0 * y, name="response (mg)")


@pytest.fixture(scope="module")
def model(data):
    net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
                         regularization="evidence", random_state=0)  # fmt: skip
    columns = make_column_transformer(
        (OneHotEncoder(drop="first"), ["site"]), remainder=StandardScaler()
    )
    scaled = TransformedTargetRegressorCI(
        make_pipeline(columns, net), transformer=StandardScaler()
    )
    return scaled.fit(*data)


def curves(model, data, **options):
    return PartialDependenceIntervalDisplay.from_estimator(
        model, data[0], options.pop("features", FEATURES), training=data, **options
    )


def forest(estimate, std_error, dof=np.inf, **options):
    """The display of independent estimates."""
    se = np.array(std_error)
    names = [f"x{j}" for j in range(len(se))]
    found = Estimates(np.array(estimate), se, dof, names, ["dY/dX"] * len(se),
                      lambda: np.diag(se**2))  # fmt: skip
    return SlopesDisplay.from_estimates(found, **options)


def ends(bars):
    """Low and high of horizontal bars, (K, 2)."""
    return np.array([segment[:, 0] for segment in bars.get_segments()])


# ---------------------------------------------------------------- partial dependence


def test_the_curve_is_that_of_the_predictions_and_its_bands_those_of_effects(
    model, data
):
    X, _ = data
    display = curves(model, data, debias=False, grid_resolution=7, features="dose")
    at = np.linspace(*np.quantile(X["dose"], (0.05, 0.95)), 7)
    mean = [model.predict(X.assign(dose=value)).mean() for value in at]
    np.testing.assert_allclose(display.lines_[0].get_xydata(), np.c_[at, mean])
    told = partial_dependence_interval(model, X, "dose", training=data, debias=False,
                                       grid_resolution=7)  # fmt: skip
    for artists, kind in ((display.ci_, None), (display.band_, "sup-t")):
        (path,) = artists[0].get_paths()
        for side in told.conf_int(simultaneous=kind).T:
            drawn = {tuple(vertex) for vertex in path.vertices.round(8)}
            assert drawn >= set(zip(at.round(8), side.round(8), strict=True))
    frame = display.frame()
    assert list(frame) == ["term", "value", "estimate", "conf_low", "conf_high",
                           "band_low", "band_high"]  # fmt: skip
    assert (frame["band_high"] > frame["conf_high"]).all()
    assert (frame["band_low"] < frame["conf_low"]).all()


def test_each_column_has_an_axes_and_what_lies_apart_no_line(model, data):
    display = curves(model, data, grid_resolution=5)
    assert [ax.get_xlabel() for ax in display.axes_] == FEATURES
    assert [ax.get_ylabel() for ax in display.axes_] == [
        "average of response (mg)", ""] * 2  # fmt: skip
    assert len(display.figure_.axes) == 4
    assert [line.get_linestyle() for line in display.lines_] == ["-", "-", "None",
                                                                "None"]  # fmt: skip
    ticks = [text.get_text() for text in display.axes_[2].get_xticklabels()]
    assert ticks == ["a", "b"]
    assert [rug is None for rug in display.rugs_] == [False, False, True, True]
    assert len({ax.get_ylim() for ax in display.axes_}) == 1
    frame = display.frame()
    assert len(frame) == 5 + 5 + 2 + 2
    assert frame["value"].tolist()[-4:] == ["a", "b", 0, 1]


def test_the_rug_is_of_the_rows_along_the_curve(model, data):
    display = curves(model, data, features="age", grid_resolution=5)
    low, high = np.quantile(data[0]["age"], (0.05, 0.95))
    inside = sorted(value for value in data[0]["age"] if low <= value <= high)
    at = [segment[0, 0] for segment in display.rugs_[0].get_segments()]
    np.testing.assert_array_equal(at, inside)


def test_curves_of_single_rows_are_predictions(model, data):
    X, _ = data
    display = curves(model, data, kind="both", features=["dose", "site"],
                     grid_resolution=4, row_kwargs=dict(color="red"))  # fmt: skip
    assert display.rows_[1] is None  # categories have no line
    at = np.linspace(*np.quantile(X["dose"], (0.05, 0.95)), 4)
    drawn = display.rows_[0].get_segments()
    some = X.iloc[np.linspace(0, 149, 50).astype(int)]
    expected = np.array([model.predict(some.assign(dose=value)) for value in at])
    assert len(drawn) == 50
    for row, mean in zip(drawn, expected.T, strict=True):
        np.testing.assert_allclose(row, np.c_[at, mean], rtol=1e-9)
    assert to_rgba("red")[:3] == tuple(display.rows_[0].get_color()[0][:3])
    low, high = display.axes_[0].get_ylim()
    assert low < expected.min() and expected.max() < high
    alone = curves(model, data, features="dose", grid_resolution=4)
    assert alone.rows_ == [None]
    with pytest.raises(ValueError, match="kind must be"):
        curves(model, data, kind="individual")


def test_options_reach_the_numbers(model, data):
    display = curves(model, data, features=["dose"], custom_values={"dose": [0.0, 1.0,
                     1.5]}, population=True, confidence_level=0.8)  # fmt: skip
    told = partial_dependence_interval(model, data[0], "dose", training=data,
        population=True, custom_values={"dose": [0.0, 1.0, 1.5]})  # fmt: skip
    np.testing.assert_allclose(
        display.frame()[["conf_low", "conf_high"]], told.conf_int(0.8)
    )
    names = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert names == ["average", "each value, 80%", "all at once, 80%"]


def test_axes_are_given_one_for_each_column(model, data):
    _, axes = plt.subplots(1, 2)
    display = curves(model, data, features=[0, 1], grid_resolution=3, ax=axes)
    assert list(display.axes_) == list(axes)
    assert plt.get_fignums() == [1]
    assert display.plot() is display
    assert len(plt.get_fignums()) == 2
    with pytest.raises(ValueError, match=r"ax holds 2 axes, but 1.*subplots\(1, 1\)"):
        curves(model, data, features=0, grid_resolution=3, ax=axes)


# ------------------------------------------------------------------------- the forest


def test_bars_are_student_intervals_and_hollow_points_are_those_about_zero():
    display = forest([1.0, 0.1], [0.2, 0.3], dof=10, confidence_level=0.9)
    half = stats.t.ppf(0.95, 10) * np.array([0.2, 0.3])
    estimate = np.array([1.0, 0.1])
    expected = np.c_[estimate - half, estimate + half]
    np.testing.assert_allclose(ends(display.ci_), expected)
    np.testing.assert_array_equal(display.points_.get_offsets(), [[1, 0], [0.1, 1]])
    colors = display.points_.get_facecolors()
    assert tuple(colors[0]) == tuple(display.points_.get_edgecolors()[0])
    assert tuple(colors[1]) == to_rgba("white")
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == ["x0", "x1"]
    assert display.ax_.get_ylim() == (1.5, -0.5)  # the first on top
    assert display.ax_.get_xlabel() == "dY/dX"


def test_thin_bars_hold_for_all_together():
    """Of independent normal estimates the factor is Sidak's."""
    display = forest([1.0, 0.5, -2.0], [0.2, 0.3, 1.0])
    factor = stats.norm.ppf((1 + 0.95 ** (1 / 3)) / 2)
    found = np.ptp(ends(display.band_), axis=1) / 2
    np.testing.assert_allclose(found, factor * np.array([0.2, 0.3, 1.0]), rtol=0.02)
    frame = display.frame()
    np.testing.assert_array_equal(frame[["band_low", "band_high"]], ends(display.band_))


def test_a_fitted_estimator_shows_its_average_slopes(model, data):
    X, _ = data
    display = SlopesDisplay.from_estimator(
        model, X, ["dose", "age"], training=data, by="site"
    )
    told = avg_slopes(model, X, ["dose", "age"], training=data, by="site")
    np.testing.assert_allclose(ends(display.ci_), told.conf_int())
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == [f"{x}, site {s}" for x in ("dose", "age") for s in "ab"]
    assert display.frame()["site"].tolist() == ["a", "b"] * 2


def test_what_differs_is_in_the_names():
    found = Estimates(np.ones(2), np.ones(2), 9.0, ["a", "b"], ["dY/dX", "2 - 1"],
                      lambda: np.eye(2), target="population")  # fmt: skip
    ax = SlopesDisplay.from_estimates(found).ax_
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["a, dY/dX", "b, 2 - 1"]
    assert ax.get_xlabel() == "estimate, of the population"


def test_what_is_not_bounded_leaves_the_picture():
    display = forest([1.0, 2.0], [np.inf, 0.1])
    low, high = display.ax_.get_xlim()
    assert ends(display.ci_)[0][0] < low
    assert high < 3 < ends(display.ci_)[0][1]
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["each alone, 95% (∞)", "all at once, 95% (∞)"]
    for draw in (
        lambda one: SlopesDisplay.from_estimates(one),
        lambda one: PartialDependenceIntervalDisplay(curves=[one]).plot(),
    ):
        none = Estimates(np.ones(2), np.full(2, np.inf), 9.0, ["a"] * 2, ["f"] * 2,
                         lambda: np.full((2, 2), np.nan),
                         columns={"value": np.arange(2.0)})  # fmt: skip
        with pytest.raises(ValueError, match="No interval is bounded"):
            draw(none)
    with pytest.raises(ValueError, match=r"31 effects.*at most 30"):
        forest(np.ones(31), np.ones(31))


# --------------------------------------------------------- the convention of displays


def painted(artist):
    """The colour of an artist, opaque; the first of a collection."""
    if hasattr(artist, "get_edgecolor"):
        return to_rgba(artist.get_edgecolor()[0], 1)
    return to_rgba(artist.get_color(), 1)


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("keyword, attribute", [
    ("line_kwargs", "lines_"), ("ci_kwargs", "ci_"), ("band_kwargs", "band_"),
    ("rug_kwargs", "rugs_")])  # fmt: skip
def test_artists_of_curves_take_keywords(model, data, keyword, attribute, short):
    given = {"c" if keyword == "line_kwargs" and short else "color": "red"}
    given["lw" if short else "linewidth"] = 3
    display = curves(model, data, features="dose", grid_resolution=3,
                     **{keyword: given})  # fmt: skip
    (found,) = getattr(display, attribute)
    assert painted(found) == to_rgba("red")
    assert np.ravel(found.get_linewidth())[0] == 3


@pytest.mark.parametrize("keyword, attribute", [
    ("scatter_kwargs", "points_"), ("ci_kwargs", "ci_"), ("band_kwargs", "band_"),
    ("ref_line_kwargs", "ref_line_")])  # fmt: skip
def test_artists_of_a_forest_take_keywords(keyword, attribute):
    display = forest([1.0, 2.0], [0.1, 0.1], **{keyword: dict(color="red", lw=3)})
    found = getattr(display, attribute)
    assert painted(found) == to_rgba("red")
    assert np.ravel(found.get_linewidth())[0] == 3


DRAWN = {
    "curve": lambda model, data, **kw: curves(
        model, data, features="dose", grid_resolution=3, **kw
    ),
    "forest": lambda model, data, **kw: SlopesDisplay.from_estimator(
        model, data[0], training=data, **kw
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_names_are_listed_once_on_axes_used_again(model, data, name):
    _, ax = plt.subplots()
    display = DRAWN[name](model, data, ax=ax)
    before = [text.get_text() for text in ax.get_legend().get_texts()]
    display.plot(ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == before
    assert display.figure_ is ax.figure


@pytest.mark.parametrize("name", DRAWN)
def test_small_pictures_hide_nothing(model, data, name):
    figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
    DRAWN[name](model, data, ax=ax)
    figure.canvas.draw()
    page, drawn = figure.bbox, ax.get_tightbbox()  # names and legend included
    assert page.x0 <= drawn.x0 and drawn.x1 <= page.x1
    assert page.y0 <= drawn.y0 and drawn.y1 <= page.y1
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.get_window_extent().y1
    low, high = sorted(ax.get_ylim())
    shown = [t for t in ax.get_yticklabels() if low <= t.get_position()[1] <= high]
    named = [text.get_window_extent() for text in shown]
    named = sorted(named, key=lambda box: box.y0)
    for below, above in itertools.pairwise(named):
        assert below.y1 <= above.y0


@pytest.mark.parametrize("name", DRAWN)
def test_others_are_refused(data, name):
    X = data[0][["dose", "age"]]
    with pytest.raises(TypeError, match="MLPRegressorCI"):
        DRAWN[name](Ridge().fit(X, data[1]), (X, data[1]))
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_has_one_level(model, data, name):
    with pytest.raises(ValueError, match="one confidence_level"):
        DRAWN[name](model, data, confidence_level=[0.5, 0.9])


def test_nothing_but_drawing_needs_matplotlib():
    code = """
import sys
import numpy as np
from sklearn_nnci import plotting
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
for call in (
    lambda: plotting.PartialDependenceIntervalDisplay.from_estimator(None, None, 0),
    lambda: plotting.SlopesDisplay.from_estimator(None, None),
):
    try:
        call()
    except ImportError as error:
        assert "Display" in str(error) and "pip install matplotlib" in str(error)
    else:
        raise AssertionError
print("fine")
"""
    run = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.check_output(run, text=True).strip() == "fine"
