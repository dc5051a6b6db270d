"""What `measurements.faults` kills beside the worker: a process that uploads and asks as the pages do, without pause.

It writes down every lot, scoring and run once the workspace has promised it, so that whatever is in the
ledger has to be there after any kill.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from measurements.inputs import simulated_maps
from wafer_core import jobs
from wafer_core.readers import NamedBytes
from wafer_core.workspace import WAITING, Workspace

TEACHER, STUDENT = "teacher", "student-int8"
WAFERS = 12
WAITING_RUNS = 2
"""More than so many are not asked for: what is to be disturbed is work, not a queue."""
SCORED = 8
"""Of so many lots one is scored: scorings go before runs, which would never get their turn otherwise."""

RUNS: tuple[dict[str, Any], ...] = (
    {"size": "tiny", "budget": 600.0, "steps": 60, "pool": "none", "seed": 0},
    {"size": "small", "budget": 600.0, "steps": 40, "pool": "none", "seed": 1},
)
"""Runs as short as can be disturbed in every part; equal ones have to end in equal weights."""


class Ledger:
    """What was promised, a JSON line each, on the disk before anything else happens."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def promise(self, kind: str, of: str | int) -> None:
        """Write down a lot, a scoring or a run."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "of": of}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def promised(self, kind: str) -> list[Any]:
        """Return everything of a kind; a line that a kill cut short was no promise yet."""
        return [entry["of"] for entry in self._entries() if entry["kind"] == kind]

    def _entries(self) -> Iterator[Mapping[str, Any]]:
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def lot_file(seed: int) -> NamedBytes:
    """Return an npz of simulated wafers, another one for every seed."""
    file = io.BytesIO()
    np.savez_compressed(file, maps=simulated_maps(WAFERS, seed))
    return NamedBytes(f"lot-{seed}.npz", file.getvalue())


def serve(ledger: Ledger, seed: int) -> None:
    """Upload lots, ask for scores and runs and keep a worker alive, until killed."""
    workspace = Workspace()
    # Runs are of one lot, so that equal settings mean equal weights.
    lots = [workspace.read_upload([lot_file(0)])]
    ledger.promise("lot", lots[0])
    while True:
        seed += 1
        file = lot_file(seed)
        lots.append(workspace.read_upload([file]))
        ledger.promise("lot", lots[-1])
        if seed % SCORED == 0:
            model = (TEACHER, STUDENT)[seed // SCORED % 2]
            ledger.promise("score", jobs.submit_score(workspace, lots[-1], model))
        if len(workspace.jobs("distil", WAITING)) < WAITING_RUNS:
            ledger.promise("run", jobs.submit_distil(workspace, lots[0], RUNS[seed % len(RUNS)], TEACHER))
        jobs.ensure_worker(workspace)
        time.sleep(0.5)


def main() -> None:
    """Serve as the command line says; only `measurements.faults` starts it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    serve(Ledger(options.ledger), options.seed)


if __name__ == "__main__":
    main()
