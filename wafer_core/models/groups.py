"""Which groups of a data set a model was trained on, packed small enough to travel in its card."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Mapping

import numpy as np

MOST_BYTES = 2 << 20
"""Of all bitmaps of a card, once they are unpacked; those of a shipped one take 23 kB."""

_HIGHEST = 1 << 22
"""Group numbers stay below this, which bounds what a packed text may unfold to."""
_PREFIX = r"[A-Za-z_-]{1,40}"
_MOST_PREFIXES = 64


def pack_groups(groups: Iterable[str]) -> dict[str, str]:
    """Return groups such as `m17` and `lot17184` as one compressed bitmap for every prefix.

    35,000 groups take about 6 KiB, so a card can say exactly what its model has seen.

    Raises:
        ValueError: a group is not letters followed by a number below four million.
    """
    numbers: dict[str, list[int]] = {}
    for group in groups:
        match = re.fullmatch(rf"({_PREFIX})(0|[1-9]\d{{0,6}})", group)
        if match is None or int(match[2]) >= _HIGHEST:
            raise ValueError(f"group {group!r} is not letters followed by a number below {_HIGHEST}")
        numbers.setdefault(match[1], []).append(int(match[2]))
    return {prefix: _pack(found) for prefix, found in sorted(numbers.items())}


def unpack_groups(packed: Mapping[str, str]) -> frozenset[str]:
    """Return the groups that `pack_groups` packed.

    Raises:
        ValueError: as `check_groups` does.
    """
    bitmaps = _bitmaps(packed, MOST_BYTES)
    return frozenset(f"{prefix}{number}" for prefix, bitmap in bitmaps.items() for number in _members(bitmap))


def check_groups(packed: Mapping[str, str], most: int = MOST_BYTES) -> int:
    """Return how many bytes the bitmaps of `pack_groups` take unpacked, without naming one group.

    A few letters may stand for millions of groups, and a card is read far more often than its groups are asked for.

    Raises:
        ValueError: a text was not made by `pack_groups`, or there is more than `most` bytes or than any card needs.
    """
    return sum(map(len, _bitmaps(packed, most).values()))


def _pack(numbers: list[int]) -> str:
    members = np.zeros(max(numbers) + 1, dtype=np.uint8)
    members[numbers] = 1
    return base64.b64encode(zlib.compress(np.packbits(members).tobytes(), 9)).decode()


def _bitmaps(packed: Mapping[str, str], most: int) -> dict[str, bytes]:
    """Return the bitmap of every prefix, of at most so many bytes together."""
    if len(packed) > _MOST_PREFIXES:
        raise ValueError(f"{len(packed):,} kinds of groups are more than the {_MOST_PREFIXES} there may be")
    bitmaps: dict[str, bytes] = {}
    for prefix, text in packed.items():
        if re.fullmatch(_PREFIX, prefix) is None:
            raise ValueError(f"groups cannot be called {prefix[:60]!r} and a number")
        bitmaps[prefix] = _bitmap(text, min(most, _HIGHEST // 8))
        most -= len(bitmaps[prefix])
    return bitmaps


def _bitmap(text: str, most: int) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        # One byte more than may be: to zlib a most of 0 would mean that there is none.
        bitmap = unpacking.decompress(base64.b64decode(text, validate=True), most + 1)
    except (binascii.Error, zlib.error, ValueError) as exc:
        raise ValueError("a list of groups is not a packed bitmap") from exc
    if len(bitmap) > most:
        raise ValueError("its lists of groups unfold to more than those of any training set")
    if not unpacking.eof:
        raise ValueError("a list of groups is a packed bitmap cut short")
    return bitmap


def _members(bitmap: bytes) -> list[int]:
    members: list[int] = np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, dtype=np.uint8))).tolist()
    return members
