"""Writing a model folder: weights, ONNX, int8 and the card that binds them, all or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from wafer_core.models.asking import batches, network_logits
from wafer_core.models.card import CARD, MOST_EARLIER, Card, Engine, Figure, FileEntry, Precision, Role, replaced
from wafer_core.models.export import export_onnx, quantise
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.models.networks import Network, parameter_count
from wafer_core.models.reference import fit_novelty
from wafer_core.models.session import GraphSession
from wafer_core.models.weights import network_bytes
from wafer_core.whole_files import partial_of, settle

Thresholds = Sequence[float] | Callable[[NDArray[np.float32], Precision], Sequence[float]]
"""Eight probabilities, or what finds them for a file from its logits (n, 8) on the threshold maps and its precision."""

P = ParamSpec("P")
T = TypeVar("T")


def write_model(
    folder: Path,
    network: Network,
    *,
    name: str,
    role: Role,
    architecture: str,
    size: int,
    decoder: str,
    unsure_below: float,
    thresholds: Thresholds,
    calibration: NDArray[np.float32],
    made_from: Mapping[str, Any],
    start: ModelFile | None = None,
    threshold_maps: NDArray[np.float32] | None = None,
    stem: str | None = None,
    figures: Sequence[Figure] = (),
    known: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    beside: Mapping[str, str] | None = None,
) -> Generator[str, None, tuple[ModelFile, ...]]:
    """Write a model's folder; a reader never sees half of it.

    It holds `STEM.safetensors`, `STEM.onnx`, `STEM.int8.onnx`, `card.json`, and `STEM.novelty.safetensors` where
    enough is known to tell novelty.

    Everything is made in a folder beside the target first. A target that exists keeps its other
    files; it loses its card first and gets the new one last. Each stage is named before it begins,
    so that a caller can turn to something else in between; one that never comes back leaves nothing
    behind.

    Args:
        folder: where the model will live.
        network: the trained network.
        name: what the screen calls it.
        role: whether it teaches or was taught.
        architecture: the name `networks.build` knows the network by.
        size: rows and columns of its canonical map.
        decoder: a key of `ALLOWED_SETS`.
        unsure_below: margin in logits under which its verdicts are unsure.
        thresholds: eight probabilities for all files, or a function that finds each file's own.
        calibration: canonical maps float32 (n, 2, S, S) for the activation ranges of int8.
        made_from: as in `Card`, without the runs before this one.
        start: the model whose weights it began with, as `made_from` says; the card names the runs that led to them.
        threshold_maps: the maps a threshold function sees logits of; the calibration maps unless given.
        stem: of the file names; the folder's name unless given.
        figures: what is already measured.
        known: maps the network was taught on, and ordinary ones it was not, from which novelty is told;
            too few of either make a model without it.
        beside: further text files by name, such as `run.json`.

    Raises:
        BrokenModel: a value cannot stand in a card.
    """
    stem = stem or folder.resolve().name
    maps = calibration if threshold_maps is None else threshold_maps
    with _staged(folder) as stage:
        trained, graph, small = (stage / f"{stem}{ending}" for ending in (".safetensors", ".onnx", ".int8.onnx"))
        count = parameter_count(network)
        trained.write_bytes(network_bytes(network))
        yield "thresholds"
        cuts = {trained: _cuts(thresholds, network_logits(network, maps), "fp32")}
        yield "export"
        export_onnx(network, size, graph)
        cuts[graph] = _cuts(thresholds, _graph_logits(graph, maps), "fp32")
        yield "int8"
        quantise(graph, small, calibration)
        yield "int8 thresholds"
        cuts[small] = _cuts(thresholds, _graph_logits(small, maps), "int8")
        files = {
            trained.name: _entry(trained, "torch", "fp32", count, cuts[trained]),
            graph.name: _entry(graph, "onnx", "fp32", count, cuts[graph]),
            small.name: _entry(small, "onnx", "int8", count, cuts[small]),
        }
        Card(
            name=name,
            role=role,
            architecture=architecture,
            size=size,
            decoder=decoder,
            unsure_below=unsure_below,
            files=files,
            made_from={**made_from, **_earlier(start)},
            figures=tuple(figures),
        ).write(stage)
        if known is not None:
            yield "novelty"
            fit_novelty(stage, *known)
        for other, text in (beside or {}).items():
            (stage / other).write_text(text, encoding="utf-8")
    return files_of(folder)


def _earlier(start: ModelFile | None) -> dict[str, Any]:
    """Return what the card says of the runs before.

    It is no part of what callers hand over: by the fingerprint of that a checkpoint is known again, also one that an
    older version left.
    """
    return {"earlier": start.card.runs_until(start.sha256)[-MOST_EARLIER:]} if start else {}


def _at_once(stages: Callable[P, Generator[object, None, T]]) -> Callable[P, T]:
    @wraps(stages)
    def whole(*given: P.args, **named: P.kwargs) -> T:
        going = stages(*given, **named)
        while True:
            try:
                next(going)
            except StopIteration as end:
                return cast(T, end.value)

    return whole


save_model = _at_once(write_model)
"""`write_model` without a pause between its stages."""


def _graph_logits(graph: Path, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    session = GraphSession(graph.read_bytes(), graph.name)
    return np.concatenate([session.run(batch)[0] for batch in batches(maps)])


def _cuts(thresholds: Thresholds, logits: NDArray[np.float32], precision: Precision) -> tuple[float, ...]:
    found = thresholds(logits, precision) if callable(thresholds) else thresholds
    return tuple(float(each) for each in found)


def _entry(
    path: Path, engine: Engine, precision: Precision, parameters: int, thresholds: tuple[float, ...]
) -> FileEntry:
    data = path.read_bytes()
    return FileEntry(engine, precision, parameters, len(data), hashlib.sha256(data).hexdigest(), thresholds)


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Give a folder of the same name to write into, and put it in the target's place when all went well."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    around = partial_of(folder)
    # One deeper than a model's folder, so that no list of models holds it.
    stage = around / folder.name
    stage.mkdir(parents=True)
    try:
        yield stage
        for path in stage.iterdir():
            settle(path)
        if folder.exists():
            _replace(folder, stage)
        else:
            os.replace(stage, folder)
    finally:
        shutil.rmtree(around, ignore_errors=True)


def _replace(folder: Path, stage: Path) -> None:
    """Move the files of a stage into a folder that exists, and may hold other things of its owner's.

    There is no card while weights change, so that none ever stands over those of another model. What they
    replace goes to where `Card.read` tells of it, should this never come to its end; what an earlier one
    that never did put there is the last whole model, and stays until there is another.
    """
    before = replaced(folder)
    before.mkdir(parents=True, exist_ok=True)
    names = sorted((path.name for path in stage.iterdir()), key=lambda name: name == CARD)
    for name in reversed(names):
        if (folder / name).exists() and not (before / name).exists():
            os.replace(folder / name, before / name)
    for name in names:
        os.replace(stage / name, folder / name)
    shutil.rmtree(before.parent)
