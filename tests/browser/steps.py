"""What an engineer does in the dashboard, and what the address then says."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Locator, Page, TimeoutError, expect

PATIENCE = 10
"""How often a list is opened before it counts as one that does not hold the option."""


def hand_over(page: Page, *files: Path) -> Locator:
    """Open the dialog for files, give it these, and return the dialog."""
    page.get_by_role("button", name="Upload a lot").click()
    dialog = page.get_by_role("dialog", name="Open a lot")
    dialog.locator("input[type=file]").set_input_files(files)
    return dialog


def upload(page: Page, title: str, *files: Path) -> None:
    """Open files as a lot and wait until the page shows it under its title."""
    hand_over(page, *files)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def choose(page: Page, label: str, option: str | re.Pattern[str]) -> None:
    """Choose an option of a list, by its whole name or by a part that a pattern matches.

    A page that is still filling in may close a list under the hand that opened it; a person opens it again.
    """
    found = page.get_by_role("option", name=option, exact=True).first
    for _ in range(PATIENCE):
        page.get_by_role("combobox", name=label, exact=True).click()
        with suppress(TimeoutError):
            found.click(timeout=5_000)
            return
    raise AssertionError(f"{label!r} never held {option!r} open for long enough to choose it.")


def pick(page: Page, label: str, option: str) -> None:
    """Choose one of a row of buttons."""
    page.get_by_role("radiogroup", name=label, exact=True).get_by_role("radio", name=option, exact=True).click()


def picked(page: Page, label: str, option: str) -> Locator:
    """Return the chosen one of a row of buttons."""
    return page.get_by_role("radiogroup", name=label, exact=True).get_by_role(
        "radio", name=option, exact=True, checked=True
    )


def cards(page: Page) -> Locator:
    """Return the gallery's wafers, in the order shown."""
    return page.get_by_role("group", name="Wafers").get_by_role("link")


def card(page: Page, wafer: str) -> Locator:
    """Return one wafer of the gallery, whatever the models say of it."""
    return page.get_by_role("group", name="Wafers").get_by_role("link", name=f"Wafer {wafer}, yield")


def wait_for_verdicts(page: Page, wafers: int) -> list[str]:
    """Wait until both models have answered on every wafer in view, and return what the cards say."""
    gallery = page.get_by_role("group", name="Wafers")
    answered = gallery.get_by_role("link", name=re.compile(r", teacher: (?!not scored).+, student: (?!not scored)"))
    expect(answered).to_have_count(wafers)
    said: list[str] = cards(page).evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    return said


def expect_address(page: Page, **parameters: str) -> None:
    """Wait until the address holds these parameters."""
    for name, value in parameters.items():
        expect(page).to_have_url(re.compile(rf"[?&]{name}={re.escape(quote(value, safe=''))}(&|$)"))


def parameter(page: Page, name: str) -> str:
    """Return a parameter of the address."""
    return parse_qs(urlsplit(page.url).query)[name][0]


def path(page: Page) -> str:
    """Return the address without its server, as a link in an e-mail would be opened elsewhere."""
    split = urlsplit(page.url)
    return f"{split.path}?{split.query}"
