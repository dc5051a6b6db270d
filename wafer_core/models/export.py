"""A network to ONNX, fp32 and int8, in as few bytes as a valid graph allows."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from wafer_core.canonical import CHANNELS
from wafer_core.models.drawing import Drawing
from wafer_core.models.networks import Network
from wafer_core.models.session import INPUT, OUTPUTS
from wafer_core.models.slim import slim
from wafer_core.models.turned_graph import stored_once
from wafer_core.models.turning import MeanOfTurns, Turning, TurnsAlike
from wafer_core.models.turns import TURNS

_CALIBRATION_BATCH = 32


def export_onnx(network: Network, size: int, path: Path) -> None:
    """Write a network as an fp32 ONNX graph with any number of maps a run.

    The graph takes `map` float32 (n, 2, size, size) and gives `logits` (n, 8) and `embedding` (n, E).
    """
    logits, embedding = OUTPUTS
    drawing = Drawing()
    body = folded(network).body
    if isinstance(body[-1], MeanOfTurns):
        # The mean over places comes first, as it leaves less to add.
        grid = drawing.body(body[:-1], INPUT)
        means = drawing.node("ReduceMean", [grid, drawing.tensor([2, 3])], keepdims=0)
        by_turn = drawing.node("Reshape", [means, drawing.tensor([0, TURNS, -1])])
        drawing.node("ReduceMean", [by_turn, drawing.tensor([1])], embedding, keepdims=0)
    else:
        drawing.node("ReduceMean", [drawing.body(body, INPUT), drawing.tensor([2, 3])], embedding, keepdims=0)
    head = [drawing.tensor(network.head.weight), drawing.tensor(network.head.bias)]
    drawing.node("Gemm", [embedding, *head], logits, transB=1)
    ends = {logits: [network.head.out_features], embedding: [network.head.in_features]}
    path.write_bytes(slim(stored_once(drawing.model({INPUT: [CHANNELS, size, size]}, ends))).SerializeToString())


def quantise(source: Path, path: Path, calibration: NDArray[np.float32], per_channel: bool = True) -> None:
    """Write the int8 graph of an fp32 one: static QDQ, its first and last layer left in fp32.

    The first convolution sees two channels, too few for int8 kernels to gain anything: in fp32 it is
    faster. The head is a hundredth of the work, and its outputs are what thresholds and margins are
    measured in. Both together cost some 3 KiB and save half of the error. Biases stay fp32 in the
    file, which is smaller, and ONNX Runtime rounds them as it loads. An activation's range is the mean
    of the extremes of small batches: the one map that reaches farthest would make steps coarser for all.

    Args:
        source: a file `export_onnx` wrote.
        path: where to write.
        calibration: canonical maps float32 (n, 2, S, S) to measure activations on; 200 do.
        per_channel: whether every output channel's weights have a step of their own, or a tensor's share one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        prepared, raw = Path(scratch, "prepared.onnx"), Path(scratch, "int8.onnx")
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = _numbered(onnx.load(prepared))
        quantize_static(
            graph,
            str(raw),
            _Batches(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_ends(graph),
            extra_options={"QuantizeBias": False, "CalibMovingAverage": True},
        )
        path.write_bytes(slim(stored_once(slim(onnx.load(raw)))).SerializeToString())


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration maps to the quantiser."""

    def __init__(self, maps: NDArray[np.float32]) -> None:
        # As even as can be: a small batch reaches less far, and counts as much.
        self._batches = iter(np.array_split(maps, max(-(-len(maps) // _CALIBRATION_BATCH), 1)))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def folded(network: Network) -> Network:
    """Return a copy on the processor of ordinary convolutions, into which the normalisations behind them have moved."""
    copied = copy.deepcopy(network).cpu().eval()
    for pair in list(copied.modules()):
        if not isinstance(pair, nn.Sequential) or len(pair) != 2:
            continue
        convolution, normalisation = (one.ordinary() if isinstance(one, Turning | TurnsAlike) else one for one in pair)
        if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
            pair[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, normalisation)
            pair[1] = nn.Identity()
    return copied


def _numbered(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Name every node, because the quantiser is told by name which ones to leave alone."""
    for number, node in enumerate(graph.graph.node):
        node.name = f"n{number}"
    return graph


def _ends(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the first convolution and of the nodes behind the last one's activation."""
    nodes = list(graph.graph.node)
    first = next(node for node in nodes if node.op_type == "Conv")
    last = max(i for i, node in enumerate(nodes) if node.op_type in ("Conv", "Relu"))
    return [first.name, *(node.name for node in nodes[last + 1 :])]
