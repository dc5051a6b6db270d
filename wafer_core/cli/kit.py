"""Pack a model for the inspection tool: a zip with its runner, or C for a machine with nothing on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from wafer_core.cli.files import check_folder, check_writable
from wafer_core.cli.options import add_model, model_file
from wafer_core.console import place, written
from wafer_core.errors import UsageError

NAME = "kit"
MOST_READ = 1000
"""Bytes of a header that tell where it comes from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_model(parser)
    parser.add_argument(
        "--out", type=place, metavar="FILE.zip", help="int8 and fp32 ONNX with card, runner and vectors"
    )
    parser.add_argument("--c", type=place, metavar="DIR", help="the int8 model as C99, with a test program")


def run(arguments: argparse.Namespace) -> None:
    """Leave the zip, the C files, or both."""
    if arguments.out is None and arguments.c is None:
        raise UsageError("Nothing says where the kit goes; give --out FILE.zip, --c DIR or both.")
    if arguments.out is not None:
        check_writable(arguments.out)
    if arguments.c is not None:
        check_folder(arguments.c, "--c")
    model = model_file(arguments.model)
    if arguments.out is not None:
        from wafer_core.kit import kit

        with written(arguments.out) as file:
            file.write(kit(model))
    if arguments.c is not None:
        from wafer_core.kit.bare import bare_metal

        files = bare_metal(model)
        _check_ours(arguments.c, files)
        arguments.c.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with written(arguments.c / name) as file:
                file.write(text.encode())


def _check_ours(folder: Path, names: Iterable[str]) -> None:
    """Refuse to replace files that no command like this one has written.

    Raises:
        UsageError: there is one of these names.
    """
    from wafer_core.kit.bare.source import HEADER, MADE_FROM

    header = folder / HEADER
    if header.is_file() and MADE_FROM.encode() in header.read_bytes()[:MOST_READ]:
        return
    for name in names:
        if (folder / name).exists():
            raise UsageError(f"--c {folder} holds a {name} that was not made here; move it, or name another folder.")
