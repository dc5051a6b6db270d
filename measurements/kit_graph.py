"""Where the canonical grid and the decoder travel: in the kit's runner, or drawn into its ONNX graph.

Repeat with `python -m measurements.kit_graph`; `--model NAME` takes another model's int8 file.
"""

from __future__ import annotations

import argparse
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from measurements.inputs import simulated_maps
from measurements.timing import say, table, timed
from wafer_core.decode import logit, smallest_first
from wafer_core.kit.flatten import flatten
from wafer_core.kit.pack import engine
from wafer_core.lot import FAIL, PASS, Frame, Lot, Wafer
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.models.slim import slim
from wafer_core.patterns import ALLOWED_SETS
from wafer_core.synthesis.views import regridded

GRID = (41, 37)
"""Rows and columns of the wafers asked, which the canonical grid has to be made from."""


def main() -> None:
    """Print bytes and microseconds of both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="student-int8", help="a shipped name or a path")
    parser.add_argument("--maps", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    model = resolve(options.model)
    say(f"Simulating {options.maps:,} wafers")
    states = np.stack([regridded(grid, *GRID) for grid in simulated_maps(options.maps, seed=0)])
    lot = Lot("MEASURED", tuple(Wafer("MEASURED", f"{i}", Frame(*GRID), grid) for i, grid in enumerate(states)))
    plain, whole = model.read(), with_grid_and_decoder(model)
    runner, session = engine(model), _session(whole)
    wanted = runner.verdicts(lot)
    detected, probabilities = session.run(["detected", "probabilities"], {"states": states})
    others = int((detected.astype(bool) != wanted.detected).any(axis=1).sum())
    furthest = float(np.abs(probabilities - wanted.probabilities).max())
    print(
        f"The graph rounds floats in another order: {others} of {len(lot):,} wafers get other patterns from it, "
        f"and probabilities differ by up to {furthest:.2g}."
    )
    sections = _sections(flatten("wafer_core.kit.runner"))
    text = sections["wafer_core/canonical"] + sections["wafer_core/decode"]
    rows = [
        ("in the runner", *_sizes(text.encode()), best(lambda: runner.verdicts(lot), options.repeats)),
        ("in a graph", *_grown(plain, whole), best(lambda: session.run(None, {"states": states}), options.repeats)),
    ]
    rows = [(name, size, zipped, 1e6 * seconds / len(lot)) for name, size, zipped, seconds in rows]
    table(rows, head=("grid and decoder", "bytes more", "bytes zipped", "microseconds a wafer"))


def with_grid_and_decoder(model: ModelFile) -> bytes:
    """Return a model's graph with the canonical grid before it and the decoder behind it.

    It takes `states` uint8 (n, rows, columns) and gives `detected` (n, 8), `excluded`, `margin` (n,)
    and `probabilities`.
    """
    inner = onnx.load_model_from_string(model.read())
    drawing = _Drawing(inner.graph)
    drawing.canonical_grid(model.card.size)
    drawing.decoder(model)
    ends = {"detected": TensorProto.UINT8, "excluded": TensorProto.BOOL, "probabilities": TensorProto.FLOAT}
    outputs = [helper.make_tensor_value_info(name, kind, ["n", 8]) for name, kind in ends.items()]
    outputs.append(helper.make_tensor_value_info("margin", TensorProto.FLOAT, ["n"]))
    states = helper.make_tensor_value_info("states", TensorProto.UINT8, ["n", "rows", "columns"])
    nodes = [*drawing.before, *inner.graph.node, *drawing.behind]
    graph = helper.make_graph(nodes, "g", [states], outputs, [*inner.graph.initializer, *drawing.tensors])
    made = helper.make_model(graph, opset_imports=inner.opset_import, ir_version=inner.ir_version)
    data: bytes = slim(made).SerializeToString()
    return data


class _Drawing:
    """Nodes to put before and behind a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.before: list[onnx.NodeProto] = []
        self.behind: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def canonical_grid(self, size: int) -> None:
        """Make `map` of `states` by area weights, which depend on the grid asked and so are part of the graph."""
        self._now = self.before
        shape = self._node("Shape", "states")
        states = [self._node("Equal", "states", self._tensor(np.uint8(state))) for state in (PASS, FAIL)]
        channels = [self._node("Unsqueeze", each, self._tensor([1])) for each in states]
        grid = self._node("Cast", self._node("Concat", *channels, axis=1), to=TensorProto.FLOAT)
        rows, columns = (self._weights(self._node("Gather", shape, self._tensor(axis)), size) for axis in (1, 2))
        columns = self._node("Transpose", columns, perm=[1, 0])
        self._node("MatMul", self._node("MatMul", rows, grid), columns, output="map")

    def _weights(self, cells: str, size: int) -> str:
        """Return float32 (size, cells), as `canonical.area_weights` does."""
        real = self._node("Cast", cells, to=TensorProto.FLOAT)
        step = self._node("Div", real, self._tensor(np.float32(size)))
        edges = self._node("Mul", self._tensor(np.arange(size, dtype=np.float32)[:, None]), step)
        zero, one = self._tensor(np.float32(0)), self._tensor(np.float32(1))
        places = self._node("Range", zero, real, one)
        high = self._node("Min", self._node("Add", edges, step), self._node("Add", places, one))
        overlap = self._node("Relu", self._node("Sub", high, self._node("Max", edges, places)))
        return self._node("Div", overlap, self._node("ReduceSum", overlap, self._tensor([1])))

    def decoder(self, model: ModelFile) -> None:
        """Make the verdict of `logits`, as `decode.decode` does."""
        self._now = self.behind
        sets = smallest_first(ALLOWED_SETS[model.card.decoder]).astype(np.uint8)
        stored = self._tensor(sets)
        cuts = self._tensor(logit(model.entry.thresholds).astype(np.float32))
        above = self._node("Sub", "logits", cuts)
        members = self._node("Transpose", self._node("Cast", stored, to=TensorProto.FLOAT), perm=[1, 0])
        worth = self._node("MatMul", above, members)
        values, places = "top", "where"
        self.behind.append(helper.make_node("TopK", [worth, self._tensor([2])], [values, places]))
        first, second = (self._node("Gather", values, self._tensor(i), axis=1) for i in (0, 1))
        self._node("Sub", first, second, output="margin")
        best = self._node("Gather", places, self._tensor(0), axis=1)
        self._node("Gather", stored, best, output="detected")
        positive = self._node("Greater", above, self._tensor(np.float32(0)))
        absent = self._node("Equal", "detected", self._tensor(np.uint8(0)))
        self._node("And", positive, absent, output="excluded")
        self._node("Sigmoid", "logits", output="probabilities")

    def _tensor(self, values: ArrayLike) -> str:
        name = f"kit{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401 - as ONNX types them
        name = output or f"kit_{len(self.before)}_{len(self.behind)}"
        self._now.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def _session(data: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _sections(text: str) -> dict[str, str]:
    """Return what of a flattened file comes from which module."""
    parts = re.split(r"^# (wafer_core/\S+): .*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _sizes(data: bytes) -> tuple[int, int]:
    return len(data), len(zlib.compress(data, 9))


def _grown(before: bytes, after: bytes) -> tuple[int, int]:
    (was, was_zipped), (now, now_zipped) = _sizes(before), _sizes(after)
    return now - was, now_zipped - was_zipped


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the fewest seconds of processor time of several turns; the first one, which warms up, is not counted."""
    work()
    return min(timed(work)[1].processor for _ in range(repeats))


if __name__ == "__main__":
    main()
