"""The law of counts and of a new one, against statsmodels and by quadrature."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, stats
from statsmodels.discrete.diagnostic import PoissonDiagnostic

from sklearn_nnci._inference import counts
from sklearn_nnci._linearized.count_sums import N_BINS, SUMS, count_sums
from sklearn_nnci._linearized.training_rows import Chunk
from sklearn_nnci._network import jacobian

SIZES = {"poisson": None, "nb2": lambda mu: 2.0 + 0.0 * mu, "nb1": lambda mu: mu / 2.0}


def drawn(law, n=400, seed=0):
    """X, means from 1 to 50, and counts about them."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.0, np.log(50.0), (n, 1))
    mu, size = np.exp(X[:, 0]), SIZES[law]
    y = rng.poisson(mu if size is None else mu * rng.gamma(size(mu)) / size(mu))
    return X, mu, y.astype(float)


def sums_at(mu, y, w=1.0, h=0.0):
    """The sums of rows of one output, as a chunk of these means gives them."""
    mu, w = np.atleast_2d(mu), np.broadcast_to(w, len(y))
    H = np.broadcast_to(h, len(y))[:, None, None]
    F = jacobian.Factors((), (), ())
    e, root = (y - mu) / np.sqrt(mu), np.sqrt(mu)
    chunk = Chunk(F, e, w, root, y[:, None], np.empty(0), np.log(mu))
    return count_sums(chunk, H, "poisson")


def of(sums, name):
    return sums[SUMS.index(name)]


# ------------------------------------------------------------------------- the sums


def test_sums_are_those_of_pearson_and_of_dean_and_lawless():
    X, _, y = drawn("nb2")
    result = sm.GLM(y, sm.add_constant(X), family=sm.families.Poisson()).fit()
    sums = sums_at(result.mu, y)
    assert sums.shape == (6, 1, N_BINS)
    assert of(sums, "pearson").sum() == pytest.approx(result.pearson_chi2, rel=1e-10)
    z = of(sums, "score").sum() / np.sqrt(2.0 * of(sums, "square").sum())
    dean = PoissonDiagnostic(result).test_dispersion().summary_frame()
    assert z == pytest.approx(dean["statistic"].iloc[1], rel=1e-10)
    # Leverages: residuals of rows left out, and Dean & Lawless's correction of bias.
    h = result.get_hat_matrix_diag()
    found = sums_at(result.mu, y, h=h)
    left_out = (result.resid_pearson / (1.0 - h)) ** 2
    assert of(found, "pearson").sum() == pytest.approx(left_out.sum(), rel=1e-10)
    more = of(found, "score").sum() - of(sums, "score").sum()
    assert more == pytest.approx(h @ result.mu, rel=1e-6)


def test_sums_of_parts_are_those_of_all_and_weights_are_copies():
    _, mu, y = drawn("nb1")
    w = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    whole, k = sums_at(mu, y, w), w.astype(int)
    parts = sums_at(mu[:150], y[:150], w[:150]) + sums_at(mu[150:], y[150:], w[150:])
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    copies = sums_at(np.repeat(mu, k), np.repeat(y, k))
    np.testing.assert_allclose(copies, whole, rtol=1e-12)


def test_means_beyond_the_bins_are_in_the_last_ones():
    sums = sums_at(np.array([1e-30, 1e30]), np.array([0.0, 1e30]))
    np.testing.assert_array_equal(of(sums, "weight")[0, [0, -1]], [1.0, 1.0])


# -------------------------------------------------------------- the law of the counts


def test_dispersion_is_that_without_bins():
    _, mu, y = drawn("nb2", seed=3)
    pearson = (y - mu) ** 2 / mu
    law = counts.count_law(sums_at(mu, y))
    alpha = optimize.brentq(lambda a: np.mean(pearson / (1.0 + a * mu)) - 1.0, 0.0, 9.0)
    assert law.beta[0] == 0.0
    assert law.alpha[0] == pytest.approx(alpha, rel=1e-2)
    _, mu, y = drawn("nb1", seed=3)
    law = counts.count_law(sums_at(mu, y))
    assert law.alpha[0] == 0.0
    assert 1.0 + law.beta[0] == pytest.approx(np.mean((y - mu) ** 2 / mu), rel=1e-10)


def kind(law):
    return "nb2" if law.alpha[0] else "nb1" if law.beta[0] else "poisson"


@pytest.mark.parametrize("law, least", [("poisson", 0.9), ("nb1", 0.9), ("nb2", 0.9)])
def test_the_law_is_recognised(law, least):
    found = []
    for seed in range(100):
        _, mu, y = drawn(law, n=200, seed=seed)
        found.append(kind(counts.count_law(sums_at(mu, y))))
    assert found.count(law) / 100 >= least
    if law == "poisson":  # the test has its size, 5 %
        assert found.count(law) < 100


def test_counts_that_vary_less_are_taken_as_poisson():
    rng = np.random.default_rng(0)
    trials = rng.integers(2, 60, 300)
    law = counts.count_law(sums_at(trials / 2.0, rng.binomial(trials, 0.5) * 1.0))
    assert kind(law) == "poisson"
    np.testing.assert_array_equal(law.size(np.array([1.0, 9.0])), np.inf)


def test_what_is_no_count_has_no_law():
    _, mu, y = drawn("poisson")
    assert counts.count_law(0.0) is None
    y[7] += 0.5
    assert counts.count_law(sums_at(mu, y)) is None


def test_a_dispersion_from_elsewhere_is_that_of_nb1():
    _, mu, y = drawn("nb2")
    law = counts.count_law(sums_at(mu, y), np.array([3.0]))
    np.testing.assert_allclose(law.size(mu), mu / 2.0)
    law = counts.count_law(sums_at(mu, y), np.array([0.5]))
    assert kind(law) == "poisson"


def test_each_output_has_a_law_of_its_own():
    (_, mu, y), (_, other, z) = drawn("poisson", seed=4), drawn("nb2", seed=2)
    both = np.concatenate([sums_at(mu, y), sums_at(other, z)], axis=1)
    law = counts.count_law(both)
    assert law.alpha[0] == 0.0 < law.alpha[1]
    size = law.size(np.array([[1.0, 10.0], [2.0, 20.0]]))
    np.testing.assert_allclose(size[:, 1], 1.0 / law.alpha[1])
    assert np.isinf(size[:, 0]).all()


# ------------------------------------------------------------------------ a new count


@pytest.mark.parametrize("s", [0.05, 0.3, 1.0])
def test_of_poisson_counts_it_is_the_mixture_over_jeffreys_posterior(s):
    mean, a = 7.0, 1.0 / s**2 + 0.5
    law = counts.new_count(np.array(mean), np.array(s), np.array(np.inf))
    posterior = stats.gamma(a, scale=mean * s**2)
    ends = posterior.ppf([1e-13, 1.0 - 1e-13])
    for y in (0, 3, 7, 20):
        exact = integrate.quad(
            lambda mu, y=y: stats.poisson.pmf(y, mu) * posterior.pdf(mu), *ends,
            epsabs=1e-13, limit=500,
        )[0]  # fmt: skip
        found = stats.nbinom.pmf(y, law.size, law.size / (law.size + law.mean))
        assert found == pytest.approx(exact, rel=1e-6)


def test_of_others_it_has_the_moments_of_the_mixture():
    mean, s, k = 20.0, 0.3, 4.0
    law = counts.new_count(*map(np.array, (mean, s, k)))
    rng = np.random.default_rng(0)
    mu = mean * s**2 * rng.gamma(1.0 / s**2 + 0.5, size=10**6)
    y = rng.poisson(mu * rng.gamma(k, size=10**6) / k)
    assert law.mean == pytest.approx(y.mean(), rel=2e-3)
    assert law.std == pytest.approx(y.std(), rel=3e-3)


@pytest.mark.parametrize("k", [np.inf, 10.0, 2.0])
@pytest.mark.parametrize("s", [0.0, 0.1, 0.2, 0.3])
def test_tails_hold_where_the_error_is_lognormal(k, s):
    """By summation over the log mean; the true law is not the Gamma of the formula."""
    z = np.linspace(-8.0, 8.0, 2001)
    w = stats.norm.pdf(z) / stats.norm.pdf(z).sum()
    for mean in (1.0, 5.0, 50.0, 1000.0):
        half = np.array(s * stats.norm.isf(0.025))
        low, high = counts.interval(np.array(mean), half, np.array(k), np.array(0.025))
        mu = mean * np.exp(s * z)
        law = stats.poisson(mu) if np.isinf(k) else stats.nbinom(k, k / (k + mu))
        assert w @ law.cdf(low - 1.0) < 0.0255
        assert w @ law.sf(high) < (0.0315 if s > 0.0 else 0.0255)


@pytest.mark.parametrize("mu", [1.0, 4.0, 30.0])
def test_it_is_a_prediction_interval_of_a_rate(mu):
    """S events in 20 units of time, the interval of the next unit: no asymptotics."""
    S = np.arange(1, 1500)
    chance = stats.poisson.pmf(S, 20.0 * mu)
    half = stats.norm.isf(0.025) / np.sqrt(S)  # of log (S / 20)
    low, high = counts.interval(S / 20.0, half, np.full(S.shape, np.inf), 0.025)
    assert chance @ stats.poisson.cdf(low - 1.0, mu) < 0.025
    assert chance @ stats.poisson.sf(high, mu) < 0.025
    assert (
        chance @ (stats.poisson.cdf(high, mu) - stats.poisson.cdf(low - 1, mu)) > 0.95
    )


@pytest.mark.parametrize("size", [np.inf, 1e9, 30.0, 1.5, 0.05])
@pytest.mark.parametrize("tail", [0.25, 0.025, 1e-6])
def test_bounds_are_the_closest_integers_that_leave_the_tail(size, tail):
    mean = np.array([1e-6, 0.02, 0.9, 1.0, 7.3, 50.0, 3e4])
    k = np.full(mean.shape, size)
    low, high = counts.NewCount(mean, k).at(tail)
    finite = np.minimum(k, 1e12)
    law = stats.nbinom(finite, finite / (finite + mean))
    slack = 1.0 + 1e-3
    assert (law.cdf(low - 1.0) <= tail * slack).all()
    assert (law.cdf(low) * slack >= tail).all()
    assert (law.sf(high) <= tail * slack).all()
    assert ((law.sf(high - 1.0) * slack >= tail) | (high == 0.0)).all()


def test_large_means_meet_the_continuous_law_without_a_step():
    for size in (2.0, 1e6, np.inf):
        around = counts.LARGE * np.array([1.0 - 1e-10, 1.0 + 1e-10])
        low, high = counts.NewCount(around, np.full(2, size)).at(0.025)
        np.testing.assert_allclose(low / low[0], 1.0, atol=1e-8)
        np.testing.assert_allclose(high / high[0], 1.0, atol=1e-8)


def test_integers_of_the_confidence_interval_are_in_it():
    mean = np.array([0.02, 0.5, 3.0, 1e4])
    for half in (0.1, 2.0, 6.0):
        low, high = counts.interval(mean, np.full(4, half), np.full(4, np.inf), 0.025)
        assert (low <= np.ceil(mean * np.exp(-half))).all()
        assert (high >= np.floor(mean * np.exp(half))).all()
    low, high = counts.interval(mean, np.full(4, 0.1), np.full(4, np.inf), 0.025)
    assert low[0] == high[0] == 0.0  # 0.02 is no count: 0 is what will be seen


@pytest.mark.parametrize("half", [np.inf, np.nan])
def test_what_is_not_bounded_is_not_bounded(half):
    found = counts.interval(np.array([3.0]), np.array([half]), np.array([2.0]), 0.025)
    assert found == (0.0, np.inf)
    assert counts.std(np.array([3.0]), np.array([half]), np.array([2.0])) == np.inf


def test_an_error_of_few_degrees_of_freedom_widens():
    mean, size = np.array([1e6]), np.array([np.inf])
    normal, student = (
        counts.interval(mean, np.array([0.1 * c]), size, 0.025)
        for c in (stats.norm.isf(0.025), stats.t.isf(0.025, 5))
    )
    np.testing.assert_allclose(np.log(normal[1] / mean), 0.196, rtol=0.06)
    np.testing.assert_allclose(np.log(student[1] / mean), 0.257, rtol=0.06)


@pytest.mark.parametrize("seed", range(20, 40))
def test_a_law_of_means_beyond_all_rounding(seed):
    """In one bin both laws say the same: the variance over the mean is Pearson's."""
    _, mu, y = drawn("nb2", seed=seed)
    sums = sums_at(1e50 * mu, 1e50 * y)
    weight, mean, pearson = (
        of(sums, one).sum() for one in ("weight", "mean", "pearson")
    )
    found = counts.count_law(sums)
    ratio = 1.0 + found.beta + found.alpha * mean / weight
    np.testing.assert_allclose(ratio, pearson / weight, rtol=1e-6)
