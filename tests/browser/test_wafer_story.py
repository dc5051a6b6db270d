"""A fab engineer opens a wafer: both models' answers, which dies speak for them, and the wafers beside it."""

import re

from playwright.sync_api import expect
from steps import card, choose, expect_address, pick, picked, wait_for_verdicts
from wafer_files import CENTRE, QUIET, RING, die_list, wafer


def overlay(page, role, pattern):
    return page.get_by_role("figure", name=re.compile(f"^{role}: .* dies speak for {pattern}, .* the strongest is die"))


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


def test_an_onnx_student_is_explained_by_occlusion(open_page, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "o.csv", "O1", {"01": wafer(CENTRE, size=20)}))
    page = open_page(f"/wafer?lot={lot}&wafer=O1%2F01")
    choose(page, "Student", "student-int8")
    expect_address(page, student="student-int8")
    expect(page.get_by_text("DeepLift needs gradients, which an ONNX file does not give").first).to_be_visible()
    expect(overlay(page, "teacher", "Center")).to_be_visible()
    pick(page, "Method", "Occlusion")
    expect(overlay(page, "student", "Center")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Overlays CSV").click()
    assert download.value.path().read_text().startswith("x,y,state,bin,teacher ")


def test_an_address_that_leads_nowhere_says_so(open_page, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "n.csv", "N1", {"01": wafer(QUIET, size=20)}))
    page = open_page(f"/wafer?lot={lot}&wafer=99")
    expect(page.get_by_text("This wafer is not in the lot in hand")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Back to the lot").click()
    expect(card(page, "01")).to_be_visible()
    expect(open_page("/?lot=0123456789abcdef").get_by_text("This lot is not here")).to_be_visible()
