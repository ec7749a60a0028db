"""`to_onnx`: a model, and how intervals are built from what it returns, in one file."""

import json
import warnings
from typing import Any

import numpy as np
import skl2onnx
from onnx import helper

from sklearn_nnci import _critical as critical
from sklearn_nnci._ensemble import MLPEnsembleRegressorCI
from sklearn_nnci._inverse import TransformedPrediction
from sklearn_nnci._prediction import Prediction
from sklearn_nnci._regressor import MLPRegressorCI
from sklearn_nnci._version import __version__
from sklearn_nnci._wrapped import get_prediction
from sklearn_nnci.exceptions import InferenceWarning
from sklearn_nnci.onnx._register import DEFAULT, check_outputs, without_search

# Levels whose critical values a model tells.
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
MEAN, MEAN_OF_COUNTS = "mean -+ t * se_mean", "mean * exp(-+ t * se_mean / mean)"
OBSERVATION = "mean -+ t * se_obs"
EMPIRICAL = (
    "from mean - max(lower * se_obs, t * se_mean) "
    "to mean + max(upper * se_obs, t * se_mean)"
)


def to_onnx(
    estimator: Any, X: Any, *, outputs: Any = DEFAULT, target_opset: Any = None
) -> Any:
    """Return a fitted model as an ONNX graph that computes its standard errors.

    What runs ONNX (onnxruntime, from C++, Java, a browser) needs neither Python nor
    this package to say how sure a prediction is.

    Parameters
    ----------
    estimator : object
        A fitted `MLPRegressorCI`, `MLPEnsembleRegressorCI` or
        `TransformedTargetRegressorCI` whose inverse is a line, or a pipeline or search
        that ends in one. skl2onnx must know the other steps.
    X : array-like of shape (n_samples, n_features)
        A row at least, of the kind that the model will be given: of float32 or float64,
        which is what the graph takes and returns. The columns of a DataFrame become one
        input each.
    outputs : tuple of str, default=('mean', 'se_mean', 'se_obs')
        What the graph returns, each (n, m) of m outputs, (n, 1) of one: ``'mean'``;
        its standard error ``'se_mean'``; the standard deviation of a new observation,
        ``'se_obs'``; and ``'extrapolates'``, (n, 1), which is 1 where the training rows
        say nothing and intervals are not known to hold, else 0.
    target_opset : int, default=None
        Version of the ONNX operators, 13 or more; None is the newest of skl2onnx.

    Returns
    -------
    model : onnx.ModelProto
        ``model.SerializeToString()`` is the file. Its ``metadata_props`` say how
        intervals are built; see Notes.

    Raises
    ------
    NotFittedError
        If the model is not fitted, or has no inference at its weights.
    NotImplementedError
        If the inverse of a target transformer is not a line, if `variance` is a
        regressor, or if, with more parameters than rows, the penalty is so small that
        digits would be lost.
    ValueError
        If `outputs` are not known, or standard errors are infinite everywhere.

    See Also
    --------
    sklearn_nnci.MLPRegressorCI.compress : The same model smaller, in Python.

    Notes
    -----
    The graph computes the Jacobian of its rows, n m p numbers: rows are best asked some
    thousands at a time. In float64 its results are those of `get_prediction` to about
    1e-13 of themselves, or, where p exceeds the rows, to what rounding leaves of them.
    In float32 standard errors are within 1e-4; where single precision is too coarse
    for that, and where p exceeds the rows, the graph computes in double inside.

    Metadata, each a text, `lower`, `upper` and `t` being one number per output at the
    levels ``"0.5"``, ``"0.8"``, ``"0.9"``, ``"0.95"`` and ``"0.99"``:

    - ``confidence_interval``: how it is built, such as ``mean -+ t * se_mean``.
    - ``prediction_interval``: the same of an observation; absent of counts, whose
      interval is no multiple of a standard deviation.
    - ``t``: critical values, a JSON object ``{level: [...]}``.
    - ``lower``, ``upper``: of ``errors="empirical"``, the ends in their place.
    - ``dof``: a JSON list, null for a noise that is known.

    Infinities in the outputs are intervals that the data do not bound.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_nnci import MLPRegressorCI
    >>> from sklearn_nnci.onnx import to_onnx
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 2))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(200)
    >>> net = MLPRegressorCI(hidden_layer_sizes=(4,), activation="tanh",
    ...                      solver="lbfgs", random_state=0).fit(X, y)
    >>> model = to_onnx(net, X)
    >>> [output.name for output in model.graph.output]
    ['mean', 'se_mean', 'se_obs']
    >>> told = {one.key: one.value for one in model.metadata_props}
    >>> told["confidence_interval"]
    'mean -+ t * se_mean'
    """
    outputs = check_outputs(outputs)
    X = X if hasattr(X, "shape") else np.asarray(X, dtype=float)
    kinds = MLPRegressorCI, MLPEnsembleRegressorCI
    model = skl2onnx.to_onnx(
        without_search(estimator),
        X[:1],
        options={kind: {"outputs": outputs} for kind in kinds},
        target_opset=target_opset,
    )
    told = {"sklearn_nnci": __version__}
    if outputs != ("mean",):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            told |= intervals(get_prediction(estimator, X[:1]))
    known = {one.key: one.value for one in model.metadata_props}
    helper.set_model_props(model, known | told)
    return model


def intervals(prediction: Prediction) -> dict[str, str]:
    """Return how intervals of any row are built, of the `Prediction` of some."""
    levels = np.array(LEVELS)
    dof = np.atleast_1d(prediction.dof)
    told = {
        "confidence_interval": MEAN_OF_COUNTS if prediction.log_link else MEAN,
        "t": _table(critical.pointwise(levels, dof[:, None])),
        "dof": json.dumps([float(d) if np.isfinite(d) else None for d in dof]),
    }
    if prediction.log_link:
        return told
    if prediction.law is None:
        return told | {"prediction_interval": OBSERVATION}
    below, above = (np.abs(end) for end in prediction.law.quantile(levels))
    if isinstance(prediction, TransformedPrediction):
        falling = np.reshape(prediction.inverse.slopes, (-1, 1)) < 0.0
        below, above = np.where(falling, [above, below], [below, above])
    ends = {"lower": _table(below), "upper": _table(above)}
    return told | {"prediction_interval": EMPIRICAL} | ends


def _table(values: np.ndarray) -> str:
    """Return values (m, l) as JSON, by level."""
    columns = zip(LEVELS, values.T.tolist(), strict=True)
    return json.dumps({f"{level:g}": column for level, column in columns})
