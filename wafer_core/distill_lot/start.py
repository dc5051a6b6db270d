"""What a student of a lot begins with: random weights, those of a student, or of a smaller one that it grows from."""

from __future__ import annotations

from wafer_core.distill.settings import Settings
from wafer_core.errors import UsageError
from wafer_core.models.card import CARD
from wafer_core.models.folder import SHIPPED, ModelFile, files_of
from wafer_core.models.growth import started_from
from wafer_core.models.networks import Network, build
from wafer_core.models.sizes import STUDENT_SIZES, begins_as


def beginning(settings: Settings, size: int) -> tuple[Network, ModelFile | None]:
    """Return the network to teach, and the student whose trained weights it has or grew from, if any.

    Args:
        settings: size and start of the student.
        size: rows and columns of the teacher's canonical map.

    Raises:
        UsageError: the student to start from is of another size, or its weights are none to train.
        BrokenModel: its files contradict its card.
    """
    start = _start(settings, size)
    architecture = STUDENT_SIZES[settings.size]
    return (started_from(start, architecture), start) if start else (build(architecture), None)


def _start(settings: Settings, size: int) -> ModelFile | None:
    networks = begins_as(settings.size)
    if settings.start is None:
        return None if settings.fresh else _shipped(networks, size)
    named = files_of(settings.start)[0]
    if not _can_begin(named, networks, size):
        raise UsageError(
            f"{settings.start.name} is no student to start from: that takes trained weights of size "
            f"{' or '.join(networks)} for maps of {size} x {size}, a {' or a '.join(networks.values())}; "
            f"it is a {named.card.architecture} for {named.card.size} x {named.card.size}."
        )
    return named


def _shipped(networks: dict[str, str], size: int) -> ModelFile | None:
    """Return the shipped student to begin with, found by its card and not by what it happens to be called."""
    students = [files_of(card.parent)[0] for card in sorted(SHIPPED.glob(f"*/{CARD}"))]
    fitting = (
        model
        for name, network in networks.items()
        for model in students
        if model.role == "student" and _can_begin(model, {name: network}, size)
    )
    return next(fitting, None)


def _can_begin(model: ModelFile, networks: dict[str, str], size: int) -> bool:
    return (model.engine, model.card.size) == ("torch", size) and model.card.architecture in networks.values()
