import numpy as np
import pytest

from wafer_core.kit.bare.arena import plan
from wafer_core.kit.bare.layers import Addition, Convolution, Grid


def convolution(source, side, channels, kernel=3, stride=1, groups=1):
    weights = np.zeros((channels, 1, kernel, kernel), np.int8)
    return Convolution(
        source, weights, np.ones(channels), np.zeros(channels), stride, 0, groups, grid(side, channels), 0
    )


def addition(first, second, side, channels):
    return Addition((first, second), grid(side, channels), 0)


def grid(side, channels):
    return Grid(side, channels, 1.0, 0)


def random_layers(random):
    """Layers of one grid shape now and then added to each other, as residual networks have them."""
    layers = [convolution(None, 16, 8, stride=2)]
    for _ in range(random.integers(1, 12)):
        last = layers[-1].out
        alike = [i for i, layer in enumerate(layers) if layer.out == last]
        if len(alike) > 1 and random.random() < 0.4:
            layers.append(addition(len(layers) - 1, int(random.choice(alike[:-1])), last.side, last.channels))
        else:
            kernel, channels = int(random.choice([1, 3])), int(random.choice([8, 12, 16]))
            source = int(random.choice(alike))
            layers.append(convolution(source, max(1, last.side - random.integers(2)), channels, kernel))
    return layers


@pytest.mark.parametrize("seed", range(40))
def test_no_grid_is_overwritten_before_its_last_reader(seed):
    layers = random_layers(np.random.default_rng(seed))
    offsets, length = plan(layers)
    memory = np.full(length, -1)
    for i, layer in enumerate(layers):
        sources = layer.sources if isinstance(layer, Addition) else [s for s in [layer.source] if s is not None]
        for source in sources:
            assert (memory[offsets[source] : offsets[source] + layers[source].out.bytes] == source).all()
        if i < len(layers) - 1:
            assert 0 <= offsets[i] <= length - layer.out.bytes
            memory[offsets[i] : offsets[i] + layer.out.bytes] = i
    assert offsets[-1] == -1


def test_rooms_are_used_again():
    chain = [convolution(None, 16, 8), *(convolution(i, 16, 8) for i in range(9))]
    assert plan(chain)[1] == 2 * 16 * 16 * 8


def test_a_pointwise_layer_and_an_addition_write_over_what_they_read():
    block = [
        convolution(None, 16, 8),
        convolution(0, 16, 8, kernel=5, groups=8),
        convolution(1, 16, 8, kernel=1),
        addition(2, 0, 16, 8),
        convolution(3, 16, 8),
    ]
    offsets, length = plan(block)
    assert length == 2 * 16 * 16 * 8
    assert offsets[2] == offsets[1]
    assert offsets[3] in (offsets[2], offsets[0])


@pytest.mark.parametrize(
    "layer", [convolution(0, 16, 9, kernel=1), convolution(0, 8, 8, kernel=1, stride=2), convolution(0, 16, 8)]
)
def test_a_layer_that_would_write_ahead_of_its_reading_gets_its_own_room(layer):
    (read, written, _), length = plan([convolution(None, 16, 8), layer, convolution(1, 8, 8)])
    assert written >= read + 16 * 16 * 8 or read >= written + layer.out.bytes
    assert length == 16 * 16 * 8 + layer.out.bytes
