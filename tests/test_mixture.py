"""Moments of a committee against draws from the mixture and dense sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_nnci import _mixture as mixture

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2))


def committee(seed, n_members, n, m, spread=0.3):
    """Weights, means, standard errors and covariances of a random committee."""
    rng = np.random.default_rng(seed)
    shape = (n, m) if m else (n,)
    weights = rng.dirichlet(np.ones(n_members))
    means = rng.normal(size=(n_members, *shape))
    size = means[0].size
    roots = rng.normal(size=(n_members, size, size))
    roots *= np.exp(spread * rng.normal(size=(n_members, size, 1)))
    covs = roots @ roots.transpose(0, 2, 1)
    se = np.sqrt(np.diagonal(covs, axis1=1, axis2=2)).reshape(means.shape)
    return weights, means, se, covs.reshape(n_members, *shape, *shape)


def given_as(covs):
    return [lambda C=C: C for C in covs]


def by_loops(weights, means, se, covs):
    """The formula of the module, entry by entry."""
    best, size = np.argmax(weights), means[0].size
    f = [means[k].ravel() for k in range(len(weights))]
    mean = sum(w * values for w, values in zip(weights, f, strict=True))
    cov = np.zeros((size, size))
    for k, w in enumerate(weights):
        d = [min(1.0, 3.0 * b / s) for b, s in
             zip(se[best].ravel(), se[k].ravel(), strict=True)]  # fmt: skip
        C = covs[k].reshape(size, size)
        for i in range(size):
            for j in range(size):
                cov[i, j] += w * (
                    d[i] * C[i, j] * d[j] + (f[k][i] - mean[i]) * (f[k][j] - mean[j])
                )
    return mean.reshape(means[0].shape), cov.reshape(means[0].shape * 2)


@settings(deadline=None, max_examples=60)
@given(SHAPES, st.integers(0, 2**31), st.sampled_from([0.0, 2.0]))
def test_moments_and_covariance_are_the_formula(shape, seed, spread):
    drawn = committee(seed, *shape, spread=spread)
    mean, cov = by_loops(*drawn)
    weights, means, se, covs = drawn
    found = mixture.moments(weights, means, se)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12, atol=1e-14)
    own = mixture.covariance(weights, means, se, given_as(covs))
    assert own.shape == means[0].shape * 2
    np.testing.assert_allclose(own, cov, rtol=1e-10, atol=1e-12 * cov.max())
    size = mean.size
    np.testing.assert_allclose(
        found.variance.ravel(), np.diag(own.reshape(size, size)), rtol=1e-10
    )
    assert np.linalg.eigvalsh(own.reshape(size, size)).min() > -1e-9 * own.max()


def test_moments_are_those_of_draws_from_the_mixture():
    weights, means, se, covs = committee(3, 4, 3, 0, spread=0.0)
    se_best = se[np.argmax(weights)]
    assert (se < 3.0 * se_best).all()  # or the cap would make it another mixture
    rng = np.random.default_rng(0)
    counts = rng.multinomial(200_000, weights)
    draws = np.concatenate(
        [rng.multivariate_normal(*law, size=n)
         for *law, n in zip(means, covs, counts, strict=True)]
    )  # fmt: skip
    own = mixture.covariance(weights, means, se, given_as(covs))
    found = mixture.moments(weights, means, se)
    np.testing.assert_allclose(found.mean, draws.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(own, np.cov(draws.T), atol=0.03 * own.max())


def test_one_member_alone_is_itself():
    _, means, se, covs = committee(0, 1, 3, 2)
    own = mixture.covariance(np.ones(1), means, se, given_as(covs))
    np.testing.assert_allclose(own, covs[0], rtol=1e-14)
    found = mixture.moments(np.ones(1), means, se)
    np.testing.assert_allclose(found.variance, se[0] ** 2, rtol=1e-14)
    assert not found.between.any()


def test_equal_members_have_nothing_between_them():
    _, means, se, covs = committee(0, 1, 3, 0)
    four = [np.repeat(a, 4, axis=0) for a in (means, se, covs)]
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    found = mixture.moments(weights, *four[:2])
    np.testing.assert_allclose(found.between, 0.0, atol=1e-30)
    np.testing.assert_allclose(found.within, se[0] ** 2)


W = np.array([0.6, 0.4])
F = np.array([[1.0, 2.0], [2.0, 2.0]])


def unbounded(*rows):
    """The covariance of a member that does not bound `rows`."""
    C = np.array([[1.0, 0.5], [0.5, 4.0]])
    C[list(rows)], C[:, list(rows)] = np.nan, np.nan
    C[list(rows), list(rows)] = np.inf
    return C


def test_a_member_without_bound_counts_three_times_the_best():
    se = np.array([[1.0, 2.0], [np.inf, 2.0]])
    found = mixture.moments(W, F, se)
    np.testing.assert_allclose(
        found.variance, [0.6 * 1 + 0.4 * 9 + 0.24, 4.0], rtol=1e-14
    )
    own = mixture.covariance(W, F, se, given_as([unbounded(), unbounded(0)]))
    # Beside the diagonal the member without bound says nothing.
    np.testing.assert_allclose(
        own, [[found.variance[0], 0.6 * 0.5], [0.6 * 0.5, 4.0]], rtol=1e-14
    )
    nearly = np.array([[1.0, 0.0], [0.0, 4.0]]) + np.diag([1e20, 0.0])
    limit = mixture.covariance(
        W, F, np.array([[1.0, 2.0], [1e10, 2.0]]), given_as([unbounded(), nearly])
    )
    np.testing.assert_allclose(own, limit, rtol=1e-9)


@pytest.mark.parametrize("other", [1.0, np.inf])
def test_a_best_member_without_bound_leaves_none(other):
    se = np.array([[np.inf, 2.0], [other, 2.0]])
    found = mixture.moments(W, F, se)
    assert found.variance[0] == np.inf and found.variance[1] == 4.0
    members = [unbounded(0), unbounded(0) if other == np.inf else unbounded()]
    own = mixture.covariance(W, F, se, given_as(members))
    assert own[0, 0] == np.inf and np.isnan(own[0, 1]) and np.isnan(own[1, 0])
    assert own[1, 1] == 4.0


def test_an_infinite_mean_is_not_bounded():
    found = mixture.moments(W, [[np.inf, 2.0], [1.0, 2.0]], np.ones((2, 2)))
    assert found.variance[0] == np.inf and np.isfinite(found.variance[1])


def test_certain_members_stay_certain():
    se = np.zeros((2, 2))
    assert not mixture.moments(W, F[[1, 1]], se).variance.any()
    own = mixture.covariance(W, F[[1, 1]], se, given_as([np.zeros((2, 2))] * 2))
    assert not own.any()


def test_weights_by_evidence_are_a_tempered_softmax():
    Z, S, n = np.array([-30.0, -25.0, -40.0]), np.array([2.0, 0.0, 9.0]), 100.0
    odds = np.exp(Z / 10.0) * np.exp(S / 10.0)
    found = mixture.by_evidence(Z, S, n)
    np.testing.assert_allclose(found, odds / odds.sum(), rtol=1e-13)
    # Constants of the evidence, units of y for example, cancel, however large.
    np.testing.assert_allclose(mixture.by_evidence(Z - 1e5, S, n), found, rtol=1e-9)


def test_weights_by_objective_are_a_tempered_likelihood_ratio():
    objectives, p, s2 = np.array([7.0, 5.0, 5.5]), 20, 0.1
    odds = np.exp(-4.0 * (objectives - 5.0) / (20 * 0.1))
    found = mixture.by_objective(objectives, p, s2)
    np.testing.assert_allclose(found, odds / odds.sum(), rtol=1e-13)
    # Units of y cancel: F and s^2 have the same.
    np.testing.assert_allclose(
        mixture.by_objective(objectives * 1e6, p, s2 * 1e6), found, rtol=1e-13
    )


@pytest.mark.parametrize("evidence, expected", [
    ([1.0, np.nan], [1, 0]), ([1.0, -np.inf], [1, 0]), ([np.inf, 1.0], [1, 0]),
    ([np.nan, np.nan], [0.5, 0.5]), ([-np.inf, -np.inf], [0.5, 0.5]),
    ([0.0, -1e9], [1, 0]),
])  # fmt: skip
def test_weights_of_evidences_that_are_no_numbers(evidence, expected):
    np.testing.assert_array_equal(
        mixture.by_evidence(evidence, [0.0, 0.0], 1.0), expected
    )


@pytest.mark.parametrize("objectives, s2, expected", [
    ([1.0, 2.0], 0.0, [1, 0]), ([1.0, 1.0], 0.0, [0.5, 0.5]),
    ([1.0, 2.0], np.inf, [0.5, 0.5]), ([np.nan, 2.0], 1.0, [0, 1]),
    ([np.inf, 2.0], 1.0, [0, 1]), ([np.nan, np.inf], 1.0, [0.5, 0.5]),
])  # fmt: skip
def test_weights_of_objectives_at_the_edges(objectives, s2, expected):
    np.testing.assert_array_equal(mixture.by_objective(objectives, 1, s2), expected)


def test_members_that_rest_on_a_row_are_dropped_but_the_best():
    weights = np.array([0.5, 0.3, 0.2])
    for leverages, expected in [
        ([0.5, 0.99, 0.95], [5 / 7, 0, 2 / 7]),
        ([0.99, 0.5, 0.5], weights),
        ([1.0, 1.0, 1.0], [1, 0, 0]),
        ([0.5, np.nan, 0.5], weights),
    ]:
        found = mixture.without_outliers(weights, leverages)
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_effective_number_counts_equal_members():
    assert mixture.effective_number(np.full(4, 0.25)) == pytest.approx(4.0)
    assert mixture.effective_number(np.array([1.0, 0.0])) == 1.0
