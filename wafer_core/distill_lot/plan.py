"""How many steps a budget affords: measured on this machine, in this run, before the first one counts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, process_time
from typing import Any

from wafer_core.distill.loop import Progress
from wafer_core.whole_files import write_whole

_SPARE = 3.0
"""How much longer than its rehearsal the writing may take; on a free machine that is a second or two."""

_LEAVING = 0.5
"""Seconds of a processor that a process takes to leave."""

_LOOKING = 0.05
"""The share of the training that looks at held-out wafers may take."""

_SETTLING = 4.0
"""Seconds that count as if they had gone as planned: a hiccup in the first step says nothing of a machine."""

_MOST_SLOWNESS = 3.0
"""A machine that seems slower than this was called away, and will not be when files are written."""


@dataclass(frozen=True)
class Taken:
    """What some work took: seconds on the clock, and seconds of a processor."""

    wall: float
    processor: float

    @property
    def crowding(self) -> float:
        """How much longer than alone the work took on a machine that others use too; at least 1."""
        return max(self.wall / self.processor, 1.0) if self.processor else 1.0


@dataclass(frozen=True)
class Plan:
    """What a run will do, fixed before its first step and kept through kills and pauses.

    Args:
        steps: how many steps the schedule spans.
        evaluate: steps between two looks at the held-out wafers.
        budget: seconds for everything; None where a number of steps was asked for.
        prepared: seconds spent when training began.
        step_seconds: of one step and its share of a look, as measured.
        writing_seconds: kept for export, int8, thresholds, figures and leaving, from their rehearsal.
        wafer_seconds: what the int8 file of such a student takes to read one wafer, from the same rehearsal;
            0 where nothing was rehearsed.
    """

    steps: int
    evaluate: int = 10
    budget: float | None = None
    prepared: float = 0.0
    step_seconds: float = 0.0
    writing_seconds: float = 0.0
    wafer_seconds: float = 0.0

    @classmethod
    def fitted(cls, budget: float, prepared: float, step: float, look: float, writing: Taken) -> Plan:
        """Return the plan of a budget from measured seconds: of a step, of a look, and of the writing."""
        evaluate = max(10, math.ceil(look / (_LOOKING * step)))
        pace = step + look / evaluate
        kept = _SPARE * (writing.wall + _LEAVING * writing.crowding)
        return cls(max(int((budget - prepared - kept) / pace), 1), evaluate, budget, prepared, pace, kept)

    @classmethod
    def kept(cls, path: Path) -> Plan | None:
        """Return the plan that an earlier part of the run left at `path`, or None."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, path: Path) -> None:
        """Leave the plan at `path` for whoever takes the run up again."""
        write_whole(path, json.dumps(asdict(self)).encode())

    def spent_by(self, progress: Progress) -> bool:
        """Whether a run that has come so far must write now to end within its budget.

        A machine that got slower since it was measured is slower at writing too.
        """
        if self.budget is None:
            return False
        slowness = (progress.seconds + _SETTLING) / (progress.step * self.step_seconds + _SETTLING)
        writing = self.writing_seconds * min(max(slowness, 1.0), _MOST_SLOWNESS)
        return self.prepared + progress.seconds + writing > self.budget

    @property
    def note(self) -> str:
        """What was planned and why, in a few words."""
        steps = f"{self.steps:,} step{'' if self.steps == 1 else 's'}"
        if self.budget is None:
            return f"{steps}, as asked for"
        pace, kept = 1000 * self.step_seconds, self.writing_seconds
        return f"{steps} planned at {pace:.0f} ms each, {kept:.0f} s of {self.budget:.0f} s kept for writing"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def timed(work: Iterable[object]) -> Iterator[Taken]:
    """Take every item of some work and say what it took; what happens between two items does not count."""
    going, end = iter(work), object()
    item: object = None
    while item is not end:
        began, busy = monotonic(), process_time()
        item = next(going, end)
        yield Taken(monotonic() - began, process_time() - busy)
