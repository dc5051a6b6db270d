"""The int8 student as C: what it takes of flash and RAM, and its speed here beside ONNX Runtime's.

Repeat with `python -m measurements.bare_metal`. `--compiler arm-none-eabi-gcc --flags="-mcpu=cortex-m4 -mthumb"`
gives the sizes for another machine; the speed is always this one's.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np

from measurements.compiled import CompiledModel, compile_c, sizes, written
from measurements.inputs import scratch, simulated_maps
from measurements.timing import say, table, timed
from wafer_core.canonical import canonical_states
from wafer_core.kit.pack import engine
from wafer_core.models.folder import resolve

FAST = ("-O2", "-O3")
SMALL = "-Os"


def main() -> None:
    """Build, try, weigh and time the C of a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="student-int8", help="a shipped name or a path")
    parser.add_argument("--maps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compiler", default="gcc")
    parser.add_argument("--flags", default="", help="further flags for the sizes")
    options = parser.parse_args()
    model = resolve(options.model)
    with scratch() as folder:
        source = written(model, folder)
        _answer_vectors(source)
        print()
        rows = []
        for flag in (SMALL, *FAST):
            found = sizes(source, flag, "-fno-pie", *options.flags.split(), compiler=options.compiler)
            rows.append((f"{options.compiler} {flag}", *(f"{each:,}" for each in astuple(found))))
        table(rows, head=("compiled by", "flash bytes", "RAM bytes", "stack bytes at most"))
        print()
        say(f"Simulating {options.maps:,} wafers")
        states = simulated_maps(options.maps, seed=0)
        maps = canonical_states(states, model.card.size)
        graph = engine(model).graph
        asked: dict[str, Callable[[int], object]] = {"ONNX Runtime": lambda i: graph.run(maps[i : i + 1])}
        for flag in FAST:
            compiled = CompiledModel(source, flag)
            asked[f"C, gcc {flag}"] = lambda i, compiled=compiled: compiled.states(states[i])  # type: ignore[misc]
        taken = {name: _seconds(ask, len(states), options.repeats) for name, ask in asked.items()}
        base = taken["ONNX Runtime"]
        table(
            [(name, f"{1e6 * seconds:,.0f}", seconds / base) for name, seconds in taken.items()],
            head=("one wafer at a time, one thread", "microseconds a wafer", "times ONNX Runtime's"),
        )


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
