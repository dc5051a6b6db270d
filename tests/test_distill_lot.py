import json
import math
import shutil
import time
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from wafer_core.benchmark import guard_set, shipped_sets
from wafer_core.canonical import canonical
from wafer_core.cli import main
from wafer_core.decode import decode_with
from wafer_core.distill import loop
from wafer_core.distill.loop import Progress
from wafer_core.distill.settings import Settings
from wafer_core.distill_lot import kept, maps, plan, pool, run, start
from wafer_core.distill_lot.agreement import Agreement
from wafer_core.distill_lot.distil import distil_lot
from wafer_core.distill_lot.judged import judging
from wafer_core.distill_lot.kept import CHECKPOINT
from wafer_core.distill_lot.plan import Plan, Taken, timed
from wafer_core.distill_lot.stages import Examples, Stage
from wafer_core.distill_lot.watched import affordable
from wafer_core.distill_lot.words import line, slowed
from wafer_core.errors import BrokenModel, OutdatedRun, UnknownWafer, UnusableLot, UsageError
from wafer_core.held_out import held_out
from wafer_core.kit.vectors import die_list
from wafer_core.lot import FAIL, ORIENTATIONS, Frame, Lot, Wafer
from wafer_core.models.card import Card
from wafer_core.models.folder import files_of, shipped_models
from wafer_core.models.networks import build, parameter_count
from wafer_core.models.saving import save_model
from wafer_core.models.sizes import STUDENT_SIZES
from wafer_core.models.weights import load_network, network_bytes
from wafer_core.readers import NamedBytes, read, read_paths
from wafer_core.recognise import load_recognizer, network_calls
from wafer_core.trust.altered import flipped

SHIPPED_WAFERS = read_paths([pool.REPLAY]).title
FILES = {
    "student.safetensors",
    "student.onnx",
    "student.int8.onnx",
    "student.novelty.safetensors",
    "card.json",
    "run.json",
}


@pytest.fixture(autouse=True)
def unshipped(tmp_path, monkeypatch):
    """Start from random weights: what ships is another matter, and changes."""
    monkeypatch.setattr(start, "SHIPPED", tmp_path / "nothing-shipped")


@pytest.fixture
def few_replayed(monkeypatch):
    monkeypatch.setattr(pool, "REPLAYED", 8)


@pytest.fixture(scope="module")
def teacher(tiny_folder):
    return files_of(tiny_folder)[0]


def settings(**changes):
    return Settings(**{"size": "tiny", "steps": 3, "seed": 5, **changes})


@pytest.fixture(scope="module")
def ready(tmp_path_factory, teacher, lot_of, disc_states):
    """What one run leaves, with everything in it as it ships but the number of steps."""
    out = tmp_path_factory.mktemp("runs") / "17"
    states = [disc_states(18, 18 + 2 * (i % 2), 0.05 + 0.1 * i, i) for i in range(6)]
    lot = lot_of([*states, states[0]], title="six wafers and one again")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "SHIPPED", out / "nothing-shipped")
        return out, lot, steps_of(distil_lot([lot], teacher, out, settings()))


def steps_of(told):
    """What a run told of its steps, its stages left out."""
    return [each for each in told if isinstance(each, Progress)]


def test_a_model_folder_is_complete(ready):
    out, _, told = ready
    assert {path.name for path in out.iterdir()} == FILES
    assert [path.name for path in out.parent.iterdir()] == ["17"]
    assert [progress.step for progress in told] == [1, 2, 3]


def test_every_file_of_it_answers(ready):
    out, lot, _ = ready
    models = files_of(out)
    assert [model.name for model in models] == ["17", "17-onnx", "17-int8"]
    scores = [load_recognizer(model).score(lot.wafers).logits for model in models]
    assert scores[0].shape == (7, 8)
    assert np.abs(scores[0] - scores[1]).max() < 1e-4


def test_it_knows_the_wafers_it_learned(ready):
    out, lot, _ = ready
    for model in files_of(out):
        novelty = model.novelty(load_recognizer(model).score(lot.wafers).embedding)
        assert (novelty <= 1).sum() >= 6


def test_a_few_wafers_alone_do_not_tell_what_is_ordinary(teacher, small_lot, tmp_path):
    list(distil_lot([small_lot], teacher, tmp_path / "few", settings(pool="none")))
    assert files_of(tmp_path / "few")[0].card.novelty is None


def test_the_card_says_where_the_student_comes_from(ready, teacher):
    out, lot, _ = ready
    card = Card.read(out)
    assert (card.role, card.architecture, card.size, card.decoder) == ("student", STUDENT_SIZES["tiny"], 16, "38")
    made = card.made_from
    assert made["teacher_sha256"] == teacher.sha256
    assert (made["seed"], made["steps"]) == (5, 3)
    assert "start_sha256" not in made
    assert [(data["name"], data["labels"], data["maps"]) for data in made["data"]] == [
        (lot.title, False, 6),
        (SHIPPED_WAFERS, False, 512),
        (pool.REPLAYED_NAME, False, pool.REPLAYED),
    ]
    assert made["data"][0]["sha256"] == lot.lot_hash
    assert made["command"].endswith("--teacher tiny-untrained --size tiny --seed 5 --steps 3")


def test_the_run_is_told_step_by_step(ready, teacher):
    out, _, told = ready
    record = json.loads((out / "run.json").read_text())
    assert record["settings"] == {**asdict(settings()), "start": None, "without": []}
    assert record["teacher"] == {"name": "tiny-untrained", "sha256": teacher.sha256}
    assert record["start"] is None
    assert record["agreement"]["before"] is None
    assert (record["wafers"], record["held_out"], record["withheld"]) == (6, told[-1].held_out, 0)
    assert (record["plan"]["steps"], record["steps"], record["ended_early"]) == (3, 3, False)
    assert record["history"] == [progress.to_json() for progress in told]
    assert record["seconds_until_writing"] >= round(told[-1].seconds, 1)


def weights(folder):
    return load_file(folder / "student.safetensors")


def distilled(lot, teacher, out, chosen, **given):
    for _ in distil_lot([lot], teacher, out, chosen, **given):
        pass
    return weights(out)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(tensor, b[name]) for name, tensor in a.items())


@pytest.fixture
def without_graphs(monkeypatch):
    """Leave the slow export out where only trained weights are asked about."""

    def write(out, network, **card):
        yield "write"
        out.mkdir(parents=True)
        (out / "student.safetensors").write_bytes(network_bytes(network))

    monkeypatch.setattr(run, "write_model", write)
    monkeypatch.setattr(run, "_seconds_a_wafer", lambda folder, lots: 0.0)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_labels_leave_no_trace(small_lot, teacher, tmp_path):
    true = np.random.default_rng(0).random((6, 8)) < 0.3
    labelled = [
        replace(small_lot, wafers=tuple(replace(w, labels=row) for w, row in zip(small_lot, rows, strict=True)))
        for rows in (true, np.roll(true, 1, axis=0))
    ]
    found = [distilled(lot, teacher, tmp_path / str(i), settings()) for i, lot in enumerate([small_lot, *labelled])]
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize("change", [{"seed": 6}, {"steps": 4}])
def test_seed_and_steps_make_the_student(small_lot, teacher, tmp_path, change):
    once = distilled(small_lot, teacher, tmp_path / "once", settings())
    again = distilled(small_lot, teacher, tmp_path / "again", settings(budget=500.0))
    other = distilled(small_lot, teacher, tmp_path / "other", settings(**change))
    assert same(once, again)
    assert not same(once, other)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_spent_budget_ends_after_a_step_and_a_number_of_steps_does_not(small_lot, teacher, tmp_path):
    long_ago = time.monotonic() - 10_000
    chosen = settings(steps=None, budget=25.0)
    assert len(steps_of(distil_lot([small_lot], teacher, tmp_path / "a", chosen, started=long_ago))) == 1
    chosen = settings(steps=3, budget=25.0)
    assert len(steps_of(distil_lot([small_lot], teacher, tmp_path / "b", chosen, started=long_ago))) == 3


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_without_a_pool_the_lot_is_learned_alone(small_lot, teacher, tmp_path, monkeypatch):
    expected = distilled(small_lot, teacher, tmp_path / "alone", settings(pool="none"))
    assert not same(distilled(small_lot, teacher, tmp_path / "usual", settings()), expected)
    monkeypatch.setattr(pool, "Unlabelled", None)
    assert same(distilled(small_lot, teacher, tmp_path / "again", settings(pool="none")), expected)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_wafers_are_left_out_as_if_they_had_never_been(lot_of, disc_states, teacher, tmp_path):
    states = [disc_states(18, 18, 0.05 + 0.1 * i, i) for i in range(7)]
    expected = distilled(lot_of(states[1:6]), teacher, tmp_path / "few", settings())
    found = distilled(lot_of(states), teacher, tmp_path / "left-out", settings(without=("01", "L1/07")))
    assert same(found, expected)
    with pytest.raises(UnknownWafer, match="no wafer '8'"):
        next(distil_lot([lot_of(states)], teacher, tmp_path / "run", settings(without=("8",))))
    with pytest.raises(UnusableLot, match="every wafer with a tested die was left out"):
        next(distil_lot([lot_of(states[:1])], teacher, tmp_path / "run", settings(without=("01",))))


# Wafers that students are judged by --------------------------------------------------------------


@pytest.fixture(scope="module")
def judged():
    """A lot of wafers that students are judged by: three of the guard set, two of the benchmark's, named anew."""
    _, singles = shipped_sets()
    wafers = (*guard_set().lot.wafers[:3], *singles.lot.wafers[:2])
    return Lot("mine", tuple(replace(wafer, lot="mine", wafer=f"{i:02}") for i, wafer in enumerate(wafers)))


def read_as_a_die_list(lot):
    return read([NamedBytes("mine.csv", die_list(lot))])


def in_other_coordinates(lot):
    moved = (replace(wafer, frame=replace(wafer.frame, x=7, y=-3, y_step=-1)) for wafer in lot)
    return replace(lot, wafers=tuple(moved))


def within_a_wider_grid(lot):
    wider = [np.pad(wafer.states, ((2, 1), (0, 3))) for wafer in lot]
    return replace(
        lot, wafers=tuple(Wafer("mine", f"{i:02}", Frame(*grid.shape), grid) for i, grid in enumerate(wider))
    )


def turned(lot):
    return replace(lot, wafers=tuple(wafer.turned(way) for wafer, way in zip(lot, ORIENTATIONS[3:], strict=True)))


@pytest.mark.usefixtures("few_replayed")
@pytest.mark.parametrize("disguise", [replace, read_as_a_die_list, in_other_coordinates, within_a_wider_grid, turned])
@pytest.mark.parametrize("beside", [False, True], ids=["the lot", "beside it"])
def test_wafers_that_students_are_judged_by_are_in_no_use(small_lot, judged, teacher, disguise, beside):
    barred = disguise(judged)
    others = (flipped(wafer, np.flatnonzero(wafer.states == FAIL)[:1].tolist()) for wafer in small_lot)
    other = replace(small_lot, title="other", wafers=tuple(others))
    mixed = replace(barred, wafers=(*(other if beside else small_lot).wafers, *barred.wafers))
    chosen = settings(pool="both" if beside else "shipped")
    found = gathered([small_lot if beside else mixed], teacher, chosen, [mixed] if beside else [])
    looked_at = rows(np.concatenate([found.learned, found.watched, found.pool.maps]))
    assert not looked_at & rows(canonical(barred.wafers, 16))
    assert found.withheld == 5
    assert len(found.learned) + len(found.watched) == 6
    assert [each["maps"] for each in found.origins] == [6]
    assert (~found.pool.shipped).sum() == (6 if beside else 0)


@pytest.mark.usefixtures("few_replayed")
@pytest.mark.parametrize("way", ORIENTATIONS)
def test_no_wafer_of_the_lot_is_in_its_pool_in_whatever_turn(small_lot, teacher, way, lot_of, disc_states):
    one_more = lot_of([disc_states(15, 15, 0.2, seed=77)]).wafers
    again = Lot("again", (*(wafer.turned(way) for wafer in small_lot), *one_more))
    found = gathered([small_lot], teacher, settings(pool="lots"), [again])
    assert rows(found.pool.maps) == rows(canonical(one_more, 16))


@pytest.mark.usefixtures("few_replayed")
def test_the_wafers_to_watch_are_drawn_from_all_that_are_held_out(lot_of, disc_states, teacher):
    """A file may begin with wafers that are alike; from its front alone they would be all that is looked at."""
    lot = lot_of([disc_states(12, 12, 0.3, seed=i) for i in range(800)])
    kept = [wafer.name for wafer, out in zip(lot, held_out(lot.wafers), strict=True) if out]
    few, again, all_ = (gathered([lot], teacher, settings(budget=seconds)) for seconds in (10.0, 25.0, 60.0))
    assert len(few.names) == affordable(10.0) == 100 < len(kept) < affordable(60.0)
    assert list(few.names) == list(again.names) == [name for name in kept if name in few.names]
    assert few.held_out == len(kept)
    assert set(few.names) < set(kept)
    assert set(few.names) != set(kept[:100])
    assert list(all_.names) == kept


@pytest.mark.usefixtures("few_replayed")
def test_how_many_wafers_students_are_judged_by_is_told_and_recorded(small_lot, judged, teacher, tmp_path):
    mixed = replace(small_lot, wafers=(*small_lot.wafers, *judged.wafers))
    told = list(distil_lot([mixed], teacher, tmp_path / "run", settings(steps=1)))
    said = "leave out 5 wafers of the guard set or the benchmark, by which students are judged"
    assert next(line(each) for each in told if isinstance(each, Stage)) == said
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["withheld"], record["wafers"]) == (5, 6)


def test_a_lot_of_nothing_but_wafers_that_students_are_judged_by_is_refused(
    small_lot, judged, untested_states, lot_of, teacher, tmp_path, capsys
):
    named = r"5 wafers of the guard set or the benchmark, by which students are judged\."
    for lot, without, said in (
        (
            replace(judged, wafers=(*judged.wafers, *lot_of([untested_states(9, 9)]))),
            (),
            "only wafers with a tested die",
        ),
        (replace(judged, wafers=(*judged.wafers, small_lot.wafers[0])), ("L1/01",), "was left out, or is one of"),
    ):
        with pytest.raises(UnusableLot, match=f"{said}.* {named}"):
            next(distil_lot([lot], teacher, tmp_path / "run", settings(without=without)))
    with pytest.raises(UsageError, match=f"not in the lot itself but for {named[:-2]}; choose others"):
        list(distil_lot([small_lot], teacher, tmp_path / "run", settings(pool="lots"), beside=[judged]))
    guard = guard_set()
    assert main(["distill", str(guard.path), "--out", str(tmp_path / "run"), "--steps", "1"]) == 2
    assert f"are {len(guard.lot):,} wafers of the guard set or the benchmark" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_no_wafer_that_is_replayed_is_one_that_students_are_judged_by():
    assert judging(read_paths([pool.REPLAY])) == set()
    for each in (*shipped_sets(), guard_set()):
        assert len(judging(each.lot)) == len(each.lot)


# Cards and pools ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_replayed")
def test_a_card_has_room_for_a_large_lot_of_any_name(lot_of, disc_states, teacher, tmp_path):
    states = [disc_states(18, 18, 0.05, i) for i in range(103)]
    lot = lot_of(states, title="\tlot\n" + 300 * "7")
    without = tuple(wafer.name for wafer in lot.wafers[3:])
    distilled(lot, teacher, tmp_path / "many", settings(steps=1, pool="none", without=without, augmentation=0.5))
    made = Card.read(tmp_path / "many").made_from
    assert made["command"].endswith(
        "--augmentation 0.5 --pool none --without each of the 100 wafers that run.json names"
    )
    assert json.loads((tmp_path / "many" / "run.json").read_text())["settings"]["without"] == list(without)
    [data] = made["data"]
    assert data["maps"] == 3
    assert data["name"].startswith("lot 777")


@pytest.mark.usefixtures("few_replayed")
def test_a_map_that_two_lots_hold_counts_once(lot_of, disc_states, teacher):
    states = [disc_states(18, 18, 0.05 + 0.1 * i, i) for i in range(4)]
    lots = [lot_of([*states[:3], states[0]]), lot_of(states[2:], title="another")]
    assert [each["maps"] for each in gathered(lots, teacher, settings()).origins] == [3, 1]


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_other_lots_join_the_lot_and_their_labels_are_not_read(small_lot, lot_of, disc_states, teacher, tmp_path):
    other = lot_of([disc_states(16, 16, 0.1 * i, 50 + i) for i in range(4)], lot="L2", title="another")
    labelled = replace(other, wafers=tuple(replace(wafer, labels=np.ones(8, bool)) for wafer in other))
    made = {
        name: distilled(small_lot, teacher, tmp_path / name, settings(pool=kind), beside=beside)
        for name, kind, beside in (
            ("alone", "none", []),
            ("lots", "lots", [other]),
            ("labelled", "lots", [labelled]),
            ("both", "both", [other]),
        )
    }
    assert same(made["lots"], made["labelled"])
    assert not same(made["lots"], made["alone"])
    assert not same(made["lots"], made["both"])


def gathered(lots, teacher, chosen, beside=()):
    """The maps of a run, its stages left out."""
    teaching = load_network(teacher)
    called = partial(network_calls, teacher, teaching)
    going = maps.gather(lots, teaching, called, 16, chosen, beside)
    while True:
        try:
            next(going)
        except StopIteration as end:
            return end.value


def rows(maps):
    return {row.tobytes() for row in maps}


@pytest.mark.usefixtures("few_replayed")
@pytest.mark.parametrize("kept", [0, 3])
def test_shipped_wafers_that_are_the_lots_own_are_not_replayed(teacher, kept):
    shipped = read_paths([pool.REPLAY])
    lot = replace(shipped, title="some of them", wafers=shipped.wafers[kept:])
    found = gathered([lot], teacher, settings(pool="shipped"))
    assert [(each["name"], each["maps"]) for each in found.pool.data] == [
        (SHIPPED_WAFERS, kept),
        (pool.REPLAYED_NAME, 8),
    ]
    assert not rows(found.pool.maps) & rows(canonical(lot.wafers, 16))


@pytest.mark.usefixtures("few_replayed")
@pytest.mark.parametrize("kind", ["lots", "both"])
def test_no_wafer_of_the_lot_is_in_a_pool_held_out_or_left_out(lot_of, disc_states, teacher, kind):
    states = [disc_states(16, 16, 0.05 * i, i) for i in range(12)]
    lot = lot_of(states[:10])
    # The other lot repeats the lot in frames that start elsewhere, so that their hashes differ.
    frames = [replace(wafer, lot="L2", frame=replace(wafer.frame, x=7)) for wafer in lot_of(states)]
    other, third = replace(lot, title="other", wafers=tuple(frames)), lot_of(states[:11], lot="L3", title="third")
    found = gathered([lot], teacher, settings(pool=kind, without=("03",)), [other, third])
    own = rows(canonical(lot.wafers, 16))
    assert not rows(found.pool.maps) & own
    assert len(rows(found.learned)) + len(rows(found.watched)) == 9
    counts = {each["name"]: each["maps"] for each in found.pool.data if each["name"] != SHIPPED_WAFERS}
    assert sum(counts.values()) == len(found.pool.maps) == 2 + (8 if kind == "both" else 0)
    assert [each.get("sha256") for each in found.pool.data if each["name"] == "other"] == [other.lot_hash]
    assert len(found.names) == len(found.watched)


@pytest.mark.usefixtures("few_replayed")
def test_a_pool_tells_shipped_maps_from_those_of_other_lots(small_lot, lot_of, disc_states, teacher):
    other = lot_of([disc_states(16, 16, 0.05 * i, i) for i in range(12)], lot="L2", title="other")
    found = gathered([small_lot], teacher, settings(pool="both"), [other])
    own = rows(canonical(other.wafers, 16))
    assert rows(found.pool.maps[~found.pool.shipped]) == own
    assert found.pool.shipped.sum() == 8
    assert not rows(found.pool.maps[found.pool.shipped]) & own


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize(
    ("start", "kind", "remembered"),
    [
        ("taught by this teacher", "shipped", 8),
        ("taught by this teacher", "both", 8),
        ("taught by this teacher", "lots", 0),
        ("taught by this teacher", "none", 0),
        ("taught by another", "shipped", 0),
        (None, "shipped", 0),
    ],
)
def test_what_this_teacher_taught_before_is_remembered_where_shipped_maps_show_it(
    ready, small_lot, lot_of, disc_states, teacher, tmp_path, monkeypatch, start, kind, remembered
):
    folder = shutil.copytree(ready[0], tmp_path / "start") if start else None
    if start == "taught by another":
        card = json.loads((folder / "card.json").read_text())
        card["made_from"]["teacher_sha256"] = "0" * 64
        (folder / "card.json").write_text(json.dumps(card))
    recalled, distil = [], run.distil

    def watched(*given, recall, **options):
        recalled.append(0 if recall is None else len(recall.maps))
        return distil(*given, recall=recall, **options)

    monkeypatch.setattr(run, "distil", watched)
    beside = [lot_of([disc_states(16, 16, 0.3, 9)], lot="L2", title="other")] if kind in ("lots", "both") else []
    distilled(small_lot, teacher, tmp_path / "out", settings(start=folder, pool=kind, steps=1), beside=beside)
    assert recalled == [remembered]


@pytest.mark.usefixtures("few_replayed")
def test_of_many_wafers_of_other_lots_some_are_drawn(small_lot, lot_of, disc_states, teacher, monkeypatch):
    monkeypatch.setattr(pool, "MOST_OF_LOTS", 3)
    other = lot_of([disc_states(16, 16, 0.1 * i, 50 + i) for i in range(6)], lot="L2")
    drawn = [gathered([small_lot], teacher, settings(pool="lots", seed=seed), [other]).pool for seed in (0, 0, 1)]
    assert [len(each.maps) for each in drawn] == [3, 3, 3]
    assert np.array_equal(drawn[0].maps, drawn[1].maps)
    assert rows(drawn[0].maps) != rows(drawn[2].maps)


def test_a_pool_and_other_lots_have_to_fit(small_lot, teacher, tmp_path):
    for kind, beside, said in (
        ("lots", [], "name at least one"),
        ("shipped", [small_lot], "takes no other lot"),
        ("lots", [small_lot], "no tested wafer that is not in the lot itself"),
    ):
        with pytest.raises(UsageError, match=said):
            list(distil_lot([small_lot], teacher, tmp_path / "run", settings(pool=kind), beside=beside))


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_augmentation_changes_what_is_learned(small_lot, teacher, tmp_path):
    usual = distilled(small_lot, teacher, tmp_path / "usual", settings(augmentation=1.0))
    assert not same(distilled(small_lot, teacher, tmp_path / "none", settings(augmentation=0.0)), usual)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize("count", [1, 2])
def test_a_lot_of_a_wafer_or_two_will_do(lot_of, disc_states, teacher, tmp_path, count):
    lot = lot_of([disc_states(12, 12, 0.2, i) for i in range(count)])
    told = steps_of(distil_lot([lot], teacher, tmp_path / "run", settings(steps=2)))
    assert told[-1].held_out == count - 1


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_untested_wafers_and_repeated_maps_have_no_say(lot_of, disc_states, untested_states, teacher, tmp_path):
    tested = [disc_states(18, 18, 0.05 + 0.1 * i, i) for i in range(5)]
    plain = distilled(lot_of(tested), teacher, tmp_path / "plain", settings())
    mixed = lot_of([tested[0], untested_states(18, 18), *tested])
    assert same(distilled(mixed, teacher, tmp_path / "mixed", settings()), plain)
    two = steps_of(distil_lot([lot_of(tested[:2]), lot_of(tested[2:])], teacher, tmp_path / "two", settings()))
    assert len(two) == 3
    assert same(weights(tmp_path / "two"), plain)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_student_starts_from_the_shipped_one_unless_told_otherwise(small_lot, teacher, ready, tmp_path, monkeypatch):
    monkeypatch.setattr(start, "SHIPPED", ready[0].parent)
    shipped = distilled(small_lot, teacher, tmp_path / "shipped", settings())
    assert same(distilled(small_lot, teacher, tmp_path / "start", settings(start=ready[0])), shipped)
    assert not same(distilled(small_lot, teacher, tmp_path / "fresh", settings(fresh=True)), shipped)
    # The shipped student is of another size here, so this one begins anew.
    assert len(steps_of(distil_lot([small_lot], teacher, tmp_path / "small", settings(size="small", steps=1)))) == 1


@pytest.mark.parametrize("folder", [model.folder for model in shipped_models() if model.role == "student"])
def test_every_shipped_student_is_where_its_size_starts(monkeypatch, folder):
    monkeypatch.setattr(start, "SHIPPED", folder.parent)
    size = next(size for size, network in STUDENT_SIZES.items() if network == Card.read(folder).architecture)
    network, begins = start.beginning(Settings(size=size), Card.read(folder).size)
    assert begins.folder == folder
    assert network_bytes(network) == network_bytes(load_network(begins))


@pytest.mark.parametrize("named", [False, True])
def test_a_base_student_grows_out_of_a_small_one(monkeypatch, named):
    small = next(model for model in shipped_models() if model.card.architecture == STUDENT_SIZES["small"])
    monkeypatch.setattr(start, "SHIPPED", small.folder.parent)
    network, begins = start.beginning(Settings(size="base", start=small.folder if named else None), 52)
    assert begins.folder == small.folder
    assert parameter_count(network) == parameter_count(build(STUDENT_SIZES["base"]))
    maps = torch.rand(3, 2, 52, 52)
    with torch.no_grad():
        torch.testing.assert_close(network(maps), load_network(small)(maps))


def test_a_base_student_goes_on_from_one_of_its_own_size_before_it_grows(monkeypatch, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(next(model.folder for model in shipped_models() if model.name == "student"), models / "a-small")
    grown = models / "b-base"
    card = Card.read(models / "a-small")
    save_model(
        grown,
        build(STUDENT_SIZES["base"]).eval(),
        name="b-base",
        role="student",
        architecture=STUDENT_SIZES["base"],
        size=card.size,
        decoder=card.decoder,
        unsure_below=0.1,
        thresholds=(0.5,) * 8,
        calibration=np.random.default_rng(0).random((8, 2, 52, 52), dtype=np.float32),
        made_from={"data": [], "seed": 0, "steps": 0, "command": "tests"},
    )
    monkeypatch.setattr(start, "SHIPPED", models)
    assert start.beginning(Settings(size="base"), card.size)[1].folder == grown
    assert start.beginning(Settings(size="small"), card.size)[1].folder == models / "a-small"


def test_a_student_keeps_the_thresholds_it_came_with_where_the_lot_has_nothing_to_say(
    small_lot, teacher, ready, tmp_path
):
    start = shutil.copytree(ready[0], tmp_path / "start")
    card = json.loads((start / "card.json").read_text())
    # Far from any logit, yet moving one mends a wafer at most.
    came_with = {"fp32": [1e-9] * 4 + [1 - 1e-9] * 4, "int8": [1 - 1e-9] * 4 + [1e-9] * 4}
    for file in card["files"].values():
        file["thresholds"] = came_with[file["precision"]]
    (start / "card.json").write_text(json.dumps(card))
    alone = Lot("two wafers", small_lot.wafers[:2])
    distilled(alone, teacher, tmp_path / "student", settings(steps=1, start=start, pool="none"))
    for model in files_of(tmp_path / "student"):
        assert model.entry.thresholds == pytest.approx(came_with[model.entry.precision])


@pytest.mark.usefixtures("few_replayed")
def test_a_student_brings_along_what_its_start_has_seen(small_lot, teacher, ready, tmp_path):
    out = tmp_path / "second"
    distilled(small_lot, teacher, out, settings(start=ready[0], steps=1))
    names = [data["name"] for data in Card.read(out).made_from["data"]]
    replayed = [SHIPPED_WAFERS, pool.REPLAYED_NAME]
    assert names == ["small", *replayed, ready[1].title, *replayed]
    [start, *_] = files_of(ready[0])
    assert Card.read(out).made_from["start_sha256"] == start.sha256
    assert Card.read(out).made_from["earlier"] == start.card.runs_until(start.sha256)
    record = json.loads((out / "run.json").read_text())
    assert record["start"]["sha256"] == files_of(ready[0])[0].sha256
    assert record["remembered"] == 8
    before, after = record["agreement"]["before"], record["agreement"]["after"]
    assert before["wafers"] == after["wafers"] == record["held_out"]
    assert 0 < after["logit_difference"] != before["logit_difference"]


@pytest.mark.parametrize("size", ["small", "base"])
def test_a_start_of_another_size_is_refused(small_lot, teacher, ready, tmp_path, size):
    with pytest.raises(UsageError, match=f"17 is no student to start from: that takes trained weights of size {size}"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(size=size, start=ready[0])))
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_broken_is_refused(small_lot, teacher, ready, tmp_path):
    broken = shutil.copytree(ready[0], tmp_path / "broken")
    (broken / "student.safetensors").write_bytes(b"no weights")
    with pytest.raises(BrokenModel, match=r"broken/student\.safetensors: it has 10 bytes"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(start=broken)))


@pytest.mark.parametrize("count", [0, 2])
def test_a_lot_that_nobody_tested_is_refused(untested_states, lot_of, teacher, tmp_path, count):
    lot = lot_of([untested_states(18, 18)] * count) if count else Lot("empty", ())
    with pytest.raises(UnusableLot, match="no wafer of the lot has a tested die"):
        next(distil_lot([lot], teacher, tmp_path / "run", settings()))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("few_replayed")
@pytest.mark.parametrize("stage", ["draw wafers to replay", "train", "export", "int8 thresholds", "novelty"])
def test_a_run_that_is_left_leaves_nothing(small_lot, teacher, tmp_path, stage):
    going = distil_lot([small_lot], teacher, tmp_path / "run", settings())
    assert any(isinstance(told, Stage) and told.name == stage for told in going)
    going.close()
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_wafers_to_watch_are_told_before_the_first_step_those_that_differ_first(
    ready, lot_of, disc_states, teacher, tmp_path
):
    lot = lot_of([disc_states(16, 16, 0.02 * i, i) for i in range(40)])
    told = list(distil_lot([lot], teacher, tmp_path / "run", settings(start=ready[0], steps=1)))
    at = [i for i, each in enumerate(told) if isinstance(each, Examples)]
    assert len(at) == 1
    assert at[0] < next(i for i, each in enumerate(told) if isinstance(each, Progress))
    shown = told[at[0]]
    assert len(shown.wafers) == len(shown.teacher) == len(shown.student) == 4
    found = [
        decode_with(model, np.array(rows, np.float32)).detected
        for model, rows in ((teacher, shown.teacher), (files_of(ready[0])[0], shown.student))
    ]
    apart = (found[0] != found[1]).any(axis=1).tolist()
    assert apart == sorted(apart, reverse=True)
    (last,) = steps_of(told)
    assert len(last.look.first) == 4


def test_what_a_run_tells_reads_as_lines():
    assert line(Progress(2, 9, 1.0, 0.5, 3, 4)) == "step 2 of 9: loss 0.5000, 3 of 4 held-out wafers agree"
    assert line(Stage("train", 1.0, Plan(3).note)) == "train: 3 steps, as asked for"
    planned = Plan.fitted(60.0, 10.0, 0.2, 0.1, Taken(2.0, 2.0)).note
    assert planned == "202 steps planned at 210 ms each, 8 s of 60 s kept for writing"
    assert line(Examples(("L1/02", "L1/05"), (), ())) == "watched most closely: L1/02, L1/05"
    assert slowed(Progress(9, 9, 1.0, 0.5, 3, 4)) == ""
    assert "ended at step 2 of 9" in slowed(Progress(2, 9, 1.0, 0.5, 3, 4))


# Agreement ---------------------------------------------------------------------------------------


def sets(*rows):
    return np.array([[pattern in row for pattern in range(8)] for row in rows])


def test_agreement_tells_wafers_with_a_pattern_from_the_easy_ones():
    teacher, student = sets([], [], [0], [1], [2]), sets([], [3], [0], [1, 2], [2])
    found = Agreement.between(teacher, np.zeros((5, 8), np.float32), student, np.full((5, 8), -0.5, np.float32))
    assert found == Agreement(wafers=5, exact=3, called=4, exact_called=2, logit_difference=0.5)


def test_no_held_out_wafers_are_nothing_to_count():
    none = np.zeros((0, 8), np.float32)
    assert Agreement.between(none > 0, none, none > 0, none) == Agreement(0, 0, 0, 0, 0.0)


# Plans -------------------------------------------------------------------------------------------


ALONE = Taken(2.0, 2.0)


def test_a_plan_leaves_time_for_looks_and_writing():
    fitted = Plan.fitted(budget=60.0, prepared=10.0, step=0.2, look=0.1, writing=ALONE)
    assert fitted.evaluate == 10
    assert fitted.writing_seconds == 3.0 * (2.0 + 0.5)
    assert fitted.steps == int((60 - 10 - fitted.writing_seconds) / (0.2 + 0.1 / 10))
    before_last = fitted.steps - 1
    assert not fitted.spent_by(Progress(before_last, fitted.steps, before_last * 0.21, 0.1, 0, 0))


def test_on_a_crowded_machine_leaving_takes_longer_too():
    fitted = Plan.fitted(budget=60.0, prepared=10.0, step=0.2, look=0.1, writing=Taken(6.0, 2.0))
    assert fitted.writing_seconds == 3.0 * (6.0 + 3 * 0.5)


def test_dear_looks_are_taken_less_often():
    fitted = Plan.fitted(budget=600.0, prepared=10.0, step=0.1, look=2.0, writing=ALONE)
    assert fitted.evaluate == 400


@pytest.mark.parametrize("prepared", [55.0, 70.0])
def test_a_plan_without_time_is_one_step(prepared):
    assert Plan.fitted(60.0, prepared, 0.2, 0.1, ALONE).steps == 1


@pytest.mark.parametrize("slowness", [1.5, 2.0, 3.0])
def test_a_machine_that_slows_down_ends_early_and_leaves_as_much_more_for_writing(slowness):
    fitted = Plan.fitted(budget=60.0, prepared=10.0, step=0.2, look=0.0, writing=ALONE)
    pace = 0.2 * slowness
    told = (Progress(step, fitted.steps, step * pace, 0.1, 0, 0) for step in range(1, 1000))
    last = next(each.step for each in told if fitted.spent_by(each))
    assert last < fitted.steps
    left = 50.0 - last * pace
    assert 0.75 * slowness * fitted.writing_seconds - pace < left < slowness * fitted.writing_seconds


def test_a_hiccup_in_the_first_step_ends_nothing():
    fitted = Plan.fitted(budget=30.0, prepared=8.0, step=0.04, look=0.0, writing=Taken(3.9, 3.9))
    assert fitted.writing_seconds > 13
    assert not fitted.spent_by(Progress(1, fitted.steps, 1.5, 0.1, 0, 0))
    assert fitted.spent_by(Progress(20, fitted.steps, 8.0, 0.1, 0, 0))


def test_a_number_of_steps_has_no_budget():
    assert not Plan(steps=5).spent_by(Progress(1, 5, 1e9, 0.1, 0, 0))


@pytest.mark.parametrize("chosen", [Plan(7), Plan.fitted(60.0, 10.0, 0.2, 0.1, ALONE)])
def test_a_plan_is_kept_for_whoever_takes_the_run_up_again(tmp_path, chosen):
    chosen.keep(tmp_path / "run" / "plan.json")
    assert Plan.kept(tmp_path / "run" / "plan.json") == chosen


@pytest.mark.parametrize("text", [None, "", "[]", '{"stops": 3}'])
def test_what_is_no_plan_is_planned_anew(tmp_path, text):
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    assert Plan.kept(tmp_path / "plan.json") is None


def test_only_the_work_is_timed_and_all_of_it(monkeypatch):
    now = 0.0

    def pass_by(seconds):
        nonlocal now
        now += seconds

    def work():
        pass_by(1.0)
        yield "half"
        pass_by(2.0)

    monkeypatch.setattr(plan, "monotonic", lambda: now)
    monkeypatch.setattr(plan, "process_time", lambda: now / 2)
    found = []
    for taken in timed(work()):
        pass_by(100.0)
        found.append(taken)
    assert found == [Taken(1.0, 0.5), Taken(2.0, 1.0)]
    assert found[0].crowding == 2.0
    assert Taken(1.0, 0.0).crowding == 1.0


@pytest.mark.usefixtures("few_replayed")
def test_what_a_budget_affords_is_measured_and_fixed_before_the_first_step(small_lot, teacher, tmp_path):
    told = list(distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=None, budget=26.0)))
    names = [each.name for each in told if isinstance(each, Stage)]
    assert list(dict.fromkeys(names)) == [
        *("look at the wafers", "read shipped wafers", "ask the teacher", "draw wafers to replay", "measure a step"),
        *("rehearse the export", "train", "thresholds", "export", "int8", "int8 thresholds", "novelty"),
    ]
    assert len({each.steps for each in steps_of(told)}) == 1
    spent = [each.spent for each in told if isinstance(each, Stage)]
    assert spent == sorted(spent)
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]
    assert recorded["steps"] == steps_of(told)[0].steps
    assert recorded["step_seconds"] > 0
    assert recorded["writing_seconds"] > 0
    assert 0 < recorded["wafer_seconds"] < recorded["writing_seconds"]


# Going on ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize("kills", [(1,), (3, 5), (8,)])
def test_a_run_that_was_stopped_writes_what_an_uninterrupted_one_writes(
    small_lot, teacher, tmp_path, monkeypatch, kills
):
    expected = distilled(small_lot, teacher, tmp_path / "whole", settings(steps=8))
    monkeypatch.setattr(loop, "SAVING", math.inf)
    keep = tmp_path / "keep"
    for kill in kills:
        going = distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep)
        next(each for each in going if isinstance(each, Progress) and each.step == kill)
        # The disk as it is now is what a kill leaves: what a run writes as it is left comes later.
        killed = shutil.copytree(keep, tmp_path / f"killed-{kill}")
        going.close()
        shutil.rmtree(keep)
        killed.rename(keep)
    found = distilled(small_lot, teacher, tmp_path / "run", settings(steps=8), keep=keep)
    assert same(found, expected)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize("change", [{"seed": 6}, {"steps": 9}, {"without": ("01",)}, {"pool": "none"}])
def test_what_is_kept_of_a_run_with_other_options_is_not_gone_on_from(small_lot, teacher, tmp_path, change):
    keep = tmp_path / "keep"
    going = distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep)
    next(each for each in going if isinstance(each, Progress))
    going.close()
    with pytest.raises(UsageError, match="keep is left from a run with other options"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(**{"steps": 8, **change}), keep=keep))


def half_done(lot, teacher, keep, **changes):
    """Leave a run in the middle and return what it was asked for, which a test may write down otherwise."""
    going = distil_lot([lot], teacher, keep.parent / "run", settings(steps=8, **changes), keep=keep)
    next(each for each in going if isinstance(each, Progress))
    going.close()
    return json.loads((keep / kept.ASKED).read_text())


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_run_that_did_not_write_down_what_it_began_with_goes_on(small_lot, teacher, tmp_path):
    keep = tmp_path / "keep"
    words = half_done(small_lot, teacher, keep)
    (keep / kept.ASKED).write_text(json.dumps({name: words[name] for name in words if name != "begun"}))
    told = steps_of(distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep))
    assert [progress.step for progress in told] == list(range(1, 9))


@pytest.mark.usefixtures("few_replayed", "without_graphs")
@pytest.mark.parametrize(("mark", "goes_on"), [("the same", True), (None, True), ("0" * 64, False)])
def test_a_run_that_learned_from_other_wafers_does_not_go_on(small_lot, teacher, tmp_path, mark, goes_on):
    """A later version may hold out others, and would call held out what this run has learned."""
    keep = tmp_path / "keep"
    words = half_done(small_lot, teacher, keep)
    told = {None: {}, "the same": {"wafers": words["wafers"]}}.get(mark, {"wafers": mark})
    rest = {name: said for name, said in words.items() if name != "wafers"}
    (keep / kept.ASKED).write_text(json.dumps(rest | told))
    going = distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep)
    if goes_on:
        assert [progress.step for progress in steps_of(going)] == list(range(1, 9))
        return
    with pytest.raises(OutdatedRun, match="held out or replayed other wafers, and cannot go on; start it again"):
        steps_of(going)


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_run_that_was_taught_otherwise_does_not_go_on(small_lot, teacher, tmp_path, monkeypatch):
    keep = tmp_path / "keep"
    going = distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep)
    steps = (each for each in going if isinstance(each, Progress))
    next(steps), next(steps)
    going.close()
    assert (keep / kept.CHECKPOINT).exists()
    for recipe in ("FRESH", "GOING_ON"):
        monkeypatch.setattr(run, recipe, replace(getattr(run, recipe), rate=1e-5))
    with pytest.raises(OutdatedRun, match="teaches otherwise, and cannot go on; start it again"):
        steps_of(distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep))


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_base_run_of_the_network_before_does_not_go_on(small_lot, teacher, tmp_path):
    keep = tmp_path / "keep"
    words = half_done(small_lot, teacher, keep, size="base")
    (keep / kept.ASKED).write_text(json.dumps({name: words[name] for name in words if name != "begun"}))
    with pytest.raises(OutdatedRun, match="cannot go on; start it again"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8, size="base"), keep=keep))


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'"x"', b"\x80", b"[" * 100_000, b'{"settings": []}'])
@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_run_of_which_nobody_knows_what_was_asked_does_not_go_on(small_lot, teacher, tmp_path, damaged):
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / kept.ASKED).write_bytes(damaged)
    with pytest.raises(OutdatedRun, match="cannot be read any more, so it cannot go on; start it again"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep))


@pytest.mark.usefixtures("few_replayed", "without_graphs")
def test_a_run_does_not_go_on_from_other_weights_than_it_began_with(small_lot, teacher, ready, tmp_path, monkeypatch):
    keep, models = tmp_path / "keep", tmp_path / "models"
    shutil.copytree(ready[0], models / "student")
    monkeypatch.setattr(start, "SHIPPED", models)
    half_done(small_lot, teacher, keep)
    shutil.rmtree(models)
    distilled(small_lot, teacher, models / "student", settings(steps=1, fresh=True))
    with pytest.raises(OutdatedRun, match="other weights"):
        next(distil_lot([small_lot], teacher, tmp_path / "run", settings(steps=8), keep=keep))


@pytest.mark.usefixtures("few_replayed")
def test_a_student_grows_on_a_lot(small_lot, teacher, tmp_path):
    small, base = tmp_path / "small", tmp_path / "base"
    distilled(small_lot, teacher, small, settings(size="small", steps=1))
    distilled(small_lot, teacher, base, settings(size="base", steps=2, start=small))
    card, record = Card.read(base), json.loads((base / "run.json").read_text())
    assert card.architecture == STUDENT_SIZES["base"]
    assert [run["sha256"] for run in card.made_from["earlier"]] == [files_of(small)[0].sha256]
    assert record["agreement"]["before"]["wafers"] == record["held_out"]
    assert record["parameters"] == card.files["student.safetensors"].parameters > 60_000
    assert [model.name for model in files_of(base)] == ["base", "base-onnx", "base-int8"]


@pytest.mark.usefixtures("few_replayed")
def test_a_run_stopped_while_it_writes_takes_no_step_again(small_lot, teacher, tmp_path):
    keep, out = tmp_path / "keep", tmp_path / "run"
    going = distil_lot([small_lot], teacher, out, settings(), keep=keep)
    assert any(isinstance(told, Stage) and told.name == "int8" for told in going)
    going.close()
    stamp = (keep / CHECKPOINT).stat().st_mtime_ns
    told = steps_of(distil_lot([small_lot], teacher, out, settings(), keep=keep))
    assert [progress.step for progress in told] == [1, 2, 3]
    assert (keep / CHECKPOINT).stat().st_mtime_ns == stamp
    assert json.loads((out / "run.json").read_text())["history"] == [progress.to_json() for progress in told]
