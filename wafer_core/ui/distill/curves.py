"""A run's curves: how the student comes to agree with its teacher, and how its loss falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from wafer_core.charts.figures import learning_curve
from wafer_core.ui.shared import layout, state
from wafer_core.ui.shared.words import share
from wafer_core.workspace import ProgressPoint

SPARKS = 120
"""Points of a live curve, the latest ones."""


@dataclass(frozen=True)
class Curves:
    """A run's curves, (seconds, value) of the agreement, a fraction, and of the loss; its last and first count."""

    agreement: tuple[tuple[float, float], ...]
    loss: tuple[tuple[float, float], ...]
    latest: str
    began: str

    @classmethod
    def of(cls, points: Sequence[ProgressPoint]) -> Curves:
        """Return the curves of a run's points."""
        known = [point for point in points if point.held_out]
        return cls(
            tuple((point.seconds, (point.agreement or 0) / (point.held_out or 1)) for point in known),
            tuple((point.seconds, point.loss) for point in points if point.loss is not None),
            share(known[-1].agreement or 0, known[-1].held_out or 0) if known else "–",
            f"began at {share(known[0].agreement or 0, known[0].held_out or 0)}" if known else "not counted yet",
        )


def draw_live(points: Sequence[ProgressPoint]) -> None:
    """Draw the curves small and light, for they are drawn again every second."""
    curves = Curves.of(points)
    agreed, losses = [100 * value for _, value in curves.agreement], [value for _, value in curves.loss]
    left, right = st.columns(2)
    left.metric(
        "Agreement on held-out wafers",
        curves.latest,
        curves.began,
        delta_color="off",
        delta_arrow="off",
        chart_data=agreed[-SPARKS:],
        help="Wafers of the lot kept from training on which the student answers as the teacher does. No label is read.",
    )
    right.metric(
        "Loss",
        f"{losses[-1]:.4f}" if losses else "–",
        f"began at {losses[0]:.4f}" if losses else "not counted yet",
        delta_color="off",
        delta_arrow="off",
        chart_data=losses[-SPARKS:],
        help="How far the student's answers are from the teacher's on the batch just learnt from; "
        "it jumps about while it falls.",
    )


def draw(points: Sequence[ProgressPoint], seconds: float, run: int) -> None:
    """Draw a finished run's curves over its `seconds` of training, each with its last value in words."""
    curves = Curves.of(points)
    agreed = curves.latest
    loss = f"{curves.loss[-1][1]:.4f}" if curves.loss else "–"
    left, right = st.columns(2)
    with left:
        # Not the figure of the finished student, which answers at limits of its own.
        st.markdown(f"Agreement while it learned, at the teacher's limits **{agreed}**")
        figure = learning_curve(curves.agreement, "agreement", seconds, state.theme())
        st.plotly_chart(
            figure, config=layout.CHART, key=f"agreement-{run}", alt=f"Agreement while it learned, in the end {agreed}"
        )
    with right:
        st.markdown(f"Loss **{loss}**")
        figure = learning_curve(curves.loss, "loss", seconds, state.theme())
        st.plotly_chart(figure, config=layout.CHART, key=f"loss-{run}", alt=f"Loss, in the end {loss}")
