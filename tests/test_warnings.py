"""Each warning: one fit that provokes it, one healthy fit that does not."""

import inspect
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from cases import CONVERGED, sine_data
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI, exceptions

HEALTHY = dict(hidden_layer_sizes=(3,), activation="tanh", alpha=1e-3, **CONVERGED)


def inference_warnings(action):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [w for w in caught if issubclass(w.category, exceptions.InferenceWarning)]


def fit_warns(X, y, sample_weight=None, **parameters):
    net = MLPRegressorCI(**parameters)
    caught = inference_warnings(lambda: net.fit(X, y, sample_weight))
    return net, caught


def test_a_healthy_fit_raises_none():
    X, y = sine_data(n=200)
    net, caught = fit_warns(X, y, **HEALTHY)
    report = net.inference_
    assert report.max_leverage < 0.8
    assert report.press_ratio < 1.3
    assert report.relative_offset < 0.3
    assert caught == []
    assert report.warnings == ()
    assert inference_warnings(lambda: net.predict(X, return_ci=True)) == []


PROVOKED = {
    exceptions.NotAtMinimumWarning: dict(
        hidden_layer_sizes=(3,), activation="tanh", max_iter=50, random_state=0
    ),
    exceptions.NoResidualDofWarning: dict(
        hidden_layer_sizes=(100,), random_state=0, covariance="bayesian"
    ),
    exceptions.OverfittedWarning: {**HEALTHY, "hidden_layer_sizes": (12,)},
}


@pytest.mark.parametrize("kind", PROVOKED, ids=lambda kind: kind.__name__)
def test_each_warning_comes_once_with_advice_from_what_provokes_it(kind):
    X, y = sine_data(n=60)
    net, caught = fit_warns(X, y, **PROVOKED[kind])
    mine = [w for w in caught if w.category is kind]
    assert len(mine) == 1
    assert "Try" in str(mine[0].message)
    assert mine[0].filename == __file__  # it points at the caller, not at us
    assert any(text.startswith(kind.__name__) for text in net.inference_.warnings)


def check_of(net, name):
    return next(check for check in net.diagnostics() if check.name == name)


@pytest.mark.parametrize(
    "name, parameters",
    [
        (
            "largest leverage",
            {**HEALTHY, "hidden_layer_sizes": (12,), "covariance": "bayesian"},
        ),
        ("leave-one-out error ratio", {**HEALTHY, "hidden_layer_sizes": (12,)}),
        ("penalty beyond the evidence", {**HEALTHY, "alpha": 30.0}),
        ("relative offset", PROVOKED[exceptions.NotAtMinimumWarning]),
    ],
)
def test_checks_that_do_not_warn_are_told_by_diagnostics(name, parameters):
    X, y = sine_data(n=60)
    net, caught = fit_warns(X, y, **parameters)
    check = check_of(net, name)
    assert check.verdict == "notice" and check.value > check.threshold
    assert "Try" in check.advice and check.warning == ""
    assert check.advice not in [str(w.message) for w in caught]
    healthy, _ = fit_warns(*sine_data(n=200), **HEALTHY)
    assert check_of(healthy, name).verdict == "ok"


def test_evidence_at_the_end_of_its_range_is_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    linear = dict(hidden_layer_sizes=(), alpha=0.1, **CONVERGED)
    exact, _ = fit_warns(X, X[:, 0], **{**linear, "alpha": 0.0})
    assert check_of(exact, "evidence out of range").verdict == "notice"
    noisy, caught = fit_warns(X, X[:, 0] + 0.3 * rng.normal(size=100), **linear)
    assert check_of(noisy, "evidence out of range").verdict == "ok"
    assert caught == []


def test_unbounded_intervals_where_no_degrees_of_freedom_are_left():
    """Never zero, never nan: unbounded, for each formula that needs residuals."""
    X, y = sine_data(n=40)
    for covariance in ("least_squares", "bayesian", "frequentist"):
        for noise in ("residual", "loo"):
            net, caught = fit_warns(
                X, y, random_state=0, covariance=covariance, noise=noise
            )
            assert [w.category for w in caught] == [exceptions.NoResidualDofWarning]
            for flag in ("return_ci", "return_pi"):
                interval = net.predict(X, **{flag: True})[1]
                assert (interval == [-np.inf, np.inf]).all()
            assert np.isinf(net.predict(X, return_std=True)[1]).all()
            assert np.isinf(np.diag(net.predict(X, return_cov=True)[1])).all()
            assert np.isinf(net.inference_.noise_variance)
            with pytest.raises(ValueError, match=r"unbounded.*auto"):
                net.parameter_covariance()
        # A known noise needs no residuals.
        known, _ = fit_warns(X, y, random_state=0, covariance="bayesian", noise=0.01)
        assert np.isfinite(known.predict(X, return_pi=True)[1]).all()


def dead_unit(n=60):
    """relu units, one of which wakes only far from the training rows."""
    X, y = sine_data(n=n, d=1)
    net = MLPRegressorCI(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0)
    net.set_params(covariance=None, max_iter=50).fit(X, y)
    net.coefs_ = [np.array([[1.0, -1.0, 1.0]]), np.array([[0.5], [0.4], [0.7]])]
    net.intercepts_ = [np.array([1.1, 0.9, -5.0]), np.array([0.0])]
    return net.set_params(covariance="auto"), X, y


@pytest.mark.parametrize("covariance", ["least_squares", "bayesian", "frequentist"])
def test_query_outside_the_span_is_unbounded(covariance):
    net, X, y = dead_unit()
    net.set_params(covariance=covariance).fit_inference(X, y)
    queries = np.array([[0.0], [4.9], [5.5], [50.0]])
    caught = inference_warnings(lambda: net.predict(queries, return_ci=True))
    kinds = [exceptions.OutsideSpanWarning, exceptions.ExtrapolationWarning]
    assert [w.category for w in caught] == kinds
    assert "2 of 4 rows" in str(caught[0].message)
    assert "1 of 4 rows" in str(caught[1].message)
    assert {w.filename for w in caught} == {__file__}
    y_pred, ci = net.predict(queries, return_ci=True)
    assert np.isinf(ci).all(axis=1).tolist() == [False, False, True, True]
    assert np.isfinite(y_pred).all()
    cov = net.predict(queries, return_cov=True)[1]
    se = net.get_prediction(queries).se_mean
    np.testing.assert_allclose(np.diag(cov), se**2, rtol=1e-8)
    assert np.isnan(cov[0, 2]) and np.isfinite(cov[0, 1])
    assert inference_warnings(lambda: net.predict(queries[:1], return_ci=True)) == []


@pytest.mark.parametrize("covariance", ["auto", "evidence"])
def test_advice_outside_the_span_is_bounded(covariance):
    """OutsideSpanWarning sends to auto."""
    net, X, y = dead_unit()
    net.set_params(covariance=covariance).fit_inference(X, y)
    assert np.isfinite(net.predict([[50.0]], return_ci=True)[1]).all()


@pytest.mark.parametrize(
    "parameters, weight, reason",
    [
        (dict(loss="poisson", covariance="evidence"), None, "squared errors"),
        (dict(noise="validation"), None, "validation"),
        (dict(), np.full(60, -1.0), "sample_weight"),
    ],
    ids=["poisson", "validation", "negative weights"],
)
def test_fit_succeeds_where_inference_cannot(parameters, weight, reason):
    X, y = sine_data(n=60)
    y = np.abs(y)
    net, caught = fit_warns(
        X, y, weight, hidden_layer_sizes=(3,), max_iter=5, random_state=0, **parameters
    )
    assert [w.category for w in caught] == [exceptions.InferenceUnavailableWarning]
    assert np.isfinite(net.predict(X)).all()
    with pytest.raises(ValueError, match=reason) as error:
        net.predict(X, return_ci=True)
    assert "fit_inference" in str(error.value)


def test_too_much_memory_is_refused_before_it_is_spent(monkeypatch):
    from sklearn_nnci._linearized import route

    monkeypatch.setattr(route, "MAX_BYTES", 2**10)
    X, y = sine_data(n=60)
    net, caught = fit_warns(X, y, **HEALTHY, covariance="least_squares")
    assert [w.category for w in caught] == [exceptions.InferenceUnavailableWarning]
    with pytest.raises(ValueError, match="GiB"):
        net.predict(X, return_ci=True)


@pytest.mark.parametrize("m", [1, 2])
def test_rows_that_memory_does_not_allow_for_are_left_out_on_the_wide_side(
    monkeypatch, m
):
    """J_s'J_s <= J'J: for one penalty and one noise, no variance gets smaller."""
    from sklearn_nnci._linearized import route

    X, y = sine_data(n=400)
    y = np.column_stack([y, -y])[:, :m].squeeze()
    known = dict(covariance="bayesian", noise=0.01, alpha=0.1, random_state=0)
    whole, caught = fit_warns(X, y, hidden_layer_sizes=(100,), max_iter=20, **known)
    assert exceptions.RowsLeftOutWarning not in [w.category for w in caught]
    assert whole.inference_.rows_used == 1.0
    monkeypatch.setattr(route, "MAX_BYTES", 500_000)
    part, caught = fit_warns(X, y, hidden_layer_sizes=(100,), max_iter=20, **known)
    left_out = [w for w in caught if w.category is exceptions.RowsLeftOutWarning]
    fraction = int(np.sqrt(500_000 / (8 * route.ARRAYS)) / m) / 400
    assert part.inference_.rows_used == pytest.approx(fraction)
    assert f"{fraction:.3g}" in str(left_out[0].message)
    se, wider = (e.get_prediction(X).se_mean for e in (whole, part))
    assert (wider >= se * (1.0 - 1e-9)).all() and np.mean(wider / se) > 1.05
    assert check_of(part, "share of rows left out").verdict == "warning"
    h = part.influence(X, y).leverage.reshape(400, -1)[:, 0]
    assert np.isfinite(h).mean() == pytest.approx(fraction)


def test_all_warnings_have_one_base_class_that_is_no_user_warning():
    """scikit-learn's own tests turn UserWarning into errors around fits."""
    for name in exceptions.__all__:
        kind = getattr(exceptions, name)
        assert issubclass(kind, exceptions.InferenceWarning)
        assert not issubclass(kind, UserWarning)


def test_a_known_noise_measures_the_offset_where_residuals_cannot():
    X, y = sine_data(n=40)
    net, caught = fit_warns(
        X, y, hidden_layer_sizes=(100,), activation="tanh", max_iter=3, noise=0.01,
        random_state=0,
    )  # fmt: skip
    assert net.inference_.edf > 39
    assert exceptions.NotAtMinimumWarning in [w.category for w in caught]
    plain, _ = fit_warns(
        X, y, hidden_layer_sizes=(100,), activation="tanh", max_iter=3, noise=0.01,
        random_state=0, covariance="bayesian",
    )  # fmt: skip
    widened = net.get_prediction(X).se_mean / plain.get_prediction(X).se_mean
    np.testing.assert_allclose(widened**2, 1 + net.inference_.relative_offset**2)


def test_covariance_of_queries_outside_the_span_warns():
    net, X, y = dead_unit()
    net.set_params(covariance="bayesian").fit_inference(X, y)
    caught = inference_warnings(lambda: net.predict([[0.0], [50.0]], return_cov=True))
    assert [w.category for w in caught] == [exceptions.OutsideSpanWarning]
    assert caught[0].filename == __file__


def test_diagnostics_tell_every_check_in_text_and_html():
    X, y = sine_data(n=200)
    healthy, _ = fit_warns(X, y, **HEALTHY)
    verdicts = {check.verdict for check in healthy.diagnostics()}
    assert verdicts == {"ok", "not applicable"}
    sick, caught = fit_warns(X, y, **PROVOKED[exceptions.NotAtMinimumWarning])
    table = sick.diagnostics()
    failed = [check for check in table if check.verdict == "warning"]
    assert [check.warning for check in failed] == [w.category.__name__ for w in caught]
    for check in failed:
        assert check.value > check.threshold
        assert check.advice in str(table)
        assert check.name in table._repr_html_()
    told = [check for check in table if check.verdict == "notice"]
    assert len(str(table).splitlines()) == 1 + len(table) + len(failed) + len(told)
    assert "relative offset" in repr(healthy.diagnostics())


# ------------------------------------------------------ queries beyond what floats hold


@pytest.mark.parametrize("size", [1e160, 1e300, 1.7e308])
@pytest.mark.parametrize("hidden", [(100,), (3,)])
@pytest.mark.parametrize("covariance", ["auto", "evidence", "bayesian"])
def test_queries_too_large_for_floats_are_unbounded_in_every_output(
    covariance, hidden, size
):
    """With a warning that names the reason, and none of NumPy."""
    X, y = sine_data(n=80)
    known = {"noise": 0.01} if covariance == "bayesian" else {}
    net, _ = fit_warns(
        X, y, hidden_layer_sizes=hidden, random_state=0, covariance=covariance, **known
    )
    assert net.inference_.route == ("dual" if hidden == (100,) else "primal")
    query = np.array([[size, 1.0], X[0]])
    for flag in ("return_ci", "return_pi", "return_std", "return_cov"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = net.predict(query, **{flag: True})[1]
        (w,) = (w for w in caught if "1 of 2 rows" in str(w.message))
        assert {w.category for w in caught} <= {
            exceptions.OutsideSpanWarning, exceptions.ExtrapolationWarning
        }  # fmt: skip
        assert w.category is exceptions.OutsideSpanWarning
        rule = covariance != "bayesian"
        assert ("overflows" in str(w.message)) == rule
        assert ("covariance='auto'" in str(w.message)) != rule
        if flag in ("return_ci", "return_pi"):
            assert found[0].tolist() == [-np.inf, np.inf]
            assert np.isfinite(found[1]).all()
        elif flag == "return_std":
            assert np.isinf(found[0]) and np.isfinite(found[1])
        else:
            assert np.isinf(found[0, 0]) and np.isfinite(found[1, 1])
            assert np.isnan(found[0, 1])
    table = net.get_prediction(query).to_frame()
    assert not table.drop(columns="leverage").isna().any(axis=None)


# ------------------------------------------------------------------ whose line it is of


def lines_of(action):
    """The file and line of every warning of ours."""
    return {(w.filename, w.lineno) for w in inference_warnings(action)}


def here():
    """The line of the caller."""
    return __file__, inspect.currentframe().f_back.f_lineno


def test_warnings_are_of_the_line_of_the_user():
    X, y = sine_data(n=60)
    sick = PROVOKED[exceptions.NotAtMinimumWarning]
    net = MLPRegressorCI(**sick)
    of = []
    assert lines_of(lambda: (of.append(here()), net.fit(X, y))) == {of[-1]}
    calls = [
        lambda: (of.append(here()), net.fit_inference(X, y)),
        lambda: (of.append(here()), net.fit_inference(X, y * 100.0)),
        lambda: (of.append(here()), MLPRegressorCI.from_estimator(net, X, y)),
        lambda: (of.append(here()), net.predict([[9.0, 9.0]], return_ci=True)),
        lambda: (of.append(here()), net.predict([[9.0, 9.0]], return_cov=True)),
        lambda: (of.append(here()), net.get_prediction([[9.0, 9.0]])),
        lambda: (of.append(here()), pickle.loads(old)),
    ]
    old = pickle.dumps(net).replace(b"scikit-learn 1", b"scikit-learn 0")
    for call in calls:
        assert lines_of(call) == {of[-1]}
    net.set_params(noise=0.5)
    call = lambda: (of.append(here()), net.predict(X, return_pi=True))  # noqa: E731
    assert lines_of(call) == {of[-1]}


def test_warnings_through_pipelines_searches_and_scalers_are_of_the_line_of_the_user():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(**PROVOKED[exceptions.NotAtMinimumWarning])
    pipe = make_pipeline(StandardScaler(), net)
    scaled = TransformedTargetRegressorCI(pipe, transformer=StandardScaler())
    search = GridSearchCV(pipe, {"mlpregressorci__alpha": [0.1, 0.2]}, cv=2)
    for model in (pipe, scaled, search):
        of = []
        assert lines_of(lambda m=model, of=of: (of.append(here()), m.fit(X, y))) == {
            of[-1]
        }  # fmt: skip
    for model in (pipe, scaled):
        call = lambda m=model: m.predict([[9.0, 9.0]], return_pi=True)  # noqa: E731
        assert {file for file, _ in lines_of(call)} == {__file__}
    call = lambda: scaled.get_prediction([[9.0, 9.0]])  # noqa: E731
    assert {file for file, _ in lines_of(call)} == {__file__}


def test_warnings_are_of_the_line_of_the_user_where_the_package_is_a_link(tmp_path):
    """Frames know the path by which a module was imported."""
    os.symlink(Path(sklearn_nnci.__file__).parent, tmp_path / "sklearn_nnci")
    script = tmp_path / "script.py"
    script.write_text(
        "import warnings\n"
        "import numpy as np, sklearn_nnci\n"
        "from sklearn_nnci.exceptions import InferenceWarning\n"
        "X = np.linspace(-1, 1, 60)[:, None]\n"
        "net = sklearn_nnci.MLPRegressorCI(random_state=0, max_iter=5)\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always', InferenceWarning)\n"
        "    net.fit(X, 1000.0 + X[:, 0])\n"
        "print(sklearn_nnci.__file__, *(f'{w.filename}:{w.lineno}' for w in caught\n"
        "      if issubclass(w.category, InferenceWarning)))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True,
        check=True,
    ).stdout.split()  # fmt: skip
    assert found == [str(tmp_path / "sklearn_nnci" / "__init__.py"), f"{script}:8"]
