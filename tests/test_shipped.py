"""What ships keeps its word: models that saw nothing held back, and students that saw no label."""

import json
import re
from pathlib import Path

import pytest

from wafer_core.benchmark import SHIPPED_SETS, guard_set, shipped_sets
from wafer_core.distill_lot.pool import REPLAY
from wafer_core.models.folder import shipped_models
from wafer_core.models.groups import pack_groups, unpack_groups
from wafer_core.readers import read_paths

DOCS = Path(__file__).parents[1] / "docs"
CARDS = {model.card.name: model.card for model in shipped_models()}
RUNS = {model.card.name: model.card.runs_until(model.sha256) for model in shipped_models() if model.engine == "torch"}


def held_back():
    """The groups of WM-811K's split that training may not see, by part."""
    parts = json.loads((SHIPPED_SETS / "held_back.json").read_text())["parts"]
    return {part: unpack_groups(packed) for part, packed in parts.items()}


def leaks(made_from):
    """The held-back groups that a card says its model has learned from."""
    learned = frozenset().union(*(unpack_groups(data["groups"]) for data in made_from["data"] if "groups" in data))
    return {part: found for part, groups in held_back().items() if (found := groups & learned)}


@pytest.mark.parametrize("name", CARDS)
def test_a_shipped_model_learned_from_real_wafers_and_none_held_back(name):
    assert any("groups" in data for data in CARDS[name].made_from["data"])
    assert leaks(CARDS[name].made_from) == {}


@pytest.mark.parametrize("part", ["guard", "test", "validation"])
def test_one_held_back_wafer_gives_a_card_away(part):
    group = min(held_back()[part])
    assert leaks({"data": [{"groups": pack_groups([group])}, {"labels": False}]}) == {part: {group}}


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.role == "student"])
def test_a_shipped_student_saw_no_label(name):
    assert [data["labels"] for data in CARDS[name].made_from["data"]] == [False] * len(CARDS[name].made_from["data"])


def documented(name):
    """Seed and steps of every run that `docs/models.md` lists for a shipped model, and the sum of steps it says."""
    section = (DOCS / "models.md").read_text().split("## How they are made")[1].split("\n## ")[0]
    commands = re.findall(r"^python -m wafer_core train-.*$", section.replace("\\\n", " "), re.MULTILINE)
    options = [dict(re.findall(r"--(\S+) ([^\s-]\S*)", command)) for command in commands]
    by_name = {each["out"].removeprefix("assets/models/"): each for each in options}
    runs, run = [], by_name[name]
    while run:
        runs.insert(0, (int(run.get("seed", 0)), int(run["steps"])))
        run = by_name[run["start"]] if "start" in run else None
    [said] = re.findall(rf"^\*\*{name}\*\*[^:]*?([\d,]+)\ssteps", section, re.MULTILINE)
    return runs, int(said.replace(",", ""))


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if card.made_from.get("start_sha256")])
def test_a_shipped_model_names_every_run_from_the_first_on(name):
    [first, *later] = RUNS[name]
    assert "start_sha256" not in first
    assert "--start" not in first["command"]
    assert all("--start" in run["command"] for run in later)
    assert [(run["seed"], run["steps"]) for run in RUNS[name]] == documented(name)[0]


@pytest.mark.parametrize("name", CARDS)
def test_the_steps_that_the_docs_name_are_those_of_all_runs(name):
    assert sum(run["steps"] for run in RUNS[name]) == documented(name)[1]


def test_whoever_taught_a_run_is_one_of_the_teachers_own_runs():
    teachers = {run["teacher_sha256"] for runs in RUNS.values() for run in runs if "teacher_sha256" in run}
    assert len(teachers) > 1
    assert teachers <= {run["sha256"] for run in RUNS["teacher"]}


def sources(lot):
    """The split's groups that the real maps of a lot come from."""
    found = [part.split("#")[0] for wafer in lot for part in (wafer.lot, *wafer.wafer.split("+"))]
    return {source for source in found if re.match(r"(m|lot)\d", source)}


@pytest.mark.parametrize("one", shipped_sets(), ids=lambda one: one.name)
def test_the_benchmark_is_of_the_test_part(one):
    groups = sources(one.lot)
    assert len(groups) > 100
    # The split puts a lot that shares wafers with another under that one's name; the benchmark tells its own.
    assert groups - held_back()["test"] <= {"lot36743"}


def test_what_is_replayed_was_learned_by_the_teacher_and_is_without_labels():
    lot = read_paths([REPLAY])
    groups = sources(lot)
    assert len(lot) == 512
    assert len(groups) > 400
    assert all(wafer.labels is None for wafer in lot)
    assert groups <= CARDS["teacher"].training_groups()


def test_the_guard_set_is_of_the_guard_part():
    guard = guard_set()
    groups = sources(guard.lot)
    assert len(groups) > 1000
    assert groups <= held_back()["guard"]
    assert guard.path not in {one.path for one in shipped_sets()}


def test_the_guard_set_holds_real_overlaid_and_simulated_wafers_of_every_pattern():
    guard = guard_set()
    kinds = [wafer.lot.partition("-")[0] for wafer in guard.lot]
    assert (kinds.count("overlay"), kinds.count("SIM38")) == (260, 380)
    assert guard.labels.any(axis=0).all()
    # Made wafers are lots of their own; drawn as two large lots they would say little.
    assert len(guard.lot.lots) > 0.9 * len(guard.lot)
