"""What a format's reader hands on: wafers as the file has them, before ids and frames are settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wafer_core.lot import Frame, Notch, Note, ReadingOptions
from wafer_core.readers.source import Source

Extent = Literal["stated", "dies", "final"]
"""Who says how far a wafer's grid reaches: the file, only the dies in it, or an earlier reading."""


@dataclass(frozen=True, eq=False)
class Draft:
    """A wafer as its file has it.

    Args:
        states: uint8 (rows, columns) die states.
        lot: the lot id in the file, if any.
        wafer: the wafer id in the file, if any.
        frame: where the cells stand; None for an array, whose first row is the top.
        bins: int32 (rows, columns) raw bins, -1 where a cell has none.
        labels: bool (8,) where the file has any.
        notch: the side the notch is on.
        extent: `stated` when the grid is the file's own, `dies` when it is the box around the dies
            found, `final` when nothing about it may change any more.
    """

    states: NDArray[np.uint8]
    lot: str | None = None
    wafer: str | None = None
    frame: Frame | None = None
    bins: NDArray[np.int32] | None = None
    labels: NDArray[np.bool_] | None = None
    notch: Notch = "unknown"
    extent: Extent = "stated"

    @cached_property
    def place(self) -> Frame:
        """The frame, counted from the first cell where the file gives none."""
        return self.frame or Frame(*self.states.shape)


@dataclass(frozen=True, eq=False)
class Reading:
    """What one file gave: its layout in words, its wafers, remarks, and a title if it has one."""

    layout: str
    drafts: list[Draft]
    notes: list[Note] = field(default_factory=list)
    title: str | None = None

    @property
    def ascii(self) -> bool:
        """Whether the ids in it hold nothing but ASCII."""
        return all(text is None or text.isascii() for draft in self.drafts for text in (draft.lot, draft.wafer))


@dataclass(frozen=True)
class Format:
    """One format: how its files are told from others, and how they are read.

    `recognises` must be cheap and never raise; `read` may raise `UnreadableFile` and
    `ReadingQuestion`, nothing else.
    """

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, ReadingOptions], Reading]
