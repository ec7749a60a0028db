"""Threads of BLAS, of which small triangles are worth one.

Several wait for each other at every panel. On a machine that has other work, or in a
container that may use fewer cores than it sees, that waiting takes most of the time:
fits of 70 to 480 parameters took 10 to 90 times as much of it (measured, two threads on
two busy cores). threadpoolctl is there wherever scikit-learn is.
"""

import contextlib

from threadpoolctl import threadpool_limits

# Parameters from which a second thread is worth having.
SMALL = 500


def suited_to(n_parameters: int) -> contextlib.AbstractContextManager:
    """Return a context in which BLAS has one thread, if parameters are few."""
    if n_parameters >= SMALL:
        return contextlib.nullcontext()
    return threadpool_limits(1, user_api="blas")
