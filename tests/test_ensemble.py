"""The committee: what it says follows from its members by the formulas of a mixture."""

import copy
import pickle
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import skops.io
from cases import checks_of_sklearn, sine_data
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_nnci import (
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    exceptions,
    make_scaled,
)
from sklearn_nnci._committee import members, summary
from sklearn_nnci._committee.told import shared
from sklearn_nnci._inference.diagnostics import Check, Diagnostics

NET = MLPRegressorCI(
    hidden_layer_sizes=(3,), activation="tanh", solver="lbfgs", alpha=1e-2,
    max_iter=300,
)  # fmt: skip
# Where its minimum is does not depend on rounding.
MINIMUM = clone(NET).set_params(polish=True, max_iter=1000)
FLAGS = ["return_ci", "return_pi", "return_std", "return_cov"]
QUERIES = np.random.default_rng(5).uniform(-2, 2, (7, 2))


def committee(net=NET, n_starts=3, random_state=0, **parameters):
    parameters.setdefault("architectures", (None,))
    return MLPEnsembleRegressorCI(
        net, n_starts=n_starts, random_state=random_state, **parameters
    )


def seeds_of(n, random_state=0):
    return check_random_state(random_state).randint(2**31 - 1, size=n).tolist()


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "two"])
def data(request):
    return sine_data(n=60, m=request.param)


@pytest.fixture(scope="module")
def fitted(data):
    return committee().fit(*data)


def asked(model, X):
    """Everything `model` says of rows, as a list of arrays."""
    prediction = model.get_prediction(X)
    return [prediction.mean, *(model.predict(X, **{flag: True})[1] for flag in FLAGS)]


def assert_same(model, other, X, **tolerance):
    for a, b in zip(asked(model, X), asked(other, X), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 0} | tolerance)


def test_members_are_clones_that_differ_in_their_seeds(fitted, data):
    seeds = seeds_of(3)
    assert [one.random_state for one in fitted.estimators_] == seeds
    same = ("alpha", "activation", "hidden_layer_sizes", "covariance")
    for one, seed in zip(fitted.estimators_, seeds, strict=True):
        assert all(getattr(one, name) == getattr(NET, name) for name in same)
        alone = clone(NET).set_params(random_state=seed).fit(*data)
        np.testing.assert_array_equal(alone.coefs_[0], one.coefs_[0])
    assert not hasattr(NET, "coefs_")
    assert fitted.weights_.sum() == pytest.approx(1.0)
    assert (
        fitted.n_features_in_ == 2
        and fitted.n_outputs_ == np.atleast_2d(data[1].T).shape[0]
    )


def test_moments_are_those_of_the_mixture(fitted):
    w = fitted.weights_
    assert (w > 0).all()
    own = [one.get_prediction(QUERIES) for one in fitted.estimators_]
    reports = [one.inference_ for one in fitted.estimators_]
    best, mean = own[np.argmax(w)], sum(a * p.mean for a, p in zip(w, own, strict=True))
    size = mean.size
    cov, joint, s2, dof = np.zeros((size, size)), np.zeros((size, size)), 0.0, 0.0
    for a, one, report in zip(w, own, reports, strict=True):
        d = np.minimum(1.0, 3.0 * best.se_mean / one.se_mean).ravel()
        f = (one.mean - mean).ravel()
        C = one.covariance().reshape(size, size)
        cov += a * (np.diag(d) @ C @ np.diag(d) + np.outer(f, f))
        C = one.joint().reshape(size, size)
        joint += a * (np.diag(d) @ C @ np.diag(d) + np.outer(f, f))
        s2 = s2 + a * np.diag(np.atleast_2d(report.noise_variance))
        dof = dof + a * np.asarray(report.dof)
    se = np.sqrt(np.diag(cov)).reshape(mean.shape)
    noise = s2 if mean.ndim == 2 else s2[0]
    found = fitted.get_prediction(QUERIES)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.se_mean, se, rtol=1e-9)
    np.testing.assert_allclose(found.se_obs, np.sqrt(noise + se**2), rtol=1e-9)
    np.testing.assert_allclose(found.dof, dof, rtol=1e-12)
    for name, expected in dict(covariance=cov, joint=joint).items():
        value = getattr(found, name)().reshape(size, size)
        np.testing.assert_allclose(value, expected, rtol=1e-8, atol=1e-12)


def test_flags_have_the_shapes_and_values_of_the_prediction(fitted):
    found = fitted.get_prediction(QUERIES)
    np.testing.assert_array_equal(fitted.predict(QUERIES), found.mean)
    y = found.mean
    for flag, obs in (("return_ci", False), ("return_pi", True)):
        levels = [0.5, 0.9]
        mean, interval = fitted.predict(
            QUERIES, **{flag: True}, confidence_level=levels
        )
        assert interval.shape == (*y.shape, 2, 2)
        np.testing.assert_array_equal(mean, y)
        np.testing.assert_array_equal(interval, found.conf_int(levels, obs=obs))
    np.testing.assert_array_equal(
        fitted.predict(QUERIES, return_std=True)[1], found.se_obs
    )
    cov = fitted.predict(QUERIES, return_cov=True)[1]
    assert cov.shape == y.shape * 2
    widths = {
        kind: np.ptp(
            fitted.predict(QUERIES, return_ci=True, simultaneous=kind)[1], axis=y.ndim
        )
        for kind in (None, "sup-t", "bonferroni")
    }
    assert (widths[None] < widths["sup-t"]).all()
    assert (widths["sup-t"] < widths["bonferroni"] * 1.2).all()


def test_flags_off_ask_no_member_for_its_inference(fitted, monkeypatch):
    monkeypatch.setattr(MLPRegressorCI, "get_prediction", None)
    fitted.predict(QUERIES)
    with pytest.raises(TypeError):
        fitted.predict(QUERIES, return_ci=True)


def test_weights_of_one_architecture_are_by_the_objective(fitted, data):
    X, y = data
    F, loo = [], []
    for one in fitted.estimators_:
        penalty = sum((W**2).sum() for W in one.coefs_) * one.alpha
        F.append(0.5 * ((y - one.predict(X)) ** 2).sum() + 0.5 * penalty)
        loo.append(np.mean(one.influence(X, y).loo_residuals ** 2))
    p, best = fitted.estimators_[0].inference_.n_parameters, np.argmin(F)
    odds = np.exp(-4.0 * (np.array(F) - F[best]) / (p * loo[best]))
    np.testing.assert_allclose(fitted.weights_, odds / odds.sum(), rtol=1e-6)
    assert np.ptp(fitted.weights_) > 1e-4  # or this would hold of equal ones


class Tuned(MLPRegressorCI):
    """A network of known evidence, by its number of units."""

    log_evidence_ = property(lambda self: -20.0 - 5.0 * self.hidden_layer_sizes[0])
    _symmetry = property(lambda self: 1.5 * self.hidden_layer_sizes[0])


def test_weights_of_several_architectures_are_by_the_evidence(data, monkeypatch):
    monkeypatch.setattr(members, "_by_evidence", lambda member: True)
    X, y = data
    w = np.full(60, 2.0)
    net = Tuned(activation="tanh", solver="lbfgs", max_iter=30, alpha=1.0)
    model = committee(net, architectures=[(1,), (3,), [2]], n_starts=2)
    model.fit(X, y, sample_weight=w)
    sizes = [list(one.hidden_layer_sizes) for one in model.estimators_]
    assert sizes == [[1], [1], [3], [3], [2], [2]]
    h = np.ravel(sizes)
    n_numbers = 120 * model.n_outputs_
    odds = np.exp((-20.0 - 5.0 * h + 1.5 * h) / np.sqrt(n_numbers))
    np.testing.assert_allclose(model.weights_, odds / odds.sum(), rtol=1e-9)


def test_starts_are_counted_within_their_architecture(monkeypatch):
    seen = []

    def started(member, X, y, sample_weight, start):
        seen.append((member.hidden_layer_sizes, start))
        return member.fit(X, y, sample_weight)

    monkeypatch.setattr(members, "started", started)
    monkeypatch.setattr(members, "_by_evidence", lambda member: True)
    net = Tuned(solver="lbfgs", max_iter=20)
    committee(net, architectures=[(1,), (2,)]).fit(*sine_data(n=30))
    assert seen == [((h,), k) for h in (1, 2) for k in (0, 1, 2)]


def test_a_member_that_knows_starts_is_told_which_it_is():
    class Starting:
        def _fit_start(self, X, y, sample_weight, start):
            return (X, y, sample_weight, start)

    assert members.started(Starting(), "X", "y", "w", 4) == ("X", "y", "w", 4)


def test_members_that_interpolate_a_row_are_dropped_unless_best(
    fitted, data, monkeypatch
):
    monkeypatch.setattr("sklearn_nnci._mixture.LARGEST_LEVERAGE", 0.0)
    model, best = committee().fit(*data), np.argmax(fitted.weights_)
    np.testing.assert_array_equal(model.weights_, np.eye(3)[best])
    # One member alone, and the others are not even asked.
    alone = model.estimators_[best]
    model.estimators_ = [one if one is alone else None for one in model.estimators_]
    assert_same(model, alone, QUERIES, rtol=1e-10)


@pytest.mark.parametrize("n_jobs", [2])
def test_fits_do_not_depend_on_the_number_of_processes(fitted, data, n_jobs):
    other = committee(n_jobs=n_jobs).fit(*data)
    np.testing.assert_array_equal(other.weights_, fitted.weights_)
    assert_same(other, fitted, QUERIES)
    assert repr(other.inference_) == repr(fitted.inference_)
    drawn = committee(random_state=np.random.RandomState(0)).fit(*data)
    assert_same(drawn, fitted, QUERIES)
    another = committee(random_state=1).fit(*data)
    assert not np.allclose(another.predict(QUERIES), fitted.predict(QUERIES), rtol=1e-9)


def test_a_weight_is_as_many_equal_rows(data):
    X, y = data
    counts = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = committee(MINIMUM, n_starts=2).fit(X, y, sample_weight=counts)
    repeated = committee(MINIMUM, n_starts=2)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0))
    assert_same(weighted, repeated, QUERIES, rtol=1e-5, atol=1e-7)
    assert weighted.inference_.n_samples == pytest.approx(counts.sum(), rel=1e-14)


def test_sparse_rows_are_dense_ones(data):
    X, y = data
    fitted = committee(MINIMUM, n_starts=2).fit(X, y)
    other = committee(MINIMUM, n_starts=2).fit(sparse.csc_matrix(X), y)
    assert_same(other, fitted, QUERIES, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        fitted.predict(sparse.csc_matrix(QUERIES), return_ci=True)[1],
        fitted.predict(QUERIES, return_ci=True)[1],
        rtol=1e-9,
    )


def test_frames_keep_their_index_and_names(data):
    X, y = data
    names, index = ["a", "b"], [f"row {k}" for k in range(7)]
    model = committee(n_starts=2).fit(pd.DataFrame(X, columns=names), y)
    assert model.feature_names_in_.tolist() == names
    queries = pd.DataFrame(QUERIES, columns=names, index=index)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = model.get_prediction(queries).to_frame(0.9)
    assert table.index.tolist() == index
    level = () if y.ndim == 1 else ("y1",)
    found = table[(*level, "mean")] if level else table["mean"]
    expected = model.predict(queries)
    np.testing.assert_array_equal(found, expected if y.ndim == 1 else expected[:, 1])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(queries[["b", "a"]])


class Odd(MLPRegressorCI):
    """A network of which some seeds fail to train, to infer, or warn."""

    untrained = uninferred = warned = frozenset()

    def _validate_params(self):
        if self.random_state in self.untrained:
            raise ValueError("not trained")
        super()._validate_params()

    def _infer(self, problem, y=None):
        if self.random_state in self.uninferred:
            raise ValueError("not inferred")
        if self.random_state in self.warned:
            warnings.warn("it is far", exceptions.NotAtMinimumWarning, stacklevel=2)
        super()._infer(problem, y)


SEEDS = seeds_of(4)


def odd(monkeypatch, **seeds):
    """A committee of four, of which those `seeds` are odd; and what it warns of."""
    for name, own in seeds.items():
        monkeypatch.setattr(Odd, name, frozenset(own))
    X, y = sine_data(n=40)
    # One unit has one minimum: weights are equal.
    net = Odd(**MINIMUM.get_params()).set_params(hidden_layer_sizes=(1,))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = committee(net, n_starts=4).fit(X, y)
    return model, [(w.category.__name__, str(w.message)) for w in caught]


def test_members_that_fail_are_dropped_and_said_so(monkeypatch):
    model, said = odd(monkeypatch, untrained=SEEDS[:1], uninferred=SEEDS[1:2])
    assert [one.random_state for one in model.estimators_] == SEEDS[1:]
    assert model.weights_[0] == 0.0 and (model.weights_[1:] > 0.0).all()
    assert [kind for kind, _ in said] == [
        "RestartsFailedWarning", "InferenceUnavailableWarning",
    ]  # fmt: skip
    assert said[0][1].startswith("1 of 4 members") and "not trained" in said[0][1]
    assert said[1][1].startswith("1 of 4 members") and "not inferred" in said[1][1]
    both = model.estimators_[1:]
    expected = sum(
        w * one.predict(QUERIES)
        for w, one in zip(model.weights_[1:], both, strict=True)
    )
    np.testing.assert_allclose(model.predict(QUERIES, return_ci=True)[0], expected)


def test_a_committee_without_any_inference_predicts_and_says_why(monkeypatch):
    model, said = odd(monkeypatch, uninferred=SEEDS)
    np.testing.assert_array_equal(model.weights_, np.full(4, 0.25))
    ((kind, text),) = said
    assert kind == "InferenceUnavailableWarning"
    assert text.startswith("4 of 4 members") and "nor has the committee" in text
    expected = np.mean([one.predict(QUERIES) for one in model.estimators_], axis=0)
    np.testing.assert_allclose(model.predict(QUERIES), expected, rtol=1e-12)
    for ask in (
        lambda: model.predict(QUERIES, return_ci=True),
        lambda: model.inference_,
        model.diagnostics,
    ):
        with pytest.raises(ValueError, match="not inferred"):
            ask()
    monkeypatch.setattr(Odd, "uninferred", frozenset())
    model.fit_inference(*sine_data(n=40))
    assert np.isfinite(model.predict(QUERIES, return_ci=True)[1]).all()


def test_an_architecture_that_never_trains_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match="not trained"):
        odd(monkeypatch, untrained=SEEDS)


@pytest.mark.parametrize("n_warned", [1, 3])
def test_warnings_of_half_of_the_weight_are_said_once(monkeypatch, n_warned):
    model, said = odd(monkeypatch, warned=SEEDS[:n_warned])
    assert model.weights_.max() < 0.3
    if n_warned == 1:
        assert said == [] and model.inference_.warnings == ()
    else:
        ((kind, text),) = said
        assert kind == "NotAtMinimumWarning"
        assert text.startswith("3 of 4 members: it is far\nSee https://")
        (text,) = model.inference_.warnings
        assert text == "NotAtMinimumWarning: 3 of 4 members: it is far"


def test_warnings_come_back_from_processes(monkeypatch):
    X, y = sine_data(n=40)
    net = clone(NET).set_params(solver="adam", max_iter=2)
    for n_jobs in (1, 2):
        with pytest.warns(ConvergenceWarning, match="2 of 2 members: ") as caught:
            committee(net, n_starts=2, n_jobs=n_jobs).fit(X, y)
        assert len([w for w in caught if w.category is ConvergenceWarning]) == 1


def test_shared_takes_the_words_of_the_heaviest_member():
    w = np.array([0.0, 0.2, 0.3, 0.5])
    one, two = (UserWarning, "one"), (RuntimeWarning, "two")
    assert shared([(one,), (one,), (one,), ()], w) == (
        (UserWarning, "2 of 3 members: one"),
    )
    assert shared([(one, two), (one,), (), ()], w) == ()
    found = shared([(), (one,), ((UserWarning, "other"), two), (two, two)], w)
    assert found == (
        (UserWarning, "2 of 3 members: other"), (RuntimeWarning, "2 of 3 members: two"),
    )  # fmt: skip
    assert shared([(), (one,), ((UserWarning, "other"), two), (two, two)], w,
                  apart=(RuntimeWarning,)) == found[:1]  # fmt: skip


def test_extrapolation_is_said_once_where_half_of_the_weight_finds_it(fitted):
    far = QUERIES + 100.0
    with pytest.warns(exceptions.ExtrapolationWarning, match="7 of 7 rows") as caught:
        fitted.predict(far, return_ci=True)
    assert len(caught) == 1
    assert fitted.get_prediction(far).extrapolates.all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(QUERIES * 0.5, return_ci=True)
    # A member of half of the weight decides; one of less does not.
    model = copy.deepcopy(fitted)
    state = model.estimators_[0]._inference
    model.estimators_[0]._inference = {**state, "reach": 0.0}
    for weight, expected in ((0.5, True), (0.4, False)):
        model.weights_ = np.array([weight, (1 - weight) / 2, (1 - weight) / 2])
        flagged = model.get_prediction(QUERIES * 0.5).extrapolates
        assert (flagged == expected).all()


def test_unbounded_members_leave_the_committee_unbounded():
    X, y = sine_data(n=12)
    net = clone(NET).set_params(covariance="least_squares", hidden_layer_sizes=(8,))
    model = committee(net).fit(X, y)
    mean, ci = model.predict(QUERIES, return_ci=True)
    assert np.isfinite(mean).all() and np.isinf(ci).all()
    assert np.isinf(model.predict(QUERIES, return_std=True)[1]).all()


def test_poisson_committees_have_intervals_of_the_mean():
    X, y = sine_data(n=60)
    y = np.random.default_rng(0).poisson(np.exp(y)).astype(float)
    net = clone(NET).set_params(loss="poisson", alpha=0.1)
    model = committee(net, n_starts=2).fit(X, y)
    mean, ci = model.predict(QUERIES, return_ci=True)
    own = [one.get_prediction(QUERIES) for one in model.estimators_]
    f = np.array([one.mean for one in own])
    w, best = model.weights_, np.argmax(model.weights_)
    np.testing.assert_allclose(mean, w @ f, rtol=1e-12)
    se = np.array([np.minimum(o.se_mean, 3 * own[best].se_mean) for o in own])
    variance = w @ se**2 + w @ (f - mean) ** 2
    dof = w @ [one.dof for one in own]
    # Symmetric on the scale of the logarithm.
    half = stats.t.isf(0.025, dof) * np.sqrt(variance) / mean
    np.testing.assert_allclose(ci[:, 1], mean * np.exp(half), rtol=1e-9)
    np.testing.assert_allclose(ci[:, 0], mean * np.exp(-half), rtol=1e-9)


def test_fit_inference_is_that_of_every_member_and_keeps_the_mean(fitted, data):
    model = copy.deepcopy(fitted).set_params(estimator=clone(NET))
    model.set_params(estimator__covariance="HC3")
    with pytest.warns(exceptions.StaleParametersWarning, match="HC3") as caught:
        stale = model.predict(QUERIES, return_ci=True)
    assert len(caught) == 1
    np.testing.assert_array_equal(stale[1], fitted.predict(QUERIES, return_ci=True)[1])
    before = model.estimators_
    assert model.fit_inference(*data) is model
    assert model.inference_.methods == ("HC3",)
    np.testing.assert_array_equal(model.predict(QUERIES), fitted.predict(QUERIES))
    for one, old in zip(model.estimators_, before, strict=True):
        assert old.inference_.method == "evidence"
        alone = copy.deepcopy(old).set_params(covariance="HC3").fit_inference(*data)
        np.testing.assert_array_equal(
            one.get_prediction(QUERIES).se_mean, alone.get_prediction(QUERIES).se_mean
        )


def test_fit_inference_that_fails_changes_nothing(fitted, data):
    model = copy.deepcopy(fitted).set_params(estimator=clone(NET))
    model.set_params(estimator__noise="validation")
    with pytest.raises(ValueError, match="validation"):
        model.fit_inference(*data)
    model.set_params(estimator__noise="auto")
    assert_same(model, fitted, QUERIES)


def test_the_report_averages_over_members(fitted, data):
    report, w = fitted.inference_, fitted.weights_
    own = [one.inference_ for one in fitted.estimators_]
    assert report.n_members == report.n_in_use == 3
    assert report.n_effective == pytest.approx(1.0 / (w**2).sum())
    assert report.edf == pytest.approx(w @ [one.edf for one in own])
    expected = sum(a * one.noise_variance for a, one in zip(w, own, strict=True))
    np.testing.assert_allclose(report.noise_variance, expected)
    predictions = [one.get_prediction(data[0]) for one in fitted.estimators_]
    f = np.array([p.mean for p in predictions])
    between = np.tensordot(w, (f - np.tensordot(w, f, 1)) ** 2, 1)
    total = fitted.get_prediction(data[0]).se_mean ** 2
    assert report.between == pytest.approx(np.mean(between / total))
    text, html = repr(report), report._repr_html_()
    for word in ("Inference of a committee", "n_effective", "evidence"):
        assert word in text
    assert html.startswith("<table>") and "n_effective" in html


def checks(**values):
    """A member's diagnostics, of one check per name: value, failing beyond 1."""
    return Diagnostics(
        Check(name, value, 1.0, "notice" if value > 1.0 else "ok",
              f"{name} is {value}." if value > 1.0 else "", "")
        if not np.isnan(value)
        else Check(name, value, 1.0, "not applicable", "", "")
        for name, value in values.items()
    )  # fmt: skip


def test_diagnostics_say_what_half_of_the_weight_says():
    own = [checks(a=0.5, b=2.0, c=np.nan), checks(a=3.0, b=4.0, c=np.nan),
           checks(a=0.2, b=0.1, c=7.0)]  # fmt: skip
    found = summary.diagnostics(own, np.array([0.4, 0.3, 0.3]), 4)
    a, b, c, concentration, dropped = found
    assert (a.verdict, a.value) == ("ok", 0.5)
    assert a.advice == "(1 of 3 members fails this check, worst 3)"
    assert (b.verdict, b.value) == ("notice", 2.0)
    assert b.advice == "2 of 3 members fail this check, worst 4. b is 2.0."
    assert (c.verdict, c.value) == ("notice", 7.0)
    assert concentration.value == pytest.approx(0.34) and concentration.verdict == "ok"
    assert dropped.value == 0.25 and dropped.verdict == "ok"


def test_diagnostics_of_the_committee_itself():
    concentration, dropped = summary.diagnostics(
        [checks()] * 2, np.array([0.9, 0.1]), 5
    )
    assert concentration.verdict == dropped.verdict == "notice"
    assert "1.2 members count" in concentration.advice
    assert "3 of 5" in dropped.advice
    alone, _ = summary.diagnostics([checks()], np.ones(1), 1)
    assert alone.verdict == "not applicable"


@pytest.mark.parametrize("seed", range(20))
def test_the_median_is_beyond_a_threshold_where_half_of_the_weight_is(seed):
    rng = np.random.default_rng(seed)
    values, w = rng.integers(0, 5, 6).astype(float), rng.dirichlet(np.ones(6))
    median = summary.upper_median(values, w)
    for t in np.arange(-0.5, 5.0):
        assert (median > t) == (w[values > t].sum() >= 0.5)


def test_diagnostics_of_a_fit_print_as_a_table(fitted):
    names = [check.name for check in fitted.diagnostics()]
    assert names[:-2] == [check.name for check in fitted.estimators_[0].diagnostics()]
    assert "share of members dropped" in str(fitted.diagnostics())


def test_the_target_transformer_carries_it_to_units_of_y(data):
    X, y = data
    scaled = make_pipeline(StandardScaler(), committee(n_starts=2))
    model = TransformedTargetRegressorCI(scaled, transformer=StandardScaler())
    model.fit(X, 100.0 * y + 7.0)
    inner, spread = model.regressor_, np.std(y, axis=0)
    pi = model.predict(X, return_pi=True)[1]
    own = inner.predict(X, return_pi=True)[1]
    centre, unit = y.mean(axis=0), spread
    if y.ndim == 2:
        centre, unit = centre[:, None], unit[:, None]
    np.testing.assert_allclose(pi, 100.0 * (own * unit + centre) + 7.0, rtol=1e-9)
    prediction = model.get_prediction(X[:5])
    np.testing.assert_allclose(
        prediction.se_mean, 100.0 * spread * inner[-1].get_prediction(
            inner[:-1].transform(X[:5])).se_mean, rtol=1e-9,
    )  # fmt: skip
    assert model.inference_.n_members == 2
    assert len(model.diagnostics()) > 5
    model.regressor_[-1].set_params(estimator__covariance="bayesian")
    assert model.fit_inference(X, 100.0 * y + 7.0).inference_.methods == ("bayesian",)
    with pytest.raises(AttributeError, match="influence"):
        model.influence(X, y)


def test_influence_is_sent_to_the_members_and_to_their_average(fitted, data):
    X, y = data
    assert not hasattr(fitted, "influence")
    with pytest.raises(AttributeError) as error:
        fitted.influence(X, y)
    text = str(error.value)
    assert text.startswith(
        "MLPEnsembleRegressorCI has no influence, which is of single"
    )
    member, everyone = re.findall(
        r"committee\.\S+\(X, y\)|plotting\.\S+\(model, X, y\)\S+\)", text
    )
    names = {"committee": fitted, "model": fitted, "i": 1, "X": X, "y": y}
    found = eval(member, names)
    assert found.leverage.shape[0] == len(X) and "Influence of" in str(found)
    pytest.importorskip("matplotlib.pyplot").switch_backend("agg")
    if y.ndim == 1:
        from sklearn_nnci import plotting

        assert len(eval(everyone, names | {"plotting": plotting})) == len(X)
        scaled = make_scaled(fitted).fit(X, y)
        with pytest.raises(AttributeError, match=r"has no influence.*estimators_\[i\]"):
            scaled.influence(X, y)


def test_searches_choose_among_committees():
    X, y = sine_data(n=60)
    grid = {"n_starts": [1, 2], "estimator__alpha": [1e-2, 1e3]}
    search = GridSearchCV(committee(), grid, cv=2).fit(X, y)
    assert search.best_params_["estimator__alpha"] == 1e-2
    assert search.best_estimator_.predict(X, return_pi=True)[1].shape == (60, 2)


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_skops(model):
    data = skops.io.dumps(model)
    untrusted = set(skops.io.get_untrusted_types(data=data))
    assert untrusted == {
        "sklearn_nnci._ensemble.MLPEnsembleRegressorCI",
        "sklearn_nnci._regressor.MLPRegressorCI",
    }
    return skops.io.loads(data, trusted=sorted(untrusted))


@pytest.mark.parametrize("form", [through_pickle, through_skops, copy.deepcopy])
def test_saved_committees_say_the_same(fitted, form):
    other = form(fitted)
    assert_same(other, fitted, QUERIES)
    assert repr(other.inference_) == repr(fitted.inference_)
    assert repr(other.diagnostics()) == repr(fitted.diagnostics())


@pytest.mark.parametrize("flags", [{}, *({flag: True} for flag in FLAGS[:3])], ids=str)
def test_partitions_are_predicted_one_by_one(fitted, flags):
    da = pytest.importorskip("dask.array")
    X = np.vstack([QUERIES] * 3)
    lazy = fitted.predict(da.from_array(X, chunks=(7, 2)), **flags)
    whole = fitted.predict(X, **flags)
    pairs = zip(lazy, whole, strict=True) if flags else [(lazy, whole)]
    for a, b in pairs:
        assert isinstance(a, da.Array) and (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a.compute(), b, rtol=1e-9)


def test_dask_arrays_keep_float64_and_refuse_what_relates_rows(fitted):
    da = pytest.importorskip("dask.array")
    X = da.from_array(QUERIES.astype(np.float32), chunks=(3, 2))
    assert fitted.predict(X).dtype == fitted.predict(X).compute().dtype == float
    with pytest.raises(ValueError, match="return_cov relate"):
        fitted.predict(X, return_cov=True)


def test_fit_inference_takes_partitions(fitted, data):
    da = pytest.importorskip("dask.array")
    model = copy.deepcopy(fitted)
    model.fit_inference(*(da.from_array(a, chunks=(20, *a.shape[1:])) for a in data))
    assert_same(model, fitted, QUERIES, rtol=1e-7, atol=1e-9)
    assert np.isnan(model.inference_.between)
    assert "between" not in repr(model.inference_)


def test_threads_that_predict_leave_the_filters_of_warnings(fitted):
    filters, show = list(warnings.filters), warnings.showwarning
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(fitted.predict, QUERIES, return_ci=True) for _ in range(40)]
    expected = fitted.predict(QUERIES, return_ci=True)[1]
    for job in jobs:
        np.testing.assert_array_equal(job.result()[1], expected)
    assert list(warnings.filters) == filters and warnings.showwarning is show


@pytest.mark.parametrize("parameters, message", [
    (dict(architectures=((3,), (5,))), r"architectures=.*Try architectures=\(None,\)"),
    (dict(architectures=()), "is empty"),
    (dict(architectures=("a",)), "holds 'a'"),
    (dict(architectures=((0,),)), r"holds \(0,\)"),
    (dict(architectures=(((3,), (5,)),)), "nor a hidden_layer_sizes"),
    (dict(architectures=((2.5,),)), "nor a hidden_layer_sizes"),
    (dict(architectures=3), "'architectures' parameter"),
    (dict(n_starts=0), "'n_starts' parameter"),
    (dict(n_starts=True), "n_starts must be an integer"),
    (dict(n_jobs=0), "'n_jobs' parameter"),
    (dict(estimator=StandardScaler()), "'estimator' parameter"),
    (dict(estimator=clone(NET).set_params(covariance=None)), "covariance=None"),
])  # fmt: skip
def test_what_makes_no_committee_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        committee().set_params(**parameters).fit(*sine_data(n=30))


@pytest.mark.parametrize("sizes", [2, (2,), [2], np.array([2]), None, ()])
def test_forms_of_an_architecture(sizes):
    X, y = sine_data(n=30)
    model = committee(architectures=[sizes], n_starts=1).fit(X, y)
    shapes = [W.shape for W in model.estimators_[0].coefs_]
    units = 3 if sizes is None else 2
    assert shapes == ([(2, 1)] if np.size(sizes) == 0 else [(2, units), (units, 1)])


@pytest.mark.parametrize("flags, message", [
    (dict(return_ci=True, return_pi=True), "cannot be combined"),
    (dict(return_ci=True, confidence_level=95), "0.95, not 95"),
    (dict(confidence_level=0), "confidence_level"),
    (dict(return_ci=True, simultaneous="scheffe"), "sup-t"),
    (dict(return_pi=True, simultaneous="sup-t"), "bonferroni"),
    (dict(return_ci=True, simultaneous="all"), "simultaneous must be"),
])  # fmt: skip
def test_what_predict_refuses(fitted, flags, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(QUERIES, **flags)


def test_what_belongs_to_members_is_not_on_the_committee(fitted):
    for name in ("jacobian", "summary", "influence", "parameter_covariance",
                 "partial_fit", "loo_score"):  # fmt: skip
        with pytest.raises(AttributeError):
            getattr(fitted, name)
    assert fitted.estimators_[0].jacobian(QUERIES).shape[0] == 7
    with pytest.raises(NotFittedError):
        committee().predict(QUERIES)
    for ask in (lambda one: one.inference_, lambda one: one.diagnostics()):
        with pytest.raises(NotFittedError):
            ask(committee())


def test_a_refused_fit_leaves_no_fit_behind(fitted):
    model = copy.deepcopy(fitted)
    with pytest.raises(ValueError, match="NaN"):
        model.fit([[np.nan]], [1.0])
    with pytest.raises(NotFittedError):
        model.predict(QUERIES)


@checks_of_sklearn
@parametrize_with_checks([
    committee(MLPRegressorCI(hidden_layer_sizes=(5,), solver="lbfgs"), n_starts=2)
])  # fmt: skip
def test_check_estimator(estimator, check):
    check(estimator)
