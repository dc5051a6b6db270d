"""Find out again which wafers are unlike anything a model knows, after its weights have changed."""

from __future__ import annotations

import argparse
from pathlib import Path

from wafer_core.cli.options import model_file
from wafer_core.errors import UsageError

NAME = "fit-novelty"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("models", metavar="MODEL", nargs="+", help="a shipped name or a model folder")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")


def run(arguments: argparse.Namespace) -> None:
    """Write every model's reference and limits, from training maps and validation maps without their labels."""
    from wafer_core.models.reference import fit_novelty
    from wafer_core.training.ordinary import held_out_maps, taught_maps

    folders = {file.folder: file for file in map(model_file, arguments.models)}
    if not (arguments.data / "wm811k").is_dir():
        raise UsageError(f"--data {arguments.data} holds no folder wm811k; name the one that does.")
    sizes = {file.card.size for file in folders.values()}
    maps = {size: (taught_maps(arguments.data, size), held_out_maps(arguments.data, size)) for size in sizes}
    for folder, file in folders.items():
        novelty = fit_novelty(folder, *maps[file.card.size])
        if novelty is None:
            raise UsageError(f"{folder.name}: --data holds too few maps to tell which are ordinary.")
        limits = ", ".join(f"{limit:.4g} ({name})" for name, limit in novelty.limits.items())
        print(f"{folder.name}: {novelty.file}, {novelty.bytes:,} bytes; flagged beyond {limits}.")
