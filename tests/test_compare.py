"""Figures against tables worked out by hand, and intervals against brute force."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import product
from math import comb

import numpy as np
import pytest

from wafer_core.compare import accuracy, agreement, groups_of, labels_of, mcnemar_exact, paired, wilson
from wafer_core.compare.guard import ALLOWED_LOSS, judged
from wafer_core.compare.intervals import by_group, newcombe
from wafer_core.decode import Verdicts
from wafer_core.lot import Frame, Lot, Wafer
from wafer_core.patterns import PATTERNS, flags

CENTER, SCRATCH, LOC = PATTERNS.index("Center"), PATTERNS.index("Scratch"), PATTERNS.index("Loc")


def sets(*titles):
    return np.array([flags(filter(None, title.split("+"))) for title in titles], dtype=bool).reshape(-1, len(PATTERNS))


def verdicts(*titles, unscored=()):
    detected = sets(*titles)
    margin = np.ones(len(detected), np.float32)
    margin[list(unscored)] = np.nan
    nothing = np.zeros_like(detected)
    return Verdicts(detected, nothing, margin, nothing[:, 0], nothing.astype(np.float32), margin)


def wafer(lot, name, labels=None):
    return Wafer(lot, name, Frame(1, 1), np.ones((1, 1), np.uint8), labels=labels)


LABELS = sets("Center", "Center", "Center+Scratch", "Scratch", "", "", "Loc", "")
CALLED = sets("Center", "Loc", "Center+Scratch", "", "", "Center", "Loc", "")


def test_accuracy_is_the_table_worked_out_by_hand():
    found = accuracy(CALLED, LABELS)
    assert (found.n, found.lots) == (8, None)
    assert found.exact.value == 5 / 8
    assert (found.exact_mixed.value, found.exact_mixed.n) == (1.0, 1)
    assert (found.false_alarms.value, found.false_alarms.n) == (1 / 3, 3)
    center, scratch, loc = (found.patterns[k] for k in (CENTER, SCRATCH, LOC))
    assert (center.precision.value, center.recall.value, center.f1.value) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (center.support, center.called, center.f1.n) == (3, 3, 4)
    assert (scratch.precision.value, scratch.recall.value, scratch.f1.value) == pytest.approx((1.0, 0.5, 2 / 3))
    assert (loc.precision.value, loc.recall.value, loc.f1.value) == pytest.approx((0.5, 1.0, 2 / 3))
    assert found.macro_f1.value == pytest.approx(2 / 3)
    assert not found.patterns[PATTERNS.index("Donut")].f1.known


def test_a_pattern_with_few_wafers_leaves_the_macro_f1():
    labels, called = sets("Center", "Center", "Scratch"), sets("Center", "Center", "")
    assert accuracy(called, labels).macro_f1.value == 0.5
    assert accuracy(called, labels, least_support=2).macro_f1.value == 1.0
    assert not accuracy(called, labels, least_support=3).macro_f1.known


@pytest.mark.parametrize("groups", [None, ["a", "b", "c", "d", "a", "b", "c", "d"]])
def test_every_figure_lies_in_its_interval_and_repeats(groups):
    found = accuracy(CALLED, LABELS, groups)
    assert found == accuracy(CALLED, LABELS, groups)
    for name, rate in found.figures().items():
        assert 0 <= rate.low <= rate.value <= rate.high <= 1, name
        assert rate.low < rate.high, name
        assert rate.n >= 1, name
    assert json.dumps([rate.value for rate in found.figures().values()], allow_nan=False)
    assert found.figures().keys() >= {"exact match", "macro-F1", "F1, Center"}
    assert {
        f"{figure}, Scratch": found.figures()[f"{figure}, Scratch"].value for figure in ("precision", "recall")
    } == {
        "precision, Scratch": 1.0,
        "recall, Scratch": 0.5,
    }


@pytest.mark.parametrize("labels", [sets(), sets("", ""), sets("Center")])
def test_nothing_to_count_is_not_a_figure(labels):
    figures = accuracy(labels, labels).figures()
    assert all(rate.value in (0.0, 1.0) for rate in figures.values())
    assert "exact match, two patterns or more" not in figures
    assert ("macro-F1" in figures) == labels.any()


def test_lots_that_fail_alike_say_less_than_as_many_lots():
    labels = sets(*["Center"] * 100)
    called = sets(*["Center"] * 80, *[""] * 20)
    lots = [str(i // 20) for i in range(100)]
    by_wafer, by_lot = accuracy(called, labels).exact, accuracy(called, labels, lots).exact
    assert by_lot.value == by_wafer.value
    assert by_lot.high - by_lot.low > 1.5 * (by_wafer.high - by_wafer.low)


def test_the_bootstrap_over_lots_draws_every_way_there_is():
    labels, lots = sets(*["Center"] * 6), ["a", "a", "a", "b", "c", "c"]
    called = sets("Center", "", "", "Center", "Center", "")
    hits, sizes = {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 1, "c": 2}
    every = [sum(hits[i] for i in draw) / sum(sizes[i] for i in draw) for draw in product("abc", repeat=3)]
    exact = accuracy(called, labels, lots).exact
    # The rarest ways, one lot drawn thrice, have a chance of 1 in 27 each: more than 2.5 %.
    assert (exact.low, exact.high) == (min(every), max(every))


def test_one_lot_is_not_certain():
    labels = sets(*["Center"] * 12)
    exact = accuracy(labels, labels, ["only"] * 12).exact
    assert (exact.value, exact.high) == (1.0, 1.0)
    assert exact.low == pytest.approx(wilson(1, 1).low)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, the score method.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_the_published_interval(hits, n, low, high):
    rate = wilson(hits, n)
    assert (rate.value, rate.n) == (hits / n, n)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_unknown():
    assert not wilson(0, 0).known
    assert str(wilson(0, 0)) == "nothing to count"
    assert str(wilson(1, 2)).startswith("50.0 % (")


@pytest.mark.parametrize(
    ("table", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998) 2635-2650, table III, method 10; then where both are mostly right
    # and hardly ever part, below and beyond what the method takes off for continuity.
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((54, 0, 0, 0), -0.0664, 0.0664),
        ((97, 1, 1, 1), -0.0487, 0.0487),
        ((90, 6, 2, 2), -0.0226, 0.1088),
        ((40, 5, 3, 12), -0.0653, 0.1321),
        ((50, 8, 3, 1), -0.0314, 0.1958),
    ],
)
def test_newcombe_is_the_published_interval(table, low, high):
    found = newcombe(*table)
    assert found == pytest.approx((low, high), abs=5e-5)
    both, one, other, neither = table
    assert found[0] <= (one - other) / sum(table) <= found[1]
    assert newcombe(both, other, one, neither) == pytest.approx((-found[1], -found[0]))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 0), (0, 6), (3, 9), (7, 7), (40, 12)])
def test_mcnemar_is_the_sum_over_all_equally_likely_outcomes(b, c):
    n = b + c
    worse = sum(comb(n, k) for k in range(n + 1) if abs(k - n / 2) >= abs(b - n / 2))
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b) == pytest.approx(worse / 2**n)


def test_mcnemar_is_exact_for_thousands():
    assert mcnemar_exact(6000, 6000) == 1.0
    assert 0 < mcnemar_exact(5000, 5400) < 1e-3


def test_paired_counts_who_alone_is_right():
    labels = sets("Center", "Center", "Scratch", "", "Loc")
    teacher = sets("Center", "Center", "Scratch", "Loc", "")
    student = sets("Center", "", "Loc", "", "")
    found = paired(teacher, student, labels)
    assert (found.n, found.teacher_only, found.student_only) == (5, 2, 1)
    assert found.loss.value == pytest.approx(0.2)
    assert found.loss.low <= 0 <= found.loss.value <= found.upper <= found.loss.high
    assert found.p == 1.0


def test_paired_by_lot_is_wider_when_a_lot_loses_together():
    labels = teacher = sets(*["Center"] * 200)
    student = sets(*["Center"] * 180, *[""] * 20)
    lots = [str(i // 20) for i in range(200)]
    alone, together = paired(teacher, student, labels), paired(teacher, student, labels, lots)
    assert alone.loss.value == together.loss.value == pytest.approx(0.1)
    assert together.loss.high - together.loss.low > 1.5 * (alone.loss.high - alone.loss.low)
    assert together.upper <= together.loss.high
    assert together.upper > 1.3 * alone.upper


def test_bounds_by_lot_are_those_of_every_way_to_draw_as_many_lots():
    """The ten lots lose none, one, two ... nine of their twenty wafers; a draw's total has a known distribution."""
    labels = teacher = sets(*["Center"] * 200)
    student = labels.copy()
    for lot in range(10):
        student[20 * lot : 20 * lot + lot] = False
    chances = np.ones(1)
    for _ in range(10):
        chances = np.convolve(chances, np.full(10, 0.1))
    low, upper, high = np.searchsorted(chances.cumsum(), [0.025, 0.95, 0.975]) / 200
    found = paired(teacher, student, labels, [str(i // 20) for i in range(200)])
    assert (found.loss.low, found.upper, found.loss.high) == pytest.approx((low, upper, high), abs=1.01 / 200)
    alone = paired(teacher, student, labels)
    assert found.loss.low < alone.loss.low
    assert found.upper > alone.upper
    assert found.loss.high > alone.loss.high


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1)])
def test_lots_never_make_a_few_discordant_wafers_surer_than_they_are(lost, gained):
    labels = sets(*["Center"] * 200)
    teacher, student = labels.copy(), labels.copy()
    student[:lost] = False
    teacher[100 : 100 + gained] = False
    alone = paired(teacher, student, labels)
    together = paired(teacher, student, labels, [str(i // 20) for i in range(200)])
    assert together.upper >= alone.upper > 0.004
    assert together.loss.low <= alone.loss.low < 0 < alone.loss.high <= together.loss.high


@pytest.mark.parametrize("lots", [None, ["a", "b"] * 50])
def test_no_discordant_wafer_is_still_uncertain(lots):
    labels = sets(*["Center"] * 100)
    found = paired(labels, labels, labels, lots)
    assert (found.loss.value, found.p) == (0.0, 1.0)
    assert 0 < found.upper < found.loss.high < 0.05


def test_agreement_counts_what_both_have_scored():
    teacher = verdicts("Center", "Center+Loc", "", "", "Scratch", "Loc", unscored=[5])
    student = verdicts("Center", "Center", "", "Loc", "Scratch", "Loc")
    found = agreement(teacher, student)
    assert (found.n, found.same) == (5, 3)
    assert found.share == wilson(3, 5)
    assert found.share_defective == wilson(2, 4)
    assert (found.both[CENTER], found.teacher_only[LOC], found.student_only[LOC]) == (2, 1, 1)
    assert (found.both[SCRATCH], found.teacher_only[SCRATCH], found.student_only[SCRATCH]) == (1, 0, 0)


def test_agreement_tells_the_teachers_calls_from_the_students():
    found = agreement(verdicts("Loc", "Center+Loc", "", "Loc"), verdicts("", "Center", "Loc", "Loc"))
    assert (found.both[LOC], found.teacher_only[LOC], found.student_only[LOC]) == (1, 2, 1)
    assert (found.n, found.same) == (4, 1)


def test_agreement_over_lots_leaves_unscored_wafers_out_of_their_lots():
    lots = [str(i // 20) for i in range(100)]
    ours, theirs = ["Center"] * 100, ["Center"] * 80 + [""] * 20
    expected = agreement(verdicts(*ours), verdicts(*theirs), lots)
    # One that the teacher has not scored and one that the student has not, amid the first lot.
    ours[10:10], theirs[10:10], lots[10:10] = ["Loc"] * 2, ["Loc"] * 2, ["odd"] * 2
    assert agreement(verdicts(*ours, unscored=[10]), verdicts(*theirs, unscored=[11]), lots) == expected


def test_agreement_over_lots_draws_them_whole():
    teacher = verdicts(*["Center"] * 100, "Loc", unscored=[100])
    student = verdicts(*["Center"] * 80, *[""] * 20, "Loc")
    alone, together = agreement(teacher, student), agreement(teacher, student, [str(i // 20) for i in range(101)])
    assert (together.n, together.same, together.share.value) == (100, 80, alone.share.value)
    for one, two in ((alone.share, together.share), (alone.share_defective, together.share_defective)):
        assert two.high - two.low > 1.5 * (one.high - one.low)
    assert together == agreement(teacher, student, [str(i // 20) for i in range(101)])


def test_every_pattern_has_its_figures():
    found = accuracy(CALLED, LABELS).patterns
    assert [entry.pattern for entry in found] == list(PATTERNS)
    assert found[CENTER].f1.low <= found[CENTER].f1.value <= found[CENTER].f1.high


def test_nothing_compared_has_no_figures():
    nothing = verdicts("Center", unscored=[0])
    for groups in (None, ["a"]):
        found = agreement(nothing, nothing, groups)
        assert (found.n, found.share.known, found.share_defective.known) == (0, False, False)


@pytest.mark.parametrize("called", [sets("Center"), np.zeros((2, 7), bool)])
def test_verdicts_must_fit_the_labels(called):
    with pytest.raises(ValueError, match="must both be"):
        accuracy(called, sets("Center", "Loc"))


def test_lots_count_where_there_are_enough():
    few = Lot("few", tuple(wafer("A", str(i), flags(["Loc"])) for i in range(20)))
    many = Lot("many", tuple(wafer(str(i // 2), str(i), flags(["Loc"])) for i in range(20)))
    assert groups_of(few) is None
    assert groups_of(many) == [str(i // 2) for i in range(20)]
    assert labels_of(few).sum() == 20
    with pytest.raises(ValueError, match="without labels"):
        labels_of(replace(few, wafers=(wafer("A", "1"),)))


@pytest.mark.parametrize(("lots", "enough"), [(9, False), (10, True)])
def test_ten_lots_are_enough(lots, enough):
    lot = Lot("some", tuple(wafer(str(i % lots), str(i)) for i in range(40)))
    assert (groups_of(lot) is not None) == enough


@pytest.mark.parametrize(
    ("n", "lost", "gained", "said"),
    [
        (3000, 0, 0, "kept"),
        (3000, 10, 12, "kept"),
        (3000, 8, 0, "kept"),  # by the one-sided bound; the two-sided interval reaches beyond what is allowed
        (3000, 40, 38, "open"),
        (3000, 15, 0, "open"),
        (3000, 16, 0, "lost"),
        (200, 0, 0, "open"),
        (200, 2, 0, "lost"),
    ],
)
def test_the_guard_asks_what_was_lost_and_what_is_not_ruled_out(n, lost, gained, said):
    labels = np.zeros((n, 8), bool)
    shipped, new = labels.copy(), labels.copy()
    new[:lost, 0] = True
    shipped[lost : lost + gained, 0] = True
    against = paired(shipped, new, labels)
    assert judged(against) == said
    assert (against.loss.value > ALLOWED_LOSS) == (said == "lost")


def test_sums_by_lot_keep_their_total():
    counted = np.arange(12.0).reshape(6, 2)
    lots, sums = by_group(counted, ["b", "a", "b", "c", "a", "b"])
    assert lots == 3
    assert sums.sum(axis=0) == pytest.approx(counted.sum(axis=0))
    assert sums[0] == pytest.approx(counted[1] + counted[4])


def test_comparing_needs_neither_torch_nor_captum():
    code = "import sys, wafer_core.compare, wafer_core.explain; print({'torch', 'captum'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
