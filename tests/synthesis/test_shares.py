import pytest

from wafer_core.errors import UsageError
from wafer_core.synthesis.shares import Shares


@pytest.mark.parametrize(("real", "overlays"), [(0, 0), (1, 0), (0, 1), (0.5, 0.5), (0.42, 0.25)])
def test_shares_that_leave_room_for_the_rest(real, overlays):
    assert Shares(real, overlays).real == real


@pytest.mark.parametrize(("real", "overlays"), [(-0.1, 0.5), (0.5, -0.1), (0.6, 0.5), (1.5, 0), (float("nan"), 0.2)])
def test_shares_that_do_not_are_refused(real, overlays):
    with pytest.raises(UsageError, match="no more than 1 together"):
        Shares(real, overlays)
