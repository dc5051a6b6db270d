"""Colours that have to be told apart: by hue where they mean evidence, by lightness where they are read."""

import colorsys
import tomllib
from pathlib import Path

import pytest

from wafer_core.charts import DARK, LIGHT, Palette

CONFIG = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text())


def channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(colour: str) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_a_failing_die_without_a_say_is_grey(palette: Palette):
    _, _, saturation = colorsys.rgb_to_hls(*channels(palette.quiet_fail))
    assert saturation < 0.13
    assert contrast(palette.quiet_fail, palette.passing) > 1.9


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("colour", ["text", "muted", "teacher", "student"])
def test_what_is_written_on_the_page_and_on_a_models_badge_is_read(palette: Palette, colour: str):
    """A badge is written in the page's colour on the model's."""
    assert contrast(getattr(palette, colour), palette.background) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_of_further_models_are_seen(palette: Palette):
    assert [colour for colour in palette.series if contrast(colour, palette.background) < 3] == []
    assert len({*palette.series, palette.teacher, palette.student}) == len(palette.series) + 2


def test_on_dark_a_die_without_a_say_has_no_hue_of_the_evidence_against():
    red, green, blue = channels(DARK.quiet_fail)
    assert red == green == blue


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_written_in_white_on_the_primary_colour_is_read(theme: str):
    assert contrast("#FFFFFF", CONFIG["theme"][theme]["primaryColor"]) >= 4.5


def over(colour: str, share: float, ground: str) -> str:
    """Return what a colour that covers a share of a ground comes to."""
    pairs = zip(channels(colour), channels(ground), strict=True)
    return "#" + "".join(f"{round(255 * (share * one + (1 - share) * other)):02x}" for one, other in pairs)


@pytest.mark.parametrize(("theme", "least"), [("light", 4.5), ("dark", 3.6)])
def test_the_chosen_one_of_a_row_of_buttons_is_read(theme: str, least: float):
    """Streamlit writes it in the primary colour on a tenth of it, which on dark leaves less where white is read too."""
    own = CONFIG["theme"][theme]
    assert contrast(own["primaryColor"], over(own["primaryColor"], 0.1, own["backgroundColor"])) >= least


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
def test_captions_are_read(theme: str, ground: str):
    """Streamlit writes them in 60 % of the text's colour."""
    own = CONFIG["theme"][theme]
    assert contrast(over(own["textColor"], 0.6, own[ground]), own[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("colour", ["textColor", "linkColor"])
def test_texts_and_links_are_read(theme: str, colour: str):
    own = CONFIG["theme"][theme]
    for ground in (own["backgroundColor"], own["secondaryBackgroundColor"]):
        assert contrast(own[colour], ground) >= 4.5
