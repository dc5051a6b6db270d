"""Model folders on disk: which files they hold, what each is called, and finding one by name or path."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import BrokenModel, UnknownModel
from wafer_core.models.card import CARD, Card, Engine, FileEntry, Role
from wafer_core.novelty import Reference, read_reference

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models"
"""Where the models that come with the product live, a folder each."""

_KINDS = {("torch", "fp32"): "", ("onnx", "fp32"): "-onnx", ("onnx", "int8"): "-int8"}
"""What a file's kind adds to its folder's name, in the order in which a folder stands for one file."""

APPROVED_STEM, SHIPPED_STEM = "approved", "student"
"""What the approved student is called, and which shipped one it is until a workspace says otherwise."""

APPROVED = {f"{APPROVED_STEM}{ending}": f"{SHIPPED_STEM}{ending}" for ending in _KINDS.values()}
"""The same of each of its files."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What a model may be called: a folder's name on every system, and nothing that an address would break."""


@dataclass(frozen=True)
class ModelFile:
    """One weights file of a model folder: the unit that is chosen, loaded and compared.

    Args:
        name: how it is chosen, such as `student-int8`.
        folder: where it lives.
        file: its name within the folder.
        card: of the folder.
    """

    name: str
    folder: Path
    file: str
    card: Card

    @property
    def path(self) -> Path:
        """The weights file."""
        return self.folder / self.file

    @property
    def entry(self) -> FileEntry:
        """What the card says of this file."""
        return self.card.files[self.file]

    @property
    def sha256(self) -> str:
        """The sha256 of the weights, the key of everything the model said."""
        return self.entry.sha256

    @property
    def engine(self) -> Engine:
        """What runs it."""
        return self.entry.engine

    @property
    def role(self) -> Role:
        """Whether it teaches or was taught."""
        return self.card.role

    @cached_property
    def decides(self) -> str:
        """A mark of all that its verdicts follow from: weights, thresholds, decoder, certainty and reference."""
        card, novelty = self.card, self.card.novelty
        known = (novelty.sha256, novelty.limits.get(self.file)) if novelty else None
        told = (self.sha256, self.entry.thresholds, card.decoder, card.unsure_below, known)
        return hashlib.sha256(repr(told).encode()).hexdigest()

    @property
    def stem(self) -> str:
        """What all files of its folder are called but for their kind."""
        return self.name.removesuffix(_kind(self.entry))

    @property
    def label(self) -> str:
        """What the screen calls it: the card's name, and the kind of file unless it is the trained one."""
        kind = {"": "", "-onnx": ", ONNX", "-int8": ", int8"}[_kind(self.entry)]
        return self.card.name + kind

    def read(self) -> bytes:
        """Return the file's bytes, checked against the card.

        Raises:
            BrokenModel: the file is missing, or its size or sha256 is not the card's.
        """
        return self._checked(self.file, self.entry.bytes, self.sha256)

    def novelty(self, embedding: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return how far embeddings (n, E) of this file lie from all it was taught on, float32 (n,).

        A wafer is unlike anything known above `novelty.FLAGGED_ABOVE`. None where the card has no reference.

        Raises:
            BrokenModel: the reference is missing, or not this model's.
        """
        if (known := self.known()) is None:
            return None
        reference, limit = known
        if embedding.shape[1:] != reference.centre.shape:
            raise BrokenModel(f"{self.name}: its reference is that of another network; restore the model's folder.")
        return reference.novelty(embedding, limit)

    def known(self) -> tuple[Reference, float] | None:
        """Return what the model was taught on and the distance from it that flags a wafer of this file, or None.

        Raises:
            BrokenModel: the card has a reference, but its file is missing, damaged or no reference.
        """
        novelty, data = self.card.novelty, self.reference_bytes()
        if novelty is None or data is None or self.file not in novelty.limits:
            return None
        return read_reference(data, f"{self.folder.name}/{novelty.file}"), novelty.limits[self.file]

    def reference_bytes(self) -> bytes | None:
        """Return the reference's file, checked against the card; None where the card has none.

        Raises:
            BrokenModel: the file is missing, or its size or sha256 is not the card's.
        """
        novelty = self.card.novelty
        return None if novelty is None else self._checked(novelty.file, novelty.bytes, novelty.sha256)

    def _checked(self, file: str, size: int, sha256: str) -> bytes:
        """Return the bytes of a file of the folder whose size and sha256 are those its card states."""
        where, path = f"{self.folder.name}/{file}", self.folder / file
        try:
            if (found := path.stat().st_size) != size:
                raise BrokenModel(f"{where}: it has {found} bytes and its card says {size}; restore the file.")
            data = path.read_bytes()
        except FileNotFoundError as exc:
            raise BrokenModel(f"{where}: the card names this file, but it is not there; restore it.") from exc
        except OSError as exc:
            raise BrokenModel(f"{where}: it cannot be read ({exc.strerror}).") from exc
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BrokenModel(f"{where}: its sha256 is not the one its card states; restore the file.")
        return data


def files_of(folder: Path) -> tuple[ModelFile, ...]:
    """Return the weights files of a model folder: trained weights, then ONNX, then int8.

    Raises:
        BrokenModel: the card is missing or impossible.
    """
    card = Card.read(folder)
    kinds = list(_KINDS.values())
    name = folder.resolve().name
    found = [ModelFile(name + _kind(entry), folder, file, card) for file, entry in card.files.items()]
    return tuple(sorted(found, key=lambda model: kinds.index(_kind(model.entry))))


def names_of(model: str) -> set[str]:
    """Return what the files of a model of this name are called, whichever of them it has."""
    return {model + ending for ending in _KINDS.values()}


def trained_file(model: ModelFile) -> ModelFile:
    """Return the trained weights of a model's folder, or the file itself where there are none."""
    return next((file for file in files_of(model.folder) if file.engine == "torch"), model)


def shipped_models() -> tuple[ModelFile, ...]:
    """Return every weights file that comes with the product: teachers first, then students, larger ones first."""
    folders = sorted(path.parent for path in SHIPPED.glob(f"*/{CARD}"))
    groups = [files_of(folder) for folder in folders]
    groups.sort(key=lambda files: (files[0].role != "teacher", -files[0].entry.parameters))
    return tuple(model for files in groups for model in files)


def resolve(name_or_path: str) -> ModelFile:
    """Return the model a name or a path means, its weights and its reference checked against its card.

    Args:
        name_or_path: the name of a shipped model, `approved`, `approved-onnx` or `approved-int8`, or the path of a
            model folder or of a weights file in one.

    Raises:
        UnknownModel: nothing answers to it; the message lists the names that would.
        BrokenModel: something does, but contradicts its card.
    """
    wanted = APPROVED.get(name_or_path, name_or_path)
    known = shipped_models()
    named = next((model for model in known if model.name == wanted), None)
    found = named or _at_path(Path(name_or_path))
    if found is None:
        names = ", ".join(dict.fromkeys([*(model.name for model in known), *APPROVED]))
        raise UnknownModel(
            f"There is no model {name_or_path!r}; name one of {names}, or give the path of a model folder "
            "or of a weights file in one."
        )
    found.read()
    found.known()
    return found


def _at_path(path: Path) -> ModelFile | None:
    try:
        if path.is_dir():
            return files_of(path)[0]
        if not path.is_file():
            return None
    except OSError:  # a name too long for any file, say
        return None
    folder = path.parent
    for model in files_of(folder):
        if model.file == path.name:
            return model
    raise UnknownModel(f"{path.name} is not one of the weights files that {folder.resolve().name}/{CARD} names.")


def _kind(entry: FileEntry) -> str:
    return _KINDS[(entry.engine, entry.precision)]
