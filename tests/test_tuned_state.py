"""Networks that choose their own penalties: what they refuse, keep and forget."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import skops.io
from cases import checks_of_sklearn, sine_data
from partitioned import da, split
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_nnci import MLPRegressorCI, exceptions

OWN_TYPE = "sklearn_nnci._regressor.MLPRegressorCI"
FITTED = ("penalties_", "gamma_", "relevance_", "log_evidence_", "start_evidences_")


def network(**parameters):
    given = dict(hidden_layer_sizes=(3,), activation="tanh", random_state=0)
    return MLPRegressorCI(**{"regularization": "evidence", **given, **parameters})


def bounds(net, X):
    return net.predict(X, return_pi=True)[1]


X, Y = sine_data(40, noise=0.2)


@checks_of_sklearn
@parametrize_with_checks([network(max_iter=20)])
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "parameters, cure", [
        ({"loss": "poisson"}, {"loss": "squared_error"}),
        ({"early_stopping": True}, {"early_stopping": False}),
        ({"warm_start": True}, {"warm_start": False}),
        ({"noise": "validation"}, {"noise": "auto"}),
    ],
)  # fmt: skip
def test_what_tuning_cannot_do_names_its_cures(parameters, cure):
    (name, value), net = next(iter(cure.items())), network(**parameters)
    quoted = f"Try {name}={value!r}, or regularization='alpha'"
    with pytest.raises(ValueError, match=quoted):
        net.fit(X, Y)
    assert np.isfinite(bounds(clone(net).set_params(**cure).fit(X, Y), X)).all()
    other = clone(net).set_params(regularization="alpha", max_iter=30)
    assert other.fit(X, np.abs(Y)).predict(X).shape == (40,)


def test_there_is_no_partial_fit():
    net = network()
    assert not hasattr(net, "partial_fit")
    with pytest.raises(AttributeError) as refused:
        net.partial_fit(X, Y)
    assert "Try fit, or regularization='alpha' with solver='adam'" in str(
        refused.value.__cause__
    )
    net.set_params(regularization="alpha", solver="adam").partial_fit(X, Y)


@pytest.mark.parametrize("sizes", [(0,), (3, -1)])
def test_sizes_of_layers_are_checked(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be > 0"):
        network(hidden_layer_sizes=sizes).fit(X, Y)


def test_weights_that_are_0_everywhere_are_refused():
    with pytest.raises(ValueError, match="sample_weight is zero"):
        network().fit(X, Y, np.zeros(40))


UNUSED = [
    {"solver": "lbfgs"}, {"alpha": 10.0}, {"batch_size": 7}, {"tol": 1.0},
    {"learning_rate_init": 0.1, "momentum": 0.5, "learning_rate": "adaptive"},
    {"shuffle": False, "beta_1": 0.5, "max_fun": 2}, {"polish": True},
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    return network(n_restarts=1).fit(X, Y)


@pytest.mark.parametrize("unused", UNUSED, ids=str)
def test_what_is_unused_changes_nothing(fitted, unused):
    expected = bounds(fitted, X)
    net = clone(fitted).set_params(**unused).fit(X, Y)
    np.testing.assert_array_equal(bounds(net, X), expected)
    net = copy.deepcopy(fitted).set_params(**unused)
    np.testing.assert_array_equal(bounds(net, X), expected)
    np.testing.assert_array_equal(bounds(net.fit_inference(X, Y), X), expected)


@pytest.mark.parametrize(
    "used", [{"activation": "relu"}, {"regularization": "alpha"}, {"loss": "poisson"}]
)
def test_what_training_read_cannot_be_set_after_it(fitted, used):
    net = copy.deepcopy(fitted).set_params(**used)
    for asked in (lambda: bounds(net, X), lambda: net.fit_inference(X, Y)):
        with pytest.raises(ValueError, match="Set it back, or fit again"):
            asked()


def test_validation_noise_after_the_fit_advises_nothing_that_is_refused(fitted):
    net = copy.deepcopy(fitted).set_params(noise="validation")
    with pytest.raises(ValueError, match=r"are known\. Try noise='loo'"):
        net.fit_inference(X, Y)
    net.set_params(noise="loo").fit_inference(X, Y)


def test_attributes_of_the_parents_training_and_its_own():
    net = network(max_iter=7).fit(X, Y)
    assert net.n_iter_ <= 7 and len(net.loss_curve_) == net.n_iter_ + 1
    assert net.loss_ == net.loss_curve_[-1] and net.t_ == 0
    assert (net.out_activation_, net.n_layers_, net.n_outputs_) == ("identity", 3, 1)
    assert net.polish_.objective_after <= net.polish_.objective_before
    assert net.polish_.objective_after / 40 == pytest.approx(net.loss_)
    assert net.penalties_.shape == net.gamma_.shape == (4,)
    assert net.relevance_.shape == (2,)
    np.testing.assert_array_equal(net.start_evidences_, [net.log_evidence_])
    assert 0.0 < net.gamma_.sum() + 1.0 == pytest.approx(net.inference_.edf, rel=1e-6)


def test_one_step_is_a_fit():
    net = network(max_iter=1).fit(X, Y)
    assert net.n_iter_ == 1
    assert np.isfinite(bounds(net, X)).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "sgd"])
def test_training_anew_leaves_no_trace(solver):
    plain = dict(regularization="alpha", solver=solver, max_iter=20, n_restarts=0)
    fresh, net = network(**plain).fit(X, Y), network(n_restarts=2).fit(X, Y)
    again = net.set_params(**plain).fit(X, Y)
    np.testing.assert_array_equal(bounds(again, X), bounds(fresh, X))
    for name in (*FITTED, "polish_"):
        with pytest.raises(AttributeError):
            getattr(again, name)
    assert set(vars(again)) == set(vars(fresh))
    tuned = network().fit(X, Y)
    back = fresh.set_params(regularization="evidence", max_iter=200).fit(X, Y)
    np.testing.assert_array_equal(bounds(back, X), bounds(tuned, X))
    for name in ("best_loss_", "validation_scores_", "best_validation_score_"):
        assert not hasattr(back, name)


def test_a_fit_that_was_refused_gives_no_inference_of_another_kind():
    """Not the penalty alpha for the weights of a tuned network."""
    net = network().fit(X, Y)
    expected = bounds(net, X)
    with pytest.raises(ValueError, match="warm_start"):
        net.set_params(warm_start=True).fit(X, Y)
    net.set_params(warm_start=False)
    with pytest.raises(ValueError, match=r"Call fit\(X, y\) again"):
        net.fit_inference(X, Y)
    np.testing.assert_array_equal(bounds(net.fit(X, Y), X), expected)


@pytest.mark.parametrize("sizes", [(3,), (40,)])
def test_inference_anew_and_copies_are_the_same(sizes, tmp_path):
    net = network(hidden_layer_sizes=sizes, n_restarts=2).fit(X, Y)
    expected, kept = bounds(net, X), [getattr(net, name) for name in FITTED]
    joblib.dump(net, tmp_path / "net.joblib")
    data = skops.io.dumps(net)
    assert set(skops.io.get_untrusted_types(data=data)) <= {OWN_TYPE}
    late = network(hidden_layer_sizes=sizes, n_restarts=2, covariance=None).fit(X, Y)
    copies = [
        net.fit_inference(X, Y),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
        joblib.load(tmp_path / "net.joblib"),
        joblib.load(tmp_path / "net.joblib", mmap_mode="r"),
        skops.io.loads(data, trusted=[OWN_TYPE]),
        clone(net).fit(X, Y),
        MLPRegressorCI.from_estimator(net, X, Y),
        late.set_params(covariance="auto").fit_inference(X, Y),
    ]
    for one in copies:
        np.testing.assert_array_equal(bounds(one, X), expected)
        for name, value in zip(FITTED, kept, strict=True):
            np.testing.assert_array_equal(getattr(one, name), value)
    again = skops.io.loads(data, trusted=[OWN_TYPE]).fit_inference(X, Y)
    np.testing.assert_array_equal(bounds(again, X), expected)


def test_starts_do_not_depend_on_processes():
    one, two = (network(n_restarts=2, n_jobs=n).fit(X, Y) for n in (1, 2))
    np.testing.assert_array_equal(one.start_evidences_, two.start_evidences_)
    np.testing.assert_array_equal(bounds(one, X), bounds(two, X))
    assert network().fit(X, Y).log_evidence_ == one.start_evidences_[0]
    spread = one.between_start_std(X)
    assert spread.shape == (40,) and (spread > 0.0).all()


@pytest.mark.parametrize(
    "given, m", [({}, 1), ({"n_restarts": 1}, 2), ({"hidden_layer_sizes": (30,)}, 1)]
)
def test_partitions_are_rows_of_one_machine(given, m):
    X, y = sine_data(45, m=m)
    net, lengths = network(**given).fit(X, y), (20, 0, 25)
    before = net.get_prediction(X)
    lazy = net.predict(split(X, (15, 30)), return_ci=True)[1]
    np.testing.assert_allclose(lazy.compute(), before.conf_int(), rtol=1e-9)
    y = y if m > 1 else da.from_array(y, chunks=(lengths,))
    net.fit_inference(split(X, lengths), y, np.ones(45))
    after = net.get_prediction(X)
    for name in ("mean", "se_mean", "se_obs"):
        np.testing.assert_allclose(
            getattr(after, name), getattr(before, name), rtol=1e-9
        )


def test_search_over_sizes():
    search = GridSearchCV(network(), {"hidden_layer_sizes": [(), (3,)]}, cv=3)
    search.fit(X, Y)
    assert search.best_params_ == {"hidden_layer_sizes": (3,)}
    assert bounds(search.best_estimator_, X).shape == (40, 2)


SHAPES = pytest.mark.parametrize("sizes", [(), (3,), (3, 2), (50,)], ids=str)


@SHAPES
def test_a_constant_y_is_predicted(sizes):
    net = network(hidden_layer_sizes=sizes).fit(X, np.full(40, 3.0))
    y, ci = net.predict(X, return_ci=True)
    np.testing.assert_allclose(y, 3.0, rtol=1e-12)
    assert np.isfinite(net.log_evidence_) and not np.isnan(ci).any()
    both = network(hidden_layer_sizes=sizes).fit(X, np.c_[Y, np.full(40, 3.0)])
    np.testing.assert_allclose(both.predict(X)[:, 1], 3.0, atol=1e-5)
    assert both.score(X, np.c_[Y, np.full(40, 3.0)]) > 0.4


@SHAPES
@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_rows(sizes, n):
    """Failure never looks like certainty."""
    net = network(hidden_layer_sizes=sizes).fit(X[:n], Y[:n])
    y, pi = net.predict(X, return_pi=True)
    assert np.isfinite(y).all() and not np.isnan(pi).any()
    assert (np.diff(pi) > 0.1 * np.ptp(Y[:n])).all()
    assert n > 1 or np.isinf(pi).all()


@SHAPES
def test_one_input_and_inputs_that_say_nothing(sizes):
    net = network(hidden_layer_sizes=sizes).fit(X[:, :1], Y)
    assert net.relevance_.shape == (1,) and bounds(net, X[:, :1]).shape == (40, 2)
    silent = network(hidden_layer_sizes=sizes).fit(np.ones((40, 2)), Y)
    np.testing.assert_allclose(silent.predict(np.ones((2, 2))), Y.mean(), rtol=1e-9)
    width = np.diff(bounds(silent, np.ones((1, 2))))
    assert width == pytest.approx(4.0 * Y.std(), rel=0.1)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_noise_ends(activation):
    """Where every unit is off, A - S has a negative trace."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    for sizes in ((20,), (60,)):
        net = network(hidden_layer_sizes=sizes, activation=activation)
        with pytest.warns(exceptions.InferenceWarning):
            net.fit(X, y)
        assert net.gamma_.sum() < 8.0 and np.isfinite(bounds(net, X)).all()
