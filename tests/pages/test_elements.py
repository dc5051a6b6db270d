"""What the page's own elements are told, so that a browser draws the newest of it and nothing twice."""

from typing import Any

from streamlit.testing.v1 import AppTest


def page() -> AppTest:
    def script() -> None:
        import streamlit as st

        from wafer_core.ui.components import stamped

        st.session_state["told"] = stamped("bars", {"wafers": st.session_state.get("wafers", 0)})

    return AppTest.from_function(script)


def told(app: AppTest, wafers: int) -> dict[str, Any]:
    app.session_state["wafers"] = wafers
    app.run()
    assert not app.exception
    found: dict[str, Any] = app.session_state["told"]
    return found


def test_what_is_drawn_later_has_the_higher_number_whatever_the_clock_says() -> None:
    app = page()
    numbers = [told(app, wafers)["drawn"] for wafers in (5, 5, 6, 5)]
    assert numbers == [1, 1, 2, 3]


def test_a_session_that_begins_anew_is_known_by_another_name() -> None:
    app = page()
    assert told(app, 5)["session"] == told(app, 6)["session"]
    assert told(page(), 5)["session"] != told(app, 5)["session"]
