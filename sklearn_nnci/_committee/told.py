"""What members warn of, wherever they run, said once.

What members with half of the weight say, the committee says.
"""

import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from sklearn_nnci._warn import without_page

Told = tuple[tuple[type[Warning], str], ...]
# Half of the weight, but for rounding.
HALF = 0.5 - 1e-9
# Filters of warnings belong to the process: threads that set them take turns, or one
# would restore those of another for good.
TURN = threading.RLock()


class Outcome(NamedTuple):
    """What came of a task for one member."""

    result: Any
    """None if it failed."""
    told: Told
    """Class and message of every warning."""
    error: Exception | None


def watched(
    failures: tuple[type[Exception], ...], task: Callable[..., Any], *args: Any
) -> Outcome:
    """Return the `Outcome` of ``task(*args)``, wherever it runs."""
    result, error = None, None
    with TURN, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = task(*args)
        except failures as failure:
            error = failure
    told = tuple((w.category, without_page(str(w.message), w.category)) for w in caught)
    return Outcome(result, told, error)


def shared(
    told: Iterable[Told], weights: np.ndarray, apart: tuple[type[Warning], ...] = ()
) -> Told:
    """Return each kind of warning once, of those that half of the weight gave.

    `told` are the warnings of each member; the heaviest gives the message. Those of a
    kind in `apart` are left out.
    """
    messages: dict[type[Warning], dict[int, str]] = {}
    for k, own in enumerate(told):
        for kind, text in own:
            if kind not in apart:
                messages.setdefault(kind, {}).setdefault(k, text)
    found = []
    for kind, by_member in messages.items():
        members = [k for k in by_member if weights[k] > 0.0]
        if sum(weights[k] for k in members) >= HALF:
            text = by_member[max(members, key=lambda k: weights[k])]
            of = f"{len(members)} of {np.count_nonzero(weights)} members"
            found.append((kind, f"{of}: {text}"))
    return tuple(found)
