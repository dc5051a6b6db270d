"""The wafers that students are judged by, on the guard set and the benchmark: of none of them may one learn."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from wafer_core.benchmark import guard_set, shipped_sets
from wafer_core.known_wafers import KnownWafers
from wafer_core.lot import Wafer
from wafer_core.readers import read_paths


def judging(wafers: Iterable[Wafer]) -> set[str]:
    """Return the map hashes of those wafers that students are judged by, whatever lot or file they come in.

    A wafer is known by its dies alone, in any turn. Labels are not read.
    """
    known = _known(tuple(each.path for each in (*shipped_sets(), guard_set())))
    return {wafer.map_hash for wafer in wafers if wafer in known}


def so_many(count: int) -> str:
    """Return `24 wafers of the guard set or the benchmark, by which students are judged`."""
    wafers = f"{count:,} wafer{'' if count == 1 else 's'}"
    return f"{wafers} of the guard set or the benchmark, by which students are judged"


@lru_cache(maxsize=1)
def _known(paths: tuple[Path, ...]) -> KnownWafers:
    return KnownWafers(wafer for path in paths for wafer in read_paths([path]))
