"""The sizes a student can have: what each weighs, and which students a run of it can begin with."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.models.folder import ModelFile
from wafer_core.models.sizes import STUDENT_SIZES, begins_as
from wafer_core.ui.shared import state
from wafer_core.ui.shared.words import human_bytes, human_count
from wafer_core.workspace import is_shipped


@dataclass(frozen=True)
class Size:
    """A student's network, its parameters, and about what its int8 file takes on disk, bytes."""

    architecture: str
    parameters: int
    int8: int


SIZES = {
    "tiny": Size(STUDENT_SIZES["tiny"], 16_128, 23_000),
    "small": Size(STUDENT_SIZES["small"], 35_816, 47_000),
    "base": Size(STUDENT_SIZES["base"], 66_536, 82_000),
}
"""Every student size; a test holds figures to the networks, which a page does not load."""


def text(size: str) -> str:
    """Return a student size with what it weighs: `small · 36 k parameters · ~47 kB`."""
    one = SIZES[size]
    return f"{size} · {human_count(one.parameters)} parameters · ~{human_bytes(one.int8)}"


def beginnings(size: str) -> list[ModelFile]:
    """Return the students whose trained weights a run of this size can begin with, the shipped ones first.

    Those of its own size stand before those that it grows from.
    """
    students = [model for model in state.workspace().models() if (model.role, model.engine) == ("student", "torch")]
    return [model for network in begins_as(size).values() for model in students if model.card.architecture == network]


def shipped(size: str) -> ModelFile | None:
    """Return the student that came with the product with which a run of this size begins unless told otherwise."""
    return next((model for model in beginnings(size) if is_shipped(model)), None)


def grows(size: str, begins: ModelFile) -> bool:
    """Return whether a student of this size adds layers to the one it begins with."""
    return begins.card.architecture != SIZES[size].architecture
