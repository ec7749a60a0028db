"""Standard errors by marginaleffects' numeric delta method, where it is installed.

It moves every weight, predicts, and knows nothing of the network but its covariance:
the plain delta method, by the code of others.
"""

import numpy as np
import pytest
from cases import SMALL, sine_data

from sklearn_nnci import MLPRegressorCI, effects
from sklearn_nnci._network.perceptron import linear_predictor, pack, unpack

me = pytest.importorskip("marginaleffects")
pl = pytest.importorskip("polars")
classes = pytest.importorskip("marginaleffects.classes")

X, y = sine_data(150, 2)
NAMES = ["x0", "x1"]
# of its differences: of weights (forward), and of columns (relative to their range)
EPS_VCOV, EPS, RTOL = 1e-6, 1e-4, 1e-4


class Network(classes.ModelAbstract):
    """A fitted network as marginaleffects takes models."""

    def __init__(self, net):
        network = net._network()
        self.like = network._replace(coordinates=None)
        data = pl.DataFrame({"x0": X[:, 0], "x1": X[:, 1], "y": y})
        theta = pack(net.coefs_, net.intercepts_)
        super().__init__(net, classes.ModelVault(
            coef=theta, coefnames=np.array([f"w{k}" for k in range(len(theta))]),
            vcov=net.parameter_covariance(), modeldata=data, package="sklearn_nnci",
            variables_type=dict.fromkeys([*NAMES, "y"], "numeric"),
            variable_names=["y", *NAMES], formula="y ~ x0 + x1",
        ))  # fmt: skip

    def get_exog(self, newdata):
        return newdata

    def get_predict(self, params, newdata):
        rows = newdata.select(NAMES).to_numpy()
        f = linear_predictor(unpack(np.asarray(params), self.like), rows)[0]
        return pl.DataFrame(
            {"rowid": np.arange(len(rows), dtype=np.int32), "estimate": f}
        )


@pytest.fixture(autouse=True, scope="module")
def integers_among_floats():
    """Release 0.6.0 asks whether floats are in [0, 1], which polars 2 refuses."""
    asked = pl.Series.is_in

    def is_in(self, other, **options):
        if self.dtype.is_float() and isinstance(other, list):
            other = [float(one) for one in other]
        return asked(self, other, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl.Series, "is_in", is_in)
        yield


@pytest.fixture(scope="module", params=["alpha", "evidence", "two layers", "logistic"])
def both(request):
    own = {
        "alpha": {},
        "evidence": dict(regularization="evidence"),
        "two layers": dict(hidden_layer_sizes=(4, 3), alpha=0.1),
        "logistic": dict(activation="logistic"),
    }[request.param]
    net = MLPRegressorCI(**{**SMALL, "covariance": "bayesian", **own}, polish=True)
    return net.fit(X, y), Network(net)


def same(found, theirs, rtol=RTOL):
    np.testing.assert_allclose(found.estimate, theirs["estimate"], rtol=rtol)
    np.testing.assert_allclose(found.std_error, theirs["std_error"], rtol=RTOL)


def test_average_slopes(both):
    net, model = both
    found = effects.avg_slopes(net, X, debias=False)
    theirs = me.avg_slopes(model, variables=NAMES, eps=EPS, eps_vcov=EPS_VCOV)
    same(found, theirs.sort("term"))


def test_average_comparisons(both):
    net, model = both
    h = np.array([0.5, 0.0])  # theirs moves by half a unit each way
    found = effects.comparisons(net, X - h, X + h, average=True, debias=False)
    same(found, me.avg_comparisons(model, variables={"x0": 1.0}, eps_vcov=EPS_VCOV))


def test_average_predictions_at_a_value(both):
    net, model = both
    points = [-1.0, 0.5]
    found = effects.partial_dependence_interval(
        net, X, 0, custom_values={0: points}, debias=False
    )
    for k, value in enumerate(points):
        theirs = me.avg_predictions(model, variables={"x0": [value]}, eps_vcov=EPS_VCOV)
        np.testing.assert_allclose(found.estimate[k], theirs["estimate"], rtol=RTOL)
        np.testing.assert_allclose(found.std_error[k], theirs["std_error"], rtol=RTOL)


def test_slopes_and_predictions_at_rows(both):
    net, model = both
    rows = pl.DataFrame({"x0": X[:4, 0], "x1": X[:4, 1], "y": y[:4]})
    given = dict(newdata=rows, eps_vcov=EPS_VCOV)
    found = effects.slopes(net, X[:4], 0)
    same(found, me.slopes(model, variables="x0", eps=EPS, **given))
    found = effects.linear_combinations(net, X[:4], np.eye(4))
    same(found, me.predictions(model, **given))
