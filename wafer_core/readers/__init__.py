"""Readers: bytes in, Lot out. One file a format; `formats.py` is the one place to add another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from wafer_core.errors import UnreadableFile, UsageError
from wafer_core.lot import Lot, Note, ReadingOptions
from wafer_core.readers import limits
from wafer_core.readers.assemble import FileReading, assemble
from wafer_core.readers.formats import FORMATS, read_source
from wafer_core.readers.source import NamedBytes, Source

__all__ = ["FORMATS", "NamedBytes", "read", "read_paths"]

_AS_READ = ReadingOptions()


def read(files: Sequence[NamedBytes], options: ReadingOptions = _AS_READ, title: str | None = None) -> Lot:
    """Read files as one Lot; a file that cannot be read is noted and the others still load.

    Args:
        files: in the order given; wafers keep it.
        options: what the engineer stated about them.
        title: what to call the lot; by default its ids, or the title in a lot file.

    Raises:
        UnreadableFile: no file could be read.
        ReadingQuestion: a file can be read in several ways and an option has to be stated.
        UsageError: no file was given, or the options are such that no file can be read by them.
    """
    if not files:
        raise UsageError("No file was given; name at least one file of wafer maps.")
    options.check()
    readings: list[FileReading] = []
    refusals: list[UnreadableFile] = []
    for file in files:
        source = Source(file)
        try:
            limits.check_file(file.name, len(file.data))
            reading = read_source(source, options)
        except UnreadableFile as refusal:
            refusals.append(refusal)
        else:
            readings.append(FileReading(file.name, source.stem, hashlib.sha256(file.data).hexdigest(), reading))
    if not readings:
        if len(refusals) == 1:
            raise refusals[0]
        reason = f"{refusals[0].reason} None of the other {len(refusals) - 1} files could be read either."
        raise UnreadableFile(refusals[0].name, reason)
    refused = [Note("refused", refusal.name, refusal.reason) for refusal in refusals]
    return assemble(readings, options, title, refused)


def read_paths(paths: Sequence[Path], options: ReadingOptions = _AS_READ, title: str | None = None) -> Lot:
    """Read files on disk as one Lot, as `read` does.

    Raises:
        UnreadableFile: a path cannot be opened, or no file could be read.
        ReadingQuestion: an option has to be stated.
        UsageError: the options are such that no file can be read by them.
    """
    return read([_load(path) for path in paths], options, title)


def _load(path: Path) -> NamedBytes:
    try:
        size = path.stat().st_size
        if size > limits.MAX_FILE:
            limits.check_file(path.name, size)
        return NamedBytes(path.name, path.read_bytes())
    except OSError as exc:
        raise UnreadableFile(str(path), f"it cannot be opened: {(exc.strerror or str(exc)).lower()}.") from exc
