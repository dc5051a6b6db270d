import pytest
import torch

from wafer_core.synthesis.batches import noisier, overlaid, turned


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def maps_of(count, size=6, seed=0):
    """Canonical maps: passing and failing fractions that sum to what is tested of a cell."""
    tested, failing = torch.rand(2, count, size, size, generator=random(seed))
    return torch.stack([tested * (1 - failing), tested * failing], dim=1)


def eight_turns(wafer):
    return [
        view for k in range(4) for view in (torch.rot90(wafer, k, (-2, -1)), torch.rot90(wafer, k, (-2, -1)).flip(-1))
    ]


@pytest.mark.parametrize("count", [1, 5, 8, 9, 32])
def test_turned_gives_one_of_the_eight_turns_of_every_map(count):
    maps = maps_of(count)
    views = turned(maps, random(3))
    assert views.shape == maps.shape
    for view, wafer in zip(views, maps, strict=True):
        assert any(torch.equal(view, one) for one in eight_turns(wafer))


def test_turned_uses_all_eight_turns_in_a_batch():
    same = maps_of(1).expand(16, -1, -1, -1)
    assert len({view.numpy().tobytes() for view in turned(same, random())}) == 8


@pytest.mark.parametrize("change", [lambda m, r: overlaid(m, r, 0.5), lambda m, r: noisier(m, r, 0.5)])
def test_what_is_tested_of_a_cell_is_kept_and_fails_only_grow(change):
    maps = maps_of(12)
    views = change(maps, random(1))
    torch.testing.assert_close(views.sum(dim=1), maps.sum(dim=1))
    assert views.min() >= -1e-6
    assert views.max() <= 1 + 1e-6
    assert (views[:, 1] >= maps[:, 1] - 1e-6).all()
    assert (views[:, 1] > maps[:, 1] + 1e-3).any()


def test_an_overlay_adds_another_wafers_fails_within_its_own_dies():
    maps = maps_of(8)
    maps[:, :, 0] = 0
    views = overlaid(maps, random(2), 0.5)
    assert torch.equal(views[4:], maps[4:])
    assert not views[:, :, 0].any()
    for view, wafer in zip(views[:4], maps[:4], strict=True):
        present = wafer.sum(dim=0)
        sums = [torch.maximum(wafer[1], torch.minimum(other[1], present)) for other in maps]
        assert any(torch.allclose(view[1], fails) for fails in sums)


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_less_than_one_overlay_is_none(share):
    maps = maps_of(8)
    assert overlaid(maps, random(), share) is maps


def test_noise_turns_whole_cells_and_at_most_the_share_asked_for():
    maps = torch.stack([torch.ones(64, 20, 20), torch.zeros(64, 20, 20)], dim=1)
    views = noisier(maps, random(), 0.2)
    assert set(views.unique().tolist()) == {0.0, 1.0}
    shares = views[:, 1].mean(dim=(1, 2))
    assert shares.max() < 0.27
    assert shares.std() > 0.02
    assert torch.equal(noisier(maps, random(), 0.0), maps)


@pytest.mark.parametrize(
    "change",
    [turned, lambda m, r: overlaid(m, r, 0.5), lambda m, r: noisier(m, r, 0.5)],
    ids=["turn", "overlay", "noise"],
)
def test_the_same_seed_gives_the_same_batch(change):
    maps = maps_of(16)
    before = maps.clone()
    assert torch.equal(change(maps, random(7)), change(maps, random(7)))
    assert torch.equal(maps, before)
