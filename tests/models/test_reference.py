import shutil

import numpy as np
import pytest

from wafer_core.decode import decode_with
from wafer_core.errors import BrokenModel
from wafer_core.models.card import Card
from wafer_core.models.folder import files_of, resolve
from wafer_core.models.reference import embeddings, fit_novelty

MAPS = np.random.default_rng(0).random((400, 2, 16, 16)).astype(np.float32)


@pytest.fixture
def fitted(tiny_folder, tmp_path):
    """A copy of the untrained model that can tell novelty."""
    folder = shutil.copytree(tiny_folder, tmp_path / "tiny-untrained")
    assert fit_novelty(folder, MAPS[:200], MAPS[200:]) is not None
    return folder


def test_every_file_has_a_limit_that_one_ordinary_map_in_a_hundred_passes(fitted):
    files = files_of(fitted)
    assert {*files[0].card.novelty.limits} == {file.file for file in files}
    for file in files:
        novelty = file.novelty(embeddings(file, MAPS[200:]))
        assert (novelty > 1).sum() == 2
        assert file.novelty(np.full((1, novelty.shape[0]), 9, np.float32)[:, :8]) > 1


def test_decoding_tells_novelty_only_where_it_is_given_embeddings(fitted, tiny_folder):
    file, plain = files_of(fitted)[2], files_of(tiny_folder)[2]
    logits, embedding = np.zeros((3, 8), np.float32), embeddings(file, MAPS[:3])
    logits[1] = np.nan
    assert np.isnan(decode_with(file, logits).novelty).all()
    assert np.isnan(decode_with(plain, logits, embedding).novelty).all()
    novelty = decode_with(file, logits, embedding).novelty
    assert np.isnan(novelty).tolist() == [False, True, False]
    assert np.array_equal(novelty[[0, 2]], file.novelty(embedding)[[0, 2]])


def test_fitting_again_replaces_what_was_there_and_too_few_maps_take_it_away(fitted):
    first = files_of(fitted)[0].card
    assert fit_novelty(fitted, MAPS[100:300], MAPS[300:]) is not None
    second = files_of(fitted)[0].card
    assert second.novelty.sha256 != first.novelty.sha256
    assert second.files == first.files
    assert fit_novelty(fitted, MAPS[:50], MAPS[50:]) is None
    assert files_of(fitted)[0].card.novelty is None
    assert files_of(fitted)[0].known() is None
    assert list(fitted.glob("*novelty*")) == []


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_kill_while_a_reference_is_replaced_leaves_the_one_before(fitted, monkeypatch, repeats):
    for _ in range(repeats):
        before = files_of(fitted)[0].card.novelty

        def killed(card, folder):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Card, "write", killed)
            with pytest.raises(KeyboardInterrupt):
                fit_novelty(fitted, MAPS[100:300], MAPS[300:])
        assert files_of(fitted)[0].card.novelty == before
        assert files_of(fitted)[0].known() is not None
        assert fit_novelty(fitted, MAPS[50:250], MAPS[250:]) is not None
        assert files_of(fitted)[0].known() is not None


@pytest.mark.parametrize("damage", ["gone", "other bytes", "other size"])
def test_a_damaged_reference_is_a_sentence(fitted, damage):
    path = fitted / "tiny-untrained.novelty.safetensors"
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[:-1] + (b"" if damage == "other size" else b"\x01"))
    with pytest.raises(BrokenModel, match=r"tiny-untrained\.novelty\.safetensors: .*restore"):
        files_of(fitted)[0].novelty(np.zeros((1, 8), np.float32))
    with pytest.raises(BrokenModel, match="novelty"):
        resolve(str(fitted))


def test_a_reference_of_another_network_is_refused(fitted):
    with pytest.raises(BrokenModel, match="that of another network"):
        files_of(fitted)[0].novelty(np.zeros((1, 9), np.float32))
