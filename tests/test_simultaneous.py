"""Intervals that hold together."""

import numpy as np
import pytest
import statsmodels.api as sm
from cases import CONVERGED, sine_data
from least_squares import at_the_optimum, data
from scipy import stats

from sklearn_nnci import MLPRegressorCI, Prediction

SMALL = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED)


def test_scheffe_is_the_working_hotelling_band():
    X, y, _ = data()
    result = sm.OLS(y, sm.add_constant(X)).fit()
    model = at_the_optimum(X, y, covariance="least_squares")
    prediction = result.get_prediction(sm.add_constant(X))
    width = np.sqrt(4 * stats.f.ppf(0.9, 4, 46)) * prediction.se_mean
    mean = prediction.predicted_mean
    flags = dict(return_ci=True, simultaneous="scheffe", confidence_level=0.9)
    band = model.predict(X, **flags)[1]
    np.testing.assert_allclose(band, np.c_[mean - width, mean + width], rtol=1e-9)


@pytest.mark.parametrize("obs", [False, True])
def test_bonferroni_divides_the_error_by_the_intervals_of_the_call(obs):
    X, y = sine_data(n=60, m=2)
    net = MLPRegressorCI(**SMALL).fit(X, y)
    prediction = net.get_prediction(X[:5])
    flag = {"return_pi" if obs else "return_ci": True}
    np.testing.assert_allclose(
        net.predict(X[:5], **flag, simultaneous="bonferroni", confidence_level=0.9)[1],
        prediction.conf_int(1 - 0.1 / 10, obs=obs),
    )


@pytest.mark.parametrize("dof", [5.0, 20.0, np.inf])
@pytest.mark.parametrize("m", [1, 2])
def test_sup_t_covers_together(dof, m):
    """Noise simulated with its own chi-square: 0.93 to 0.97, by 4000 draws."""
    rng = np.random.default_rng(0)
    n = 12
    root = rng.normal(size=(n * m, 4))
    cov = root @ root.T
    shape = (n, m) if m > 1 else (n,)
    hits, draws = 0, 4000
    se = np.sqrt(np.diag(cov)).reshape(shape)
    dofs = np.full(m, dof) if m > 1 else dof
    one = Prediction(np.zeros(shape), se, se, dofs, covariance=lambda: cov)
    critical = one.conf_int(simultaneous="sup-t")[..., 1] / se
    assert critical.min() == pytest.approx(critical.max())
    deviation = (root @ rng.normal(size=(4, draws))) / se.reshape(-1, 1)
    scale = np.sqrt(rng.chisquare(dof, draws) / dof) if np.isfinite(dof) else 1.0
    hits = np.abs(deviation / scale).max(axis=0) < critical.min()
    assert 0.93 < hits.mean() < 0.97
    pointwise = one.conf_int()[..., 1] / se
    many = one.conf_int(simultaneous="bonferroni")[..., 1] / se
    assert pointwise.max() < critical.min() < many.min()


def test_sup_t_of_a_network_lies_between_pointwise_and_bonferroni_and_repeats():
    X, y = sine_data(n=80)
    net = MLPRegressorCI(**SMALL).fit(X, y)
    widths = [
        np.diff(net.predict(X, return_ci=True, simultaneous=kind)[1]).mean()
        for kind in (None, "sup-t", "bonferroni")
    ]
    assert widths[0] < widths[1] < widths[2]
    levels = [0.5, 0.9]
    one, two = (
        net.predict(X, return_ci=True, simultaneous="sup-t", confidence_level=levels)[1]
        for _ in range(2)
    )
    assert one.shape == (80, 2, 2)
    np.testing.assert_array_equal(one, two)


def test_single_interval_is_the_pointwise_one():
    X, y = sine_data(n=80)
    net = MLPRegressorCI(**SMALL).fit(X, y)
    pointwise = net.predict(X[:1], return_ci=True)[1]
    for kind in ("bonferroni", "sup-t"):
        ci = net.predict(X[:1], return_ci=True, simultaneous=kind)[1]
        np.testing.assert_allclose(np.diff(ci), np.diff(pointwise), rtol=0.05)


@pytest.mark.parametrize(
    "parameters, flags, match",
    [
        (dict(covariance="bayesian"), dict(simultaneous="scheffe"), "least_squares"),
        (dict(), dict(simultaneous="tukey"), "'tukey'"),
        (dict(), dict(return_pi=True, return_ci=False, simultaneous="sup-t"), "noise"),
        (
            dict(),
            dict(return_pi=True, return_ci=False, simultaneous="scheffe"),
            "noise",
        ),
    ],
)
def test_what_does_not_apply_is_refused(parameters, flags, match):
    X, y = sine_data(n=60)
    net = MLPRegressorCI(**SMALL, **parameters).fit(X, y)
    with pytest.raises(ValueError, match=match):
        net.predict(X, **{"return_ci": True, **flags})


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_scheffe_counts_the_rank_of_an_svd_where_rows_are_fewer(activation):
    """p = 101 and 40 rows: their Gram matrix shows half of that rank."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = np.sin(X[:, 0]) + 3.0 + 0.3 * rng.normal(size=40)
    net = MLPRegressorCI(
        hidden_layer_sizes=(20,), activation=activation, alpha=1.0, noise=0.09,
        covariance="frequentist", **CONVERGED,
    ).fit(X, y)  # fmt: skip
    assert net.inference_.route == "dual"
    J = net.jacobian(X)
    values, floor = np.linalg.svd(J, compute_uv=False), 101 * np.finfo(float).eps
    rank = np.sum(values > floor * np.linalg.norm(J))
    K = np.linalg.eigvalsh(J @ J.T)
    assert rank > 1.2 * np.sum(K > floor * K.max())
    pointwise, band = (
        np.diff(net.predict(X[:3], return_ci=True, simultaneous=kind)[1])
        for kind in (None, "scheffe")
    )
    ratio = np.sqrt(stats.chi2.isf(0.05, rank)) / stats.norm.isf(0.025)
    np.testing.assert_allclose(band, ratio * pointwise, rtol=0.02)
