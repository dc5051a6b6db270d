"""Where explanations point, on wafers of which the truth is known: every model and method, each beside its chance.

python -m measurements.explanations [--wafers N] [--data DATA [--part PART]] --out FILE.json [--into-models]

Simulated mixed wafers, whose patterns' dies the simulator knows, and overlays of two real wafers: of the
shipped benchmark's labelled wafers, or of a part of WM-811K where DATA holds `wm811k/`. Intervals are 95 %,
from drawing wafers again. Every shipped model is asked, as trained and as int8. `--into-models` keeps what a
page quotes beside each model's card; pairs of patterns and times are in FILE.json alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from measurements.explained import (
    Explained,
    print_agreements,
    print_goals,
    print_pairs,
    print_patterns,
    print_pooled,
)
from measurements.timing import say
from wafer_core.benchmark import shipped_sets
from wafer_core.explain import METHODS, TITLES, methods_for
from wafer_core.models.folder import resolve, shipped_models
from wafer_core.recognise import Recognizer, load_recognizer
from wafer_core.training.data import Part, resized_maps
from wafer_core.trust.exam import CHECKED, Exam, examine, methods_named
from wafer_core.trust.record import OVERLAYS, SIMULATED, MadeSet, Record, keep, quotable
from wafer_core.trust.regions import Constructed, Sources, real_overlays, simulated_mixes, single_patterns


def main() -> None:
    """Build the wafers, examine the models, print the tables and write the file."""
    options = read_options()
    # All at once and first: a run takes hours, and a model may be replaced meanwhile.
    recognizers = [load_recognizer(resolve(name), options.threads) for name in options.models]
    made = {name: _made(name, options) for name in options.sets}
    command = _command(options)
    sets = tuple(MadeSet(name, _sha256(made[name]), options.wafers, options.seed) for name in options.sets)
    exams: list[Exam] = []
    for recognizer, name in product(recognizers, options.sets):
        exams.append(_examined(recognizer, name, made[name], options))
        explained = Explained.of(exams)
        options.out.write_text(json.dumps(_document(explained, sets, command), indent=1, allow_nan=False) + "\n")
        if options.into_models:
            # What is done is kept: a run that is killed an hour later has not been for nothing.
            keep(recognizer.model.folder, _record(explained, sets, command))
    print_pooled(explained)
    print_patterns(explained)
    print_pairs(explained)
    print_agreements(explained)
    print_goals(explained)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wafers", type=int, default=500, help="how many of each kind")
    parser.add_argument("--checked", type=int, default=CHECKED, help="on how many of them to take the dear scores")
    parser.add_argument("--seed", type=int, default=4, help="of the wafers; methods were chosen on others")
    parser.add_argument("--sets", nargs="+", choices=(SIMULATED, OVERLAYS), default=[SIMULATED, OVERLAYS])
    parser.add_argument("--data", type=Path, help="a folder with wm811k/ for overlays; else the shipped wafers")
    parser.add_argument("--part", choices=get_args(Part), default="validation", help="which wafers of it")
    parser.add_argument("--models", nargs="+", default=_shipped(), help="the teacher first")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="a JSON file with every figure")
    parser.add_argument("--into-models", action="store_true", help="keep what pages quote in the models' folders")
    return parser.parse_args()


def _shipped() -> list[str]:
    """Return the shipped files to explain: every model as it was trained and as int8."""
    # An ONNX file in fp32 answers as the trained weights do, so its explanations would say the same again.
    return [model.name for model in shipped_models() if model.engine == "torch" or model.entry.precision == "int8"]


def _command(options: argparse.Namespace) -> str:
    """Return what repeats the run, without paths of this machine."""
    words = [f"--wafers {options.wafers} --seed {options.seed} --checked {options.checked}"]
    words += [f"--data DATA --part {options.part}"] * (options.data is not None)
    words += [f"--models {' '.join(Path(model).name for model in options.models)}"]
    words += [f"--methods {' '.join(options.methods)}"] * (len(options.methods) < len(METHODS))
    return f"python -m measurements.explanations {' '.join(words)} --out FILE.json"


def _sources(data: Path | None, part: Part) -> Sources:
    """Return real wafers of one pattern each, of the shipped benchmark or of a part of WM-811K."""
    if data is not None:
        maps = resized_maps(data, part)
        return single_patterns(maps.states, maps.labels)
    singles = next(each for each in shipped_sets() if each.name == "singles")
    return single_patterns((wafer.states for wafer in singles.lot), singles.labels)


def _made(name: str, options: argparse.Namespace) -> list[Constructed]:
    if name == SIMULATED:
        return simulated_mixes(options.wafers, options.seed)
    return real_overlays(_sources(options.data, options.part), options.wafers, options.seed)


def _examined(recognizer: Recognizer, name: str, wafers: Sequence[Constructed], options: argparse.Namespace) -> Exam:
    model = recognizer.model
    methods = [method for method in options.methods if method in methods_for(model)]
    every = max(len(wafers) // 10, 1)

    def report(done: int) -> None:
        if done % every == 0:
            say(f"{model.name}, {name}: {done} of {len(wafers)}")

    return examine(recognizer, name, wafers, methods_named(methods), options.checked, report)


def _sha256(wafers: Sequence[Constructed]) -> str:
    """Return the sha256 of a set: its maps and its regions."""
    digest = hashlib.sha256()
    for made in wafers:
        digest.update(made.wafer.map_hash.encode() + np.packbits(made.regions).tobytes())
    return digest.hexdigest()


def _document(explained: Explained, sets: Sequence[MadeSet], command: str) -> dict[str, Any]:
    models = {exam.model.name: exam.model for exam in explained.exams}
    return {
        "command": command,
        "sets": [asdict(each) for each in sets],
        "models": [{"name": name, "sha256": model.sha256, "file": model.file} for name, model in models.items()],
        "methods": TITLES,
        "times": [
            {"model": exam.model.name, "set": exam.set, "method": method, "milliseconds": answered.typical_milliseconds}
            for exam, method, answered in explained.answered()
        ],
        "figures": [
            {"model": exam.model.name, "set": exam.set, "method": method, **asdict(each)}
            for (exam, method), found in explained.figures.items()
            for each in found
        ],
        "agreements": [asdict(each) for each in explained.agreements],
    }


def _record(explained: Explained, sets: Sequence[MadeSet], command: str) -> Record:
    kept = [
        each
        for (exam, method), found in explained.figures.items()
        for each in quotable(exam.model, method, exam.set, [*found, *explained.with_teacher(exam, method)], command)
    ]
    return Record(tuple(sets), tuple(kept))


if __name__ == "__main__":
    main()
