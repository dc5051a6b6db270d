"""A run's state on disk: one file, replaced in one move, from which a killed run goes on as if nothing had been."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from wafer_core.errors import UsageError
from wafer_core.whole_files import write_whole

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
    write_whole(path, save(tensors, {_FACTS: json.dumps(dict(checkpoint.facts))}))


def load_checkpoint(path: Path, asked: Mapping[str, str]) -> Checkpoint | None:
    """Return the checkpoint at `path`, or None where there is none that can be read.

    Args:
        path: the file.
        asked: those of its facts that say what its run was asked for; an empty one may be missing.

    Raises:
        UsageError: it is left from a run that was asked for something else.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    if any(facts.get(name, "") != value for name, value in asked.items()):
        raise UsageError(f"{path.name} is left from a run with other options: remove it, or repeat those options.")
    return Checkpoint(tensors, facts)


def fingerprint(*origins: object) -> str:
    """Return the sha256 of whatever a run is made from, fit for JSON, by which its checkpoint is known again."""
    return hashlib.sha256(json.dumps(origins, sort_keys=True).encode()).hexdigest()
