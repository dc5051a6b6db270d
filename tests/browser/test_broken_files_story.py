"""Broken files: each gets a sentence, the others still load, and nothing already loaded is lost."""

import re

from playwright.sync_api import expect
from steps import expect_address, hand_over, upload, wait_for_verdicts
from wafer_files import RING, broken_files, die_list, wafer


def test_broken_files_are_refused_beside_a_good_one(open_page, tmp_path):
    good = die_list(tmp_path / "good.csv", "G1", {"01": wafer(RING, size=26)})
    with good.open("a") as lines:
        lines.write("G1,01,three,4,1\nG1,01,5\n")
    broken = broken_files(tmp_path)
    page = open_page()
    upload(page, "G1", *broken, good)
    wait_for_verdicts(page, wafers=1)

    page.get_by_text(re.compile(f"How this lot was read: .*files left out: {len(broken)}, rows left out: 2")).click()
    for file, words in broken.items():
        expect(page.get_by_role("listitem").filter(has_text=f"{file.name}: ").filter(has_text=words)).to_be_visible()
    last = len(good.read_text().splitlines())
    expect(page.get_by_role("listitem").filter(has_text=f"(line {last - 1}) left out")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=f"(line {last}) left out")).to_be_visible()


def test_a_file_that_cannot_be_read_leaves_the_lot_in_hand(open_page, shelve, tmp_path):
    lot = shelve(die_list(tmp_path / "kept.csv", "K1", {"01": wafer(RING, size=20)}))
    page = open_page(f"/?lot={lot}")
    torn = next(iter(broken_files(tmp_path)))
    dialog = hand_over(page, torn)
    expect(dialog.get_by_text("These files cannot be read")).to_be_visible()
    expect(dialog.get_by_text(f"{torn.name}: ")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    expect_address(page, lot=lot)
    expect(page.get_by_role("heading", name="K1", exact=True)).to_be_visible()
    wait_for_verdicts(page, wafers=1)
