"""A model folder learns to tell wafers unlike anything known: a reference beside its weights, a limit a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wafer_core.models.asking import batches
from wafer_core.models.card import Card, Novelty
from wafer_core.models.folder import ModelFile, files_of
from wafer_core.models.session import GraphSession
from wafer_core.novelty import limit_of, reference_bytes, reference_of
from wafer_core.whole_files import write_whole

ENDING = ".novelty.safetensors"
"""What a reference's file is called behind the name of the weights."""


def fit_novelty(folder: Path, known: NDArray[np.float32], ordinary: NDArray[np.float32]) -> Novelty | None:
    """Write a folder's reference and its limits into the card, in place of what was there; no label is read.

    Args:
        folder: a complete model folder.
        known: canonical maps float32 (n, 2, S, S) such as the model was taught on.
        ordinary: others of the same kinds that it was not taught on, of which 1 % shall be flagged.

    Returns:
        What the card now says; None where the maps are too few to tell, and then the card says nothing.

    Raises:
        BrokenModel: the folder contradicts its card.
    """
    files = files_of(folder)
    # Its fp32 graph answers as the trained weights do, in half the time.
    quick = next((file for file in files if file.engine == "onnx"), files[0])
    try:
        reference = reference_of(embeddings(quick, known))
        limits = {file.file: limit_of(reference.distances(embeddings(file, ordinary))) for file in files}
    except ValueError:
        _put(folder, quick.card, None)
        return None
    data = reference_bytes(reference)
    sha256, stem = hashlib.sha256(data).hexdigest(), files[0].file.removesuffix(".safetensors")
    # The card is true at every instant: it names the reference before until the new one is there.
    name = next(name for name in (f"{stem}{ENDING}", f"{stem}.{sha256[:8]}{ENDING}") if name != _name(quick.card))
    write_whole(folder / name, data)
    novelty = Novelty(name, len(data), sha256, limits, len(known), len(ordinary))
    _put(folder, quick.card, novelty)
    return novelty


def _put(folder: Path, card: Card, novelty: Novelty | None) -> None:
    """Write a folder's card with another reference, and take the one before away."""
    changed = replace(card, novelty=novelty)
    changed.write(folder)
    before = _name(card)
    if before is not None and before != _name(changed):
        (folder / before).unlink(missing_ok=True)


def _name(card: Card) -> str | None:
    return card.novelty.file if card.novelty else None


def embeddings(file: ModelFile, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a weights file's embeddings float32 (n, E) of canonical maps."""
    return answers(file, maps)[1]


def answers(file: ModelFile, maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a weights file's logits float32 (n, 8) and embeddings float32 (n, E) of canonical maps."""
    if file.engine == "onnx":
        session = GraphSession(file.read(), f"{file.folder.name}/{file.file}", threads=1)
        return _joined(session.run(batch) for batch in batches(maps))
    # Here and not above, because a folder that holds graphs alone needs no torch.
    import torch

    from wafer_core.models.weights import load_network

    network = load_network(file)
    with torch.inference_mode():
        both = [network.logits_and_embedding(torch.tensor(batch)) for batch in batches(maps)]
    return _joined((logits.numpy(), embedding.numpy()) for logits, embedding in both)


def _joined(
    parts: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    logits, embedding = zip(*parts, strict=True)
    return np.concatenate(logits), np.concatenate(embedding)
