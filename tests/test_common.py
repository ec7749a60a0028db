"""The checks of scikit-learn, and its own tests with our class as MLPRegressor."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import sklearn
from cases import checks_of_sklearn
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_nnci import MLPRegressorCI, TransformedTargetRegressorCI

ESTIMATORS = [
    MLPRegressorCI(max_iter=100),
    MLPRegressorCI(max_iter=100, solver="lbfgs"),
    MLPRegressorCI(max_iter=200, hidden_layer_sizes=(20,), covariance="least_squares"),
    TransformedTargetRegressorCI(MLPRegressorCI(max_iter=50, random_state=0)),
]


def failing(estimator):
    """What fails for TransformedTargetRegressor(MLPRegressor()) of scikit-learn too."""
    old = sklearn.__version__.startswith("1.7.0")
    if not (old and isinstance(estimator, TransformedTargetRegressorCI)):
        return {}
    return {"check_supervised_y_2d": "the parent does not warn of a column y"}


@checks_of_sklearn
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=failing)
def test_check_estimator(estimator, check):
    check(estimator)


def test_scikit_learns_own_tests_pass_in_the_parents_place(tmp_path):
    folder = Path(
        find_spec("sklearn.neural_network.tests").submodule_search_locations[0]
    )
    source = (folder / "test_mlp.py").read_text(encoding="utf-8")
    line = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
    assert line in source
    swapped = (
        "from sklearn.neural_network import MLPClassifier\n"
        "from sklearn_nnci import MLPRegressorCI as MLPRegressor\n"
    )
    # One test takes a fixture from scikit-learn's conftest.
    fixture = "\n\n@pytest.fixture\ndef global_random_seed():\n    return 42\n"
    test = tmp_path / "test_mlp.py"
    test.write_text(source.replace(line, swapped) + fixture, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    assert "passed" in run.stdout
