"""Maps of dies on canvases: each die says what it is, and is marked on every map of its wafer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NotRequired, TypedDict

import streamlit as st

from wafer_core.charts.dies import DieMap, Scale, Shades, Stage
from wafer_core.ui.components import element, stamped


class Fact(TypedDict):
    """A line under a map: what it is about, a short figure, the whole sentence, and whether it is a warning."""

    label: str
    text: str
    hint: str
    grave: bool


class Figure(TypedDict):
    """One place for a map: the map, or what to read in its stead, or neither while it is awaited."""

    caption: str
    alt: str
    map: DieMap | None
    message: str | None
    facts: NotRequired[list[Fact]]


class Group(TypedDict):
    """Maps that belong side by side under a title."""

    title: str
    note: str
    maps: list[Figure]


class ScaleBar(Scale):
    """A scale with its name for a screen reader and a line beside it."""

    alt: str
    note: str


class Save(TypedDict):
    """A wish for all maps as one PNG; every wish has a token of its own, so it is granted once.

    `line` stands under the title, and under it `warnings`, each with a sign.
    """

    token: str
    file: str
    title: str
    line: str
    warnings: list[str]


class Trial(TypedDict):
    """Dies that may be flipped: what was flipped so far, step by step, and the colours of passing and failing ones.

    `turn` is that of the last `flipped` that the `session` has heard of; `key` stands in the place of the map's own.
    """

    session: str
    turn: int
    steps: list[list[int]]
    colours: list[Shades]
    key: list[tuple[str, Shades]]


class _Data(TypedDict):
    stage: Stage
    groups: list[Group]
    link: str
    most: int
    framed: bool
    scale: NotRequired[ScaleBar]
    save: NotRequired[Save]
    trial: NotRequired[Trial]


MOST_BYTES = 150_000_000
"""Of one element's maps on their way to the browser; of more than 200 MB Streamlit draws an error in its place."""

_dies = element("dies", '<div class="dies"></div>', "painting", "picture", "flipping")


def dies(
    stage: Stage,
    groups: Sequence[Group],
    key: str,
    link: str,
    most: int = 400,
    framed: bool = False,
    scale: ScaleBar | None = None,
    save: Save | None = None,
    trial: Trial | None = None,
    on_flipped: Callable[[], None] = lambda: None,
) -> None:
    """Draw maps of one stage.

    Args:
        stage: the grid they share.
        groups: what stands side by side.
        key: the element's own.
        link: maps of one link mark the same die and show the same part, wherever on the page.
        most: pixels a map is wide at most.
        framed: whether each group has a frame, and groups stand beside each other where there is room.
        scale: the legend of their values.
        save: hand the maps over as a PNG as well.
        trial: let dies be flipped.
        on_flipped: called when some were, with `turn` and all `steps` in the element's state as `flipped`.
    """
    data = _Data(stage=stage, groups=list(groups), link=link, most=most, framed=framed)
    if scale is not None:
        data["scale"] = scale
    if save is not None:
        data["save"] = save
    if trial is not None:
        data["trial"] = trial
    if _bytes(data) > MOST_BYTES:
        st.info(
            f"Maps of {stage['columns']:,} x {stage['rows']:,} dies are too large to be drawn here. The figures, the "
            "models' answers and the CSV are of all of them."
        )
        return
    _dies(data=stamped(key, data), key=key, on_flipped_change=on_flipped)


def _bytes(data: object) -> int:
    """Return about how many bytes nested data takes as text."""
    match data:
        case str():
            return len(data)
        case dict():
            return sum(map(_bytes, data.values()))
        case list() | tuple():
            return sum(map(_bytes, data))
        case _:
            return 8


def alone(map_: DieMap, alt: str, facts: Sequence[Fact] = ()) -> list[Group]:
    """Return a single map, with the lines under it, as the groups that `dies` takes."""
    return [Group(title="", note="", maps=[Figure(caption="", alt=alt, map=map_, message=None, facts=list(facts))])]
