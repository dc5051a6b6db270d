import re
import struct
import sys

import numpy as np
import pytest

from measurements.pictures import ACROSS, PIXELS, REFERENCE, SIMULATED, SPOILED, compared, main, sheet, spoiled
from wafer_core.lot import FAIL, NO_DIE
from wafer_core.patterns import PATTERNS, flags

SETS = (["Center", "Scratch"], [], ["Edge-Ring"])


@pytest.fixture
def data(tmp_path, disc_states):
    """A folder with three maps and labels laid out as the real file is, one of them on a grid of its own."""
    states = [disc_states(52, 52, 0.2, seed=i) for i in range(len(SETS))]
    maps = np.stack(states).astype(np.int32)
    maps[0][maps[0] == FAIL] = 3
    maps[1, :6] = NO_DIE
    path = tmp_path / REFERENCE
    path.parent.mkdir()
    np.savez(path, arr_0=maps, arr_1=np.stack([flags(each) for each in SETS]).astype(np.int32))
    return tmp_path


def test_each_set_has_its_real_map_and_simulated_ones_on_the_same_dies(data):
    found = compared(data / REFERENCE, seed=0)
    assert [one.name for one in found] == ["Center + Scratch", "Normal", "Edge-Ring"]
    assert set(np.unique(found[0].real)) == {0, 1, 2}
    for one in found:
        assert len(one.simulated) == SIMULATED
        assert len({states.tobytes() for states in one.simulated}) == SIMULATED
        assert all(np.array_equal(states > 0, one.real > 0) for states in one.simulated)
    # A ring is drawn where a ring was asked for.
    ring, normal = (np.mean([states == FAIL for states in found[i].simulated], axis=0) for i in (2, 1))
    edge = np.zeros((52, 52), dtype=bool)
    edge[24:28, 1] = edge[24:28, 50] = True
    assert ring[edge].mean() > normal[edge].mean() + 0.3


def test_the_same_seed_draws_the_same_wafers_and_another_one_others(data):
    drawn = [b"".join(one.simulated[0].tobytes() for one in compared(data / REFERENCE, seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_small_grid_of_its_own_is_drawn_too(tmp_path, disc_states):
    maps = np.stack([disc_states(26, 30, 0.2)])
    np.savez(tmp_path / "small.npz", arr_0=maps, arr_1=np.stack([flags(["Donut"])]))
    (one,) = compared(tmp_path / "small.npz", seed=0)
    assert {states.shape for states in one.simulated} == {(26, 30)}


def test_the_sheet_names_every_set_above_its_maps(data):
    page = sheet(compared(data / REFERENCE, seed=0))
    sections = re.findall("<section>(.*?)</section>", page)
    assert [re.findall("<h2>(.*)</h2>", each) for each in sections] == [["Center + Scratch"], ["Normal"], ["Edge-Ring"]]
    assert {each.count("<img") for each in sections} == {1 + SIMULATED}
    assert all(name not in page for name in PATTERNS if name not in ("Center", "Scratch", "Edge-Ring"))


def test_wafers_with_blemishes_stand_below_as_they_were_drawn_first(data):
    found = spoiled(seed=2)
    assert [one.name for one in found][:4] == ["Normal", "Normal", "Center", "Donut + Edge-Loc"]
    assert len(found) == len(SPOILED)
    for one in found:
        assert {states.shape for states in one.blemished} == {one.whole.shape}
        assert len(one.blemished) == SIMULATED
        assert any(not np.array_equal(states, one.whole) for states in one.blemished)
    page = sheet(compared(data / REFERENCE, seed=2), found)
    assert page.count("<img") == (len(SETS) + len(SPOILED)) * (1 + SIMULATED)
    assert page.index("Edge-Ring") < page.index("blemishes") < page.index("Donut + Edge-Loc")


def test_the_command_takes_a_picture_that_holds_every_map(data, tmp_path, monkeypatch):
    out = tmp_path / "maps.png"
    monkeypatch.setattr(sys, "argv", ["pictures", "--data", str(data), "--out", str(out)])
    main()
    width, height = struct.unpack(">II", out.read_bytes()[16:24])
    rows = -(-len(SETS) // ACROSS) + -(-len(SPOILED) // ACROSS)
    assert width > ACROSS * (1 + SIMULATED) * PIXELS
    assert height > rows * PIXELS
