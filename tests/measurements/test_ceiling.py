import sys

import numpy as np
import pytest

from measurements.ceiling import DEFAULT_ROW, Asked, asked_about, main, seen_by, taught
from wafer_core.explain import DEFAULT, attribute
from wafer_core.models.folder import files_of
from wafer_core.patterns import PATTERNS
from wafer_core.recognise import load_recognizer
from wafer_core.trust.regions import real_overlays


@pytest.fixture
def recognizer(tiny_folder):
    return load_recognizer(files_of(tiny_folder)[0])


def scattered(count: int, seed: int) -> Asked:
    """Wafers with random fails, of which a die is the pattern's own where the last channel speaks for it."""
    random = np.random.default_rng(seed)
    seen = random.random((count, 6, 8, 8), dtype=np.float32)
    seen[:, 0] = seen[:, 0] < 0.3
    own = (seen[:, 0] > 0) & (seen[:, 5] > 0.5)
    return Asked(seen, own, np.ones(count), np.arange(count), np.zeros(count, dtype=np.int64))


def test_an_observer_learns_what_tells_a_pattern_s_own_dies():
    asked = scattered(20, seed=1)
    said = seen_by(taught(scattered(200, seed=0), steps=100), asked.seen)
    failing = asked.seen[:, 0] > 0
    assert said[failing & asked.regions].mean() > said[failing & ~asked.regions].mean() + 2


def test_it_sees_what_the_default_method_says(recognizer, disc_states):
    sources = {k: [disc_states(20, 20, 0.3, seed=k)] for k in range(len(PATTERNS))}
    overlays = real_overlays(sources, 12, seed=2)
    asked = asked_about(recognizer, overlays)
    assert len(asked.seen)
    for seen, region, evenly, number, pattern in zip(*asked, strict=True):
        made = overlays[number]
        assert [k for k in made.patterns if (made.regions[k] == region).all()] == [pattern]
        credit = attribute(recognizer, made.wafer, DEFAULT, [int(pattern)])[0]
        assert (seen[0] > 0).tolist() == made.failing.tolist()
        assert evenly == region[made.brought[pattern]].mean() < 1
        if credit.max() > 0:
            assert seen[DEFAULT_ROW].argmax() == credit.argmax()


def test_the_table_says_who_points_how_rightly(fake_data, tiny_folder, monkeypatch, capsys):
    run = ["--part", "train", "--taught", "8", "--wafers", "8", "--steps", "2"]
    model = str(files_of(tiny_folder)[0].path)
    monkeypatch.setattr(sys, "argv", ["ceiling", "--data", str(fake_data), "--model", model, *run])
    main()
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["who", "points", "rightly"]
    assert len(rows) == 4
