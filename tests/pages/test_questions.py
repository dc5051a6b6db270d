"""What a file does not say is asked, and no answer leaves an engineer without a way on."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from wafer_core.lot import Lot
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]

pytestmark = pytest.mark.usefixtures("nobody_works")

BEYOND = "Bins run from 0 to 2,147,483,647; name at least one of these that passes."


@pytest.fixture
def asked(visit: Visit, store: Workspace, small_lot: Lot) -> AppTest:
    """The dialog about a die list whose bins have fractions among them, and which are asked about in writing."""
    rows = [f"01,{x},{y},{'1.5' if x == y == 0 else 5 + (x > y)}" for x in range(4) for y in range(4)]
    app = visit("lot", lot=store.add_lot(small_lot)).button(key="upload").click().run()
    app.file_uploader[0].upload("dies.csv", "\n".join(["wafer,x,y,bin", *rows]).encode())
    return app.run()


def send(app: AppTest, written: str) -> AppTest:
    """Answer in writing which bins pass."""
    next(field for field in app.text_input if str(field.key).startswith("answer-")).set_value(written)
    return pressed(app, "Read it so")


def pressed(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


@pytest.mark.parametrize("written", ["2147483648", "-1", "5, 99999999999"])
def test_a_bin_that_cannot_be_is_no_answer_and_the_question_stays_open(asked: AppTest, written: str) -> None:
    app = send(asked, written)
    assert not app.exception
    assert not app.error
    assert [warning.value for warning in app.warning] == [BEYOND]
    app = send(app, "5")
    assert not app.exception
    assert app.title[0].value == "dies"


def test_a_bin_that_no_die_has_is_asked_about_once_more(asked: AppTest) -> None:
    app = send(asked, "7")
    assert not app.exception
    assert not app.warning
    assert "No die is in bin 7" in "".join(text.value for text in app.markdown)
    app.pills[0].set_value([6])
    app = pressed(app, "Read it so")
    assert not app.exception
    assert app.title[0].value == "dies"


def test_an_answer_by_which_a_file_cannot_be_read_can_be_given_anew(
    visit: Visit, store: Workspace, small_lot: Lot
) -> None:
    """Kept as it is, it would end every further reading of the same file."""
    cells = np.array([[[0.5, 1.0, 9.0], [1.0, 1.0, 9.0], [1.0, 9.0, 9.0]]])
    held = io.BytesIO()
    np.save(held, cells)
    app = visit("lot", lot=store.add_lot(small_lot)).button(key="upload").click().run()
    app.file_uploader[0].upload("cells.npy", held.getvalue())
    app = app.run()
    app.radio[0].set_value("states")
    app = pressed(app, "Read it so")
    assert len(app.error) == 1
    app = pressed(app, "Answer again")
    assert not app.error
    app.radio[0].set_value("bins")
    app = pressed(app, "Read it so")
    assert not app.exception
    assert not app.error
