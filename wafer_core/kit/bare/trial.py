"""A program that asks the C model the test vectors, on a desk or on the machine itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from wafer_core.canonical import canonical
from wafer_core.decode import decode_with
from wafer_core.kit.pack import engine
from wafer_core.kit.vectors import read_vectors, vectors
from wafer_core.lot import Lot, Wafer
from wafer_core.models.folder import ModelFile
from wafer_core.models.session import INPUT, OUTPUTS

TOLERANCE = 0.25
"""Logits may differ by this much from ONNX Runtime's; they span some twenty.

Both sum the same integers. A float ends up on the other side of a rounding now and then, in the stem
and where sums are brought back to 8 bits, and one step there can move a logit by some hundredths.
Where a common neighbourhood of dies lies that close to a rounding, as with one of the shipped
student's, a third of the wafers differ; the others agree to the last digits of a float.
"""

_PROGRAM = Path(__file__).with_name("trial.c")


def trial(model: ModelFile) -> str:
    """Return the test program of an int8 model: vectors, expected answers and a `main` that compares."""
    lot = read_vectors(vectors(engine(model)))
    logits = exact_logits(model, lot)
    answers = decode_with(model, logits)
    codes = answers.detected @ (1 << np.arange(answers.detected.shape[1]))
    table = [
        f'    {{"{wafer.wafer}", {wafer.frame.rows}, {wafer.frame.columns}, wafer{i}, {code}, '
        f"{{{', '.join(f'{each:.6g}' for each in row)}}}}},"
        for i, (wafer, row, code) in enumerate(zip(lot, logits.tolist(), codes.tolist(), strict=True))
    ]
    most = max(wafer.states.size for wafer in lot)
    return "\n".join(
        [
            "/* Asks the model the test vectors; its exit status says how many it answered otherwise than expected. */",
            '#include "model.h"',
            "#include <stdio.h>",
            "",
            f"#define VECTORS {len(lot)}",
            f"#define MOST_DIES {most}",
            f"#define TOLERANCE {TOLERANCE}f",
            "",
            *(_picture(i, wafer) for i, wafer in enumerate(lot)),
            "static const struct vector {",
            "    const char *name;",
            "    int rows, columns;",
            "    const char *const *states;",
            "    int detected;",
            "    float logits[MODEL_PATTERNS];",
            "} vectors[VECTORS] = {",
            *table,
            "};",
            "",
            _PROGRAM.read_text(encoding="utf-8"),
        ]
    )


def exact_logits(model: ModelFile, lot: Lot) -> NDArray[np.float32]:
    """Return ONNX Runtime's int8 logits (n, 8) with sums that cannot overflow.

    On x86 processors without VNNI, ONNX Runtime adds pairs of products in 16 bits unless told
    otherwise, and a large pair is cut off; anywhere else it sums exactly, as C does.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(model.read(), options, providers=["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run([OUTPUTS[0]], {INPUT: canonical(lot.wafers, model.card.size)})[0]
    return logits


def _picture(number: int, wafer: Wafer) -> str:
    """Return a wafer's die states as rows of digits, the top row first."""
    rows = ["".join(map(str, row)) for row in wafer.states.tolist()]
    listing = ",\n".join(f'    "{row}"' for row in rows)
    return f"static const char *const wafer{number}[] = {{\n{listing}\n}};\n"
