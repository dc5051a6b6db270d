"""What a distillation looks at: the lot's canonical maps, those held out, simulated ones, and the teacher's answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import CHANNELS, canonical, canonical_states
from wafer_core.distill import Settings, held_out
from wafer_core.errors import UnusableLot
from wafer_core.lot import Lot, Wafer
from wafer_core.models.networks import Network
from wafer_core.models.saving import network_logits
from wafer_core.synthesis.simulator import mixed_map

REPLAYED = 768
"""Simulated maps that stand beside the lot, so that a small lot does not make the student forget."""

MOST_CALIBRATION = 400
"""Maps, half of the lot and half simulated, that thresholds are matched on; int8 is calibrated on every other one."""

_WATCHED_A_SECOND = 4
_FEWEST_WATCHED, _MOST_WATCHED = 100, 2000
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Maps:
    """Canonical maps float32 (n, 2, S, S) by their use, and what the teacher says of some: logits (n, 8).

    Args:
        learned: of the lot, to learn from.
        watched: of the lot, held out by a hash of the map, to look at while a student learns.
        held_out: how many maps of the lot are held out, watched or not.
        replay: simulated ones, learned beside the lot.
        watched_logits: the teacher's of `watched`.
        calibration_logits: the teacher's of `calibration`.
    """

    learned: NDArray[np.float32]
    watched: NDArray[np.float32]
    held_out: int
    replay: NDArray[np.float32]
    watched_logits: NDArray[np.float32]
    calibration_logits: NDArray[np.float32]

    @property
    def calibration(self) -> NDArray[np.float32]:
        """The maps that thresholds are matched on."""
        return _calibration(self.learned, self.replay)

    @property
    def known(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Maps such as the student learns, and ordinary ones beside them, from which novelty is told.

        Lot and simulated wafers count alike, however few the lot's are. The latter are told apart here
        alone; of the lot, those held out are ordinary.
        """
        half = len(self.replay) // 2
        if not half:
            return self.learned, self.watched
        return (
            np.concatenate([_as_many(self.learned, half), self.replay[:half]]),
            np.concatenate([_as_many(self.watched, half), self.replay[half:]]),
        )


def gather(lots: Sequence[Lot], teacher: Network, size: int, settings: Settings) -> Generator[str, None, Maps]:
    """Return the maps of a run; every part of the work is named before it begins.

    Args:
        lots: whose tested wafers to look at; equal maps count once, and labels are not read.
        teacher: whom to ask.
        size: rows and columns of the canonical map.
        settings: whose seed draws the simulated wafers, and whose budget decides how many wafers are watched.

    Raises:
        UnusableLot: no wafer has a tested die.
    """
    wafers = _distinct([wafer for lot in lots for wafer in lot if wafer.yield_fraction is not None])
    if not wafers:
        raise UnusableLot("There is nothing to distil from: no wafer of the lot has a tested die.")
    seen = canonical(wafers, size)
    kept = held_out(seen)
    replay = yield from _simulated(settings.seed, size, REPLAYED if settings.pool == "simulated" else 0)
    learned = seen[~kept]
    watched = seen[kept][: int(np.clip(_WATCHED_A_SECOND * settings.budget, _FEWEST_WATCHED, _MOST_WATCHED))]
    watched_logits = yield from _asked(teacher, watched)
    calibration_logits = yield from _asked(teacher, _calibration(learned, replay))
    return Maps(learned, watched, int(kept.sum()), replay, watched_logits, calibration_logits)


def _distinct(wafers: Sequence[Wafer]) -> list[Wafer]:
    return list({wafer.map_hash: wafer for wafer in wafers}.values())


def _simulated(seed: int, size: int, count: int) -> Generator[str, None, NDArray[np.float32]]:
    random, drawn = np.random.default_rng(seed), [np.empty((0, CHANNELS, size, size), np.float32)]
    for i in range(count):
        drawn.append(canonical_states(mixed_map(random)[None], size))
        if i % _AT_ONCE == 0:
            yield "simulate"
    return np.concatenate(drawn)


def _asked(teacher: Network, maps: NDArray[np.float32]) -> Generator[str, None, NDArray[np.float32]]:
    """Return the teacher's logits (n, 8), asked for a few maps at a time."""
    logits = [np.empty((0, teacher.head.out_features), np.float32)]
    for start in range(0, len(maps), _AT_ONCE):
        yield "ask the teacher"
        logits.append(network_logits(teacher, maps[start : start + _AT_ONCE]))
    return np.concatenate(logits)


def _as_many(maps: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return `count` maps, the same ones again where they are fewer, or none of none."""
    return maps[np.arange(count if len(maps) else 0) % max(len(maps), 1)]


def _calibration(learned: NDArray[np.float32], replay: NDArray[np.float32]) -> NDArray[np.float32]:
    half = MOST_CALIBRATION // 2
    return np.concatenate([learned[:half], replay[:half]])
