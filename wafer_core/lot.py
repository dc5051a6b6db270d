"""Lot, Wafer and Frame: the immutable currency that every reader makes and every other room takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnknownWafer, UsageError

NO_DIE, PASS, FAIL, UNTESTED = 0, 1, 2, 3
"""Die states. `UNTESTED` is a die that is present and was never probed."""

Notch = Literal["up", "right", "down", "left", "unknown"]
Orientation = Literal[
    "as-read",
    "flip-left-right",
    "flip-up-down",
    "rotate-90",
    "rotate-180",
    "rotate-270",
    "transpose",
    "anti-transpose",
]
ORIENTATIONS: tuple[Orientation, ...] = get_args(Orientation)
"""How a lot is turned after reading; rotations run clockwise as seen on the screen."""

Cells = Literal["states", "bins"]
MOST_BIN = (1 << 31) - 1
"""Bins run from 0 to this; they are kept as int32, in which -1 stands for none."""

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Frame:
    """Where a wafer's cells stand: the grid's extent and the file's own coordinates.

    Row 0 is the top row of the picture and column 0 its left column. `x` and `y` are the file's
    coordinates of that first cell; a step says how a coordinate changes towards the right (x) and
    downwards (y), and `swapped` that the file's x runs along the rows instead.
    """

    rows: int
    columns: int
    x: int = 0
    y: int = 0
    x_step: Literal[1, -1] = 1
    y_step: Literal[1, -1] = 1
    swapped: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The grid as (rows, columns)."""
        return self.rows, self.columns

    def coordinates(
        self, row: int | NDArray[np.integer], column: int | NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the file's own (x, y) of cells given by row and column."""
        along_x, along_y = (row, column) if self.swapped else (column, row)
        return np.asarray(self.x + self.x_step * along_x), np.asarray(self.y + self.y_step * along_y)


@dataclass(frozen=True, eq=False)
class Wafer:
    """One tested wafer on its own die grid.

    Args:
        lot: the fab lot's id, as text exactly as given.
        wafer: the wafer's id, as text exactly as given.
        frame: the grid and the file's coordinates.
        states: uint8 (rows, columns) of `NO_DIE`, `PASS`, `FAIL`, `UNTESTED`.
        bins: int32 (rows, columns) raw bins where the file has any; -1 where a cell has none.
        labels: bool (8,) where the file says which patterns stand on the wafer.
        notch: the side of the picture the notch is on.
    """

    lot: str
    wafer: str
    frame: Frame
    states: NDArray[np.uint8]
    bins: NDArray[np.int32] | None = None
    labels: NDArray[np.bool_] | None = None
    notch: Notch = "unknown"

    def __post_init__(self) -> None:
        if self.states.shape != self.frame.shape or self.states.dtype != np.uint8:
            found = f"{self.states.dtype} {self.states.shape}"
            raise ValueError(f"states are {found}, the frame says uint8 {self.frame.shape}")
        for array in (self.states, self.bins, self.labels):
            if array is not None:
                array.setflags(write=False)

    @property
    def name(self) -> str:
        """`lot/wafer`, which is unique within a Lot."""
        return f"{self.lot}/{self.wafer}"

    @cached_property
    def dies(self) -> int:
        """How many dies the wafer has, tested or not."""
        return int(np.count_nonzero(self.states))

    @cached_property
    def failing(self) -> int:
        """How many dies fail."""
        return int(np.count_nonzero(self.states == FAIL))

    @cached_property
    def passing(self) -> int:
        """How many dies pass."""
        return int(np.count_nonzero(self.states == PASS))

    @property
    def yield_fraction(self) -> float | None:
        """Pass / (pass + fail) over dies, or None when no die was tested."""
        tested = self.passing + self.failing
        return self.passing / tested if tested else None

    @property
    def scorable(self) -> bool:
        """Whether a die was tested, without which a model has nothing to read."""
        return self.yield_fraction is not None

    @cached_property
    def map_hash(self) -> str:
        """sha256 of frame and states: the key of scores and attributions."""
        digest = hashlib.sha256(repr(self.frame).encode())
        digest.update(np.ascontiguousarray(self.states).tobytes())
        return digest.hexdigest()

    def turned(self, orientation: Orientation) -> Wafer:
        """Return the wafer flipped or rotated; every die keeps its file coordinates, state and bin."""
        if orientation == "as-read":
            return self
        return replace(
            self,
            frame=_turn_frame(self.frame, orientation),
            states=_turn(self.states, orientation),
            bins=None if self.bins is None else _turn(self.bins, orientation),
            notch=_turn_notch(self.notch, orientation),
        )


NoteKind = Literal["assumed", "changed", "rejected", "refused"]


@dataclass(frozen=True)
class Note:
    """One thing the engineer should know about how a lot was read.

    `assumed`: something the file did not say. `changed`: a value that was mapped or renamed.
    `rejected`: rows left out, with their numbers. `refused`: a whole file left out.
    """

    kind: NoteKind
    file: str
    text: str


@dataclass(frozen=True)
class SourceFile:
    """A file a Lot was read from: its name, the sha256 of its bytes, and the layout it was read as."""

    name: str
    sha256: str
    layout: str


@dataclass(frozen=True)
class ReadingOptions:
    """What the engineer stated about files that can be read in several ways.

    Args:
        pass_bins: bins that count as passing; None leaves it to the reader's rules.
        cells: whether grid cells hold die states (0 none, 1 pass, 2 fail, 3 untested) or bins.
        lot: the lot id to use where a file has none.
        orientation: how every wafer is turned after reading.
    """

    pass_bins: tuple[int, ...] | None = None
    cells: Cells | None = None
    lot: str | None = None
    orientation: Orientation = "as-read"

    def check(self) -> None:
        """Refuse what no file can be read by; readers ask before they begin, so that what was kept still loads.

        Raises:
            UsageError: the bins that pass are none, or none that can be; or the cells are stated to hold no bins.
        """
        if self.pass_bins is None:
            return
        if not self.pass_bins or not all(0 <= one <= MOST_BIN for one in self.pass_bins):
            raise UsageError(f"Bins run from 0 to {MOST_BIN:,}; name at least one of these that passes.")
        if self.cells == "states":
            raise UsageError(
                "The cells are stated to hold die states, and bins are stated to pass; state one of the two."
            )


@dataclass(frozen=True, eq=False)
class Lot:
    """One upload: wafers in order of first appearance, and how they were read.

    `title` is what the screen calls it. It may hold wafers of several fab lots.
    """

    title: str
    wafers: tuple[Wafer, ...]
    files: tuple[SourceFile, ...] = ()
    options: ReadingOptions = field(default_factory=ReadingOptions)
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.wafers)

    def __iter__(self) -> Iterator[Wafer]:
        return iter(self.wafers)

    @cached_property
    def lot_hash(self) -> str:
        """sha256 over ids, frames, states and bins; labels have no part in it."""
        digest = hashlib.sha256()
        for wafer in self.wafers:
            digest.update(repr((wafer.lot, wafer.wafer, wafer.map_hash)).encode())
            digest.update(b"" if wafer.bins is None else np.ascontiguousarray(wafer.bins).tobytes())
        return digest.hexdigest()

    @cached_property
    def lots(self) -> tuple[str, ...]:
        """The ids of the fab lots in it, in order of first appearance."""
        return tuple(dict.fromkeys(wafer.lot for wafer in self.wafers))

    @cached_property
    def yield_fraction(self) -> float | None:
        """Pass / (pass + fail) over all dies of the lot, or None when no die was tested."""
        passing = sum(wafer.passing for wafer in self.wafers)
        tested = passing + sum(wafer.failing for wafer in self.wafers)
        return passing / tested if tested else None

    @cached_property
    def labelled(self) -> bool:
        """Whether every wafer carries labels."""
        return bool(self.wafers) and all(wafer.labels is not None for wafer in self.wafers)

    def position(self, name: str) -> int:
        """Return the index of the wafer called `WAFER` or `LOT/WAFER`.

        Raises:
            UnknownWafer: no wafer, or more than one, answers to `name`.
        """
        found = [i for i, wafer in enumerate(self.wafers) if name in (wafer.name, wafer.wafer)]
        exact = [i for i in found if self.wafers[i].name == name]
        if len(exact) == 1 or len(found) == 1:
            return (exact or found)[0]
        if not found:
            raise UnknownWafer(f"There is no wafer {name!r} in {self.title}; it holds {_listing(self.wafers)}.")
        choices = [self.wafers[i] for i in found]
        raise UnknownWafer(f"Several wafers are called {name!r}: name one of {_listing(choices)}.")


def _listing(wafers: Iterable[Wafer], most: int = 12) -> str:
    found = [wafer.name for wafer in wafers]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def _turn(grid: NDArray[T], orientation: Orientation) -> NDArray[T]:
    views: dict[Orientation, NDArray[T]] = {
        "as-read": grid,
        "flip-left-right": grid[:, ::-1],
        "flip-up-down": grid[::-1],
        "rotate-90": np.rot90(grid, -1),
        "rotate-180": grid[::-1, ::-1],
        "rotate-270": np.rot90(grid, 1),
        "transpose": grid.T,
        "anti-transpose": grid[::-1, ::-1].T,
    }
    return np.ascontiguousarray(views[orientation])


def _turn_frame(frame: Frame, orientation: Orientation) -> Frame:
    """Turn a frame by asking where the first cell and its two neighbours come from."""
    rows, columns = np.indices(frame.shape)
    row, column = _turn(rows, orientation), _turn(columns, orientation)
    x, y = frame.coordinates(row, column)
    swapped = frame.swapped != (orientation in ("rotate-90", "rotate-270", "transpose", "anti-transpose"))
    x_cells, y_cells = (x[:, 0], y[0]) if swapped else (x[0], y[:, 0])
    return Frame(
        rows=row.shape[0],
        columns=row.shape[1],
        x=int(x[0, 0]),
        y=int(y[0, 0]),
        x_step=_step(x_cells),
        y_step=_step(y_cells),
        swapped=swapped,
    )


def _step(cells: NDArray[np.int64]) -> Literal[1, -1]:
    return -1 if len(cells) > 1 and cells[1] < cells[0] else 1


def _turn_notch(notch: Notch, orientation: Orientation) -> Notch:
    if notch == "unknown":
        return notch
    compass = np.array([["", "up", ""], ["left", "", "right"], ["", "down", ""]])
    turned = _turn(compass, orientation)
    row, column = np.argwhere(turned == notch)[0]
    return {(0, 1): "up", (1, 0): "left", (1, 2): "right", (2, 1): "down"}[(int(row), int(column))]  # type: ignore[return-value]
