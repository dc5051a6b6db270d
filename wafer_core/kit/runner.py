"""Name the defect patterns of wafer lots, with nothing installed but NumPy and ONNX Runtime.

    python recognise.py LOT [LOT ...]     prints one row a wafer as CSV
    python recognise.py --check           answers the test vectors that came with the model

A LOT is a die list (CSV, TSV), a grid (CSV) or arrays (npz, npy); several make one lot. The model is
the one that lies beside this file. Exit code 0; 2 with a sentence on standard error.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wafer_core.canonical import canonical
from wafer_core.console import (
    FAULT,
    INTERRUPTED,
    MENDABLE,
    Parser,
    add_reading,
    check_overwrite,
    place,
    reading_options,
    say,
    written,
)
from wafer_core.decode import Verdicts, decode
from wafer_core.errors import BrokenModel, UnreadableFile, UsageError, WaferDistillError
from wafer_core.lot import Lot
from wafer_core.models.session import GraphSession
from wafer_core.novelty import Reference, read_reference
from wafer_core.patterns import PATTERNS
from wafer_core.readers import read_paths
from wafer_core.recognise import BATCH
from wafer_core.verdicts_csv import verdicts_csv

CARD = "card.json"
VECTORS = "vectors.csv"
EXPECTED = {"int8": "expected-int8.csv", "fp32": "expected-fp32.csv"}
"""What the model answered to the test vectors where the kit was packed, by precision."""

_NEAR = 0.1
"""Processors round differently; a probability may differ by this much from the one expected."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model of a kit, ready to answer: its graph, and what its card says of decoding."""

    graph: GraphSession
    thresholds: tuple[float, ...]
    decoder: str
    unsure_below: float
    known: tuple[Reference, float] | None = None
    """What the model was taught on, and the distance from it above which a wafer is flagged."""

    def verdicts(self, lot: Lot) -> Verdicts:
        """Return a verdict for every wafer; one of which no die was tested has none."""
        logits = np.full((len(lot), len(PATTERNS)), np.nan, dtype=np.float32)
        embedding = np.full((len(lot), self.graph.width), np.nan, dtype=np.float32)
        able = [row for row, wafer in enumerate(lot) if wafer.scorable]
        for start in range(0, len(able), BATCH):
            rows = able[start : start + BATCH]
            maps = canonical([lot.wafers[row] for row in rows], self.graph.size)
            logits[rows], embedding[rows] = self.graph.run(maps)
        novelty = self.known[0].novelty(embedding, self.known[1]) if self.known else None
        return decode(logits, self.thresholds, self.decoder, self.unsure_below, novelty)

    def answer(self, lot: Lot) -> str:
        """Return the verdicts on a lot as CSV."""
        return verdicts_csv(lot, self.verdicts(lot))


def load(folder: Path, precision: str) -> Model:
    """Return the model of a kit's folder, its graph checked against the card.

    Raises:
        BrokenModel: card or graph are missing, damaged or do not belong together.
    """
    try:
        card = json.loads((folder / CARD).read_bytes())
        kinds = {entry["precision"]: name for name, entry in card["files"].items() if entry["engine"] == "onnx"}
        file = kinds[precision]
        entry = card["files"][file]
        thresholds = tuple(map(float, entry["thresholds"]))
        decoder, unsure_below, stated = str(card["decoder"]), float(card["unsure_below"]), str(entry["sha256"])
        size, patterns = card["input"]["size"], tuple(card["patterns"])
        limit = float(card["novelty"]["limits"].get(file, 0.0)) if card.get("novelty") else 0.0
        reference, its_hash = (str(card["novelty"][key]) for key in ("file", "sha256")) if limit else ("", "")
    except OSError as exc:
        raise BrokenModel(f"{folder / CARD}: it cannot be read; unpack the kit again.") from exc
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise BrokenModel(f"{CARD}: it is no card with an {precision} graph; unpack the kit again.") from exc
    graph = GraphSession(_beside(folder, file, stated), file, threads=1)
    if (size, patterns) != (graph.size, PATTERNS):
        raise BrokenModel(f"{CARD}: it describes another graph than {file}; unpack the kit again.")
    if not limit:
        return Model(graph, thresholds, decoder, unsure_below)
    known = read_reference(_beside(folder, reference, its_hash), reference)
    if known.centre.shape != (graph.width,):
        raise BrokenModel(f"{reference}: it is the reference of another graph than {file}; unpack the kit again.")
    return Model(graph, thresholds, decoder, unsure_below, (known, limit))


def _beside(folder: Path, file: str, stated: str) -> bytes:
    """Return the bytes of a file that the card names, checked against the sha256 it states."""
    if Path(file).name != file:
        raise BrokenModel(f"{CARD}: it names {file!r}, which is not beside it; unpack the kit again.")
    try:
        data = (folder / file).read_bytes()
    except OSError as exc:
        raise BrokenModel(f"{file}: the card names this file, but it cannot be read; unpack the kit again.") from exc
    if hashlib.sha256(data).hexdigest() != stated:
        raise BrokenModel(f"{file}: its sha256 is not the one its card states; unpack the kit again.")
    return data


def check(folder: Path, precision: str) -> str:
    """Answer the test vectors and return one line on how the answers compare.

    Raises:
        BrokenModel: a pattern differs, or a probability by more than rounding explains.
    """
    found = load(folder, precision).answer(read_paths([folder / VECTORS]))
    mine, theirs = (list(csv.DictReader(text.splitlines())) for text in (found, _text(folder / EXPECTED[precision])))
    if [row["wafer"] for row in mine] != [row["wafer"] for row in theirs]:
        raise BrokenModel(f"{VECTORS} and {EXPECTED[precision]} are not of one kit; unpack it again.")
    both = list(zip(mine, theirs, strict=True))
    furthest = max(abs(float(a[name]) - float(b[name])) for a, b in both for name in PATTERNS)
    other = [a["wafer"] for a, b in both if a["patterns"] != b["patterns"]]
    if other or furthest > _NEAR:
        what = f"wafers {', '.join(other)} have other patterns" if other else f"a probability differs by {furthest:.3g}"
        raise BrokenModel(f"The test vectors are not answered as expected: {what}; do not use the model here.")
    same = "byte for byte" if found == _text(folder / EXPECTED[precision]) else f"probabilities within {furthest:.2g}"
    return f"{len(both)} test vectors answered as expected, {same}."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        _run(_parser().parse_args(argv))
    except WaferDistillError as error:
        return say(str(error), MENDABLE)
    except ModuleNotFoundError as error:
        return say(f"This file needs {error.name}, which is not installed here; save the lot as CSV.", MENDABLE)
    except KeyboardInterrupt:
        return say("Interrupted.", INTERRUPTED)
    except MemoryError:
        return say("There is not enough memory for this; give fewer or smaller files at once.", MENDABLE)
    except OSError as error:
        return say(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}.", MENDABLE)
    except Exception as error:
        return say(f"The runner failed on its own account, please report it: {error!r}.", FAULT)
    return 0


def _run(arguments: argparse.Namespace) -> None:
    folder, precision = Path(__file__).resolve().parent, "fp32" if arguments.fp32 else "int8"
    if arguments.check:
        print(check(folder, precision))
        return
    if not arguments.lots:
        raise UsageError("No lot was named; give at least one file of wafer maps, or --check.")
    out: Path | None = arguments.out
    if out is not None:
        check_overwrite(out, arguments.lots)
    model = load(folder, precision)
    lot = read_paths(arguments.lots, reading_options(arguments))
    answers = model.answer(lot).encode()
    if out is None:
        sys.stdout.buffer.write(answers)
        sys.stdout.buffer.flush()
    else:
        with written(out) as file:
            file.write(answers)
    _remark(lot)


def _remark(lot: Lot) -> None:
    """Say on standard error what there is to know about an answer that stands.

    Raises:
        UnreadableFile: some of the files were left out.
    """
    for wafer in lot:
        if not wafer.scorable:
            say(f"{wafer.name}: no die was tested, so it has no verdict.")
    for note in lot.notes:
        say(f"{note.file}: {note.text}")
    if refused := [note.file for note in lot.notes if note.kind == "refused"]:
        raise UnreadableFile(refused[0], f"{len(refused)} of the files could not be read; the others are answered.")


def _text(path: Path) -> str:
    return path.read_bytes().decode()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="recognise.py", description="Name defect patterns on wafer maps.", allow_abbrev=False)
    parser.add_argument("lots", metavar="LOT", nargs="*", type=Path, help="a file of wafer maps; several make one lot")
    parser.add_argument("--out", type=place, metavar="FILE.csv", help="where the CSV goes, instead of standard output")
    parser.add_argument("--fp32", action="store_true", help="the fp32 graph instead of the int8 one")
    parser.add_argument("--check", action="store_true", help="answer the test vectors and compare")
    add_reading(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
