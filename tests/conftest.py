"""What the tests share: small wafers built in code, an untrained model on disk, a workspace of their own."""

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from wafer_core.lot import FAIL, NO_DIE, PASS, UNTESTED, Frame, Lot, Wafer
from wafer_core.patterns import NORMAL, PATTERNS

# AppTest reads the shipped configuration, which hides from an engineer what a test has to see.
os.environ["STREAMLIT_CLIENT_SHOW_ERROR_DETAILS"] = "full"
# A worker that a test started leaves soon after it.
os.environ["WAFERDISTILL_WORKER_IDLE"] = "5"
# A busy machine is no failing property.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TINY = "separable-4-8-8-8"
TINY_SIZE = 16
TINY_THRESHOLDS = (0.1, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9)
"""An untrained network says about one half to everything, so these make it answer Center+Edge-Loc, Donut left out."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a workspace that only this test sees; nothing is there yet."""
    folder = tmp_path / "home"
    monkeypatch.setenv("WAFERDISTILL_HOME", str(folder))
    return folder


def disc_states(rows: int, columns: int, failing: float = 0.1, seed: int = 0) -> NDArray[np.uint8]:
    """Die states of a round wafer that fills its grid, `failing` of its dies failing at random."""
    row, column = np.indices((rows, columns))
    inside = ((2 * row + 1) / rows - 1) ** 2 + ((2 * column + 1) / columns - 1) ** 2 <= 1
    fails = np.random.default_rng(seed).random((rows, columns)) < failing
    return np.where(inside, np.where(fails, FAIL, PASS), NO_DIE).astype(np.uint8)


def untested_states(rows: int, columns: int) -> NDArray[np.uint8]:
    """Die states of a round wafer nobody probed."""
    return np.where(disc_states(rows, columns, 0.0) == PASS, UNTESTED, NO_DIE).astype(np.uint8)


def lot_of(states: Sequence[NDArray[np.uint8]], lot: str = "L1", title: str | None = None) -> Lot:
    """A Lot of wafers 01, 02, ... with the given die states."""
    wafers = (Wafer(lot, f"{i:02}", Frame(*grid.shape), grid) for i, grid in enumerate(states, start=1))
    return Lot(title or lot, tuple(wafers))


@pytest.fixture(name="disc_states", scope="session")
def _disc_states() -> Callable[..., NDArray[np.uint8]]:
    return disc_states


@pytest.fixture(name="untested_states", scope="session")
def _untested_states() -> Callable[..., NDArray[np.uint8]]:
    return untested_states


@pytest.fixture(name="lot_of", scope="session")
def _lot_of() -> Callable[..., Lot]:
    return lot_of


@pytest.fixture
def small_lot() -> Lot:
    """Six wafers of two grids, none of them labelled."""
    grids = ((20, 20), (20, 20), (14, 22), (14, 22), (20, 20), (14, 22))
    return lot_of([disc_states(*grid, failing=0.05 + 0.1 * i, seed=i) for i, grid in enumerate(grids)], title="small")


@pytest.fixture(scope="session")
def fake_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the development data: `wm811k/` with two kinds of maps of nobody's, and their split.

    Of the parts train, validation, guard and test each has every label twice in the 64x64 file, and three
    native maps: a twin of the part's first map, one that nobody labelled, and a Scratch. Every map differs.
    """
    folder = tmp_path_factory.mktemp("data")
    (folder / "wm811k").mkdir()
    names = [NORMAL, *PATTERNS]
    maps, labels, natives, native_labels, split = [], [], [], [], []
    for part in ("train", "validation", "guard", "test"):
        first = len(maps)
        for name in names * 2:
            group = f"lot{first}" if len(maps) == first else f"m{len(maps)}"
            split.append(("maps_64x64", len(maps), group, part, ""))
            maps.append(disc_states(64, 64, 0.05 + 0.1 * names.index(name), seed=len(maps)))
            labels.append(name)
        for name, group, twin in ((NORMAL, f"lot{first}", first), ("", f"n{first}", ""), ("Scratch", f"n{first}", "")):
            split.append(("maps_native", len(natives), group, part, twin))
            natives.append(disc_states(20 + len(natives), 30 - len(natives), 0.1, seed=100 + len(natives)))
            native_labels.append(name)
    np.savez(folder / "wm811k" / "maps_64x64.npz", maps=np.stack(maps), label=np.array(labels))
    dies, shape = np.concatenate([grid.ravel() for grid in natives]), [grid.shape for grid in natives]
    np.savez(folder / "wm811k" / "maps_native.npz", dies=dies, shape=shape, label=np.array(native_labels))
    with (folder / "wm811k" / "splits.csv").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(("file", "row", "group", "part", "twin_row_in_maps_64x64"))
        # Nothing says that the split lists maps in the order of their file.
        rows.writerows(reversed(split))
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder `tiny-untrained` with trained-weights, ONNX and int8 files; read it, never write to it."""
    import torch

    from wafer_core.canonical import canonical
    from wafer_core.models.networks import build
    from wafer_core.models.saving import save_model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-untrained"
    save_model(
        folder,
        build(TINY).eval(),
        name="Tiny, untrained",
        role="teacher",
        architecture=TINY,
        size=TINY_SIZE,
        decoder="38",
        unsure_below=0.1,
        thresholds=TINY_THRESHOLDS,
        calibration=canonical(lot_of([disc_states(16, 16, 0.05 * i, i) for i in range(8)]).wafers, TINY_SIZE),
        made_from={"data": [], "seed": 0, "steps": 0, "command": "tests/conftest.py"},
    )
    return folder
