"""What a distillation looks at: the lot's canonical maps, those held out, a pool, and the teacher's answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import CHANNELS, canonical
from wafer_core.distill.settings import Settings
from wafer_core.distill_lot.judged import judging, so_many
from wafer_core.distill_lot.pool import AT_ONCE, Called, Pool, origin, pooled
from wafer_core.distill_lot.watched import watched
from wafer_core.errors import UnusableLot
from wafer_core.held_out import held_out
from wafer_core.lot import Lot, Wafer
from wafer_core.models.asking import network_logits
from wafer_core.models.networks import Network

MOST_CALIBRATION = 400
"""Maps, half of the lot and half of the pool, that thresholds are matched on; int8 is calibrated on every other one."""

_MOST_KNOWN = 512
"""Maps of the pool from which novelty is told, and as many to tell what is ordinary; of the lot the same."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Canonical maps float32 (n, 2, S, S) by their use, and what the teacher says of some: logits (n, 8).

    Args:
        learned: of the lot, to learn from.
        watched: of the lot, those drawn from the held out to look at while a student learns.
        names: of the wafers of `watched`.
        held_out: how many maps of the lot are held out, watched or not.
        withheld: how many tested wafers, of the lot and of other lots, are in no use because students are judged
            by them.
        origins: the lots, as a card says it: how many maps of each are learned or held out.
        pool: learned beside the lot.
        watched_logits: the teacher's of `watched`.
        calibration_logits: the teacher's of `calibration`.
        mark: of which wafers are learned, watched and replayed, whatever machine looks at them.
    """

    learned: NDArray[np.float32]
    watched: NDArray[np.float32]
    names: tuple[str, ...]
    held_out: int
    withheld: int
    origins: tuple[dict[str, Any], ...]
    pool: Pool
    watched_logits: NDArray[np.float32]
    calibration_logits: NDArray[np.float32]
    mark: str

    @property
    def calibration(self) -> NDArray[np.float32]:
        """The maps that thresholds are matched on."""
        return _calibration(self.learned, self.pool)

    def watched_in(self, order: NDArray[np.intp]) -> Maps:
        """Return the same with the watched wafers in another order."""
        names = tuple(self.names[i] for i in order)
        return replace(self, watched=self.watched[order], names=names, watched_logits=self.watched_logits[order])

    @property
    def known(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Maps such as the student learns, and ordinary ones beside them, from which novelty is told.

        The lot's wafers and the pool's count alike, however few the lot's are. The latter are told apart here
        alone; of the lot, those held out are ordinary.
        """
        half = min(len(self.pool.maps) // 2, _MOST_KNOWN)
        if not half:
            return self.learned, self.watched
        return (
            np.concatenate([_as_many(self.learned, half), self.pool.maps[:half]]),
            np.concatenate([_as_many(self.watched, half), self.pool.maps[half : 2 * half]]),
        )


def gather(
    lots: Sequence[Lot], teacher: Network, called: Called, size: int, settings: Settings, beside: Sequence[Lot] = ()
) -> Generator[str, None, Maps]:
    """Return the maps of a run; every part of the work is named before it begins.

    Args:
        lots: whose tested wafers to look at, but for those that students are judged by; equal maps count once, and
            labels are not read.
        teacher: whom to ask.
        called: what it calls on canonical maps, at its own thresholds.
        size: rows and columns of the canonical map.
        settings: which wafers are left out, which pool stands beside them, drawn by which seed, and the budget
            that decides how many wafers are watched.
        beside: other lots, for a pool that takes some.

    Raises:
        UnusableLot: no wafer has a tested die, or none that may be learned from and was not left out.
        UnknownWafer: a wafer to leave out is in none of the lots.
        UsageError: the other lots hold no wafer that may be learned from.
    """
    wafers = [wafer for lot in lots for wafer in lot if wafer.scorable]
    if not wafers:
        raise UnusableLot("There is nothing to distil from: no wafer of the lot has a tested die.")
    left_out = _left_out(lots, settings.without)
    others = [wafer for lot in beside for wafer in lot if wafer.scorable]
    judged = judging([*wafers, *others])
    withheld = _count(wafers, judged)
    # Of equal maps the last stands for all, so that one left out does not take its like along.
    own = _distinct([*wafers, *(wafer for wafer in wafers if wafer.name not in left_out)])
    taken = np.array([wafer.name not in left_out and wafer.map_hash not in judged for wafer in own])
    if not taken.any():
        raise UnusableLot(f"There is nothing to distil from: {_nothing_left(withheld, len(wafers))}.")
    withheld += _count(others, judged)
    if withheld:
        yield f"leave out {so_many(withheld)}"
    maps = yield from _looked_at(own, size)
    pool = yield from pooled(settings, size, beside, own, maps, called, judged)
    used, seen = [own[i] for i in np.flatnonzero(taken)], maps[taken]
    kept = held_out(used)
    learned = seen[~kept]
    looked = watched(used, kept, settings.budget)
    watched_logits = yield from _asked(teacher, seen[looked])
    calibration_logits = yield from _asked(teacher, _calibration(learned, pool))
    named = tuple(used[i].name for i in looked)
    origins = _origins(lots, {wafer.map_hash for wafer in used})
    return Maps(
        learned=learned,
        watched=seen[looked],
        names=named,
        held_out=int(kept.sum()),
        withheld=withheld,
        origins=origins,
        pool=pool,
        watched_logits=watched_logits,
        calibration_logits=calibration_logits,
        mark=_mark([used[i].map_hash for i in np.flatnonzero(~kept)], [used[i].map_hash for i in looked], pool.data),
    )


def _mark(learned: Sequence[str], watched: Sequence[str], pool: Sequence[Mapping[str, Any]]) -> str:
    """Return a mark of what is learned, watched and replayed: of the wafers, as sums differ from machine to machine."""
    return hashlib.sha256(json.dumps([learned, watched, list(pool)], sort_keys=True).encode()).hexdigest()


def _looked_at(wafers: Sequence[Wafer], size: int) -> Generator[str, None, NDArray[np.float32]]:
    """Return the canonical maps of wafers, a few at a time: of large grids they take their time."""
    maps = np.empty((len(wafers), CHANNELS, size, size), np.float32)
    for start in range(0, len(wafers), AT_ONCE):
        yield "look at the wafers"
        some = slice(start, start + AT_ONCE)
        maps[some] = canonical(wafers[some], size)
    return maps


def _count(wafers: Sequence[Wafer], judged: set[str]) -> int:
    return sum(wafer.map_hash in judged for wafer in wafers)


def _nothing_left(withheld: int, tested: int) -> str:
    """Return why none of so many tested wafers may be learned from."""
    if not withheld:
        return "every wafer with a tested die was left out"
    if withheld == tested:
        return f"its only wafers with a tested die are {so_many(withheld)}"
    return f"every wafer with a tested die was left out, or is one of {so_many(withheld)}"


def _origins(lots: Sequence[Lot], taken: set[str]) -> tuple[dict[str, Any], ...]:
    """Return what a card says of lots; a map that several of them hold counts for the first."""
    left, found = set(taken), []
    for lot in lots:
        here = left & {wafer.map_hash for wafer in lot}
        left -= here
        found.append(origin(lot, len(here)))
    return tuple(found)


def _left_out(lots: Sequence[Lot], names: Sequence[str]) -> set[str]:
    """Return the full names of wafers that are called by `WAFER` or `LOT/WAFER`."""
    every = Lot("the lot", tuple(wafer for lot in lots for wafer in lot))
    whole = {wafer.name for wafer in every}
    return {name if name in whole else every.wafers[every.position(name)].name for name in names}


def _distinct(wafers: Sequence[Wafer]) -> list[Wafer]:
    return list({wafer.map_hash: wafer for wafer in wafers}.values())


def _asked(teacher: Network, maps: NDArray[np.float32]) -> Generator[str, None, NDArray[np.float32]]:
    """Return the teacher's logits (n, 8), asked for a few maps at a time."""
    logits = [np.empty((0, teacher.head.out_features), np.float32)]
    for start in range(0, len(maps), AT_ONCE):
        yield "ask the teacher"
        logits.append(network_logits(teacher, maps[start : start + AT_ONCE]))
    return np.concatenate(logits)


def _as_many(maps: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return `count` maps, the same ones again where they are fewer, or none of none."""
    return maps[np.arange(count if len(maps) else 0) % max(len(maps), 1)]


def _calibration(learned: NDArray[np.float32], pool: Pool) -> NDArray[np.float32]:
    half = MOST_CALIBRATION // 2
    return np.concatenate([learned[:half], pool.maps[:half]])
