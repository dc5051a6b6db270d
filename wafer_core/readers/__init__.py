"""Readers: bytes in, Lot out. One file a format; `formats.py` is the one place to add another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wafer_core.errors import ReadingQuestion, UnreadableFile, UsageError
from wafer_core.lot import Lot, Note, ReadingOptions
from wafer_core.readers import limits
from wafer_core.readers.assemble import FileReading, assemble
from wafer_core.readers.draft import Reading
from wafer_core.readers.formats import FORMATS, read_source
from wafer_core.readers.source import NamedBytes, Source

__all__ = ["FORMATS", "NamedBytes", "read", "read_paths"]

_AS_READ = ReadingOptions()

OTHER_LETTERS = "It is not UTF-8, so ids beyond ASCII may not be as they were written; save it as UTF-8 to be sure."
OWN_MEANING = "It says by itself what its cells mean; what was stated answers another file."


def read(files: Sequence[NamedBytes], options: ReadingOptions = _AS_READ, title: str | None = None) -> Lot:
    """Read files as one Lot; a file that cannot be read is noted and the others still load.

    What is stated about bins or cells answers the files that ask; where some do, the others keep the meaning they
    have by themselves, which they note.

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
    held = _Held()
    sources = [Source(file) for file in files]
    for source, stated in zip(sources, _stated(sources, options), strict=True):
        try:
            reading = _read(source, stated)
            held = held.and_of(source.name, reading)
        except UnreadableFile as refusal:
            refusals.append(refusal)
        else:
            if stated != options:
                reading.notes.append(Note("assumed", source.name, OWN_MEANING))
            if source.encoding == "latin-1" and not reading.ascii:
                reading.notes.append(Note("assumed", source.name, OTHER_LETTERS))
            readings.append(FileReading(source.name, source.stem, hashlib.sha256(source.data).hexdigest(), reading))
    if not readings:
        if len(refusals) == 1:
            raise refusals[0]
        reason = f"{refusals[0].reason} None of the other {len(refusals) - 1} files could be read either."
        raise UnreadableFile(refusals[0].name, reason)
    refused = [Note("refused", refusal.name, refusal.reason) for refusal in refusals]
    return assemble(readings, options, title, refused)


class _Held(NamedTuple):
    """What the files of an upload that were read so far hold."""

    wafers: int = 0
    cells: int = 0
    binned: bool = False

    def and_of(self, name: str, reading: Reading) -> _Held:
        """Return what they hold with another one.

        Raises:
            UnreadableFile: it is more than one upload may hold.
        """
        both = _Held(
            self.wafers + len(reading.drafts),
            self.cells + sum(draft.states.size for draft in reading.drafts),
            self.binned or any(draft.bins is not None for draft in reading.drafts),
        )
        limits.check_lot(name, *both)
        return both


def _read(source: Source, options: ReadingOptions) -> Reading:
    limits.check_file(source.name, len(source.data))
    return read_source(source, options)


def _stated(sources: Sequence[Source], options: ReadingOptions) -> list[ReadingOptions]:
    """Return what is stated about each file: what answers one file's question says nothing of cells that need none."""
    unstated = replace(options, pass_bins=None, cells=None)
    if len(sources) == 1 or options == unstated:
        return [options] * len(sources)
    asks, found = False, []
    for source in sources:
        stated = options
        try:
            reading = _read(source, unstated)
        except ReadingQuestion:
            asks = True
        except UnreadableFile:
            pass
        else:
            # Bins mean the same in all files of an upload; die states are none.
            binned = any(draft.bins is not None for draft in reading.drafts)
            stated = replace(options, cells=None) if binned else unstated
        found.append(stated)
    return found if asks else [options] * len(sources)


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
