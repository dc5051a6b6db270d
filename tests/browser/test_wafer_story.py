"""A fab engineer opens a wafer: both models' answers, which dies speak for them, and the wafers beside it."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect
from steps import card, choose, expect_address, pick, picked, wait_for_verdicts
from wafer_files import CENTRE, QUIET, RING, die_list, wafer

from wafer_core.charts import LIGHT
from wafer_core.explain import DEFAULT, TITLES
from wafer_core.lot import FAIL


def overlay(page, role, pattern):
    return page.get_by_role("figure", name=re.compile(f"^{role}: .* dies speak for {pattern}, .* the strongest is die"))


def point_at(page, figure, row, column, size=52):
    """Point at a die of a figure that shows a whole wafer of `size` rows and columns."""
    canvas = figure.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = [0.04 + (cell + 0.5) / size for cell in (column, row)]
    page.mouse.move(*(box[side] + share * box["width"] / 1.08 for side, share in zip("xy", place, strict=True)))


def test_a_wafer_is_opened_explained_and_left_for_its_neighbours(open_page, settle, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "w.csv", "W1", {"01": wafer(RING), "02": wafer(CENTRE), "03": wafer(QUIET)}))
    page = open_page(f"/?lot={lot}")
    wait_for_verdicts(page, wafers=3)
    card(page, "02").click()
    expect(page.get_by_role("heading", name="Wafer 02")).to_be_visible()
    expect_address(page, lot=lot, wafer="W1/02")
    expect(page.get_by_role("figure", name="Die map of wafer W1/02")).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^The teacher says .*Center"))).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^The student says "))).to_be_visible()
    expect(overlay(page, "teacher", "Center")).to_be_visible()
    expect(overlay(page, "student", "Center")).to_be_visible()
    expect(page.get_by_role("figure", name="One colour scale for all overlays")).to_be_visible()

    pick(page, "Method", "Grad-CAM")
    expect_address(page, method="gradcam")
    expect(page.get_by_text("Grad-CAM: where the last feature grid holds evidence")).to_be_visible()
    expect(overlay(page, "teacher", "Center")).to_be_visible()
    expect(overlay(page, "student", "Center")).to_be_visible()
    page.reload()
    settle(page)
    expect(picked(page, "Method", "Grad-CAM")).to_be_visible()
    expect(overlay(page, "student", "Center")).to_be_visible()

    pick(page, "Colour by", "Bins")
    expect_address(page, colour="bin")
    page.get_by_role("button", name="Next", exact=False).first.click()
    expect(page.get_by_role("heading", name="Wafer 03")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Next(?! disagreement)"))).to_be_disabled()
    for before in ("02", "01"):
        page.get_by_role("button", name="Previous").click()
        expect(page.get_by_role("heading", name=f"Wafer {before}")).to_be_visible()
    expect_address(page, wafer="W1/01", method="gradcam")
    expect(overlay(page, "teacher", "Edge-Ring")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Wafer 02")).to_be_visible()


def test_an_onnx_student_is_explained_by_occlusion_without_being_asked(open_page, settle, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "o.csv", "O1", {"01": wafer(CENTRE, size=20)}))
    page = open_page(f"/wafer?lot={lot}&wafer=O1%2F01")
    choose(page, "Student", "student-int8")
    expect_address(page, student="student-int8")
    expect(overlay(page, "teacher", "Center")).to_be_visible()
    expect(overlay(page, "student", "Center")).to_be_visible()
    expect(page.get_by_text("Student by Occlusion, as an ONNX file gives no gradients")).to_be_visible()
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=False).click()
    assert download.value.suggested_filename == f"O1-01-{DEFAULT}-occlusion.csv"
    columns = set(pd.read_csv(download.value.path()))
    assert {f"teacher Center by {TITLES[DEFAULT]}", "student Center by Occlusion"} <= columns
    pick(page, "Method", "Occlusion")
    expect(page.get_by_text("Student by Occlusion")).to_have_count(0)
    expect(overlay(page, "teacher", "Center")).to_be_visible()


def test_a_die_says_what_it_is_on_every_map(open_page, shelve, tmp_path):
    states = wafer(CENTRE)
    lot = shelve(die_list(tmp_path / "h.csv", "H1", {"01": states}))
    page = open_page(f"/wafer?lot={lot}&wafer=H1%2F01")
    mine, above = page.get_by_role("figure", name="Die map of wafer H1/01"), overlay(page, "teacher", "Center")
    expect(above).to_be_visible()
    row, column = np.argwhere(states == FAIL)[40]
    point_at(page, mine, row, column)
    # The file counts its y upwards.
    expect(mine.get_by_text(f"x {column}, y {51 - row}", exact=True)).to_be_visible()
    expect(mine.get_by_text("fail · bin 7", exact=True)).to_be_visible()
    marked = above.locator(".mark").bounding_box()
    whole = above.locator("canvas").bounding_box()
    assert (marked["x"] + marked["width"] / 2 - whole["x"]) / whole["width"] * 1.08 == pytest.approx(
        0.04 + (column + 0.5) / 52, abs=0.01
    )
    point_at(page, above, row, column)
    expect(above.get_by_text(re.compile(r"^attribution [+−]\d\.\d{4}$"))).to_be_visible()

    # A part of one map, seen closer, is that part of all of them, until the whole wafer is wanted again.
    point_at(page, mine, 20, 20)
    page.mouse.down()
    point_at(page, mine, 30, 30)
    page.mouse.up()
    expect(above.get_by_role("button", name="Whole wafer")).to_be_visible()
    mine.get_by_role("button", name="Whole wafer").click()
    expect(above.get_by_role("button", name="Whole wafer")).to_have_count(0)


def test_dies_are_flipped_by_hand_and_both_models_answer(open_page, settle, shelve, tmp_path):
    states = wafer(CENTRE, size=26)
    lot = shelve(die_list(tmp_path / "f.csv", "F1", {"01": states, "02": wafer(QUIET, size=26)}))
    page = open_page(f"/wafer?lot={lot}&wafer=F1%2F01")
    expect(overlay(page, "teacher", "Center").get_by_text("Without its 10 strongest dies")).to_be_visible()
    expect(overlay(page, "student", "Center").get_by_text("Without its 10 strongest dies")).to_be_visible()
    page.get_by_text("Flip dies").click()
    expect(page.get_by_text("No die is flipped.")).to_be_visible()
    mine = page.get_by_role("figure", name="Die map of wafer F1/01")

    # Clicks that come faster than the page answers are all heard.
    for row, column in np.argwhere(states == FAIL)[:2]:
        point_at(page, mine, row, column, size=26)
        page.mouse.down()
        page.mouse.up()
    expect(mine.get_by_text("flipped: passes now")).to_be_visible()
    expect(page.get_by_text("2 made to pass.")).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^The (teacher|student) says"))).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 made to pass.")).to_be_visible()

    # Brushed over, the whole centre passes, and no model names it any longer.
    point_at(page, mine, 7, 7, size=26)
    page.mouse.down()
    point_at(page, mine, 18, 18, size=26)
    page.mouse.up()
    first, *_ = np.argwhere(states == FAIL)
    inside = np.count_nonzero(states[7:19, 7:19] == FAIL)
    brushed = inside if (first >= 7).all() and (first < 19).all() else inside + 1
    expect(page.get_by_text(f"{brushed} made to pass.")).to_be_visible()
    without = page.get_by_role("figure", name=re.compile("^The (teacher|student) says (?!.*Center)"))
    expect(without).to_have_count(2)
    expect(page.get_by_text("before the flips: Center")).to_have_count(2)
    page.reload()
    settle(page)
    expect(page.get_by_text(f"{brushed} made to pass.")).to_be_visible()
    expect(without).to_have_count(2)

    # The keyboard flips the die in the middle back, and the page's own arrow keys stay out of it.
    mine.get_by_role("group").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"{brushed - 1} made to pass.")).to_be_visible()
    expect(mine.get_by_text("flipped: ")).to_have_count(0)
    # There is a wafer after this one, and none before it.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"{brushed - 2} made to pass.")).to_be_visible()
    settle(page)
    expect(page.get_by_role("heading", name="Wafer 01")).to_be_visible()
    # The die chosen stays marked on every map of the wafer until the keyboard leaves it.
    marks = page.locator(".dies .mark").filter(visible=True)
    expect(mine.locator(".mark")).to_be_visible()
    mine.get_by_role("group").blur()
    expect(marks).to_have_count(0)
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_text("No die is flipped.")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("made to pass")).to_be_visible()
    page.get_by_role("button", name="Next", exact=False).first.click()
    expect(page.get_by_role("heading", name="Wafer 02")).to_be_visible()
    expect(page).not_to_have_url(re.compile("flips="))


def test_overlays_are_taken_along_as_they_are_seen(open_page, settle, shelve, tmp_path):
    states = wafer(CENTRE, size=26)
    lot = shelve(die_list(tmp_path / "e.csv", "E1", {"01": states}))
    page = open_page(f"/wafer?lot={lot}&wafer=E1%2F01&strength=50")
    expect(overlay(page, "teacher", "Center")).to_be_visible()
    expect(overlay(page, "student", "Center")).to_be_visible()
    expect(page.get_by_role("slider", name="Overlay")).to_have_attribute("aria-valuetext", "50 %")
    page.get_by_role("slider", name="Overlay").press("ArrowRight")
    expect_address(page, strength="60")
    settle(page)

    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=False).click()
    table = pd.read_csv(download.value.path())
    told = {f"{role} Center by {TITLES[DEFAULT]}" for role in ("teacher", "student")}
    assert {"die", "x", "y", "state", "bin", *told} <= set(table)
    assert len(table) == np.count_nonzero(states)

    with page.expect_download() as download:
        page.get_by_role("button", name="PNG", exact=False).click()
    assert download.value.suggested_filename == f"E1-01-{DEFAULT}.png"
    picture = np.asarray(Image.open(download.value.path()).convert("RGB"))
    assert picture.shape[1] > 1000
    assert tuple(picture[0, 0]) == (255, 255, 255)
    # Most dies pass, and two maps at least of them are drawn.
    passing = np.all(picture == tuple(bytes.fromhex(LIGHT.passing[1:])), axis=-1)
    assert passing.mean() > 0.1
    # A contour shows without colours: dark, and as grey as nothing else on a map.
    dark = (np.ptp(picture.astype(int), axis=-1) < 24) & (picture[..., 0] < 135)
    rows = np.flatnonzero(passing.any(axis=1))
    assert dark[rows[0] : rows[-1] + 1].sum() > 100
    halves = np.array_split(passing, 2, axis=1)
    assert halves[0].mean() == pytest.approx(halves[1].mean(), rel=0.5)


def test_an_address_that_leads_nowhere_says_so(open_page, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "n.csv", "N1", {"01": wafer(QUIET, size=20)}))
    page = open_page(f"/wafer?lot={lot}&wafer=99")
    expect(page.get_by_text("This wafer is not in the lot in hand")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Back to the lot").click()
    expect(card(page, "01")).to_be_visible()
    expect(open_page("/?lot=0123456789abcdef").get_by_text("This lot is not here")).to_be_visible()
