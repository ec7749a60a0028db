"""From functionals of a curve to `Estimates`: units of y, corrections, committees.

Of the members r of a committee, with weights w_r, T_r the corrected functional, and
C_r its covariance,

    T = sum w_r T_r,    cov = sum w_r [C_r + (T_r - T)(T_r - T)'].

Functionals that are not corrected have the covariance of the delta method, and that of
the committee is as in `_mixture`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci import _mixture as mixture
from sklearn_nnci import exceptions
from sklearn_nnci._warn import warn
from sklearn_nnci.effects import _functionals as functionals
from sklearn_nnci.effects import _plain as plain
from sklearn_nnci.effects import _riesz as riesz
from sklearn_nnci.effects import _rows as given_rows
from sklearn_nnci.effects._debias import (
    DICTIONARIES,
    LARGEST_SHARE,
    Corrected,
    corrected,
)
from sklearn_nnci.effects._estimates import Estimates
from sklearn_nnci.effects._functionals import Block
from sklearn_nnci.effects._model import Model
from sklearn_nnci.effects._training import Trained, given, trained

DEBIAS = ("auto", "tangent", "robust", "wider", False)
# Averages over fewer rows are taken as they are: representers were measured on more.
FEWEST_ROWS = 30
# A correction of more standard errors says that the network is wrong there.
LARGEST_CORRECTION = 2.0


class Asked(NamedTuple):
    """How functionals are to be estimated."""

    debias: Any = "auto"
    """One of `DEBIAS`."""
    training: Any = None
    """The rows that trained, (X, y) or (X, y, sample_weight); or None."""
    population: bool = False
    """Whether an average is that of the population that the rows are from."""


class Moments(NamedTuple):
    """Estimates (K,), and what is known of their errors."""

    estimate: np.ndarray
    std_error: np.ndarray
    joint: Callable[[], np.ndarray]
    """Gives their covariance, (K, K)."""
    band: Callable[[], np.ndarray] | None = None
    """Gives that of sup-t intervals, if it is another."""
    correction: str = "none"


def check(asked: Asked) -> None:
    """Refuse what is no way to estimate."""
    known = any(asked.debias is one or asked.debias == one for one in DEBIAS)
    if not known or asked.debias is True:
        raise ValueError(
            "debias must be 'auto', 'tangent', 'robust', 'wider' or False, got "
            f"{asked.debias!r}."
        )
    given_rows.trained_on(asked.training)


def answer(
    model: Model, blocks: Sequence[Block], asked: Asked, **labels: Any
) -> Estimates:
    """Return the `Estimates` of functionals, in units of y; `labels` are its fields."""
    check(asked)
    if model.misfit:
        _warn_of_misfit()
    blocks, constant = _in_units(model, blocks)
    if not _is_corrected(blocks, asked):
        if asked.population:
            raise ValueError(
                "population=True needs the rows that trained, and averages over "
                f"{FEWEST_ROWS} rows or more: without the correction its errors were "
                "not measured. Try training=(X_train, y_train)."
            )
        found = _plain(model, blocks)
    else:
        found = _corrected(model, blocks, asked)
    return Estimates(
        found.estimate + constant, found.std_error, model.dof,
        joint=found.joint, band=found.band,
        target="population" if asked.population else "sample",
        correction=found.correction, **labels,
    )  # fmt: skip


def _in_units(
    model: Model, blocks: Sequence[Block]
) -> tuple[tuple[Block, ...], np.ndarray]:
    """Return functionals of u whose sum with constants (K,) is that of y."""
    found, constants = [], []
    for one in blocks:
        terms, m = [], np.zeros(one.n_rows)
        for term in one.terms:
            a, b = model.line(term.X)
            terms.append(term._replace(level=term.level * a, slope=term.slope * a))
            m += term.level * b
        found.append(one._replace(terms=tuple(terms)))
        constants.append(functionals.weighed(one, m))
    return tuple(found), np.concatenate(constants)


def _is_corrected(blocks: Sequence[Block], asked: Asked) -> bool:
    """Return whether functionals are to be corrected, and can be."""
    averages = all(one.weight is not None for one in blocks)
    if asked.debias is False or not averages:
        if asked.debias in DICTIONARIES:
            raise ValueError(
                f"debias={asked.debias!r} is for averages over rows: at single rows "
                "there is nothing to correct by. Try debias='auto'."
            )
        return False
    counts = [np.count_nonzero(np.asarray(one.weight), axis=0) for one in blocks]
    fewest = int(np.min(counts))
    if asked.debias == "auto" and fewest < FEWEST_ROWS:
        _warn_of_few(fewest)
        return False
    if asked.training is None:
        _warn_of_no_rows(asked)
    return asked.training is not None


def _rule(model: Model, rows: Trained) -> str:
    """Return the correction of ``debias="auto"``; `rows` are of the first member.

    Polynomials besides are for one network of a given alpha, which often is too small
    or too stiff, and after a warning of misfit: without them slopes of one that is too
    small are covered 0.7. Alone they leave contrasts at 0.85, where the ridge that
    folds choose is too cautious: the wider of both covers 0.93 or more. They are not
    for networks away from their minimum, for that reason (measured with the default
    network: a partial dependence is covered 0.3).
    """
    n, networks = model.state["rows"]["weight"], [one.network for one in model.members]
    small = all(one.n_parameters < n for one in networks)
    small = small and max(map(riesz.size, networks)) <= riesz.MOST_COLUMNS
    alone = not model.committee and networks[0].coordinates is None
    fits = small and rows.smooths
    return "wider" if fits and (alone or model.misfit) else "tangent"


def _plain(model: Model, blocks: tuple[Block, ...]) -> Moments:
    """Return the `Moments` of the delta method."""
    each = [(one.state, one.network, blocks) for one in model.members]
    T = np.array([plain.values(*one[1:]) for one in each])
    se = np.sqrt([plain.variance(*one) for one in each])
    joint, band = (
        functools.partial(_jointly, model.weights, each, T, se, everywhere)
        for everywhere in (False, True)
    )
    if len(each) == 1:
        return Moments(T[0], se[0], joint, band)
    found = mixture.moments(model.weights, T, se)
    return Moments(found.mean, np.sqrt(found.variance), joint, band)


def _jointly(
    weights: np.ndarray, each: Sequence[tuple[Any, Any, Any]], T: np.ndarray,
    se: np.ndarray, everywhere: bool,
) -> np.ndarray:  # fmt: skip
    """Return the covariance of functionals by the delta method, (K, K)."""
    covs = [
        functools.partial(plain.covariance, *one, everywhere=everywhere) for one in each
    ]
    if len(covs) == 1:
        return covs[0]()
    return mixture.covariance(weights, T, se, covs)


def _corrected(model: Model, blocks: tuple[Block, ...], asked: Asked) -> Moments:
    """Return the `Moments` of corrected functionals."""
    rows, (first, *others) = given(model, asked.training), model.members
    factored = trained(first, rows)
    kind = _rule(model, factored) if asked.debias == "auto" else asked.debias
    each = [corrected(first, factored, blocks, kind, asked.population)]
    for one in others:
        factored = trained(one, rows)
        each.append(corrected(one, factored, blocks, kind, asked.population))
    w = model.weights
    T = mixture.average(w, [one.estimate for one in each])
    cov = mixture.average(
        w, [one.covariance + _outer(one.estimate - T) for one in each]
    )
    lost = _decided_by_one(w, each) | ~np.isfinite(np.diag(cov))
    cov[lost], cov[:, lost] = np.nan, np.nan
    cov[lost, lost] = np.inf
    _warn_of_correction(w, each, cov)
    return Moments(
        T, np.sqrt(np.diag(cov)), functools.partial(np.copy, cov), correction=kind
    )


def _outer(x: np.ndarray) -> np.ndarray:
    return np.outer(x, x)


def _decided_by_one(w: np.ndarray, each: Sequence[Corrected]) -> np.ndarray:
    """Return which functionals one training row decides; warns of them."""
    share = np.nan_to_num(mixture.average(w, [one.largest for one in each]))
    lost = share > LARGEST_SHARE
    if lost.any():
        warn(
            f"{lost.sum()} of {lost.size} estimates rest on one training row, which "
            f"has {share.max():.0%} of the weight: their intervals are unbounded. Try "
            "effects over more rows, nearer to those that trained.",
            exceptions.FewRowsWarning,
        )
    return lost


def _warn_of_correction(
    w: np.ndarray, each: Sequence[Corrected], cov: np.ndarray
) -> None:
    """Say where the correction is large beside what noise alone would make."""
    q = mixture.average(w, [one.correction for one in each])
    noise = np.diag(mixture.average(w, [one.noise for one in each]))
    moved = np.abs(q) / np.sqrt(np.maximum(noise, np.finfo(float).tiny))
    moved[~np.isfinite(np.diag(cov))] = 0.0
    if (moved > LARGEST_CORRECTION).any():
        warn(
            f"The correction moved {(moved > LARGEST_CORRECTION).sum()} of "
            f"{moved.size} estimates by up to {moved.max():.1f} standard errors. "
            "Intervals contain it, and are wide: the penalty, or the size of the "
            "network, is wrong for these data. Try another alpha, more units, or "
            "regularization='evidence'.",
            exceptions.LargeCorrectionWarning,
        )


def _warn_of_misfit() -> None:
    """Say again what fit said: nothing here mends it."""
    warn(
        "fit found that the network does not follow its curve (MisfitWarning): effects "
        "are biased, and their intervals too narrow, most of all at single rows. Try "
        "what inference_.warnings advises, more units as a rule.",
        exceptions.MisfitWarning,
    )


def _warn_of_few(fewest: int) -> None:
    warn(
        f"An average is over {fewest} rows, fewer than {FEWEST_ROWS}: it is taken as "
        "it is, without a correction. Try more rows, or larger groups.",
        exceptions.FewRowsWarning,
    )


def _warn_of_no_rows(asked: Asked) -> None:
    """Say, or raise if it was asked for, that averages cannot be corrected."""
    if asked.debias != "auto":
        raise ValueError(
            f"debias={asked.debias!r} needs the rows that trained. Try training="
            "(X_train, y_train)."
        )
    warn(
        "Averages are not corrected for the bias of the penalty, which needs the rows "
        "that trained: intervals of weak effects are too narrow. Try training="
        "(X_train, y_train), or debias=False to accept it.",
        exceptions.UncorrectedAverageWarning,
    )
