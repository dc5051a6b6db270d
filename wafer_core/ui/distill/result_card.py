"""The result card: the shipped, the approved and the new student on the same wafers, and what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import streamlit as st

from wafer_core.compare import Paired, Rate
from wafer_core.lot import Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.ui.compare import approval, comparison, judgement, speed_button, wafer_list
from wafer_core.ui.compare.before_after import KINDS, Change, Kind, Side, ask_guard, guarded, stand_in
from wafer_core.ui.compare.comparison import Ground, Standing
from wafer_core.ui.shared import state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.opinions import problems, set_title, states, watch
from wafer_core.ui.shared.words import (
    ENOUGH,
    count,
    count_end,
    human_bytes,
    in_points,
    interval,
    percent,
    plain,
    probability,
    share,
    shortened,
    stacked,
    unbroken,
)
from wafer_core.workspace import is_shipped

LETTERS = 34
"""Of a ground's title, what a column has room for."""
WHERE = {"lot": "This lot", "guard": "Guard set", "benchmark": "Shipped benchmark"}


def draw(measured: Mapping[Kind, Sequence[Side]], student: ModelFile) -> None:
    """Draw the card of the file chosen; what either has not read yet is asked for, and the page redrawn as it comes."""
    found = measured[_kind()]
    st.markdown("**Before and after**")
    if stood_in := stand_in(student, found[0].compared.teacher.model):
        st.warning(stood_in)
    _sentence(student)
    # The question that comes before an approval is about both files, whichever is looked at.
    reading = _progress([side for sides in measured.values() for side in sides], student)
    with st.container(horizontal=True, vertical_alignment="center"):
        segmented("Files compared", KINDS, "file", "trained")
        st.space("stretch")
        _how()
        models = [one.model for one in found[0].compared.students]
        speed_button.draw(models, found[0].ground.lot_id, key="card-speed", reading=reading, quiet=True)
    st.table(_table(found), border="horizontal", hide_index=True, alt="Before and after on the same wafers")
    _pairs(found)
    _changed(found)


def _kind() -> Kind:
    return "int8" if state.address("file") == "int8" else "trained"


# What it comes to --------------------------------------------------------------------------------


def _sentence(student: ModelFile) -> None:
    """Say first what the guard set says."""
    found = None if is_shipped(student) else guarded(student)
    if found is not None:
        st.markdown(f"{judgement.SIGNS[found.judgement]} {judgement.guard_sentence(found)}")


def _progress(found: Sequence[Side], student: ModelFile) -> bool:
    """Ask for what is missing, the lot first, say how far the models have come, and return whether any still reads."""
    wanted = [job for side in found if not side.complete for job in comparison.ask(side.compared)]
    asked = list({job.id: job for job in (*wanted, *ask_guard(student))}.values())
    problems(asked)
    if not asked:
        return False
    read = [[int(one.said.present.sum()) for one in side.compared.all] for side in found]
    # The teacher stands beside either file, and reads once.
    there = {(side.ground.lot_id, one.model.sha256): one.said.present for side in found for one in side.compared.all}
    done, total = sum(int(each.sum()) for each in there.values()), sum(map(len, there.values()))
    st.progress(done / max(1, total), text=f"Reading the same wafers with every model · {percent(done / total, 0)}")
    drawn = (read, [job.state for job in asked])
    watch(lambda: ([comparison.answered(side.compared) for side in found], states(asked)), drawn, every=2.0)
    return True


def _table(found: Sequence[Side]) -> pd.DataFrame:
    rows = [row for side in found for row in _rows(side)]
    sizes = {head: human_bytes(one.model.entry.bytes) for head, one in _columns(found[0])}
    times = {head: speed_button.milliseconds(one.speed) for head, one in _columns(found[0])}
    rows += [{"": "Size on disk", **sizes}, {"": "ms a wafer", **times}]
    return pd.DataFrame(rows).fillna("")


def _rows(side: Side) -> Iterator[dict[str, str]]:
    shipped = side.shipped
    last = f"New against {plain(side.compared.students[0].name)}"
    wafers = count(side.ground.wafers, "wafer")
    yield {
        "": f"**{_called(side.ground)}**  \n:small[:gray[{wafers} · answers as the teacher]]",
        **{head: _cell(one.alike.share) if one.alike else _waiting(one) for head, one in _columns(side)},
        last: _step(shipped.fidelity, side.ground) if shipped else "",
    }
    if side.ground.labelled:
        yield {
            "": ":small[:gray[names its labels exactly]]",
            **{head: _exact(one) for head, one in _columns(side)},
            last: _step(shipped.accuracy, side.ground) if shipped and shipped.accuracy else "",
        }


def _columns(side: Side) -> Iterator[tuple[str, Standing]]:
    """Give every student with its column's title: its name, and what it is here."""
    for one in side.compared.students:
        kinds = {"shipped": is_shipped(one.model), "approved": approval.approved(one.model), "new": one is side.new}
        yield f"{plain(one.name)} ({', '.join(kind for kind, so in kinds.items() if so)})", one


def _exact(one: Standing) -> str:
    # What a card says of a model that has not read these wafers here is not set beside what was counted here.
    return _cell(one.reached.exact) if one.reached and one.said.complete else _waiting(one)


def _cell(rate: Rate) -> str:
    """Return a share with its interval, as a count where so few wafers were looked at that percents mislead."""
    if not rate.known:
        return "–"
    if rate.n < ENOUGH:
        counted = interval(rate.low * rate.n, rate.high * rate.n, count_end)
        return stacked(share(round(rate.value * rate.n), rate.n), counted)
    return stacked(percent(rate.value), interval(rate.low, rate.high))


def _step(one: Paired, ground: Ground) -> str:
    """Return in a few words how far the new student is from the one before, and what chance says of it."""
    gained = one.student_only - one.teacher_only
    sign = "+" if gained > 0 else "−" if gained < 0 else "±"
    apart = abs(one.loss.value)
    size = count(abs(gained), "wafer") if one.n < ENOUGH else f"{in_points(apart, 1 if apart >= 0.001 else 2)} points"
    bound = [f"at most {in_points(max(one.upper, 0), 2)} lost"] if ground.guard else []
    return stacked(f"{sign}{size}", f"p {probability(one.p)}", *bound)


def _called(ground: Ground) -> str:
    """Return what a ground is called where there is little room."""
    place = _place(ground)
    return plain(shortened(ground.title, LETTERS)) if place == "lot" else WHERE[place]


def _waiting(one: Standing) -> str:
    """Say how far a student is, or that the teacher it is held against is not."""
    read = "teacher still reads" if one.said.complete else f"{int(one.said.present.sum()):,} read"
    return f":gray[{unbroken(read)}]"


def _how() -> None:
    with st.popover("How measured"):
        st.markdown(
            "All students read the **same wafers**: all of the lot, most of which the new one learned from; the guard "
            "set, shipped wafers that no model learns from; and the shipped benchmark.\n\n"
            "**Answers as the teacher** is agreement and reads no label. **Names its labels exactly** is accuracy, "
            "where labels exist. Intervals are 95 %; under 100 wafers there are counts instead of percents.\n\n"
            "**p** is McNemar's exact probability, over the wafers that only one of two students gets right, of so "
            "uneven a pair by chance. A large p says that no difference was found, not that there is none.\n\n"
            "**At most lost** is the one-sided 95 % bound of what the new student loses to the shipped one."
        )


def _pairs(found: Sequence[Side]) -> None:
    """Draw wafer by wafer where the new student and each one before it part."""
    rows = [
        {
            "Wafers": _called(side.ground),
            "Right means": "as labelled" if truth == "labels" else "as the teacher says",
            "Beside": plain(unbroken(change.before.name)),
            "Only that one right": f"{one.teacher_only:,}",
            "Only the new one right": f"{one.student_only:,}",
            unbroken("McNemar p"): probability(one.p),
            "Points lost": in_points(one.loss.value, 2),
            "At most, 95 %": in_points(one.upper, 2),
        }
        for side in found
        for change in side.changes
        for truth, one in (("teacher", change.fidelity), ("labels", change.accuracy))
        if one is not None and one.n
    ]
    if not rows:
        return
    with st.expander("Wafer by wafer", icon=":material/difference:"):
        frame = pd.DataFrame(rows)
        small = [side.ground.title for side in found if side.ground.wafers < ENOUGH]
        st.table(frame, border="horizontal", hide_index=True, alt="Paired comparison with the students before")
        if small:
            st.caption(f"Points of fewer than {ENOUGH} wafers are coarse; read the counts.")


# Wafers whose answer changed ---------------------------------------------------------------------


def _changed(found: Sequence[Side]) -> None:
    """Draw the wafers that the new student answers otherwise than one before it; each opens by a click."""
    ready = {_place(side.ground): side for side in found if side.changes}
    if not ready:
        return
    st.markdown("**Wafers whose answer changed**")
    with st.container(horizontal=True, vertical_alignment="center"):
        titles = {where: f"{WHERE[where]} · {int(one.changes[0].wafers.sum()):,}" for where, one in ready.items()}
        side = ready[segmented("Wafers", titles, "changed", next(iter(ready)))]
        names = [change.before.name for change in side.changes]
        key, changed = state.bound("than", names, names[0])
        beside = names[0]
        if len(names) > 1:
            beside = st.selectbox("Beside", names, key=key, on_change=changed, width=240, label_visibility="collapsed")
    _list(side, side.changes[names.index(beside)])


def _place(ground: Ground) -> str:
    return "guard" if ground.guard else "benchmark" if ground.benchmark else "lot"


def _list(side: Side, change: Change) -> None:
    if not change.wafers.any():
        st.caption(f"{plain(side.new.name)} answers on every wafer as {plain(change.before.name)} does.")
        return
    wafers, teacher = side.ground.lot.wafers, side.compared.teacher.said
    wafer_list.draw(
        side.ground,
        change.wafers,
        {
            f"{change.before.name} said": change.before.said.titles.__getitem__,
            f"{side.new.name} says": side.new.said.titles.__getitem__,
            f"{teacher.model.name} says": teacher.titles.__getitem__,
            **({"labelled": lambda place: _labelled(wafers[place])} if side.ground.labelled else {}),
        },
        key="open-changed",
        alt="Wafers whose answer changed",
        student=side.new.name,
    )


def _labelled(wafer: Wafer) -> str:
    return "" if wafer.labels is None else set_title(wafer.labels)
