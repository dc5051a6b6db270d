"""An int8 ONNX graph as a short list of integer layers, which is what a small machine runs.

Between `QuantizeLinear` and `DequantizeLinear` a graph says in floats what an integer machine does:
with activations `scale * (q - zero)` and weights `scale[c] * q` a convolution is an int32 sum and one
multiplication a channel (Jacob et al. 2018, arXiv 1712.05877).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from wafer_core.canonical import CHANNELS
from wafer_core.errors import BrokenModel
from wafer_core.models.session import INPUT, OUTPUTS
from wafer_core.models.turned_graph import attribute, first_turn, unfolded
from wafer_core.models.turns import TURNS

_UNCHANGING = ("Reshape", "Gather", "Squeeze", "Flatten")
"""Operations that only arrange wafers, which change nothing where there is one."""


class Grid(NamedTuple):
    """Activations uint8 (side, side, channels) that stand for `scale * (q - zero)`."""

    side: int
    channels: int
    scale: float
    zero: int

    @property
    def bytes(self) -> int:
        """What it takes to keep it."""
        return self.side * self.side * self.channels


class Kept(NamedTuple):
    """What is kept of a layer's weights.

    Args:
        weights: (outputs, inputs a group, places), a place being a row and a column of the kernel. Where outputs are
            turns of one another, those of the first turn, and a place then is in one of the turns that it reads.
        turns: how many turns of a feature it reads; 0 where no output is a turn of another.
    """

    weights: NDArray[Any]
    turns: int


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution of a grid, or of the canonical map itself where `source` is None.

    Args:
        source: the number of the layer whose grid it reads.
        weights: (outputs, inputs a group, kernel, kernel); int8, or float32 on the map.
        scales: float (outputs,), what one step of each output's weights is worth.
        bias: float (outputs,).
        stride: in both directions.
        pad: on all four sides.
        groups: 1, or as many as there are channels.
        out: the grid it gives.
        low: the least value of it: its zero behind a ReLU.
    """

    source: int | None
    weights: NDArray[Any]
    scales: NDArray[np.float64]
    bias: NDArray[np.float64]
    stride: int
    pad: int
    groups: int
    out: Grid
    low: int

    @cached_property
    def kept(self) -> Kept:
        """The weights without what follows from the others."""
        turns = TURNS if self.groups == 1 else 1
        own = len(self.weights) // TURNS
        in_turns = not len(self.weights) % TURNS and not self.weights.shape[1] % turns
        if in_turns and all(np.array_equal(np.tile(each[:own], TURNS), each) for each in (self.bias, self.scales)):
            first = first_turn(self.weights, turns)
            if first is not None:
                return Kept(first, turns)
        return Kept(self.weights.reshape(*self.weights.shape[:2], -1), 0)


@dataclass(frozen=True, eq=False)
class Addition:
    """The sum of two grids of one shape."""

    sources: tuple[int, int]
    out: Grid
    low: int


Layer = Convolution | Addition


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """A model of layers in the order in which they run, the last of which gives the features.

    Args:
        size: of the canonical map.
        layers: the first works on the map.
        head: float32 (patterns, features), which turns the features' means into logits. Where the last layer gives
            more channels than it has features, it gives all of them in one turn of the wafer after another.
        bias: float32 (patterns,).
    """

    size: int
    layers: tuple[Layer, ...]
    head: NDArray[np.float32]
    bias: NDArray[np.float32]


def integer_graph(data: bytes, where: str) -> IntegerGraph:
    """Return the layers of an int8 graph as `models.export.quantise` writes it.

    Args:
        data: the bytes of the ONNX file.
        where: what begins the sentence of an error.

    Raises:
        BrokenModel: it is no ONNX file, or does something that this exporter has no C for.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as exc:  # protobuf raises from a tree of its own
        raise BrokenModel(f"{where}: it is no ONNX file, so it cannot be turned into C.") from exc
    try:
        graph = unfolded(model).graph
    except ValueError as exc:
        raise BrokenModel(f"{where}: it cannot be turned into C, because {exc}.") from exc
    try:
        return _Reading(graph, where).graph()
    except (IndexError, ValueError, StopIteration) as exc:
        # An operation lacks an input, or weights have another shape than its own.
        raise BrokenModel(
            f"{where}: it cannot be turned into C because the graph is none that a recogniser has ({exc})."
        ) from exc


class _Reading:
    """Follows a graph from its logits back to its map."""

    def __init__(self, graph: onnx.GraphProto, where: str) -> None:
        self._where = where
        self._tensors = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self._makers: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output}
        self._size = next(each.type.tensor_type.shape.dim[2].dim_value for each in graph.input if each.name == INPUT)
        self._layers: list[Layer] = []
        self._known: dict[str, int] = {}

    def graph(self) -> IntegerGraph:
        """Return the whole graph."""
        head = self._made_by(OUTPUTS[0], "Gemm")
        weights, bias = (self._tensor(name) for name in head.input[1:3])
        if not attribute(head, "transB", 0):
            weights = weights.T
        pooled = self._mean_behind(head.input[0])
        if self._axes(pooled) == [1]:
            # What was a mean over the wafer's turns; how many there are is what the numbers of channels say.
            pooled = self._mean_behind(pooled.input[0])
        last = self._layers[self._layer_behind(pooled.input[0])].out
        if self._axes(pooled) != [2, 3] or last.channels % weights.shape[1]:
            raise self._unknown("another mean than that over places and turns")
        return IntegerGraph(self._size, tuple(self._layers), weights.astype(np.float32), bias.astype(np.float32))

    def _mean_behind(self, name: str) -> onnx.NodeProto:
        while self._maker(name).op_type in _UNCHANGING:
            name = self._maker(name).input[0]
        return self._made_by(name, "ReduceMean")

    def _axes(self, mean: onnx.NodeProto) -> list[int]:
        if len(mean.input) < 2:
            raise self._unknown("a mean without stored axes")
        return [int(axis) for axis in self._tensor(mean.input[1])]

    def _layer_behind(self, name: str) -> int:
        """Return the number of the layer whose grid a dequantised value is, adding it and what it rests on."""
        grid = self._made_by(name, "DequantizeLinear").input[0]
        if grid not in self._known:
            quantise = self._made_by(grid, "QuantizeLinear")
            scale, zero = float(self._tensor(quantise.input[1])), int(self._tensor(quantise.input[2], "uint8"))
            maker = self._maker(quantise.input[0])
            low = 0
            if maker.op_type == "Relu":
                maker, low = self._maker(maker.input[0]), zero
            layer = self._convolution if maker.op_type == "Conv" else self._addition
            self._layers.append(layer(maker, scale, zero, low))
            self._known[grid] = len(self._layers) - 1
        return self._known[grid]

    def _convolution(self, node: onnx.NodeProto, scale: float, zero: int, low: int) -> Convolution:
        source = None if node.input[0] == INPUT else self._layer_behind(node.input[0])
        given = Grid(self._size, CHANNELS, 1.0, 0) if source is None else self._layers[source].out
        if given.zero:
            raise self._unknown("a convolution of values that are not behind a ReLU")
        if source is None:
            weights = self._tensor(node.input[1], "float32")
            scales = np.ones(len(weights))
        else:
            stored = self._made_by(node.input[1], "DequantizeLinear")
            weights = self._tensor(stored.input[0], "int8")
            scales = np.broadcast_to(self._tensor(stored.input[1]).astype(np.float64), len(weights))
        bias = self._tensor(node.input[2]) if len(node.input) > 2 else np.zeros(len(weights))
        stride, pad, groups = self._geometry(node, weights, given)
        side = (given.side + 2 * pad - weights.shape[2]) // stride + 1
        out = Grid(side, len(weights), scale, zero)
        return Convolution(source, weights, scales, bias.astype(np.float64), stride, pad, groups, out, low)

    def _geometry(self, node: onnx.NodeProto, weights: NDArray[Any], given: Grid) -> tuple[int, int, int]:
        """Return stride, padding and groups of a convolution that is the same in both directions."""
        usual = {"strides": 1, "pads": 0, "dilations": 1}
        strides, pads, dilations = (set(attribute(node, name, [value])) for name, value in usual.items())
        groups = attribute(node, "group", 1)
        square = len(strides) == len(pads) == 1 and weights.shape[2] == weights.shape[3]
        depthwise = groups == given.channels == len(weights) and weights.dtype == np.int8
        if not square or dilations != {1} or not (groups == 1 or depthwise):
            raise self._unknown("a convolution of this shape")
        return strides.pop(), pads.pop(), groups

    def _addition(self, node: onnx.NodeProto, scale: float, zero: int, low: int) -> Addition:
        if node.op_type != "Add":
            raise self._unknown(node.op_type)
        first, second = (self._layer_behind(name) for name in node.input)
        return Addition((first, second), self._layers[first].out._replace(scale=scale, zero=zero), low)

    def _made_by(self, name: str, kind: str) -> onnx.NodeProto:
        node = self._maker(name)
        if node.op_type != kind:
            raise self._unknown(f"{node.op_type} where {kind} was expected")
        return node

    def _maker(self, name: str) -> onnx.NodeProto:
        node = self._makers.get(name)
        if node is None:
            raise self._unknown(f"a value {name!r} that nothing makes")
        return node

    def _tensor(self, name: str, kind: str | None = None) -> NDArray[Any]:
        if name not in self._tensors:
            raise self._unknown(f"weights {name!r} that are not stored with it")
        if kind not in (None, self._tensors[name].dtype.name):
            raise self._unknown(f"{self._tensors[name].dtype.name} where {kind} was expected")
        return self._tensors[name]

    def _unknown(self, what: str) -> BrokenModel:
        return BrokenModel(f"{self._where}: it cannot be turned into C because the graph holds {what}.")
