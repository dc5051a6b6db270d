"""A run's log: lines with their time, on disk beside the worker's own, kept when the run is over."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from wafer_core.workspace import Workspace

LINES = 25
"""A run says about so many lines of its steps."""


def log_path(workspace: Workspace, job_id: int) -> Path:
    """Return where the log of a run stands, whether there is one or not."""
    return workspace.logs / f"run-{job_id}.log"


def note(workspace: Workspace, job_id: int, line: str) -> None:
    """Put a line with the time at the end of a run's log."""
    with log_path(workspace, job_id).open("a", encoding="utf-8") as log:
        log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {line}\n")


def log_lines(workspace: Workspace, job_id: int) -> tuple[str, ...]:
    """Return the lines of a run's log so far, oldest first."""
    try:
        return tuple(log_path(workspace, job_id).read_text(encoding="utf-8").splitlines())
    except OSError:
        return ()
