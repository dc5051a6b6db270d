"""Kills (SIGKILL) at random instants over worker and server while distillations, scorings and uploads run.

Afterwards whatever was promised is let come to its end and is counted: no lot, no run and no scoring may
be lost, no model half written, and equal runs have to end in equal weights however often they were killed.
Repeat with `python -m measurements.faults --kills 50 --seed 0`. The server is a process that does what the
pages do, `measurements.fault_server`; the browser tests kill the real one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from measurements.fault_server import Ledger
from measurements.inputs import scratch
from measurements.timing import ROOT, say, table, verdict
from wafer_core import jobs
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.workspace import WAITING, Workspace
from wafer_core.workspace.job_rows import ATTEMPTS

PATIENCE = 1800.0
"""Seconds after the last kill in which all that was asked for has to end."""

LONGEST = 20.0
"""Seconds between two kills at most: about what a run takes from its first to its last file."""


@dataclass(frozen=True)
class Tally:
    """What was promised and what became of it; everything that says `lost`, `half` or `unlike` has to be 0."""

    lots: int = 0
    lots_lost: int = 0
    scorings: int = 0
    scorings_lost: int = 0
    runs: int = 0
    runs_lost: int = 0
    models: int = 0
    models_half_written: int = 0
    unlike_weights: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was lost."""
        return not (
            self.lots_lost or self.scorings_lost or self.runs_lost or self.models_half_written or self.unlike_weights
        )


def audit(workspace: Workspace, ledger: Ledger) -> Tally:
    """Count what became of everything promised, reading every file of it."""
    lots, scorings, runs = (set(ledger.promised(kind)) for kind in ("lot", "score", "run"))
    # A lot that was kept but not promised yet has to be whole as well.
    lots |= {row.id for row in workspace.lots()}
    folders = [folder for folder in sorted(workspace.student_root.iterdir()) if folder.is_dir()]
    return Tally(
        lots=len(lots),
        lots_lost=sum(not _whole_lot(workspace, lot) for lot in lots),
        scorings=len(scorings),
        scorings_lost=sum(not _scored(workspace, job) for job in scorings),
        runs=len(runs),
        runs_lost=sum(not _made_a_student(workspace, job) for job in runs),
        models=len(folders),
        models_half_written=sum(not _whole_model(folder) for folder in folders),
        unlike_weights=_unlike(workspace, runs),
    )


def _whole_lot(workspace: Workspace, lot: str) -> bool:
    """Whether a lot is there and its wafers are those its id was made of, which reading it checks."""
    try:
        return len(workspace.lot(lot)) > 0
    except (WaferDistillError, OSError):
        return False


def _scored(workspace: Workspace, job_id: int) -> bool:
    job = workspace.job(job_id)
    if job is None or job.state != "done":
        return False
    if not _whole_lot(workspace, job.lot):
        return False
    maps = [wafer.map_hash for wafer in workspace.lot(job.lot)]
    return bool(workspace.scored(job.payload["sha256"], maps).all())


def _made_a_student(workspace: Workspace, job_id: int) -> bool:
    job = workspace.job(job_id)
    return job is not None and job.state == "done" and _whole_model(workspace.student_root / str(job.name))


def _whole_model(folder: Path) -> bool:
    """Whether a folder holds a card and every file it names, byte for byte."""
    try:
        files = files_of(folder)
        return len(files) == 3 and all(map(_unharmed, files)) and (folder / "run.json").exists()
    except (WaferDistillError, OSError):
        return False


def _unharmed(file: ModelFile) -> bool:
    return hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256


def _unlike(workspace: Workspace, runs: set[int]) -> int:
    """Return how many students differ from the first that the same settings made."""
    first: dict[str, str] = {}
    unlike = 0
    for job in filter(None, map(workspace.job, sorted(runs))):
        if _made_a_student(workspace, job.id):
            trained = workspace.model(str(job.name)).sha256
            unlike += first.setdefault(repr((job.lot, job.payload)), trained) != trained
    return unlike


# Killing -----------------------------------------------------------------------------------------


def kill(count: int, seed: int, folder: Path, ledger: Ledger) -> Counter[str]:
    """Kill worker or server so often, at random instants, and return how often each and what was going on."""
    chance, killed = random.Random(seed), Counter[str]()
    workspace = Workspace()
    server = _server(folder, ledger, seed=1)
    try:
        while killed.total() < count:
            time.sleep(chance.uniform(0.0, LONGEST))
            if chance.random() < 0.3:
                server.kill()
                server.wait()
                killed["server"] += 1
                server = _server(folder, ledger, seed=1000 * (killed.total() + 1))
            else:
                killed[f"worker {_kill_worker(workspace)}"] += 1
            say(f"{killed.total()} of {count} kills")
    finally:
        server.kill()
        server.wait()
        workspace.close()
    return killed


def _server(folder: Path, ledger: Ledger, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "measurements.fault_server", "--ledger", str(ledger.path), "--seed", str(seed)]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def _kill_worker(workspace: Workspace) -> str:
    """Kill the worker as soon as there is one, and return what it was at.

    What loses its worker too often without getting any further is given up on purpose: so near to that a
    job is let go on first.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        pid = jobs.worker_pid(workspace)
        running = workspace.jobs(states=["running"])
        if pid is not None and all(job.attempts < ATTEMPTS - 1 for job in running):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                # The next worker holds the lock already and has not said its number yet.
                continue
            return " and ".join(sorted(str(job.progress.get("stage", job.kind)) for job in running)) or "at nothing"
        time.sleep(0.05)
    raise SystemExit("No worker came back to be killed.")


def finish(workspace: Workspace) -> None:
    """Let all that was asked for come to its end, starting workers as a page does."""
    deadline = time.monotonic() + PATIENCE
    while workspace.jobs(states=WAITING) and time.monotonic() < deadline:
        jobs.ensure_worker(workspace)
        time.sleep(0.5)


def repeat(workspace: Workspace, ledger: Ledger) -> None:
    """Ask once more for every run that was disturbed, for its weights to be compared with."""
    disturbed = {repr((job.lot, job.payload)): job for job in map(workspace.job, ledger.promised("run")) if job}
    for job in disturbed.values():
        settings = job.payload["settings"]
        ledger.promise("run", jobs.submit_distil(workspace, job.lot, settings, job.payload["teacher"]))


@contextmanager
def _opened() -> Iterator[Workspace]:
    workspace = Workspace()
    try:
        yield workspace
    finally:
        pid = jobs.worker_pid(workspace)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        workspace.close()


def main() -> None:
    """Kill, let everything end, and print the tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the instants and of whom to kill")
    options = parser.parse_args()
    with scratch() as folder:
        ledger = Ledger(folder / "ledger.jsonl")
        killed = kill(options.kills, options.seed, folder, ledger)
        with _opened() as workspace:
            say("Letting everything come to its end")
            finish(workspace)
            say("Repeating every run undisturbed")
            repeat(workspace, ledger)
            finish(workspace)
            tally = audit(workspace, ledger)
    table(sorted(killed.items()), head=("killed", "times"))
    print()
    rows = [(name.replace("_", " "), number) for name, number in asdict(tally).items()]
    table(rows, head=("after it", "count"))
    verdict(f"no lot, run or scoring lost and no half-written model after {killed.total()} kills.", tally.sound)


if __name__ == "__main__":
    main()
