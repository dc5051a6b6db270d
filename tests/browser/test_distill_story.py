"""A small model is taught on an unlabelled lot: watched, cancelled, found again, and used."""

import re

from playwright.sync_api import expect
from steps import choose, expect_address, parameter, path, wait_for_verdicts
from wafer_files import CENTRE, QUIET, RING, die_list, wafer

from wafer_core.jobs import worker_pid
from wafer_core.workspace import Workspace

LONG = 300_000
"""Milliseconds a run of half a minute may take on a machine that others use too."""


def running(page):
    return page.get_by_text(re.compile(r"Running · .* of 30 s · (step \d|export)"))


def ready(page):
    return page.get_by_text(re.compile("is ready: .* as int8"))


def test_a_student_is_taught_through_a_refresh_a_cancel_and_a_killed_server(
    open_page, server, settle, shelve, tmp_path
):
    wafers = {f"{i:02}": wafer(pattern, i, 30) for i, pattern in enumerate([RING, CENTRE, QUIET] * 4)}
    lot = shelve(die_list(tmp_path / "t.csv", "T1", wafers))
    page = open_page(f"/?lot={lot}")
    page.get_by_role("link", name="Distill").click()
    expect(page.get_by_role("combobox", name="Teach a small model on")).to_have_value(re.compile("^T1"))
    choose(page, "Student size", re.compile("^tiny"))
    choose(page, "Time", "30 s")
    expect_address(page, size="tiny", time="30")
    # Nothing of this size was ever run here, so the worker tries one for nothing.
    expect(page.get_by_text(re.compile(r"About .* at \d+ ms each; its int8 file"))).to_be_visible(timeout=LONG)

    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(re.compile("Waiting for the worker|Running ·")).first).to_be_visible()
    cancelled = parameter(page, "run")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("no student was made")).to_be_visible()

    page.get_by_role("button", name="Start it again").click()
    expect(page).not_to_have_url(re.compile(rf"[?&]run={cancelled}(&|$)"))
    run = parameter(page, "run")
    expect(running(page)).to_be_visible(timeout=LONG)
    # The list of runs has to follow by itself, or it would still say what was so when the page was drawn.
    expect(page.get_by_text(re.compile("(running|done)$")).first).to_be_visible()
    page.reload()
    settle(page)
    expect(running(page)).to_be_visible()
    expect(page.get_by_text("Agreement on held-out wafers").first).to_be_visible()
    expect_address(page, run=run)

    address, worker = path(page), worker_pid(Workspace(server.home))
    assert worker is not None
    server.kill()
    server.start()
    assert worker_pid(Workspace(server.home)) == worker
    page = open_page(address)
    expect(running(page).or_(ready(page))).to_be_visible()
    expect(ready(page)).to_be_visible(timeout=LONG)

    student = ready(page).inner_text().split(" is ready")[0]
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_text(re.compile("begins.*watched most closely.*done: ", re.DOTALL)).first).to_be_visible()
    expect(page.get_by_text(re.compile("done$")).first).to_be_visible()

    page.get_by_role("button", name="Use it on this lot").click()
    expect(page.get_by_role("heading", name="T1", exact=True)).to_be_visible()
    expect_address(page, lot=lot, student=student)
    expect(page.get_by_role("combobox", name="Student", exact=True)).to_have_value(student)
    wait_for_verdicts(page, wafers=12)
    choose(page, "Student", f"{student}-int8")
    expect_address(page, student=f"{student}-int8")
    wait_for_verdicts(page, wafers=12)
