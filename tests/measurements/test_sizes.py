import pytest

from measurements.evaluation import Line
from measurements.sizes import level_with_best
from wafer_core.compare import Rate

EXACT, ALARMS = Line("overlays", "exact match"), Line("resized", "normal wafers called defective")


def rate(value):
    return Rate(value, value - 0.02, value + 0.02, 100)


@pytest.mark.parametrize(
    ("exact", "alarms", "level"),
    [
        ([0.5, 0.6], [0.01, 0.01], [False, True]),
        ([0.59, 0.6], [0.01, 0.01], [True, True]),
        ([0.59, 0.6], [0.01, 0.04], [True, False]),
        ([0.5, 0.6], [0.01, 0.04], [False, False]),
        ([0.6], [0.01], [True]),
    ],
)
def test_who_is_level_lies_within_the_best_one_s_interval_in_all(exact, alarms, level):
    figures = [{EXACT: rate(one), ALARMS: rate(two)} for one, two in zip(exact, alarms, strict=True)]
    assert level_with_best(figures) == level
