import shutil

import numpy as np
import pytest

from wafer_core.patterns import title
from wafer_core.training.data import native_maps, resized_maps, unlabelled_maps

PARTS = ("train", "validation", "guard", "test")


def marks(states):
    return {wafer.tobytes() for wafer in states}


def test_parts_never_mix(fake_data):
    groups = [{*resized_maps(fake_data, part).groups, *native_maps(fake_data, part, False).groups} for part in PARTS]
    wafers = [marks(unlabelled_maps(fake_data, part).states) for part in PARTS]
    for found in (groups, wafers):
        assert sum(map(len, found)) == len(set.union(*found))
    assert [len(one) for one in wafers] == [21] * 4


@pytest.mark.parametrize("part", PARTS)
def test_a_native_map_is_in_the_group_of_its_resized_twin(fake_data, part):
    shared = set(resized_maps(fake_data, part).groups) & set(native_maps(fake_data, part, False).groups)
    assert len(shared) == 1
    assert shared.pop().startswith("lot")


def test_resized_maps_keep_their_labels_and_groups(fake_data):
    real = resized_maps(fake_data, "validation")
    with np.load(fake_data / "wm811k" / "maps_64x64.npz") as file:
        maps, names = file["maps"], file["label"]
    rows = [18 if group == "lot18" else int(group[1:]) for group in real.groups]
    assert sorted(rows) == list(range(18, 36))
    for wafer, labels, row in zip(real.states, real.labels, rows, strict=True):
        assert np.array_equal(wafer, maps[row])
        assert title(labels) == names[row]


def test_native_maps_come_at_their_own_grids(fake_data, disc_states):
    every, labelled = native_maps(fake_data, "guard", labelled=False), native_maps(fake_data, "guard")
    assert sorted(wafer.shape for wafer in every.states) == [(26, 24), (27, 23), (28, 22)]
    for wafer in every.states:
        assert np.array_equal(wafer, disc_states(*wafer.shape, 0.1, seed=80 + wafer.shape[0]))
    assert sorted(map(title, labelled.labels)) == ["Normal", "Scratch"]
    assert len(labelled) == 2


def test_wafers_are_chosen_and_joined_with_what_belongs_to_them(fake_data):
    real = resized_maps(fake_data, "train")
    keep = np.arange(len(real)) % 3 == 0
    part = real.chosen(keep)
    both = part.joined(real.chosen(~keep))
    assert part.groups == real.groups[::3]
    assert np.array_equal(part.labels, real.labels[::3])
    assert len(both) == len(real)
    by_group = dict(zip(real.groups, real.labels, strict=True))
    assert all(np.array_equal(labels, by_group[group]) for group, labels in zip(both.groups, both.labels, strict=True))


def test_unlabelled_maps_need_no_label_to_be_there(fake_data, tmp_path):
    folder = shutil.copytree(fake_data / "wm811k", tmp_path / "wm811k")
    for name, columns in (("maps_64x64", ["maps"]), ("maps_native", ["dies", "shape"])):
        with np.load(fake_data / "wm811k" / f"{name}.npz") as file:
            np.savez(folder / f"{name}.npz", **{column: file[column] for column in columns})
    found = unlabelled_maps(tmp_path, "train")
    assert marks(found.states) == marks(unlabelled_maps(fake_data, "train").states)
    assert len(found.groups) == len(found.states)
    assert not hasattr(found, "labels")
    with pytest.raises(KeyError, match="label"):
        resized_maps(tmp_path, "train")
