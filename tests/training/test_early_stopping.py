"""Rows that early stopping holds out of training."""

import warnings

import numpy as np
import pytest
from cases import sine_data
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor

from sklearn_nnci import MLPRegressorCI, exceptions


@pytest.fixture
def global_stream():
    """NumPy's global random stream, from which unseeded fits draw, started at 5."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    yield
    np.random.set_state(before)  # noqa: NPY002


@pytest.mark.parametrize("seed", [5, None, "state"])
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_leaves_held_out_rows_out(seed, weighted, global_stream):
    """The rows are those of the split that the random state gives at that moment."""
    X, y = sine_data(n=90)
    w = np.random.default_rng(0).uniform(0.5, 2, 90) if weighted else None
    random_state = np.random.RandomState(5) if seed == "state" else seed
    net = MLPRegressorCI(
        hidden_layer_sizes=(4,), early_stopping=True, random_state=random_state,
        noise="validation", validation_fraction=0.2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.HeldOutRowsWarning)
        net.fit(X, y, w)
    report = net.inference_
    w = np.ones(90) if w is None else w
    rng = np.random.RandomState(5)
    for fan_in, fan_out in ((2, 4), (4, 1)):
        rng.uniform(size=(fan_in, fan_out))
        rng.uniform(size=fan_out)
    trained, held_out = train_test_split(np.arange(90), random_state=rng, test_size=0.2)
    assert (len(trained), len(held_out)) == (72, 18)
    assert report.n_samples == pytest.approx(w[trained].sum(), rel=1e-12)
    assert report.dof == pytest.approx(w[held_out].sum(), rel=1e-12)
    e = y[held_out] - net.predict(X[held_out])
    expected = np.average(e**2, weights=w[held_out])
    assert report.noise_variance == pytest.approx(expected, rel=1e-10)
    assert report.penalty == pytest.approx(1e-4 * 72 / 72)


def test_early_stopped_network_of_the_parent_recovers_its_rows_by_the_seed():
    X, y = sine_data(n=90)
    parameters = dict(hidden_layer_sizes=(4,), early_stopping=True, random_state=1)
    plain = MLPRegressor(**parameters).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", exceptions.HeldOutRowsWarning)
        late = MLPRegressorCI.from_estimator(plain, X, y)
    assert late.inference_.n_samples == 81
    mine = MLPRegressorCI(**parameters).fit(X, y)
    np.testing.assert_array_equal(
        late.predict(X, return_ci=True)[1], mine.predict(X, return_ci=True)[1]
    )
    plain.random_state = None
    with pytest.warns(exceptions.HeldOutRowsWarning, match="random_state"):
        unknown = MLPRegressorCI.from_estimator(plain, X, y)
    assert unknown.inference_.n_samples == 90
    plain.random_state = 2  # a wrong seed does not go unnoticed
    with pytest.warns(exceptions.HeldOutRowsWarning):
        MLPRegressorCI.from_estimator(plain, X, y)


def test_a_failing_call_leaves_nothing_behind():
    X, y = sine_data(n=60)
    net = MLPRegressorCI(early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match="early_stopping"):
        net.partial_fit(X, y)
    assert not any("split" in name for name in vars(net))
    with pytest.raises(ValueError, match="validation set"):
        net.fit(X[:3], y[:3])
    assert not any("split" in name for name in vars(net))
