"""Evidence laid on one another: every wafer counts the same, mixed ones are unmixed, grids stay apart."""

import numpy as np
import pytest

from wafer_core.explain.stacking import companions, evidence_share, stack_evidence, strongest_dies
from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Wafer

LEFT, RIGHT = 0, 6


def wafer(cells, **frame):
    """A wafer of states given row by row as text: `.` no die, `p` pass, `F` fail, `u` untested."""
    named = {".": NO_DIE, "p": PASS, "F": FAIL, "u": UNTESTED}
    states = np.array([[named[cell] for cell in row] for row in cells.split()], dtype=np.uint8)
    return Wafer("L", "01", Frame(*states.shape, **frame), states)


def credit(*rows):
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize(
    ("cells", "attribution", "share"),
    [
        ("FF pp", credit([3, 1], [0, 0]), [[0.75, 0.25], [0, 0]]),
        # What speaks against the pattern takes nothing away from what speaks for it.
        ("FF Fp", credit([3, 1], [-9, 0]), [[0.75, 0.25], [0, 0]]),
        # Coarse methods credit dies that pass, were not tested or are not there.
        ("Fp u.", credit([2, 5], [5, 5]), [[1, 0], [0, 0]]),
        ("pp pp", credit([1, 1], [1, 1]), [[0, 0], [0, 0]]),
        ("FF FF", credit([-1, 0], [0, -1]), [[0, 0], [0, 0]]),
    ],
)
def test_evidence_is_what_is_positive_on_failing_dies(cells, attribution, share):
    np.testing.assert_allclose(evidence_share(attribution, wafer(cells).states), share)


def test_every_wafer_counts_the_same_however_loud_it_is():
    wafers = [wafer("FFp"), wafer("Fpp"), wafer("ppF")]
    loud, quiet, other = credit([300, 100, 0]), credit([0.001, 0, 0]), credit([0, 0, 7])
    (stack,) = stack_evidence(wafers, [(2, LEFT, other), (0, LEFT, loud), (1, LEFT, quiet)])[LEFT]
    np.testing.assert_allclose(stack.share, [[1.75 / 3, 0.25 / 3, 1 / 3]])
    assert stack.share.sum() == pytest.approx(1)
    assert stack.speaking.tolist() == [[2, 1, 1]]
    assert stack.wafers == (0, 1, 2)


def test_a_mixed_wafer_brings_each_pattern_its_own_dies():
    mixed = wafer("FpF")
    stacks = stack_evidence([mixed], [(0, LEFT, credit([2, 0, -1])), (0, RIGHT, credit([-1, 0, 5]))])
    assert stacks[LEFT][0].share.tolist() == [[1, 0, 0]]
    assert stacks[RIGHT][0].share.tolist() == [[0, 0, 1]]


def test_a_wafer_nothing_speaks_for_on_takes_no_part_and_is_named():
    wafers = [wafer("FFp"), wafer("F.p")]
    (stack,) = stack_evidence(wafers, [(0, LEFT, credit([1, 1, 0])), (1, LEFT, credit([-2, 0, 0]))])[LEFT]
    assert (stack.wafers, stack.silent) == ((0,), (1,))
    assert stack.share.tolist() == [[0.5, 0.5, 0]]
    assert stack.there.all()


def test_without_any_evidence_a_stack_is_empty_and_finite():
    (stack,) = stack_evidence([wafer("Fp.")], [(0, LEFT, credit([-1, 0, 0]))])[LEFT]
    assert stack.wafers == ()
    assert stack.share.tolist() == [[0, 0, 0]]
    assert strongest_dies(stack) == []


def test_grids_stay_apart_the_one_of_most_wafers_first():
    one, two, turned = wafer("FF"), wafer("F F"), wafer("FF", x=7)
    explained = [(0, LEFT, credit([1], [1])), (1, LEFT, credit([1, 0])), (2, LEFT, credit([1, 1]))]
    explained += [(3, LEFT, credit([0, 1]))]
    stacks = stack_evidence([two, one, turned, one], explained)[LEFT]
    assert [(stack.frame.shape, stack.frame.x, stack.wafers) for stack in stacks] == [
        ((1, 2), 0, (1, 3)),
        ((2, 1), 0, (0,)),
        ((1, 2), 7, (2,)),
    ]


def test_the_strongest_dies_are_named_by_the_files_coordinates():
    placed = wafer("FF FF", x=10, y=20, y_step=-1)
    (stack,) = stack_evidence([placed], [(0, LEFT, credit([1, 0], [2, 5]))])[LEFT]
    assert strongest_dies(stack, most=2) == [(11, 19, pytest.approx(5 / 8), 1), (10, 19, pytest.approx(2 / 8), 1)]


def test_companions_are_counted_on_the_wafers_that_carry_the_pattern():
    called = np.zeros((4, 8), dtype=bool)
    called[[0, 1, 2], LEFT] = True
    called[[1, 2], RIGHT] = True
    called[[2, 3], 3] = True
    assert companions(called, (0, 1, 2), LEFT) == {RIGHT: 2, 3: 1}
    assert companions(called, (0,), LEFT) == {}
