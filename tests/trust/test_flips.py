"""Dies taken away: the model sees legal maps, few of them, and counts come out as they would one by one."""

import numpy as np
import pytest

from tests.explaining import SIZE, Direct, Linear, healthy, round_wafer, trained_like
from wafer_core.canonical import canonical_states
from wafer_core.lot import FAIL, PASS, UNTESTED, Frame, Wafer
from wafer_core.trust.flips import FILLS, LEVELS, Flips, random_orders
from wafer_core.trust.scores import by_credit


class Counting(Linear):
    """`Linear`, remembering every map it was shown."""

    def __init__(self, bias=0.0):
        super().__init__()
        self.bias, self.seen = bias, []

    def __call__(self, maps):
        self.seen.append(maps)
        return super().__call__(maps) + np.float32(self.bias)


class Weighing(Linear):
    """`Linear` that also tells dies that pass from those that were not tested."""

    def __call__(self, maps):
        answer = super().__call__(maps)
        answer[:, 0] += 0.5 * maps[:, 0].sum(axis=(1, 2))
        return answer


def upper_fails(count=60):
    """A wafer with fails only above the middle, each worth one logit to `Linear`'s first pattern."""
    states = np.full((SIZE, SIZE), PASS, np.uint8)
    states[: SIZE // 2].ravel()[:count] = FAIL
    return Wafer("L", "01", Frame(SIZE, SIZE), states)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("network", [Linear(), Weighing()], ids=["fails", "passes too"])
def test_logits_are_those_of_the_altered_wafer(fill, network):
    wafer, random = round_wafer(23, 31), np.random.default_rng(0)
    flips = Flips(Direct(network, "onnx"), wafer, fill)
    gone = random.random((300, flips.count)) < 0.4
    found = flips.logits(gone)
    for row in (0, 299):
        altered = wafer.states.copy()
        altered[wafer.states == FAIL] = np.where(gone[row], {"passing": PASS, "untested": UNTESTED}[fill], FAIL)
        assert found[row] == pytest.approx(network(canonical_states(altered[None], SIZE))[0], abs=1e-4)


def test_curves_go_from_the_wafer_to_the_healthy_one():
    network, wafer = trained_like("separable-6-8-12-16"), round_wafer(SIZE, SIZE)
    recognizer = Direct(network, "torch")
    flips = Flips(recognizer, wafer)
    curves = flips.curves(random_orders(flips.count, 3, np.random.default_rng(0)))
    assert curves.shape == (3, LEVELS + 1, 8)
    for states, end in ((wafer.states, 0), (healthy(wafer.states), -1)):
        expected = recognizer.score_maps(canonical_states(states[None], SIZE)).logits[0]
        assert curves[:, end] == pytest.approx(np.broadcast_to(expected, (3, 8)), abs=1e-4)


def test_equal_questions_are_asked_once():
    answer = Counting()
    flips = Flips(Direct(answer, "onnx"), upper_fails(3))
    flips.curves(random_orders(3, 2, np.random.default_rng(0)))
    assert sum(map(len, answer.seen)) == 2 * 4


@pytest.mark.parametrize(("bias", "expected"), [(-59.5, 1), (-40.5, 20), (-17.5, 43), (-0.5, 60), (5.0, 60)])
def test_dies_are_counted_until_the_pattern_is_lost(bias, expected):
    """Each of 60 dies is worth a logit, and the threshold stands at logit 0."""
    flips = Flips(Direct(Counting(bias), "onnx"), upper_fails())
    orders = random_orders(60, 2, np.random.default_rng(0))
    found = flips.until_lost(orders, flips.curves(orders), np.array([0, 0]))
    assert found == pytest.approx(expected, rel=0.15)


def test_what_is_never_lost_takes_all_dies():
    flips = Flips(Direct(Counting(5.0), "onnx"), upper_fails())
    orders = random_orders(60, 2, np.random.default_rng(0))
    assert flips.until_lost(orders, flips.curves(orders), np.array([0, 0])).tolist() == [60, 60]


def test_a_count_is_found_in_few_questions():
    answer = Counting(-2.5)
    flips = Flips(Direct(answer, "onnx"), upper_fails(240))
    orders = random_orders(240, 1, np.random.default_rng(0))
    curves = flips.curves(orders)
    answer.seen.clear()
    assert flips.until_lost(orders, curves, np.array([0])) == pytest.approx(238, rel=0.15)
    assert sum(map(len, answer.seen)) <= 2 * LEVELS


def test_random_orders_are_permutations():
    orders = random_orders(50, 20, np.random.default_rng(0))
    assert (np.sort(orders, axis=1) == np.arange(50)).all()
    assert len({tuple(order) for order in orders}) == 20


def test_places_of_credit_take_the_strongest_first():
    wafer = upper_fails(30)
    flips = Flips(Direct(Linear(), "onnx"), wafer)
    credit = np.arange(30.0)
    order = by_credit(credit, np.random.default_rng(0))
    assert (order[None] < 3).sum() == 3
    assert set(np.flatnonzero(order < 3)) == {27, 28, 29}
    assert flips.along(order[None], np.array([[3]]))[0, 0, 0] == pytest.approx(27)
