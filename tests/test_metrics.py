"""Scorers, on whatever estimators and targets come as."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from cases import CONVERGED, sine_data
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI
from sklearn_nnci.metrics import loo_scorer

NET = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)
ROWS = np.arange(60)
MODELS = {
    "network": (NET, "alpha"),
    "pipeline": (make_pipeline(StandardScaler(), NET), "mlpregressorci__alpha"),
    "target": (
        TransformedTargetRegressorCI(NET, transformer=StandardScaler()),
        "regressor__alpha",
    ),
    "both": (
        TransformedTargetRegressorCI(
            make_pipeline(StandardScaler(), NET), transformer=StandardScaler()
        ),
        "regressor__mlpregressorci__alpha",
    ),
    "around": (
        make_pipeline(
            StandardScaler(),
            TransformedTargetRegressorCI(NET, transformer=StandardScaler()),
        ),
        "transformedtargetregressorci__regressor__alpha",
    ),
}
KINDS = {
    "array": np.asarray,
    "list": lambda y: y.tolist(),
    "frame": lambda y: pd.DataFrame(y, index=ROWS + 5),
    "series": lambda y: pd.Series(y, index=ROWS + 5),
}
kind_and_outputs = pytest.mark.parametrize(
    "kind, m",
    [(kind, m) for kind in KINDS for m in (1, 2) if (kind, m) != ("series", 2)],
)


def by_hand(name, X, y, alpha=0.1):
    """The score of a network fitted to what the model under test hands it."""
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    X = scaled if name in ("pipeline", "both", "around") else X
    if name not in ("network", "pipeline"):
        y = (y - y.mean(axis=0)) / y.std(axis=0)
    net = sklearn.clone(NET).set_params(alpha=alpha)
    return net.fit(X, y).loo_score(X, y)


def test_it_is_imported_with_the_package():
    assert sklearn_nnci.metrics.loo_scorer is loo_scorer
    assert "metrics" in sklearn_nnci.__all__


@kind_and_outputs
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_the_score_is_that_of_the_network_inside(name, kind, m):
    X, y = sine_data(n=60, m=m, noise=0.4)
    y = 1.0 + 2.0 * y
    model, given = sklearn.clone(MODELS[name][0]), KINDS[kind](y)
    framed = pd.DataFrame(X, columns=["a", "b"], index=ROWS + 5)
    for rows in (X, framed):
        score = loo_scorer(model.fit(rows, given), rows, given)
        assert score == pytest.approx(by_hand(name, X, y), abs=1e-4)


@kind_and_outputs
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_searches_and_cross_validation_score_every_candidate(name, kind, m):
    X, y = sine_data(n=60, m=m, noise=0.4)
    y = 1.0 + 2.0 * y
    model, key = MODELS[name]
    given, alphas = KINDS[kind](y), [0.1, 1e3]
    asked = dict(scoring=loo_scorer, cv=[(ROWS, ROWS)], error_score="raise")
    search = GridSearchCV(model, {key: alphas}, **asked).fit(X, given)
    expected = [by_hand(name, X, y, alpha) for alpha in alphas]
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert search.best_params_ == {key: 0.1}
    assert loo_scorer(search, X, given) == pytest.approx(scores.max())
    scored = cross_validate(model, X, given, **asked)["test_score"]
    np.testing.assert_allclose(scored, scores[:1])


def test_weights_are_bound():
    X, y = sine_data(n=60, noise=0.4)
    w = ROWS % 3 + 1.0
    model, key = MODELS["both"]
    search = GridSearchCV(
        model, {key: [0.1]}, scoring=partial(loo_scorer, sample_weight=w),
        cv=[(ROWS, ROWS)], error_score="raise",
    )  # fmt: skip
    weighted = {"mlpregressorci__sample_weight": w}
    score = search.fit(X, y, **weighted).best_score_
    network = search.best_estimator_.regressor_
    u = (y - y.mean()) / y.std()
    rows = network[:-1].transform(X)
    assert score == pytest.approx(network[-1].loo_score(rows, u, w), abs=1e-12)
    assert score != pytest.approx(model.fit(X, y).loo_score(X, y), abs=1e-6)


@pytest.mark.parametrize(
    "estimator", [Ridge(), make_pipeline(StandardScaler(), Ridge())]
)
def test_another_estimator_is_refused_by_name(estimator):
    X, y = sine_data(n=60)
    with pytest.raises(TypeError, match=r"got Ridge.*TransformedTargetRegressorCI"):
        loo_scorer(estimator.fit(X, y), X, y)
    wrapped = TransformedTargetRegressorCI(estimator).fit(X, y)
    with pytest.raises(AttributeError, match=r"Ridge.*MLPRegressorCI"):
        loo_scorer(wrapped, X, y)


def test_the_leave_one_out_score_is_too_hopeful_where_alpha_is_small():
    """As its docstring says: it keeps the minimum, which other rows would not find."""

    def sample(n):
        X = rng.normal(size=(n, 4))
        mean = np.sin(X[:, 0]) + 0.3 * X[:, 1] ** 2 + 0.5 * X[:, 2] * (X[:, 3] > 0)
        return X, mean + 0.5 * rng.normal(size=n)

    hopeful = {0.01: [], 1.0: []}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        (X, y), (X_new, y_new) = sample(150), sample(2000)
        y_new, y = (y_new - y.mean()) / y.std(), (y - y.mean()) / y.std()
        for alpha, found in hopeful.items():
            net = MLPRegressorCI(
                hidden_layer_sizes=(5,), activation="tanh", solver="lbfgs",
                alpha=alpha, max_iter=2000, random_state=seed,
            ).fit(X, y)  # fmt: skip
            found.append(loo_scorer(net, X, y) - net.score(X_new, y_new))
    assert 0.08 < np.mean(hopeful[0.01]) < 0.3
    assert np.mean(hopeful[1.0]) < 0.06 < min(np.sort(hopeful[0.01])[1:])
