"""Content-addressed files: bytes kept under their sha256, written beside and moved into place."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


class FileStore:
    """A folder in which every file is named by the sha256 of its bytes; nothing leaves it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Keep bytes and return their sha256; bytes that are already here are not written again."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the bytes that have this sha256."""
        return self.path(sha256).read_bytes()

    def path(self, sha256: str) -> Path:
        """Return where the bytes of this sha256 stand, whether they are there or not."""
        return self.root / sha256[:2] / sha256


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that at every instant it is either absent, the old one or complete."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
