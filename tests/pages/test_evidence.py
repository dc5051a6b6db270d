"""What stands under an overlay, in words and figures: every one measured, chance beside it, nothing made up."""

import os
import shutil
from dataclasses import replace

import pytest

from wafer_core.models.folder import files_of
from wafer_core.trust.altered import TakenAway
from wafer_core.trust.record import OVERLAYS, RECORD, SIMULATED, Kept, MadeSet, Record
from wafer_core.trust.tally import Reached
from wafer_core.trust.whereabouts import Whereabouts
from wafer_core.ui.shared import evidence

WEIGHTS, METHOD = "1" * 64, "deeplift"


def kept(made=SIMULATED, pattern="Scratch", low=0.9, value=0.93, method=METHOD):
    return Kept(WEIGHTS, method, made, Reached("pointing", pattern, None, value, low, 0.95, 0.52, 480), "command")


def record(*figures):
    sets = tuple(MadeSet(name, "a" * 64, 500, 0) for name in (SIMULATED, OVERLAYS))
    return Record(sets, figures)


def lines(facts):
    return [(fact["label"], fact["text"], fact["grave"]) for fact in facts]


def test_ten_strongest_dies_stand_beside_ten_random_ones():
    facts = evidence.removal("Scratch", TakenAway(10, 143, 0.97, 0.31, 0.95))
    assert lines(facts) == [
        ("Without its 10 strongest dies", "0.97 → 0.31", False),
        ("Without 10 random ones", "0.97 → 0.95", False),
    ]
    assert facts[0]["hint"] == (
        "Taking away its 10 strongest of 143 failing dies moves Scratch from 0.97 to 0.31; "
        "10 random failing dies: 0.95."
    )


@pytest.mark.parametrize(
    ("failing", "taken"), [(1, "its only failing die"), (7, "all its 7 failing dies"), (10, "all its 10 failing dies")]
)
def test_where_no_more_than_ten_dies_fail_it_says_so(failing, taken):
    (fact,) = evidence.removal("Loc", TakenAway(failing, failing, 0.6, 0.1, None))
    assert (fact["label"], fact["text"]) == (f"Without {taken}", "0.60 → 0.10")
    assert fact["hint"] == f"Taking away {taken} moves Loc from 0.60 to 0.10."


@pytest.mark.parametrize(
    ("after", "named", "text", "grave"),
    [
        (0.78, True, "0.76 → 0.78, no lower", True),
        (0.758, True, "0.76 → 0.76, no lower", True),
        (0.75, True, "0.76 → 0.75", False),
        (0.78, False, "0.76 → 0.78", False),
    ],
)
def test_an_answer_that_does_not_fall_without_its_strongest_dies_is_marked(after, named, text, grave):
    (strongest, at_random) = evidence.removal("Loc", TakenAway(10, 143, 0.76, after, 0.81), named)
    assert (strongest["text"], strongest["grave"]) == (text, grave)
    assert ("does not fall" in strongest["hint"]) == grave
    assert (at_random["text"], at_random["grave"]) == ("0.76 → 0.81", False)
    (all_,) = evidence.removal("Loc", TakenAway(7, 7, 0.76, after, None), named)
    assert (all_["text"], all_["grave"]) == (text, grave)


@pytest.mark.parametrize(
    ("after", "at_random", "named", "text", "grave"),
    [
        (0.45, 0.43, True, "0.49 → 0.45, no more than random dies", True),
        (0.45, 0.451, True, "0.49 → 0.45, no more than random dies", True),
        (0.44, 0.45, True, "0.49 → 0.44", False),
        (0.45, 0.43, False, "0.49 → 0.45", False),
        (0.49, 0.43, True, "0.49 → 0.49, no lower", True),
    ],
)
def test_an_answer_that_random_dies_move_as_far_is_marked(after, at_random, named, text, grave):
    (strongest, beside) = evidence.removal("Loc", TakenAway(10, 143, 0.49, after, at_random), named)
    assert (strongest["text"], strongest["grave"]) == (text, grave)
    assert ("no more than without random dies" in strongest["hint"]) == ("random" in text)
    assert not beside["grave"]


def test_a_method_is_quoted_as_it_was_scored_on_these_weights():
    facts = evidence.pointing(record(kept(), kept(OVERLAYS, value=0.91)), WEIGHTS, METHOD, "Scratch")
    # What real wafers say stands before what simulated ones do.
    assert lines(facts) == [
        ("Points rightly, real wafers", "91 % (chance 52 %)", False),
        ("Points rightly, simulated", "93 % (chance 52 %)", False),
    ]
    assert [fact["hint"] for fact in facts] == [
        "On 480 wafers laid over each other from two real ones this method points at Scratch rightly 91 % of the time "
        "(chance 52 %; 95 % interval 90 to 95).",
        "On 480 simulated wafers this method points at Scratch rightly 93 % of the time (chance 52 %; 95 % interval "
        "90 to 95).",
    ]


def test_no_better_than_chance_is_said_aloud():
    worse = kept(low=0.5, value=0.55)
    assert lines(evidence.pointing(record(worse), WEIGHTS, METHOD, "Scratch")) == [
        ("Points rightly, simulated", "55 %, no better than chance (52 %)", True)
    ]
    beside = evidence.pointing(record(kept(), kept(OVERLAYS, low=0.4, value=0.5)), WEIGHTS, METHOD, "Scratch")
    assert lines(beside) == [
        ("Points rightly, real wafers", "50 %, no better than chance (52 %)", True),
        ("Points rightly, simulated", "93 % (chance 52 %)", False),
    ]


def test_what_was_not_scored_is_not_quoted():
    known = record(kept(), kept(method="gradcam"))
    assert evidence.pointing(known, WEIGHTS, "occlusion", "Scratch") == []
    assert evidence.pointing(known, "2" * 64, METHOD, "Scratch") == []
    assert lines(evidence.pointing(known, WEIGHTS, METHOD, "Donut")) == [("Points rightly", "not scored", False)]


@pytest.mark.parametrize(
    ("clock", "line", "words"), [(4, "82 %, 4 o'clock", "towards 4 o'clock"), (None, "82 %, all around", "on no side")]
)
def test_a_place_is_named_as_an_estimate(clock, line, words):
    facts = evidence.place("Scratch", Whereabouts(57, 143, 0.82, clock))
    assert lines(facts) == [
        ("Estimate: stands on", "57 dies, 40 % of the fails", False),
        ("Estimate: mean radius", line, False),
    ]
    assert words in facts[0]["hint"]
    assert "57 strongest of 143 failing dies" in facts[0]["hint"]


def test_weights_that_were_never_scored_are_named(tiny_folder, tmp_path):
    there, never = (files_of(shutil.copytree(tiny_folder, tmp_path / name))[0] for name in ("there", "never"))
    figure = Kept(
        there.sha256, METHOD, SIMULATED, Reached("pointing", "Scratch", None, 0.93, 0.9, 0.95, 0.52, 480), "command"
    )
    record(figure).write(there.folder)
    assert evidence.unscored([there], METHOD) == ""
    assert evidence.unscored([there, never], METHOD).endswith(f"was not measured for this {never.role}'s weights.")
    assert evidence.unscored([never, never], METHOD).endswith("was not measured for these weights.")
    assert evidence.unscored([there], "gradcam").endswith("was not measured for these weights.")


def test_a_record_that_is_measured_anew_is_read_anew(tiny_folder, tmp_path):
    model = files_of(shutil.copytree(tiny_folder, tmp_path / "model"))[0]
    for when, value in enumerate((0.91, 0.94), start=1):
        figure = replace(kept(value=value), sha256=model.sha256)
        record(figure).write(model.folder)
        os.utime(model.folder / RECORD, ns=(when, when))
        assert evidence.record(model).figures == (figure,)
