"""Content-addressed files: bytes kept under their sha256, and given out only while they still have it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wafer_core.whole_files import PARTIAL, write_whole


class FileStore:
    """A folder in which every file is named by the sha256 of its bytes; nothing leaves it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Keep bytes and return their sha256; bytes that are here and sound are not written again."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self.get(sha256) is None:
            write_whole(self.path(sha256), data)
        return sha256

    def get(self, sha256: str) -> bytes | None:
        """Return the bytes that have this sha256, or None where they are missing or damaged."""
        try:
            data = self.path(sha256).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def path(self, sha256: str) -> Path:
        """Return where the bytes of this sha256 stand, whether they are there or not."""
        return self.root / sha256[:2] / sha256

    def partials(self) -> list[Path]:
        """Return what is not in its place yet, or was left behind by a kill."""
        return list(self.root.glob(f"*/.*{PARTIAL}"))
