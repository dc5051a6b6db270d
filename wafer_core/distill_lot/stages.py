"""What a run does before its first and after its last step, by name, with the time it has taken so far."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """A part of a run that takes no steps; it is told before the part begins.

    Args:
        name: what begins.
        spent: seconds of the budget that are gone by then; a pause or a kill takes none.
    """

    name: str
    spent: float


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
