"""Through every form of copying, intervals come back bit for bit."""

import copy
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from cases import CONVERGED, sine_data
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_nnci._saved
from sklearn_nnci import (
    TRUSTED_TYPES,
    MLPEnsembleRegressorCI,
    MLPRegressorCI,
    TransformedTargetRegressorCI,
    exceptions,
    make_scaled,
)

MODELS = {
    "primal": MLPRegressorCI(hidden_layer_sizes=(3,), activation="tanh", **CONVERGED),
    "dual": MLPRegressorCI(hidden_layer_sizes=(60,), random_state=0, max_iter=30),
    "least_squares": MLPRegressorCI(
        hidden_layer_sizes=(4,), covariance="least_squares", solver="lbfgs",
        random_state=0,
    ),
}  # fmt: skip
OWN_TYPE = "sklearn_nnci._regressor.MLPRegressorCI"


def through_pickle(net, path):
    return pickle.loads(pickle.dumps(net))


def through_joblib(net, path):
    joblib.dump(net, path / "net.joblib", compress=3)
    return joblib.load(path / "net.joblib")


def through_mmap(net, path):
    joblib.dump(net, path / "net.joblib")
    return joblib.load(path / "net.joblib", mmap_mode="r")


def through_deepcopy(net, path):
    return copy.deepcopy(net)


def through_skops(net, path):
    data = skops.io.dumps(net)
    optimisers = {
        f"sklearn.neural_network._stochastic_optimizers.{name}Optimizer"
        for name in ("Adam", "SGD")
    }
    untrusted = set(skops.io.get_untrusted_types(data=data))
    assert untrusted - optimisers == {OWN_TYPE}
    return skops.io.loads(data, trusted=sorted(untrusted))


def through_loky(net, path):
    with joblib.parallel_config(backend="loky", n_jobs=2):
        return joblib.Parallel()(joblib.delayed(copy.copy)(net) for _ in range(2))[1]


FORMS = [
    through_pickle, through_joblib, through_mmap, through_deepcopy, through_skops,
    through_loky,
]  # fmt: skip


@pytest.fixture(params=MODELS)
def fitted(request):
    X, y = sine_data(n=60)
    return clone(MODELS[request.param]).fit(X, y), X


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_intervals_are_bit_equal_after(form, fitted, tmp_path):
    net, X = fitted
    other = form(net, tmp_path)
    assert other is not net
    for flag in ("return_ci", "return_pi", "return_std", "return_cov"):
        np.testing.assert_array_equal(
            other.predict(X, **{flag: True})[1], net.predict(X, **{flag: True})[1]
        )
    assert str(other.inference_) == str(net.inference_)
    assert other.get_params() == net.get_params()


def arrays(state):
    values = state.values() if isinstance(state, dict) else state
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, (dict, list, tuple)):
            yield from arrays(value)


@pytest.mark.parametrize("name", MODELS)
def test_state_is_plain_and_holds_neither_j_nor_needless_rows(name):
    n = 150 if name != "dual" else 60
    X, y = sine_data(n=n)
    net = clone(MODELS[name]).fit(X, y)
    p = net.inference_.n_parameters
    assert net.inference_.route == ("dual" if name == "dual" else "primal")
    state = net._inference
    shapes = [a.shape for a in arrays(state)]
    assert not any(sorted(shape) == sorted((n, p)) for shape in shapes)
    # X only on the dual route, as a copy: later changes to it change nothing.
    assert any(shape == X.shape for shape in shapes) == (name == "dual")
    before = net.predict(X[:5].copy(), return_ci=True)[1]
    queries = X[:5].copy()
    X[:] = 0.0
    np.testing.assert_array_equal(net.predict(queries, return_ci=True)[1], before)

    def plain(value):
        if isinstance(value, dict):
            return all(plain(v) for v in value.values())
        if isinstance(value, (list, tuple)):
            return type(value) in (list, tuple) and all(map(plain, value))
        return value is None or isinstance(value, (np.ndarray, float, int, str, bool))

    assert plain(state)


def test_version_stamp_warns_on_a_mismatch(monkeypatch):
    X, y = sine_data(n=60)
    net = clone(MODELS["primal"]).fit(X, y)
    data = pickle.dumps(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(data)
    monkeypatch.setattr(sklearn_nnci._saved, "__version__", "9.9")
    with pytest.warns(exceptions.VersionMismatchWarning, match=r"0\.1\.0.*9\.9"):
        other = pickle.loads(data)
    assert not hasattr(other, "_saved_by")


@pytest.mark.parametrize("load", ["pickle", "joblib", "skops"])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_committee_of_other_versions_warns_once_at_the_line_of_the_user(
    load, scaled, monkeypatch, tmp_path
):
    X, y = sine_data(n=60)
    net = clone(MODELS["primal"])
    model = MLPEnsembleRegressorCI(net, architectures=(None,), n_starts=3)
    model = (make_scaled(model) if scaled else model).fit(X, y)
    file = tmp_path / "model"
    write, read = {
        "pickle": (lambda: file.write_bytes(pickle.dumps(model)),
                   lambda: pickle.loads(file.read_bytes())),
        "joblib": (lambda: joblib.dump(model, file), lambda: joblib.load(file)),
        "skops": (lambda: skops.io.dump(model, file),
                  lambda: skops.io.load(file, trusted=TRUSTED_TYPES)),
    }[load]  # fmt: skip
    write()
    monkeypatch.setattr(sklearn_nnci._saved, "__version__", "9.9")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        other = read()
    (one,) = (w for w in caught if w.category is exceptions.VersionMismatchWarning)
    assert one.filename == __file__
    np.testing.assert_array_equal(
        other.predict(X, return_pi=True)[1], model.predict(X, return_pi=True)[1]
    )
    committee = other.regressor_[-1] if scaled else other
    for each in (committee, *committee.estimators_):
        assert not hasattr(each, "_saved_by")
    # A member by itself has its versions, those of now
    data = pickle.dumps(committee.estimators_[0])
    monkeypatch.setattr(sklearn_nnci._saved, "__version__", "9.10")
    with pytest.warns(exceptions.VersionMismatchWarning, match=r"9\.9,.*9\.10"):
        pickle.loads(data)


def test_what_is_not_fitted_has_no_results_that_differ(monkeypatch):
    saved = [pickle.dumps(one) for one in (MLPRegressorCI(), MLPEnsembleRegressorCI())]
    monkeypatch.setattr(sklearn_nnci._saved, "__version__", "9.9")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in saved:
            pickle.loads(data)


def test_threads_share_one_fitted_model(fitted):
    net, X = fitted
    expected = net.predict(X, return_ci=True)[1]
    before = {k: id(v) for k, v in vars(net).items()}
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda _: net.predict(X, return_ci=True)[1], range(12))
        for result in results:
            np.testing.assert_array_equal(result, expected)
    assert {k: id(v) for k, v in vars(net).items()} == before


def test_grid_search_in_a_pipeline_under_loky():
    X, y = sine_data(n=80)
    pipeline = make_pipeline(
        StandardScaler(), MLPRegressorCI(solver="lbfgs", random_state=0, max_iter=50)
    )
    grid = {
        "mlpregressorci__alpha": [0.01, 1.0],
        "mlpregressorci__hidden_layer_sizes": [(2,), (3,)],
        "mlpregressorci__covariance": ["auto", "least_squares", None],
    }
    search = GridSearchCV(pipeline, grid, n_jobs=2, cv=3).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    if best[-1].covariance is None:
        best.set_params(mlpregressorci__covariance="auto")
        best[-1].fit_inference(best[:-1].transform(X), y)
    y_pred, ci = best.predict(X, return_ci=True)
    assert ((ci[:, 0] < y_pred) & (y_pred < ci[:, 1])).all()
    np.testing.assert_array_equal(y_pred, search.predict(X))


def test_target_transformer_survives_a_search_and_a_pickle():
    X, y = sine_data(n=60)
    model = TransformedTargetRegressorCI(
        make_pipeline(StandardScaler(), MODELS["primal"]), transformer=StandardScaler()
    )
    scores = cross_val_score(model, X, y, cv=3)
    assert (scores > 0.5).all()
    model.fit(X, y)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        other.predict(X, return_pi=True)[1], model.predict(X, return_pi=True)[1]
    )


def test_single_rows_come_back_bit_for_bit_where_intercepts_are_not_determined():
    """BLAS takes another way for another order of the root."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(700, 4)), rng.normal(size=700)
    net = MLPRegressorCI(
        hidden_layer_sizes=(90,), max_iter=1, covariance="bayesian", random_state=0
    ).fit(X, y)
    net.intercepts_[0][:3] = -100.0  # units that are never on
    net.fit_inference(X, y)
    again = pickle.loads(pickle.dumps(net))
    for row in X[:50, None]:
        expected = net.predict(row, return_ci=True)[1]
        np.testing.assert_array_equal(again.predict(row, return_ci=True)[1], expected)


def test_bytes_of_a_pickle_are_those_of_the_smaller_factor():
    X, y = sine_data(n=40)
    net = MLPRegressorCI(hidden_layer_sizes=(300,), random_state=0, max_iter=5)
    with_inference, without = io.BytesIO(), io.BytesIO()
    pickle.dump(clone(net).fit(X, y), with_inference)
    pickle.dump(clone(net).set_params(covariance=None).fit(X, y), without)
    extra = with_inference.tell() - without.tell()
    p = 300 * 2 + 300 + 300 + 1
    assert extra < 8 * (40 * 40 + 40 * 40 + 40 * 2 + 3 * p) + 10_000


def test_sparse_rows_are_kept_as_plain_arrays(tmp_path):
    X, y = sine_data(n=60)
    net = clone(MODELS["dual"]).fit(sparse.csr_matrix(X), y)
    other = through_skops(net, tmp_path)
    np.testing.assert_array_equal(
        other.predict(X, return_ci=True)[1], net.predict(X, return_ci=True)[1]
    )


# -------------------------------------------------------------- files of other versions

SAVED = Path(__file__).parent / "saved"  # by version 0.1.0, before the state changed


def load(path):
    """The network of a file, and the classes of the warnings that loading it raises."""
    if path.suffix != ".skops" and np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("NumPy 1 does not read pickles of NumPy 2.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if path.suffix == ".skops":
            trusted = skops.io.get_untrusted_types(file=path)
            net = skops.io.load(path, trusted=trusted)
        else:
            net = joblib.load(path)  # which reads pickles too
    return net, {w.category for w in caught}


@pytest.fixture(
    params=sorted(set(SAVED.iterdir()) - {SAVED / "rows.npz"}),
    ids=lambda path: path.name,
)
def saved(request):
    with np.load(SAVED / "rows.npz") as rows:
        mean = rows[request.param.stem]
        return *load(request.param), rows["X"], rows["y"], mean


def test_there_are_saved_files():
    assert {path.suffix for path in SAVED.iterdir()} == {
        ".skops", ".pkl", ".joblib", ".npz"
    }  # fmt: skip


def test_a_network_saved_before_predicts_as_then_and_says_what_brings_intervals_back(
    saved,
):
    net, kinds, X, y, mean = saved
    assert exceptions.VersionMismatchWarning in kinds
    np.testing.assert_allclose(net.predict(X), mean, rtol=1e-12)
    for ask in (
        *(
            lambda flag=flag: net.predict(X, **{flag: True})
            for flag in ("return_ci", "return_pi", "return_std", "return_cov")
        ),
        lambda: net.get_prediction(X),
        lambda: net.inference_,
        lambda: net.diagnostics(),
        lambda: net.summary(),
        lambda: net.parameter_covariance(),
    ):
        with pytest.raises(NotFittedError, match=r"another version.*fit_inference"):
            ask()
    assert not hasattr(net, "inference_")
    assert np.isfinite(net.fit_inference(X, y).predict(X, return_ci=True)[1]).all()
    now = MLPRegressorCI(**net.get_params()).fit(X, y)
    now.coefs_, now.intercepts_ = net.coefs_, net.intercepts_
    # What the y of the fit was is not known of the former: nor are its starts near.
    vars(now).pop("_starts", None)
    np.testing.assert_array_equal(
        net.predict(X, return_pi=True)[1],
        now.fit_inference(X, y).predict(X, return_pi=True)[1],
    )
    assert net.loo_score(X, y) == now.loo_score(X, y)


def test_what_does_not_need_its_inference_is_there(saved):
    net, _, X, y, _ = saved
    assert np.isfinite(net.influence(X, y).leverage).all()
    assert net.loo_score(X, y) < 1.0
    assert net.jacobian(X).shape == (len(X), len(net.parameter_names()))
    if net.n_restarts:
        assert (net.between_start_std(X) >= 0.0).all()
        assert net.start_objectives_.shape == (3,)
        assert net.polish_.reason == "gradient vanished"
    else:
        for name in ("start_objectives_", "polish_"):
            with pytest.raises(AttributeError, match=r"n_restarts|polish=True"):
                getattr(net, name)
    again = pickle.loads(pickle.dumps(net))
    with pytest.raises(NotFittedError, match=r"another version.*fit_inference"):
        again.predict(X, return_ci=True)


def test_it_trains_on_as_if_it_were_new(saved):
    net, _, X, y, _ = saved
    assert np.isfinite(net.fit(X, y).predict(X, return_ci=True)[1]).all()
    with pytest.raises(ValueError, match="alpha"):
        net.set_params(alpha=3.0).predict(X, return_ci=True)
