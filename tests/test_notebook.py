"""Estimators in a notebook: the diagram of scikit-learn, and the inference below it."""

import copy
import re
import warnings

import pytest
import sklearn
from cases import SMALL, sine_data
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    exceptions,
)
from sklearn_nnci._docs import DOCUMENTATION


def without_numbers(page):
    """scikit-learn numbers the parts of its diagrams, one after another."""
    return re.sub(r"(sk-\w+-\w+-|sk-container-id-|[-_])\d+", "", page)


def models():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(**SMALL)
    yield net.fit(X, y)
    yield MLPEnsembleRegressorCI(net, architectures=(None,), n_starts=2).fit(X, y)
    yield TransformedTargetRegressorCI(net, transformer=StandardScaler()).fit(X, y)


@pytest.mark.parametrize(
    "model", list(models()), ids=lambda model: type(model).__name__
)
def test_the_inference_stands_below_the_diagram(model):
    page, table = model._repr_html_(), model.inference_._repr_html_()
    assert table in page
    diagram = page[: page.index("<details open><summary>Inference")]
    expected = estimator_html_repr(model)
    assert without_numbers(diagram) == without_numbers(expected)
    bundle = model._repr_mimebundle_()
    assert without_numbers(bundle["text/html"]) == without_numbers(page)
    assert bundle["text/plain"] == repr(model)


def test_it_shows_what_a_reader_asks_for_first():
    X, y = sine_data(n=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPRegressorCI(
            hidden_layer_sizes=(5,), covariance="bayesian", max_iter=3, random_state=0
        ).fit(X, y)
    page, found = net._repr_html_(), net.inference_
    for shown in ("bayesian", f"{found.edf:.4g}", found.noise, "WideIntervalsWarning"):
        assert f"{shown}</td>" in page
    auto = MLPRegressorCI(**SMALL).fit(X, y)
    assert f"<td>{auto.inference_.reason}</td>" in auto._repr_html_()


def test_without_inference_it_says_why():
    X, y = sine_data(n=60)
    assert "Inference</summary>" not in MLPRegressorCI()._repr_html_()
    net = MLPRegressorCI(**SMALL, covariance=None).fit(X, y)
    assert "covariance=None skipped the inference" in net._repr_html_()
    other = TransformedTargetRegressorCI(Ridge()).fit(X, y)
    assert "Inference</summary>" not in other._repr_html_()


def test_text_is_text_where_it_is_asked_for():
    with sklearn.config_context(display="text"):
        net = MLPRegressorCI()
        assert not hasattr(net, "_repr_html_")
        assert set(net._repr_mimebundle_()) == {"text/plain"}


def test_the_diagram_links_to_the_documentation():
    X, y = sine_data(n=60)
    page = MLPRegressorCI(**SMALL).fit(X, y)._repr_html_()
    where = f"{DOCUMENTATION}api/generated/sklearn_nnci."
    assert f'href="{where}MLPRegressorCI.html"' in page
    model = copy.deepcopy(MLPEnsembleRegressorCI())
    assert f'href="{where}MLPEnsembleRegressorCI.html"' in model._repr_html_()


def test_the_filters_that_the_documentation_shows_work():
    code = exceptions.__doc__.split("alone:")[1].split("In the configuration")[0]
    code = "\n".join(line[4:] for line in code.splitlines())

    class Search:
        def fit(self, X, y):
            warnings.warn("silent", exceptions.MisfitWarning, stacklevel=1)

    with warnings.catch_warnings():
        exec(code, {"search": Search(), "X": None, "y": None})
        warnings.warn("silent", exceptions.WideIntervalsWarning, stacklevel=1)
        with pytest.raises(exceptions.ExtrapolationWarning):
            warnings.warn("loud", exceptions.ExtrapolationWarning, stacklevel=1)
    assert issubclass(exceptions.InferenceWarning, RuntimeWarning)
    assert not issubclass(exceptions.InferenceWarning, UserWarning)
