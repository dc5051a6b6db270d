"""Choosing a lot: bundled, uploaded and earlier ones, and opening files as a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from wafer_core.errors import ReadingQuestion, WaferDistillError
from wafer_core.lot import ReadingOptions
from wafer_core.readers import NamedBytes
from wafer_core.ui.shared import reading, state
from wafer_core.ui.shared.words import count, moment, percent, plain, shortened, told_apart
from wafer_core.workspace import LotRow

SOURCES = {"sample": "real sample", "upload": "uploaded", "simulated": "simulated"}
TITLE_LETTERS = 25
"""Of a lot's title, what the side bar has room for."""
NEW = "new"
"""What the address says of the upload while its files are being chosen."""
FILES = "npz and npy arrays, die lists (CSV, TSV, Parquet) and grids in CSV"


def choose() -> None:
    """Draw the list of lots and one line on the lot in hand; without one, the button that opens files."""
    rows = {row.id: row for row in state.workspace().lots()}
    row = rows.get(_list(rows) or "")
    if row is None:
        # Nor does the page get as far as its own.
        upload_button()
        return
    found = "no die tested" if row.yield_fraction is None else f"yield {percent(row.yield_fraction)}"
    st.caption(f"{count(row.wafers, 'wafer')} · {found}  \n{SOURCES[row.source]}")


def _list(rows: Mapping[str, LotRow]) -> str | None:
    """Draw the list of lots and return the chosen one, or None where there is none of them."""
    if not rows:
        return None
    named = labels(list(rows.values()))
    key, changed = state.bound("lot", rows, next(iter(rows)), state.OF_A_LOT, strict=True)
    return st.selectbox(
        "Lot in hand",
        list(rows),
        index=None if st.session_state[key] is None else 0,
        format_func=named.__getitem__,
        key=key,
        on_change=changed,
        placeholder="Choose a lot",
        help="Samples that come with WaferDistill, and every lot opened on this machine.",
    )


def labels(rows: Sequence[LotRow]) -> dict[str, str]:
    """Name every lot as shortly as a list needs, by its id; alike ones are told apart."""
    return distinct({row.id: _short_title(row) for row in rows}, rows)


def distinct(called: Mapping[str, str], rows: Sequence[LotRow]) -> dict[str, str]:
    """Return what lots are called by their ids; alike ones are told apart by when they were opened, then by id.

    Args:
        called: a text for every lot.
        rows: these lots, in any order, and others perhaps.
    """
    opened = {row.id: row.created for row in rows}

    def when(lot_id: str) -> str:
        created = opened.get(lot_id)
        return moment(created) if created else ""

    return told_apart(called, when, lambda lot_id: lot_id[:4])


def _short_title(row: LotRow) -> str:
    """Return a title the side bar has room for; what the guard set is made of, behind its colon, is left out whole."""
    name, colon, _ = row.title.partition(":")
    too_long = len(row.title) > TITLE_LETTERS
    return name if row.source == "sample" and colon and too_long else shortened(row.title, TITLE_LETTERS)


# Opening files -----------------------------------------------------------------------------------


def upload_button() -> None:
    """Draw the button that opens files.

    That the dialog is open stands in the address, and so does an upload that waits for an answer:
    neither a refresh nor results that arrive meanwhile close it.
    """
    st.button("Upload a lot", icon=":material/upload:", type="primary", key="upload", on_click=_open)
    if state.address("upload") is not None:
        _dialog()


def _open() -> None:
    state.put(upload=NEW)


def _close() -> None:
    state.put(upload=None)


@st.dialog("Open a lot", width="medium", on_dismiss=_close)
def _dialog() -> None:
    pending = state.address("upload", NEW)
    known = state.workspace().upload(pending) if pending and pending != NEW else None
    if pending and known:
        st.caption("Read from " + ", ".join(map(plain, known.names)))
        _read(pending)
        st.button("Choose other files", on_click=_open, type="tertiary", icon=":material/undo:")
        return
    files = st.file_uploader(
        "Files of one lot, or of several read together",
        accept_multiple_files=True,
        key="files",
        help=f"WaferDistill reads {FILES}.",
    )
    st.caption(f"Reads {FILES}. Files stay on this machine.")
    if files:
        with st.spinner("Reading …"):
            upload = state.workspace().add_files([NamedBytes(file.name, file.getvalue()) for file in files])
        _read(upload)


def _read(upload: str) -> None:
    """Read an upload and open it; ask what has to be asked, and say what is wrong."""
    answers = reading.answered(upload)
    try:
        with st.spinner("Reading …"):
            lot_id = state.workspace().read_files(upload, answers)
    except ReadingQuestion as question:
        state.put(upload=upload)
        reading.ask(upload, question)
        return
    except WaferDistillError as problem:
        st.error(plain(problem), title="These files cannot be read")
        if answers != ReadingOptions():
            again = "What you answered is forgotten, and whatever the files do not say is asked once more."
            st.button("Answer again", icon=":material/replay:", on_click=reading.forget, args=(upload,), help=again)
        return
    reading.forget(upload)
    state.put(lot=lot_id, **dict.fromkeys(("upload", *state.OF_A_LOT)))
    st.rerun()


def read_again(lot_id: str, options: ReadingOptions) -> None:
    """Read the lot in hand with other options and open what comes out."""
    try:
        other = state.workspace().reread(lot_id, options)
    except WaferDistillError as problem:
        st.error(plain(problem), title="It cannot be read that way")
        return
    state.put(lot=other, **dict.fromkeys(state.OF_A_LOT))
    st.rerun()
