"""The same ONNX graph in fewer bytes: short names, no remarks, no stated defaults, equal tensors once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

_DEFAULTS: dict[str, object] = {
    "auto_pad": b"NOTSET",
    "group": 1,
    "keepdims": 1,
    "noop_with_empty_axes": 0,
    "allowzero": 0,
    "alpha": 1.0,
    "beta": 1.0,
    "transA": 0,
    "block_size": 0,
    "saturate": 1,
    "output_dtype": 0,
    "precision": 0,
}
"""Attributes that mean the same when they are left out, in every operator our graphs use."""


def slim(model: ModelProto) -> ModelProto:
    """Return an equal model without names, remarks and defaults; inputs and outputs keep their names."""
    graph = model.graph
    tensors = {each.name: each for each in graph.initializer}
    nodes = [_without_zero_points(node, tensors) for node in graph.node]
    kept = [each.name for each in (*graph.input, *graph.output)]
    names = _short_names(kept, nodes, _equal_tensors(tensors))
    used = {name for node in nodes for name in node.input}
    stored = {names[each.name]: each for each in graph.initializer if each.name in used}
    small = helper.make_graph(
        nodes=[_bare(node, names) for node in nodes],
        name="g",
        inputs=[_bare_end(each) for each in graph.input],
        outputs=[_bare_end(each) for each in graph.output],
        initializer=[numpy_helper.from_array(numpy_helper.to_array(each), name) for name, each in stored.items()],
    )
    domains = [each for each in model.opset_import if each.domain in ("", "ai.onnx")]
    slimmed = helper.make_model(small, opset_imports=domains, ir_version=model.ir_version)
    onnx.checker.check_model(slimmed, full_check=True)
    return slimmed


def _without_zero_points(node: NodeProto, tensors: dict[str, TensorProto]) -> NodeProto:
    """Drop the zero points of symmetric weights: all of them are zero, which is what leaving them out means."""
    bare = NodeProto()
    bare.CopyFrom(node)
    weights = node.op_type == "DequantizeLinear" and len(node.input) == 3 and node.input[0] in tensors
    if weights and not numpy_helper.to_array(tensors[node.input[2]]).any():
        del bare.input[2]
    return bare


def _equal_tensors(tensors: dict[str, TensorProto]) -> dict[str, str]:
    """Return for every stored tensor the first one with the same type, shape and content."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same = {}
    for name, tensor in tensors.items():
        key = (tensor.data_type, tuple(tensor.dims), np.ascontiguousarray(numpy_helper.to_array(tensor)).tobytes())
        same[name] = first.setdefault(key, name)
    return same


def _short_names(kept: Iterable[str], nodes: Iterable[NodeProto], same: dict[str, str]) -> dict[str, str]:
    """Return a new name for every tensor: its own for the graph's ends, else the next short one."""
    names = {"": "", **{name: name for name in kept}}
    fresh = (short for short in map(_short, itertools.count()) if short not in names)
    for node in nodes:
        for name in (*node.input, *node.output):
            original = same.get(name, name)
            if original not in names:
                names[original] = next(fresh)
            names[name] = names[original]
    return names


def _short(number: int) -> str:
    return np.base_repr(number, 36).lower()


def _bare(node: NodeProto, names: dict[str, str]) -> NodeProto:
    bare = helper.make_node(node.op_type, [names[each] for each in node.input], [names[each] for each in node.output])
    bare.attribute.extend(each for each in node.attribute if not _is_default(each, node.op_type))
    return bare


def _is_default(attribute: onnx.AttributeProto, operator: str) -> bool:
    value = helper.get_attribute_value(attribute)
    if operator == "Conv" and attribute.name in ("dilations", "kernel_shape"):
        # A kernel's shape is that of its weights.
        return attribute.name == "kernel_shape" or all(each == 1 for each in value)
    return attribute.name in _DEFAULTS and bool(value == _DEFAULTS[attribute.name])


def _bare_end(end: ValueInfoProto) -> ValueInfoProto:
    tensor = end.type.tensor_type
    shape = [each.dim_param or each.dim_value for each in tensor.shape.dim]
    return helper.make_tensor_value_info(end.name, tensor.elem_type, shape)
