import pytest
import torch

from rivals.networks import RIVALS
from wafer_core.models.networks import parameter_count

PUBLISHED = {"wafersegclassnet-like": 41_600, "wm-peleenet-like": 169_000, "dc-net-plain": 2_250_000}


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_is_about_as_large_as_published(name):
    assert parameter_count(RIVALS[name]()) == pytest.approx(PUBLISHED[name], rel=0.1)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rivals_answer_is_the_mean_of_its_class_maps(name):
    network = RIVALS[name]().eval()
    maps = torch.rand(2, 2, 52, 52, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        class_maps = network.class_maps(network.features(maps))
        logits = class_maps.mean(dim=(2, 3)) + network.head.bias
        assert torch.allclose(network(maps), logits, atol=1e-5)
