"""WM-811K by its fixed split: real maps, their labels, and the group each may not leave."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wafer_core.models.groups import pack_groups
from wafer_core.patterns import flags

Part = Literal["train", "validation", "guard", "test"]
File = Literal["maps_64x64", "maps_native"]


@dataclass(frozen=True, eq=False)
class RealMaps:
    """Real wafers of one part of the split.

    Args:
        states: die states, uint8 (rows, columns) each.
        labels: bool (n, 8); a normal wafer has none.
        groups: the split's group of each wafer: a real lot, or the map alone.
    """

    states: tuple[NDArray[np.uint8], ...]
    labels: NDArray[np.bool_]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.states)

    def chosen(self, keep: NDArray[np.bool_]) -> RealMaps:
        """Return the wafers where `keep`, bool (n,), is true."""
        kept = np.flatnonzero(keep)
        groups = tuple(self.groups[i] for i in kept)
        return RealMaps(tuple(self.states[i] for i in kept), self.labels[keep], groups)

    def joined(self, other: RealMaps) -> RealMaps:
        """Return these wafers and then those of `other`."""
        labels = np.concatenate([self.labels, other.labels])
        return RealMaps(self.states + other.states, labels, self.groups + other.groups)


@dataclass(frozen=True, eq=False)
class UnlabelledMaps:
    """Real wafers of one part of the split, of which nobody looked up a label."""

    states: tuple[NDArray[np.uint8], ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.states)

    def joined(self, other: UnlabelledMaps) -> UnlabelledMaps:
        """Return these wafers and then those of `other`."""
        return UnlabelledMaps(self.states + other.states, self.groups + other.groups)


def described(data: Path, file: File, maps: RealMaps | UnlabelledMaps, part: Part = "train") -> dict[str, object]:
    """Return what a model card says of the maps of one file that a model learned from."""
    return {
        "name": f"WM-811K, {file}",
        "sha256": hashlib.sha256((data / "wm811k" / f"{file}.npz").read_bytes()).hexdigest(),
        "labels": isinstance(maps, RealMaps),
        "maps": len(maps),
        "parts": [part],
        "groups": pack_groups(sorted(set(maps.groups))),
    }


def unlabelled_maps(data: Path, part: Part) -> UnlabelledMaps:
    """Return the 64x64 and native maps of one part; the files' label columns stay unread."""
    return unlabelled_resized(data, part).joined(unlabelled_native(data, part))


def unlabelled_resized(data: Path, part: Part) -> UnlabelledMaps:
    """Return the 64x64 maps of one part without their labels."""
    rows, groups = _rows(data, "maps_64x64", part)
    with np.load(data / "wm811k" / "maps_64x64.npz", allow_pickle=False) as file:
        return UnlabelledMaps(tuple(file["maps"][rows]), groups)


def unlabelled_native(data: Path, part: Part) -> UnlabelledMaps:
    """Return the maps of one part at their own die grids without their labels."""
    rows, groups = _rows(data, "maps_native", part)
    with np.load(data / "wm811k" / "maps_native.npz", allow_pickle=False) as file:
        return UnlabelledMaps(_native_states(file["dies"], file["shape"].astype(int), rows), groups)


def resized_maps(data: Path, part: Part) -> RealMaps:
    """Return the 64x64 maps of one part, all of them labelled."""
    rows, groups = _rows(data, "maps_64x64", part)
    with np.load(data / "wm811k" / "maps_64x64.npz", allow_pickle=False) as file:
        maps, names = file["maps"][rows], file["label"][rows]
    return RealMaps(tuple(maps), _labels(names), groups)


def native_maps(data: Path, part: Part, labelled: bool = True) -> RealMaps:
    """Return the maps of one part at their own die grids; `labelled` leaves out those without."""
    rows, groups = _rows(data, "maps_native", part)
    with np.load(data / "wm811k" / "maps_native.npz", allow_pickle=False) as file:
        dies, shapes, names = file["dies"], file["shape"].astype(int), file["label"][rows]
    maps = RealMaps(_native_states(dies, shapes, rows), _labels(names), groups)
    return maps.chosen(names != "") if labelled else maps


def _rows(data: Path, file: str, part: Part) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    with (data / "wm811k" / "splits.csv").open(newline="") as lines:
        chosen = [row for row in csv.DictReader(lines) if row["file"] == file and row["part"] == part]
    return np.array([int(row["row"]) for row in chosen]), tuple(row["group"] for row in chosen)


def _native_states(
    dies: NDArray[np.uint8], shapes: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], ...]:
    """Cut maps out of the one long array that holds them end to end."""
    ends = np.cumsum(shapes.prod(axis=1))
    return tuple(dies[ends[i] - shapes[i].prod() : ends[i]].reshape(shapes[i]) for i in rows)


def _labels(names: NDArray[np.str_]) -> NDArray[np.bool_]:
    return np.array([flags([str(name)] if name else []) for name in names])
