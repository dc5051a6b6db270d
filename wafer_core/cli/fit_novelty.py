"""Find out again which wafers are unlike anything a model knows, after its weights have changed."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.cli.options import model_file
from wafer_core.decode import decode_with
from wafer_core.errors import UsageError
from wafer_core.models.folder import ModelFile

NAME = "fit-novelty"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("models", metavar="MODEL", nargs="+", help="a shipped name or a model folder")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")


def run(arguments: argparse.Namespace) -> None:
    """Write every model's reference and limits, from training maps and validation maps without their labels."""
    from wafer_core.models.reference import fit_novelty
    from wafer_core.training.ordinary import decided_maps, taught_maps

    folders = {file.folder: file for file in map(model_file, arguments.models)}
    if not (arguments.data / "wm811k").is_dir():
        raise UsageError(f"--data {arguments.data} holds no folder wm811k; name the one that does.")
    for folder, file in folders.items():
        called, size = partial(_called, file), file.card.size
        ordinary, _ = decided_maps(arguments.data, size, called)
        novelty = fit_novelty(folder, taught_maps(arguments.data, size, called), ordinary)
        if novelty is None:
            raise UsageError(f"{folder.name}: --data holds too few maps to tell which are ordinary.")
        limits = ", ".join(f"{limit:.4g} ({name})" for name, limit in novelty.limits.items())
        print(f"{folder.name}: {novelty.file}, {novelty.bytes:,} bytes; flagged beyond {limits}.")


def _called(file: ModelFile, maps: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what a model calls on canonical maps, bool (n, 8)."""
    from wafer_core.models.reference import answers

    return decode_with(file, answers(file, maps)[0]).detected
