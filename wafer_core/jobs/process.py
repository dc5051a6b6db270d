"""The worker as a process: at most one a workspace, started on demand, outliving the server."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock

from wafer_core.whole_files import write_whole
from wafer_core.workspace import Workspace
from wafer_core.workspace.database import VERSION

IDLE_SECONDS = 600.0
"""How long a worker without work stays warm, unless `WAFERDISTILL_WORKER_IDLE` says otherwise."""
LOG_BYTES = 1_000_000
"""A log longer than this is put aside when the next worker starts."""

MODULE = "wafer_core.jobs"
"""What a worker is started as."""

PACKAGE = Path(__file__).resolve().parents[1]
UNUSED = {"ui", "cli", "training"}
"""Rooms of the package that no worker enters, so that a change in them ends none."""

RETRY_SECONDS = 10.0
"""After a worker that could not start, before the next is tried."""

_started: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}
_starting = Lock()


def ensure_worker(workspace: Workspace) -> bool:
    """Start a worker where work waits and none is alive; return whether one was started.

    Cheap enough for every redraw. Work that a killed worker left behind counts as waiting. A worker of
    another version is ended, and one of this version goes on with its work at a later call. One of the same
    schema from another installation goes on: that one's server would end ours in turn.
    """
    with _starting:
        waits = workspace.most_urgent() is not None
        if _starts_or_just_failed(workspace.root) or not waits:
            return False
        pid = worker_pid(workspace)
        # The number of a dead worker may be anybody's by now.
        if pid is not None and _outdated(workspace.root, pid) and _is_worker(pid, workspace.root):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if worker_alive(workspace):
            return False
        _started[workspace.root] = _start(workspace), time.monotonic()
        return True


def sign(root: Path) -> None:
    """Write down which process serves the workspace at `root`, and of which version it is: of schema and code.

    A worker outlives its server, so it may meet one of a later version; what it answers would be
    kept as that one's.
    """
    # The number last: whoever reads it finds the version there that belongs to it.
    write_whole(root / "worker.version", _signature(os.getpid()).encode())
    write_whole(root / "worker.pid", str(os.getpid()).encode())


def worker_alive(workspace: Workspace) -> bool:
    """Return whether a worker serves this workspace, or somebody is speaking for a dead one just now.

    The system frees a dead one's lock, and those who only ask do not take each other for a worker: reading
    shares a lock that serving has alone.
    """
    with closing(_lock_file(workspace.root)) as lock:
        try:
            lock.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.OperationalError:
            return True
        return False


def worker_pid(workspace: Workspace) -> int | None:
    """Return the process id of the worker that serves this workspace, or None without one.

    For an instant in which a worker has not written down its own yet it is that of the worker before it.
    """
    path = workspace.root / "worker.pid"
    return int(path.read_text()) if path.exists() and worker_alive(workspace) else None


@contextmanager
def worker_lock(root: Path, patience: float = 0.0) -> Iterator[bool]:
    """Try to become the one worker of a workspace; give whether it worked.

    An exclusive transaction on an empty SQLite file is a lock that every system has and that the
    system itself lets go when its holder dies, however it dies.

    Args:
        root: the workspace's folder.
        patience: seconds to wait, which a mere question about the lock may take.
    """
    with closing(_lock_file(root, patience)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            yield False
        else:
            yield True


def _lock_file(root: Path, patience: float = 0.0) -> sqlite3.Connection:
    return sqlite3.connect(root / "worker.lock", timeout=patience, isolation_level=None)


def _is_worker(pid: int, root: Path) -> bool:
    """Whether a process was started as a worker of this workspace; taken for granted where the system does not say."""
    if not Path("/proc/self/cmdline").exists():
        return True
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return {MODULE.encode(), os.fsencode(root)} <= set(words)


def _outdated(root: Path, pid: int) -> bool:
    """Whether the worker with this process id is of another schema, or of what this installation was before."""
    path = root / "worker.version"
    signed = path.read_text() if path.exists() else ""
    if signed == _signature(pid):
        return False
    of_another = re.fullmatch(rf"{pid} {VERSION} [0-9a-f]+ (.+)", signed)
    return of_another is None or of_another[1] == str(PACKAGE)


def _signature(pid: int) -> str:
    return f"{pid} {VERSION} {_code()} {PACKAGE}"


def _code() -> str:
    """Return a mark of the code that a worker started now would run; every release changes it.

    It is of the files as they are and not as they were loaded: a server that was not started again since an
    upgrade would else end every worker it starts.
    """
    files = []
    for path in sorted(PACKAGE.rglob("*.py")):
        # An upgrade may be at work just now.
        with suppress(FileNotFoundError):
            if path.relative_to(PACKAGE).parts[0] not in UNUSED:
                status = path.stat()
                files.append((path, status.st_mtime_ns, status.st_size))
    return _mark(tuple(files))


@lru_cache(maxsize=1)
def _mark(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        with suppress(FileNotFoundError):
            digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _starts_or_just_failed(root: Path) -> bool:
    """Whether a worker started here is on its way, or gave up by itself so lately that another would too."""
    if root not in _started:
        return False
    process, since = _started[root]
    # Asking a child how it is also takes it off the system's list of dead processes.
    code = process.poll()
    return code is None or (code > 0 and time.monotonic() - since < RETRY_SECONDS)


def _start(workspace: Workspace) -> subprocess.Popen[bytes]:
    log = workspace.logs / "worker.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, "--workspace", str(workspace.root)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
