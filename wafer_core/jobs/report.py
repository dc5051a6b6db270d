"""How far a distillation is, written into its job's row for whoever watches and into its log for whoever asks later."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from wafer_core.distill.loop import Progress
from wafer_core.distill_lot.kept import PLAN
from wafer_core.distill_lot.plan import Plan
from wafer_core.distill_lot.stages import Examples, Stage
from wafer_core.distill_lot.words import line
from wafer_core.jobs.logbook import LINES, note
from wafer_core.workspace import JobRow, ProgressPoint, Workspace

POINTS = 400
"""A curve has about so many points, however long the run."""
LEAST_SECONDS = 0.25
"""Between two reports of a distillation."""


class Report:
    """Writes what a run tells into its job's row, now and then, and whether a kill would leave it further on.

    Args:
        workspace: where the job's row and log are.
        job: the run as its worker found it.
        checkpoint: the file whose renewal means that something would outlast the worker; the run's plan is beside it.
    """

    def __init__(self, workspace: Workspace, job: JobRow, checkpoint: Path) -> None:
        self.latest: Progress | None = None
        self._workspace, self._job, self._checkpoint = workspace, job.id, checkpoint
        self._found = _stamp(checkpoint)
        self._stage: Stage | None = None
        self._examples: Examples | None = None
        self._plan: Plan | None = None
        self._told = -1.0
        self._logged = int(job.progress.get("step", 0)) if self._found else 0
        self._note("goes on from what was kept" if self._found else "begins")

    def take(self, told: Progress | Stage | Examples) -> None:
        """Report whatever a run tells."""
        match told:
            case Progress():
                self._step(told)
            case Stage():
                self._begin(told)
            case Examples():
                self._examples = told
                self._note(line(told))

    def _begin(self, stage: Stage) -> None:
        """Report the beginning of a part of the work that takes no steps."""
        self._flush()
        fresh = self._stage is None or self._stage.name != stage.name
        self._stage = stage
        self._plan = self._plan or Plan.kept(self._checkpoint.with_name(PLAN))
        if fresh:
            self._note(line(stage))
            self._workspace.report(self._job, {**self._known(), "stage": stage.name, "spent": stage.spent})

    def _step(self, latest: Progress) -> None:
        """Report a step, unless one was reported a moment ago."""
        self.latest = latest
        last = latest.step == latest.steps
        if latest.step > self._logged and (last or latest.step % -(-latest.steps // LINES) == 0):
            self._logged = latest.step
            self._note(line(latest))
        if latest.seconds - self._told >= max(LEAST_SECONDS, latest.seconds / POINTS):
            self._flush()

    def _flush(self) -> None:
        """Report the latest step, unless it is reported already."""
        latest, stage = self.latest, self._stage
        if latest is None or stage is None or latest.seconds == self._told:
            return
        self._told = latest.seconds
        point = ProgressPoint(latest.step, latest.seconds, latest.loss, latest.agreed, latest.held_out)
        told = {**self._known(), "stage": stage.name, "spent": stage.spent + latest.seconds}
        self._workspace.report(self._job, told, point=point, kept=_stamp(self._checkpoint) != self._found)

    def _known(self) -> dict[str, Any]:
        """Return the latest numbers, the plan, what was last seen on held-out wafers, and which of them are watched."""
        latest = self.latest
        known: dict[str, Any] = latest.to_json() if latest else {}
        if latest is not None and latest.look is not None:
            known["look"] = asdict(latest.look)
        known |= {"plan": self._plan.to_json()} if self._plan else {}
        return known | ({"examples": self._examples.to_json()} if self._examples else {})

    def _note(self, text: str) -> None:
        note(self._workspace, self._job, text)


def _stamp(path: Path) -> int:
    """Return when a file was last written, or 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0
