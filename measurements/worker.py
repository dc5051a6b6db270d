"""What small and large lots ask of the worker: `python -m measurements.worker [--wafers 25 1000 10000]`.

For every size a worker of its own scores a simulated lot with teacher and student, then distils it within a
budget; its wall time by job and the most memory that the process ever held are printed.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

from measurements.inputs import maps_file, scratch
from measurements.timing import say, table
from wafer_core import jobs
from wafer_core.readers import read_paths
from wafer_core.workspace import WAITING, Workspace


def main() -> None:
    """Let a new worker work through every size and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wafers", type=int, nargs="+", default=[25, 1_000, 10_000])
    parser.add_argument("--budget", type=float, default=60.0)
    options = parser.parse_args()
    rows = []
    for wafers in options.wafers:
        with scratch() as folder:
            rows.append((f"{wafers:,}", *_asked(wafers, options.budget, folder)))
    budget = f"distil, budget {options.budget:g} s"
    table(rows, head=("wafers", "student, s", "teacher, s", f"{budget}, s", "steps", "peak memory, MB"))


def _asked(wafers: int, budget: float, folder: Path) -> tuple[float, float, float, float, float]:
    """Return seconds of each job, the steps of the distillation and the worker's peak of megabytes."""
    workspace = Workspace()
    lot = workspace.add_lot(read_paths([maps_file(folder, wafers)]))
    student = _seconds(workspace, jobs.submit_score(workspace, lot, "student"))
    teacher = _seconds(workspace, jobs.submit_score(workspace, lot, "teacher"))
    run = jobs.submit_distil(workspace, lot, {"size": "small", "budget": budget})
    distilled = _seconds(workspace, run)
    pid = jobs.worker_pid(workspace)
    if pid is None:
        raise SystemExit("The worker left before its memory was read.")
    done = workspace.job(run)
    if done is None or done.state != "done":
        raise SystemExit("The distillation did not come to its end.")
    steps = float(done.progress.get("step", 0))
    megabytes = peak_kilobytes(pid) / 1000
    os.kill(pid, signal.SIGTERM)
    workspace.close()
    return student, teacher, distilled, steps, megabytes


def _seconds(workspace: Workspace, job: int) -> float:
    """Return how long a job takes, a worker's start included where none is there yet."""
    say(f"Waiting for job {job}")
    began = time.monotonic()
    while (row := workspace.job(job)) is not None and row.state in WAITING:
        jobs.ensure_worker(workspace)
        time.sleep(0.1)
    return time.monotonic() - began


def peak_kilobytes(pid: int) -> int:
    """Return the most memory a process ever held at once, as Linux counts it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    main()
