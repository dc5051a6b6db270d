"""One table of what every model reaches and asks, on real, re-gridded and constructed wafers, measured in this run.

python -m measurements.table --data DATA [--part validation|test] [--models NAME ...] [--rivals DIR] [--out FILE.json]
    [--into-cards]

DATA holds `wm811k/`; where it holds `mixedwm38/reference_38.npz` too, a row counts those 38 development
maps. They are no test: the simulator was tuned by looking at them. Figures come with 95 % intervals,
over lots where the set knows them. Every later model is compared with the first one, wafer by wafer.
DIR holds what `python -m rivals` trained: the methods it is compared with, and the controls. Unless named it
is the folder of this repository, where small ones lie trained. They get intervals and costs as well: networks as
exported to ONNX, fp32 and int8, and the regression on 59 hand-made features, which has no graph, as torch runs it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from measurements.evaluation import (
    SCORED,
    measure,
    measure_rivals,
    print_rival_costs,
    print_rivals,
    print_table,
    record,
)
from measurements.inputs import maps_file, scratch
from measurements.reaches import keep_in_cards
from measurements.rival_costs import rival_costs
from measurements.timing import say
from rivals.shelf import TRAINED, trained
from wafer_core.canonical import canonical_states
from wafer_core.models.folder import resolve, shipped_models
from wafer_core.training.data import Part
from wafer_core.training.validation import Examples, blemished_examples, examples, interrupted


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--models", nargs="+", help="names or folders, the teacher first; all shipped ones otherwise")
    parser.add_argument("--simulated", type=int, default=20_000, help="how many simulated wafers")
    parser.add_argument("--rivals", type=Path, default=TRAINED, help="the folder of trained rivals")
    parser.add_argument("--out", type=Path, help="a JSON file with every number")
    parser.add_argument("--into-cards", action="store_true", help="put the figures into the models' cards")
    options = parser.parse_args()
    models = [resolve(name) for name in options.models] if options.models else list(shipped_models())
    sets = _sets(options.data, options.part, models[0].card.size, options.simulated)
    table = measure(models, sets, options.part)
    print_table(table)
    if options.into_cards:
        simulated = f" --simulated {options.simulated}"
        keep_in_cards(table, f"python -m measurements.table --data DATA --part {options.part}{simulated}")
    rivals = trained(options.rivals)
    rivalled = measure_rivals(rivals, sets)
    print_rivals(rivalled, models[0].sha256)
    with scratch() as folder:
        rivals_ask = rival_costs(rivals, folder, maps_file(folder, SCORED))
    print_rival_costs(rivals_ask)
    if options.out:
        options.out.write_text(json.dumps(record(table, rivalled, rivals_ask), indent=1))


def _sets(data: Path, part: Part, size: int, simulated: int) -> dict[str, Examples]:
    say("Building the sets")
    found = [*examples(data, part, size, simulated=simulated), blemished_examples(part, size)]
    found += interrupted(data, part, size)
    reference = data / "mixedwm38" / "reference_38.npz"
    if reference.exists():
        with np.load(reference, allow_pickle=False) as file:
            states, labels = np.where(file["arr_0"] == 3, 2, file["arr_0"]), file["arr_1"].astype(bool)
        maps = canonical_states(states.astype(np.uint8), size).astype(np.float16)
        found.append(Examples("38 development maps", maps, labels, "38", source="MixedWM38"))
    return {one.name: one for one in found}


if __name__ == "__main__":
    main()
