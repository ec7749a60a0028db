"""Measure where ``covariance="auto"`` should change from one formula to the other.

``"auto"`` is bayesian with leave-one-out noise and widened confidence intervals where
edf / n is at most `EDF_SHARE`, beyond that evidence with the squared distance b(x) to
its optimum added: chosen on Friedman #1. Here it meets curves in one and two inputs,
random networks, and smoothed random forests fitted to real data. The cells are a random
part of a large grid, balanced within each family of functions. A cell is one data set
and one network, from which *both* branches and the formulas without corrections give
intervals: all comparisons are paired. A candidate, `evidence_mean`, adds to b(x)^2 in
confidence intervals its mean over the training rows, if edf / n is at most `MOST`.

Per fit and formula: ci, the share of true means inside the confidence interval; pi, the
exact probability of a new observation in the prediction interval; median widths; the
interval scores (Winkler), of ci for the true mean, of pi expected over the noise. Units
are standard deviations of y; scored bounds are clipped to `CLIP` of them. Where both
branches fail, the best of five starts of lbfgs shows whether that helps. In the tables,
bad is below `BAD`, scores are mean logarithms: 0.1 is ten per cent.

A second, smaller batch has noise of `STRONG` standard deviations of the true mean, and
tables of its own: those of the first batch do not depend on it.

`python benchmarks/auto_rule.py` takes ten minutes on two cores; with ``--strong-only``
it runs the second batch and keeps the rows of the first, with ``--tables-only`` it
starts from auto_rule.csv. What stands above the tables of auto_rule.md is kept.
"""

import argparse
import warnings
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.datasets import load_diabetes, load_wine, make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_nnci import MLPRegressorCI, Prediction, _covariance

SEED, LEVEL, N_TEST, CLIP, STARTS, PER_FAMILY = 246088, 0.95, 100, 10.0, range(5), 50
STRONG, STRONG_PER_FAMILY = 5.0, 8
RESULTS, MARK = Path(__file__).parent / "results", "<!-- tables -->\n"
USED, MOST, FLOOR, BAD = 0.3, 0.95, 0.93, 0.8  # of edf / n; of coverage
MEASURES = ["ci", "pi", "ci_width", "pi_width", "ci_score", "pi_score"]
FORMULAS = {  # the EDF_SHARE that forces a branch; parameters
    "bayes_auto": (np.inf, dict(covariance="auto", noise="auto")),
    "evidence_auto": (-1.0, dict(covariance="auto", noise="auto")),
    "bayes_loo": (USED, dict(covariance="bayesian", noise="loo")),
    "evidence": (USED, dict(covariance="evidence", noise="auto")),
    "bayesian": (USED, dict(covariance="bayesian", noise="auto")),
}
BOTH = FIRST, SECOND = "bayes_auto", "evidence_auto"
CANDIDATE = "evidence_mean"
FACTORS = {
    "n": [100, 300, 1000],
    "hidden": [3, 5, 10, 17, 30, 55, 100],
    "activation": ["tanh", "relu"],
    "solver": ["adam", "lbfgs"] * 2 + ["adam", "polished"],
    "noise": [0.1, 1.0, 3.0],  # in standard deviations of the true mean
    "alpha": [1e-4] * 4 + [1e-2, 1.0],
}
EDGES = [0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 0.95, 1.01]
THRESHOLDS = np.round(np.arange(0.0, 0.951, 0.025), 3)  # 0: always the second formula
FAMILIES = [(truth, d) for truth in ("sinc", "sines") for d in (1, 2)]
FAMILIES += [(truth, d) for truth in ("friedman", "teacher") for d in (5, 10, 20)]
FAMILIES += [("forest", load_diabetes), ("forest", load_wine)]


def draw(rng, n, truth, d):
    """Return X and the true mean, of `d` inputs or of the real data that `d` loads."""
    if truth == "sinc":
        X = rng.uniform(-5.0, 5.0, (n, d))
        return X, np.sinc(2.0 * (X + 5.0) / np.pi).sum(axis=1)
    if truth == "sines":
        X = rng.uniform(-1.0, 1.0, (n, d))
        return X, np.sin(np.pi * X * np.arange(1, d + 1)).sum(axis=1)
    if truth == "friedman":
        return make_friedman1(n, n_features=d, random_state=int(rng.integers(2**31)))
    if truth == "teacher":
        X, W, b = rng.normal(size=(n, d)), rng.normal(size=(d, 5)), rng.normal(size=5)
        return X, np.tanh(2.0 * X @ W / np.sqrt(d) + b) @ rng.normal(size=5)
    rows, y = d(return_X_y=True)
    if d is load_wine:  # alcohol from the other measurements
        rows, y = rows[:, 1:], rows[:, 0]
    rows = StandardScaler().fit_transform(rows)
    model = RandomForestRegressor(50, min_samples_leaf=3, random_state=0).fit(rows, y)
    X = rng.choice(rows, n) + 0.2 * rng.standard_normal((n, rows.shape[1]))
    shifts = 0.3 * np.random.default_rng(0).standard_normal((20, X.shape[1]))
    return X, np.mean([model.predict(X + shift) for shift in shifts], axis=0)


def design(family, *, strong):
    """Return the cells of a family. Polishing large ones would take minutes each."""
    seed, number = [SEED, family], PER_FAMILY
    if strong:
        seed, number = [*seed, 1], STRONG_PER_FAMILY
    rng, cells = np.random.default_rng(seed), pd.DataFrame()
    for name, levels in FACTORS.items():
        cells[name] = rng.permutation(np.resize(levels, number))
    if strong:
        cells["noise"] = STRONG
    large = (cells.solver == "polished") & (cells.n * cells.hidden > 6000)
    cells.loc[large, "solver"] = "lbfgs"
    return cells.assign(family=family, truth=FAMILIES[family][0])


def trained(cell, solver, alpha, seed, X, y):
    """Return the fitted network of a cell, without inference."""
    how = {} if solver == "adam" else dict(solver="lbfgs", max_iter=5000, max_fun=10**6)
    how |= dict(polish=True) if solver == "polished" else {}
    how |= dict(hidden_layer_sizes=int(cell.hidden), activation=cell.activation)
    how |= dict(alpha=alpha, covariance=None, random_state=seed)
    return MLPRegressorCI(**how).fit(X, y)


def measure(net, X, y, queries, truth, sd):
    """Return the numbers of all formulas, and the report of the first."""
    nets, found, row = {}, {}, {}
    for name, (share, own) in FORMULAS.items():
        with mock.patch.object(_covariance, "EDF_SHARE", share):
            nets[name] = MLPRegressorCI.from_estimator(net, X, y, **own)
        found[name] = nets[name].get_prediction(queries)
    se, plain = (nets[name].get_prediction(X).se_mean for name in (SECOND, "evidence"))
    base, report = found[SECOND], nets[FIRST].inference_
    b2 = np.mean(se**2 - plain**2) if report.edf <= MOST * len(y) else 0.0
    se = np.sqrt(base.se_mean**2 + b2)
    found[CANDIDATE] = Prediction(base.mean, se, np.maximum(base.se_obs, se), base.dof)
    for name, prediction in found.items():
        ci, pi = (prediction.conf_int(LEVEL, obs=obs).T for obs in (False, True))
        row[f"{name}_ci"] = np.mean((ci[0] <= truth) & (truth <= ci[1]))
        row[f"{name}_pi"] = np.mean(np.diff(stats.norm.cdf((pi - truth) / sd), axis=0))
        row[f"{name}_ci_width"] = np.median(ci[1] - ci[0])
        row[f"{name}_pi_width"] = np.median(pi[1] - pi[0])
        ci, pi = np.clip((ci, pi), -CLIP, CLIP)
        missed = np.maximum(ci[0] - truth, 0.0) + np.maximum(truth - ci[1], 0.0)
        row[f"{name}_ci_score"] = np.mean(ci[1] - ci[0] + 2.0 / (1.0 - LEVEL) * missed)
        z = np.array([pi[0] - truth, truth - pi[1]]) / sd  # of each, E (z + N(0, 1))_+
        missed = sd * np.sum(z * stats.norm.cdf(z) + stats.norm.pdf(z), axis=0)
        row[f"{name}_pi_score"] = np.mean(pi[1] - pi[0] + 2.0 / (1.0 - LEVEL) * missed)
    return row, report


def simulate(number, cell):
    """Return the row of one cell."""
    rng, n = np.random.default_rng([SEED, number]), cell.n
    X, mean = draw(rng, n + N_TEST, *FAMILIES[cell.family])
    sd = cell.noise * mean.std()
    y = mean[:n] + sd * rng.standard_normal(n)
    X = StandardScaler().fit(X[:n]).transform(X)
    data = X[:n], (y - y.mean()) / y.std()
    asked = X[n:], (mean[n:] - y.mean()) / y.std(), sd / y.std()
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
        net = trained(cell, cell.solver, cell.alpha, number, *data)
        row, report = measure(net, *data, *asked)
        row |= dict(share=report.edf / n, offset=report.relative_offset, again=np.nan)
        if max(row[f"{name}_ci"] for name in BOTH) < BAD:
            nets = [trained(cell, "lbfgs", report.penalty, k, *data) for k in STARTS]
            other, _ = measure(min(nets, key=lambda net: net.loss_), *data, *asked)
            row["again"] = max(other[f"{name}_ci"] for name in BOTH)
    return cell.to_dict() | row


def digest(long, by):
    """Return means of coverages and log scores, shares of bad ones, median widths."""
    long = long.assign(**np.log(long[MEASURES[4:]]))
    groups = long.assign(ci_bad=long.ci < BAD, pi_bad=long.pi < BAD).groupby(by)
    out = groups[["ci", "ci_bad", "pi", "pi_bad", *MEASURES[4:]]].mean()
    return out.join(groups[MEASURES[2:4]].median()).assign(N=groups.size())


def best(table, second, draws=1000):
    """Return thresholds of least score, free and with enough coverage, bootstrapped."""
    n, rng = len(table), np.random.default_rng(SEED)
    weights = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), draws)])
    early = table[["share"]].to_numpy() <= THRESHOLDS
    ci, score = (
        np.where(early, table[[f"{FIRST}_{key}"]], table[[f"{second}_{key}"]])
        for key in ("ci", "ci_score")
    )
    scores, allowed = weights @ np.log(score) / n, True
    for solver in table.solver.unique():
        own = weights * (table.solver == solver).to_numpy()
        allowed &= own @ ci >= FLOOR * own.sum(axis=1, keepdims=True)
    free = THRESHOLDS[scores.argmin(axis=1)]
    bound = THRESHOLDS[np.where(allowed, scores, np.inf).argmin(axis=1)]
    bound[~allowed.any(axis=1)] = np.nan
    lost = scores[0, THRESHOLDS == USED][0] - scores[0].min()
    row = {"N": n, f"score at {USED} / least": np.exp(lost)}
    for name, found in (("least score", free), (f"least, ci >= {FLOOR}", bound)):
        low, high = pd.Series(found).quantile([0.05, 0.95])
        row |= {name: found[0], f"90 % of {name}": f"{low:.3g} to {high:.3g}"}
    return row | {"possible": np.isfinite(bound).mean()}  # row 0: the sample itself


def tables(table):
    """Yield titles and tables."""
    parts, long = {"all": table}, []
    for factor in ("solver", "activation", "noise", "alpha", "n", "truth"):
        parts |= {f"{factor} {key}": part for key, part in table.groupby(factor)}
    for name in (*FORMULAS, CANDIDATE):
        own = table[[f"{name}_{key}" for key in MEASURES]].set_axis(MEASURES, axis=1)
        long.append(table[["share", "solver"]].join(own).assign(formula=name))
    long = pd.concat(long, ignore_index=True)
    for second in (SECOND, CANDIDATE):
        title = f"{FIRST} up to the threshold, {second} beyond"
        at = {t: np.where(long.share <= t, FIRST, second) for t in THRESHOLDS[::2]}
        chosen = pd.concat({t: long[long.formula == name] for t, name in at.items()})
        chosen = chosen.droplevel(1).rename_axis("threshold")
        solvers = chosen.groupby(["threshold", "solver"]).ci.mean().unstack()
        found = digest(chosen, "threshold").join(solvers.add_prefix("ci "))
        yield f"Rules: {title}", found
        found = pd.DataFrame({key: best(part, second) for key, part in parts.items()}).T
        yield f"Best threshold: {title}", found.rename_axis("fits")
    table["ratio"] = np.log(table[f"{FIRST}_ci_score"] / table[f"{SECOND}_ci_score"])
    bins = pd.cut(table.share, EDGES).rename("edf / n")
    for by in ("noise", "activation"):
        groups = table.groupby([bins, "solver", by], observed=True)
        found = groups[[f"{name}_ci" for name in BOTH] + ["ratio"]].mean()
        found = found.set_axis(["bayes", "evid.", "ratio"], axis=1)
        found = found.assign(N=groups.size()).unstack(by).sort_index(axis=1, level=1)
        found.columns = [f"{what} {level}" for what, level in found]
        yield f"Coverage of both branches, log ratio of CI scores, by {by}", found
    side = pd.Series(np.where(long.share <= USED, f"<= {USED}", f"> {USED}"))
    groups = [side.rename("edf / n"), "solver", "formula"]
    yield "Formulas on either side of the threshold in use", digest(long, groups)
    pi = table[[f"{name}_pi" for name in BOTH]].max(axis=1)
    why = np.where(pi < 0.9, "overfitted: PI < 0.9 too", "lack of fit: PI holds")
    why = np.where(table.again >= BAD, "another start covers", why)
    why = np.where(table.again.isna(), "(not both)", why)
    keys = [table.solver + " " + table.activation]
    keys += [f"{k} " + table[k].astype(str) for k in ("hidden", "n", "noise", "alpha")]
    found = pd.concat([pd.crosstab(key, why) for key in keys])
    yield "Why both branches fail", found.rename_axis("fits")


def main():
    """Simulate unless asked not to; write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables-only", action="store_true", help="simulate nothing")
    parser.add_argument("--strong-only", action="store_true", help="the second batch")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    options = parser.parse_args()
    data, page = RESULTS / "auto_rule.csv", RESULTS / "auto_rule.md"
    if not options.tables_only:
        batches = [
            design(k, strong=s) for s in (False, True) for k in range(len(FAMILIES))
        ]
        cells, table = pd.concat(batches, ignore_index=True), None
        if options.strong_only:
            table = pd.read_csv(data).query(f"noise != {STRONG}")
            cells = cells[cells.noise == STRONG]
        order = (cells.n * cells.hidden).sort_values(ascending=False).index
        run = joblib.Parallel(options.jobs, verbose=1)
        rows = run(joblib.delayed(simulate)(k, cells.loc[k]) for k in order)
        table = pd.concat([table, pd.DataFrame(rows, order).sort_index()])
        table.to_csv(data, index=False, float_format="%.4g")
    text = page.read_text().partition(MARK)[0] + MARK if page.exists() else MARK
    table = pd.read_csv(data)
    strong = table.noise == STRONG
    found = [*tables(table[~strong].copy())]
    found += [
        (f"Noise {STRONG:g} alone. {title}", own)
        for title, own in tables(table[strong].copy())
        if not title.startswith("Coverage of both")  # too few fits a line
    ]
    for title, table in found:
        text, frame = f"{text}\n## {title}\n\n", table.reset_index()
        for line in (frame.columns, ["---"] * frame.shape[1], *frame.to_numpy()):
            line = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in line)
            text += f"| {' | '.join(line)} |\n"
    page.write_text(text)


if __name__ == "__main__":
    main()
