"""What may be too much of a file: each limit where it is said to be, and a sentence beyond it."""

import io
import os
import tomllib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from wafer_core.errors import UnreadableFile
from wafer_core.readers import NamedBytes, limits, read, read_paths

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20


def saved(save, *args, **named) -> bytes:
    file = io.BytesIO()
    save(file, *args, **named)
    return file.getvalue()


def die_list(rows: int, wafers: int = 1) -> bytes:
    lines = [f"A1,{i % wafers},{i // wafers},0,{1 if i % 3 else 7}" for i in range(rows)]
    return "\n".join(["lot,wafer,x,y,bin", *lines]).encode()


def maps(count: int, rows: int = 4, columns: int = 4) -> bytes:
    return saved(np.save, np.ones((count, rows, columns), dtype=np.uint8))


def arrays(count: int) -> bytes:
    return saved(np.savez, **{f"w{i}": np.ones((4, 4), dtype=np.uint8) for i in range(count)})


def grid(columns: int) -> bytes:
    return b"\n".join(b",".join([b"1", *[b"7"] * (columns - 1)]) for _ in range(2))


PROMISED = {
    "MAX_WAFERS": (200_000, "a lot has at most 200,000 wafers"),
    "MAX_ROWS": (10_000_000, "a die list 10 million rows"),
    "MAX_LINE": (524_288, "a line of text 524,288 characters"),
    "MAX_SIDE": (4_096, "a wafer 4,096 dies a side"),
}


@pytest.mark.parametrize("limit", PROMISED)
def test_what_is_promised_is_what_is_taken(limit):
    most, words = PROMISED[limit]
    assert getattr(limits, limit) == most
    assert words in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_a_page_takes_files_as_large_as_is_promised():
    served = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["server"]
    assert served["maxUploadSize"] == 400
    assert "A page takes files of up to 400 MB" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert limits.MAX_FILE > 400 * MEGABYTE


@pytest.mark.parametrize(
    ("limit", "most", "file", "larger", "words"),
    [
        ("MAX_FILE", len(die_list(9)), die_list(9), die_list(9) + b"\n", "the most is 1 kB; split it"),
        ("MAX_GRID_TEXT", len(grid(5)), grid(5), grid(5) + b"\n", "a text grid of 1 kB is larger than 1 kB"),
        ("MAX_LINE", 9, grid(5), grid(6), "line 1 is longer than 9 characters"),
        ("MAX_MEMBERS", 3, arrays(3), arrays(4), "it holds 4 arrays, the most is 3"),
        ("MAX_WAFERS", 3, maps(3), maps(4), "4 wafers are more than the 3 one upload may hold"),
        ("MAX_WAFERS", 3, arrays(3), arrays(4), "4 wafers are more than the 3 one upload may hold"),
        ("MAX_WAFERS", 3, die_list(30, wafers=3), die_list(40, wafers=4), "4 wafers are more than the 3"),
        ("MAX_ROWS", 9, die_list(9), die_list(10), "more than 9 rows; split the list"),
        ("MAX_SIDE", 6, maps(1, 6, 6), maps(1, 7, 6), "a grid of 7 x 6 cells is larger than 6 a side"),
        ("MAX_SIDE", 6, maps(1, 6, 6), maps(1, 6, 7), "a grid of 6 x 7 cells is larger than 6 a side"),
        ("MAX_SIDE", 6, die_list(6), die_list(7), "a grid of 1 x 7 cells is larger than 6 a side"),
        ("MAX_CELLS", 48, maps(3), maps(4), "64 cells are more than the 48 one upload may hold"),
        ("MAX_BIN_CELLS", 9, die_list(9), die_list(10), "10 cells are more than the 9 one upload may hold"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_as_much_as_may_be_is_read_and_more_is_refused(monkeypatch, limit, most, file, larger, words):
    monkeypatch.setattr(limits, limit, most)
    assert len(read([NamedBytes("f", file)]))
    with pytest.raises(UnreadableFile, match=words):
        read([NamedBytes("f", larger)])


def test_a_file_that_is_too_large_is_refused_before_it_is_loaded(tmp_path):
    path = tmp_path / "all.csv"
    path.write_bytes(b"lot,wafer,x,y,bin\n")
    os.truncate(path, limits.MAX_FILE + 1)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match="the most is 1,074 MB; split it"):
            read_paths([path])
        assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE
    finally:
        tracemalloc.stop()
