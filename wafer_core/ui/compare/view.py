"""Teacher and students beside each other: the choice, accuracy against size, the table, the patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
import streamlit as st

from wafer_core.charts.figures import Marks, Point, accuracy_against_size, series
from wafer_core.compare import Accuracy, PatternAccuracy, Rate
from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare import model_cards, speed_button
from wafer_core.ui.compare.comparison import (
    Comparison,
    Ground,
    Standing,
    answered,
    ask,
    default_students,
    grounds,
)
from wafer_core.ui.compare.speed import how
from wafer_core.ui.shared import layout, lot_picker, state
from wafer_core.ui.shared.opinions import problems, states, watch
from wafer_core.ui.shared.spreadsheet import csv_file
from wafer_core.ui.shared.words import (
    ENOUGH,
    command,
    count,
    human_bytes,
    human_count,
    in_points,
    interval,
    percent,
    plain,
    probability,
    score_text,
    shortened,
    stacked,
    times,
    unbroken,
)
from wafer_core.verdicts_csv import inert

LABEL_LETTERS = 54
"""Of a set's name, what its list has room for."""
HEAD_HEIGHT = 40
"""Pixels of a card's head that holds buttons; its neighbour's without any is as high."""
LETTERS = 14
"""Of a model's name, what a narrow column has room for."""

FEW = 3
"""Models whose details fit beside the chart without being unfolded."""


# The choice --------------------------------------------------------------------------------------


def choose_ground(hand: str) -> Ground:
    """Draw the choice of wafers; the shipped benchmark comes first."""
    found = grounds(hand)
    titles = {lot_id: shortened(ground.label, LABEL_LETTERS) for lot_id, ground in found.items()}
    named = lot_picker.distinct(titles, state.workspace().lots())
    key, changed = state.bound("set", found, next(iter(found)), resets=("bar", "who"))
    chosen = st.selectbox(
        "Compared on",
        list(found),
        format_func=named.__getitem__,
        key=key,
        on_change=changed,
        help="With labels the page measures accuracy; without, how often a student answers as the teacher does.",
    )
    return found[chosen]


def choose_students(teacher: ModelFile, in_hand: ModelFile) -> list[ModelFile]:
    """Draw the choice of models to stand beside the teacher; the address holds it as `students=a,b`."""
    models = {model.name: model for model in state.workspace().models() if model.sha256 != teacher.sha256}
    default = [name for name in default_students(list(models.values()), in_hand.name) if name in models]
    asked = state.address("students")
    named = default if asked is None else [name for name in dict.fromkeys(asked.split(",")) if name in models]
    st.session_state["address-students"] = named
    chosen = st.multiselect(
        "Models beside the teacher",
        list(models),
        key="address-students",
        on_change=_students_chosen,
        args=(default,),
        placeholder="Choose models",
        wrap=True,
        help="Every weights file of every model here, shipped or distilled; an int8 file is a model of its own.",
    )
    if in_hand.name in models and in_hand.name not in chosen:
        _offer(in_hand, chosen)
    return [models[name] for name in chosen]


def _offer(in_hand: ModelFile, chosen: Sequence[str]) -> None:
    """Say that the student in hand was left out of the choice, and draw the button that adds it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The student in hand, {plain(in_hand.name)}, is not among them.", width="content")
        added = ",".join([*chosen, in_hand.name])
        st.button("Add it", key="add-in-hand", type="tertiary", on_click=state.put, kwargs={"students": added})


def _students_chosen(default: list[str]) -> None:
    chosen = st.session_state["address-students"]
    # An emptied choice is a choice; a comma stands for it because an empty parameter reads as absent.
    state.put(students=None if chosen == default else ",".join(chosen) or ",", who=None)


def marks(comparison: Comparison, in_hand: ModelFile) -> Marks:
    """Return the mark each model is drawn with; the student in hand, whichever file of it, has the student's colour."""
    models = [(one.name, one.model.role, one.model.folder.name) for one in comparison.all]
    held = next((one.name for one in comparison.students if one.model.folder == in_hand.folder), None)
    return series(models, state.theme(), held)


# What it comes to --------------------------------------------------------------------------------


def progress(comparison: Comparison) -> None:
    """Ask for what is missing, say how far the models have come and redraw the page as they go on."""
    asked = ask(comparison)
    problems(asked)
    done = sum(int(one.said.present.sum()) for one in comparison.all)
    total = sum(len(one.said.present) for one in comparison.all)
    if not comparison.complete:
        reading = [plain(one.name) for one in comparison.all if not one.said.complete]
        st.progress(
            done / max(1, total), text=f"Still reading the wafers: {', '.join(reading)} · {percent(done / total, 0)}"
        )
        drawn = ([int(one.said.present.sum()) for one in comparison.all], [job.state for job in asked])
        watch(lambda: (answered(comparison), states(asked)), drawn)


def answer(comparison: Comparison) -> None:
    """Say in words what the student in hand gives up and what it saves."""
    hand = state.model_in_hand("student").sha256
    known = [one for one in comparison.students if one.alike is not None]
    if not known or comparison.teacher.said.complete is False:
        return
    student = next((one for one in known if one.model.sha256 == hand), known[0])
    st.markdown(" ".join(_sentences(comparison, student)))


def _sentences(comparison: Comparison, student: Standing) -> Iterator[str]:
    teacher, against, alike = comparison.teacher, student.against, student.alike
    if alike is None:
        return
    smaller = teacher.model.entry.bytes / student.model.entry.bytes
    takes = f"takes {human_bytes(student.model.entry.bytes)}"
    size = f"is {times(smaller)} times smaller on disk" if smaller >= 2 else takes
    if against is None or student.reached is None or teacher.reached is None:
        yield f"**{plain(student.name)}** {size} and answers as the teacher does on"
        part = f" ({percent(alike.share.value)})" if alike.n >= ENOUGH else ""
        yield f"{alike.same:,} of {count(alike.n, 'wafer')}{part}."
        yield "These wafers carry no labels, so nothing here says who is right."
        return
    yield f"**{plain(student.name)}** {size}."
    yield f"It names {percent(student.reached.exact.value)} of {count(against.n, 'wafer')} exactly,"
    yield f"the teacher {percent(teacher.reached.exact.value)}:"
    yield difference(student)


def difference(student: Standing) -> str:
    """Return in a clause how far a student's exact match is from the teacher's, and what chance leaves open.

    The interval is two-sided as in the table; what is not ruled out ends at the one-sided bound.
    """
    if student.against is None:
        return ""
    loss, upper = student.against.loss, student.against.upper
    left_open = f"a loss of up to {in_points(max(upper, 0))} points is not ruled out (one-sided 95 % bound)."
    if not loss.value:
        return f"the same share, though {left_open}"
    # Told in the direction of `fewer` or `more`, so that the figure lies in its interval.
    low, high = (loss.low, loss.high) if loss.value > 0 else (-loss.high, -loss.low)
    fewer = f"{in_points(abs(loss.value))} points {'fewer' if loss.value > 0 else 'more'}"
    apart = f"{fewer} (two-sided 95 % interval {interval(low, high, in_points)})"
    if loss.low <= 0 <= loss.high:
        return f"{apart}, no significant difference; {left_open}"
    return f"{apart}."


def size_chart(comparison: Comparison, drawn: Marks) -> None:
    """Draw accuracy against size, or agreement against size where nothing is labelled."""
    labelled = comparison.ground.labelled
    metric = "exact match" if labelled else "agreement with the teacher"
    with st.container(height=HEAD_HEIGHT, border=False, vertical_alignment="center"):
        st.markdown(f"**{'Accuracy' if labelled else 'Agreement'} against size**")
    points = [
        Point(
            one.name,
            one.model.entry.bytes,
            rate.value,
            rate.low,
            rate.high,
            f"{count(rate.n, 'wafer')} · {comparison.ground.title}",
        )
        for one in comparison.all
        if (rate := _headline(one, labelled)) is not None and rate.known
    ]
    if not points:
        st.caption("The chart appears once the first model has read every wafer.")
        return
    st.plotly_chart(
        accuracy_against_size(tuple(points), drawn, metric, state.theme(), comparison.teacher.name),
        config=layout.CHART,
        height="stretch",
        key="size-chart",
        alt=". ".join(f"{p.name}: {human_bytes(p.bytes)}, {metric} {percent(p.value)}" for p in points),
    )
    band = " The band is the teacher's interval." if labelled and comparison.teacher.reached else ""
    st.caption(f"Higher is better, further left is smaller. Whiskers are two-sided 95 % intervals.{band}")


def _headline(one: Standing, labelled: bool) -> Rate | None:
    if labelled:
        return one.reached.exact if one.reached else None
    return one.alike.share if one.alike else None


def table(comparison: Comparison) -> None:
    """Draw what each model gives and takes, with the buttons that measure speed and take the figures along."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**What you give, what you get**")
        st.space("stretch")
        _how(comparison)
        st.download_button(
            "CSV",
            data=lambda: csv_file(figures(comparison).to_csv(index=False)),
            file_name="compare.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    rows = [_row(one, comparison) for one in comparison.all]
    st.table(
        pd.DataFrame(rows).set_index("Model"), border="horizontal", alt="Accuracy, agreement and cost of every model"
    )
    _left_out_of_f1(comparison)
    models = [one.model for one in comparison.all]
    speed_button.draw(models, comparison.ground.lot_id, key="compare-speed", reading=not comparison.complete)


def _row(one: Standing, comparison: Comparison) -> dict[str, str]:
    waiting = f":gray[{unbroken(f'{int(one.said.present.sum()):,} read')}]"
    row = {"Model": _named(one.name)}
    if comparison.ground.labelled:
        row["Exact match"] = _with_interval(one.reached.exact) if one.reached else waiting
        row["F1"] = _f1(one.reached) if one.reached and one.reached.macro_f1.known else "–"
    row["Agrees with teacher"] = _with_interval(one.alike.share) if one.alike else waiting
    if one is comparison.teacher:
        row["Agrees with teacher"] = "–"
    if comparison.ground.labelled:
        row["Points lost"] = _points(one.against.loss) if one.against else "–"
    else:
        row["Where either sees a pattern"] = _with_interval(one.alike.share_defective) if one.alike else "–"
    row["Size"] = stacked(human_count(one.model.entry.parameters), human_bytes(one.model.entry.bytes))
    row["ms a wafer"] = speed_button.milliseconds(one.speed)
    return row


def _f1(reached: Accuracy) -> str:
    """Return the mean F1, and how often a pattern was named that no wafer carries, which counts in no F1."""
    value, beyond = score_text(reached.macro_f1.value), sum(entry.called for entry in _carried_by_none(reached))
    return stacked(value, f"{beyond:,} left out") if beyond else value


def _carried_by_none(reached: Accuracy) -> list[PatternAccuracy]:
    """Return the patterns that were named although no wafer of the set carries them."""
    return [entry for entry in reached.patterns if entry.called and not entry.support]


def _named_on(entry: PatternAccuracy) -> str:
    return f"{entry.pattern} on {count(entry.called, 'wafer')}"


def _left_out_of_f1(comparison: Comparison) -> None:
    """Say which patterns models named that no wafer carries: a wrong name that costs exact match alone."""
    named = [
        f"{plain(one.name)} names {' and '.join(_named_on(entry) for entry in found)}"
        for one in comparison.all
        if one.reached and (found := _carried_by_none(one.reached))
    ]
    if named:
        st.caption(
            "F1 is the mean over the patterns that wafers here carry. Left out of it, though wrong in the exact "
            f"match, is what none carries: {'; '.join(named)}."
        )


def _with_interval(rate: Rate) -> str:
    if not rate.known:
        return "–"
    return stacked(percent(rate.value), interval(rate.low, rate.high))


def _points(loss: Rate) -> str:
    return stacked(in_points(loss.value), interval(loss.low, loss.high, in_points))


def _named(name: str) -> str:
    """Return a model's name that no narrow column breaks at a hyphen; a long one has to break to fit."""
    return plain(name if len(name) > LETTERS else unbroken(name))


def _how(comparison: Comparison) -> None:
    ground = comparison.ground
    with st.popover("How measured"):
        if ground.labelled:
            st.markdown(
                f"**Accuracy** (exact match, F1): against the labels of {plain(ground.title)}, "
                f"{count(ground.wafers, 'wafer')}. Exact match counts a wafer when every pattern is named and none is "
                "added. F1 is the mean over the patterns that wafers carry."
            )
        st.markdown(
            "**Agreement**: how often a student names the same set of patterns as the teacher, over all wafers, or "
            "over those where either names any, because agreeing on normal ones is easy. It reads no label and says "
            "nothing about who is right."
        )
        for one in comparison.all:
            if one.from_card:
                how = f"has not read them here yet; its accuracy is its card's: {command(one.from_card)}"
                st.markdown(f"**{plain(one.name)}** {how}")
        st.markdown(
            f"**Intervals**: 95 %, two-sided, {_drawn(comparison)}. **Scored** on this machine by its own worker."
        )
        st.markdown("**Size**: trained parameters and bytes on disk, from the model's card, checked against its file.")
        st.markdown(f"**ms a wafer**: {_timed(comparison)}.")
        if ground.benchmark:
            again = "`python -m wafer_core benchmark --out FILE.json`"
            st.markdown(f"The command that repeats this for the models that came with WaferDistill: {again}")


def _drawn(comparison: Comparison) -> str:
    """Return where the intervals of what was counted here come from; those of a card are the card's."""
    counted = next((one.reached for one in comparison.all if one.reached and not one.from_card), None)
    if counted is None and any(one.from_card for one in comparison.all):
        return "as the cards have them"
    return f"drawing its {counted.lots:,} lots again" if counted and counted.lots else "counting wafers one by one"


def _timed(comparison: Comparison) -> str:
    """Return how speeds were measured; where models were timed one by one, of each that was."""
    told = {one.name: how(one.speed) for one in comparison.all if one.speed}
    if len(set(told.values())) > 1:
        return "; ".join(f"{plain(name)}, {said}" for name, said in told.items())
    return next(iter(told.values()), "measured when you ask for it")


def losses(comparison: Comparison) -> None:
    """Draw wafer by wafer where students and teacher part, and what chance leaves open."""
    known = [(one.name, one.against) for one in comparison.students if one.against is not None]
    if not known:
        return
    rows = [
        {
            "Model": _named(name),
            "Only the teacher right": f"{against.teacher_only:,}",
            "Only this model right": f"{against.student_only:,}",
            unbroken("McNemar p"): probability(against.p),
            "Points lost at most": in_points(against.upper),
        }
        for name, against in known
    ]
    with st.expander("Wafer by wafer against the teacher", expanded=len(known) <= FEW, icon=":material/difference:"):
        st.table(pd.DataFrame(rows).set_index("Model"), border="horizontal", alt="Paired comparison with the teacher")
        st.caption(
            "A large p says that no difference was found, not that there is none. "
            "The last column is the one-sided 95 % bound of the loss in exact match."
        )


def cards(comparison: Comparison) -> None:
    """Draw the card of every model compared, once somebody unfolds them."""
    unfolded = st.expander(
        "Where these models come from", icon=":material/description:", key="cards", on_change="rerun"
    )
    if unfolded.open:
        models = {one.model.stem: one.model for one in reversed(comparison.all)}
        names = list(reversed(models))
        for name, tab in zip(names, unfolded.tabs(list(map(plain, names))), strict=True):
            with tab:
                model_cards.card(models[name])


# Taking it along --------------------------------------------------------------------------------


def figures(comparison: Comparison) -> pd.DataFrame:
    """Return every figure on the page as a table: one row a model and metric, with how it was measured."""
    ground = comparison.ground
    rows: list[dict[str, object]] = []
    for one in comparison.all:
        own: dict[str, Rate] = dict(one.reached.figures()) if one.reached else {}
        if one.alike:
            own["agreement with the teacher"] = one.alike.share
        if one.against:
            own["loss in exact match"] = one.against.loss
        about = {"model": inert(one.name), "sha256": one.model.sha256}
        about |= {"set": inert(ground.title), "set id": ground.lot_id}
        rows += [
            {**about, "metric": name, "value": rate.value, "low": rate.low, "high": rate.high, "n": rate.n}
            for name, rate in own.items()
        ]
        cost = {"parameters": one.model.entry.parameters, "bytes": one.model.entry.bytes}
        if one.speed:
            cost["milliseconds a wafer"] = one.speed.milliseconds  # type: ignore[assignment]
        rows += [{**about, "metric": name, "value": value} for name, value in cost.items()]
    # As objects whole numbers stay whole beside shares and gaps.
    return pd.DataFrame(rows, dtype=object)
