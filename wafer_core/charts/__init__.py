"""Figures and map pictures, made from results; here are the colours that all of them share.

Pass and fail differ in lightness as much as in hue, so they stay apart for colour-blind eyes and
on a grey print. Teacher and student keep one colour each on every chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wafer_core.lot import FAIL, PASS, UNTESTED

Theme = Literal["light", "dark"]
Role = Literal["teacher", "student"]


@dataclass(frozen=True)
class Palette:
    """Every colour a chart needs on one background, as `#rrggbb`.

    `speaks_for` and `speaks_against` are the ends of the signed scale of attributions, `sequential` the scale of
    shares from none to all, `series` the further colours for more students or bins, in order of use.
    """

    background: str
    text: str
    muted: str
    line: str
    passing: str
    failing: str
    untested: str
    quiet_fail: str
    teacher: str
    student: str
    speaks_for: str
    speaks_against: str
    sequential: tuple[str, ...]
    series: tuple[str, ...]

    @property
    def states(self) -> dict[int, str]:
        """The colour of each die state; no die has none, it is the page itself."""
        return {PASS: self.passing, FAIL: self.failing, UNTESTED: self.untested}

    def role(self, role: str) -> str:
        """Return the colour of `teacher` or `student`."""
        return self.teacher if role == "teacher" else self.student


LIGHT = Palette(
    background="#FFFFFF",
    text="#1B2430",
    muted="#5B6875",
    line="#D5DBE2",
    passing="#DDE3EA",
    failing="#BF3B16",
    untested="#9DB2CF",
    quiet_fail="#97A2AE",
    teacher="#7B4FA3",
    student="#0C8377",
    speaks_for="#B4480A",
    speaks_against="#1F5FA8",
    sequential=("#F7F4EE", "#FDE8C8", "#FDBB84", "#F1764E", "#BF3023", "#6E0A08"),
    series=("#0072B2", "#C98500", "#A8457F", "#5F7A1E", "#56789A", "#8C5A33", "#3C4A57", "#A680CA"),
)

DARK = Palette(
    background="#11161D",
    text="#E4E9EF",
    muted="#98A5B3",
    line="#333D4A",
    passing="#333F4C",
    failing="#FF8A57",
    untested="#5F83B5",
    # Without a hue: a bluish one looks like weak evidence against a pattern.
    quiet_fail="#858585",
    teacher="#B493DC",
    student="#3FC2B2",
    speaks_for="#FF9540",
    speaks_against="#62ACF5",
    sequential=("#1E1A1C", "#5C1D16", "#A63218", "#E06B36", "#F19258", "#FFE3C4"),
    series=("#58A6DA", "#E6B04A", "#DE8FBE", "#A9C25A", "#9AB5D0", "#CFA17A", "#C3CCD5", "#CDB5E8"),
)


def palette(theme: Theme) -> Palette:
    """Return the colours for a light or a dark page."""
    return DARK if theme == "dark" else LIGHT
