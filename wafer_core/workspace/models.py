"""The model shelf: shipped models, students distilled here, and which of them is approved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wafer_core.errors import BrokenModel, UnknownModel
from wafer_core.models.folder import SHIPPED, ModelFile, files_of, resolve, shipped_models
from wafer_core.workspace.shelf import Shelf

APPROVED = "approved"
SHIPPED_STUDENT = "student"
FILE_ENDINGS = ("", "-onnx", "-int8")
"""What a file's name adds to its model's name: torch, ONNX fp32, ONNX int8."""

Stamp = tuple[tuple[Path, int, int], ...]


@dataclass(frozen=True)
class Approval:
    """When (seconds since 1970) which student was approved, and the words that went with it."""

    created: float
    student: str
    note: str


class ModelShelf(Shelf):
    """Models by name; a student made here is a folder under the workspace and never overwritten."""

    def models(self) -> list[ModelFile]:
        """Return every usable model file: shipped first, then students made here, newest first.

        A folder whose card and files contradict each other is left out; `broken_models` names it.
        """
        found = list(self._kept(SHIPPED, shipped_models))
        for folder in self.student_folders():
            try:
                found += self._files(folder)
            except BrokenModel:
                continue
        return found

    def broken_models(self) -> list[str]:
        """Return one sentence for every student folder that cannot be used."""
        problems = []
        for folder in self.student_folders():
            try:
                self._files(folder)
            except BrokenModel as problem:
                problems.append(str(problem))
        return problems

    def student_folders(self) -> list[Path]:
        """Return the folders of complete students made here, newest first."""
        folders = [card.parent for card in self.student_root.glob("*/card.json")]
        return sorted(folders, key=lambda folder: (-(folder / "card.json").stat().st_mtime_ns, folder.name))

    def model(self, name: str) -> ModelFile:
        """Return the model file of a name, of a path, or of `approved` and `approved-int8`.

        Raises:
            UnknownModel: nothing answers to the name.
            BrokenModel: the model's folder contradicts its card.
        """
        if name in {APPROVED + ending for ending in FILE_ENDINGS}:
            name = self.approved() + name.removeprefix(APPROVED)
        for model in self.models():
            if model.name == name:
                return model
        return resolve(name, extra=self.student_folders())

    def model_of(self, sha256: str) -> ModelFile:
        """Return the model file whose weights have this sha256.

        Raises:
            UnknownModel: no model here has these weights any more.
        """
        for model in self.models():
            if model.sha256 == sha256:
                return model
        raise UnknownModel("The model this was asked of is no longer in the workspace; choose another.")

    def approve(self, name: str, note: str = "") -> None:
        """Record that `approved` means this student from now on; `student` goes back to the shipped one.

        Raises:
            UnknownModel: nothing answers to the name, or it is not a student.
        """
        model = self.model(name)
        if model.role != "student":
            raise UnknownModel(f"{name} is a {model.role}; only a student can be approved.")
        student = model.folder.name
        self.database.write(
            "INSERT INTO approvals (created, student, note) VALUES (?, ?, ?)", (time.time(), student, note)
        )

    def approved(self) -> str:
        """Return the name of the approved student: the shipped one until another is approved."""
        row = self.database.row("SELECT student FROM approvals ORDER BY id DESC LIMIT 1")
        return SHIPPED_STUDENT if row is None else str(row["student"])

    def approvals(self) -> list[Approval]:
        """Return every approval ever given, newest first."""
        rows = self.database.rows("SELECT created, student, note FROM approvals ORDER BY id DESC")
        return [Approval(row["created"], row["student"], row["note"]) for row in rows]

    def _files(self, folder: Path) -> tuple[ModelFile, ...]:
        return self._kept(folder, lambda: files_of(folder))

    def _kept(self, folder: Path, load: Callable[[], tuple[ModelFile, ...]]) -> tuple[ModelFile, ...]:
        """Read cards once: a page asks for its models at every rerun."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        stamp = tuple((path, (found := path.stat()).st_mtime_ns, found.st_size) for path in files)
        if self._known.get(folder, (None, ()))[0] != stamp:
            self._known[folder] = (stamp, load())
        return self._known[folder][1]

    @cached_property
    def _known(self) -> dict[Path, tuple[Stamp, tuple[ModelFile, ...]]]:
        return {}
