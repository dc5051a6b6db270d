import argparse
import itertools
import json

import numpy as np
import pytest
import torch

from measurements.mixedwm38 import _whole, run
from wafer_core.models.card import Card
from wafer_core.models.folder import resolve
from wafer_core.patterns import ALLOWED_SETS
from wafer_core.synthesis.outline import MIXED_OUTLINE
from wafer_core.synthesis.pool import Pool
from wafer_core.synthesis.simulator import labelled_wafer
from wafer_core.training.mixedwm38 import mixed_maps


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A small file of MixedWM38's layout, simulated, as it is read."""
    random = np.random.default_rng(0)
    labels = np.repeat(ALLOWED_SETS["38"], 10, axis=0)
    cells = np.stack([labelled_wafer(random, MIXED_OUTLINE, one).states for one in labels])
    path = tmp_path_factory.mktemp("mixed") / "small.npz"
    np.savez(path, cells.astype(np.int32), labels.astype(np.int32))
    return mixed_maps(path, published=False)


def test_teacher_and_student_are_trained_and_the_table_is_filled(maps, tmp_path, capsys):
    run(argparse.Namespace(out=tmp_path, teacher_steps=1, student_steps=1), maps)
    printed = capsys.readouterr().out
    assert "| MixedWM38: real, its own test part" in printed
    found = json.loads((tmp_path / "table.json").read_text())
    assert found["sets"]["MixedWM38"]["n"] == 2 * 38
    names = [model["name"] for model in found["models"]]
    assert names[0] == "mixedwm38-teacher"
    assert "student" in names
    cards = [Card.read(tmp_path / f"mixedwm38-{role}") for role in ("teacher", "student")]
    assert [card.made_from["data"][0]["labels"] for card in cards] == [True, False]
    assert {card.made_from["data"][0]["maps"] for card in cards} == {7 * 38}
    shipped = [resolve(name) for name in ("teacher", "student")]
    assert [card.made_from["start_sha256"] for card in cards] == [model.sha256 for model in shipped]
    assert [card.made_from["earlier"][-1]["steps"] for card in cards] == [
        model.card.made_from["steps"] for model in shipped
    ]
    assert cards[1].made_from["teacher_sha256"] == cards[0].files["mixedwm38-teacher.safetensors"].sha256
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_pool_of_the_whole_part_stays_what_it_is(maps):
    chunks = _whole(maps, 52, refreshed=50)
    pool = Pool(chunks, len(maps), torch.device("cpu"))
    before = [column.clone() for column in pool.columns]
    for _ in range(9):
        pool.refresh()
    assert all(torch.equal(one, other) for one, other in zip(before, pool.columns, strict=True))
    assert len(list(itertools.islice(chunks, 3))) == 3
