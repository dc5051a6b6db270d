"""A file on its way in: its name, its bytes and, where it is text, its text."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import TextIO

from wafer_core.errors import UnreadableFile, WaferDistillError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x0b\x1a\x1b"))
_HALVES = re.compile(r"[\ud800-\udfff]")
_SNIFFED = 4096
_START = 1 << 18


def sound_text(text: str) -> str:
    """Return a text with the replacement character for what no file, table or page can hold.

    Lone halves of UTF-16 pairs come out of JSON, arrays and the names of files, and into no UTF-8.
    """
    return _HALVES.sub("\ufffd", text)


@dataclass(frozen=True)
class NamedBytes:
    """A file as it arrived: the name the engineer gave it, where text can hold it, and its bytes."""

    name: str
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", sound_text(self.name))


class Source:
    """One file being read; what it is is looked up once, whoever asks."""

    def __init__(self, file: NamedBytes) -> None:
        self.name = file.name
        self.data = file.data

    @property
    def stem(self) -> str:
        """The file's name without folders and its suffix, if it has one; what a lot without an id is called."""
        path = PurePosixPath(self.name.replace("\\", "/"))
        # What stands behind the dot of `A1234.05` names the wafer.
        return (path.name if path.suffix[1:].isdecimal() else path.stem) or self.name

    @cached_property
    def encoding(self) -> str | None:
        """How the bytes are to be read as text, or None when they are none."""
        marked = next((encoding for mark, encoding in _BOMS if self.data.startswith(mark)), None)
        head = self.data[:_SNIFFED]
        if marked is None and head.translate(None, _CONTROLS) != head:
            return None
        try:
            self.data.decode(marked or "utf-8")
        except UnicodeDecodeError:
            # Test floors still run on Windows code pages; Latin-1 reads every byte, and only names differ.
            return "latin-1" if marked in (None, "utf-8-sig") else None
        return marked or "utf-8"

    @cached_property
    def start(self) -> str:
        """The first part of the text, enough to tell what it is; empty when the file is no text."""
        return "" if self.encoding is None else self.lines().read(_START)

    def lines(self) -> TextIO:
        """Return the text as a stream with its line ends as they are; only for files that are text."""
        marked = self.encoding == "latin-1" and self.data.startswith(codecs.BOM_UTF8)
        data = self.data.removeprefix(codecs.BOM_UTF8) if marked else self.data
        return io.TextIOWrapper(io.BytesIO(data), encoding=self.encoding, newline="")


@contextmanager
def damaged(name: str, what: str) -> Iterator[None]:
    """Turn whatever a parser raises on hostile bytes into one sentence about a damaged file.

    Parsers of packed formats raise from a dozen unrelated trees, so this catches them all; it is
    held around calls into such a parser only.
    """
    try:
        yield
    except WaferDistillError:
        raise
    except Exception as exc:
        raise UnreadableFile(name, f"{what} is damaged and cannot be read; export it again.") from exc
