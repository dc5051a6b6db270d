"""Why: which dies made each model name a pattern, both models on one signed scale."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from wafer_core import jobs
from wafer_core.charts.dies import STATE_NAMES, Scale, overlay, shared_limit, signed_scale, stage
from wafer_core.explain import DEFAULT, MEANINGS, TITLES, methods_for
from wafer_core.lot import NO_DIE, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS, SUSPECTS
from wafer_core.trust.whereabouts import HOLDS, stands_on, whereabouts
from wafer_core.ui.components.dies import Fact, Figure, Group, Save, ScaleBar, dies
from wafer_core.ui.shared import evidence, state
from wafer_core.ui.shared.choices import segmented
from wafer_core.ui.shared.opinions import Opinion, Opinions, watch
from wafer_core.ui.shared.spreadsheet import csv_file
from wafer_core.ui.shared.words import UNLIKE, percent, plain
from wafer_core.ui.wafer import patience

PART = "why"
"""The part of the page that methods and strengths redraw."""

WIDTH, WIDTH_ALONE = 250, 400
UNLIKE_METHODS = " Two methods: compare where the models look, not how alike or how strong the colours are."
STRENGTHS = [str(strength) for strength in range(0, 101, 10)]

Attributions = dict[int, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Question:
    """Which dies made both models name patterns on one wafer, as asked of the worker.

    Args:
        said: what the models say.
        here: the wafer's position.
        method: the one that was chosen.
        patterns: what either model names; columns of `PATTERNS`.
        jobs: the job of each role that misses something.
    """

    said: Opinions
    here: int
    method: str
    patterns: tuple[int, ...]
    jobs: Mapping[str, int]

    @property
    def wafer(self) -> Wafer:
        """The wafer to explain."""
        return self.said.lot.wafers[self.here]

    @property
    def methods(self) -> dict[str, str]:
        """By role, teacher first, the method that explains each model: see `method_of`."""
        return {one.model.role: method_of(one.model, self.method) for one in (self.said.teacher, self.said.student)}

    @property
    def apart(self) -> bool:
        """Whether the two models are explained by different methods."""
        return len(set(self.methods.values())) > 1

    def found(self) -> dict[str, Attributions]:
        """Return what the store holds by now, by role."""
        store, methods = state.workspace(), self.methods
        return {
            role: store.attributions(model.sha256, self.wafer.map_hash, methods[role], self.patterns)
            for role, model in ((one.model.role, one.model) for one in self.said.both)
        }

    def states(self) -> dict[str, str]:
        """Return how each job stands by now, by role."""
        found = {role: state.workspace().job(job) for role, job in self.jobs.items()}
        return {role: job.state for role, job in found.items() if job is not None}

    def problems(self) -> dict[str, str]:
        """Return by role why nothing more will come."""
        found = {role: state.workspace().job(job) for role, job in self.jobs.items()}
        return {role: job.message for role, job in found.items() if job and job.over and job.state != "done"}


# Asking ------------------------------------------------------------------------------------------


def ask(hand: state.Hand, said: Opinions, here: int) -> Question | None:
    """Queue what the store misses to explain a wafer; None while neither model names a pattern on it.

    Ask before the page is drawn, too: the worker explains meanwhile, and asking twice queues once.
    """
    patterns = tuple(i for i in range(len(PATTERNS)) if any(one.verdicts.detected[here, i] for one in said.both))
    if not patterns:
        return None
    models, offered = [one.model for one in said.both], offered_methods(said)
    method = state.address("method", offered[0])
    method = method if method in offered else offered[0]
    queued: dict[str, int] = {}
    for model in models:
        if (job := _submit(hand, model, here, method_of(model, method), patterns)) is not None:
            queued[model.role] = job
    if queued:
        jobs.ensure_worker(state.workspace())
    return Question(said, here, method, patterns, queued)


def offered_methods(said: Opinions) -> tuple[str, ...]:
    """Return the methods that can explain one of the two models at least, the one to show first in front."""
    return max((methods_for(one.model) for one in said.both), key=len)


def method_of(model: ModelFile, chosen: str) -> str:
    """Return the method that explains a model where `chosen` is asked for: the nearest thing, if that cannot."""
    able = methods_for(model)
    return chosen if chosen in able else able[0]


def _submit(hand: state.Hand, model: ModelFile, here: int, method: str, patterns: Sequence[int]) -> int | None:
    """Return the job that brings what the store misses of one model, or None where it misses nothing."""
    store, wafer = state.workspace(), hand.lot.wafers[here]
    if jobs.explained(store, wafer, model, method, patterns):
        return None
    return jobs.submit_explain(store, hand.lot_id, here, model, method, patterns)


def _waits(states: Mapping[str, str]) -> bool:
    return any(each in ("queued", "running") for each in states.values())


# Drawing -----------------------------------------------------------------------------------------


@st.fragment(key=PART)
def draw(hand: state.Hand, said: Opinions, here: int) -> None:
    """Draw an overlay a model for every pattern that either model names, and redraw as they arrive."""
    question = ask(hand, said, here)
    if question is None:
        if all(one.verdicts.scored[here] for one in said.both):
            st.info("Neither model names a pattern here, so there is nothing to explain.")
        return
    strength, save, row = _controls(question)
    patience.wait(lambda: not _waits(question.states()))
    states = question.states()
    found, problems = question.found(), question.problems()
    scale = signed_scale(shared_limit(each for by_pattern in found.values() for each in by_pattern.values()))
    facts = _facts(question, found, states)
    groups = [_group(question, pattern, found, problems, facts, scale, strength) for pattern in question.patterns]
    dies(
        stage(question.wafer),
        groups,
        key="overlays",
        link=question.wafer.name,
        most=WIDTH if len(groups) > 1 else WIDTH_ALONE,
        framed=True,
        scale=_legend(scale, question.apart) if any(found.values()) else None,
        save=save,
    )
    with row:
        _told(groups)
    if _waits(states):
        watch(question.states, states, every=0.3)


def _controls(question: Question) -> tuple[float, Save | None, DeltaGenerator]:
    """Draw the controls; return the strength, a wish for a picture, and the row that more may stand in."""
    row = st.container(horizontal=True, vertical_alignment="center", gap="xsmall")
    with row:
        st.subheader("Why", anchor=False, width="content")
        _methods(offered_methods(question.said))
        st.space("stretch")
        strength = _strength()
        _downloads(question)
    st.caption("  \n".join(_explained_by(question)))
    return int(strength) / 100, _wish(question), row


def _strength() -> str:
    key, changed = state.bound("strength", STRENGTHS, "100", part=PART)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        st.caption("Overlay", width="content")
        return st.select_slider(
            "Overlay",
            STRENGTHS,
            format_func=lambda share: f"{share} %",
            key=key,
            on_change=changed,
            width=140,
            label_visibility="collapsed",
        )


def _methods(offered: Sequence[str]) -> None:
    if len(offered) == 1:
        st.caption(f"by {TITLES[offered[0]]}", width="content")
        return
    segmented("Method", {method: TITLES[method] for method in offered}, "method", DEFAULT, part=PART)


def _explained_by(question: Question) -> list[str]:
    """Return a line on what the method shows, or one a model where they are explained by different methods."""
    models = [one.model for one in (question.said.teacher, question.said.student)]
    if not question.apart:
        method = method_of(models[0], question.method)
        return [f"{TITLES[method]}: {MEANINGS[method]}. {evidence.unscored(models, method)}"]
    return [_one_explained_by(model, question.method) for model in models]


def _one_explained_by(model: ModelFile, chosen: str) -> str:
    method = method_of(model, chosen)
    why = "" if method == chosen else ", as an ONNX file gives no gradients"
    told = f"{model.role.capitalize()} by {TITLES[method]}{why}: {MEANINGS[method]}."
    return f"{told} {evidence.unscored([model], method)}".rstrip()


def _downloads(question: Question) -> None:
    st.button(
        "PNG",
        icon=":material/image:",
        key="save-overlays",
        on_click=lambda: st.session_state.update({"wish": str(time.time_ns())}),
        help="All overlays shown here as one picture.",
    )
    st.download_button(
        "CSV",
        data=lambda: csv_file(die_table(question.wafer, question.found(), question.methods).to_csv(index=False)),
        file_name=f"{_file(question)}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="Every die with its number, coordinates, state, bin and all attributions shown here, in logits.",
    )


def _wish(question: Question) -> Save | None:
    """Return what the picture is called and says, where it was just asked for."""
    token = st.session_state.pop("wish", None)
    if token is None:
        return None
    wafer, models = question.wafer, [one.model for one in (question.said.teacher, question.said.student)]
    told = [
        f"{wafer.dies:,} dies",
        f"yield {percent(wafer.yield_fraction)}",
        *(model.label if model.label.startswith(model.role) else f"{model.role}: {model.label}" for model in models),
    ]
    title = f"Wafer {wafer.name} · {_by(question)}"
    return Save(
        token=token,
        file=f"{_file(question)}.png",
        title=title,
        line=" · ".join(told),
        warnings=_warnings(question),
    )


def _warnings(question: Question) -> list[str]:
    """Return what to know before one trusts an answer on the wafer, a line a model."""
    found = []
    for one in (question.said.teacher, question.said.student):
        doubts = {UNLIKE: one.verdicts.flagged, "Unsure": one.verdicts.unsure}
        if told := [doubt.lower() for doubt, on in doubts.items() if on[question.here]]:
            found.append(f"{one.model.role.capitalize()}: {', '.join(told)}")
    return found


def _by(question: Question) -> str:
    """Return the method, or each model's where they differ."""
    if not question.apart:
        return TITLES[question.methods["teacher"]]
    return ", ".join(f"{role} by {TITLES[method]}" for role, method in question.methods.items())


def _file(question: Question) -> str:
    return "-".join([question.wafer.name.replace("/", "-"), *dict.fromkeys(question.methods.values())])


def _group(
    question: Question,
    pattern: int,
    found: Mapping[str, Attributions],
    problems: Mapping[str, str],
    facts: Mapping[tuple[str, int], list[Fact]],
    scale: Scale,
    strength: float,
) -> Group:
    name = PATTERNS[pattern]
    maps = []
    for one in (question.said.teacher, question.said.student):
        role = one.model.role
        called = _called(one, question.here, pattern)
        caption = f"{called} · {TITLES[question.methods[role]]}" if question.apart else called
        figure = Figure(caption=caption, alt="", map=None, message=problems.get(role))
        attribution = found[role].get(pattern)
        if attribution is not None:
            standing = stands_on(question.wafer, attribution)
            figure["map"] = overlay(question.wafer, attribution, scale, strength, standing)
            figure["alt"] = _in_words(attribution, question.wafer, name, role)
            figure["facts"] = facts[role, pattern]
        maps.append(figure)
    return Group(title=name, note=f"usual suspects: {SUSPECTS[name]}", maps=maps)


def _facts(
    question: Question, found: Mapping[str, Attributions], states: Mapping[str, str]
) -> dict[tuple[str, int], list[Fact]]:
    """Return what stands under each overlay, by role and pattern."""
    facts: dict[tuple[str, int], list[Fact]] = {}
    for one in question.said.both:
        model, role = one.model, one.model.role
        told = evidence.measured(model, question.wafer, found[role])
        for pattern, credit in found[role].items():
            named = bool(one.verdicts.detected[question.here, pattern])
            where = whereabouts(question.wafer, credit) if named else None
            awaited = states.get(role) in ("queued", "running")
            facts[role, pattern] = evidence.facts(
                model, question.methods[role], pattern, told.get(pattern), named, where, awaited
            )
    return facts


def _told(groups: Sequence[Group]) -> None:
    """Offer what the overlays show in whole sentences, which can be read aloud and copied."""
    with st.popover("Words", icon=":material/notes:", help="What the overlays show, in whole sentences."):
        for group in groups:
            st.markdown(f"**{group['title']}**")
            for figure in group["maps"]:
                hints = dict.fromkeys(fact["hint"] for fact in figure.get("facts", ()))
                seen = figure["message"] or f"{figure['alt'].partition(': ')[2] or 'awaited'}."
                st.markdown(plain(" ".join([f"{figure['caption']}:", seen, *hints])))


def _called(one: Opinion, here: int, pattern: int) -> str:
    if not one.present[here]:
        return f"{one.model.role.capitalize()}: no answer yet"
    probability = one.verdicts.probabilities[here, pattern]
    said = f"{one.model.role.capitalize()} {probability:.2f}"
    return said if one.verdicts.detected[here, pattern] else f"{said}, not named"


def _in_words(attribution: NDArray[np.float32], wafer: Wafer, name: str, role: str) -> str:
    speaks, against = int((attribution > 0).sum()), int((attribution < 0).sum())
    if not speaks:
        return f"{role}: no die speaks for {name}, {against:,} against"
    row, column = np.unravel_index(int(np.argmax(attribution)), attribution.shape)
    x, y = wafer.frame.coordinates(int(row), int(column))
    return f"{role}: {speaks:,} dies speak for {name}, {against:,} against; the strongest is die {x}, {y}"


def _legend(scale: Scale, apart: bool) -> ScaleBar:
    low, high = scale["low"], scale["high"]
    return ScaleBar(
        **scale,
        alt=f"One colour scale for all overlays, from {low:.3g} to {high:.3g} logits a die",
        note=(
            "One scale for all overlays, in logits a die; grey dies fail without a say. Outlined: the strongest dies, "
            f"{percent(HOLDS, 0)} of what speaks for the pattern. Hatched: what clearly speaks against it."
            f"{UNLIKE_METHODS if apart else ''}"
        ),
    )


def die_table(wafer: Wafer, found: Mapping[str, Attributions], methods: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a die: its number along the rows from the upper left, its file's coordinates, state and bin, and
    each model's attribution a pattern.

    Args:
        wafer: whose dies.
        found: by role, the attributions of each pattern.
        methods: by role, how they were made, which the column's name says.
    """
    rows, columns = np.nonzero(wafer.states != NO_DIE)
    x, y = wafer.frame.coordinates(rows, columns)
    told = [STATE_NAMES[int(state)] for state in wafer.states[rows, columns]]
    table = pd.DataFrame({"die": np.arange(1, len(x) + 1), "x": x, "y": y, "state": told})
    if wafer.bins is not None:
        table["bin"] = wafer.bins[rows, columns]
    for role in ("teacher", "student"):
        for pattern, attribution in sorted(found.get(role, {}).items()):
            # Adding zero makes 0 of a -0, which would be written with its sign.
            table[f"{role} {PATTERNS[pattern]} by {TITLES[methods[role]]}"] = attribution[rows, columns] + 0.0
    return table
