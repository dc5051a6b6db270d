"""Distillations: watching one, holding it, and what came of the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from wafer_core import jobs
from wafer_core.models.folder import ModelFile
from wafer_core.novelty import UNTOLD
from wafer_core.ui.compare import approval, kit_button, model_cards
from wafer_core.ui.compare.before_after import measured
from wafer_core.ui.compare.comparison import benchmark_exact
from wafer_core.ui.distill import curves, result_card, run_record, run_start, run_watch, runs_together, zip_button
from wafer_core.ui.shared import layout, opinions, state
from wafer_core.ui.shared.words import count, duration, human_bytes, moment, percent, plain, steps
from wafer_core.workspace import JobRow

BADGES = {
    "queued": ("waiting", ":material/schedule:", "gray"),
    "running": ("running", ":material/progress_activity:", "blue"),
    "paused": ("paused", ":material/pause:", "orange"),
    "done": ("done", ":material/check:", "green"),
    "failed": ("failed", ":material/error:", "red"),
    "cancelled": ("cancelled", ":material/block:", "gray"),
    "lost": ("lost", ":material/link_off:", "orange"),
}

STAGES = {
    "look at the wafers": "looking at the wafers",
    "read shipped wafers": "reading shipped wafers",
    "draw wafers to replay": "drawing wafers to replay",
    "read other wafers": "reading other wafers",
    "ask the teacher": "asking the teacher",
    "measure a step": "measuring a step",
    "rehearse the export": "rehearsing the export",
    "train": "training",
    "thresholds": "export · thresholds",
    "export": "export · ONNX",
    "int8": "export · int8",
    "int8 thresholds": "export · thresholds of int8",
    "novelty": "export · what it knows",
}
"""What a run is doing, by the name it tells."""

DEAR = 120.0
"""Seconds that a run has worked from which on its end is asked about."""

LEAVES_OUT = "leave out "
"""How the name begins that says how many wafers are left out, because students are judged by them."""


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
        st.markdown(f"**{headline(job)}**")
        st.space("stretch")
        _controls(job)
    st.caption(_about(job))
    if job.state == "queued":
        st.caption(plain(job.message) or f"{_turn(job)} You may close this page.")
    elif job.state == "paused" and job.message:
        st.warning(plain(job.message))
    if not job.progress:
        return
    if said := planned(job):
        st.caption(said)
    left, spent = seconds_left(job), _spent(job)
    told = f"About {duration(left)} left" if left else "Writing the last files"
    going = f"{told} · you may close this page, it goes on"
    held = "It keeps what it has learned and waits for you"
    st.progress(spent / (spent + left) if left else 1.0, text=held if job.state == "paused" else going)
    curves.draw_live(points)
    run_watch.draw(job)
    run_watch.log(job)


def _turn(job: JobRow) -> str:
    """Return how long a queue a waiting run stands in; those that are paused hold nobody up."""
    others = jobs.jobs(state.workspace(), "distil", ("queued", "running"))
    ahead = sum(other.state == "running" or other.id < job.id for other in others if other.id != job.id)
    if not ahead:
        return "It is next: the worker takes it up as soon as it is free."
    return f"{count(ahead, 'run')} {'goes' if ahead == 1 else 'go'} first."


def _controls(job: JobRow) -> None:
    """Draw what can be done to a run that is not over."""
    store = state.workspace()
    if job.cancel or job.pause:
        st.caption("Cancelling …" if job.cancel else "Pausing …")
        return
    if job.state == "paused":
        if st.button("Resume", icon=":material/play_arrow:", key=f"resume-{job.id}"):
            jobs.resume(store, job.id)
            jobs.ensure_worker(store)
            st.rerun()
    elif st.button("Pause", icon=":material/pause:", key=f"pause-{job.id}"):
        jobs.pause(store, job.id)
        st.rerun()
    if _cancel_pressed(job):
        jobs.cancel(store, job.id)
        st.rerun()


def _cancel_pressed(job: JobRow) -> bool:
    """Draw the button that ends a run and return whether it was pressed; what took long is not lost by one click."""
    icon, key, spent = ":material/close:", f"cancel-{job.id}", _spent(job)
    if spent < DEAR:
        return st.button("Cancel", icon=icon, key=key)
    with st.popover("Cancel", icon=icon):
        st.caption(f"This throws away {duration(spent)} of work for good. *Pause* keeps it.")
        return st.button("Cancel the run", type="primary", key=key)


def headline(job: JobRow) -> str:
    """Return one line on a run that is not over: `Running · 38 s of 1 min · step 410 of 640`."""
    if job.state == "queued":
        return "Waiting for the worker"
    told = job.progress
    doing = stage_words(str(told.get("stage")))
    if told.get("stage") == "train" and told.get("step"):
        doing = f"step {told['step']:,} of {told['steps']:,}"
    standing = "Paused" if job.state == "paused" else "Running"
    return f"{standing} · {duration(_spent(job))} of {duration(_budget(job))} · {doing}"


def stage_words(name: str) -> str:
    """Return what a run is doing, in words, by the name that it tells."""
    if name.startswith(LEAVES_OUT):
        return f"leaving out {plain(name.removeprefix(LEAVES_OUT))}"
    return STAGES.get(name, "getting ready")


def planned(job: JobRow) -> str:
    """Return one sentence on the plan that a run has made for itself, or nothing where it has made none yet."""
    plan = job.progress.get("plan")
    if not plan or not plan["step_seconds"]:
        return ""
    pace, kept = 1000 * plan["step_seconds"], f"{duration(plan['writing_seconds'])} kept for writing"
    return (
        f"Now planned: {steps(plan['steps'])} at {pace:.0f} ms each, {kept}. "
        "Measured as this run began, it replaces the estimate from before."
    )


def seconds_left(job: JobRow) -> float:
    """Return how long a run should still take: by its own plan, though no longer than its budget; never below 0."""
    told, plan, spent = job.progress, job.progress.get("plan"), _spent(job)
    training, left = told.get("stage") == "train", _budget(job) - spent
    # A run that goes on has its plan before it knows how far it was.
    if plan and plan["step_seconds"] and (training or told.get("step")):
        writing = plan["writing_seconds"]
        if training:
            by_plan = (plan["steps"] - told.get("step", 0)) * plan["step_seconds"] + writing
        else:
            by_plan = writing - (spent - plan["prepared"] - told.get("seconds", 0.0))
        # On a machine that is slower than it was measured the budget ends the run before its last step.
        left = min(left, by_plan)
    return max(float(left), 0.0)


def _spent(job: JobRow) -> float:
    """Seconds of its budget that a run has used; what lay between a pause or a kill and going on does not count."""
    return float(job.progress.get("spent", 0.0))


def _ended(job: JobRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(job.name or f'Run {job.id}')}**")
        label, icon, colour = BADGES[job.state]
        st.badge(label, icon=icon, color=colour)  # type: ignore[arg-type]
    st.caption(_about(job))
    if job.state == "done":
        _done(job)
        run_watch.log(job)
        return
    seconds = job.ended - job.started if job.started and job.ended else 0.0
    took = f" after {duration(seconds)}" if round(seconds) else ""
    if job.state == "cancelled":
        st.info(f"It was cancelled{took}; no student was made.", icon=":material/block:")
    elif job.state == "lost":
        st.warning(plain(job.message), title="Its worker was lost")
    else:
        st.error(plain(job.message), title=f"It failed{took}")
    if st.button("Start it again", icon=":material/replay:", key=f"again-{job.id}"):
        run_start.begin(
            job.lot, job.payload["settings"], lambda: state.workspace().model_of(str(job.payload["sha256"]))
        )
    run_watch.log(job)


def _done(job: JobRow) -> None:
    student = run_record.student_of(job)
    if student is None:
        st.warning(f"The folder of {plain(job.name or '')} is no longer in the workspace.", title="The student is gone")
        return
    st.markdown(
        f"**{plain(student.name)}** is ready: {steps(student.card.made_from['steps'])}, "
        f"{count(student.entry.parameters, 'parameter')}, {human_bytes(_smallest(student))} as int8. "
        "Choose it by this name on any page."
    )
    if little := run_record.little_time(student, _budget(job)):
        st.warning(little, title="It had next to no time to learn")
    _, slowed, more = job.message.partition("The machine slowed down")
    if slowed:
        st.caption(plain(slowed + more))
    if student.card.novelty is None:
        st.caption(UNTOLD)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Use it on this lot", type="primary", icon=":material/check:", key="use"):
            state.go("lot", lot=job.lot, student=student.name, wafer=None)
        if st.button("Compare with the teacher", icon=":material/balance:", key="compare"):
            # Beside whom it was drawn before, it may not have been.
            state.go("compare", student=student.name, students=None, who=None)
        approval.button(student)
        kit_button.draw(student, key="download")
    found = measured(job, student)
    approval.question(student, [side for sides in found.values() for side in sides])
    run_record.draw(student)
    result_card.draw(found, student)
    curves.draw(jobs.progress(state.workspace(), job.id), _trained(job), job.id)
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


def _smallest(student: ModelFile) -> int:
    return min(entry.bytes for entry in student.card.files.values())


# Earlier runs ------------------------------------------------------------------------------------


def keep_current(runs: Sequence[JobRow]) -> None:
    """Redraw the page once a run that waits or goes on stands otherwise than the page says."""
    waiting = [job for job in runs if not job.over]
    if waiting:
        # Less often than a run is drawn: on a slow machine two timers would keep the page from coming to rest.
        opinions.watch(lambda: opinions.states(waiting), drawn=[job.state for job in waiting], every=3.0)


WIDTHS = (3.1, 1.5, 1.5, 1.5, 2.4)


def earlier(runs: Sequence[JobRow]) -> None:
    """Draw the runs of this workspace, newest first, a line each."""
    st.markdown("**Earlier runs**")
    if not runs:
        st.caption("None yet. Choose a lot, a size and a time above, and start one.")
        return
    lines, page_numbers = layout.paged(runs, "runs")
    for column, title in zip(st.columns(WIDTHS), ("Run", "Agreement", "Benchmark", "State", ""), strict=True):
        column.caption(title)
    for job in lines:
        _line(job)
    page_numbers()
    st.caption(
        "Agreement: held-out wafers of the lot on which the student answers as the teacher does, no labels read. "
        "Benchmark: exact match on the shipped labelled wafers, once Compare has scored the student on them."
    )
    runs_together.draw(runs)


def _line(job: JobRow) -> None:
    lot, agreement, benchmark, how, actions = st.columns(WIDTHS, vertical_alignment="center")
    student = run_record.student_of(job)
    called = plain(student.name) if student else plain(job.payload["settings"].get("size", "student"))
    setting = f"{called} · {duration(_budget(job))} · {moment(job.created)}"
    lot.markdown(f"{_lot_of(job)}  \n:small[:gray[{setting}]]")
    agreement.markdown(run_record.agreement(student) if student else "–")
    exact = benchmark_exact(student) if student else None
    benchmark.markdown(percent(exact.value) if exact else "–")
    label, icon, colour = BADGES[job.state]
    how.badge(label, icon=icon, color=colour, help=plain(job.message) or None)  # type: ignore[arg-type]
    with actions.container(horizontal=True, gap="xsmall", horizontal_alignment="right"):
        if st.button("Open", key=f"open-{job.id}", type="tertiary"):
            state.put(run=str(job.id))
            st.rerun()
        if student is None:
            return
        if st.button("Use", key=f"use-{job.id}", type="tertiary", help="Make it the student on every page."):
            # Beside whom models were compared before, it may not have been.
            state.put(student=student.name, students=None, who=None)
            st.rerun()
        zip_button.draw(student, key=f"download-{job.id}")


def _about(job: JobRow) -> str:
    settings = job.payload["settings"]
    return " · ".join(
        [
            _lot_of(job),
            f"{plain(settings.get('size', 'student'))} student",
            duration(_budget(job)),
            f"taught by {plain(job.payload['teacher'])}",
            f"asked for {moment(job.created)}",
        ]
    )


def _lot_of(job: JobRow) -> str:
    """Return, as Markdown, the title of the lot a run learned from."""
    titles = {row.id: row.title for row in state.workspace().lots()}
    return plain(titles.get(job.lot, runs_together.NO_LOT))


def _budget(job: JobRow) -> float:
    return float(job.payload["settings"].get("budget", 60.0))
