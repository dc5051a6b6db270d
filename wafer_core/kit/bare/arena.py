"""One static buffer for all grids of a network: where in it each lies, and when its room is free again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wafer_core.kit.bare.layers import Addition, Layer


def plan(layers: Sequence[Layer]) -> tuple[list[int], int]:
    """Return where in one buffer each layer's grid lies, and how long the buffer is, in bytes.

    A grid's room is free again behind its last reader, and a layer that reads each place before it
    gives that place writes over its input. The last grid is never kept: only its means are used.
    The largest rooms are placed first, each as low as it can lie (Pisarchyk and Lee 2020,
    arXiv 2001.03288).
    """
    last_reader = list(range(len(layers)))
    room = list(range(len(layers)))
    for i, layer in enumerate(layers):
        for source in _sources(layer):
            last_reader[source] = i
    for i, layer in enumerate(layers[:-1]):
        dying = (room[j] for j in _overwritable(layer, layers) if last_reader[j] == i)
        room[i] = next(dying, i)
    spans = {each: max(last_reader[i] for i in range(len(layers)) if room[i] == each) for each in set(room[:-1])}
    placed: dict[int, int] = {}
    for each in sorted(spans, key=lambda one: (-layers[one].out.bytes, one)):
        met = [other for other in placed if each <= spans[other] and other <= spans[each]]
        placed[each] = _lowest(sorted((placed[j], layers[j].out.bytes) for j in met), layers[each].out.bytes)
    ends = (at + layers[each].out.bytes for each, at in placed.items())
    return [*(placed[each] for each in room[:-1]), -1], max(ends, default=0)


def _sources(layer: Layer) -> tuple[int, ...]:
    if isinstance(layer, Addition):
        return layer.sources
    return () if layer.source is None else (layer.source,)


def _overwritable(layer: Layer, layers: Sequence[Layer]) -> tuple[int, ...]:
    """Return the inputs whose places are no longer needed once the layer has given the same place."""
    if isinstance(layer, Addition):
        return layer.sources
    pointwise = layer.weights.shape[2] == layer.stride == layer.groups == 1
    if layer.source is None or not pointwise or layer.out.channels > layers[layer.source].out.channels:
        return ()
    return (layer.source,)


def _lowest(taken: Iterable[tuple[int, int]], wanted: int) -> int:
    """Return where the first gap of at least `wanted` bytes begins between stretches in ascending order."""
    start = 0
    for at, length in taken:
        if at - start >= wanted:
            return start
        start = max(start, at + length)
    return start
