"""A fab engineer asks why over a whole lot: the maps come while he waits, and lead on to their wafers."""

import re

from playwright.sync_api import expect
from steps import card, cards, expect_address, pick, picked, wait_for_verdicts
from wafer_files import CENTRE, QUIET, RING, die_list, wafer


def both():
    """A wafer with an edge ring around a solid centre."""
    ring, centre = wafer(RING), wafer(CENTRE)
    return ring.clip(min=centre)


def stacked(page, role, pattern):
    return page.get_by_role("figure", name=re.compile(f"^Where the {role}'s evidence for {pattern} lies on"))


def test_a_lot_is_explained_and_its_maps_lead_to_their_wafers(open_page, settle, shelve, tmp_path):
    wafers = {"01": wafer(RING), "02": wafer(QUIET), "03": both(), "04": wafer(CENTRE)}
    lot = shelve(die_list(tmp_path / "s.csv", "S1", wafers))
    page = open_page(f"/?lot={lot}")
    wait_for_verdicts(page, wafers=4)
    expect(stacked(page, "teacher", "Center")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Explain .*wafers")).click()
    expect(stacked(page, "teacher", "Center")).to_be_visible()
    expect(stacked(page, "teacher", "Edge-Ring")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Explain"))).to_have_count(0)
    expect(page.get_by_text("The Center of this lot")).to_be_visible()

    # The evidence for the centre of a mixed wafer lies in the middle, for its ring at the edge.
    for pattern, middle in (("Center", True), ("Edge-Ring", False)):
        name = str(stacked(page, "teacher", pattern).get_attribute("aria-label"))
        x, y = (int(each) for each in re.search(r"strongest die is (\d+), (\d+)", name).groups())
        assert (abs(x - 26) < 10 and abs(y - 26) < 10) == middle

    pick(page, "Whose evidence", "Student")
    expect_address(page, stack="student")
    expect(stacked(page, "teacher", "Center")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Explain .*wafers")).click()
    expect(stacked(page, "student", "Center")).to_be_visible()
    page.reload()
    settle(page)
    expect(picked(page, "Whose evidence", "Student")).to_be_visible()
    expect(stacked(page, "student", "Center")).to_be_visible()

    behind = page.get_by_role("button", name="Wafers", exact=True).first
    behind.click()
    page.get_by_role("button", name=re.compile("^Show .* below")).click()
    expect(page).to_have_url(re.compile("[?&]pattern=(Center|Edge-Ring)"))
    expect(card(page, "02")).to_have_count(0)
    expect(cards(page).first).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^0\d · ")).first.click()
    expect(page.get_by_role("heading", name=re.compile("^Wafer 0[134]$"))).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^student: .* dies speak for"))).not_to_have_count(0)
