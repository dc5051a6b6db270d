"""Starting a distillation: lot, size, time and the rest, an estimate, and what the lot allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from wafer_core import jobs
from wafer_core.models.folder import trained_file
from wafer_core.ui.compare.comparison import measured_on
from wafer_core.ui.distill import allowance, run_record, run_settings, run_start, sizes
from wafer_core.ui.shared import lot_picker, opinions, state
from wafer_core.ui.shared.words import count, plain, shortened
from wafer_core.workspace import JobRow

BUDGETS = {
    30: "30 s",
    60: "1 min",
    120: "2 min",
    300: "5 min",
    600: "10 min",
    1800: "30 min",
    3600: "1 h",
    28800: "8 h",
}
"""Seconds a run may take until its last file is written."""


@dataclass(frozen=True)
class Preset:
    """A size and a time that go well together."""

    size: str
    seconds: int


USUAL_SIZE, USUAL_TIME = "small", "60"
"""What a run is of unless the address says otherwise."""

TITLE_LETTERS = 30
"""Of a lot's title, what its list has room for beside the number of wafers."""

PRESETS = {"Quick look": Preset("tiny", 30), "Standard": Preset("small", 60), "Overnight": Preset("small", 28800)}
"""Usual choices; none is of a base student, for whose size nothing was seen to be gained (`docs/distilling.md`)."""


def start_form(hand: state.Hand, runs: Sequence[JobRow]) -> None:
    """Draw the choices of a run, what to expect of it, and the button that starts it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _lot(hand)
        size, seconds = _size_and_time()
        if st.button("Start", type="primary", icon=":material/play_arrow:", key="start", on_click=state.catch_up):
            settings = {"size": size, "budget": float(seconds), **run_settings.chosen(hand, size)}
            run_start.begin(hand.lot_id, settings, lambda: trained_file(hand.teacher))
    _presets(size, seconds)
    if (gone := run_settings.start_not_offered(size)) is not None:
        st.warning(
            f"{plain(shortened(gone, TITLE_LETTERS))} is in the archive, gone or of another size, so a run does not "
            f"begin with it, but with {plain(run_settings.usual_start(size))}."
        )
    same = [job for job in runs if job.state == "done" and job.payload["settings"].get("size") == size]
    _expect(hand, size, seconds, same)
    with st.expander("More settings", icon=":material/tune:"):
        run_settings.draw(hand, size)
    allowance.draw(hand, size, float(seconds))


def _expect(hand: state.Hand, size: str, seconds: int, runs: Sequence[JobRow]) -> None:
    """Say what to expect of a run; where none of its size was made here yet, one is tried while the page is open."""
    if hand.lot_id in measured_on():
        st.caption(run_start.JUDGED_BY)
        return
    plan = next((plan for job in runs if (plan := _plan(job, size))), None)
    tried = None if plan else _rehearsal(hand, size)
    if tried is not None and tried.progress.get("step_seconds"):
        plan = tried.progress
    if plan:
        st.caption(estimate(seconds, plan))
    elif tried is not None and tried.over:
        _not_measured(hand, size, tried)
    else:
        st.caption("How many steps that affords is measured as the worker gets to it.")


def estimate(seconds: float, plan: Mapping[str, float]) -> str:
    """Return how far a run of so many seconds should come, by the plan of one like it."""
    left, pace = seconds - plan["prepared"] - plan["writing_seconds"], plan["step_seconds"]
    fitting = int(left / pace)
    many = f"About {count(fitting, 'step')}" if fitting > 0 else "No step fits into that time"
    said = f"{many}, at {1000 * pace:.0f} ms each"
    if plan.get("wafer_seconds"):
        said += f"; its int8 file will read a wafer in {1000 * plan['wafer_seconds']:.2f} ms, one at a time on one core"
    little = " Most of the time goes into getting ready and writing: choose more." if left < seconds / 2 else ""
    return f"{said}, as measured on this machine.{little}"


def _presets(size: str, seconds: int) -> None:
    """Draw the usual pairs of size and time; none of them stands out when another pair is chosen."""
    pairs = {(preset.size, preset.seconds): name for name, preset in PRESETS.items()}
    # Of another pair the buttons are others: a browser that lags would press the one of the last pair once more.
    key = f"preset-{size}-{seconds}"
    st.session_state[key] = pairs.get((size, seconds))

    def changed() -> None:
        preset = PRESETS.get(st.session_state[key])
        if preset is not None:
            size, time = preset.size, str(preset.seconds)
            state.turn(size=None if size == USUAL_SIZE else size, time=None if time == USUAL_TIME else time)

    st.segmented_control("Usual choices", list(PRESETS), key=key, on_change=changed, label_visibility="collapsed")


def _lot(hand: state.Hand) -> None:
    rows = state.workspace().lots()
    titles = {row.id: f"{shortened(row.title, TITLE_LETTERS)} · {count(row.wafers, 'wafer')}" for row in rows}
    named = lot_picker.distinct(titles, rows)
    st.session_state["distill-lot"] = hand.lot_id
    st.selectbox(
        "Teach a small model on",
        list(named),
        format_func=named.__getitem__,
        key="distill-lot",
        on_change=lambda: state.turn(*state.OF_A_LOT, lot=st.session_state["distill-lot"]),
        width=360,
    )


def _size_and_time() -> tuple[str, int]:
    key, changed = state.bound("size", sizes.SIZES, USUAL_SIZE)
    size = st.selectbox(
        "Student size", list(sizes.SIZES), format_func=sizes.text, key=key, on_change=changed, width=250
    )
    times = [str(seconds) for seconds in BUDGETS]
    key, changed = state.bound("time", times, USUAL_TIME)
    seconds = st.selectbox(
        "Time",
        times,
        format_func=lambda chosen: BUDGETS[int(chosen)],
        key=key,
        on_change=changed,
        width=120,
        help="From start to the last file written, export and int8 included.",
    )
    return size, int(seconds)


def _plan(job: JobRow, size: str) -> Mapping[str, float] | None:
    """Return what a finished run planned from what it measured; None where it measured nothing or is gone.

    An earlier version may have taught another network under the same name.
    """
    student = run_record.student_of(job)
    if student is None or student.card.architecture != sizes.SIZES[size].architecture:
        return None
    plan = run_record.written(student.folder).plan
    return plan if plan and plan["step_seconds"] else None


def _rehearsal(hand: state.Hand, size: str) -> JobRow | None:
    """Return the job that tries such a run here, and redraw the page as it goes on; asks for it once."""
    store, teacher = state.workspace(), trained_file(hand.teacher)
    found = jobs.last_rehearsal(store, hand.lot_id, size, teacher)
    if found is None or not found.over:
        asked = jobs.submit_rehearsal(store, hand.lot_id, size, teacher)
        jobs.ensure_worker(store)
        found = store.job(asked)
    if found is not None and not found.over:
        opinions.watch(lambda: opinions.states([found]), drawn=[found.state])
    return found


def _not_measured(hand: state.Hand, size: str, tried: JobRow) -> None:
    """Say why nobody knows how many steps a time affords, and offer to measure it once more."""
    why = "The worker ended without having measured a step." if tried.state == "done" else plain(tried.message)
    st.warning(why, title="How many steps that affords could not be measured")
    if st.button("Try again", icon=":material/replay:", key="rehearse-again"):
        jobs.submit_rehearsal(state.workspace(), hand.lot_id, size, trained_file(hand.teacher), again=True)
        jobs.ensure_worker(state.workspace())
        st.rerun()
