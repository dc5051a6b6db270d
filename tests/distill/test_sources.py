import numpy as np
import pytest
import torch

from wafer_core.distill import LotAndReplay, held_out


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


def test_the_same_seed_draws_the_same():
    source = LotAndReplay(torch.rand(5, 2, 4, 4), torch.rand(6, 2, 4, 4))
    assert torch.equal(source(16, random(2)), source(16, random(2)))
    assert not torch.equal(source(16, random(2)), source(16, random(3)))


def maps_of(count, seed=0):
    return np.random.default_rng(seed).random((count, 2, 6, 6)).astype(np.float32)


def test_a_fifth_is_held_out():
    assert held_out(maps_of(1000)).mean() == pytest.approx(0.2, abs=0.04)
    assert held_out(maps_of(1000), share=0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_what_is_held_out_depends_on_the_map_alone():
    maps = maps_of(60)
    kept = held_out(maps)
    order = np.random.default_rng(1).permutation(60)
    assert np.array_equal(held_out(maps[order]), kept[order])
    both = held_out(np.concatenate([maps_of(30, seed=2), maps]))
    assert np.array_equal(both[30:], kept)


def test_equal_maps_fall_on_the_same_side():
    maps = maps_of(40)
    kept = held_out(np.concatenate([maps, maps]))
    assert np.array_equal(kept[:40], kept[40:])


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(12))
def test_a_small_lot_has_maps_on_both_sides(count, seed):
    assert 0 < held_out(maps_of(count, seed)).sum() < count


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_small_lot_has_maps_on_both_sides_whatever_the_share(share):
    assert 0 < held_out(maps_of(4), share).sum() < 4


@pytest.mark.parametrize("maps", [maps_of(0), maps_of(1), np.repeat(maps_of(1), 5, axis=0)], ids=["no", "one", "equal"])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_where_there_is_one_map_it_is_learned_from(maps, share):
    assert not held_out(maps, share).any()
