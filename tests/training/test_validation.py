from dataclasses import replace

import numpy as np
import pytest

from wafer_core.patterns import PATTERNS, flags
from wafer_core.training.validation import (
    Examples,
    blemished_examples,
    choose_thresholds,
    examples,
    figures,
    interrupted,
    validation_figures,
)

NAMES = ("resized", "native", "normals re-gridded", "overlays", "simulated")


def logit(p):
    return np.log(p / (1 - p))


def separated(low, high, count=20):
    """A set in which every pattern is on half of the wafers, with probability `high` there and `low` elsewhere."""
    labels = np.tile((np.arange(count) % 2 == 0)[:, None], 8)
    return np.where(labels, logit(high), logit(low)).astype(np.float32), labels


def set_of(rows, name="resized", decoder="free"):
    return Examples(name, np.zeros((len(rows), 2, 4, 4), np.float16), np.array([flags(row) for row in rows]), decoder)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.3, 0.7), (0.8, 0.9)])
def test_a_threshold_lies_in_the_middle_of_the_gap(low, high):
    assert choose_thresholds([separated(low, high)]) == pytest.approx((np.mean((low, high)),) * 8, abs=0.02)


def test_a_threshold_serves_all_sets():
    assert choose_thresholds([separated(0.1, 0.6), separated(0.4, 0.9)]) == pytest.approx((0.5,) * 8, abs=0.02)


def test_a_set_without_a_pattern_has_no_say_in_its_threshold():
    logits, labels = separated(0.1, 0.3)
    silent = labels.copy()
    silent[:, 2] = False
    chosen = choose_thresholds([(logits, labels), (logits + 9, silent)])
    assert chosen[2] == pytest.approx(0.2, abs=0.02)


def test_figures_count_what_they_say():
    wafers = set_of([[]] * 20 + [["Loc"], ["Loc"], ["Center"]])
    said = np.array([flags(row) for row in [[]] * 15 + [["Random"]] * 5 + [["Loc"], ["Scratch"], ["Center"]]])
    found = figures(wafers, np.where(said, 9.0, -9.0).astype(np.float32), (0.5,) * 8)
    assert found["exact"] == pytest.approx(17 / 23)
    assert found["false alarms"] == pytest.approx(1 / 4)
    assert found["Loc"] == pytest.approx(2 / 3)
    assert found["Center"] == 1.0
    assert found["macro F1"] == pytest.approx((2 / 3 + 1) / 2)
    assert "macro F1 (10+)" not in found
    assert set(found) & set(PATTERNS) == {"Loc", "Center"}


def test_normal_wafers_alone_have_no_f1():
    wafers = set_of([[]] * 20)
    assert figures(wafers, np.full((20, 8), -9, np.float32), (0.5,) * 8) == {"exact": 1.0, "false alarms": 0.0}


def test_a_handful_of_normal_wafers_has_no_share_of_false_alarms():
    assert "false alarms" not in figures(set_of([[]] * 19), np.full((19, 8), 9, np.float32), (0.5,) * 8)


def test_patterns_with_ten_wafers_have_a_mean_of_their_own():
    wafers = set_of([["Loc"]] * 10 + [["Center"]])
    logits = np.where(wafers.labels, 9.0, -9.0).astype(np.float32)
    logits[10] = -9.0
    found = figures(wafers, logits, (0.5,) * 8)
    assert (found["macro F1"], found["macro F1 (10+)"]) == (0.5, 1.0)


def test_figures_follow_the_decoder():
    wafers = set_of([["Center", "Donut"]], decoder="free")
    logits = np.where(wafers.labels, 9.0, -9.0).astype(np.float32)
    assert figures(wafers, logits, (0.5,) * 8)["exact"] == 1.0
    assert figures(wafers, logits, (0.5,) * 8, "38")["exact"] == 0.0
    assert "false alarms" not in figures(wafers, logits, (0.5,) * 8)


def test_a_card_hears_where_its_figures_come_from():
    sets = [set_of([[]] * 20 + [["Loc"]]), replace(set_of([["Loc"], []], "simulated", "38"), source="")]
    logits = {one.name: np.where(one.labels, 9.0, -9.0).astype(np.float32) for one in sets}
    found = validation_figures("t.safetensors", sets, logits, (0.5,) * 8, "command")
    assert {(one.set, one.metric, one.n) for one in found} == {
        ("WM-811K resized", "exact match", 21),
        ("WM-811K resized", "macro-F1", 21),
        ("WM-811K resized", "normal wafers called defective", 20),
        ("simulated", "exact match", 2),
        ("simulated", "macro-F1", 2),
    }
    assert all((one.file, one.split, one.command) == ("t.safetensors", "validation", "command") for one in found)
    assert {one.set_sha256 for one in found} == {one.sha256 for one in sets}


def test_a_sets_hash_sees_maps_and_labels():
    one, other = set_of([["Loc"]]), set_of([["Center"]])
    moved = Examples("resized", one.maps + np.float16(1), one.labels, "free")
    assert len({one.sha256, other.sha256, moved.sha256}) == 3
    assert set_of([["Loc"]], "another name").sha256 == one.sha256


@pytest.fixture(scope="module")
def sets(fake_data):
    return examples(fake_data, "validation", size=12, overlays=25, simulated=25)


def test_a_part_gives_five_sets(sets):
    assert tuple(one.name for one in sets) == NAMES
    assert [len(one.labels) for one in sets] == [18, 2, 2, 25, 25]
    assert [one.decoder for one in sets] == ["free"] * 4 + ["38"]
    for one in sets:
        assert one.maps.shape == (len(one.labels), 2, 12, 12)
        assert one.maps.dtype == np.float16


def test_sets_hold_what_they_are_called(sets):
    by_name = {one.name: one for one in sets}
    assert not by_name["normals re-gridded"].labels.any()
    assert (by_name["resized"].labels.sum(axis=1) <= 1).all()
    assert (by_name["overlays"].labels.sum(axis=1) == 2).all()
    assert by_name["simulated"].labels.sum(axis=1).max() > 2


def test_sets_repeat_and_differ_between_parts(fake_data, sets):
    again, test = (examples(fake_data, part, size=12, overlays=25, simulated=25) for part in ("validation", "test"))
    assert [one.sha256 for one in again] == [one.sha256 for one in sets]
    assert not {one.sha256 for one in test} & {one.sha256 for one in sets}


def test_blemished_wafers_are_a_set_of_their_own(sets):
    one, again, test = (blemished_examples(part, 12, 25) for part in ("validation", "validation", "test"))
    assert (one.name, one.title, one.decoder) == ("simulated, blemished", "simulated, blemished", "38")
    assert one.maps.shape == (25, 2, 12, 12)
    assert one.labels.sum(axis=1).max() > 2
    assert one.sha256 == again.sha256 != test.sha256
    # A die that is not tested neither passes nor fails.
    simulated = next(each for each in sets if each.name == "simulated")
    assert one.maps.sum(axis=(1, 2, 3)).min() < 0.95 * simulated.maps.sum(axis=(1, 2, 3)).min()


def test_an_interrupted_test_leaves_the_last_rows_out(fake_data, sets):
    whole = next(one for one in sets if one.name == "native")
    ten, half = interrupted(fake_data, "validation", 12, (0.1, 0.5))
    assert (ten.name, half.name) == ("native, 10% of rows untested", "native, 50% of rows untested")
    assert ten.groups == whole.groups
    assert np.array_equal(half.labels, whole.labels)
    tested = half.maps.sum(axis=(1, 2, 3)) / whole.maps.sum(axis=(1, 2, 3))
    assert tested == pytest.approx(0.5, abs=0.1)
    assert np.allclose(half.maps[:, :, :4], whole.maps[:, :, :4])
