"""Frames: how far each wafer's grid reaches, so that a partly tested wafer keeps its place.

A file that states its extent is believed, apart from blank margins. For a die list the extent is
the box around all dies of the wafers of that grid in the upload; which wafers share a grid is told
by their boxes, and a wafer whose outline is cut off straight takes the grid of its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from wafer_core.readers import limits
from wafer_core.readers.draft import Draft

T = TypeVar("T", bound=np.generic)

MARGIN = 1
"""Blank rows or columns that may stay at a side of a stated grid."""
_NEAR = 0.06
"""Boxes that differ by this share of a side or one line still belong to one grid."""
_NARROW = 0.55
_LEAST_FILL = 0.65
_MOST_COMPARED = 64
_ENOUGH = 64
"""So many wafers with one box show its outline."""


class Box(NamedTuple):
    """Rows and columns from first to last, both included, counted downwards and to the right."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def rows(self) -> int:
        """How many rows it spans."""
        return self.bottom - self.top + 1

    @property
    def columns(self) -> int:
        """How many columns it spans."""
        return self.right - self.left + 1

    def joined(self, other: Box) -> Box:
        """Return the smallest box around both."""
        return Box(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def holds(self, other: Box) -> bool:
        """Whether `other` lies within this box, give or take a line."""
        return self.joined(other).near(self)

    def near(self, other: Box) -> bool:
        """Whether the boxes differ by no more than wafers of one grid do."""
        return self._near_rows(other) and self._near_columns(other)

    def beside(self, other: Box) -> bool:
        """Whether the boxes agree in one direction and overlap in the other: two parts of one grid."""
        rows = self.top <= other.bottom and other.top <= self.bottom
        columns = self.left <= other.right and other.left <= self.right
        return (self._near_rows(other) and columns) or (self._near_columns(other) and rows)

    def _near_rows(self, other: Box) -> bool:
        slack = max(1, round(_NEAR * self.rows))
        return abs(self.top - other.top) <= slack and abs(self.bottom - other.bottom) <= slack

    def _near_columns(self, other: Box) -> bool:
        slack = max(1, round(_NEAR * self.columns))
        return abs(self.left - other.left) <= slack and abs(self.right - other.right) <= slack


@dataclass(eq=False)
class _Grid:
    """Wafers that share a grid: the fullest one's box and outline, the box around all, and who they are."""

    model: Box
    outline: NDArray[np.bool_]
    box: Box
    cut: bool
    members: list[int]
    lots: set[str | None] = field(default_factory=set)

    def likeness(self, box: Box, outline: NDArray[np.bool_]) -> float:
        """Return how well dies within `box` match this grid's own there, from 0 to 1."""
        mine = _moved(self.outline, self.model, box, False)
        return int((mine & outline).sum()) / max(1, int((mine | outline).sum()))


def settle(name: str, drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts, in order, on the frames they will keep.

    Args:
        name: what an error calls the upload.
        drafts: the wafers of all its files.

    Raises:
        UnreadableFile: the grids together are too large.
    """
    settled = list(drafts)
    by_extent: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for position, draft in enumerate(drafts):
        if draft.extent != "final":
            by_extent[_extent_key(draft)].append(position)
    planned = []
    for positions in by_extent.values():
        planned += _plan([drafts[i] for i in positions], positions)
    limits.check_lot(
        name,
        len(drafts),
        sum(box.rows * box.columns for _, box in planned),
        any(draft.bins is not None for draft in drafts),
    )
    for position, box in planned:
        settled[position] = _onto(drafts[position], box)
    return settled


def looks_whole(outline: NDArray[np.bool_]) -> bool:
    """Whether dies, bool (rows, columns) and tight around them, form a disc rather than a part of one.

    The first and last lines of a disc are short; of real wafers none exceeds half of the diameter,
    while a wafer tested for nine tenths of its rows ends in a line of two thirds.
    """
    short = all(
        _reach(line) <= max(_NARROW * len(line), 2 * np.sqrt(len(line)))
        for line in (outline[0], outline[-1], outline[:, 0], outline[:, -1])
    )
    return short and bool(_hull(outline).mean() >= _LEAST_FILL)


def _extent_key(draft: Draft) -> tuple[object, ...]:
    place = draft.place
    steps = (draft.extent, place.x_step, place.y_step, place.swapped)
    return steps if draft.extent == "dies" else (*steps, place.shape, place.x, place.y)


def _plan(drafts: list[Draft], positions: list[int]) -> list[tuple[int, Box]]:
    """Return the box each of these wafers will be shown in; they share axes and, if any, the stated extent."""
    stated = drafts[0].extent == "stated"
    extent = _extent(drafts[0])
    extents = [extent] * len(drafts) if stated else [_extent(draft) for draft in drafts]
    grids = _grids(drafts, extents, _die_boxes(drafts, extent) if stated else extents)
    boxes = [_trimmed(extent, grid) if stated else grid.box for grid in grids]
    planned = {i: box for grid, box in zip(grids, boxes, strict=True) for i in grid.members}
    # A wafer without a die goes along with the others.
    rest = boxes[0] if boxes else extent
    return [(position, planned.get(i, rest)) for i, position in enumerate(positions)]


def _extent(draft: Draft) -> Box:
    place = draft.place
    top, left = place.y * place.y_step, place.x * place.x_step
    return Box(top, top + place.rows - 1, left, left + place.columns - 1)


def _die_boxes(drafts: list[Draft], extent: Box) -> list[Box | None]:
    """Return the box around each wafer's dies, None where it has none; all have the one extent."""
    dies = np.stack([draft.states for draft in drafts]) != 0
    rows, columns = dies.any(axis=2), dies.any(axis=1)
    some = rows.any(axis=1)
    lines = np.stack(
        [
            rows.argmax(axis=1),
            rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1),
            columns.argmax(axis=1),
            columns.shape[1] - 1 - columns[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )
    origin = np.array([extent.top, extent.top, extent.left, extent.left])
    return [Box(*box) if has else None for box, has in zip((lines + origin).tolist(), some.tolist(), strict=True)]


def _grids(drafts: list[Draft], extents: list[Box], boxes: Sequence[Box | None]) -> list[_Grid]:
    """Sort wafers into grids, the largest box first."""
    alike: dict[Box, list[int]] = defaultdict(list)
    for i, box in enumerate(boxes):
        if box is not None:
            alike[box].append(i)
    grids: list[_Grid] = []
    for box in sorted(alike, key=lambda box: -box.rows * box.columns):
        members = alike[box]
        lots = {drafts[i].lot for i in members}
        outline = _outline(drafts, extents, members[:_ENOUGH], box)
        whole = looks_whole(outline)
        # Grids are few; a cap keeps a hostile file from making each of its wafers be compared with all.
        home = _home(grids[:_MOST_COMPARED], box, outline, lots, whole)
        if home is None:
            grids.append(_Grid(box, outline, box, not whole, members, lots))
        else:
            home.box = home.box.joined(box)
            home.members = home.members + members
            home.lots |= lots
    return grids


def _home(
    grids: Sequence[_Grid], box: Box, outline: NDArray[np.bool_], lots: set[str | None], whole: bool
) -> _Grid | None:
    """Return the grid that wafers with these dies stand on, or None when it is one not met before."""

    def likeness(grid: _Grid) -> float:
        return grid.likeness(box, outline)

    same_lot = [grid for grid in grids if grid.lots & lots]
    fitting = [grid for grid in same_lot if grid.model.near(box)]
    if whole:
        return max(fitting, key=likeness, default=None)
    fitting += [grid for grid in same_lot if grid.box.holds(box)]
    fitting = fitting or [grid for grid in grids if grid.box.holds(box)]
    fitting = fitting or [grid for grid in same_lot if grid.cut and grid.box.beside(box)]
    return max(fitting, key=likeness, default=None)


def _outline(drafts: list[Draft], extents: list[Box], members: list[int], box: Box) -> NDArray[np.bool_]:
    """Return where any of these wafers has a die, bool over `box`."""
    outline = np.zeros((box.rows, box.columns), dtype=bool)
    for i in members:
        top, left = box.top - extents[i].top, box.left - extents[i].left
        outline |= drafts[i].states[top : top + box.rows, left : left + box.columns] != 0
    return outline


def _trimmed(extent: Box, grid: _Grid) -> Box:
    """Take blank margins off a stated extent.

    Around a whole wafer, or a plain rectangle that stands clear of all sides, they go down to one
    line a side. Blank lines beside a wafer that is cut off straight are untested dies as likely as
    not: only what both sides have goes.
    """
    before = (grid.box.top - extent.top, grid.box.left - extent.left)
    after = (extent.bottom - grid.box.bottom, extent.right - grid.box.right)
    clear = min(*before, *after) > MARGIN and bool(grid.outline.all())
    if grid.cut and not clear:
        before = after = (min(before[0], after[0]), min(before[1], after[1]))
    (top, left), (bottom, right) = ([max(0, blank - MARGIN) for blank in side] for side in (before, after))
    return Box(extent.top + top, extent.bottom - bottom, extent.left + left, extent.right - right)


def _onto(draft: Draft, box: Box) -> Draft:
    """Return the wafer on the grid of `box`."""
    extent = _extent(draft)
    if box == extent:
        return draft
    place = draft.place
    frame = replace(place, rows=box.rows, columns=box.columns, x=box.left * place.x_step, y=box.top * place.y_step)
    states = _moved(draft.states, extent, box, 0)
    bins = None if draft.bins is None else _moved(draft.bins, extent, box, -1)
    return replace(draft, frame=frame, states=states, bins=bins)


def _moved(cells: NDArray[T], extent: Box, box: Box, blank: int | bool) -> NDArray[T]:
    moved = np.full((box.rows, box.columns), blank, dtype=cells.dtype)
    top, bottom = max(extent.top, box.top), min(extent.bottom, box.bottom)
    left, right = max(extent.left, box.left), min(extent.right, box.right)
    if top <= bottom and left <= right:
        part = cells[top - extent.top : bottom - extent.top + 1, left - extent.left : right - extent.left + 1]
        moved[top - box.top : bottom - box.top + 1, left - box.left : right - box.left + 1] = part
    return moved


def _reach(line: NDArray[np.bool_]) -> int:
    """Return how many cells a line spans from its first die to its last."""
    dies = np.flatnonzero(line)
    return int(dies[-1] - dies[0] + 1) if len(dies) else 0


def _hull(outline: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells that have dies on both sides, along their row or their column."""
    either = np.logical_or.accumulate
    rows = either(outline, axis=1) & either(outline[:, ::-1], axis=1)[:, ::-1]
    columns = either(outline, axis=0) & either(outline[::-1], axis=0)[::-1]
    filled: NDArray[np.bool_] = rows | columns
    return filled
