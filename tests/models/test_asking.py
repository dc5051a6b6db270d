import numpy as np
import pytest
import torch

from wafer_core.models.asking import batches, network_logits
from wafer_core.models.networks import build

MAPS = np.random.default_rng(0).random((300, 2, 16, 16), dtype=np.float32)


@pytest.mark.parametrize("count", [0, 1, 128, 300])
def test_a_network_answers_every_map_once_and_stays_as_it_was(count):
    network = build("separable-4-8-8-8").train()
    logits = network_logits(network, MAPS[:count])
    assert logits.shape == (count, 8)
    assert network.training
    with torch.inference_mode():
        assert np.allclose(logits, network.eval()(torch.tensor(MAPS[:count])).numpy(), atol=1e-6)


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (128, [128]), (129, [128, 1]), (300, [128, 128, 44])])
def test_maps_come_a_batch_at_a_time(count, sizes):
    assert [len(batch) for batch in batches(MAPS[:count])] == sizes
