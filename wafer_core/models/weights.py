"""Trained weights to and from safetensors; the only way weights enter a torch network."""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from wafer_core.errors import BrokenModel, UnsupportedMethod
from wafer_core.models.folder import ModelFile
from wafer_core.models.networks import Network, build, parameter_count


def load_network(model: ModelFile) -> Network:
    """Return the network of a model's safetensors file, in evaluation mode on the processor.

    Raises:
        BrokenModel: the file is not the card's, or does not fit the architecture the card names.
        UnsupportedMethod: the file is an ONNX graph, which has no gradients to follow.
    """
    if model.engine != "torch":
        raise UnsupportedMethod(f"{model.name} is an ONNX graph; only the trained weights make a network.")
    where = f"{model.folder.name}/{model.file}"
    network = _skeleton(model, where)
    weights = _tensors(model.read(), where)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as exc:
        raise BrokenModel(f"{where}: its tensors are not those of {model.card.architecture}.") from exc
    return network.eval()


def network_bytes(network: Network) -> bytes:
    """Return a network's weights as the bytes of a safetensors file."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return save(weights)


def _skeleton(model: ModelFile, where: str) -> Network:
    """Build the network without memory for its weights, so that a card cannot ask for a giant one."""
    try:
        with torch.device("meta"):
            network = build(model.card.architecture)
    except ValueError as exc:
        raise BrokenModel(f"{where}: {exc}") from exc
    if (count := parameter_count(network)) != model.entry.parameters:
        stated = model.entry.parameters
        raise BrokenModel(f"{where}: {model.card.architecture} has {count} parameters and its card says {stated}.")
    return network


def _tensors(data: bytes, where: str) -> dict[str, Tensor]:
    try:
        weights = load(data)
    except (SafetensorError, ValueError, KeyError) as exc:
        raise BrokenModel(f"{where}: it is no safetensors file; restore it.") from exc
    for name, tensor in weights.items():
        # Batch normalisation counts its batches in whole numbers; everything else is float32.
        expected = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        if tensor.dtype != expected or not torch.isfinite(tensor).all():
            raise BrokenModel(f"{where}: {name} must hold finite numbers of {expected}.")
    return weights
