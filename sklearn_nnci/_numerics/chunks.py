"""How many rows to hold at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn import get_config

# A buffer of this size stays within a processor's larger caches, and 2048 rows are
# enough for matrix products to run at their full rate (measured).
BUFFER_BYTES = 32 * 2**20
FEWEST_ROWS, MOST_ROWS = 64, 2048
# Elements of the buffer of NumPy's ufuncs, 8192 by default: measured.
BROADCAST_BUFFER = 256


def row_slices(n_rows: int, bytes_per_row: int) -> Iterator[slice]:
    """Yield slices that cover ``range(n_rows)``, each worth one buffer.

    A buffer is 32 MiB, or scikit-learn's ``working_memory`` if that is less.
    """
    buffer = min(BUFFER_BYTES, get_config()["working_memory"] * 2**20)
    size = int(min(max(buffer // max(1, bytes_per_row), FEWEST_ROWS), MOST_ROWS))
    # Not gen_batches: its validation takes a third of the time of training.
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


@contextmanager
def broadcasting() -> Iterator[None]:
    """Let ufuncs broadcast along rows without copying what they broadcast.

    NumPy repeats a broadcast operand in its buffer where two rows or more fit in there
    (its issue 13307), time after time.
    """
    size = np.setbufsize(BROADCAST_BUFFER)
    try:
        yield
    finally:
        np.setbufsize(size)
