import pytest

from wafer_core.errors import UsageError
from wafer_core.synthesis.shares import LEARNING, TEACHING, Shares


@pytest.mark.parametrize(("real", "overlays"), [(0, 0), (1, 0), (0, 1), (0.5, 0.5), (0.42, 0.25)])
def test_shares_that_leave_room_for_the_rest(real, overlays):
    assert Shares(real, overlays).real == real


def test_no_simulated_wafer_is_blemished_unless_asked_for():
    assert Shares(0.4, 0.25).blemished == TEACHING.blemished == LEARNING.blemished == 0


@pytest.mark.parametrize("blemished", [-0.1, 1.1, float("nan")])
def test_a_share_of_blemished_wafers_is_one(blemished):
    assert Shares(0.4, 0.25, 1.0).blemished == 1
    with pytest.raises(UsageError, match="blemished is from 0 to 1"):
        Shares(0.4, 0.25, blemished)


@pytest.mark.parametrize(("real", "overlays"), [(-0.1, 0.5), (0.5, -0.1), (0.6, 0.5), (1.5, 0), (float("nan"), 0.2)])
def test_shares_that_do_not_are_refused(real, overlays):
    with pytest.raises(UsageError, match="no more than 1 together"):
        Shares(real, overlays)
