"""Graphs whose kernels in eight turns are stored in one, and unfolded by whoever loads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from wafer_core.models.turns import TURNS, unfolding


def stored_once(model: ModelProto) -> ModelProto:
    """Return an equal graph that stores one turn of kernels, biases and steps that are those of one turn in all.

    ONNX Runtime unfolds them once, as it loads. What is no such thing stays as it is.
    """
    graph = model.graph
    tensors = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    folding = _Folding(tensors)
    for kernel, others in _weighed(graph.node):
        if folding.fold_kernel(kernel):
            for other in others:
                folding.fold_vector(other)
    stored = [numpy_helper.from_array(values, name) for name, values in tensors.items()]
    folded = helper.make_graph([*folding.nodes, *graph.node], "g", graph.input, graph.output, stored)
    return helper.make_model(folded, opset_imports=model.opset_import, ir_version=model.ir_version)


def unfolded(model: ModelProto) -> ModelProto:
    """Return an equal graph with every kernel, bias and step in all its turns, as `stored_once` was given it.

    Raises:
        ValueError: a stored tensor cannot be unfolded as the graph says.
    """
    graph = model.graph
    tensors = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in _UNFOLDING and all(name in tensors for name in node.input):
            try:
                tensors[node.output[0]] = _UNFOLDING[node.op_type](node, *(tensors[name] for name in node.input))
            except (TypeError, IndexError, KeyError, MemoryError) as exc:
                raise ValueError(f"{node.op_type} cannot be done to {', '.join(node.input)}") from exc
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    stored = [numpy_helper.from_array(values, name) for name, values in tensors.items() if name in used]
    whole = helper.make_graph(nodes, "g", graph.input, graph.output, stored)
    return helper.make_model(whole, opset_imports=model.opset_import, ir_version=model.ir_version)


def attribute(node: NodeProto, name: str, otherwise: Any = None) -> Any:  # noqa: ANN401 - as ONNX types them
    """Return what a node says of itself by a name, or `otherwise` where it says nothing."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), otherwise)


_UNFOLDING: dict[str, Callable[..., NDArray[np.generic]]] = {
    "Cast": lambda node, values: values.astype(helper.tensor_dtype_to_np_dtype(attribute(node, "to"))),
    "Gather": lambda node, values, where: values.take(where, axis=attribute(node, "axis", 0)),
    "Transpose": lambda node, values: values.transpose(attribute(node, "perm")),
    # An axis of 0 is as long as it was.
    "Reshape": lambda node, values, shape: values.reshape([axis or values.shape[i] for i, axis in enumerate(shape)]),
    "Tile": lambda node, values, times: np.tile(values, times),
}
"""What unfolds a kernel, done to stored tensors."""


class _Folding:
    """Replaces tensors of a graph, in place, by one turn of them and nodes that unfold it."""

    def __init__(self, tensors: dict[str, NDArray[np.generic]]) -> None:
        self.nodes: list[NodeProto] = []
        self._tensors = tensors
        self._places: dict[tuple[int, int], str] = {}

    def fold_kernel(self, name: str) -> bool:
        """Store a kernel (8 * outputs, channels read, k, k) as that of its first turn; return whether it is one."""
        kernel = self._tensors.get(name)
        if kernel is None or kernel.ndim != 4 or len(kernel) % TURNS or kernel.shape[2] != kernel.shape[3]:
            return False
        for turns in (TURNS, 1):
            if kernel.shape[1] % turns == 0 and (first := first_turn(kernel, turns)) is not None:
                shape = self._stored(f"{name}.shape", np.array(kernel.shape, dtype=np.int64))
                gathered, ordered = f"{name}.gathered", f"{name}.ordered"
                where = self._where(kernel.shape[2], turns)
                self.nodes += [
                    helper.make_node("Gather", [self._stored(f"{name}.first", first), where], [gathered], axis=2),
                    helper.make_node("Transpose", [gathered], [ordered], perm=[2, 0, 3, 1, 4]),
                    helper.make_node("Reshape", [ordered, shape], [name]),
                ]
                del self._tensors[name]
                return True
        return False

    def fold_vector(self, name: str) -> None:
        """Store a vector (8 * outputs,) as that of its first turn, if all turns have the same."""
        vector = self._tensors.get(name)
        if vector is None or vector.ndim != 1 or len(vector) % TURNS:
            return
        first = vector[: len(vector) // TURNS]
        if np.array_equal(np.tile(first, TURNS), vector):
            times = self._stored("turns", np.array([TURNS], dtype=np.int64))
            self.nodes.append(helper.make_node("Tile", [self._stored(f"{name}.first", first), times], [name]))
            del self._tensors[name]

    def _where(self, side: int, turns: int) -> str:
        """Return the name of where weights lie, which all kernels of one shape share."""
        if (side, turns) not in self._places:
            where = unfolding(side, turns)
            small = self._stored(f"where{side}x{turns}", where.astype(np.min_scalar_type(int(where.max()))))
            self.nodes.append(helper.make_node("Cast", [small], [f"{small}.wide"], to=TensorProto.INT32))
            self._places[side, turns] = f"{small}.wide"
        return self._places[side, turns]

    def _stored(self, name: str, values: NDArray[np.generic]) -> str:
        self._tensors[name] = np.ascontiguousarray(values)
        return name


def _weighed(nodes: Iterable[NodeProto]) -> Iterable[tuple[str, list[str]]]:
    """Give the kernel of every convolution by name, with its bias and the steps of int8 weights."""
    makers = {name: node for node in nodes for name in node.output}
    for node in nodes:
        if node.op_type == "Conv":
            kernel, *others = node.input[1:]
            maker = makers.get(kernel)
            if maker is not None and maker.op_type == "DequantizeLinear":
                kernel, step = maker.input[:2]
                others.append(step)
            yield kernel, others


def first_turn(kernel: NDArray[np.generic], turns: int) -> NDArray[np.generic] | None:
    """Return the first turn of a kernel, or None where others are not its turns.

    Args:
        kernel: (8 * outputs, turns * features, k, k).
        turns: how many turns of a feature it reads, 8 or 1.

    Returns:
        (outputs, features, turns * k * k), as `Turning` has it.
    """
    outputs, side = len(kernel) // TURNS, kernel.shape[2]
    by_feature = kernel[:outputs].reshape(outputs, turns, -1, side * side).transpose(0, 2, 1, 3)
    first = by_feature.reshape(outputs, -1, turns * side * side)
    unfolded = first[:, :, unfolding(side, turns)].transpose(2, 0, 3, 1, 4).reshape(kernel.shape)
    return first if np.array_equal(unfolded, kernel) else None
