"""Warnings that point at the line of the user, however deep they are raised."""

import os
import sys
import warnings

import joblib
import sklearn

from sklearn_nnci._docs import page_of
from sklearn_nnci.exceptions import InferenceWarning

# Between the user's line and ours lie frames of these: pipelines, searches, workers.
# Paths are as Python found them, links and all, as those of frames are.
_INSIDE = tuple(
    f"{os.path.dirname(file)}{os.sep}"
    for file in (__file__, sklearn.__file__, joblib.__file__)
)


def warn(message: str, kind: type[Warning]) -> None:
    """Issue a warning of class `kind` at the nearest line outside of the libraries.

    One about intervals ends in the address of its page.
    """
    if issubclass(kind, InferenceWarning):
        message = without_page(message, kind) + _page(kind)
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, kind, stacklevel=level)


def without_page(message: str, kind: type[Warning]) -> str:
    """Return the message of a warning that was issued, as it was given to `warn`."""
    return message.removesuffix(_page(kind))


def _page(kind: type[Warning]) -> str:
    return f"\nSee {page_of(kind.__name__)}"
