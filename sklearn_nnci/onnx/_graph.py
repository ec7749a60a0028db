"""Nodes and constants of an ONNX graph, as functions of names.

A value of the graph is its name. Arrays among the inputs of a node become constants,
real ones in the precision of the graph.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import numpy_helper
from skl2onnx.common.data_types import DoubleTensorType, guess_proto_type

# Axes of reductions are inputs since then.
OLDEST_OPSET = 13
# Factors nearer to 1 may be 1 in single precision.
SINGLE = 1e-6


class Graph:
    """A graph that grows node by node, within a converter of skl2onnx."""

    def __init__(self, scope: Any, container: Any, dtype: Any) -> None:
        self.scope, self.container = scope, container
        self.dtype = np.dtype(dtype)

    def constant(self, values: Any) -> str:
        """Return the name of an array that the model holds."""
        values = np.asarray(values)
        if values.dtype.kind == "f":
            values = values.astype(self.dtype)
        name = self.scope.get_unique_variable_name("constant")
        tensor = numpy_helper.from_array(np.ascontiguousarray(values), name)
        self.container.add_initializer(name, tensor.data_type, values.shape, tensor)
        return name

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Return the result of a node; inputs that are no names are constants.

        onnxruntime drops a factor that is 1 in single precision, in double too: of a
        factor near 1, value + value (factor - 1) is left.
        """
        if kind == "Mul" and (near := _near_one(inputs[1])):
            rest = self.op("Mul", inputs[0], np.full(1, near))
            return self.op("Add", inputs[0], rest)
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        out = self.scope.get_unique_variable_name(kind.lower())
        title = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, names, [out], name=title, **attributes)
        return out

    def returns(self, value: str, variable: Any) -> None:
        """Make a value that of a `variable` that the operator returns."""
        title = self.scope.get_unique_operator_name("Identity")
        self.container.add_node("Identity", value, variable.full_name, name=title)

    def sum_of(self, values: Sequence[str]) -> str:
        """Return the sum of some values."""
        total = values[0]
        for value in values[1:]:
            total = self.op("Add", total, value)
        return total

    def sum(self, value: str, axis: int) -> str:
        """Return the sum along an axis, which goes."""
        return self.op("ReduceSum", value, ints(axis), keepdims=0)

    def squares(self, value: str) -> str:
        """Return the sum of squares along the last axis, which goes."""
        return self.sum(self.op("Mul", value, value), -1)

    def reshape(self, value: str, *shape: int) -> str:
        """Return the value in another shape, 0 for an axis that stays."""
        return self.op("Reshape", value, ints(*shape))

    def expand_dims(self, value: str, *axes: int) -> str:
        """Return the value with axes of length 1."""
        return self.op("Unsqueeze", value, ints(*axes))

    def part(self, value: str, axis: int, start: int, stop: int) -> str:
        """Return a slice along an axis."""
        return self.op("Slice", value, ints(start), ints(stop), ints(axis))

    def cast(self, value: str, dtype: Any) -> str:
        """Return the value in another precision, or as a number."""
        element = numpy_helper.from_array(np.zeros(1, dtype)).data_type
        return self.op("Cast", value, to=element)

    def where(self, condition: str, value: str, other: Any) -> str:
        """Return `other` where the condition holds, else `value`."""
        return self.op("Where", condition, other, value)

    def ones(self, rows: str, *shape: int) -> str:
        """Return ones (n, *shape) for the n rows of a value."""
        n = self.op("Slice", self.op("Shape", rows), ints(0), ints(1))
        size = self.op("Concat", n, ints(*shape), axis=0)
        return self.op("Expand", np.ones(1), size)


def _near_one(factor: Any) -> float:
    """Return by how much a single number is off 1, if by little, else 0."""
    if isinstance(factor, str) or np.size(factor) != 1:
        return 0.0
    off = float(np.ravel(factor)[0]) - 1.0
    return off if abs(off) < SINGLE else 0.0


def ints(*values: int) -> np.ndarray:
    """Return a shape, axes or ends, as ONNX takes them."""
    return np.array(values, dtype=np.int64)


def input_dtype(variables: Sequence[Any]) -> Any:
    """Return float64 if one of the inputs is of that type, else float32."""
    double = guess_proto_type(DoubleTensorType())
    any_double = any(guess_proto_type(one.type) == double for one in variables)
    return np.dtype(np.float64 if any_double else np.float32)
