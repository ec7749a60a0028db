"""The recipes of the documentation run with the libraries, and do what they say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sklearn_nnci import effects, get_prediction

GUIDE = Path(__file__).resolve().parents[1] / "doc" / "guide"


def sections(page):
    """The code of each section of a page, by heading; what comes before is ""."""
    parts = re.split(r"^## (.*)$", (GUIDE / page).read_text("utf-8"), flags=re.M)
    code = [
        "".join(re.findall(r"^```python\n(.*?)^```$", part, re.M | re.S))
        for part in parts[::2]
    ]
    return dict(zip(["", *parts[1::2]], code, strict=True))


RECIPES, SAVING = sections("recipes.md"), sections("saving.md")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the sections that begin so; it returns names."""
    monkeypatch.chdir(tmp_path)

    def runs(page, *starts):
        names = {"__name__": "documentation"}
        for start in ("", *starts):
            (title,) = [
                t for t in page if t.startswith(start) and bool(t) == bool(start)
            ]
            exec(compile(page[title], title, "exec"), names)
        return names

    return runs


def test_every_recipe_is_tested():
    tested = {"Missing values", "MAPIE", "marginaleffects", "skore", "mlflow"}
    assert {title.partition(":")[0] for title in RECIPES if title} == tested


def test_an_imputer_draws_what_was_hidden(run):
    names = run(RECIPES, "Missing values")
    spread = names["spread"]
    assert spread[False] < 0.4
    assert spread[True] == pytest.approx(1.0, rel=0.15)  # the noise


def test_mapie_scales_by_our_standard_deviations(run):
    pytest.importorskip("mapie")
    names = run(RECIPES, "MAPIE")
    inner = names["conformal"]._mapie_regressor.estimator_.single_estimator_
    std = get_prediction(inner, names["new"]).se_obs
    width = names["upper"] - names["lower"]
    np.testing.assert_allclose(width / std, (width / std)[0], rtol=1e-8)
    assert width.max() > 1.1 * width.min()
    # Of 150 rows to conformalise and 300 to see: three standard errors of 0.9
    assert abs(names["covered"] - 0.9) < 3 * np.sqrt(0.09 * (1 / 150 + 1 / 300))


def test_marginaleffects_has_our_standard_errors(run):
    pytest.importorskip("marginaleffects")
    pytest.importorskip("polars")
    names = run(RECIPES, "marginaleffects")
    tuned, X = names["tuned"], names["X"].to_numpy()
    ours = effects.avg_slopes(tuned, X, debias=False)
    theirs = names["slopes"].sort("term", descending=True)  # dose, age
    np.testing.assert_allclose(theirs["estimate"], ours.estimate, rtol=1e-4)
    np.testing.assert_allclose(theirs["std_error"], ours.std_error, rtol=1e-3)
    found = tuned.get_prediction(np.array([[0.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(names["table"]["estimate"], found.mean, rtol=1e-8)
    np.testing.assert_allclose(names["table"]["std_error"], found.se_mean, rtol=1e-4)
    assert tuned.inference_.excess_variance == 0.0
    # As the page says, what auto adds is missing in the covariance of the parameters
    auto = names["network"].fit(X, names["y"])
    J, V = auto.jacobian(X[:9]), auto.parameter_covariance()
    missing = auto.inference_.excess_variance
    assert missing > 0.0
    np.testing.assert_allclose(
        auto.get_prediction(X[:9]).se_mean ** 2,
        np.einsum("np,pq,nq->n", J, V, J) + missing,
        rtol=1e-8,
    )


def test_skore_shows_our_checks_with_their_advice(run):
    pytest.importorskip("skore")
    names = run(RECIPES, "skore")
    checks = names["checks"].set_index("code")
    found = names["report"].estimator_.diagnostics()
    advice = [one.advice for one in found]
    assert any(advice) and not all(advice)
    for k, one in enumerate(found):
        row = checks.loc[f"NNCI{k:03}"]
        assert row["title"] == one.name
        assert (row["explanation"] == one.advice) == bool(one.advice)


def test_mlflow_serves_the_table(run):
    pytest.importorskip("mlflow")
    names = run(RECIPES, "mlflow")
    expected = get_prediction(names["model"], names["X_new"][:3]).to_frame(0.9)
    assert list(names["answer"]) == list(expected)
    answer = names["answer"].astype(float)
    np.testing.assert_allclose(answer, expected.astype(float), rtol=1e-4)
    default = names["served"].predict(names["X_new"][:3])
    assert (default["obs_ci_upper"] > names["answer"]["obs_ci_upper"]).all()


@pytest.fixture
def saved(run):
    for library in ("skops", "onnxruntime", "skl2onnx"):
        pytest.importorskip(library)
    parts = [part for part in SAVING if part and not part.startswith("A service")]
    return run, parts


def test_what_is_saved_comes_back(saved, capsys):
    run, parts = saved
    names = run(SAVING, *parts)  # asserts on its way
    assert names["told"]["confidence_interval"] in capsys.readouterr().out


def test_a_service_answers_with_null_where_nothing_is_bounded(run):
    pytest.importorskip("fastapi")
    try:
        from fastapi.testclient import TestClient
    except (ImportError, RuntimeError, Warning):
        pytest.skip("No HTTP client that the test client of FastAPI wants.")
    names = run(SAVING, "A service")
    found = get_prediction(names["model"], np.array([[0.5, 0.0, 0.0]]))
    answer = names["answer"].json()
    assert answer["extrapolates"] == [False, True]
    np.testing.assert_allclose(answer["mean"][0], found.mean[0])
    for key, obs in (("confidence_interval", False), ("prediction_interval", True)):
        expected = found.conf_int(obs=obs)[0]
        np.testing.assert_allclose(answer[key][0], expected, rtol=1e-4)
    # A network whose intervals are not bounded: null, and JSON without that is refused
    unbounded = np.array([[-np.inf, np.inf], [0.0, 1.0]])
    assert json.dumps(names["plain"](unbounded)) == "[[null, null], [0.0, 1.0]]"
    assert json.dumps(unbounded.tolist()) == "[[-Infinity, Infinity], [0.0, 1.0]]"

    @names["app"].get("/infinite")
    def infinite():
        return {"bound": float("inf")}

    with pytest.raises(ValueError, match="not JSON compliant"):
        TestClient(names["app"]).get("/infinite")
