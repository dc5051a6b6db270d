"""Our own lot file: an npz that holds a Lot without loss."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.lot import Frame, Lot, Notch, Note, NoteKind, ReadingOptions, SourceFile, Wafer
from wafer_core.patterns import PATTERNS
from wafer_core.readers import limits
from wafer_core.readers.cells import NO_BIN
from wafer_core.readers.draft import Draft, Format, Reading
from wafer_core.readers.npy import Archive, is_zip, member_names
from wafer_core.readers.source import NamedBytes, Source, damaged

FORMAT_NAME = "waferdistill-lot-1"
_FRAME_FIELDS = 5
"""x, y, x step, y step, swapped."""


def write_lot(lot: Lot) -> bytes:
    """Return a Lot as the bytes of a lot file; the same Lot gives the same bytes.

    Titles, ids, frames, states, bins, labels, notches, notes and source files are kept.
    """
    wafers = lot.wafers
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT_NAME),
        "title": _texts([lot.title]),
        "lot": _texts([wafer.lot for wafer in wafers]),
        "wafer": _texts([wafer.wafer for wafer in wafers]),
        "shape": np.array([wafer.frame.shape for wafer in wafers], dtype=np.int32).reshape(-1, 2),
        "frame": np.array([_frame_fields(wafer.frame) for wafer in wafers], dtype=np.int64).reshape(-1, _FRAME_FIELDS),
        "notch": _texts([wafer.notch for wafer in wafers]),
        "states": _joined([wafer.states for wafer in wafers], np.uint8),
        "notes": _texts([text for note in lot.notes for text in (note.kind, note.file, note.text)]),
        "files": _texts([text for file in lot.files for text in (file.name, file.sha256, file.layout)]),
    }
    if any(wafer.labels is not None for wafer in wafers):
        none = np.zeros(len(PATTERNS), dtype=bool)
        arrays["has_labels"] = np.array([wafer.labels is not None for wafer in wafers])
        arrays["labels"] = np.array([none if wafer.labels is None else wafer.labels for wafer in wafers])
    if any(wafer.bins is not None for wafer in wafers):
        arrays["has_bins"] = np.array([wafer.bins is not None for wafer in wafers])
        arrays["bins"] = _joined([wafer.bins for wafer in wafers if wafer.bins is not None], np.int32)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_lot(file: NamedBytes) -> Lot:
    """Return the Lot that `write_lot` wrote, with its options left at their defaults.

    Raises:
        UnreadableFile: it is not a whole lot file.
    """
    source = Source(file)
    limits.check_file(source.name, len(source.data))
    if not FORMAT.recognises(source):
        raise UnreadableFile(source.name, "it is not a lot file of WaferDistill.")
    archive = Archive(source)
    with damaged(source.name, "the lot file"):
        wafers = tuple(_wafer(draft) for draft in _drafts(archive))
        files = tuple(SourceFile(*parts) for parts in _triples(archive, "files"))
        return Lot(_text(archive, "title")[0], wafers, files, notes=tuple(_notes(archive)))


def _read(source: Source, options: ReadingOptions) -> Reading:
    archive = Archive(source)
    with damaged(source.name, "the lot file"):
        notes = _notes(archive)
        if options.pass_bins is not None or options.cells is not None:
            notes.append(
                Note("assumed", source.name, "A lot file says itself which dies pass; what was stated does not count.")
            )
        return Reading("lot file", _drafts(archive), notes, title=_text(archive, "title")[0])


def _drafts(archive: Archive) -> list[Draft]:
    """Return the wafers of a lot file; whatever does not add up raises."""
    if str(archive.read("format")) != FORMAT_NAME:
        raise UnreadableFile(archive.name, "it was written by another version of WaferDistill; export it again.")
    lots, wafers, notches = (_text(archive, key) for key in ("lot", "wafer", "notch"))
    count = len(lots)
    shapes = [(int(rows), int(columns)) for rows, columns in _whole(archive, "shape").reshape(count, 2)]
    for rows, columns in shapes:
        if min(rows, columns) < 1:
            raise ValueError(f"a grid of {rows} x {columns}")
        limits.check_grid(archive.name, rows, columns)
    cells = sum(rows * columns for rows, columns in shapes)
    limits.check_lot(archive.name, count, cells, with_bins="bins" in archive.headers)
    frames = _whole(archive, "frame").reshape(count, _FRAME_FIELDS)
    states = _parts(archive.read("states"), np.uint8, shapes)
    if any(state.size and state.max() > 3 for state in states):
        raise ValueError("states above 3")
    has_bins = _mask(archive, "has_bins", count)
    bins = (
        _parts(archive.read("bins"), np.int32, [s for s, has in zip(shapes, has_bins, strict=True) if has])
        if any(has_bins)
        else []
    )
    next_bins = iter(bins)
    has_labels = _mask(archive, "has_labels", count)
    labels = archive.read("labels").astype(bool).reshape(count, len(PATTERNS)) if any(has_labels) else None
    return [
        Draft(
            states[i],
            lot=lots[i],
            wafer=wafers[i],
            frame=_frame(shapes[i], frames[i]),
            bins=next(next_bins) if has_bins[i] else None,
            labels=labels[i] if labels is not None and has_labels[i] else None,
            notch=_notch(notches[i]),
            extent="final",
        )
        for i in range(count)
    ]


def _wafer(draft: Draft) -> Wafer:
    return Wafer(draft.lot or "", draft.wafer or "", draft.place, draft.states, draft.bins, draft.labels, draft.notch)


def _frame_fields(frame: Frame) -> tuple[int, ...]:
    return frame.x, frame.y, frame.x_step, frame.y_step, int(frame.swapped)


def _frame(shape: tuple[int, int], fields: NDArray[np.int64]) -> Frame:
    x, y, x_step, y_step, swapped = fields.tolist()
    return Frame(*shape, x, y, _step(x_step), _step(y_step), bool(swapped))


def _step(value: int) -> Literal[1, -1]:
    if value not in (1, -1):
        raise ValueError(f"a step of {value}")
    return 1 if value == 1 else -1


def _notch(text: str) -> Notch:
    if text not in get_args(Notch):
        raise ValueError(f"a notch {text!r}")
    return cast(Notch, text)


def _notes(archive: Archive) -> list[Note]:
    kinds = get_args(NoteKind)
    return [Note(cast(NoteKind, kind), file, text) for kind, file, text in _triples(archive, "notes") if kind in kinds]


def _texts(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Pack texts as JSON bytes; NumPy's own text type would drop trailing zeros."""
    return np.frombuffer(json.dumps(list(texts)).encode(), dtype=np.uint8)


def _text(archive: Archive, key: str) -> list[str]:
    texts = json.loads(archive.read(key).tobytes())
    if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
        raise ValueError(f"{key} holds no texts")
    return texts


def _triples(archive: Archive, key: str) -> list[tuple[str, str, str]]:
    texts = _text(archive, key) if key in archive.headers else []
    return list(zip(texts[::3], texts[1::3], texts[2::3], strict=True))


def _whole(archive: Archive, key: str) -> NDArray[np.int64]:
    values = archive.read(key)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{key} holds no whole numbers")
    return values.astype(np.int64)


def _mask(archive: Archive, key: str, count: int) -> list[bool]:
    if key not in archive.headers:
        return [False] * count
    found: list[bool] = archive.read(key).astype(bool).reshape(count).tolist()
    return found


def _joined(grids: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *(grid.ravel() for grid in grids)])


def _parts(flat: NDArray[Any], dtype: type[np.generic], shapes: list[tuple[int, int]]) -> list[NDArray[Any]]:
    ends = np.cumsum([rows * columns for rows, columns in shapes], dtype=np.int64)
    if flat.dtype != dtype or flat.ndim != 1 or len(flat) != (ends[-1] if len(ends) else 0):
        raise ValueError("the cells do not fill the grids")
    if dtype is np.int32 and flat.size and flat.min() < NO_BIN:
        raise ValueError("bins below -1")
    if not shapes:
        return []
    # Copies: a view of one wafer would keep the cells of all of them.
    return [part.reshape(shape).copy() for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


FORMAT = Format("lot file", lambda source: is_zip(source) and "format.npy" in member_names(source), _read)
