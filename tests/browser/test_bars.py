"""The script that draws bars of patterns keeps the rows that are there when others come or their numbers change."""

from itertools import count

import pytest

from wafer_core.charts.bars import pattern_bars
from wafer_core.ui.components import COLOURS, FOLDER

SCRIPT = "".join((FOLDER / f"{name}.js").read_text() for name in ("shared", "bars"))
PAGE = "<style>:root { --st-background-color: #fff }</style><main><div class='bars'></div></main>"


@pytest.fixture
def draw(chromium):
    """Draws counts by pattern, one call after the other, and returns the page."""
    page = chromium.new_page()
    page.set_content(PAGE)
    page.evaluate(
        """async (code) => {
          const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
          const parentElement = document.querySelector("main");
          globalThis.draw = (data) => module.default({ data, parentElement, setTriggerValue: () => {} });
        }""",
        SCRIPT,
    )
    turns = count(1)

    def draw_bars(counts: dict[str, int], roles=("teacher",), session: str = "a", drawn: int | None = None):
        told = {"rows": pattern_bars(dict.fromkeys(roles, counts)), "roles": roles, "alt": "Wafers", "gap": "1px"}
        stamp = {"session": session, "drawn": next(turns) if drawn is None else drawn, "colours": COLOURS}
        page.evaluate("data => draw(data)", {**told, "pick": True, **stamp})
        return page

    yield draw_bars
    page.close()


def names(page) -> list[str]:
    return page.get_by_role("button").all_text_contents()


def numbers(page) -> list[str]:
    return page.locator(".text").all_text_contents()


@pytest.mark.parametrize(
    "later", [{"Center": 6, "Loc": 3}, {"Center": 6, "Donut": 1, "Loc": 3, "Scratch": 2}, {"Loc": 9}]
)
def test_a_pattern_keeps_the_keyboards_focus_while_counts_change(draw, later: dict[str, int]):
    page = draw({"Center": 5, "Loc": 3})
    page.get_by_role("button", name="Loc").focus()
    draw(later)
    assert page.evaluate("document.activeElement.textContent") == "Loc"
    assert names(page) == list(later)
    assert numbers(page) == [str(number) for number in later.values()]


def test_patterns_stand_in_the_order_asked_for_and_the_key_below_them(draw):
    both = ("teacher", "student")
    draw({"Center": 5, "Loc": 3}, both)
    page = draw({"Loc": 4, "Donut": 1, "Center": 5}, both)
    assert names(page) == ["Loc", "Donut", "Center"]
    assert page.locator(".bars > *").last.text_content() == "teacherstudent"
    assert names(draw({"Loc": 4})) == ["Loc"]
    assert page.locator(".keys").count() == 0


def test_what_comes_late_is_not_drawn_unless_a_session_began_anew(draw):
    draw({"Loc": 5}, drawn=7)
    assert numbers(draw({"Loc": 4}, drawn=6)) == ["5"]
    assert numbers(draw({"Loc": 3}, drawn=1, session="b")) == ["3"]
    assert numbers(draw({"Loc": 2}, drawn=2, session="b")) == ["2"]
