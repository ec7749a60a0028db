"""BLAS has one thread where matrices are small."""

import pytest
from cases import sine_data
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._inference import infer
from sklearn_nnci._numerics import threads
from sklearn_nnci._training import polish, tuned


def of_blas():
    return {
        one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"
    }


@pytest.mark.parametrize("n_parameters, expected", [(499, {1}), (500, {2})])
def test_small_triangles_have_one(n_parameters, expected):
    with threadpool_limits(2, user_api="blas"):
        with threads.suited_to(n_parameters):
            assert of_blas() == expected
        assert of_blas() == {2}


@pytest.mark.parametrize(
    "module, name, parameters",
    [
        (tuned, "tune", dict(regularization="evidence")),
        (polish, "_levenberg_marquardt", dict(polish=True)),
    ],
)
def test_training_has_one(module, name, parameters, monkeypatch):
    seen, train = [], getattr(module, name)

    def watched(*args):
        seen.append(of_blas())
        return train(*args)

    if module is polish:
        monkeypatch.setitem(polish.METHODS, "levenberg-marquardt", watched)
    else:
        monkeypatch.setattr(module, name, watched)
    X, y = sine_data(n=60)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,), activation="tanh", random_state=0, **parameters
    )
    with threadpool_limits(2, user_api="blas"):
        net.fit(X, y)
    assert seen == [{1}]


def test_inference_has_one(monkeypatch):
    seen = []
    X, y = sine_data(n=60)
    monkeypatch.setattr(infer, "_conclude", lambda *args: seen.append(of_blas()))
    net = MLPRegressorCI(hidden_layer_sizes=(3,), covariance=None).fit(X, y)
    problem = net._problem(X, y, None)
    with threadpool_limits(2, user_api="blas"):
        infer.infer(problem, "auto", "auto")
    assert seen == [{1}]
