"""Maps of dies as data that a page draws: a kind or a number for every die, its colours, what it says.

A wafer is round, so a map is drawn as a square however many rows and columns its grid has, and a
cell without a die shows the page. Arrays travel as base64 of little-endian numbers, row by row
from the top; colours stand beside them for light and dark, as the browser knows its theme best.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from wafer_core.charts import DARK, LIGHT, Palette
from wafer_core.charts.maps import Stack
from wafer_core.explain.stacking import EvidenceStack
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer

STATE_NAMES: dict[int, str] = {PASS: "pass", FAIL: "fail", UNTESTED: "not tested"}
"""What the screen calls the states of a die."""

MOST_BINS = 8
"""Failing bins that get a colour of their own; rarer ones share one."""

HATCHED_FROM = 0.1
"""A die is hatched where it speaks against a pattern with so much of the scale's end or more."""

Shades = tuple[str, str]
"""A colour on a light and on a dark page."""

Stop = tuple[float, str, float]
"""A place on a scale, 0 to 1, with its colour and how much it covers."""


class Stage(TypedDict):
    """The grid that maps are drawn on, and what its dies can tell.

    `frame` is the file's x and y of the first cell, their steps, and whether x runs along the rows;
    `states` are uint8, `fields` named int32 numbers.
    """

    rows: int
    columns: int
    frame: tuple[int, int, int, int, bool]
    notch: str
    states: str
    names: list[str]
    fields: dict[str, str]


class Scale(TypedDict):
    """The colours of numbers from `low` to `high`; `ends` say in words what the ends mean.

    `hatched` is the share of it, from its low end on, whose dies are hatched.
    """

    low: float
    high: float
    light: list[Stop]
    dark: list[Stop]
    ticks: list[str]
    ends: tuple[str, str] | None
    hatched: NotRequired[float]


class Signs(TypedDict):
    """What tells dies apart without any colour, uint8 1 or 0 a die: a contour around some and hatching over others.

    `strength` is how clearly they are drawn, 0 to 1.
    """

    outlined: str
    hatched: str
    strength: float


class Layer(TypedDict):
    """Either uint8 `codes`, 0 for nothing, and `colours` of 1, 2, ...; or float32 `values` on a `scale`.

    NaN is no value. `strength` is how much of what lies below is covered, 0 to 1.
    """

    codes: NotRequired[str]
    colours: NotRequired[list[Shades]]
    values: NotRequired[str]
    scale: NotRequired[Scale]
    strength: NotRequired[float]


class DieMap(TypedDict):
    """Layers on a stage, the key of their colours, and the lines that a die says when pointed at.

    A line names in braces what it holds: `x`, `y`, `state`, `value` or one of the stage's fields;
    `unit` says how a value is written.
    """

    layers: list[Layer]
    lines: list[str]
    key: list[tuple[str, Shades]]
    unit: Literal["signed", "share", "fine share"]
    signs: NotRequired[Signs]


# One wafer ---------------------------------------------------------------------------------------


def stage(wafer: Wafer) -> Stage:
    """Return a wafer's grid with the state and, where its file has any, the bin of every die."""
    fields = {} if wafer.bins is None else {"bin": _packed(wafer.bins, "<i4")}
    return _stage(wafer.frame, wafer.states, fields, wafer.notch)


def die_map(wafer: Wafer, by: str = "state") -> DieMap:
    """Return the wafer coloured by `state` or, where its file has any, by `bin`."""
    codes, key = _bin_codes(wafer, wafer) if by == "bin" and wafer.bins is not None else _state_codes(wafer)
    layer = Layer(codes=_packed(codes, "u1"), colours=[shades for _, shades in key])
    return DieMap(layers=[layer], lines=_lines(wafer), key=key, unit="signed")


def flipped_key(wafer: Wafer, now: Wafer, by: str = "state") -> list[tuple[str, Shades]]:
    """Return the key of a wafer's `die_map` once dies are flipped by hand, counting what is drawn then.

    Args:
        wafer: as it was tested.
        now: as the flips make it; a flipped die has no bin.
        by: what it is coloured by.
    """
    return (_bin_codes(wafer, now) if by == "bin" and wafer.bins is not None else _state_codes(now))[1]


def flip_colours() -> list[Shades]:
    """Return the colours of passing and failing dies, for those that are flipped by hand."""
    return [_shades("passing"), _shades("failing")]


def overlay(
    wafer: Wafer,
    attribution: NDArray[np.float32],
    scale: Scale,
    strength: float = 1.0,
    outlined: NDArray[np.bool_] | None = None,
) -> DieMap:
    """Return attributions (rows, columns) laid over the wafer in grey; what speaks against is hatched as well.

    Args:
        wafer: the wafer they explain.
        attribution: in logits a die; positive speaks for the pattern.
        scale: from `signed_scale`; the same for every overlay that is compared.
        strength: how much they cover, 0 to 1.
        outlined: bool (rows, columns), the dies to draw a contour around.
    """
    there = wafer.states != NO_DIE
    ground = Layer(
        codes=_packed(np.where(there, 1 + (wafer.states == FAIL), 0), "u1"),
        colours=[_shades("passing"), _shades("quiet_fail")],
    )
    spoken = np.where(there, attribution, np.nan)
    layer = Layer(values=_packed(spoken, "<f4"), scale=scale, strength=strength)
    lines = [*_lines(wafer), "attribution {value}"]
    signs = Signs(
        outlined=_packed(np.zeros_like(there) if outlined is None else there & outlined, "u1"),
        hatched=_packed(there & (attribution <= HATCHED_FROM * scale["low"]), "u1"),
        strength=strength,
    )
    return DieMap(layers=[ground, layer], lines=lines, key=[], unit="signed", signs=signs)


def shared_limit(attributions: Iterable[NDArray[np.floating[Any]]]) -> float:
    """Return the magnitude at which the signed scale of several overlays ends.

    It is the 99.5th percentile over all their dies that have any influence, so that one extreme
    die does not bleach the others; never zero.
    """
    found = [np.abs(values[values != 0]) for values in attributions]
    spoken = np.concatenate(found) if found else np.zeros(0)
    spoken = spoken[np.isfinite(spoken)]
    return float(np.percentile(spoken, 99.5)) if spoken.size else 1.0


def signed_scale(limit: float) -> Scale:
    """Return the one scale of attributions, `limit` logits a die to either side of none.

    Warm speaks for a pattern and cold against it; where a die has no influence one sees through.
    """
    return Scale(
        low=-limit,
        high=limit,
        light=_signed_stops(LIGHT),
        dark=_signed_stops(DARK),
        ticks=[f"−{limit:.2g}", "0", f"+{limit:.2g}"],
        ends=("← speaks against", "speaks for →"),
        hatched=(1 - HATCHED_FROM) / 2,
    )


# A whole lot -------------------------------------------------------------------------------------


def stacked_stage(stack: Stack) -> Stage:
    """Return the grid of a stack of wafers with how many fail and how many were tested at every die."""
    fields = {"failing": _packed(stack.failing, "<i4"), "tested": _packed(stack.tested, "<i4")}
    return _stage(stack.frame, (stack.tested > 0).astype(np.uint8), fields)


def stacked_map(stack: Stack) -> tuple[DieMap, Scale]:
    """Return the share of wafers that fail at every die of a grid, and the scale it is coloured on.

    Dies that too few wafers were tested at have no colour of it; they stay quiet.
    """
    share, few = stack.share, stack.few
    highest = max(float(np.nanmax(share)) if np.isfinite(share).any() else 0.0, 0.05)
    scale = Scale(
        low=0.0,
        high=highest,
        light=_even_stops(LIGHT.sequential),
        dark=_even_stops(DARK.sequential),
        ticks=["0 %", _tick(highest / 2), _tick(highest)],
        ends=None,
    )
    key = [("few wafers tested", _shades("passing"))] if few.any() else []
    ground = Layer(codes=_packed(few, "u1"), colours=[shades for _, shades in key])
    layer = Layer(values=_packed(share, "<f4"), scale=scale, strength=1.0)
    lines = ["x {x}, y {y}", "fails on {failing} of {tested} ({value})"]
    return DieMap(layers=[ground, layer], lines=lines, key=key, unit="share"), scale


def evidence_stage(stack: EvidenceStack) -> Stage:
    """Return the grid of a stack of evidence, with the number of wafers that every die speaks on."""
    return _stage(stack.frame, stack.there.astype(np.uint8), {"speaking": _packed(stack.speaking, "<i4")})


def evidence_map(stack: EvidenceStack) -> tuple[DieMap, Scale]:
    """Return the share of a pattern's evidence that every die of a grid holds, and the scale it is coloured on.

    The scale ends where `shared_limit` says, so one wafer's few dies do not bleach all others.
    """
    high = shared_limit([stack.share])
    scale = Scale(
        low=0.0,
        high=high,
        light=_even_stops(LIGHT.sequential),
        dark=_even_stops(DARK.sequential),
        ticks=["0 %", _tick(high / 2), _tick(high)],
        ends=None,
    )
    layer = Layer(values=_packed(np.where(stack.there, stack.share, np.nan), "<f4"), scale=scale, strength=1.0)
    lines = ["x {x}, y {y}", "{value} of the evidence", f"speaks on {{speaking}} of {len(stack.wafers):,}"]
    return DieMap(layers=[layer], lines=lines, key=[], unit="fine share"), scale


# Shared parts ------------------------------------------------------------------------------------


def _stage(frame: Frame, states: NDArray[np.uint8], fields: Mapping[str, str], notch: str = "unknown") -> Stage:
    return Stage(
        rows=frame.rows,
        columns=frame.columns,
        frame=(frame.x, frame.y, frame.x_step, frame.y_step, frame.swapped),
        notch=notch,
        states=_packed(states, "u1"),
        names=["", *STATE_NAMES.values()],
        fields=dict(fields),
    )


def _packed(array: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()


def _lines(wafer: Wafer) -> list[str]:
    return ["x {x}, y {y}", "{state}" if wafer.bins is None else "{state} · bin {bin}"]


def _shades(name: str) -> Shades:
    return getattr(LIGHT, name), getattr(DARK, name)


def _state_codes(wafer: Wafer) -> tuple[NDArray[Any], list[tuple[str, Shades]]]:
    shades = {PASS: _shades("passing"), FAIL: _shades("failing"), UNTESTED: _shades("untested")}
    codes = np.zeros(wafer.states.shape, dtype=np.uint8)
    key: list[tuple[str, Shades]] = []
    for state, name in STATE_NAMES.items():
        here = wafer.states == state
        if here.any():
            key.append((f"{name} {np.count_nonzero(here):,}", shades[state]))
            codes[here] = len(key)
    return codes, key


def _bin_codes(wafer: Wafer, now: Wafer) -> tuple[NDArray[Any], list[tuple[str, Shades]]]:
    """Number the bins for the colours: passing ones quiet, failing ones by how many dies they hold.

    Dies that are otherwise `now` count apart.
    """
    bins, same = wafer.bins, wafer.states == now.states
    assert bins is not None
    codes = np.zeros(bins.shape, dtype=np.uint8)
    key: list[tuple[str, Shades]] = []

    def entry(name: str, here: NDArray[np.bool_], shades: Shades) -> None:
        if here.any():
            # A colon, as "bin 9 38" could be bin 938.
            key.append((f"{name}: {np.count_nonzero(here):,}", shades))
            codes[here] = len(key)

    passing, failing = wafer.states == PASS, wafer.states == FAIL
    entry(f"pass ({_bins_in_words(np.unique(bins[passing]))})", passing & same, _shades("passing"))
    values, counts = np.unique(bins[failing], return_counts=True)
    values = values[np.argsort(-counts, kind="stable")]
    own = [_shades("failing"), *zip(LIGHT.series, DARK.series, strict=True)][:MOST_BINS]
    for value, shades in zip(values, own, strict=False):
        entry(_bins_in_words(np.array([value])), failing & same & (bins == value), shades)
    rest = values[MOST_BINS:]
    entry(f"{rest.size} other bins", failing & same & np.isin(bins, rest), _shades("quiet_fail"))
    entry("not tested", wafer.states == UNTESTED, _shades("untested"))
    entry("flipped to pass", failing & ~same, _shades("passing"))
    entry("flipped to fail", passing & ~same, _shades("failing"))
    return codes, key


def _bins_in_words(values: NDArray[np.integer], most: int = 4) -> str:
    """Return `bin 1, 2, 3, 4 and 2 more`; dies without a bin are said to have none."""
    known = [str(value) for value in values if value >= 0]
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    parts = [f"bin {', '.join(known[:most])}{more}"] if known else []
    return " or ".join([*parts, *(["no bin"] if len(known) < len(values) else [])])


def _tick(share: float) -> str:
    """Return an end or the middle of a scale: `25 %`, and `2.5 %` where a whole number would be another."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _signed_stops(colours: Palette) -> list[Stop]:
    cover = ((1.0, 1.0), (0.5, 0.82), (0.2, 0.5), (0.04, 0.16))
    against = [((1 - share) / 2, colours.speaks_against, alpha) for share, alpha in cover]
    speaks = [((1 + share) / 2, colours.speaks_for, alpha) for share, alpha in reversed(cover)]
    return [*against, (0.5, colours.passing, 0.0), *speaks]


def _even_stops(colours: tuple[str, ...]) -> list[Stop]:
    return [(i / (len(colours) - 1), colour, 1.0) for i, colour in enumerate(colours)]
