"""A workspace with an untrained teacher, workers within and beside the test's process, and a lot for them."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from patience import TEACHER

from wafer_core import jobs
from wafer_core.jobs import process
from wafer_core.jobs.process import worker_lock
from wafer_core.jobs.worker import Worker
from wafer_core.lot import Lot
from wafer_core.workspace import Workspace


@pytest.fixture
def workspace(home: Path, tiny_folder: Path):
    """A workspace that holds the untrained teacher; whatever worker it got is ended with it."""
    opened = Workspace()
    shutil.copytree(tiny_folder, opened.student_root / TEACHER)
    yield opened
    pid = jobs.worker_pid(opened)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    if opened.root in process._started:
        # A worker that just begins has no id to be found by yet; an unfinished one would be warned about.
        child, _ = process._started.pop(opened.root)
        child.kill()
        child.wait()
    opened.close()


@pytest.fixture
def worker(workspace: Workspace):
    """A worker within this process, which does nothing until its turn is taken."""
    with worker_lock(workspace.root) as held:
        assert held
        yield Worker(workspace)


@pytest.fixture
def big_lot(lot_of, disc_states) -> Lot:
    """Forty wafers: several steps of torch."""
    return lot_of([disc_states(20, 20, seed=seed) for seed in range(40)], title="Lot 17184")
