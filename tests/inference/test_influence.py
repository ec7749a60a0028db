"""Influence, leave-one-out and the parameters, against statsmodels and refits."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from cases import CONVERGED, sine_data
from least_squares import LINEAR, at_the_optimum, data
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.outliers_influence import OLSInfluence

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI
from sklearn_nnci.metrics import loo_scorer


def test_equals_statsmodels():
    X, y, _ = data()
    expected = OLSInfluence(sm.OLS(y, sm.add_constant(X)).fit())
    found = at_the_optimum(X, y, covariance="least_squares").influence(X, y)
    tolerance = dict(rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.leverage, expected.hat_matrix_diag, **tolerance)
    np.testing.assert_allclose(found.loo_residuals, expected.resid_press, **tolerance)
    np.testing.assert_allclose(
        found.studentized_residuals, expected.resid_studentized_external, **tolerance
    )
    np.testing.assert_allclose(
        found.cooks_distance, expected.cooks_distance[0], **tolerance
    )


def test_two_outputs_without_hidden_layer_are_two_regressions():
    X, Y, _ = data(m=2)
    both = at_the_optimum(X, Y, covariance="least_squares").influence(X, Y)
    for k in range(2):
        one = at_the_optimum(X, Y[:, k], covariance="least_squares")
        one = one.influence(X, Y[:, k])
        for name in ("leverage", "residuals", "loo_residuals", "studentized_residuals"):
            np.testing.assert_allclose(
                getattr(both, name)[:, k], getattr(one, name), rtol=1e-8
            )


def test_deletion_is_exact_for_a_linear_network():
    X, y, _ = data(n=20)
    model = at_the_optimum(X, y, covariance="least_squares")
    loo = model.influence(X, y).loo_residuals
    refits = [
        (y - at_the_optimum(np.delete(X, i, 0), np.delete(y, i)).predict(X))[i]
        for i in range(20)
    ]
    np.testing.assert_allclose(loo, refits, rtol=1e-9)
    assert model.loo_score(X, y) == pytest.approx(r2_score(y, y - refits), rel=1e-12)
    assert model.inference_.press == pytest.approx(np.mean(np.square(refits)))


def test_rows_that_did_not_train_are_nan_and_copies_count():
    X, y = sine_data(n=60)
    k = np.r_[0, np.full(59, 2)]
    net = MLPRegressor(
        hidden_layer_sizes=(3,), activation="tanh", alpha=0.1, **CONVERGED
    ).fit(X, y)
    weighted = MLPRegressorCI.from_estimator(net, X, y, k).influence(X, y, k)
    assert np.isnan(weighted.leverage).tolist() == [True] + [False] * 59
    rows = np.repeat(np.arange(60), k)
    repeated = MLPRegressorCI.from_estimator(net, X[rows], y[rows])
    repeated = repeated.influence(X[rows], y[rows])
    for one, two in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one[rows], two, rtol=1e-8)


def test_a_row_that_only_it_explains_scores_minus_infinity():
    X, y, _ = data()
    X = np.c_[X, np.arange(50) == 7]
    model = at_the_optimum(X, y, covariance="least_squares")
    assert model.loo_score(X, y) == -np.inf
    assert np.isinf(model.influence(X, y).loo_residuals[7])


@pytest.mark.parametrize("m", [1, 2])
def test_it_prints_as_the_rows_of_largest_cooks_distance(m):
    X, y, _ = data(m=m)
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(len(X))])
    found = at_the_optimum(X, y, covariance="least_squares").influence(frame, y)
    title, head, *lines = str(found).splitlines()
    k = 5 if m == 1 else 2
    assert title == f"Influence of 50 rows, the {k} of largest Cook's distance"
    assert head.split() == list(found._fields)
    first = found.to_frame().iloc[np.argsort(found.cooks_distance)[::-1][:k]]
    shown = pd.Series(lines).str.extract(r"^ *(row \d+)(?: y(\d))?  +(.*)$")
    assert list(dict.fromkeys(shown[0])) == list(first.index) and len(lines) == k * m
    for label, output, cells in shown.itertuples(index=False):
        row = first.loc[label]
        if m == 2:
            row = [row[name, f"y{output}"] for name in found._fields[:4]]
            row.append(first.loc[label, ("cooks_distance", "")])
        np.testing.assert_allclose([float(c) for c in cells.split()], row, rtol=1e-3)
    assert repr(found) == str(found)
    html = found._repr_html_()
    assert title in html and html.count("<tr>") == k * m + 1


def test_what_is_printed_says_which_rows_did_not_train_and_of_few_shows_all():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(early_stopping=True, random_state=0, max_iter=50).fit(X, y)
    found = net.influence(X, y)
    title, *lines = str(found).splitlines()
    absent = np.isnan(found.leverage).sum()
    assert f"(of which {absent} did not train), the 5 of" in title and absent > 0
    assert "nan" not in str(lines)
    linear = MLPRegressorCI(hidden_layer_sizes=(), **CONVERGED)
    few = linear.fit(X[:4], y[:4]).influence(X[:4], y[:4])
    assert str(few).startswith("Influence of 4 rows, by Cook's distance\n")
    distances = [float(line.split()[-1]) for line in str(few).splitlines()[2:]]
    assert len(distances) == 4 and distances == sorted(distances, reverse=True)


def test_search_by_leave_one_out_score():
    X, y = sine_data(n=80, noise=0.4)
    net = MLPRegressorCI(hidden_layer_sizes=(6,), activation="tanh", **CONVERGED)
    rows = np.arange(80)
    grid = {"mlpregressorci__alpha": [1e-4, 1e-1, 1e3]}
    model = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(model, grid, scoring=loo_scorer, cv=[(rows, rows)]).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"mlpregressorci__alpha": 0.1}
    best = search.best_estimator_
    scaled = best[:-1].transform(X)
    assert scores.max() == pytest.approx(best[-1].loo_score(scaled, y))
    wrapped = TransformedTargetRegressorCI(best, transformer=StandardScaler()).fit(X, y)
    assert -1 < loo_scorer(wrapped, X, y) < 1


def test_summary_marks_what_the_data_do_not_determine():
    X, y, _ = data()
    result = sm.OLS(y, sm.add_constant(X)).fit()
    table = at_the_optimum(X, y, covariance="least_squares").summary(0.9)
    order = [1, 2, 3, 0]
    np.testing.assert_allclose(table["estimate"], result.params[order], rtol=1e-9)
    np.testing.assert_allclose(table["std_error"], result.bse[order], rtol=1e-9)
    np.testing.assert_allclose(
        table[["lower", "upper"]], result.conf_int(0.1)[order], rtol=1e-9
    )
    assert table["estimable"].all()
    twins = MLPRegressor(**LINEAR).fit(np.c_[X, X[:, 0]], y)
    table = MLPRegressorCI.from_estimator(
        twins, np.c_[X, X[:, 0]], y, covariance="least_squares"
    ).summary()
    assert table["estimable"].tolist() == [False, True, True, False, True]
    assert np.isinf(table["std_error"]).tolist() == [True, False, False, True, False]
    assert not table.isna().any(axis=None)


@pytest.mark.parametrize("alpha, hidden", [(1e-2, 3), (0.3, 3)])
def test_press_is_within_twelve_percent_of_polished_refits(alpha, hidden):
    """Refits start at the weights of all rows, to stay in the same minimum."""
    from sklearn_nnci._network import perceptron
    from sklearn_nnci._training.polish import polish

    X, y = sine_data(n=60, noise=0.3)
    net = MLPRegressorCI(
        hidden_layer_sizes=(hidden,), activation="tanh", alpha=alpha, solver="lbfgs",
        max_iter=2000, polish=True, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert net.inference_.max_leverage < 0.8
    assert net.inference_.relative_offset < 1e-3
    network, refits = net._network(), []
    for i in range(60):
        rows = np.delete(np.arange(60), i)
        without, _ = polish(network, X[rows], y[rows, None], np.ones(59), alpha)
        refits.append(y[i] - perceptron.forward(without, X[i : i + 1])[-1][0, 0])
    press = net.inference_.press
    assert press == pytest.approx(np.mean(np.square(refits)), rel=0.12)
    assert np.corrcoef(refits, net.influence(X, y).loo_residuals)[0, 1] > 0.98


def refits(net, X, y):
    """Residuals of rows left out, by training anew from the same random state."""
    own = MLPRegressor().get_params()
    plain = MLPRegressor(**{k: v for k, v in net.get_params().items() if k in own})
    found = []
    for i in range(len(y)):
        plain.fit(np.delete(X, i, axis=0), np.delete(y, i))
        found.append(y[i] - plain.predict(X[i : i + 1])[0])
    return np.array(found)


@pytest.mark.parametrize(
    "hidden, activation, n, largest, textbook",
    [
        ((6,), "tanh", 60, 1.2, 4.0),
        ((10,), "tanh", 80, 1.2, 4.0),
        ((8,), "relu", 60, 1.5, 2.0),
        ((20,), "relu", 60, 2.0, 1e3),  # more parameters than rows
    ],
)
def test_left_out_residuals_of_unfinished_training_are_near_those_of_refits(
    hidden, activation, n, largest, textbook
):
    """adam's own penalty would have the network fit what it never came to fit.

    In mean square over 36 such fits of tanh with fewer parameters than rows: 1.01 to
    1.33 times those of refits, by the leverages of the evidence 1.05 to 1.36, under the
    penalty of training 1.2 to 9; over 18 of relu with more: 1.2 to 2 times, and without
    bound.
    """
    X, y = sine_data(n=n, noise=0.3)
    net = MLPRegressorCI(
        hidden_layer_sizes=hidden, activation=activation, random_state=0
    ).fit(X, y)
    truth, found = refits(net, X, y), net.influence(X, y).loo_residuals
    ratio = np.mean(found**2) / np.mean(truth**2)
    assert 1.0 < ratio < largest
    assert np.corrcoef(found, truth)[0, 1] > 0.99
    assert net.inference_.press == pytest.approx(np.mean(found**2))
    score = r2_score(y, y - truth)
    assert score - 2.0 * (ratio - 1.0) * (1.0 - score) < net.loo_score(X, y) < score
    others = {
        name: MLPRegressorCI.from_estimator(net, X, y, covariance=name).influence(X, y)
        for name in ("evidence", "bayesian")
    }
    e, b = (np.mean(o.loo_residuals**2) / np.mean(truth**2) for o in others.values())
    assert ratio <= e < b and b > textbook
