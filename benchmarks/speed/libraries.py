"""The same by other libraries, over our time; part of `limits.py`.

- Jacobian of 256 rows: torch.func's ``vmap(grad)`` and jax's, compiled. Theirs is one
  array for each layer, which spares a copy; torch also with it, as one matrix.
- Posterior of a 10-100-1 network from 3000 rows, and 10,000 standard errors, end to
  end: laplace-torch at the same weights, prior and noise.
- Intervals at 1000 points by a network fitted to 1000 rows, training included: CV+ and
  a bootstrap of pairs.

All in float64. What is not installed is skipped.
"""

import warnings
from functools import partial

import numpy as np
from sklearn.neural_network import MLPRegressor
from timing import NETWORKS, Figure, fitted, race, ratios, sample

from sklearn_nnci import MLPRegressorCI

try:
    import torch
    from laplace import Laplace
    from laplace.curvature import BackPackGGN, CurvlinopsGGN
    from torch.func import functional_call, grad, vmap

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    warnings.filterwarnings("ignore", module="backpack|laplace|torch|curvlinops")
except ImportError:
    torch = None
    print("Skipped: torch and laplace-torch are not installed.")
try:
    import jax

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None
    print("Skipped: jax is not installed.")
try:
    from mapie.regression import CrossConformalRegressor
except ImportError:
    CrossConformalRegressor = None
    print("Skipped: mapie is not installed.")

VARIANCE = 0.01  # of the noise, known to all
BATCH = 256
REFITS = 100


def torch_network(net):
    """Return a fitted tanh network in torch."""
    layers = []
    for W, b in zip(net.coefs_, net.intercepts_, strict=True):
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def torch_jacobian(net, X):
    """Return a function that computes the Jacobian at the rows `X` by torch.func."""
    network, X = torch_network(net), torch.from_numpy(X)
    weights = {name: w.detach() for name, w in network.named_parameters()}

    def output(weights, x):
        return functional_call(network, weights, (x,))[0]

    return partial(vmap(grad(output), in_dims=(None, 0)), weights, X)


def jax_jacobian(net, X):
    """Return a function that computes the Jacobian at the rows `X` by compiled jax."""
    *hidden, last = zip(net.coefs_, net.intercepts_, strict=True)

    def output(weights, x):
        *hidden, (W, b) = weights
        for V, c in hidden:
            x = jax.numpy.tanh(x @ V + c)
        return (x @ W + b)[0]

    compiled = jax.jit(jax.vmap(jax.grad(output), in_axes=(None, 0)))
    weights, X = jax.device_put(([*hidden, last], X))
    return lambda: jax.block_until_ready(compiled(weights, X))


def check_sizes(J, theirs):
    """Raise unless the Jacobians have the same sum of squares."""
    squares = sum(float((block**2).sum()) for block in theirs)
    np.testing.assert_allclose(squares, np.sum(J**2), rtol=1e-10)


def jacobian(quick):
    """The Jacobian by automatic differentiation."""
    for p in NETWORKS:
        est, X, _ = fitted(p, n_rows=256)
        rivals, J = {}, est.jacobian(X)
        if torch:
            rivals["torch"] = by_torch = torch_jacobian(est, X)
            rivals["torch as one matrix"] = lambda by_torch=by_torch: torch.cat(
                [block.flatten(1) for block in by_torch().values()], dim=1
            )
            check_sizes(J, by_torch().values())
        if jax:
            rivals["jax"] = jax_jacobian(est, X)
            check_sizes(J, jax.tree.leaves(rivals["jax"]()))
        if not rivals:
            return
        turns = 3 if quick else 31
        seconds = race(turns, ours=partial(est.jacobian, X), **rivals)
        for name in rivals:
            what = f"Jacobian by {name}, p = {p}, over ours"
            bar = ">= 2.5" if name == "torch" else ""
            yield Figure(what, ratios(seconds[name], seconds["ours"]), bar)


def our_errors(net, X, y, Q):
    """Return the standard errors of the network `net` at `Q`."""
    ours = MLPRegressorCI.from_estimator(
        net, X, y, covariance="bayesian", noise=VARIANCE
    )
    return ours.get_prediction(Q).se_mean


def laplace_errors(net, X, y, Q, structure, backend):
    """Return the same by laplace-torch, intercepts without a prior as they are here."""
    prior = torch.tensor([net.alpha / VARIANCE, 0.0]).repeat(len(net.coefs_))
    posterior = Laplace(
        torch_network(net), "regression", subset_of_weights="all",
        hessian_structure=structure, sigma_noise=VARIANCE**0.5, prior_precision=prior,
        backend=backend,
    )  # fmt: skip
    data = torch.utils.data.TensorDataset(
        torch.from_numpy(X), torch.from_numpy(y[:, None])
    )
    posterior.fit(torch.utils.data.DataLoader(data, batch_size=BATCH))
    parts = torch.split(torch.from_numpy(Q), BATCH)
    variances = [posterior(part)[1].detach().numpy().ravel() for part in parts]
    return np.concatenate(variances) ** 0.5


def laplace(quick):
    """The posterior and its standard errors by laplace-torch."""
    if not torch:
        return
    X, y = sample(3000, 10)
    Q, _ = sample(1000 if quick else 10_000, 10, seed=1)
    net = MLPRegressor(
        hidden_layer_sizes=(100,), activation="tanh", solver="lbfgs", alpha=1.0,
        max_iter=300, random_state=0,
    ).fit(X, y)  # fmt: skip
    ours = partial(our_errors, net, X, y, Q)
    expected = ours()
    for structure, backend, turns, bar in (
        ("full", BackPackGGN, 9, ">= 3"),
        ("full", CurvlinopsGGN, 3, ""),
        ("kron", CurvlinopsGGN, 3, ""),
    ):
        theirs = partial(laplace_errors, net, X, y, Q, structure, backend)
        off = np.abs(theirs() / expected - 1.0)
        what = f"Laplace, {structure}, {backend.__name__}"
        seconds = race(1 if quick else turns, ours=ours, theirs=theirs)
        values = ratios(seconds["theirs"], seconds["ours"])
        yield Figure(f"{what}, over ours", values, bar)
        yield Figure(f"{what}: its errors differ by up to", [off.max()], unit="")


def recipe(kind=MLPRegressorCI):
    """Return an unfitted network 10-10-1."""
    return kind(
        hidden_layer_sizes=(10,), activation="tanh", solver="lbfgs", alpha=1.0,
        max_iter=1000, random_state=0,
    )  # fmt: skip


def ours(X, y, Q):
    """Return our prediction intervals."""
    return recipe().fit(X, y).predict(Q, return_pi=True)


def cross_conformal(X, y, Q):
    """Return those of CV+ with five folds."""
    model = CrossConformalRegressor(
        recipe(MLPRegressor), confidence_level=0.95, method="plus", cv=5
    )
    return model.fit_conformalize(X, y).predict_interval(Q)


def bootstrap(X, y, Q, refits):
    """Return percentiles of the predictions of networks refitted to drawn rows."""
    rng, fits = np.random.default_rng(0), []
    for _ in range(refits):
        rows = rng.integers(len(y), size=len(y))
        fits.append(recipe(MLPRegressor).fit(X[rows], y[rows]).predict(Q))
    return np.percentile(fits, [2.5, 97.5], axis=0)


def refitting(quick):
    """Intervals of methods that refit."""
    X, y = sample(1000, 10)
    Q, _ = sample(1000, 10, seed=1)
    refits = 5 if quick else REFITS
    rivals = {f"bootstrap of {refits} pairs": partial(bootstrap, refits=refits)}
    if CrossConformalRegressor:
        rivals["CV+ by MAPIE, 5 folds"] = cross_conformal
    functions = {"ours": ours, **rivals}
    functions = {name: partial(f, X, y, Q) for name, f in functions.items()}
    seconds = race(1 if quick else 3, **functions)
    for name in rivals:
        what = f"{name}, n = 1000, p = 121, over ours"
        yield Figure(what, ratios(seconds[name], seconds["ours"]))


FIGURES = jacobian, laplace, refitting
