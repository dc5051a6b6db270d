"""What the measurements work on: simulated maps, an untrained student, and a workspace that goes away."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measurements.timing import say
from wafer_core.synthesis.outline import MIXED_OUTLINE
from wafer_core.synthesis.simulator import labelled_mixed_wafer


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for one measurement, with an empty workspace `home` in it that every child process uses."""
    with tempfile.TemporaryDirectory(prefix="waferdistill-", ignore_cleanup_errors=True) as folder:
        os.environ["WAFERDISTILL_HOME"] = str(Path(folder, "home"))
        os.environ["WAFERDISTILL_WORKER_IDLE"] = "20"
        yield Path(folder)


def maps_file(folder: Path, count: int, data: Path | None = None, seed: int = 0) -> Path:
    """Return `data`, or an npz of `count` simulated 52x52 maps without labels."""
    if data is not None:
        return data
    say(f"Simulating {count:,} wafers")
    path = folder / f"simulated-{count}.npz"
    np.savez_compressed(path, maps=simulated_maps(count, seed))
    return path


def simulated_maps(count: int, seed: int) -> NDArray[np.uint8]:
    """Return die states of simulated mixed wafers, uint8 (count, 52, 52)."""
    random = np.random.default_rng(seed)
    return np.stack([labelled_mixed_wafer(random, MIXED_OUTLINE).states for _ in range(count)])


def untrained_student(folder: Path) -> Path:
    """Write a `small` student with random weights, which takes as long to ask as a trained one."""
    import torch

    from wafer_core.canonical import canonical_states
    from wafer_core.models.networks import build
    from wafer_core.models.saving import save_model
    from wafer_core.models.sizes import STUDENT_SIZES

    torch.manual_seed(0)
    save_model(
        folder,
        build(STUDENT_SIZES["small"]).eval(),
        name="Untrained",
        role="student",
        architecture=STUDENT_SIZES["small"],
        size=52,
        decoder="free",
        unsure_below=0.1,
        thresholds=(0.5,) * 8,
        calibration=canonical_states(simulated_maps(100, seed=1), 52),
        made_from={"data": [], "seed": 0, "steps": 0, "command": "measurements"},
        stem="student",
    )
    return folder


def in_workspace(student: Path) -> str:
    """Put a student's folder among the workspace's models and return the name it is chosen by."""
    from wafer_core.workspace import Workspace

    shutil.copytree(student, Workspace().student_root / student.name)
    return student.name
