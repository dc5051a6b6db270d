"""The script that flips dies follows the page, also one that has begun anew."""

from base64 import b64encode

import pytest

from wafer_core.lot import FAIL, PASS
from wafer_core.ui.components import FOLDER

SCRIPT = "".join((FOLDER / f"{name}.js").read_text() for name in ("painting", "flipping"))
STATES = b64encode(bytes([FAIL, PASS, FAIL, FAIL])).decode()


@pytest.fixture
def trial(chromium):
    """Runs steps on one and the same trial and returns which dies are flipped by then."""
    page = chromium.new_page()
    page.evaluate(f"{SCRIPT}; globalThis.trial = new Trial(); trial.tell = () => {{}}")
    page.evaluate(
        "states => globalThis.show = (session, turn, ...steps) => trial.show({ session, turn, steps }, { states })",
        STATES,
    )

    def run(*steps: str) -> list[int]:
        for step in steps:
            page.evaluate(step)
        return sorted(page.evaluate("[...trial.flipped]"))

    yield run
    page.close()


def test_a_page_that_has_not_heard_of_the_last_flip_takes_none_away(trial):
    assert trial("show('a', 0)", "trial.flip(0)", "trial.flip(1)", "show('a', 1, [0])") == [0, 1]
    assert trial("show('a', 2, [0])") == [0]


def test_a_session_that_begins_anew_is_followed_whatever_it_has_heard_of(trial):
    assert trial("show('a', 0)", "trial.flip(0)", "trial.flip(1)", "show('b', 0)") == []
    assert trial("trial.flip(2)", "show('b', 0)") == [2]
    assert trial("show('b', 1, [2])", "trial.brush([0, 2, 3])") == [0, 2, 3]
