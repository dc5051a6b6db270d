"""A file on its way in: its name, its bytes and, where it is text, its text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from wafer_core.errors import UnreadableFile, WaferDistillError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x0b\x1a\x1b"))
_SNIFFED = 4096


@dataclass(frozen=True)
class NamedBytes:
    """A file as it arrived: the name the engineer gave it, and its bytes."""

    name: str
    data: bytes = field(repr=False)


class Source:
    """One file being read; its text is decoded once, whatever asks for it."""

    def __init__(self, file: NamedBytes) -> None:
        self.name = file.name
        self.data = file.data

    @property
    def stem(self) -> str:
        """The file's name without folders and last suffix; what a lot without an id is called."""
        return PurePosixPath(self.name.replace("\\", "/")).stem or self.name

    @cached_property
    def encoding(self) -> str | None:
        """How the bytes say they are text, or None when they are not."""
        for mark, encoding in _BOMS:
            if self.data.startswith(mark):
                return encoding
        head = self.data[:_SNIFFED]
        return None if head.translate(None, _CONTROLS) != head else "utf-8"

    @cached_property
    def text(self) -> str:
        """The file as text; empty when it is none."""
        if self.encoding is None:
            return ""
        try:
            return self.data.decode(self.encoding)
        except UnicodeDecodeError:
            # Test floors still run on Windows code pages; Latin-1 reads every byte, and only names differ.
            return self.data.decode("latin-1") if self.encoding == "utf-8" else ""


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
