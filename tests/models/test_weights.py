import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import save

from wafer_core.errors import BrokenModel, UnsupportedMethod
from wafer_core.models.folder import files_of
from wafer_core.models.networks import build
from wafer_core.models.weights import load_network, network_bytes


def rewritten(tiny_folder, tmp_path, data, **card_fields):
    """A copy of the untrained model with other weights, for which its card vouches."""
    folder = shutil.copytree(tiny_folder, tmp_path / "rewritten")
    model = files_of(folder)[0]
    model.path.write_bytes(data)
    card = json.loads((folder / "card.json").read_text())
    card["files"][model.file].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    card.update(card_fields)
    (folder / "card.json").write_text(json.dumps(card))
    return files_of(folder)[0]


def test_weights_come_back_as_they_were(tiny_folder, tmp_path):
    network = build("separable-4-8-8-8").eval()
    loaded = load_network(rewritten(tiny_folder, tmp_path, network_bytes(network)))
    maps = torch.rand(3, 2, 16, 16)
    assert torch.equal(loaded(maps), network(maps))
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_a_graph_is_no_network(tiny_folder):
    with pytest.raises(UnsupportedMethod, match="ONNX graph"):
        load_network(files_of(tiny_folder)[1])


def state(**changes):
    return {**build("separable-4-8-8-8").state_dict(), **changes}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"PK\x03\x04 a pickle in a zip", "no safetensors file"),
        (save({"head.weight": torch.zeros(8, 8)}), "tensors are not those of separable-4-8-8-8"),
        (save(state(extra=torch.zeros(1))), "tensors are not those of"),
        (save(state(**{"head.bias": torch.zeros(9)})), "tensors are not those of"),
        (save(state(**{"head.bias": torch.full((8,), torch.nan)})), "finite numbers"),
        (save(state(**{"head.bias": torch.zeros(8, dtype=torch.float16)})), r"finite numbers of torch\.float32"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tiny_folder, tmp_path, data, sentence):
    with pytest.raises(BrokenModel, match=sentence):
        load_network(rewritten(tiny_folder, tmp_path, data))


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [("transformer-9", "no architecture"), ("residual-999-9-9", "has .* parameters and its card says")],
)
def test_a_card_cannot_ask_for_another_network(tiny_folder, tmp_path, architecture, sentence):
    model = rewritten(tiny_folder, tmp_path, network_bytes(build("separable-4-8-8-8")), architecture=architecture)
    with pytest.raises(BrokenModel, match=sentence):
        load_network(model)
