"""A trained rival as a model folder, so that it is weighed, asked and timed as a shipped model is."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rivals.shelf import Rival
from wafer_core.canonical import CHANNELS
from wafer_core.models.card import Card, FileEntry, Precision
from wafer_core.models.drawing import OPSET
from wafer_core.models.export import export_onnx, quantise
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.models.networks import Network
from wafer_core.models.session import INPUT, OUTPUTS
from wafer_core.models.slim import slim


def exported(folder: Path, rival: Rival, calibration: NDArray[np.float32]) -> tuple[ModelFile, ...]:
    """Write a rival's fp32 and int8 graphs with a card into a folder of its own under `folder`, and return both.

    A rival on hand-made features is no network, so it has no graph and nothing is written or returned.

    Args:
        folder: where the rival's own goes.
        rival: a trained one.
        calibration: canonical maps float32 (n, 2, S, S) for the activation ranges of int8.
    """
    network, made = rival.network, rival.made
    if not isinstance(network, Network):
        return ()
    own = folder / rival.name
    own.mkdir(parents=True)
    graphs: dict[Precision, Path] = {"fp32": own / f"{rival.name}.onnx", "int8": own / f"{rival.name}.int8.onnx"}
    write_graph(network, made.size, graphs["fp32"])
    quantise(graphs["fp32"], graphs["int8"], calibration)
    Card(
        name=rival.name,
        role="student",
        architecture=made.method,
        size=made.size,
        decoder=made.decoder,
        unsure_below=0.0,
        files={path.name: _entry(path, precision, rival) for precision, path in graphs.items()},
        made_from={
            "teacher_sha256": made.teacher_sha256,
            "data": [],
            "seed": made.seed,
            "steps": made.steps,
            "command": f"python -m rivals {made.method}",
        },
    ).write(own)
    return files_of(own)


def write_graph(network: Network, size: int, path: Path) -> None:
    """Write a network as `export_onnx` does, or by torch's exporter where it has layers that ours have not."""
    try:
        export_onnx(network, size, path)
    except TypeError:
        _by_torch(network, size, path)


class _Asked(nn.Module):
    """Answers with both of what a model's graph gives."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, 8) and embedding (n, width) of canonical maps (n, 2, S, S)."""
        return self.network.logits_and_embedding(maps)


def _by_torch(network: Network, size: int, path: Path) -> None:
    ends = (INPUT, *OUTPUTS)
    with warnings.catch_warnings():
        # Its successor needs a package more.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            # It puts a network back into the mode it was given in.
            _Asked(network).eval(),
            (torch.zeros(1, CHANNELS, size, size),),
            path,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={end: {0: "n"} for end in ends},
            opset_version=OPSET,
            dynamo=False,
        )
    path.write_bytes(slim(onnx.load(path)).SerializeToString())


def _entry(path: Path, precision: Precision, rival: Rival) -> FileEntry:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return FileEntry("onnx", precision, rival.parameters, len(data), sha256, rival.made.thresholds)
