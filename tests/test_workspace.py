"""The workspace: what a user gave and what was computed last, across restarts and processes."""

import io
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wafer_core.errors import ReadingQuestion, UnreadableFile, UsageError
from wafer_core.lot import Lot, Note, ReadingOptions
from wafer_core.readers import NamedBytes
from wafer_core.readers.lotfile import write_lot
from wafer_core.recognise import Scores
from wafer_core.workspace import Speed, Workspace, lots
from wafer_core.workspace.database import VERSION
from wafer_core.workspace.files import FileStore
from wafer_core.workspace.job_rows import SPARED
from wafer_core.workspace.results import KEYS_A_QUERY, REMEMBERED

MODEL, OTHER = "aa" * 32, "bb" * 32
BINS = b"lot,wafer,x,y,bin\n" + b"".join(
    b"A,01,%d,%d,%d\n" % (x, y, 3 + (x + y) % 3) for x in range(6) for y in range(6)
)
"""A die list without a bin 1, which cannot be read without asking."""


@pytest.fixture
def workspace(home: Path):
    opened = Workspace()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of bundled lots in the place of the shipped one."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    monkeypatch.setattr(lots, "BUNDLED", folder)
    return folder


def npz(disc_states, name: str = "lot7.npz", wafers: int = 3) -> NamedBytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, maps=np.stack([disc_states(12, 14, seed=i) for i in range(wafers)]))
    return NamedBytes(name, buffer.getvalue())


def map_hashes(count: int, start: int = 0) -> list[str]:
    return [f"{number:064x}" for number in range(start, start + count)]


def random_scores(count: int, seed: int = 0) -> Scores:
    random = np.random.default_rng(seed)
    return Scores(
        random.normal(size=(count, 8)).astype(np.float32), random.normal(size=(count, 5)).astype(np.float32), MODEL
    )


# The folder --------------------------------------------------------------------------------------


def test_it_lives_where_the_environment_says(workspace, home):
    assert workspace.root == home.resolve()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="WAFERDISTILL_HOME"):
        Workspace(tmp_path / "file" / "workspace")


def test_a_workspace_of_the_first_version_is_opened_with_all_that_is_in_it(home):
    first = Workspace()
    job_id = first.put_job("score", "once", "a" * 64, {}, urgency=1)
    first.database.write("ALTER TABLE jobs DROP COLUMN pause")
    for table in ("models", "speeds"):
        first.database.write(f"DROP TABLE {table}")
    for column in ("run", "weights", "figures", "withdrawn"):
        first.database.write(f"ALTER TABLE approvals DROP COLUMN {column}")
    first.database.write("INSERT INTO approvals (created, student, note) VALUES (1.0, 'student', 'long ago')")
    first.database.write("PRAGMA user_version = 1")
    first.close()
    opened = Workspace()
    assert opened.job(job_id).pause is False
    [old] = opened.approvals()
    assert (old.student, old.note, old.run, old.figures, old.withdrawn) == ("student", "long ago", None, {}, None)
    assert opened.model_row(opened.model("student")).archived is None
    assert opened.speed("lot", "a" * 64) is None
    opened.request_pause(job_id)
    assert opened.job(job_id).state == "paused"
    opened.close()
    check_of_this_version()


def check_of_this_version() -> None:
    """An upgraded file says which version it is of by now, so that nothing of it is upgraded a second time."""
    again = Workspace()
    assert again.database.row("PRAGMA user_version")[0] == VERSION
    again.close()


@pytest.mark.parametrize("damage", ["noise", "closed"])
def test_a_database_that_cannot_be_used_is_one_sentence(home, damage):
    Workspace().close()
    file = home / "workspace.sqlite"
    if damage == "noise":
        file.write_bytes(np.random.default_rng(0).bytes(5000))
    else:
        file.unlink()
        file.mkdir()
    with pytest.raises(UsageError, match=r"workspace\.sqlite cannot be used .*put a copy of it back, or name another"):
        Workspace()


def test_a_database_that_somebody_holds_is_not_called_damaged(home, monkeypatch):
    Workspace().close()
    monkeypatch.setattr("wafer_core.workspace.database.PATIENCE", 0.1)
    with closing(sqlite3.connect(home / "workspace.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UsageError, match=r"another program holds it.*try again once that is done"):
            Workspace()


def test_a_full_disk_is_said_to_be_one(workspace):
    """SQLite takes the whole transaction back by itself then."""
    [pages] = workspace.database.row("PRAGMA page_count")
    workspace.database.write(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"), workspace.database.transaction() as connection:
        connection.execute("INSERT INTO scores VALUES (x'00', x'00', zeroblob(1000000), x'00')")
    assert workspace.database.rows("SELECT * FROM scores") == []


def test_a_transaction_that_cannot_be_committed_keeps_no_later_one_from_writing(workspace):
    def write() -> None:
        with workspace.database.transaction() as connection:
            connection.execute("PRAGMA defer_foreign_keys = ON")
            connection.execute("INSERT INTO upload_files VALUES ('of no upload', 0, 'a.csv', '')")

    workspace.database.row("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        write()
    assert workspace.database.rows("SELECT * FROM upload_files") == []
    put_job(workspace)


@pytest.mark.parametrize("version", [3, 4, 5])
def test_what_an_older_focused_deeplift_said_is_asked_again(version):
    first = Workspace()
    for method in ("focused-deeplift", "occlusion"):
        first.put_attributions("a" * 64, "b" * 64, method, [3], np.ones((1, 4, 5), np.float32))
    first.database.write("DROP TABLE speeds")
    first.database.write(f"PRAGMA user_version = {version}")
    first.close()
    opened = Workspace()
    assert opened.attributions("a" * 64, "b" * 64, "focused-deeplift", [3]) == {}
    assert list(opened.attributions("a" * 64, "b" * 64, "occlusion", [3])) == [3]
    opened.close()
    check_of_this_version()


def test_a_workspace_of_a_newer_version_is_left_alone(workspace):
    workspace.close()
    with sqlite3.connect(workspace.root / "workspace.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match="newer version"):
        Workspace(workspace.root)


# Lots --------------------------------------------------------------------------------------------


def test_an_upload_is_found_again_after_a_restart(workspace, disc_states):
    lot_id = workspace.read_upload([npz(disc_states)])
    first = workspace.lot(lot_id)
    workspace.close()
    again = Workspace(workspace.root)
    found = again.lot(lot_id)
    assert found.lot_hash == first.lot_hash
    assert found.lot_hash.startswith(lot_id)
    assert [wafer.name for wafer in found] == ["lot7/01", "lot7/02", "lot7/03"]
    assert (found.title, found.files, found.options, found.notes) == (
        first.title,
        first.files,
        first.options,
        first.notes,
    )
    [row] = again.lots()
    assert (row.id, row.wafers, row.source, row.labelled) == (lot_id, 3, "upload", False)
    assert row.yield_fraction == found.yield_fraction
    again.close()


def test_the_same_upload_twice_is_one_lot(workspace, disc_states):
    assert workspace.read_upload([npz(disc_states)]) == workspace.read_upload([npz(disc_states)])
    assert len(workspace.lots()) == 1


TORN = NamedBytes("a.npz", b"PK\x03\x04 not really a zip")


@pytest.mark.parametrize(
    ("data", "problem"), [(BINS, ReadingQuestion), (b"PK\x03\x04 not really a zip", UnreadableFile)]
)
def test_bytes_stay_when_reading_asks_or_fails(workspace, data, problem):
    given = NamedBytes("a.csv" if data is BINS else "a.npz", data)
    with pytest.raises(problem):
        workspace.read_upload([given])
    upload = workspace.add_files([given])
    workspace.close()
    again = Workspace(workspace.root)
    assert again.upload_files(upload) == (given,)
    assert again.upload(upload).names == (given.name,)
    assert again.lots() == []
    again.close()


def test_what_cannot_be_read_as_was_stated_stays_and_so_does_what_a_lot_was_read_from(workspace, disc_states):
    stated = workspace.add_files([TORN])
    with pytest.raises(UnreadableFile):
        workspace.read_files(stated, ReadingOptions(cells="bins"))
    assert workspace.upload_files(stated) == (TORN,)
    lot_id = workspace.read_upload([npz(disc_states)])
    [row] = workspace.database.rows("SELECT upload FROM lots")
    for stored in workspace.files.root.rglob("*"):
        if stored.is_file():
            cut_short(stored)
    with pytest.raises(UnreadableFile, match="the stored copy is damaged"):
        workspace.reread(lot_id, ReadingOptions())
    assert workspace.upload(row["upload"]) is not None


def test_an_answered_question_makes_the_lot(workspace):
    upload = workspace.add_files([NamedBytes("a.csv", BINS)])
    with pytest.raises(ReadingQuestion):
        workspace.read_files(upload)
    lot_id = workspace.read_files(upload, ReadingOptions(pass_bins=(3,)))
    assert workspace.lot(lot_id).options.pass_bins == (3,)


def test_a_changed_answer_makes_a_new_lot_beside_the_old(workspace):
    upload = workspace.add_files([NamedBytes("a.csv", BINS)])
    old = workspace.read_files(upload, ReadingOptions(pass_bins=(3,)))
    new = workspace.reread(old, ReadingOptions(pass_bins=(3, 4)))
    assert old != new
    assert {row.id for row in workspace.lots()} == {old, new}
    assert workspace.lot(new).yield_fraction > workspace.lot(old).yield_fraction
    assert workspace.reread(new, ReadingOptions(pass_bins=(3,))) == old


def test_a_lot_that_is_called_otherwise_is_titled_so(workspace, disc_states):
    lot_id = workspace.read_upload([npz(disc_states)])
    renamed = workspace.lot(workspace.reread(lot_id, ReadingOptions(lot="A1234")))
    assert (renamed.title, renamed.wafers[0].lot) == ("A1234", "A1234")
    turned = workspace.reread(lot_id, ReadingOptions(orientation="rotate-90"))
    assert workspace.lot(turned).title == "lot7"


def test_a_turned_lot_turns_back(workspace, disc_states):
    straight = workspace.read_upload([npz(disc_states)])
    turned = workspace.reread(straight, ReadingOptions(orientation="rotate-90"))
    assert workspace.lot(turned).wafers[0].frame.shape == (14, 12)
    assert workspace.reread(turned, ReadingOptions()) == straight


def test_a_lot_read_again_with_labels_gains_them(workspace, small_lot):
    lot_id = workspace.add_lot(small_lot)
    labels = np.eye(8, dtype=bool)[1]
    labelled = replace(small_lot, wafers=tuple(replace(wafer, labels=labels) for wafer in small_lot))
    assert workspace.add_lot(labelled) == lot_id
    assert workspace.lot(lot_id).labelled
    assert workspace.add_lot(small_lot) == lot_id
    assert workspace.lot(lot_id).labelled


def labelled(lot: Lot, patterns: Sequence[int | None]) -> Lot:
    """The lot with one pattern a wafer, or no labels where there is none."""
    rows = [None if pattern is None else np.eye(8, dtype=bool)[pattern] for pattern in patterns]
    return replace(lot, wafers=tuple(replace(each, labels=row) for each, row in zip(lot, rows, strict=True)))


def labels_of(workspace: Workspace, lot_id: str) -> list[int]:
    return [int(wafer.labels.argmax()) for wafer in workspace.lot(lot_id)]


def test_the_labels_of_the_newest_upload_count_and_the_note_says_how_many_changed(workspace, small_lot, monkeypatch):
    first, second = [0, 1, 2, 3, 4, 5], [0, 1, 2, 7, 7, 7]

    def opened(patterns: Sequence[int | None], name: str = "a.npz") -> str:
        return workspace.read_upload([NamedBytes(name, write_lot(labelled(small_lot, patterns)))])

    lot_id = opened(first)
    assert (opened(second, "b.npz"), labels_of(workspace, lot_id)) == (lot_id, second)
    lot = workspace.lot(lot_id)
    assert [(note.kind, note.file, note.text) for note in lot.notes] == [
        ("changed", "b.npz", "Labels of 3 wafers changed; those of this upload count now.")
    ]
    assert lot.lot_hash == small_lot.lot_hash
    [row] = workspace.lots()
    # Labels of some wafers only, or none, take nobody's place; nor do the same again.
    for patterns in ([None, 1, 2, 3, 4, 5], [None] * 6, second):
        opened(patterns, "c.npz")
        assert labels_of(workspace, lot_id) == second
    assert workspace.lot(lot_id).notes == lot.notes
    assert workspace.lots() == [row]
    opened([1, *second[1:]], "d.npz")
    assert "Labels of 1 wafer changed" in workspace.lot(lot_id).notes[-1].text
    # What was there first is opened anew, so it is the newest.
    opened(first)
    assert labels_of(workspace, lot_id) == first
    # Somebody sets the clock back.
    now = time.time()
    monkeypatch.setattr("wafer_core.workspace.lots.time.time", lambda: now - 24 * 3600)
    opened(second, "e.npz")
    assert labels_of(workspace, lot_id) == second


def test_what_is_told_of_a_lot_is_of_the_files_opened_last(workspace, disc_states):
    good, bad = npz(disc_states), NamedBytes("notes.txt", b"no wafer\n")
    lot_id = workspace.read_upload([good])
    clean = workspace.lot(lot_id).notes
    assert workspace.read_upload([good, bad]) == lot_id
    assert [(note.kind, note.file) for note in workspace.lot(lot_id).notes if note not in clean] == [
        ("refused", "notes.txt")
    ]
    # The files that were opened last are also those that are read again.
    assert [file.name for file in workspace.upload_files(_upload_of(workspace, lot_id))] == [good.name, "notes.txt"]
    assert workspace.read_upload([good]) == lot_id
    assert workspace.lot(lot_id).notes == clean


def test_options_that_change_no_die_are_kept_and_told(workspace):
    rows = b"".join(b"A,01,%d,%d,%d\n" % (x, y, 1 + 4 * (x == 0)) for x in range(6) for y in range(6))
    lot_id = workspace.read_upload([NamedBytes("a.csv", b"lot,wafer,x,y,bin\n" + rows)])
    assert any("Bin 1 passes" in note.text for note in workspace.lot(lot_id).notes)
    assert workspace.reread(lot_id, ReadingOptions(pass_bins=(1, 9))) == lot_id
    assert workspace.lot(lot_id).options.pass_bins == (1, 9)
    assert not any("Bin 1 passes" in note.text for note in workspace.lot(lot_id).notes)


def _upload_of(workspace: Workspace, lot_id: str) -> str:
    return workspace.database.row("SELECT upload FROM lots WHERE id = ?", (lot_id,))["upload"]


def test_labels_that_a_lot_had_for_some_wafers_are_told_apart_from_those_it_gains(workspace, small_lot):
    lot_id = workspace.add_lot(labelled(small_lot, [0, 1, None, None, None, None]))
    workspace.add_lot(labelled(small_lot, [0, 2, 3, 4, 5, 6]))
    assert labels_of(workspace, lot_id) == [0, 2, 3, 4, 5, 6]
    [note] = workspace.lot(lot_id).notes
    assert note.text.startswith("Labels of 1 wafer changed")


def test_turning_a_lot_back_that_was_read_from_an_older_upload_brings_no_older_labels(workspace, small_lot):
    lot_id = workspace.add_lot(labelled(small_lot, [0] * 6))
    turned = workspace.reread(lot_id, ReadingOptions(orientation="rotate-90"))
    workspace.add_lot(labelled(small_lot, [1] * 6))
    assert workspace.reread(turned, ReadingOptions()) == lot_id
    assert labels_of(workspace, lot_id) == [1] * 6
    assert workspace.reread(lot_id, ReadingOptions(orientation="rotate-90")) == turned
    assert labels_of(workspace, turned) == [1] * 6


def test_no_upload_changes_the_labels_that_students_are_judged_by(workspace, small_lot):
    lot_id = workspace.add_lot(labelled(small_lot, [1] * 6))
    assert workspace.add_lot(labelled(small_lot, [0] * 6), "sample") == lot_id
    workspace.add_lot(labelled(small_lot, [1] * 6))
    assert labels_of(workspace, lot_id) == [0] * 6
    assert [row.source for row in workspace.lots()] == ["sample"]


def test_of_two_that_bring_labels_at_once_the_one_that_came_later_counts(workspace, small_lot, monkeypatch):
    lot_id = workspace.add_lot(labelled(small_lot, [0] * 6))
    put, other, between = FileStore.put, Workspace(workspace.root), []

    def slowly(self, data):
        if self is workspace.files and data == write_lot(noted) and not between:
            between.append(other.add_lot(labelled(small_lot, [2] * 6)))
        return put(self, data)

    noted = replace(
        labelled(small_lot, [1] * 6),
        notes=(Note("changed", "", "Labels of 6 wafers changed; those of this upload count now."),),
    )
    monkeypatch.setattr(FileStore, "put", slowly)
    workspace.add_lot(labelled(small_lot, [1] * 6))
    assert between == [lot_id]
    assert labels_of(workspace, lot_id) == [2] * 6
    other.close()


def test_unknown_ids_are_sentences(workspace):
    with pytest.raises(UsageError, match="No lot"):
        workspace.lot("0" * 16)
    with pytest.raises(UsageError, match="No upload"):
        workspace.upload_files("0" * 16)
    assert workspace.upload("0" * 16) is None


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def swapped(path: Path) -> None:
    """The bytes of another file of the same kind."""
    path.write_bytes(write_lot(Lot("other", ())))


@pytest.mark.parametrize("damage", [cut_short, swapped, Path.unlink])
def test_a_damaged_copy_is_said_to_be_one_and_mended_by_the_files(workspace, disc_states, damage):
    lot_id = workspace.read_upload([npz(disc_states)])
    sound = workspace.lot(lot_id)
    for stored in [path for path in workspace.files.root.rglob("*") if path.is_file()]:
        damage(stored)
    with pytest.raises(UnreadableFile, match="lot7: the stored copy is damaged; upload its files again"):
        workspace.lot(lot_id)
    with pytest.raises(UnreadableFile, match=r"lot7\.npz: the stored copy is damaged"):
        workspace.reread(lot_id, ReadingOptions(orientation="rotate-90"))
    assert workspace.read_upload([npz(disc_states)]) == lot_id
    assert workspace.lot(lot_id).lot_hash == sound.lot_hash
    assert workspace.lot(workspace.reread(lot_id, ReadingOptions(orientation="rotate-90"))).title == "lot7"


def test_a_damaged_labelled_copy_is_mended_by_files_without_labels_that_then_stand_for_it(workspace, small_lot):
    labels = np.eye(8, dtype=bool)[1]
    lot_id = workspace.add_lot(replace(small_lot, wafers=tuple(replace(each, labels=labels) for each in small_lot)))
    cut_short(workspace.files.path(workspace.database.row("SELECT file FROM lots")["file"]))
    assert workspace.add_lot(small_lot) == lot_id
    assert not workspace.lot(lot_id).labelled
    assert [row.labelled for row in workspace.lots()] == [False]


def test_bundled_lots_are_listed_where_they_stand(workspace, bundled, small_lot, lot_of, disc_states):
    simulated = replace(lot_of([disc_states(10, 10)]), title="Mixed lot, simulated")
    for lot in (small_lot, simulated):
        (bundled / f"{lot.title}.npz").write_bytes(write_lot(lot))
    rows = workspace.lots()
    assert [(row.title, row.source) for row in rows] == [("small", "sample"), ("Mixed lot, simulated", "simulated")]
    assert rows[0].id == small_lot.lot_hash[:16]
    assert workspace.lot(rows[0].id).lot_hash == small_lot.lot_hash
    assert not list((workspace.root / "files").glob("*/*"))
    assert workspace.add_lot(small_lot) == rows[0].id
    assert workspace.lots() == rows


def test_a_bundled_lot_turns_and_keeps_its_source(workspace, bundled, small_lot):
    (bundled / "small.npz").write_bytes(write_lot(small_lot))
    [straight] = workspace.lots()
    turned = workspace.reread(straight.id, ReadingOptions(orientation="flip-up-down"))
    assert turned == Lot("", tuple(wafer.turned("flip-up-down") for wafer in small_lot)).lot_hash[:16]
    assert {row.source for row in workspace.lots()} == {"sample"}
    assert workspace.reread(turned, ReadingOptions()) == straight.id


# Results -----------------------------------------------------------------------------------------


def test_scores_last_across_restarts(workspace):
    maps, scores = map_hashes(4), random_scores(4)
    workspace.put_scores(MODEL, maps, scores)
    workspace.close()
    again = Workspace(workspace.root)
    logits, present = again.scores(MODEL, [*map_hashes(1, 100), *reversed(maps)])
    assert present.tolist() == [False, True, True, True, True]
    assert np.isnan(logits[0]).all()
    np.testing.assert_array_equal(logits[1:], scores.logits[::-1])
    embeddings, _ = again.embeddings(MODEL, maps)
    np.testing.assert_array_equal(embeddings, scores.embedding)
    assert not again.scored(OTHER, maps).any()
    again.close()


def test_more_keys_than_a_query_holds(workspace):
    maps = map_hashes(2 * KEYS_A_QUERY + 1)
    scores = random_scores(len(maps))
    workspace.put_scores(MODEL, maps, scores)
    np.testing.assert_array_equal(workspace.scores(MODEL, maps).logits, scores.logits)


def test_equal_maps_of_a_lot_share_their_scores(workspace):
    workspace.put_scores(MODEL, map_hashes(1), random_scores(1))
    logits, present = workspace.scores(MODEL, map_hashes(1) * 3)
    assert present.all()
    assert (logits == logits[0]).all()


def test_a_lot_in_view_stays_in_memory_however_many_small_questions_are_asked(workspace):
    maps = map_hashes(40)
    workspace.put_scores(MODEL, maps, random_scores(40))
    lot = workspace.scores(MODEL, maps).logits
    for one in maps[: 2 * REMEMBERED]:
        workspace.scores(MODEL, [one])
        assert workspace.scores(MODEL, maps).logits is lot


def test_a_wafer_that_cannot_be_scored_is_present_and_has_no_number(workspace):
    nothing = Scores(np.full((1, 8), np.nan, np.float32), np.full((1, 5), np.nan, np.float32), MODEL)
    workspace.put_scores(MODEL, map_hashes(1), nothing)
    logits, present = workspace.scores(MODEL, map_hashes(1))
    assert present.all()
    assert np.isnan(logits).all()


def test_what_was_answered_once_stays_the_answer(workspace):
    maps, first = map_hashes(5), random_scores(5)
    workspace.put_scores(MODEL, maps[:3], Scores(first.logits[:3], first.embedding[:3], MODEL))
    workspace.put_scores(MODEL, maps, random_scores(5, seed=1))
    np.testing.assert_array_equal(workspace.scores(MODEL, maps).logits[:3], first.logits[:3])
    np.testing.assert_array_equal(workspace.scores(MODEL, maps).logits[3:], random_scores(5, seed=1).logits[3:])
    np.testing.assert_array_equal(workspace.embeddings(MODEL, maps)[0][:3], first.embedding[:3])


def test_no_maps_are_no_scores(workspace):
    logits, present = workspace.scores(MODEL, [])
    assert logits.shape == (0, 8)
    assert present.shape == (0,)
    assert workspace.embeddings(MODEL, [])[0].shape == (0, 0)


def test_attributions_are_kept_by_model_map_method_and_pattern(workspace):
    dies = np.random.default_rng(0).normal(size=(2, 7, 9)).astype(np.float32)
    [key] = map_hashes(1)
    workspace.put_attributions(MODEL, key, "deeplift", [6, 0], dies)
    found = workspace.attributions(MODEL, key, "deeplift", [0, 1, 6])
    assert set(found) == {0, 6}
    np.testing.assert_array_equal(found[6], dies[0])
    np.testing.assert_array_equal(found[0], dies[1])
    assert workspace.attributions(MODEL, key, "gradcam", [0]) == {}
    assert workspace.attributions(OTHER, key, "deeplift", [0]) == {}


# Speeds ------------------------------------------------------------------------------------------


def test_the_last_speed_of_a_model_on_a_lot_outlives_the_process(workspace):
    slow, fast, large = Speed(4.5, 32, 3, 2, 1.0e9), Speed(0.4, 6, 3, 16, 1.1e9), Speed(30.1, 6, 3, 16, 1.2e9)
    workspace.put_speed("lot", MODEL, slow)
    workspace.put_speed("lot", MODEL, fast)
    workspace.put_speed("other lot", MODEL, large)
    workspace.close()
    opened = Workspace()
    assert opened.speed("lot", MODEL) == fast
    assert opened.speed("other lot", MODEL) == large
    assert opened.speed("lot", OTHER) is None
    opened.close()


# Job rows ----------------------------------------------------------------------------------------


def put_job(workspace: Workspace, **changes):
    return workspace.put_job(
        **{"kind": "score", "dedupe": "same", "lot": "x", "payload": {"a": 1}, "urgency": 3, **changes}
    )


def test_the_same_job_waits_once_and_takes_over_what_is_in_view(workspace):
    job_id = put_job(workspace)
    assert put_job(workspace, first=(4, 2), urgency=0) == job_id
    job = workspace.job(job_id)
    assert (job.first, job.urgency, job.state, job.payload) == ((4, 2), 0, "queued", {"a": 1})
    assert put_job(workspace, dedupe="other") != job_id
    workspace.end_job(job_id, "done", "Well.")
    assert put_job(workspace) != job_id


def test_a_less_urgent_twin_makes_what_waits_no_less_urgent(workspace):
    job_id = put_job(workspace, first=(4, 2), urgency=0)
    assert put_job(workspace, first=(7,), urgency=3) == job_id
    assert (workspace.job(job_id).first, workspace.job(job_id).urgency) == ((7,), 0)


def test_of_equally_urgent_jobs_the_running_one_goes_on_and_then_the_oldest(workspace):
    oldest, running, urgent = (put_job(workspace, dedupe=name) for name in ("oldest", "running", "urgent"))
    assert workspace.most_urgent().id == oldest
    workspace.begin_job(running)
    assert workspace.most_urgent().id == running
    put_job(workspace, dedupe="urgent", first=(1,), urgency=2)
    assert workspace.most_urgent().id == urgent


def test_what_is_unfinished_is_found_by_its_kind(workspace):
    ids = [put_job(workspace, dedupe=name, kind="distil") for name in ("queued", "paused", "done", "cancelled")]
    put_job(workspace)
    workspace.request_pause(ids[1])
    for job_id, state in zip(ids[2:], ("done", "cancelled"), strict=True):
        workspace.end_job(job_id, state, "Over.")
    assert workspace.unfinished("distil") == ids[:2]


@pytest.mark.parametrize("state", ["failed", "cancelled", "lost"])
def test_what_went_wrong_a_moment_ago_is_not_started_by_a_redraw(workspace, state):
    job_id = put_job(workspace)
    workspace.end_job(job_id, state, "It went wrong.")
    assert put_job(workspace) == job_id
    assert put_job(workspace, again=True) != job_id


@pytest.mark.parametrize(("later", "spared"), [(0.9, True), (1.1, False)])
def test_what_went_wrong_is_started_again_after_a_while(workspace, monkeypatch, later, spared):
    job_id = put_job(workspace)
    workspace.end_job(job_id, "failed", "It went wrong.")
    now = time.time()
    monkeypatch.setattr("wafer_core.workspace.job_rows.time.time", lambda: now + later * SPARED)
    assert (put_job(workspace) == job_id) == spared
    assert SPARED == 600


def test_what_went_wrong_by_a_clock_that_was_ahead_is_started(workspace, monkeypatch):
    job_id = put_job(workspace)
    now = time.time()
    monkeypatch.setattr("wafer_core.workspace.job_rows.time.time", lambda: now + 30 * 24 * 3600)
    workspace.end_job(job_id, "failed", "It went wrong.")
    monkeypatch.undo()
    assert put_job(workspace) != job_id


def test_two_processes_that_ask_for_the_same_thing_start_it_once(home):
    script = (
        "from wafer_core.workspace import Workspace\n"
        "w = Workspace()\n"
        "for n in range(40):\n"
        "    w.put_job('distil', f'run {n}', 'x', {}, 5, name='lot7-small')\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert (process.communicate()[1], process.returncode) == ("", 0)
    workspace = Workspace()
    jobs = workspace.jobs()
    assert len(jobs) == 40
    assert sorted(job.name for job in jobs) == sorted(f"lot7-small-{n}" for n in range(1, 41))
    workspace.close()


def test_a_student_never_gets_the_name_of_another(workspace):
    (workspace.student_root / "lot7-small-1").mkdir()
    job = workspace.job(put_job(workspace, name="lot7-small"))
    assert job.name == "lot7-small-2"


def test_orphans_are_queued_again_until_they_are_given_up(workspace):
    job_id = put_job(workspace)
    for _ in range(5):
        assert workspace.job(job_id).state == "queued"
        assert workspace.begin_job(job_id)
        workspace.requeue_orphans()
    job = workspace.job(job_id)
    assert job.state == "lost"
    assert job.message.endswith(".")
    assert job.over


def test_no_job_is_given_up_because_the_workspace_could_not_be_used(workspace):
    job_id = put_job(workspace)
    for _ in range(12):
        assert workspace.begin_job(job_id)
        assert workspace.requeue_orphans(stopped=False) == [job_id]
    job = workspace.job(job_id)
    assert (job.state, job.attempts) == ("queued", 0)
    assert job.message == "The workspace could not be used for a while; it goes on from what was kept."


def test_an_orphan_that_was_cancelled_ends(workspace):
    job_id = put_job(workspace)
    workspace.begin_job(job_id)
    workspace.request_cancel(job_id)
    assert workspace.requeue_orphans() == []
    assert workspace.job(job_id).state == "cancelled"


def test_jobs_are_listed_by_kind_and_state(workspace):
    done, queued = put_job(workspace), put_job(workspace, dedupe="b", kind="distil", name="n")
    workspace.end_job(done, "done", "Well.")
    assert [job.id for job in workspace.jobs()] == [queued, done]
    assert [job.id for job in workspace.jobs(kind="distil")] == [queued]
    assert [job.id for job in workspace.jobs(states=("done",))] == [done]
