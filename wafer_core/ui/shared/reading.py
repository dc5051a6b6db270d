"""How a lot was read: what was assumed, what has to be asked, and reading it another way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import streamlit as st

from wafer_core.errors import ReadingQuestion, UsageError
from wafer_core.lot import ORIENTATIONS, Cells, Lot, Note, NoteKind, ReadingOptions
from wafer_core.ui.shared.words import count, plain

NOTES: dict[NoteKind, tuple[str, str]] = {
    "refused": ("Files left out", ":material/block:"),
    "rejected": ("Rows left out", ":material/playlist_remove:"),
    "assumed": ("Assumed", ":material/lightbulb:"),
    "changed": ("Changed", ":material/edit:"),
}
"""Kinds of notes, what the screen calls them, the gravest first."""
GRAVE: tuple[NoteKind, NoteKind] = ("refused", "rejected")
"""Those about what of the files is not in the lot."""

TURNS = {
    "as-read": "as read",
    "flip-left-right": "flip left and right",
    "flip-up-down": "flip top and bottom",
    "rotate-90": "rotate 90° clockwise",
    "rotate-180": "rotate 180°",
    "rotate-270": "rotate 90° anticlockwise",
    "transpose": "swap x and y",
    "anti-transpose": "swap x and y, then rotate 180°",
}
CELLS: dict[Cells, str] = {"states": "die states: 0 none, 1 pass, 2 fail, 3 not tested", "bins": "bins"}

WANTED = {
    "pass_bins": "Choose at least one bin that passes.",
    "cells": "Choose what the cells hold.",
    "lot": "Give the lot a name.",
}
"""What is missing of an answer, by the option asked about."""
WRITTEN_BINS = "Bins are whole numbers with commas between them, such as 1, 2."
MANY = 0.01
"""Where more of a lot's dies were changed than this, its reading deserves a look."""
MOST_PILLS = 40
"""A file with more bins than anyone looks through is asked about in writing."""

# Questions before the first verdict --------------------------------------------------------------


def answered(upload: str) -> ReadingOptions:
    """Return what the engineer has answered about an upload so far."""
    options: ReadingOptions = st.session_state.get(_memory(upload), ReadingOptions())
    return options


def forget(upload: str) -> None:
    """Drop the answers about an upload: a lot that was read from it remembers them, without one all is asked anew."""
    st.session_state.pop(_memory(upload), None)


def ask(upload: str, question: ReadingQuestion) -> None:
    """Ask one question about an upload; by the time the page is drawn again the answer is known."""
    key = f"answer-{upload}-{question.option}"
    with st.form(f"question-{question.option}"):
        st.markdown(f"**{plain(question.name)}**  \n{plain(question.question)}")
        choices = sorted({int(choice) for choice in question.choices}) if question.option == "pass_bins" else []
        if 0 < len(choices) <= MOST_PILLS:
            st.pills("Bins that pass", choices, selection_mode="multi", key=key)
        elif question.option == "pass_bins":
            st.text_input("Bins that pass", placeholder="1, 2", key=key)
        elif question.option == "cells":
            st.radio("The cells hold", get_args(Cells), index=None, format_func=CELLS.__getitem__, key=key)
        else:
            st.text_input("The lot's name", key=key)
        sent = st.form_submit_button(
            "Read it so", type="primary", on_click=_answer, args=(upload, question.option, key)
        )
        # Where an answer did not lead on, the question says itself why it is asked again.
        if sent and getattr(answered(upload), question.option) is None:
            st.warning(_lacks(question.option, st.session_state.get(key)))


def _answer(upload: str, option: str, key: str) -> None:
    given, answers = st.session_state.get(key), answered(upload)
    if option == "pass_bins":
        bins = _bins(given) if isinstance(given, str) else tuple(given or ())
        # What no file can be read by is no answer: kept, it would end every further reading.
        answers = replace(answers, pass_bins=None if not bins or _impossible(bins) else bins)
    elif option == "cells":
        answers = replace(answers, cells=given)
    else:
        answers = replace(answers, lot=(given or "").strip() or None)
    st.session_state[_memory(upload)] = answers


def _lacks(option: str, given: object) -> str:
    """Return what keeps something that was sent off from being an answer."""
    written = str(given or "").strip() if option == "pass_bins" else ""
    return (_impossible(_bins(written)) if _bins(written) else WRITTEN_BINS) if written else WANTED[option]


def _impossible(bins: tuple[int, ...]) -> str:
    """Return why no file can be read by these bins, or nothing where one can."""
    try:
        ReadingOptions(pass_bins=bins).check()
    except UsageError as problem:
        return plain(problem)
    return ""


def _memory(upload: str) -> str:
    return f"answers-{upload}"


# How the lot in hand was read --------------------------------------------------------------------


def told(lot: Lot, again: Callable[[ReadingOptions], None], bundled: bool = False) -> None:
    """Draw how the lot was read, and the form that reads it another way through `again`.

    Of a bundled lot nothing is left to state but how its wafers are turned.
    """
    many = _dies_changed(lot.notes) > MANY * sum(wafer.dies for wafer in lot)
    graver = many or any(note.kind in GRAVE for note in lot.notes)
    with st.expander(_line(lot), icon=":material/warning:" if graver else ":material/menu_book:", key="how-read"):
        notes, options = st.columns([3, 2], gap="large")
        with notes:
            _notes(lot)
        with options:
            _options(lot, again, bundled)


def left_out(lot: Lot) -> None:
    """Draw a warning that files or rows of the lot were left out, which opens on why; nothing where none were."""
    files, rows = (_number(lot.notes, kind) for kind in GRAVE)
    told = " and ".join(count(number, thing) for number, thing in ((files, "file"), (rows, "row")) if number)
    if told:
        were = "was" if files + rows == 1 else "were"
        with st.popover(f":orange-badge[:material/warning: {told} {were} left out]", type="tertiary", key="left-out"):
            for kind in GRAVE:
                _notes_of(lot, kind)


def _line(lot: Lot) -> str:
    grids = len({wafer.frame for wafer in lot})
    parts = [count(len(lot), "wafer"), count(grids, "grid")]
    parts += [f"{title.lower()}: {told}" for kind, (title, _) in NOTES.items() if (told := _told(lot.notes, kind))]
    return "How this lot was read: " + ", ".join(parts)


def _told(notes: tuple[Note, ...], kind: NoteKind) -> str:
    """Return how many notes there are of a kind, or how many rows or dies they are about; nothing for none."""
    found = [note.text for note in notes if note.kind == kind]
    if kind == "changed" and (dies := _dies_changed(notes)):
        others = sum(_begins_with(text) is None for text in found)
        return count(dies, "die") + (f" and {others} more" if others else "")
    number = _number(notes, kind)
    return f"{number:,}" if number else ""


def _number(notes: tuple[Note, ...], kind: NoteKind) -> int:
    """Return how many notes there are of a kind, or how many rows they are about."""
    found = [note.text for note in notes if note.kind == kind]
    return sum(_begins_with(text) or 1 for text in found) if kind == "rejected" else len(found)


def _dies_changed(notes: tuple[Note, ...]) -> int:
    return sum(_begins_with(note.text) or 0 for note in notes if note.kind == "changed")


def _begins_with(text: str) -> int | None:
    """Return the number that a note about rows, dies or cells begins with."""
    found = re.match(r"[0-9,]{1,12} ", text)
    return int(found.group().replace(",", "")) if found else None


def _notes(lot: Lot) -> None:
    for kind in NOTES:
        _notes_of(lot, kind)
    if not lot.notes:
        st.caption("Nothing had to be assumed.")
    if lot.files:
        st.caption("Files: " + ", ".join(f"{plain(file.name)} ({file.layout})" for file in lot.files))
    st.caption(f"Lot hash {lot.lot_hash[:16]}. Labels, where a file has any, are never shown to a model.")


def _notes_of(lot: Lot, kind: NoteKind) -> None:
    title, icon = NOTES[kind]
    if lines := "\n".join(f"- {_note(note)}" for note in lot.notes if note.kind == kind):
        st.markdown(f"{icon} **{title}**\n\n{lines}")


def _note(note: Note) -> str:
    return plain(f"{note.file}: {note.text}" if note.file and not note.text.startswith(note.file) else note.text)


def _options(lot: Lot, again: Callable[[ReadingOptions], None], bundled: bool) -> None:
    stated = lot.options
    bins, name, cells = "", "", stated.cells
    # Named after the lot: a browser keeps what stands in a form, and fills it into that of another lot.
    with st.form(f"read-again-{lot.lot_hash}", border=False):
        st.markdown("**Read it another way**")
        turn = st.selectbox(
            "Turn every wafer",
            ORIENTATIONS,
            index=ORIENTATIONS.index(stated.orientation),
            format_func=TURNS.__getitem__,
            help="When the axes were read the wrong way. Verdicts, overlays and exports follow.",
        )
        if not bundled:
            bins = st.text_input(
                "Bins that pass",
                value=", ".join(str(value) for value in stated.pass_bins or ()),
                placeholder="by the file's own rules",
            )
            kinds: list[Cells | None] = [None, *get_args(Cells)]
            cells = st.selectbox("The cells hold", kinds, index=kinds.index(stated.cells), format_func=_cells)
            name = st.text_input(
                "Lot name where a file has none", value=stated.lot or "", placeholder="the file's name"
            )
        pressed = st.form_submit_button("Read again", help="Makes a new lot beside this one; nothing is overwritten.")
    if not pressed:
        return
    chosen = ReadingOptions(
        pass_bins=_bins(bins) or None,
        cells=cells,
        lot=name.strip() or None,
        orientation=turn,
    )
    if bins.strip() and not chosen.pass_bins:
        st.warning(WRITTEN_BINS)
    elif chosen == stated:
        st.info("That is how it was read.")
    else:
        again(chosen)


def _cells(name: Cells | None) -> str:
    return CELLS[name] if name else "what the file's own rules say"


def _bins(text: str) -> tuple[int, ...]:
    """Return the whole numbers of `1, 2`, or none at all where something else stands there."""
    parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    # As on the command line not all that `int` takes: of 1_0 it makes ten.
    whole = all(re.fullmatch("-?[0-9]{1,99}", part) for part in parts)
    return tuple(dict.fromkeys(map(int, parts))) if whole else ()
