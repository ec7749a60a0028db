"""Settings of three published studies: coverage at each point, over many data sets.

Inputs stay as they are drawn once, the noise is new in each replicate, as the theory
has it. At each test point, over the replicates, are recorded

- ci: the share of confidence intervals that contain the true mean;
- pi: the probability that a new observation lies in its prediction interval, computed;
- sd: the standard deviation of the predictions, which standard errors estimate;
- se: the root mean square of these standard errors;
- ci_width, pi_width: median widths.

The settings, whose pages are in the gallery:

- personnaz: one input, a damped wave, 200 rows, least squares with few to many units
  (after Rivals and Personnaz 2000);
- hwang_ding: a truth that is a network of three units, fitted with one to eight
  (after Hwang and Ding 1997);
- by_x: a smooth curve and an uneven noise, both fitted to the diabetes data
  (after the protocol of Sluijterman, Cator and Heskes 2021).

    python benchmarks/coverage/published.py                       # writes published.csv
    python benchmarks/coverage/published.py --replicates 20 --output look.csv --seed 1
"""

import argparse
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from coverage import RESULTS, sinc
from scipy import stats
from sklearn.datasets import load_diabetes
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from study_data import teacher
from threadpoolctl import threadpool_limits

from sklearn_nnci import MLPEnsembleRegressorCI, MLPRegressorCI

SEED = 1997
REPLICATES = {"personnaz": 200, "hwang_ding": 100, "by_x": 100}


class Setting(NamedTuple):
    """Rows that train and rows that test, with their true means and noise."""

    X: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    T: np.ndarray
    T_mean: np.ndarray
    T_sd: np.ndarray
    units: tuple
    """Hidden units of the networks by least squares; () for the methods of `by_x`."""


def personnaz(rng):
    """Return a damped wave in one input, on the interval where it was drawn."""
    X, mean, sd = sinc(rng, 200)
    T = np.linspace(-5.0, 5.0, 81)[:, None]
    T_mean = np.sinc(2.0 * (T[:, 0] + 5.0) / np.pi)
    scale = mean.std()
    sd, sd_new = np.full(200, sd / scale), np.full(81, sd / scale)
    return Setting(X / 5, mean / scale, sd, T / 5, T_mean / scale, sd_new, (3, 5, 8))


def hwang_ding(rng):
    """Return a network of three tanh units in two inputs."""
    X, mean, sd = teacher(rng, 200)
    T, T_mean, _ = teacher(rng, 100)
    sd, sd_new = np.full(200, sd), np.full(100, sd)
    return Setting(X, mean, sd, T, T_mean, sd_new, (1, 2, 3, 4, 6, 8))


def by_x(rng):
    """Return a curve fitted to real data, with noise that grows with it."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X = StandardScaler().fit_transform(X[["age", "bmi", "bp", "s5"]])
    y = ((y - y.mean()) / y.std()).to_numpy()
    kernel = RBF(np.full(4, 3.0), (1.0, 30.0)) + WhiteKernel(0.5)
    mean = GaussianProcessRegressor(kernel, random_state=0).fit(X, y).predict(X)
    slope, at_zero = np.polyfit(mean, np.log(np.abs(y - mean) + 1e-2), 1)
    sd = np.exp(at_zero + slope * mean)
    sd *= np.sqrt(np.mean((y - mean) ** 2) / np.mean(sd**2))
    order = rng.permutation(len(y))
    train, test = order[:342], order[342:]
    return Setting(X[train], mean[train], sd[train], X[test], mean[test], sd[test], ())


def least_squares(setting, y, state):
    """Yield networks of each size, at the best minimum of five starts."""
    for h in setting.units:
        net = MLPRegressorCI(
            hidden_layer_sizes=(h,), activation="tanh", solver="lbfgs", alpha=1e-5,
            polish=True, n_restarts=4, covariance="least_squares", noise="residual",
            random_state=state,
        ).fit(setting.X, y)  # fmt: skip
        found = net.get_prediction(setting.T)
        yield (
            f"{h} units",
            found.mean,
            found.se_mean,
            found.conf_int(),
            found.conf_int(obs=True),
        )


def methods(setting, y, state):
    """Yield a tuned network with even and uneven noise, a committee, an ensemble."""
    net = MLPRegressorCI(hidden_layer_sizes=(10,), activation="tanh",
                         regularization="evidence", n_restarts=4,
                         random_state=state).fit(setting.X, y)  # fmt: skip
    committee = MLPEnsembleRegressorCI(n_starts=2, random_state=state)
    for name, model in (
        ("constant noise", net),
        ("uneven noise", net.set_params(variance="auto")),
        ("committee", committee.fit(setting.X, y)),
    ):
        if name == "uneven noise":
            net.fit_inference(setting.X, y)
        found = model.get_prediction(setting.T)
        yield (
            name,
            found.mean,
            found.se_mean,
            found.conf_int(),
            found.conf_int(obs=True),
        )
    nets = [
        MLPRegressor(hidden_layer_sizes=(10,), activation="tanh", alpha=1.0,
                     solver="lbfgs", max_iter=2000,
                     random_state=state + k).fit(setting.X, y)
        for k in range(5)
    ]  # fmt: skip
    T_each = np.array([one.predict(setting.T) for one in nets])
    mean, se = T_each.mean(axis=0), T_each.std(axis=0, ddof=1)
    residuals = y - np.mean([one.predict(setting.X) for one in nets], axis=0)
    sides = stats.norm.ppf([0.025, 0.975])
    both = (np.sqrt(v)[:, None] * sides for v in (se**2, se**2 + np.mean(residuals**2)))
    yield "ensemble of 5", mean, se, *(mean[:, None] + one for one in both)


def replicate(setting, seed):
    """Return the numbers of each method at each point, for one set of noise."""
    rng = np.random.default_rng(seed)
    y = setting.mean + setting.sd * rng.standard_normal(len(setting.X))
    run = least_squares if setting.units else methods
    found = {}
    for name, mean, se, ci, pi in run(setting, y, int(rng.integers(2**31 - 10))):
        low, high = (pi.T - setting.T_mean) / setting.T_sd
        inside = (ci[:, 0] <= setting.T_mean) & (setting.T_mean <= ci[:, 1])
        chance = stats.norm.cdf(high) - stats.norm.cdf(low)
        widths = np.diff(ci)[:, 0], np.diff(pi)[:, 0]
        found[name] = np.array([inside, chance, mean, se, *widths])
    return found


def summarise(study, setting, records):
    """Yield one table for each method: a line for each point."""
    for name in records[0]:
        inside, chance, mean, se, ci_width, pi_width = np.stack(
            [one[name] for one in records], axis=1
        )
        table = {
            "study": study, "method": name, "point": np.arange(len(setting.T)),
            "x": setting.T[:, 0], "true_mean": setting.T_mean, "true_sd": setting.T_sd,
            "replicates": len(records), "ci": inside.mean(axis=0),
            "pi": chance.mean(axis=0), "sd": mean.std(axis=0, ddof=1),
            "se": np.sqrt(np.mean(se**2, axis=0)),
            "ci_width": np.median(ci_width, axis=0),
            "pi_width": np.median(pi_width, axis=0),
        }  # fmt: skip
        yield pd.DataFrame(table)


def main():
    """Run the settings asked for; rows of others stay as they are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    studies = {"personnaz": personnaz, "hwang_ding": hwang_ding, "by_x": by_x}
    parser.add_argument("--study", choices=studies, help="one of them; all by default")
    parser.add_argument("--replicates", type=int, help="instead of each study's own")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, default=RESULTS / "published.csv")
    options = parser.parse_args()
    for study, draw in studies.items():
        if options.study not in (None, study):
            continue
        setting = draw(np.random.default_rng(options.seed))
        replicates = options.replicates or REPLICATES[study]
        seeds = np.random.SeedSequence(options.seed).spawn(replicates)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records = [replicate(setting, seed) for seed in seeds]
        tables = list(summarise(study, setting, records))
        if options.output.exists():
            kept = pd.read_csv(options.output)
            tables.insert(0, kept[kept["study"] != study])
        table = pd.concat(tables, ignore_index=True)
        table.to_csv(options.output, index=False, float_format="%.5g")
        columns = ["ci", "pi", "ci_width", "pi_width", "se", "sd"]
        by_method = table[table["study"] == study].groupby("method", sort=False)
        print(study, by_method[columns].mean().round(3), sep="\n", flush=True)


if __name__ == "__main__":
    main()
