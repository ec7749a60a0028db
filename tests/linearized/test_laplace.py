"""The bayesian variance against laplace-torch, where that is installed."""

import numpy as np
import pytest
from cases import Case, rows_with

from sklearn_nnci._linearized import dual, primal
from sklearn_nnci._linearized.sandwich import meat_of
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian

torch = pytest.importorskip("torch")
laplace = pytest.importorskip("laplace")
curvature = pytest.importorskip("laplace.curvature.backpack")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("hidden, n", [((5,), 60), ((4, 3), 60), ((40,), 30)], ids=str)
def test_full_ggn_posterior(hidden, n):
    """Prior precision on every parameter alike: s^2 J (J'J + s^2 delta I)^-1 J'."""
    case, s, delta = Case("tanh", hidden, n_samples=n), 0.3, 2.0
    layers = []
    for W, b in zip(case.network.coefs, case.network.intercepts, strict=True):
        linear = torch.nn.Linear(*W.shape).double()
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    X = torch.from_numpy(case.X)
    data = torch.utils.data.TensorDataset(X, torch.zeros(n, 1, dtype=torch.float64))
    la = laplace.Laplace(
        model, "regression", subset_of_weights="all", hessian_structure="full",
        sigma_noise=s, prior_precision=delta, backend=curvature.BackPackGGN,
    )  # fmt: skip
    la.fit(torch.utils.data.DataLoader(data, batch_size=n))
    _, expected = la._glm_predictive_distribution(X)
    expected = expected.detach().numpy().ravel()
    rows = rows_with(case.network, case.X, np.zeros((1, n)))
    F = jacobian.factors(case.network, case.X)
    for route in (primal, dual):
        information = route.reduce(rows).penalise(Penalty(s**2 * delta, 0))
        v = information.posterior(meat_of(s**2 * np.eye(1), s**2)).variance(F)[0]
        np.testing.assert_allclose(v, expected, rtol=1e-10)
