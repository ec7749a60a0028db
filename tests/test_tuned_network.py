"""Networks that choose their own penalties: what they say, by other routes."""

import numpy as np
import pandas as pd
import pytest
from cases import sine_data
from scipy import sparse

from sklearn_nnci import MLPRegressorCI
from sklearn_nnci._network.perceptron import Network, pack
from sklearn_nnci._training.groups import groups_of
from sklearn_nnci._training.settle import settle
from sklearn_nnci._training.tuned import standardised
from sklearn_nnci._training.tuning import Penalties, Tuning

SMALL = dict(
    regularization="evidence", hidden_layer_sizes=(3,), activation="tanh",
    random_state=0,
)  # fmt: skip
WIDE, DEEP = {"hidden_layer_sizes": (40,)}, {"hidden_layer_sizes": (4, 3)}
SHAPES = {
    "one": ({}, 1),
    "two outputs": ({}, 2),
    "deep": (DEEP, 1),
    "dual": (WIDE, 1),
    "dual, two outputs": (WIDE, 2),
    "linear": ({"hidden_layer_sizes": ()}, 2),
    "relu": ({"activation": "relu"}, 1),
    "logistic": ({"activation": "logistic"}, 1),
    "starts": ({"n_restarts": 3}, 2),
    "starts, dual": ({"n_restarts": 2, **WIDE}, 1),
}
shapes = pytest.mark.parametrize("name", SHAPES)


def network(**parameters):
    return MLPRegressorCI(**{**SMALL, **parameters})


def data(m=1, n=60):
    """Outputs of different sizes."""
    X, y = sine_data(n, m=m, noise=0.2)
    return X, y if m == 1 else y * [1.0, 50.0]


def fitted(name, **parameters):
    given, m = SHAPES[name]
    X, y = data(m)
    return network(**{**given, **parameters}).fit(X, y), X, y


def numbers(net, X):
    """Everything a prediction says, in units of y."""
    found = net.get_prediction(X)
    return found.mean, found.se_mean, found.se_obs


def assert_same(one, two, rtol=1e-12):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name", ["one", "deep", "dual, two outputs", "linear", "starts"]
)
def test_units_and_origins_change_nothing_else(name, weighted):
    given, m = SHAPES[name]
    X, y = data(m)
    a, b = np.array([1e-3, 1e6]), np.array([4e-3, -2e6])
    c, d = np.array([3e3, 1e-2])[:m], np.array([7e3, 1.0])[:m]
    c, d = (c, d) if m > 1 else (c[0], d[0])
    w = np.random.default_rng(1).integers(1, 3, 60) if weighted else None
    one = network(**given).fit(X, y, w)
    two = network(**given).fit(a * X + b, c * y + d, w)
    mean, *errors = numbers(one, X)
    moved = c * mean + d, *(c * se for se in errors)
    for got, expected in zip(numbers(two, a * X + b), moved, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    n = 60.0 if w is None else float(w.sum())
    jacobian = (n - 1.0) * np.log(c).sum()
    assert two.log_evidence_ == pytest.approx(one.log_evidence_ - jacobian, abs=1e-5)
    for found in ("penalties_", "relevance_", "gamma_"):
        two_, one_ = getattr(two, found), getattr(one, found)
        np.testing.assert_allclose(two_, one_, rtol=1e-5, atol=1e-9, err_msg=found)
    score = two.loo_score(a * X + b, c * y + d, w)
    assert score == pytest.approx(one.loo_score(X, y, w), abs=1e-7)
    assert [c.verdict for c in one.diagnostics()] == [
        c.verdict for c in two.diagnostics()
    ]


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_rows(kind):
    X, y = data()
    X = X * (np.abs(X) > 1.0) + [0.0, 1e-3]
    for given in ({}, WIDE):
        dense, other = network(**given).fit(X, y), network(**given).fit(kind(X), y)
        assert_same(numbers(dense, X), numbers(other, kind(X)))
        assert dense.loo_score(X, y) == pytest.approx(other.loo_score(kind(X), y))


def test_float32_and_frames():
    X, y = data()
    net = network().fit(X, y)
    single = network().fit(X.astype(np.float32), y.astype(np.float32))
    assert single.coefs_[0].dtype == np.float64
    assert_same(numbers(net, X), numbers(single, X.astype(np.float32)), rtol=1e-4)
    frame = pd.DataFrame(X, columns=["a", "b"], index=range(5, 65))
    framed = network().fit(frame, pd.Series(y))
    assert list(framed.feature_names_in_) == ["a", "b"]
    table = framed.get_prediction(frame.iloc[:4]).to_frame()
    assert list(table.index) == [5, 6, 7, 8]
    np.testing.assert_array_equal(table["mean_se"], net.get_prediction(X[:4]).se_mean)


@shapes
def test_predict_says_the_same_by_every_flag(name):
    net, X, y = fitted(name)
    Q = X[:12]
    found, m = net.get_prediction(Q), net.n_outputs_
    assert net.inference_.route == ("dual" if "dual" in name else "primal")
    np.testing.assert_array_equal(net.predict(Q), found.mean)
    assert (found.se_obs > found.se_mean).all() and (found.se_mean > 0.0).all()
    np.testing.assert_array_equal(net.predict(Q, return_std=True)[1], found.se_obs)
    for flag, obs in (("return_ci", False), ("return_pi", True)):
        interval = net.predict(Q, confidence_level=[0.5, 0.9], **{flag: True})[1]
        np.testing.assert_array_equal(interval, found.conf_int([0.5, 0.9], obs=obs))
    cov = net.predict(Q, return_cov=True)[1].reshape(12 * m, 12 * m)
    diagonal = found.se_mean.ravel() ** 2
    np.testing.assert_allclose(np.diag(cov), diagonal, rtol=1e-7)
    np.testing.assert_allclose(cov, cov.T, atol=1e-9 * diagonal.max())
    assert np.linalg.eigvalsh(cov)[0] > -1e-7 * diagonal.sum()
    band, single = (
        net.predict(Q, return_ci=True, simultaneous=kind)[1] for kind in ("sup-t", None)
    )
    assert (np.diff(band) > np.diff(single)).all()
    assert net.score(X, y) > 0.8


@shapes
def test_parameter_covariance_is_that_of_raw_weights(name):
    """j'Cj = v, j of `jacobian`; where starts widen, without what they add."""
    net, X, _ = fitted(name)
    Q, m, p = X[:12], net.n_outputs_, len(net.parameter_names())
    if net._inference["near"] is not None:
        net._inference["near"] = None
    J = net.jacobian(Q).reshape(12, m, p)
    C = net.parameter_covariance()
    v = np.einsum("ikp,pq,ikq->ik", J, C, J).reshape(net.predict(Q).shape)
    widening = 1.0 + net.inference_.relative_offset**2
    expected = net.get_prediction(Q).se_mean ** 2
    np.testing.assert_allclose(v * widening, expected, rtol=1e-5)
    table = net.summary()
    np.testing.assert_allclose(table["std_error"], np.sqrt(np.diag(C)), rtol=1e-10)
    theta = np.concatenate([np.ravel(b) for b in (*net.coefs_, *net.intercepts_)])
    np.testing.assert_array_equal(table["estimate"], theta)
    assert table["estimable"].all()


def test_a_constant_column_has_no_weights_and_no_part():
    X, y = data()
    more = np.c_[X, np.full(len(X), 7.0)]
    with_, without = network().fit(more, y), network().fit(X, y)
    assert not with_.coefs_[0][2].any() and with_.relevance_[2] == 0.0
    assert with_.gamma_[2] == pytest.approx(0.0, abs=1e-9)
    assert with_.score(more, y) == pytest.approx(without.score(X, y), abs=0.02)


COVARIANCES = (
    "auto", "bayesian", "frequentist", "evidence", "least_squares",
    "HC0", "HC1", "HC2", "HC3",
)  # fmt: skip


@pytest.mark.parametrize("noise", ["auto", "residual", "loo", 0.04])
@pytest.mark.parametrize("name", ["one", "linear"])
def test_every_covariance_and_noise_in_any_units(name, noise):
    """Formulas of their own, of all of which the units are those of the data."""
    X, y = data(SHAPES[name][1])
    y = y / y.std(axis=0)  # one number is the noise of both
    for covariance in COVARIANCES:
        asked = {**SHAPES[name][0], "covariance": covariance}
        one = network(noise=noise, **asked).fit(X, y)
        other = noise if isinstance(noise, str) else 100.0 * noise
        two = network(noise=other, **asked).fit(1e3 * X - 1.0, 10.0 * y + 2.0)
        scaled = [10.0 * se for se in numbers(one, X)[1:]]
        assert_same(scaled, numbers(two, 1e3 * X - 1.0)[1:], rtol=1e-5)
        named = {"auto": "bayesian", "evidence": "bayesian"}
        assert one.inference_.method == named.get(covariance, covariance)


def test_auto_is_bayesian_at_its_own_penalties():
    """s^2 j'A^-1 j in standardised units, by explicit matrices, with one output."""
    net, X, y = fitted("one")
    Xs, ys = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    W, v = net.coefs_[0] * X.std(axis=0)[:, None], net.coefs_[1] / y.std()
    b = net.intercepts_[0] + X.mean(axis=0) @ net.coefs_[0]
    a = np.tanh(Xs @ W + b)
    d = (1.0 - a**2) * v[:, 0]
    first = (Xs[:, :, None] * d[:, None, :]).reshape(60, -1)
    J = np.hstack([first, a, d, np.ones((60, 1))])
    lam = net.penalties_
    Lambda = np.r_[np.repeat(lam[:2], 3), np.repeat(lam[[3, 2]], 3), 0.0]
    inverse = np.linalg.inv(J.T @ J + np.diag(Lambda))
    h = np.einsum("ij,jk,ik->i", J, inverse, J)
    e = ys - (net.predict(X) - y.mean()) / y.std()
    report = net.inference_
    assert report.edf == pytest.approx(h.sum(), rel=1e-6) and report.edf < 0.3 * 60
    s2 = np.mean((e / (1.0 - h)) ** 2) * y.var()
    assert report.noise == "loo"
    assert report.noise_variance == pytest.approx(s2, rel=1e-6)
    widening = 1.0 + report.relative_offset**2
    se = net.get_prediction(X).se_mean
    np.testing.assert_allclose(se, np.sqrt(s2 * h * widening), rtol=1e-6)
    gamma = 1.0 - Lambda * np.diag(inverse)
    groups = [gamma[:3].sum(), gamma[3:6].sum(), gamma[9:12].sum(), gamma[6:9].sum()]
    np.testing.assert_allclose(net.gamma_, groups, rtol=1e-6, atol=1e-9)
    assert net.influence(X, y).leverage == pytest.approx(h, rel=1e-6)


@pytest.mark.parametrize("m", [1, 2])
def test_noise_is_that_of_the_evidence_where_little_is_left(m):
    """edf / (n m) > 0.3; s^2 = 2F / (m (n - 1)), dof n - 1."""
    X, y = data(m, n=9)
    net = network().fit(X, y)
    report = net.inference_
    assert report.edf > 0.3 * 9 * m and report.noise == "evidence"
    np.testing.assert_array_equal(report.dof, 8.0)
    units = net._tuned["coordinates"][-1]
    s2 = np.diag(np.atleast_2d(report.noise_variance)) / units**2
    F = net.polish_.objective_after
    np.testing.assert_allclose(s2, 2.0 * F / (8.0 * m), rtol=1e-6)
    named = network(covariance="evidence").fit(X, y).inference_
    np.testing.assert_allclose(named.noise_variance, report.noise_variance, rtol=1e-9)


@pytest.mark.parametrize("m", [1, 2])
def test_starts_near_the_best_widen(m):
    X, y = data(m)
    net, alone = network(n_restarts=3).fit(X, y), network(n_restarts=3).fit(X, y)
    evidences = net.start_evidences_
    assert evidences.shape == (4,) and net.log_evidence_ == evidences.max()
    assert (evidences > evidences.max() - 10.0).all()
    alone._inference["near"] = None
    f = net.predict(X)
    starts = []
    for theta in net._starts["parameters"]:
        each, at = network().fit(X, y), 0
        for block in (*each.coefs_, *each.intercepts_):
            block[...] = theta[at : at + block.size].reshape(block.shape)
            at += block.size
        starts.append(each.predict(X))
    expected = np.mean((np.array(starts) - f) ** 2, axis=0)
    assert expected.any()
    one, two = (each.get_prediction(X) for each in (net, alone))
    for wide, narrow in ((one.se_mean, two.se_mean), (one.se_obs, two.se_obs)):
        np.testing.assert_allclose(wide**2 - narrow**2, expected, atol=1e-12, rtol=1e-6)


@pytest.mark.parametrize("kind", ["one", "dual"])
def test_weights_are_counts_and_rows_of_weight_0_are_absent(kind):
    given, (X, y) = SHAPES[kind][0], data()
    w = np.random.default_rng(1).integers(0, 3, 60)
    w = w if kind == "one" else np.minimum(w, 1)  # few rows, but not repeated
    net = network(**given).fit(X, y, w)
    absent = network(**given).fit(X[w > 0], y[w > 0], w[w > 0])
    assert_same(numbers(net, X), numbers(absent, X))
    assert net.log_evidence_ == absent.log_evidence_
    rows = np.repeat(np.arange(60), w)
    repeated = network(**given).fit(X[rows], y[rows])
    assert_same(numbers(net, X), numbers(repeated, X), rtol=1e-5)
    score = repeated.loo_score(X[rows], y[rows])
    assert net.loo_score(X, y, w) == pytest.approx(score, rel=1e-5)


def test_leave_one_out_is_that_of_refits_at_its_penalties():
    """Refits by settling alone, from the weights of all rows."""

    X, y = data(n=80)
    net = network().fit(X, y)
    loo = net.influence(X, y).loo_residuals
    whole, (x0, sx), (y0, sy) = standardised(X, y[:, None], np.ones(80))
    W, b = [net.coefs_[0] * sx[:, None], net.coefs_[1] / sy], [*net.intercepts_]
    b = [b[0] + x0 @ net.coefs_[0], (b[1] - y0) / sy]
    like = Network(tuple(W), tuple(b), "tanh")
    penalties, groups = Penalties(net.penalties_, np.ones(1)), groups_of(like)
    refitted = []
    for i in range(0, 80, 8):
        kept = np.arange(80) != i
        rows = whole._replace(X=whole.X[kept], y=whole.y[kept], w=whole.w[kept])
        F = Tuning(rows, like, groups).objective(penalties)
        end = settle(F, F.at(pack(*like[:2])), groups, net.penalties_, 1e-6)
        one = F._replace(X=whole.X[i : i + 1], y=whole.y[i : i + 1].T)
        refitted.append(sy[0] * (whole.y[i, 0] - one.at(end.point.theta).f[0, 0]))
    np.testing.assert_allclose(loo[::8], refitted, rtol=0.25, atol=0.02)
    press = np.sqrt(np.mean(np.square(refitted)))
    assert np.sqrt(np.mean(loo[::8] ** 2)) == pytest.approx(press, rel=0.1)
    assert net.loo_score(X, y) == pytest.approx(1 - np.mean(loo**2) / y.var())
