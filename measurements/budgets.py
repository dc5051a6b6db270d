"""What a student gains on a lot, and loses elsewhere, at several budgets, or after so many steps whatever they take.

python -m measurements.budgets [--data DATA] [--budgets SECONDS ... | --steps N ...] [--size SIZE]
    --out FILE.json

Three lots: a bundled real one, maps of another fab (`--data`, which holds `mixedwm38/`), and simulated wafers of a
product whose grid and noise the simulator never drew for a shipped model. The shipped student and the new one are both
held against the teacher on the wafers held out, no label read; the new one against the shipped one on the guard set.
Rows are kept in FILE.json as they come, and a run that is repeated measures only what is missing there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measurements.inputs import scratch
from measurements.timing import ROOT, say, timed_command, verdict
from wafer_core.benchmark import guard_set, measure
from wafer_core.compare import Paired, Sets, paired
from wafer_core.compare.guard import judged
from wafer_core.decode import decode_with
from wafer_core.distill_lot.agreement import Agreement
from wafer_core.distill_lot.judged import judging
from wafer_core.held_out import held_out
from wafer_core.lot import Wafer
from wafer_core.models.folder import ModelFile, files_of, resolve
from wafer_core.patterns import ALLOWED_SETS
from wafer_core.readers import read_paths
from wafer_core.recognise import load_recognizer
from wafer_core.synthesis.outline import disc
from wafer_core.synthesis.simulator import labelled_wafer
from wafer_core.synthesis.views import with_more_fails

SIZES = ("small", "base")
"""Those that begin with the shipped student, by which they are judged."""

REAL = "lot18905, real, bundled"
OTHER_FAB = "unlabelled_lot, real, another fab"
NEW_PRODUCT = "simulated, a new product"


@dataclass(frozen=True)
class Row:
    """One run: what it took, what the student agrees on before and after, and what it lost on the guard set.

    Args:
        lot: which lot.
        student: sha256 of the shipped student that the run started from.
        teacher: sha256 of the teacher.
        budget: seconds allowed; None where the steps were given.
        seconds: from the process's start to its end.
        steps: that training took.
        before: the shipped student's agreement with the teacher, over all held-out wafers.
        after: the new student's.
        only_before: held-out wafers on which the shipped student alone answers as the teacher.
        only_after: those on which the new one alone does.
        guard_loss: points of exact match lost on the guard set to the shipped student, by the trained weights.
        guard_upper: its one-sided 95 % bound.
        guard: what the product says of that, the worse of trained weights and int8.
        size: of the new student, a key of `STUDENT_SIZES`.
    """

    lot: str
    student: str
    teacher: str
    budget: float | None
    seconds: float
    steps: int
    before: dict[str, float]
    after: dict[str, float]
    only_before: int
    only_after: int
    guard_loss: float
    guard_upper: float
    guard: str
    size: str = "small"

    @property
    def limit(self) -> tuple[str, float]:
        """What ended the run, as the command line has it."""
        return ("--steps", self.steps) if self.budget is None else ("--budget", self.budget)


def main() -> None:
    """Distil every lot within every budget, keep each row and print them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with mixedwm38/unlabelled_lot.npz")
    parser.add_argument("--budgets", type=float, nargs="+", default=[30.0, 120.0, 600.0], metavar="SECONDS")
    parser.add_argument("--steps", type=int, nargs="+", metavar="N", help="in the place of budgets, on a busy machine")
    parser.add_argument("--size", choices=SIZES, default="small", help="of the new student")
    parser.add_argument("--out", type=Path, required=True, help="a JSON file of every row")
    options = parser.parse_args()
    teacher, shipped = resolve("teacher"), resolve("student")
    rows = [Row(**row) for row in json.loads(options.out.read_text())] if options.out.exists() else []
    limits = [("--steps", each) for each in options.steps or ()] or [("--budget", each) for each in options.budgets]
    with scratch() as folder:
        for limit, most in limits:
            for lot, path in _lots(folder, options.data).items():
                wanted = (lot, options.size, shipped.sha256, teacher.sha256, limit, most)
                if wanted not in [(row.lot, row.size, row.student, row.teacher, *row.limit) for row in rows]:
                    out = folder / f"{lot[:4]}-{most:g}"
                    rows.append(_measured(lot, path, options.size, (limit, most), teacher, shipped, out))
                    options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print_rows([row for row in rows if (row.student, row.teacher) == (shipped.sha256, teacher.sha256)])


def _lots(folder: Path, data: Path | None) -> dict[str, Path]:
    lots = {REAL: ROOT / "assets" / "lots" / "lot18905.npz", NEW_PRODUCT: folder / "new-product.npz"}
    if not lots[NEW_PRODUCT].exists():
        np.savez_compressed(lots[NEW_PRODUCT], maps=np.stack(new_product(400, seed=21)))
    if data is not None:
        lots[OTHER_FAB] = data / "mixedwm38" / "unlabelled_lot.npz"
    return lots


def new_product(count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Return die states uint8 (104, 66) of simulated wafers, half of them normal, with fails in stripes of a tester."""
    random, outline = np.random.default_rng(seed), disc(104, 66)
    sets = ALLOWED_SETS["38"]
    wafers = []
    for i in range(count):
        labels = sets[random.integers(len(sets))] if i % 2 else np.zeros(sets.shape[1], dtype=bool)
        states = labelled_wafer(random, outline, labels).states
        states[:, ::4] = with_more_fails(states[:, ::4], random, random.uniform(0, 0.15))
        wafers.append(states)
    return wafers


def _measured(
    lot: str, path: Path, size: str, limit: tuple[str, float], teacher: ModelFile, shipped: ModelFile, out: Path
) -> Row:
    option, most = limit
    say(f"{lot}: {size}, {option} {most:g}")
    taken = timed_command("-m", "wafer_core", "distill", path, "--out", out, "--size", size, option, f"{most:g}")
    new = files_of(out)[0]
    wafers = held_out_of(path)
    logits = [load_recognizer(model).score(wafers).logits for model in (teacher, shipped, new)]
    answers = [decode_with(model, each).detected for model, each in zip((teacher, shipped, new), logits, strict=True)]
    changed = paired(answers[1], answers[2], answers[0])
    guards = _guards(shipped, new)
    return Row(
        lot=lot,
        student=shipped.sha256,
        teacher=teacher.sha256,
        budget=most if option == "--budget" else None,
        seconds=round(taken.wall, 1),
        steps=json.loads((out / "run.json").read_text())["steps"],
        before=Agreement.between(answers[0], logits[0], answers[1], logits[1]).to_json(),
        after=Agreement.between(answers[0], logits[0], answers[2], logits[2]).to_json(),
        only_before=changed.teacher_only,
        only_after=changed.student_only,
        guard_loss=guards[0].loss.value,
        guard_upper=guards[0].upper,
        guard=max((judged(each) for each in guards), key=("kept", "open", "lost").index),
        size=size,
    )


def held_out_of(path: Path) -> list[Wafer]:
    """Return the wafers that a distillation of a lot holds out; those that students are judged by are in no use."""
    tested = [wafer for wafer in read_paths([path]) if wafer.scorable]
    judged_by = judging(tested)
    wafers = list({wafer.map_hash: wafer for wafer in tested if wafer.map_hash not in judged_by}.values())
    kept = held_out(wafers)
    return [wafers[i] for i in np.flatnonzero(kept)]


def _guards(shipped: ModelFile, new: ModelFile) -> list[Paired]:
    """Return what a new student loses on the guard set, its trained weights first and then its int8 file."""
    guard = guard_set()
    return [
        paired(_on_guard(before), _on_guard(after), guard.labels, guard.groups)
        for before, after in zip(_told_apart(shipped), _told_apart(new), strict=True)
    ]


def _told_apart(model: ModelFile) -> list[ModelFile]:
    files = files_of(model.folder)
    return [files[0], next(file for file in files if file.entry.precision == "int8")]


def _on_guard(model: ModelFile) -> Sets:
    return measure(model, [guard_set()])[0].verdicts.detected


def print_rows(rows: Sequence[Row]) -> None:
    """Print rows as Markdown, counts before and after with an arrow, then whether the project's goals are met."""
    print(
        "| lot | size | budget | took | steps | held out: as the teacher | where either names a pattern "
        "| only before, only after | logit difference | guard set, points lost |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: (row.lot, row.limit, row.size)):
        before, after = row.before, row.after
        cells = [
            row.lot,
            row.size,
            "" if row.budget is None else f"{row.budget:g} s",
            f"{row.seconds:.0f} s",
            f"{row.steps:,}",
            f"{before['exact']} → {after['exact']} of {after['wafers']}",
            f"{before['exact_called']} of {before['called']} → {after['exact_called']} of {after['called']}",
            f"{row.only_before}, {row.only_after}",
            f"{before['logit_difference']:.2f} → {after['logit_difference']:.2f}",
            f"{100 * row.guard_loss:.2f}, at most {100 * row.guard_upper:.2f}: {row.guard}",
        ]
        print("| " + " | ".join(cells) + " |")
    budgeted = [row for row in rows if row.budget is not None]
    if budgeted:
        verdict("no run took longer than its budget.", all(row.seconds <= (row.budget or 0) for row in budgeted))
    verdict("no lot ends below the shipped student.", all(row.only_after >= row.only_before for row in rows))
    verdict("no run loses more than half a point on the guard set.", all(row.guard != "lost" for row in rows))


if __name__ == "__main__":
    main()
