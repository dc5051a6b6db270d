"""The int8 student as C: what it takes of flash and RAM, and its speed here beside ONNX Runtime's.

Repeat with `python -m measurements.bare_metal`. `--compiler arm-none-eabi-gcc --flags="-mcpu=cortex-m4 -mthumb"`
gives the sizes for another machine; the speed is always this one's.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurements.compiled import CompiledModel, compile_c, sizes, written
from measurements.inputs import scratch, simulated_maps
from measurements.timing import say, table, timed
from wafer_core.canonical import canonical_states
from wafer_core.decode import decode_with
from wafer_core.kit.bare.trial import exact_logits
from wafer_core.kit.pack import engine
from wafer_core.lot import Frame, Lot, Wafer
from wafer_core.models.folder import ModelFile, resolve
from wafer_core.recognise import load_recognizer

FAST = ("-O2", "-O3")
SMALL = "-Os"


def main() -> None:
    """Build, try, weigh and time the C of a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="student-int8", help="a shipped name or a path")
    parser.add_argument("--maps", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--flags", default="", help="further flags for the sizes")
    options = parser.parse_args()
    model = resolve(options.model)
    with scratch() as folder:
        source = written(model, folder)
        _answer_vectors(source)
        rows = []
        for flag in (SMALL, *FAST):
            found = sizes(source, flag, "-fno-pie", *options.flags.split(), compiler=options.compiler)
            rows.append((f"{options.compiler} {flag}", *(f"{each:,}" for each in astuple(found))))
        print()
        table(rows, head=("compiled by", "flash bytes", "RAM bytes", "stack bytes at most"))
        say(f"Simulating {options.maps:,} wafers")
        states = simulated_maps(options.maps, seed=0)
        compiled = {f"C, gcc {flag}": CompiledModel(source, flag) for flag in FAST}
        print()
        _compare(model, next(iter(compiled.values())), states)
        print()
        _time(model, compiled, states, options.repeats)


def _compare(model: ModelFile, compiled: CompiledModel, states: NDArray[np.uint8]) -> None:
    """Print how far C, and ONNX Runtime left to itself, are from ONNX Runtime that sums without overflow."""
    lot = Lot("MEASURED", tuple(Wafer("MEASURED", f"{i}", Frame(*grid.shape), grid) for i, grid in enumerate(states)))
    exact = exact_logits(model, lot)
    wanted = decode_with(model, exact).detected
    by_c = [answer.logits for grid in states if (answer := compiled.states(grid)) is not None]
    rows = []
    for name, logits in (("C", np.stack(by_c)), ("ONNX Runtime", load_recognizer(model, 1).score(lot.wafers).logits)):
        others = int((decode_with(model, logits).detected != wanted).any(axis=1).sum())
        apart = np.abs(logits - exact)
        rows.append((name, f"{apart.mean():.5f}", f"{apart.max():.3f}", f"{others} of {len(lot)}"))
    table(rows, head=("against exact int8 sums", "logits apart, mean", "at most", "wafers with other patterns"))


def _time(model: ModelFile, compiled: dict[str, CompiledModel], states: NDArray[np.uint8], repeats: int) -> None:
    """Print microseconds a wafer from its canonical map on, and by C also from its die states on."""
    maps, graph = canonical_states(states, model.card.size), engine(model).graph
    taken = {"ONNX Runtime": _seconds(lambda i: graph.run(maps[i : i + 1]), len(states), repeats)}
    for name, built in compiled.items():
        taken[name] = _seconds(partial(_ask, built.map, maps), len(states), repeats)
        taken[f"{name}, from die states"] = _seconds(partial(_ask, built.states, states), len(states), repeats)
    base = taken["ONNX Runtime"]
    table(
        [(name, f"{1e6 * seconds:,.0f}", seconds / base) for name, seconds in taken.items()],
        head=("one canonical map at a time, one thread", "microseconds a wafer", "times ONNX Runtime's"),
    )


def _ask(answer: Callable[[Any], object], grids: NDArray[np.generic], row: int) -> object:
    return answer(grids[row])


def _answer_vectors(source: Path) -> None:
    program = source / "test_model"
    compile_c([source / "model.c", source / "test_model.c"], program, "-O2")
    ran = subprocess.run([program], check=False, capture_output=True, text=True)
    print(ran.stdout.splitlines()[-1])


def _seconds(ask: Callable[[int], object], count: int, repeats: int) -> float:
    """Return the fewest seconds of processor time a wafer, over several turns through all of them."""
    ask(0)
    turns = [timed(lambda: [ask(i) for i in range(count)])[1].processor for _ in range(repeats)]
    return float(np.min(turns)) / count


if __name__ == "__main__":
    main()
