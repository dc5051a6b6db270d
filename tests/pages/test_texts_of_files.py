"""What files, lots, models and errors say stands on every page as it is: never as a picture, a link or a command."""

import ast
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from wafer_core import jobs
from wafer_core.lot import Lot
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import flags
from wafer_core.ui.compare import comparison
from wafer_core.ui.distill import run_record
from wafer_core.ui.shared import words
from wafer_core.workspace import ProgressPoint, Workspace

Visit = Callable[..., AppTest]

SIX = ["Center", "Center", "Scratch", "Normal", "Normal", "Normal"]
UI = Path(words.__file__).parents[1]

MARKED = pytest.mark.parametrize(
    "marked",
    [
        "![x](http://example.invalid/x.png)",
        "a `b` ``c``",
        "$x$",
        ":red[r] :material/check: x",
        "<b>b</b>",
    ],
)


@pytest.fixture(autouse=True)
def nobody_else(nobody_works: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing shipped to measure on, and nobody who would."""
    monkeypatch.setattr(comparison, "shipped_sets", lambda: ())


def nodes(block: Any) -> Iterator[Any]:
    for node in block.children.values():
        yield node
        if hasattr(node, "children"):
            yield from nodes(node)


def markdown(page: AppTest) -> Iterator[str]:
    """Everything on a page that the browser reads as Markdown, code spans taken out."""
    assert not page.exception
    for node in (*nodes(page.main), *nodes(page.sidebar)):
        if node.type == "table":
            frame = node.value
            yield from map(without_commands, map(str, (*frame.index, *frame.columns, *frame.to_numpy().ravel())))
        told = getattr(node, "proto", None)
        for field in ("body", "title", "label", "text", "help"):
            if isinstance(text := getattr(told, field, None), str):
                yield without_commands(text)


def without_commands(text: str) -> str:
    return re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def check(page: AppTest, marked: str) -> None:
    """Hold a page to show a text, and to show it nowhere as markup."""
    told = list(markdown(page))
    assert not [text for text in told if marked in text]
    assert [text for text in told if words.plain(marked) in text]


def named(lot: Lot, marked: str) -> Lot:
    return replace(lot, title=f"Lot {marked}")


@MARKED
def test_a_lots_title_on_compare(visit: Visit, store: Workspace, small_lot: Lot, answer, marked: str):
    labelled = tuple(
        replace(w, labels=flags([] if s == "Normal" else [s])) for w, s in zip(small_lot, SIX, strict=True)
    )
    lot = replace(named(small_lot, marked), wafers=labelled)
    for name in ("teacher", "student"):
        answer(lot, store.model(name), SIX)
    check(visit("compare", set=store.add_lot(lot), students="student"), marked)


@MARKED
def test_the_command_of_a_card_on_compare(
    visit: Visit, store: Workspace, small_lot: Lot, answer, tiny_folder: Path, marked: str
):
    made = carded(store, tiny_folder, marked)
    answer(small_lot, store.model("teacher"), SIX)
    page = visit("compare", set=store.add_lot(small_lot), students=made.name)
    page.session_state["cards"] = True
    page.run()
    check(page, marked)
    commands = [str(table.value.loc["Command"].iloc[0]) for table in page.table if "Command" in table.value.index]
    assert words.command(f"python -m tool {marked}") in commands
    assert not any(map(without_commands, commands))


def carded(store: Workspace, folder: Path, marked: str) -> ModelFile:
    """A student of the workspace whose card quotes a text wherever a card may."""
    made = store.student_root / "made-1"
    shutil.copytree(folder, made)
    card = json.loads((made / "card.json").read_text())
    origin = {**card["made_from"], "command": f"python -m tool {marked}"}
    origin["data"] = [{"name": f"set {marked}", "sha256": None, "labels": False, "maps": 3}]
    (made / "card.json").write_text(json.dumps({**card, "role": "student", "name": marked, "made_from": origin}))
    return store.model("made-1")


@MARKED
def test_titles_and_wafers_of_runs_laid_over_each_other(visit: Visit, store: Workspace, small_lot: Lot, marked: str):
    wafers = tuple(replace(wafer, wafer=f"{wafer.wafer} {marked}") for wafer in small_lot)
    lot = replace(named(small_lot, marked), wafers=wafers)
    other = store.add_lot(replace(small_lot, title=f"Beside {marked}", wafers=small_lot.wafers[:3]))
    lot_id = store.add_lot(lot)
    apart = [{}, {"pool": "lots", "pool_lots": [other], "without": [wafers[0].name]}]
    made = []
    for settings in apart:
        run = jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": 60.0, **settings}, "teacher")
        store.begin_job(run)
        told = {"step": 20, "steps": 20, "seconds": 9.0, "loss": 0.5, "agreed": 2, "held_out": 4}
        store.report(run, told, point=ProgressPoint(20, 9.0, 0.5, 2, 4))
        store.end_job(run, "failed", f"It broke: {marked}")
        made.append(run)
    page = visit("distill", lot=lot_id, run=str(made[1]), **{"beside-runs": ".".join(map(str, made))})
    check(page, marked)
    table = page.table[0].value
    assert words.plain(marked) in str(table.loc["Left out"].iloc[1])
    assert words.plain(marked) in str(table.loc["Other lots"].iloc[1])
    assert words.plain(marked) in str(page.error[0].value)


@MARKED
@pytest.mark.parametrize("ending", ["lost", "failed"])
def test_why_a_run_ended(visit: Visit, store: Workspace, small_lot: Lot, ending: str, marked: str):
    lot_id = store.add_lot(small_lot)
    run = jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": 60.0}, "teacher")
    store.begin_job(run)
    store.end_job(run, ending, f"Because of {marked}")
    check(visit("distill", lot=lot_id, run=str(run)), marked)


@MARKED
def test_why_a_model_could_not_answer(visit: Visit, store: Workspace, small_lot: Lot, marked: str):
    lot_id = store.add_lot(small_lot)
    for name in ("teacher", "student"):
        store.end_job(jobs.submit_score(store, lot_id, store.model(name)), "failed", f"{marked} cannot be read.")
    check(visit("lot", lot=lot_id), marked)


@MARKED
def test_why_a_lot_could_not_be_explained(visit: Visit, store: Workspace, small_lot: Lot, answer, marked: str):
    for name in ("teacher", "student"):
        answer(small_lot, store.model(name), SIX)
    lot_id = store.add_lot(small_lot)
    page = visit("lot", lot=lot_id)
    page.button(key="explain-lot").click().run()
    store.end_job(store.jobs("explain_lot")[0].id, "failed", f"{marked} cannot be read.")
    check(visit("lot", lot=lot_id), marked)


@MARKED
def test_what_a_run_wrote_down_of_its_beginning(store: Workspace, tiny_folder: Path, marked: str, monkeypatch):
    """The table is Markdown of its own, in which a bar would also end a cell."""
    student = carded(store, tiny_folder, marked)
    counted = {"wafers": 4, "exact": 1, "called": 2, "exact_called": 0, "logit_difference": 1.2}
    told = {"start": {"name": f"a | {marked}"}, "agreement": {"before": counted, "after": counted}}
    (student.folder / "run.json").write_text(json.dumps(told))
    drawn: list[str] = []
    monkeypatch.setattr(run_record.st, "markdown", drawn.append)
    run_record.draw(student)
    assert marked not in drawn[0]
    lines = drawn[0].splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


# The wall ----------------------------------------------------------------------------------------

SHOWS_MARKDOWN = {
    *("error", "warning", "info", "success", "toast", "caption", "markdown", "table"),
    *("title", "header", "subheader", "badge", "progress", "metric"),
}
QUOTES = {"plain", "command"}


def raw(node: ast.AST) -> Iterator[ast.Attribute]:
    """The messages and titles that an expression hands on unquoted."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in QUOTES:
        return
    if isinstance(node, ast.Attribute) and (node.attr == "message" or _is_a_files_title(node)):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from raw(child)


def _is_a_files_title(node: ast.Attribute) -> bool:
    # A stack's title is its grid, which is written here.
    return node.attr == "title" and not (isinstance(node.value, ast.Name) and node.value.id == "stack")


def raw_texts(source: str) -> list[str]:
    return [
        f"line {found.lineno}: {ast.unparse(found)}"
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in SHOWS_MARKDOWN
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for found in raw(argument)
    ]


MODULES = [path.relative_to(UI).as_posix() for path in sorted(UI.rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES)
def test_no_message_and_no_title_is_shown_without_being_quoted(module: str):
    assert not raw_texts((UI / module).read_text(encoding="utf-8"))


def test_the_wall_stands_around_every_room():
    rooms = {"components", "shared", "lot", "wafer", "compare", "distill"}
    assert {Path(module).parent.name for module in MODULES} == {"", *rooms}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("st.error(job.message)", 1),
        ("st.error(plain(job.message), title=plain(row.title))", 0),
        ("st.caption(f'{count(n)} of {ground.title}')", 1),
        ("column.caption(f'{plain(lots[i].title)} of {stack.title}')", 0),
        ("st.warning(text, title=job.message or 'x')", 1),
        ("st.title(plain(hand.row.title))", 0),
    ],
)
def test_the_wall_knows_what_is_quoted(source: str, found: int):
    assert len(raw_texts(source)) == found
