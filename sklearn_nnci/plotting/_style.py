"""What pictures share: matplotlib when it is needed, colours, keywords, limits."""

from typing import Any

import numpy as np

# Told apart by the colour-blind (Okabe & Ito 2008), and in grey by their lightness.
BLUE, ORANGE, RED, BLACK = "#0072B2", "#E69F00", "#D55E00", "#333333"
# Where a bound is infinite, so many heights of the picture away.
FAR = 10.0
# Names of categories that are longer together are written slanted.
WIDE, SLANTED = 30, dict(rotation=30, ha="right", rotation_mode="anchor")


def check_matplotlib(caller: str) -> None:
    """Refuse to draw without matplotlib, before any work is done."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib. Try `pip install matplotlib`, or "
            "`pip install 'sklearn-nnci[plot]'`."
        ) from error


def axes_of(ax: Any, caller: str) -> Any:
    """Return `ax`, or the axes of a new figure."""
    check_matplotlib(caller)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def styled(kind: str, default: dict[str, Any], given: Any) -> dict[str, Any]:
    """Return keywords of the artist `kind`, those `given` first, aliases resolved."""
    from matplotlib import cbook, collections, lines, text

    kinds = {
        "line": lines.Line2D,
        "points": collections.PathCollection,
        "band": collections.PolyCollection,
        "bars": collections.LineCollection,
        "text": text.Text,
    }
    given = dict(given or {})
    if kind == "points" and "c" in given:
        if "color" in given:
            raise TypeError("Got both 'c' and 'color', which are one. Try 'color'.")
        given["color"] = given.pop("c")
    return default | cbook.normalize_kwargs(given, kinds[kind])


def legend_above(ax: Any) -> None:
    """Set the legend above the axes, where it hides nothing; none if nothing is named.

    What is drawn twice, on axes used again, is named once.
    """
    handles, names = ax.get_legend_handles_labels()
    once = dict(reversed(list(zip(names, handles, strict=True))))
    if once:
        ax.legend(
            list(reversed(once.values())),
            list(reversed(once)),
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=2,
            fontsize="small",
            frameon=False,
            borderaxespad=0.2,
            columnspacing=1.0,
            handlelength=1.6,
        )


def open_corner(ax: Any) -> None:
    """Draw the axes as two lines."""
    ax.spines[["top", "right"]].set_visible(False)


def name_places(ax: Any, values: Any) -> None:
    """Write the names of categories, which stand at 0, 1, ..., below the axes."""
    names = [str(value) for value in values]
    long = SLANTED if len("  ".join(names)) > WIDE else {}
    ax.set_xticks(np.arange(len(names)), names, **long)
    ax.set_xlim(-0.6, len(names) - 0.4)


def limits(*parts: Any) -> tuple[float, float]:
    """Return limits of an axis: all finite numbers of `parts`, and a little more."""
    values = np.concatenate([np.ravel(part) for part in parts if part is not None])
    values = values[np.isfinite(values)]
    low, high = values.min(), values.max()
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def bounded(interval: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Return an interval whose infinite bounds are beyond the picture."""
    height = ends[1] - ends[0]
    return np.nan_to_num(interval, posinf=ends[1] + FAR * height, nan=np.nan,
                         neginf=ends[0] - FAR * height)  # fmt: skip
