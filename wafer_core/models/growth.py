"""The weights that a training begins with: those of another model, taken into a network that may have layers more."""

from __future__ import annotations

from torch import Size, nn

from wafer_core.errors import UsageError
from wafer_core.models.folder import ModelFile
from wafer_core.models.networks import Dense, Network, Separable, build
from wafer_core.models.weights import load_network


def started_from(model: ModelFile, architecture: str) -> Network:
    """Return a network of `architecture` that answers as `model` does, in evaluation mode on the processor.

    Raises:
        UsageError: the model is of another architecture, which differs in more than layers that add to their input.
        BrokenModel: the model's file cannot be read.
    """
    network = load_network(model)
    try:
        return grown(network, architecture)
    except ValueError as exc:
        raise UsageError(
            f"{model.name} is a {model.card.architecture}: name that --architecture, or start anew."
        ) from exc


def grown(network: Network, architecture: str) -> Network:
    """Return a network with layers more, or none, that answers as `network` does.

    A layer more is one that adds to its input. What it adds is scaled by zero, and learns from there (Chen et al.,
    arXiv 1511.05641).

    Args:
        network: stays as it is.
        architecture: a name `networks.build` knows.

    Raises:
        ValueError: the two differ in more than such layers, or there is no such architecture.
    """
    larger = build(architecture).eval()
    layers = list(network.body)
    for layer in larger.body:
        if layers and _alike(layer, layers[0]):
            layer.load_state_dict(layers.pop(0).state_dict())
        elif isinstance(layer, Dense) or (isinstance(layer, Separable) and layer.adds):
            layer.silence()
        else:
            raise ValueError(f"{architecture} has other layers than the network to grow")
    if layers or not _alike(larger.head, network.head):
        raise ValueError(f"{architecture} lacks layers of the network to grow")
    larger.head.load_state_dict(network.head.state_dict())
    return larger


def _alike(one: nn.Module, other: nn.Module) -> bool:
    return type(one) is type(other) and _shapes(one) == _shapes(other)


def _shapes(module: nn.Module) -> dict[str, Size]:
    return {name: value.shape for name, value in module.state_dict().items()}
