"""Recognizer: wafers in, scores out, whatever the engine; an ONNX model is scored without torch."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wafer_core.canonical import CHANNELS, canonical
from wafer_core.decode import decode_with
from wafer_core.errors import BrokenModel
from wafer_core.lot import Wafer
from wafer_core.models.asking import network_logits
from wafer_core.models.folder import ModelFile
from wafer_core.models.session import GraphSession
from wafer_core.patterns import PATTERNS

if TYPE_CHECKING:
    from wafer_core.models.networks import Network

BATCH = 128
"""Wafers a batch; more gains nothing on a processor and costs memory."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What one model says of n wafers, before decoding.

    Args:
        logits: float32 (n, 8), one a pattern; NaN where no die was tested.
        embedding: float32 (n, E); likewise.
        model: sha256 of the weights that gave them.
    """

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    model: str

    def __len__(self) -> int:
        return len(self.logits)


class Recognizer(ABC):
    """A loaded model; teacher and student, torch and ONNX, fp32 and int8 answer alike."""

    network: Network | None = None
    """The torch network behind it, for methods that follow gradients; None for an ONNX graph."""

    def __init__(self, model: ModelFile, width: int, lanes: int = 1) -> None:
        self.model = model
        self.width = width
        self.lanes = lanes

    def score(self, wafers: Sequence[Wafer], batch: int = BATCH) -> Scores:
        """Score wafers of any grids, in their order; only `batch` canonical maps a lane exist at a time.

        There is nothing to say of a wafer of which no die was tested: its scores are NaN.

        Raises:
            BrokenModel: the model answers with something else than numbers.
        """
        size, able = self.model.card.size, [row for row, wafer in enumerate(wafers) if wafer.scorable]
        some = self._batched(
            lambda i: canonical([wafers[row] for row in able[i : i + batch]], size), range(0, len(able), batch)
        )
        if len(able) == len(wafers):
            return some
        return Scores(_spread(some.logits, able, len(wafers)), _spread(some.embedding, able, len(wafers)), some.model)

    def score_maps(self, maps: NDArray[np.float32], batch: int = BATCH) -> Scores:
        """Score canonical maps float32 (n, 2, S, S), S being the card's size.

        Raises:
            ValueError: the maps have another shape or type.
            BrokenModel: the model answers with something else than numbers.
        """
        size = self.model.card.size
        if maps.shape[1:] != (CHANNELS, size, size) or maps.dtype != np.float32:
            raise ValueError(f"maps are {maps.dtype} {maps.shape}, not float32 (n, {CHANNELS}, {size}, {size})")
        return self._batched(lambda i: maps[i : i + batch], range(0, len(maps), batch))

    @abstractmethod
    def _run(self, maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits and embedding of one batch; called from as many threads at once as there are lanes."""

    def _batched(self, maps_from: Callable[[int], NDArray[np.float32]], starts: range) -> Scores:
        """Return the scores of batches, each made from where it starts, as many at once as there are lanes."""

        def answer(start: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            return self._run(maps_from(start))

        if min(self.lanes, len(starts)) > 1:
            with ThreadPoolExecutor(self.lanes) as pool:
                parts = list(pool.map(answer, starts))
        else:
            parts = [answer(start) for start in starts]
        logits = np.concatenate([np.empty((0, len(PATTERNS)), np.float32), *(part[0] for part in parts)])
        embedding = np.concatenate([np.empty((0, self.width), np.float32), *(part[1] for part in parts)])
        if not np.isfinite(logits).all():
            raise BrokenModel(f"{self.model.name}: it answered with something that is not a number; restore the file.")
        return Scores(logits, embedding, self.model.sha256)


class GraphRecognizer(Recognizer):
    """Runs an ONNX file, fp32 or int8, on ONNX Runtime.

    A batch stays on one thread and threads take whole batches: splitting each of a student's small
    layers makes the threads wait for one another, which costs up to half of the time. `graph` is the
    bytes of the file.
    """

    def __init__(self, model: ModelFile, threads: int | None = None) -> None:
        self.graph = model.read()
        self._session = GraphSession(self.graph, f"{model.folder.name}/{model.file}", threads=1)
        if self._session.size != model.card.size:
            raise BrokenModel(
                f"{model.name}: its graph takes maps of {self._session.size}, its card says {model.card.size}."
            )
        super().__init__(model, self._session.width, lanes=threads or os.cpu_count() or 1)

    def with_graph(self, data: bytes) -> GraphRecognizer:
        """Return the same recognizer over another graph of the same ends, given as an ONNX file's bytes."""
        twin = copy(self)
        twin.graph = data
        twin._session = GraphSession(data, f"{self.model.folder.name}/{self.model.file}", threads=1)
        return twin

    def _run(self, maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._session.run(maps)


class NetworkRecognizer(Recognizer):
    """Runs trained weights on torch."""

    def __init__(self, model: ModelFile, threads: int | None = None) -> None:
        # Here and not above, because scoring an ONNX model must not wait for torch.
        import torch

        from wafer_core.models.learning import fastest_layout, laid_out
        from wafer_core.models.weights import load_network

        if threads is not None:
            torch.set_num_threads(threads)
        self._torch = torch
        network = load_network(model)
        self.network = self._network = laid_out(network, fastest_layout(network))
        super().__init__(model, self._network.head.in_features)

    def with_network(self, network: Network) -> NetworkRecognizer:
        """Return the same recognizer over another network of the same architecture, in evaluation mode."""
        twin = copy(self)
        twin.network = twin._network = network
        return twin

    def _run(self, maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with self._torch.inference_mode():
            logits, embedding = self._network.logits_and_embedding(self._torch.tensor(maps))
        return logits.numpy(), embedding.numpy()


def _spread(values: NDArray[np.float32], rows: Sequence[int], count: int) -> NDArray[np.float32]:
    """Return `count` rows, those named as they are in `values` and NaN in all others."""
    spread = np.full((count, values.shape[1]), np.nan, dtype=np.float32)
    spread[rows] = values
    return spread


def network_calls(model: ModelFile, network: Network, maps: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what a model calls on canonical maps (n, 2, S, S), bool (n, 8).

    Args:
        model: whose thresholds and decoder count.
        network: its weights, wherever they live.
        maps: float32 in [0, 1].
    """
    return decode_with(model, network_logits(network, maps)).detected


def load_recognizer(model: ModelFile, threads: int | None = None) -> Recognizer:
    """Return the recognizer of a model file; torch is imported only for trained weights.

    Args:
        model: which file.
        threads: how many threads scoring may use; None takes all cores. Torch keeps one number for
            the whole process.

    Raises:
        BrokenModel: the file contradicts its card or cannot be run.
    """
    return GraphRecognizer(model, threads) if model.engine == "onnx" else NetworkRecognizer(model, threads)
