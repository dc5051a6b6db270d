"""Explain a model's patterns on a wafer: the attribution of every die, as npz."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wafer_core.cli.files import check_writable
from wafer_core.cli.options import (
    add_lots,
    add_model,
    add_out,
    model_file,
    read_lot,
    report_reading,
)
from wafer_core.console import check_overwrite, say, written
from wafer_core.errors import UnusableLot
from wafer_core.explain import METHODS, attribute, check_method
from wafer_core.lot import Wafer
from wafer_core.patterns import PATTERNS

if TYPE_CHECKING:
    from wafer_core.recognise import Recognizer

NAME = "explain"
ALL = "all"

Arrays = dict[str, NDArray[Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_lots(parser)
    add_model(parser)
    parser.add_argument("--wafer", required=True, metavar="WAFER", help="WAFER, LOT/WAFER or all")
    parser.add_argument("--method", required=True, choices=METHODS, help="how dies are credited")
    parser.add_argument("--patterns", type=_patterns, metavar="A,B", help="patterns to explain instead of the detected")
    add_out(parser, "FILE.npz")


def run(arguments: argparse.Namespace) -> None:
    """Write `dies`, `patterns` and `attributions`, numbered when every wafer is explained."""
    from wafer_core.recognise import load_recognizer

    check_writable(arguments.out)
    check_overwrite(arguments.out, arguments.lots)
    model = model_file(arguments.model)
    check_method(model, arguments.method)
    lot = read_lot(arguments)
    every = arguments.wafer == ALL
    wafers = lot.wafers if every else (lot.wafers[lot.position(arguments.wafer)],)
    if not every and not wafers[0].scorable:
        raise UnusableLot(f"Wafer {wafers[0].name} has no tested die, so there is nothing to explain.")
    recognizer = load_recognizer(model)
    asked = _asked(recognizer, wafers, arguments.patterns)
    arrays: Arrays = {}
    for row, (wafer, found) in enumerate(zip(wafers, asked, strict=True)):
        suffix = f"_{row}" if every else ""
        arrays[f"dies{suffix}"] = wafer.states
        arrays[f"patterns{suffix}"] = np.array([PATTERNS[pattern] for pattern in found], dtype=np.str_)
        arrays[f"attributions{suffix}"] = attribute(recognizer, wafer, arguments.method, found)
    with written(arguments.out) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    for wafer, found in zip(wafers, asked, strict=True):
        if not found:
            say(_unexplained(wafer))
    report_reading(lot)


def _unexplained(wafer: Wafer) -> str:
    """Return why nothing of a wafer was explained."""
    if not wafer.scorable:
        return f"{wafer.name}: no die was tested, so nothing was explained."
    return f"{wafer.name}: the model names no pattern, so nothing was explained; name some with --patterns."


def _asked(recognizer: Recognizer, wafers: Sequence[Wafer], chosen: tuple[str, ...] | None) -> list[list[int]]:
    """Return the patterns to explain on each wafer: those chosen, else those detected; none without a tested die."""
    if chosen is not None:
        asked = [PATTERNS.index(name) for name in chosen]
        return [asked if wafer.scorable else [] for wafer in wafers]
    from wafer_core.decode import decode_with

    detected = decode_with(recognizer.model, recognizer.score(wafers).logits).detected
    return [np.flatnonzero(members).tolist() for members in detected]


def _patterns(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in chosen:
        if name not in PATTERNS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(PATTERNS)}")
    return chosen
