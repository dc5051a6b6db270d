"""A fab engineer brings a lot: it is read, fills with verdicts, is searched, and is found again."""

import csv
import re

from playwright.sync_api import expect
from steps import (
    card,
    cards,
    choose,
    expect_address,
    hand_over,
    parameter,
    path,
    pick,
    picked,
    upload,
    wait_for_verdicts,
)
from wafer_files import CENTRE, QUIET, RING, die_list, grid, mixed_npz, wafer

from wafer_core.lot import FAIL, PASS
from wafer_core.verdicts_csv import COLUMNS


def test_a_lot_is_uploaded_searched_and_found_again(open_page, server, settle, tmp_path):
    # Two files at once: a lot of three wafers, and one wafer on another grid around the origin.
    first = die_list(tmp_path / "first.csv", "A7", {"01": wafer(QUIET), "02": wafer(CENTRE), "03": wafer(RING)})
    second = die_list(tmp_path / "second.csv", "B2", {"11": wafer(RING, size=30)}, first=-15)
    page = open_page()
    upload(page, "A7 and 1 more lot", first, second)
    lot = parameter(page, "lot")

    before = wait_for_verdicts(page, wafers=4)
    assert re.match(r"Wafer A7 / 02, yield .+ teacher: .*Center.*, student: .+", before[1])
    assert re.match(r"Wafer B2 / 11, yield .+ teacher: .*Edge-Ring.*, student: .+", before[3])
    expect(page.get_by_role("figure", name="Wafers per pattern and model")).to_be_visible()
    expect(page.get_by_role("figure", name="Share of failing wafers at each die")).to_be_visible()

    page.get_by_text("How this lot was read: 4 wafers, 2 grids").click()
    expect(page.get_by_text("Bin 1 passes and every other bin fails").first).to_be_visible()

    choose(page, "Pattern", "Edge-Ring")
    expect_address(page, pattern="Edge-Ring")
    others = page.get_by_role("group", name="Wafers").get_by_role("link", name=re.compile("^(?!.*Edge-Ring)"))
    expect(others).to_have_count(0)
    expect(card(page, "A7 / 03")).to_be_visible()
    choose(page, "Pattern", "Any pattern")
    choose(page, "Sort", "Lowest yield first")
    expect_address(page, sort="yield")
    # The small grid has the largest share of dies at its edge, the quiet wafer hardly a failing one.
    expect(cards(page).first).to_have_accessible_name(re.compile("^Wafer B2 / 11"))
    expect(cards(page).last).to_have_accessible_name(re.compile("^Wafer A7 / 01"))

    page.reload()
    settle(page)
    expect_address(page, lot=lot, sort="yield")
    expect(cards(page).first).to_have_accessible_name(re.compile("^Wafer B2 / 11"))

    pick(page, "View", "Table")
    expect_address(page, view="table")
    tab = open_page(path(page))
    expect(tab.get_by_role("heading", name="A7 and 1 more lot", exact=True)).to_be_visible()
    expect(picked(tab, "View", "Table")).to_be_visible()

    server.kill()
    server.start()
    again = open_page(f"/?lot={lot}")
    assert wait_for_verdicts(again, wafers=4) == before
    elsewhere = open_page()
    choose(elsewhere, "Lot in hand", "A7 and 1 more lot")
    expect_address(elsewhere, lot=lot)
    assert wait_for_verdicts(elsewhere, wafers=4) == before


def test_verdicts_are_taken_along_as_csv(open_page, shelve, tmp_path):
    lot = shelve(mixed_npz(tmp_path / "C3.npz", [RING, CENTRE, QUIET]))
    page = open_page(f"/?lot={lot}")
    wait_for_verdicts(page, wafers=3)
    page.get_by_role("button", name="Verdicts CSV").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Teacher · teacher").click()
    with open(download.value.path(), newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert len(rows) == 3
    assert "Edge-Ring" in rows[0][header.index("patterns")].split("+")
    assert all(0 <= float(value) <= 1 for row in rows for value in row[2:10])


def test_a_lot_read_the_wrong_way_is_turned(open_page, shelve, tmp_path):
    states = wafer(QUIET)
    states[:, :12] = (states[:, :12] > 0) * FAIL
    lot = shelve(die_list(tmp_path / "turned.csv", "D4", {"01": states, "02": wafer(CENTRE)}))
    page = open_page(f"/?lot={lot}")
    wait_for_verdicts(page, wafers=2)
    picture = str(card(page, "01").locator("img").get_attribute("src"))
    page.get_by_text("How this lot was read").click()
    choose(page, "Turn every wafer", "flip left and right")
    page.get_by_role("button", name="Read again").click()
    expect(card(page, "01").locator("img")).not_to_have_attribute("src", picture)
    expect(page).not_to_have_url(re.compile(lot))
    wait_for_verdicts(page, wafers=2)

    card(page, "02").click()
    expect(page.get_by_role("heading", name="Wafer 02")).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^teacher: .* dies speak for Center"))).to_be_visible()


def test_what_a_file_does_not_say_is_asked(open_page, settle, tmp_path):
    cells = grid(tmp_path / "E5_01.csv", wafer(CENTRE), {PASS: "0", FAIL: "1"})
    page = open_page()
    dialog = hand_over(page, cells)
    expect(dialog.get_by_text("are these die states")).to_be_visible()

    page.reload()
    settle(page)
    expect(dialog.get_by_text("are these die states")).to_be_visible()
    dialog.get_by_text("bins", exact=True).click()
    dialog.get_by_role("button", name="Read it so").click()
    expect(dialog.get_by_text("which bins pass?")).to_be_visible()
    dialog.get_by_role("button", name="0", exact=True).click()
    dialog.get_by_role("button", name="Read it so").click()

    expect(dialog).to_have_count(0)
    assert "teacher: " in wait_for_verdicts(page, wafers=1)[0]
    failing = int((wafer(CENTRE) == FAIL).sum())
    card(page, "01").click()
    expect(page.get_by_text(f"{failing:,} failing")).to_be_visible()


def test_the_lot_page_answers_to_its_own_name_as_well(open_page, settle, shelve, tmp_path):
    lot = shelve(mixed_npz(tmp_path / "F6.npz", [RING, CENTRE, QUIET]))
    page = open_page(f"/lot?lot={lot}&sort=yield")
    expect(page.get_by_role("heading", name="F6", exact=True)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_address(page, lot=lot, sort="yield")


def test_the_table_is_sorted_in_place_and_a_row_is_opened_by_its_button(open_page, settle, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "t.csv", "T8", {"01": wafer(QUIET), "02": wafer(CENTRE), "03": wafer(RING)}))
    page = open_page(f"/?lot={lot}")
    wait_for_verdicts(page, wafers=3)
    pick(page, "View", "Table")
    expect_address(page, view="table")
    settle(page)
    table = page.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    # A canvas has no elements to click, but it tells what it shows: heads and rows are 38 and 42 pixels high.
    place = table.bounding_box()
    page.mouse.click(place["x"] + place["width"] - 60, place["y"] + 18)
    expect(table.locator("th").filter(has_text="↑")).to_have_text("↑ Dies")
    settle(page)
    expect(page.get_by_role("heading", name="T8", exact=True)).to_be_visible()
    page.mouse.click(place["x"] + place["width"] / 3, place["y"] + 18)
    expect(table.locator("th").filter(has_text="↑")).not_to_have_text("↑ Dies")
    settle(page)
    expect(page.get_by_role("heading", name="T8", exact=True)).to_be_visible()
    last = table.locator("tbody tr").nth(2).locator("td").nth(1).text_content()
    page.mouse.click(place["x"] + 40, place["y"] + 38 + 2.5 * 42)
    expect(page.get_by_role("heading", name=f"Wafer {last}", exact=True)).to_be_visible()


def test_a_bar_shows_its_wafers_and_the_links_go_on_from_there(open_page, settle, shelve, tmp_path):
    lot = shelve(mixed_npz(tmp_path / "G7.npz", [RING, CENTRE, QUIET, RING]))
    page = open_page(f"/?lot={lot}")
    wait_for_verdicts(page, wafers=4)
    settle(page)
    page.get_by_role("figure", name="Wafers per pattern and model").get_by_role("button", name="Edge-Ring").click()
    expect_address(page, pattern="Edge-Ring")
    expect(page.get_by_text("Wafers 1 to 2 of 2 found among 4")).to_be_visible()
    choose(page, "Sort", "Highest yield first")
    expect_address(page, pattern="Edge-Ring", sort="best")
    # What the filters leave is what one steps through, also by way of the side bar.
    page.get_by_role("link", name="Wafer", exact=True).click()
    expect(page.get_by_text("of 2 found in")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Wafers 1 to 2 of 2 found among 4")).to_be_visible()
    settle(page)
    page.go_back()
    expect_address(page, pattern="Edge-Ring")
    expect(page.get_by_role("combobox", name="Sort", exact=True)).to_have_value("As in the file")


def test_names_of_wafers_are_shown_where_they_differ(open_page, shelve, tmp_path):
    long = "PRODUCT-XYZ_300mm_FAB12"
    files = [
        die_list(tmp_path / "a.csv", "N61274.00", {f"N61274-0{i}": wafer(QUIET, seed=i) for i in range(2)}),
        die_list(tmp_path / "b.csv", long, {f"{long}_SLOT_{i}": wafer(QUIET, seed=i) for i in range(2)}),
    ]
    page = open_page(f"/?lot={shelve(*files)}")
    expect(cards(page)).to_have_count(4)
    names = page.get_by_role("group", name="Wafers").locator(".head b")
    expect(names).to_have_text(
        ["N61274.00 / N61274-00", "N61274.00 / N61274-01", "PRODUCT-XYZ_3…_FAB12_SLOT_0", "PRODUCT-XYZ_3…_FAB12_SLOT_1"]
    )
    cut = names.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length")
    assert cut == 0


def test_cards_stay_as_the_last_answer_comes(open_page, server, shelve, tmp_path):
    lot = shelve(mixed_npz(tmp_path / "H8.npz", [RING, CENTRE, QUIET, RING] * 150))
    page = open_page(f"/?lot={lot}")
    gallery = page.get_by_role("group", name="Wafers")
    expect(page.get_by_text("Student has read")).to_be_visible()
    gallery.evaluate("one => { one.dataset.kept = 'yes'; }")
    expect(page.get_by_text("Student has read")).to_have_count(0)
    wait_for_verdicts(page, wafers=24)
    expect(gallery).to_have_attribute("data-kept", "yes")
