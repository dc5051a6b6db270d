"""A run's state on disk: one file, replaced in one move, from which a killed run goes on as if nothing had been."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_FACTS = "facts"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a run needs to go on: tensors by name (weights, optimiser, generators) and facts fit for JSON."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint beside `path` and move it into place; a kill at any instant leaves the old or the new.

    The facts travel in the header of the safetensors file, so that they are never those of another moment.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    write_beside(path, save(tensors, {_FACTS: json.dumps(dict(checkpoint.facts))}))


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint at `path`, or None where there is none that can be read."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
            return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def write_beside(path: Path, data: bytes) -> None:
    """Replace a file in one move, its bytes on the disk before the move, so that a power cut cannot empty it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
