"""One table of what every model reaches and asks, on real, re-gridded and constructed wafers, measured in this run.

python -m measurements.table --data DATA [--part validation|test] [--models NAME ...] [--rivals DIR] [--out FILE.json]

DATA holds `wm811k/`; where it holds `mixedwm38/reference_38.npz` too, a row counts those 38 development
maps. They are no test: the simulator was tuned by looking at them. Figures come with 95 % intervals,
over lots where the set knows them. Every later model is compared with the first one, wafer by wafer.
DIR holds what `python -m rivals` trained: the methods it is compared with, and the controls.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measurements.costs import Cost, cost, fits
from measurements.timing import say
from rivals.methods import METHODS
from rivals.shelf import Rival, trained
from wafer_core.canonical import canonical_states
from wafer_core.compare import Paired, Rate, accuracy, paired
from wafer_core.decode import decode
from wafer_core.models.folder import ModelFile, resolve, shipped_models
from wafer_core.patterns import PATTERNS
from wafer_core.recognise import load_recognizer
from wafer_core.training.data import Part
from wafer_core.training.validation import Examples, examples, interrupted

FEW = 10
"""Native grids hold some patterns hardly ever; a mean over patterns needs this many wafers of each."""

Sets = NDArray[np.bool_]


@dataclass(frozen=True)
class Line:
    """One figure of the table: of which set, which metric, and how few wafers a pattern may have in it."""

    set: str
    metric: str
    least: int = 1
    note: str = ""

    def of(self, detected: Sets, one: Examples) -> Rate:
        """Return the figure of a model's verdicts on the set."""
        reached = accuracy(detected, one.labels, one.groups, self.least)
        return {
            "macro-F1": reached.macro_f1,
            "exact match": reached.exact,
            "exact match, two patterns or more": reached.exact_mixed,
            "normal wafers called defective": reached.false_alarms,
        }[self.metric]


LINES = (
    Line("resized", "macro-F1", note="WM-811K 64x64, its own class proportions; real"),
    Line("resized", "exact match", note="the same"),
    Line("resized", "normal wafers called defective", note="the same"),
    Line("normals re-gridded", "normal wafers called defective", note="those normal wafers, re-gridded"),
    Line("native", "macro-F1", FEW, "native grids, other lots; real, hardly any normal wafer"),
    Line("native, 10% of rows untested", "macro-F1", FEW, "the same wafers, the test stopped early"),
    Line("native, 25% of rows untested", "macro-F1", FEW, "the same"),
    Line("native, 40% of rows untested", "macro-F1", FEW, "the same"),
    Line("overlays", "exact match", note="two real wafers laid over each other, every fail kept"),
    Line("simulated", "exact match", note="simulated, the 38 sets of MixedWM38 in equal shares"),
    Line("simulated", "exact match, two patterns or more", note="the same"),
    Line("38 development maps", "exact match", note="real MixedWM38, simulator tuned on them: no test"),
    Line("38 development maps", "exact match, two patterns or more", note="the same"),
)
PAIRED = ("resized", "native", "overlays", "simulated")
RIVALLED = (LINES[0], LINES[2], LINES[4], LINES[8], LINES[9], LINES[11])
"""What rivals and controls are compared in."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument(
        "--models", nargs="+", help="names or folders, the teacher first; all shipped ones unless given"
    )
    parser.add_argument("--simulated", type=int, default=20_000, help="how many simulated wafers")
    parser.add_argument("--rivals", type=Path, help="the folder of trained rivals")
    parser.add_argument("--out", type=Path, help="a JSON file with every number")
    options = parser.parse_args()
    models = [resolve(name) for name in options.models] if options.models else list(shipped_models())
    sets = _sets(options.data, options.part, models[0].card.size, options.simulated)
    detected = {model.name: _verdicts(model, sets) for model in models}
    rates = {line: [line.of(detected[model.name][line.set], sets[line.set]) for model in models] for line in LINES}
    costs = [cost(model) for model in models]
    pairs = {
        name: [
            paired(detected[models[0].name][name], detected[model.name][name], sets[name].labels, sets[name].groups)
            for model in models[1:]
        ]
        for name in PAIRED
    }
    _print(models, sets, rates, costs, pairs, options.part)
    if options.rivals:
        _print_rivals(trained(options.rivals), sets)
    if options.out:
        options.out.write_text(json.dumps(_record(models, sets, rates, costs, pairs, options.part), indent=1))


def _sets(data: Path, part: Part, size: int, simulated: int) -> dict[str, Examples]:
    say("Building the sets")
    found = [*examples(data, part, size, simulated=simulated), *interrupted(data, part, size)]
    reference = data / "mixedwm38" / "reference_38.npz"
    if reference.exists():
        with np.load(reference, allow_pickle=False) as file:
            states, labels = np.where(file["arr_0"] == 3, 2, file["arr_0"]), file["arr_1"].astype(bool)
        maps = canonical_states(states.astype(np.uint8), size).astype(np.float16)
        found.append(Examples("38 development maps", maps, labels, "38"))
    return {one.name: one for one in found}


def _verdicts(model: ModelFile, sets: dict[str, Examples]) -> dict[str, Sets]:
    say(f"Asking {model.name}")
    recognizer, found = load_recognizer(model), {}
    for name, one in sets.items():
        decoder = one.decoder if one.decoder == "38" else model.card.decoder
        logits = recognizer.score_maps(one.maps.astype(np.float32)).logits
        found[name] = decode(logits, model.entry.thresholds, decoder).detected
    return found


Rates = dict[Line, list[Rate]]
Pairs = dict[str, list[Paired]]


def _print(
    models: Sequence[ModelFile],
    sets: dict[str, Examples],
    rates: Rates,
    costs: Sequence[Cost],
    pairs: Pairs,
    part: str,
) -> None:
    names = [model.name for model in models]
    _row(["set (WM-811K " + part + " part)", "figure", "n", *names])
    _row(["---"] * (3 + len(names)))
    for line, found in rates.items():
        counted = _counted(sets[line.set], line.least) if line.least > 1 else ""
        _row([f"{line.set}: {line.note}{counted}", line.metric, f"{found[0].n:,}", *map(_percent, found)])
    for field in asdict(costs[0]):
        _row([field.replace("_", " "), "", "", *(_number(getattr(each, field)) for each in costs)])
    _row(["would fit, as computed", "", "", *map(fits, costs)])
    print()
    _row([f"against {names[0]}, wafer by wafer", "set", "n", f"only {names[0]} right", "only it right", "loss", "p"])
    _row(["---"] * 7)
    for name, compared in pairs.items():
        for model, one in zip(models[1:], compared, strict=True):
            loss = f"{100 * one.loss.value:.2f} ({100 * one.loss.low:.2f} to {100 * one.loss.high:.2f})"
            bound = f"{loss}, at most {100 * one.upper:.2f}"
            _row([model.name, name, f"{one.n:,}", str(one.teacher_only), str(one.student_only), bound, f"{one.p:.3g}"])


def _print_rivals(rivals: dict[str, list[Rival]], sets: dict[str, Examples]) -> None:
    print()
    _row(
        ["method", "reads labels", "steps", "seeds", "parameters", *(f"{line.set}: {line.metric}" for line in RIVALLED)]
    )
    _row(["---"] * (5 + len(RIVALLED)))
    for name, found in rivals.items():
        reads = "yes" if METHODS[name].reads_labels else "no"
        if not found:
            _row([name, reads, *["not trained here"] * (3 + len(RIVALLED))])
            continue
        rates = [
            [line.of(_rival_verdicts(rival, sets[line.set]), sets[line.set]) for rival in found] for line in RIVALLED
        ]
        steps = ", ".join(sorted({f"{rival.made.steps:,}" for rival in found}))
        seeds = ", ".join(str(rival.made.seed) for rival in found)
        figures = [" / ".join(f"{100 * rate.value:.1f}" for rate in each) for each in rates]
        _row([name, reads, steps, seeds, f"{found[0].parameters:,}", *figures])


def _rival_verdicts(rival: Rival, one: Examples) -> Sets:
    decoder = one.decoder if one.decoder == "38" else rival.made.decoder
    return decode(rival.logits(one.maps.astype(np.float32)), rival.made.thresholds, decoder).detected


def _counted(one: Examples, least: int) -> str:
    support = one.labels.sum(axis=0)
    return "; " + ", ".join(f"{name} {n}" for name, n in zip(PATTERNS, support, strict=True) if n >= least)


def _row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})" if rate.known else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _record(
    models: Sequence[ModelFile],
    sets: dict[str, Examples],
    rates: Rates,
    costs: Sequence[Cost],
    pairs: Pairs,
    part: str,
) -> dict[str, object]:
    return {
        "part": part,
        "sets": {name: {"n": len(one.labels), "sha256": one.sha256} for name, one in sets.items()},
        "models": [
            {"name": model.name, "sha256": model.sha256, "cost": asdict(each)}
            for model, each in zip(models, costs, strict=True)
        ],
        "figures": [
            {"set": line.set, "metric": line.metric, "model": model.name, **asdict(rate)}
            for line, found in rates.items()
            for model, rate in zip(models, found, strict=True)
        ],
        "paired": [
            {"set": name, "model": model.name, **asdict(one)}
            for name, found in pairs.items()
            for model, one in zip(models[1:], found, strict=True)
        ],
    }


if __name__ == "__main__":
    main()
