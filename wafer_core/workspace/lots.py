"""The lot shelf: uploads by content hash, the lots read from them, and the bundled lots."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from wafer_core.errors import UnreadableFile, UsageError
from wafer_core.lot import Lot, Note, ReadingOptions
from wafer_core.readers import NamedBytes, read
from wafer_core.readers.lotfile import read_lot, write_lot
from wafer_core.workspace.shelf import Shelf

BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "lots"
"""Lots that come with the product; they are listed where they stand and never copied."""
ID_LENGTH = 16
MOMENT = 1e-6
"""Seconds between two uploads at the least."""

Source = Literal["sample", "simulated", "upload"]


@dataclass(frozen=True)
class LotRow:
    """What a list of lots says of one.

    `id` is the head of its lot hash, `yield_fraction` is None when no die was tested, `created` is
    in seconds since 1970 and 0 for bundled lots.
    """

    id: str
    title: str
    wafers: int
    yield_fraction: float | None
    labelled: bool
    source: Source
    created: float = 0.0


@dataclass(frozen=True)
class Upload:
    """Files that arrived together, their names as given, and when they last did in seconds since 1970."""

    id: str
    names: tuple[str, ...]
    created: float


RELABELLED = "Labels of"
"""How a note begins that says that labels are others than before; it stays as long as these labels do."""


class LotShelf(Shelf):
    """Uploads, lots and bundled lots. What a user gave is never deleted."""

    # Uploads -------------------------------------------------------------------------------------

    def add_files(self, files: Sequence[NamedBytes]) -> str:
        """Write files to disk the moment they arrive and return the upload's id.

        The same files give the same id, so an address that carries it finds them again after a
        refresh, a question or a failed reading.
        """
        kept = [(file.name, self.files.put(file.data)) for file in files]
        upload = hashlib.sha256(repr(kept).encode()).hexdigest()[:ID_LENGTH]
        with self.database.transaction() as connection:
            # The newest stays the newest though the clock be set back: its labels count.
            newest = connection.execute("SELECT coalesce(max(created), 0) FROM uploads").fetchone()[0]
            connection.execute(
                "INSERT INTO uploads VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET created = excluded.created",
                (upload, max(time.time(), newest + MOMENT)),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO upload_files VALUES (?, ?, ?, ?)",
                ((upload, position, name, sha256) for position, (name, sha256) in enumerate(kept)),
            )
        return upload

    def upload(self, upload_id: str) -> Upload | None:
        """Return what is known of an upload, or None where no upload has this id."""
        row = self.database.row("SELECT created FROM uploads WHERE id = ?", (upload_id,))
        if row is None:
            return None
        names = self.database.rows("SELECT name FROM upload_files WHERE upload = ? ORDER BY position", (upload_id,))
        return Upload(upload_id, tuple(name["name"] for name in names), row["created"])

    def upload_files(self, upload_id: str) -> tuple[NamedBytes, ...]:
        """Return the files of an upload as they arrived.

        Raises:
            UsageError: no upload has this id.
            UnreadableFile: a stored file is damaged.
        """
        rows = self.database.rows(
            "SELECT name, sha256 FROM upload_files WHERE upload = ? ORDER BY position", (upload_id,)
        )
        if not rows:
            raise UsageError(f"No upload in this workspace has the id {upload_id}; upload the files again.")
        return tuple(self._stored(row["name"], row["sha256"]) for row in rows)

    def read_upload(self, files: Sequence[NamedBytes], options: ReadingOptions | None = None) -> str:
        """Keep files, read them as one Lot and return the lot's id.

        Raises:
            UnreadableFile: no file could be read; the bytes stay.
            ReadingQuestion: an option has to be stated; the bytes stay.
        """
        return self.read_files(self.add_files(files), options)

    def read_files(self, upload_id: str, options: ReadingOptions | None = None, title: str | None = None) -> str:
        """Read an upload, or read it again with other options, and return the lot's id.

        The same answer is the same lot; another answer makes a new lot beside the old. Labels are outside a
        lot's id: those of the newest upload that has some for every wafer count, and the lot's notes say how many
        wafers have others than before.

        Raises:
            UsageError: no upload has this id.
            UnreadableFile: no file could be read; the bytes stay.
            ReadingQuestion: an option has to be stated; the bytes stay.
        """
        return self._read(upload_id, options or ReadingOptions(), "upload", title)

    # Lots ----------------------------------------------------------------------------------------

    def add_lot(self, lot: Lot, source: Source = "upload") -> str:
        """Keep a lot that was not read from an upload and return its id, the first 16 digits of its hash."""
        return self._keep(lot, source, self.add_files([NamedBytes(f"{lot.title}.npz", write_lot(lot))]))

    def lot(self, lot_id: str) -> Lot:
        """Return a lot with the notes of how it was read.

        Raises:
            UsageError: no lot in this workspace has this id.
            UnreadableFile: the stored file is damaged.
        """
        row = self.database.row("SELECT title, file, options FROM lots WHERE id = ?", (lot_id,))
        if row is not None:
            stored = self._stored(row["title"], row["file"])
            lot = replace(read_lot(stored), options=_options(row["options"]))
        elif lot_id in self._bundled():
            path = self._bundled()[lot_id][0]
            lot = read_lot(NamedBytes(path.name, path.read_bytes()))
        else:
            raise _unknown(lot_id)
        if lot.lot_hash[:ID_LENGTH] != lot_id:
            raise _damaged(lot.title)
        return lot

    def lot_file(self, lot_id: str) -> str:
        """Return the sha256 of a lot's stored copy, another one once labels came; of a bundled lot nothing."""
        row = self.database.row("SELECT file FROM lots WHERE id = ?", (lot_id,))
        return str(row["file"]) if row is not None else ""

    def lots(self) -> list[LotRow]:
        """Return every lot: bundled ones by title, simulated last, then the user's, newest first."""
        bundled = {lot_id: row for lot_id, (_, row) in self._bundled().items()}
        rows = self.database.rows("SELECT * FROM lots ORDER BY created DESC, rowid DESC")
        kept = [_lot_row(row) for row in rows if row["id"] not in bundled]
        return [*sorted(bundled.values(), key=lambda row: (row.source, row.title.casefold())), *kept]

    def reread(self, lot_id: str, options: ReadingOptions) -> str:
        """Read a lot's own files again with other options and return the id of what comes out."""
        bundled = self._bundled().get(lot_id)
        if bundled:
            path, line = bundled
            return self._read(
                self.add_files([NamedBytes(path.name, path.read_bytes())]), options, line.source, line.title
            )
        row = self.database.row("SELECT upload, source, title, options FROM lots WHERE id = ?", (lot_id,))
        if row is None:
            raise _unknown(lot_id)
        # A lot that is called otherwise from now on is titled by its new name.
        title = row["title"] if options.lot == _options(row["options"]).lot else None
        return self._read(row["upload"], options, row["source"], title)

    def _read(self, upload_id: str, options: ReadingOptions, source: Source, title: str | None) -> str:
        return self._keep(read(self.upload_files(upload_id), options, title=title), source, upload_id)

    def _keep(self, lot: Lot, source: Source, upload_id: str) -> str:
        """Store a lot; of one that is already here the dies stay, and the labels unless this one brings others.

        What is told of how it was read is told of the files that were opened last.
        """
        lot_id = lot.lot_hash[:ID_LENGTH]
        if lot_id in self._bundled():
            return lot_id
        while True:
            known = self._stored_lot(lot_id)
            better = lot if known is None else self._better(known, lot, source, upload_id)
            if better is None or self._put_lot(lot_id, better, source, upload_id, known):
                return lot_id

    def _stored_lot(self, lot_id: str) -> sqlite3.Row | None:
        return self.database.row(
            "SELECT lots.*, coalesce(uploads.created, 0) AS uploaded FROM lots "
            "LEFT JOIN uploads ON uploads.id = lots.upload WHERE lots.id = ?",
            (lot_id,),
        )

    def _better(self, known: sqlite3.Row, lot: Lot, source: Source, upload_id: str) -> Lot | None:
        """Return what should stand in the place of the stored copy of a lot, or None where that is good as it is."""
        try:
            before = read_lot(self._stored(known["title"], known["file"]))
        except UnreadableFile:
            return lot
        if before.lot_hash != lot.lot_hash:
            return lot
        arrived = self.database.row("SELECT created FROM uploads WHERE id = ?", (upload_id,))
        newest = arrived is not None and arrived["created"] >= known["uploaded"]
        # Students are judged by the labels of shipped sets, whatever file somebody opens.
        shipped = known["source"] != "upload" and source == "upload"
        if not newest or shipped:
            return None
        as_before = upload_id == known["upload"] and lot.options == _options(known["options"])
        changed = _relabelled(before, lot) if lot.labelled else 0
        if not changed:
            if as_before and (before.labelled or not lot.labelled):
                return None
            told = tuple(note for note in before.notes if note.text.startswith(RELABELLED))
            return replace(lot if lot.labelled else _labelled_as(before, lot), notes=(*lot.notes, *told))
        said = f"{RELABELLED} {changed:,} wafer{'' if changed == 1 else 's'} changed; those of this upload count now."
        file = lot.files[0].name if len(lot.files) == 1 else ""
        return replace(lot, notes=(*lot.notes, Note("changed", file, said)))

    def _put_lot(self, lot_id: str, lot: Lot, source: Source, upload_id: str, known: sqlite3.Row | None) -> bool:
        """Store a lot in the place of what is known of it; False where another is there by now."""
        before = None if known is None else known["file"]
        content = self.files.put(write_lot(lot if known is None else replace(lot, title=known["title"])))
        written = self.database.write(
            "INSERT INTO lots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET "
            "file = excluded.file, labelled = excluded.labelled, source = excluded.source, upload = excluded.upload, "
            "options = excluded.options WHERE file = ?11",
            (
                *(lot_id, lot.title, len(lot), lot.yield_fraction, lot.labelled, source, time.time()),
                *(content, upload_id, json.dumps(asdict(lot.options)), before),
            ),
        )
        return written == 1

    def _stored(self, name: str, sha256: str) -> NamedBytes:
        """Return a stored file under the name it was given."""
        data = self.files.get(sha256)
        if data is None:
            raise _damaged(name)
        return NamedBytes(name, data)

    # Bundled lots --------------------------------------------------------------------------------

    def _bundled(self) -> dict[str, tuple[Path, LotRow]]:
        """Return the bundled lots by id; each file is read once, and its line kept under its hash."""
        stamp = tuple((path, path.stat().st_mtime_ns) for path in sorted(BUNDLED.glob("*.npz")))
        if stamp not in self._known_bundles:
            rows = [(path, self._bundled_row(path)) for path, _ in stamp]
            self._known_bundles[stamp] = {row.id: (path, row) for path, row in rows}
        return self._known_bundles[stamp]

    @cached_property
    def _known_bundles(self) -> dict[tuple[tuple[Path, int], ...], dict[str, tuple[Path, LotRow]]]:
        return {}

    def _bundled_row(self, path: Path) -> LotRow:
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        row = self.database.row("SELECT * FROM bundled WHERE file = ?", (sha256,))
        if row is None:
            lot = read_lot(NamedBytes(path.name, data))
            line = (sha256, lot.lot_hash[:ID_LENGTH], lot.title, len(lot), lot.yield_fraction, lot.labelled)
            self.database.write("INSERT OR IGNORE INTO bundled VALUES (?, ?, ?, ?, ?, ?)", line)
            return self._bundled_row(path)
        source: Source = "simulated" if "simulated" in row["title"].lower() else "sample"
        return LotRow(row["id"], row["title"], row["wafers"], row["yield"], bool(row["labelled"]), source)


def _relabelled(before: Lot, after: Lot) -> int:
    """Return how many wafers had labels before and have others after."""
    pairs = zip(before, after, strict=True)
    return sum(
        old.labels is not None and new.labels is not None and not np.array_equal(old.labels, new.labels)
        for old, new in pairs
    )


def _labelled_as(before: Lot, after: Lot) -> Lot:
    """Return a lot with the labels that another copy of it has."""
    pairs = zip(before, after, strict=True)
    return replace(after, wafers=tuple(replace(new, labels=old.labels) for old, new in pairs))


def _unknown(lot_id: str) -> UsageError:
    return UsageError(f"No lot in this workspace has the id {lot_id}; upload its files again.")


def _damaged(name: str) -> UnreadableFile:
    return UnreadableFile(name, "the stored copy is damaged; upload its files again.")


def _lot_row(row: sqlite3.Row) -> LotRow:
    return LotRow(
        id=row["id"],
        title=row["title"],
        wafers=row["wafers"],
        yield_fraction=row["yield"],
        labelled=bool(row["labelled"]),
        source=row["source"],
        created=row["created"],
    )


def _options(text: str) -> ReadingOptions:
    found = json.loads(text)
    if found["pass_bins"] is not None:
        found["pass_bins"] = tuple(found["pass_bins"])
    return ReadingOptions(**found)
