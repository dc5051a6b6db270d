"""npz and npy arrays: MixedWM38's layout, stacks of maps with or without ids and labels, single maps."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.lot import FAIL, UNTESTED, Note, ReadingOptions
from wafer_core.patterns import PATTERNS, flags
from wafer_core.readers import limits, numbers
from wafer_core.readers.cells import Cells, from_array, parted
from wafer_core.readers.draft import Draft, Format, Reading
from wafer_core.readers.npy import NPY_MAGIC, Archive, Header, is_zip, member_names, read_npy
from wafer_core.readers.source import Source

_MAPS = ("maps", "map", "wafers", "wafermaps", "wafermap", "states", "bins", "arr0", "x", "data")
_LOTS = ("lot", "lots", "lotid", "lotids", "lotname")
_WAFERS = ("wafer", "waferid", "waferids", "wafername", "waferindex", "wafernumber", "slot")
_LABELS = ("label", "labels", "pattern", "patterns", "failuretype", "y", "arr1")
_NO_MAP = frozenset((*_LOTS, *_WAFERS, *_LABELS)) - {"y", "arr1"}
"""What stands beside maps that are an array each; `y` and the second of unnamed arrays may be maps."""
_LIST_LIKE_COLUMNS = 8
"""An array so narrow and more than eight times as long is no wafer map."""
_LAYERS = 4
"""A picture's layers, a state each."""
_BY_LOWER_NAME = {re.sub(r"[^a-z]", "", pattern.lower()): pattern for pattern in PATTERNS}
_NO_PATTERN = ("normal", "none", "nopattern")
_LARGE = 2.0**63
"""Numbers from here on stay as NumPy writes them: they may have thousands of digits, which Python does not write."""


@dataclass(frozen=True, eq=False)
class _Companions:
    """What stands beside a stack of maps, one entry a map."""

    lots: list[str | None] | None = None
    wafers: list[str | None] | None = None
    labels: list[NDArray[np.bool_] | None] | None = None


def _read_npy(source: Source, options: ReadingOptions) -> Reading:
    values = read_npy(source)
    stack, layout = _as_stack(source.name, values)
    cells = from_array(source.name, stack, options)
    return _reading(source.name, layout, cells, _Companions())


def _read_npz(source: Source, options: ReadingOptions) -> Reading:
    archive = Archive(source)
    if _is_mixed(archive.headers):
        return _read_mixed(archive, options)
    stacks = [key for key, header in archive.headers.items() if _is_numeric(header) and len(header.shape) in (3, 4)]
    if not stacks:
        return _read_singles(archive, options)
    key = _chosen(archive.name, stacks)
    stack, layout = _as_stack(archive.name, archive.read(key))
    notes: list[Note] = []
    beside = _companions(archive, key, len(stack), notes)
    return _reading(archive.name, layout, from_array(archive.name, stack, options), beside, notes)


def _read_mixed(archive: Archive, options: ReadingOptions) -> Reading:
    stack, _ = _as_stack(archive.name, archive.read("arr_0"))
    cells = from_array(archive.name, stack, options)
    notes: list[Note] = []
    if cells.bins is None and (odd := (stack == UNTESTED)).any():
        maps = int(np.count_nonzero(odd.any(axis=(1, 2))))
        text = f"{int(odd.sum()):,} cells of value 3 in {maps:,} maps are read as failing: MixedWM38 does not define 3."
        notes.append(Note("changed", archive.name, text))
        cells = Cells(np.where(odd, np.uint8(FAIL), cells.states))
    beside = _Companions(labels=_labels(archive.name, archive.read("arr_1"), len(stack), notes))
    return _reading(archive.name, "MixedWM38 arrays", cells, beside, notes)


def _read_singles(archive: Archive, options: ReadingOptions) -> Reading:
    """Read an npz that holds one 2-D array a wafer, named after it."""
    flat = [key for key, header in archive.headers.items() if _is_numeric(header) and len(header.shape) == 2]
    keys = [key for key in flat if _plain(key) not in _NO_MAP]
    beside = [Note("assumed", archive.name, f"{key} is taken for no wafer map.") for key in flat if key not in keys]
    if not keys:
        found = ", ".join(f"{key} {header.shape}" for key, header in list(archive.headers.items())[:6]) or "nothing"
        raise UnreadableFile(
            archive.name,
            f"it holds no wafer maps ({found}); give maps of die states as one array (wafers, rows, columns).",
        )
    limits.check_lot(archive.name, len(keys), sum(prod(archive.headers[key].shape) for key in keys), with_bins=False)
    maps = [_as_stack(archive.name, archive.read(key))[0][0] for key in keys]
    # One file has one meaning: what its wafers hold is judged together.
    cells = from_array(archive.name, np.concatenate([each.ravel() for each in maps]), options)
    drafts = [
        Draft(own.states, wafer=None if re.fullmatch(r"arr_\d+", key) else key, bins=own.bins)
        for key, own in zip(keys, parted(cells, [each.shape for each in maps]), strict=True)
    ]
    return Reading("npz, one array a wafer", drafts, [*beside, *cells.notes])


def _reading(name: str, layout: str, cells: Cells, beside: _Companions, notes: list[Note] | None = None) -> Reading:
    drafts = [
        Draft(
            cells.states[i],
            lot=beside.lots[i] if beside.lots else None,
            wafer=beside.wafers[i] if beside.wafers else None,
            bins=None if cells.bins is None else cells.bins[i],
            labels=beside.labels[i] if beside.labels else None,
        )
        for i in range(len(cells.states))
    ]
    return Reading(layout, drafts, [*(notes or []), *cells.notes])


def _as_stack(name: str, values: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return maps as (wafers, rows, columns), with the layout in words."""
    if values.dtype.kind not in "biuf":
        raise UnreadableFile(name, "it holds text, not wafer maps; give maps of die states or bins as numbers.")
    if values.ndim == 4 and 1 in (values.shape[1], values.shape[3]):
        values = values[:, 0] if values.shape[1] == 1 else values[..., 0]
    if values.size == 0 or values.ndim not in (2, 3):
        shape = " x ".join(map(str, values.shape)) or "a single value"
        raise UnreadableFile(
            name, f"it holds an array of {shape}; give one map (rows, columns) or several (wafers, rows, columns)."
        )
    layout = "array of one map" if values.ndim == 2 else "array of maps"
    stack = values[None] if values.ndim == 2 else values
    limits.check_grid(name, *stack.shape[1:])
    limits.check_lot(name, len(stack), stack.size, with_bins=False)
    if _other_than_maps(values):
        shape = " x ".join(map(str, values.shape))
        raise UnreadableFile(
            name, f"an array of {shape} looks like a die list or a picture; give maps as (wafers, rows, columns)."
        )
    return stack, layout


def _other_than_maps(values: NDArray[Any]) -> bool:
    """Return whether an array is a table of few columns, or one square map with a layer for each state."""
    *_, rows, columns = values.shape
    if values.ndim == 2:
        return bool(columns <= _LIST_LIKE_COLUMNS and rows > 8 * columns)
    return bool(columns <= _LAYERS and len(values) == rows > columns)


def _is_mixed(headers: dict[str, Header]) -> bool:
    """Whether the arrays lie as MixedWM38 publishes them: maps in arr_0, eight bits each in arr_1."""
    maps, labels = headers.get("arr_0"), headers.get("arr_1")
    if maps is None or labels is None or len(maps.shape) != 3 or not (_is_numeric(maps) and _is_numeric(labels)):
        return False
    return labels.shape == (maps.shape[0], len(PATTERNS))


def _is_numeric(header: Header) -> bool:
    return header.dtype.kind in "biuf"


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _chosen(name: str, stacks: list[str]) -> str:
    by_rank = sorted((key for key in stacks if _plain(key) in _MAPS), key=lambda key: _MAPS.index(_plain(key)))
    if len(stacks) > 1 and not by_rank:
        listing = ", ".join(stacks[:8])
        raise UnreadableFile(name, f"several arrays could be the maps ({listing}); keep one, or call it 'maps'.")
    return by_rank[0] if len(stacks) > 1 else stacks[0]


def _companions(archive: Archive, maps: str, count: int, notes: list[Note]) -> _Companions:
    """Read ids and labels that stand beside a stack of `count` maps: the first by the order of names that fits."""

    def find(names: tuple[str, ...], most_columns: int) -> NDArray[Any] | None:
        named = [key for key in archive.headers if key != maps and _plain(key) in names]
        chosen: str | None = None
        for key in sorted(named, key=lambda key: names.index(_plain(key))):
            rows, *columns = shape = archive.headers[key].shape or (1,)
            one_each = rows == count and (not columns or (len(columns) == 1 and columns[0] <= most_columns))
            if not (one_each or (names is _LOTS and prod(shape) == 1)):
                reason = f"it has {' x '.join(map(str, archive.headers[key].shape))}, and there are {count:,} maps"
                notes.append(Note("changed", archive.name, f"{key} is left out: {reason}."))
            elif chosen is not None:
                notes.append(Note("assumed", archive.name, f"{key} is left out: {chosen} is read in its place."))
            else:
                chosen = key
        if chosen is None:
            return None
        values = archive.read(chosen)
        if names is _LOTS and values.size == 1:
            return np.repeat(values.reshape(1), count)
        return values.reshape(count) if values.size == count else values

    lots, wafers, labels = find(_LOTS, 1), find(_WAFERS, 1), find(_LABELS, sys.maxsize)
    return _Companions(
        lots=None if lots is None else _ids(lots),
        wafers=None if wafers is None else _ids(wafers),
        labels=None if labels is None else _labels(archive.name, labels, count, notes),
    )


def _ids(values: NDArray[Any]) -> list[str | None]:
    return [numbers.id_of(text) or None for text in _texts(values)]


def _texts(values: NDArray[Any]) -> list[str]:
    if values.dtype.kind == "S":
        return _decoded(values.tolist())
    if values.dtype.kind == "U":
        values = _unicode(values)
    if values.dtype.kind == "f":
        return [_whole(value) for value in values.tolist()]
    return [str(value) for value in values.tolist()]


def _decoded(texts: list[bytes]) -> list[str]:
    """Return texts as UTF-8, or where one of them is none, as Latin-1, which reads every byte."""
    try:
        return [text.decode() for text in texts]
    except UnicodeDecodeError:
        return [text.decode("latin-1") for text in texts]


def _whole(number: float) -> str:
    """Return a number as text; a whole one that stands among others as a float is whole again."""
    return str(int(number)) if abs(number) < _LARGE and np.rint(number) == number else str(number)


def _unicode(values: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return texts (n,) with the replacement character for numbers that Unicode does not know; Python reads none."""
    letters = values.view(np.uint32)
    unknown = letters > sys.maxunicode
    return np.where(unknown, np.uint32(0xFFFD), letters).view(values.dtype) if unknown.any() else values


def _labels(name: str, values: NDArray[Any], count: int, notes: list[Note]) -> list[NDArray[np.bool_] | None] | None:
    """Return a label set a map from bits (n, 8) or from names (n,); None where they are neither."""
    if values.shape == (count, len(PATTERNS)) and values.dtype.kind in "biuf" and np.isin(values, (0, 1)).all():
        return list(values.astype(bool))
    if values.shape == (count,) and values.dtype.kind in "US":
        try:
            known = {text: _label(text) for text in set(_texts(values))}
            return [known[text] for text in _texts(values)]
        except KeyError as unknown:
            notes.append(Note("changed", name, f"Labels are left out: {unknown.args[0]!r} is no pattern known here."))
            return None
    notes.append(Note("changed", name, "Labels are left out: they are neither eight bits a map nor pattern names."))
    return None


def _label(text: str) -> NDArray[np.bool_] | None:
    if not text.strip():
        return None
    parts = [re.sub(r"[^a-z]", "", part.lower()) for part in re.split(r"[+,;|]", text)]
    return flags(_BY_LOWER_NAME[part] if part in _BY_LOWER_NAME else _unpatterned(part, text) for part in parts)


def _unpatterned(part: str, text: str) -> str:
    if part not in _NO_PATTERN:
        raise KeyError(text)
    return "Normal"


NPY = Format("npy array", lambda source: source.data.startswith(NPY_MAGIC), _read_npy)
NPZ = Format(
    "npz arrays",
    lambda source: is_zip(source) and any(name.endswith(".npy") for name in member_names(source)),
    _read_npz,
)
