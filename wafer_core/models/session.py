"""ONNX Runtime sessions over student graphs; knows neither torch nor wafers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from wafer_core.canonical import CHANNELS
from wafer_core.errors import BrokenModel
from wafer_core.patterns import PATTERNS

INPUT = "map"
"""The graph's one input: canonical maps float32 (n, 2, S, S)."""

OUTPUTS = ("logits", "embedding")
"""The graph's outputs: float32 (n, 8) and (n, E)."""

_LOG_ERRORS = 3
_FAILURES = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.RuntimeException,
)


class GraphSession:
    """One ONNX Runtime session, kept for every batch.

    Args:
        data: the bytes of the ONNX file.
        where: what begins the sentence of an error, such as `student/student.onnx`.
        threads: how many threads one run may use; None leaves it to ONNX Runtime.

    Raises:
        BrokenModel: ONNX Runtime cannot run it, or its input and outputs are not those of a student.
    """

    def __init__(self, data: bytes, where: str, threads: int | None = None) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = _LOG_ERRORS
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        self.where = where
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _FAILURES as exc:
            raise BrokenModel(
                f"{where}: ONNX Runtime {ort.__version__} cannot load it: it is no usable model, or needs a later "
                "version; restore it, or update ONNX Runtime."
            ) from exc
        self.size, self.width = self._check_ends()

    def run(self, maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits float32 (n, 8) and embedding float32 (n, E) of maps float32 (n, 2, S, S).

        Raises:
            BrokenModel: ONNX Runtime failed, or the graph answers with another number of rows than it was asked.
        """
        try:
            logits, embedding = self._session.run(list(OUTPUTS), {INPUT: np.ascontiguousarray(maps)})
        except _FAILURES as exc:
            raise BrokenModel(f"{self.where}: ONNX Runtime failed while running it.") from exc
        if logits.shape != (len(maps), len(PATTERNS)) or embedding.shape != (len(maps), self.width):
            raise BrokenModel(f"{self.where}: it does not give every map logits and an embedding of its own.")
        return logits, embedding

    def _check_ends(self) -> tuple[int, int]:
        """Return the size of the map and the width of the embedding."""
        taken = {each.name: each for each in self._session.get_inputs()}
        given = {each.name: each for each in self._session.get_outputs()}
        floats = all(each.type == "tensor(float)" for each in (*taken.values(), *given.values()))
        if set(taken) != {INPUT} or set(given) != set(OUTPUTS) or not floats:
            raise BrokenModel(
                f"{self.where}: a model takes {INPUT!r} and gives {' and '.join(OUTPUTS)}; this does not."
            )
        shape, width = _fixed(taken[INPUT]), _fixed(given["embedding"])
        if len(shape) != 4 or shape[1] != CHANNELS or not shape[2] or shape[2] != shape[3]:
            raise BrokenModel(f"{self.where}: it does not take square maps of {CHANNELS} channels.")
        if _fixed(given["logits"])[1:] != [len(PATTERNS)] or len(width) != 2 or not width[1]:
            raise BrokenModel(f"{self.where}: it does not give {len(PATTERNS)} logits and an embedding a map.")
        return shape[2], width[1]


def _fixed(end: Any) -> list[int]:  # noqa: ANN401 - ONNX Runtime's NodeArg is untyped
    """Return a shape with 0 for every dimension that is not fixed."""
    return [each if isinstance(each, int) else 0 for each in end.shape]
