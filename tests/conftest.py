"""Fixtures; the networks themselves are in `cases`."""

import matplotlib
import pytest
from cases import CASES

matplotlib.use("Agg")


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param
