"""Curves of several runs laid over each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import plotly.graph_objects as go

from wafer_core.charts import Theme, palette
from wafer_core.charts.figures import dressed

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class Curve:
    """One run's curve: (seconds, value), the value a fraction of wafers or the loss."""

    name: str
    points: tuple[tuple[float, float], ...]


@lru_cache(maxsize=32)
def learning_curves(curves: tuple[Curve, ...], what: Literal["agreement", "loss"], theme: Theme) -> go.Figure:
    """Draw runs over each other, told apart by colour and by dash; the legend names them.

    Figures are kept, because a page draws the same ones at every rerun; change a copy only.

    Args:
        curves: one a run.
        what: which of the two it is.
        theme: the page they are drawn on.
    """
    colours = palette(theme)
    agreement = what == "agreement"
    unit, scale = (" %", 100.0) if agreement else ("", 1.0)
    figure = go.Figure()
    shades = (colours.student, *colours.series)
    for number, curve in enumerate(curves):
        figure.add_trace(
            go.Scatter(
                x=[seconds for seconds, _ in curve.points],
                y=[scale * value for _, value in curve.points],
                name=curve.name,
                mode="lines",
                line={"color": shades[number % len(shades)], "width": 2, "dash": DASHES[number % len(DASHES)]},
                hovertemplate=f"{curve.name}: %{{y:.3~g}}{unit} after %{{x:.0f}} s<extra></extra>",
            )
        )
    figure.update_xaxes(ticksuffix=" s", showgrid=False, rangemode="tozero")
    figure.update_yaxes(ticksuffix=unit, nticks=5)
    if agreement:
        lowest = min((scale * value for curve in curves for _, value in curve.points), default=90.0)
        figure.update_yaxes(range=[max(min(90.0, lowest) - 4, -2), 101])
    else:
        figure.update_yaxes(rangemode="tozero")
    return dressed(figure, colours, height=230, legend=True)
