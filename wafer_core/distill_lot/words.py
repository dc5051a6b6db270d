"""What a run tells, as lines that a person reads in a terminal or a log."""

from __future__ import annotations

from wafer_core.distill.loop import Progress
from wafer_core.distill_lot.stages import Examples, Stage

Told = Progress | Stage | Examples
"""Everything a run tells on its way."""


def line(told: Told) -> str:
    """Return one line: `step 64 of 640: loss 0.0123, 231 of 240 held-out wafers agree`."""
    match told:
        case Progress():
            agreed = f"{told.agreed} of {told.held_out} held-out wafers agree"
            return f"step {told.step} of {told.steps}: loss {told.loss:.4f}, {agreed}"
        case Stage():
            return f"{told.name}: {told.note}" if told.note else told.name
        case Examples():
            return f"watched most closely: {', '.join(told.wafers)}" if told.wafers else "no wafer is held out"


def slowed(last: Progress) -> str:
    """Return the sentence on a run that ended before its last step, or nothing."""
    if last.step == last.steps:
        return ""
    at = f"step {last.step:,} of {last.steps:,}"
    return f"The machine slowed down or did other work, so it ended at {at} to keep to its budget."
