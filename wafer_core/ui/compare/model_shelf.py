"""The models of the workspace: a line each, to approve, take to the tool, rename, annotate, put away and bring in."""

from __future__ import annotations

import streamlit as st

from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare import approval, judgement, kit_button
from wafer_core.ui.compare.before_after import guarded
from wafer_core.ui.shared import layout, state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.words import human_bytes, human_count, moment, plain
from wafer_core.workspace import ModelRow, is_shipped
from wafer_core.workspace.models import MOST_NOTE

WIDTHS = (3.0, 1.5, 2.2, 3.3)
NAMING = ("student", "students", "who", "than")
"""The parameters that name models, one or several."""
SAID = "model-shelf-said"
"""Where the last thing done is kept for the redraw that follows it."""


def draw() -> None:
    """Draw the students of the workspace, newest first, behind the shipped ones."""
    store = state.workspace()
    students = _firsts(store.models(archived=True))
    away = [one for one in students if store.model_row(one).archived]
    shown = students if state.address("archived") == "1" else [one for one in students if one not in away]
    _head(len(away))
    _said()
    for column, title in zip(st.columns(WIDTHS), ("Student", "Size, int8", "Guard set", ""), strict=True):
        column.caption(title)
    lines, page_numbers = layout.paged(shown, "models")
    for student in lines:
        _line(student)
        approval.question(student)
    page_numbers()
    st.caption(
        "Guard set: how many points of exact match a student lost there to its reference, the shipped one of its size; "
        "at most is the one-sided 95 % bound.  \n"
        f"*For the tool* downloads what runs the student on a machine without WaferDistill: "
        f"{kit_button.INSIDE[0].lower()}{kit_button.INSIDE[1:]}"
    )
    if broken := store.broken_models():
        st.error("  \n".join(map(plain, broken)), title="These students cannot be used")
    unfolded = st.expander("Approvals", icon=":material/history:", key="approvals", on_change="rerun")
    if unfolded.open:
        with unfolded:
            approval.history()


def _firsts(files: list[ModelFile]) -> list[ModelFile]:
    """Return the file that every student's bare name means."""
    return list({file.folder: file for file in reversed(files) if file.role == "student"}.values())[::-1]


def _head(away: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Models of this workspace**", width="content")
        st.badge(f"approved: {plain(state.workspace().approved())}", icon=":material/verified:", color="green")
        st.space("stretch")
        if away:
            segmented("Archive", {"0": "In use", "1": f"With {away} archived"}, "archived", "0")
        with st.popover("Import a kit", icon=":material/upload:"):
            _import()


def _line(student: ModelFile) -> None:
    store = state.workspace()
    row = store.model_row(student)
    about, size, guard, actions = st.columns(WIDTHS, vertical_alignment="center")
    about.markdown(f"{_title(student)}  \n:small[:gray[{_origin(student, row)}]]")
    if row.note:
        about.caption(plain(row.note))
    small = [file for file in store.model_files(student) if file.entry.precision == "int8"]
    disk = human_bytes(small[0].entry.bytes) if small else "no int8"
    size.markdown(f"{disk}  \n:small[:gray[{human_count(student.entry.parameters)} parameters]]")
    guard.markdown(_guard(student))
    with actions.container(horizontal=True, gap="xsmall", horizontal_alignment="right"):
        if row.archived:
            st.button(
                "Restore", type="tertiary", key=f"restore-{student.folder.name}", on_click=_restore, args=(student,)
            )
            return
        approval.button(student, quiet=True)
        kit_button.draw(student, key=f"kit-{student.folder.name}", quiet=True)
        if not is_shipped(student):
            with st.popover("Edit", key=f"edit-{student.folder.name}"):
                _edit(student, row)


def _title(student: ModelFile) -> str:
    given = "approved" if state.workspace().standing_approval() else "approved by default"
    marks = {f":green-badge[{given}]": approval.approved(student), ":gray-badge[shipped]": is_shipped(student)}
    return " ".join([f"**{plain(student.stem)}**", *(mark for mark, on in marks.items() if on)])


def _origin(student: ModelFile, row: ModelRow) -> str:
    """Return, as Markdown, where a student came from, and when."""
    if row.archived:
        return f"archived {moment(row.archived)}"
    if is_shipped(student):
        return "came with WaferDistill"
    if row.imported:
        return f"imported from a kit {moment(row.imported)}"
    made = f"made here {moment((student.folder / 'card.json').stat().st_mtime)}"
    return made if row.name == student.folder.name else f"{made} as {plain(student.folder.name)}"


def _guard(student: ModelFile) -> str:
    if is_shipped(student):
        return ":small[:gray[the reference for its size]]"
    found = guarded(student)
    if found is None:
        return ":small[:gray[not read yet]]"
    return judgement.line(found)


# What is done to one -----------------------------------------------------------------------------


def _edit(student: ModelFile, row: ModelRow) -> None:
    folder = student.folder.name
    with st.form(f"edit-form-{folder}", border=False):
        name = st.text_input("Name", value=row.name, key=f"name-{folder}", max_chars=64)
        note = st.text_area("Note", value=row.note, key=f"note-{folder}", max_chars=MOST_NOTE, height=90)
        saved = st.form_submit_button("Save", icon=":material/check:", key=f"save-{folder}")
    if saved:
        _save(student, row, name.strip(), note.strip())
    st.button(
        "Put into the archive",
        icon=":material/archive:",
        type="tertiary",
        key=f"archive-{folder}",
        on_click=_archive,
        args=(student,),
        help="It is offered nowhere any more, and can be restored.",
    )


def _save(student: ModelFile, row: ModelRow, name: str, note: str) -> None:
    store = state.workspace()
    try:
        if name != row.name:
            store.rename_model(student, name)
        if note != row.note:
            store.annotate_model(student, note)
    except WaferDistillError as problem:
        st.error(plain(problem))
        return
    if name != row.name:
        _follow(student.stem, name)
        _say(f"{student.stem} is called {name} now.")
    st.rerun()


def _follow(old: str, new: str) -> None:
    """Let the address name the model as it is called now."""
    ended = {f"{old}{ending}": f"{new}{ending}" for ending in ("", "-onnx", "-int8")}
    for parameter in NAMING:
        named = state.address(parameter)
        if named is not None:
            state.put(**{parameter: ",".join(ended.get(name, name) for name in named.split(","))})


def _archive(student: ModelFile) -> None:
    try:
        state.workspace().archive_model(student)
    except WaferDistillError as problem:
        _say(str(problem), wrong=True)
        return
    _say(f"{student.stem} is in the archive.")


def _restore(student: ModelFile) -> None:
    state.workspace().restore_model(student)
    _say(f"{student.stem} is back in use.")


def _import() -> None:
    st.caption("The zip of a download for the tool. Its hashes are checked; nothing in it is run.")
    with st.form("import-kit", border=False, clear_on_submit=True):
        file = st.file_uploader("Kit", type="zip", key="kit-file", label_visibility="collapsed")
        given = st.form_submit_button("Import", icon=":material/upload:", key="import")
    if not given or file is None:
        return
    try:
        with st.spinner("Checking …"):
            model = state.workspace().import_model(file.getvalue())
    except WaferDistillError as problem:
        st.error(plain(problem), title="This kit cannot be imported")
        return
    _say(f"{model.stem} was imported; choose it by this name on any page.")
    st.rerun()


def _say(text: str, wrong: bool = False) -> None:
    st.session_state[SAID] = (text, wrong)


def _said() -> None:
    """Say what was done just before this redraw, names and errors as they are."""
    text, wrong = st.session_state.pop(SAID, (None, False))
    if text is not None:
        (st.error if wrong else st.success)(plain(text))
