"""Teacher and students beside each other: accuracy where there are labels, agreement where there are none."""

import re

from playwright.sync_api import expect
from steps import choose, expect_address
from wafer_files import CENTRE, QUIET, RING, die_list, mixed_npz, wafer

from wafer_core.benchmark import shipped_sets

PATTERNS = [RING, CENTRE, QUIET]


def test_models_are_compared_by_accuracy_and_size(open_page, settle, shelve, tmp_path):
    labelled = shelve(mixed_npz(tmp_path / "labelled.npz", PATTERNS * 4, size=26))
    unlabelled = die_list(tmp_path / "u.csv", "U1", {f"{i:02}": wafer(p, i, 26) for i, p in enumerate(PATTERNS)})
    shelve(unlabelled)
    page = open_page(f"/compare?lot={labelled}&set={labelled}")
    sized = page.get_by_role("figure", name=re.compile(r"teacher: .+, exact match \d.*student-int8: .+, exact match"))
    expect(sized).to_be_visible()
    table = page.get_by_role("table", name="Accuracy, agreement and cost of every model")
    for column in ("Exact match", "F1", "Agrees with teacher", "ms a wafer"):
        expect(table.get_by_role("columnheader", name=column)).to_be_visible()
    # Accuracy in percent, parameters, bytes on disk.
    teacher = table.get_by_role("row", name=re.compile(r"^teacher \d+\.\d % .* [\d.]+ [kM] [\d.]+ [kM]B"))
    expect(teacher).to_be_visible()

    # The smaller of the shipped sets keeps this short.
    smallest = min((each.lot for each in shipped_sets()), key=len)
    choose(page, "Compared on", re.compile(f"Shipped benchmark: {len(smallest)} "))
    expect_address(page, set=smallest.lot_hash[:16])
    expect(page.get_by_text("Accuracy against size")).to_have_count(1)
    expect(page.get_by_text("Still reading the wafers")).to_have_count(0)
    # While the page is drawn anew the chart from before stands there for a moment as well.
    expect(sized).to_have_count(1)
    expect(sized).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^F1 per pattern: .*teacher Center"))).to_be_visible()
    expect(table.get_by_role("row", name=re.compile("^student.int8"))).to_contain_text(re.compile(r"\d\s%"))
    page.reload()
    settle(page)
    expect(sized).to_be_visible()

    choose(page, "Compared on", re.compile("^U1 .* no labels"))
    expect(page.get_by_text("Agreement against size")).to_have_count(1)
    agreed = page.get_by_role("figure", name=re.compile("student-int8: .*agreement with the teacher"))
    expect(agreed).to_be_visible()
    expect(table.get_by_role("columnheader", name="Agrees with teacher")).to_be_visible()
    expect(table.get_by_role("columnheader", name="Exact match")).to_have_count(0)
    expect(page.get_by_text("Accuracy against size")).to_have_count(0)


def test_speed_is_measured_when_asked_for(open_page, shelve, tmp_path):
    lot = shelve(mixed_npz(tmp_path / "few.npz", PATTERNS, size=20))
    page = open_page(f"/compare?lot={lot}&set={lot}&students=student-int8")
    page.get_by_role("button", name="Measure speed here").click()
    table = page.get_by_role("table", name="Accuracy, agreement and cost of every model")
    for name in ("teacher", "student.int8"):
        row = table.get_by_role("row", name=re.compile(f"^{name} "))
        expect(row.get_by_role("cell").last).to_have_text(re.compile(r"^\d+\.\d\d$"))
