"""Quantiles of residuals: by scipy, by closed forms, by copies of rows, at the ends.

The residuals themselves are those of dense algebra, and the two tests of the noise
those of scipy and statsmodels.
"""

import itertools

import numpy as np
import pytest
from cases import CASES, Case, dense_inverse, rows_with
from numpy.testing import assert_allclose
from scipy import integrate, stats
from scipy.stats import mstats
from sklearn import config_context
from statsmodels.stats.diagnostic import het_breuschpagan

from sklearn_nnci._inference.error_law import (
    ErrorLaw,
    error_law,
    harrell_davis,
    pooled,
    reach,
)
from sklearn_nnci._inference.noise_checks import NOT_TESTED, evenness, normality
from sklearn_nnci._linearized.left_out import HELD, KNOTS, Knots, Trend, Units
from sklearn_nnci._linearized.route import factorise, reduce_within_memory
from sklearn_nnci._linearized.sandwich import LEVERAGE_CAP
from sklearn_nnci._linearized.training_rows import Penalty
from sklearn_nnci._network import jacobian
from sklearn_nnci._network.perceptron import forward

LEVELS = np.array([0.05, 0.5, 0.8, 0.9, 0.95, 0.99, 0.9999])
NORMAL = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)


def law_of(values, w=None, dof=np.inf):
    values = np.atleast_2d(values)
    w = np.ones(values.shape[1]) if w is None else w
    return error_law(Knots.of(values, w), np.full(len(values), dof))


def lognormal(n, seed=0):
    return np.exp(np.random.default_rng(seed).normal(size=n)) - np.exp(0.5)


def test_quantiles_are_those_of_scipy():
    z, p = np.sort(np.random.default_rng(0).standard_t(3, 57)), [0.01, 0.3, 0.5, 0.975]
    expected = mstats.hdquantiles(z, p)
    assert_allclose(harrell_davis(z, np.ones(57), np.array(p)), expected, rtol=1e-10)


@pytest.mark.parametrize("values", [NORMAL[::67], lognormal(300)], ids=["even", "skew"])
def test_a_row_of_weight_k_is_k_rows(values):
    w = np.random.default_rng(1).integers(1, 4, len(values)).astype(float)
    copies = np.repeat(values, w.astype(int))
    one, other = law_of(values, w, dof=30.0), law_of(copies, dof=30.0)
    assert one.skewed == other.skewed == (values[-1] == lognormal(300)[-1])
    assert_allclose(one.quantile(LEVELS), other.quantile(LEVELS), rtol=1e-9)


def test_neither_rows_of_weight_zero_nor_their_order_matter():
    values, w = lognormal(200), np.ones(200)
    order = np.random.default_rng(0).permutation(200)
    more = np.r_[values, 1e9, -1e9]
    expected = law_of(values).quantile(LEVELS)
    assert_allclose(law_of(values[order]).quantile(LEVELS), expected, rtol=1e-9)
    found = law_of(more, np.r_[w, 0.0, 0.0]).quantile(LEVELS)
    assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("n", [100, 20_000])
def test_normal_residuals_have_normal_quantiles(n):
    law = law_of(stats.norm.ppf((np.arange(n) + 0.5) / n))
    levels = [0.5, 0.8, 0.9, 0.95]
    lower, upper = law.quantile(levels)
    expected = stats.norm.isf((1.0 - np.array(levels)) / 2.0)
    assert_allclose(upper[0], expected, rtol=2.0 / n**0.5 if n < 1000 else 1e-3)
    assert_allclose(lower, -upper, rtol=1e-9)


@pytest.mark.parametrize(
    ("law", "values"),
    [
        (stats.expon(), stats.expon.ppf((np.arange(5000) + 0.5) / 5000)),
        (stats.lognorm(1.0), stats.lognorm(1.0).ppf((np.arange(5000) + 0.5) / 5000)),
    ],
    ids=["exponential", "lognormal"],
)
def test_skewed_residuals_have_a_quantile_for_each_tail(law, values):
    found = law_of(values - law.mean())
    lower, upper = (end[0] for end in found.quantile([0.5, 0.9, 0.95]))
    size = np.sqrt(np.mean((values - law.mean()) ** 2))
    p = np.array([0.25, 0.05, 0.025])
    assert_allclose(lower, (law.ppf(p) - law.mean()) / size, rtol=0.01)
    assert_allclose(upper, (law.isf(p) - law.mean()) / size, rtol=0.01)


def test_heavy_tails_have_a_narrow_middle_and_far_ends():
    law, t = stats.t(5), stats.norm
    values = law.ppf((np.arange(10_000) + 0.5) / 10_000)
    _, upper = law_of(values).quantile([0.5, 0.99])
    assert upper[0, 0] < 0.9 * t.isf(0.25) and upper[0, 1] > 1.15 * t.isf(0.005)
    assert_allclose(upper[0], law.isf([0.25, 0.005]) / np.sqrt(5.0 / 3.0), rtol=0.01)


def test_a_quantile_of_any_level_is_that_of_the_residuals():
    """Of an exponential law its median is below its mean."""
    law, p = law_of(lognormal(1500)), np.array([0.05, 0.3, 0.5, 0.6, 0.97])
    z = np.sort(lognormal(1500))
    z /= np.sqrt(np.mean(z**2))
    assert_allclose(law.at(p)[0], mstats.hdquantiles(z, p), rtol=1e-6, atol=1e-9)
    assert law.at(0.5) < 0.0
    even = law_of(NORMAL)
    assert_allclose(even.at(p)[0], stats.norm.ppf(p), atol=2e-3)
    many = np.linspace(1e-9, 1.0 - 1e-9, 5000)
    for one in (law, even, law_of(lognormal(40)), law_of([1.0])):
        assert (np.diff(one.at(many)) >= -1e-12).all()


def test_tails_are_apart_only_where_skewness_is_significant():
    """A gamma law of that skewness, by its quantiles, on both sides of the limit."""
    n, limit = 400, 2.5 * np.sqrt(6.0 / 400)
    p = (np.arange(n) + 0.5) / n
    seen = set()
    for skewness in np.linspace(0.2, 0.8, 13):
        z = stats.pearson3.ppf(p, skewness)
        law = law_of(z)
        assert law.skewed == (stats.skew(z) > limit)
        lower, upper = law.quantile(0.9)
        assert np.isclose(lower, -upper, rtol=1e-9) == (not law.skewed)
        seen.add(bool(law.skewed))
    assert seen == {False, True}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 2, 3, 20, 200])
def test_wider_for_higher_levels_and_never_inside_out(n, seed):
    levels = np.linspace(0.001, 0.99999, 400)
    for values in (lognormal(n, seed), np.random.default_rng(seed).standard_t(2, n)):
        lower, upper = law_of(values, dof=5.0).quantile(levels)
        assert (np.diff(upper) >= -1e-12).all() and (np.diff(lower) <= 1e-12).all()
        assert (lower <= 0.0).all() and (upper >= 0.0).all()


def test_beyond_the_last_row_it_is_students_quantile():
    law = law_of(stats.norm.ppf((np.arange(100) + 0.5) / 100), dof=7.0)
    levels = np.array([0.98 + 1e-9, 0.99, 0.9999])  # 100 (1 - L) / 2 < 1
    lower, upper = law.quantile(levels)
    t = stats.t.isf((1.0 - levels) / 2.0, 7.0)
    assert_allclose([upper[0], -lower[0]], [t, t])
    inside = law.quantile(0.98)[1]
    assert inside != stats.t.isf(0.01, 7.0)


def test_and_no_less_than_what_the_last_row_told():
    law = law_of(lognormal(100))
    (lower,), (upper,) = law.quantile([0.98, 0.981, 1.0 - 2.0**-40])
    t = stats.norm.isf(np.array([0.0095, 2.0**-41]))
    assert upper[1] == upper[0] > t[0]
    assert upper[2] == pytest.approx(t[1])
    assert_allclose(lower[1:], -t)
    assert lower[0] > -t[0]


@pytest.mark.parametrize(
    "values", [[0.0] * 50, [1.0], [np.inf, 1.0, 2.0]], ids=["zero", "one", "inf"]
)
def test_where_residuals_tell_nothing_it_is_students(values):
    law = law_of(values, dof=4.0)
    lower, upper = law.quantile([[0.3, 0.9]])
    t = stats.t.isf([[0.35, 0.05]], 4.0)
    assert lower.shape == (1, 1, 2)
    assert_allclose(upper[0], t)
    assert_allclose(lower[0], -t)


def test_outputs_are_by_themselves():
    e, w = np.array([NORMAL[::100], lognormal(200), np.zeros(200)]), np.ones(200)
    law = error_law(Knots.of(e, w), np.array([9.0, 50.0, 3.0]))
    assert law.skewed.tolist() == [False, True, False]
    lower, upper = law.quantile(LEVELS)
    for k, dof in enumerate(law.dof):
        alone = law_of(e[k], dof=dof).quantile(LEVELS)
        assert_allclose((lower[k], upper[k]), np.array(alone)[:, 0])


def test_units_do_not_matter():
    expected = law_of(lognormal(100)).quantile(LEVELS)
    for unit in (1e-170, 1e170):
        assert_allclose(law_of(unit * lognormal(100)).quantile(LEVELS), expected)


@pytest.mark.parametrize("draw", [lognormal, lambda n: NORMAL[:: len(NORMAL) // n]])
def test_few_knots_stand_for_many_rows(draw):
    values = draw(20_000)
    w = np.random.default_rng(0).integers(1, 3, len(values)).astype(float)
    law = law_of(values, w)
    assert law.values.shape[1] <= KNOTS
    assert law.n == pytest.approx(w.sum())
    z = np.sort(values) / np.sqrt(w @ values**2 / w.sum())
    counts = w[np.argsort(values)]
    lower, upper = law.quantile(LEVELS)
    p = (1.0 + LEVELS) / 2.0
    if law.skewed:
        assert_allclose(upper[0, 1:], harrell_davis(z, counts, p[1:]), rtol=1e-3)
        assert_allclose(lower[0, 1:], harrell_davis(z, counts, 1 - p[1:]), rtol=1e-3)
    else:
        order = np.argsort(np.abs(z))
        expected = harrell_davis(np.abs(z)[order], counts[order], LEVELS)
        assert_allclose(upper[0], expected, rtol=1e-3)


def test_chunks_may_be_merged_in_any_order():
    values = np.random.default_rng(0).standard_t(4, (2, 40_000))
    parts = [
        Knots.of(values[:, k : k + 500], np.ones(500)) for k in range(0, 40_000, 500)
    ]
    rng = np.random.default_rng(1)
    found = []
    for order in (range(80), rng.permutation(80)):
        total = Knots(np.empty((2, 0)), np.empty((2, 0)))
        for k in order:
            total = total.merge(parts[k])
        found.append(error_law(total, np.full(2, 9.0)).quantile(LEVELS))
        assert total.values.shape[1] <= HELD
    assert_allclose(*found, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("values", [NORMAL[::67], lognormal(300)], ids=["even", "skew"])
def test_its_density_is_one(values):
    law, u = law_of(values, dof=9.0), np.linspace(-200.0, 200.0, 800_001)
    density = np.exp(law.log_density(u[None]))[0]
    assert density.min() > 0.0
    assert integrate.trapezoid(density, u) == pytest.approx(1.0, abs=1e-6)
    symmetric = np.allclose(density, density[::-1])
    assert symmetric == (not law.skewed)


def test_its_density_is_that_of_kernels():
    values = lognormal(150)
    law, u = law_of(values, dof=9.0), np.linspace(-2.0, 6.0, 50)
    z = values / np.sqrt(np.mean(values**2))
    q = mstats.hdquantiles(z, [0.25, 0.75])
    width = 0.9 * 150**-0.2 * min(1.0, np.ptp(q) / 1.34)
    kde = stats.gaussian_kde(z, bw_method=width / z.std(ddof=1))
    expected = (150.0 * kde(u) + stats.t.pdf(u, 9.0)) / 151.0
    assert_allclose(law.log_density(u[None])[0], np.log(expected), rtol=1e-8)


def test_its_density_tends_to_that_of_the_noise():
    values = np.random.default_rng(0).exponential(size=4000) - 1.0
    u = np.array([[-0.8, 0.0, 1.0, 2.0]])
    found = law_of(values).log_density(u)
    assert_allclose(found, -1.0 - u, atol=0.1)


def test_its_density_where_residuals_tell_nothing_is_students():
    law = law_of(np.zeros(40), dof=5.0)
    u = np.array([[-1.0, 0.0, 30.0]])
    assert_allclose(law.log_density(u), stats.t.logpdf(u, 5.0))


@pytest.mark.parametrize("tiny", [0.0, 1e-15])
def test_its_density_where_most_residuals_are_equal(tiny):
    values = np.concatenate([np.arange(300) % 2 * tiny, NORMAL[::200]])
    law, u = law_of(values, dof=9.0), np.linspace(-4.0, 4.0, 801)
    density = np.exp(law.log_density(u[None]))[0]
    assert integrate.trapezoid(density, u) == pytest.approx(1.0, abs=0.02)


def test_a_row_of_weight_k_is_k_rows_in_its_density():
    values, w = lognormal(100), np.random.default_rng(1).integers(1, 4, 100) * 1.0
    u = np.linspace(-2.0, 5.0, 9)[None]
    copies = law_of(np.repeat(values, w.astype(int)))
    assert_allclose(law_of(values, w).log_density(u), copies.log_density(u))


def test_it_is_kept_as_plain_arrays():
    law = law_of(lognormal(100), dof=20.0)
    state = law.state()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    assert_allclose(ErrorLaw(**state).quantile(LEVELS), law.quantile(LEVELS))


def test_prediction_intervals_contain_confidence_intervals():
    rng = np.random.default_rng(0)
    noise, se_mean = rng.uniform(0.1, 2.0, (2, 500))
    for se_obs in (np.hypot(noise, se_mean), np.maximum(noise, se_mean)):
        lower, upper = law_of(lognormal(60)).quantile(LEVELS)
        for level, *ends in zip(LEVELS, lower[0], upper[0], strict=True):
            t = stats.norm.isf((1.0 - level) / 2.0)
            for end in ends:
                assert (reach(end, t, se_mean, se_obs) >= t * se_mean).all()


def test_by_students_quantile_an_interval_is_that_of_normal_noise():
    se_mean, t = np.array([0.3, 1.0, 1e158]), 2.1
    se_obs = np.hypot(se_mean, [1.0, 0.0, 1e160])
    for end in (t, -t):
        assert (reach(end, t, se_mean, se_obs) == t * se_obs).all()
    assert (reach(0.0, t, se_mean, se_obs) == t * se_mean).all()


def test_a_mixture_of_one_law_is_that_law():
    law = law_of(lognormal(150), dof=12.0)
    mixed = pooled([law, law], np.array([0.3, 0.7]), [2.0, 2.0])
    assert mixed.n == pytest.approx(150)
    assert_allclose(mixed.quantile(LEVELS), law.quantile(LEVELS), rtol=1e-9)
    assert pooled([law, None], np.array([0.3, 0.7]), [2.0, 2.0]) is None


def test_a_mixture_with_an_unbounded_noise_is_students():
    law = law_of(lognormal(150), dof=12.0)
    mixed = pooled([law, law], np.array([0.5, 0.5]), [2.0, np.inf])
    assert_allclose(mixed.quantile(0.9)[1], stats.t.isf(0.05, 12.0))


def test_a_mixture_of_several_outputs_is_that_of_each():
    e = np.array([NORMAL[::100], lognormal(200)])
    laws = [error_law(Knots.of(z, np.ones(200)), np.full(2, 9.0)) for z in (e, e[::-1])]
    w, variances = np.array([0.4, 0.6]), np.array([[1.0, 5.0], [3.0, 0.5]])
    mixed = pooled(laws, w, [np.diag(variance) for variance in variances])
    for k in range(2):
        alone = [law_of(z[k], dof=9.0) for z in (e, e[::-1])]
        expected = pooled(alone, w, variances[:, k]).quantile(LEVELS)
        found = [end[k] for end in mixed.quantile(LEVELS)]
        assert_allclose(found, np.array(expected)[:, 0], rtol=1e-9)


def test_a_mixture_has_the_quantiles_of_a_mixture():
    """Of N(0, 1) and N(0, 9), in units of its standard deviation."""
    law, w = law_of(NORMAL), np.array([0.75, 0.25])
    _, upper = pooled([law, law], w, [1.0, 9.0]).quantile([0.5, 0.95])
    at = upper[0] * np.sqrt(0.75 + 0.25 * 9.0)
    inside = 0.75 * stats.norm.cdf(at) + 0.25 * stats.norm.cdf(at / 3.0)
    assert_allclose(inside, [0.75, 0.975], atol=2e-3)


# Residuals, by dense algebra


def fit_of(rows, strength=0.3):
    penalty = Penalty(strength, rows.network.n_intercepts)
    return factorise(reduce_within_memory(rows), penalty)


def left_out_of(fit, step=None):
    return fit.information.leverages(LEVERAGE_CAP, step).left_out


def dense_residuals(case, w, strength, e):
    """(I - H_ii)^-1/2 e_i of eigenvalues of H_ii at most 0.9, (m, n)."""
    J = jacobian.dense(jacobian.factors(case.network, case.X)).T
    sizes = (case.n_features, *case.hidden, case.n_outputs)
    n_coefs = sum(a * b for a, b in itertools.pairwise(sizes))
    Lambda = np.where(np.arange(J.shape[2]) < n_coefs, strength, 0.0)
    H = J @ dense_inverse(J, w, Lambda) @ J.transpose(0, 2, 1)
    h, V = np.linalg.eigh(H)
    root = V / np.sqrt(1.0 - np.minimum(h, 0.9))[:, None, :] @ V.transpose(0, 2, 1)
    return np.einsum("nkl,ln->kn", root, e)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_residuals_are_those_of_dense_algebra(case):
    rng = np.random.default_rng(1)
    e = rng.normal(size=(case.n_outputs, case.n_samples))
    w = rng.integers(1, 4, case.n_samples).astype(float)
    rows = rows_with(case.network, case.X, e, w)
    found = left_out_of(fit_of(rows)).residuals
    unit = np.sqrt(e**2 @ w / w.sum())
    expected = dense_residuals(case, w, 0.3, e) / unit[:, None]
    assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)
    assert (found.weight == w).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_residuals_after_a_step(case):
    rng = np.random.default_rng(1)
    e = rng.normal(size=(case.n_outputs, case.n_samples))
    w = rng.integers(1, 4, case.n_samples).astype(float)
    fit = fit_of(rows_with(case.network, case.X, e, w))
    found = left_out_of(fit, fit.step).residuals
    J = jacobian.dense(jacobian.factors(case.network, case.X)).T
    unit = np.sqrt(e**2 @ w / w.sum())
    after = e - (J @ fit.step).T
    expected = dense_residuals(case, w, 0.3, after) / unit[:, None]
    assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", CASES[:8], ids=str)
def test_rows_as_copies_and_in_chunks(case):
    rng = np.random.default_rng(3)
    e = rng.standard_t(4, size=(case.n_outputs, case.n_samples))
    w = rng.integers(1, 4, case.n_samples).astype(float)
    rows = rows_with(case.network, case.X, e, w)
    times = np.repeat(np.arange(rows.size), w.astype(int))
    copies = rows._replace(X=rows.X[times], y=rows.y[times], weight=np.ones(len(times)))
    one, other = (left_out_of(fit_of(each)) for each in (rows, copies))
    laws = [error_law(each.residuals, np.full(len(e), 9.0)) for each in (one, other)]
    assert_allclose(*(law.quantile(LEVELS) for law in laws), rtol=1e-7)
    assert_allclose(normality(one.residuals), normality(other.residuals), rtol=1e-7)
    with config_context(working_memory=0):
        parts = left_out_of(fit_of(rows))
    assert_allclose(evenness(parts.trend), evenness(one.trend), rtol=1e-7)


def test_units_of_the_outputs_do_not_matter():
    case = Case("tanh", (3,), n_outputs=2, n_samples=60)
    e, scale = np.random.default_rng(0).normal(size=(2, 60)), np.array([3.0, 1e-3])
    network = case.network
    scaled = network._replace(
        coefs=(network.coefs[0], network.coefs[1] * scale),
        intercepts=(network.intercepts[0], network.intercepts[1] * scale),
    )
    one = rows_with(network, case.X, e)
    other = rows_with(scaled, case.X, e, scale=scale)
    tests = []
    for rows in (one, other):
        found = left_out_of(fit_of(rows, 0.0))
        tests.append((normality(found.residuals), evenness(found.trend)))
    assert_allclose(*tests, rtol=1e-6)


# The tests of the noise


@pytest.mark.parametrize("n", [20, 80, 3000])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_exponential"])
def test_normality_is_that_of_scipy(n, draw):
    z = getattr(np.random.default_rng(n), draw)((3, n))
    expected = stats.normaltest(z, axis=1)
    found = normality(Knots.of(z, np.ones(n)).few())
    tolerance = 1e-9 if n <= KNOTS else 1e-2
    assert found.statistic == pytest.approx(expected.statistic.max(), rel=tolerance)
    assert found.p_value == pytest.approx(
        min(1.0, 3 * expected.pvalue.min()), rel=100 * tolerance
    )
    assert 3 * stats.chi2.sf(found.critical, 2) == pytest.approx(0.01)


def test_normality_of_few_rows_or_none_is_not_tested():
    for values in (NORMAL[::1100], np.zeros(50), np.ones(50), np.full(50, np.nan)):
        assert normality(Knots.of(values[None], np.ones(len(values)))) == NOT_TESTED


def of_linear(X, y):
    """The rows of a network without hidden layer, fitted to y."""
    case = Case("tanh", (), n_samples=len(X), n_features=X.shape[1])
    coef, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)
    network = case.network._replace(coefs=(coef[:-1, None],), intercepts=(coef[-1:],))
    f = forward(network, X)[-1]
    return rows_with(network, X, y[None] - f)


@pytest.mark.parametrize("location", [0.0, 1e5])
def test_evenness_is_the_f_of_breusch_and_pagan(location):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 0.5] + (0.3 + np.abs(X[:, 0])) * rng.standard_t(5, 200)
    rows = of_linear(X + location, y)
    fit = fit_of(rows, 0.0)
    A = np.column_stack([X, np.ones(200)])
    H = A @ np.linalg.pinv(A)
    r = (y - H @ y) / np.sqrt(1.0 - np.diag(H))
    f = H @ y
    g = np.column_stack([np.ones(200), f, f**2, X, X**2])
    g = g[:, [0, 2, *range(3, 9)]]  # f is a sum of columns of X
    *_, F, p_value = het_breuschpagan(r, g)
    found = evenness(left_out_of(fit).trend)
    assert found.statistic == pytest.approx(F, rel=1e-6 if not location else 1e-3)
    assert found.p_value == pytest.approx(p_value, rel=1e-2)
    assert stats.f.sf(found.critical, 7, 192) == pytest.approx(0.001)


def test_columns_take_part_where_rows_are_many():
    case = Case("tanh", (), n_samples=80)  # 1 + 2 + 6 regressors
    totals = fit_of(rows_with(case.network, case.X, np.ones((1, 80)))).totals
    assert Units.of(totals).x.shape == (2, 0)
    totals = totals._replace(weight=90.0)
    assert Units.of(totals).x.shape == (2, 3)


def test_a_constant_column_says_nothing():
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(150, 2)), rng.normal(size=150)
    tests = []
    for columns in (X, np.column_stack([X, np.full(150, 0.1)])):
        rows = of_linear(columns, X[:, 0] + noise)
        tests.append(evenness(left_out_of(fit_of(rows, 1e-9)).trend))
    assert_allclose(*tests, rtol=1e-5)


def test_evenness_of_few_rows_or_no_noise_is_not_tested():
    case = Case("tanh", (), n_samples=40)
    e = np.random.default_rng(0).normal(size=(1, 40))
    rows = rows_with(case.network, case.X, e)
    assert evenness(left_out_of(fit_of(rows)).trend) == NOT_TESTED
    nothing = Trend(np.zeros((1, 3, 3)), np.zeros((1, 3)), np.zeros(1))
    assert evenness(nothing) == NOT_TESTED
    constant = np.zeros((1, 3, 3))
    constant[:, 0, 0] = 100.0
    seen = Trend(constant, np.array([[90.0, 0.0, 0.0]]), np.array([200.0]))
    assert evenness(seen) == NOT_TESTED
    silent = rows_with(case.network, np.tile(case.X, (5, 1)), np.zeros((1, 200)))
    found = left_out_of(fit_of(silent))
    assert evenness(found.trend) == normality(found.residuals) == NOT_TESTED


def test_levels_are_those_of_normal_noise():
    """In 400 samples of normal residuals 1 % are found, in skewed ones all."""
    rng, X = np.random.default_rng(7), np.random.default_rng(8).normal(size=(150, 2))
    A = np.column_stack([X, np.ones(150)])
    alarms = np.zeros(2)
    information = fit_of(of_linear(X, X[:, 0])).information
    for _ in range(400):
        e = rng.normal(size=150)
        e -= A @ np.linalg.lstsq(A, e, rcond=None)[0]
        rows = rows_with(information.sums.network, X, e[None])
        found = left_out_of(fit_of(rows, 0.0))
        tests = normality(found.residuals), evenness(found.trend)
        alarms += [test.p_value < 0.01 for test in tests]
    assert (alarms <= 13).all()  # of 4 expected; 13 and more: 1 in 4000
