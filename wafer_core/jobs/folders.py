"""Where a run keeps what it needs to go on, and where a worker makes what it needs for a moment."""

from __future__ import annotations

import shutil
from pathlib import Path

from wafer_core.workspace import Workspace


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
    """Throw away what runs that are over and workers that are gone left; only for the holder of the worker's lock."""
    kept = {str(job_id) for job_id in workspace.unfinished("distil")}
    for folder in runs_root(workspace).glob("*"):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def scratch(workspace: Workspace) -> Path:
    """Return a folder, made where it is missing, for what a worker needs for a moment and a kill leaves behind."""
    folder = runs_root(workspace) / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
