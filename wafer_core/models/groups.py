"""Which groups of a data set a model was trained on, packed small enough to travel in its card."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Mapping

import numpy as np

_HIGHEST = 1 << 22
"""Group numbers stay below this, which bounds what a packed text may unfold to."""


def pack_groups(groups: Iterable[str]) -> dict[str, str]:
    """Return groups such as `m17` and `lot17184` as one compressed bitmap for every prefix.

    35,000 groups take about 6 KiB, so a card can say exactly what its model has seen.

    Raises:
        ValueError: a group is not letters followed by a number below four million.
    """
    numbers: dict[str, list[int]] = {}
    for group in groups:
        match = re.fullmatch(r"([A-Za-z_-]+)(0|[1-9]\d{0,6})", group)
        if match is None or int(match[2]) >= _HIGHEST:
            raise ValueError(f"group {group!r} is not letters followed by a number below {_HIGHEST}")
        numbers.setdefault(match[1], []).append(int(match[2]))
    return {prefix: _pack(found) for prefix, found in sorted(numbers.items())}


def unpack_groups(packed: Mapping[str, str]) -> frozenset[str]:
    """Return the groups that `pack_groups` packed.

    Raises:
        ValueError: a text was not made by `pack_groups`.
    """
    return frozenset(f"{prefix}{number}" for prefix, text in packed.items() for number in _unpack(text))


def _pack(numbers: list[int]) -> str:
    members = np.zeros(max(numbers) + 1, dtype=np.uint8)
    members[numbers] = 1
    return base64.b64encode(zlib.compress(np.packbits(members).tobytes(), 9)).decode()


def _unpack(text: str) -> list[int]:
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _HIGHEST // 8)
    except (binascii.Error, zlib.error, ValueError) as exc:
        raise ValueError("a list of groups is not a packed bitmap") from exc
    found: list[int] = np.flatnonzero(np.unpackbits(np.frombuffer(data, dtype=np.uint8))).tolist()
    return found
