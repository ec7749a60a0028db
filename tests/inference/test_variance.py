"""Functions of a noise that varies: by brute force, by closed forms, by copies."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from sklearn_nnci._inference import variance_choice
from sklearn_nnci._inference.variance import CONSTANT, Kernel, LogLinear, Variances
from sklearn_nnci._inference.variance_choice import (
    FOLDS,
    MOST_ROWS,
    Residuals,
    best_of,
    candidates,
    variance_of,
)
from sklearn_nnci.exceptions import InferenceUnavailable


def residuals(n=150, d=2, seed=0, log_sd=lambda x, f: 0.0 * f, w=None, draw=None):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, (n, d))
    f = np.sin(3.0 * x[:, 0])
    e = (draw or np.random.Generator.standard_normal)(rng, size=n)
    w = np.ones(n) if w is None else w
    return Residuals.of(x, f, np.exp(log_sd(x, f)) * e, w)


def steep(x, f):
    """Nine times as much at one end as at the other."""
    return 0.5 * np.log(9.0) * x[:, 0]


def named(rows, name):
    return [one for other, one in candidates(rows) if other == name]


def test_residuals_have_mean_square_one():
    w = np.arange(150) % 3 + 1.0
    assert residuals(w=w).mean(residuals(w=w).r2) == pytest.approx(1.0)
    tiny = residuals(log_sd=lambda x, f: -360.0 + steep(x, f))
    assert_allclose(tiny.r, residuals(log_sd=steep).r)


@pytest.mark.parametrize("ridge", variance_choice.RIDGES)
def test_log_linear_is_the_minimum_of_the_penalised_quasi_likelihood(ridge):
    w = np.arange(150) % 3 + 1.0
    rows = residuals(log_sd=steep, w=w)
    function = variance_choice._log_linear(rows, ridge).fit()
    z = np.column_stack([rows.f, rows.f**2, rows.x, rows.x**2])
    location = w @ z / w.sum()
    z = (z - location) / np.sqrt(w @ (z - location) ** 2 / w.sum())
    A = np.column_stack([np.ones(150), z])

    def objective(b):
        eta = A @ b
        cost = 0.5 * w @ (eta + rows.r2 * np.exp(-eta)) + 0.5 * ridge * b[1:] @ b[1:]
        slope = 0.5 * A.T @ (w * (1.0 - rows.r2 * np.exp(-eta)))
        return cost, slope + ridge * np.r_[0.0, b[1:]]

    best = optimize.minimize(objective, np.zeros(7), jac=True, tol=1e-12).x
    eta = function.eta(rows.x, rows.f)
    assert_allclose(eta, A @ best, atol=2e-4)


def test_log_linear_is_cross_validated_along_f():
    rows = residuals(log_sd=steep)
    candidate, fold = variance_choice._log_linear(rows, 1.0), rows.folds()
    assert np.bincount(fold).tolist() == [30] * FOLDS
    ranks = np.argsort(np.argsort(rows.f))
    assert (fold == ranks % FOLDS).all()
    left = Residuals(*(v[fold != 2] for v in rows))
    alone = variance_choice._log_linear(left, 1.0).fit()
    seen = alone.eta(left.x, left.f)
    eta = alone.eta(rows.x, rows.f)[fold == 2].clip(seen.min(), seen.max())
    assert_allclose(candidate.eta[fold == 2], eta)


@pytest.mark.parametrize("of_f", [False, True])
def test_kernels_are_means_without_the_row(of_f):
    w = np.arange(80) % 3 + 1.0
    rows = residuals(80, log_sd=steep, w=w)
    z = rows.f[:, None] if of_f else rows.x
    z = (z - w @ z / w.sum()) / np.sqrt(w @ (z - w @ z / w.sum()) ** 2 / w.sum())
    found = named(rows, f"kernel in {'f' if of_f else 'x'}")
    assert len(found) == variance_choice.BANDWIDTHS
    for j, candidate in enumerate(found):
        kernel, eta = candidate.fit(), np.empty(80)
        width2 = 2.0 * z.shape[1] / 4.0**j
        for i in range(80):
            K = np.exp(-((z - z[i]) ** 2).sum(axis=1) / (2.0 * width2))
            left = w - (np.arange(80) == i)
            eta[i] = np.log((3.0 + K @ (left * rows.r2)) / (3.0 + K @ left))
            inside = np.log((3.0 + K @ (w * rows.r2)) / (3.0 + K @ w))
            here = kernel.eta(rows.x[i : i + 1], rows.f[i : i + 1])
            assert here == pytest.approx(inside)
        assert_allclose(candidate.eta, eta, rtol=1e-9, atol=1e-12)


def test_a_kernel_of_what_is_constant_is_none():
    rows = residuals()
    still = rows._replace(x=np.full_like(rows.x, 0.1))
    assert named(still, "kernel in x") == []
    assert named(rows._replace(f=np.zeros(150)), "kernel in f") == []


def test_a_constant_column_changes_no_kernel():
    rows = residuals(log_sd=steep)
    wider = rows._replace(x=np.column_stack([rows.x, np.full(150, 1e5)]))
    pairs = zip(named(rows, "kernel in x"), named(wider, "kernel in x"), strict=True)
    for one, other in pairs:
        assert_allclose(one.eta, other.eta)


def test_kernels_take_a_row_of_weight_k_for_k_rows():
    w = np.arange(90) % 3 + 1.0
    rows = residuals(90, log_sd=steep, w=w)
    times = np.repeat(np.arange(90), w.astype(int))
    copies = Residuals(*(v[times] for v in rows))._replace(w=np.ones(len(times)))
    for name in ("kernel in x", "kernel in f"):
        for one, other in zip(named(rows, name), named(copies, name), strict=True):
            assert_allclose(one.eta[times], other.eta)


def test_the_order_of_rows_does_not_matter():
    rows = residuals(log_sd=steep)
    order = np.random.default_rng(0).permutation(150)
    other = Residuals(*(v[order] for v in rows))
    one, z = variance_of(rows, "auto")
    two, z2 = variance_of(other, "auto")
    assert one.name == two.name
    assert_allclose(one.at(rows.x, rows.f), two.at(rows.x, rows.f), rtol=1e-6)
    assert_allclose(z[order], z2, rtol=1e-6)


def test_many_rows_are_taken_evenly_along_f():
    rows = residuals(3 * MOST_ROWS, log_sd=steep)
    assert len(rows.f) == MOST_ROWS
    whole = np.sort(
        np.sin(3.0 * np.random.default_rng(0).uniform(-1, 1, (6000, 2))).T[0]
    )
    quantiles = np.linspace(0.0, 1.0, 11)
    expected = np.quantile(whole, quantiles)
    assert_allclose(np.quantile(rows.f, quantiles), expected, atol=0.01)
    factor = variance_of(rows, "auto")[0].at(
        np.array([[0.9, 0], [-0.9, 0]]), np.ones(2)
    )
    assert factor[0] / factor[1] == pytest.approx(9.0**1.8, rel=0.35)


def test_even_noise_is_found_to_be_even():
    names = [best_of(residuals(200, seed=k))[0] for k in range(60)]
    assert names.count("constant") >= 51  # 85 %


@pytest.mark.parametrize(
    ("name", "log_sd"),
    [
        ("log-linear", steep),
        ("kernel in x", lambda x, f: 1.5 * np.sin(5.0 * x[:, 1])),
        ("kernel in f", lambda x, f: 1.5 * np.sin(7.0 * f)),
    ],
)
def test_noise_that_varies_is_found_by_the_function_that_fits(name, log_sd):
    names = [best_of(residuals(400, seed=k, log_sd=log_sd))[0] for k in range(10)]
    assert "constant" not in names
    assert names.count(name) >= 6


def test_what_is_found_has_the_size_and_the_shape():
    x = np.column_stack([np.linspace(-0.9, 0.9, 50), np.zeros(50)])
    f = np.sin(3.0 * x[:, 0])
    truth = np.exp(2.0 * steep(x, f))
    truth /= (9.0 - 1.0 / 9.0) / (2.0 * np.log(9.0))  # the mean over x
    found = [
        variance_of(residuals(400, seed=k, log_sd=steep), "auto")[0].at(x, f)
        for k in range(20)
    ]
    assert_allclose(np.exp(np.mean(np.log(found), axis=0)), truth, rtol=0.2)


def test_residuals_of_even_noise_are_left():
    rows = residuals(400, log_sd=steep)
    variance, z = variance_of(rows, "auto")
    assert variance.name != "constant"
    assert np.mean(z**2) == pytest.approx(1.0)
    upper, lower = rows.x[:, 0] > 0.5, rows.x[:, 0] < -0.5
    assert np.mean(z[upper] ** 2) / np.mean(z[lower] ** 2) == pytest.approx(1, abs=0.5)
    assert np.mean(rows.r2[upper]) / np.mean(rows.r2[lower]) > 10.0


def test_the_factor_is_of_rows_left_out():
    rows = residuals(300, log_sd=steep)
    variance, z = variance_of(rows, "auto")
    inside = variance.at(rows.x, rows.f)
    assert_allclose(np.mean(z**2), 1.0)
    assert 0.85 < np.mean(rows.r2 / inside) < 1.0  # of rows that it was fitted to


def test_it_keeps_to_what_it_saw():
    variance, _ = variance_of(residuals(400, log_sd=steep), "auto")
    far = np.array([[100.0, 100.0], [-100.0, 0.0]])
    ends = variance.factor * np.exp([variance.low, variance.high])
    found = variance.at(far, np.array([0.0, 0.0]))
    assert (found >= ends[0] * (1 - 1e-12)).all()
    assert (found <= ends[1] * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    "rows",
    [
        residuals(99, log_sd=steep),
        residuals()._replace(r=np.zeros(150)),
        residuals()._replace(r=np.full(150, np.inf)),
        residuals(60, w=np.full(60, 1.6), log_sd=steep),
    ],
    ids=["few", "none", "unbounded", "of little weight"],
)
def test_where_residuals_do_not_tell_noise_is_even(rows):
    variance, z = variance_of(rows, "auto")
    assert variance == CONSTANT and z is rows.r
    assert (variance.at(rows.x, rows.f) == 1.0).all()


def test_zeros_among_residuals_do_no_harm():
    rows = residuals(200, log_sd=steep)
    r = np.where(np.arange(200) % 4 == 0, 0.0, rows.r)
    rows = Residuals.of(rows.x, rows.f, r, rows.w)
    for wanted in ("auto", LinearRegression()):
        variance, z = variance_of(rows, wanted)
        assert np.isfinite(variance.at(rows.x, rows.f)).all() and np.isfinite(z).all()


@pytest.mark.parametrize("name", ["log-linear", "kernel in x", "kernel in f"])
@pytest.mark.parametrize("size", [2.0**-350, 2.0**-150, 2.0**250])
def test_units_do_not_matter(name, size):
    rows = residuals(200, log_sd=steep)
    other = rows._replace(x=rows.x * size, f=rows.f * size)
    one, two = (named(each, name)[1] for each in (rows, other))
    assert_allclose(two.eta, one.eta, rtol=1e-10)
    found = two.fit().eta(other.x, other.f)
    assert_allclose(found, one.fit().eta(rows.x, rows.f), rtol=1e-10)


def test_squares_that_vanish_do_no_harm():
    rows = residuals(200, log_sd=steep)
    tiny = rows._replace(x=rows.x * 1e-170, f=rows.f * 1e-170)
    variance, z = variance_of(tiny, "auto")
    assert np.isfinite(variance.at(tiny.x, tiny.f)).all() and np.isfinite(z).all()


def test_more_columns_than_rows():
    rows = residuals(120, d=200, log_sd=steep)
    assert all(not one.fit().wide for one in named(rows, "log-linear"))
    variance, _ = variance_of(rows, "auto")
    assert np.isfinite(variance.at(rows.x, rows.f)).all()


def test_a_regressor_of_log_squares_is_cross_validated():
    rows = residuals(300, log_sd=steep)
    variance, z = variance_of(rows, LinearRegression())
    log_r2, fold, eta = np.log(rows.r2 + 1e-3), rows.folds(), np.empty(300)
    for k in range(FOLDS):
        model = LinearRegression().fit(rows.x[fold != k], log_r2[fold != k])
        eta[fold == k] = model.predict(rows.x[fold == k])
    whole = LinearRegression().fit(rows.x, log_r2).predict(rows.x)
    eta = eta.clip(whole.min(), whole.max())
    c = np.mean(rows.r2 * np.exp(-eta))
    assert_allclose(variance.at(rows.x, rows.f), c * np.exp(whole))
    assert_allclose(z, rows.r / np.sqrt(c * np.exp(eta)))
    assert variance.name == "regressor"


def test_a_regressor_takes_weights_if_it_knows_of_any():
    w = np.arange(300) % 3 + 0.5
    rows = residuals(300, log_sd=steep, w=w)
    log_r2 = np.log(rows.r2 + 1e-3)
    for wanted, weight in ((LinearRegression(), w), (KNeighborsRegressor(9), None)):
        kept = {} if weight is None else {"sample_weight": weight}
        expected = clone(wanted).fit(rows.x, log_r2, **kept).predict(rows.x)
        variance, _ = variance_of(rows, wanted)
        assert_allclose(variance.function.eta(rows.x, rows.f), expected)


def test_a_regressor_that_knows_nothing_gives_the_mean():
    rows = residuals(300)
    variance, _ = variance_of(rows, DummyRegressor())
    assert_allclose(variance.at(rows.x, rows.f), 1.0, rtol=0.02)


@pytest.mark.parametrize("name", ["log-linear", "kernel in x", "kernel in f", "none"])
def test_it_is_kept_as_plain_values(name):
    rows = residuals(400, log_sd=steep)
    if name == "none":
        variance = CONSTANT
    else:
        function = named(rows, name)[2].fit()
        variance = CONSTANT._replace(
            name=name, function=function, factor=1.2, low=-1.0, high=2.0
        )
    one = Variances((variance, CONSTANT))
    state = one.state()
    plain = (str, float, int, bool, np.ndarray, type(None), np.bool_)
    for kept in state:
        inner = kept["function"] or {}
        values = [v for k, v in kept.items() if k != "function"] + [*inner.values()]
        assert all(isinstance(value, plain) for value in values)
    columns, f = rows.x.T, np.array([rows.f, rows.f])
    assert_allclose(Variances.restore(state)(columns, f), one(columns, f))
    assert one.names == (variance.name, "constant")
    assert one.constant == (name == "none")


def test_a_gain_within_its_standard_error_is_none():
    """Even noise of heavy tails: single residuals seem to say where noise is large."""
    draw = functools.partial(np.random.Generator.standard_t, df=3)
    names = [best_of(residuals(200, seed=k, draw=draw))[0] for k in range(40)]
    assert names.count("constant") >= 24


def test_quantiles_of_chi_square_do_not_mislead_the_factor():
    """exp E log r^2 is not E r^2: a regressor of logarithms needs c."""
    rows = residuals(2000)
    variance, _ = variance_of(rows, DummyRegressor())
    assert variance.factor == pytest.approx(
        np.exp(-stats.chi2(1).expect(np.log)), rel=0.1
    )


def test_kinds_are_told_apart_when_restored():
    rows = residuals(200, log_sd=steep)
    kinds = [type(named(rows, name)[0].fit()) for name in ("log-linear", "kernel in f")]
    assert kinds == [LogLinear, Kernel]


@pytest.mark.parametrize("wanted", [LogisticRegression(), StandardScaler()])
def test_what_is_no_regressor_is_refused_by_name(wanted):
    rows = residuals(log_sd=steep)
    with pytest.raises(InferenceUnavailable, match=r"variance=.*Try variance='auto'"):
        variance_of(rows, wanted)
    s2 = variance_of(rows, "auto")[0].at(rows.x, rows.f)
    assert np.corrcoef(np.log(s2), steep(rows.x, rows.f))[0, 1] > 0.9
