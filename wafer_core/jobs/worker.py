"""The worker: one process that advances the most urgent job step by step, and survives its server."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from wafer_core.distill_lot.kept import CHECKPOINT
from wafer_core.errors import OutdatedRun, WaferDistillError, lacks_memory
from wafer_core.jobs.bench import Bench
from wafer_core.jobs.folders import clear_runs, drop_run_folder, run_folder, scratch
from wafer_core.jobs.logbook import note
from wafer_core.jobs.tasks import TASKS, Task
from wafer_core.workspace import JobRow, State, Workspace

PAUSE = 0.05
"""Seconds between two looks at an empty queue."""

MACHINE = (OSError, sqlite3.OperationalError)
"""Faults of the machine, such as a full disk, that are no fault of what was asked for and pass."""

RETRY = 5.0
"""Seconds between two attempts to use a workspace that cannot be written."""

GONE = 60.0
"""Seconds for which a workspace's folder may be away, as on a share that connects anew."""

log = logging.getLogger(__name__)


class Worker:
    """Holds the jobs that have begun; each is a generator that stands still while another goes on."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.bench = Bench(workspace)
        self.tasks: dict[int, Task] = {}

    def begin_anew(self, stopped: bool = True) -> None:
        """Put back what was left running, and clear away what runs that are over left.

        Args:
            stopped: whether it was left by a worker that is gone, and not by this one.
        """
        for job_id in list(self.tasks):
            with suppress(*MACHINE):
                self._leave(job_id)
        for job_id in self.workspace.requeue_orphans(stopped):
            log.warning("job %d is queued again", job_id)
        clear_runs(self.workspace)

    def turn(self) -> bool:
        """Advance the most urgent job by one step; return False when there is none."""
        for job_id in self.workspace.jobs_to_cancel():
            self._drop(job_id, "cancelled", "Cancelled.")
        for job_id in self.workspace.jobs_to_pause():
            self._hold(job_id)
        job = self.workspace.most_urgent()
        if job is None:
            return False
        if job.id in self.tasks or self._begin(job):
            self._advance(job)
        return True

    def _begin(self, job: JobRow) -> bool:
        if not self.workspace.begin_job(job.id):
            return False
        log.info("job %d begins: %s %s", job.id, job.kind, job.payload)
        self.tasks[job.id] = TASKS[job.kind](self.bench, job)
        return True

    def _advance(self, job: JobRow) -> None:
        try:
            next(self.tasks[job.id])
        except StopIteration as finished:
            self._drop(job.id, "done", finished.value)
        except WaferDistillError as problem:
            self._fail(job, problem, str(problem))
        except Exception as fault:
            log.exception("job %d failed", job.id)
            self._fail(job, fault, _sentence(fault, self.workspace))

    def _fail(self, job: JobRow, fault: Exception, sentence: str) -> None:
        """End a job that cannot go on; a run stands still instead where another try can do better, or has done much."""
        over = isinstance(fault, OutdatedRun)
        if job.kind == "distil" and not over and (_of_the_machine(fault) or self._has_kept(job.id)):
            self._hold(job.id, f"{sentence} The run keeps what it has done; resume it once that is mended.")
        else:
            self._drop(job.id, "failed", sentence)

    def _has_kept(self, job_id: int) -> bool:
        """Whether a run has left anything that would be lost with it."""
        return (run_folder(self.workspace, job_id) / CHECKPOINT).exists()

    def _hold(self, job_id: int, message: str = "") -> None:
        """Leave a task where it is; what it has to keep it keeps as it is closed."""
        self._leave(job_id)
        self.workspace.pause_job(job_id, message)
        self._note(job_id, f"paused: {message}" if message else "paused")
        log.info("job %d is paused %s", job_id, message)

    def _leave(self, job_id: int) -> None:
        task = self.tasks.pop(job_id, None)
        if task is not None:
            task.close()

    def _drop(self, job_id: int, state: State, message: str) -> None:
        self._leave(job_id)
        drop_run_folder(self.workspace, job_id)
        self._note(job_id, f"{state}: {message}")
        self.workspace.end_job(job_id, state, message)
        log.info("job %d is %s: %s", job_id, state, message)

    def _note(self, job_id: int, line: str) -> None:
        """Write into the log of a run; other jobs keep none."""
        job = self.workspace.job(job_id)
        if job is not None and job.kind == "distil":
            # Where the disk is full the row has to do.
            with suppress(OSError):
                note(self.workspace, job_id, line)


def serve(root: Path, idle: float) -> None:
    """Work until nothing has been asked for during `idle` seconds, or the workspace's folder is gone for good.

    While the workspace cannot be written, as on a full disk, nothing can be told of a job either: it is tried again
    until it can.

    The caller holds the workspace's worker lock.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    workspace = Workspace(root)
    worker = Worker(workspace)
    rested, warm, begins, fault = time.monotonic(), False, True, ""
    away: float | None = None
    while time.monotonic() - rested < idle:
        try:
            if not root.exists():
                away = time.monotonic() if away is None else away
                if time.monotonic() - away > GONE:
                    break
                time.sleep(PAUSE)
                continue
            away = None
            if begins:
                worker.begin_anew(stopped=not fault)
                # Whatever is made for a moment stands there, where the next worker finds what a kill left of it.
                tempfile.tempdir = str(scratch(workspace))
                begins, fault = False, ""
            if worker.turn():
                rested = time.monotonic()
            elif not warm:
                warm = _warm_up()
            else:
                time.sleep(PAUSE)
        except MACHINE as problem:
            # Said once, for the disk may be full.
            if fault != str(problem):
                log.exception("the workspace cannot be used")
            rested, begins, fault = time.monotonic(), True, str(problem) or "unknown"
            time.sleep(RETRY)
    workspace.close()


def work_waits(root: Path) -> bool:
    """Return whether anything is queued in the workspace at `root`."""
    if not root.exists():
        return False
    workspace = Workspace(root)
    try:
        return workspace.most_urgent() is not None
    finally:
        workspace.close()


def _warm_up() -> bool:
    """Load what the first explanation would otherwise wait for."""
    import wafer_core.explain.gradients  # noqa: F401

    return True


def _of_the_machine(fault: Exception) -> bool:
    """Return whether another try can do better: the machine was short of something."""
    return isinstance(fault, MACHINE) or lacks_memory(fault)


def _sentence(fault: Exception, workspace: Workspace) -> str:
    """Return what the engineer is told of a fault that is nobody's answer to give; the log has the rest."""
    where = f"the details are in {workspace.logs / 'worker.log'}"
    if lacks_memory(fault):
        return f"The machine has too little memory for this; {where}."
    if isinstance(fault, OSError) and fault.strerror:
        return f"The system refused a file ({fault.strerror}); {where}."
    if isinstance(fault, sqlite3.OperationalError):
        return f"The workspace could not be written ({fault}); {where}."
    return f"A fault in the program ended this ({type(fault).__name__}); {where}."
