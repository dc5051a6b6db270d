"""The workspace's one SQLite file: its tables, and the connection that a process's threads share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from wafer_core.errors import UsageError

Parameters = Sequence[object] | Mapping[str, object]
"""Values of the question marks of a statement in their order, or of its names."""

VERSION = 8
PATIENCE = 30.0
"""Seconds a process waits for another that writes."""

SCHEMA = """
CREATE TABLE uploads (id TEXT PRIMARY KEY, created REAL NOT NULL);
CREATE TABLE upload_files (
    upload TEXT NOT NULL REFERENCES uploads, position INTEGER NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (upload, position)
) WITHOUT ROWID;
CREATE TABLE lots (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, wafers INTEGER NOT NULL, yield REAL, labelled INTEGER NOT NULL,
    source TEXT NOT NULL, created REAL NOT NULL, file TEXT NOT NULL, upload TEXT REFERENCES uploads,
    options TEXT NOT NULL
);
CREATE TABLE bundled (
    file TEXT PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL, wafers INTEGER NOT NULL, yield REAL,
    labelled INTEGER NOT NULL
);
CREATE TABLE scores (model BLOB, map BLOB, logits BLOB NOT NULL, embedding BLOB NOT NULL, UNIQUE (model, map));
CREATE TABLE attributions (
    model BLOB, map BLOB, method TEXT, pattern INTEGER, rows INTEGER NOT NULL, dies BLOB NOT NULL,
    UNIQUE (model, map, method, pattern)
);
CREATE TABLE speeds (
    lot TEXT, model BLOB, milliseconds REAL NOT NULL, wafers INTEGER NOT NULL, passes INTEGER NOT NULL,
    cores INTEGER NOT NULL, measured REAL NOT NULL, PRIMARY KEY (lot, model)
) WITHOUT ROWID;
CREATE TABLE approvals (
    id INTEGER PRIMARY KEY, created REAL NOT NULL, student TEXT NOT NULL, note TEXT NOT NULL,
    run INTEGER, weights TEXT NOT NULL DEFAULT '', figures TEXT NOT NULL DEFAULT '{}', withdrawn REAL
);
CREATE TABLE models (
    folder TEXT PRIMARY KEY, name TEXT UNIQUE, note TEXT NOT NULL DEFAULT '', archived REAL, imported REAL
) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, state TEXT NOT NULL, urgency INTEGER NOT NULL,
    dedupe TEXT NOT NULL, lot TEXT NOT NULL, name TEXT UNIQUE, payload TEXT NOT NULL, first TEXT NOT NULL,
    progress TEXT NOT NULL DEFAULT '{}', message TEXT NOT NULL DEFAULT '', cancel INTEGER NOT NULL DEFAULT 0,
    pause INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, started REAL, ended REAL, heartbeat REAL
);
CREATE UNIQUE INDEX waiting_once ON jobs (dedupe) WHERE state IN ('queued', 'running');
CREATE INDEX most_urgent ON jobs (urgency, id) WHERE state IN ('queued', 'running');
CREATE INDEX by_kind ON jobs (kind, id);
CREATE INDEX by_dedupe ON jobs (dedupe, id);
CREATE TABLE progress (
    job INTEGER NOT NULL REFERENCES jobs, step INTEGER NOT NULL, seconds REAL NOT NULL, loss REAL,
    agreement INTEGER, held_out INTEGER, PRIMARY KEY (job, step)
) WITHOUT ROWID;
"""

UPGRADES: dict[int, tuple[str, ...]] = {
    1: ("ALTER TABLE jobs ADD COLUMN pause INTEGER NOT NULL DEFAULT 0",),
    2: (
        "ALTER TABLE approvals ADD COLUMN run INTEGER",
        "ALTER TABLE approvals ADD COLUMN weights TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE approvals ADD COLUMN figures TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE approvals ADD COLUMN withdrawn REAL",
        "CREATE TABLE models (folder TEXT PRIMARY KEY, name TEXT UNIQUE, note TEXT NOT NULL DEFAULT '', "
        "archived REAL, imported REAL) WITHOUT ROWID",
    ),
    # Focused DeepLift became another method of the same name; what it said is asked again when it is looked at.
    3: ("DELETE FROM attributions WHERE method = 'focused-deeplift'",),
    # And twice more.
    4: ("DELETE FROM attributions WHERE method = 'focused-deeplift'",),
    5: ("DELETE FROM attributions WHERE method = 'focused-deeplift'",),
    6: (
        "CREATE TABLE speeds (model BLOB PRIMARY KEY, milliseconds REAL NOT NULL, wafers INTEGER NOT NULL, "
        "passes INTEGER NOT NULL, cores INTEGER NOT NULL, measured REAL NOT NULL) WITHOUT ROWID",
    ),
    # Nothing said on which lot a speed was measured, and it follows from the grid: the button measures it again.
    7: (
        "DROP TABLE speeds",
        "CREATE TABLE speeds (lot TEXT, model BLOB, milliseconds REAL NOT NULL, wafers INTEGER NOT NULL, "
        "passes INTEGER NOT NULL, cores INTEGER NOT NULL, measured REAL NOT NULL, PRIMARY KEY (lot, model)) "
        "WITHOUT ROWID",
    ),
}
"""What makes a file of one version one of the next."""


class Database:
    """SQLite in WAL mode: readers never wait, writers of several processes take turns.

    The threads of a process share one connection under a lock; every statement here is short.

    Args:
        path: the file; made where it does not exist.

    Raises:
        UsageError: the file is damaged, cannot be written, or was written by a newer version of WaferDistill.
    """

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        try:
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            version = self._upgraded()
        except sqlite3.DatabaseError as problem:
            raise UsageError(f"{path} cannot be used ({problem}): {_way_out(problem)}") from problem
        if version > VERSION:
            self.close()
            raise UsageError(
                f"The workspace {path.parent} was written by a newer version of WaferDistill; "
                "update WaferDistill, or name another folder with WAFERDISTILL_HOME."
            )

    def _upgraded(self) -> int:
        """Make the file one of this version unless it is of a newer one, and return of which it was."""
        _write_ahead(self._connection)
        # What an engineer did is on the disk when the page says so; the usual setting would lose the last seconds.
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.transaction() as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version < VERSION:
                for statement in _statements(version):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
        return version

    def close(self) -> None:
        """Let go of the file; the database cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return every row of a query."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(sql, parameters).fetchone()
            return found

    def write(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement that changes rows and return how many it changed."""
        with self.transaction() as connection:
            return connection.execute(sql, parameters).rowcount

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the right to write: what is read inside is still true when it is written upon."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself where the disk is full; a second time would hide that it is.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _statements(version: int) -> list[str]:
    """Return what a file of an older version lacks; a new file is version 0."""
    if version == 0:
        return SCHEMA.strip().split(";\n")
    return [statement for older in range(version, VERSION) for statement in UPGRADES[older]]


def _held_by_another(problem: sqlite3.DatabaseError) -> bool:
    return getattr(problem, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _way_out(problem: sqlite3.DatabaseError) -> str:
    """Return what an engineer can do about a file that cannot be opened."""
    if _held_by_another(problem):
        return "another program holds it, such as a backup; try again once that is done."
    return (
        "see that it can be written and that the disk has room, put a copy of it back, or name another folder with "
        "WAFERDISTILL_HOME. A copy goes back while no dashboard is open and the -wal and -shm files beside it are gone."
    )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite does not wait here by itself when two processes open a new file at once."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if not _held_by_another(problem):
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
