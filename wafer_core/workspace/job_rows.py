"""The job shelf: what was asked for, how far it is, and how it went."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from wafer_core.models.folder import names_of
from wafer_core.workspace.shelf import Shelf

Kind = Literal["score", "explain", "explain_lot", "alter", "distil", "rehearse"]
State = Literal["queued", "running", "paused", "done", "failed", "cancelled", "lost"]

WAITING: tuple[State, ...] = ("queued", "running", "paused")
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "lost")
ATTEMPTS = 5
"""Times a job may lose its worker without having got any further before it is given up."""
SPARED = 600.0
"""Seconds in which what failed or was cancelled is not started again by a page that merely redraws."""


@dataclass(frozen=True)
class JobRow:
    """One job. Times are seconds since 1970; `message` is a sentence once it has ended.

    `name` is the student a distillation makes, none where it came to nothing; `first` are wafer
    positions wanted before others; `attempts` counts how often it was begun since it last got further.
    """

    id: int
    kind: Kind
    state: State
    urgency: int
    lot: str
    name: str | None
    payload: dict[str, Any]
    first: tuple[int, ...]
    progress: dict[str, Any]
    message: str
    cancel: bool
    pause: bool
    attempts: int
    created: float
    started: float | None
    ended: float | None
    heartbeat: float | None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


@dataclass(frozen=True)
class ProgressPoint:
    """A distillation after a step: `agreement` of `held_out` wafers are answered as the teacher does."""

    step: int
    seconds: float
    loss: float | None
    agreement: int | None
    held_out: int | None


class JobShelf(Shelf):
    """Job rows. Submitting is for `wafer_core.jobs`; reading is for everyone."""

    def jobs(self, kind: Kind | None = None, states: Sequence[State] | None = None, most: int = 1000) -> list[JobRow]:
        """Return jobs, newest first, at most `most`."""
        kinds = [kind] if kind else list(get_args(Kind))
        wanted = list(states or (*WAITING, *ENDED))
        rows = self.database.rows(
            f"SELECT * FROM jobs WHERE kind IN ({_marks(kinds)}) AND state IN ({_marks(wanted)}) "
            "ORDER BY id DESC LIMIT ?",
            (*kinds, *wanted, most),
        )
        return [_job(row) for row in rows]

    def unfinished(self, kind: Kind) -> list[int]:
        """Return the ids of all jobs of a kind that something more may come of."""
        rows = self.database.rows(
            f"SELECT id FROM jobs WHERE kind = ? AND state IN ({_marks(WAITING)}) ORDER BY id", (kind, *WAITING)
        )
        return [row["id"] for row in rows]

    def job(self, job_id: int) -> JobRow | None:
        """Return one job, or None where there is none of this id."""
        row = self.database.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
        return None if row is None else _job(row)

    def last_job(self, dedupe: str) -> JobRow | None:
        """Return the newest of the jobs that are the same, or None where there is none."""
        row = self.database.row("SELECT * FROM jobs WHERE dedupe = ? ORDER BY id DESC LIMIT 1", (dedupe,))
        return None if row is None else _job(row)

    def progress(self, job_id: int) -> tuple[ProgressPoint, ...]:
        """Return the points of a distillation's curves so far, in order of steps."""
        rows = self.database.rows(
            "SELECT step, seconds, loss, agreement, held_out FROM progress WHERE job = ? ORDER BY step", (job_id,)
        )
        return tuple(ProgressPoint(*row) for row in rows)

    # Asking --------------------------------------------------------------------------------------

    def put_job(
        self,
        kind: Kind,
        dedupe: str,
        lot: str,
        payload: Mapping[str, object],
        urgency: int,
        first: Sequence[int] = (),
        name: str | None = None,
        again: bool = False,
    ) -> int:
        """Queue a job unless the same one waits already, and return its id.

        Args:
            kind: what it does.
            dedupe: what makes two jobs the same.
            lot: the lot it works on.
            payload: what the worker needs to know, fit for JSON.
            urgency: the smallest goes first; a waiting twin takes the smaller of both.
            first: wafer positions wanted before others; a waiting twin takes them over.
            name: the head of the student's name; the first free number is put behind it.
            again: also queue what failed or was cancelled a short while ago.
        """
        now = time.time()
        with self.database.transaction() as connection:
            found = connection.execute(
                "SELECT id, state, ended FROM jobs WHERE dedupe = ? ORDER BY id DESC LIMIT 1", (dedupe,)
            ).fetchone()
            if found and found["state"] in WAITING:
                if first:
                    connection.execute(
                        "UPDATE jobs SET first = ?1, urgency = min(urgency, ?2) "
                        "WHERE id = ?3 AND (first != ?1 OR urgency > ?2)",
                        (json.dumps(list(first)), urgency, found["id"]),
                    )
                return int(found["id"])
            if found and found["state"] != "done" and now - SPARED < found["ended"] <= now and not again:
                return int(found["id"])
            numbered = name and self._numbered(connection, name)
            inserted = connection.execute(
                "INSERT INTO jobs (kind, state, urgency, dedupe, lot, name, payload, first, created) "
                "VALUES (?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
                (kind, urgency, dedupe, lot, numbered, json.dumps(payload), json.dumps(list(first)), now),
            )
            return int(inserted.lastrowid or 0)

    def request_cancel(self, job_id: int) -> None:
        """End a job that waits; ask the worker to end one that runs."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE jobs SET cancel = 1 WHERE id = ? AND state = 'running'", (job_id,))
            connection.execute(
                "UPDATE jobs SET state = 'cancelled', cancel = 1, name = NULL, ended = ?, message = "
                "CASE WHEN started IS NULL THEN 'Cancelled before it began.' ELSE 'Cancelled.' END "
                "WHERE id = ? AND state IN ('queued', 'paused')",
                (time.time(), job_id),
            )

    def request_pause(self, job_id: int) -> None:
        """Hold a job that waits; ask the worker to hold one that runs."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE jobs SET pause = 1 WHERE id = ? AND state = 'running'", (job_id,))
            connection.execute("UPDATE jobs SET state = 'paused' WHERE id = ? AND state = 'queued'", (job_id,))

    def resume_job(self, job_id: int) -> None:
        """Let a paused job wait for the worker again; one that was only asked to pause goes on."""
        with self.database.transaction() as connection:
            connection.execute("UPDATE jobs SET pause = 0 WHERE id = ? AND state = 'running'", (job_id,))
            connection.execute(
                "UPDATE jobs SET state = 'queued', pause = 0, message = '' WHERE id = ? AND state = 'paused'", (job_id,)
            )

    # Working -------------------------------------------------------------------------------------

    def most_urgent(self) -> JobRow | None:
        """Return the job that should go on now; of equally urgent ones the running, then the oldest."""
        row = self.database.row(
            "SELECT * FROM jobs WHERE state IN ('queued', 'running') ORDER BY urgency, state = 'queued', id LIMIT 1"
        )
        return None if row is None else _job(row)

    def jobs_to_cancel(self) -> list[int]:
        """Return the running jobs that were asked to end."""
        return self._running("cancel")

    def jobs_to_pause(self) -> list[int]:
        """Return the running jobs that were asked to stand still."""
        return self._running("pause")

    def _running(self, asked: Literal["cancel", "pause"]) -> list[int]:
        # Named as the index of what waits names them, which is small: ended jobs are never removed.
        waiting = "state IN ('queued', 'running') AND state = 'running'"
        return [row["id"] for row in self.database.rows(f"SELECT id FROM jobs WHERE {waiting} AND {asked} = 1")]

    def begin_job(self, job_id: int) -> bool:
        """Mark a queued job as running; False when it was cancelled or paused in the meantime."""
        now = time.time()
        begun = self.database.write(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, started = coalesce(started, ?), "
            "heartbeat = ?, message = '' WHERE id = ? AND state = 'queued'",
            (now, now, job_id),
        )
        return begun == 1

    def forget_progress(self, job_id: int) -> None:
        """Drop the curves of a run, which begins them again."""
        self.database.write("DELETE FROM progress WHERE job = ?", (job_id,))

    def report(
        self,
        job_id: int,
        progress: Mapping[str, object],
        urgency: int | None = None,
        first: Sequence[int] = (),
        point: ProgressPoint | None = None,
        kept: bool = False,
    ) -> None:
        """Write how far a running job is, and that it lives.

        Args:
            job_id: which job.
            progress: its latest numbers.
            urgency: how urgent what is left of it is, where that changes.
            first: the wafers wanted before others as that was found; where others are by now, it does not count.
            point: one more point of its curves.
            kept: whether something of what it did since it began would outlast its worker.
        """
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET progress = ?, heartbeat = ?, "
                "urgency = CASE WHEN first = ? THEN coalesce(?, urgency) ELSE urgency END, "
                "attempts = CASE WHEN ? THEN 1 ELSE attempts END WHERE id = ?",
                (json.dumps(progress), time.time(), json.dumps(list(first)), urgency, kept, job_id),
            )
            if point is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?)",
                    (job_id, point.step, point.seconds, point.loss, point.agreement, point.held_out),
                )

    def end_job(self, job_id: int, state: State, message: str) -> None:
        """Write how a job ended, in one sentence; the name of a student that never was is free again."""
        self.database.write(
            "UPDATE jobs SET state = ?1, message = ?2, ended = ?3, name = CASE WHEN ?1 = 'done' THEN name END "
            "WHERE id = ?4 AND state IN ('queued', 'running', 'paused')",
            (state, message, time.time(), job_id),
        )

    def pause_job(self, job_id: int, message: str = "") -> None:
        """Write that a running job stands still until someone resumes it, and in a sentence why where nobody asked.

        One that was asked to end goes on running, and so to its end.
        """
        self.database.write(
            "UPDATE jobs SET state = 'paused', pause = 0, attempts = 0, message = ? "
            "WHERE id = ? AND state = 'running' AND cancel = 0",
            (message, job_id),
        )

    def requeue_orphans(self, stopped: bool = True) -> list[int]:
        """Queue again what was left running, and return the ids.

        Only for the holder of the worker's lock. What was asked to end ends, what was asked to pause
        is paused, and what lost its worker too often without getting any further is given up as `lost`,
        but for a distillation: that keeps what it has done, and is paused.

        Args:
            stopped: whether the worker that left it is gone; else it could not use the workspace, which no job is
                given up for.
        """
        why = "The worker stopped in the middle of this" if stopped else "The workspace could not be used for a while"
        now = time.time()
        often = f"The worker stopped {ATTEMPTS} times in the middle of this"
        with self.database.transaction() as connection:
            if not stopped:
                connection.execute("UPDATE jobs SET attempts = max(attempts - 1, 0) WHERE state = 'running'")
            connection.execute(
                "UPDATE jobs SET state = 'cancelled', message = 'Cancelled.', ended = ?, name = NULL "
                "WHERE state = 'running' AND cancel = 1",
                (now,),
            )
            connection.execute("UPDATE jobs SET state = 'paused', pause = 0 WHERE state = 'running' AND pause = 1")
            connection.execute(
                "UPDATE jobs SET state = 'paused', attempts = 0, message = ? "
                "WHERE state = 'running' AND attempts >= ? AND kind = 'distil'",
                (f"{often}; it keeps what it has done: resume it to try once more.", ATTEMPTS),
            )
            connection.execute(
                "UPDATE jobs SET state = 'lost', message = ?, ended = ?, name = NULL "
                "WHERE state = 'running' AND attempts >= ?",
                (f"{often}; start it again to try once more.", now, ATTEMPTS),
            )
            orphans = connection.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall()
            connection.execute(
                "UPDATE jobs SET state = 'queued', message = ? WHERE state = 'running'",
                (f"{why}; it goes on from what was kept.",),
            )
        return [row["id"] for row in orphans]

    def _numbered(self, connection: sqlite3.Connection, head: str) -> str:
        """Return `head-N` with the first N that no run, folder or renamed model has had."""
        rows = connection.execute("SELECT name FROM jobs WHERE name LIKE ? || '-%'", (head,)).fetchall()
        given = connection.execute("SELECT name FROM models WHERE name IS NOT NULL").fetchall()
        named = {row["name"] for row in [*rows, *given]} | {folder.name for folder in self.student_root.iterdir()}
        taken = {name for model in named for name in names_of(model)}
        number = 1
        while not taken.isdisjoint(names_of(f"{head}-{number}")):
            number += 1
        return f"{head}-{number}"


def _job(row: sqlite3.Row) -> JobRow:
    fields = {name: row[name] for name in row.keys() if name != "dedupe"}  # noqa: SIM118 -- a Row iterates over values
    parsed = {name: json.loads(fields[name]) for name in ("payload", "progress")}
    first = tuple(json.loads(fields["first"]))
    asked = {name: bool(fields[name]) for name in ("cancel", "pause")}
    return JobRow(**{**fields, **parsed, "first": first, **asked})


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
