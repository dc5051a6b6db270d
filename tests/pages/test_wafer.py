"""The Wafer page: the wafer the address names, both verdicts, overlays, and steps to its neighbours."""

import base64
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.told import address, texts
from wafer_core.decode import logit
from wafer_core.explain import DEFAULT, GRADIENT_METHODS, TITLES
from wafer_core.lot import FAIL, NO_DIE, Frame, Lot, Wafer
from wafer_core.patterns import PATTERNS, flags
from wafer_core.recognise import Scores
from wafer_core.trust.altered import alterations, flipped
from wafer_core.trust.record import SIMULATED, Kept, MadeSet, Record
from wafer_core.trust.tally import Reached
from wafer_core.trust.whereabouts import whereabouts
from wafer_core.ui.wafer import overlays as wafer_overlays
from wafer_core.ui.wafer import view
from wafer_core.ui.wafer.attempt import Attempt
from wafer_core.ui.wafer.overlays import die_table
from wafer_core.workspace import Workspace

Visit = Callable[..., AppTest]
Drawn = Callable[[AppTest], dict[str, Any]]
TEACHER = ["Center", "Normal", "Scratch", "Center+Scratch", "Loc", "Normal"]
ROLES = ("teacher", "student")
MODELS = {"teacher": "teacher", "student": "approved"}
STUDENT = ["Center", "Normal", "Normal", "Center", "Loc", "Normal"]


@pytest.fixture
def lot_id(store: Workspace, small_lot: Lot, answer: Callable[..., None]) -> str:
    """The small lot in the workspace, with the answers above and overlays of the first wafer."""
    for name, sets in (("teacher", TEACHER), ("approved", STUDENT), ("student-int8", STUDENT)):
        answer(small_lot, store.model(name), sets)
    explain(store, small_lot.wafers[0], DEFAULT, "Center")
    return store.add_lot(small_lot)


def explain(
    store: Workspace, wafer: Wafer, method: str, *patterns: str, models: tuple[str, ...] = ("teacher", "approved")
) -> None:
    """Lay attributions ready in which every failing die speaks for the pattern, the teacher's twice as much.

    Without the strongest dies, as without random ones, a model says 0.25 to everything.
    """
    for strength, name in zip((0.2, 0.1), models, strict=False):
        dies = np.where(wafer.states == 2, strength, 0).astype(np.float32)
        columns = [PATTERNS.index(pattern) for pattern in patterns]
        store.put_attributions(
            store.model(name).sha256, wafer.map_hash, method, columns, np.stack([dies] * len(columns))
        )
        say(store, name, alterations(wafer, [dies] * len(columns)), [0.25] * 8)


def say(store: Workspace, name: str, wafers: Sequence[Wafer], probabilities: Sequence[float]) -> None:
    """Lay a model's answer ready, the same on all of some wafers."""
    model, maps = store.model(name), [wafer.map_hash for wafer in wafers]
    logits = np.tile(logit(probabilities), (len(maps), 1)).astype(np.float32)
    known = model.known()
    centre = known[0].centre if known else np.zeros(4, np.float32)
    store.put_scores(model.sha256, maps, Scores(logits, np.tile(centre, (len(maps), 1)), model.sha256))


def overlays(elements: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The overlays on the page by pattern and model; None for one that is awaited or cannot be had."""
    groups = elements["overlays"]["groups"]
    return {
        (group["title"], role): each["map"] for group in groups for role, each in zip(ROLES, group["maps"], strict=True)
    }


def test_a_wafer_shows_its_map_both_verdicts_and_an_overlay_a_model(
    visit: Visit, drawn: Drawn, lot_id: str, small_lot: Lot
) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    assert not app.exception
    assert app.title[0].value == "Wafer 01"
    assert [heading.value for heading in app.subheader] == ["Center", "Center", "Why"]
    elements = drawn(app)
    assert {"die-map", "bars-teacher", "bars-student", "overlays"} == set(elements)
    assert all(overlays(elements)[pair] for pair in (("Center", "teacher"), ("Center", "student")))
    (group,) = elements["overlays"]["groups"]
    assert group["note"].startswith("usual suspects")
    failing = small_lot.wafers[0].failing
    assert all(f"{failing} dies speak for Center, 0 against" in each["alt"] for each in group["maps"])
    # The dies that the estimate counts are those outlined: here all that fail, for they speak alike.
    for each in group["maps"]:
        outlined = np.frombuffer(base64.b64decode(each["map"]["signs"]["outlined"]), np.uint8)
        assert np.array_equal(outlined, (small_lot.wafers[0].states == FAIL).ravel())
    assert "Outlined: the strongest dies, 80 % of what speaks" in elements["overlays"]["scale"]["note"]
    # One scale for both, which the stronger of them sets.
    assert elements["overlays"]["scale"]["high"] == pytest.approx(0.2)
    assert {each["map"]["layers"][-1]["scale"]["high"] for each in group["maps"]} == {
        elements["overlays"]["scale"]["high"]
    }


def test_maps_too_large_for_the_browser_are_a_sentence(
    visit: Visit, drawn: Drawn, lot_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wafer_core.ui.components.dies.MOST_BYTES", 1_000)
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    assert not app.exception
    assert {"bars-teacher", "bars-student"} == set(drawn(app))
    assert texts(app).count("dies are too large to be drawn here") == 2


def test_of_a_model_without_an_answer_none_is_told(
    visit: Visit, drawn: Drawn, store: Workspace, small_lot: Lot, nobody_works: None
) -> None:
    say(store, "approved", small_lot.wafers[:1], [0.9] + [0.01] * 7)
    elements = drawn(visit("wafer", lot=store.add_lot(small_lot), wafer="L1/01"))
    (group,) = elements["overlays"]["groups"]
    assert [each["caption"] for each in group["maps"]] == ["Teacher: no answer yet", "Student 0.90"]


@pytest.fixture
def normal(store: Workspace, lot_of, disc_states, answer: Callable[..., None], nobody_works: None) -> tuple[str, Wafer]:
    """A lot of one wafer that both models call Normal, by its id, and the wafer."""
    lot = lot_of([disc_states(14, 14, 0.2, seed=1)])
    for name in ("teacher", "student"):
        answer(lot, store.model(name), ["Normal"])
    return store.add_lot(lot), lot.wafers[0]


def test_one_undo_takes_one_step_back_also_of_those_not_drawn_yet(visit: Visit, normal: tuple[str, Wafer]) -> None:
    lot_id, wafer = normal
    first = Attempt(wafer).then([90])
    page = visit("wafer", lot=lot_id, wafer=wafer.wafer, flips=first.text)
    # The second flip arrives, and Undo is pressed before it is drawn.
    page.query_params["flips"] = first.then([91]).text
    page.button(key="flip-undo").click().run()
    assert Attempt.read(address(page, "flips"), wafer).steps == ((90,),)


def test_what_names_no_die_is_said_and_the_rest_is_flipped(visit: Visit, normal: tuple[str, Wafer]) -> None:
    lot_id, wafer = normal
    page = visit("wafer", lot=lot_id, wafer=wafer.wafer, flips=Attempt(wafer).text)
    for typed, missed in (("6,6 99,99", "99,99"), ("7.5,6", r"7\.5,6")):
        page.text_input(key="flip-typed").set_value(typed)
        next(button for button in page.button if button.label == "Flip").click().run()
        assert Attempt.read(address(page, "flips"), wafer).steps == ((6 * 14 + 6,),)
        assert f"No tested die has these coordinates: {missed}" in texts(page)


def test_an_overlay_that_speaks_of_no_die_says_so(disc_states, lot_of) -> None:
    wafer = lot_of([disc_states(20, 20, 1.0, seed=0)]).wafers[0]
    against = np.where(wafer.states == FAIL, -1.0, 0.0).astype(np.float32)
    said = wafer_overlays._in_words(against, wafer, "Near-Full", "teacher")
    assert said == f"teacher: no die speaks for Near-Full, {wafer.failing:,} against"


def facts(elements: dict[str, Any], pattern: str, role: str) -> dict[str, str]:
    """What stands under an overlay."""
    (group,) = (group for group in elements["overlays"]["groups"] if group["title"] == pattern)
    return {fact["label"]: fact["text"] for fact in group["maps"][ROLES.index(role)]["facts"]}


def test_figures_stand_under_every_overlay_and_in_words(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    assert not app.exception
    wafer = small_lot.wafers[0]
    where = whereabouts(wafer, (wafer.states == FAIL).astype(np.float32))
    assert where is not None
    for role in ROLES:
        told = facts(drawn(app), "Center", role)
        before = store.scores(store.model(MODELS[role]).sha256, [wafer.map_hash]).logits[0, 0]
        fallen = f"{1 / (1 + np.exp(-before)):.2f} → 0.25"
        assert told["Without its 10 strongest dies"] == f"{fallen}, no more than random dies"
        assert told["Without 10 random ones"].endswith("→ 0.25")
        assert told["Estimate: stands on"] == f"{wafer.failing} dies, 100 % of the fails"
        assert told["Estimate: mean radius"].startswith(f"{100 * where.radius:.0f} %")
        assert list(told)[2:4] == ["Points rightly, real wafers", "Points rightly, simulated"]
    assert f"strongest of {wafer.failing} failing dies moves Center from" in texts(app).replace("\\", "")


def test_a_method_that_was_never_scored_is_said_to_be_so(
    visit: Visit, store: Workspace, small_lot: Lot, lot_id: str, tiny_folder: Path, answer: Callable[..., None]
) -> None:
    shutil.copytree(tiny_folder, store.student_root / "tiny-untrained")
    answer(small_lot, store.model("tiny-untrained"), STUDENT)
    app = visit("wafer", lot=lot_id, wafer="L1/01", teacher="tiny-untrained")
    assert not app.exception
    assert "How often it points rightly was not measured for this teacher's weights." in texts(app)


def test_a_scored_method_is_quoted_beside_chance(
    visit: Visit, drawn: Drawn, store: Workspace, small_lot: Lot, tiny_folder: Path, answer: Callable[..., None]
) -> None:
    folder = shutil.copytree(tiny_folder, store.student_root / "tiny-untrained")
    tiny = store.model("tiny-untrained")
    reached = Reached("pointing", "Center", None, 0.5, 0.4, 0.6, 0.52, 480)
    made = MadeSet(SIMULATED, "a" * 64, 500, 0)
    Record((made,), (Kept(tiny.sha256, DEFAULT, SIMULATED, reached, "command"),)).write(folder)
    for name in ("tiny-untrained", "approved"):
        answer(small_lot, store.model(name), TEACHER)
    explain(store, small_lot.wafers[0], DEFAULT, "Center", models=("tiny-untrained", "approved"))
    app = visit("wafer", lot=store.add_lot(small_lot), wafer="L1/01", teacher="tiny-untrained")
    assert not app.exception
    assert facts(drawn(app), "Center", "teacher")["Points rightly, simulated"] == "50 %, no better than chance (52 %)"
    assert "no better than chance" not in facts(drawn(app), "Center", "student")["Points rightly, simulated"]


# Flipping dies -----------------------------------------------------------------------------------


def flips(small_lot: Lot, *steps: Sequence[int]) -> Attempt:
    return Attempt(small_lot.wafers[0]).taken(steps)


def test_dies_are_flipped_by_their_coordinates_and_both_models_answer(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    wafer = small_lot.wafers[0]
    die = int(np.flatnonzero(wafer.states == FAIL)[0])
    row, column = divmod(die, wafer.frame.columns)
    for name in ("teacher", "approved"):
        say(store, name, [flipped(wafer, [die])], [0.01] * 7 + [0.9])
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    assert "The stored lot stays as it is" not in texts(app)
    app.toggle(key="flip-dies").set_value(True).run()
    assert address(app, "flips") == Attempt(wafer).text
    assert "No die is flipped." in texts(app)
    app.text_input(key="flip-typed").set_value(f"{column},{row} 0,0")
    next(button for button in app.button if button.label == "Flip").click().run()
    assert not app.exception
    assert address(app, "flips") == flips(small_lot, [die]).text
    assert f"1 made to pass. Now {wafer.failing - 1} of {wafer.passing + wafer.failing} fail." in texts(app)
    assert "The stored lot stays as it is, and so do the overlays below" in texts(app)
    assert [heading.value for heading in app.subheader][:2] == ["Random", "Random"]
    assert texts(app).count("before the flips: Center") == 2
    elements = drawn(app)
    assert elements["die-map"]["trial"]["steps"] == [[die]]
    session = elements["die-map"]["trial"]["session"]
    assert drawn(app.run())["die-map"]["trial"]["session"] == session
    other = visit("wafer", lot=lot_id, wafer="L1/01", flips=address(app, "flips"))
    assert drawn(other)["die-map"]["trial"]["session"] != session
    counts = [name for name, _ in elements["die-map"]["trial"]["key"]]
    assert counts == [f"pass {wafer.passing + 1:,}", f"fail {wafer.failing - 1:,}"]
    assert app.text_input(key="flip-typed").value == ""
    for role in ROLES:
        bars = {row["name"]: row["bars"][0] for row in elements[f"bars-{role}"]["rows"]}
        assert bars["Random"]["text"].endswith("→ 0.90")
        assert bars["Random"]["before"] < 0.5
    # What was stored explains the stored wafer still.
    assert facts(elements, "Center", "teacher")["Estimate: stands on"].startswith(f"{wafer.failing} dies")
    assert store.lot(lot_id).lot_hash == small_lot.lot_hash


def test_flips_in_the_address_are_there_after_a_refresh_and_can_be_undone(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    wafer = small_lot.wafers[0]
    one, two = np.flatnonzero(wafer.states == FAIL)[:2].tolist()
    for dies in ([one], [one, two]):
        for name in ("teacher", "approved"):
            say(store, name, [flipped(wafer, dies)], [0.1] * 8)
    app = visit("wafer", lot=lot_id, wafer="L1/01", flips=flips(small_lot, [one], [two]).text)
    assert drawn(app)["die-map"]["trial"]["steps"] == [[one], [two]]
    app.button(key="flip-undo").click().run()
    assert address(app, "flips") == flips(small_lot, [one]).text
    app.button(key="flip-reset").click().run()
    assert not app.exception
    assert address(app, "flips") == flips(small_lot).text
    assert app.button(key="flip-undo").disabled
    assert [heading.value for heading in app.subheader][:2] == ["Center", "Center"]
    app.toggle(key="flip-dies").set_value(False).run()
    assert address(app, "flips") is None
    assert "trial" not in drawn(app)["die-map"]


def test_coordinates_of_no_tested_die_are_told_where_they_were_typed(visit: Visit, lot_id: str, small_lot: Lot) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01", flips=flips(small_lot).text)
    app.text_input(key="flip-typed").set_value("0,0")
    next(button for button in app.button if button.label == "Flip").click().run()
    assert not app.exception
    assert not app.toast
    assert "No tested die has these coordinates" in app.warning[0].value
    assert app.text_input(key="flip-typed").value == "0,0"
    app.toggle(key="flip-dies").set_value(False).run()
    app.toggle(key="flip-dies").set_value(True).run()
    assert not app.warning


def test_the_next_wafer_has_nothing_flipped(visit: Visit, drawn: Drawn, lot_id: str, small_lot: Lot) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01", flips=flips(small_lot).text)
    assert app.toggle(key="flip-dies").value
    app.button(key="step-Next").click().run()
    assert not app.exception
    assert address(app, "flips") is None
    assert not app.toggle(key="flip-dies").value
    # Nor has it where a link holds the flips of another wafer.
    app = visit("wafer", lot=lot_id, wafer="L1/02", flips=flips(small_lot, [50]).text)
    assert "trial" not in drawn(app)["die-map"]


def test_an_unanswered_flip_is_asked_of_both_models_once(
    visit: Visit, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    die = int(np.flatnonzero(small_lot.wafers[0].states == FAIL)[0])
    app = visit("wafer", lot=lot_id, wafer="L1/01", flips=flips(small_lot, [die]).text)
    app.run()
    assert not app.exception
    asked = store.jobs("alter")
    assert sorted(job.payload["model"] for job in asked) == ["student", "teacher"]
    assert {tuple(job.payload["dies"]) for job in asked} == {(die,)}


def test_the_flag_stands_before_the_patterns_of_the_model_that_raised_it(
    visit: Visit, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    answer(small_lot, store.model("teacher"), TEACHER)
    answer(small_lot, store.model("student"), STUDENT, unlike=[1])
    app = visit("wafer", lot=store.add_lot(small_lot), wafer="L1/02", student="student")
    assert not app.exception
    flags = [line for line in app.markdown if "Unlike anything known" in line.value]
    assert len(flags) == 1
    assert flags[0].value.startswith(":orange-badge[:material/warning:")
    assert "the student has met nothing like this wafer" in flags[0].help
    assert [heading.value for heading in app.subheader][:2] == ["Normal", "Normal"]
    assert "Novelty 0.00" in texts(app)


@pytest.mark.parametrize(
    ("filters", "title"),
    [
        ({}, "Wafer 01"),
        ({"show": "differ"}, "Wafer 03"),
        ({"sort": "yield"}, "Wafer 06"),
        ({"pattern": "Donut"}, "Wafer 01"),
    ],
)
def test_without_a_wafer_in_the_address_the_first_found_opens(
    visit: Visit, lot_id: str, filters: dict[str, str], title: str
) -> None:
    app = visit("wafer", lot=lot_id, **filters)
    assert not app.exception
    assert app.title[0].value == title
    # Writing it down would make the browser's way back lead here again.
    assert address(app, "wafer") is None


@pytest.mark.parametrize(
    ("here", "step", "there"),
    [
        ("L1/01", "Next", "L1/02"),
        ("L1/02", "Previous", "L1/01"),
        ("L1/01", "Next disagreement", "L1/03"),
        ("L1/03", "Next disagreement", "L1/04"),
        ("L1/04", "Next disagreement", "L1/03"),
        ("03", "Next", "L1/04"),
    ],
)
def test_steps_lead_to_neighbours(visit: Visit, lot_id: str, here: str, step: str, there: str) -> None:
    app = visit("wafer", lot=lot_id, wafer=here)
    app.button(key=f"step-{step}").click().run()
    assert not app.exception
    assert address(app, "wafer") == there
    assert app.title[0].value == f"Wafer {there.removeprefix('L1/')}"


@pytest.mark.parametrize(
    ("step", "there"), [("Next", ["L1/02", "L1/03"]), ("Next disagreement", ["L1/03", "L1/04", "L1/03"])]
)
def test_a_key_pressed_again_before_its_wafer_is_drawn_goes_on_from_there(
    visit: Visit, lot_id: str, monkeypatch: pytest.MonkeyPatch, step: str, there: list[str]
) -> None:
    monkeypatch.setattr(view, "position", lambda hand, said: 0)  # the buttons stay those of the first wafer
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    reached = [address(app.button(key=f"step-{step}").click().run(), "wafer") for _ in there]
    assert not app.exception
    assert reached == there


def test_the_ends_of_a_lot_are_ends(visit: Visit, lot_id: str) -> None:
    assert visit("wafer", lot=lot_id, wafer="L1/01").button(key="step-Previous").disabled
    assert visit("wafer", lot=lot_id, wafer="L1/06").button(key="step-Next").disabled


def test_steps_follow_the_filters_of_the_lot(visit: Visit, lot_id: str) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01", pattern="Center", sort="yield")
    # By yield the fourth wafer comes before the first.
    assert "2 of 2 found in" in texts(app)
    app.button(key="step-Previous").click().run()
    assert address(app, "wafer") == "L1/04"


@pytest.mark.parametrize("method", [None, *GRADIENT_METHODS])
def test_an_onnx_student_is_explained_by_occlusion_beside_the_teacher_s_method(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot, method: str | None
) -> None:
    chosen = method or DEFAULT
    explain(store, small_lot.wafers[0], chosen, "Center", models=("teacher",))
    explain(store, small_lot.wafers[0], "occlusion", "Center", models=("student-int8",))
    asked = {} if method is None else {"method": method}
    app = visit("wafer", lot=lot_id, wafer="L1/01", student="student-int8", **asked)
    assert not app.exception
    assert not store.jobs("explain")
    assert app.segmented_control(key="address-method").value == chosen
    elements = drawn(app)
    assert all(overlays(elements).values())
    captions = [each["caption"] for each in elements["overlays"]["groups"][0]["maps"]]
    assert [caption.partition(" · ")[2] for caption in captions] == [TITLES[chosen], "Occlusion"]
    known = Record.read(store.model("student-int8").folder)
    quoted = known.figure(store.model("student-int8").sha256, "occlusion", "pointing", SIMULATED, "Center")
    assert quoted is not None
    told = facts(elements, "Center", "student")
    assert told["Points rightly, simulated"] == f"{100 * quoted.value:.0f} % (chance {100 * quoted.chance:.0f} %)"
    said = texts(app)
    assert f"Teacher by {TITLES[chosen]}: " in said
    assert "Student by Occlusion, as an ONNX file gives no gradients: " in said
    assert "compare where the models look, not how alike" in elements["overlays"]["scale"]["note"]
    assert "was not measured" not in said


def test_what_is_taken_along_says_which_method_explains_which_model(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    explain(store, small_lot.wafers[0], "occlusion", "Center", models=("student-int8",))
    app = visit("wafer", lot=lot_id, wafer="L1/01", student="student-int8")
    app.button(key="save-overlays").click().run()
    save = drawn(app)["overlays"]["save"]
    assert save["file"] == f"L1-01-{DEFAULT}-occlusion.png"
    assert save["title"] == "Wafer L1/01 · teacher by Focused DeepLift, student by Occlusion"
    # Where both are explained alike, nothing more is said.
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    assert "by Focused DeepLift" not in texts(app)
    assert [each["caption"].count("·") for each in drawn(app)["overlays"]["groups"][0]["maps"]] == [0, 0]


def test_only_missing_methods_of_each_model_are_asked_for(visit: Visit, store: Workspace, lot_id: str) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/04", student="student-int8", method="deeplift")
    assert not app.exception
    assert {(job.payload["model"], job.payload["method"]) for job in store.jobs("explain")} == {
        ("teacher", "deeplift"),
        ("student-int8", "occlusion"),
    }


def test_two_onnx_models_leave_no_method_to_choose(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot, answer: Callable[..., None]
) -> None:
    answer(small_lot, store.model("teacher-int8"), TEACHER)
    explain(store, small_lot.wafers[0], "occlusion", "Center", models=("teacher-int8", "student-int8"))
    app = visit("wafer", lot=lot_id, wafer="L1/01", teacher="teacher-int8", student="student-int8", method="deeplift")
    assert not app.exception
    assert all(overlays(drawn(app)).values())
    assert "address-method" not in [control.key for control in app.segmented_control]
    assert "by Occlusion" in texts(app)
    assert "compare where the models look" not in drawn(app)["overlays"]["scale"]["note"]


def test_a_method_stands_in_the_address(
    visit: Visit, drawn: Drawn, store: Workspace, lot_id: str, small_lot: Lot
) -> None:
    explain(store, small_lot.wafers[0], "occlusion", "Center")
    app = visit("wafer", lot=lot_id, wafer="L1/01", method="occlusion")
    assert not app.exception
    assert all(overlays(drawn(app)).values())
    assert not store.jobs("explain")


@pytest.mark.parametrize(("strength", "covers"), [(None, 1.0), ("30", 0.3), ("0", 0.0), ("31", 1.0), ("strong", 1.0)])
def test_a_strength_stands_in_the_address(
    visit: Visit, drawn: Drawn, lot_id: str, strength: str | None, covers: float
) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01", **({} if strength is None else {"strength": strength}))
    assert not app.exception
    assert [each["layers"][-1]["strength"] for each in overlays(drawn(app)).values()] == [covers] * 2


def test_a_strength_turned_on_the_page_is_written_into_the_address(visit: Visit, drawn: Drawn, lot_id: str) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    app.select_slider(key="address-strength").set_value("60").run()
    assert not app.exception
    assert address(app, "strength") == "60"
    assert [each["layers"][-1]["strength"] for each in overlays(drawn(app)).values()] == [0.6] * 2
    app.select_slider(key="address-strength").set_value("100").run()
    assert address(app, "strength") is None


def test_a_picture_is_asked_for_once(visit: Visit, drawn: Drawn, lot_id: str) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/01")
    assert "save" not in drawn(app)["overlays"]
    app.button(key="save-overlays").click().run()
    assert not app.exception
    save = drawn(app)["overlays"]["save"]
    assert save["file"] == f"L1-01-{DEFAULT}.png"
    assert "L1/01" in save["title"]
    assert save["line"].endswith(" · teacher · student")
    assert save["warnings"] == []
    assert "save" not in drawn(app.run())["overlays"]


def test_a_picture_takes_along_what_to_know_before_one_trusts_it(
    visit: Visit, drawn: Drawn, store: Workspace, small_lot: Lot, answer: Callable[..., None]
) -> None:
    answer(small_lot, store.model("teacher"), TEACHER, margin=0.001)
    answer(small_lot, store.model("student"), STUDENT, margin=0.001, unlike=[0])
    explain(store, small_lot.wafers[0], DEFAULT, "Center", models=("teacher", "student"))
    app = visit("wafer", lot=store.add_lot(small_lot), wafer="L1/01", student="student")
    app.button(key="save-overlays").click().run()
    assert not app.exception
    assert drawn(app)["overlays"]["save"]["warnings"] == ["Teacher: unsure", "Student: unlike anything known, unsure"]


def test_missing_overlays_are_queued_once_a_model(visit: Visit, drawn: Drawn, store: Workspace, lot_id: str) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/04")
    app.run()
    assert not app.exception
    jobs = store.jobs("explain")
    assert {(job.payload["model"], tuple(job.payload["patterns"])) for job in jobs} == {
        (name, (PATTERNS.index("Center"), PATTERNS.index("Scratch"))) for name in ("teacher", "student")
    }
    assert len(jobs) == 2
    captions = [each["caption"] for group in drawn(app)["overlays"]["groups"] for each in group["maps"]]
    assert sum("not named" in caption for caption in captions) == 1


def test_a_normal_wafer_needs_no_explanation(visit: Visit, lot_id: str) -> None:
    app = visit("wafer", lot=lot_id, wafer="L1/02")
    assert "nothing to explain" in texts(app)


@pytest.mark.parametrize("name", ["99", "L2/01"])
def test_a_wafer_that_is_not_there_gets_a_sentence(visit: Visit, lot_id: str, name: str) -> None:
    app = visit("wafer", lot=lot_id, wafer=name)
    assert not app.exception
    assert f"There is no wafer {name!r} in small" in app.error[0].value


def test_a_wafer_nobody_tested_is_said_to_be_so(
    visit: Visit,
    store: Workspace,
    untested_states: Callable[..., np.ndarray],
    lot_of: Callable[..., Lot],
    answer: Callable[..., None],
) -> None:
    lot = lot_of([untested_states(9, 9)])
    for name in ("teacher", "approved"):
        answer(lot, store.model(name), ["Normal"], margin=np.nan)
    app = visit("wafer", lot=store.add_lot(lot))
    assert not app.exception
    assert [note.value for note in app.info] == [
        "No die of this wafer was tested, so there is nothing to recognise."
    ] * 2


def test_bins_are_a_colour_of_their_own_and_labels_are_told(
    visit: Visit, store: Workspace, disc_states: Callable[..., np.ndarray], answer: Callable[..., None]
) -> None:
    states = disc_states(12, 12, 0.3)
    bins = np.where(states == NO_DIE, -1, states).astype(np.int32)
    lot = Lot(
        "binned",
        (Wafer("L1", "01", Frame(12, 12), states, bins=bins, labels=flags(["Center", "Donut"]), notch="left"),),
    )
    for name in ("teacher", "approved"):
        answer(lot, store.model(name), ["Normal"])
    app = visit("wafer", lot=store.add_lot(lot), colour="bin")
    assert not app.exception
    assert app.segmented_control(key="address-colour").value == "bin"
    assert "labelled Center + Donut in its file" in texts(app)
    assert "notch left" in texts(app)


def test_the_csv_of_overlays_has_a_row_a_die(small_lot: Lot) -> None:
    wafer = small_lot.wafers[2]
    dies = np.arange(wafer.states.size, dtype=np.float32).reshape(wafer.states.shape)
    methods = {"teacher": "deeplift", "student": "occlusion"}
    table = die_table(wafer, {"teacher": {6: dies, 0: dies}, "student": {0: -dies}}, methods)
    assert list(table) == [
        *("die", "x", "y", "state"),
        *("teacher Center by DeepLift", "teacher Scratch by DeepLift", "student Center by Occlusion"),
    ]
    assert len(table) == wafer.dies
    assert table["die"].tolist() == list(range(1, wafer.dies + 1))
    first = table.iloc[0]
    assert wafer.states[first.y, first.x] != NO_DIE
    assert first["teacher Center by DeepLift"] == dies[first.y, first.x] == -first["student Center by Occlusion"]


def test_a_die_without_influence_is_zero_in_the_csv(small_lot: Lot) -> None:
    wafer = small_lot.wafers[2]
    silent = {"teacher": {0: np.full(wafer.states.shape, -0.0, np.float32)}}
    table = die_table(wafer, silent, {"teacher": "deeplift"})
    assert "-0" not in table.to_csv(columns=["teacher Center by DeepLift"])
