"""What a model file asks of the machine it runs on: weights, activations, multiplications, time and memory."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, shape_inference

from measurements.inputs import simulated_maps
from measurements.timing import ROOT, timed_command
from wafer_core.canonical import canonical_states
from wafer_core.models.card import Engine
from wafer_core.models.folder import ModelFile, files_of, resolve
from wafer_core.models.turned_graph import unfolded

ALIASES = {"Relu", "BatchNormalization", "Flatten", "Reshape", "Squeeze", "Identity"}
"""Operators that write over their input, as any runtime for small devices does."""

ENGINES: dict[Engine, str] = {
    "onnx": """
import onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
def answer(maps):
    return session.run(None, {name: maps})[0]
""",
    "torch": """
import torch
from wafer_core.models.folder import resolve
from wafer_core.models.weights import load_network
network = load_network(resolve(path))
def answer(maps):
    with torch.inference_mode():
        return network(torch.from_numpy(maps)).numpy()
""",
}
"""Code that makes of the file `path` a function from canonical maps (n, 2, S, S) to logits (n, 8)."""

RUNNER = """
import json, sys, time
import numpy as np
path, maps, repeats = sys.argv[1], np.load(sys.argv[2]), int(sys.argv[3])
{engine}
taken = []
for i in range(repeats):
    one = maps[i % len(maps)][None]
    began = time.perf_counter()
    answer(one)
    taken.append(time.perf_counter() - began)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([sorted(taken)[len(taken) // 2], 1024 * int(status["VmHWM"].split()[0])]))
"""
"""A process that holds nothing but NumPy and what runs the model, one thread, one simulated wafer at a time.

Its peak is the kernel's own figure (Linux): `ru_maxrss` would count the process that started it.
"""

ASKED = 16
"""Simulated wafers that are asked about in turn: hand-made features of an empty map would be found sooner."""


@dataclass(frozen=True)
class Cost:
    """What one file asks.

    Args:
        parameters: trained numbers.
        file_bytes: on disk.
        weight_bytes: of the stored tensors alone.
        activation_bytes: the most that is alive at once at one byte (int8) or four (fp32) a value,
            for one wafer, each operator's inputs and outputs held and nothing tiled.
        macs: multiplications a wafer.
        milliseconds: median of one wafer on one thread, in ONNX Runtime or, of a torch file, in torch.
        process_bytes: peak memory of a process that holds NumPy, that engine and the model.
        wafers_per_second: of the whole `score` command on the lot given, its start included; None without one.
    """

    parameters: int
    file_bytes: int
    weight_bytes: int
    activation_bytes: int
    macs: int
    milliseconds: float
    process_bytes: int
    wafers_per_second: float | None = None


def cost(model: ModelFile, repeats: int = 200, lot: Path | None = None) -> Cost:
    """Measure one model file; a torch file's graph is read from the fp32 ONNX file beside it.

    Args:
        model: which file.
        repeats: how often one wafer is asked about, of which the median counts.
        lot: a lot file for the `score` command.
    """
    drawn = next(one for one in files_of(model.folder) if one.engine == "onnx" and one.entry.precision == "fp32")
    graph = shape_inference.infer_shapes(unfolded(onnx.load(drawn.path))).graph
    width = 1 if model.entry.precision == "int8" else 4
    milliseconds, process = asked_alone(ENGINES[model.engine], model.path, model.card.size, repeats)
    score = ("-m", "wafer_core", "score", "--model", model.path)
    return Cost(
        parameters=model.entry.parameters,
        file_bytes=model.entry.bytes,
        weight_bytes=_weight_bytes(model),
        activation_bytes=width * _most_alive(graph),
        macs=_macs(graph),
        milliseconds=milliseconds,
        process_bytes=process,
        wafers_per_second=wafers_per_second(*score, lot, "--out") if lot else None,
    )


def wafers_per_second(*command: str | Path) -> float:
    """Return the wafers a second of `python COMMAND FILE.csv`, its start included, which writes a row a wafer."""
    with tempfile.TemporaryDirectory() as folder:
        verdicts = Path(folder, "verdicts.csv")
        taken = timed_command(*command, verdicts)
        return (len(verdicts.read_text(encoding="utf-8").splitlines()) - 1) / taken.wall


def asked_alone(engine: str, path: Path, size: int, repeats: int) -> tuple[float, int]:
    """Return milliseconds a wafer and peak bytes of a process in which one model answers.

    Args:
        engine: code as in `ENGINES`.
        path: of the model.
        size: rows and columns of its canonical map.
        repeats: how often one wafer is asked about, of which the median counts.
    """
    with tempfile.TemporaryDirectory() as folder:
        maps = Path(folder, "maps.npy")
        np.save(maps, canonical_states(simulated_maps(ASKED, seed=0), size))
        command = [sys.executable, "-c", RUNNER.replace("{engine}", engine), str(path), str(maps), str(repeats)]
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        answer = subprocess.run(command, cwd=ROOT, env=alone, check=True, capture_output=True, text=True)
    seconds, process = json.loads(answer.stdout)
    return 1000 * float(seconds), int(process)


def _weight_bytes(model: ModelFile) -> int:
    if model.engine == "torch":
        return 4 * model.entry.parameters
    return sum(onnx.numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(model.path).graph.initializer)


def _shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of every activation for one wafer."""
    return {
        value.name: tuple(axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def _most_alive(graph: GraphProto) -> int:
    """Return the largest number of activation values that must be kept at one time."""
    shapes = _shapes(graph)
    fixed = {tensor.name for tensor in graph.initializer}
    owner = {name: name for name in shapes}
    for node in graph.node:
        if node.op_type in ALIASES:
            owner[node.output[0]] = owner[node.input[0]]
    last: dict[str, int] = {}
    for step, node in enumerate(graph.node):
        for name in node.input:
            if name not in fixed and name in owner:
                last[owner[name]] = step
    alive = {value.name for value in graph.input}
    most = 0
    for step, node in enumerate(graph.node):
        alive |= {owner[name] for name in node.output if name in owner}
        most = max(most, sum(prod(shapes[name]) for name in alive))
        alive = {name for name in alive if last.get(name, -1) > step}
    return most


def _macs(graph: GraphProto) -> int:
    shapes = _shapes(graph)
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += prod(weights[node.input[1]][1:]) * prod(shapes[node.output[0]])
        elif node.op_type in ("Gemm", "MatMul") and node.input[1] in weights:
            total += prod(weights[node.input[1]])
    return total


def fits(of: Cost) -> str:
    """Return the class of microcontroller that would hold the file and its activations, computed and not tried."""
    flash, ram = of.file_bytes / 1024, of.activation_bytes / 1024
    for name, has_flash, has_ram in MICROCONTROLLERS:
        if flash <= has_flash / 2 and ram <= has_ram / 2:
            return name
    return "none of these"


MICROCONTROLLERS: tuple[tuple[str, int, int], ...] = (
    ("Cortex-M0+ class, 256 KiB flash, 36 KiB RAM", 256, 36),
    ("Cortex-M4 class, 512 KiB flash, 128 KiB RAM", 512, 128),
    ("Cortex-M4 class, 1 MiB flash, 256 KiB RAM", 1024, 256),
    ("Cortex-M7 class, 2 MiB flash, 512 KiB RAM", 2048, 512),
    ("Cortex-M7 class, 2 MiB flash, 1 MiB RAM", 2048, 1024),
)
"""Usual sizes in KiB; a model may take half of each, since code and buffers need the rest."""


def main() -> None:
    """Print one file's cost, for a look by hand: `python -m measurements.costs FILE_OR_NAME`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", nargs="?", default="student-int8", help="a name, or the path of a weights file")
    model = resolve(parser.parse_args().model)
    found = cost(model)
    print(Path(model.path).name, found, fits(found))


if __name__ == "__main__":
    main()
