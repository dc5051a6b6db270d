"""`distill` on a 1,000-wafer lot with a budget of 60 s, and how much a run slows the pages down.

Goals: the whole process ends within the budget; the pages stay as quick as before. Repeat with
`python -m measurements.distilling`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

from measurements.dashboard import browser_page, rerun_seconds, server
from measurements.inputs import in_workspace, maps_file, scratch, untrained_student
from measurements.timing import say, table, timed_command, verdict
from wafer_core import jobs
from wafer_core.readers import read_paths
from wafer_core.workspace import Workspace

RERUNS = 20


def main() -> None:
    """Distil once as a process, then once more by the worker behind an open page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="an npz of maps instead of simulated ones")
    parser.add_argument("--student", default="student", help="what the page compares; `untrained` makes one")
    parser.add_argument("--wafers", type=int, default=1000)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--size", default="small")
    parser.add_argument("--no-pages", action="store_true", help="leave the browser out")
    options = parser.parse_args()
    with scratch() as folder:
        lot = maps_file(folder, options.wafers, options.data)
        within = _process(lot, folder / "distilled", options.size, options.budget)
        verdict(f"distill within its budget of {options.budget:.0f} s.", within)
        if options.no_pages:
            return
        idle, working = _pages(lot, folder, options.student)
    print()
    table([("idle", 1000 * idle), ("while a run works", 1000 * working)], head=("pages", "ms a rerun"))
    print(f"Reruns take {working / idle:.2f} times as long while a run works.")


def _process(lot: Path, out: Path, size: str, budget: float) -> bool:
    """Run `distill` as a user does, print what came of it, and return whether it kept to its budget."""
    say(f"Distilling for {budget:.0f} s")
    taken = timed_command("-m", "wafer_core", "distill", lot, "--out", out, "--budget", f"{budget:g}", "--size", size)
    record = json.loads((out / "run.json").read_text())
    plan, last = record["plan"], record["history"][-1]
    before, after = record["agreement"]["before"], record["agreement"]["after"]
    table(
        [
            ("seconds, all", taken.wall),
            ("seconds of processors, all", taken.processor),
            ("seconds, before the first step", plan["prepared"]),
            ("seconds, training", last["seconds"]),
            ("seconds, writing and leaving", taken.wall - plan["prepared"] - last["seconds"]),
            ("seconds, kept for writing and leaving", plan["writing_seconds"]),
            ("seconds a step, as measured", plan["step_seconds"]),
            ("seconds a step, as it was", last["seconds"] / last["step"]),
            ("steps planned", plan["steps"]),
            ("steps done", last["step"]),
            ("held-out wafers", after["wafers"]),
            ("agreed before", before["exact"] if before else "-"),
            ("agreed after", after["exact"]),
            ("logit difference before", before["logit_difference"] if before else "-"),
            ("logit difference after", after["logit_difference"]),
        ],
        head=("distill", "figure"),
    )
    return taken.wall <= budget


def _pages(lot_path: Path, folder: Path, student: str) -> tuple[float, float]:
    """Return the median seconds of a page's rerun while nothing works and while a distillation does."""
    name = in_workspace(untrained_student(folder / "student")) if student == "untrained" else student
    workspace = Workspace()
    lot = workspace.add_lot(read_paths([lot_path]))
    with server(folder) as address, browser_page() as page:
        page.goto(f"{address}/?lot={lot}&student={name}")
        say("Waiting for the verdicts")
        while jobs.missing(workspace, lot, "teacher") or jobs.missing(workspace, lot, name):
            page.wait_for_timeout(500)
        say("Reruns without and with a run at work")
        rerun_seconds(page, 4)
        idle = rerun_seconds(page, RERUNS)
        run = jobs.submit_distil(workspace, lot, {"size": "small", "budget": 600.0})
        jobs.ensure_worker(workspace)
        while not jobs.progress(workspace, run):
            page.wait_for_timeout(200)
        working = rerun_seconds(page, RERUNS)
        jobs.cancel(workspace, run)
    return median(idle), median(working)


if __name__ == "__main__":
    main()
