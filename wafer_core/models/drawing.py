"""A network drawn as an ONNX graph, node by node: the few layers that ours are made of, and no others.

torch has an exporter for any network; drawing these few takes a hundredth of its time and leaves
nothing in the graph that inference would have to skip.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper
from torch import Tensor, fx, nn

OPSET, IR_VERSION = 20, 10


class Drawing:
    """Nodes and tensors of a graph that grows, each value under a name of its own."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []

    def tensor(self, values: Tensor | ArrayLike) -> str:
        """Store values with the graph and return their name."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        self._tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), f"t{len(self._tensors)}"))
        return self._tensors[-1].name

    def node(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401 - as ONNX types them
        """Add one operation and return the name of what it gives."""
        name = output or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def body(self, body: nn.Module, start: str) -> str:
        """Draw convolutions, ReLUs and additions from the value `start` on and return the last value's name.

        Raises:
            TypeError: the body holds something else.
        """
        traced, named, last = fx.symbolic_trace(body), dict[fx.Node, str](), start
        for step in traced.graph.nodes:
            inputs = [named[each] for each in step.all_input_nodes]
            match step.op:
                case "placeholder":
                    last = start
                case "call_module":
                    last = self._layer(traced.get_submodule(step.target), inputs[0])
                case "call_function" if step.target is operator.add and len(inputs) == 2:
                    last = self.node("Add", inputs)
                case "output":
                    return inputs[0]
                case _:
                    raise TypeError(f"{step.name} has no drawing as ONNX")
            named[step] = last
        return last

    def model(self, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
        """Return the graph between float32 ends of these shapes, before each of which stands any number of maps."""
        graph = helper.make_graph(self._nodes, "g", _ends(inputs), _ends(outputs), self._tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _layer(self, layer: nn.Module, grid: str) -> str:
        match layer:
            case nn.Identity():
                return grid
            case nn.ReLU():
                return self.node("Relu", [grid])
            case nn.Conv2d(padding_mode="zeros", dilation=(1, 1)) if not isinstance(layer.padding, str):
                tensors = [self.tensor(each) for each in (layer.weight, layer.bias) if each is not None]
                return self.node(
                    "Conv",
                    [grid, *tensors],
                    group=layer.groups,
                    pads=[*layer.padding, *layer.padding],
                    strides=list(layer.stride),
                )
        raise TypeError(f"{type(layer).__name__} has no drawing as ONNX")


def _ends(shapes: Mapping[str, Sequence[int]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", *shape]) for name, shape in shapes.items()
    ]
