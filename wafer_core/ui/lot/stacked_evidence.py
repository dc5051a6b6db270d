"""Why, over the lot: the evidence for each pattern stacked over its wafers, and asking for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from wafer_core import jobs
from wafer_core.explain import DEFAULT, TITLES, methods_for
from wafer_core.explain.stacking import EvidenceStack, stack_evidence
from wafer_core.lot import Frame, Lot
from wafer_core.ui.lot.stack_cards import Stacked, card, share_table
from wafer_core.ui.shared import evidence, state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.opinions import Opinion, Opinions
from wafer_core.ui.shared.spreadsheet import csv_file
from wafer_core.ui.shared.words import count, duration, plain, told_apart, where_it_begins
from wafer_core.workspace import JobRow

PART = "stacks"
"""The part of the page that this is."""
ROLES = {"teacher": "Teacher", "student": "Student"}
LARGEST = "largest"
ACROSS = 4
"""Cards beside each other; fewer than that share the width by three."""
NARROWEST = 176
"""Pixels a card needs."""
LOOKS = 10
"""How often the maps are drawn anew while a lot is explained; its figures are told every second."""
MEANING = (
    "**A map** shows the wafers of one grid on which the model calls the pattern. On each of them the evidence is "
    "what speaks for the pattern on failing dies, taken as one whole, so every wafer counts the same; the colour of a "
    "die is the share it holds in the mean over these wafers. Every map has its own scale, from nothing.\n\n"
    "**Mixed wafers** stand in the map of each of their patterns, and bring to each only what speaks for that "
    "pattern: so they are unmixed, as far as the method tells their dies apart.\n\n"
    "Only what the model calls is explained, and nothing is explained twice: an overlay of a wafer's own page counts."
)

Stacks = Mapping[int, Sequence[EvidenceStack]]


@dataclass(frozen=True, eq=False)
class View:
    """Whose evidence on the lot in hand is looked at, by which method, and what the store misses of it.

    Args:
        hand: the lot and the models.
        one: what the model says of it.
        method: one of its methods.
    """

    hand: state.Hand
    one: Opinion
    method: str

    @property
    def called(self) -> NDArray[np.bool_]:
        """bool (wafers, 8): the patterns that the model names."""
        called: NDArray[np.bool_] = self.one.verdicts.detected
        return called

    @cached_property
    def left(self) -> list[tuple[int, tuple[int, ...]]]:
        """Positions of wafers, each with the patterns that are not explained yet."""
        return jobs.unexplained(state.workspace(), self.hand.lot, self.one.model, self.method, self.called)

    @cached_property
    def job(self) -> JobRow | None:
        """The last job that was to explain this."""
        return jobs.last_explain_lot(state.workspace(), self.hand.lot_id, self.one.model, self.method)

    @property
    def carriers(self) -> int:
        """On how many wafers the model calls a pattern."""
        return int(self.called.any(axis=1).sum())

    def stacks(self) -> Stacks:
        """Return what is explained so far, by pattern and grid."""
        asked = self.hand.lot_id, self.one.model.sha256, self.method, self.called.tobytes()
        # What is complete never changes; what is not is read anew.
        return _stacks.__wrapped__(*asked) if self.left else _stacks(*asked)


@lru_cache(maxsize=8)
def _stacks(lot_id: str, sha256: str, method: str, called: bytes) -> Stacks:
    """Return what is explained; by the lot's id, for a lot that is a key stays in memory with all its wafers."""
    lot = state.load_lot(lot_id)
    wanted = np.frombuffer(called, dtype=bool).reshape(len(lot), -1)
    return stack_evidence(lot.wafers, _explained(lot, sha256, method, wanted))


def _explained(
    lot: Lot, sha256: str, method: str, called: NDArray[np.bool_]
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Yield position, pattern and attribution of all that is called and explained; twins share theirs."""
    positions: dict[str, list[int]] = {}
    for position in np.flatnonzero(called.any(axis=1)).tolist():
        positions.setdefault(lot.wafers[position].map_hash, []).append(position)
    for key, pattern, attribution in state.workspace().all_attributions(sha256, list(positions), method):
        yield from ((position, pattern, attribution) for position in positions[key] if called[position, pattern])


# Drawing -----------------------------------------------------------------------------------------


@st.fragment(key=PART)
def draw(hand: state.Hand, said: Opinions) -> None:
    """Draw whose evidence is looked at, what can be asked for, how far that is, and a card a pattern."""
    with st.container(border=True):
        view = _choose(hand, said)
        if not view.one.complete:
            st.caption(f"The {view.one.model.role} is still reading this lot; then its answers can be explained.")
        elif not view.carriers:
            st.caption(f"The {view.one.model.role} calls no pattern on any wafer, so there is nothing to explain.")
        else:
            _ask(view)
            _cards(view)


def _choose(hand: state.Hand, said: Opinions) -> View:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown("**Why, over the lot**", width="content")
        role = segmented("Whose evidence", ROLES, "stack", "teacher", part=PART)
        one = said.student if role == "student" else said.teacher
        method = _method(one)
        st.space("stretch")
        with st.popover("What this shows", type="tertiary"):
            st.markdown(MEANING)
    return View(hand, one, method)


def _method(one: Opinion) -> str:
    methods = methods_for(one.model)
    if len(methods) == 1:
        st.caption(f"by {TITLES[methods[0]]}", width="content")
        return methods[0]
    key, changed = state.bound("method", methods, DEFAULT, part=PART)
    return st.selectbox(
        "Stacked method",
        methods,
        format_func=TITLES.__getitem__,
        key=key,
        on_change=changed,
        width=184,
        label_visibility="collapsed",
    )


# Asking and waiting ------------------------------------------------------------------------------


def _ask(view: View) -> None:
    """Draw the button that starts the work, or how far it is."""
    if view.job is not None and not view.job.over:
        _progress(view, view.job)
        return
    if not view.left:
        return
    if view.job is not None and view.job.state in ("failed", "lost"):
        st.error(plain(view.job.message), title="The lot could not be explained")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_offer(view), width="stretch")
        wafers = count(len(view.left), "wafer")
        label = f"Explain {wafers}" if len(view.left) == view.carriers else f"Explain the other {wafers}"
        st.button(label, icon=":material/layers:", key="explain-lot", on_click=_start, args=(view,))


def _offer(view: View) -> str:
    """Return what there is to explain and how long that takes, where it was measured."""
    explained = view.carriers - len(view.left)
    known = f", {explained:,} of them explained" if explained else ""
    offer = f"The {view.one.model.role} calls a pattern on {count(view.carriers, 'wafer')}{known}."
    each = jobs.seconds_a_wafer(state.workspace(), view.one.model, view.method)
    if each is None:
        return f"{offer} How long it takes to explain them is told once the first is done."
    took = f"{1000 * each:,.0f} ms" if each < 1 else f"{each:.1f} s"
    return f"{offer} It takes about {duration(max(1.0, each * len(view.left)))}, at {took} a wafer as measured here."


def _start(view: View) -> None:
    jobs.submit_explain_lot(state.workspace(), view.hand.lot_id, view.one.model, view.method)
    jobs.ensure_worker(state.workspace())


def _progress(view: View, job: JobRow) -> None:
    """Tell every second how far the work is, and draw the maps anew now and then and at the end."""
    drawn = _landmark(job)

    @st.fragment(run_every=1.0)
    def live() -> None:
        now = state.workspace().job(job.id)
        if now is None or _landmark(now) != drawn:
            if not state.left_behind():
                st.rerun()
            return
        jobs.ensure_worker(state.workspace())
        done, total = now.progress.get("done", view.carriers - len(view.left)), now.progress.get("total", view.carriers)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(min(1.0, done / max(1, total)), text=_told(now, done, total))
            st.button("Cancel", icon=":material/close:", key="cancel-explain-lot", on_click=_cancel, args=(now,))

    live()


def _landmark(job: JobRow) -> tuple[str, int]:
    """Return what the maps are drawn anew for: the job's state, and each tenth of its work."""
    return job.state, LOOKS * int(job.progress.get("done", 0)) // max(1, int(job.progress.get("total", 0)))


def _told(job: JobRow, done: int, total: int) -> str:
    if job.cancel:
        return "Cancelling …"
    if job.state == "queued":
        return plain(job.message) or "The worker explains this lot as soon as it is free. You may close this page."
    told, explained = f"Explained {done:,} of {count(total, 'wafer')}", job.progress.get("explained", 0)
    if not explained:
        return told
    left = (total - done) * job.progress["seconds"] / explained
    return f"{told} · about {duration(max(1.0, left))} left · you may close this page, it goes on"


def _cancel(job: JobRow) -> None:
    jobs.cancel(state.workspace(), job.id)


# Maps --------------------------------------------------------------------------------------------


def _cards(view: View) -> None:
    """Draw a card a pattern, the one on most wafers first, on its largest grid or on the one chosen."""
    stacks = view.stacks()
    if not stacks:
        return
    chosen = _grid(stacks, view.hand.lot)
    shown = [
        Stacked(view.one, view.method, pattern, stack, found)
        for pattern, found in stacks.items()
        if (stack := _on(found, chosen)) is not None
    ]
    shown.sort(key=lambda each: -each.carriers.size)
    with st.grid(ACROSS if len(shown) >= ACROSS else ACROSS - 1, min_column_width=NARROWEST):
        for stacked in shown:
            with st.container(gap="xsmall"):
                card(view.hand.lot, stacked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Each map: the mean over its wafers of what speaks for the pattern on failing dies, each wafer's evidence "
            f"taken as one whole. {TITLES[view.method]} of the {view.one.model.role}. "
            f"{evidence.unscored([view.one.model], view.method)}",
            width="stretch",
        )
        _download(view, {each.name: each.stack for each in shown})


def _download(view: View, shown: Mapping[str, EvidenceStack]) -> None:
    st.download_button(
        "CSV",
        data=lambda: csv_file(share_table(shown).to_csv(index=False)),
        file_name=f"{view.hand.lot.title}-{view.one.model.role}-{view.method}.csv".replace("/", "-"),
        mime="text/csv",
        key="save-stacks",
        icon=":material/download:",
        on_click="ignore",
        help="Every die of the maps shown here with its grid, coordinates and each pattern's share of the evidence.",
    )


def _on(stacks: Sequence[EvidenceStack], chosen: Frame | None) -> EvidenceStack | None:
    if chosen is None:
        return stacks[0]
    return next((stack for stack in stacks if stack.frame == chosen), None)


def _grid(stacks: Stacks, lot: Lot) -> Frame | None:
    """Draw the choice of a grid where a pattern has several, and return it; None is each pattern's largest.

    One that was chosen stays, also where the other model or method has nothing on it.
    """
    of_lot = {_name(wafer.frame): wafer.frame for wafer in lot}
    kept = of_lot.get(state.address("stackgrid") or "")
    if kept is None and all(len(found) == 1 for found in stacks.values()):
        return None
    wafers: dict[Frame, set[int]] = {kept: set()} if kept else {}
    for stack in (stack for found in stacks.values() for stack in found):
        wafers.setdefault(stack.frame, set()).update(stack.wafers, stack.silent)
    grids = {_name(frame): frame for frame in sorted(wafers, key=lambda frame: -len(wafers[frame]))}
    titles = {name: _title(frame, wafers) for name, frame in grids.items()}
    named = {LARGEST: "Each pattern on its largest grid"}
    named |= told_apart(titles, lambda name: where_it_begins(grids[name]))
    key, changed = state.bound("stackgrid", named, LARGEST, part=PART)
    chosen = st.selectbox(
        "Grid of the stacks",
        list(named),
        format_func=named.__getitem__,
        key=key,
        on_change=changed,
        width=280,
        label_visibility="collapsed",
    )
    return grids.get(chosen)


def _name(frame: Frame) -> str:
    """Return what the address calls a grid: `26x26`, and `26x26_-12_40_-1_1_0` where it does not begin at 0, 0."""
    plain_one = Frame(frame.rows, frame.columns)
    where = (frame.x, frame.y, frame.x_step, frame.y_step, int(frame.swapped))
    return "_".join([f"{frame.columns}x{frame.rows}", *(map(str, where) if frame != plain_one else ())])


def _title(frame: Frame, wafers: Mapping[Frame, set[int]]) -> str:
    return f"{frame.columns} × {frame.rows} dies · {count(len(wafers[frame]), 'wafer')}"
