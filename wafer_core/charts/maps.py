"""Many wafers at once: small palette PNGs for galleries, and the wafers of a grid laid on one another."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wafer_core.charts import Palette, Theme, palette
from wafer_core.lot import FAIL, PASS, UNTESTED, Frame, Wafer

# Map pictures ------------------------------------------------------------------------------------


def map_png(states: NDArray[np.uint8], theme: Theme, pixels: int = 224, square: bool = False) -> bytes:
    """Return die states (rows, columns) as a palette PNG; cells without a die are transparent.

    Every die becomes a block of pixels of one colour (nearest neighbour), about `pixels` a side in
    all. Blocks are of one size, and the picture is meant to be shown as a square; with `square` it
    is one by itself, at the price of blocks that differ by a pixel.
    """
    return map_pngs(states, (theme,), pixels, square)[0]


def map_pngs(
    states: NDArray[np.uint8], themes: Sequence[Theme], pixels: int = 224, square: bool = False
) -> list[bytes]:
    """Return one picture a theme; only their palettes differ, so the dies are packed once."""
    if square:
        side = max(pixels, *states.shape)
        rows, columns = (np.arange(side) * cells // side for cells in states.shape)
        blocks = states[np.ix_(rows, columns)]
    else:
        down, across = (max(1, round(pixels / cells)) for cells in states.shape)
        blocks = np.repeat(np.repeat(states, down, axis=0), across, axis=1)
    height, width = blocks.shape
    packed = np.zeros((height, 1 + (width + 3) // 4), dtype=np.uint8)  # a filter byte, then four dies a byte
    padded = np.pad(blocks, ((0, 0), (0, -width % 4)))
    packed[:, 1:] = padded[:, 0::4] << 6 | padded[:, 1::4] << 4 | padded[:, 2::4] << 2 | padded[:, 3::4]
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 2, 3, 0, 0, 0))
    tail = _chunk(b"IDAT", zlib.compress(packed.tobytes(), 6)) + _chunk(b"IEND", b"")
    return [head + _palette_chunks(palette(theme)) + tail for theme in themes]


def _palette_chunks(colours: Palette) -> bytes:
    entries = [colours.background, *(colours.states[state] for state in (PASS, FAIL, UNTESTED))]
    return _chunk(b"PLTE", b"".join(bytes.fromhex(entry[1:]) for entry in entries)) + _chunk(b"tRNS", b"\x00")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# A whole lot -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stack:
    """The wafers of one grid laid on one another.

    Args:
        frame: the grid they share.
        wafers: how many there are.
        failing: int (rows, columns) wafers that fail at a die.
        tested: int (rows, columns) wafers that were tested at a die.
    """

    frame: Frame
    wafers: int
    failing: NDArray[np.int64]
    tested: NDArray[np.int64]

    @property
    def least(self) -> int:
        """How many wafers a die is tested on at least to be counted: half as many as the die tested most often.

        One that is tested on a single wafer of many would else fail on 0 or 100 % of them.
        """
        return max(1, -(-int(self.tested.max(initial=0)) // 2))

    @property
    def few(self) -> NDArray[np.bool_]:
        """bool (rows, columns): dies that are tested, but on fewer than `least` wafers."""
        return (self.tested > 0) & (self.tested < self.least)

    @property
    def share(self) -> NDArray[np.float32]:
        """The share of the wafers tested at a die that fail there, 0 to 1; NaN where they are fewer than `least`."""
        share = np.full(self.tested.shape, np.nan, dtype=np.float32)
        np.divide(self.failing, self.tested, out=share, where=self.tested >= self.least)
        return share

    @property
    def title(self) -> str:
        """The grid and how many wafers have it."""
        wafers = f"{self.wafers:,} wafer{'' if self.wafers == 1 else 's'}"
        return f"{self.frame.columns} × {self.frame.rows} dies · {wafers}"


def stacks(wafers: Iterable[Wafer]) -> list[Stack]:
    """Return one stack a grid, the one with the most wafers first."""
    grids: dict[Frame, list[Wafer]] = {}
    for wafer in wafers:
        grids.setdefault(wafer.frame, []).append(wafer)
    found = []
    for frame, members in grids.items():
        failing = np.zeros(frame.shape, dtype=np.int64)
        tested = np.zeros(frame.shape, dtype=np.int64)
        for wafer in members:
            failing += wafer.states == FAIL
            tested += (wafer.states == FAIL) | (wafer.states == PASS)
        found.append(Stack(frame, len(members), failing, tested))
    return sorted(found, key=lambda stack: -stack.wafers)


def worst_dies(stack: Stack, most: int = 10) -> list[tuple[int, int, int, int]]:
    """Return (x, y, wafers failing, wafers tested) of the dies with the largest share of fails, worst first.

    Of equal shares the one more wafers were tested at counts more; dies that never fail, or that too few wafers were
    tested at, are left out.
    """
    rows, columns = np.nonzero(np.nan_to_num(stack.share))
    failing, tested = stack.failing[rows, columns], stack.tested[rows, columns]
    order = np.lexsort((-tested, -failing / tested))[:most]
    x, y = stack.frame.coordinates(rows[order], columns[order])
    return [tuple(int(n) for n in die) for die in zip(x, y, failing[order], tested[order], strict=True)]  # type: ignore[misc]
