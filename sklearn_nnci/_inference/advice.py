"""What a failed check means for the fit at hand, and what to try there.

Advice is a claim: it must lead to something that is possible, and better.
"""

from typing import NamedTuple

import numpy as np

from sklearn_nnci._inference.formulas import FORMULAS, Formula
from sklearn_nnci._inference.infer import Inference
from sklearn_nnci._inference.report import Report
from sklearn_nnci._network.losses import Loss

# Coverage of textbook formulas is flat in the relative offset up to 0.3 to 0.5 and
# falls beyond (simulation; the criterion itself is Bates & Watts 1981).
LARGEST_OFFSET = 0.3
# Medians of healthy fits are 1.0 to 1.36; networks that overfit, 1.8 and more.
LARGEST_PRESS = 1.5
# lambda of training over that of the evidence: predictions are biased beyond.
LARGEST_SMOOTHING = 10.0
# Penalty that predictions agree with over that of training. Where alpha holds back it
# is 1, and a smaller alpha narrows intervals, to 0.07 to 0.97 of their width; beyond
# 1.5 to 0.87 at best, and training on does (29 fits of tanh units by adam and lbfgs).
LARGEST_AGREEING = 1.5
# Networks expect X and y of locations and spreads around 1: no value of X, and no mean
# of y, beyond the larger; a spread of y, and some values of X, beyond the smaller.
SMALLEST, LARGEST = 0.1, 20.0
# Rows below which nine more starts find nothing either: of sines that one had missed,
# they found 1 of 46 in 6 to 10 rows, 4 of 16 in 12, and 11 of 15 in 15.
FEW_ROWS = 11
# Well-determined parameters of an input that is off; how many of these are named.
OFF, MOST_NAMED = 0.1, 10


class Tuned(NamedTuple):
    """What advice depends on of a network that chose its penalties."""

    for_nothing: float
    """Log evidence of no dependence on X, less that of the network."""
    gamma: np.ndarray
    """Well-determined parameters of each input, (d,)."""
    n_starts: int
    n_near: int
    """Starts that could as well be the best, itself included."""
    apart: np.ndarray
    """Root mean square distance of the starts from the best, (m,), in units of y."""


class Fitted(NamedTuple):
    """What advice depends on."""

    inference: Inference
    covariance: str
    """What was asked for."""
    loss: Loss
    solver: str
    kinked: bool
    """Whether the network has units of relu."""
    polished: str | None
    """Why polishing stopped; None: not polished."""
    tuned: Tuned | None = None
    """None: penalties were given."""

    @property
    def report(self) -> Report:
        """The `Report`."""
        return self.inference.report

    @property
    def formula(self) -> Formula:
        """The `Formula` in use; the evidence knows how far its optimum is."""
        return FORMULAS[self.report.method]

    @property
    def unbounded(self) -> bool:
        """Whether every interval is."""
        return self.inference.posterior is None

    @property
    def unfinished(self) -> bool:
        """Whether predictions are smoother than alpha makes them: training stopped.

        They agree with a larger penalty than that of training. Where that is not known,
        adam and sgd are taken to have stopped.
        """
        report, ratio = self.report, self.inference.penalty_ratio
        if np.isnan(report.edf_fit):
            return self.solver != "lbfgs"
        return report.loo_penalty > LARGEST_AGREEING * ratio * report.penalty

    @property
    def n_rows(self) -> float:
        """Rows of all outputs, n m."""
        return self.report.n_samples * len(self.inference.dof)


def no_dof(fitted: Fitted) -> str:
    report = fitted.report
    if report.noise == "evidence" or not fitted.inference.totals.spread.any():
        return (
            f"{report.n_samples:.4g} rows of a target that does not vary say nothing "
            "about the noise: every interval is unbounded. Try more rows, or a known "
            "noise."
        )
    other = "covariance='auto' with noise='auto', " if fitted.loss.linear else ""
    return (
        f"{report.edf:.4g} effective parameters leave no degrees of freedom of "
        f"{report.n_samples:.4g} rows, or fit some of them by themselves alone: every "
        f"interval of covariance={report.method!r} is unbounded. Try {other}a larger "
        "alpha or a smaller network."
    )


def nothing(fitted: Fitted) -> str:
    assert fitted.tuned is not None
    starts = ", n_restarts=9, whose starts look for curves that bend more,"
    other = f"{starts * (fitted.tuned.n_starts == 1)} or other features"
    few = fitted.report.n_samples < FEW_ROWS
    return (
        "Nothing was found: the evidence for the network is not clearly above that for "
        f"no dependence on X at all. Try more rows{'' if few else other}."
    )


def off(fitted: Fitted) -> str:
    assert fitted.tuned is not None
    names = ", ".join(map(str, np.flatnonzero(fitted.tuned.gamma < OFF)[:MOST_NAMED]))
    return f"Inputs {names} are off: predictions hardly depend on them. See relevance_."


def disagree(fitted: Fitted) -> str:
    return (
        "Other starts predict otherwise, and none comes close to the best in evidence: "
        "intervals do not contain their distance. Try a larger n_restarts, or "
        "MLPEnsembleRegressorCI, whose intervals do."
    )


def wide(fitted: Fitted) -> str:
    if fitted.tuned:
        return (
            "Prediction intervals are as wide as knowing nothing, wider than those of "
            "the mean of y. Try more rows, or other features."
        )
    what = _scaling(fitted) or "Try a larger alpha, or more rows."
    return (
        "Prediction intervals are as wide as knowing nothing, wider than those of the "
        f"mean of y: the network explains no more than that. {what}"
    )


def _scaling(fitted: Fitted) -> str:
    """Return advice for an X or y far from the scales that training expects, or "".

    Counts have no scale.
    """
    totals, counts = fitted.inference.totals, fitted.loss.counts
    location, spread = np.abs(totals.mean), totals.spread
    largest = np.abs([totals.edges.low[0], totals.edges.high[0]]).max(axis=0)
    apart = {
        "X": not SMALLEST < largest.max(initial=1.0) < LARGEST,
        "y": not counts and (location.max() > LARGEST or spread.min() < SMALLEST
                             or spread.max() > 1.0 / SMALLEST),
    }  # fmt: skip
    names = [name for name, is_apart in apart.items() if is_apart]
    if not names:
        return ""
    what = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not scaled."
    if counts:
        return f"{what} Try make_pipeline(StandardScaler(), network)."
    return f"{what} Try make_scaled(network), which scales X and y."


def step(fitted: Fitted) -> str:
    effect = "takes more of the width of the intervals than the noise does"
    if fitted.inference.penalty_ratio > LARGEST_SMOOTHING and not fitted.unfinished:
        return (
            f"What alpha holds back {effect}: it penalises "
            f"{fitted.inference.penalty_ratio:.3g} times as much as the data ask for. "
            "Try a smaller alpha."
        )
    return f"What training left undone {effect}. {_train_longer(fitted)}"


def offset(fitted: Fitted) -> str:
    if fitted.formula.evidence or fitted.covariance == "auto":
        effect = "intervals of the mean are wider for it. "
    else:
        effect = "intervals of the mean are too narrow for it. "
        if fitted.loss.linear:
            effect += "Try covariance='auto' with noise='auto', which knows of it. "
    return (
        "Training stopped short of its minimum (relative offset "
        f"{fitted.report.relative_offset:.2g}, should be below {LARGEST_OFFSET}): "
        f"{effect}{_train_longer(fitted)}"
    )


def _train_longer(fitted: Fitted) -> str:
    """Return advice that leads to a minimum from here."""
    if fitted.tuned and fitted.kinked:
        return (
            "Kinks of relu stop it. Try activation='tanh' with 10 or 20 units, "
            "hidden_layer_sizes=(10,)."
        )
    if fitted.tuned:
        return "Try a larger max_iter, or n_restarts."
    unscaled = _scaling(fitted)
    if unscaled:
        return unscaled
    if fitted.polished == "kink of relu":
        return "Kinks of relu stop the polish. Try activation='tanh'."
    if fitted.polished is not None:
        return "Try n_restarts, or a larger alpha."
    possible = fitted.report.n_parameters <= fitted.n_rows and not fitted.kinked
    tries = ["solver='lbfgs'"] * (fitted.solver != "lbfgs")
    tries += ["polish=True"] * possible + ["a larger max_iter"]
    # adam and sgd end by tol, too, and mostly before the minimum.
    tries[-1] += " and a smaller tol" * (fitted.solver != "lbfgs")
    return f"Try {', '.join(tries[:-1])}{' or ' * (len(tries) > 1)}{tries[-1]}."


def misfit(fitted: Fitted) -> str:
    found, tries = fitted.inference.misfit, "more units, n_restarts"
    what = "the network is too small, oversmoothed, or in a poor minimum"
    if fitted.inference.penalty_ratio > LARGEST_SMOOTHING:
        what, tries = "alpha oversmooths it", "a smaller alpha"
    elif fitted.loss.linear:
        own = "" if fitted.tuned else "regularization='evidence', "
        tries += f", {own}MLPEnsembleRegressorCI"
    head, _, last = tries.rpartition(", ")
    unscaled = "" if fitted.tuned else _scaling(fitted)
    return (
        "The residuals contain a curve that no small change of the weights follows "
        f"(White's test, F = {found.statistic:.3g}, p = {found.p_value:.1g}): {what}, "
        f"and intervals of the mean may be too narrow. {unscaled}"
        f"{' If that is not enough, try ' if unscaled else 'Try '}"
        f"{f'{head} or {last}' if head else last}."
    )


def overfitted(fitted: Fitted) -> str:
    report = fitted.report
    used, cure = report.edf_fit, "a larger alpha or fewer units"
    if fitted.tuned:
        used = report.edf
        cure = "more rows, or fewer inputs"
    elif fitted.loss.linear:
        cure = "a larger alpha, fewer units or regularization='evidence'"
    return (
        f"The network uses up {used:.3g} of {fitted.n_rows:.4g} rows: "
        f"it overfits, and its intervals may be too narrow. Try {cure}."
    )


def leverage(fitted: Fitted) -> str:
    return (
        f"The largest leverage is {fitted.report.max_leverage:.3g}: at least one row "
        "is fitted almost by itself alone, and leave-one-out residuals say little "
        f"there. {_another_alpha(fitted)}"
    )


def press(fitted: Fitted) -> str:
    return (
        f"Leave-one-out residuals are {fitted.report.press_ratio:.3g} times as large, "
        f"in mean square, as the residuals promise (should be below {LARGEST_PRESS}): "
        f"the network overfits. {_another_alpha(fitted)}"
    )


def _another_alpha(fitted: Fitted) -> str:
    """Return advice to overfit less; smooth networks deceive the leave-one-out score.

    It keeps their minimum (`benchmarks/coverage/leave_one_out.py`).
    """
    score = "loo_score" if fitted.kinked else "cross-validation"
    return f"Try a smaller network, or another alpha, chosen by {score}."


def smoothing(fitted: Fitted) -> str:
    cure = "Try a smaller alpha."
    if fitted.unfinished:
        cure = "But training is not finished, which comes first. "
        cure += _train_longer(fitted)
    return (
        f"alpha penalises {fitted.inference.penalty_ratio:.3g} times as much as the "
        f"data ask for (should be below {LARGEST_SMOOTHING}): predictions are biased "
        f"towards a smooth function. {cure}"
    )


def boundary(fitted: Fitted) -> str:
    meaning = {
        "lower": "the network can fit all rows, and noise cannot be told from signal. "
        "Try more rows, a smaller network, or a known noise",
        "upper": "no dependence on X can be told from noise. Try more rows, or other "
        "features",
    }.get(fitted.inference.boundary or "", "")
    return (
        "The evidence for the penalty has its maximum at the "
        f"{fitted.inference.boundary} end of the range searched: {meaning}."
    )


def condition(fitted: Fitted) -> str:
    return (
        f"The condition number is {fitted.report.condition_number:.2g}: for queries "
        "that leave a constant column, standard errors may have few digits. Try "
        "without such columns, or covariance='bayesian'."
    )


def left_out(fitted: Fitted) -> str:
    report = fitted.report
    if fitted.formula.plain and not fitted.formula.evidence:
        effect = "for the same penalty and noise, no interval is narrower than with all"
    elif fitted.formula.evidence:
        effect = (
            "for the same penalty and noise no interval would be narrower than with "
            "all, but both are those of the sample"
        )
    else:
        effect = (
            "intervals may be wider or narrower than with all; covariance='bayesian' "
            "errs to the wide side"
        )
    return (
        f"Memory allowed for {report.rows_used:.3g} of the rows, drawn at random, and "
        f"counted as no more than they are: {effect}. Try a smaller network."
    )


def not_normal(fitted: Fitted) -> str:
    p_value = fitted.inference.law.normality.p_value
    return (
        "The noise is skewed or has heavy tails (D'Agostino & Pearson's test, p = "
        f"{p_value:.1g}): prediction intervals of some levels cover too much or too "
        "little, or one tail has more than its share. Try errors='empirical'."
    )


def uneven(fitted: Fitted) -> str:
    p_value = fitted.inference.law.evenness.p_value
    return (
        "The noise varies with x (Breusch & Pagan's test, studentised, p = "
        f"{p_value:.1g}): prediction intervals are too wide here and too narrow "
        "there. Try variance='auto'."
    )
