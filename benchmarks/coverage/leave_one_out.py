"""Is the leave-one-out score of one fit what folds, and new rows, say?

Writes benchmarks/results/leave_one_out.md, in some minutes:

    python benchmarks/coverage/leave_one_out.py
"""

import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score

from sklearn_nnci import MLPRegressorCI

RESULTS = Path(__file__).parents[1] / "results" / "leave_one_out.md"
N, N_NEW, NOISE, DATA_SETS = 150, 2000, 0.5, 6
NETWORKS = {"5 tanh": ((5,), "tanh"), "12 tanh": ((12,), "tanh"),
            "20 relu": ((20,), "relu")}  # fmt: skip
ALPHAS = 1e-4, 1e-2, 0.1, 1.0, 10.0


def sample(rng, n):
    """Return X (n, 4) and y."""
    X = rng.normal(size=(n, 4))
    mean = np.sin(X[:, 0]) + 0.3 * X[:, 1] ** 2 + 0.5 * X[:, 2] * (X[:, 3] > 0)
    return X, mean + NOISE * rng.normal(size=n)


def scores(hidden, activation, alpha, seed):
    """Return R^2: leave-one-out, by ten folds, on new rows."""
    rng = np.random.default_rng(seed)
    X, y = sample(rng, N)
    X_new, y_new = sample(rng, N_NEW)
    y, y_new = ((one - y.mean()) / y.std() for one in (y, y_new))
    net = MLPRegressorCI(
        hidden_layer_sizes=hidden, activation=activation, solver="lbfgs",
        alpha=alpha, max_iter=2000, random_state=seed,
    )  # fmt: skip
    folds = KFold(10, shuffle=True, random_state=0)
    plain = clone(net).set_params(covariance=None)
    by_folds = cross_val_score(plain, X, y, cv=folds).mean()
    net.fit(X, y)
    return net.loo_score(X, y), by_folds, net.score(X_new, y_new)


def table(found):
    """Return lines of scores (alphas, data sets, 3), by network."""
    lines = [
        "| network | alpha | `loo_score` | ten folds | new rows | |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, by_alpha in found.items():
        for alpha, own in zip(ALPHAS, by_alpha, strict=True):
            error = (own[:, 0] - own[:, 1]).std(ddof=1) / np.sqrt(DATA_SETS)
            each = " | ".join(f"{value:.2f}" for value in own.mean(axis=0))
            lines.append(f"| {name} | {alpha:g} | {each} | ({error:.2f}) |")
    return lines


def chosen(found):
    """Return lines of R^2 on new rows under the alpha that each score would take."""
    lines = [
        "| network | by `loo_score` | by ten folds | the best |",
        "|---|---:|---:|---:|",
    ]
    every = np.arange(DATA_SETS)
    for name, by_alpha in found.items():
        taken = by_alpha.argmax(axis=0)  # (data sets, 3)
        means = [by_alpha[taken[:, k], every, 2].mean() for k in range(3)]
        lines.append(f"| {name} | {' | '.join(f'{value:.2f}' for value in means)} |")
    return lines


def main():
    """Print the tables, and keep them."""
    warnings.simplefilter("ignore")
    found = {
        name: np.array([[scores(*net, a, s) for s in range(DATA_SETS)] for a in ALPHAS])
        for name, net in NETWORKS.items()
    }
    lines = [
        "# Leave-one-out score beside ten folds and new rows",
        "",
        f"R², means over {DATA_SETS} data sets of {N} rows and four inputs; in",
        "brackets the standard error of the difference of the first two.",
        "",
        *table(found),
        "",
        "R² on new rows under the alpha of these five that each score would take:",
        "",
        *chosen(found),
    ]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
