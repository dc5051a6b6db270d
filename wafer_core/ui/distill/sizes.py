"""The sizes a student can have: what each weighs, and which students a run of it can begin with."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.models.folder import ModelFile
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import human_bytes, human_count
from wafer_core.workspace import is_shipped


@dataclass(frozen=True)
class Size:
    """A student's network, its parameters, about what its int8 file takes on disk, bytes, and what it grows from."""

    architecture: str
    parameters: int
    int8: int
    grows_from: str | None = None


SIZES = {
    "tiny": Size("finest-12-24-48-48-64", 16_128, 23_000),
    "small": Size("finest-16-32-64-64-64-128", 35_816, 47_000),
    "base": Size("densest-16-32-64-64-64-64-128-128", 66_536, 82_000, grows_from="small"),
}
"""Every student size; a test holds them to the networks, which a page does not load."""


def text(size: str) -> str:
    """Return a student size with what it weighs: `small · 36 k parameters · ~47 kB`."""
    one = SIZES[size]
    return f"{size} · {human_count(one.parameters)} parameters · ~{human_bytes(one.int8)}"


def beginnings(size: str) -> list[ModelFile]:
    """Return the students whose trained weights a run of this size can begin with, the shipped ones first.

    Those of its own size stand before those that it grows from.
    """
    students = [model for model in state.workspace().models() if (model.role, model.engine) == ("student", "torch")]
    smaller = SIZES[size].grows_from
    networks = [SIZES[size].architecture, *([SIZES[smaller].architecture] if smaller else [])]
    return [model for network in networks for model in students if model.card.architecture == network]


def shipped(size: str) -> ModelFile | None:
    """Return the student that came with the product with which a run of this size begins unless told otherwise."""
    return next((model for model in beginnings(size) if is_shipped(model)), None)


def grows(size: str, begins: ModelFile) -> bool:
    """Return whether a student of this size adds layers to the one it begins with."""
    return begins.card.architecture != SIZES[size].architecture
