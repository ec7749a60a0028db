"""Displays, in the manner of scikit-learn's own tests of its displays."""

import itertools
import subprocess
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from cases import SMALL, sine_data
from matplotlib.colors import to_rgba
from scipy import sparse, stats
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from statsmodels.stats.outliers_influence import OLSInfluence

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    exceptions,
    plotting,
)
from sklearn_nnci._inference.diagnostics import Check, Diagnostics
from sklearn_nnci.plotting import (
    CoverageDisplay,
    DiagnosticsDisplay,
    InfluenceDisplay,
    PredictionIntervalDisplay,
)
from sklearn_nnci.plotting._diagnostics import ratio
from sklearn_nnci.plotting._influence import contour


@pytest.fixture(autouse=True)
def no_figure_is_left():
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    """Named columns, one of them of categories, and rows that have names."""
    X, y = sine_data(n=80)
    frame = pd.DataFrame(X, columns=["dose", "age"], index=[f"r{i}" for i in range(80)])
    frame["site"] = np.where(np.arange(80) % 3 == 0, "a", "b")
    return frame, pd.Series(y, index=frame.index, name="response (mg)")


def network():
    return MLPRegressorCI(**SMALL)


def committee():
    return MLPEnsembleRegressorCI(
        network(), architectures=(None,), n_starts=2, random_state=0
    )


def piped(last):
    columns = make_column_transformer(
        (OneHotEncoder(), ["site"]), remainder=StandardScaler()
    )
    return make_pipeline(columns, last)


MODELS = {
    "pipeline": lambda: piped(network()),
    "committee": lambda: piped(committee()),
    "search": lambda: GridSearchCV(
        piped(network()), {"mlpregressorci__alpha": [1e-2, 1e-1]}, cv=2
    ),
    "transformed": lambda: TransformedTargetRegressorCI(
        piped(network()), transformer=StandardScaler()
    ),
    "transformed committee": lambda: TransformedTargetRegressorCI(
        piped(committee()), transformer=StandardScaler()
    ),
}


@pytest.fixture(scope="module")
def models(data):
    return {name: make().fit(*data) for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def fitted():
    X, y = sine_data(n=80)
    return network().fit(X, y), X, y


DRAWN = {
    "feature": lambda net, X, y, **kw: PredictionIntervalDisplay.from_estimator(
        net, X, y, feature=0, **kw
    ),
    "observed": lambda net, X, y, **kw: PredictionIntervalDisplay.from_estimator(
        net, X, y, **kw
    ),
    "coverage": lambda net, X, y, **kw: CoverageDisplay.from_estimator(
        net, X, y, **kw
    ),
    "influence": lambda net, X, y, **kw: InfluenceDisplay.from_estimator(
        net, X, y, **kw
    ),
    "diagnostics": lambda net, X, y, **kw: DiagnosticsDisplay.from_estimator(net, **kw),
}  # fmt: skip


# ----------------------------------------------------------- the convention of displays


def test_nothing_but_drawing_needs_matplotlib():
    code = """
import sys
import numpy as np
from sklearn_nnci import MLPRegressorCI, plotting
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
X = np.linspace(-1, 1, 30)[:, None]
net = MLPRegressorCI(hidden_layer_sizes=(2,), solver="lbfgs").fit(X, X[:, 0])
for call in (
    lambda: plotting.PredictionIntervalDisplay.from_estimator(net, X, feature=0),
    lambda: plotting.CoverageDisplay(nominal=[.5], observed=[.5], n_samples=9).plot(),
    lambda: plotting.InfluenceDisplay.from_estimator(net, X, X[:, 0]),
    lambda: plotting.DiagnosticsDisplay.from_estimator(net),
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


@pytest.mark.parametrize("name", DRAWN)
def test_axes_are_reused_and_figures_are_not_left(fitted, name):
    _, ax = plt.subplots()
    display = DRAWN[name](*fitted, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == [1]
    other = display.plot()
    assert other is display
    assert display.ax_ is not ax
    assert len(plt.get_fignums()) == 2
    assert all((display.ax_.get_xlabel(), ax.get_xlabel()))


@pytest.mark.parametrize("name", DRAWN)
def test_names_are_listed_once_on_axes_used_again(fitted, name):
    display = DRAWN[name](*fitted)
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    display.plot(display.ax_)
    again = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert again == names
    assert len(set(names)) == len(names) > 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", DRAWN)
def test_models_of_every_kind_are_drawn(models, data, model, name):
    display = DRAWN[name](models[model], *data)
    frame = display.frame()
    assert isinstance(frame, pd.DataFrame)
    numbers = frame.select_dtypes("number")
    assert len(numbers)
    assert np.isfinite(numbers.to_numpy()).any(axis=0).all()


@pytest.mark.parametrize("name", DRAWN)
def test_the_unfitted_are_refused(name):
    X, y = sine_data(n=20)
    for model in (network(), committee(), make_pipeline(StandardScaler(), network()),
                  TransformedTargetRegressorCI(network())):  # fmt: skip
        with pytest.raises(NotFittedError):
            DRAWN[name](model, X, y)
    with pytest.raises(TypeError, match=r"Ridge\(\).*MLPRegressorCI"):
        DRAWN[name](Ridge().fit(X, y), X, y)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["feature", "observed", "coverage", "diagnostics"])
def test_a_network_without_inference_is_told_how_to_have_one(name):
    X, y = sine_data(n=40)
    net = MLPRegressorCI(**SMALL, covariance=None).fit(X, y)
    with pytest.raises(NotFittedError, match=r"covariance=None.*fit_inference"):
        DRAWN[name](net, X, y)
    assert plt.get_fignums() == []


# (display, keyword, aliases and values, what the artist then has)
LINE = [dict(color="red", linestyle=":"), dict(c="red", ls=":")]
POINTS = [dict(color="red", s=5), dict(c="red", s=5)]
AREA = [dict(facecolor="red", linewidth=2), dict(fc="red", lw=2)]
STYLES = [
    *[("feature", "line_kwargs", "line_", given) for given in LINE],
    *[("feature", "ci_kwargs", "ci_", given) for given in AREA],
    *[("feature", "pi_kwargs", "pi_", given) for given in AREA],
    *[("feature", "scatter_kwargs", "scatter_", given) for given in POINTS],
    *[("observed", "line_kwargs", "line_", given) for given in LINE],
    *[("observed", "outside_kwargs", "outside_", given) for given in POINTS],
    ("observed", "pi_kwargs", "pi_", dict(color="red")),
    *[("coverage", "line_kwargs", "line_", given) for given in LINE],
    *[("coverage", "ref_line_kwargs", "ref_line_", given) for given in LINE],
    *[("coverage", "band_kwargs", "band_", given) for given in AREA],
    *[("influence", "scatter_kwargs", "scatter_", given) for given in POINTS],
    *[("influence", "outlier_kwargs", "outliers_", given) for given in POINTS],
    *[("influence", "contour_kwargs", "contours_", given) for given in LINE],
    ("influence", "text_kwargs", "texts_", dict(color="red", size=5)),
    *[("diagnostics", "scatter_kwargs", "points_", given) for given in POINTS],
    *[("diagnostics", "line_kwargs", "threshold_", given) for given in LINE],
    ("diagnostics", "stem_kwargs", "stems_", dict(color="red")),
]


@pytest.mark.parametrize("name, keyword, attribute, given", STYLES)
def test_artists_take_keywords(fitted, name, keyword, attribute, given):
    display = DRAWN[name](*fitted, **{keyword: given})
    found = getattr(display, attribute)
    found = list(found.values()) if isinstance(found, dict) else np.ravel(found)
    assert len(found)
    for artist in found:
        if hasattr(artist, "get_facecolor"):
            colour = artist.get_facecolor()
            colour = colour if len(colour) else artist.get_edgecolor()
        else:
            colour = [to_rgba(artist.get_color())]
        if len(np.shape(colour)) == 1:
            colour = [colour]
        np.testing.assert_allclose(colour[0][:3], (1, 0, 0))
        if "linestyle" in given or "ls" in given:
            assert artist.get_linestyle() == ":"
        if "s" in given:
            assert artist.get_sizes() == [5]
        if "lw" in given or "linewidth" in given:
            assert artist.get_linewidth() == [2]


def test_an_alias_beside_its_name_is_refused(fitted):
    for given in (dict(c="red", color="blue"), dict(ls=":", linestyle="-")):
        keyword = "scatter_kwargs" if "c" in given else "line_kwargs"
        with pytest.raises(TypeError, match=next(iter(given))):
            DRAWN["feature"](*fitted, **{keyword: given})


# ------------------------------------------------------------ PredictionIntervalDisplay


def test_along_a_feature_are_the_intervals_of_predict(fitted):
    net, X, y = fitted
    display = PredictionIntervalDisplay.from_estimator(
        net, X, y, feature=0, confidence_level=0.8, grid_resolution=7
    )
    grid = np.linspace(X[:, 0].min(), X[:, 0].max(), 7)
    rows = np.column_stack([grid, np.full(7, np.median(X[:, 1]))])
    mean, ci = net.predict(rows, return_ci=True, confidence_level=0.8)
    pi = net.predict(rows, return_pi=True, confidence_level=0.8)[1]
    frame = display.frame()
    assert frame.columns.tolist() == [
        "x0", "mean", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper"
    ]  # fmt: skip
    np.testing.assert_allclose(frame, np.column_stack([grid, mean, ci, pi]))
    np.testing.assert_allclose(display.line_.get_xydata(), np.c_[grid, mean])
    np.testing.assert_allclose(display.scatter_.get_offsets(), np.c_[X[:, 0], y])
    corners = display.pi_.get_paths()[0].vertices[:, 1]
    assert corners.min() == pytest.approx(pi.min())
    assert corners.max() == pytest.approx(pi.max())
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert "mean, 80%" in labels
    assert "new value, 80%" in labels


def test_an_average_is_over_the_rows_with_their_covariance(fitted):
    net, X, y = fitted
    display = PredictionIntervalDisplay.from_estimator(
        net, X, y, feature="x0", others="average", grid_resolution=3
    )
    assert display.pi is display.pi_ is None
    for k, value in enumerate(np.linspace(X[:, 0].min(), X[:, 0].max(), 3)):
        rows = np.column_stack([np.full(80, value), X[:, 1]])
        mean, cov = net.predict(rows, return_cov=True)
        assert display.y_pred[k] == pytest.approx(mean.mean())
        dof = net.get_prediction(rows).dof
        half = stats.t.ppf(0.975, dof) * np.sqrt(cov.sum()) / 80
        np.testing.assert_allclose(np.diff(display.ci[k]) / 2, half, rtol=1e-9)


@pytest.mark.filterwarnings("default::sklearn_nnci.exceptions.InferenceWarning")
def test_an_average_far_out_warns_once(fitted):
    net, X, y = fitted
    X = np.column_stack([np.linspace(-20, 20, 80), X[:, 1]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PredictionIntervalDisplay.from_estimator(
            net, X, y, feature=0, others="average", grid_resolution=9
        )
    kinds = [one.category for one in caught]
    assert kinds == [exceptions.ExtrapolationWarning]


def test_names_are_those_of_the_data(models, data):
    X, y = data
    display = PredictionIntervalDisplay.from_estimator(
        models["transformed"], X, y, feature="age"
    )
    assert display.ax_.get_xlabel() == display.frame().columns[0] == "age"
    assert display.ax_.get_ylabel() == "response (mg)"
    display = PredictionIntervalDisplay.from_estimator(models["transformed"], X, y)
    assert display.ax_.get_xlabel() == "predicted response (mg)"
    assert display.ax_.get_ylabel() == "observed response (mg)"


@pytest.mark.filterwarnings("ignore:X does not have valid feature:UserWarning")
def test_an_array_has_the_names_of_the_fit_and_numbers_may_be_names():
    X, y = sine_data(n=60)
    net = network().fit(pd.DataFrame(X, columns=["dose", "age"]), y)
    for feature in (1, "age", -1):
        display = PredictionIntervalDisplay.from_estimator(net, X, y, feature=feature)
        assert display.ax_.get_xlabel() == "age"
        np.testing.assert_array_equal(display.x_data, X[:, 1])
    years = pd.DataFrame(X, columns=[2001, 2002])
    display = PredictionIntervalDisplay.from_estimator(
        network().fit(years, y), years, y, feature=1
    )
    assert display.ax_.get_xlabel() == "2002"


@pytest.mark.parametrize("model", ["pipeline", "transformed committee"])
def test_categories_are_bars(models, data, model):
    X, y = data
    display = PredictionIntervalDisplay.from_estimator(
        models[model], X, y, feature="site"
    )
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == display.frame()["site"].tolist() == ["a", "b"]
    typical = pd.DataFrame(
        {"dose": X["dose"].median(), "age": X["age"].median(), "site": ["a", "b"]}
    )
    mean, pi = models[model].predict(typical, return_pi=True)
    np.testing.assert_allclose(display.line_.get_ydata(), mean)
    bars = [segment[:, 1] for segment in display.pi_.get_segments()]
    np.testing.assert_allclose(bars, pi)
    x = display.scatter_.get_offsets()[:, 0]
    assert (np.round(x + 0.25) == (X["site"] == "b").to_numpy()).all()


def test_others_are_the_most_frequent_category(models, data):
    X, y = data
    display = PredictionIntervalDisplay.from_estimator(
        models["pipeline"], X, y, feature=0, grid_resolution=3
    )
    rows = pd.DataFrame({"dose": display.x, "age": X["age"].median(), "site": "b"})
    np.testing.assert_allclose(display.y_pred, models["pipeline"].predict(rows))


@pytest.mark.parametrize(
    "convert",
    [list, sparse.csr_matrix, sparse.csr_array, lambda X: X.astype(object),
     lambda X: pd.DataFrame(X, columns=["a", "b"]),
     lambda X: pl.DataFrame(X, schema=["a", "b"])],
    ids=["list", "csr_matrix", "csr_array", "object", "pandas", "polars"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
def test_data_of_every_kind_give_the_same_picture(fitted, convert):
    net, X, y = fitted
    for options in (dict(feature=1), dict(feature=1, others="average"), dict()):
        if options:
            options["grid_resolution"] = 4
        one = PredictionIntervalDisplay.from_estimator(net, X, y, **options)
        two = PredictionIntervalDisplay.from_estimator(net, convert(X), y, **options)
        np.testing.assert_allclose(*(d.frame().astype(float) for d in (two, one)))


def test_polars_categories_are_asked_for(data):
    X, y = pl.from_pandas(data[0]), pl.Series("yield", data[1].to_numpy())
    model = piped(network()).fit(X, y)
    display = PredictionIntervalDisplay.from_estimator(model, X, y, feature="site")
    assert display.x.tolist() == ["a", "b"]
    assert display.ax_.get_ylabel() == "yield"
    along = PredictionIntervalDisplay.from_estimator(model, X, y, feature="dose")
    rows = pl.DataFrame(
        {"dose": along.x, "age": [X["age"].median()] * 100, "site": ["b"] * 100}
    )
    np.testing.assert_allclose(along.y_pred, model.predict(rows))
    found = InfluenceDisplay.from_estimator(model, X, y)
    assert list(found.labels) == list(range(80))


@pytest.mark.parametrize("target", [0, 1])
def test_one_of_several_outputs_is_drawn(target):
    X, Y = sine_data(n=60, m=2)
    net = network().fit(X, Y)
    display = PredictionIntervalDisplay.from_estimator(
        net, X, Y, feature=0, target=target, grid_resolution=5
    )
    rows = np.column_stack([display.x, np.full(5, np.median(X[:, 1]))])
    mean, ci = net.predict(rows, return_ci=True)
    np.testing.assert_allclose(display.y_pred, mean[:, target])
    np.testing.assert_allclose(display.ci, ci[:, target])
    assert display.ax_.get_ylabel() == f"y{target}"
    average = PredictionIntervalDisplay.from_estimator(
        net, X, Y, feature=0, target=target, others="average", grid_resolution=2
    )
    rows = np.column_stack([np.full(60, average.x[0]), X[:, 1]])
    cov = net.predict(rows, return_cov=True)[1][:, target, :, target]
    half = stats.t.ppf(0.975, net.get_prediction(rows).dof[target])
    half *= np.sqrt(cov.sum()) / 60
    np.testing.assert_allclose(np.diff(average.ci[0]) / 2, half, rtol=1e-9)
    inside = CoverageDisplay.from_estimator(net, X, Y, target=target, levels=[0.5])
    pi = net.predict(X, return_pi=True, confidence_level=0.5)[1][:, target]
    y = Y[:, target]
    assert inside.observed == np.mean((pi[:, 0] <= y) & (y <= pi[:, 1]))
    found = InfluenceDisplay.from_estimator(net, X, Y, target=target)
    np.testing.assert_array_equal(
        found.leverage, net.influence(X, Y).leverage[:, target]
    )
    assert found.contours_ == []
    for name in ("feature", "observed", "coverage", "influence"):
        with pytest.raises(ValueError, match=r"target=None.*2 outputs.*target=0"):
            DRAWN[name](net, X, Y)
        with pytest.raises(ValueError, match="target=2"):
            DRAWN[name](net, X, Y, target=2)


def test_observations_outside_of_their_bar_are_marked(fitted):
    net, X, y = fitted
    display = PredictionIntervalDisplay.from_estimator(
        net, X, y, confidence_level=0.5, subsample=None
    )
    mean, pi = net.predict(X, return_pi=True, confidence_level=0.5)
    out = (y < pi[:, 0]) | (y > pi[:, 1])
    assert out.any()
    np.testing.assert_allclose(display.outside_.get_offsets(), np.c_[mean, y][out])
    np.testing.assert_allclose(display.scatter_.get_offsets(), np.c_[mean, y][~out])
    np.testing.assert_array_equal(display.frame()["inside"], ~out)
    assert display.outside_.get_label() == f"outside: {out.sum()} of 80"
    wide = display.from_predictions(y, mean, pi=[(-9.0, 9.0)] * 80)
    assert wide.outside_ is None


@pytest.mark.parametrize("subsample, size", [(5, 5), (0.1, 8), (None, 80), (99, 80)])
@pytest.mark.parametrize("name", ["feature", "observed"])
def test_so_many_rows_are_drawn(fitted, name, subsample, size):
    display = DRAWN[name](*fitted, subsample=subsample, random_state=0)
    assert len(display.y_data) == size
    if size < 80:
        other = DRAWN[name](*fitted, subsample=subsample, random_state=1)
        assert (other.y_data != display.y_data).any()


def test_from_predictions_draws_what_it_is_given(fitted):
    net, X, y = fitted
    found = net.get_prediction(X)
    ci, pi = found.conf_int(), found.conf_int(obs=True)
    display = PredictionIntervalDisplay.from_predictions(
        y, found.mean, ci=ci, pi=pi, x=X[:, 0], feature_name="dose", target_name="mg"
    )
    order = np.argsort(X[:, 0])
    np.testing.assert_array_equal(display.ci, ci[order])
    np.testing.assert_array_equal(display.line_.get_xdata(), X[order, 0])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("dose", "mg")
    without = PredictionIntervalDisplay.from_predictions(
        None, found.mean, ci=ci, x=X[:, 0]
    )
    assert without.scatter_ is without.pi_ is None
    for bad, match in (
        (dict(pi=pi.T), r"pi has the shape \(2, 80\)"),
        (dict(), "no interval"),
        (dict(pi=pi, x=X), "x has the shape"),
    ):
        with pytest.raises(ValueError, match=match):
            PredictionIntervalDisplay.from_predictions(y, found.mean, **bad)
    with pytest.raises(ValueError, match="needs x"):
        PredictionIntervalDisplay.from_predictions(None, found.mean, pi=pi)


def crossed(X, y, **keep):
    folds = KFold(4, shuffle=True, random_state=0)
    found = cross_validate(MODELS["transformed"](), X, y, cv=folds, **keep)
    return found, folds


KEEP = dict(return_estimator=True, return_indices=True)


def test_from_cv_results_asks_the_network_that_did_not_see_the_row(data):
    X, y = data
    found, folds = crossed(X, y, **KEEP)
    display = PredictionIntervalDisplay.from_cv_results(found, X, y)
    coverage = CoverageDisplay.from_cv_results(found, X, y, levels=[0.6, 0.9])
    means, holds = [], []
    for train, test in folds.split(X):
        model = MODELS["transformed"]().fit(X.iloc[train], y.iloc[train])
        mean, pi = model.predict(
            X.iloc[test], return_pi=True, confidence_level=[0.6, 0.9]
        )
        means.append(mean)
        truth = y.to_numpy()[test, None]
        holds.append((pi[:, 0] <= truth) & (truth <= pi[:, 1]))
    np.testing.assert_allclose(display.y_pred, np.concatenate(means))
    np.testing.assert_allclose(coverage.observed, np.concatenate(holds).mean(axis=0))
    assert coverage.n_samples == 80
    for cls in (PredictionIntervalDisplay, CoverageDisplay):
        with pytest.raises(ValueError, match="at least 80 rows, X has 9"):
            cls.from_cv_results(found, X[:9], y[:9])
        with pytest.raises(ValueError, match=r"no 'indices'.*return_indices=True"):
            cls.from_cv_results({"estimator": found["estimator"]}, X, y)


@pytest.mark.parametrize(
    "call, match",
    [
        (dict(feature=2), r"feature=2.*has 2.*from 0 to 1.*'x0'"),
        (dict(feature=-3), "feature=-3"),
        (dict(feature="dose"), "feature='dose'"),
        (dict(feature=True), "feature=True"),
        (dict(feature=0, others="mean"), "'median', 'average'.*'mean'"),
        (dict(feature=0, confidence_level=95), "0.95, not 95"),
        (dict(feature=0, confidence_level=[0.5, 0.9]), "one confidence_level"),
        (dict(feature=0, grid_resolution=1), "grid_resolution.*got 1"),
        (dict(subsample=-1), "subsample=-1"),
        (dict(subsample=20.0), "subsample=20.0"),
        (dict(feature=0, target=1), "target=1, but there are 1 outputs"),
    ],
)
def test_mistakes_are_told_before_anything_is_drawn(fitted, call, match):
    with pytest.raises(ValueError, match=match):
        PredictionIntervalDisplay.from_estimator(*fitted, **call)
    assert plt.get_fignums() == []


def test_other_mistakes(fitted):
    net, X, y = fitted
    with pytest.raises(ValueError, match=r"feature=0.*or y to see"):
        PredictionIntervalDisplay.from_estimator(net, X)
    with pytest.raises(ValueError, match=r"reshape\(-1, 1\)"):
        PredictionIntervalDisplay.from_estimator(net, X[:, 0], y, feature=0)
    for name in ("feature", "observed", "coverage"):
        with pytest.raises(ValueError, match=r"inconsistent.*80, 79"):
            DRAWN[name](net, X, y[:-1])
    with pytest.raises(ValueError, match=r"y=None"):
        CoverageDisplay.from_estimator(net, X, None)
    assert plt.get_fignums() == []


def test_columns_of_every_type_and_with_gaps_are_gone_along():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(sine_data(n=60)[0], columns=["real", "single"])
    X["single"] = X["single"].astype("float32")
    X["whole"] = pd.array(rng.integers(0, 9, 60), dtype="Int64")
    X["level"] = pd.Categorical(rng.choice(["low", "mid", "high"], 60),
                                ["low", "mid", "high"], ordered=True)  # fmt: skip
    X["text"] = pd.array(rng.choice(["u", "v"], 60), dtype="string")
    X["flag"] = rng.choice([True, False], 60)
    y = np.sin(X["real"]) + 0.1 * X["whole"].astype(float)
    X.loc[3, ["real", "whole", "text"]] = [np.nan, pd.NA, pd.NA]
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=pd.NA), OneHotEncoder()
    )
    steps = make_column_transformer(
        (numbers, ["real", "single", "whole"]), (words, ["text"]),
        (OneHotEncoder(), ["level"]), ("passthrough", ["flag"]),
    )  # fmt: skip
    model = make_pipeline(steps, network()).fit(X, y)
    found = {}
    for name in X:
        for others in ("median", "average"):
            display = PredictionIntervalDisplay.from_estimator(
                model, X, y, feature=name, others=others, grid_resolution=3
            )
            assert np.isfinite(display.ci).all()
            found[name] = display.x.tolist()
    assert found["level"] == ["low", "mid", "high"]
    assert found["text"] == ["u", "v"]
    assert found["flag"] == [False, True]
    assert found["whole"] == [0.0, 4.0, 8.0]
    with pytest.raises(ValueError, match="no values at all"):
        empty = X.assign(real=np.nan)
        PredictionIntervalDisplay.from_estimator(model, empty, y, feature="real")


def test_counts_have_both_intervals_and_a_coverage():
    X, y = sine_data(n=60)
    counts = np.random.default_rng(0).poisson(np.exp(y))
    net = MLPRegressorCI(**SMALL, loss="poisson").fit(X, counts)
    display = PredictionIntervalDisplay.from_estimator(net, X, counts, feature=0)
    assert display.pi_ is not None and (display.pi == np.rint(display.pi)).all()
    observed = PredictionIntervalDisplay.from_estimator(net, X, counts)
    assert observed.frame()["inside"].mean() > 0.9
    covered = CoverageDisplay.from_estimator(net, X, counts, levels=[0.5, 0.9])
    assert (covered.observed >= [0.4, 0.85]).all()


def test_targets_of_a_poisson_network_that_are_no_counts_have_one_interval():
    X, y = sine_data(n=60)
    rates = np.random.default_rng(0).poisson(np.exp(y)) / 2.0
    net = MLPRegressorCI(**SMALL, loss="poisson").fit(X, rates)
    display = PredictionIntervalDisplay.from_estimator(net, X, rates, feature=0)
    assert display.pi_ is None
    assert display.ci_ is not None
    observed = PredictionIntervalDisplay.from_estimator(net, X, rates)
    assert observed.ci_ is not None
    assert "inside" not in observed.frame()
    average = PredictionIntervalDisplay.from_estimator(
        net, X, rates, feature=0, others="average", grid_resolution=3
    )
    assert (average.ci[:, 0] > 0.0).all()
    with pytest.raises(ValueError, match=r"loss='poisson'.*squared_error"):
        CoverageDisplay.from_estimator(net, X, rates)


def test_where_an_interval_is_not_bounded_it_fills_the_picture():
    x = np.linspace(0, 1, 4)
    ci = np.array([[-1, 1], [-np.inf, np.inf], [-1, 1], [-1, 1.0]])
    display = PredictionIntervalDisplay.from_predictions(
        None, np.zeros(4), ci=ci, x=x
    )  # fmt: skip
    low, high = display.ax_.get_ylim()
    assert -1.2 < low < -1.0 < 1.0 < high < 1.2
    corners = display.ci_.get_paths()[0].vertices
    at = corners[np.isclose(corners[:, 0], x[1]), 1]
    assert at.max() > 5 * high
    assert at.min() < 5 * low
    assert "∞" in display.ci_.get_label()
    assert np.isinf(display.frame()["mean_ci_upper"]).sum() == 1
    plt.close("all")
    with pytest.raises(ValueError, match=r"No interval is bounded.*covariance='auto'"):
        display.from_predictions(None, np.zeros(4), ci=np.full((4, 2), np.inf), x=x)
    assert plt.get_fignums() == []


def test_an_average_needs_an_inverse_that_is_a_line(data):
    X, y = data
    model = TransformedTargetRegressorCI(
        piped(network()), func=np.log, inverse_func=np.exp
    ).fit(X, np.exp(y))
    display = PredictionIntervalDisplay.from_estimator(model, X, y, feature=0)
    assert (display.pi > 0.0).all()
    with pytest.raises(ValueError, match=r"not a line.*others='median'"):
        PredictionIntervalDisplay.from_estimator(
            model, X, y, feature=0, others="average"
        )


# ---------------------------------------------------------------------- CoverageDisplay


def test_coverage_is_counted_and_its_band_is_binomial():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(500)
    levels = np.array([0.2, 0.5, 0.9])
    half = stats.norm.ppf((1 + levels) / 2)
    interval = np.stack([np.tile(-half, (500, 1)), np.tile(half, (500, 1))], axis=1)
    display = CoverageDisplay.from_predictions(y, interval, levels=levels, name="N")
    frame = display.frame()
    np.testing.assert_array_equal(
        frame["observed"], [np.mean(np.abs(y) <= c) for c in half]
    )
    for level, low, high in frame[["nominal", "lower", "upper"]].to_numpy():
        inside = stats.binom.pmf(np.arange(round(500 * low), round(500 * high) + 1),
                                 500, level).sum()  # fmt: skip
        assert 0.95 <= inside < 0.975
    assert (frame["lower"] <= frame["observed"]).all()
    assert display.line_.get_label() == "N"
    np.testing.assert_array_equal(display.line_.get_xdata(), levels)
    again = display.plot(display.ax_, ref_line=False, name="again")
    assert again.band_ is again.ref_line_ is None
    with pytest.raises(ValueError, match=r"shape \(500, 2, 3\), but \(500, 2, 20\)"):
        CoverageDisplay.from_predictions(y, interval)
    with pytest.raises(ValueError, match=r"0\.2, not 20"):
        CoverageDisplay.from_predictions(y, interval, levels=[20, 50, 95])


def test_levels_are_those_promised(fitted):
    nominal = CoverageDisplay.from_estimator(*fitted).nominal
    np.testing.assert_allclose(nominal, [*np.arange(0.05, 0.96, 0.05), 0.99])


# --------------------------------------------------------------------- InfluenceDisplay


def test_the_contour_of_a_row_passes_through_it():
    """By statsmodels: Cook's distance, leverage and residual of a linear model."""
    X, y = sine_data(n=40)
    oracle = OLSInfluence(sm.OLS(y, sm.add_constant(X)).fit())
    t, h = oracle.resid_studentized_external, oracle.hat_matrix_diag
    for D, h_i, t_i in zip(oracle.cooks_distance[0], h, t, strict=True):
        found = contour(D, np.array([h_i]), 3.0, 37.0)
        np.testing.assert_allclose(found, abs(t_i), rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_contours_of_a_network_pass_through_its_rows(weighted):
    X, y = sine_data(n=40)
    w = np.arange(40) % 3 + 1.0 if weighted else None
    net = MLPRegressorCI(**SMALL, covariance="bayesian").fit(X, y, w)
    display = InfluenceDisplay.from_estimator(net, X, y, sample_weight=w)
    for i in (3, 17, 30):
        h = display.leverage[[i]]
        found = contour(display.cooks_distance[i], h, display.edf, display.dof)
        expected = abs(display.studentized_residuals[i])
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_of_the_largest_distance_are_named(models, data):
    X, y = data
    y = y.copy()
    y.iloc[11] += 3.0
    for make in (MODELS["transformed"], MODELS["committee"]):
        display = InfluenceDisplay.from_estimator(make().fit(X, y), X, y, n_labels=2)
        names = [text.get_text() for text in display.texts_]
        assert "r11" in names
        frame = display.frame()
        assert frame.index.equals(X.index)
        named = frame["cooks_distance"].nlargest(2).index
        assert set(named) == {name for name in names if name.startswith("r")}
        at = display.outliers_.get_offsets()
        np.testing.assert_allclose(
            at, frame.loc[named, ["leverage", "studentized_residuals"]]
        )
        assert len(display.scatter_.get_offsets()) == 78


def test_a_committee_is_the_average_of_its_members():
    X, y = sine_data(n=60)
    model = committee().fit(X, y)
    own = [one.influence(X, y).leverage for one in model.estimators_]
    np.testing.assert_allclose(
        InfluenceDisplay.from_estimator(model, X, y).leverage,
        np.average(own, axis=0, weights=model.weights_),
    )


def test_rows_held_out_and_rows_fitted_alone_are_drawn_as_they_should():
    nan, inf = np.nan, np.inf
    display = InfluenceDisplay(
        leverage=np.array([0.1, 1.0, nan, 0.2]),
        studentized_residuals=np.array([1.0, nan, nan, -1.0]),
        cooks_distance=np.array([0.1, inf, nan, 0.2]),
        labels=list("abcd"), edf=1.3, dof=1.7, n_labels=1,
    ).plot()  # fmt: skip
    np.testing.assert_allclose(display.outliers_.get_offsets(), [[1.0, 0.0]])
    np.testing.assert_allclose(display.scatter_.get_offsets(), [[0.1, 1], [0.2, -1]])
    assert "b" in [text.get_text() for text in display.texts_]


def test_rows_of_other_data_are_refused(fitted):
    net, X, y = fitted
    with pytest.raises(ValueError, match="not the rows"):
        InfluenceDisplay.from_estimator(net, X, y + X[:, 0])
    assert plt.get_fignums() == []


# ------------------------------------------------------------------- DiagnosticsDisplay


def test_a_ratio_is_one_at_the_threshold_whatever_its_sign():
    for value, threshold, expected in (
        (0.3, 0.3, 1.0), (0.6, 0.3, 2.0), (-0.1, 0.3, 0.0), (np.inf, 0.3, np.inf),
        (-3.0, -3.0, 1.0), (-30.0, -3.0, 0.1), (-1.5, -3.0, 2.0), (1.0, -3.0, np.inf),
        (0.0, 0.0, 0.0), (0.1, 0.0, np.inf),
    ):  # fmt: skip
        assert ratio(value, threshold) == pytest.approx(expected)
    assert np.isnan(ratio(np.nan, 1.0))


def test_verdicts_differ_in_colour_and_in_marker():
    display = DiagnosticsDisplay(
        diagnostics=Diagnostics([
            Check("fine", 0.1, 0.3, "ok", "", ""),
            Check("far", 1e9, 0.3, "warning", "Try.", "FarWarning"),
            Check("noted", 0.6, 0.3, "notice", "Try.", ""),
            Check("none", np.nan, 0.3, "not applicable", "", ""),
        ])
    ).plot()  # fmt: skip
    assert set(display.points_) == {"ok", "notice", "warning"}
    colours = {tuple(p.get_facecolor()[0]) for p in display.points_.values()}
    shapes = {p.get_paths()[0].vertices.tobytes() for p in display.points_.values()}
    assert len(colours) == len(shapes) == 3
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == ["fine", "far", "noted"]
    np.testing.assert_allclose(display.points_["notice"].get_offsets(), [[2.0, 2.0]])
    right = display.ax_.get_xlim()[1]
    np.testing.assert_allclose(display.points_["warning"].get_offsets(), [[right, 1]])
    assert display.frame()["ratio"].tolist()[:3] == pytest.approx([1 / 3, 1e9 / 0.3, 2])
    assert len(display.frame()) == 4


def test_the_checks_are_those_of_the_estimator(models):
    display = DiagnosticsDisplay.from_estimator(models["transformed"])
    found = models["transformed"].diagnostics()
    assert display.frame()["name"].tolist() == [check.name for check in found]
    shown = sum(len(p.get_offsets()) for p in display.points_.values())
    assert shown == sum(check.verdict != "not applicable" for check in found)


# ------------------------------------------------------------------------------- by eye


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_or_is_cut_at_four_by_three_inches(models, data, name):
    display = DRAWN[name](models["transformed"], *data)
    figure, ax = display.figure_, display.ax_
    figure.set_size_inches(4, 3)
    figure.canvas.draw()
    whole = figure.bbox.padded(1.0)
    low, high = sorted(ax.get_xlim())
    ticks = [
        text.get_window_extent()
        for text in ax.get_xticklabels()
        if low <= text.get_position()[0] <= high
    ]
    legend = ax.get_legend().get_window_extent()
    labels = [
        axis.label.get_window_extent()
        for axis in (ax.xaxis, ax.yaxis)
        if axis.label.get_text()
    ]
    for box in (*ticks, *labels, legend):
        assert whole.x0 <= box.x0
        assert box.x1 <= whole.x1
        assert whole.y0 <= box.y0
        assert box.y1 <= whole.y1
    assert legend.y0 >= ax.bbox.y1 - 1.0
    assert ax.bbox.width > 0.4 * figure.bbox.width
    for left, right in itertools.pairwise(sorted(ticks, key=lambda box: box.x0)):
        assert left.x1 <= right.x0
    names = sorted(
        (text.get_window_extent() for text in ax.get_yticklabels() if text.get_text()),
        key=lambda box: box.y0,
    )
    for below, above in itertools.pairwise(names):
        assert below.y1 <= above.y0 + 2.0  # room for letters that reach down


def test_what_is_public_is_listed():
    assert plotting.__all__ == sorted(plotting.__all__)
    assert all(name.endswith("Display") for name in plotting.__all__)
