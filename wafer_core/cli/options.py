"""Arguments that several commands share, and what they turn into."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wafer_core.console import add_reading, place, reading_options, say
from wafer_core.errors import UnreadableFile
from wafer_core.lot import Lot

if TYPE_CHECKING:
    from wafer_core.models.folder import ModelFile


def add_lots(parser: argparse.ArgumentParser) -> None:
    """Add the files that make one Lot, and the reading options."""
    parser.add_argument("lots", metavar="LOT", nargs="+", type=Path, help="a file of wafer maps; several make one lot")
    add_reading(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that answers."""
    parser.add_argument("--model", required=True, metavar="NAME", help="a name, approved (or approved-int8), or a path")


def add_out(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the one file or folder a command leaves."""
    parser.add_argument("--out", required=True, type=place, metavar=what, help="where the result goes")


def read_lot(arguments: argparse.Namespace) -> Lot:
    """Read the files named on the command line as one Lot.

    Raises:
        UnreadableFile: a path names no file, or no file could be read.
        ReadingQuestion: a reading option has to be stated.
    """
    return read_together(arguments.lots, arguments)


def read_together(paths: Sequence[Path], arguments: argparse.Namespace) -> Lot:
    """Read files as one Lot with the reading options of the command line; raises what `read_lot` does."""
    from wafer_core.readers import read_paths

    for path in paths:
        if not path.is_file():
            kind = "is a folder; name the files in it." if path.is_dir() else "is no file but a pipe; save it first."
            raise UnreadableFile(str(path), kind if path.exists() else "no such file.")
    return read_paths(paths, reading_options(arguments))


def model_file(name: str) -> ModelFile:
    """Return the model a name or path stands for; `approved` asks the workspace, if there is one.

    Raises:
        UnknownModel: no model answers to it.
        BrokenModel: its folder contradicts its card.
    """
    from wafer_core.models.folder import APPROVED, resolve

    if name in APPROVED:
        from wafer_core.workspace import Workspace, default_root

        if default_root().is_dir():
            return Workspace().model(name)
    return resolve(name)


def report_reading(lot: Lot) -> None:
    """Say on standard error how the lot was read.

    Raises:
        UnreadableFile: some of the files were left out; the result of the others stands, yet a
            caller who reads exit codes has to learn of it.
    """
    refused = [note for note in lot.notes if note.kind == "refused"]
    for note in lot.notes:
        if note not in refused:
            say(f"{note.file}: {note.text}")
    if refused:
        others = f" ({len(refused) - 1} more left out: {', '.join(n.file for n in refused[1:])})" * (len(refused) > 1)
        first = refused[0].text.removeprefix(f"{refused[0].file}: ")
        raise UnreadableFile(refused[0].file, f"{first.rstrip('.')}{others}; the other files are in the result.")
