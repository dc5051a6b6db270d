"""A graph from elsewhere is checked before anything runs it: what it does, what it reads, and how much it takes."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, shape_inference

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

MOST_VALUES = 1 << 22
"""Numbers in all values of one wafer together; the shipped teacher's int8 graph has 1.7 million."""

MOST_WORK = 1 << 30
"""Multiplications for one wafer, and numbers that are only moved; the shipped teacher's are 100 million."""

Shape = tuple[int, ...]


class _Taken(NamedTuple):
    """How many numbers the values of a graph hold together, and how many of them it computes with."""

    values: int
    work: int


def check_graph(data: bytes, where: str) -> None:
    """Refuse a graph that nobody should run.

    What follows from stored tensors alone is counted as well: ONNX Runtime computes it as it loads.

    Args:
        data: the bytes of an ONNX file.
        where: what begins the sentence of an error.

    Raises:
        BrokenModel: it is no ONNX file, keeps weights elsewhere, does what no recogniser does, or would take more
            memory or time for a wafer than `MOST_VALUES` and `MOST_WORK` allow, or for several more than in proportion.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as exc:  # protobuf raises from a tree of its own
        raise BrokenModel(f"{where}: it is no ONNX file.") from exc
    if any(each.data_location == TensorProto.EXTERNAL for each in _tensors(model)):
        raise BrokenModel(f"{where}: it keeps weights in another file; a kit's graphs hold their own.")
    _check_operators(model, where)
    one, two = (_taken(model, wafers, where) for wafers in (1, 2))
    if one.values > MOST_VALUES or one.work > MOST_WORK:
        raise BrokenModel(f"{where}: it would take far more memory or time for a wafer than any recogniser.")
    if two.values > 2 * one.values or two.work > 2 * one.work:
        raise BrokenModel(f"{where}: what it would take grows faster than the number of wafers.")


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _check_operators(model: ModelProto, where: str) -> None:
    nodes = model.graph.node
    if len(nodes) > MOST_NODES:
        raise BrokenModel(f"{where}: it has {len(nodes):,} operations, more than any recogniser.")
    foreign = {node.op_type for node in nodes if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx")}
    if foreign or len(model.functions) or model.graph.sparse_initializer:
        named = ", ".join(sorted(foreign)[:3]) or "operations of its own"
        raise BrokenModel(f"{where}: it holds {named}, which no recogniser needs, so it was not loaded.")


def _taken(model: ModelProto, wafers: int, where: str) -> _Taken:
    try:
        graph = shape_inference.infer_shapes(_asked_of(model, wafers), strict_mode=True, data_prop=True).graph
    except Exception as exc:  # onnx raises from several trees
        raise BrokenModel(f"{where}: its operations do not fit each other, so it is no usable model.") from exc
    shapes: dict[str, Shape | None] = {each.name: tuple(each.dims) for each in graph.initializer}
    shapes |= {each.name: _shape(each) for each in (*graph.input, *graph.value_info, *graph.output)}
    values = work = 0
    for node in graph.node:
        given, made = ([shapes.get(name) for name in names if name] for names in (node.input, node.output))
        if None in given or None in made:
            raise BrokenModel(f"{where}: how much memory its {node.op_type} would take cannot be told.")
        values += sum(prod(shape) for shape in made if shape is not None)
        work += _work(node, [shape for shape in (*given, *made) if shape is not None])
    return _Taken(values, work)


def _asked_of(model: ModelProto, wafers: int) -> ModelProto:
    """Return a graph that is asked of so many wafers, without what the file claims of its own values."""
    asked = ModelProto()
    asked.CopyFrom(model)
    del asked.graph.value_info[:]
    for end in asked.graph.input:
        axes = end.type.tensor_type.shape.dim
        if axes and axes[0].dim_value <= 0:
            axes[0].dim_value = wafers
    for end in asked.graph.output:
        end.type.tensor_type.ClearField("shape")
    return asked


def _shape(value: onnx.ValueInfoProto) -> Shape | None:
    """Return the shape of a value, or None where an axis of it is unknown or no number of things."""
    axes = value.type.tensor_type.shape.dim
    if not value.type.tensor_type.HasField("shape") or not all(axis.HasField("dim_value") for axis in axes):
        return None
    shape = tuple(axis.dim_value for axis in axes)
    return None if min(shape, default=0) < 0 else shape


def _work(node: NodeProto, shapes: list[Shape]) -> int:
    """Return the multiplications of an operation, or the largest of its values where it only moves numbers."""
    made, most = prod(shapes[-1]), max(prod(shape) for shape in shapes)
    match node.op_type:
        case "Conv":
            return max(most, made * prod(shapes[1][1:]))
        case "AveragePool" | "MaxPool":
            return max(most, made * prod(_ints(node, "kernel_shape")))
        case "MatMul" | "Gemm":
            return max(most, made * max(shapes[0][-1:] + shapes[0][:1]))
    return most


def _ints(node: NodeProto, name: str) -> list[int]:
    found = (each for each in node.attribute if each.name == name and each.type == AttributeProto.INTS)
    return next((list(helper.get_attribute_value(each)) for each in found), [])
