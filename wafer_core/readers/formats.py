"""Every format that can be read, in the order they are tried: the one place to add another.

A format is a module with a `Format`: how its files are told from others by their content, and a
function from a `Source` and the reading options to a `Reading`. Write it, test it, add it here.
"""

from __future__ import annotations

import zipfile
import zlib
from contextlib import suppress
from io import BytesIO

from wafer_core.errors import UnreadableFile
from wafer_core.lot import ReadingOptions
from wafer_core.readers import arrays, dielist, grid, lotfile, parquet
from wafer_core.readers.draft import Format, Reading
from wafer_core.readers.npy import ZIP_MAGICS
from wafer_core.readers.source import Source

FORMATS: tuple[Format, ...] = (
    lotfile.FORMAT,
    arrays.NPZ,
    arrays.NPY,
    parquet.FORMAT,
    dielist.FORMAT,
    grid.FORMAT,  # takes any other text, so it stays last
)

_EXPORT = "export a die list with lot, wafer, x, y and bin as CSV."
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "it is an old Office file; save its sheet as CSV."),
    (b"\x80", "it is a Python pickle, which is never opened; save its arrays with numpy.savez."),
    (b"\x89HDF", "it is an HDF5 file; save its arrays with numpy.savez."),
    (b"\x89PNG", "it is a picture; give the die data it was drawn from."),
    (b"\xff\xd8\xff", "it is a picture; give the die data it was drawn from."),
    (b"%PDF", "it is a PDF; give the die data it was made from."),
    (b"FileVersion", f"it is a KLARF file, which cannot be read yet; {_EXPORT}"),
    (b"Record FileRecord", f"it is a KLARF file, which cannot be read yet; {_EXPORT}"),
    (b"\x02\x00\x00\x0a", f"it is an STDF file, which cannot be read yet; {_EXPORT}"),
    (b"\x00\x02\x00\x0a", f"it is an STDF file, which cannot be read yet; {_EXPORT}"),
    (b"<?xml", f"it is an XML file, which cannot be read yet; {_EXPORT}"),
)
_PACKED = b"\x1f\x8b"
_HEAD = 64
"""Bytes at a file's start that tell what it is."""
_NO_DIE = "it holds no die, as every cell is empty, 0 or no number; give die states (1 pass, 2 fail) or bins."
_READ = "npz and npy arrays, die lists (CSV, TSV, Parquet) and grids (CSV)"


def read_source(source: Source, options: ReadingOptions) -> Reading:
    """Read one file by the first format that recognises it.

    Raises:
        UnreadableFile: it is broken, too large or of no known format.
        ReadingQuestion: an option has to be stated.
    """
    head = source.data[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    if reason := _stranger(head):
        raise UnreadableFile(source.name, reason)
    if head.startswith(_PACKED):
        raise UnreadableFile(
            source.name, _stranger(_unpacked(source.data)) or "it is packed with gzip; unpack it first."
        )
    zipped = head.startswith(ZIP_MAGICS)
    if zipped and not zipfile.is_zipfile(BytesIO(source.data)):
        raise UnreadableFile(source.name, "the archive is damaged or cut short; copy or save it again.")
    for known in FORMATS:
        if known.recognises(source):
            reading = known.read(source, options)
            if not reading.drafts:
                raise UnreadableFile(source.name, "it holds no wafer.")
            # A lot file is taken as it is: it was read once.
            if not any(draft.extent == "final" or draft.states.any() for draft in reading.drafts):
                raise UnreadableFile(source.name, _NO_DIE)
            return reading
    if zipped:
        reason = "it is a zip archive or a workbook without arrays in it; save its sheet as CSV, or unpack it."
        raise UnreadableFile(source.name, reason)
    raise UnreadableFile(source.name, f"its format is not known; {_READ} are.")


def _stranger(head: bytes) -> str | None:
    """Return what a file is that begins so and is not read, and what to do instead; None for any other."""
    return next((reason for mark, reason in _STRANGERS if head.startswith(mark)), None)


def _unpacked(data: bytes) -> bytes:
    """Return how a file packed with gzip begins: unpacking is no advice where it is not read then either."""
    with suppress(zlib.error):
        return zlib.decompressobj(wbits=31).decompress(data[:4096], _HEAD)
    return b""
