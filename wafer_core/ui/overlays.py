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
from wafer_core.errors import UnsupportedMethod
from wafer_core.explain import DEFAULT, MEANINGS, METHODS, TITLES, methods_for
from wafer_core.lot import NO_DIE, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS, SUSPECTS
from wafer_core.trust.whereabouts import HOLDS, stands_on, whereabouts
from wafer_core.ui import evidence, patience, state
from wafer_core.ui.components.dies import Fact, Figure, Group, Save, ScaleBar, dies
from wafer_core.ui.opinions import Opinion, Opinions, watch
from wafer_core.ui.words import percent, plain

PART = "why"
"""The part of the page that methods and strengths redraw."""

WIDTH, WIDTH_ALONE = 250, 400
STRENGTHS = [str(strength) for strength in range(0, 101, 10)]

Attributions = dict[int, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Question:
    """Which dies made both models name patterns on one wafer, as asked of the worker.

    Args:
        said: what the models say.
        here: the wafer's position.
        method: one of `METHODS`.
        patterns: what either model names; columns of `PATTERNS`.
        jobs: the job of each role that misses something.
        refused: by role, the sentence where a model cannot be explained so.
    """

    said: Opinions
    here: int
    method: str
    patterns: tuple[int, ...]
    jobs: Mapping[str, int]
    refused: Mapping[str, str]

    @property
    def wafer(self) -> Wafer:
        """The wafer to explain."""
        return self.said.lot.wafers[self.here]

    def found(self) -> dict[str, Attributions]:
        """Return what the store holds by now, by role."""
        store = state.workspace()
        return {
            one.model.role: store.attributions(one.model.sha256, self.wafer.map_hash, self.method, self.patterns)
            for one in self.said.both
        }

    def states(self) -> dict[str, str]:
        """Return how each job stands by now, by role."""
        found = {role: state.workspace().job(job) for role, job in self.jobs.items()}
        return {role: job.state for role, job in found.items() if job is not None}

    def problems(self) -> dict[str, str]:
        """Return by role why nothing more will come."""
        found = {role: state.workspace().job(job) for role, job in self.jobs.items()}
        ended = {role: job.message for role, job in found.items() if job and job.over and job.state != "done"}
        return {**self.refused, **ended}


# Asking ------------------------------------------------------------------------------------------


def ask(hand: state.Hand, said: Opinions, here: int) -> Question | None:
    """Queue what the store misses to explain a wafer; None while neither model names a pattern on it.

    Ask before the page is drawn, too: the worker explains meanwhile, and asking twice queues once.
    """
    patterns = tuple(i for i in range(len(PATTERNS)) if any(one.verdicts.detected[here, i] for one in said.both))
    if not patterns:
        return None
    method = state.address("method", DEFAULT)
    method = method if method in METHODS else DEFAULT
    queued: dict[str, int] = {}
    refused: dict[str, str] = {}
    for model in (one.model for one in said.both):
        try:
            job = _submit(hand, model, here, method, patterns)
        except UnsupportedMethod as problem:
            refused[model.role] = str(problem)
        else:
            queued.update({} if job is None else {model.role: job})
    if queued:
        jobs.ensure_worker(state.workspace())
    return Question(said, here, method, patterns, queued, refused)


def _submit(hand: state.Hand, model: ModelFile, here: int, method: str, patterns: Sequence[int]) -> int | None:
    """Return the job that brings what the store misses of one model, or None where it misses nothing."""
    if method not in methods_for(model):
        raise UnsupportedMethod(
            f"{TITLES[method]} needs gradients, which an ONNX file does not give. "
            "Occlusion explains it: choose that method."
        )
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
        scale=_legend(scale) if any(found.values()) else None,
        save=save,
    )
    with row:
        _told(groups)
    if _waits(states):
        watch(question.states, states, every=0.3)


def _controls(question: Question) -> tuple[float, Save | None, DeltaGenerator]:
    """Draw the controls; return the strength, a wish for a picture, and the row that more may stand in."""
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        st.subheader("Why", anchor=False, width="content")
        key, changed = state.bound("method", METHODS, DEFAULT, part=PART)
        st.segmented_control(
            "Method",
            METHODS,
            format_func=TITLES.__getitem__,
            key=key,
            on_change=changed,
            required=True,
            label_visibility="collapsed",
        )
        st.space("stretch")
        key, changed = state.bound("strength", STRENGTHS, "100", part=PART)
        strength = st.select_slider(
            "Overlay",
            STRENGTHS,
            format_func=lambda share: f"overlay {share} %",
            key=key,
            on_change=changed,
            width=140,
            label_visibility="collapsed",
        )
        _downloads(question)
    unscored = evidence.unscored([one.model for one in question.said.both], question.method)
    st.caption(f"{TITLES[question.method]}: {MEANINGS[question.method]}. {unscored}")
    return int(strength) / 100, _wish(question), row


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
        data=lambda: die_table(question.wafer, question.found()).to_csv(index=False).encode(),
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
    title = f"Wafer {wafer.name} · {TITLES[question.method]}"
    return Save(token=token, file=f"{_file(question)}.png", title=title, line=" · ".join(told))


def _file(question: Question) -> str:
    return f"{question.wafer.name.replace('/', '-')}-{question.method}"


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
        figure = Figure(caption=_called(one, question.here, pattern), alt="", map=None, message=problems.get(role))
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
            named = one.verdicts.detected[question.here, pattern]
            where = whereabouts(question.wafer, credit) if named else None
            awaited = states.get(role) in ("queued", "running")
            facts[role, pattern] = evidence.facts(model, question.method, pattern, told.get(pattern), where, awaited)
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
    probability = one.verdicts.probabilities[here, pattern]
    said = f"{one.model.role.capitalize()} {probability:.2f}"
    return said if one.verdicts.detected[here, pattern] else f"{said}, not named"


def _in_words(attribution: NDArray[np.float32], wafer: Wafer, name: str, role: str) -> str:
    speaks, against = int((attribution > 0).sum()), int((attribution < 0).sum())
    row, column = np.unravel_index(int(np.argmax(attribution)), attribution.shape)
    x, y = wafer.frame.coordinates(int(row), int(column))
    return f"{role}: {speaks:,} dies speak for {name}, {against:,} against; the strongest is die {x}, {y}"


def _legend(scale: Scale) -> ScaleBar:
    low, high = scale["low"], scale["high"]
    return ScaleBar(
        **scale,
        alt=f"One colour scale for all overlays, from {low:.3g} to {high:.3g} logits a die",
        note=(
            "One scale for all overlays, in logits a die; grey dies fail without a say. Outlined: the strongest dies, "
            f"{percent(HOLDS, 0)} of what speaks for the pattern. Hatched: what clearly speaks against it."
        ),
    )


def die_table(wafer: Wafer, found: Mapping[str, Attributions]) -> pd.DataFrame:
    """Return one row a die: its number along the rows from the upper left, its file's coordinates, state and bin, and
    each model's attribution a pattern.
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
            table[f"{role} {PATTERNS[pattern]}"] = attribution[rows, columns] + 0.0
    return table
