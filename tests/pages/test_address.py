"""The address is the only memory of a view, and a page that was left does not come back through it."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]


@pytest.fixture
def lots(store: Workspace) -> list[str]:
    return [row.id for row in store.lots()[:2]]


def test_widgets_of_a_page_left_behind_change_nothing(visit: Visit, lots: list[str]) -> None:
    """A timer that fires just before the browser hears of a new address brings the old one, and its widgets."""
    app = visit("lot", lot=lots[1], sort="yield")
    app.query_params["lot"] = lots[0]
    app.selectbox(key="address-sort").set_value("margin").run()
    assert not app.exception
    assert app.query_params["sort"] in ("yield", ["yield"])
    app.selectbox(key="address-sort").set_value("margin").run()
    assert app.query_params["sort"] in ("margin", ["margin"])
