"""Teacher and student on the real MixedWM38, for whoever has its file: split, trained, distilled, measured.

python -m measurements.mixedwm38 --file Wafer_Map_Datasets.npz --out DIR [--teacher-steps N] [--student-steps N]

The protocol is the cleanest published one: 70/10/20 within each of the 38 sets, seed 42, equal maps kept
together; thresholds are chosen on validation, test is looked at once. The shipped teacher goes on
learning from the train part's labels; the shipped student is distilled from it on the same maps without
them. The shipped models, which saw none of these maps, stand beside them. What comes out stays in DIR.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from measurements.evaluation import measure, print_table, record
from measurements.timing import say
from wafer_core.canonical import canonical_states
from wafer_core.decode import decode, least_certain, logit, match_thresholds
from wafer_core.distill.lesson import Recipe as Distillation
from wafer_core.distill.loop import distil
from wafer_core.errors import WaferDistillError
from wafer_core.models.asking import network_logits
from wafer_core.models.folder import ModelFile, files_of, resolve
from wafer_core.models.networks import Network
from wafer_core.models.saving import save_model
from wafer_core.models.weights import load_network
from wafer_core.recognise import network_calls
from wafer_core.synthesis.pool import Chunk, Pool
from wafer_core.training.mixedwm38 import SEED, MixedMaps, mixed_maps, parts
from wafer_core.training.trainer import Recipe as Training
from wafer_core.training.trainer import train
from wafer_core.training.validation import Examples, choose_thresholds

DECODER = "38"
CPU = torch.device("cpu")


def main() -> None:
    """Read, split, train, distil, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher-steps", type=int, default=4000)
    parser.add_argument("--student-steps", type=int, default=8000)
    parser.add_argument("--any-file", action="store_true", help="take a file that is not the published one")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        maps = mixed_maps(options.file, published=not options.any_file)
    except WaferDistillError as problem:
        parser.exit(2, f"{problem}\n")
    run(options, maps)


def run(options: argparse.Namespace, maps: MixedMaps) -> None:
    """Train and distil on the train part and print the table of the test part."""
    # The file has its maps set by set, and the first of each part are looked at for what holds for all of them.
    random = np.random.default_rng(SEED)
    split = {part: maps.chosen(random.permutation(rows)) for part, rows in parts(maps).items()}
    options.out.mkdir(parents=True, exist_ok=True)
    teacher = _taught(options, split)
    student = _distilled(options, split, teacher)
    size = teacher.card.size
    test = Examples("MixedWM38", _canonical(split["test"], size), split["test"].labels, DECODER, source="")
    shipped = [resolve(name) for name in ("teacher", "student", "student-int8")]
    table = measure([teacher, *student, *shipped], {test.name: test}, "test")
    print_table(table)
    (options.out / "table.json").write_text(json.dumps(record(table), indent=1))
    for checkpoint in options.out.glob("*.checkpoint"):
        checkpoint.unlink()


def _taught(options: argparse.Namespace, split: dict[str, MixedMaps]) -> ModelFile:
    """Return the shipped teacher after further training on the train part's labels."""
    start = resolve("teacher")
    size = start.card.size
    recipe = Training(architecture=start.card.architecture, steps=options.teacher_steps, rate=1e-3, seed=SEED)
    pool = Pool(_whole(split["train"], size), len(split["train"]), CPU)

    def report(step: int, loss: float, seconds: float) -> None:
        say(f"Teacher: step {step} of {recipe.steps}, loss {loss:.4f}")

    checkpoint = options.out / "teacher.checkpoint"
    network = train(recipe, pool, CPU, report=report, checkpoint=checkpoint, start=load_network(start))
    seen = _canonical(split["validation"], size).astype(np.float32)
    cuts = choose_thresholds([(network_logits(network, seen), split["validation"].labels)])
    made = _made_from(options, "teacher", start, None, maps=len(split["train"]))
    return _saved(options.out / "mixedwm38-teacher", network, start, "teacher", seen, lambda found: cuts, made)[0]


def _distilled(options: argparse.Namespace, split: dict[str, MixedMaps], teacher: ModelFile) -> tuple[ModelFile, ...]:
    """Return the shipped student after distillation from that teacher, on the same maps without labels."""
    start, size = resolve("student"), teacher.card.size
    network, teaching = load_network(start), load_network(teacher)
    recipe = Distillation(steps=options.student_steps, batch=64, rate=2e-3, seed=SEED)
    pool = Pool(_whole(split["train"], size), len(split["train"]), CPU)

    def draw(count: int, random: torch.Generator) -> Tensor:
        maps: Tensor = pool.draw(count, random)[0]
        return maps

    seen = _canonical(split["validation"], size).astype(np.float32)
    cuts = torch.from_numpy(logit(teacher.entry.thresholds)).float()
    checkpoint = options.out / "student.checkpoint"
    for progress in distil(
        teaching, network.train(), draw, recipe, torch.from_numpy(seen[:512]), cuts, checkpoint=checkpoint
    ):
        if progress.step % 100 == 0:
            say(f"Student: step {progress.step} of {progress.steps}, {progress.agreed} of {progress.held_out} agree")
    wanted = network_calls(teacher, teaching, seen)
    made = _made_from(options, "student", start, teacher, maps=len(split["train"]))
    return _saved(
        options.out / "mixedwm38-student",
        network,
        start,
        "student",
        seen,
        lambda found: match_thresholds(wanted, found),
        made,
    )


def _saved(
    out: Path,
    network: Network,
    start: ModelFile,
    role: str,
    seen: NDArray[np.float32],
    thresholds: Callable[[NDArray[np.float32]], Sequence[float]],
    made: dict[str, object],
) -> tuple[ModelFile, ...]:
    assert role in ("teacher", "student")
    logits = network_logits(network, seen)
    save_model(
        out,
        network,
        name=out.name,
        role=role,  # type: ignore[arg-type]
        architecture=start.card.architecture,
        size=start.card.size,
        decoder=DECODER,
        unsure_below=least_certain(decode(logits, thresholds(logits), DECODER).margin),
        thresholds=lambda found, _: thresholds(found),
        calibration=seen[:200],
        threshold_maps=seen,
        made_from=made,
        start=start,
    )
    return files_of(out)


def _made_from(
    options: argparse.Namespace, role: str, start: ModelFile, teacher: ModelFile | None, maps: int
) -> dict[str, object]:
    """Return what a card says of a run; without a teacher it read labels."""
    steps = options.teacher_steps if role == "teacher" else options.student_steps
    return {
        "teacher_sha256": teacher.sha256 if teacher else None,
        "start_sha256": start.sha256,
        "data": [{"name": "MixedWM38, its own train part", "labels": teacher is None, "maps": maps}],
        "seed": SEED,
        "steps": steps,
        "command": f"python -m measurements.mixedwm38 --file FILE --out DIR --{role}-steps {steps}",
    }


def _whole(maps: MixedMaps, size: int, refreshed: int = 256) -> Iterator[Chunk]:
    """Give all canonical maps, uint8 in 255ths, and their labels; then the same over again in small chunks.

    A pool takes the first as its whole content, and each later one over the very maps it repeats.
    """
    found = np.rint(255 * _canonical(maps, size).astype(np.float32)).astype(np.uint8)
    chunks = torch.from_numpy(found), torch.from_numpy(maps.labels)
    yield chunks
    while True:
        yield from zip(*(torch.split(column, refreshed) for column in chunks), strict=True)


def _canonical(maps: MixedMaps, size: int) -> NDArray[np.float16]:
    parts = [canonical_states(maps.states[i : i + 1024], size).astype(np.float16) for i in range(0, len(maps), 1024)]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
