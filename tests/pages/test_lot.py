"""The Lot page: lots in and out, what the cards say, filters in the address, reading options."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Node

from tests.pages.told import address, texts
from wafer_core.charts.maps import stacks
from wafer_core.lot import FAIL, PASS, UNTESTED, Lot, Note, NoteKind
from wafer_core.ui.distill import run_watch
from wafer_core.ui.lot import gallery, view
from wafer_core.ui.shared import lot_picker, opinions
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]
TEACHER = ["Center", "Normal", "Scratch", "Center+Scratch", "Loc", "Normal"]
STUDENT = ["Center", "Normal", "Normal", "Center", "Loc", "Normal"]


@pytest.fixture
def lot_id(store: Workspace, small_lot: Lot, answer: Callable[..., None]) -> str:
    """The small lot in the workspace, with the answers above."""
    answer(small_lot, store.model("teacher"), TEACHER)
    answer(small_lot, store.model("approved"), STUDENT)
    return store.add_lot(small_lot)


def test_without_an_address_a_bundled_lot_opens_and_the_address_names_it(visit: Visit, store: Workspace) -> None:
    app = visit()
    assert not app.exception
    first = store.lots()[0]
    assert address(app, "lot") == first.id
    assert app.selectbox(key="address-lot").value == first.id


def test_a_lot_is_told_at_a_glance(visit: Visit, lot_id: str) -> None:
    app = visit(lot=lot_id)
    assert not app.exception
    assert app.title[0].value == "small"
    assert "6 wafers" in texts(app)
    assert "2 grids" in texts(app)
    assert (app.metric[0].label, app.metric[0].value) == ("Models agree on", "4 of 6")
    assert "**Disagree 2**" in texts(app)
    assert "Wafers called Normal: 2 by the teacher, 3 by the student." in texts(app)
    assert not app.error


def test_where_a_lot_fails_leaves_out_dies_that_few_wafers_were_tested_at(
    visit: Visit, store: Workspace, lot_of: Callable[..., Lot]
) -> None:
    grids = np.full((4, 3, 3), PASS, dtype=np.uint8)
    grids[:, 0, 0] = [FAIL, UNTESTED, UNTESTED, UNTESTED]
    grids[:3, 1, 1] = FAIL
    app = visit(lot=store.add_lot(lot_of(list(grids))))
    assert not app.exception
    assert "Share of the wafers tested at a die that fail there; the worst die fails on 75 %." in texts(app)
    assert "Dies tested on fewer than 2 wafers are left out." in texts(app)


def test_a_lot_whose_copy_is_damaged_is_a_sentence(visit: Visit, lot_id: str, store: Workspace) -> None:
    stored = store.files.path(store.database.row("SELECT file FROM lots")["file"])
    stored.write_bytes(stored.read_bytes()[:-40])
    app = visit(lot=lot_id)
    assert not app.exception
    assert [error.value for error in app.error] == ["small: the stored copy is damaged; upload its files again."]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ({}, "Wafers 1 to 6 of 6\n"),
        ({"show": "differ"}, "Wafers 1 to 2 of 2 found among 6"),
        ({"pattern": "Center"}, "Wafers 1 to 2 of 2 found among 6"),
        ({"pattern": "Normal"}, "Wafers 1 to 3 of 3 found among 6"),
        ({"show": "differ", "pattern": "Center"}, "Wafers 1 to 1 of 1 found among 6"),
        ({"show": "nonsense", "pattern": "Nope", "sort": "?", "view": "x", "page": "99"}, "Wafers 1 to 6 of 6\n"),
        ({"show": "unsure"}, "No wafer of this lot fits these filters"),
    ],
)
def test_filters_stand_in_the_address(visit: Visit, lot_id: str, address: dict[str, str], found: str) -> None:
    app = visit(lot=lot_id, **address)
    assert not app.exception
    assert found in texts(app)


def test_a_filter_turned_on_the_page_is_written_into_the_address(visit: Visit, lot_id: str) -> None:
    app = visit(lot=lot_id, page="2")
    app.button(key="see-differ").click().run()
    assert address(app, "show") == "differ"
    assert address(app, "page") is None
    app.selectbox(key="address-pattern").select("Scratch").run()
    assert address(app, "pattern") == "Scratch"
    assert "Wafers 1 to 2 of 2" in texts(app)
    app.selectbox(key="address-pattern").select("any").run()
    assert address(app, "pattern") is None


def test_wafers_unlike_anything_known_are_told_first_and_found(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None], drawn: Callable[[AppTest], dict]
) -> None:
    answer(small_lot, store.model("teacher"), TEACHER, unlike=[2])
    answer(small_lot, store.model("approved"), STUDENT, unlike=[2, 4])
    app = visit(lot=store.add_lot(small_lot))
    assert not app.exception
    said = texts(app)
    assert said.index("**Unlike anything known 2**") < said.index("**Disagree 2**")
    flags = [card["flag"] for card in drawn(app)["gallery"]["cards"]]
    assert flags == ["", "", "Unlike anything known", "", "Unlike anything known", ""]
    assert drawn(app)["gallery"]["cards"][4]["teacher"] == "Loc"  # it keeps what is named
    assert "by both: 03 · by the student: 05" in said  # whose word it is
    app.button(key="see-unlike").click().run()
    assert address(app, "show") == "unlike"
    assert "Wafers 1 to 2 of 2 found among 6" in texts(app)
    table = visit(lot=address(app, "lot"), show="unlike", view="table").dataframe
    rows = next(frame.value for frame in table if "flag" in frame.value)
    assert rows["flag"].tolist() == ["unlike"] * 2
    assert (rows["novelty"] > 1).all()
    assert list(rows).index("flag") < list(rows).index("teacher")


@pytest.mark.parametrize(
    ("teacher", "student", "told"),
    [
        ([], [14], "by the student: wafer 15"),  # not a count of 15
        ([], [4], "by the student: 05"),
        ([0, 14], [0], "by both: 01 · by the teacher: wafer 15"),
        ([10, 14], [], "by the teacher: 11, 15"),
        (
            range(10),
            [8, 9, 15],
            "by both 2: 09, 10 · by the teacher alone 8: 01, 02 … · by the student alone 1: 16",
        ),
        (range(9), range(9), "by both 9: 01, 02, 03, 04, 05, 06, 07, 08 …"),
    ],
)
def test_of_wafers_that_models_flag_it_is_told_how_many_are_whose(
    visit: Visit,
    store: Workspace,
    disc_states: Callable[..., np.ndarray],
    lot_of: Callable[..., Lot],
    answer: Callable[..., None],
    teacher: Sequence[int],
    student: Sequence[int],
    told: str,
) -> None:
    lot = lot_of([disc_states(8, 8, 0.1, seed=seed) for seed in range(16)])
    for name, unlike in (("teacher", teacher), ("approved", student)):
        answer(lot, store.model(name), ["Normal"] * len(lot), unlike=unlike)
    lines = [part.value for part in visit(lot=store.add_lot(lot)).markdown]
    (line,) = (line for line in lines if "Unlike anything known" in line and "See" not in line and ":small" in line)
    assert line.endswith(f":small[:gray[{told}]]")


def test_a_picture_of_a_map_is_drawn_once_and_copied_never(small_lot: Lot) -> None:
    wafer = small_lot.wafers[0]
    assert gallery._pictures(wafer, 72, ("light",)) is gallery._pictures(replace(wafer), 72, ("light",))
    assert run_watch._picture(wafer, "light") is run_watch._picture(replace(wafer), "light")


def test_nothing_is_told_by_the_student_alone_before_the_teacher_has_read_it(
    visit: Visit, store: Workspace, disc_states: Callable[..., np.ndarray], lot_of: Callable[..., Lot], answer
) -> None:
    lot = lot_of([disc_states(8, 8, 0.1, seed=seed) for seed in range(16)])
    answer(lot, store.model("approved"), ["Normal"] * len(lot), unlike=range(12))
    said = texts(visit(lot=store.add_lot(lot)))
    assert "by the student 12: 01, 02" in said
    assert "alone" not in said


def test_a_lot_of_ordinary_wafers_is_said_to_be_so(visit: Visit, lot_id: str) -> None:
    app = visit(lot=lot_id, show="unlike")
    assert not app.exception
    assert "Neither model flags a wafer of this lot. That does not prove them ordinary." in texts(app)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("wafer", [0, 1, 2, 3, 4, 5]), ("yield", [5, 4, 3, 2, 1, 0]), ("best", [0, 1, 2, 3, 4, 5])],
)
def test_wafers_come_in_the_order_asked_for(
    store: Workspace, small_lot: Lot, lot_id: str, sort: str, expected: list[int]
) -> None:
    said = opinions.Opinions(
        small_lot,
        _opinion(store, small_lot, "teacher"),
        _opinion(store, small_lot, "approved"),
    )
    assert gallery.select(said, "all", gallery.ANY, sort).tolist() == expected


def test_the_table_has_a_row_for_every_wafer(visit: Visit, lot_id: str) -> None:
    app = visit(lot=lot_id, view="table")
    assert not app.exception
    table = next(frame.value for frame in app.dataframe if "teacher" in frame.value)
    assert table["teacher"].tolist() == ["Center", "Normal", "Scratch", "Center + Scratch", "Loc", "Normal"]
    assert table["student"].tolist() == STUDENT
    assert table["agreement"].tolist() == ["agree", "agree", "differ", "differ", "agree", "agree"]
    assert table["map"].str.startswith("data:image/png;base64,").all()
    # A wafer is named after its lot; what both say comes before what fewer look for.
    shown = list(table)
    assert shown[:4] == ["open", "lot", "wafer", "map"]
    assert shown[-2:] == ["novelty", "dies"]


@pytest.mark.parametrize(("wafers", "drawn"), [(1_000, True), (1_001, False)])
def test_the_table_shows_maps_of_as_many_wafers_as_one_message_holds(
    store: Workspace, small_lot: Lot, lot_id: str, wafers: int, drawn: bool
) -> None:
    said = opinions.Opinions(small_lot, _opinion(store, small_lot, "teacher"), _opinion(store, small_lot, "approved"))
    frame = gallery.table(said, np.arange(wafers) % len(small_lot), "light")
    assert (len(frame), "map" in frame) == (wafers, drawn)


def test_a_table_without_maps_says_so_and_has_all_wafers(
    visit: Visit, lot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "The table has no maps of so many dies"
    assert told not in texts(visit(lot=lot_id, view="table"))
    monkeypatch.setattr(gallery, "MOST_PIXELS", 5 * gallery.ROW_PIXELS**2)
    app = visit(lot=lot_id, view="table")
    assert told in texts(app)
    table = next(frame.value for frame in app.dataframe if "teacher" in frame.value)
    assert "map" not in table
    assert len(table) == 6
    # Pictures of fewer wafers are shown again.
    table = next(
        one.value for one in visit(lot=lot_id, view="table", show="differ").dataframe if "teacher" in one.value
    )
    assert "map" in table


def test_wafers_are_sorted_as_they_are_counted(visit: Visit, store: Workspace, disc_states, lot_of) -> None:
    ids = ["L1/10", "L1/2", "L10/1", "L2/1", "L1/1", "L1/W2b"]
    lot = lot_of([disc_states(9, 9, seed=seed) for seed in range(len(ids))])
    named = (name.split("/") for name in ids)
    wafers = tuple(replace(wafer, lot=a, wafer=b) for wafer, (a, b) in zip(lot, named, strict=True))
    app = visit(lot=store.add_lot(Lot("mixed", wafers)), view="table", sort="id")
    table = next(one.value for one in app.dataframe if "teacher" in one.value)
    assert (table["lot"] + "/" + table["wafer"]).tolist() == ["L1/1", "L1/2", "L1/10", "L1/W2b", "L2/1", "L10/1"]


def test_a_row_of_the_table_is_opened_by_its_button_and_by_nothing_that_sorting_does(visit: Visit, lot_id: str) -> None:
    table = next(one for one in visit(lot=lot_id, view="table").dataframe if "teacher" in one.value)
    assert not table.proto.selection_mode
    columns = json.loads(table.proto.columns)
    kinds = {name: column.get("type_config", {}).get("type") for name, column in columns.items()}
    assert [name for name, kind in kinds.items() if kind == "button"] == ["open"]


def test_a_row_opens_the_wafer_that_stood_in_it_when_it_was_pressed(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    """Answers arrive while somebody looks at the table, and put its rows in another order."""
    lot_id = store.add_lot(small_lot)
    app = visit(lot=lot_id, view="table", sort="margin")
    table = next(one.value for one in app.dataframe if "teacher" in one.value)
    assert table["wafer"].iloc[0] == small_lot.wafers[0].wafer
    for name in ("teacher", "student"):
        sure = replace(small_lot, wafers=small_lot.wafers[:1])
        answer(sure, store.model(name), ["Center"], margin=9.0)
        unsure = replace(small_lot, wafers=small_lot.wafers[1:])
        answer(unsure, store.model(name), ["Center"] * (len(small_lot) - 1), margin=0.1)
    app.session_state["table-opened"] = SimpleNamespace(row=0)
    app.run()
    assert address(app, "wafer") == small_lot.wafers[0].name


def test_the_key_to_the_signs_stands_before_the_cards_that_have_them(visit: Visit, lot_id: str) -> None:
    captions = [caption.value for caption in visit(lot=lot_id).caption]
    (key,) = (place for place, told in enumerate(captions) if told == "≠ the models differ")
    assert key < captions.index("Wafers 1 to 6 of 6")
    assert "≠" not in texts(visit(lot=lot_id, pattern="Loc"))


@pytest.mark.parametrize(
    ("answers", "width"),
    [
        ([], 80),
        ([None, "Loc"], 80),
        (["Normal", "Donut + Edge-Loc"], 114),
        (["Center + Edge-Ring + Loc + Scratch", "Normal"], 190),
    ],
)
def test_answers_get_the_room_they_need(answers: list[str | None], width: int) -> None:
    assert gallery.wide(pd.DataFrame({"teacher": answers}, dtype=object)) == width


def test_ids_get_the_room_they_need(visit: Visit, store: Workspace, small_lot: Lot) -> None:
    wafers = (replace(wafer, lot=f"N6127{i}.00", wafer=f"N6127{i}-0{i}") for i, wafer in enumerate(small_lot))
    long_ids = store.add_lot(replace(small_lot, wafers=tuple(wafers)))
    widths = {}
    for lot_id in (store.add_lot(small_lot), long_ids):
        table = next(one for one in visit(lot=lot_id, view="table").dataframe if "teacher" in one.value)
        columns = json.loads(table.proto.columns)
        widths[lot_id] = [columns[name]["width"] for name in ("lot", "wafer")]
    assert list(widths.values()) == [[78, 52], [90, 90]]


@pytest.mark.usefixtures("nobody_works")
def test_cards_keep_their_place_as_the_last_answer_comes(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    """Where they are drawn at another place, all of them vanish for a moment."""
    lot_id = store.add_lot(small_lot)
    answer(small_lot, store.model("approved"), STUDENT)
    app = visit(lot=lot_id)
    awaited = place(app.main, "gallery")
    answer(small_lot, store.model("teacher"), TEACHER)
    app.run()
    assert "≠ the models differ" in texts(app)
    assert place(app.main, "gallery") == awaited


def place(block: Block, key: str) -> list[int]:
    """Return the way to an element of the page's own through the blocks that hold it."""
    for i, part in block.children.items():
        if isinstance(part, Block) and (below := place(part, key)):
            return [i, *below]
        if part.type == "bidi_component" and part.key == key:
            return [i]
    return []


def test_what_is_missing_is_queued_the_student_first(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    lot_id = store.add_lot(small_lot)
    app = visit(lot=lot_id)
    assert not app.exception
    jobs = store.jobs("score")
    urgent = sorted(jobs, key=lambda job: (job.urgency, job.id))
    assert {job.payload["model"] for job in jobs} == {"student", "teacher"}
    assert urgent[0].payload["model"] == "student"
    assert jobs[0].first == (0, 1, 2, 3, 4, 5)


@pytest.mark.usefixtures("nobody_works")
def test_before_anything_is_read_nothing_is_counted(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    lot_id = store.add_lot(small_lot)
    app = visit(lot=lot_id)
    said = texts(app)
    # How far they are is told under the cards' texts, where it moves nothing as it comes and goes.
    drawn = list(parts(app.main))
    (bar,) = (place for place, part in enumerate(drawn) if part.type == "progress")
    assert "**Models**" in [part.value for part in drawn[:bar] if part.type == "markdown"]
    assert said.count("No wafer is read yet.") == 2
    assert "by the teacher" not in said
    assert "so far" not in said
    answer(small_lot, store.model("approved"), STUDENT)
    said = texts(visit(lot=lot_id))
    assert "Wafers called Normal: 3 by the student." in said
    assert "No wafer is read by both yet." in said


@pytest.mark.usefixtures("nobody_works")
def test_while_a_lot_is_read_it_is_told_of_how_many_wafers_each_figure_is(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    lot_id = store.add_lot(small_lot)
    answer(small_lot, store.model("approved"), STUDENT)
    assert "Read so far: 6 by the student, of 6 wafers." in texts(visit(lot=lot_id))
    answer(replace(small_lot, wafers=small_lot.wafers[:3]), store.model("teacher"), TEACHER[:3])
    app = visit(lot=lot_id)
    assert "Read so far: 3 by the teacher, 6 by the student, of 6 wafers." in texts(app)
    assert (app.metric[0].label, app.metric[0].value) == ("Agree, of wafers read by both", "2 of 3")
    answer(small_lot, store.model("teacher"), TEACHER)
    assert "Read so far" not in texts(visit(lot=lot_id))


def test_of_a_model_that_has_read_nothing_no_figure_is_told(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None], drawn: Callable[..., dict[str, dict]]
) -> None:
    lot_id = store.add_lot(small_lot)
    answer(small_lot, store.model("approved"), STUDENT)
    app = visit(lot=lot_id)
    bars = drawn(app)["pattern-bars"]
    assert [(row["name"], [bar["role"] for bar in row["bars"]]) for row in bars["rows"]] == [
        ("Center", ["student"]),
        ("Loc", ["student"]),
    ]
    assert "Center on 2 wafers, says the student" in bars["alt"]
    figures = next(table.value for table in app.table if "usual suspects" in table.value)
    assert list(figures) == ["pattern", "student", "usual suspects"]


def parts(block: Block) -> Iterator[Node]:
    """What a block holds, from the top down."""
    for part in block.children.values():
        yield part
        if isinstance(part, Block):
            yield from parts(part)


def test_a_lot_that_is_not_here_gets_a_sentence(visit: Visit) -> None:
    app = visit(lot="0123456789abcdef")
    assert not app.exception
    assert "No lot in this workspace has the id 0123456789abcdef" in app.error[0].value


def test_from_an_address_of_no_lot_the_first_lot_can_be_chosen(visit: Visit, store: Workspace) -> None:
    app = visit(lot="zzz")
    assert app.selectbox(key="address-lot").value is None
    first = store.lots()[0]
    app.selectbox(key="address-lot").select(first.id).run()
    assert not app.exception
    assert not app.error
    assert address(app, "lot") == first.id


@pytest.mark.parametrize("page", ["wafer", "compare", "distill"])
def test_an_address_of_no_lot_offers_to_open_files_on_every_page(visit: Visit, page: str) -> None:
    assert visit(page, lot="zzz").button(key="upload").label == "Upload a lot"


def test_from_an_address_of_no_lot_files_can_be_opened(
    visit: Visit, disc_states: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    np.savez(tmp_path / "fab7.npz", arr_0=disc_states(26, 26)[None])
    app = upload(visit(lot="zzz"), ("fab7.npz", (tmp_path / "fab7.npz").read_bytes()))
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="address-lot").value == address(app, "lot") != "zzz"


def test_wafers_without_a_tested_die_are_counted_apart(
    visit: Visit,
    store: Workspace,
    disc_states: Callable[..., np.ndarray],
    untested_states: Callable[..., np.ndarray],
    lot_of: Callable[..., Lot],
    answer: Callable[..., None],
) -> None:
    lot = lot_of([disc_states(20, 20), untested_states(20, 20)])
    for name in ("teacher", "approved"):
        answer(lot, store.model(name), ["Center", "Normal"], margin=np.array([[4.0], [np.nan]]))
    app = visit(lot=store.add_lot(lot))
    assert not app.exception
    assert "1 wafer without a tested die" in texts(app)
    assert app.metric[0].value == "1 of 1"


# Opening files -----------------------------------------------------------------------------------


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Give files to the dialog that opens lots."""
    app.button(key="upload").click().run()
    for name, data in files:
        app.file_uploader[0].upload(name, data)
    return app.run()


def grid_csv(states: np.ndarray) -> bytes:
    return "\n".join(",".join(str(cell) for cell in row) for row in states).encode()


def test_an_upload_opens_and_the_address_finds_it_again(
    visit: Visit, lot_id: str, disc_states: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "fab7.npz"
    np.savez(path, arr_0=np.stack([disc_states(26, 26, 0.2, seed=i) for i in range(3)]))
    app = upload(visit(lot=lot_id), ("fab7.npz", path.read_bytes()))
    assert not app.exception
    opened = address(app, "lot")
    assert opened != lot_id
    assert address(app, "upload") is None
    assert app.title[0].value == "fab7"
    assert visit(lot=opened).title[0].value == "fab7"


def test_a_file_that_reads_two_ways_is_asked_about_before_any_verdict(
    visit: Visit, store: Workspace, lot_id: str, disc_states: Callable[..., np.ndarray]
) -> None:
    app = upload(visit(lot=lot_id), ("grid.csv", grid_csv(disc_states(12, 12, 0.3))))
    assert not app.exception
    assert address(app, "lot") == lot_id
    pending = address(app, "upload")
    assert store.upload(pending) is not None
    # A refresh comes back to the question.
    again = visit(lot=lot_id, upload=pending)
    again.radio[0].set_value("states")
    next(button for button in again.button if button.label == "Read it so").click().run()
    assert not again.exception
    assert again.title[0].value == "grid"
    assert address(again, "upload") is None


def test_a_broken_file_gets_a_sentence_and_nothing_is_lost(visit: Visit, lot_id: str) -> None:
    app = upload(visit(lot=lot_id), ("broken.npz", b"PK\x03\x04 this is no archive"))
    assert not app.exception
    assert "broken.npz" in app.error[0].value
    assert address(app, "lot") == lot_id
    assert app.title[0].value == "small"


def test_what_stands_in_the_form_of_one_lot_does_not_come_along_to_another(
    visit: Visit, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    """A browser keeps what was written into a field for as long as a field of the same identity is drawn."""
    other = store.add_lot(replace(small_lot, title="other", wafers=small_lot.wafers[:3]))
    app = visit(lot=lot_id)
    of_one, of_one_again = identities(app), identities(app.run())
    app.selectbox(key="address-lot").set_value(other).run()
    assert not app.exception
    assert app.title[0].value == "other"
    assert of_one == of_one_again
    assert len(of_one) == len(identities(app)) == 4
    assert not of_one & identities(app)


def identities(app: AppTest) -> set[str]:
    """What the fields of the form that reads a lot another way are known by to a browser."""
    labels = {"Turn every wafer", "Bins that pass", "The cells hold", "Lot name where a file has none"}
    return {field.proto.id for field in (*app.selectbox, *app.text_input) if field.label in labels}


def test_a_lot_is_turned_into_a_new_one(visit: Visit, store: Workspace, lot_id: str, small_lot: Lot) -> None:
    app = visit(lot=lot_id)
    turn = next(box for box in app.selectbox if box.label == "Turn every wafer")
    turn.select("flip-left-right")
    next(button for button in app.button if button.label == "Read again").click().run()
    assert not app.exception
    turned = address(app, "lot")
    assert turned != lot_id
    flipped = store.lot(turned).wafers[2].states
    assert np.array_equal(flipped, small_lot.wafers[2].states[:, ::-1])
    # Both have one title; the list tells them apart.
    labels = lot_picker.labels(store.lots())
    assert len(set(labels.values())) == len(labels)


@pytest.mark.parametrize(
    ("title", "source", "named"),
    [
        ("Guard set: 2,251 real wafers, 260 overlays of two, 380 simulated mixes", "sample", "Guard set"),
        ("etch line 4: everything since the pump was changed", "upload", "etch line 4: everything…"),
        ("short: whole", "sample", "short: whole"),
    ],
)
def test_the_list_of_lots_cuts_no_shipped_title_in_the_middle(
    store: Workspace, small_lot: Lot, title: str, source: str, named: str
) -> None:
    lot_id = store.add_lot(replace(small_lot, title=title), source)
    assert lot_picker.labels(store.lots())[lot_id] == named


def _opinion(store: Workspace, lot: Lot, name: str) -> opinions.Opinion:
    from wafer_core.decode import decode_with, verdict_titles

    model = store.model(name)
    stored = store.scores(model.sha256, [wafer.map_hash for wafer in lot])
    verdicts = decode_with(model, stored.logits)
    return opinions.Opinion(model, verdicts, stored.present, verdict_titles(verdicts))


@pytest.mark.parametrize(
    ("texts_of_notes", "rows"),
    [
        (["57 rows (lines 102-158) left out: x is blank."], 57),
        (["1,057 rows (lines 9-1065) left out: x is blank.", "1 row (line 7) left out: y is blank."], 1058),
        (["Lines are missing."], 1),
    ],
)
def test_the_rows_left_out_are_counted(
    visit: Visit, store: Workspace, small_lot: Lot, texts_of_notes: list[str], rows: int
) -> None:
    notes = tuple(Note("rejected", "a.csv", text) for text in texts_of_notes)
    app = visit("lot", lot=store.add_lot(replace(small_lot, notes=notes)))
    assert any(one.label.endswith(f"rows left out: {rows:,}") for one in app.expander)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ((), None),
        (("assumed", "changed"), None),
        (("refused", "rejected", "refused"), "2 files and 14 rows were left out"),
        (("refused",), "1 file was left out"),
        (("rejected",), "14 rows were left out"),
    ],
)
def test_what_was_left_out_is_said_under_the_title_and_opens_on_why(
    visit: Visit, store: Workspace, small_lot: Lot, kinds: tuple[NoteKind, ...], told: str | None
) -> None:
    notes = tuple(Note(kind, f"{i}.csv", "14 rows (lines 2-15): no x or y.") for i, kind in enumerate(kinds))
    app = visit("lot", lot=store.add_lot(replace(small_lot, notes=notes)))
    labels = [one.proto.popover.label for one in app.get("popover") if "left out" in one.proto.popover.label]
    assert labels == ([] if told is None else [f":orange-badge[:material/warning: {told}]"])
    assert texts(app).count("14 rows (lines 2-15)") == len(kinds) + (0 if told is None else len(kinds))


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ([], "No die tested on 2 wafers or more fails."),
        ([1], "The 1 die that fail most often, of those tested on 2 wafers or more."),
        (range(10), "The 10 dies that fail most often, of those tested on 2 wafers or more."),
        (
            range(11),
            "The 10 dies that fail most often, of those tested on 2 wafers or more. "
            "1 other die fails as often as the last.",
        ),
        (
            range(13),
            "The 10 dies that fail most often, of those tested on 2 wafers or more. "
            "3 other dies fail as often as the last.",
        ),
    ],
)
def test_dies_that_fail_as_often_as_the_last_listed_are_counted(
    lot_of: Callable[..., Lot], fails: Sequence[int], told: str
) -> None:
    grids = np.full((3, 16), PASS, dtype=np.uint8)
    grids[:2, list(fails)] = FAIL
    (stack,) = stacks(lot_of(list(grids.reshape(3, 4, 4))))
    assert view.most_often(stack) == f"4 × 4 dies · 3 wafers. {told}"


AGAIN = "dies were tested again; the last test counts."
RENAMED = "Wafers that were there already are kept and renamed: L1/05#2."


@pytest.mark.parametrize(
    ("texts_of_notes", "told", "sign"),
    [
        ([f"540 {AGAIN}"], "changed: 540 dies", ":material/warning:"),
        (["1 die was tested again; the last test counts."], "changed: 1 die", ":material/menu_book:"),
        ([f"2 {AGAIN}", RENAMED], "changed: 2 dies and 1 more", ":material/menu_book:"),
        ([RENAMED], "changed: 1", ":material/menu_book:"),
    ],
)
def test_dies_that_were_changed_are_counted_and_many_get_a_sign(
    visit: Visit, store: Workspace, small_lot: Lot, texts_of_notes: list[str], told: str, sign: str
) -> None:
    notes = tuple(Note("changed", "a.csv", text) for text in texts_of_notes)
    app = visit("lot", lot=store.add_lot(replace(small_lot, notes=notes)))
    (read,) = (one for one in app.expander if one.label.startswith("How this lot was read"))
    assert read.label.endswith(told)
    assert read.icon == sign


@pytest.mark.parametrize(("bins", "pills", "texts"), [(3, 1, 0), (40, 1, 0), (41, 0, 1), (0, 0, 1)])
def test_more_bins_than_anyone_looks_through_are_asked_about_in_writing(bins, pills, texts):
    def script(bins):
        from wafer_core.errors import ReadingQuestion
        from wafer_core.ui.shared import reading

        reading.ask("upload", ReadingQuestion("lot.npz", "pass_bins", "Which bins pass?", range(bins)))

    page = AppTest.from_function(script, kwargs={"bins": bins}).run()
    assert not page.exception
    assert (len(page.pills), len(page.text_input)) == (pills, texts)


@pytest.mark.parametrize(
    ("option", "choices", "typed", "told"),
    [
        ("pass_bins", (3, 7), None, "Choose at least one bin that passes."),
        ("pass_bins", (), "", "Choose at least one bin that passes."),
        ("pass_bins", (), "1_0", "Bins are whole numbers with commas between them, such as 1, 2."),
        ("pass_bins", (), "one", "Bins are whole numbers with commas between them, such as 1, 2."),
        ("cells", ("states", "bins"), None, "Choose what the cells hold."),
        ("lot", (), " ", "Give the lot a name."),
    ],
)
def test_a_question_sent_off_without_an_answer_says_what_is_missing(option, choices, typed, told):
    def script(option, choices):
        from wafer_core.errors import ReadingQuestion
        from wafer_core.ui.shared import reading

        reading.ask("upload", ReadingQuestion("lot.npz", option, "What is it?", choices))

    page = AppTest.from_function(script, kwargs={"option": option, "choices": choices}).run()
    assert not page.warning
    if typed is not None:
        page.text_input[0].set_value(typed)
    page.button[0].click().run()
    assert not page.exception
    assert [warning.value for warning in page.warning] == [told]
