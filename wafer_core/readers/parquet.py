"""Die lists in Parquet: the columns of a CSV die list, typed and packed."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from wafer_core.errors import UnreadableFile
from wafer_core.lot import ReadingOptions
from wafer_core.readers import limits
from wafer_core.readers.columns import roles
from wafer_core.readers.dielist import NO_BIN_COLUMN, die_list_reading
from wafer_core.readers.dierows import BLOCK, DieRows
from wafer_core.readers.draft import Format, Reading
from wafer_core.readers.source import Source, damaged

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_EXACT = 2.0**53
"""Up to here a float holds every whole number."""
_MAGIC = b"PAR1"
_SIMPLE = "it has a column of lists or records; flatten it to one row a die."
_RARE = "its texts are packed in a rare way, by their differences, that is not read; save it with pandas or as CSV."


def _read(source: Source, options: ReadingOptions) -> Reading:
    # Imported here: pyarrow takes a fifth of a second, and most uploads never need it.
    import pyarrow.parquet as pq

    with damaged(source.name, "the Parquet file"):
        metadata = pq.read_metadata(io.BytesIO(source.data))
        header = metadata.schema.to_arrow_schema().names
    columns = roles(header)
    if "x" not in columns or "y" not in columns:
        listing = ", ".join(header[:12])
        raise UnreadableFile(source.name, f"no columns of x and y are among {listing}; rename them to 'x' and 'y'.")
    if "bin" not in columns:
        raise UnreadableFile(source.name, NO_BIN_COLUMN)
    names = {role: header[i] for role, i in columns.items()}
    rows = DieRows(source.name, unit="row")
    with damaged(source.name, "the Parquet file"):
        _check(source, metadata, names.values())
        _take(source, names, rows)
    return die_list_reading(source, "die list, Parquet", rows, header, columns, options)


def _check(source: Source, metadata: pq.FileMetaData, names: Collection[str]) -> None:
    """Refuse by the file's own account of itself, before a page of it is unpacked."""
    limits.check_rows(source.name, metadata.num_rows)
    leaves = {(leaf := metadata.schema.column(i)).path: leaf for i in range(metadata.num_columns)}
    if any(name not in leaves for name in names):
        raise UnreadableFile(source.name, _SIMPLE)
    # Texts of one fixed length cannot stay packed, but state it here.
    limits.check_text(source.name, max(leaves[name].length for name in names))
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    limits.check_rows(source.name, sum(group.num_rows for group in groups))
    # Of whole groups: asked for one column of a damaged file, pyarrow ends the process.
    limits.check_expansion(source.name, len(source.data), sum(group.total_byte_size for group in groups))


def _take(source: Source, names: dict[str, str], rows: DieRows) -> None:
    start = 1
    for batch in _batches(source, list(names.values())):
        texts = {role: _texts(source, batch.column(name), role in ("lot", "wafer")) for role, name in names.items()}
        rows.add(range(start, start + batch.num_rows), texts)
        start += batch.num_rows


def _batches(source: Source, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Read block by block; texts stay packed until their length is known, or a long one would fill the memory."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(io.BytesIO(source.data), memory_map=False, pre_buffer=False, read_dictionary=names)
    try:
        yield from table.iter_batches(batch_size=BLOCK, columns=names, use_threads=False)
    except OSError as exc:
        # pyarrow's only sign that a text's encoding cannot stay packed.
        if "Not yet implemented" in str(exc):
            raise UnreadableFile(source.name, _RARE) from exc
        raise


def _texts(source: Source, column: pa.Array, names_id: bool) -> list[str]:
    """Return a column as text; ids that a database turned into 5.0 or 1e+10 for want of a null are whole again."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        limits.check_text(source.name, pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
        column = column.dictionary_decode()
    if names_id and pa.types.is_floating(column.type):
        return ["" if each is None or each != each else _whole(each) for each in column.to_pylist()]
    return ["" if text is None else text for text in column.cast(pa.string()).to_pylist()]


def _whole(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < _EXACT else str(number)


FORMAT = Format("die list (Parquet)", lambda source: source.data.startswith(_MAGIC), _read)
