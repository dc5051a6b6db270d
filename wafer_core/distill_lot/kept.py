"""What a run keeps of itself, so that it is taken up again in the same words and from the same weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wafer_core.distill.settings import Settings
from wafer_core.errors import OutdatedRun, UsageError
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.whole_files import write_whole

STATE = ASKED, PLAN, CHECKPOINT = "asked.json", "plan.json", "checkpoint.safetensors"
"""The files a run keeps of itself: what it was asked for, what it set out to do, and how far it is."""

_NETWORKS_BEFORE = {"base": "finer-24-48-96-96-96-96-192"}
"""The networks of sizes that had another one in versions that did not write down what a run begins with."""


def asked(
    lots: Sequence[Lot], beside: Sequence[Lot], teacher: ModelFile, settings: Settings, start: ModelFile | None
) -> str:
    """Return what a run is asked for, and what it begins with, as text."""
    hashes = {"lots": [lot.lot_hash for lot in lots], "beside": [lot.lot_hash for lot in beside]}
    usual = asdict(Settings())
    # What is usual stays unsaid, so that a run outlives a version that knows more settings.
    chosen = {name: value for name, value in asdict(settings).items() if value != usual[name]}
    begun = {"network": STUDENT_SIZES[settings.size], "start": start.sha256 if start else None}
    words = {**hashes, "teacher": teacher.sha256, "settings": chosen, "begun": begun}
    return json.dumps(words, default=str, sort_keys=True)


def check_kept(keep: Path, asked: str) -> None:
    """Find out before the work begins whether what is kept was asked for in the same words, and can go on.

    Raises:
        UsageError: it was asked for otherwise.
        OutdatedRun: it began with another network, or with weights that are no longer those to begin with; or what
            it was asked for cannot be read.
    """
    path = keep / ASKED
    if not path.exists():
        return
    kept, now = _read(path), json.loads(asked)
    begins = now.pop("begun")
    began = kept.pop("begun", None)
    kept.pop("wafers", None)  # which nobody has looked at yet
    if kept != now:
        raise UsageError(f"{keep} is left from a run with other options: repeat those, or remove it.")
    if began is None:
        # It was not written down: the weights were those of now, the network perhaps not.
        size = kept["settings"].get("size", Settings().size)
        began = {**begins, "network": _NETWORKS_BEFORE.get(size, STUDENT_SIZES[size])}
    if began != begins:
        raise OutdatedRun(
            "This run was begun with another network or other weights, as an earlier version had them, and cannot go "
            "on; start it again."
        )


def keep_asked(keep: Path, asked: str, mark: str) -> None:
    """Write down what a run is asked for, and the mark of the wafers that it learns, watches and replays."""
    write_whole(keep / ASKED, json.dumps({**json.loads(asked), "wafers": mark}, sort_keys=True).encode())


def check_wafers(keep: Path, mark: str) -> None:
    """Find out before the first step whether what is kept learned, watched and replayed the same wafers.

    What earlier versions kept has no mark and counts as the same.

    Raises:
        OutdatedRun: it did not: what it calls held out now it may have learned.
    """
    path = keep / ASKED
    if path.exists() and _read(path).get("wafers", mark) != mark:
        raise OutdatedRun(
            "This run was begun by another version, which held out or replayed other wafers, and cannot go on; start "
            "it again."
        )


def _read(path: Path) -> dict[str, Any]:
    """Return what a run was asked for.

    Raises:
        OutdatedRun: the file holds something else.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, dict) or not isinstance(words.get("settings"), dict):
        raise OutdatedRun("What this run was asked for cannot be read any more, so it cannot go on; start it again.")
    return words
