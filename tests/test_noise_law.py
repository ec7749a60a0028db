"""Networks whose noise is not normal, or not even: `errors` and `variance`."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from cases import CONVERGED, dense_inverse
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    exceptions,
)
from sklearn_nnci._inference import variance_choice
from sklearn_nnci._inference.variance import Variances
from sklearn_nnci._network import jacobian

BOTH = dict(errors="empirical", variance="auto")
SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)


def data(n=240, m=1, seed=0):
    """Skewed noise, nine times as much at one end as at the other."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2.0, 2.0, (n, 2))
    f = np.sin(X[:, 0]) + 0.5 * X[:, 1]
    skewed = rng.exponential(size=(n, m)) - 1.0
    y = f[:, None] + 0.3 * np.exp(np.log(9.0) / 4.0 * X[:, :1]) * skewed
    return X, y[:, 0] if m == 1 else y


X, Y = data()
T = np.random.default_rng(1).uniform(-2.2, 2.2, (50, 2))


def refit(net, **parameters):
    return copy.deepcopy(net).set_params(**parameters).fit_inference(X, Y)


@pytest.fixture(scope="module")
def plain():
    return MLPRegressorCI(**SMALL).fit(X, Y)


@pytest.fixture(scope="module")
def both(plain):
    return refit(plain, **BOTH)


# ------------------------------------------------------------------------- errors


def test_only_prediction_intervals_have_other_quantiles(plain):
    one, other = (
        net.get_prediction(T) for net in (plain, refit(plain, errors="empirical"))
    )
    for name in ("mean", "se_mean", "se_obs", "leverage", "noise_variance"):
        assert (getattr(one, name) == getattr(other, name)).all(), name
    assert (one.conf_int() == other.conf_int()).all()
    assert not np.isclose(one.conf_int(obs=True), other.conf_int(obs=True)).any()


@pytest.mark.parametrize("noise", ["residual", "loo", 0.04])
def test_ends_are_quantiles_of_residuals_of_the_fit_in_use(plain, noise):
    net = refit(plain, covariance="bayesian", noise=noise, errors="empirical")
    seen, prediction = net.influence(X, Y), net.get_prediction(T)
    r = seen.residuals / np.sqrt(1.0 - np.minimum(seen.leverage, 0.9))
    z = r / np.sqrt(np.mean(r**2))
    level = 0.8
    ends = stats.mstats.hdquantiles(z, [0.1, 0.9])
    se_obs = prediction.se_obs
    expected = prediction.mean + np.outer(ends, se_obs)
    assert net.inference_.errors == "empirical, skewed"
    found = prediction.conf_int(level, obs=True)
    assert_allclose(found, expected.T, rtol=1e-8)


def test_tails_have_their_share():
    """At 90 % a twentieth each, on average over data sets; of normal ones, not."""
    rng, shares = np.random.default_rng(5), {"normal": [], "empirical": []}
    for seed in range(8):
        X, y = data(200, seed=seed)
        f = np.sin(X[:, 0]) + 0.5 * X[:, 1]
        y = f + 0.3 * (rng.exponential(size=200) - 1.0)
        net = MLPRegressorCI(**SMALL).fit(X, y)
        new = f + 0.3 * (rng.exponential(size=(200, 200)) - 1.0)
        for errors, kept in shares.items():
            net.set_params(errors=errors).fit_inference(X, y)
            low, high = net.predict(X, return_pi=True, confidence_level=0.9)[1].T
            kept.append([np.mean(new < low), np.mean(new > high)])
    normal, empirical = (np.mean(kept, axis=0) for kept in shares.values())
    assert (empirical > 0.03).all() and (empirical < 0.07).all()
    assert normal[0] < 0.02


def test_draws_of_skewed_noise_are_skewed():
    """Exponential noise about its mean: 63 % of it below, none of it piled up there."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-2.0, 2.0, (400, 1))
    y = np.sin(2.0 * X[:, 0]) + 0.5 * (rng.exponential(size=400) - 1.0)
    net = MLPRegressorCI(**SMALL | dict(hidden_layer_sizes=(6,)), errors="empirical")
    found = net.fit(X, y).get_prediction(X[:100])
    drawn = found.sample(1000, 1, obs=True) - found.mean
    assert np.mean(drawn < 0.0) == pytest.approx(0.63, abs=0.04)
    assert np.mean((drawn >= 0.0) & (drawn < 0.02)) < 0.03


def test_prediction_intervals_contain_confidence_intervals(both):
    levels = [0.05, 0.5, 0.9, 0.999]
    prediction = both.get_prediction(T)
    ci, pi = (prediction.conf_int(levels, obs=obs) for obs in (False, True))
    assert (pi[:, 0] <= ci[:, 0]).all() and (pi[:, 1] >= ci[:, 1]).all()


def test_bonferroni_divides_what_lies_beyond(both):
    few = both.get_prediction(T[:5])
    alone = few.conf_int(1.0 - 0.2 / 5, obs=True)
    together = few.conf_int(0.8, obs=True, simultaneous="bonferroni")
    assert_allclose(together, alone)


def test_rows_held_out_tell_the_law_where_they_tell_the_noise():
    adam = dict(hidden_layer_sizes=(5,), early_stopping=True, random_state=0,
                validation_fraction=0.3, noise="validation", errors="empirical",
                covariance="bayesian")  # fmt: skip
    net = MLPRegressorCI(**adam).fit(X, Y)
    rows = net._problem(X, Y[:, None], None).held_out.rows
    e = Y[rows] - net.predict(X[rows])
    z = e / np.sqrt(np.mean(e**2))
    assert_allclose(net._inference["errors"]["values"][0], np.sort(z), rtol=1e-6)


def test_rows_held_out_are_in_units_of_local_noise():
    adam = dict(hidden_layer_sizes=(5,), early_stopping=True, random_state=0,
                validation_fraction=0.3, noise="validation", **BOTH)  # fmt: skip
    X, Y = data(n=800)
    net = MLPRegressorCI(**adam).fit(X, Y)
    assert net.inference_.variance != "constant"
    rows = net._problem(X, Y[:, None], None).held_out.rows
    z = Y[rows] - net.predict(X[rows])
    z = z / np.sqrt(net.get_prediction(X[rows]).noise_variance)
    z = np.sort(z / np.sqrt(np.mean(z**2)))
    assert_allclose(net._inference["errors"]["values"][0], z, rtol=1e-6)


def test_even_noise_that_might_have_varied_has_the_law_of_all_rows(plain, monkeypatch):
    monkeypatch.setattr(variance_choice, "LEAST_GAIN", np.inf)
    monkeypatch.setattr(variance_choice, "MOST_ROWS", 120)
    even, found = (
        refit(plain, **{**BOTH, "variance": v}) for v in ("constant", "auto")
    )
    assert found.inference_.variance == "constant"
    assert_allclose(
        found.predict(T, return_pi=True)[1], even.predict(T, return_pi=True)[1]
    )


def test_kernels_of_many_rows_are_never_there_at_once(plain, monkeypatch):
    seen = []

    def counted(self, columns, f, at=Variances.__call__):
        seen.append(columns.shape[1])
        return at(self, columns, f)

    monkeypatch.setattr(Variances, "__call__", counted)
    n = 5000
    refitted = copy.deepcopy(plain).set_params(**BOTH)
    refitted.fit_inference(*data(n=n))
    assert seen and max(seen) < n


def test_a_row_of_weight_k_is_k_rows(plain):
    w = np.arange(len(Y)) % 3 + 1
    times = np.repeat(np.arange(len(Y)), w)
    weighted, copies = (
        copy.deepcopy(plain).set_params(errors="empirical", covariance="least_squares")
        for _ in range(2)
    )
    weighted.fit_inference(X, Y, w)
    copies.fit_inference(X[times], Y[times])
    levels = [0.5, 0.8, 0.95]
    one, other = (
        net.predict(T, return_pi=True, confidence_level=levels)[1]
        for net in (weighted, copies)
    )
    assert_allclose(one, other, rtol=1e-6)


# ----------------------------------------------------------------------- variance


@pytest.mark.parametrize(
    ("covariance", "units"),
    [("bayesian", 3), ("frequentist", 3), ("evidence", 3), ("evidence", 100)],
)
def test_the_variance_of_the_mean_is_the_sandwich(covariance, units):
    """A^-1 (sum s^2(x_i) j_i j_i' + prior Lambda) A^-1, written out."""
    net = MLPRegressorCI(**SMALL | dict(hidden_layer_sizes=(units,)))
    net.set_params(covariance=covariance, variance="auto").fit(X, Y)
    report = net.inference_
    assert report.route == ("primal" if units == 3 else "dual")
    assert report.variance != "constant"
    prediction, rows = net.get_prediction(T), net.get_prediction(X)
    J, j = net.jacobian(X), net.jacobian(T)
    n_free = 1 if covariance == "evidence" else units + 1
    Lambda = np.r_[np.full(J.shape[1] - n_free, report.penalty), np.zeros(n_free)]
    A_inv = dense_inverse(J[:, None], np.ones(len(J)), Lambda)
    prior = 0.0 if covariance == "frequentist" else report.noise_variance
    meat = (J.T * rows.noise_variance) @ J + prior * np.diag(Lambda)
    v = np.einsum("ij,jk,ik->i", j, A_inv @ meat @ A_inv, j)
    step = net._inference["step"]
    b = 0.0 if step is None else j @ step
    assert_allclose(prediction.se_mean**2, v + b**2, rtol=1e-5)
    obs = np.maximum(prediction.noise_variance + v + b**2, v + b**2)
    assert_allclose(prediction.se_obs**2, obs, rtol=1e-5)
    assert_allclose(np.diag(prediction.covariance()), prediction.se_mean**2, rtol=1e-6)


def test_auto_adds_its_excess_where_the_noise_is(both):
    prediction = both.get_prediction(T)
    relative = prediction.noise_variance / both.inference_.noise_variance
    assert relative.max() / relative.min() > 10.0
    v = prediction.leverage * prediction.noise_variance
    b = both.jacobian(T) @ both._inference["step"]
    excess = both.inference_.excess_variance * relative
    assert_allclose(prediction.se_mean**2, v + b**2 + excess, rtol=1e-8)
    assert_allclose(np.diag(prediction.covariance()), prediction.se_mean**2, rtol=1e-6)


@pytest.mark.parametrize("regularization", ["alpha", "evidence"])
def test_rows_among_others_do_not_extrapolate_for_having_little_noise(regularization):
    rng = np.random.default_rng(0)
    x, inside = rng.uniform(-2.0, 2.0, 300), np.linspace(-1.9, 1.9, 400)[:, None]
    y = np.sin(2.0 * x) + 0.1 * 9.0 ** ((x + 2.0) / 4.0) * rng.standard_normal(300)
    net = MLPRegressorCI(**SMALL | dict(hidden_layer_sizes=(8,)), variance="auto")
    net.set_params(regularization=regularization).fit(x[:, None], y)
    assert net.inference_.variance != "constant"
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.ExtrapolationWarning)
        assert not net.get_prediction(inside).extrapolates.any()
        net.predict([[0.0]], return_pi=True)
    assert net.get_prediction([[2.5], [-2.5]]).extrapolates.all()


def test_even_noise_is_left_alone_to_the_last_bit():
    rng = np.random.default_rng(2)
    y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(len(X))
    net = MLPRegressorCI(**SMALL).fit(X, y)
    expected = net.get_prediction(T)
    found = net.set_params(variance="auto").fit_inference(X, y).get_prediction(T)
    assert net.inference_.variance == "constant"
    for name in ("mean", "se_mean", "se_obs", "noise_variance"):
        assert (getattr(found, name) == getattr(expected, name)).all(), name


def test_widths_follow_the_noise(plain, both):
    quiet, loud = np.array([[-1.6, 0.0]]), np.array([[1.6, 0.0]])
    ratios = []
    for net in (plain, both):
        (low,), (high,) = (np.diff(net.predict(x, return_pi=True)[1])[:, 0]
                           for x in (quiet, loud))  # fmt: skip
        ratios.append(high / low)
    assert ratios[0] < 1.5 and ratios[1] == pytest.approx(9.0**0.8, rel=0.5)


def test_a_regressor_of_ones_own(plain):
    wanted = make_pipeline(StandardScaler(), LinearRegression())
    net = refit(plain, variance=wanted)
    assert net.inference_.variance == "regressor"
    fitted = net.variance_model_
    assert fitted is not wanted and not hasattr(wanted[-1], "coef_")
    log_variance = np.log(net.get_prediction(X).noise_variance)
    seen = fitted.predict(X)
    assert_allclose(log_variance - log_variance[0], seen - seen[0], atol=1e-9)
    grown = refit(plain, variance=HistGradientBoostingRegressor(max_iter=20))
    assert grown.get_prediction(T).noise_variance.max() > 0.0
    for other in (plain, refit(plain, variance="auto")):
        assert not hasattr(other, "variance_model_")


def test_outputs_vary_each_by_itself():
    X, y = data(240, m=2)
    rng = np.random.default_rng(0)
    y[:, 1] = X[:, 1] + 0.1 * rng.standard_normal(240)
    net = MLPRegressorCI(**SMALL | dict(hidden_layer_sizes=(5,)), **BOTH).fit(X, y)
    report = net.inference_
    assert report.variance[0] != "constant" and report.variance[1] == "constant"
    noise = net.get_prediction(T).noise_variance
    assert np.ptp(noise[:, 1]) == 0.0 and np.ptp(noise[:, 0]) > 0.0
    low, high = (net.predict(T, return_pi=True)[1][:, :, k] for k in (0, 1))
    y_pred = net.predict(T)
    below, above = y_pred - low, high - y_pred
    assert_allclose(below[:, 1], above[:, 1])
    assert (above[:, 0] > 1.2 * below[:, 0]).all()
    model = net.set_params(variance=LinearRegression()).fit_inference(X, y)
    assert len(model.variance_model_) == 2


def test_fewer_than_a_hundred_rows_are_even():
    net = MLPRegressorCI(**SMALL, **BOTH).fit(X[:99], Y[:99])
    assert net.inference_.variance == "constant"


def test_a_known_noise_is_known_on_average(plain):
    net = refit(plain, covariance="bayesian", noise=0.04, variance="auto")
    variance = net.get_prediction(X).noise_variance
    assert net.inference_.noise == "known"
    assert np.ptp(variance) > 0.0 and np.mean(variance) == pytest.approx(0.04, rel=0.3)


def test_tuned_networks_have_them_too():
    net = MLPRegressorCI(hidden_layer_sizes=(5,), activation="tanh", random_state=0,
                         regularization="evidence", **BOTH).fit(X, Y)  # fmt: skip
    report = net.inference_
    assert (report.errors, report.variance) != ("normal", "constant")
    prediction, J, j = net.get_prediction(T), net.jacobian(X), net.jacobian(T)
    C = net.parameter_covariance()
    assert_allclose(prediction.se_mean**2, np.einsum("ij,jk,ik->i", j, C, j), rtol=1e-6)
    # What the rows add and the prior, in coordinates of raw X and y
    even = copy.deepcopy(net).set_params(variance="constant").fit_inference(X, Y)
    A_inv = even.parameter_covariance() / even.inference_.noise_variance
    noise = net.get_prediction(X).noise_variance
    rows = A_inv @ (J.T * noise) @ J @ A_inv
    prior = even.inference_.noise_variance * (A_inv - A_inv @ J.T @ J @ A_inv)
    assert_allclose(C, rows + prior, rtol=1e-4, atol=1e-8 * np.abs(C).max())


# -------------------------------------------------------------- committees, dask, state


def test_committees_average_laws_and_noise():
    template = MLPRegressorCI(activation="tanh", regularization="evidence", **BOTH)
    model = MLPEnsembleRegressorCI(
        template, architectures=((3,), (5,)), n_starts=2, random_state=0
    ).fit(X, Y)
    report, prediction = model.inference_, model.get_prediction(T)
    assert report.errors == ("empirical, skewed",) and report.variances != ("constant",)
    assert "variances" in repr(report)
    w, kept = model._in_use()
    noise = np.tensordot(w, [one.get_prediction(T).noise_variance for one in kept], 1)
    assert_allclose(prediction.noise_variance, noise)
    assert_allclose(prediction.se_obs**2, noise + prediction.se_mean**2)
    alone = [model.get_prediction(T[k : k + 1]).se_obs[0] for k in range(3)]
    assert_allclose(alone, prediction.se_obs[:3])
    pi = prediction.conf_int(0.8, obs=True)
    below, above = prediction.mean - pi[:, 0], pi[:, 1] - prediction.mean
    assert (above > below).all()
    single = kept[int(np.argmax(w))].predict(T, return_pi=True, confidence_level=0.8)
    assert_allclose(pi, single[1], atol=0.5 * np.ptp(Y))


def test_dask_arrays_are_predicted_and_not_fitted(both):
    da = pytest.importorskip("dask.array")
    D = da.from_array(T, chunks=(20, 2))
    for flag in ("return_pi", "return_ci", "return_std"):
        lazy, here = (both.predict(x, **{flag: True})[1] for x in (D, T))
        assert_allclose(lazy.compute(), here)
    rows = da.from_array(X, chunks=(80, 2)), da.from_array(Y, chunks=80)
    net = copy.deepcopy(both)
    with pytest.raises(ValueError, match="variance='auto' takes rows in one place"):
        net.fit_inference(*rows)
    net.set_params(variance="constant").fit_inference(*rows)
    expected = refit(both, variance="constant")
    levels = [0.5, 0.95]
    one, other = (
        each.predict(T, return_pi=True, confidence_level=levels)[1]
        for each in (net, expected)
    )
    assert_allclose(one, other, rtol=1e-8)


@pytest.mark.parametrize("variance", ["auto", LinearRegression()], ids=["auto", "own"])
def test_pickles_and_copies_say_the_same(plain, variance):
    net = refit(plain, errors="empirical", variance=variance)
    expected = net.predict(T, return_pi=True)[1]
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        with warnings.catch_warnings():
            warnings.simplefilter("error", exceptions.StaleParametersWarning)
            found = other.predict(T, return_pi=True)[1]
        assert_allclose(found, expected)
    assert repr(clone(net).variance) == repr(variance)


def test_state_is_plain(both):
    skops = pytest.importorskip("skops.io")
    loaded = skops.loads(
        skops.dumps(both), trusted=["sklearn_nnci._regressor.MLPRegressorCI"]
    )
    assert_allclose(
        loaded.predict(T, return_pi=True)[1], both.predict(T, return_pi=True)[1]
    )


def test_what_was_fitted_is_served(plain):
    net = copy.deepcopy(plain).set_params(
        errors="empirical", variance=LinearRegression()
    )
    with pytest.warns(exceptions.StaleParametersWarning, match="errors='empirical'"):
        found = net.predict(T, return_pi=True)[1]
    assert (found == plain.predict(T, return_pi=True)[1]).all()
    net.fit_inference(X, Y)
    net.variance.set_params(fit_intercept=False)
    with pytest.warns(exceptions.StaleParametersWarning, match="variance="):
        net.predict(T, return_pi=True)


def test_bounds_pass_through_a_transformer():
    model = TransformedTargetRegressorCI(
        MLPRegressorCI(**SMALL, **BOTH), transformer=StandardScaler()
    ).fit(X, Y)
    inner = model.regressor_.get_prediction(T)
    scale, center = model.transformer_.scale_[0], model.transformer_.mean_[0]
    pi = model.predict(T, return_pi=True)[1]
    assert_allclose(pi, center + scale * inner.conf_int(obs=True))
    variance = model.get_prediction(T).noise_variance
    assert_allclose(variance, scale**2 * inner.noise_variance)


def test_searches_over_laws():
    search = GridSearchCV(
        MLPRegressorCI(**SMALL), {"variance": ["constant", "auto"]}, cv=2
    )
    best = search.fit(X, Y).best_estimator_
    assert best.predict(T, return_pi=True)[1].shape == (50, 2)


@pytest.mark.parametrize(
    ("name", "value"), [("errors", "empirical"), ("variance", "auto")]
)
def test_counts_have_a_law_of_their_own(name, value):
    counts = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0])).astype(float)
    net = MLPRegressorCI(loss="poisson", **SMALL, **{name: value})
    with pytest.warns(
        exceptions.InferenceUnavailableWarning, match=f"{name}='{value}'"
    ):
        net.fit(X, counts)
    with pytest.raises(ValueError, match="counts have a law of their own"):
        net.predict(T, return_ci=True)
    net.set_params(**{name: "normal" if name == "errors" else "constant"})
    assert net.fit_inference(X, counts).predict(T, return_ci=True)[1].shape == (50, 2)


@pytest.mark.parametrize(
    "parameters",
    [dict(errors="student"), dict(variance="linear"), dict(variance=LinearRegression),
     dict(variance=2.0)],
)  # fmt: skip
def test_other_values_are_refused(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        MLPRegressorCI(**SMALL, **parameters).fit(X, Y)


# ------------------------------------------------------------------------ advice


def check_of(net, name):
    return next(check for check in net.diagnostics() if check.name.startswith(name))


def test_checks_of_the_noise_lead_to_the_options(plain):
    skewed = check_of(plain, "noise that is not normal")
    uneven = check_of(plain, "noise that varies")
    assert skewed.verdict == uneven.verdict == "notice"
    assert "errors='empirical'" in skewed.advice
    assert "variance='auto'" in uneven.advice
    net = refit(plain, **BOTH)
    for name in ("noise that is not normal", "noise that varies"):
        assert check_of(net, name).verdict == "not applicable"


def test_normal_and_even_noise_passes():
    verdicts = []
    for seed in range(20):
        X, _ = data(150, seed=seed)
        e = np.random.default_rng(100 + seed).standard_normal(150)
        net = MLPRegressorCI(**SMALL).fit(X, np.sin(X[:, 0]) + 0.2 * e)
        names = "noise that is not normal", "noise that varies"
        verdicts += [check_of(net, name).verdict for name in names]
    assert verdicts.count("ok") >= 36


def test_the_advice_helps():
    """Winkler's score of new observations, at 95 %, where the checks spoke."""
    scores = []
    for seed in range(5):
        X, y = data(300, seed=seed)
        T, new = data(3000, seed=100 + seed)
        net = MLPRegressorCI(**SMALL).fit(X, y)
        for parameters in (dict(errors="normal", variance="constant"), BOTH):
            net.set_params(**parameters).fit_inference(X, y)
            low, high = net.predict(T, return_pi=True)[1].T
            missed = np.maximum(low - new, 0.0) + np.maximum(new - high, 0.0)
            scores.append(np.mean(high - low + 40.0 * missed))
    before, after = np.reshape(scores, (-1, 2)).T
    assert (after < 0.95 * before).all() and after.mean() < 0.8 * before.mean()


def test_jacobian_of_these_tests_is_that_of_the_package(plain):
    F = jacobian.factors(plain._network(), T)
    assert_allclose(jacobian.dense(F)[:, 0].T, plain.jacobian(T))
