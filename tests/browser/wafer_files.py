"""Files as an engineer brings them, built in code: wafers nobody can mistake, written in the layouts of the issue."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, PASS
from wafer_core.patterns import PATTERNS

RING, CENTRE, QUIET = "Edge-Ring", "Center", "Normal"


def wafer(pattern: str, seed: int = 0, size: int = 52) -> NDArray[np.uint8]:
    """Return die states (size, size) of a round wafer: a full edge ring, a solid centre, or hardly a failing die."""
    row, column = np.indices((size, size))
    radius = np.hypot((2 * row + 1) / size - 1, (2 * column + 1) / size - 1)
    random = np.random.default_rng(seed).random((size, size))
    struck = {RING: (radius > 0.88) & (random < 0.95), CENTRE: (radius < 0.28) & (random < 0.95)}
    fails = struck.get(pattern, False) | (random > 0.985)
    return np.where(radius > 1, NO_DIE, np.where(fails, FAIL, PASS)).astype(np.uint8)


def die_list(path: Path, lot: str, wafers: Mapping[str, NDArray[np.uint8]], first: int = 0) -> Path:
    """Write wafers as a die list with bins 1 (passes) and 7, coordinates counted from `first`."""
    lines = ["lot,wafer,x,y,bin"]
    for name, states in wafers.items():
        for row, column in np.argwhere(states != NO_DIE):
            code = 1 if states[row, column] == PASS else 7
            lines.append(f"{lot},{name},{first + column},{first + len(states) - 1 - row},{code}")
    path.write_text("\n".join(lines) + "\n")
    return path


def mixed_npz(path: Path, patterns: list[str], size: int = 52) -> Path:
    """Write labelled wafers as MixedWM38 is published: maps in arr_0, eight bits each in arr_1."""
    maps = np.stack([wafer(pattern, seed, size) for seed, pattern in enumerate(patterns)])
    bits = np.array([[pattern == name for name in PATTERNS] for pattern in patterns])
    np.savez_compressed(path, maps.astype(np.int64), bits.astype(np.int64))
    return path


def grid(path: Path, states: NDArray[np.uint8], codes: Mapping[int, str]) -> Path:
    """Write one wafer as a grid in CSV, a cell a die, its states spelt as `codes` say."""
    spelt = np.vectorize({**codes, NO_DIE: ""}.__getitem__, otypes=[object])(states)
    path.write_text("\n".join(",".join(line) for line in spelt) + "\n")
    return path


def broken_files(folder: Path) -> dict[Path, str]:
    """Write a file of every kind that cannot be read, with words of the sentence each is refused with."""
    sound = mixed_npz(folder / "sound.npz", [RING, CENTRE]).read_bytes()
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"die": 1}], dtype=object))
    table = io.BytesIO()
    pd.DataFrame({"x": range(9), "y": range(9), "bin": [1] * 9}).to_parquet(table)
    contents = {
        "torn.npz": (sound[: len(sound) // 2], "cut short"),
        "pickled.npy": (pickled.getvalue(), "never opened"),
        "unfolding.npz": (_bomb(megabytes=80), "unfold"),
        "torn.parquet": (table.getvalue()[:-40], "damaged"),
        "binless.csv": (b"lot,wafer,x,y\nL,1,0,0\nL,1,1,0\n", "no bin column"),
        "prose.csv": (b"Dear engineer,\nhere are no maps.\n", "names no columns x and y"),
        "empty.csv": (b"", "empty"),
        "photo.png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a picture"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    return {folder / name: words for name, (_, words) in contents.items()}


def _bomb(megabytes: int) -> bytes:
    """Return a small npz whose one array would unfold to so many megabytes of zeros."""
    header = repr({"descr": "|u1", "fortran_order": False, "shape": (megabytes * 64, 128, 128)}).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("maps.npy", "w") as member:
        member.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        for _ in range(megabytes):
            member.write(bytes(1 << 20))
    return file.getvalue()
