"""What the fault script counts: everything promised, and each way in which it could have been lost."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from measurements.fault_server import Ledger
from measurements.faults import audit
from wafer_core import jobs
from wafer_core.recognise import Scores
from wafer_core.workspace import Workspace

TEACHER = "tiny-untrained"


@pytest.fixture
def promised(home: Path, tiny_folder: Path, small_lot, tmp_path):
    """A workspace in which one lot, one scoring and two equal runs came to a good end, and their ledger."""
    workspace, ledger = Workspace(), Ledger(tmp_path / "ledger.jsonl")
    copied(tiny_folder, workspace.student_root / TEACHER)
    lot = workspace.add_lot(small_lot)
    ledger.promise("lot", lot)
    score = jobs.submit_score(workspace, lot, TEACHER)
    ledger.promise("score", score)
    maps = [wafer.map_hash for wafer in small_lot]
    found = Scores(np.zeros((6, 8), np.float32), np.zeros((6, 4), np.float32), "any")
    workspace.put_scores(workspace.model(TEACHER).sha256, maps, found)
    workspace.end_job(score, "done", "Well.")
    for _ in range(2):
        run = jobs.submit_distil(workspace, lot, {"size": "tiny", "steps": 3}, TEACHER)
        ledger.promise("run", run)
        copied(tiny_folder, workspace.student_root / str(workspace.job(run).name))
        workspace.end_job(run, "done", "Well.")
    yield workspace, ledger
    workspace.close()


def copied(folder: Path, to: Path) -> None:
    shutil.copytree(folder, to)
    (to / "run.json").write_text("{}")


def test_what_is_all_there_is_counted_and_nothing_is_lost(promised):
    tally = audit(*promised)
    assert tally.sound
    assert (tally.lots, tally.scorings, tally.runs, tally.models) == (1 + shipped_lots(promised[0]), 1, 2, 3)


def shipped_lots(workspace) -> int:
    return sum(row.source != "upload" for row in workspace.lots())


def forget_lot(workspace):
    workspace.database.write("DELETE FROM lots")


def damage_lot(workspace):
    for path in workspace.files.root.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-7])


def forget_scores(workspace):
    workspace.database.write("DELETE FROM scores WHERE rowid = 1")


def fail_run(workspace):
    workspace.database.write("UPDATE jobs SET state = 'lost' WHERE id = 2")


def forget_run(workspace):
    workspace.database.write("DELETE FROM jobs WHERE id = 3")


def cut_weights(workspace):
    path = workspace.student_root / str(workspace.job(2).name) / "tiny-untrained.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def begin_a_model(workspace):
    (workspace.student_root / "half").mkdir()
    (workspace.student_root / "half" / "student.onnx").write_bytes(b"half")


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        (forget_lot, "lots_lost"),
        (damage_lot, "lots_lost"),
        (forget_scores, "scorings_lost"),
        (fail_run, "runs_lost"),
        (forget_run, "runs_lost"),
        (cut_weights, "models_half_written"),
        (begin_a_model, "models_half_written"),
    ],
)
def test_every_loss_is_counted(promised, fault, counted):
    workspace, ledger = promised
    fault(workspace)
    tally = audit(workspace, ledger)
    assert getattr(tally, counted) == 1
    assert not tally.sound


def test_equal_runs_with_other_weights_are_counted(promised):
    workspace, ledger = promised
    folder = workspace.student_root / str(workspace.job(3).name)
    path, card = folder / "tiny-untrained.safetensors", folder / "card.json"
    before = workspace.model(folder.name).sha256
    tensors = load_file(path)
    first = next(iter(tensors))
    tensors[first] = tensors[first] + 1
    size = path.stat().st_size
    save_file(tensors, path)
    data = path.read_bytes()
    text = card.read_text().replace(before, hashlib.sha256(data).hexdigest())
    card.write_text(text.replace(f'"bytes": {size}', f'"bytes": {len(data)}'))
    assert audit(workspace, ledger).unlike_weights == 1


def test_a_line_that_a_kill_cut_short_was_no_promise(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.promise("lot", "a")
    with ledger.path.open("a") as file:
        file.write('{"kind": "lot", "of')
    assert ledger.promised("lot") == ["a"]
    assert ledger.promised("run") == []
