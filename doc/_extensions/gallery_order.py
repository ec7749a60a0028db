"""The order of the gallery: that in which one would read it."""

from pathlib import Path

READ = (
    "first_interval",
    "which_interval",
    "calibration_of_intervals",
    "scaled_targets",
    "warning_and_cure",
    "choose_alpha_and_size",
    "polish_and_restarts",
    "tuned_and_committees",
    "wide_network",
    "uneven_noise",
    "counts",
    "effects_table",
    "partial_dependence",
    "contrast_and_calibration",
    "simultaneous_bands",
    "influence",
    "saving",
    "rows_from_disk",
    "cluster",
    "rivals",
    "coverage_by_x",
    "rivals_personnaz",
    "hwang_ding",
)


def key(filename):
    """Return the place of a script; those that are not named come last, by name."""
    name = Path(filename).stem.removeprefix("plot_")
    return (READ.index(name) if name in READ else len(READ), name)
