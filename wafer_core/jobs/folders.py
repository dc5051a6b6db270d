"""Where a run keeps what it needs to go on, and where a worker makes what it needs for a moment."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from wafer_core.distill_lot.kept import STATE
from wafer_core.whole_files import PARTIAL
from wafer_core.workspace import Workspace

HALF = "student"
"""What the student is called in a run's folder until it is whole and moves."""

FORGOTTEN = 86_400.0
"""Seconds after which nobody is at work any more at something that is not in its place yet."""


def runs_root(workspace: Workspace) -> Path:
    """Return where runs live until they are over: plans, checkpoints, half-made students, things of a moment."""
    return workspace.root / "runs"


def run_folder(workspace: Workspace, job_id: int) -> Path:
    """Return where one run keeps what it needs to go on after a pause or a kill."""
    return runs_root(workspace) / str(job_id)


def drop_run_folder(workspace: Workspace, job_id: int) -> None:
    """Throw away what a run kept; there may be nothing."""
    shutil.rmtree(run_folder(workspace, job_id), ignore_errors=True)


def clear_runs(workspace: Workspace) -> None:
    """Throw away what runs that are over and workers that are gone left; only for the holder of the worker's lock.

    What nobody of ours has made stays: the workspace may be a folder that holds other things.
    """
    shutil.rmtree(_scratch(workspace), ignore_errors=True)
    kept = {str(job_id) for job_id in workspace.unfinished("distil")}
    for folder in runs_root(workspace).glob("*"):
        if folder.name not in kept and _of_a_run(folder):
            shutil.rmtree(folder, ignore_errors=True)
    for partial in (*workspace.files.partials(), *workspace.student_root.glob(f".*{PARTIAL}")):
        with suppress(FileNotFoundError):  # it is in its place by now
            if time.time() - partial.lstat().st_mtime > FORGOTTEN:
                _remove(partial)


def scratch(workspace: Workspace) -> Path:
    """Return a folder, made where it is missing, for what a worker needs for a moment and a kill leaves behind."""
    folder = _scratch(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _of_a_run(folder: Path) -> bool:
    """Whether a folder is called as those of runs are, and holds something of a run's state and nothing else."""
    if not (re.fullmatch("[0-9]{1,18}", folder.name) and folder.is_dir()):
        return False
    held = {each.name for each in folder.iterdir()}
    return held != {HALF} and all(name in (*STATE, HALF) or name.endswith(PARTIAL) for name in held)


def _scratch(workspace: Workspace) -> Path:
    return runs_root(workspace) / ".scratch"


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)
