"""MixedWM38 where a user has brought its file: checked, split as published, ready to be learned from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.lot import FAIL, NO_DIE, PASS
from wafer_core.patterns import ALLOWED_SETS, PATTERNS

SHA256 = "a19e791c85ccd5051c080169a3d2b17902a42545cf749e9869f6c96312bcdc69"
"""Of `Wafer_Map_Datasets.npz` as published (Wang et al. 2020, doi 10.1109/TSM.2020.3020985)."""

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
SEED = 42


@dataclass(frozen=True, eq=False)
class MixedMaps:
    """Maps of MixedWM38: states uint8 (n, rows, columns), labels bool (n, 8)."""

    states: NDArray[np.uint8]
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.states)

    def chosen(self, rows: NDArray[np.int64]) -> MixedMaps:
        """Return the maps of some rows."""
        return MixedMaps(self.states[rows], self.labels[rows])


def mixed_maps(path: Path, published: bool = True) -> MixedMaps:
    """Read a file of MixedWM38's layout.

    Cells of the undocumented value 3 count as failing, as they lie among failing dies.

    Args:
        path: an npz file with `arr_0` (n, rows, columns) of 0 blank, 1 pass, 2 fail, and `arr_1` (n, 8).
        published: whether it must be the published file itself.

    Raises:
        UnreadableFile: it is another file, or its arrays have another layout.
    """
    if published and _sha256(path) != SHA256:
        raise UnreadableFile(
            path.name,
            "this is not the published Wafer_Map_Datasets.npz, as its sha256 differs. "
            "Download it again, or say --any-file to use this one.",
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            maps, labels = file["arr_0"], file["arr_1"]
    except (OSError, KeyError, ValueError) as problem:
        raise UnreadableFile(path.name, "it holds no arrays arr_0 and arr_1, as MixedWM38 does.") from problem
    if maps.ndim != 3 or labels.shape != (len(maps), len(PATTERNS)):
        raise UnreadableFile(path.name, f"its arrays have shapes {maps.shape} and {labels.shape}, not MixedWM38's.")
    if not np.isin(maps, (0, 1, 2, 3)).all():
        raise UnreadableFile(path.name, "it holds cells other than 0, 1, 2 and 3.")
    states = np.array([NO_DIE, PASS, FAIL, FAIL], np.uint8)[maps.astype(np.uint8)]
    found = labels.astype(bool)
    known = {each.tobytes() for each in ALLOWED_SETS["38"]}
    if any(each.tobytes() not in known for each in found):
        raise UnreadableFile(path.name, "it holds a set of patterns that is none of MixedWM38's 38.")
    return MixedMaps(states, found)


def parts(maps: MixedMaps) -> dict[str, NDArray[np.int64]]:
    """Return the rows of train, validation and test, 70/10/20 within each of the label sets, sorted.

    Maps that are equal to the last die stay in one part. The draw is seeded, so everyone gets the same.
    """
    random = np.random.default_rng(SEED)
    by_set: dict[bytes, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    first_label: dict[bytes, bytes] = {}
    for row, (states, labels) in enumerate(zip(maps.states, maps.labels, strict=True)):
        drawn = hashlib.sha256(states.tobytes()).digest()
        by_set[first_label.setdefault(drawn, labels.tobytes())][drawn].append(row)
    chosen: dict[str, list[int]] = {part: [] for part in SHARES}
    for labels_of_set in sorted(by_set):
        groups = list(by_set[labels_of_set].values())
        ends = np.cumsum(list(SHARES.values())) * sum(map(len, groups))
        placed = 0
        for i in random.permutation(len(groups)):
            # By its middle, so that a set of few maps is shared out as well as its number allows.
            part = int(np.searchsorted(ends[:-1], placed + len(groups[i]) / 2))
            chosen[list(SHARES)[part]] += groups[i]
            placed += len(groups[i])
    return {part: np.array(sorted(rows), dtype=np.int64) for part, rows in chosen.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
