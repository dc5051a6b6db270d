"""The wafers that stand beside a lot, simulated or of other lots, so that a small one makes no student forget."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import CHANNELS, canonical, canonical_states
from wafer_core.distill import Settings
from wafer_core.distill.settings import WITH_LOTS, WITH_SIMULATED
from wafer_core.errors import UsageError
from wafer_core.lot import Lot, Wafer
from wafer_core.synthesis.simulator import mixed_map

REPLAYED = 768
"""Simulated maps that stand beside the lot."""

MOST_OF_LOTS = 2048
"""Maps of other lots that stand beside the lot; of more, so many are drawn."""

AT_ONCE = 64
"""Maps that are made or asked about without a pause."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Canonical maps to replay, float32 (n, 2, S, S), and where they come from, as a card says it."""

    maps: NDArray[np.float32]
    data: tuple[dict[str, Any], ...] = ()


def check_pool(settings: Settings, beside: Sequence[Lot]) -> None:
    """Find out whether a pool that takes other lots was given some.

    Raises:
        UsageError: it was given none, or a pool that takes none was given some.
    """
    if settings.pool in WITH_LOTS and not beside:
        raise UsageError(f"The pool {settings.pool!r} takes wafers of other lots; name at least one.")
    if settings.pool not in WITH_LOTS and beside:
        raise UsageError(f"The pool {settings.pool!r} takes no other lot; choose the pool 'lots' or 'both'.")


def pooled(settings: Settings, size: int, beside: Sequence[Lot], own: Sequence[Wafer]) -> Generator[str, None, Pool]:
    """Return the maps beside a lot; every part of the work is named before it begins.

    Args:
        settings: which pool, and the seed it is drawn with.
        size: rows and columns of the canonical map.
        beside: the other lots; labels are not read.
        own: the tested wafers of the lot itself, held out and left out ones too; no map of theirs is in the pool.

    Raises:
        UsageError: the other lots hold no tested wafer that is not in the lot itself.
    """
    simulated = yield from _simulated(settings.seed, size, REPLAYED if settings.pool in WITH_SIMULATED else 0)
    data = [{"name": "simulated mixed wafers", "labels": False, "maps": len(simulated)}] if len(simulated) else []
    if settings.pool not in WITH_LOTS:
        return Pool(simulated, tuple(data))
    maps, origins = yield from _of_lots(beside, size, settings.seed, own)
    for at, lot in enumerate(beside):
        if count := int((origins == at).sum()):
            data.append({"name": lot.title, "sha256": lot.lot_hash, "labels": False, "maps": count})
    mixed = np.concatenate([simulated, maps])
    # Thresholds are matched on the first of them, so all kinds have to be among those.
    return Pool(mixed[np.random.default_rng(settings.seed).permutation(len(mixed))], tuple(data))


def _simulated(seed: int, size: int, count: int) -> Generator[str, None, NDArray[np.float32]]:
    random, drawn = np.random.default_rng(seed), [np.empty((0, CHANNELS, size, size), np.float32)]
    for i in range(count):
        drawn.append(canonical_states(mixed_map(random)[None], size))
        if i % AT_ONCE == 0:
            yield "simulate"
    return np.concatenate(drawn)


def _of_lots(
    beside: Sequence[Lot], size: int, seed: int, own: Sequence[Wafer]
) -> Generator[str, None, tuple[NDArray[np.float32], NDArray[np.intp]]]:
    """Return the distinct maps of other lots that are not the lot's own, and which lot each is of."""
    known: set[bytes] = set()
    for start in range(0, len(own), AT_ONCE):
        yield "read the other lots"
        known.update(_marks(canonical(own[start : start + AT_ONCE], size)))
    drawn = _others(beside, seed, {wafer.map_hash for wafer in own})
    kept, origins = [np.empty((0, CHANNELS, size, size), np.float32)], [np.empty(0, np.intp)]
    for start in range(0, len(drawn), AT_ONCE):
        yield "read the other lots"
        part = drawn[start : start + AT_ONCE]
        maps = canonical([wafer for _, wafer in part], size)
        # Two grids may give the same map, and what is held out goes by the map.
        free = np.array([_first(mark, known) for mark in _marks(maps)])
        kept.append(maps[free])
        origins.append(np.array([at for at, _ in part], np.intp)[free])
        if sum(map(len, kept)) >= MOST_OF_LOTS:
            break
    if not sum(map(len, kept)):
        raise UsageError("The other lots have no tested wafer that is not in the lot itself; choose others.")
    return np.concatenate(kept)[:MOST_OF_LOTS], np.concatenate(origins)[:MOST_OF_LOTS]


def _others(beside: Sequence[Lot], seed: int, own: set[str]) -> list[tuple[int, Wafer]]:
    """Return the tested wafers of other lots whose map hash is not in `own`, each map once, in random order."""
    found: dict[str, tuple[int, Wafer]] = {}
    for at, lot in enumerate(beside):
        for wafer in lot:
            if wafer.yield_fraction is not None and wafer.map_hash not in own:
                found.setdefault(wafer.map_hash, (at, wafer))
    wafers = list(found.values())
    return [wafers[i] for i in np.random.default_rng(seed).permutation(len(wafers))]


def _marks(maps: NDArray[np.float32]) -> list[bytes]:
    return [hashlib.sha256(np.ascontiguousarray(wafer).tobytes()).digest() for wafer in maps]


def _first(mark: bytes, known: set[bytes]) -> bool:
    """Whether a map is met for the first time; it is known afterwards."""
    if mark in known:
        return False
    known.add(mark)
    return True
