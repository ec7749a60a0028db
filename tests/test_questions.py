"""The answers of doc/guide/questions.md, followed: each helps where it is given."""

import re
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    get_prediction,
    make_scaled,
    request_intervals,
)

PAGE = Path(__file__).resolve().parents[1] / "doc" / "guide" / "questions.md"
ERRORS = re.findall(r"^- \*\*`(.+?)`\*\*", PAGE.read_text("utf-8"), re.M)
X, y = load_diabetes(return_X_y=True)
network = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", random_state=0)
words = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(c="dev")
words.loc[::2, "c"] = "office"
encode = make_column_transformer(
    (OneHotEncoder(drop="if_binary", sparse_output=False), ["c"]),
    remainder="passthrough",
)


@contextmanager
def told(text):
    """An error that the page names."""
    assert any(text in error for error in ERRORS), text
    with pytest.raises(Exception, match=re.escape(text)):
        yield


def classes(model, X, y):
    """Return how often a fit warns of what."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return Counter(one.category.__name__ for one in caught)


def test_the_page_names_five_errors():
    assert len(ERRORS) == 5


def test_intervals_do_not_go_through_the_transformer_of_scikit_learn():
    theirs = TransformedTargetRegressor(network, transformer=StandardScaler())
    ours = TransformedTargetRegressorCI(network, transformer=StandardScaler())
    for model in (theirs, ours):
        model.fit(X, y)
    with told("'tuple' object has no attribute 'ndim'"):
        theirs.predict(X, return_pi=True)
    assert ours.predict(X, return_pi=True)[1].shape == (len(y), 2)


def test_routing_wants_a_request():
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(StandardScaler(), network).fit(X, y)
        with told("[return_pi] are passed but are not explicitly set as requested"):
            model.predict(X, return_pi=True)
        request_intervals(model)
        assert model.predict(X, return_pi=True)[1].shape == (len(y), 2)


def test_categories_go_before_the_scalers():
    with told("could not convert string to float"):
        make_scaled(make_pipeline(encode, network)).fit(words, y)
    make_pipeline(encode, make_scaled(network)).fit(words, y)


def test_an_encoder_lengthens_the_name_of_alpha():
    model, name = make_pipeline(encode, make_scaled(network)), "regressor__mlp"
    name += "regressorci__alpha"
    with told("Invalid parameter 'regressor'"):
        GridSearchCV(model, {name: [1.0]}, cv=2).fit(words, y)
    name = f"transformedtargetregressorci__{name}"
    for page in (PAGE, PAGE.with_name("searching.md")):
        assert f"`{name}`" in page.read_text("utf-8")
    search = GridSearchCV(model, {name: [1.0, 10.0]}, cv=2).fit(words, y)
    assert set(search.best_params_) == {name}


@pytest.mark.parametrize(
    "model",
    [network, MLPEnsembleRegressorCI(random_state=0)],
    ids=["network", "committee"],
)
def test_a_level_is_asked_of_the_answer(model):
    model = sklearn.base.clone(model).fit(X[:60], y[:60])
    with told("unexpected keyword argument 'confidence_level'"):
        model.get_prediction(X[:5], confidence_level=0.9)
    table = model.get_prediction(X[:5]).to_frame(confidence_level=0.9)
    _, pi = model.predict(X[:5], return_pi=True, confidence_level=0.9)
    np.testing.assert_allclose(table[["obs_ci_lower", "obs_ci_upper"]], pi)


@pytest.mark.parametrize("seed", [0, 1])
def test_polished_networks_want_more_iterations(seed):
    few = MLPRegressorCI(hidden_layer_sizes=(10,), random_state=seed)
    few.set_params(solver="lbfgs", polish=True)
    assert classes(make_scaled(few), X, y)["ConvergenceWarning"] == 1
    assert not classes(make_scaled(few.set_params(max_iter=2000)), X, y)


def test_scaling_comes_before_training_to_the_end():
    wide = X * [1, 1000, 0.01, 1, 1, 1, 1, 1, 1, 1]
    raw = sklearn.base.clone(network).fit(wide, y)
    scaled = make_scaled(network).fit(wide, y)
    widths = [np.median(np.ptp(m.predict(wide, return_pi=True)[1], axis=1))
              for m in (raw, scaled)]  # fmt: skip
    assert scaled.score(wide, y) > raw.score(wide, y) + 0.2
    assert widths[1] < widths[0]
    assert get_prediction(scaled, wide[:2]).mean.shape == (2,)
