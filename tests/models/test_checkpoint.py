import pytest
import torch

from wafer_core.errors import UsageError
from wafer_core.models.checkpoint import Checkpoint, fingerprint, load_checkpoint, save_checkpoint
from wafer_core.models.learning import laid_out
from wafer_core.models.networks import build


def saved(path, **facts):
    save_checkpoint(path, Checkpoint({"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor([1, 2])}, facts))
    return path


def test_what_is_saved_is_what_is_loaded(tmp_path):
    found = load_checkpoint(saved(tmp_path / "not" / "there" / "yet", step=3, points=[{"loss": 0.1}]), {})
    assert found.facts == {"step": 3, "points": [{"loss": 0.1}]}
    assert torch.equal(found.tensors["a"], torch.arange(6.0).reshape(2, 3).T)
    assert found.tensors["b"].dtype == torch.int64


def test_the_newest_takes_the_place_of_the_one_before_and_nothing_lies_about(tmp_path):
    saved(saved(tmp_path / "run", step=1), step=2)
    assert load_checkpoint(tmp_path / "run", {}).facts == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_kill_while_one_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = saved(tmp_path / "run", step=1)
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        saved(path, step=2)
    assert load_checkpoint(path, {}).facts == {"step": 1}


@pytest.mark.parametrize("data", [None, b"", b"no safetensors", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_cannot_be_read_is_no_checkpoint(tmp_path, data):
    if data is not None:
        (tmp_path / "run").write_bytes(data)
    assert load_checkpoint(tmp_path / "run", {}) is None


def test_half_a_file_is_no_checkpoint(tmp_path):
    path = saved(tmp_path / "run", step=1)
    path.write_bytes(path.read_bytes()[:-9])
    assert load_checkpoint(path, {}) is None


def test_weights_in_another_layout_are_saved_as_they_are(tmp_path):
    network = laid_out(build("separable-4-8-8-8"))
    save_checkpoint(tmp_path / "run", Checkpoint(network.state_dict(), {}))
    found = load_checkpoint(tmp_path / "run", {}).tensors
    assert all(torch.equal(each, found[name]) for name, each in network.state_dict().items())


@pytest.mark.parametrize(
    ("asked", "same"),
    [({"recipe": "a"}, True), ({"recipe": "a", "asked": ""}, True), ({"recipe": "b"}, False), ({"asked": "x"}, False)],
)
def test_a_checkpoint_of_a_run_that_was_asked_for_otherwise_is_refused(tmp_path, asked, same):
    path = saved(tmp_path / "run", recipe="a")
    if same:
        assert load_checkpoint(path, asked).facts == {"recipe": "a"}
    else:
        with pytest.raises(UsageError, match="run is left from a run with other options: remove it, or repeat"):
            load_checkpoint(path, asked)


def test_what_a_run_is_made_from_is_known_again_whatever_its_order():
    assert fingerprint({"a": 1, "b": 2}, ["x"]) == fingerprint({"b": 2, "a": 1}, ["x"])
    assert fingerprint({"a": 1}, ["x"]) != fingerprint({"a": 1}, ["y"])
