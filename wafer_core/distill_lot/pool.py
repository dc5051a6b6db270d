"""The wafers that stand beside a lot, shipped or of other lots, so that a small one makes no student forget."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import CHANNELS, canonical
from wafer_core.distill.settings import WITH_LOTS, WITH_SHIPPED, Settings
from wafer_core.distill_lot.judged import judging, so_many
from wafer_core.errors import UsageError
from wafer_core.known_wafers import KnownWafers
from wafer_core.lot import Lot, Wafer
from wafer_core.patterns import PATTERNS
from wafer_core.readers import read_paths
from wafer_core.synthesis.unlabelled import Unlabelled

REPLAY = Path(__file__).resolve().parents[2] / "assets" / "replay" / "replay.npz"
"""Real wafers that shipped models learned from, without labels."""

REPLAYED, REPLAYED_NAME = 2048, "views and overlays of those, and simulated mixed wafers"
"""How many maps are drawn from them in the way in which shipped students learn, and what a card calls these."""

MOST_OF_LOTS = 2048
"""Maps of other lots that stand beside the lot; of more, so many are drawn."""

AT_ONCE = 64
"""Maps that are made or asked about without a pause."""

_LONGEST_TITLE = 200

Called = Callable[[NDArray[np.float32]], NDArray[np.bool_]]
"""Canonical maps float32 (n, 2, S, S) to what a teacher calls on each, bool (n, 8)."""


@dataclass(frozen=True, eq=False)
class Pool:
    """What is learned beside a lot.

    Args:
        maps: canonical maps to replay, float32 (n, 2, S, S).
        shipped: bool (n,), those drawn as shipped students learned them; the others are of the engineer's own lots.
        data: where they come from, as a card says it.
    """

    maps: NDArray[np.float32]
    shipped: NDArray[np.bool_]
    data: tuple[dict[str, Any], ...] = ()


def origin(lot: Lot, maps: int) -> dict[str, Any]:
    """Return what a card says of a lot of which so many maps were looked at, its title as a card can hold it."""
    title = re.sub(r"[\x00-\x1f]", " ", lot.title)[:_LONGEST_TITLE].strip() or "a lot"
    return {"name": title, "sha256": lot.lot_hash, "labels": False, "maps": maps}


def check_pool(settings: Settings, beside: Sequence[Lot]) -> None:
    """Find out whether a pool that takes other lots was given some.

    Raises:
        UsageError: it was given none, or a pool that takes none was given some.
    """
    if settings.pool in WITH_LOTS and not beside:
        raise UsageError(f"The pool {settings.pool!r} takes wafers of other lots; name at least one.")
    if settings.pool not in WITH_LOTS and beside:
        raise UsageError(f"The pool {settings.pool!r} takes no other lot; choose the pool 'lots' or 'both'.")


def pooled(
    settings: Settings,
    size: int,
    beside: Sequence[Lot],
    own: Sequence[Wafer],
    seen: NDArray[np.float32],
    called: Called,
    judged: set[str],
) -> Generator[str, None, Pool]:
    """Return the maps beside a lot; every part of the work is named before it begins.

    Args:
        settings: which pool, and the seed it is drawn with.
        size: rows and columns of the canonical map.
        beside: the other lots; labels are not read.
        own: the tested wafers of the lot itself, held out and left out ones too; no map of theirs is in the pool, nor
            any of these wafers in another turn.
        seen: their canonical maps, float32 (n, 2, S, S).
        called: the teacher, asked so that rare patterns of shipped wafers come more often.
        judged: hashes of maps, of the lot and of the others, that students are judged by; none of them is in the pool.

    Raises:
        UsageError: the other lots hold no tested wafer that may be learned from and is not in the lot itself.
    """
    known = set(_marks(seen))
    wafers = KnownWafers(own)
    parts: list[Pool] = []
    if settings.pool in WITH_SHIPPED:
        parts.append((yield from _shipped(settings.seed, size, wafers, known, called)))
    if settings.pool in WITH_LOTS:
        parts.append((yield from _of_lots(_others(beside, settings.seed, judged, wafers), beside, size, known)))
        if not len(parts[-1].maps):
            raise UsageError(_nothing_beside(sum(wafer.map_hash in judged for lot in beside for wafer in lot)))
    if not parts:
        return Pool(np.empty((0, CHANNELS, size, size), np.float32), np.empty(0, np.bool_))
    # The maps of one part are not copied: there are megabytes of them.
    maps = np.concatenate([part.maps for part in parts]) if len(parts) > 1 else parts[0].maps
    shipped = np.concatenate([part.shipped for part in parts])
    # Thresholds are matched on the first of them, so all kinds have to be among those.
    for each in (maps, shipped):
        np.random.default_rng(settings.seed).shuffle(each)
    return Pool(maps, shipped, tuple(each for part in parts for each in part.data))


def _nothing_beside(withheld: int) -> str:
    """Return why other lots bring nothing."""
    but = f" but for {so_many(withheld)}" if withheld else ""
    return f"The other lots have no tested wafer that is not in the lot itself{but}; choose others."


def _shipped(seed: int, size: int, own: KnownWafers, known: set[bytes], called: Called) -> Generator[str, None, Pool]:
    """Return views and overlays of shipped wafers that are not in the lot itself, and simulated wafers."""
    yield "read shipped wafers"
    lot = read_paths([REPLAY])
    maps, barred = canonical(lot.wafers, size), judging(lot)
    free = [
        i
        for i, (wafer, mark) in enumerate(zip(lot, _marks(maps), strict=True))
        if mark not in known and wafer.map_hash not in barred and wafer not in own
    ]
    calls = [np.empty((0, len(PATTERNS)), np.bool_)]
    for start in range(0, len(free), AT_ONCE):
        yield "ask the teacher"
        calls.append(called(maps[free[start : start + AT_ONCE]]))
    mixture = Unlabelled([lot.wafers[i].states for i in free], size, seed, AT_ONCE, np.concatenate(calls))
    replayed = np.empty((REPLAYED, CHANNELS, size, size), np.float32)
    for start, (chunk,) in zip(range(0, REPLAYED, AT_ONCE), mixture, strict=False):
        yield "draw wafers to replay"
        part = replayed[start : start + AT_ONCE]
        np.divide(chunk[: len(part)].numpy(), np.float32(255), out=part)
    data = (
        origin(lot, len(free)),
        {"name": REPLAYED_NAME, "labels": False, "maps": len(replayed)},
    )
    return Pool(replayed, np.ones(len(replayed), np.bool_), data)


def _of_lots(
    drawn: Sequence[tuple[int, Wafer]], lots: Sequence[Lot], size: int, known: set[bytes]
) -> Generator[str, None, Pool]:
    """Return up to `MOST_OF_LOTS` distinct maps of wafers drawn from lots whose marks are not `known` yet."""
    kept, origins = [np.empty((0, CHANNELS, size, size), np.float32)], [np.empty(0, np.intp)]
    for start in range(0, len(drawn), AT_ONCE):
        yield "read other wafers"
        part = drawn[start : start + AT_ONCE]
        maps = canonical([wafer for _, wafer in part], size)
        # Two grids may give the same map, and what is held out goes by the map.
        free = np.array([_first(mark, known) for mark in _marks(maps)])
        kept.append(maps[free])
        origins.append(np.array([at for at, _ in part], np.intp)[free])
        if sum(map(len, kept)) >= MOST_OF_LOTS:
            break
    counts = np.bincount(np.concatenate(origins)[:MOST_OF_LOTS], minlength=len(lots))
    data = tuple(origin(lot, int(count)) for lot, count in zip(lots, counts, strict=True) if count)
    maps = np.concatenate(kept)[:MOST_OF_LOTS]
    return Pool(maps, np.zeros(len(maps), np.bool_), data)


def _others(beside: Sequence[Lot], seed: int, judged: set[str], own: KnownWafers) -> list[tuple[int, Wafer]]:
    """Return the tested wafers of other lots, each map once, in random order; none that is `judged` by or its `own`."""
    found: dict[str, tuple[int, Wafer]] = {}
    for at, lot in enumerate(beside):
        for wafer in lot:
            if wafer.scorable and wafer.map_hash not in judged and wafer not in own:
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
