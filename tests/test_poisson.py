"""Counts: intervals under a log link, of the mean and of a new count."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from cases import CONVERGED
from scipy import stats
from sklearn.base import clone
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    make_scaled,
)
from sklearn_nnci._linearized import partitions
from sklearn_nnci.exceptions import NoResidualDofWarning


def counts(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    return X, rng.poisson(np.exp(0.5 + X[:, 0] - 0.7 * X[:, 1])).astype(float)


def glm_network(X, y, w=None, **parameters):
    """A network without hidden layer at the maximum of the Poisson likelihood."""
    result = sm.GLM(
        y, sm.add_constant(X), family=sm.families.Poisson(), freq_weights=w
    ).fit(scale="X2", tol=1e-14)
    network = MLPRegressor(
        loss="poisson", hidden_layer_sizes=(), alpha=0.0, **CONVERGED
    ).fit(X, y)
    network.coefs_ = [result.params[1:, None]]
    network.intercepts_ = [result.params[:1]]
    return result, MLPRegressorCI.from_estimator(network, X, y, w, **parameters)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_quasi_poisson_glm(weighted):
    X, y = counts()
    w = np.random.default_rng(1).integers(1, 4, len(y)) if weighted else None
    result, model = glm_network(X, y, w, covariance="least_squares")
    Xq = X[:9] * 1.5
    expected = result.get_prediction(sm.add_constant(Xq))
    found = model.get_prediction(Xq)
    np.testing.assert_allclose(found.mean, expected.predicted_mean, rtol=1e-9)
    np.testing.assert_allclose(found.se_mean, expected.se_mean, rtol=1e-8)
    # statsmodels takes normal quantiles, we Student's.
    dof = model.inference_.dof
    link = expected.linpred
    half = stats.t.isf(0.025, dof) * link.se_mean
    np.testing.assert_allclose(
        found.conf_int(),
        np.exp(np.c_[link.predicted_mean - half, link.predicted_mean + half]),
        rtol=1e-8,
    )
    assert model.inference_.noise_variance == pytest.approx(result.scale, rel=1e-9)
    assert (found.conf_int() > 0).all()
    J = model.jacobian(Xq)
    np.testing.assert_allclose(J, np.c_[Xq, np.ones(9)], rtol=1e-12)
    cov = model.predict(Xq, return_cov=True)[1]
    np.testing.assert_allclose(np.diag(cov), found.se_mean**2, rtol=1e-9)


def test_network_of_counts_has_a_positive_interval_and_no_evidence():
    X, y = counts()
    net = MLPRegressorCI(
        loss="poisson",
        hidden_layer_sizes=(4,),
        activation="tanh",
        alpha=0.1,
        polish=True,  # where L-BFGS by itself stops depends on the machine
        **CONVERGED,
    ).fit(X, y)
    report = net.inference_
    assert (report.method, report.noise) == ("bayesian", "loo")
    assert 0.7 < report.noise_variance < 1.4  # the dispersion of Poisson counts is 1
    assert report.relative_offset < 1e-3
    mean, ci = net.predict(X, return_ci=True)
    assert (0 < ci[:, 0]).all() and (ci[:, 0] < mean).all() and (mean < ci[:, 1]).all()
    truth = np.exp(0.5 + X[:, 0] - 0.7 * X[:, 1])
    assert np.mean((ci[:, 0] < truth) & (truth < ci[:, 1])) > 0.8


def test_negative_counts_train_but_have_no_inference():
    X, y = counts()
    y[0] = -1.0
    net = MLPRegressorCI(loss="poisson", hidden_layer_sizes=(2,), random_state=0)
    with pytest.warns(RuntimeWarning, match="least is -1"):
        net.fit(X, y)
    with pytest.raises(ValueError, match="least is -1"):
        net.predict(X, return_ci=True)


def test_early_stopping_recovers_its_rows():
    X, y = counts()
    net = MLPRegressorCI(
        loss="poisson", hidden_layer_sizes=(3,), early_stopping=True, random_state=0,
        noise="validation",
    ).fit(X, y)  # fmt: skip
    assert net.inference_.n_samples == 180
    assert net.inference_.dof == 20


# ------------------------------------------------------------------------ a new count

NET = MLPRegressorCI(
    loss="poisson", hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, polish=True,
    **CONVERGED,
)  # fmt: skip


def overdispersed(n=300, seed=0, k=2.0, m=1):
    """X, means from 1 to 50 of each of m outputs, and counts of that size."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    mu = np.exp(1.95 * (1.0 + X[:, [0, 1][:m]]))
    y = rng.poisson(mu * rng.gamma(k, size=mu.shape) / k).astype(float)
    return X, mu.squeeze(), y.squeeze()


@pytest.fixture(scope="module")
def fitted():
    X, mu, y = overdispersed()
    return clone(NET).fit(X, y), X, mu, y


def test_a_new_count_is_within_its_interval(fitted):
    net, X, mu, _ = fitted
    mean, pi = net.predict(X, return_pi=True)
    assert pi.shape == (len(X), 2)
    np.testing.assert_array_equal(pi, np.rint(pi))
    law = stats.nbinom(2.0, 2.0 / (2.0 + mu))
    assert 0.93 < np.mean(law.cdf(pi[:, 1]) - law.cdf(pi[:, 0] - 1.0)) < 0.99
    std = net.predict(X, return_std=True)[1]
    np.testing.assert_allclose(np.median(std / law.std()), 1.0, atol=0.2)
    prediction = net.get_prediction(X)
    alpha = net.inference_.count_law[1]
    np.testing.assert_allclose(prediction.size, 1.0 / alpha)
    s = prediction.se_mean / mean  # M + M^2 / c of the formula
    V = mean + mean**2 * (alpha + s**2 * (1.0 + alpha))
    np.testing.assert_allclose(std**2, V, rtol=2.0 * s.max() ** 2)
    text = repr(net.inference_)
    assert f"mu + {alpha:.3g} mu^2" in text


def test_poisson_counts_have_the_variance_of_their_mean():
    X, y = counts()
    net = clone(NET).fit(X, y)
    assert net.inference_.count_law == (0.0, 0.0)
    prediction = net.get_prediction(X)
    assert np.isinf(prediction.size).all()
    pi = prediction.conf_int(obs=True)
    known = stats.poisson(prediction.mean).interval(0.95)
    assert (pi[:, 0] <= known[0]).all() and (pi[:, 1] >= known[1]).all()
    assert np.mean(np.diff(pi)) < 1.3 * np.mean(known[1] - known[0])


def test_the_table_and_levels_have_it(fitted):
    net, X, *_ = fitted
    prediction = net.get_prediction(X[:7])
    pi = prediction.conf_int([0.5, 0.95], obs=True)
    assert pi.shape == (7, 2, 2)
    assert (pi[:, 0, 1] <= pi[:, 0, 0]).all() and (pi[:, 1, 0] <= pi[:, 1, 1]).all()
    frame = prediction.to_frame()
    np.testing.assert_array_equal(frame["obs_ci_lower"], pi[:, 0, 1])
    np.testing.assert_array_equal(frame["obs_ci_upper"], pi[:, 1, 1])
    together = prediction.conf_int(0.65, obs=True, simultaneous="bonferroni")
    np.testing.assert_array_equal(together, prediction.conf_int(0.95, obs=True))
    with pytest.raises(ValueError, match=r"sup-t.*bonferroni"):
        prediction.conf_int(obs=True, simultaneous="sup-t")
    ci = prediction.conf_int()
    assert (pi[:, 0, 1] <= np.ceil(ci[:, 0])).all()
    assert (pi[:, 1, 1] >= np.floor(ci[:, 1])).all()


def test_a_row_of_weight_k_is_k_counts(fitted):
    net, X, _, y = fitted
    w = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = copy.deepcopy(net).fit_inference(X, y, w)
    copies = copy.deepcopy(net).fit_inference(np.repeat(X, w, 0), np.repeat(y, w))
    np.testing.assert_allclose(
        weighted.inference_.count_law, copies.inference_.count_law, rtol=1e-9
    )


def test_each_output_has_its_own_counts():
    X, mu, y = overdispersed(m=2)
    y[:, 0] = np.random.default_rng(1).poisson(mu[:, 0])
    net = clone(NET).set_params(hidden_layer_sizes=(4,)).fit(X, y)
    _, alpha = net.inference_.count_law
    assert alpha[0] < 0.05 < 0.3 < alpha[1] < 0.8
    pi = net.predict(X, return_pi=True)[1]
    assert pi.shape == (len(X), 2, 2)
    inside = np.mean((pi[:, :, 0] <= y) & (y <= pi[:, :, 1]), axis=0)
    assert (inside > 0.92).all()
    assert net.predict(X, return_std=True)[1].shape == y.shape
    assert "mu, mu + " in repr(net.inference_) or "mu^2, mu + " in repr(net.inference_)


@pytest.mark.parametrize("noise, beta", [(3.0, 2.0), (0.5, 0.0)])
def test_a_known_dispersion_is_that_of_the_counts(fitted, noise, beta):
    net, X, _, y = fitted
    net = copy.deepcopy(net).set_params(noise=noise).fit_inference(X, y)
    np.testing.assert_allclose(net.inference_.count_law, (beta, 0.0), atol=1e-12)


def test_both_routes_have_the_same_law():
    X, _, y = overdispersed(n=60)
    wide = clone(NET).set_params(hidden_layer_sizes=(30,), alpha=1.0).fit(X, y)
    assert wide.inference_.route == "dual"
    from sklearn_nnci._linearized import route

    before = route.DUAL_BELOW
    try:
        route.DUAL_BELOW = 0.0
        other = copy.deepcopy(wide).fit_inference(X, y)
    finally:
        route.DUAL_BELOW = before
    assert other.inference_.route == "primal"
    np.testing.assert_allclose(
        wide.inference_.count_law, other.inference_.count_law, rtol=1e-5
    )


def test_dask_has_the_same_law_and_the_same_intervals(fitted, monkeypatch):
    da = pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    net, X, _, y = fitted
    monkeypatch.delattr(partitions.Partitions, "gather")  # rows stay where they lie
    assert net.inference_.variance == "counts"
    chunked = da.from_array(X, chunks=(70, 2))
    spread = copy.deepcopy(net).fit_inference(chunked, da.from_array(y, chunks=70))
    np.testing.assert_allclose(
        spread.inference_.count_law, net.inference_.count_law, rtol=1e-9
    )
    assert spread._inference["reach"] == pytest.approx(net._inference["reach"])
    for flag in ("return_pi", "return_std"):
        lazy, here = (net.predict(rows, **{flag: True})[1] for rows in (chunked, X))
        np.testing.assert_array_equal(lazy.compute(), here)


def test_saved_networks_keep_it_and_earlier_ones_refuse(fitted):
    net, X, *_ = fitted
    other = pickle.loads(pickle.dumps(net))
    expected = net.predict(X, return_pi=True)[1]
    np.testing.assert_array_equal(other.predict(X, return_pi=True)[1], expected)
    del other._inference["report"]["count_law"]
    for flag in ("return_pi", "return_std"):
        with pytest.raises(
            ValueError, match=r"poisson.*earlier version.*fit_inference"
        ):
            other.predict(X, **{flag: True})
    other.predict(X, return_ci=True)
    assert other.get_prediction(X[:3]).to_frame()["obs_ci_lower"].isna().all()


def test_what_is_not_a_count_has_no_interval_of_a_new_one():
    X, y = counts()
    net = clone(NET).fit(X, y / 2.0)
    assert net.inference_.count_law == ()
    for flag in ("return_pi", "return_std"):
        with pytest.raises(ValueError, match=r"poisson.*not all integers.*return_ci"):
            net.predict(X, **{flag: True})
    assert net.predict(X, return_ci=True)[1].shape == (len(X), 2)
    assert net.get_prediction(X[:3]).to_frame()["obs_ci_lower"].isna().all()
    for model in (
        MLPEnsembleRegressorCI(net, architectures=(None,), n_starts=2, random_state=0),
        TransformedTargetRegressorCI(net),
    ):
        model.fit(X, y / 2.0)
        for flag in ("return_pi", "return_std"):
            with pytest.raises(ValueError, match="not all integers"):
                model.predict(X, **{flag: True})


def test_unbounded_means_have_unbounded_counts():
    X, y = counts(n=12)
    net = clone(NET).set_params(
        hidden_layer_sizes=(8,), covariance="least_squares", polish=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(X, y)
        pi = net.predict(X[:3], return_pi=True)[1]
        std = net.predict(X[:3], return_std=True)[1]
    np.testing.assert_array_equal(pi, [[0.0, np.inf]] * 3)
    assert np.isinf(std).all()


def test_committees_average_what_counts_vary_beyond_their_mean(fitted):
    _, X, mu, y = fitted
    model = MLPEnsembleRegressorCI(
        NET, architectures=(None,), n_starts=3, random_state=0
    ).fit(X, y)
    own = [one.inference_.count_law[1] for one in model.estimators_]
    found = model.get_prediction(X)
    np.testing.assert_allclose(1.0 / found.size, model.weights_ @ own, rtol=1e-9)
    pi, std = (model.predict(X, **{f: True})[1] for f in ("return_pi", "return_std"))
    np.testing.assert_array_equal(pi, np.rint(pi))
    np.testing.assert_array_equal(std, found.se_obs)
    law = stats.nbinom(2.0, 2.0 / (2.0 + mu))
    assert 0.93 < np.mean(law.cdf(pi[:, 1]) - law.cdf(pi[:, 0] - 1.0)) < 0.99


def test_the_wrapper_of_targets_passes_it_on(fitted):
    net, X, _, y = fitted
    model = TransformedTargetRegressorCI(clone(NET)).fit(X, y)
    for flag in ("return_pi", "return_std"):
        np.testing.assert_allclose(
            *(one.predict(X, **{flag: True})[1] for one in (model, net)), rtol=1e-9
        )
    frames = (one.get_prediction(X).to_frame() for one in (model, net))
    pd.testing.assert_frame_equal(*frames)


def test_where_means_are_large_the_mean_is_known_less_well(fitted):
    """The sandwich of a variance mu + alpha mu^2, and a covariance by name without."""
    net, X, *_ = fitted
    beta, alpha = net.inference_.count_law
    assert alpha > 0.0 and net.inference_.variance == "counts"
    J, j, mu = net.jacobian(X), net.jacobian(X[:9]), net.predict(X)
    report = net.inference_
    n_free = sum(b.size for b in net.intercepts_)
    Lambda = np.r_[np.full(J.shape[1] - n_free, report.penalty), np.zeros(n_free)]
    A_inv = np.linalg.inv((J.T * mu) @ J + np.diag(Lambda))
    filling = (J.T * (mu * (1.0 + beta + alpha * mu))) @ J
    filling += report.noise_variance * np.diag(Lambda)
    v = np.einsum("ij,jk,ik->i", j, A_inv @ filling @ A_inv, j)
    widening = 1.0 + report.relative_offset**2
    found = net.get_prediction(X[:9]).se_mean / mu[:9]
    np.testing.assert_allclose(found, np.sqrt(v * widening), rtol=1e-6)


def test_counts_that_are_drawn_follow_their_interval(fitted):
    net, X, *_ = fitted
    found = net.get_prediction(X[:30])
    drawn = found.sample(4000, 0, obs=True)
    assert (drawn == np.rint(drawn)).all()
    low, high = found.conf_int(0.9, obs=True).T
    for share in (np.mean(drawn < low), np.mean(drawn > high)):
        assert 0.02 < share < 0.055
    np.testing.assert_allclose(drawn.std(axis=0), found.se_obs, rtol=0.15)


def test_rows_among_counts_do_not_extrapolate_for_being_rare(fitted):
    net, X, *_ = fitted
    inside = np.random.default_rng(3).uniform(0.1, 0.9, (300, 1))
    inside = X.min(axis=0) + inside * np.ptp(X, axis=0)
    assert net.get_prediction(inside).extrapolates.mean() < 0.02


@pytest.mark.filterwarnings(  # scikit-learn's, of a loss of no counts
    "ignore:overflow", "ignore:divide by zero", "ignore:invalid value"
)
def test_nobody_is_told_to_scale_counts():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = rng.poisson(100.0 * np.exp(0.5 * X[:, 0] + 1.0)).astype(float)
    net = clone(NET).set_params(max_iter=5, max_fun=20, polish=False).fit(X, y)
    advice = " ".join(check.advice for check in net.diagnostics())
    assert "NotAtMinimumWarning" in " ".join(net.inference_.warnings)
    assert "scaled" not in advice and "TransformedTarget" not in advice
    with pytest.warns(match="without a transformer of y"):
        make_scaled(clone(NET)).fit(X, y)


@pytest.mark.parametrize("count", [0.0, 3.0])
def test_counts_that_do_not_vary_tell_nothing_of_their_noise(count):
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.full(20, count)
    net = MLPRegressorCI(
        hidden_layer_sizes=(3,),
        loss="poisson",
        solver="lbfgs",
        alpha=0.1,
        max_iter=500,
        random_state=0,
    )
    with pytest.warns(NoResidualDofWarning, match="target that does not vary") as told:
        net.fit(X, y)
    assert "a known noise" in str(told[0].message)
    for kind in ("confidence", "prediction"):
        _, interval = net.predict_interval(X, kind=kind)
        assert (interval == [0.0, np.inf]).all()
    if count:  # the advice; of zeros the logarithm of the mean is not known either
        _, interval = net.set_params(noise=1.0).fit(X, y).predict_interval(X)
        assert np.isfinite(interval).all()
    y[0] += 1.0
    assert np.isfinite(net.set_params(noise="auto").fit(X, y).inference_.noise_variance)
