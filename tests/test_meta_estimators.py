"""How the keywords travel through scikit-learn's meta-estimators."""

import numpy as np
import pytest
from cases import CONVERGED, sine_data
from sklearn.ensemble import StackingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.impute import IterativeImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import MLPRegressorCI

NET = MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)


@pytest.mark.parametrize("flag", ["return_ci", "return_pi", "return_std", "return_cov"])
def test_pipeline_stacking_and_frozen_pass_the_flags(flag):
    X, y = sine_data(n=60)
    expected = NET.fit(X, y).predict(X, **{flag: True})[1]
    frozen = FrozenEstimator(NET)
    np.testing.assert_array_equal(frozen.predict(X, **{flag: True})[1], expected)
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), NET)
    pipeline.fit(X, y)
    np.testing.assert_array_equal(pipeline.predict(X, **{flag: True})[1], expected)
    stack = StackingRegressor(
        [("ridge", Ridge())], final_estimator=NET, passthrough=True
    )
    y_pred, extra = stack.fit(X, y).predict(X, **{flag: True})
    assert len(extra) == len(y_pred) == 60


def test_iterative_imputer_draws_from_the_predictive_distribution():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3))
    X[:, 2] = np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=150)
    holes = X.copy()
    holes[:20, 2] = np.nan
    imputer = IterativeImputer(NET, sample_posterior=True, random_state=0, max_iter=2)
    filled = imputer.fit_transform(holes)
    assert np.std(filled[:20, 2] - X[:20, 2]) < 0.5


def test_cross_validation_with_a_callable_scorer():
    X, y = sine_data(n=90)

    def coverage(estimator, X, y):
        _, pi = estimator.predict(X, return_pi=True)
        return np.mean((pi[:, 0] <= y) & (y <= pi[:, 1]))

    scores = cross_validate(NET, X, y, scoring=coverage, cv=3)["test_score"]
    assert scores.mean() > 0.85
