"""The first thing an engineer sees."""

from playwright.sync_api import expect


def test_the_dashboard_opens_without_a_complaint(open_page):
    page = open_page()
    expect(page).to_have_title("Lot · WaferDistill")
    expect(page.get_by_test_id("stException")).to_have_count(0)
