"""A graph from elsewhere is checked before anything runs it: what it does, what it reads, and how much it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite, prod
from typing import NamedTuple

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    defs,
    helper,
    numpy_helper,
    shape_inference,
)

from wafer_core.errors import BrokenModel

OPERATORS = frozenset(
    {
        "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "DequantizeLinear",
        "Flatten", "Gather", "Gemm", "GlobalAveragePool", "Identity", "MatMul", "MaxPool", "Mul", "QuantizeLinear",
        "ReduceMean", "Relu", "Reshape", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""What a recogniser is made of. None of it runs another graph, repeats itself or draws numbers."""

MOST_GRAPH_BYTES = 16 << 20
"""Of an ONNX file; the shipped teacher's has 1.5 million. To read one of empty parts takes 90 times as many."""

MOST_NODES = 2_000

MOST_AXES = 8
"""Of a value; recognisers need five. Values are told by their axes, and a value of one number may have millions."""

MOST_VALUES = 1 << 22
"""Numbers in all values of one wafer together; the shipped teacher's int8 graph has 1.7 million."""

MOST_WORK = 1 << 30
"""Multiplications for one wafer, and numbers that are only moved; the shipped teacher's are 100 million."""

Shape = tuple[int, ...]

_STANDARD = ("", "ai.onnx")
"""The two names of the set of operators that every ONNX file uses."""

_ATTRIBUTE_FIELDS = frozenset({"name", "doc_string", "type", "i", "f", "s", "t", "ints", "floats", "strings"})
"""What an attribute may hold. Others are graphs and sparse tensors, which may keep their weights anywhere."""


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
        BrokenModel: it is no ONNX file or a huge one, keeps weights elsewhere or some that are no numbers, does what
            no recogniser does, or would take more memory or time for a wafer than `MOST_VALUES` and `MOST_WORK`
            allow, or for several more than in proportion.
    """
    if len(data) > MOST_GRAPH_BYTES:
        raise BrokenModel(f"{where}: it has {len(data):,} bytes, more than any recogniser, so it was not loaded.")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as exc:  # protobuf raises from a tree of its own
        raise BrokenModel(f"{where}: it is no ONNX file.") from exc
    _check_operators(model, where)
    _check_attributes(model.graph, where)
    _check_tensors(model.graph, where)
    one, two = (_taken(model, wafers, where) for wafers in (1, 2))
    if one.values > MOST_VALUES or one.work > MOST_WORK:
        raise BrokenModel(f"{where}: it would take far more memory or time for a wafer than any recogniser.")
    if two.values > 2 * one.values or two.work > 2 * one.work:
        raise BrokenModel(f"{where}: what it would take grows faster than the number of wafers.")


def _check_operators(model: ModelProto, where: str) -> None:
    nodes = model.graph.node
    if len(nodes) > MOST_NODES:
        raise BrokenModel(f"{where}: it has {len(nodes):,} operations, more than any recogniser.")
    foreign = {node.op_type for node in nodes if node.op_type not in OPERATORS or node.domain not in _STANDARD}
    if foreign or len(model.functions) or model.graph.sparse_initializer:
        named = ", ".join(sorted(foreign)[:3]) or "operations of its own"
        raise BrokenModel(f"{where}: it holds {named}, which no recogniser needs, so it was not loaded.")


def _check_attributes(graph: GraphProto, where: str) -> None:
    for node in graph.node:
        for attribute in node.attribute:
            held = {field.name for field, _ in attribute.ListFields()}
            # Nothing says more of an axis than what to pad it with at both of its ends.
            if held - _ATTRIBUTE_FIELDS or len(attribute.ints) > 2 * MOST_AXES:
                said = f"{attribute.name[:80]!r} of {node.op_type}"
                raise BrokenModel(f"{where}: it holds {said}, which no recogniser needs, so it was not loaded.")
            if not all(map(isfinite, (attribute.f, *attribute.floats))):
                raise BrokenModel(f"{where}: it holds weights that are no numbers; restore the file.")


def _check_tensors(graph: GraphProto, where: str) -> None:
    if any(each.data_location == TensorProto.EXTERNAL for each in _tensors(graph)):
        raise BrokenModel(f"{where}: it keeps weights in another file; a kit's graphs hold their own.")
    for tensor in _tensors(graph):
        try:
            values = numpy_helper.to_array(tensor)
        except Exception as exc:  # onnx and NumPy raise from several trees
            raise BrokenModel(f"{where}: a stored tensor has another size than it states; restore the file.") from exc
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BrokenModel(f"{where}: it holds weights that are no numbers; restore the file.")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    yield from (each.t for node in graph.node for each in node.attribute if each.HasField("t"))


def _taken(model: ModelProto, wafers: int, where: str) -> _Taken:
    """Count what a graph takes, operation by operation: no value is told before those it comes from are bounded.

    What ONNX tells of a whole graph at once would itself hold values and axes that double with every operation.
    """
    types, stored = _types_before(model.graph, wafers), _stored_shapes(model.graph)
    values = work = 0
    for node in model.graph.node:
        given = _told(node, (types.get(name) for name in node.input if name), where)
        made_types = _made_by(node, model, types, stored, where)
        made = _told(node, (made_types.get(name) for name in node.output), where)
        types |= made_types
        values += sum(map(prod, made))
        work += _work(node, [*given, *made])
    return _Taken(values, work)


def _types_before(graph: GraphProto, wafers: int) -> dict[str, TypeProto]:
    """Return the types, shapes included, of what there is before any operation: maps of so many wafers, and weights."""
    types = {}
    for end in graph.input:
        types[end.name] = asked = TypeProto()
        asked.CopyFrom(end.type)
        axes = asked.tensor_type.shape.dim
        if axes and axes[0].dim_value <= 0:
            axes[0].dim_value = wafers
    return types | {each.name: helper.make_tensor_type_proto(each.data_type, each.dims) for each in graph.initializer}


def _stored_shapes(graph: GraphProto) -> dict[str, TensorProto]:
    """Return the stored tensors that can be the shape of something, or its axes, by name."""
    constants = [node for node in graph.node if node.op_type == "Constant"]
    tensors = {name: each.t for node in constants for name in node.output for each in node.attribute}
    tensors |= {each.name: each for each in graph.initializer}
    return {
        name: tensor
        for name, tensor in tensors.items()
        if tensor.data_type == TensorProto.INT64 and len(tensor.dims) < 2 and prod(tensor.dims) <= MOST_AXES
    }


def _made_by(
    node: NodeProto, model: ModelProto, types: dict[str, TypeProto], stored: dict[str, TensorProto], where: str
) -> dict[str, TypeProto]:
    """Return the types of what an operation makes."""
    try:
        (version,) = {each.version for each in model.opset_import if each.domain in _STANDARD}
        known = {name: types[name] for name in node.input if name}
        made = shape_inference.infer_node_outputs(defs.get_schema(node.op_type, version, ""), node, known, stored)
        if not made.keys().isdisjoint(types):
            raise ValueError("a value is made twice")
    except Exception as exc:  # onnx raises from several trees
        raise BrokenModel(f"{where}: its operations do not fit each other, so it is no usable model.") from exc
    return made


def _told(node: NodeProto, types: Iterable[TypeProto | None], where: str) -> list[Shape]:
    shapes = []
    for each in types:
        shape = None if each is None else _shape(each)
        if shape is None:
            raise BrokenModel(f"{where}: how much memory its {node.op_type} would take cannot be told.")
        shapes.append(shape)
    return shapes


def _shape(value: TypeProto) -> Shape | None:
    """Return the shape of a value, or None where it has too many axes or one is unknown or no number of things."""
    axes = value.tensor_type.shape.dim
    if not value.tensor_type.HasField("shape") or len(axes) > MOST_AXES:
        return None
    shape = tuple(axis.dim_value for axis in axes)
    return shape if all(axis.HasField("dim_value") and axis.dim_value >= 0 for axis in axes) else None


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
