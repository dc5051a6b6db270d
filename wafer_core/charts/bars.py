"""Bars of patterns: how many wafers of a lot show each, and how probable each is on one wafer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from wafer_core.charts import Palette, Theme, palette
from wafer_core.patterns import PATTERNS

STRIPES: dict[str, str] = {"teacher": "", "student": "/"}
"""The student's bars are striped, so that the two are told apart on a grey print."""


def pattern_bars(counts: Mapping[str, Mapping[str, int]], theme: Theme, height: int = 260) -> go.Figure:
    """Return horizontal bars of `counts[role][pattern]` wafers, the models side by side.

    Roles are `teacher` and `student`; patterns appear top to bottom in the order given.
    """
    colours = palette(theme)
    patterns = list(dict.fromkeys(pattern for by_pattern in counts.values() for pattern in by_pattern))
    figure = go.Figure()
    for role, by_pattern in counts.items():
        values = [by_pattern.get(pattern, 0) for pattern in patterns]
        figure.add_trace(
            go.Bar(
                name=role,
                y=patterns,
                x=values,
                orientation="h",
                text=[f"{value:,}" for value in values],
                textposition="outside",
                textfont={"size": 12},
                constraintext="none",
                cliponaxis=False,
                marker={
                    "color": colours.role(role),
                    "pattern": {
                        "shape": STRIPES.get(role, ""),
                        "fillmode": "overlay",
                        "fgcolor": colours.background,
                        "size": 6,
                        "solidity": 0.2,
                    },
                },
                hovertemplate=f"%{{y}}: %{{x:,}} wafers, says the {role}<extra></extra>",
            )
        )
    most = max((value for by_pattern in counts.values() for value in by_pattern.values()), default=1)
    figure.update_layout(**_layout(colours, height), barmode="group", bargap=0.28, bargroupgap=0.08)
    figure.update_xaxes(visible=False, fixedrange=True, range=[0, max(1, most) * 1.15])
    figure.update_yaxes(fixedrange=True, autorange="reversed", showgrid=False, ticklabelstandoff=6, automargin=True)
    return figure


def probability_bars(
    probabilities: Sequence[float],
    thresholds: Sequence[float],
    detected: Sequence[bool],
    role: str,
    theme: Theme,
    height: int = 260,
) -> go.Figure:
    """Return one model's probability per pattern against its thresholds, in the order of `PATTERNS`.

    Detected patterns carry the model's colour and bold names; the others stay quiet. A short
    upright line is the pattern's threshold.
    """
    colours = palette(theme)
    names = [f"<b>{name}</b>" if found else name for name, found in zip(PATTERNS, detected, strict=True)]
    figure = go.Figure(
        go.Bar(
            y=names,
            x=list(probabilities),
            orientation="h",
            customdata=list(thresholds),
            marker={"color": [colours.role(role) if found else colours.line for found in detected]},
            hovertemplate="probability %{x:.4f}<br>threshold %{customdata:.4f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            y=names,
            x=list(thresholds),
            mode="markers",
            marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": colours.text}},
            hovertemplate="threshold %{x:.4f}<extra></extra>",
            showlegend=False,
            cliponaxis=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            y=names,
            x=[1.31] * len(names),
            mode="text",
            text=[f"{value:.2f}" for value in probabilities],
            textposition="middle left",
            textfont={"size": 12},
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
    )
    figure.update_layout(**_layout(colours, height), bargap=0.3)
    figure.update_xaxes(range=[0, 1.32], visible=False, fixedrange=True)
    figure.update_yaxes(fixedrange=True, autorange="reversed", showgrid=False, ticklabelstandoff=6, automargin=True)
    return figure


def _layout(colours: Palette, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colours.text, "size": 12},
        "legend": {
            "orientation": "h", "y": -0.02, "yanchor": "top", "x": 0,
            "itemclick": False, "itemdoubleclick": False,
        },
    }  # fmt: skip
