"""CRPS, log score and MSLL beside scoringrules, mpmath and integrals."""

import mpmath
import numpy as np
import pytest
import scoringrules as sr
from scipy import integrate, stats

from sklearn_nnci import Prediction
from sklearn_nnci.metrics import crps, log_score, msll
from sklearn_nnci.metrics._laws import ByIntervals, law_of

METRICS = {"crps": crps, "log": log_score}
same = dict(rtol=1e-12, atol=1e-12)


def data(m=1, n=40, seed=0):
    """Observations, locations and scales, (n[, m])."""
    rng = np.random.default_rng(seed)
    shape = (n,) if m == 1 else (n, m)
    return *rng.normal(size=(2, *shape)), rng.gamma(2.0, 0.7, shape)


@pytest.mark.skipif(not hasattr(sr, "crps_t"), reason="scoringrules is too old")
@pytest.mark.parametrize("dof", [1.5, 2.0, 3.3, 30.0, 441.0])
def test_student_scores_are_those_of_scoringrules(dof):
    y, f, s = data()
    expected = sr.crps_t(y, dof, f, s).mean()
    np.testing.assert_allclose(crps(y, f, s, dof=dof), expected, **same)
    expected = sr.logs_t(y, dof, f, s).mean()
    np.testing.assert_allclose(log_score(y, f, s, dof=dof), expected, **same)


def test_normal_scores_are_those_of_scoringrules():
    y, f, s = data()
    np.testing.assert_allclose(crps(y, f, s), sr.crps_normal(y, f, s).mean(), **same)
    np.testing.assert_allclose(
        log_score(y, f, s), sr.logs_normal(y, f, s).mean(), **same
    )


def in_fifty_digits(z, dof):
    """CRPS and log score of z under Student's law."""
    with mpmath.workdps(50):
        nu, t, half = mpmath.mpf(dof), mpmath.mpf(z), mpmath.mpf(0.5)
        log = mpmath.loggamma
        peak = mpmath.exp(log((nu + 1) / 2) - log(nu / 2)) / mpmath.sqrt(nu * mpmath.pi)
        f = peak * (1 + t * t / nu) ** (-(nu + 1) / 2)
        inner = 2 * t * peak * mpmath.hyp2f1(half, (nu + 1) / 2, 3 * half, -t * t / nu)
        beta = mpmath.beta(half, nu - half) / mpmath.beta(half, nu / 2) ** 2
        c = 2 * mpmath.sqrt(nu) / (nu - 1) * beta
        crps = t * inner + 2 * f * (nu + t * t) / (nu - 1) - c
        return float(crps), float(-mpmath.log(f))


@pytest.mark.parametrize("dof", [1.001, 4.0, 250.0, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("z", [0.0, 0.3, -2.0, 15.0])
def test_student_scores_in_fifty_digits(dof, z):
    """Where gamma functions are huge, too: scoringrules loses nine digits there."""
    expected = in_fifty_digits(z, dof)
    assert crps([z], [0.0], 1.0, dof=dof) == pytest.approx(expected[0], rel=2e-11)
    assert log_score([z], [0.0], 1.0, dof=dof) == pytest.approx(expected[1], rel=2e-11)


@pytest.mark.parametrize("dof", [2.5, 12.0, np.inf])
def test_crps_is_the_integral_that_defines_it(dof):
    law = stats.t(dof, 0.4, 1.3)

    def square(t, y):
        return (law.cdf(t) - (t >= y)) ** 2

    for y in (-1.0, 2.5):
        parts = [
            integrate.quad(square, *ends, args=(y,), epsabs=1e-11)[0]
            for ends in ((-np.inf, y), (y, np.inf))
        ]
        assert crps([y], [0.4], 1.3, dof=dof) == pytest.approx(sum(parts), abs=1e-8)


@pytest.mark.parametrize("metric", METRICS)
def test_many_degrees_of_freedom_tend_to_the_normal_law(metric):
    y, f, s = data()
    score = METRICS[metric](y, f, s, dof=1e9)
    assert score == pytest.approx(METRICS[metric](y, f, s), rel=1e-7)
    assert METRICS[metric](y, f, s, dof=5.0) != pytest.approx(score, rel=1e-3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("m", [1, 3])
def test_a_row_of_weight_k_is_k_rows(metric, m):
    given, w = data(m=m), np.arange(40) % 4
    score = METRICS[metric](*given, dof=7.0, sample_weight=w)
    repeated = METRICS[metric](*(np.repeat(a, w, axis=0) for a in given), dof=7.0)
    assert score == pytest.approx(repeated, rel=1e-12)
    assert score != pytest.approx(METRICS[metric](*given, dof=7.0), rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_outputs_are_averaged_as_in_scikit_learn(metric):
    y, f, s = data(m=2)
    dof, score = np.array([3.0, 9.0]), METRICS[metric]
    raw = score(y, f, s, dof=dof, multioutput="raw_values")
    one_by_one = [score(y[:, j], f[:, j], s[:, j], dof=dof[j]) for j in range(2)]
    np.testing.assert_allclose(raw, one_by_one, **same)
    assert score(y, f, s, dof=dof) == pytest.approx(raw.mean(), rel=1e-12)
    weighted = score(y, f, s, dof=dof, multioutput=[3.0, 1.0])
    assert weighted == pytest.approx((3 * raw[0] + raw[1]) / 4, rel=1e-12)
    rows = np.tile(dof, (40, 1))
    np.testing.assert_allclose(
        score(y, f, s, dof=rows, multioutput="raw_values"), raw, **same
    )


def test_limits_do_not_look_like_certainty():
    y = np.array([1.0, 2.0])
    assert crps(y, [0.0, 0.0], 0.0) == 1.5  # the absolute error
    assert log_score(y, [0.0, 0.0], 0.0) == np.inf
    assert log_score(y, y, 0.0) == -np.inf
    for score in METRICS.values():
        assert score(y, y, [1.0, np.inf]) == np.inf
    assert crps(y, y, 1.0, dof=1.0) == np.inf
    assert np.isfinite(log_score(y, y, 1.0, dof=1.0))


def test_msll_is_zero_for_the_trivial_model():
    y, f, s = data(m=2)
    train = 3.0 + 2.0 * data(m=2, seed=1)[0]
    zero = msll(y, np.tile(train.mean(axis=0), (40, 1)), train.std(axis=0), train)
    assert zero == pytest.approx(0.0, abs=1e-13)
    trivial = stats.norm(train.mean(axis=0), train.std(axis=0)).logpdf(y)
    expected = (trivial - stats.t.logpdf(y, 4.0, f, s)).mean(axis=0)
    np.testing.assert_allclose(
        msll(y, f, s, train, dof=4.0, multioutput="raw_values"), expected, **same
    )
    with pytest.raises(ValueError, match="2 outputs of y_true"):
        msll(y, f, s, train[:, 0])
    with pytest.raises(ValueError, match="y_train must vary"):
        msll(y, f, s, np.ones((5, 2)))


@pytest.mark.parametrize(
    "given, match",
    [
        (dict(scale=-1.0), "scale must be >= 0"),
        (dict(scale=np.nan), "scale contains nan"),
        (dict(dof=0.0), "dof > 0"),
        (dict(dof=np.ones(3)), "dof has shape"),
        (dict(y_pred=np.zeros(39)), "y_pred has shape"),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_what_is_no_law_is_refused_by_name(metric, given, match):
    y, f, s = data()
    given = dict(y_pred=f, scale=s) | given
    with pytest.raises(ValueError, match=match):
        METRICS[metric](y, given.pop("y_pred"), given.pop("scale"), **given)


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("dof", [5.0, np.inf])
def test_intervals_alone_give_the_crps_by_quadrature(m, dof):
    y, f, s = data(m=m)
    prediction = Prediction(f, s, s, dof if m == 1 else np.array([dof, 9.0]))
    observed = y.reshape(40, m)
    expected = law_of(prediction, observed).crps(observed)
    found = ByIntervals(prediction).crps(observed)
    np.testing.assert_allclose(found, expected, rtol=5e-3)
    assert found.mean() == pytest.approx(expected.mean(), rel=1e-3)
