"""What every part of the workspace stands on: its folder, its database and its files."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from wafer_core.errors import UsageError
from wafer_core.workspace.database import Database
from wafer_core.workspace.files import FileStore

HOME = "WAFERDISTILL_HOME"
"""The environment variable that names the workspace's folder."""


def default_root() -> Path:
    """Return the folder of `WAFERDISTILL_HOME`, else the user's data folder of this system."""
    return Path(os.environ.get(HOME) or platformdirs.user_data_dir("waferdistill", appauthor=False))


class Shelf:
    """A workspace's folder, opened.

    Args:
        root: the folder, made where it does not exist; None takes `default_root()`.

    Raises:
        UsageError: the folder cannot be made or written, its database is damaged, or a newer version made it.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_root()).expanduser().resolve()
        try:
            for folder in (self.root, self.student_root, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise UsageError(
                f"The workspace folder {self.root} cannot be made ({problem.strerror}); name another with {HOME}."
            ) from problem
        if not os.access(self.root, os.W_OK):
            raise UsageError(f"The workspace folder {self.root} cannot be written; name another with {HOME}.")
        self.files = FileStore(self.root / "files")
        self.database = Database(self.root / "workspace.sqlite")

    def close(self) -> None:
        """Let go of the database; the workspace cannot be used afterwards."""
        self.database.close()

    @property
    def student_root(self) -> Path:
        """Where the students distilled here live, a model folder each."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        """Where the worker writes what a person who mends it needs."""
        return self.root / "logs"
