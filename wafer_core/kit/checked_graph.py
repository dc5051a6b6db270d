"""A graph from elsewhere is checked before anything runs it: what it does, what it reads, and how much it takes."""

from __future__ import annotations

from math import prod

import onnx
from onnx import GraphProto, ModelProto, TensorProto, shape_inference

from wafer_core.errors import BrokenModel

OPERATORS = frozenset(
    {
        "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "DequantizeLinear",
        "Flatten", "Gather", "Gemm", "GlobalAveragePool", "Identity", "MatMul", "MaxPool", "Mul", "QuantizeLinear",
        "ReduceMean", "Relu", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""What a recogniser is made of. None of it runs another graph, repeats itself or draws numbers."""

MOST_NODES = 2_000

MOST_VALUES = 1 << 24
"""Numbers in one value of one wafer; the largest activations of the shipped teacher are 130 thousand."""


def checked_graph(data: bytes, where: str) -> None:
    """Refuse a graph that nobody should run.

    Args:
        data: the bytes of an ONNX file.
        where: what begins the sentence of an error.

    Raises:
        BrokenModel: it is no ONNX file, keeps weights elsewhere, does what no recogniser does, or would take more
            memory for a wafer than any recogniser.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as exc:  # protobuf raises from a tree of its own
        raise BrokenModel(f"{where}: it is no ONNX file.") from exc
    if any(each.data_location == TensorProto.EXTERNAL for each in model.graph.initializer):
        raise BrokenModel(f"{where}: it keeps weights in another file; a kit's graphs hold their own.")
    _check_operators(model, where)
    _check_sizes(model, where)


def _check_operators(model: ModelProto, where: str) -> None:
    nodes = model.graph.node
    if len(nodes) > MOST_NODES:
        raise BrokenModel(f"{where}: it has {len(nodes):,} operations, more than any recogniser.")
    foreign = {node.op_type for node in nodes if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx")}
    if foreign or len(model.functions) or model.graph.sparse_initializer:
        named = ", ".join(sorted(foreign)[:3]) or "operations of its own"
        raise BrokenModel(f"{where}: it holds {named}, which no recogniser needs, so it was not loaded.")


def _check_sizes(model: ModelProto, where: str) -> None:
    try:
        # Of one wafer: a batch is as long as whoever asks makes it.
        graph = shape_inference.infer_shapes(_for_one_wafer(model), strict_mode=True, data_prop=True).graph
    except Exception as exc:  # onnx raises from several trees
        raise BrokenModel(f"{where}: its operations do not fit each other, so it is no usable model.") from exc
    sizes = _sizes(graph)
    for node in graph.node:
        for name in node.output:
            if name and sizes.get(name) is None:
                raise BrokenModel(f"{where}: how much memory its {node.op_type} would take cannot be told.")
    if max(size or 0 for size in sizes.values()) > MOST_VALUES:
        raise BrokenModel(
            f"{where}: it would take more memory for one wafer than any recogniser, so it was not loaded."
        )


def _for_one_wafer(model: ModelProto) -> ModelProto:
    one = ModelProto()
    one.CopyFrom(model)
    # What a file claims of its own values is left out: it is inferred anew.
    del one.graph.value_info[:]
    for end in one.graph.input:
        axes = end.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].dim_value = 1
    for end in one.graph.output:
        end.type.tensor_type.ClearField("shape")
    return one


def _sizes(graph: GraphProto) -> dict[str, int | None]:
    """Return how many numbers every value holds; None where an axis is unknown."""
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        axes = value.type.tensor_type.shape.dim
        known = value.type.tensor_type.HasField("shape") and all(axis.HasField("dim_value") for axis in axes)
        found[value.name] = prod(axis.dim_value for axis in axes) if known else None
    return found
