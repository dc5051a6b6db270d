"""Download for the tool: a model folder as one zip that needs nothing of this package."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wafer_core.errors import BrokenModel
from wafer_core.kit.flatten import flatten
from wafer_core.kit.runner import EXPECTED, VECTORS, Model
from wafer_core.kit.vectors import read_vectors, vectors
from wafer_core.models.card import CARD, Precision
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.models.session import GraphSession

RUNNER = "recognise.py"
README = "README.md"

_SOURCE = "wafer_core.kit.runner"
_CHECK_MACHINE = f"""\
import os
import sys

# ONNX Runtime 1.32 reports its use to its maker, unless told so before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
if sys.version_info < (3, 11):
    sys.stderr.write("{RUNNER} needs Python 3.11 or later; this is {{}}.{{}}.\\n".format(*sys.version_info))
    sys.exit(2)
for _needed in ("numpy", "onnxruntime"):
    try:
        __import__(_needed)
    except ImportError as _problem:
        _said = "{RUNNER} needs NumPy and ONNX Runtime (pip install numpy onnxruntime): {{}}.\\n"
        sys.stderr.write(_said.format(_problem))
        sys.exit(2)
"""
"""What the runner looks at first, in words that Python understands from 3.8 on, as it does the rest of the file."""
_THEN = (1980, 1, 1, 0, 0, 0)
"""A zip's earliest date, in every kit, so that the same model gives the same bytes."""


def kit(model: Path | ModelFile, name: str | None = None) -> bytes:
    """Return the kit of a model: a zip with one folder of the model's name.

    Args:
        model: the model's folder, or any file of it.
        name: what the zip's folder is called; as the model's unless given.

    Raises:
        BrokenModel: the model lacks its int8 or its fp32 ONNX graph, or contradicts its card.
    """
    folder = model.folder if isinstance(model, ModelFile) else model
    graphs = onnx_files(folder)
    engines = {precision: engine(file) for precision, file in graphs.items()}
    wafers = vectors(engines["int8"])
    lot = read_vectors(wafers)
    contents = {
        README: _readme(graphs).encode(),
        RUNNER: flatten(_SOURCE, first=_CHECK_MACHINE).encode(),
        CARD: _card(graphs).encode(),
        VECTORS: wafers,
        **{EXPECTED[precision]: each.answer(lot).encode() for precision, each in engines.items()},
        **{file.file: file.read() for file in graphs.values()},
        **_reference(graphs["int8"]),
    }
    return _zipped(name or folder.resolve().name, contents)


def onnx_files(folder: Path) -> dict[Precision, ModelFile]:
    """Return a model folder's ONNX files by precision, int8 first.

    Raises:
        BrokenModel: one of the two is missing.
    """
    found = {file.entry.precision: file for file in files_of(folder) if file.engine == "onnx"}
    if missing := [precision for precision in EXPECTED if precision not in found]:
        raise BrokenModel(f"{folder.name}: a kit needs the model as ONNX, and its {' and '.join(missing)} is missing.")
    return {"int8": found["int8"], "fp32": found["fp32"]}


def engine(file: ModelFile) -> Model:
    """Return an ONNX file as the runner runs it."""
    graph = GraphSession(file.read(), f"{file.folder.name}/{file.file}", threads=1)
    return Model(graph, file.entry.thresholds, file.card.decoder, file.card.unsure_below, file.known())


def _reference(file: ModelFile) -> dict[str, bytes]:
    """Return by its name what tells wafers unlike anything known, where the model has it."""
    data = file.reference_bytes()
    return {} if data is None or file.card.novelty is None else {file.card.novelty.file: data}


def _card(graphs: Mapping[Precision, ModelFile]) -> str:
    """Return the card of what travels: its other files, and figures of them, stay at home."""
    card = graphs["int8"].card
    names = [file.file for file in graphs.values()]
    known = card.novelty.limits if card.novelty else {}
    limits = {name: known[name] for name in names if name in known}
    travelling = replace(
        card,
        files={name: card.files[name] for name in names},
        novelty=replace(card.novelty, limits=limits) if card.novelty else None,
        figures=tuple(figure for figure in card.figures if figure.file in names),
    )
    return json.dumps(travelling.to_json(), indent=1) + "\n"


def _zipped(name: str, contents: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in contents.items():
            member = zipfile.ZipInfo(f"{name}/{path}", _THEN)
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    return packed.getvalue()


def _readme(graphs: Mapping[Precision, ModelFile]) -> str:
    small, whole = graphs["int8"], graphs["fp32"]
    return f"""# {small.card.name}

Names defect patterns on wafer maps. Needs Python 3.11 or later with NumPy and ONNX Runtime (1.18 or later, which know
IR version 10), and nothing else:

    pip install numpy onnxruntime
    python {RUNNER} --check            # answers the test vectors; do this once on every machine
    python {RUNNER} lot.csv            # prints one row a wafer as CSV
    python {RUNNER} lot.csv --out verdicts.csv --pass-bins 1,2

A lot is a die list (CSV or TSV with columns such as lot, wafer, x, y, bin), a grid (CSV) or arrays (npz, npy). What
a file leaves open is asked in one sentence that names the option; the exit code is then 2. The same file gives the
same CSV as `python -m wafer_core score`, byte for byte on one machine.

Columns: lot, wafer, a probability for each of the eight patterns, `patterns` (the answer, such as `Center+Scratch`),
`excluded` (above its threshold, but not possible together with the answer), `margin` (how much the answer is
worth more than the next best, in logits; below {small.card.unsure_below:.3g} the model is unsure), `novelty` (how far
the wafer is from all the model was taught on; 1 in 100 ordinary wafers is above 1), and `flag` (`yes` above 1: unlike
anything known, so trust the patterns less and look at the map). A wafer of which no die was tested has an empty row.
An id that a spreadsheet would run as a formula has an apostrophe before it.

| file | bytes | sha256 |
|---|---|---|
| {small.file} (the one that answers) | {small.entry.bytes:,} | {small.sha256} |
| {whole.file} (with `--fp32`) | {whole.entry.bytes:,} | {whole.sha256} |

Both are checked against `{CARD}` before they answer. The card also says what the model was made from and what was
measured of it.
"""
