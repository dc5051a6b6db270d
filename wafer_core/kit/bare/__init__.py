"""Bare metal: everything a compiler needs to build a model and to try it."""

from __future__ import annotations

from pathlib import Path

from wafer_core.kit.bare.source import c_source
from wafer_core.kit.bare.trial import trial
from wafer_core.kit.pack import onnx_files
from wafer_core.models.folder import ModelFile


def bare_metal(model: Path | ModelFile) -> dict[str, str]:
    """Return the C files of a model's int8 graph by name: `model.h`, `model.c` and `test_model.c`.

    Args:
        model: the model's folder, or any file of it.

    Raises:
        BrokenModel: the model lacks an ONNX graph, contradicts its card, or there is no C for it.
    """
    small = onnx_files(model.folder if isinstance(model, ModelFile) else model)["int8"]
    return {**c_source(small), "test_model.c": trial(small)}
