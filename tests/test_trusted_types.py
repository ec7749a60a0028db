"""`TRUSTED_TYPES` is what skops needs to be told, and no more."""

import numpy as np
import pytest
import skops.io
from cases import SMALL, sine_data
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from sklearn_nnci import (
    TRUSTED_TYPES,
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    make_scaled,
)

NET = MLPRegressorCI(**SMALL)
STOCHASTIC = MLPRegressorCI(max_iter=20, random_state=0)
MODELS = {
    "lbfgs": NET,
    "adam": STOCHASTIC,
    "sgd": MLPRegressorCI(solver="sgd", max_iter=20, random_state=0),
    "early stopping": MLPRegressorCI(early_stopping=True, random_state=0),
    "tuned": MLPRegressorCI(
        hidden_layer_sizes=(4,), regularization="evidence", activation="tanh",
        n_restarts=1, random_state=0,
    ),
    "restarts": MLPRegressorCI(**SMALL, n_restarts=2, polish=True),
    "noise": MLPRegressorCI(**SMALL, errors="empirical", variance="auto"),
    "noise by a regressor": MLPRegressorCI(**SMALL, variance=LinearRegression()),
    "committee": MLPEnsembleRegressorCI(architectures=((3,),), random_state=0),
    "target": TransformedTargetRegressorCI(NET, transformer=PowerTransformer()),
    "default": TransformedTargetRegressorCI(transformer=StandardScaler()),
    "pipeline": make_pipeline(StandardScaler(), NET),
    "scaled": make_scaled(STOCHASTIC),
}  # fmt: skip


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    X, y = sine_data(n=120)
    return request.param, MODELS[request.param].fit(X, y), X


def test_files_load_with_these_alone(fitted):
    _, model, X = fitted
    copies = [model.compress()] if hasattr(model, "compress") else []
    for one in [model, *copies]:
        other = skops.io.loads(skops.io.dumps(one), trusted=TRUSTED_TYPES)
        found = [each.predict(X, return_pi=True)[1] for each in (one, other)]
        np.testing.assert_array_equal(*found)


def test_none_is_superfluous():
    X, y = sine_data(n=60)
    needed = set()
    for name in ("adam", "sgd", "committee", "target"):
        data = skops.io.dumps(MODELS[name].fit(X, y))
        needed |= set(skops.io.get_untrusted_types(data=data))
    assert set(TRUSTED_TYPES) == needed
    assert len(TRUSTED_TYPES) == len(needed)
    assert all(isinstance(name, str) for name in TRUSTED_TYPES)
