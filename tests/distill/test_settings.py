from pathlib import Path

import pytest

from wafer_core.distill.settings import LONGEST, SHORTEST, Settings
from wafer_core.errors import UsageError
from wafer_core.models.sizes import STUDENT_SIZES


@pytest.mark.parametrize("size", STUDENT_SIZES)
@pytest.mark.parametrize("changes", [{}, {"budget": SHORTEST}, {"budget": LONGEST}, {"budget": 0.0, "steps": 1}])
def test_what_can_be_used_is_taken(size, changes):
    assert Settings(size=size, **changes).size == size


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": "huge"}, "no student size 'huge'; the sizes are tiny, small, base"),
        ({"budget": SHORTEST - 1}, f"A budget of {SHORTEST - 1} seconds is not between {SHORTEST} and"),
        ({"budget": 10**9}, "is not between"),
        ({"budget": float("nan")}, "A budget of nan seconds"),
        ({"steps": 0}, "takes 1 to 2,147,483,648 steps, not 0"),
        ({"steps": -3}, "steps, not -3"),
        ({"steps": 2**31 + 1}, "steps, not 2,147,483,649"),
        ({"seed": -1}, "A seed is a whole number from 0"),
        ({"seed": 2**63}, "A seed is a whole number from 0"),
        ({"augmentation": -0.1}, "An augmentation of -0.1 is not between 0 and 2"),
        ({"augmentation": float("nan")}, "An augmentation of nan"),
        ({"fresh": True, "start": Path("a")}, "from random weights or from another student"),
        ({"pool": "all"}, "no pool 'all'; the pools are shipped, lots, both, none"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(changes, sentence):
    with pytest.raises(UsageError, match=sentence):
        Settings(**changes)


def test_what_is_unusual_is_told_as_the_command_line_takes_it():
    assert Settings().unusual() == ""
    assert Settings(augmentation=0.5, pool="none").unusual() == "--augmentation 0.5 --pool none"
    assert Settings(pool="both", without=("L1/02", "L 1/03")).unusual() == (
        "--pool both --pool-lot FILE --without L1/02 --without 'L 1/03'"
    )
    assert Settings(fresh=True).unusual() == "--start random"
    assert Settings(start=Path("students/etch-1")).unusual() == "--start etch-1"
