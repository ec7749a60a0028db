"""Measure whether rows far from the data are flagged, and others are left in peace.

Far: polished relu networks of 6 to 20 units in 1 to 5 inputs. Rows from the training
distribution are moved from the middle of the training range, so that their outermost
column is at k times half of it: all in one column at least are beyond the range if
k > 1. Measured are the shares of rows that `get_prediction(X).extrapolates` flags there
and inside, those flagged by leverage alone, which does not look at ranges, and those
flagged in a hole: the training rows of the middle third of the first input are missing,
the queries lie there.

Near: calls of 100 new rows from the training distribution, with uniform, normal and t3
columns, up to 30 of them. A row alone may well be beyond all others in some column;
what is measured is the share of calls that raise ExtrapolationWarning. Networks on 100
rows, some of which interpolate them, are shown but held to no bar.

    python benchmarks/coverage/extrapolation.py
    python benchmarks/coverage/extrapolation.py --replicates 3 --output look

writes extrapolation.md and extrapolation.csv into ``benchmarks/results``, or
``--output``.
"""

import argparse
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from grid import DESIGNS, LBFGS, POLISHED, units
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_nnci
from sklearn_nnci.exceptions import ExtrapolationWarning

SEED, N_ROWS, CALLS, CAP, ENOUGH = 90125, 100, 20, 0.99, 300
RESULTS = Path(__file__).parents[1] / "results"
TIMES = (1.05, 1.25, 1.5, 2.0, 3.0)
FAR = [
    (data, n, h)
    for data, n in (("sine", 200), ("sin(pi x1) x2", 200), ("sum of |x|, d=3", 300),
                    ("Friedman #1, d=5", 300))
    for h in (6, 10, 20)
]  # fmt: skip
COLUMNS = {
    "uniform": lambda rng, *shape: rng.uniform(-1.0, 1.0, shape),
    "normal": lambda rng, *shape: rng.standard_normal(shape),
    "t3": lambda rng, *shape: rng.standard_t(3, shape),
}
NETS = {"default": {}, "tanh 10 lbfgs": units(10) | LBFGS,
        "relu 10 polished": units(10, "relu") | POLISHED}  # fmt: skip
NEAR = [
    (columns, d, n, net)
    for columns in COLUMNS for d in (1, 5, 10, 30)
    for n in (100, 300, 1000) for net in NETS
]  # fmt: skip
BARS = {"2x": ("at least", 0.8), "inside": ("at most", 0.03),
        "calls that warn": ("at most", 0.05)}  # fmt: skip


def fitted(parameters, X, y, rng):
    """Return the scaler of X and the network of scaled rows and targets."""
    scaler = StandardScaler().fit(X)
    net = sklearn_nnci.MLPRegressorCI(
        **parameters, random_state=int(rng.integers(2**31))
    )
    with warnings.catch_warnings(action="ignore"):
        return scaler, net.fit(scaler.transform(X), (y - y.mean()) / y.std())


def asked(scaler, net, X):
    """Return the prediction at rows, and whether the call warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prediction = net.get_prediction(scaler.transform(X))
    return prediction, any(issubclass(w.category, ExtrapolationWarning) for w in caught)


def far(data, n, h, seed):
    """Return shares of rows flagged around one polished network."""
    rng, (inputs, mean) = np.random.default_rng(seed), DESIGNS[data]
    X, noise, row = inputs(rng, n), rng.choice([0.1, 1.0]), {}
    sd = noise * mean(inputs(rng, 2000)).std()
    y, parameters = mean(X) + sd * rng.standard_normal(n), units(h, "relu") | POLISHED
    with threadpool_limits(1):
        scaler, net = fitted(parameters, X, y, rng)
        H = asked(scaler, net, X)[0].leverage.clip(0.0, CAP)  # of training rows: h
        reach = np.max(H / (1.0 - H))
        low, high = X.min(axis=0), X.max(axis=0)
        middle, half, base = (low + high) / 2.0, (high - low) / 2.0, inputs(rng, N_ROWS)
        inside = ((low <= base) & (base <= high)).all(axis=1)
        unit = (base - middle) / half
        unit /= np.abs(unit).max(axis=1, keepdims=True)
        queries = {"inside": base[inside]}
        queries |= {f"{k:g}x": middle + k * half * unit for k in TIMES}
        for name, Q in queries.items():
            prediction, _ = asked(scaler, net, Q)
            row[name] = prediction.extrapolates.mean()
            row[f"{name}, leverage"] = np.mean(prediction.leverage > reach)
        hole, gap = (np.abs(Z[:, 0] - middle[0]) < half[0] / 3.0 for Z in (X, base))
        scaler, net = fitted(parameters, X[~hole], y[~hole], rng)
        row["hole"] = asked(scaler, net, base[gap])[0].extrapolates.mean()
    return row


def near(columns, d, n, name, seed):
    """Return the shares of calls that warn, and of rows flagged, of one network."""
    rng, draw = np.random.default_rng(seed), COLUMNS[columns]
    X = draw(rng, n, d)
    y = np.sin(X[:, :3]).sum(axis=1) + 0.3 * rng.standard_normal(n)
    with threadpool_limits(1):
        scaler, net = fitted(NETS[name], X, y, rng)
        answers = [asked(scaler, net, draw(rng, N_ROWS, d)) for _ in range(CALLS)]
    return {"calls that warn": np.mean([warned for _, warned in answers]),
            "flagged": np.mean([p.extrapolates for p, _ in answers])}  # fmt: skip


def tables(records):
    """Yield titles and frames of means, with the bars."""
    frame = pd.DataFrame(records)
    fars, nears = (frame[frame.part == part].dropna(axis=1) for part in ("far", "near"))
    shares = fars.drop(columns=["part", "data", "n", "units"])
    yield "Far rows, by data", shares.groupby(fars.data, sort=False).mean()
    yield "Far rows, by units", shares.groupby(fars.units.astype(int)).mean()
    nears, measures = nears.astype({"n": int, "d": int}), ["calls that warn", "flagged"]
    for by in (["n"], ["network", "n"], ["columns", "d", "n"]):
        own = nears.groupby(by, sort=False)[measures].mean()
        yield f"Near rows, by {' and '.join(by)}", own
    enough = nears[nears.n >= ENOUGH]
    means = pd.concat([shares.mean(), enough[measures].mean()])
    rows = [
        {"share": key, "bar": f"{word} {bar:g}", "found": means[key],
         "": "met" if (means[key] >= bar) == (word == "at least") else "MISSED"}
        for key, (word, bar) in BARS.items()
    ]  # fmt: skip
    worst = enough.groupby(["network", "columns", "d", "n"])[measures[0]].mean()
    name = "calls that warn: " + ", ".join(map(str, worst.idxmax()))
    rows.append({"share": name, "bar": "worst cell", "found": worst.max(), "": ""})
    yield "Bars", pd.DataFrame(rows).set_index("share")


def markdown(records, seed):
    """Return the tables as text."""
    text = (
        "# Extrapolation\n\n"
        "Written by `benchmarks/coverage/extrapolation.py`; its head says what is "
        f"measured. {N_ROWS} rows a call; the bar of calls that warn is for "
        f"{ENOUGH} training rows and more.\n\n"
        f"sklearn_nnci {sklearn_nnci.__version__}, seed {seed}\n"
    )
    for title, table in tables(records):
        text, frame = f"{text}\n## {title}\n\n", table.reset_index()
        for line in (frame.columns, ["---"] * frame.shape[1], *frame.to_numpy(object)):
            line = (f"{v:.3f}" if isinstance(v, float) else str(v) for v in line)
            text += f"| {' | '.join(line)} |\n"
    return text


def main():
    """Run both parts; write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=20, help="networks per cell")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder to write")
    options = parser.parse_args()
    jobs = [(far, dict(part="far", data=data, n=n, units=h), (data, n, h))
            for data, n, h in FAR]  # fmt: skip
    jobs += [(near, dict(part="near", columns=c, d=d, n=n, network=net), (c, d, n, net))
             for c, d, n, net in NEAR]  # fmt: skip
    root = np.random.SeedSequence(options.seed)
    jobs = [
        (function, label, cell, seed)
        for function, label, cell in jobs
        for seed in root.spawn(options.replicates)
    ]
    run = joblib.Parallel(options.jobs, verbose=1)
    rows = run(joblib.delayed(job[0])(*job[2], job[3]) for job in jobs)
    records = [job[1] | row for job, row in zip(jobs, rows, strict=True)]
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "extrapolation.csv"
    pd.DataFrame(records).to_csv(path, index=False, float_format="%.4g")
    text = markdown(records, options.seed)
    (options.output / "extrapolation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
