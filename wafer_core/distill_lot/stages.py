"""What a run tells beside its steps: the parts of its work by name, and the wafers to watch it on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """A part of a run that takes no steps; it is told before the part begins.

    Args:
        name: what begins.
        spent: seconds of the budget that are gone by then; a pause or a kill takes none.
        note: what has been found out for it, in a few words.
    """

    name: str
    spent: float
    note: str = ""


Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Examples:
    """A few held-out wafers to watch a student on, those first that it and its teacher disagreed about.

    Args:
        wafers: their names; `Look.first` holds the student's logits in the same order.
        teacher: the teacher's logits on each, to a hundredth.
        student: those of the student as it came.
    """

    wafers: tuple[str, ...]
    teacher: Rows
    student: Rows

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def told(names: Generator[str, None, T], spent: Callable[[], float]) -> Generator[Stage, None, T]:
    """Give a `Stage` for every name that some work gives, and return what the work returns."""
    try:
        while True:
            yield Stage(next(names), spent())
    except StopIteration as end:
        # Its value is untyped, whatever the generator says.
        result: T = end.value
        return result
    finally:
        names.close()
