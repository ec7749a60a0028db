"""Progress of long passes, where it is wanted and tqdm is installed."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def progress(
    items: Iterable[T], doing: str, wanted: bool, total: int | None = None
) -> Iterable[T]:
    """Return the iterable `items`, with a bar named `doing` if that is `wanted`."""
    if not wanted:
        return items
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return items
    # Passes that are over within a second need no bar.
    return tqdm(items, desc=doing, total=total, delay=1.0, leave=False)
