import pytest
import torch

from wafer_core.distill.sources import LotAndReplay, Replay


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(first, count):
    """Maps that say which they are in every cell."""
    return torch.arange(first, first + count).float()[:, None, None, None].expand(-1, 2, 4, 4)


def drawn(source, count=40, seed=0):
    return source(count, random(seed)).amax(dim=(1, 2, 3))


@pytest.mark.parametrize("count", [1, 2, 7, 32])
def test_half_of_a_batch_is_replayed(count):
    numbers = drawn(LotAndReplay(numbered(0, 3), numbered(100, 5)), count)
    assert len(numbers) == count
    assert (numbers >= 100).sum() == count // 2


def test_without_a_pool_all_is_of_the_lot():
    assert set(drawn(LotAndReplay(numbered(0, 3), numbered(0, 0))).tolist()) == {0.0, 1.0, 2.0}


def test_both_kinds_are_mixed_up():
    numbers = drawn(LotAndReplay(numbered(0, 3), numbered(100, 5)))
    assert 0 < (numbers[:20] >= 100).sum() < 20


def test_views_are_turns_of_what_was_given():
    lot = torch.rand(1, 2, 4, 4, generator=random())
    turns = {torch.rot90(flip, k, (-2, -1)).numpy().tobytes() for k in range(4) for flip in (lot[0], lot[0].flip(-1))}
    views = LotAndReplay(lot, lot[:0])(32, random(1))
    assert {view.contiguous().numpy().tobytes() for view in views} == turns


def test_a_replay_draws_each_of_its_maps():
    assert set(drawn(Replay(numbered(100, 5)), 60).tolist()) == {100.0, 101.0, 102.0, 103.0, 104.0}


@pytest.mark.parametrize(
    "source", [LotAndReplay(torch.rand(5, 2, 4, 4), torch.rand(6, 2, 4, 4)), Replay(torch.rand(5, 2, 4, 4))]
)
def test_the_same_seed_draws_the_same(source):
    assert torch.equal(source(16, random(2)), source(16, random(2)))
    assert not torch.equal(source(16, random(2)), source(16, random(3)))
