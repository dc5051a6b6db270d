"""The whole `score` command on 10,000 maps: torch teacher, ONNX teacher and int8 student, side by side.

Goal: the int8 student at least ten times as fast as the torch teacher. Repeat with
`python -m measurements.scoring`; `--student NAME_OR_PATH` takes a student's int8 file or its name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measurements.inputs import maps_file, scratch, untrained_student
from measurements.timing import Taken, say, table, timed, timed_command, verdict

GOAL = 10.0


def main() -> None:
    """Time the three models in turns, then the student's stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="an npz of maps instead of simulated ones")
    parser.add_argument("--student", default="student-int8", help="a shipped name or a path; `untrained` makes one")
    parser.add_argument("--maps", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with scratch() as folder:
        lot = maps_file(folder, options.maps, options.data)
        student = options.student
        if student == "untrained":
            student = str(untrained_student(folder / "student") / "student.int8.onnx")
        models = {"teacher (torch)": "teacher", "teacher (ONNX fp32)": "teacher-onnx", "student (int8)": student}
        wafers, taken = _side_by_side(models, lot, folder, options.repeats)
        base = taken["teacher (torch)"]
        table(
            [
                (name, wafers / each.wall, each.wall, base.wall / each.wall, base.processor / each.processor)
                for name, each in taken.items()
            ],
            head=("model", "wafers/s", "seconds", "times the teacher", "by processor time"),
        )
        print()
        _stages(student, lot)
    times = base.wall / taken["student (int8)"].wall
    verdict(f"int8 student at {times:.1f} times the torch teacher; the goal is {GOAL:.0f}.", times >= GOAL)


def _side_by_side(models: dict[str, str], lot: Path, folder: Path, repeats: int) -> tuple[int, dict[str, Taken]]:
    """Return how many wafers were scored, and each model's typical time."""
    out = folder / "verdicts.csv"
    runs: dict[str, list[Taken]] = {name: [] for name in models}
    for turn in range(repeats):
        for name, model in models.items():
            say(f"{name}, {turn + 1} of {repeats}")
            runs[name].append(timed_command("-m", "wafer_core", "score", lot, "--model", model, "--out", out))
    wafers = len(out.read_text().splitlines()) - 1
    return wafers, {name: Taken.typical(found) for name, found in runs.items()}


def _stages(model_name: str, lot_path: Path) -> None:
    """Print where the command's time goes, by the same calls in this process."""
    from wafer_core.canonical import canonical
    from wafer_core.decode import decode_with
    from wafer_core.models.folder import resolve
    from wafer_core.readers import read_paths
    from wafer_core.recognise import BATCH, load_recognizer
    from wafer_core.verdicts_csv import verdicts_csv

    start = timed_command("-c", "import wafer_core.cli, wafer_core.readers, wafer_core.recognise")
    recognizer, loading = timed(lambda: load_recognizer(resolve(model_name)))
    lot, reading = timed(lambda: read_paths([lot_path]))
    able, sorting = timed(lambda: [wafer for wafer in lot if wafer.scorable])
    size, starts = recognizer.model.card.size, range(0, len(able), BATCH)
    _, mapping = timed(lambda: [len(canonical(able[i : i + BATCH], size)) for i in starts])
    scores, scoring = timed(lambda: recognizer.score(able))
    verdicts, decoding = timed(lambda: decode_with(recognizer.model, scores.logits))
    stages: dict[str, Taken] = {
        "start and imports": start,
        "model": loading,
        "reading": reading,
        "counting dies": sorting,
        "canonical maps, alone": mapping,
        "canonical maps and network": scoring,
        "decoding": decoding,
    }
    if len(able) == len(lot):
        stages["CSV"] = timed(lambda: verdicts_csv(lot, verdicts))[1]
    table(
        [(name, each.wall, each.processor) for name, each in stages.items()], head=("stage", "seconds", "processor s")
    )


if __name__ == "__main__":
    main()
