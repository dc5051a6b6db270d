"""How long a model takes here: timed in a process of its own, so that no page waits for torch to load."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from wafer_core.errors import UnusableLot, WaferDistillError
from wafer_core.ui.shared.words import moment
from wafer_core.workspace import Speed, Workspace

WAFERS, REPEATS = 32, 3
PATIENCE = 180.0
"""Seconds after which a model is given up as too slow to time."""


def measure(workspace: Workspace, lot_id: str, sha256: str) -> Speed:
    """Time a model of the workspace on wafers of a lot, in a process of its own, and keep what it took.

    Raises:
        UnusableLot: the model could not be timed on this lot.
    """
    command = [sys.executable, "-m", "wafer_core.ui.compare.speed", str(workspace.root), lot_id, sha256]
    try:
        done = subprocess.run(
            command,
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise UnusableLot(f"Timing took longer than {PATIENCE:.0f} s and was stopped; try again later.") from exc
    if done.returncode:
        raise UnusableLot(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "Timing failed.")
    speed = Speed(**json.loads(done.stdout), passes=REPEATS, cores=os.cpu_count() or 1, measured=time.time())
    workspace.put_speed(lot_id, sha256, speed)
    return speed


def how(speed: Speed) -> str:
    """Return how and when a speed was measured, as a sentence without its beginning and end."""
    return (
        f"the middle of {speed.wafers} of these wafers, one at a time, from die states to logits, each the median of "
        f"{speed.passes} passes, on one of {speed.cores} cores, {moment(speed.measured, year=True)}"
    )


def main() -> int:
    """Time one model and print milliseconds and wafers as JSON."""
    parser = argparse.ArgumentParser(prog="python -m wafer_core.ui.compare.speed", description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("lot")
    parser.add_argument("sha256")
    arguments = parser.parse_args()
    from wafer_core.benchmark import measure_latency
    from wafer_core.recognise import load_recognizer

    try:
        workspace = Workspace(arguments.workspace)
        wafers = [wafer for wafer in workspace.lot(arguments.lot) if wafer.scorable][:WAFERS]
        if not wafers:
            raise UnusableLot("No wafer of this lot has a tested die, so there is nothing to time.")
        # One thread: on a busy machine two of them mostly wait for each other.
        recognizer = load_recognizer(workspace.model_of(arguments.sha256), threads=1)
        taken = measure_latency(recognizer, wafers, REPEATS)
    except WaferDistillError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(json.dumps({"milliseconds": taken, "wafers": len(wafers)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
