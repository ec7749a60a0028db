"""Other ways to an interval, for `study.py --rivals`.

Each takes a sample and the fitted network, and returns (CI, PI) at the test points;
None for what it does not offer. Those that refit use the network's own recipe.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from coverage import LEVEL
from laplace import Laplace
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
from scipy import stats
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.neural_network import MLPRegressor

from sklearn_nnci._network.perceptron import linear_predictor
from sklearn_nnci._training import polish

NORMAL = stats.norm.isf((1.0 - LEVEL) / 2.0)
REFITS, MOST_STEPS = 40, 50
ENSEMBLE = 5


def both(mean, std, noise, quantile=NORMAL):
    """Return CI and PI by a standard deviation and a noise variance."""
    sides = quantile * np.array([-1.0, 1.0])
    return [
        mean[:, None] + np.sqrt(v)[:, None] * sides for v in (std**2, std**2 + noise)
    ]


def delta(sample, net):
    """Return what `MLPRegressorCI` gives."""
    prediction = net.get_prediction(sample.T)
    return prediction.conf_int(LEVEL), prediction.conf_int(LEVEL, obs=True)


def bootstrap(sample, net, pairs):
    """Refit from the fitted weights on resampled rows or residuals."""
    rng, n = np.random.default_rng(sample.state), len(sample.y)
    network, fitted, refits = net._network(), net.predict(sample.X), []
    rows = net.influence(sample.X, sample.y)
    e = (sample.y - fitted) / np.sqrt(1.0 - np.minimum(rows.leverage, 0.9))
    e, w, y, X = e - e.mean(), np.ones(n), sample.y, sample.X
    limits = dict(polish.MAX_ITERATIONS)
    polish.MAX_ITERATIONS["levenberg-marquardt"] = MOST_STEPS
    for _ in range(REFITS):
        drawn = rng.integers(n, size=n)
        if pairs:
            counts = np.bincount(drawn, minlength=n)
            X, y, w = (
                a[counts > 0] for a in (sample.X, sample.y, counts.astype(float))
            )
        else:
            y = fitted + e[drawn]
        refit = polish.polish(network, X, y[:, None], w, net.alpha)[0]
        refits.append(linear_predictor(refit, sample.T)[0])
    polish.MAX_ITERATIONS.update(limits)
    mean, dof = net.predict(sample.T), net.inference_.dof
    noise = np.sum((sample.y - fitted) ** 2) / dof
    quantile = stats.t.isf((1.0 - LEVEL) / 2.0, dof)
    return both(mean, np.std(refits, axis=0, ddof=1), noise, quantile)


def ensemble(sample, net):
    """Two standard deviations of networks from different starts; noise by residuals."""
    sizes = dict(hidden_layer_sizes=net.hidden_layer_sizes, activation="tanh")
    nets = [
        MLPRegressor(**sizes, solver="lbfgs", random_state=sample.state - k)
        for k in range(ENSEMBLE)
    ]
    means = [m.fit(sample.X, sample.y).predict(sample.T) for m in nets]
    residuals = sample.y - np.mean([m.predict(sample.X) for m in nets], axis=0)
    std = np.std(means, axis=0, ddof=1)
    return both(np.mean(means, axis=0), std, np.mean(residuals**2), 2.0)


def split_conformal(sample, net):
    """Calibrate on a quarter of the rows."""
    order = np.random.default_rng(sample.state).permutation(len(sample.y))
    train, hold = np.split(order, [3 * len(order) // 4])
    model = SplitConformalRegressor(recipe(net), confidence_level=LEVEL, prefit=False)
    model.fit(sample.X[train], sample.y[train])
    model.conformalize(sample.X[hold], sample.y[hold])
    return None, model.predict_interval(sample.T)[1][:, :, 0]


def cross_conformal(sample, net):
    """CV+ with five folds."""
    model = CrossConformalRegressor(
        recipe(net),
        confidence_level=LEVEL,
        method="plus",
        cv=5,
        random_state=sample.state,
    )
    model.fit_conformalize(sample.X, sample.y)
    return None, model.predict_interval(sample.T)[1][:, :, 0]


def recipe(net):
    """Return an unfitted network of the same training, without inference."""
    return clone(net).set_params(covariance=None)


def gaussian_process(sample, net):
    """Length scales and noise by marginal likelihood."""
    return process_answer(fitted_process(sample.X, sample.y), sample.T)


def fitted_process(X, y):
    """Return a Gaussian process with a length scale for each input."""
    kernel = 1.0 * RBF(np.ones(X.shape[1])) + WhiteKernel(0.1, (1e-6, 10.0))
    return GaussianProcessRegressor(kernel, random_state=0).fit(X, y)


def process_answer(model, T):
    """Return CI and PI of a fitted process."""
    mean, std = model.predict(T, return_std=True)
    noise = model.kernel_.k2.noise_level
    return both(mean, np.sqrt(np.maximum(std**2 - noise, 0.0)), noise)


def laplace(sample, net, tuned):
    """laplace-torch at the fitted weights, over all of them, full Hessian."""
    return posterior_answer(posterior(net, sample.X, sample.y, tuned), sample.T)


def posterior(net, X, y, tuned):
    """Return laplace-torch's; tuned: prior and noise by its marginal likelihood."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    W, b = net.coefs_, net.intercepts_
    model = torch.nn.Sequential(
        torch.nn.Linear(*W[0].shape), torch.nn.Tanh(), torch.nn.Linear(*W[1].shape)
    )
    with torch.no_grad():
        for layer, weight, bias in ((model[0], W[0], b[0]), (model[2], W[1], b[1])):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
    data = torch.utils.data.TensorDataset(
        torch.from_numpy(X), torch.from_numpy(y[:, None].copy())
    )
    found = Laplace(
        model, "regression", subset_of_weights="all", hessian_structure="full"
    )
    found.fit(torch.utils.data.DataLoader(data, batch_size=len(y)))
    if tuned:
        logs = [torch.zeros(1, requires_grad=True) for _ in range(2)]
        optimizer = torch.optim.Adam(logs, lr=0.1)
        for _ in range(200):
            optimizer.zero_grad()
            loss = -found.log_marginal_likelihood(logs[0].exp(), logs[1].exp())
            loss.backward()
            optimizer.step()
        found.prior_precision = logs[0].detach().exp()
        found.sigma_noise = logs[1].detach().exp()
    return found


def posterior_answer(found, T):
    """Return CI and PI of a posterior."""
    mean, variance = found(torch.from_numpy(T))
    noise = float(found.sigma_noise.item() ** 2)
    std = variance.detach().numpy()[:, 0, 0] ** 0.5
    return both(mean.detach().numpy()[:, 0], std, noise)


class Method(NamedTuple):
    """A rival, and whether it starts from the fit."""

    name: str
    function: Callable
    after_fit: bool


def run(function, **options):
    """Return `function` with options, silent about what the rivals deprecate."""

    def silent(sample, net):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(sample, net, **options)

    return silent


METHODS = [
    Method("delta, auto", run(delta), True),
    Method("residual bootstrap", run(bootstrap, pairs=False), True),
    Method("pairs bootstrap", run(bootstrap, pairs=True), True),
    Method("ensemble of 5", run(ensemble), False),
    Method("Laplace, defaults", run(laplace, tuned=False), True),
    Method("Laplace, tuned", run(laplace, tuned=True), True),
    Method("Gaussian process", run(gaussian_process), False),
    Method("split conformal", run(split_conformal), False),
    Method("CV+", run(cross_conformal), False),
]
