"""Warnings that point at the line of the user, however deep they are raised."""

import os
import sys
import warnings
from pathlib import Path

import joblib
import sklearn

# Between the user's line and ours lie frames of these: pipelines, searches, workers.
_INSIDE = tuple(
    f"{Path(file).resolve().parent}{os.sep}"
    for file in (__file__, sklearn.__file__, joblib.__file__)
)


def warn(message, kind):
    """Issue a warning of class `kind` at the nearest line outside of the libraries."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, kind, stacklevel=level)
