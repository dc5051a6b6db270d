"""What each rival and control asks of a machine: its graphs as a model's files do, hand-made features in torch.

A network is exported and measured by `measurements.costs` like any shipped file, once a method, since its seeds share
it. A regression on features has no graph: its answers are measured where they are computed, in torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from measurements.costs import Cost, asked_alone, cost, wafers_per_second
from measurements.inputs import simulated_maps
from measurements.timing import say
from rivals.exported import exported
from rivals.shelf import Rival, multiplications, put
from wafer_core.canonical import CHANNELS, canonical_states

CALIBRATION = 100
"""Simulated wafers that activations of int8 are measured on: these files are timed and weighed, and never judged."""

FEATURES = """
import torch
from safetensors.torch import load_file
from rivals.features import LogisticRegression
network = LogisticRegression()
network.load_state_dict(load_file(path))
def answer(maps):
    with torch.inference_mode():
        return network(torch.from_numpy(maps)).numpy()
"""
"""An engine as `costs.ENGINES` has them, for the weights of a regression on features."""

SCORER = """
import json, sys
from pathlib import Path
import numpy as np
from wafer_core.canonical import canonical
from wafer_core.decode import decode
from wafer_core.readers import read_paths
from wafer_core.recognise import BATCH
from wafer_core.verdicts_csv import verdicts_csv
path, made, lot = sys.argv[1], json.loads(sys.argv[2]), read_paths([Path(sys.argv[3])])
{engine}
starts = range(0, len(lot), BATCH)
logits = np.concatenate([answer(canonical(lot.wafers[i : i + BATCH], made["size"])) for i in starts])
Path(sys.argv[4]).write_text(verdicts_csv(lot, decode(logits, made["thresholds"], made["decoder"])))
"""
"""What `score` does, for weights that no model folder can hold."""

GRAPHS = {"fp32": "ONNX fp32", "int8": "ONNX int8"}
NOT_EXPORTED = "torch, not exported"


def rival_costs(
    rivals: Mapping[str, Sequence[Rival]], folder: Path, lot: Path, repeats: int = 200
) -> dict[str, dict[str, Cost]]:
    """Return the costs of each method by what is run, measured on its first seed; none of what is not trained.

    Args:
        rivals: by method, seeds in order.
        folder: an empty one for graphs and weights.
        lot: a lot file that is scored.
        repeats: how often one wafer is asked about, of which the median counts.
    """
    found: dict[str, dict[str, Cost]] = {}
    for method, seeds in rivals.items():
        found[method] = {}
        if seeds:
            say(f"Weighing {method}")
            calibration = canonical_states(simulated_maps(CALIBRATION, seed=1), seeds[0].made.size)
            graphs = exported(folder, seeds[0], calibration)
            found[method] = {GRAPHS[graph.entry.precision]: cost(graph, repeats, lot) for graph in graphs} or {
                NOT_EXPORTED: _in_torch(folder, seeds[0], lot, repeats)
            }
    return found


def _in_torch(folder: Path, rival: Rival, lot: Path, repeats: int) -> Cost:
    """Return the cost of a regression on features, the features themselves included."""
    put(folder, rival)
    weights = folder / rival.name / "weights.safetensors"
    milliseconds, process = asked_alone(FEATURES, weights, rival.made.size, repeats)
    scorer = SCORER.replace("{engine}", FEATURES)
    return Cost(
        parameters=rival.parameters,
        file_bytes=weights.stat().st_size,
        weight_bytes=sum(tensor.nbytes for tensor in rival.network.state_dict().values()),
        activation_bytes=most_alive(rival.network, rival.made.size),
        macs=multiplications(rival.network, rival.made.size),
        milliseconds=milliseconds,
        process_bytes=process,
        wafers_per_second=wafers_per_second("-c", scorer, weights, json.dumps(asdict(rival.made)), lot),
    )


def most_alive(network: nn.Module, size: int) -> int:
    """Return the most bytes that tensors hold at once, weights aside, while torch answers about one canonical map."""
    maps, alive = torch.zeros(1, CHANNELS, size, size), _Alive(network)
    alive.hold(maps)
    with torch.inference_mode(), alive:
        network(maps)
    return alive.most


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up, after each operation, what tensors hold that are still there; a network's own do not count."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._fixed = {_storage(tensor) for tensor in network.state_dict().values()}
        self._held: dict[StorageWeakRef, int] = {}

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor's memory from now on, once however many views of it there are."""
        if (storage := _storage(tensor)) not in self._fixed:
            self._held[storage] = tensor.untyped_storage().nbytes()
        self.most = max(self.most, sum(self._held.values()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - as torch types it
        made = func(*args, **(kwargs or {}))
        for storage in [each for each in self._held if each.expired()]:  # type: ignore[no-untyped-call]
            del self._held[storage]
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.hold(tensor)
        return made


def _storage(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
