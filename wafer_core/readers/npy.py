"""Arrays out of npy and npz bytes: headers are read and checked before any content, pickle never."""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wafer_core.errors import UnreadableFile
from wafer_core.readers import limits
from wafer_core.readers.source import Source, damaged

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
"""How a zip archive begins, an empty one and one in pieces; texts may begin with `PK` alone."""
_HEADER_LIMIT = 8192
_MOST_LONG = 2**63
"""No array is so long along an axis, and Python does not write numbers of thousands of digits into a sentence."""
_KINDS = re.compile(r"[<>|=]?[biufUS]\d{1,6}")


@dataclass(frozen=True)
class Header:
    """What an npy file says of its array, and where the content starts."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    @property
    def size(self) -> int:
        """Bytes of content the header promises."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(source: Source) -> NDArray[Any]:
    """Return the array of an npy file.

    Raises:
        UnreadableFile: it is damaged, holds Python objects, or is shorter than its header says.
    """
    file = io.BytesIO(source.data)
    header = _header(source.name, file)
    return _content(source.name, header, file.read(), len(source.data))


class Archive:
    """The arrays of an npz file: all headers at once, contents on demand.

    Raises:
        UnreadableFile: the archive is damaged, unfolds to too much, or holds Python objects.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        with damaged(source.name, "the npz file"):
            self._zip = zipfile.ZipFile(io.BytesIO(source.data))
        members = [info for info in self._zip.infolist() if info.filename.endswith(".npy")]
        if len(members) > limits.MAX_MEMBERS:
            raise UnreadableFile(source.name, f"it holds {len(members):,} arrays, the most is {limits.MAX_MEMBERS:,}.")
        for info in members:
            _check_packing(source.name, info)
        # What a member claims to take up packed is a claim; the file's own size is not.
        limits.check_expansion(source.name, len(source.data), sum(info.file_size for info in members))
        self._members = {info.filename.removesuffix(".npy"): info for info in members}

    @cached_property
    def headers(self) -> dict[str, Header]:
        """The header of every array, by name, in file order."""
        return {name: self._read_header(info) for name, info in self._members.items()}

    def read(self, key: str) -> NDArray[Any]:
        """Return the array called `key`, read-only."""
        info = self._members[key]
        with damaged(self.name, f"the array {key!r}"), self._zip.open(info) as file:
            header = _header(self.name, file)  # type: ignore[arg-type]
            _check_size(self.name, header, info.file_size)
            # Asked for no more than the member claims, zipfile unfolds no more.
            return _content(self.name, header, file.read(info.file_size - header.offset), info.file_size)

    def _read_header(self, info: zipfile.ZipInfo) -> Header:
        with damaged(self.name, f"the array {info.filename!r}"), self._zip.open(info) as file:
            header = _header(self.name, file)  # type: ignore[arg-type]
        _check_size(self.name, header, info.file_size)
        return header


def is_zip(source: Source) -> bool:
    """Whether the file is a zip archive, which npz files are."""
    return source.data.startswith(ZIP_MAGICS)


def member_names(source: Source) -> list[str]:
    """Return the names in a zip archive, none when it is damaged."""
    try:
        return zipfile.ZipFile(io.BytesIO(source.data)).namelist()
    except Exception:
        return []


def _check_packing(name: str, info: zipfile.ZipInfo) -> None:
    """Refuse what zipfile would unfold in one piece, however large, before it looks at the size."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableFile(
            name,
            "an array in it is packed in a way NumPy does not write; save it with numpy.savez or savez_compressed.",
        )


def _header(name: str, file: BinaryIO) -> Header:
    with damaged(name, "the array"):
        magic = file.read(8)
        if magic[:6] != NPY_MAGIC or magic[6] not in (1, 2, 3):
            raise UnreadableFile(name, "an array in it is not in NumPy's format; save it with numpy.save or savez.")
        wide = magic[6] > 1
        (length,) = struct.unpack("<I" if wide else "<H", file.read(4 if wide else 2))
        if length > _HEADER_LIMIT:
            raise UnreadableFile(name, "an array in it has an overlong header; save plain numbers with numpy.save.")
        fields = ast.literal_eval(file.read(length).decode("utf-8").strip())
        dtype = _dtype(name, fields["descr"])
        shape = fields["shape"]
        if not isinstance(shape, tuple) or any(type(n) is not int or not 0 <= n < _MOST_LONG for n in shape):
            raise ValueError(shape)
        return Header(dtype, shape, bool(fields["fortran_order"]), 8 + (4 if wide else 2) + length)


def _dtype(name: str, description: object) -> np.dtype[Any]:
    if not isinstance(description, str) or not _KINDS.fullmatch(description):
        objects = description in ("|O", "O", "<O", ">O", "|O8")
        what = "Python objects, which are never opened" if objects else f"values of type {str(description)[:40]}"
        raise UnreadableFile(name, f"an array in it holds {what}; save it as plain numbers or text.")
    dtype = np.dtype(description)
    if dtype.itemsize == 0:
        raise UnreadableFile(name, "an array in it holds values of no size; save it as plain numbers or text.")
    return dtype


def _check_size(name: str, header: Header, available: int) -> None:
    if header.offset + header.size > available:
        raise UnreadableFile(
            name,
            f"an array in it claims a shape of {_shape(header.shape)}, but the file ends before that; export it again.",
        )


def _content(name: str, header: Header, data: bytes, available: int) -> NDArray[Any]:
    _check_size(name, header, available)
    if header.size == 0:
        return np.zeros(0, dtype=header.dtype)
    with damaged(name, "the array"):
        flat = np.frombuffer(data, dtype=header.dtype, count=math.prod(header.shape))
        array = flat.reshape(header.shape, order="F" if header.fortran else "C")
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[:6]))
