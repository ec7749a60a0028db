"""Measure the rule of ``covariance="auto"`` on a grid of data, networks and noise.

`grid.py` has the 540 cells. In each fit one network is trained, without inference;
"auto" and the named "evidence" then give their intervals of it, so that all comparisons
are paired. Per fit, of 100 points inside the data:

- ci: share of true means in the confidence interval; pi: exact probability of a new
  observation in the prediction interval; both also in each tenth of x, by rank (with
  several inputs by the rank of the distance from the centre): the worst tenth is that
  of the group of fits, not of each fit;
- whether ci is below 0.8, pi below 0.9; median widths; share of points unbounded;
- interval scores (Winkler), of ci for the true mean, of pi expected over the noise,
  bounds clipped to 10 s.d. of y: geometric means in the tables, ratios of them paired;
- the InferenceWarnings of the fit, and of predicting these points.

    python benchmarks/coverage/auto_rule.py             # two seeds, and the tables
    python benchmarks/coverage/auto_rule.py --every 10 --output look.csv   # a look
    python benchmarks/coverage/auto_rule.py --compare before.csv look.csv  # no fits

The first writes auto_rule.csv into ``benchmarks/results`` and the tables into
auto_rule.md there, beside the rule before, auto_rule_before.csv, if that exists; what
stands above the tables is kept. Every other `--output` gets its rows only; `--compare`
prints the tables of the fits that two files share.

The rule before is that of another checkout, measured by this script: weights are equal
(the tables are refused if they are not), only intervals differ.

    git worktree add ../before 86c3f9b
    PYTHONPATH=../before python benchmarks/coverage/auto_rule.py \\
        --output benchmarks/results/auto_rule_before.csv
"""

import argparse
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from grid import KIND_OF, LEVEL, NETWORKS, draw, fits, measure, tenths
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci import MLPRegressorCI
from sklearn_nnci.exceptions import InferenceWarning

METHODS, SEEDS = ("auto", "evidence"), (1, 2)
RESULTS, MARK = Path(__file__).parents[1] / "results", "<!-- tables -->\n"
PAGE, AFTER, BEFORE = (
    RESULTS / f"auto_rule{end}" for end in (".md", ".csv", "_before.csv")
)
QUIET_NOISE = 0.3
BAD = {"ci": 0.8, "pi": 0.9}
FIT = ["data", "n", "network", "noise", "seed"]
RATIOS = [("auto", "auto before"), ("evidence", "evidence before"),
          ("auto", "evidence")]  # fmt: skip
BARS = [  # rule, column, least, most; two standard errors are allowed
    ("auto", "ci", 0.95, 0.98), ("auto", "ci worst", 0.93, 1.0),
    ("auto", "ci bad", 0.0, 0.055), ("auto", "pi", 0.95, 0.975),
    ("auto", "unbounded", 0.0, 0.0), ("auto", "warnings", 0.0, 0.4),
    ("auto", "quiet", 0.68, 1.0), ("auto / auto before", "ci score", 0.0, 0.82),
    ("auto / auto before", "pi score", 0.0, 0.9), ("evidence", "ci", 0.88, 1.0),
    ("evidence", "pi", 0.93, 1.0),
]  # fmt: skip


def caught(function, *args, **options):
    """Return the value and the classes of InferenceWarnings of a call, by name."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        value = function(*args, **options)
    kinds = [w.category for w in found if issubclass(w.category, InferenceWarning)]
    return value, sorted(kind.__name__.removesuffix("Warning") for kind in kinds)


def simulate(fit):
    """Return a row for each of `METHODS`."""
    rng, rows = np.random.default_rng([fit.seed, fit.number]), []
    sample = draw(fit.data, fit.n, fit.noise, rng)
    net = MLPRegressorCI(**NETWORKS[fit.network], covariance=None,
                         random_state=int(rng.integers(2**31)))  # fmt: skip
    with threadpool_limits(1):
        _, at_training = caught(net.fit, sample.X, sample.y)
        for method in METHODS:
            own, at_fit = caught(MLPRegressorCI.from_estimator, net, sample.X,
                                 sample.y, covariance=method)  # fmt: skip
            prediction, at_predict = caught(own.get_prediction, sample.T)
            ci, pi = (prediction.conf_int(LEVEL, obs=obs) for obs in (False, True))
            found = measure(ci, pi, sample.truth, sample.sd)
            row = {key: getattr(fit, key) for key in FIT} | dict(method=method)
            row |= {key: values.mean() for key, values in found.items()}
            row |= {key: np.median(found[key]) for key in ("ci_width", "pi_width")}
            for key in ("ci", "pi"):
                means = [found[key][tenths(sample.T) == k].mean() for k in range(10)]
                row |= {f"{key}{k}": mean for k, mean in enumerate(means)}
            row["at_fit"] = " ".join(at_training + at_fit)
            row["at_predict"] = " ".join(at_predict)
            row["check"] = f"{prediction.mean @ np.arange(1.0, 1 + len(ci)):.12g}"
            rows.append(row)
    return rows


def read(path, suffix=""):
    """Return the rows of a file, with what the tables group and average."""
    table = pd.read_csv(path, keep_default_na=False)
    table["rule"], table["kind"] = table.method + suffix, table.network.map(KIND_OF)
    table["warnings"] = table.at_fit.str.split().str.len()
    table["quiet"] = (table.warnings == 0) * 1.0
    for key, least in BAD.items():
        table[f"{key} bad"] = (table[key] < least) * 1.0
        table[f"{key} score"] = np.log(table[f"{key}_score"])
    return table


def join(after, before=None):
    """Return the rows of both files for the fits that both have."""
    if before is None:
        return after
    keys = [*FIT, "method"]
    both = after[[*keys, "check"]].merge(before[[*keys, "check"]], on=keys)
    if not np.allclose(both.check_x, both.check_y, rtol=1e-8):
        raise ValueError("the two files are not of the same networks")
    return pd.concat([t.merge(both[keys], on=keys) for t in (after, before)])


def with_errors(values):
    """Return mean and standard error of a column."""
    return values.mean(), values.std(ddof=1) / np.sqrt(max(len(values), 2))


def summary(group):
    """Return the numbers of a group of fits of one rule, each with standard error."""
    out = {}
    for key in ("ci", "pi"):
        tenth = group[[f"{key}{k}" for k in range(10)]].mean().idxmin()
        out[key], out[f"{key} worst"] = map(with_errors, (group[key], group[tenth]))
        out[f"{key} bad"] = with_errors(group[f"{key} bad"])
        out[f"{key} width"] = group[f"{key}_width"].median(), np.nan
        mean, error = with_errors(group[f"{key} score"])
        out[f"{key} score"] = np.exp(mean), np.exp(mean) * error
    for key in ("unbounded", "warnings", "quiet"):
        out[key] = with_errors(group[key])
    return out


def ratio(table, first, second):
    """Return paired ratios of geometric mean scores, and in how many fits; or None."""
    sides = [table[table.rule == rule].set_index(FIT) for rule in (first, second)]
    out = {}
    for key in ("ci score", "pi score"):
        logs = (sides[0][key] - sides[1][key]).dropna()
        if logs.empty:
            return None
        mean, error = with_errors(logs)
        out[key] = np.exp(mean), np.exp(mean) * error
    return out


def tables(table):
    """Yield titles and lists of rows, the first of which is the head."""
    rules = list(dict.fromkeys(table.rule))
    found = {rule: summary(table[table.rule == rule]) for rule in rules}
    pairs = [pair for pair in RATIOS if ratio(table, *pair)]
    found |= {" / ".join(pair): ratio(table, *pair) for pair in pairs}
    rows = [["rule", "figure", "allowed", "found (s.e.)", "bar"]]
    for rule, column, least, most in BARS:
        if rule in found:
            value, error = found[rule][column]
            met = least - 2.0 * error <= value <= most + 2.0 * error
            rows.append([rule, column, f"{least:g} to {most:g}",
                         f"{value:.3f} ({error:.3f})",
                         "met" if met else "MISSED"])  # fmt: skip
    own = table[(table.rule == "auto") & (table.network == "default")]
    median = own.warnings[own.noise <= QUIET_NOISE].median()
    rows.append(["auto", f"median warnings, default, noise <= {QUIET_NOISE:g}", "0",
                 f"{median:g}", "met" if median == 0 else "MISSED"])  # fmt: skip
    yield "Bars", rows
    yield from partition(table, rules, pairs)
    names = sorted({n for text in (*table.at_fit, *table.at_predict)
                    for n in text.split()})  # fmt: skip
    rows = [["rule, when", *names]]
    for rule in rules:
        for when in ("at_fit", "at_predict"):
            texts = table[table.rule == rule][when].str.split()
            shares = [texts.map(lambda own: name in own).mean() for name in names]  # noqa: B023
            rows.append([f"{rule}, {when}", *(f"{share:.3f}" for share in shares)])
    yield "Share of fits with each warning", rows


def partition(table, rules, pairs):
    """Yield the summaries and ratios of all fits, and by kind, data and noise."""
    parts = {"All": [(("all",), table)]}
    for by in (["kind"], ["data", "n"], ["noise"], ["kind", "noise"]):
        parts[f"By {' and '.join(by)}"] = list(table.groupby(by))
    for title, groups in parts.items():
        rows = [["fits", "rule", "N"]]
        for name, group in groups:
            for rule in rules:
                own = group[group.rule == rule]
                found = summary(own)
                rows[0][3:] = found
                cells = [f"{value:.3f}" for value, _ in found.values()]
                cells[0] += f" ({found['ci'][1]:.3f})"
                rows.append([", ".join(map(str, name)), rule, len(own), *cells])
        yield title, rows
        rows = [["fits", *(f"{a} / {b}: {key}" for a, b in pairs for key in BAD)]]
        for name, group in groups:
            own = [ratio(group, *pair) for pair in pairs]
            cells = [f"{v:.3f} ({e:.3f})" for one in own for v, e in one.values()]
            rows.append([", ".join(map(str, name)), *cells])
        yield f"{title}: paired ratios of scores (s.e.)", rows


def markdown(table):
    """Return all tables as text."""
    text = f"\n{table[FIT].drop_duplicates().shape[0]} fits, seeds "
    text += ", ".join(map(str, sorted(table.seed.unique()))) + ".\n"
    for title, rows in tables(table):
        text += f"\n## {title}\n\n"
        for line in (rows[0], ["---"] * len(rows[0]), *rows[1:]):
            text += f"| {' | '.join(map(str, line))} |\n"
    return text


def main():
    """Simulate unless asked to compare; write or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--every", type=int, default=1, help="a part of the fits")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=AFTER, help="csv to write")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"))
    options = parser.parse_args()
    if options.compare:
        before, after = options.compare
        print(markdown(join(read(after), read(before, " before"))))
        return
    print(f"measuring {sklearn_nnci.__path__[0]}", flush=True)
    run = joblib.Parallel(options.jobs, verbose=1)
    rows = run(joblib.delayed(simulate)(f) for f in fits(options.seeds, options.every))
    table = pd.DataFrame([row for both in rows for row in both])
    table = table.sort_values([*FIT, "method"], kind="stable")
    table.to_csv(options.output, index=False, float_format="%.4g")
    if options.output == AFTER:
        before = read(BEFORE, " before") if BEFORE.exists() else None
        text = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else ""
        PAGE.write_text(text + MARK + markdown(join(read(AFTER), before)))


if __name__ == "__main__":
    main()
