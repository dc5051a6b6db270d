"""Waiting for a worker, starting one as a page does, and killing it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from wafer_core import jobs
from wafer_core.jobs.worker import Worker
from wafer_core.workspace import JobRow, Workspace

ROOT = Path(__file__).resolve().parents[2]
TEACHER, STUDENT = "tiny-untrained", "tiny-untrained-int8"
ENDLESS = {"size": "tiny", "budget": 500.0, "steps": 1_000_000}
"""A distillation that is still running whenever a test looks."""
SHORT = {"size": "tiny", "budget": 500.0, "steps": 4}


def eventually(condition: Callable[[], object], workspace: Workspace, seconds: float = 240) -> None:
    """Wait for something, starting workers as a page does at every redraw."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, (
            f"it never came; {workspace.jobs()}; {(workspace.logs / 'worker.log').read_text()}"
        )
        jobs.ensure_worker(workspace)
        time.sleep(0.05)


def ended(workspace: Workspace, job_id: int) -> JobRow:
    eventually(lambda: workspace.job(job_id).over, workspace)
    return workspace.job(job_id)


def running(workspace: Workspace, job_id: int) -> None:
    eventually(lambda: len(workspace.progress(job_id)) >= 2, workspace)


def all_turns(worker: Worker) -> None:
    while worker.turn():
        pass


def trained(workspace: Workspace, job_id: int) -> int:
    """The step a run has reached, 0 before its first."""
    return int(workspace.job(job_id).progress.get("step", 0))


def kill_worker(workspace: Workspace) -> None:
    killed = jobs.worker_pid(workspace)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    while jobs.worker_pid(workspace) == killed:
        time.sleep(0.02)
