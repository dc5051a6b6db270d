"""Distillations: starting one, watching it, and what came of the earlier ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from wafer_core import jobs
from wafer_core.charts.figures import learning_curve
from wafer_core.errors import WaferDistillError
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.ui import model_cards, state
from wafer_core.ui.comparison import benchmark_exact
from wafer_core.ui.words import count, human_bytes, human_count, percent, plain
from wafer_core.workspace import JobRow, ProgressPoint

STUDENTS: dict[str, tuple[int, int]] = {"tiny": (13_488, 20_000), "small": (31_144, 42_000), "base": (75_992, 92_000)}
"""Every student size with its parameters and about what its int8 file takes; a test holds them to the networks."""

BUDGETS = {30: "30 s", 60: "1 min", 120: "2 min", 300: "5 min", 600: "10 min", 1800: "30 min", 3600: "1 h"}
"""Seconds a run may take until its last file is written."""

FIRST_LOOK = 10
"""The step at which a run first counts the held-out wafers; before it, none are counted."""

SPARKS = 120
"""Points of a live curve, the latest ones."""
PAGE = 8
PLAIN = {"displayModeBar": False}
BADGES = {
    "queued": ("waiting", ":material/schedule:", "gray"),
    "running": ("running", ":material/progress_activity:", "blue"),
    "done": ("done", ":material/check:", "green"),
    "failed": ("failed", ":material/error:", "red"),
    "cancelled": ("cancelled", ":material/block:", "gray"),
    "lost": ("lost", ":material/link_off:", "orange"),
}


# Starting ----------------------------------------------------------------------------------------


def start_form(hand: state.Hand) -> None:
    """Draw the choices of a run and the button that starts it."""
    lots = {row.id: row for row in state.workspace().lots()}
    st.session_state["distill-lot"] = hand.lot_id
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Teach a small model on",
            list(lots),
            format_func=lambda lot_id: f"{lots[lot_id].title} · {count(lots[lot_id].wafers, 'wafer')}",
            key="distill-lot",
            on_change=lambda: state.put(lot=st.session_state["distill-lot"], wafer=None),
            width=360,
        )
        key, changed = state.bound("size", STUDENTS, "small")
        size = st.selectbox(
            "Student size", list(STUDENTS), format_func=size_text, key=key, on_change=changed, width=250
        )
        key, changed = state.bound("time", [str(seconds) for seconds in BUDGETS], "60")
        budget = st.selectbox(
            "Time",
            [str(seconds) for seconds in BUDGETS],
            format_func=lambda seconds: BUDGETS[int(seconds)],
            key=key,
            on_change=changed,
            width=120,
            help="From start to the last file written, export and int8 included.",
        )
        if st.button("Start", type="primary", icon=":material/play_arrow:", key="start"):
            start(hand, size, float(budget))
    st.caption("No labels are read. The student learns to answer as the teacher does on wafers like these.")


def size_text(size: str) -> str:
    """Return a student size with what it weighs: `small · 29 k parameters · ~37 kB`."""
    parameters, size_on_disk = STUDENTS[size]
    return f"{size} · {human_count(parameters)} parameters · ~{human_bytes(size_on_disk)}"


def start(hand: state.Hand, size: str, budget: float) -> None:
    """Queue a run on the lot in hand and open it; the same run that waits already is opened instead."""
    store = state.workspace()
    try:
        run = jobs.submit_distil(store, hand.lot_id, {"size": size, "budget": budget}, _trainable(hand.teacher))
    except WaferDistillError as problem:
        st.error(str(problem), title="This run cannot start")
        return
    jobs.ensure_worker(store)
    state.put(run=str(run))
    st.rerun()


def _trainable(teacher: ModelFile) -> ModelFile:
    """The torch file of a teacher, whose inner maps a student also learns from."""
    return next((file for file in files_of(teacher.folder) if file.engine == "torch"), teacher)


# The run in the address --------------------------------------------------------------------------


def run_in_hand(runs: Sequence[JobRow]) -> JobRow | None:
    """Return the run the address names, else one that waits or runs; says so where the address names none."""
    asked = state.address("run")
    found = next((job for job in runs if str(job.id) == asked), None)
    if asked is not None and found is None:
        st.warning(
            f"There is no run {plain(asked)} in this workspace. It may have been started on another machine.",
            title="This run is not here",
        )
    return found or (None if asked else next((job for job in runs if not job.over), None))


def draw_run(job: JobRow) -> None:
    """Draw a run: live while it goes on, and how it ended afterwards."""
    if job.over:
        with st.container(border=True):
            _ended(job)
        return
    jobs.ensure_worker(state.workspace())

    @st.fragment(run_every=1.0)
    def live() -> None:
        now = state.workspace().job(job.id)
        if now is None or now.over:
            if not state.left_behind():
                st.rerun()
        else:
            with st.container(border=True):
                _running(now)

    live()


def _running(job: JobRow) -> None:
    jobs.ensure_worker(state.workspace())
    points = jobs.progress(state.workspace(), job.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{headline(job, time.time())}**")
        st.space("stretch")
        if job.cancel:
            st.caption("Cancelling …")
        elif st.button("Cancel", icon=":material/close:", key=f"cancel-{job.id}"):
            jobs.cancel(state.workspace(), job.id)
            st.rerun()
    st.caption(_about(job))
    if job.state == "queued":
        st.caption(job.message or "The worker takes it up as soon as it is free. You may close this page.")
        return
    budget = _budget(job)
    spent = time.time() - (job.started or time.time())
    left = f"about {duration(budget - spent)} left" if spent < budget else "writing the last files"
    st.progress(min(spent / budget, 1.0), text=f"{left} · you may close this page, it goes on")
    _live_curves(Curves.of(points))


def headline(job: JobRow, now: float) -> str:
    """Return one line on a run that goes on: `Running · 38 s of 1 min · step 410 of 640`."""
    if job.state == "queued":
        return "Waiting for the worker"
    told = job.progress
    spent = duration(now - (job.started or now))
    step = f" · step {told['step']:,} of {told['steps']:,}" if told.get("step") else " · getting ready"
    stage = " · export and int8" if told.get("step") and told["step"] >= told["steps"] else step
    return f"Running · {spent} of {duration(_budget(job))}{stage}"


@dataclass(frozen=True)
class Curves:
    """A run's curves: (seconds, value) of the agreement, a fraction, and of the loss; and the latest count."""

    agreement: tuple[tuple[float, float], ...]
    loss: tuple[tuple[float, float], ...]
    counted: str

    @classmethod
    def of(cls, points: Sequence[ProgressPoint]) -> Curves:
        """Return the curves of a run's points."""
        known = [point for point in points if point.held_out and (point.agreement or point.step >= FIRST_LOOK)]
        return cls(
            tuple((point.seconds, (point.agreement or 0) / (point.held_out or 1)) for point in known),
            tuple((point.seconds, point.loss) for point in points if point.loss is not None),
            f"{known[-1].agreement or 0:,} of {known[-1].held_out:,}" if known else "not counted yet",
        )


def _live_curves(curves: Curves) -> None:
    """Draw the curves small and light, for they are drawn again every second."""
    agreed, losses = [100 * value for _, value in curves.agreement], [value for _, value in curves.loss]
    left, right = st.columns(2)
    left.metric(
        "Agreement on held-out wafers",
        f"{agreed[-1]:.1f} %" if agreed else "–",
        curves.counted,
        delta_color="off",
        delta_arrow="off",
        chart_data=agreed[-SPARKS:],
        help="Wafers of the lot kept from training on which the student answers as the teacher does. No label is read.",
    )
    right.metric(
        "Loss",
        f"{losses[-1]:.4f}" if losses else "–",
        f"began at {losses[0]:.4f}" if losses else "not counted yet",
        delta_color="off",
        delta_arrow="off",
        chart_data=losses[-SPARKS:],
        help="How far the student's answers are from the teacher's on the batch just learnt from; "
        "it jumps about while it falls.",
    )


def _curves(curves: Curves, seconds: float, run: int) -> None:
    """Draw a finished run's curves, each with its last value in words."""
    agreed = percent(curves.agreement[-1][1]) if curves.agreement else "–"
    loss = f"{curves.loss[-1][1]:.4f}" if curves.loss else "–"
    left, right = st.columns(2)
    with left:
        st.markdown(f"Agreement on held-out wafers **{agreed}** · {curves.counted}")
        figure = learning_curve(curves.agreement, "agreement", seconds, state.theme())
        st.plotly_chart(
            figure, config=PLAIN, key=f"agreement-{run}", alt=f"Agreement with the teacher, in the end {agreed}"
        )
    with right:
        st.markdown(f"Loss **{loss}**")
        figure = learning_curve(curves.loss, "loss", seconds, state.theme())
        st.plotly_chart(figure, config=PLAIN, key=f"loss-{run}", alt=f"Loss, in the end {loss}")


def _ended(job: JobRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(job.name or f'Run {job.id}')}**")
        label, icon, colour = BADGES[job.state]
        st.badge(label, icon=icon, color=colour)  # type: ignore[arg-type]
    st.caption(_about(job))
    if job.state == "done":
        _done(job)
        return
    took = f" after {duration(job.ended - job.started)}" if job.started and job.ended else ""
    if job.state == "cancelled":
        st.info(f"It was cancelled{took}; no student was made.", icon=":material/block:")
    elif job.state == "lost":
        st.warning(job.message, title="Its worker was lost")
    else:
        st.error(job.message, title=f"It failed{took}")
    if st.button("Start it again", icon=":material/replay:", key=f"again-{job.id}"):
        _again(job)


def _again(job: JobRow) -> None:
    store = state.workspace()
    try:
        run = jobs.submit_distil(store, job.lot, job.payload["settings"], store.model_of(job.payload["sha256"]))
    except WaferDistillError as problem:
        st.error(str(problem), title="This run cannot start")
        return
    jobs.ensure_worker(store)
    state.put(run=str(run))
    st.rerun()


def _done(job: JobRow) -> None:
    student = student_of(job)
    if student is None:
        st.warning(f"The folder of {plain(job.name or '')} is no longer in the workspace.", title="The student is gone")
        return
    st.markdown(
        f"**{student.name}** is ready: {count(student.entry.parameters, 'parameter')}, "
        f"{human_bytes(_smallest(student))} as int8. Choose it by this name on any page."
    )
    with st.container(horizontal=True):
        if st.button("Use it on this lot", type="primary", icon=":material/check:", key="use"):
            state.go("lot", lot=job.lot, student=student.name)
        if st.button("Compare with the teacher", icon=":material/balance:", key="compare"):
            state.go("compare", student=student.name)
        model_cards.download(student, key="download")
    _curves(Curves.of(jobs.progress(state.workspace(), job.id)), _trained(job), job.id)
    st.caption(
        "Agreement is how often the student gives the teacher's answer on wafers kept from training. "
        "It is not accuracy, which needs labels; Compare measures that on the shipped benchmark."
    )
    unfolded = st.expander("Its card", icon=":material/description:", key="run-card", on_change="rerun")
    if unfolded.open:
        with unfolded:
            model_cards.card(student)


def _trained(job: JobRow) -> float:
    return float(job.progress.get("seconds") or _budget(job))


def student_of(job: JobRow) -> ModelFile | None:
    """Return the student a finished run made, or None where its folder is gone."""
    try:
        return state.workspace().model(str(job.name)) if job.state == "done" else None
    except WaferDistillError:
        return None


def _smallest(student: ModelFile) -> int:
    return min(entry.bytes for entry in student.card.files.values())


# Earlier runs ------------------------------------------------------------------------------------

WIDTHS = (3.1, 1.5, 1.5, 1.5, 2.4)


def earlier(runs: Sequence[JobRow]) -> None:
    """Draw the runs of this workspace, newest first, a line each."""
    st.markdown("**Earlier runs**")
    if not runs:
        st.caption("None yet. Choose a lot, a size and a time above, and start one.")
        return
    pages = -(-len(runs) // PAGE)
    at = min(int(state.address("runs") or 1), pages) if (state.address("runs") or "1").isdigit() else 1
    for column, title in zip(st.columns(WIDTHS), ("Run", "Agreement", "Benchmark", "State", ""), strict=True):
        column.caption(title)
    for job in runs[(max(at, 1) - 1) * PAGE :][:PAGE]:
        _line(job)
    if pages > 1:
        st.session_state["runs-page"] = max(at, 1)
        st.pagination(pages, key="runs-page", on_change=lambda: state.put(runs=str(st.session_state["runs-page"])))
    st.caption(
        "Agreement: held-out wafers of the lot on which the student answers as the teacher does, no labels read. "
        "Benchmark: exact match on the shipped labelled wafers, once Compare has scored the student on them."
    )


def _line(job: JobRow) -> None:
    lot, agreement, benchmark, how, actions = st.columns(WIDTHS, vertical_alignment="center")
    student = student_of(job)
    titles = {row.id: row.title for row in state.workspace().lots()}
    setting = f"{job.payload['settings'].get('size', 'student')} · {duration(_budget(job))} · {_when(job.created)}"
    lot.markdown(f"{plain(titles.get(job.lot, 'a lot no longer here'))}  \n:small[:gray[{setting}]]")
    told = job.progress
    counted = job.state == "done" and told.get("held_out")
    agreement.markdown(percent(told["agreed"] / told["held_out"]) if counted else "–")
    exact = benchmark_exact(student) if student else None
    benchmark.markdown(percent(exact.value) if exact else "–")
    label, icon, colour = BADGES[job.state]
    how.badge(label, icon=icon, color=colour, help=job.message or None)  # type: ignore[arg-type]
    with actions.container(horizontal=True, gap="xsmall", horizontal_alignment="right"):
        if st.button("Open", key=f"open-{job.id}", type="tertiary"):
            state.put(run=str(job.id))
            st.rerun()
        if student is None:
            return
        if st.button("Use", key=f"use-{job.id}", type="tertiary", help="Make it the student on every page."):
            state.put(student=student.name)
            st.rerun()
        model_cards.download(student, key=f"download-{job.id}", quiet=True)


def duration(seconds: float) -> str:
    """Return seconds as an engineer says them: `38 s`, `1 min 30 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def _about(job: JobRow) -> str:
    settings = job.payload["settings"]
    titles = {row.id: row.title for row in state.workspace().lots()}
    return " · ".join(
        [
            plain(titles.get(job.lot, "a lot no longer here")),
            f"{settings.get('size', 'student')} student",
            duration(_budget(job)),
            f"taught by {plain(str(job.payload['teacher']))}",
            f"asked for {_when(job.created)}",
        ]
    )


def _budget(job: JobRow) -> float:
    return float(job.payload["settings"].get("budget", 60.0))


def _when(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment):%d %b %H:%M}"
