"""The same model with its weights dealt anew: what still explains alike did not look at the weights."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from wafer_core.recognise import GraphRecognizer, NetworkRecognizer, Recognizer
from wafer_core.trust.tally import Reached

MOST_ALIKE = 0.5
"""Where the ranks of a trained and of a randomised model's attributions correlate more, weights hardly matter."""


def passed(alike: Reached) -> bool:
    """Return whether a method's figure for randomised weights shows that it looks at the weights."""
    return alike.high < MOST_ALIKE


def randomised(recognizer: Recognizer, seed: int) -> Recognizer:
    """Return the model with the numbers of every weight tensor shuffled among its places.

    Adebayo et al. (2018, arXiv 1810.03292) draw weights anew; shuffling keeps their distribution, so
    that activations stay in the range the normalisations were made for. Tensors of one axis stay.

    Raises:
        TypeError: the recognizer is neither a network nor a graph.
    """
    if isinstance(recognizer, NetworkRecognizer):
        return _shuffled_network(recognizer, seed)
    if isinstance(recognizer, GraphRecognizer):
        return _shuffled_graph(recognizer, seed)
    raise TypeError(f"{type(recognizer).__name__} has no weights to shuffle")


def _shuffled_network(recognizer: NetworkRecognizer, seed: int) -> Recognizer:
    # Here and not above, because an ONNX model must not wait for torch.
    import torch

    random = torch.Generator().manual_seed(seed)
    network = deepcopy(recognizer.network)
    assert network is not None
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim > 1:
                weights.copy_(weights.flatten()[torch.randperm(weights.numel(), generator=random)].view_as(weights))
    return recognizer.with_network(network)


def _shuffled_graph(recognizer: GraphRecognizer, seed: int) -> Recognizer:
    import onnx
    from onnx import numpy_helper

    random = np.random.default_rng(seed)
    graph = onnx.load_from_string(recognizer.graph)
    for tensor in graph.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        # Whole numbers without a sign say where weights go.
        if weights.ndim > 1 and weights.dtype.kind != "u":
            shuffled = random.permutation(weights.ravel()).reshape(weights.shape)
            tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    return recognizer.with_graph(graph.SerializeToString())
