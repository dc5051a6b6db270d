import sys

import numpy as np
import pytest

from measurements.alarms import WAYS, called, main
from wafer_core.models.folder import files_of

TOGETHER, ALONE = WAYS


@pytest.mark.parametrize(
    ("way", "asked", "named"),
    [
        (TOGETHER, 0.0, [[0], [0, 1], [0]]),
        (TOGETHER, 0.5, [[], [0, 1], [0]]),
        (TOGETHER, 2.0, [[], [], []]),
        # One pattern alone is worth less then, so a second one is named below its threshold.
        (ALONE, 0.5, [[0, 1], [0, 1], [0]]),
    ],
)
def test_more_is_asked_before_a_wafer_is_called_defective(way, asked, named):
    beyond = np.full((3, 8), -9.0)
    beyond[0, :2] = 0.4, -0.2
    beyond[1, :2] = 0.4, 0.4
    beyond[2, 0] = 1.5
    assert [np.flatnonzero(row).tolist() for row in called(beyond, "free", way, asked)] == named


def test_every_way_of_asking_is_a_row(fake_data, tiny_folder, monkeypatch, capsys):
    model = str(files_of(tiny_folder)[0].path)
    monkeypatch.setattr(sys, "argv", ["alarms", "--data", str(fake_data), "--models", model])
    main()
    printed = capsys.readouterr().out
    assert "normals re-gridded: false alarms" in printed
    assert sum(line.startswith("of a wafer") for line in printed.splitlines()) == 12
