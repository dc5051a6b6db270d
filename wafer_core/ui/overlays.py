"""Why: which dies made each model name a pattern, both models on one signed scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from wafer_core import jobs
from wafer_core.charts.maps import STATE_NAMES, overlay, scale_bar, shared_limit
from wafer_core.errors import UnsupportedMethod
from wafer_core.explain import DEFAULT, METHODS, TITLES, methods_for
from wafer_core.lot import NO_DIE, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS, SUSPECTS
from wafer_core.ui import state
from wafer_core.ui.opinions import Opinion, Opinions, watch

HEIGHT = 240
PLAIN = {"displayModeBar": False}
HOW = {
    "gradcam": "where the last feature grid holds evidence; coarse, and over passing dies too",
    "deeplift": "compared with the same wafer, every failing die passing; the dies add up to the whole difference",
    "integrated-gradients": "the same comparison, averaged over 25 steps from healthy to this wafer",
    "occlusion": "what the answer loses when dies pass instead of fail; slow, and works for every model",
}

Attributions = dict[int, NDArray[np.float32]]


def draw(hand: state.Hand, said: Opinions, here: int) -> None:
    """Draw an overlay a model for every pattern that either model names, and redraw as they arrive."""
    wafer = said.lot.wafers[here]
    patterns = [i for i in range(len(PATTERNS)) if any(one.verdicts.detected[here, i] for one in said.both)]
    if not patterns:
        if all(one.verdicts.scored[here] for one in said.both):
            st.info("Neither model names a pattern here, so there is nothing to explain.")
        return
    method, strength = _controls()
    drawn = _arrived(hand, said, here, method, patterns)
    problems: dict[str, str | None] = {
        one.model.role: _ask(hand, one.model, here, method, patterns) for one in said.both
    }
    found: dict[str, Attributions] = {
        one.model.role: state.workspace().attributions(one.model.sha256, wafer.map_hash, method, patterns)
        for one in said.both
    }
    limit = shared_limit(dies for by_pattern in found.values() for dies in by_pattern.values())
    with st.grid("auto", min_column_width=470, gap="small") as grid:
        for pattern in patterns:
            with grid.cell(), st.container(border=True):
                _pattern(said, here, pattern, found, problems, limit, strength)
    if any(found.values()):
        _legend(wafer, found, limit, method)
    if any(problems[role] is None and len(found[role]) < len(patterns) for role in found):
        watch(lambda: _arrived(hand, said, here, method, patterns), drawn, every=0.3)


def _arrived(hand: state.Hand, said: Opinions, here: int, method: str, patterns: Sequence[int]) -> list[object]:
    store, wafer = state.workspace(), said.lot.wafers[here]
    found: list[object] = []
    for one in said.both:
        missing = jobs.missing_attributions(store, wafer, one.model, method, patterns)
        # What a job still misses once it is over is a problem to be shown.
        found += [missing, _ask(hand, one.model, here, method, patterns)]
    return found


def _controls() -> tuple[str, float]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Why", anchor=False, width="content")
        key, changed = state.bound("method", METHODS, DEFAULT)
        method = st.segmented_control(
            "Method",
            METHODS,
            format_func=TITLES.__getitem__,
            key=key,
            on_change=changed,
            required=True,
            label_visibility="collapsed",
        )
        method = method or DEFAULT
        strength = st.slider("Overlay", 0, 100, 100, 10, format="%d %%", key="overlay-strength", width=170)
    st.caption(f"{TITLES[method]}: {HOW[method]}.")
    return method, strength / 100


def _ask(hand: state.Hand, model: ModelFile, here: int, method: str, patterns: Sequence[int]) -> str | None:
    """Queue what the store misses of one model; return a sentence where that cannot be had."""
    store, wafer = state.workspace(), hand.lot.wafers[here]
    if method not in methods_for(model):
        return (
            f"{TITLES[method]} needs gradients, which an ONNX file does not give. "
            "Occlusion explains it: choose that method."
        )
    try:
        if not jobs.missing_attributions(store, wafer, model, method, patterns):
            return None
        job = store.job(jobs.submit_explain(store, hand.lot_id, here, model, method, patterns))
    except UnsupportedMethod as problem:
        return str(problem)
    jobs.ensure_worker(store)
    return job.message if job is not None and job.over and job.state != "done" else None


def _pattern(
    said: Opinions,
    here: int,
    pattern: int,
    found: Mapping[str, Attributions],
    problems: Mapping[str, str | None],
    limit: float,
    strength: float,
) -> None:
    name, wafer = PATTERNS[pattern], said.lot.wafers[here]
    st.markdown(f"**{name}** :small[usual suspects: {SUSPECTS[name]}]")
    sides = st.columns(2, gap="small")
    for side, one in zip(sides, (said.teacher, said.student), strict=True):
        role = one.model.role
        with side:
            st.caption(_called(one, here, pattern))
            problem = problems[role]
            if pattern in found[role]:
                st.plotly_chart(
                    overlay(wafer, found[role][pattern], limit, state.theme(), HEIGHT, strength),
                    config=PLAIN,
                    key=f"overlay-{role}-{pattern}",
                    alt=_in_words(found[role][pattern], wafer, name, role),
                )
            elif problem is not None:
                st.info(problem)
            else:
                st.skeleton(height=HEIGHT)


def _called(one: Opinion, here: int, pattern: int) -> str:
    probability = one.verdicts.probabilities[here, pattern]
    said = f"{one.model.role.capitalize()} {probability:.2f}"
    return said if one.verdicts.detected[here, pattern] else f"{said}, not named"


def _in_words(dies: NDArray[np.float32], wafer: Wafer, name: str, role: str) -> str:
    speaks, against = int((dies > 0).sum()), int((dies < 0).sum())
    row, column = np.unravel_index(int(np.argmax(dies)), dies.shape)
    x, y = wafer.frame.coordinates(int(row), int(column))
    return f"{role}: {speaks:,} dies speak for {name}, {against:,} against; the strongest is die {x}, {y}"


def _legend(wafer: Wafer, found: Mapping[str, Attributions], limit: float, method: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.plotly_chart(
            scale_bar(limit, state.theme()),
            config=PLAIN,
            key="scale",
            width=420,
            alt=f"One colour scale for all overlays, from {-limit:.3g} to {limit:.3g} logits a die",
        )
        st.caption("One scale for all overlays, in logits a die; grey dies fail without a say.", width="content")
        st.space("stretch")
        st.download_button(
            "Overlays CSV",
            data=lambda: die_table(wafer, found).to_csv(index=False).encode(),
            file_name=f"{wafer.name.replace('/', '-')}-{method}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Every die with its coordinates, state, bin and all attributions shown here.",
        )


def die_table(wafer: Wafer, found: Mapping[str, Attributions]) -> pd.DataFrame:
    """Return one row a die: its file's coordinates, state, bin, and each model's attribution a pattern."""
    rows, columns = np.nonzero(wafer.states != NO_DIE)
    x, y = wafer.frame.coordinates(rows, columns)
    table = pd.DataFrame({"x": x, "y": y, "state": [STATE_NAMES[int(s)] for s in wafer.states[rows, columns]]})
    if wafer.bins is not None:
        table["bin"] = wafer.bins[rows, columns]
    for role in ("teacher", "student"):
        for pattern, dies in sorted(found.get(role, {}).items()):
            table[f"{role} {PATTERNS[pattern]}"] = dies[rows, columns]
    return table
