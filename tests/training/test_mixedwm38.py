import numpy as np
import pytest

from wafer_core.errors import UnreadableFile
from wafer_core.patterns import ALLOWED_SETS
from wafer_core.training.mixedwm38 import SHARES, MixedMaps, mixed_maps, parts


def some_maps(each=20, seed=0):
    """As many different maps of every one of the 38 sets."""
    random = np.random.default_rng(seed)
    labels = np.repeat(ALLOWED_SETS["38"], each, axis=0)
    return MixedMaps(random.integers(0, 3, (len(labels), 6, 6)).astype(np.uint8), labels)


def written(path, states, labels):
    np.savez(path, states, labels)
    return path


def test_a_file_of_this_layout_is_read(tmp_path):
    maps = some_maps(1)
    cells = maps.states.astype(np.int32)
    cells[0, 0, 0] = 3
    found = mixed_maps(written(tmp_path / "maps.npz", cells, maps.labels.astype(np.int32)), published=False)
    assert found.states[0, 0, 0] == 2
    assert np.array_equal(found.states[1:], maps.states[1:])
    assert np.array_equal(found.labels, maps.labels)


def test_another_file_is_not_taken_for_the_published_one(tmp_path):
    maps = some_maps(1)
    with pytest.raises(UnreadableFile, match=r"not the published Wafer_Map_Datasets\.npz"):
        mixed_maps(written(tmp_path / "maps.npz", maps.states, maps.labels))


@pytest.mark.parametrize(
    ("states", "labels", "sentence"),
    [
        (np.zeros((2, 36)), np.zeros((2, 8)), "its arrays have shapes"),
        (np.zeros((2, 6, 6)), np.zeros((2, 9)), "its arrays have shapes"),
        (np.full((2, 6, 6), 4), np.zeros((2, 8)), "cells other than"),
        (np.zeros((1, 6, 6)), np.ones((1, 8)), "none of MixedWM38's 38"),
    ],
)
def test_another_layout_is_refused(tmp_path, states, labels, sentence):
    with pytest.raises(UnreadableFile, match=sentence):
        mixed_maps(written(tmp_path / "maps.npz", states, labels), published=False)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "maps.npz").write_bytes(b"not an archive")
    with pytest.raises(UnreadableFile, match="holds no arrays"):
        mixed_maps(tmp_path / "maps.npz", published=False)


def test_every_set_is_shared_out_alike():
    maps = some_maps(20)
    split = parts(maps)
    assert sorted(np.concatenate(list(split.values()))) == list(range(len(maps)))
    for part, share in SHARES.items():
        counts = np.array([(maps.labels[split[part]] == one).all(axis=1).sum() for one in ALLOWED_SETS["38"]])
        assert np.array_equal(counts, np.full(38, round(20 * share)))


def test_the_split_repeats():
    first, again = parts(some_maps()), parts(some_maps())
    assert all(np.array_equal(first[part], again[part]) for part in SHARES)


def test_equal_maps_stay_together():
    maps = some_maps(20)
    maps.states[::20] = maps.states[0]
    split = parts(maps)
    homes = {part for part, rows in split.items() if set(range(0, len(maps), 20)) & set(rows.tolist())}
    assert len(homes) == 1
