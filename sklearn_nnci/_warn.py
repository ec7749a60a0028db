"""Warnings that point at the line of the user, however deep they are raised."""

import sys
import warnings
from types import FrameType

from sklearn_nnci._docs import page_of
from sklearn_nnci.exceptions import InferenceWarning

# Between the user's line and ours lie frames of these: pipelines, searches, workers,
# and what loads files.
_INSIDE = {"sklearn_nnci", "sklearn", "joblib", "pickle", "copy", "skops"}


def warn(message: str, kind: type[Warning]) -> None:
    """Issue a warning of class `kind` at the nearest line outside of the libraries.

    One about intervals ends in the address of its page.
    """
    if issubclass(kind, InferenceWarning):
        message = without_page(message, kind) + _page(kind)
    frame, level = sys._getframe(1), 2
    while frame.f_back and _is_inside(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, kind, stacklevel=level)


def _is_inside(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _INSIDE


def without_page(message: str, kind: type[Warning]) -> str:
    """Return the message of a warning that was issued, as it was given to `warn`."""
    return message.removesuffix(_page(kind))


def _page(kind: type[Warning]) -> str:
    return f"\nSee {page_of(kind.__name__)}"
