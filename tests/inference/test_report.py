"""What `Report` and `Prediction` print, and show in a notebook."""

import builtins
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from cases import CONVERGED, sine_data
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_nnci import MLPRegressorCI, Prediction, TransformedTargetRegressorCI
from sklearn_nnci._inference.report import Report, html_table, text_table

SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)


def fitted(m=1, n=80, **parameters):
    X, y = sine_data(n=n, m=m, noise=0.5)
    return MLPRegressorCI(**SMALL | parameters).fit(X, y), X


def printed(report):
    """Return {field: (value, meaning)} of a report in print, and its lines."""
    title, *blocks = str(report).split("\n\n")
    assert title == "Inference"
    lines = [line for block in blocks for line in block.split("\n")]
    cells = [re.split(r"  +", line) for line in lines]
    return {name: (value, *meaning) for name, value, *meaning in cells}, lines


class Table(HTMLParser):
    """The cells of an HTML table, unescaped, row by row."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


# The report.


@pytest.mark.parametrize(
    "parameters",
    [dict(), dict(covariance="evidence"), dict(covariance="HC3"), dict(noise=0.2),
     dict(covariance="least_squares"), dict(hidden_layer_sizes=(60,), max_iter=20)],
    ids=str,
)  # fmt: skip
def test_a_report_prints_a_few_rounded_fields(parameters):
    net, _ = fitted(**parameters)
    report = net.inference_
    rows, lines = printed(report)
    assert 9 <= len(rows) <= 14
    assert max(map(len, lines)) <= 80
    for name, (value, *_) in rows.items():
        if name == "warnings":
            continue
        field = getattr(report, name)
        if isinstance(field, str):
            assert value == field
        else:
            assert float(value.replace(",", "")) == pytest.approx(field, rel=1e-3)
            assert len(value) <= 9
    assert repr(report) == str(report)


def test_values_stand_below_each_other():
    _, lines = printed(fitted()[0].inference_)
    assert len({re.match(r"\w+ +", line).end() for line in lines}) == 1


def test_what_is_not_known_is_left_out():
    auto, _ = printed(fitted()[0].inference_)
    assert {"edf", "edf_fit", "step_variance", "excess_variance"} <= set(auto)
    assert "evidence" in auto["edf"][1] and "network" in auto["edf_fit"][1]
    assert "rows_used" not in auto and auto["warnings"] == ("none",)
    wide, _ = printed(fitted(hidden_layer_sizes=(60,), max_iter=20)[0].inference_)
    assert wide["route"][0] == "dual" and "edf_fit" not in wide
    named, _ = printed(fitted(covariance="HC3")[0].inference_)
    assert not {"edf_fit", "step_variance", "excess_variance"} & set(named)
    assert "fit" in named["edf"][1] and named["method"][1] == "the covariance asked for"


def test_one_value_per_output_and_no_more_than_a_few():
    net, _ = fitted(m=3)
    rows, _ = printed(net.inference_)
    expected = ", ".join(f"{v:.4g}" for v in np.diag(net.inference_.noise_variance))
    assert rows["noise_variance"][0] == expected
    assert rows["excess_variance"][0].count(",") == 2
    rows, lines = printed(fitted(m=8)[0].inference_)
    assert rows["dof"][0] == "79, 79, 79, 79, ..."
    assert max(map(len, lines)) <= 120


def test_weights_memory_and_warnings_are_told():
    report = fitted()[0].inference_._replace(
        n_samples=1234567.25, rows_used=0.123, warnings=("OneWarning: <a>: b", "Two: c")
    )
    rows, _ = printed(report)
    assert rows["n_samples"][0] == "1,234,567.2"
    assert rows["rows_used"][0] == "0.123"
    assert rows["warnings"] == ("2", "OneWarning, Two")


def test_fields_stay_a_tuple():
    report = fitted()[0].inference_
    assert report._asdict().keys() == set(Report._fields)
    assert Report(*report) == report
    assert "condition_number" not in str(report) and report.condition_number > 1.0


def test_a_notebook_shows_the_same_rows():
    report = fitted()[0].inference_
    rows, _ = printed(report)
    head, *body = Table(report._repr_html_()).rows
    assert head == ["inference", "value", "meaning"]
    assert [row[0] for row in body] == list(rows)
    assert [row[1] for row in body] == [value for value, *_ in rows.values()]


def test_html_is_escaped():
    report = fitted()[0].inference_._replace(reason="a < b & <script>")
    text = report._repr_html_()
    assert "<script>" not in text and "a &lt; b &amp; &lt;script&gt;" in text
    assert Table(text).rows[1][2] == "a < b & <script>"
    assert Table(html_table(["<h>"], [["&"]])).rows == [["<h>"], ["&"]]


def test_diagnostics_are_a_table_of_the_same_kind():
    found = fitted()[0].diagnostics()
    head, *body = Table(found._repr_html_()).rows
    assert head == ["check", "value", "at most", "verdict", "advice"]
    assert [row[0] for row in body] == [check.name for check in found]


# Predictions.


def numbers(line):
    return [float(cell) for cell in line.split()]


def test_a_prediction_prints_the_first_rows_of_its_table():
    net, X = fitted()
    prediction = net.get_prediction(X)
    title, head, *lines = repr(prediction).split("\n")
    assert title == "Prediction of 80 rows, the first 5, with 95% intervals"
    table = prediction.to_frame()
    assert head.split() == list(table.columns[:6])
    for k, line in enumerate(lines):
        assert numbers(line) == pytest.approx([k, *table.iloc[k, :6]], rel=1e-3)
    assert len(lines) == 5 and len({len(line) for line in (head, *lines)}) == 1
    assert str(prediction) == repr(prediction)


def test_a_notebook_shows_the_columns_of_the_frame():
    net, X = fitted()
    prediction = net.get_prediction(X[:4])
    assert "Prediction of 4 rows, with" in prediction._repr_html_()
    head, *body = Table(prediction._repr_html_()).rows
    table = prediction.to_frame()
    assert head == ["", *table.columns] and len(body) == 4
    for k, row in enumerate(body):
        assert [float(v) for v in row[1:-1]] == pytest.approx(
            table.iloc[k, :-1].astype(float), rel=1e-3
        )
        assert row[-1] == str(table["extrapolates"].iloc[k])


def test_rows_and_outputs_are_named():
    pd = pytest.importorskip("pandas")
    net, X = fitted(m=2)
    frame = pd.DataFrame(X[:5], index=["<i>", "b", "c", "d", "e"])
    prediction = net.get_prediction(frame)
    _, *body = Table(prediction._repr_html_()).rows
    assert [row[0] for row in body] == ["<i> y0", "<i> y1", "b y0", "b y1"]
    assert [float(row[1]) for row in body] == pytest.approx(
        net.predict(X[:2]).ravel(), rel=1e-3
    )
    many = Prediction(*np.ones((3, 3, 50)), 7.0)
    assert len(str(many).split("\n")) == 52


def test_extrapolation_is_counted_over_all_rows():
    net, X = fitted()
    beyond = np.vstack([X[:20], X[:3] + 100.0])
    prediction = net.get_prediction(beyond)
    assert "23 rows (of which 3 extrapolate), the first 5" in str(prediction)


def test_printing_needs_no_pandas(monkeypatch):
    net, X = fitted()
    found = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pandas"):
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    prediction = net.get_prediction(X)
    with pytest.raises(ImportError, match="pip install pandas"):
        prediction.to_frame()
    assert "obs_ci_upper" in str(prediction)
    assert "obs_ci_upper" in prediction._repr_html_()


def test_columns_that_do_not_exist_are_left_out():
    X, y = sine_data(n=80)
    counts = MLPRegressorCI(**SMALL, loss="poisson").fit(X, np.exp(y))
    assert "obs_ci" not in str(counts.get_prediction(X))
    one = Prediction(np.array([2.0]), np.array([0.1]), np.array([1.0]), np.inf)
    assert Table(one._repr_html_()).rows[0][-1] == "obs_ci_upper"


def through(transformer):
    X, y = sine_data(n=80)
    steps = make_pipeline(StandardScaler(), MLPRegressorCI(**SMALL))
    model = TransformedTargetRegressorCI(
        steps, transformer=transformer, check_inverse=False
    )
    return model.fit(X, y).get_prediction(X)


def test_predictions_of_a_transformed_target_print_in_units_of_y():
    prediction = through(StandardScaler())
    lines = str(prediction).split("\n")
    table = prediction.to_frame()
    assert numbers(lines[2])[1:] == pytest.approx(table.iloc[0, :6], rel=1e-3)
    assert "extrapolates" in prediction._repr_html_()


def test_bounds_that_cannot_be_had_do_not_stop_the_rest():
    square = FunctionTransformer(np.sin, lambda u: u**2, check_inverse=False)
    prediction = through(square)
    with pytest.raises(ValueError, match="monotone"):
        prediction.conf_int()
    head = str(prediction).split("\n")[1]
    assert head.split() == ["mean"]


def test_columns_are_aligned():
    assert text_table({"": ["a", "bcd"], "x": ["1.25", "-3"]}).split("\n") == [
        "        x", "  a  1.25", "bcd    -3"
    ]  # fmt: skip
