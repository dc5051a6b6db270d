"""Die lists in Parquet: the columns of a CSV die list, typed and packed."""

from __future__ import annotations

import io
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

_MAGIC = b"PAR1"
_SIMPLE = "it has a column of lists or records; flatten it to one row a die."


def _read(source: Source, options: ReadingOptions) -> Reading:
    # Imported here: pyarrow takes a fifth of a second, and most uploads never need it.
    import pyarrow.parquet as pq

    with damaged(source.name, "the Parquet file"):
        table = pq.ParquetFile(io.BytesIO(source.data), memory_map=False, pre_buffer=False)
        schema = table.schema_arrow
    columns = roles(schema.names)
    if "x" not in columns or "y" not in columns:
        listing = ", ".join(schema.names[:12])
        raise UnreadableFile(source.name, f"no columns of x and y are among {listing}; rename them to 'x' and 'y'.")
    if "bin" not in columns:
        raise UnreadableFile(source.name, NO_BIN_COLUMN)
    rows = DieRows(source.name, unit="row")
    with damaged(source.name, "the Parquet file"):
        _check(source, table, columns)
        _take(table, columns, rows)
    return die_list_reading(source, "die list, Parquet", rows, columns, options)


def _check(source: Source, table: pq.ParquetFile, columns: dict[str, int]) -> None:
    """Refuse by the file's own account of itself, before a page of it is unpacked."""
    metadata = table.metadata
    limits.check_rows(source.name, metadata.num_rows)
    leaves = {metadata.schema.column(i).path for i in range(metadata.num_columns)}
    if any(table.schema_arrow.names[i] not in leaves for i in columns.values()):
        raise UnreadableFile(source.name, _SIMPLE)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    limits.check_rows(source.name, sum(group.num_rows for group in groups))
    # Of whole groups: asked for one column of a damaged file, pyarrow ends the process.
    limits.check_expansion(source.name, len(source.data), sum(group.total_byte_size for group in groups))


def _take(table: pq.ParquetFile, columns: dict[str, int], rows: DieRows) -> None:
    names = table.schema_arrow.names
    start = 1
    for batch in table.iter_batches(batch_size=BLOCK, columns=[names[i] for i in columns.values()], use_threads=False):
        texts = {role: _texts(batch.column(names[i]), names_id=role in ("lot", "wafer")) for role, i in columns.items()}
        rows.add(range(start, start + batch.num_rows), texts)
        start += batch.num_rows


def _texts(column: pa.Array, names_id: bool) -> list[str]:
    """Return a column as text; ids that a database turned into 5.0 for want of a null are 5 again."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    texts = ["" if text is None else text for text in column.cast(pa.string()).to_pylist()]
    if names_id and pa.types.is_floating(column.type):
        return [text.removesuffix(".0") for text in texts]
    return texts


FORMAT = Format("die list (Parquet)", lambda source: source.data.startswith(_MAGIC), _read)
