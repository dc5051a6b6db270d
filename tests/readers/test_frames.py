import io

import numpy as np
import pytest

from wafer_core.lot import NO_DIE
from wafer_core.readers import NamedBytes, read
from wafer_core.readers.frames import looks_whole


def disc(rows, columns):
    row, column = np.indices((rows, columns))
    inside = ((2 * row + 1) / rows - 1) ** 2 + ((2 * column + 1) / columns - 1) ** 2 <= 1
    return inside.astype(np.uint8)


def npy(array, name="a.npy"):
    file = io.BytesIO()
    np.save(file, array)
    return NamedBytes(name, file.getvalue())


def dies(wafers, name="dies.csv"):
    """A die list of grids given by (lot, wafer): array, the top left cell at x 0, y 0."""
    rows = ["lot,wafer,x,y,bin"]
    for (lot, wafer), grid in wafers.items():
        rows += [f"{lot},{wafer},{c},{-r},{1 if (r + c) % 5 else 9}" for r, c in np.argwhere(grid)]
    return NamedBytes(name, "\n".join(rows).encode())


def upper(grid, share):
    part = grid.copy()
    part[round(len(grid) * share) :] = NO_DIE
    return part


@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        (np.pad(disc(20, 24), 0), (20, 24)),
        (np.pad(disc(20, 24), 1), (22, 26)),
        (np.pad(disc(20, 24), 9), (22, 26)),
        (np.pad(disc(20, 24), ((0, 30), (0, 26))), (21, 25)),
        (np.pad(disc(20, 24), ((5, 0), (1, 2))), (21, 26)),
        (upper(disc(40, 40), 0.6), (40, 40)),
        (upper(disc(40, 40), 0.9), (40, 40)),
        (np.pad(upper(disc(40, 40), 0.6), 10), (42, 42)),
        (np.pad(np.ones((5, 4), dtype=np.uint8), ((3, 6), (4, 2))), (7, 6)),
    ],
)
def test_only_margins_beyond_one_line_are_trimmed_and_never_untested_dies(canvas, expected):
    assert read([npy(canvas)]).wafers[0].frame.shape == expected


def test_a_trimmed_grid_keeps_the_coordinates_of_its_cells():
    canvas = np.pad(disc(20, 24), ((5, 9), (7, 3)))
    frame = read([npy(canvas)]).wafers[0].frame
    assert (frame.x, frame.y) == (6, 4)


def test_wafers_of_one_array_share_the_frame():
    full = np.pad(disc(40, 40), 4)
    lot = read([npy(np.stack([upper(full, 0.5), full, np.zeros_like(full)]))])
    assert {wafer.frame for wafer in lot} == {lot.wafers[1].frame}
    assert lot.wafers[1].frame.shape == (42, 42)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_partly_tested_wafer_of_a_die_list_keeps_its_place(share):
    full = disc(40, 36)
    lot = read([dies({("L", "1"): upper(full, share), ("L", "2"): full})])
    part, whole = lot.wafers
    assert part.frame == whole.frame
    assert np.array_equal(part.states != NO_DIE, upper(full, share) != NO_DIE)
    assert part.bins[-1].max() == -1


def test_two_halves_of_one_grid_make_it_whole():
    full = disc(40, 36)
    lower = full[::-1] & 0 | np.where(np.arange(40)[:, None] >= 15, full, 0)
    lot = read([dies({("L", "1"): upper(full, 0.6), ("L", "2"): lower})])
    assert {wafer.frame.shape for wafer in lot} == {(40, 36)}


def test_partly_tested_wafers_in_files_of_their_own_share_the_frame():
    full = disc(40, 36)
    files = [dies({("L", "1"): full}, "1.csv"), dies({("L", "2"): upper(full, 0.6)}, "2.csv")]
    assert len({wafer.frame for wafer in read(files)}) == 1


@pytest.mark.parametrize("lots", [("A", "B"), ("A", "A")])
def test_different_grids_in_one_upload_keep_their_own(lots):
    small, large = disc(25, 27), disc(53, 47)
    lot = read([dies({(lots[0], "1"): small, (lots[1], "2"): large, (lots[1], "3"): upper(large, 0.7)})])
    assert [wafer.frame.shape for wafer in lot] == [(25, 27), (53, 47), (53, 47)]


@pytest.mark.parametrize("side", [5, 8, 12, 26, 52, 101])
def test_a_disc_is_whole_and_a_part_of_it_is_not(side):
    full = disc(side, side) > 0
    assert looks_whole(full)
    assert side < 12 or not looks_whole(full[: round(side * 0.8)])
