"""The address is the only memory of a view, and a page that was left does not come back through it."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from wafer_core import jobs
from wafer_core.lot import Lot
from wafer_core.patterns import flags
from wafer_core.ui.distill import run_settings
from wafer_core.ui.shared import state
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]


pytestmark = pytest.mark.usefixtures("nobody_works")


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


@pytest.mark.parametrize("page", ["lot", "compare"])
def test_an_address_names_models_and_opens_no_folder(visit: Visit, lots: list[str], tiny_folder: Path, page: str):
    for path in ("/etc", str(tiny_folder)):
        app = visit(page, lot=lots[0], teacher=path)
        assert not app.exception
        [error] = app.error
        assert f"There is no model '{path}' in this workspace" in error.value


def said(app: AppTest) -> dict[str, str]:
    """What the address says of a run."""
    asked = {name: app.query_params[name] for name in ("size", "time", "seed") if name in app.query_params}
    return {name: value if isinstance(value, str) else value[0] for name, value in asked.items()}


def lagging(app: AppTest) -> AppTest:
    """The same page in a browser that has heard neither of the new address nor of what widgets show since."""
    for name in ("size", "time"):
        app.query_params.pop(name, None)
    return pressed_before(app)


def pressed_before(app: AppTest) -> AppTest:
    """The same page in a browser that still shows the usual choice which stood out before the last choice."""
    app.session_state["preset-small-60"] = "Standard"
    return app


def hurried(visit: Visit, lot: str) -> AppTest:
    """A page whose browser lags behind a choice that was just made."""
    app = visit("distill", lot=lot)
    app.selectbox(key="address-size").set_value("tiny").run()
    assert said(app) == {"size": "tiny"}
    return lagging(app)


def test_a_choice_made_before_the_browser_hears_of_the_last_one_loses_neither(visit: Visit, lots: list[str]) -> None:
    app = hurried(visit, lots[0])
    app.selectbox(key="address-time").set_value("30").run()
    assert not app.exception
    assert said(app) == {"size": "tiny", "time": "30"}


@pytest.mark.parametrize("then", ["time", "seed"])
def test_a_choice_made_before_the_browser_shows_another_usual_one_keeps_the_last(
    visit: Visit, lots: list[str], then: str
) -> None:
    """The address was heard of already, the usual choice that stands out no longer is still sent along."""
    app = visit("distill", lot=lots[0])
    app.selectbox(key="address-size").set_value("tiny").run()
    assert [each.key for each in app.segmented_control if each.label == "Usual choices"] == ["preset-tiny-60"]
    pressed_before(app).selectbox(key=f"address-{then}").set_value("30" if then == "time" else "3").run()
    assert said(app) == {"size": "tiny", then: "30" if then == "time" else "3"}


def test_a_run_started_before_the_browser_hears_of_the_last_choice_is_the_chosen_one(
    visit: Visit, store: Workspace, lots: list[str]
) -> None:
    hurried(visit, lots[0]).button(key="start").click().run()
    assert [job.payload["settings"]["size"] for job in store.jobs("distil")] == ["tiny"]


def test_what_a_preset_turned_is_not_turned_back_by_a_browser_that_lags(visit: Visit, lots: list[str]) -> None:
    app = visit("distill", lot=lots[0])
    app.segmented_control(key="preset-small-60").set_value("Quick look").run()
    assert said(app) == {"size": "tiny", "time": "30"}
    lagging(app)
    app.selectbox(key="address-size").set_value("small")
    app.selectbox(key="address-time").set_value("60")
    app.selectbox(key="address-seed").set_value("3").run()
    assert not app.exception
    assert said(app) == {"size": "tiny", "time": "30", "seed": "3"}


@pytest.mark.parametrize(
    ("page", "title"), [("lot", "Lot"), ("wafer", "Wafer"), ("compare", "Compare"), ("distill", "Distill")]
)
def test_a_tab_says_which_page_it_shows(visit: Visit, monkeypatch: pytest.MonkeyPatch, page: str, title: str) -> None:
    called: list[str] = []
    monkeypatch.setattr(st, "set_page_config", lambda title, *given, **options: called.append(title))
    visit(page)
    assert called == [f"{title} · WaferDistill"]


def test_the_back_button_is_no_hurry(visit: Visit, lots: list[str]) -> None:
    app = visit("distill", lot=lots[0])
    app.selectbox(key="address-size").set_value("tiny").run()
    del app.query_params["size"]
    app.run()
    assert app.selectbox(key="address-size").value == "small"
    app.selectbox(key="address-time").set_value("30").run()
    assert said(app) == {"time": "30"}


@pytest.mark.parametrize("page", ["lot", "wafer", "compare", "distill"])
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"student": "teacher"}, "teacher is no student"),
        ({"teacher": "student-int8"}, "student-int8 is no teacher"),
        ({"student": 300 * "x"}, "xxx"),
        ({"lot": "![seen](https://example.org/p.png)"}, r"!\[seen\]"),
    ],
)
def test_an_address_that_cannot_be_used_ends_in_a_sentence(
    visit: Visit, page: str, asked: dict[str, str], said: str
) -> None:
    app = visit(page, **asked)
    assert not app.exception
    assert any(said in error.value for error in app.error)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_from_an_address_of_no_model_the_default_can_be_chosen(visit: Visit, lots: list[str], role: str) -> None:
    app = visit("lot", lot=lots[0], **{role: "ghost"})
    chooser = app.selectbox(key=f"address-{role}")
    assert chooser.value is None
    chooser.select(state.DEFAULTS[role]).run()
    assert not app.exception
    assert not app.error
    assert role not in app.query_params


NONSENSE = ("9" * 5000, "0" * 5000, "\u00b2", "-1", "1e3", "..", "\u0664")


@pytest.mark.parametrize("asked", NONSENSE, ids=lambda asked: asked[:6])
@pytest.mark.parametrize(
    ("page", "parameter"),
    [("lot", "page"), ("compare", "models"), ("distill", "runs"), ("distill", "beside-runs"), ("distill", "without")],
)
def test_an_address_of_any_number_is_drawn(
    visit: Visit, store: Workspace, small_lot: Lot, page: str, parameter: str, asked: str
) -> None:
    lot_id = store.add_lot(small_lot)
    run = jobs.submit_distil(store, lot_id, {"size": "tiny", "budget": 60.0, "seed": 0}, "teacher")
    store.report(run, {"step": 20, "steps": 20, "seconds": 9.0, "loss": 0.5, "agreed": 1, "held_out": 4})
    value = f"{lot_id[: run_settings.HEAD]}-{asked}" if parameter == "without" else asked
    app = visit(page, lot=lot_id, **{parameter: value})
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("17", 17),
        ("999999999", 999_999_999),
        ("9999999999", None),
        ("9" * 5000, None),
        ("-1", None),
        ("1.0", None),
        (" 1", None),
        ("\u00b2", None),
        ("", None),
        (None, None),
    ],
)
def test_numbers_of_the_address_are_whole_and_short(text: str | None, number: int | None) -> None:
    assert state.whole(text) == number


CHOSEN = {"show": "differ", "pattern": "Scratch", "sort": "margin", "page": "2", "stack": "student"}
SET = {"size": "tiny", "time": "300", "views": "2", "seed": "3", "below": "25", "run": "4"}


def links(app: AppTest) -> dict[str, dict[str, str]]:
    """What the links of the side bar take along, by page."""
    found = {link.proto.page: dict(parse_qsl(link.proto.query_string)) for link in app.get("page_link")}
    return {page: found[page] for page in ("", "wafer", "compare", "distill")}


@pytest.mark.parametrize("page", ["lot", "wafer", "compare", "distill"])
def test_what_was_chosen_on_one_page_is_there_on_the_way_back_from_any_other(
    visit: Visit, lots: list[str], page: str
) -> None:
    taken = {"lot": lots[0], **CHOSEN, **SET, "score": "recall", "colour": "bin"}
    app = visit(page, **taken)
    assert not app.exception
    for link in links(app).values():
        assert {name: value for name, value in link.items() if name in taken} == taken


@pytest.mark.parametrize("page", ["lot", "compare", "distill"])
def test_another_lot_resets_the_filters_wherever_it_is_chosen(visit: Visit, lots: list[str], page: str) -> None:
    app = visit(page, lot=lots[0], **CHOSEN, **SET)
    app.selectbox(key="address-lot").set_value(lots[1]).run()
    assert not app.exception
    assert {name for name in (*CHOSEN, *SET) if name in app.query_params} == {"sort", "stack", *SET}


def test_the_lot_of_the_distill_page_resets_the_filters_too(visit: Visit, lots: list[str]) -> None:
    app = visit("distill", lot=lots[0], **CHOSEN)
    app.selectbox(key="distill-lot").set_value(lots[1]).run()
    assert {name for name in CHOSEN if name in app.query_params} == {"sort", "stack"}


def test_a_bare_address_carries_no_defaults(visit: Visit, lots: list[str]) -> None:
    for page in ("lot", "wafer", "compare", "distill"):
        assert set(visit(page, lot=lots[0]).query_params) == {"lot"}


def bound_names(path: Path) -> list[str]:
    """The parameters that a module ties widgets to: an argument of `bound`, `segmented` and the settings' `_choice`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [(getattr(call.func, "attr", getattr(call.func, "id", "")), call.args) for call in calls]
    places = {"bound": 0, "segmented": 2, "_choice": 2}
    found = [args[places[name]] for name, args in named if name in places and len(args) > places[name]]
    return [each.value for each in found if isinstance(each, ast.Constant)]


def test_what_is_chosen_anywhere_goes_along() -> None:
    bound = {name for path in Path(state.__file__).parents[1].glob("*/*.py") for name in bound_names(path)}
    assert bound <= set(state.CARRIED)
    assert bound >= {"sort", "show", "method", "seed", "start", "views", "pool", "below"}


def test_no_name_of_the_address_means_two_things() -> None:
    names = [*state.IN_HAND, *(name for chosen in state.CHOSEN.values() for name in chosen)]
    assert len(names) == len(set(names))
    assert set(state.OF_A_LOT) <= set(names)
    users: dict[str, set[str]] = {}
    for path in Path(state.__file__).parents[1].glob("*/*.py"):
        for name in bound_names(path):
            users.setdefault(name, set()).add(path.stem)
    # The method is the same question on the lot and on one wafer.
    assert {name for name, files in users.items() if len(files) > 1} == {"method"}


def test_labels_that_come_with_a_second_upload_are_seen(store: Workspace, small_lot: Lot) -> None:
    lot_id = store.add_lot(small_lot)
    assert not state.load_lot(lot_id).labelled
    store.add_lot(replace(small_lot, wafers=tuple(replace(one, labels=flags(["Loc"])) for one in small_lot)))
    assert state.load_lot(lot_id).labelled
