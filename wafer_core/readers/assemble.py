"""Readings of several files become one Lot: ids, repeated wafers, frames, orientation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import PASS, Lot, Note, ReadingOptions, SourceFile, Wafer
from wafer_core.readers.cells import NO_BIN, bins_in, none_passes
from wafer_core.readers.draft import Draft, Reading
from wafer_core.readers.frames import settle
from wafer_core.readers.source import sound_text


@dataclass(frozen=True, eq=False)
class FileReading:
    """What one file gave, with the file's name, stem and sha256."""

    name: str
    stem: str
    sha256: str
    reading: Reading


def assemble(
    files: Sequence[FileReading], options: ReadingOptions, title: str | None, refused: Sequence[Note] = ()
) -> Lot:
    """Return the Lot that these files make, in order of first appearance.

    Raises:
        UnreadableFile: the wafers of all files together are too many or too large.
        ReadingQuestion: no die of any of them is in a bin that is stated to pass.
    """
    notes = [note for file in files for note in file.reading.notes]
    notes += _check_passing(files, options)
    names, id_notes = _ids(files, options)
    drafts = settle(files[0].name, [draft for file in files for draft in file.reading.drafts])
    wafers = tuple(_wafer(draft, *ids, options) for draft, ids in zip(drafts, names, strict=True))
    return Lot(
        title=sound_text(title or _title(files, wafers)),
        wafers=wafers,
        files=tuple(SourceFile(file.name, file.sha256, file.reading.layout) for file in files),
        options=options,
        notes=tuple(map(_sound, (*notes, *id_notes, *refused))),
    )


def _sound(note: Note) -> Note:
    return replace(note, file=sound_text(note.file), text=sound_text(note.text))


def _check_passing(files: Sequence[FileReading], options: ReadingOptions) -> list[Note]:
    """Return a note on every file of which no die is in a bin that is stated to pass.

    A dead wafer is a finding, and it may have a file of its own; that nothing passes in a whole upload is a slip.

    Raises:
        ReadingQuestion: no die of any file that holds bins is in one that is stated to pass.
    """
    if options.pass_bins is None:
        return []
    binned = {file: wafers for file in files if (wafers := _binned(file.reading.drafts))}
    dead = [file for file, wafers in binned.items() if not any((states == PASS).any() for states, _ in wafers)]
    if dead and len(dead) == len(binned):
        found = sorted({value for file in dead for _, bins in binned[file] for value in bins_in(bins)})
        where = "the file" if len(dead) == 1 else f"the upload of {len(dead)} files"
        raise none_passes(dead[0].name, options.pass_bins, found, where)
    return [Note("assumed", file.name, "No die of this file is in a bin that passes, so all fail.") for file in dead]


def _binned(drafts: Sequence[Draft]) -> list[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    """Return states and bins of the wafers that have bins; those of a lot file were judged when it was made."""
    return [
        (draft.states, draft.bins)
        for draft in drafts
        if draft.extent != "final" and draft.bins is not None and (draft.bins != NO_BIN).any()
    ]


def _wafer(draft: Draft, lot: str, wafer: str, options: ReadingOptions) -> Wafer:
    made = Wafer(lot, wafer, draft.place, draft.states, draft.bins, draft.labels, draft.notch)
    return made.turned(options.orientation)


def _title(files: Sequence[FileReading], wafers: Sequence[Wafer]) -> str:
    if len(files) == 1 and files[0].reading.title:
        return files[0].reading.title
    lots = list(dict.fromkeys(wafer.lot for wafer in wafers))
    others = len(lots) - 1
    return lots[0] + (f" and {others} more lot{'s' * (others > 1)}" if others else "")


def _ids(files: Sequence[FileReading], options: ReadingOptions) -> tuple[list[tuple[str, str]], list[Note]]:
    """Name every wafer once, and report names that were made up or changed."""
    given: list[tuple[str, str]] = []
    notes: list[Note] = []
    # Files that are stated to be one lot are numbered through; otherwise each file counts from 1.
    through = sum(1 for file in files for draft in file.reading.drafts if draft.wafer is None)
    own = {
        (_lot(draft, file, options), draft.wafer.lstrip("0"))
        for file in files
        for draft in file.reading.drafts
        if draft.wafer is not None
    }
    number = 0
    for file in files:
        drafts = file.reading.drafts
        number, total = (number, through) if options.lot else (0, len(drafts))
        width = max(2, len(str(total)))
        unnamed = 0
        for position, draft in enumerate(drafts, start=1):
            lot, wafer = _lot(draft, file, options), draft.wafer
            if wafer is None:
                unnamed += 1
                number = number + 1 if options.lot else max(number + 1, position)
                while (lot, str(number)) in own:
                    number += 1
                wafer = f"{number:0{width}d}"
            given.append((lot, sound_text(wafer)))
        notes += _id_notes(file, drafts, options, unnamed)
    return _distinct(given, files, notes), notes


def _lot(draft: Draft, file: FileReading, options: ReadingOptions) -> str:
    return sound_text(draft.lot or options.lot or file.stem)


def _id_notes(file: FileReading, drafts: Sequence[Draft], options: ReadingOptions, unnamed: int) -> list[Note]:
    assumed = []
    if not options.lot and any(not draft.lot for draft in drafts):
        assumed.append(f"the lot is named {file.stem} after the file")
    if unnamed:
        assumed.append("wafers are numbered in file order")
    if not assumed:
        return []
    text = " and ".join(assumed)
    return [Note("assumed", file.name, f"{text[0].upper()}{text[1:]}, because the file holds no ids for them.")]


def _distinct(given: list[tuple[str, str]], files: Sequence[FileReading], notes: list[Note]) -> list[tuple[str, str]]:
    """Give a wafer whose `lot/wafer` is taken the name `05#2`, the next one `05#3`.

    Wafers are opened by that joined name, and lot `A/B` with wafer `C` joins to what lot `A` with wafer `B/C` does.
    """
    taken = {f"{lot}/{wafer}" for lot, wafer in given}
    count: Counter[str] = Counter()
    names: list[tuple[str, str]] = []
    owners = [file.name for file in files for _ in file.reading.drafts]
    renamed: dict[str, list[str]] = {}
    for (lot, wafer), owner in zip(given, owners, strict=True):
        joined = f"{lot}/{wafer}"
        count[joined] += 1
        name = wafer
        while count[joined] > 1 and f"{lot}/{name}" in taken:
            name = f"{wafer}#{count[joined]}"
            if f"{lot}/{name}" in taken:
                count[joined] += 1
        if name != wafer:
            taken.add(f"{lot}/{name}")
            renamed.setdefault(owner, []).append(f"{lot}/{name}")
        names.append((lot, name))
    for owner, found in renamed.items():
        listing = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
        notes.append(Note("changed", owner, f"Wafers that were there already are kept and renamed: {listing}."))
    return names
