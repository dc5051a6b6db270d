"""The model shelf: shipped models, students made or imported here, what they are called, and which is approved."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wafer_core.errors import BrokenModel, UnknownModel, UsageError
from wafer_core.models.card import CARD
from wafer_core.models.folder import (
    APPROVED,
    APPROVED_STEM,
    NAME,
    SHIPPED,
    SHIPPED_STEM,
    ModelFile,
    files_of,
    names_of,
    shipped_models,
)
from wafer_core.models.reference import ENDING
from wafer_core.workspace.approvals import Approval, ApprovalShelf, put_approval

MOST_NOTE = 2000
"""Letters of a note on a model."""

Stamp = tuple[tuple[Path, int, int], ...]


@dataclass(frozen=True)
class ModelRow:
    """What the workspace knows of a model beyond its card; times are seconds since 1970.

    Args:
        name: what it is called now; its folder keeps the name it was made under.
        note: what somebody wrote about it.
        archived: when it was put away, if it was.
        imported: when it came in a kit, if it did.
    """

    name: str
    note: str = ""
    archived: float | None = None
    imported: float | None = None


class ModelShelf(ApprovalShelf):
    """Models by name; a student made here is a folder under the workspace and never overwritten.

    A folder never moves: its name is what runs and approvals remember a model by. Renaming puts
    another name on it, under which it is chosen from then on; the old one still finds it.
    """

    # Finding -------------------------------------------------------------------------------------

    def models(self, archived: bool = False) -> list[ModelFile]:
        """Return every usable model file: shipped first, then students made here, newest first.

        A folder whose card and files contradict each other is left out; `broken_models` names it.

        Args:
            archived: whether to return those that were put away too.
        """
        found = list(self._shipped())
        rows = self._rows()
        for folder in self.student_folders():
            row = rows.get(folder.name)
            if row and row.archived and not archived:
                continue
            try:
                found += self._files(folder, row)
            except BrokenModel:
                continue
        return found

    def broken_models(self) -> list[str]:
        """Return one sentence for every student folder that cannot be used, and on an approval that nothing meets."""
        unmet = self._unmet_approval()
        return [str(problem) for problem in (*self._broken().values(), *([unmet] if unmet else []))]

    def student_folders(self) -> list[Path]:
        """Return the folders of complete students made here, newest first."""
        written = {card.parent: since for card, since, _ in _stamp(self.student_root.glob("*/card.json"))}
        return sorted(written, key=lambda folder: (-written[folder], folder.name))

    def model(self, name: str) -> ModelFile:
        """Return the model file of a name, or of `approved` and its files; a path is no name.

        A model's bare name means its first file: a model that came in a kit has no trained weights.

        Raises:
            UnknownModel: nothing answers to the name, and the message lists the names that would; or the folder of
                the approved student is gone, or holds other weights than were approved.
            BrokenModel: the model's folder contradicts its card.
        """
        if name in APPROVED:
            return self._approved_file(name)
        models = self.models(archived=True)
        for called in (_name, _stem, _made_as, _folder):
            if found := next((model for model in models if called(model) == name), None):
                return found
        rows = self._rows()
        for folder, problem in self._broken().items():
            called_here = {folder, rows[folder].name if folder in rows else folder}
            if any(name in names_of(base) for base in called_here):
                raise problem
        approved = [] if self._unmet_approval() else APPROVED
        names = ", ".join(dict.fromkeys([*(model.name for model in models), *approved]))
        raise UnknownModel(f"There is no model {name!r} in this workspace; name one of {names}.")

    def model_files(self, model: ModelFile) -> tuple[ModelFile, ...]:
        """Return every file of a model's folder by its name here, the one first that the bare name means.

        Raises:
            BrokenModel: the folder contradicts its card.
        """
        if is_shipped(model):
            return tuple(file for file in self._shipped() if file.folder == model.folder)
        return self._files(model.folder, self._rows().get(model.folder.name))

    def model_of(self, sha256: str) -> ModelFile:
        """Return the model file whose weights have this sha256.

        Raises:
            UnknownModel: no model here has these weights any more.
        """
        for model in self.models(archived=True):
            if model.sha256 == sha256:
                return model
        raise UnknownModel("The model this was asked of is no longer in the workspace; choose another.")

    def model_row(self, model: ModelFile) -> ModelRow:
        """Return what the workspace knows of a model beyond its card."""
        row = None if is_shipped(model) else self._rows().get(model.folder.name)
        return row or ModelRow(model.folder.name)

    # Approving -----------------------------------------------------------------------------------

    def approve(
        self, name: str, note: str = "", run: int | None = None, figures: Mapping[str, Any] | None = None
    ) -> None:
        """Record that `approved` means this student from now on; `student` goes back to the shipped one.

        Args:
            name: the student, or any file of it.
            note: words to keep with it.
            run: the distillation that made it.
            figures: what was measured of it, fit for JSON.

        Raises:
            UnknownModel: nothing answers to the name, or it is not a student.
            UsageError: it was put away.
        """
        model = self.model(name)
        if model.role != "student":
            raise UnknownModel(f"{name} is a {model.role}; only a student can be approved.")
        weights = self.model_files(model)[0].sha256
        # In one with the check: somebody else may be putting it away.
        with self.database.transaction() as connection:
            if self.model_row(model).archived:
                raise UsageError(f"{model.stem} is in the archive; restore it before you approve it.")
            put_approval(connection, model.folder.name, note, run, weights, figures or {})

    def approved(self) -> str:
        """Return the name of the approved student: the shipped one until another is approved."""
        standing = self.standing_approval()
        if standing is None:
            return SHIPPED_STEM
        row = self._rows().get(standing.student)
        return row.name if row else standing.student

    def _approved_file(self, name: str) -> ModelFile:
        """Return the file that a name of the approved student means.

        By its folder, as another model may be called like one of its files by now.
        """
        standing = self.standing_approval()
        if standing is None:
            return self.model(APPROVED[name])
        if unmet := self._unmet_approval():
            raise unmet
        files = self._files_of(standing)
        wanted = self.approved() + name.removeprefix(APPROVED_STEM)
        # A model's bare name means its first file.
        named = [file for file in files if wanted in (file.name, file.stem)]
        if not named:
            raise UnknownModel(f"The approved student {self.approved()} has no file {wanted}; name one that it has.")
        return named[0]

    def _unmet_approval(self) -> UnknownModel | None:
        """Return what there is to say where the approved student's folder is gone, or holds other weights by now."""
        standing = self.standing_approval()
        if standing is None:
            return None
        if not any((root / standing.student / CARD).exists() for root in (SHIPPED, self.student_root)):
            return UnknownModel(
                f"The approved student {self.approved()} is no longer in the workspace: put its folder "
                f"{standing.student} back into {self.student_root}, or take its approval back."
            )
        with suppress(BrokenModel):  # which is said of the folder itself
            # Where the int8 file is all that is left, nothing tells of what it was made.
            there = {file.sha256: file.entry.precision for file in self._files_of(standing)}
            if standing.weights and standing.weights not in there and "fp32" in there.values():
                return UnknownModel(
                    f"{self.approved()} has other weights by now than were approved: approve it again, put the weights "
                    f"{standing.weights[:12]} back into its folder, or take its approval back."
                )
        return None

    def _files_of(self, approval: Approval) -> tuple[ModelFile, ...]:
        """Return every file of an approved student.

        Raises:
            BrokenModel: its folder contradicts its card.
        """
        shipped = tuple(file for file in self._shipped() if file.folder.name == approval.student)
        return shipped or self._files(self.student_root / approval.student, self._rows().get(approval.student))

    # Keeping -------------------------------------------------------------------------------------

    def rename_model(self, model: ModelFile, name: str) -> None:
        """Call a model otherwise; what it was made as still finds it.

        Raises:
            UsageError: it is a shipped model, or the name cannot be used or is another's.
        """
        _check_ours(model, "renamed")
        if not re.fullmatch(NAME, name):
            raise UsageError(
                "A name begins with a letter or digit and goes on with letters, digits, dots, dashes or underscores, "
                "64 in all at most."
            )
        with self.database.transaction() as connection:
            if names_of(name) & self._names(but=model.folder):
                raise UsageError(f"{name} is, or would be taken for, another model; choose another name.")
            _set(connection, model, "name", None if name == model.folder.name else name)

    def annotate_model(self, model: ModelFile, note: str) -> None:
        """Keep a note on a model, in place of what was noted before.

        Raises:
            UsageError: it is a shipped model, or the note is longer than `MOST_NOTE`.
        """
        _check_ours(model, "annotated")
        if len(note) > MOST_NOTE:
            raise UsageError(f"The note has {len(note):,} letters and there is room for {MOST_NOTE:,}; shorten it.")
        self._put(model, "note", note)

    def archive_model(self, model: ModelFile) -> None:
        """Put a model away: it is offered nowhere, yet its name, its results and its folder stay.

        Raises:
            UsageError: it is a shipped model, or the approved one.
        """
        _check_ours(model, "archived")
        # In one with the check: somebody else may be approving it.
        with self.database.transaction() as connection:
            standing = self.standing_approval()
            if standing is not None and standing.student == model.folder.name:
                raise UsageError(
                    f"{model.stem} is the approved student; approve another first, or take its approval back."
                )
            _set(connection, model, "archived", time.time())

    def restore_model(self, model: ModelFile) -> None:
        """Offer a model again that was put away."""
        self._put(model, "archived", None)

    def import_model(self, data: bytes) -> ModelFile:
        """Take in the model of a kit and return its first file.

        Raises:
            BrokenModel: it is no kit, or one that is damaged, too large or contradicts itself.
            UsageError: the same weights are here already.
        """
        from wafer_core.kit import import_kit  # onnx, which no page has to wait for

        folder = import_kit(data, self.student_root, taken=self._names())
        files = files_of(folder)
        # In one with the checks and their end: the same kit, or a run of that name, may be coming in from elsewhere.
        with self.database.transaction() as connection:
            try:
                self._check_new(files)
                _set(connection, files[0], "imported", time.time())
            except BaseException:
                shutil.rmtree(folder)
                raise
        return files[0]

    def _check_new(self, files: tuple[ModelFile, ...]) -> None:
        """Refuse a model that has come in as a folder where another has its weights or its name.

        Raises:
            UsageError: that is so.
        """
        folder = files[0].folder
        here = {file.sha256: file for file in self.models(archived=True) if file.folder != folder}
        known = [here[file.sha256] for file in files if file.sha256 in here]
        if len(known) == len(files):
            where = "in the archive, from which it can be restored" if self.model_row(known[0]).archived else "here"
            # What a model said is kept by its weights, so two of the same weights cannot decide otherwise.
            otherwise = any(here[file.sha256].entry.thresholds != file.entry.thresholds for file in files)
            but = " and decides by other thresholds" if otherwise else ""
            raise UsageError(f"This kit holds {known[0].stem}, which is {where} already{but}; nothing was imported.")
        if self.database.row("SELECT id FROM jobs WHERE name = ?", (folder.name,)):
            raise UsageError(f"A run that makes {folder.name} began meanwhile; import the kit again.")

    # Rows and folders ----------------------------------------------------------------------------

    def _rows(self) -> dict[str, ModelRow]:
        return {row["folder"]: _model_row(row) for row in self.database.rows("SELECT * FROM models")}

    def _put(self, model: ModelFile, column: str, value: object) -> None:
        with self.database.transaction() as connection:
            _set(connection, model, column, value)

    def _names(self, but: Path | None = None) -> set[str]:
        """Return every name that finds a model file, and those that runs have reserved."""
        rows = self._rows()
        runs = self.database.rows("SELECT name FROM jobs WHERE name IS NOT NULL")
        bases = {APPROVED_STEM, *(model.folder.name for model in self._shipped())}
        bases |= {row["name"] for row in runs} | {folder.name for folder in self.student_root.iterdir()}
        bases |= {row.name for row in rows.values()}
        if but is not None:
            bases -= {but.name, rows[but.name].name if but.name in rows else but.name}
        return {name for base in bases for name in names_of(base)}

    def _shipped(self) -> tuple[ModelFile, ...]:
        return self._kept(SHIPPED, shipped_models)

    def _files(self, folder: Path, row: ModelRow | None = None) -> tuple[ModelFile, ...]:
        files = self._kept(folder, lambda: _sound(folder))
        if row is None or row.name == folder.name:
            return files
        return tuple(replace(file, name=row.name + file.name.removeprefix(folder.name)) for file in files)

    def _broken(self) -> dict[str, BrokenModel]:
        """Return what is wrong with student folders that cannot be used, by their names."""
        problems = {}
        for folder in self.student_folders():
            try:
                self._files(folder)
            except BrokenModel as problem:
                problems[folder.name] = problem
        return problems

    def _kept(self, folder: Path, load: Callable[[], tuple[ModelFile, ...]]) -> tuple[ModelFile, ...]:
        """Read cards once: a page asks for its models at every rerun."""
        # Weights that are written over in place are checked as they are loaded.
        cards = folder.glob(f"*/{CARD}") if folder == SHIPPED else (folder / CARD, *folder.glob(f"*{ENDING}"))
        stamp = _stamp([folder, *cards])
        if self._known.get(folder, (None, ()))[0] != stamp:
            self._known[folder] = (stamp, load())
        return self._known[folder][1]

    @cached_property
    def _known(self) -> dict[Path, tuple[Stamp, tuple[ModelFile, ...]]]:
        return {}


def _stamp(paths: Iterable[Path]) -> Stamp:
    """Return when each was written and its bytes; what vanishes while it is looked at is no part of it."""
    found = []
    with suppress(FileNotFoundError):
        for path in paths:
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((path, status.st_mtime_ns, status.st_size))
    return tuple(sorted(found))


def is_shipped(model: ModelFile) -> bool:
    """Return whether a model came with the product."""
    return model.folder.parent == SHIPPED


def _sound(folder: Path) -> tuple[ModelFile, ...]:
    """Return the files of a folder whose reference is what its card says: verdicts are drawn with it everywhere."""
    files = files_of(folder)
    for file in files:
        file.known()
    return files


def _set(connection: sqlite3.Connection, model: ModelFile, column: str, value: object) -> None:
    connection.execute("INSERT OR IGNORE INTO models (folder) VALUES (?)", (model.folder.name,))
    connection.execute(f"UPDATE models SET {column} = ? WHERE folder = ?", (value, model.folder.name))


def _check_ours(model: ModelFile, what: str) -> None:
    if is_shipped(model):
        raise UsageError(f"{model.stem} came with WaferDistill and cannot be {what}.")


def _name(model: ModelFile) -> str:
    return model.name


def _stem(model: ModelFile) -> str:
    return model.stem


def _folder(model: ModelFile) -> str:
    return model.folder.name


def _made_as(model: ModelFile) -> str:
    return model.folder.name + model.name.removeprefix(model.stem)


def _model_row(row: sqlite3.Row) -> ModelRow:
    return ModelRow(row["name"] or row["folder"], row["note"], row["archived"], row["imported"])
