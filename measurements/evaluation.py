"""Models against labelled sets: every figure, every cost and every pair, measured once and then printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from measurements.costs import Cost, cost, fits
from measurements.inputs import maps_file, scratch
from measurements.rival_costs import NOT_EXPORTED
from measurements.timing import say
from rivals.methods import METHODS
from rivals.shelf import Rival
from wafer_core.compare import EXACT, EXACT_MIXED, FALSE_ALARMS, MACRO_F1, Paired, Rate, accuracy, paired
from wafer_core.decode import decode
from wafer_core.models.folder import ModelFile
from wafer_core.patterns import PATTERNS
from wafer_core.recognise import load_recognizer
from wafer_core.training.validation import Examples

SCORED = 2_000
"""Simulated wafers that the `score` command is timed on."""

FEW = 10
"""Native grids hold some patterns hardly ever; a mean over patterns needs this many wafers of each."""

MISSING = "not trained here"
FEATURES_SAID = (
    "Its costs are those of finding its 59 features and of the regression, as torch does both: bytes of "
    "activations are all that its tensors hold at once, the tables it builds for each answer among them; macs are its "
    "matrix products, and neither comparisons nor the search for the largest region; wafers a second are of a script "
    "that reads, answers and writes as `score` does."
)

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
            MACRO_F1: reached.macro_f1,
            EXACT: reached.exact,
            EXACT_MIXED: reached.exact_mixed,
            FALSE_ALARMS: reached.false_alarms,
        }[self.metric]


LINES = (
    Line("resized", MACRO_F1, note="WM-811K 64x64, its own class proportions; real"),
    Line("resized", EXACT, note="the same"),
    Line("resized", FALSE_ALARMS, note="the same"),
    Line("normals re-gridded", FALSE_ALARMS, note="those normal wafers, re-gridded"),
    Line("native", MACRO_F1, FEW, "native grids, other lots; real, hardly any normal wafer"),
    Line("native, 10% of rows untested", MACRO_F1, FEW, "the same wafers, the test stopped early"),
    Line("native, 25% of rows untested", MACRO_F1, FEW, "the same"),
    Line("native, 40% of rows untested", MACRO_F1, FEW, "the same"),
    Line("overlays", EXACT, note="two real wafers laid over each other, every fail kept"),
    Line("simulated", EXACT, note="simulated, the 38 sets of MixedWM38 in equal shares"),
    Line("simulated", EXACT_MIXED, note="the same"),
    Line("simulated, blemished", EXACT, note="others, with a ragged edge, clumped noise, dies untested"),
    Line("38 development maps", EXACT, note="real MixedWM38, simulator tuned on them: no test"),
    Line("38 development maps", EXACT_MIXED, note="the same"),
    Line("MixedWM38", EXACT, note="real, its own test part; trained on its own train part"),
    Line("MixedWM38", EXACT_MIXED, note="the same"),
)
PAIRED = (
    "resized",
    "native",
    "native, 10% of rows untested",
    "native, 25% of rows untested",
    "native, 40% of rows untested",
    "overlays",
    "simulated",
    "MixedWM38",
)
RIVALLED = (LINES[0], LINES[2], LINES[4], LINES[8], LINES[9], LINES[11], LINES[12])
"""What rivals and controls are compared in."""


@dataclass(frozen=True, eq=False)
class Table:
    """What models reach on sets and what they ask; the first model is the teacher the others are held against.

    Args:
        models: whose figures these are.
        sets: by name.
        part: of the split that the sets are of.
        rates: a figure a model for every line whose set is there.
        costs: one a model.
        pairs: for every paired set, one comparison with the first model a later model.
    """

    models: Sequence[ModelFile]
    sets: Mapping[str, Examples]
    part: str
    rates: Mapping[Line, Sequence[Rate]]
    costs: Sequence[Cost]
    pairs: Mapping[str, Sequence[Paired]]


@dataclass(frozen=True, eq=False)
class RivalFigures:
    """A rival or control: what was trained of it, one a seed, and a figure a seed for each line that is shared."""

    method: str
    rivals: Sequence[Rival]
    rates: Mapping[Line, Sequence[Rate]]


def measure(models: Sequence[ModelFile], sets: Mapping[str, Examples], part: str) -> Table:
    """Ask every model about every set."""
    detected = [_verdicts(model, sets) for model in models]
    lines = [line for line in LINES if line.set in sets]
    rates = {line: [line.of(each[line.set], sets[line.set]) for each in detected] for line in lines}
    pairs = {
        name: [paired(detected[0][name], each[name], sets[name].labels, sets[name].groups) for each in detected[1:]]
        for name in PAIRED
        if name in sets
    }
    with scratch() as folder:
        lot = maps_file(folder, SCORED)
        costs = [cost(model, lot=lot) for model in models]
    return Table(models, sets, part, rates, costs, pairs)


def measure_rivals(rivals: Mapping[str, Sequence[Rival]], sets: Mapping[str, Examples]) -> list[RivalFigures]:
    """Ask every trained rival and control about the sets they are compared in."""
    lines = [line for line in RIVALLED if line.set in sets]
    rivalled = []
    for method, found in rivals.items():
        say(f"Asking {method}" if found else f"{method} is not trained here")
        detected = [{line.set: _rival_verdicts(rival, sets[line.set]) for line in lines} for rival in found]
        rates = {line: [line.of(each[line.set], sets[line.set]) for each in detected] for line in lines}
        rivalled.append(RivalFigures(method, found, rates))
    return rivalled


def _verdicts(model: ModelFile, sets: Mapping[str, Examples]) -> dict[str, Sets]:
    say(f"Asking {model.name}")
    recognizer, found = load_recognizer(model), {}
    for name, one in sets.items():
        decoder = one.decoder if one.decoder == "38" else model.card.decoder
        logits = recognizer.score_maps(one.maps.astype(np.float32)).logits
        found[name] = decode(logits, model.entry.thresholds, decoder).detected
    return found


def print_table(table: Table) -> None:
    """Print figures, costs and the comparisons with the first model as Markdown, a table each."""
    names = [model.name for model in table.models]
    _row([f"set ({table.part} part)", "figure", "n", *names])
    _row(["---"] * (3 + len(names)))
    for line, found in table.rates.items():
        counted = _counted(table.sets[line.set], line.least) if line.least > 1 else ""
        _row([f"{line.set}: {line.note}{counted}", line.metric, f"{found[0].n:,}", *map(percent, found)])
    print_costs(dict(zip(names, table.costs, strict=True)))
    print()
    _row([f"against {names[0]}, wafer by wafer", "set", "n", f"only {names[0]} right", "only it right", "loss", "p"])
    _row(["---"] * 7)
    for name, compared in table.pairs.items():
        for model, one in zip(table.models[1:], compared, strict=True):
            loss = f"{100 * one.loss.value:.2f} ({100 * one.loss.low:.2f} to {100 * one.loss.high:.2f})"
            bound = f"{loss}, at most {100 * one.upper:.3f}"
            _row([model.name, name, f"{one.n:,}", str(one.teacher_only), str(one.student_only), bound, f"{one.p:.3g}"])


def print_costs(costs: Mapping[str, Cost | None]) -> None:
    """Print a row for each name: what it asks, or that it was not trained here."""
    heads = [field.name.replace("_", " ") for field in fields(Cost)]
    print()
    _row(["costs", *heads, "would fit, as computed"])
    _row(["---"] * (2 + len(heads)))
    for name, each in costs.items():
        values = [MISSING] * (1 + len(heads)) if each is None else [*map(_number, asdict(each).values()), fits(each)]
        _row([name, *values])


def record(
    table: Table,
    rivalled: Sequence[RivalFigures] = (),
    rivals_ask: Mapping[str, Mapping[str, Cost]] = MappingProxyType({}),
) -> dict[str, object]:
    """Return every number as a JSON object."""
    return {
        "part": table.part,
        "sets": {name: {"n": len(one.labels), "sha256": one.sha256} for name, one in table.sets.items()},
        "models": [
            {"name": model.name, "sha256": model.sha256, "cost": asdict(each), "would_fit": fits(each)}
            for model, each in zip(table.models, table.costs, strict=True)
        ],
        "figures": [
            {"set": line.set, "metric": line.metric, "model": model.name, **asdict(rate)}
            for line, found in table.rates.items()
            for model, rate in zip(table.models, found, strict=True)
        ],
        "paired": [
            {"set": name, "model": model.name, **asdict(one)}
            for name, compared in table.pairs.items()
            for model, one in zip(table.models[1:], compared, strict=True)
        ],
        "rivals": [
            {**asdict(rival.made), "set": line.set, "metric": line.metric, **asdict(rate)}
            for each in rivalled
            for line, found in each.rates.items()
            for rival, rate in zip(each.rivals, found, strict=True)
        ],
        "rival_costs": [
            {"method": method, "run": run, "cost": asdict(each), "would_fit": fits(each)}
            for method, runs in rivals_ask.items()
            for run, each in runs.items()
        ],
    }


def print_rivals(rivalled: Sequence[RivalFigures], teacher_sha256: str) -> None:
    """Print what each seed of the rivals and controls reaches; what has no checkpoint is said to have none.

    Below stand those whose teacher, or whose thresholds' and decoder's, was another than the one shown.
    """
    lines = list(dict.fromkeys(line for each in rivalled for line in each.rates))
    heads = ["method", "reads labels", "steps", "seed"]
    print()
    _row([*heads, *(f"{line.set}: {line.metric}" for line in lines)])
    _row(["---"] * (len(heads) + len(lines)))
    for each in rivalled:
        reads = "yes" if METHODS[each.method].reads_labels else "no"
        for i, rival in enumerate(each.rivals):
            figures = [percent(each.rates[line][i]) for line in lines]
            _row([each.method, reads, f"{rival.made.steps:,}", str(rival.made.seed), *figures])
        if not each.rivals:
            _row([each.method, reads, *[MISSING] * (len(heads) - 2 + len(lines))])
    others = [one.name for each in rivalled for one in each.rivals if one.made.teacher_sha256 != teacher_sha256]
    if others:
        print(f"\nMade beside another teacher: {', '.join(others)}.")


def print_rival_costs(rivals_ask: Mapping[str, Mapping[str, Cost]]) -> None:
    """Print what the rivals and controls ask, a row for each thing that is run, and what was measured how."""
    rows: dict[str, Cost | None] = {}
    for method, runs in rivals_ask.items():
        rows.update({f"{method}, {run}": each for run, each in runs.items()} if runs else {method: None})
    print_costs(rows)
    print("\nOf each method its first seed: all share the network. ONNX: exported and run as the models' files are.")
    features = [method for method, runs in rivals_ask.items() if NOT_EXPORTED in runs]
    if features:
        print(f"{NOT_EXPORTED.capitalize()}, as it has no graph: {', '.join(features)}. {FEATURES_SAID}")


def _rival_verdicts(rival: Rival, one: Examples) -> Sets:
    decoder = one.decoder if one.decoder == "38" else rival.made.decoder
    return decode(rival.logits(one.maps.astype(np.float32)), rival.made.thresholds, decoder).detected


def _counted(one: Examples, least: int) -> str:
    support = one.labels.sum(axis=0)
    return "; " + ", ".join(f"{name} {n}" for name, n in zip(PATTERNS, support, strict=True) if n >= least)


def _row(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})" if rate.known else "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
