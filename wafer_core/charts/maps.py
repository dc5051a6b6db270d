"""Wafers as pictures: small palette PNGs for galleries, and figures of dies for a closer look.

A wafer is round, so a map is drawn as a square however many rows and columns its grid has, and a
cell without a die shows the page.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from wafer_core.charts import Palette, Theme, palette
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer

STATE_NAMES: dict[int, str] = {PASS: "pass", FAIL: "fail", UNTESTED: "not tested"}
"""What the screen calls the states of a die."""

MOST_BINS = 8
"""Failing bins that get a colour of their own; rarer ones share one."""

_CODES = np.array(["", "pass", "fail", "not tested"])


# Map pictures ------------------------------------------------------------------------------------


def map_png(states: NDArray[np.uint8], theme: Theme, pixels: int = 224, square: bool = False) -> bytes:
    """Return die states (rows, columns) as a palette PNG; cells without a die are transparent.

    Every die becomes a block of pixels of one colour (nearest neighbour), about `pixels` a side in
    all. Blocks are of one size, and the picture is meant to be shown as a square; with `square` it
    is one by itself, at the price of blocks that differ by a pixel.
    """
    return map_pngs(states, (theme,), pixels, square)[0]


def map_pngs(
    states: NDArray[np.uint8], themes: Sequence[Theme], pixels: int = 224, square: bool = False
) -> list[bytes]:
    """Return one picture a theme; only their palettes differ, so the dies are packed once."""
    if square:
        side = max(pixels, *states.shape)
        rows, columns = (np.arange(side) * cells // side for cells in states.shape)
        blocks = states[np.ix_(rows, columns)]
    else:
        down, across = (max(1, round(pixels / cells)) for cells in states.shape)
        blocks = np.repeat(np.repeat(states, down, axis=0), across, axis=1)
    height, width = blocks.shape
    packed = np.zeros((height, 1 + (width + 3) // 4), dtype=np.uint8)  # a filter byte, then four dies a byte
    padded = np.pad(blocks, ((0, 0), (0, -width % 4)))
    packed[:, 1:] = padded[:, 0::4] << 6 | padded[:, 1::4] << 4 | padded[:, 2::4] << 2 | padded[:, 3::4]
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 2, 3, 0, 0, 0))
    tail = _chunk(b"IDAT", zlib.compress(packed.tobytes(), 6)) + _chunk(b"IEND", b"")
    return [head + _palette_chunks(palette(theme)) + tail for theme in themes]


def _palette_chunks(colours: Palette) -> bytes:
    entries = [colours.background, *(colours.states[state] for state in (PASS, FAIL, UNTESTED))]
    return _chunk(b"PLTE", b"".join(bytes.fromhex(entry[1:]) for entry in entries)) + _chunk(b"tRNS", b"\x00")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# One wafer ---------------------------------------------------------------------------------------


def die_map(wafer: Wafer, theme: Theme, by: str = "state", height: int = 420) -> go.Figure:
    """Return the wafer on its own die grid, coloured by `state` or by `bin`, with a hover for every die."""
    colours = palette(theme)
    codes, key = _bin_codes(wafer, colours) if by == "bin" and wafer.bins is not None else _state_codes(wafer, colours)
    figure = _stage(wafer.frame, colours, height)
    figure.add_trace(
        go.Heatmap(
            z=np.where(wafer.states == NO_DIE, np.nan, codes).astype(np.float32),
            colorscale=_steps([colour for _, colour in key]),
            zmin=-0.5,
            zmax=len(key) - 0.5,
            **_die_hover(wafer),
        )
    )
    for name, colour in key:
        figure.add_trace(_key_entry(name, colour))
    _outline(figure, wafer, colours)
    return figure


def overlay(
    wafer: Wafer, attribution: NDArray[np.float32], limit: float, theme: Theme, height: int = 340, strength: float = 1.0
) -> go.Figure:
    """Return attributions (rows, columns) laid over the wafer: warm speaks for the pattern, cold against.

    Args:
        limit: the magnitude that gets the full colour; the same for every overlay that is compared.
        strength: opacity of the attributions, 0 to 1; what they cover is the map in grey.
    """
    colours = palette(theme)
    figure = _stage(wafer.frame, colours, height)
    figure.update_layout(showlegend=False)
    ground = np.where(wafer.states == NO_DIE, np.nan, wafer.states == FAIL).astype(np.float32)
    figure.add_trace(
        go.Heatmap(z=ground, colorscale=_steps([colours.passing, colours.quiet_fail]), zmin=-0.5, zmax=1.5, **_QUIET)
    )
    figure.add_trace(
        go.Heatmap(
            z=np.where(wafer.states == NO_DIE, np.nan, attribution).astype(np.float32),
            colorscale=signed_scale(theme),
            zmin=-limit,
            zmax=limit,
            opacity=strength,
            **_die_hover(wafer, "<br>attribution %{z:+.4f}"),
        )
    )
    _outline(figure, wafer, colours)
    return figure


def shared_limit(attributions: Iterable[NDArray[np.float32]]) -> float:
    """Return the magnitude at which the signed scale of several overlays ends.

    It is the 99.5th percentile over all their dies that have any influence, so that one extreme
    die does not bleach the others; never zero.
    """
    found = [np.abs(values[values != 0]) for values in attributions]
    spoken = np.concatenate(found) if found else np.zeros(0)
    spoken = spoken[np.isfinite(spoken)]
    return float(np.percentile(spoken, 99.5)) if spoken.size else 1.0


def signed_scale(theme: Theme) -> list[tuple[float, str]]:
    """Return the diverging colour scale of attributions: see-through where a die has no influence."""
    colours = palette(theme)
    opacity = ((1.0, 1.0), (0.5, 0.82), (0.2, 0.5), (0.04, 0.16))
    against = [((1 - share) / 2, _rgba(colours.speaks_against, alpha)) for share, alpha in opacity]
    speaks = [((1 + share) / 2, _rgba(colours.speaks_for, alpha)) for share, alpha in reversed(opacity)]
    return [*against, (0.5, _rgba(colours.passing, 0.0)), *speaks]


def scale_bar(limit: float, theme: Theme) -> go.Figure:
    """Return the one legend of all signed overlays, `limit` logits a die to either side."""
    colours = palette(theme)
    values = np.linspace(-limit, limit, 161, dtype=np.float32)
    figure = go.Figure(
        go.Heatmap(
            x=values, z=values[None], colorscale=signed_scale(theme), zmin=-limit, zmax=limit, showscale=False,
            hovertemplate="%{z:+.4f} logit a die<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(_layout(colours, 66), margin={"l": 24, "r": 24, "t": 20, "b": 24})
    figure.update_yaxes(visible=False, fixedrange=True)
    figure.update_xaxes(
        fixedrange=True, tickvals=[-limit, 0, limit], ticktext=[f"−{limit:.2g}", "0", f"+{limit:.2g}"],
        tickfont={"size": 11}, showgrid=False, zeroline=False,
    )  # fmt: skip
    for words, at, anchor in (("◂ speaks against", 0, "left"), ("speaks for ▸", 1, "right")):
        figure.add_annotation(
            text=words, x=at, y=1, xref="paper", yref="paper", yanchor="bottom", xanchor=anchor, showarrow=False,
            font={"size": 11, "color": colours.muted},
        )  # fmt: skip
    return figure


# A whole lot -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stack:
    """The wafers of one grid laid on one another.

    Args:
        frame: the grid they share.
        wafers: how many there are.
        failing: int (rows, columns) wafers that fail at a die.
        tested: int (rows, columns) wafers that were tested at a die.
    """

    frame: Frame
    wafers: int
    failing: NDArray[np.int64]
    tested: NDArray[np.int64]

    @property
    def share(self) -> NDArray[np.float32]:
        """The share of tested wafers that fail at a die, 0 to 1; NaN where none was tested."""
        share = np.full(self.tested.shape, np.nan, dtype=np.float32)
        np.divide(self.failing, self.tested, out=share, where=self.tested > 0)
        return share

    @property
    def title(self) -> str:
        """The grid and how many wafers have it."""
        wafers = f"{self.wafers:,} wafer{'' if self.wafers == 1 else 's'}"
        return f"{self.frame.columns} × {self.frame.rows} dies · {wafers}"


def stacks(wafers: Iterable[Wafer]) -> list[Stack]:
    """Return one stack a grid, the one with the most wafers first."""
    grids: dict[Frame, list[Wafer]] = {}
    for wafer in wafers:
        grids.setdefault(wafer.frame, []).append(wafer)
    found = []
    for frame, members in grids.items():
        failing = np.zeros(frame.shape, dtype=np.int64)
        tested = np.zeros(frame.shape, dtype=np.int64)
        for wafer in members:
            failing += wafer.states == FAIL
            tested += (wafer.states == FAIL) | (wafer.states == PASS)
        found.append(Stack(frame, len(members), failing, tested))
    return sorted(found, key=lambda stack: -stack.wafers)


def stacked_map(stack: Stack, theme: Theme, height: int = 260) -> go.Figure:
    """Return the share of failing wafers at every die position of one grid."""
    colours = palette(theme)
    share = stack.share
    highest = float(np.nanmax(share)) if np.isfinite(share).any() else 0.0
    figure = _stage(stack.frame, colours, height)
    figure.update_layout(showlegend=False)
    figure.add_trace(
        go.Heatmap(
            z=share,
            colorscale=[(i / (len(colours.sequential) - 1), c) for i, c in enumerate(colours.sequential)],
            zmin=0.0,
            zmax=max(highest, 0.05),
            hoverongaps=False,
            customdata=np.dstack([*_coordinates(stack.frame), stack.failing, stack.tested]).astype(np.int32),
            hovertemplate="x %{customdata[0]}, y %{customdata[1]}<br>"
            "fails on %{customdata[2]} of %{customdata[3]} (%{z:.0%})<extra></extra>",
            colorbar={
                "orientation": "h",
                "thickness": 7,
                "len": 0.7,
                "y": -0.02,
                "yanchor": "top",
                "ypad": 2,
                "tickformat": ".0%",
                "nticks": 3,
                "tickfont": {"size": 11},
                "outlinewidth": 0,
            },
        )
    )
    return figure


# Shared parts ------------------------------------------------------------------------------------

_QUIET: dict[str, Any] = {"showscale": False, "hoverinfo": "skip", "hoverongaps": False}


def _layout(colours: Palette, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colours.text, "size": 12},
        "hoverlabel": {"bgcolor": colours.background, "bordercolor": colours.line, "font": {"color": colours.text}},
        "legend": {
            "orientation": "h", "y": -0.02, "yanchor": "top", "x": 0.5, "xanchor": "center",
            "itemclick": False, "itemdoubleclick": False, "font": {"size": 12},
        },
    }  # fmt: skip


def _stage(frame: Frame, colours: Palette, height: int) -> go.Figure:
    """Return an empty figure whose axes are the grid, drawn as a square with row 0 on top."""
    figure = go.Figure(layout=_layout(colours, height))
    bare = {"visible": False, "showgrid": False, "zeroline": False, "constrain": "domain"}
    reach = 0.035  # room for the outline around the dies
    rows, columns = frame.shape
    figure.update_xaxes(range=[-0.5 - reach * columns, columns - 0.5 + reach * columns], **bare)
    figure.update_yaxes(
        range=[rows - 0.5 + reach * rows, -0.5 - reach * rows], scaleanchor="x", scaleratio=columns / rows, **bare
    )
    return figure


def _coordinates(frame: Frame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return frame.coordinates(*np.indices(frame.shape))


def _die_hover(wafer: Wafer, more: str = "") -> dict[str, Any]:
    """What a heatmap of dies says when a die is pointed at."""
    layers: list[NDArray[Any]] = [*_coordinates(wafer.frame)]
    line = "x %{customdata[0]}, y %{customdata[1]}<br>%{text}"
    if wafer.bins is not None:
        layers.append(wafer.bins)
        line += " · bin %{customdata[2]}"
    return {
        "customdata": np.dstack(layers).astype(np.int32),
        "text": _CODES[wafer.states],
        "hovertemplate": f"{line}{more}<extra></extra>",
        "hoverongaps": False,
        "showscale": False,
        "xgap": _gap(wafer.frame),
        "ygap": _gap(wafer.frame),
    }


def _gap(frame: Frame) -> float:
    """Pixels between dies: a hairline while dies are large enough to spare one."""
    return 1.0 if max(frame.shape) <= 60 else 0.0


def _state_codes(wafer: Wafer, colours: Palette) -> tuple[NDArray[Any], list[tuple[str, str]]]:
    codes = np.zeros(wafer.states.shape, dtype=np.int32)
    key: list[tuple[str, str]] = []
    for state, name in STATE_NAMES.items():
        here = wafer.states == state
        if here.any():
            codes[here] = len(key)
            key.append((f"{name} {np.count_nonzero(here):,}", colours.states[state]))
    return codes, key


def _bin_codes(wafer: Wafer, colours: Palette) -> tuple[NDArray[Any], list[tuple[str, str]]]:
    """Number the bins for the colour scale: passing ones quiet, failing ones by how many dies they hold."""
    bins = wafer.bins
    assert bins is not None
    codes = np.zeros(bins.shape, dtype=np.int32)
    key: list[tuple[str, str]] = []
    passing = wafer.states == PASS
    if passing.any():
        listed = ", ".join(str(value) for value in np.unique(bins[passing])[:4])
        key.append((f"pass (bin {listed}) {np.count_nonzero(passing):,}", colours.passing))
    values, counts = np.unique(bins[wafer.states == FAIL], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    palette_of_bins = (colours.failing, *colours.series)[:MOST_BINS]
    for value, number, colour in zip(values[order], counts[order], palette_of_bins, strict=False):
        codes[(bins == value) & (wafer.states == FAIL)] = len(key)
        key.append((f"bin {value} {number:,}", colour))
    rest = order[MOST_BINS:]
    if rest.size:
        codes[np.isin(bins, values[rest]) & (wafer.states == FAIL)] = len(key)
        key.append((f"{rest.size} other bins {counts[rest].sum():,}", colours.quiet_fail))
    untested = wafer.states == UNTESTED
    if untested.any():
        codes[untested] = len(key)
        key.append((f"not tested {np.count_nonzero(untested):,}", colours.untested))
    return codes, key


def _steps(entries: Sequence[str]) -> list[tuple[float, str]]:
    """Return a colour scale of flat steps, one an entry."""
    n = max(1, len(entries))
    return [(edge / n, colour) for i, colour in enumerate(entries or ("#000000",)) for edge in (i, i + 1)]


def _key_entry(name: str, colour: str) -> go.Scatter:
    marker = {"symbol": "square", "size": 11, "color": colour, "line": {"width": 0}}
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, hoverinfo="skip")


def _outline(figure: go.Figure, wafer: Wafer, colours: Palette) -> None:
    """Draw the wafer's edge around its dies, and its notch where the file says where it is."""
    rows, columns = wafer.frame.shape
    reach = 0.53
    figure.add_shape(
        type="circle", layer="below", line={"color": colours.line, "width": 1.2},
        x0=(columns - 1) / 2 - reach * columns, x1=(columns - 1) / 2 + reach * columns,
        y0=(rows - 1) / 2 - reach * rows, y1=(rows - 1) / 2 + reach * rows,
    )  # fmt: skip
    side = {"up": (0, -1, "triangle-down"), "down": (0, 1, "triangle-up"),
            "left": (-1, 0, "triangle-right"), "right": (1, 0, "triangle-left")}.get(wafer.notch)  # fmt: skip
    if side is not None:
        across, down, symbol = side
        figure.add_trace(
            go.Scatter(
                x=[(columns - 1) / 2 + across * reach * columns], y=[(rows - 1) / 2 + down * reach * rows],
                mode="markers", marker={"symbol": symbol, "size": 10, "color": colours.muted},
                hovertemplate="notch<extra></extra>", showlegend=False, cliponaxis=False,
            )
        )  # fmt: skip


def _rgba(colour: str, alpha: float) -> str:
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{alpha:g})"
