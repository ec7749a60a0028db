"""What skl2onnx calls to convert networks, committees and target transformers.

It converts a pipeline step by step: a parser declares what a step returns, a shape
calculator its types, a converter its nodes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx._parse import parse_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.utils.validation import check_is_fitted

from sklearn_nnci._ensemble import MLPEnsembleRegressorCI
from sklearn_nnci._inference.compressed import single_precision_error
from sklearn_nnci._inference.variance import FUNCTIONS
from sklearn_nnci._linearized.dual_posterior import DualPosterior
from sklearn_nnci._linearized.route import restore
from sklearn_nnci._regressor import MLPRegressorCI
from sklearn_nnci._target import TransformedTargetRegressorCI
from sklearn_nnci._wrapped import unwrap
from sklearn_nnci.onnx import _moments, _posterior, _variance
from sklearn_nnci.onnx._graph import OLDEST_OPSET, Graph, input_dtype
from sklearn_nnci.onnx._moments import Answers, Fitted

# Relative error of a standard error by the packed root alone; the Jacobian of a graph
# is in single precision too, and adds its own.
LARGEST_ERROR = 3e-6
OUTPUTS = ("mean", "se_mean", "se_obs", "extrapolates")
DEFAULT = OUTPUTS[:3]


def check_outputs(outputs: Any) -> tuple[str, ...]:
    """Return `outputs` as a tuple, if they are names of what a graph can return."""
    known = not isinstance(outputs, str) and len(outputs) > 0
    if not known or set(outputs) - set(OUTPUTS) or len(set(outputs)) < len(outputs):
        raise ValueError(
            f"outputs must be some of {OUTPUTS}, each once, in a tuple. Got "
            f"{outputs!r}."
        )
    return tuple(outputs)


def network_of(estimator: MLPRegressorCI, inference: bool) -> Fitted:
    """Return the network of an estimator; its inference, if it is asked for."""
    if not inference:
        network = estimator._network()
        return Fitted(network, {}, estimator._training().loss)
    state, network = estimator._with_inference()
    if state["posterior"] is None:
        raise ValueError(
            "The standard errors are infinite everywhere: no residual degrees of "
            "freedom are left. Try covariance='auto', or outputs=('mean',)."
        )
    for one in state.get("variances") or ():
        kind = FUNCTIONS.get(one["kind"])
        if one["function"] is not None and kind not in _variance.ETA:
            raise NotImplementedError(
                f"variance={state['asked']['variance']} has no nodes of its own. Try "
                "variance='auto', or outputs=('mean',)."
            )
    return Fitted(network, state, estimator._training().loss)


def members_of(model: Any, inference: bool) -> tuple[np.ndarray, list[Fitted]]:
    """Return positive weights, and the networks that have them."""
    if isinstance(model, MLPEnsembleRegressorCI):
        kept = np.flatnonzero(model.weights_)
        members = [network_of(model.estimators_[k], inference) for k in kept]
        return model.weights_[kept], members
    return np.ones(1), [network_of(model, inference)]


def _asked(scope: Any, model: Any) -> tuple[str, ...]:
    """Return the outputs that options ask of a network or a committee."""
    return check_outputs(scope.get_options(model, {"outputs": DEFAULT})["outputs"])


def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> list:
    """Declare what a network or a committee returns."""
    check_is_fitted(model)
    operator = scope.declare_local_operator(ALIASES[type(model)], model)
    operator.inputs = inputs
    return _declare(scope, operator, _asked(scope, model))


def parse_target(
    scope: Any, model: Any, inputs: Any, custom_parsers: Any = None
) -> list:
    """Declare what is inside a target transformer, and then itself."""
    check_is_fitted(model)
    inside = unwrap(model.regressor_)[0]
    operator = scope.declare_local_operator(ALIASES[type(model)], model)
    outputs = _declare(scope, operator, _asked(scope, inside))
    inner = without_search(model.regressor_)
    operator.inputs = parse_sklearn(scope, inner, inputs, custom_parsers)
    for one in operator.inputs:
        one.init_status(is_leaf=False)
    return outputs


def without_search(model: Any) -> Any:
    """Return the best estimator of a search, anything else as it is."""
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    return model


def _declare(scope: Any, operator: Any, names: Sequence[str]) -> list:
    for name in names:
        # of either type: `shapes` knows the inputs
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    return operator.outputs


def shapes(operator: Any) -> None:
    """Set the types of what is returned: (n, m), or (n, 1) of what is of rows."""
    model, double = operator.raw_operator, input_dtype(operator.inputs)
    kind = DoubleTensorType if double == np.float64 else FloatTensorType
    for variable in operator.outputs:
        of_rows = variable.raw_name.startswith("extrapolates")
        m = 1 if of_rows else _n_outputs(model)
        variable.type = kind([operator.inputs[0].type.shape[0], m])


def _n_outputs(model: Any) -> int:
    if isinstance(model, TransformedTargetRegressorCI):
        return int(model._slopes.size)
    return int(model.n_outputs_)


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a network or a committee."""
    if container.target_opset < OLDEST_OPSET:
        raise ValueError(
            f"target_opset={container.target_opset} is too old. Try {OLDEST_OPSET} "
            "or more."
        )
    names = [variable.raw_name for variable in operator.outputs]
    inference = names != ["mean"]
    weights, members = members_of(operator.raw_operator, inference)
    given = input_dtype(operator.inputs)
    g = Graph(scope, container, _precision(members, given, inference))
    columns = [g.cast(one.full_name, g.dtype) for one in operator.inputs]
    x = g.op("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    if not inference:
        own = [Answers(_moments.mean_of(g, one, x)) for one in members]
        found = Answers(_moments.average(g, weights, [one.mean for one in own]))
    else:
        own = [_moments.answers(g, one, x) for one in members]
        found = own[0] if len(own) == 1 else _moments.committee(g, weights, own)
    for variable in operator.outputs:
        value = getattr(found, variable.raw_name)
        if not value:
            raise ValueError(
                "se_obs is not known: y were no counts. Try outputs=('mean', "
                "'se_mean')."
            )
        g.returns(g.cast(value, given), variable)


def _precision(members: list[Fitted], given: Any, inference: bool) -> Any:
    """Return that of the computation: double where single is too coarse."""
    if not inference:
        return given
    coarse = False
    for network, state, _ in members:
        posterior = restore(network, state["posterior"])
        if isinstance(posterior, DualPosterior):  # which is a difference
            _posterior.check_digits(posterior)
            coarse = True
        elif given == np.float32 and not coarse:
            coarse = single_precision_error(state, network) > LARGEST_ERROR
    return np.dtype(np.float64) if coarse else given


def convert_target(scope: Any, operator: Any, container: Any) -> None:
    """Add y = a u + y0: standard errors are |a| times those of u."""
    model = operator.raw_operator
    a = np.reshape(model._slopes, -1)
    if np.isnan(a).any():
        raise NotImplementedError(
            f"The inverse of transformer_={model.transformer_!r} is not a line: "
            "standard errors of y are not those of the transformed y. Convert "
            "regressor_, and take the bounds of its intervals through the inverse."
        )
    origin = np.ravel(model.transformer_.inverse_transform(np.zeros((1, a.size))))
    g = Graph(scope, container, input_dtype(operator.inputs))
    for inside, variable in zip(operator.inputs, operator.outputs, strict=True):
        value = inside.full_name
        if variable.raw_name == "mean":
            value = g.op("Add", g.op("Mul", value, a), origin)
        elif variable.raw_name != "extrapolates":
            value = g.op("Mul", value, np.abs(a))
        g.returns(value, variable)


ALIASES = {
    one: f"SklearnNNCI{one.__name__}"
    for one in (MLPRegressorCI, MLPEnsembleRegressorCI, TransformedTargetRegressorCI)
}


def register() -> None:
    """Tell skl2onnx of the three estimators."""
    for model, alias in ALIASES.items():
        wrapper = model is TransformedTargetRegressorCI
        update_registered_converter(
            model,
            alias,
            shapes,
            convert_target if wrapper else convert,
            parser=parse_target if wrapper else parse,
            options=None if wrapper else {"outputs": None},
        )
