"""The approvals: which student was put on the tool when, by which run, upon which figures, and until when."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core.errors import UsageError
from wafer_core.workspace.shelf import Shelf


@dataclass(frozen=True)
class Approval:
    """One approval. Times are seconds since 1970.

    Args:
        id: of the approval.
        created: when it was given.
        student: the folder of the student; what the student is called may change.
        note: the words that went with it.
        run: the distillation that made the student, where one did.
        weights: sha256 of the student's first weights file.
        figures: what was measured of the student by then.
        withdrawn: when it was taken back, if it was.
    """

    id: int
    created: float
    student: str
    note: str
    run: int | None
    weights: str
    figures: dict[str, Any]
    withdrawn: float | None


class ApprovalShelf(Shelf):
    """Approvals as a stack: the latest that was not taken back counts, and none is ever erased."""

    def approvals(self) -> list[Approval]:
        """Return every approval ever given, newest first."""
        return [_approval(row) for row in self.database.rows("SELECT * FROM approvals ORDER BY id DESC")]

    def standing_approval(self) -> Approval | None:
        """Return the approval that counts, or None where the shipped student stands."""
        row = self.database.row("SELECT * FROM approvals WHERE withdrawn IS NULL ORDER BY id DESC LIMIT 1")
        return None if row is None else _approval(row)

    def withdraw_approval(self, approval: int) -> None:
        """Take the approval that counts back, so that the one before it counts again.

        Args:
            approval: its id, for another may have been given since it was shown.

        Raises:
            UsageError: another approval counts by now, or this one was taken back already.
        """
        with self.database.transaction() as connection:
            withdrawn = connection.execute(
                "UPDATE approvals SET withdrawn = ?1 WHERE withdrawn IS NULL AND id = ?2 "
                "AND id = (SELECT max(id) FROM approvals WHERE withdrawn IS NULL)",
                (time.time(), approval),
            ).rowcount
            # What counts again must be found where students are chosen.
            connection.execute(
                "UPDATE models SET archived = NULL WHERE folder = "
                "(SELECT student FROM approvals WHERE withdrawn IS NULL ORDER BY id DESC LIMIT 1)"
            )
        if not withdrawn:
            raise UsageError("This approval does not count any more; look again at which student is approved.")


def put_approval(
    connection: sqlite3.Connection, student: str, note: str, run: int | None, weights: str, figures: Mapping[str, Any]
) -> None:
    """Record, within a transaction, that a student, by its folder's name, is approved from now on."""
    connection.execute(
        "INSERT INTO approvals (created, student, note, run, weights, figures) VALUES (?, ?, ?, ?, ?, ?)",
        (time.time(), student, note, run, weights, json.dumps(figures, allow_nan=False)),
    )


def _approval(row: sqlite3.Row) -> Approval:
    return Approval(**{**dict(row), "figures": json.loads(row["figures"])})
