"""Files that take their place in one move: whoever reads one, and a kill at any instant, finds the old or the new."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""What the name of something ends with that is not in its place yet; a kill may leave one behind."""


def partial_of(path: Path) -> Path:
    """Return a hidden place beside `path` to make it in, another one every time."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once its block has succeeded; what fails leaves `path` as it was.

    Its bytes are on the disk before the move, so that a power cut cannot empty it, and its name when this ends.
    """
    partial = partial_of(path)
    try:
        with partial.open("xb") as file:
            yield file
        settle(partial)
        os.replace(partial, path)
        _settle_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes so that at every instant `path` is either absent, the old file or complete; make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(data)


def _settle_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where the system lets a folder be opened."""
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def settle(path: Path) -> None:
    """Wait until a file's bytes are on the disk: moved before that, a power cut would leave its name without them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
