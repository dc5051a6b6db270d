import itertools

import pytest
import torch

from wafer_core.synthesis.pool import Pool

CPU = torch.device("cpu")


def chunks(rows=4, size=3):
    """Chunk i holds maps of all i, and i as their label."""
    for i in itertools.count():
        yield torch.full((rows, 2, size, size), i, dtype=torch.uint8), torch.full((rows,), i)


def labels_in(pool):
    return set(pool.draw(400, torch.Generator().manual_seed(0))[1].tolist())


def test_maps_come_as_fractions_beside_what_belongs_to_them():
    pool = Pool(chunks(), 12, CPU)
    for _ in range(2):
        pool.refresh()
    maps, labels = pool.draw(50, torch.Generator().manual_seed(1))
    assert maps.shape == (50, 2, 3, 3)
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps.amax(dim=(1, 2, 3)) * 255, labels.float())
    torch.testing.assert_close(maps.amin(dim=(1, 2, 3)) * 255, labels.float())


def test_a_pool_draws_from_what_it_has_and_forgets_the_oldest():
    pool = Pool(chunks(), 12, CPU)
    assert labels_in(pool) == {0}
    pool.refresh()
    assert labels_in(pool) == {0, 1}
    for _ in range(3):
        pool.refresh()
    assert labels_in(pool) == {2, 3, 4}


@pytest.mark.parametrize(("capacity", "kept"), [(1, 4), (4, 4), (11, 8), (12, 12)])
def test_a_pool_keeps_whole_chunks(capacity, kept):
    pool = Pool(chunks(), capacity, CPU)
    for _ in range(5):
        pool.refresh()
    assert pool.capacity == pool.filled == kept


def test_grids_are_turned_with_the_map_they_lie_on():
    """A map has one failing cell; the grid twice as coarse says which quarter it lies in."""
    maps = torch.zeros(4, 2, 4, 4, dtype=torch.uint8)
    quarters = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    maps[:, 1, 0, 3] = quarters[:, 2, 0, 1] = 255
    pool = Pool(itertools.repeat((maps, torch.arange(4), quarters)), 4, CPU)
    maps, _, quarters = pool.draw(40, torch.Generator())
    assert quarters.dtype == torch.float32
    assert len({tuple(one.flatten().tolist()) for one in quarters}) == 4
    torch.testing.assert_close(torch.nn.functional.adaptive_max_pool2d(maps[:, 1], 2), quarters[:, 2])


def test_chunks_without_labels_are_welcome():
    pool = Pool(((maps,) for maps, _ in chunks()), 4, CPU)
    (maps,) = pool.draw(5, torch.Generator().manual_seed(0))
    assert maps.shape == (5, 2, 3, 3)


def test_the_same_seed_draws_the_same():
    draws = [Pool(chunks(), 12, CPU).draw(20, torch.Generator().manual_seed(2)) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True))
