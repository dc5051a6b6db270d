#!/usr/bin/env python
"""Write the lots that ship with the product and its labelled benchmark from WM-811K's test part, the guard set from its
guard part, and from its train part the wafers that stand beside a lot while a student learns.

Run it as `scripts/make_samples.py --data PATH`, where PATH holds a folder `wm811k` with
`maps_64x64.npz`, `maps_native.npz`, `splits.csv` and `LICENSE.txt`. The same data give the same files.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wafer_core.lot import Frame, Lot, SourceFile, Wafer  # noqa: E402
from wafer_core.models.groups import pack_groups  # noqa: E402
from wafer_core.patterns import ALLOWED_SETS, NORMAL, PATTERNS, flags, title  # noqa: E402
from wafer_core.readers.lotfile import write_lot  # noqa: E402
from wafer_core.synthesis.neighbours import clustered_fails  # noqa: E402
from wafer_core.synthesis.outline import MIXED_OUTLINE  # noqa: E402
from wafer_core.synthesis.overlays import overlay  # noqa: E402
from wafer_core.synthesis.simulator import labelled_wafer  # noqa: E402

SEED = 811
REAL_LOTS = ("lot17184", "lot18905")
SAMPLER_PER_CLASS = 4
SINGLES = 2400
OVERLAYS_PER_PAIR = 31
GUARD_OVERLAYS_PER_PAIR = 20
GUARD_PER_SET = 10
REPLAY = 512
CLASSES = (NORMAL, *PATTERNS)
MIXABLE = ("Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Scratch")
NEVER_TOGETHER = ({"Center", "Donut"}, {"Edge-Loc", "Edge-Ring"})
"""As in MixedWM38: two of a kind do not stand on one wafer."""


@dataclass(frozen=True, eq=False)
class Map:
    """A real wafer map: its split group, its label and its wafer as the Lot will hold it."""

    group: str
    label: str
    wafer: Wafer


class Maps:
    """One part of WM-811K's split.

    `enlarged` holds the labelled maps at 64x64, by class. `native` holds those at their own grid by
    the row of their 64x64 twin, `alone` the labelled ones without a twin, `lots` whole real lots.
    """

    def __init__(self, folder: Path, part: str = "test") -> None:
        self.files = tuple(
            SourceFile(name, hashlib.sha256((folder / name).read_bytes()).hexdigest(), f"WM-811K maps, {part} part")
            for name in ("maps_64x64.npz", "maps_native.npz")
        )
        with (folder / "splits.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["part"] == part]
        self.enlarged: dict[int, Map] = {}
        self.native: dict[int, Map] = {}
        self.lots: dict[str, list[Map]] = defaultdict(list)
        self._read_enlarged(folder / "maps_64x64.npz", [row for row in rows if row["file"] == "maps_64x64"])
        self._read_native(folder / "maps_native.npz", [row for row in rows if row["file"] == "maps_native"])

    def labelled(self, label: str) -> list[int]:
        """Return the 64x64 rows of a class."""
        return [row for row, found in self.enlarged.items() if found.label == label]

    def at_own_grid(self, row: int) -> Map:
        """Return a map at its wafer's own die grid where that is known, else at 64x64."""
        return self.native.get(row, self.enlarged[row])

    def _read_enlarged(self, path: Path, rows: Sequence[dict[str, str]]) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            maps, labels = arrays["maps"], arrays["label"]
        for entry in rows:
            row = int(entry["row"])
            # WM-811K's lots are unknown for these; the split's group stands in, so that no two pass for one lot.
            wafer = _wafer(entry["group"], "01", maps[row], str(labels[row]))
            self.enlarged[row] = Map(entry["group"], str(labels[row]), wafer)

    def _read_native(self, path: Path, rows: Sequence[dict[str, str]]) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            dies, shapes, labels = arrays["dies"], arrays["shape"].astype(int), arrays["label"]
            lots, numbers = arrays["lot"], arrays["wafer"]
        starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
        for entry in rows:
            row = int(entry["row"])
            states = dies[starts[row] : starts[row + 1]].reshape(shapes[row])
            lot, label = str(lots[row]) or entry["group"], str(labels[row])
            number = f"{int(numbers[row]):02d}" if numbers[row] >= 0 else "01"
            found = Map(entry["group"], label, _wafer(lot, number, states, label))
            self.lots[lot].append(found)
            if entry["twin_row_in_maps_64x64"]:
                self.native[int(entry["twin_row_in_maps_64x64"])] = found


def real_lot(maps: Maps, lot: str) -> Lot:
    """Return a whole real lot at its own die grid."""
    return Lot(f"{lot} (real, WM-811K)", tuple(found.wafer for found in maps.lots[lot]), maps.files[1:])


def sampler(maps: Maps) -> Lot:
    """Return a few real wafers of every class, no two of one lot while others are left."""
    random = np.random.default_rng(SEED)
    chosen: list[Wafer] = []
    for label in CLASSES:
        rows = random.permutation(maps.labelled(label)).tolist()
        rows.sort(key=lambda row: row not in maps.native)  # own grids first, otherwise as drawn
        fresh = _one_a_group(maps, rows)
        rows = [*fresh, *(row for row in rows if row not in fresh)][:SAMPLER_PER_CLASS]
        chosen += [maps.at_own_grid(row).wafer for row in rows]
    name = f"Sampler: {len(chosen)} real wafers, every pattern (WM-811K, labelled)"
    return Lot(name, tuple(chosen), maps.files)


def benchmark_singles(maps: Maps) -> Lot:
    """Return labelled real wafers drawn class by class, in the test part's own proportions."""
    random = np.random.default_rng(SEED)
    rows: list[int] = []
    for label in CLASSES:
        found = maps.labelled(label)
        # Rounded up, so that the rarest class is there at all.
        count = int(np.ceil(SINGLES * len(found) / len(maps.enlarged)))
        rows += random.choice(found, count, replace=False).tolist()
    wafers = _named_once(maps.at_own_grid(row).wafer for row in sorted(rows))
    name = f"{len(wafers):,} real wafers of the WM-811K test part, in its own class proportions"
    return Lot(name, tuple(wafers), maps.files)


def benchmark_overlays(maps: Maps) -> Lot:
    """Return overlays of two real test wafers each, as many for every pair of patterns that may stand together."""
    wafers = _overlays(maps, OVERLAYS_PER_PAIR)
    pairs = len(wafers) // OVERLAYS_PER_PAIR
    name = f"{len(wafers)} overlays of two real WM-811K test wafers, {OVERLAYS_PER_PAIR} for each of {pairs} pairs"
    return Lot(name, tuple(wafers), maps.files[:1])


def guard_set(maps: Maps) -> Lot:
    """Return what a new student must not have forgotten: real wafers, overlays of them and simulated mixes."""
    real = _named_once(maps.at_own_grid(row).wafer for row in sorted(maps.enlarged))
    # Each made wafer is a lot of its own, so that drawing lots again draws wafers one by one.
    made = [*_overlays(maps, GUARD_OVERLAYS_PER_PAIR), *_simulated(GUARD_PER_SET)]
    alone = [replace(wafer, lot=f"{wafer.lot}-{number:03d}") for number, wafer in enumerate(made, start=1)]
    overlays = sum(wafer.lot.startswith("overlay") for wafer in alone)
    name = f"Guard set: {len(real):,} real wafers, {overlays} overlays of two, {len(alone) - overlays} simulated mixes"
    return Lot(name, (*real, *alone), maps.files)


def replay(maps: Maps) -> Lot:
    """Return real wafers that models learned from, without labels: half drawn at large, half where most fails cluster.

    Most wafers are normal; drawn evenly few would hold a pattern, and which do is not looked up.
    """
    random = np.random.default_rng(SEED)
    rows = random.permutation(sorted(maps.enlarged))
    clustered = [int(clustered_fails(maps.enlarged[row].wafer.states).sum()) for row in rows]
    most = rows[np.argsort(clustered, kind="stable")[-len(rows) // 3 :]]
    marked = random.choice(most, REPLAY // 2, replace=False)
    others = [row for row in rows if row not in set(marked.tolist())][: REPLAY - len(marked)]
    wafers = _named_once(replace(maps.at_own_grid(row).wafer, labels=None) for row in sorted([*marked, *others]))
    name = f"{len(wafers)} real wafers of the WM-811K train part, without labels"
    return Lot(name, tuple(wafers), maps.files)


def simulated_lot() -> Lot:
    """Return one simulated wafer of each of MixedWM38's 38 label sets, on its die grid."""
    return Lot("Simulated mixed lot, 38 label sets (no real wafers)", tuple(_simulated(1)))


def _simulated(each: int) -> list[Wafer]:
    """Draw simulated wafers, `each` of every one of the 38 sets."""
    random = np.random.default_rng([SEED, each] if each > 1 else SEED)
    sets = [labels for _ in range(each) for labels in random.permutation(ALLOWED_SETS["38"])]
    drawn = [labelled_wafer(random, MIXED_OUTLINE, labels) for labels in sets]
    return [
        Wafer("SIM38", f"{number:02d}", Frame(*made.states.shape), made.states, labels=made.labels)
        for number, made in enumerate(drawn, start=1)
    ]


def _overlays(maps: Maps, each: int) -> list[Wafer]:
    """Draw overlays of two real wafers, `each` for every pair of patterns that may stand together."""
    random = np.random.default_rng(SEED)
    by_class = {label: maps.labelled(label) for label in MIXABLE}
    pairs = [pair for pair in combinations(MIXABLE, 2) if set(pair) not in NEVER_TOGETHER]
    return [wafer for pair in pairs for wafer in _overlays_of(maps, pair, by_class, each, random)]


def _overlays_of(
    maps: Maps, pair: tuple[str, str], by_class: dict[str, list[int]], each: int, random: Generator
) -> list[Wafer]:
    """Draw distinct pairs of wafers; each class's wafers take turns, so none is used much more than another."""
    first, second = (_in_turns(by_class[label], each, random) for label in pair)
    made = []
    for a, b in zip(first, second, strict=True):
        states = overlay([maps.enlarged[a].wafer.states, maps.enlarged[b].wafer.states])
        name = f"{maps.enlarged[a].group}#{a}+{maps.enlarged[b].group}#{b}"
        made.append(Wafer("overlay", name, Frame(*states.shape), states, labels=flags(pair)))
    return made


def _in_turns(rows: Sequence[int], count: int, random: Generator) -> list[int]:
    turns = [random.permutation(rows) for _ in range(-(-count // len(rows)))]
    found: list[int] = np.concatenate(turns)[:count].tolist()
    return found


def _one_a_group(maps: Maps, rows: Iterable[int]) -> list[int]:
    by_group: dict[str, int] = {}
    for row in rows:
        by_group.setdefault(maps.enlarged[row].group, row)
    return list(by_group.values())


def _named_once(wafers: Iterable[Wafer]) -> list[Wafer]:
    """Number the wafers of a group whose own numbers are unknown."""
    seen: dict[str, int] = defaultdict(int)
    named = []
    for wafer in wafers:
        seen[wafer.name] += 1
        named.append(wafer if seen[wafer.name] == 1 else replace(wafer, wafer=f"{wafer.wafer}#{seen[wafer.name]}"))
    return named


def _wafer(lot: str, wafer: str, states: NDArray[np.uint8], label: str) -> Wafer:
    states = np.ascontiguousarray(states)
    return Wafer(lot, wafer, Frame(*states.shape), states, labels=flags([label]) if label else None)


def _table(lot: Lot) -> str:
    counts: dict[str, int] = defaultdict(int)
    for wafer in lot:
        counts["unlabelled" if wafer.labels is None else title(wafer.labels)] += 1
    if len(counts) > 1 and set(counts.values()) == {1}:
        return "one of each"
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _write(folder: Path, lots: dict[str, Lot], introduction: str, notice: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    lines = [introduction, ""]
    for name, lot in lots.items():
        data = write_lot(lot)
        (folder / f"{name}.npz").write_bytes(data)
        total += len(data)
        lines += [f"- `{name}.npz`: {lot.title}. {len(lot)} wafers: {_table(lot)}."]
    lines += ["", "## Notice that comes with WM-811K", "", "```text", notice.rstrip("\n"), "```", ""]
    (folder / "README.md").write_text("\n".join(lines))
    return total


def held_back(path: Path) -> dict[str, object]:
    """Return the groups of `splits.csv` that no model may have learned from, and that file's hash."""
    groups: dict[str, set[str]] = defaultdict(set)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            groups[row["part"]].add(row["group"])
    parts = {part: pack_groups(found) for part, found in sorted(groups.items()) if part != "train"}
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "parts": parts}


LOTS_INTRODUCTION = """# Bundled lots

Written by `scripts/make_samples.py`; lot files are read by `wafer_core/readers/lotfile.py`. The real
maps come from WM-811K, from the test part of this project's split, which training leaves out. Labels
are WM-811K's own. A lot called `m...` is a map whose lot WM-811K does not
tell here. A map stands at its own die grid where that is known, else at 64x64. The simulated lot
holds no real map."""

BENCHMARK_INTRODUCTION = f"""# Benchmark

Written by `scripts/make_samples.py`. All maps come from the test part of this project's split of
WM-811K.

The single wafers are a seeded draw (seed {SEED}) class by class from all labelled 64x64 maps of the
test part, about {SINGLES} in all, each class in its own share, rounded up. A wafer whose own die grid is known is
taken at that grid. Rare classes stay rare: read their figures with their intervals.

The overlays lay two of its 64x64 maps over each other: a die fails where either fails, and the outline
is that of both. Every pair of Center, Donut, Edge-Loc, Edge-Ring, Loc and Scratch is there except
Center with Donut and Edge-Loc with Edge-Ring; each wafer is named after its two sources (split
group and row of the 64x64 file). They are made, not found on a wafer: WM-811K has no mixed labels.

`held_back.json` lists the groups of the split's other parts, packed as in a model card: a card whose
training groups meet one of them is refused by the tests."""

GUARD_INTRODUCTION = f"""# Guard set

Written by `scripts/make_samples.py`. On these wafers a student that is to be approved is held against the shipped one:
what it may lose stands in `wafer_core/compare/guard.py`.

The real wafers are all labelled 64x64 maps of the guard part of this project's split of WM-811K, at their own die grid
where that is known. No model learns from that part, and nothing about the product was chosen on it. The overlays are
made as the benchmark's are, {GUARD_OVERLAYS_PER_PAIR} for each pair; the simulated wafers are {GUARD_PER_SET} of each
of MixedWM38's 38 label sets. Every made wafer stands as a lot of its own."""


REPLAY_INTRODUCTION = f"""# Replay

Written by `scripts/make_samples.py`. On these wafers and on simulated ones a student goes on learning while it is
distilled on a lot, so that a small lot does not make it forget: half of every batch comes from them.

They are {REPLAY} maps of the train part of this project's split of WM-811K, from which the shipped models learned too,
at their own die grid where that is known. Half are a seeded draw from all of it, half from the third on which most
fails have failing neighbours. No label was looked at and none is in the file."""


def main() -> None:
    """Write `lots`, `benchmark`, `guard` and `replay` and say how large they are."""
    parser = argparse.ArgumentParser(description="Write the bundled lots and the benchmark from WM-811K.")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds wm811k/")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "assets", help="where lots/, benchmark/, guard/ and replay/ go"
    )
    arguments = parser.parse_args()
    folder = arguments.data / "wm811k"
    maps = Maps(folder)
    notice = (folder / "LICENSE.txt").read_text()
    lots = {lot: real_lot(maps, lot) for lot in REAL_LOTS} | {"sampler": sampler(maps), "simulated": simulated_lot()}
    sets = {"singles": benchmark_singles(maps), "overlays": benchmark_overlays(maps)}
    total = _write(arguments.out / "lots", lots, LOTS_INTRODUCTION, notice)
    total += _write(arguments.out / "benchmark", sets, BENCHMARK_INTRODUCTION, notice)
    guard = {"guard": guard_set(Maps(folder, "guard"))}
    total += _write(arguments.out / "guard", guard, GUARD_INTRODUCTION, notice)
    replayed = {"replay": replay(Maps(folder, "train"))}
    total += _write(arguments.out / "replay", replayed, REPLAY_INTRODUCTION, notice)
    (arguments.out / "benchmark" / "held_back.json").write_text(json.dumps(held_back(folder / "splits.csv"), indent=1))
    print(f"{total / 1e6:.2f} MB of lot files in {arguments.out}")


if __name__ == "__main__":
    main()
