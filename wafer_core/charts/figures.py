"""Charts of models beside each other: accuracy against size, scores per pattern, a lesson as it runs.

Every model keeps one mark on all of them: a colour per model, full for its first file and
open or faint for a smaller or converted one, so that two files of one model stay akin.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle
from typing import Literal

import plotly.graph_objects as go

from wafer_core.charts import Palette, Theme, palette
from wafer_core.charts.names import Mark, Place, places_beside
from wafer_core.patterns import PATTERNS

UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
CLEAR = "rgba(0,0,0,0)"
FILLED = ("circle", "diamond", "square", "triangle-up", "star", "hexagon", "pentagon", "cross")


@dataclass(frozen=True)
class Series:
    """A model file as it is drawn on every chart; `converted` ones are drawn open or faint."""

    name: str
    colour: str
    symbol: str
    converted: bool


Marks = tuple[Series, ...]
"""The marks of everything on a chart, in the order of its legend."""


def series(models: Sequence[tuple[str, str, str]], theme: Theme, in_hand: str | None = None) -> Marks:
    """Give every model file its mark.

    Args:
        models: (name, role, family) of each file; files of one family share a colour and a shape.
        theme: the page they are drawn on.
        in_hand: the student that keeps the student's colour here as on every page; by default the first one.
    """
    colours = palette(theme)
    families: dict[str, int] = {}
    drawn: list[Series] = []
    students = [family for _, role, family in models if role != "teacher"]
    held = next((family for name, _, family in models if name == in_hand), students[0] if students else None)
    others = [family for family in dict.fromkeys(students) if family != held]
    chosen = dict(zip(others, cycle(colours.series), strict=False)) | {held: colours.student}
    chosen |= {family: colours.teacher for _, role, family in models if role == "teacher"}
    for name, _, family in models:
        if first := family not in families:
            families[family] = len(families)
        symbol = FILLED[families[family] % len(FILLED)]
        drawn.append(Series(name, chosen[family], symbol if first else f"{symbol}-open", not first))
    return tuple(drawn)


@dataclass(frozen=True)
class Point:
    """A model's score and what it weighs; `low` and `high` bound the score, all as fractions."""

    name: str
    bytes: int
    value: float
    low: float
    high: float
    how: str


@lru_cache(maxsize=32)
def accuracy_against_size(
    points: tuple[Point, ...], marks: Marks, metric: str, theme: Theme, reference: str | None = None
) -> go.Figure:
    """Draw each model's score over its bytes on disk, sizes on a logarithmic axis.

    Figures are kept, because a page draws the same ones at every rerun; change a copy only.

    Args:
        points: one a model.
        marks: from `series`.
        metric: the name of the score, such as `exact match`.
        theme: the page it is drawn on.
        reference: the model whose interval is drawn as a band across, usually the teacher.
    """
    colours = palette(theme)
    mark_of = {mark.name: mark for mark in marks}
    figure = go.Figure()
    low, high = _score_range(points)
    left, right = _size_range(points)
    for point in points:
        if point.name == reference:
            band = {"fillcolor": mark_of[point.name].colour, "opacity": 0.09, "line_width": 0, "layer": "below"}
            figure.add_hrect(y0=100 * point.low, y1=100 * point.high, **band)
    for point in points:
        figure.add_trace(_point(point, mark_of[point.name], metric))
    at = [
        Mark(
            (_decades(p.bytes) - left) / (right - left),
            *((100 * x - low) / (high - low) for x in (p.value, p.low, p.high)),
        )
        for p in points
    ]
    for point, place in zip(points, places_beside([point.name for point in points], at), strict=True):
        figure.add_annotation(**_name(point, mark_of[point.name], place, colours))
    ticks = _size_ticks(left, right)
    figure.update_xaxes(
        type="log",
        range=[left, right],
        tickvals=ticks,
        ticktext=[_size_text(size) for size in ticks],
        title="bytes on disk (log)",
    )
    scores = _score_ticks(low, high)
    figure.update_yaxes(range=[low, high], tickvals=scores, ticktext=[f"{score:g} %" for score in scores], title=metric)
    return dressed(figure, colours, height=380)


@dataclass(frozen=True)
class Bar:
    """One model's score on one pattern; `support` counts the wafers it is a score of."""

    name: str
    pattern: str
    value: float
    low: float
    high: float
    support: int


@lru_cache(maxsize=32)
def score_bars(
    bars: tuple[Bar, ...],
    marks: Marks,
    metric: str,
    theme: Theme,
    chosen: tuple[str, str] | None = None,
    same_wafers: bool = True,
) -> go.Figure:
    """Draw a score per pattern, a bar a model with its interval; `customdata` begins with model, pattern.

    Where the bars of a pattern are of the `same_wafers` for all models, its axis counts them; else each bar alone does.
    The bar of the `chosen` (model, pattern) is outlined; all others stay as they are, for they are read beside it.
    Figures are kept, because a page draws the same ones at every rerun; change a copy only.
    """
    colours = palette(theme)
    figure = go.Figure()
    support = {bar.pattern: _wafers(bar.support) for bar in bars}
    patterns = [pattern for pattern in PATTERNS if pattern in support]
    for mark in marks:
        own = {bar.pattern: bar for bar in bars if bar.name == mark.name}
        if own:
            shown = [own[pattern] for pattern in patterns if pattern in own]
            figure.add_trace(_bars(shown, mark, metric, colours, chosen))
    figure.update_xaxes(
        tickvals=patterns,
        ticktext=[f"{pattern}<br>{support[pattern]}" if same_wafers else pattern for pattern in patterns],
        # Else those that the first model has no bar of would stand behind all others.
        categoryorder="array",
        categoryarray=patterns,
        showgrid=False,
    )
    figure.update_yaxes(range=[0, 1], tickformat=".1f", title=metric)
    figure.update_layout(barmode="group", bargap=0.22, bargroupgap=0.04)
    return dressed(figure, colours, height=330, legend=True)


@lru_cache(maxsize=32)
def learning_curve(
    points: tuple[tuple[float, float], ...], what: Literal["agreement", "loss"], span: float, theme: Theme
) -> go.Figure:
    """Draw how a lesson went: (seconds, value), the value a fraction of wafers or the loss.

    Args:
        points: in order of time; may be empty.
        what: which of the two it is.
        span: seconds the axis covers at least.
        theme: the page it is drawn on.

    Figures are kept, because a page draws the same ones at every rerun; change a copy only.
    """
    colours = palette(theme)
    agreement = what == "agreement"
    colour, unit = (colours.student, " %") if agreement else (colours.muted, "")
    seconds = [x for x, _ in points]
    values = [100 * y if agreement else y for _, y in points]
    figure = go.Figure(
        go.Scatter(
            x=seconds,
            y=values,
            mode="lines+markers" if len(values) < 40 else "lines",
            line={"color": colour, "width": 2},
            marker={"size": 5, "color": colour},
            hovertemplate=f"%{{y:.3~g}}{unit} after %{{x:.0f}} s<extra></extra>",
        )
    )
    if values:
        figure.add_trace(_last(seconds[-1], values[-1], colour))
    figure.update_xaxes(range=[0, 1.02 * max([span, *seconds])], ticksuffix=" s", showgrid=False)
    figure.update_yaxes(ticksuffix=unit, nticks=5)
    if agreement:
        figure.update_yaxes(range=[max(min([90.0, *values]) - 4, -2), 101])
    else:
        figure.update_yaxes(rangemode="tozero")
    return dressed(figure, colours, height=170)


def _point(point: Point, mark: Series, metric: str) -> go.Scatter:
    above, below = 100 * (point.high - point.value), 100 * (point.value - point.low)
    interval = f"95 % interval {100 * point.low:.1f} to {100 * point.high:.1f}"
    told = f"{metric} %{{y:.1f}} %<br>{interval}<br>{_verbatim(point.how)}"
    return go.Scatter(
        x=[point.bytes],
        y=[100 * point.value],
        name=point.name,
        mode="markers",
        marker={"symbol": mark.symbol, "size": 12, "color": mark.colour, "line": {"width": 2, "color": mark.colour}},
        error_y={"array": [above], "arrayminus": [below], "color": mark.colour, "thickness": 1.2, "width": 4},
        hovertemplate=f"<b>{point.name}</b><br>{told}<extra></extra>",
    )


def _verbatim(text: str) -> str:
    """Return a text of somebody else's so that Plotly shows it as it is, in a template as well."""
    return html.escape(text, quote=False).replace("%{", "&#37;{")


def _name(point: Point, mark: Series, place: Place, colours: Palette) -> dict[str, object]:
    """Return the annotation that names a point, with a thin line to it where it stands away.

    The line alone has the colour of the mark, which is not dark enough to be read in.
    """
    return {
        "text": point.name,
        "font": {"color": colours.text, "size": 12},
        # An annotation takes the exponent on a logarithmic axis.
        "x": _decades(point.bytes),
        "y": 100 * {"up": point.value, "low": point.low, "high": point.high}[place.by],
        "ax": place.aside,
        "ay": -place.rise,
        "xanchor": place.anchor,
        "yanchor": "middle",
        "borderpad": 0,
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": mark.colour if place.led else CLEAR,
        "standoff": 8 if place.led else 0,
    }


def _bars(bars: Sequence[Bar], mark: Series, metric: str, colours: Palette, chosen: tuple[str, str] | None) -> go.Bar:
    outlined = [(bar.name, bar.pattern) == chosen for bar in bars]
    return go.Bar(
        x=[bar.pattern for bar in bars],
        y=[bar.value for bar in bars],
        name=mark.name,
        marker={
            "color": _faint(mark.colour) if mark.converted else mark.colour,
            "line": {
                "width": [3.0 if one else 1.5 for one in outlined],
                "color": [colours.text if one else mark.colour for one in outlined],
            },
        },
        # Plotly fades what was not clicked to a fifth.
        unselected={"marker": {"opacity": 1}},
        error_y={
            "array": [bar.high - bar.value for bar in bars],
            "arrayminus": [bar.value - bar.low for bar in bars],
            "color": colours.text,
            "thickness": 1,
            "width": 2,
        },
        customdata=[[mark.name, bar.pattern, bar.low, bar.high, _wafers(bar.support)] for bar in bars],
        hovertemplate=(
            f"<b>%{{customdata[1]}}</b>, {mark.name}<br>{metric} %{{y:.3f}}"
            "<br>95 % interval %{customdata[2]:.3f} to %{customdata[3]:.3f}<br>%{customdata[4]}<extra></extra>"
        ),
    )


def _wafers(number: int) -> str:
    return f"{number:,} wafer{'' if number == 1 else 's'}"


def _faint(colour: str) -> str:
    """Return a colour at a third of its strength."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.32)"


def _last(x: float, y: float, colour: str) -> go.Scatter:
    marker = {"size": 9, "color": colour}
    return go.Scatter(x=[x], y=[y], mode="markers", marker=marker, hoverinfo="skip", showlegend=False)


def _score_range(points: Sequence[Point]) -> tuple[float, float]:
    """The scores' range in per cent, with room for names above and below."""
    low = 100 * min((point.low for point in points), default=0.0)
    high = 100 * max((point.high for point in points), default=1.0)
    room = max(0.22 * (high - low), 0.4)
    return low - room, high + room


def _score_ticks(low: float, high: float) -> list[float]:
    """Round per cents within a range, and within what a share can be."""
    least = (high - low) / 8
    decade = 10.0 ** math.floor(math.log10(least))
    step = next(times * decade for times in (1.0, 2.0, 5.0, 10.0) if times * decade >= least)
    first, last = math.ceil(max(low, 0.0) / step), math.floor(min(high, 100.0) / step)
    return [round(step * number, 6) for number in range(first, last + 1)]


def _size_range(points: Sequence[Point]) -> tuple[float, float]:
    """The sizes' range in decades, with room for names at both ends."""
    sizes = [_decades(point.bytes) for point in points] or [4.0, 7.0]
    room = max(0.18 * (max(sizes) - min(sizes)), 0.3)
    return min(sizes) - room, max(sizes) + room


def _decades(size: int) -> float:
    return math.log10(max(size, 1))


def _size_ticks(left: float, right: float) -> list[float]:
    """Powers of ten within the range, with their doubles and fives where there are few."""
    decades = range(math.floor(left), math.ceil(right) + 1)
    steps = (1.0,) if right - left > 3 else (1.0, 2.0, 5.0)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if left <= math.log10(tick) <= right]


def _size_text(size: float) -> str:
    unit, name = next((unit, name) for unit, name in UNITS if size >= unit or unit == 1)
    return f"{size / unit:g} {name}"


def dressed(figure: go.Figure, colours: Palette, height: int, legend: bool = False) -> go.Figure:
    """Give a figure the page's ground, lines and letters."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34 if legend else 8, "b": 8},
        showlegend=legend,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "font": {"color": colours.text}},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"color": colours.text, "size": 12},
        hoverlabel={"align": "left"},
        dragmode=False,
    )
    axes = {"gridcolor": colours.line, "linecolor": colours.line, "zeroline": False, "fixedrange": True}
    letters = {"tickfont": {"color": colours.muted}, "title_font": {"color": colours.muted, "size": 12}}
    figure.update_xaxes(automargin=True, **axes, **letters)
    figure.update_yaxes(automargin=True, **axes, **letters)
    return figure
