"""Bars and tables of the study of noise, from the rows that it kept.

`found` is {(name of a cell, option): {replicate: row}} throughout.
"""

from collections import Counter

import numpy as np
from minima import table
from noise_data import (
    CELLS,
    EVEN,
    FEW,
    FEWER,
    HEAVY,
    LEVELS,
    SCALED,
    SKEWED,
    SKEWED_UNEVEN,
    STRONG,
    TIGHT,
    TIMED,
    UNEVEN,
)
from study_data import ratio, verdict
from tuned import mean

NINETY = list(LEVELS).index(0.9)
# Cells, option, and the highest ratio of scores to those of neither, by level; None:
# shown only, as is what fails.
SCORES = [
    (SKEWED, "errors", {0.95: 0.92}), (EVEN, "errors", {0.95: 1.015, 0.8: 1.01}),
    (UNEVEN, "variance", {0.95: 0.88}), (SCALED, "variance", {0.95: 0.96}),
    (EVEN, "variance", {0.95: 1.02}), (SKEWED_UNEVEN, "both", {0.95: 0.85}),
    (FEWER + TIGHT, "errors", {0.95: None}), (STRONG, "both", {0.95: None}),
]  # fmt: skip
# Cells, option, interval, and the range of its coverage in each third of the noise.
THIRDS = [
    (UNEVEN + SCALED, "variance", "PI", (0.91, 0.985)),
    (FEW, "variance", "PI", (0.92, 0.98)),
    (UNEVEN + SCALED, "variance", "CI", (0.90, 0.975)),
    (SKEWED_UNEVEN, "both", "PI", None), (FEW, "variance", "CI", None),
    (UNEVEN + SCALED, "errors", "PI", None), (FEWER[2:], "errors", "PI", None),
]  # fmt: skip
KEYS = {"PI": "thirds", "CI": "ci_thirds"}
# What words in the column "notices" say, and how often they may of normal, even noise.
NOTICES, FALSE = {"law": "is not normal", "varies": "varies"}, 0.03
# Processor seconds of an inference beyond that of neither, in fits of five starts.
COSTS = {"errors": 0.05, "variance": 1.0}


class Figures:
    """What the rows of a cell say of one option; each a mean and its standard error."""

    def __init__(self, found, cell, option):
        self.rows, self.beside = (
            found[cell.name, name] for name in (option, "neither")
        )

    def stacked(self, key, beside=False):
        """Return values of the replicates, in their order."""
        rows = self.beside if beside else self.rows
        return np.array([rows[k][key] for k in sorted(rows)])

    def means(self, key):
        return [*map(mean, self.stacked(key).T)]

    @property
    def covered(self):
        missed = self.stacked("below") + self.stacked("above")
        return [*map(mean, (1.0 - missed).T)]

    @property
    def ratios(self):
        own, beside = (self.stacked("score", other).T for other in (False, True))
        return [ratio(*pair) for pair in zip(own, beside, strict=True)]

    @property
    def ci_ratio(self):
        return ratio(self.stacked("ci_score"), self.stacked("ci_score", beside=True))

    @property
    def extra_seconds(self):
        beyond = self.stacked("seconds") - self.stacked("seconds", beside=True)
        return ratio(beyond, self.stacked("fit_seconds"))

    def with_word(self, key, word):
        """Return whether it is among the words, of each replicate."""
        return [word in row[key].split(" ") for row in self.rows.values()]


def measured(found, cells, option):
    """Yield those of the cells that have rows, and their `Figures`."""
    for cell in cells:
        if (cell.name, option) in found:
            yield cell.name, Figures(found, cell, option)


def bars_of(found):
    """Yield figure, option, cell, its value and standard error, and its range."""
    yield from scores(found)
    yield from levels(found)
    yield from by_thirds(found)
    for name, figures in measured(found, EVEN, "variance"):
        value = mean(figures.with_word("variance", "constant"))
        yield "constant is taken", "variance", name, value, (0.85, 1.0)
    yield from checks(found)
    for option, most in COSTS.items():
        for name, figures in measured(found, TIMED, option):
            yield (
                "seconds, in fits",
                option,
                name,
                figures.extra_seconds,
                (-np.inf, most),
            )


def scores(found):
    """Yield the bars of ratios of scores."""
    for cells, option, most in SCORES:
        for name, figures in measured(found, cells, option):
            for level, value in zip(LEVELS, figures.ratios, strict=True):
                if level in most:
                    limits = most[level] and (0.0, most[level])
                    yield f"PI score ratio, {level:.0%}", option, name, value, limits


def levels(found):
    """Yield the bars of coverage, at some level."""
    for name, figures in measured(found, SKEWED, "errors"):
        for side in ("below", "above"):
            value = figures.means(side)[NINETY]
            yield f"{side} PI, 90%", "errors", name, value, (0.03, 0.07)
    for name, figures in measured(found, HEAVY, "errors"):
        for level, value in zip(LEVELS, figures.covered, strict=True):
            limits = level - 0.02, level + 0.02
            yield f"PI, {level:.0%}", "errors", name, value, limits
    for name, figures in measured(found, FEWER + TIGHT, "errors"):
        for level, value in zip(LEVELS, figures.covered, strict=True):
            yield f"PI, {level:.0%}", "errors", name, value, None


def by_thirds(found):
    """Yield the bars of coverage where noise is low, medium, and high."""
    for cells, option, interval, limits in THIRDS:
        for name, figures in measured(found, cells, option):
            values = figures.means(KEYS[interval])
            for third, value in zip(("low", "medium", "high"), values, strict=True):
                yield f"{interval}, {third} noise", option, name, value, limits


def checks(found):
    """Yield the bars of the two checks of noise."""
    for word, what in NOTICES.items():
        figure, own = f"notice: noise {what}", measured(found, EVEN, "neither")
        each = [figures.with_word("notices", word) for _, figures in own]
        false = [one for fits in each for one in fits]
        if false:
            where = f"normal and even: {len(false)} fits"
            yield figure, "neither", where, mean(false), (0.0, FALSE)
        cells = [cell for cell in CELLS if cell not in TIMED]
        for name, figures in measured(found, cells, "neither"):
            value = mean(figures.with_word("notices", word))
            yield figure, "neither", name, value, None


def limits_text(low, high):
    """Return a range in words."""
    if low in (0.0, -np.inf):
        return f"<= {high:g}"
    return f">= {low:g}" if high == 1.0 else f"{low:.3g} to {high:.3g}"


def bars_table(bars):
    """Return the table of bars."""
    rows = []
    for *where, (value, se), limits in bars:
        bar = met = ""
        if limits:
            bar, met = limits_text(*limits), verdict(value, se, *limits)
        rows.append([*where, bar, f"{value:.3f} ({se:.3f})", met])
    return table(["figure", "option", "where", "bar", "found (s.e.)", ""], rows)


def several(pairs, form="{:.3f}"):
    """Return means, and the standard error of the last."""
    texts = [form.format(value) for value, _ in pairs]
    return f"{' / '.join(texts)} ({pairs[-1][1]:.3f})"


def cells_table(found):
    """Return the table of all cells and options."""
    head = ["data, n, noise", "option", "R", "edf / n", "PI at 50 / 80 / 90 / 95 %",
            "below / above at 90 %", "PI by thirds", "CI (s.e.)", "CI by thirds",
            "CI score over that of neither", "PI score",
            "PI score over that of neither, 50 / 80 / 90 / 95 %",
            "variance that is taken", "seconds: fit, inference"]  # fmt: skip
    rows = [
        line(name, option, figures)
        for cell in CELLS for option in ("neither", "errors", "variance", "both")
        for name, figures in measured(found, [cell], option)
    ]  # fmt: skip
    return table(head, rows)


def line(name, option, figures):
    """Return a row of the table of cells."""
    taken = Counter(figures.stacked("variance").tolist())
    n = taken.total()
    tails = [figures.means(side)[NINETY] for side in ("below", "above")]
    fit, own = (np.median(figures.stacked(k)) for k in ("fit_seconds", "seconds"))
    ci, ci_se = mean(figures.stacked("ci"))
    return [
        name, option, n, f"{figures.stacked('edf').mean():.2f}",
        several(figures.covered), several(tails), several(figures.means("thirds")),
        f"{ci:.3f} ({ci_se:.3f})", several(figures.means("ci_thirds")),
        "" if option in ("neither", "errors") else several([figures.ci_ratio]),
        f"{figures.stacked('score')[:, -1].mean():.3g}",
        "" if option == "neither" else several(figures.ratios),
        ", ".join(f"{kind} {k / n:.0%}" for kind, k in taken.most_common())
        if option in ("variance", "both") else "",
        f"{fit:.2g}, {own:.2g}",
    ]  # fmt: skip
