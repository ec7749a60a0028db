"""Networks under a penalty for each group, written out densely.

Derivatives are by complex steps, exact to rounding. Nothing of the package's algebra
is imported: these are the second route.
"""

import itertools

import numpy as np
from cases import output, packed

STEP = 1e-30


def group_names(d, hidden):
    """The groups in the order of `penalties_`."""
    names = [("input", j) for j in range(d)]
    for layer in range(1, len(hidden) + 1):
        names += [("b", layer), ("W", layer + 1)]
    return names


def group_of(case):
    """The group of each packed parameter, -1: of none."""
    d, m = case.n_features, case.n_outputs
    sizes = (d, *case.hidden, m)
    names, found = group_names(d, case.hidden), []
    for layer, (above, below) in enumerate(itertools.pairwise(sizes), start=1):
        for i in range(above):
            name = ("input", i) if layer == 1 else ("W", layer)
            found += [names.index(name)] * below
    for layer, size in enumerate(case.hidden, start=1):
        found += [names.index(("b", layer))] * size
    return np.array(found + [-1] * m)


def n_groups(case):
    return case.n_features + 2 * len(case.hidden)


def strengths(case, low=-2.0, high=2.0, seed=5):
    """lambda_g over some decades."""
    rng = np.random.default_rng(seed)
    return 10.0 ** rng.uniform(low, high, n_groups(case))


def penalty(case, lam):
    """The diagonal of Lambda, (p,)."""
    return np.append(lam, 0.0)[group_of(case)]


def jacobian(case, theta, X):
    """J (n, m, p)."""
    columns = []
    for j in range(len(theta)):
        moved = theta.astype(complex)
        moved[j] += 1j * STEP
        columns.append(output(moved, case, X).imag / STEP)
    return np.stack(columns, axis=-1)


def value(case, theta, X, y, w, lam, units):
    """F, of any numeric type; `y` is (n, m), `units` (m,)."""
    e = (y - output(theta, case, X)) / units
    return 0.5 * (w @ e**2).sum() + 0.5 * (penalty(case, lam) * theta) @ theta


def gradient(case, theta, *args):
    """The gradient of F."""
    g = np.empty(len(theta))
    for j in range(len(theta)):
        moved = theta.astype(complex)
        moved[j] += 1j * STEP
        g[j] = value(case, moved, *args).imag / STEP
    return g


def weighted_jacobian(case, theta, X, w, units):
    """J of rows weighted, and in `units`, outputs before rows, (m n, p)."""
    J = jacobian(case, theta, X) / units[:, None] * np.sqrt(w)[:, None, None]
    return J.transpose(1, 0, 2).reshape(-1, len(theta))


def start(case):
    """Packed parameters of its network."""
    return packed(case.network)
