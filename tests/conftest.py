"""Fixtures; the networks themselves are in `cases`."""

import matplotlib
import pytest
from cases import CASES
from threadpoolctl import threadpool_limits

matplotlib.use("Agg")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """The matrices are small: more threads only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param
